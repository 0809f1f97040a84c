"""Mail onto disk, by pipe and by mailbox: nothing that was taken is lost, and what is not taken comes again."""

from __future__ import annotations

import contextlib
import os
import socket
import ssl
import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.x509.oid import NameOID
from django.core.management import CommandError, call_command
from django.db import OperationalError

from contacts.models import Consent
from deliveries.models import Backscatter, Message, PendingReceipt, Receipt, StatusEvent
from deliveries.providers.smtp_marks import envelope, envelope_to
from deliveries.receiving import mail
from deliveries.receiving.recording import record_all
from tests import factories

ROOT = Path(__file__).resolve().parents[3]
CREDENTIALS = {
    "host": "mail.example.com",
    "port": "25",
    "bounce_address": "bounces@bounce.example.com",
    "secret": "bounce-secret",
}
STRANGER = "Subject: You have won\nMessage-ID: <1@sender.example.org>\n"


@pytest.fixture
def account(db):
    return factories.account("smtp", name="Office mail", credentials=CREDENTIALS)


def sent(account, **fields):
    """A mail of ours that the relay took."""
    campaign = factories.campaign(channel="email", state="sending")
    recipient = factories.recipient(campaign)
    return factories.message(recipient, account=account, channel="email", **fields)


def bounce(to, original=STRANGER, action="failed", status="5.1.1", address="robin@example.net"):
    return (
        f"Return-Path: <>\nFrom: MAILER-DAEMON@mx.example.net\nTo: {to}\nSubject: Undelivered mail\n"
        'Content-Type: multipart/report; report-type=delivery-status; boundary="b"\n\n'
        "--b\nContent-Type: text/plain\n\nSorry.\n\n--b\nContent-Type: message/delivery-status\n\n"
        f"Reporting-MTA: dns; mx.example.net\n\nFinal-Recipient: rfc822; {address}\nAction: {action}\n"
        f"Status: {status}\n\n--b\nContent-Type: text/rfc822-headers\n\n{original}\n--b--\n"
    ).encode()


def verp(message):
    return envelope("bounces", str(message.uuid), CREDENTIALS)


def settle(now):
    record_all(now)
    return {message.pk: message.status for message in Message.objects.all()}


# ---- What is kept, and what it does ----------------------------------------------------------------------------


def test_a_bounce_to_our_token_bounces_its_message(account, now):
    message, other = sent(account), sent(account)

    mail.keep(account, bounce(verp(message)), verp(message), now=now)

    assert settle(now) == {message.pk: "bounced", other.pk: "sent"}
    (receipt,) = Receipt.objects.all()
    assert (receipt.kind, receipt.method, receipt.headers.get("x-waybill-proof")) == ("dsn", "MAIL", None)
    assert not PendingReceipt.objects.exists()


def test_the_envelope_recipient_is_read_from_the_headers_where_an_alias_hid_it(account, now):
    message = sent(account)

    mail.keep(account, bounce(verp(message)), "waybill@localhost", now=now)

    assert settle(now) == {message.pk: "bounced"}


def test_a_bounce_without_a_token_counts_by_our_message_id(account, now):
    message = sent(account)
    ours = f"Message-ID: <{message.uuid}@bounce.example.com>\n"

    mail.keep(account, bounce("bounces@bounce.example.com", ours), now=now)

    assert settle(now) == {message.pk: "bounced"}
    assert Receipt.objects.get().headers["x-waybill-proof"] == "no"


def test_a_stranger_cannot_bounce_a_contact(account, now):
    """Neither a made-up token, nor the recipient's address, nor a token of the stranger's own mail is enough."""
    victim, own = sent(account), sent(account)
    digits = victim.uuid.hex
    address = victim.address.value
    forged = [
        (f"bounces+{digits}{'0' * 16}@bounce.example.com", STRANGER),
        ("bounces@bounce.example.com", f"To: {address}\n{STRANGER}"),
        ("bounces@bounce.example.com", f"Message-ID: <{victim.uuid}@elsewhere.example.org>\n"),
    ]

    for to, original in forged:
        mail.keep(account, bounce(to, original, address=address), to, now=now)
    mail.keep(account, bounce(verp(own), address=address), verp(own), now=now)

    assert settle(now) == {victim.pk: "sent", own.pk: "bounced"}
    assert Backscatter.objects.count() == len(forged)
    assert all("somebody may be using your address" in report.text for report in Backscatter.objects.all())


def test_the_same_bounce_again_changes_nothing(account, now):
    message = sent(account)

    for _ in range(3):
        mail.keep(account, bounce(verp(message)), verp(message), now=now)
    record_all(now)

    assert StatusEvent.objects.filter(message_id=message.pk).count() == 1
    assert Receipt.objects.count() == 3


def test_a_mail_to_the_unsubscribe_address_stops_the_address_that_was_mailed(account, now):
    message = sent(account)
    to = envelope("unsubscribe", str(message.uuid), CREDENTIALS)
    raw = f"From: elsewhere@example.org\nTo: {to}\nSubject: unsubscribe {message.address.value}\n\n".encode()

    mail.keep(account, raw, to, now=now)
    record_all(now)

    consent = Consent.objects.filter(contact=message.contact, channel="email").latest("at")
    assert not consent.opted_in


def test_a_mail_too_long_is_kept_up_to_the_limit(account, now, settings):
    settings.RECEIPT_MAX_BYTES = 2_000
    message = sent(account)
    raw = bounce(verp(message), f"Message-ID: <1@x>\n\n{'x' * 5_000}")

    mail.keep(account, raw, verp(message), now=now)

    receipt = Receipt.objects.get()
    assert len(bytes(receipt.body)) == 2_000
    assert receipt.headers["x-waybill-cut-from"] == str(len(raw))
    assert settle(now) == {message.pk: "bounced"}


@pytest.mark.parametrize(
    ("headers", "found"),
    [
        ("Delivered-To: waybill@localhost\nTo: bounces+{t}@b.example.com\n", "bounces+{t}@b.example.com"),
        (
            "To: Bounces <x@y>,\n =?utf-8?q?=C3=A4?= <bounces+{t}@b.example.com>\n",
            "bounces+{t}@b.example.com",
        ),
        ("X-Original-To: bounces-{t}@b.example.com\n", "bounces-{t}@b.example.com"),
        ("To: fbl@b.example.com\n", "fbl@b.example.com"),
        ("Subject: x\n\nTo: bounces+{t}@b.example.com\n", ""),
        ("Subject: To: bounces+{t}@b.example.com\n", ""),
        ("", ""),
    ],
)
def test_whom_a_mail_was_sent_to(headers, found):
    token = "0123456789abcdef" * 3

    assert envelope_to(headers.format(t=token).encode()) == found.format(t=token)


# ---- manage.py ingest_mail -------------------------------------------------------------------------------------


def ingest(env, raw, *arguments):
    command = [sys.executable, "manage.py", "ingest_mail", *arguments]
    return subprocess.run(command, input=raw, cwd=ROOT, env=env, capture_output=True, timeout=60, check=False)


@pytest.mark.processes
@pytest.mark.django_db(transaction=True)
def test_the_command_keeps_a_mail_and_says_so(process_env, now):
    account = factories.account("smtp", name="Office mail", credentials=CREDENTIALS)
    message = sent(account)

    done = ingest(
        process_env, bounce(verp(message)), "--account", "Office mail", "--envelope-to", verp(message)
    )

    assert (done.returncode, done.stdout) == (0, b""), done.stderr
    assert settle(now) == {message.pk: "bounced"}


@pytest.mark.once
@pytest.mark.processes
@pytest.mark.django_db(transaction=True)
def test_whatever_is_wrong_the_mail_server_keeps_the_mail(process_env, tmp_path):
    factories.account("smtp", name="Office mail", credentials=CREDENTIALS)
    factories.account("sandbox", name="Texts")
    raw = bounce("bounces@bounce.example.com")
    away = process_env | {"DATABASE_URL": "postgresql://nobody@127.0.0.1:1/nothing"}
    gone = process_env | {"DATABASE_URL": f"sqlite:///{tmp_path}/no/such/folder.sqlite3"}
    wrong = [
        (away, raw, ["--account", "Office mail"]),
        (gone, raw, ["--account", "Office mail"]),
        (process_env, raw, ["--account", "No such"]),
        (process_env, raw, ["--account", "Texts"]),
        (process_env, raw, []),
        (process_env, b"", ["--account", "Office mail"]),
    ]

    for env, body, arguments in wrong:
        done = ingest(env, body, *arguments)
        assert done.returncode == os.EX_TEMPFAIL, (arguments, done.stderr)
        assert done.stderr
    assert not Receipt.objects.exists()


# ---- manage.py poll_mail ---------------------------------------------------------------------------------------


class Mailbox(threading.Thread):
    """As much of an IMAP server as a mailbox needs, over TLS."""

    def __init__(self, certificate, mails):
        super().__init__(daemon=True)
        self.mails, self.seen, self.said = dict(enumerate(mails, start=7)), set(), []
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        self.listening = context.wrap_socket(socket.create_server(("127.0.0.1", 0)), server_side=True)
        self.port = self.listening.getsockname()[1]
        self.start()

    def run(self):
        while self.listening.fileno() != -1:
            with contextlib.suppress(OSError):  # whoever calls may hang up, or not trust us
                connection, _ = self.listening.accept()
                with connection, connection.makefile("rwb") as line:
                    self.talk(line)

    def talk(self, line):
        line.write(b"* OK ready\r\n")
        line.flush()
        while said := line.readline():
            self.answer(line, *said.decode().rstrip().split(" ", 2))
            line.flush()

    def answer(self, line, tag, word, rest=""):
        self.said.append(f"{word} {rest}".strip())
        told: list[bytes] = getattr(self, word.lower(), lambda _: [])(rest)
        refused = word == "LOGIN" and '"right"' not in rest
        line.write(b"".join(told) + f"{tag} {'NO' if refused else 'OK'} done\r\n".encode())

    def capability(self, _):
        return [b"* CAPABILITY IMAP4REV1\r\n"]

    def select(self, _):
        return [b"* 1 EXISTS\r\n"]

    def uid(self, rest):
        word, _, rest = rest.partition(" ")
        if word == "SEARCH":
            new = " ".join(str(uid) for uid in self.mails if uid not in self.seen)
            return [f"* SEARCH {new}\r\n".encode()]
        uid, _, rest = rest.partition(" ")
        if word == "STORE":
            self.seen.add(int(uid))
            return []
        limit = int(rest.rpartition("<0.")[2].rstrip(">)"))
        raw = self.mails[int(uid)]
        head = f"* 1 FETCH (UID {uid} RFC822.SIZE {len(raw)} BODY[]<0> {{{len(raw[:limit])}}}\r\n"
        return [head.encode(), raw[:limit], b")\r\n"]


def signed_by_itself(folder):
    """A file with a key and a certificate for 127.0.0.1."""
    key, name = (
        ec.generate_private_key(ec.SECP256R1()),
        x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "t")]),
    )
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(1).not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
        .sign(key, SHA256())
    )  # fmt: skip
    path = folder / "server.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(private + made.public_bytes(serialization.Encoding.PEM))
    return path


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    return signed_by_itself(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def mailbox(account, certificate, monkeypatch):
    """`mailbox(mails)`: a server with them, which the account fetches from."""
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    opened = []

    def make(*mails, **changes):
        server = Mailbox(certificate, mails)
        opened.append(server)
        told = {
            "imap_host": "127.0.0.1",
            "imap_port": str(server.port),
            "imap_user": "b",
            "imap_password": "right",
        }
        account.credentials = CREDENTIALS | told | changes
        account.save(update_fields=["credentials"])
        return server

    yield make
    for server in opened:
        server.listening.close()


def test_unseen_mail_is_kept_and_then_marked(account, mailbox, now):
    message = sent(account)
    server = mailbox(bounce(verp(message)), b"From: a@example.org\nTo: bounces@bounce.example.com\n\nHi\n")

    call_command("poll_mail")
    call_command("poll_mail")

    assert Receipt.objects.count() == 2
    assert server.seen == {7, 8}
    assert 'SELECT "INBOX"' in server.said
    assert settle(now) == {message.pk: "bounced"}


def test_mail_that_could_not_be_stored_stays_unseen(account, mailbox, monkeypatch):
    server = mailbox(b"From: a@example.org\n\none\n", b"From: a@example.org\n\ntwo\n")
    kept: list[bytes] = []

    def full(account, raw, **more):
        if kept:
            raise OperationalError("disk full")
        kept.append(raw)

    monkeypatch.setattr(mail, "keep", full)
    with pytest.raises(CommandError):
        call_command("poll_mail")

    assert server.seen == {7}


def test_a_long_mail_is_fetched_up_to_the_limit(account, mailbox, settings):
    settings.RECEIPT_MAX_BYTES = 1_500
    mailbox(b"From: a@example.org\n\n" + b"x" * 4_000)

    call_command("poll_mail")

    receipt = Receipt.objects.get()
    assert (len(bytes(receipt.body)), receipt.headers["x-waybill-cut-from"]) == (1_500, "4021")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"imap_password": "wrong"}, "done"),
        ({"imap_port": "1"}, "refused"),
        ({"imap_port": "many"}, "invalid literal"),
    ],
)
def test_a_mailbox_that_is_away_does_not_hold_up_the_others(account, mailbox, capsys, changes, reason):
    mailbox(b"From: a@example.org\n\none\n", **changes)
    healthy = account.credentials | {"imap_password": "right"}
    server = mailbox(b"From: a@example.org\n\ntwo\n")
    factories.account("smtp", name="Another", credentials=account.credentials)
    account.credentials = healthy | changes
    account.save(update_fields=["credentials"])

    with pytest.raises(CommandError, match="Not every mailbox"):
        call_command("poll_mail")

    assert reason in capsys.readouterr().err
    assert (server.seen, Receipt.objects.count()) == ({7}, 1)


def test_a_certificate_nobody_signed_is_refused(account, mailbox, monkeypatch):
    server = mailbox(b"From: a@example.org\n\none\n")
    monkeypatch.delenv("SSL_CERT_FILE")

    with pytest.raises(mail.MailboxAway, match="certificate"):
        mail.fetch(account)

    assert (server.said, server.seen) == ([], set())


def test_a_name_without_a_mailbox_is_told(account, capsys):
    with pytest.raises(CommandError):
        call_command("poll_mail", "--account", "Office mail")

    assert "Office mail: no active account with a mailbox" in capsys.readouterr().err


@pytest.mark.once
@pytest.mark.processes
@pytest.mark.django_db(transaction=True)
def test_for_ever_ends_when_it_is_told_to(process_env):
    nobody = {"imap_host": "127.0.0.1", "imap_port": "1", "imap_user": "b", "imap_password": "right"}
    factories.account("smtp", name="Office mail", credentials=CREDENTIALS | nobody)
    with subprocess.Popen(
        [sys.executable, "manage.py", "poll_mail", "--forever"],
        cwd=ROOT, env=process_env, stderr=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        said = process.stderr.readline()  # of its first round: it goes on until it is told to end
        process.terminate()

        assert process.wait(timeout=15) == 0
    assert said.startswith("Office mail: ")
