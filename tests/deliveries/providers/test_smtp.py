"""Handing mail to a relay, and telling mail of ours from what strangers say about it."""

from __future__ import annotations

import asyncio
import contextlib
import email
import socket
import ssl
import threading
from email import policy

import pytest

from deliveries.meaning.translation import shipped
from deliveries.providers.facts import Call, LostAnswer, OutboundMessage, Report, SendResult
from deliveries.providers.mail import smtp_sending
from deliveries.providers.smtp import Smtp
from deliveries.providers.smtp_marks import envelope, proof
from tests.deliveries.receiving.test_mail import signed_by_itself

SMTP = Smtp()
REF = "6f1c2b9e-3f0a-4c55-9d1e-0a1b2c3d4e5f"
TOKEN = f"{REF.replace('-', '')}{proof(REF, 'bounce-secret')}"
MESSAGE = OutboundMessage(
    ref=REF, channel="email", to="robin+shop@example.net", sender="news@example.com", subject="Your appointment",
    body="Hello Robin,\n.\nyour appointment is tomorrow.\n", callback="",
)  # fmt: skip
EHLO = ["250-relay", "250-DSN", "250-SMTPUTF8", "250 SIZE 1000000"]


class Relay(threading.Thread):
    """A mail server that answers as told: by the first word of a command, or "text" for the mail itself.

    An answer is a reply, a list of lines, or None to hang up.
    """

    def __init__(self, answers, pem=None):
        super().__init__(daemon=True)
        self.answers = {
            "greeting": "220 relay",
            "EHLO": EHLO,
            "QUIT": "221 bye",
            "text": "250 2.0.0 Ok: queued as 1",
        }
        self.answers |= answers
        self.pem, self.said, self.mail = pem, [], b""
        self.listening = socket.create_server(("127.0.0.1", 0))
        self.port = self.listening.getsockname()[1]
        self.start()

    def run(self):
        connection, _ = self.listening.accept()
        self.listening.close()
        with connection, contextlib.suppress(OSError):  # whoever calls may hang up
            self.talk(connection)

    def talk(self, connection):
        line = connection.makefile("rwb")
        if not self.answer(line, "greeting"):
            return
        while said := line.readline().decode().rstrip():
            self.said.append(said)
            word = said.split()[0].upper()
            if not self.answer(line, word):
                return
            if word == "STARTTLS":
                context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
                context.load_cert_chain(self.pem)
                self.talk_on(context.wrap_socket(connection, server_side=True))
                return
            if word == "DATA" and self.answers.get("DATA", "354")[:3] == "354":
                while (text := line.readline()) not in (b".\r\n", b""):
                    self.mail += text.removeprefix(b".")
                if not self.answer(line, "text"):
                    return

    def talk_on(self, connection):
        self.answers |= {"greeting": [], "EHLO": self.answers.get("EHLO over TLS", EHLO)}
        self.talk(connection)

    def answer(self, line, word):
        told = self.answers.get(word, "354 go" if word == "DATA" else "250 2.1.0 Ok")
        if told is None:
            return False
        for each in [told] if isinstance(told, str) else told:
            line.write(f"{each}\r\n".encode())
        line.flush()
        return True

    @property
    def commands(self):
        return {said.split()[0].upper(): said for said in self.said}


def credentials(port, **more):
    return {
        "host": "127.0.0.1", "port": str(port), "bounce_address": "bounces@bounce.example.com",
        "secret": "bounce-secret", **more,
    }  # fmt: skip


def against(answers=None, message=MESSAGE, pem=None, **more):
    """What comes of handing `message` to a relay that answers like this, and the relay."""
    relay = Relay(answers or {}, pem)
    try:
        return asyncio.run(SMTP.send(message, credentials(relay.port, **more), None)), relay
    finally:
        relay.join(timeout=5)


def changed(**fields):
    return OutboundMessage(**{**vars(MESSAGE), **fields})


def text_of(mail):
    return mail.get_content().replace("\r\n", "\n")


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    return signed_by_itself(tmp_path_factory.mktemp("tls"))


# ---- What goes out ---------------------------------------------------------------------------------------------


def test_a_mail_goes_out_with_its_reference_three_times():
    handover, relay = against()

    assert handover == SendResult(True, provider_message_id=f"{REF}@bounce.example.com")
    assert relay.commands["EHLO"] == "ehlo bounce.example.com"
    assert relay.commands["MAIL"] == (
        f"mail FROM:<bounces+{TOKEN}@bounce.example.com> RET=HDRS ENVID={REF}@bounce.example.com"
    )
    assert relay.commands["RCPT"] == (
        "rcpt TO:<robin+shop@example.net> NOTIFY=SUCCESS,FAILURE,DELAY ORCPT=rfc822;robin+2Bshop@example.net"
    )
    mail = email.message_from_bytes(relay.mail, policy=policy.default)
    assert mail["message-id"] == f"<{REF}@bounce.example.com>"
    assert (mail["from"], mail["to"], mail["subject"]) == ("news@example.com", MESSAGE.to, "Your appointment")
    assert text_of(mail) == MESSAGE.body
    assert mail["date"]
    assert not {"auto-submitted", "list-unsubscribe", "list-unsubscribe-post"} & {
        name.lower() for name in mail
    }
    assert len(f"unsubscribe+{TOKEN}") <= 64  # RFC 5321, 4.5.3.1.1


def test_a_long_domain_fits_everywhere():
    domain = ".".join(["bounce" * 10] * 3 + ["example.com"])
    handover, relay = against(bounce_address=f"bounces@{domain}")

    assert len(handover.provider_message_id) == 80
    assert relay.commands["MAIL"].endswith(f" ENVID={REF}")
    assert email.message_from_bytes(relay.mail)["message-id"] == f"<{REF}@{domain}>"


def test_reports_are_asked_for_only_where_they_are_offered():
    _, relay = against({"EHLO": "250 relay"})

    assert relay.commands["MAIL"] == f"mail FROM:<bounces+{TOKEN}@bounce.example.com>"
    assert relay.commands["RCPT"] == "rcpt TO:<robin+shop@example.net>"


def test_unsubscribing_is_offered_where_a_page_for_it_is_given():
    page = f"https://waybill.example.com/unsubscribe/{'x' * 150}"
    _, relay = against(message=changed(extra={"unsubscribe": page}))

    mail = email.message_from_bytes(relay.mail, policy=policy.default)
    assert mail["list-unsubscribe"] == (
        f"<{page}>, <mailto:unsubscribe+{TOKEN}@bounce.example.com?subject=unsubscribe%20robin%2Bshop%40example.net>"
    )
    assert mail["list-unsubscribe-post"] == "List-Unsubscribe=One-Click"


def test_letters_beyond_ascii_arrive():
    message = changed(subject="Schöne Grüße " * 10, body="Grüße ☃\n" + "x" * 2_000, to="robin@exämple.net")
    _, relay = against(message=message)

    mail = email.message_from_bytes(relay.mail, policy=policy.default)
    assert relay.mail.isascii()
    assert max(map(len, relay.mail.splitlines())) < 998
    assert (mail["subject"], text_of(mail)) == (("Schöne Grüße " * 10).strip(), message.body + "\n")
    assert relay.commands["RCPT"].startswith("rcpt TO:<robin@xn--exmple-cua.net>")


def test_an_address_beyond_ascii_needs_a_relay_that_takes_it():
    message = changed(to="röbin@example.net")

    taken, relay = against(message=message)
    refused, other = against({"EHLO": "250 relay"}, message)

    assert taken.accepted
    assert relay.commands["MAIL"].endswith("SMTPUTF8")
    assert (refused.native_status, refused.native_code) == ("rejected", "5.6.7")
    assert "MAIL" not in other.commands


@pytest.mark.parametrize(
    "to", ["robin", "robin@example.net\r\nRCPT TO:<eve@example.org>", "a b@example.net", "<a@b>"]
)
def test_an_address_that_is_none_never_reaches_the_relay(to):
    handover = asyncio.run(SMTP.send(changed(to=to), credentials(1), None))

    assert (handover.accepted, handover.native_status) == (False, "rejected")


def test_headers_cannot_be_smuggled_in_by_a_subject():
    _, relay = against(
        message=changed(subject="Hello\r\nBcc: eve@example.org", sender="news@example.com\nX: y")
    )

    headers = email.message_from_bytes(relay.mail).keys()
    assert not {"Bcc", "X"} & set(headers)


# ---- What the relay says ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answers", "code", "meaning"),
    [
        (
            {"RCPT": "550 5.1.1 <robin@example.net>: no such user"},
            "5.1.1",
            ("bounced", "permanent", "recipient"),
        ),
        ({"RCPT": ["550-5.7.1 Not", "550 5.7.1 from you"]}, "5.7.1", ("blocked", "compliance", "sender")),
        ({"RCPT": "550 No such user here"}, "550", ("bounced", "permanent", "recipient")),
        ({"RCPT": "550 Blocked using a list"}, "text/policy", ("blocked", "compliance", "sender")),
        ({"RCPT": "550 no"}, "", ("rejected", "unknown", "none")),
        ({"MAIL": "553 5.1.8 Sender domain unknown"}, "5.1.8", ("rejected", "permanent", "sender")),
        ({"MAIL": "550 unknown user"}, "text/sender-rejected", ("blocked", "compliance", "sender")),
        ({"text": "552 5.3.4 Too big"}, "5.3.4", ("bounced", "content", "content")),
        ({"text": "554 looks like spam"}, "text/spam", ("blocked", "content", "content")),
        ({"DATA": "554 5.5.1 No valid recipients"}, "5.5.1", ("failed", "permanent", "sender")),
        ({"greeting": "554 5.7.1 Your address is listed"}, "5.7.1", ("blocked", "compliance", "sender")),
        ({"EHLO": "502 what?", "HELO": "502 5.5.1 no"}, "5.5.1", ("failed", "permanent", "sender")),
    ],
)
def test_a_refusal_keeps_its_code_and_can_be_translated(answers, code, meaning):
    handover, _ = against(answers)

    assert (handover.accepted, handover.retry_after) == (False, None)
    assert (handover.native_status, handover.native_code) == ("rejected", code)
    found = shipped().translate("smtp", Report("", "", "email", handover.native_status, handover.native_code))
    assert found.known
    assert found.meaning[:3] == meaning


@pytest.mark.parametrize(
    "answers",
    [
        {"greeting": "421 4.3.2 Too busy"},
        {"MAIL": "451 4.3.0 Try later"},
        {"RCPT": "450 4.2.0 Greylisted"},
        {"RCPT": "452 4.2.2 Mailbox full"},
        {"DATA": "421 4.7.0 Slow down"},
        {"text": "451 4.3.0 Try later"},
        {"greeting": None},
        {"EHLO": None, "HELO": None},
        {"MAIL": None},
        {"RCPT": None},
        {"RCPT": "what?"},
    ],
    ids=lambda answers: str(answers),
)
def test_what_was_not_taken_is_to_be_sent_later(answers):
    handover, _ = against(answers)

    assert (handover.accepted, handover.native_status) == (False, "")
    assert handover.retry_after >= 30


@pytest.mark.parametrize("answers", [{"text": None}, {"DATA": None}, {"text": "what?"}])
def test_an_answer_that_got_lost_is_not_taken_for_a_refusal(answers):
    with pytest.raises(LostAnswer):
        against(answers)


def test_a_relay_that_falls_silent_after_the_text_leaves_us_in_doubt(monkeypatch):
    monkeypatch.setattr(smtp_sending, "SECONDS", 0.5)

    with pytest.raises(LostAnswer):
        against({"text": []})


@pytest.mark.parametrize("answers", [{"greeting": []}, {"RCPT": []}])
def test_a_relay_that_falls_silent_before_took_nothing(monkeypatch, answers):
    monkeypatch.setattr(smtp_sending, "SECONDS", 0.5)
    handover, _ = against(answers)

    assert handover.retry_after


def test_a_relay_that_is_not_there_is_asked_later():
    assert asyncio.run(SMTP.send(MESSAGE, credentials(1), None)).retry_after
    assert asyncio.run(SMTP.send(MESSAGE, credentials("many"), None)).retry_after


def test_a_bad_farewell_takes_nothing_back():
    for farewell in ("500 what?", None):
        handover, _ = against({"QUIT": farewell})
        assert handover.accepted


# ---- Passwords -------------------------------------------------------------------------------------------------

OFFERING_TLS = {"EHLO": ["250-relay", "250 STARTTLS"], "EHLO over TLS": ["250-relay", "250-DSN", "250 AUTH PLAIN"],
                "STARTTLS": "220 go", "AUTH": "235 2.7.0 welcome"}  # fmt: skip
LOGIN = {"username": "waybill", "password": "right"}


def test_a_password_goes_over_tls(certificate, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    handover, relay = against(OFFERING_TLS, pem=certificate, **LOGIN)

    assert handover.accepted
    assert [said.split()[0].upper() for said in relay.said][:4] == ["EHLO", "STARTTLS", "EHLO", "AUTH"]


def test_a_password_never_goes_to_a_relay_without_tls(certificate):
    for answers in (
        {"EHLO": ["250-relay", "250 AUTH PLAIN"]},
        OFFERING_TLS,
    ):  # the latter: a certificate nobody signed
        handover, relay = against(answers, pem=certificate, **LOGIN)
        assert handover.retry_after
        assert "AUTH" not in relay.commands


def test_without_a_password_tls_is_used_where_it_is_offered(certificate):
    handover, relay = against(OFFERING_TLS, pem=certificate)

    assert handover.accepted
    assert "STARTTLS" in relay.commands


def test_tls_can_be_turned_off():
    answers = {"EHLO": ["250-relay", "250-STARTTLS", "250 AUTH PLAIN"], "AUTH": "235 welcome"}
    handover, relay = against(answers, tls="none", **LOGIN)

    assert handover.accepted
    assert "STARTTLS" not in relay.commands
    assert "AUTH" in relay.commands


def test_a_wrong_password_is_the_accounts_fault():
    answers = {"EHLO": ["250-relay", "250 AUTH PLAIN"], "AUTH": "535 5.7.8 Wrong"}
    handover, _ = against(answers, tls="none", **LOGIN)

    found = shipped().translate("smtp", Report("", "", "email", handover.native_status, handover.native_code))
    assert handover.native_code == "5.7.8"
    assert (found.meaning.failure_class, found.meaning.fault) == ("account", "account")


# ---- Whose report it is ----------------------------------------------------------------------------------------


def verified(to, secret="bounce-secret"):
    return SMTP.verify(Call("MAIL", "", "", {"x-envelope-to": to}, b""), {"secret": secret})


def test_only_tokens_of_ours_are_proven():
    ours = envelope("bounces", REF, credentials(25))

    assert verified(ours)
    assert verified(ours.upper())
    assert verified(ours.replace("+", "-"))
    assert verified(ours.replace("@bounce.example.com", "@elsewhere.example.org"))
    assert verified(envelope("unsubscribe", REF, credentials(25)))
    assert not verified(ours, "another")
    assert not verified(ours, "")
    assert not verified(ours.replace("6f1c", "6f1d"))
    assert not verified("bounces@bounce.example.com")
    assert not verified("")
    assert not SMTP.verify(Call("POST", "", "", {}, b""), {"secret": "bounce-secret"})


def test_a_bounce_address_may_have_any_name():
    told = credentials(25) | {"bounce_address": "returns@bounce.example.com"}
    only_domain = credentials(25) | {"bounce_address": "bounce.example.com"}

    assert envelope("bounces", REF, told) == f"returns+{TOKEN}@bounce.example.com"
    assert envelope("bounces", REF, only_domain) == f"bounces+{TOKEN}@bounce.example.com"
    assert envelope("unsubscribe", REF, told) == f"unsubscribe+{TOKEN}@bounce.example.com"


def test_other_kinds_are_not_read():
    with pytest.raises(ValueError, match="not dsn"):
        SMTP.parse("status", Call("POST", "", "", {}, b"Subject: x\n\n"))
