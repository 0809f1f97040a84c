"""A real process that sends, and an account that goes down: urgent messages leave by the next route within seconds."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import time as clock
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from django.utils import timezone

from deliveries.models import Account, Decision, Message, Outbox, Route, RouteAlarm
from tests import factories
from tests.engine import agree, sending, waiting

ROOT = Path(__file__).resolve().parents[3]
pytestmark = [pytest.mark.processes, pytest.mark.django_db(transaction=True)]

URGENT, NORMAL = 60, 20
WITHIN = 5.0  # seconds after the account began to rest


class Network(ThreadingHTTPServer):
    """Takes what the account "up" hands over and has no room for what "down" does; remembers both."""

    daemon_threads = True
    request_queue_size = 256

    def __init__(self, port: int) -> None:
        super().__init__(("127.0.0.1", port), Answer)
        self.taken: set[str] = set()
        self.counts: Counter[tuple[str, str]] = Counter()


class Answer(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Network

    def do_POST(self) -> None:
        ref = json.loads(self.rfile.read(int(self.headers["content-length"])))["ref"]
        account = self.headers["authorization"].removeprefix("Bearer ")
        self.server.counts[account, ref] += 1
        if account == "up":
            self.server.taken.add(ref)
            self._answer(200, {"id": f"id-{ref}"})
        else:
            self._answer(503, {})

    def _answer(self, status: int, fields: dict) -> None:
        body = json.dumps(fields).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def network(process_env: dict[str, str]) -> Iterator[Network]:
    made = Network(int(process_env["PORT"]))
    thread = threading.Thread(target=made.serve_forever, daemon=True)
    thread.start()
    yield made
    made.shutdown()
    made.server_close()


@pytest.fixture
def sender(process_env: dict[str, str], network: Network, tmp_path: Path) -> Iterator[Callable[[], None]]:
    """`sender()` starts the process that sends."""
    started: list[subprocess.Popen] = []

    def start() -> None:
        url = f"http://127.0.0.1:{process_env['PORT']}"
        started.append(
            subprocess.Popen(
                [sys.executable, "manage.py", "drain", "--forever", "--role", "send"],
                cwd=ROOT, env=process_env | {"SANDBOX_URL": url}, stdin=subprocess.DEVNULL,
                stderr=(tmp_path / "sender.log").open("ab"),
            )
        )  # fmt: skip

    yield start
    for process in started:
        process.terminate()
        process.wait(timeout=30)


def wait_for(true: Callable[[], object], what: str, seconds: float = 60.0) -> float:
    """How many seconds it took."""
    began = time.monotonic()
    while not true():
        assert time.monotonic() < began + seconds, f"{what}: not within {seconds} s"
        time.sleep(0.05)
    return time.monotonic() - began


def queue(account: Account, count: int, priority: str) -> set[str]:
    campaign = sending(priority=priority, window_start=clock(0), window_end=clock.max)
    made = {str(waiting(campaign, account, timezone.now()).uuid) for _ in range(count)}
    Outbox.objects.filter(campaign_id=campaign.pk).update(urgent=priority == "urgent")
    return made


def test_urgent_messages_of_a_rested_account_leave_by_the_next_route_within_five_seconds(network, sender):
    down = factories.account(name="Down", credentials={"secret": "down"})
    up = factories.account(name="Up", credentials={"secret": "up"})
    for position, account in enumerate((down, up), 1):
        Route.objects.create(channel="sms", position=position, account=account)
    urgent, normal = queue(down, URGENT, "urgent"), queue(down, NORMAL, "normal")

    sender()

    wait_for(lambda: Account.objects.get(name="Down").is_paused, "The account rests")
    took = wait_for(lambda: urgent <= network.taken, "Urgent messages leave", seconds=WITHIN)
    print(f"\n{URGENT} urgent messages left by the next route within {took:.1f} s of its rest.")
    time.sleep(1.5)
    assert network.taken == urgent  # the others wait

    alarm = RouteAlarm.objects.get(closed_at=None)
    assert (alarm.kind, alarm.account) == ("rests", down)
    RouteAlarm.objects.update(raised_at=alarm.raised_at - timedelta(minutes=5))
    wait_for(lambda: network.taken == urgent | normal, "The others leave")

    wait_for(lambda: not Outbox.objects.exists(), "All answers are stored")
    assert {ref: network.counts["up", ref] for ref in urgent | normal} == dict.fromkeys(urgent | normal, 1)
    assert set(Message.objects.values_list("account__name", "status")) == {("Up", "sending")}
    assert Decision.objects.filter(rule="passed_on").count() == URGENT + NORMAL
    assert RouteAlarm.objects.filter(closed_at=None, account=down).exists()
    assert agree()
