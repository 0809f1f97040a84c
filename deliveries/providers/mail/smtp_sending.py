"""One mail handed to the relay: the dialogue, the envelope that brings reports back, and what the answer means.

RFC 5321; 3461 for the reports asked for; 8058 and 2369 for unsubscribing.
"""

from __future__ import annotations

import contextlib
import smtplib
import ssl
from collections.abc import Mapping
from email.errors import MessageError
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from typing import Any
from urllib.parse import quote

from django.utils import timezone

from deliveries.providers.facts import LostAnswer, OutboundMessage, SendResult
from deliveries.providers.kit.http import not_reached, refused
from deliveries.providers.kit.parsing import LONGEST_ID, clean
from deliveries.providers.mail.bounces import Stage, reason_code, unexplained
from deliveries.providers.smtp_marks import (
    BOUNCES,
    UNSUBSCRIBE,
    domain_of,
    envelope,
    envelope_id,
    message_id,
)

SSL_PORT = "465"
SECONDS = 10  # for one step of the dialogue
GREYLISTED_WAIT = 60.0


def hand_over(message: OutboundMessage, credentials: Mapping[str, Any]) -> SendResult:
    """One dialogue with the relay. Once the text is on its way the relay may have taken it: LostAnswer."""
    stage: Stage = "connection"
    smtp = None
    try:
        to = on_the_wire(message.to)
        text = compose(message, to, credentials)
        smtp = connect(credentials)
        if not to.isascii() and not smtp.has_extn("smtputf8"):
            return refused("5.6.7", "No SMTPUTF8 here.")
        sender_options, recipient_options = options(smtp, message, to, credentials)
        stage = "sender"
        expect(smtp.mail(envelope(BOUNCES, message.ref, credentials), sender_options))
        stage = "recipient"
        expect(smtp.rcpt(to, recipient_options))
        stage = "text"
        expect(smtp.data(text))
    except smtplib.SMTPResponseException as refusal:
        return understood(refusal, stage)
    except (OSError, smtplib.SMTPException) as problem:
        if stage == "text":
            raise LostAnswer(f"{type(problem).__name__}: {problem}") from problem
        return not_reached(problem)
    except (ValueError, MessageError) as problem:  # an address or a header that cannot be written
        return refused("", problem)
    finally:
        if smtp is not None:
            leave(smtp)
    return SendResult(True, provider_message_id=message_id(message.ref, domain_of(credentials))[:LONGEST_ID])


def connect(credentials: Mapping[str, Any]) -> smtplib.SMTP:
    """A connection that is greeted, encrypted as asked for, and logged in.

    A password never leaves without TLS and a checked certificate, unless TLS is "none". Without a password, TLS is
    used where it is offered.
    """
    host, port = str(credentials["host"]), str(credentials["port"])
    user, password = str(credentials.get("username") or ""), str(credentials.get("password") or "")
    wanted = str(credentials.get("tls") or ("ssl" if port == SSL_PORT else "")).lower()
    where: Any = {"port": port, "timeout": SECONDS, "local_hostname": domain_of(credentials)}
    checked = ssl.create_default_context()
    smtp = (
        smtplib.SMTP_SSL(host, context=checked, **where) if wanted == "ssl" else smtplib.SMTP(host, **where)
    )
    try:
        smtp.ehlo_or_helo_if_needed()
        if wanted == "starttls" or (not wanted and password):
            smtp.starttls(context=checked)
        elif not wanted and smtp.has_extn("starttls"):
            smtp.starttls(context=ssl._create_unverified_context())  # noqa: S323 - as mail servers do: RFC 7435
        smtp.ehlo_or_helo_if_needed()
        if user and password:
            smtp.login(user, password)
    except BaseException:
        smtp.close()
        raise
    return smtp


def options(
    smtp: smtplib.SMTP, message: OutboundMessage, to: str, credentials: Mapping[str, Any]
) -> tuple[list[str], list[str]]:
    """What is asked for with the sender and with the recipient: every report, with headers alone, and our reference."""
    sender, recipient = [], []
    if smtp.has_extn("dsn"):
        sender += ["RET=HDRS", f"ENVID={xtext(envelope_id(message.ref, domain_of(credentials)))}"]
        recipient += ["NOTIFY=SUCCESS,FAILURE,DELAY"]
        if to.isascii():
            recipient += [f"ORCPT=rfc822;{xtext(to)}"]
    if not to.isascii():
        sender += ["SMTPUTF8"]
    return sender, recipient


def leave(smtp: smtplib.SMTP) -> None:
    with contextlib.suppress(OSError, smtplib.SMTPException):
        smtp.quit()
    smtp.close()


def expect(reply: tuple[int, bytes]) -> None:
    code, text = reply
    if not 200 <= code < 300:
        raise smtplib.SMTPResponseException(code, text)


def understood(refusal: smtplib.SMTPResponseException, stage: Stage) -> SendResult:
    """4xx means later, 5xx no. What is no such reply, after the text has gone, leaves us in doubt: LostAnswer.

    A bare 550 says "no such user" only where it answers the recipient, and only with words that say so.
    """
    words, reply = refusal.smtp_error, refusal.smtp_code
    reply_text = clean(f"{reply} {words.decode('utf-8', 'replace') if isinstance(words, bytes) else words}")
    if reply >= 500:
        code = reason_code("", reply_text, stage=stage)
        return refused("" if unexplained(code, reply_text) else code, reply_text)
    if stage == "text" and reply < 400:
        raise LostAnswer(reply_text)
    return SendResult(False, native_text=reply_text, retry_after=GREYLISTED_WAIT)


def compose(message: OutboundMessage, to: str, credentials: Mapping[str, Any]) -> bytes:
    """The mail as it goes over the wire. Long headers stay in one line: folding spoils the addresses of pages."""
    mail = EmailMessage(SMTP.clone(max_line_length=990, cte_type="7bit", utf8=not to.isascii()))
    mail["From"], mail["To"] = one_line(message.sender), to
    mail["Subject"] = one_line(message.subject)
    mail["Date"] = format_datetime(timezone.now())
    mail["Message-ID"] = f"<{message_id(message.ref, domain_of(credentials))}>"
    page = message.extra.get("unsubscribe")
    if page:
        address = envelope(UNSUBSCRIBE, message.ref, credentials)
        mail["List-Unsubscribe"] = (
            f"<{one_line(page)}>, <mailto:{address}?subject={quote(f'unsubscribe {to}')}>"
        )
        mail["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    mail.set_content(message.body)
    if message.html:
        mail.add_alternative(message.html, subtype="html")
    return mail.as_bytes()


def on_the_wire(address: str) -> str:
    """The address with its domain as DNS writes it. Raises ValueError for one that cannot be written in a line."""
    local, at, domain = address.strip().rpartition("@")
    if not at or not address.strip().isprintable() or any(each in address for each in " <>"):
        raise ValueError(f"{address!r} is no address of email.")
    return f"{local}@{domain if domain.isascii() else domain.encode('idna').decode()}"


def xtext(text: str) -> str:
    """RFC 3461: whatever is no plain character, and plus and equals, as +XX."""
    return "".join(
        chr(byte) if 33 <= byte <= 126 and byte not in b"+=" else f"+{byte:02X}" for byte in text.encode()
    )


def one_line(text: str) -> str:
    return " ".join(text.split())
