"""A real Postfix takes our mail, and sends real reports that come back through `manage.py ingest_mail`.

It runs by itself, with its own settings and queue, in a network of its own: nothing but the loopback of the test can be
reached. Where the system does not allow another network it listens on a free port of this one; its settings let no
mail out either.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import fcntl
import os
import pwd
import shutil
import smtplib
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from django.utils import timezone

from deliveries.models import Backscatter, Message, PendingReceipt, Receipt, StatusEvent
from deliveries.providers.facts import OutboundMessage
from deliveries.providers.smtp import Smtp
from deliveries.receiving.recording import record_all
from tests import factories

ROOT = Path(__file__).resolve().parents[3]
pytestmark = [pytest.mark.processes, pytest.mark.once, pytest.mark.django_db(transaction=True)]

CLONE_NEWNET, SIOCGIFFLAGS, SIOCSIFFLAGS, IFF_UP = 0x40000000, 0x8913, 0x8914, 0x1
ACCOUNT = "Office mail"
LIFETIME = 12  # seconds that Postfix tries for

MAIN_CF = """
compatibility_level = 3.6
queue_directory = {folder}/queue
data_directory = {folder}/data
maillog_file = {folder}/postfix.log
maillog_file_prefixes = {folder}
myhostname = relay.example.com
mydestination =
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mynetworks = 127.0.0.0/8
smtpd_relay_restrictions = permit_mynetworks, reject
smtpd_peername_lookup = no
smtpd_reject_unlisted_recipient = no
disable_dns_lookups = yes
default_transport = error:5.4.4 nothing leaves this machine
transport_maps = texthash:{folder}/transport
virtual_mailbox_domains = people.example.net
virtual_mailbox_base = {folder}/boxes
virtual_mailbox_maps = texthash:{folder}/boxes.map
virtual_uid_maps = static:{nobody}
virtual_gid_maps = static:{nobody}
virtual_minimum_uid = 1
ingest_destination_recipient_limit = 1
ingest_destination_concurrency_failed_cohort_limit = 100
queue_run_delay = 1s
minimal_backoff_time = 1s
maximal_backoff_time = 2s
delay_warning_time = 1s
maximal_queue_lifetime = {lifetime}s
smtp_connect_timeout = 1s
smtp_helo_timeout = 1s
"""
MASTER_CF = """
127.0.0.1:{port} inet n - n - - smtpd
cleanup   unix n - n - 0 cleanup
qmgr      unix n - n 1 1 qmgr
rewrite   unix - - n - - trivial-rewrite
bounce    unix - - n - 0 bounce
defer     unix - - n - 0 bounce
trace     unix - - n - 0 bounce
proxymap  unix - - n - - proxymap
smtp      unix - - n - - smtp
error     unix - - n - - error
retry     unix - - n - - error
virtual   unix - n n - - virtual
anvil     unix - - n - 1 anvil
scache    unix - - n - 1 scache
tlsmgr    unix - - n 1000? 1 tlsmgr
postlog   unix-dgram n - n - 1 postlogd
ingest    unix - n n - 2 pipe flags=Rq user=nobody argv={folder}/ingest ${{recipient}}
"""
# What the mail server calls runs as nobody, who may read neither the code nor the database: it leaves the mail in a
# folder, where the test takes it to `manage.py ingest_mail` and leaves the exit code.
INGEST = """#!/bin/sh
set -e
mail=$(mktemp {folder}/spool/XXXXXXXX)
cat >"$mail"
printf %s "$1" >"$mail.to"
mv "$mail" "$mail.mail"
while [ ! -s "$mail.code" ]; do sleep 0.1; done
exit "$(cat "$mail.code")"
"""


class Network:
    """A network with nothing but a loopback, for whatever runs in the one thread of `run`."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(max_workers=1)
        self.apart = self._thread.submit(self._leave).result()

    @staticmethod
    def _leave() -> bool:
        if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWNET):
            return False
        with socket.socket() as any_socket:
            name = struct.pack("16sH14s", b"lo", 0, b"")
            flags = struct.unpack("16sH14s", fcntl.ioctl(any_socket, SIOCGIFFLAGS, name))[1]
            fcntl.ioctl(any_socket, SIOCSIFFLAGS, struct.pack("16sH14s", b"lo", flags | IFF_UP, b""))
        return True

    def run(self, act, *arguments, **more):
        """What `act` gives there. Processes and threads that it starts stay there."""
        return self._thread.submit(act, *arguments, **more).result(timeout=60)

    def listen(self) -> socket.socket:
        return self.run(socket.create_server, ("127.0.0.1", 0))


class Destination(threading.Thread):
    """A mail server somewhere, which answers every recipient with `reply`; with None it never says a word."""

    def __init__(self, network: Network, reply: str | None) -> None:
        super().__init__(daemon=True)
        self.reply, self.listening = reply, network.listen()
        self.open: list[socket.socket] = []
        self.port = self.listening.getsockname()[1]
        self.start()

    def run(self) -> None:
        while True:
            try:
                connection, _ = self.listening.accept()
            except OSError:
                return
            self.open.append(connection)
            threading.Thread(target=self.talk, args=[connection], daemon=True).start()

    def talk(self, connection: socket.socket) -> None:
        if self.reply is None:
            return
        with contextlib.suppress(OSError), connection.makefile("rwb", buffering=0) as line:
            line.write(b"220 mx.example.net\r\n")
            while said := line.readline().decode().upper():
                replies = {
                    "RCPT": self.reply,
                    "DATA": "354 go",
                    "QUIT": "221 bye",
                    "EHLO": "250 mx.example.net",
                }
                line.write(f"{replies.get(said[:4], '250 2.0.0 Ok')}\r\n".encode())
                if said.startswith("DATA"):
                    while line.readline() not in (b".\r\n", b""):
                        pass
                    line.write(b"250 2.0.0 Taken\r\n")


class Postfix:
    """A Postfix of our own, and the way back from it."""

    def __init__(self, network: Network, port: int, env: dict[str, str], transports: dict[str, int]) -> None:
        self.network, self.port, self.env = network, port, env
        self.folder = Path(tempfile.mkdtemp(prefix="waybill-postfix-"))
        self.codes: list[int] = []
        self.database_away = False
        self.ended = threading.Event()
        self.set_up(transports)
        self.process = network.run(self.command, "start-fg")
        threading.Thread(target=self.carry, daemon=True).start()

    def set_up(self, transports: dict[str, int]) -> None:
        nobody, postfix = pwd.getpwnam("nobody"), pwd.getpwnam("postfix")
        self.folder.chmod(0o755)
        for name, owner in (("etc", 0), ("queue", 0), ("data", postfix.pw_uid), ("boxes", nobody.pw_uid),
                            ("spool", nobody.pw_uid)):  # fmt: skip
            (self.folder / name).mkdir()
            os.chown(self.folder / name, owner, -1)
        fields = {"folder": self.folder, "port": self.port, "nobody": nobody.pw_uid, "lifetime": LIFETIME}
        (self.folder / "etc/main.cf").write_text(MAIN_CF.format(**fields))
        (self.folder / "etc/master.cf").write_text(MASTER_CF.format(**fields))
        (self.folder / "boxes.map").write_text("robin@people.example.net robin\n")
        routes = {"bounce.example.com": "ingest:"}
        routes |= {domain: f"smtp:[127.0.0.1]:{port}" for domain, port in transports.items()}
        (self.folder / "transport").write_text("".join(f"{domain} {to}\n" for domain, to in routes.items()))
        (self.folder / "ingest").write_text(INGEST.format(**fields))
        (self.folder / "ingest").chmod(0o755)

    def command(self, word: str) -> subprocess.Popen:
        with (self.folder / "postfix.out").open("ab") as out:
            return subprocess.Popen(
                ["postfix", "-c", str(self.folder / "etc"), word],
                stdin=subprocess.DEVNULL, stdout=out, stderr=out, env={"PATH": os.environ["PATH"] + ":/usr/sbin"},
            )  # fmt: skip

    def answers(self) -> bool:
        with contextlib.suppress(OSError, smtplib.SMTPException):
            self.network.run(smtplib.SMTP, "127.0.0.1", self.port, timeout=5).close()
            return True
        return False

    def carry(self) -> None:
        """Take each mail that came back to the command, and its exit code back to Postfix."""
        while not self.ended.is_set():
            for path in sorted((self.folder / "spool").glob("*.mail")):
                to = path.with_suffix(".to").read_text()
                self.codes.append(self.ingest(path.read_bytes(), to))
                path.unlink(missing_ok=True)  # Postfix no longer waits for an answer
                told = path.with_suffix(".telling")
                told.write_text(str(self.codes[-1]))
                told.rename(path.with_suffix(".code"))
            self.ended.wait(0.1)

    def ingest(self, mail: bytes, to: str) -> int:
        env = self.env | (
            {"DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none"} if self.database_away else {}
        )
        command = [sys.executable, "manage.py", "ingest_mail", "--account", ACCOUNT, "--envelope-to", to]
        return subprocess.run(
            command, input=mail, cwd=ROOT, env=env, capture_output=True, check=False
        ).returncode

    def said(self) -> str:
        logs = [path.read_text()[-6_000:] for path in sorted(self.folder.glob("postfix.*"))]
        return "\n".join(logs)

    def end(self) -> None:
        self.ended.set()
        self.network.run(self.command, "abort").wait(timeout=30)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(timeout=10)
        if self.process.poll() is None:
            self.process.kill()
        shutil.rmtree(self.folder, ignore_errors=True)


def wait_for(true, what: str, said, seconds: float = 90.0) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, f"{what}: not within {seconds} s\n{said()}"
        time.sleep(0.3)


@pytest.fixture
def network(unavailable):
    if os.getuid() or not shutil.which("postfix", path=f"{os.environ['PATH']}:/usr/sbin"):
        unavailable("Postfix, which only root can start (install postfix)")
    return Network()


@pytest.fixture
def destinations(network):
    made = {
        "refusing.example.net": Destination(network, "550 5.7.1 We do not take mail from you"),
        "full.example.net": Destination(network, "452 4.2.2 The mailbox is full"),
        "silent.example.net": Destination(network, None),
        "taking.example.net": Destination(network, "250 2.1.5 Ok"),
    }
    yield made
    for each in made.values():
        each.listening.close()


@pytest.fixture
def postfix(network, destinations, process_env, free_port):
    server = Postfix(
        network, free_port, process_env, {name: each.port for name, each in destinations.items()}
    )
    try:
        wait_for(server.answers, "Postfix answers", server.said, seconds=30)
        yield server
    finally:
        server.end()


@pytest.fixture
def account(postfix):
    told = {"host": "127.0.0.1", "port": str(postfix.port), "bounce_address": "bounces@bounce.example.com",
            "secret": "bounce-secret"}  # fmt: skip
    return factories.account("smtp", name=ACCOUNT, credentials=told)


def send(postfix: Postfix, account, to: str) -> Message:
    """Hand a mail to Postfix through our own adapter."""
    recipient = factories.recipient(factories.campaign(channel="email", state="sending"))
    address = factories.email(recipient.contact, value=to)
    message = factories.message(
        recipient, account=account, channel="email", status="sending", address=address, provider_message_id=""
    )
    mail = OutboundMessage(
        str(message.uuid), "email", to, "news@example.com", "Hello Robin.", "", subject="Hello"
    )
    handover = postfix.network.run(asyncio.run, Smtp().send(mail, account.credentials, None))
    assert handover.accepted, handover
    return message


def told(message: Message) -> set[tuple[str, str, str, str, str]]:
    """(Postfix's word, code, and what they mean) of every event of this message that a report brought."""
    events = StatusEvent.objects.filter(message_id=message.pk)
    return set(events.values_list("native_status", "native_code", "status", "failure_class", "fault"))


# By address: what Postfix says in the end, and what that means; then what it says on the way there, if anything.
EXPECTED = {
    "robin@people.example.net": {("delivered", "2.0.0", "delivered", "none", "none")},
    "nobody.here@people.example.net": {("failed", "5.1.1", "bounced", "permanent", "recipient")},
    "robin@refusing.example.net": {("failed", "5.7.1", "blocked", "compliance", "sender")},
    "robin@taking.example.net": {("relayed", "2.0.0", "sent", "none", "none")},
    "robin@full.example.net": {
        ("delayed", "4.2.2", "delayed", "temporary", "recipient"),
        ("failed", "4.2.2", "bounced", "temporary", "recipient"),
    },
    "robin@silent.example.net": {
        ("delayed", "4.4.2", "delayed", "temporary", "carrier"),
        ("failed", "4.4.2", "bounced", "temporary", "carrier"),
    },
}


def test_postfix_reports_what_became_of_each_mail(postfix, account):
    sent = {to: send(postfix, account, to) for to in EXPECTED}

    def all_told() -> bool:
        record_all(timezone.now())
        return {to: told(message) for to, message in sent.items()} == EXPECTED

    wait_for(
        all_told, "every report", lambda: f"{ {to: told(m) for to, m in sent.items()} }\n{postfix.said()}"
    )
    assert set(postfix.codes) == {0}
    assert not PendingReceipt.objects.exists()
    assert not Backscatter.objects.exists()
    for message in Message.objects.all():
        reports = [
            bytes(each.body)
            for each in Receipt.objects.all()
            if message.uuid.hex.encode() in bytes(each.body)
        ]
        assert reports
        for report in reports:
            assert f"Original-Envelope-Id: {message.uuid}@bounce.example.com".encode() in report
            assert f"Original-Recipient: rfc822;{message.address.value}".encode() in report


def test_postfix_keeps_a_report_while_the_database_is_away(postfix, account):
    postfix.database_away = True
    message = send(postfix, account, "nobody.here@people.example.net")
    wait_for(lambda: os.EX_TEMPFAIL in postfix.codes, "the first try", postfix.said)

    postfix.database_away = False
    wait_for(lambda: 0 in postfix.codes, "another try", postfix.said)

    record_all(timezone.now())
    assert told(message) == EXPECTED["nobody.here@people.example.net"]
    assert Receipt.objects.count() == 1


def test_postfix_bounces_mail_that_a_stranger_sent_in_our_name(postfix, account):
    bystander = send(postfix, account, "robin@people.example.net")
    forged = "From: news@example.com\nTo: nobody.here@people.example.net\nSubject: You have won\n\nHello\n"

    def forge() -> None:
        with smtplib.SMTP("127.0.0.1", postfix.port, timeout=10) as smtp:
            smtp.sendmail("bounces@bounce.example.com", "nobody.here@people.example.net", forged)

    postfix.network.run(forge)
    wait_for(lambda: len(postfix.codes) >= 2, "both reports", postfix.said)

    record_all(timezone.now())
    report = Backscatter.objects.get()
    assert report.address == "nobody.here@people.example.net"
    assert "somebody may be using your address" in report.text
    assert told(bystander) == EXPECTED["robin@people.example.net"]
