"""A real Kannel between us and a simulated SMS centre: what we send through it comes back as reports we understand.

Three parties are real: bearerbox and smsbox of Kannel, our `web` that hears them, and our `drain` that sends and
records.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import time as clock
from pathlib import Path
from typing import NoReturn
from urllib.parse import urlencode

import httpx
import pytest
from django.utils import timezone

from contacts.models import Consent, Suppression
from deliveries.models import Account, Engagement, Message, PendingReceipt, Receipt, StatusEvent
from deliveries.running.supervisor import end_groups
from tests import factories
from tests.deliveries.providers.smpp_centre import Centre, Refusal, State
from tests.engine import person, sending, waiting
from tests.ports import free_ports

ROOT = Path(__file__).resolve().parents[3]
pytestmark = [pytest.mark.processes, pytest.mark.once, pytest.mark.django_db(transaction=True)]

# With escapes in it that Kannel would fill in, were they not kept from it.
SECRET = "£ sécret %d&c"
PASSWORD = "not-a-real-password"
QUEUE_DELAY = 1  # seconds until smsbox repeats what was not answered as it likes

CONFIGURATION = """
group = core
admin-port = {admin}
admin-interface = 127.0.0.1
admin-password = {password}
smsbox-port = {smsbox}
smsbox-interface = 127.0.0.1
box-allow-ip = 127.0.0.1
log-file = {logs}/bearerbox.log
log-level = 1

group = smsc
smsc = smpp
smsc-id = centre
host = 127.0.0.1
port = {centre}
transceiver-mode = true
interface-version = 34
smsc-username = waybill
smsc-password = {password}
system-type = ""
reconnect-delay = 1

group = smsbox
bearerbox-host = 127.0.0.1
bearerbox-port = {smsbox}
sendsms-port = {sendsms}
sendsms-interface = 127.0.0.1
http-request-retry = 5
http-queue-delay = {delay}
log-file = {logs}/smsbox.log
log-level = 1

group = sendsms-user
username = waybill
password = {password}
max-messages = 10
concatenation = true

group = sms-service
keyword = default
catch-all = true
max-messages = 0
get-url = "{inbound}&from=%p&to=%P&text=%b&charset=%C&t=%T&i=%I"
"""

# What the centre does with a message, and what we then know of it: status, class, fault, reason, native statuses.
FATES = {
    "delivered": (["DELIVRD"], ("delivered", "none", "none", "", {"8", "DELIVRD"})),
    "failed": (["UNDELIV"], ("undelivered", "unknown", "recipient", "UNDELIV", {"8", "UNDELIV"})),
    "failed for the operator's reason": (
        ["UNDELIV/027"], ("undelivered", "unknown", "none", "027", {"8", "UNDELIV"}),
    ),
    "expired": (["EXPIRED"], ("expired", "temporary", "recipient", "EXPIRED", {"8", "EXPIRED"})),
    "buffered": (["BUFFRED"], ("delayed", "temporary", "none", "", {"8", "BUFFRED"})),
    "buffered, then delivered": (
        ["BUFFRED", "DELIVRD"], ("delivered", "none", "none", "", {"8", "BUFFRED", "DELIVRD"}),
    ),
    "delivered without a word": ([State(2)], ("delivered", "none", "none", "", {"8", "1"})),
    "refused at once": ([Refusal(0x0B)], ("rejected", "permanent", "recipient", "0x0000000B", {"16"})),
    "never heard of again": ([], ("sent", "none", "none", "", {"8"})),
}  # fmt: skip


LONG = "Снег ☃ и солнце. " * 12  # more than one part, and in no alphabet of seven bits


class Gateway:
    """Kannel's two boxes and ours, with all they write in one directory."""

    def __init__(self, env: dict[str, str], logs: Path, centre: Centre, account: Account) -> None:
        self.env, self.logs = env, logs
        admin, smsbox, sendsms = free_ports(3)
        self.status = f"http://127.0.0.1:{admin}/status.txt?password={PASSWORD}"
        self.sendsms = f"http://127.0.0.1:{sendsms}"
        self.web = f"http://127.0.0.1:{env['PORT']}"
        inbound = f"{self.web}/hooks/{account.token}/inbound?{urlencode({'k': SECRET})}"
        self.configuration = logs / "kannel.conf"
        self.configuration.write_text(
            CONFIGURATION.format(
                admin=admin, smsbox=smsbox, sendsms=sendsms, centre=centre.port, password=PASSWORD,
                logs=logs, delay=QUEUE_DELAY, inbound=inbound.replace("%", "%%"),
            )
        )  # fmt: skip
        self.running: list[subprocess.Popen] = []

    def start(self) -> None:
        self._start("web", [sys.executable, "manage.py", "web"])
        self._start("bearerbox", [kannel("bearerbox"), "-v", "4", str(self.configuration)])
        self.wait_for(lambda: "(online" in said_at(self.status), "bearerbox is bound to the centre")
        self._start("smsbox", [kannel("smsbox"), "-v", "4", str(self.configuration)])
        self.wait_for(lambda: "Unknown request" in said_at(self.sendsms), "smsbox answers")
        self.wait_for(lambda: "ok" in said_at(f"{self.web}/healthz/"), "web answers")

    def drain(self) -> None:
        self._start("drain", [sys.executable, "manage.py", "drain", "--forever", "--only", "record,send"])

    def _start(self, name: str, command: list[str]) -> None:
        with (self.logs / f"{name}.out").open("ab") as out:
            self.running.append(
                subprocess.Popen(
                    command, cwd=ROOT, env=self.env, stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                    start_new_session=True,
                )
            )  # fmt: skip

    def end(self) -> None:
        end_groups([process.pid for process in self.running if process.poll() is None], grace=5)

    def wait_for(self, true: Callable[[], object], what: str, seconds: float = 30.0) -> None:
        deadline = time.monotonic() + seconds
        while not true():
            assert time.monotonic() < deadline, f"{what}: not within {seconds} s; they said:\n{self.said()}"
            time.sleep(0.1)

    def said(self) -> str:
        logs = sorted([*self.logs.glob("*.out"), *self.logs.glob("*.log")])
        return "\n".join(f"---- {log.name}\n{log.read_text(errors='replace')[-3_000:]}" for log in logs)


def kannel(name: str) -> str:
    """The path of one of its programs, '' where it is not installed."""
    return shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin") or ""


def said_at(url: str) -> str:
    with contextlib.suppress(httpx.HTTPError):
        return httpx.get(url).text
    return ""


@pytest.fixture
def centre() -> Iterator[Centre]:
    with Centre() as made:
        yield made


@pytest.fixture
def account(process_env: dict[str, str]) -> Account:
    return factories.account("kannel", channels=["sms"])


@pytest.fixture
def gateway(
    process_env: dict[str, str],
    tmp_path: Path,
    centre: Centre,
    account: Account,
    unavailable: Callable[[str], NoReturn],
) -> Iterator[Gateway]:
    if not (kannel("bearerbox") and kannel("smsbox")):
        unavailable("no Kannel was found (install kannel)")
    made = Gateway(process_env, tmp_path, centre, account)
    account.credentials = {
        "base_url": made.sendsms, "username": "waybill", "password": PASSWORD, "url_secret": SECRET,
    }  # fmt: skip
    account.save()
    made.start()
    yield made
    made.end()


def message_to_somebody(account: Account, body: str = "Hello {first_name}.") -> Message:
    """A text that waits to be handed over to Kannel, to somebody new, at any hour."""
    now = timezone.now()
    campaign = sending("sms", window_start=clock(0), window_end=clock.max)
    campaign.contents.update(body=body)
    return waiting(campaign, account, now, person("sms", at=now))


def reported(message: Message) -> set[str]:
    """What Kannel said of it, in its own words."""
    events = StatusEvent.objects.filter(message_id=message.pk, receipt_id__isnull=False)
    return set(events.values_list("native_status", flat=True))


def test_what_becomes_of_a_message_is_reported_and_understood(gateway, centre, account):
    sent = {name: message_to_somebody(account) for name in FATES}
    for name, (fate, _) in FATES.items():
        centre.fates[sent[name].address.value] = fate
    wanted = {name: words for name, (_, words) in FATES.items()}
    reports = sum(len(words[-1]) for words in wanted.values())

    gateway.drain()
    gateway.wait_for(
        lambda: all(reported(sent[name]) == wanted[name][-1] for name in sent), "every report is recorded"
    )

    found = {}
    for name, message in sent.items():
        message.refresh_from_db()
        known = (message.status, message.failure_class, message.fault, message.reason_code)
        found[name] = (*known, reported(message))
    assert found == wanted
    time.sleep(2 * QUEUE_DELAY)  # by then smsbox would have come again, were it not content with our answers
    assert Receipt.objects.count() == reports
    assert not PendingReceipt.objects.exists()
    assert Account.objects.get(pk=account.pk).forged == 0


def test_a_long_text_leaves_in_parts_and_is_reported_on_once(gateway, centre, account):
    message = message_to_somebody(account, LONG)
    centre.fates[message.address.value] = ["DELIVRD"]

    gateway.drain()
    gateway.wait_for(lambda: reported(message) == {"8", "DELIVRD"}, "the long text is reported on")

    message.refresh_from_db()
    parts = [part for part in centre.submitted if part.to == message.address.value]
    assert "".join(part.text for part in parts) == LONG
    assert (message.segments, message.status) == (len(parts), "delivered")
    assert len(parts) > 1


def test_what_people_write_is_heard_and_a_stop_is_obeyed(gateway, centre, account):
    talker, leaver = message_to_somebody(account), message_to_somebody(account)
    gateway.drain()
    gateway.wait_for(lambda: len(centre.submitted) == 2, "both texts have left")

    centre.write(talker.address.value, talker.sender.value, "Спасибо, до завтра ☃")
    centre.write(leaver.address.value, leaver.sender.value, "Stop")
    gateway.wait_for(lambda: Engagement.objects.count() == 2, "both answers are recorded")

    heard = Engagement.objects.values_list("contact_id", "kind", "text")
    assert set(heard) == {
        (talker.contact_id, "reply", "Спасибо, до завтра ☃"),
        (leaver.contact_id, "stop", "Stop"),
    }
    stopped = Suppression.objects.in_force(timezone.now()).values_list("value", "reason")
    assert list(stopped) == [(leaver.address.value, "stop")]
    assert Consent.objects.filter(contact=leaver.contact_id, channel="sms").latest("at").opted_in is False
