"""Codes and reasons in what mail servers say, and the shapes that bounces come in."""

import contextlib
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deliveries.providers.facts import Call, Report, Unreadable
from deliveries.providers.mail.bounces import enhanced_code, mailbox_of, reason_code, smtp_code, text_reason
from deliveries.providers.mail.mail_reading import BYTES_MAX, blocks, moment, plain, read
from deliveries.providers.mail.returned_mail import address_of, from_prose
from deliveries.providers.smtp import Smtp

SMTP = Smtp()


@pytest.mark.parametrize(
    ("words", "enhanced", "reply"),
    [
        ("550 5.1.1 user unknown", "5.1.1", "550"),
        ("550-5.1.1 The account\n550 5.1.1 does not exist", "5.1.1", "550"),
        ("host mx.example.com[192.0.2.3] said: 550 5.7.1 no (in reply to RCPT TO command)", "5.7.1", "550"),
        ("smtp; 550 #5.1.0 Address rejected", "5.1.0", "550"),
        ("<mx.example.net #5.1.1 smtp;550 5.1.1 RESOLVER.ADR.RecipNotFound>", "5.1.1", "550"),
        ("Remote Server returned '550 5.1.10 RESOLVER.ADR.RecipientNotFound'", "5.1.10", "550"),
        ("Connected to 192.0.2.1 but connection died. (#4.4.2)", "4.4.2", ""),
        ("Remote host said: 554 delivery error", "", "554"),
        ("<robin@example.com>: 550 No such user", "", "550"),
        ("421 4.7.0 [TSS04] Messages from 192.0.2.4 temporarily deferred", "4.7.0", "421"),
        ("5.0.0 (undefined status)", "5.0.0", ""),
        ("4.2.2.", "4.2.2", ""),
        ("[5.4.3.2] refused; 5.4.3.2 and 4.4.4.4 too", "", ""),
        ("Exim 4.96.1 and 2.11.0 refused", "", ""),
        ("tried for 450 days", "", ""),
        ("550", "", "550"),
        ("", "", ""),
    ],
)
def test_codes_are_found_among_words(words, enhanced, reply):
    assert (enhanced_code(words), smtp_code(words)) == (enhanced, reply)


@pytest.mark.parametrize(
    ("host", "mailbox"),
    [
        ("gmail-smtp-in.l.google.com", "gmail"),
        ("robin@googlemail.com", "gmail"),
        ("example-com.mail.protection.outlook.com.", "microsoft"),
        ("Robin <robin@hotmail.co.uk>", "microsoft"),
        ("live.fr", "microsoft"),
        ("mta5.am0.yahoodns.net", "yahoo"),
        ("yahoo.com.br", "yahoo"),
        ("aol.com", "yahoo"),
        ("yahoo.co.jp", ""),
        ("notgmail.com", ""),
        ("gmail.com.example.org", ""),
        ("oliver.com", ""),
        ("", ""),
    ],
)
def test_whose_mailbox_it_is(host, mailbox):
    assert mailbox_of(host) == mailbox


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ("Recipient address rejected: User unknown in local recipient table", "no-such-user"),
        ("The email account that you tried to reach doesn’t exist", "no-such-user"),
        ("<robin@example.net>: this address could not be found", "no-such-user"),
        ("Sorry, no mailbox here by that name.", "no-such-user"),
        ("User robin (robin@example.net) not listed in Domino Directory", "no-such-user"),
        ("The recipient's mailbox is full", "mailbox-full"),
        ("552 User has exceeded their storage limit", "mailbox-full"),
        ("This account has been disabled", "disabled"),
        ("Robin is no longer with the company", "moved"),
        ("Host or domain name not found. Name service error for name=example.net", "no-such-host"),
        ("retry timeout exceeded", "expired"),
        ("Connection timed out", "network"),
        ("Client host [192.0.2.1] blocked using dnsbl.example.org", "policy"),
        ("Relaying denied", "policy"),
        ("This message was identified as spam", "spam"),
        ("Message size exceeds fixed maximum message size", "too-big"),
        ("Too many messages from your address", "too-fast"),
        ("SPF check failed", "authentication"),
        ("Requested action not taken", ""),
        ("", ""),
    ],
)
def test_reasons_are_found_in_words(words, reason):
    assert text_reason(words).removeprefix("text/") == reason


@pytest.mark.parametrize(
    ("status", "words", "mailbox", "code"),
    [
        ("5.0.0", "550 5.7.1 policy", "", "5.7.1"),
        ("5.1.1", "550 5.7.1 policy", "", "5.7.1"),
        ("5.1.1", "550 5.0.0 error", "", "5.1.1"),
        ("5.1.1", "550 5.1.0 error", "", "5.1.1"),
        ("4.4.7", "452 4.2.2 full", "", "4.4.7"),
        ("5.4.300", "451 4.7.1 greylisted", "", "5.4.300"),
        ("5.1.1", "550 User unknown", "", "5.1.1"),
        ("5.1.1", "550 rejected as spam", "", "text/spam"),
        ("5.0.0", "550 User unknown", "", "text/no-such-user"),
        ("", "550 User unknown", "", "550"),
        ("", "550 blocked by our policy", "", "text/policy"),
        ("", "no such user", "", "text/no-such-user"),
        ("4.2.0", "450 4.2.0 Recipient address rejected: Greylisted", "", "4.2.0"),
        ("4.0.0", "451 connection timed out", "", "text/network"),
        ("5.7.1", "553 5.7.1 [BL21] listed", "yahoo", "BL21"),
        ("5.7.1", "553 5.7.1 [BL21] listed", "", "5.7.1"),
        ("", "", "", ""),
    ],
)
def test_the_code_that_says_most_counts(status, words, mailbox, code):
    assert reason_code(status, words, mailbox) == code


@pytest.mark.parametrize("status", ["5.1.0", "5.1.1", "5.2.1"])
@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ("Requested action not taken: mailbox unavailable. Sender domain must exist", "sender-rejected"),
        ("sorry, no valid sender (chkuser)", "sender-rejected"),
        ("You are not allowed to send mail to this recipient", "sender-rejected"),
        ("Mailbox not found or you are not authorized to send to it", "sender-rejected"),
        ("Account restricted: only receives mail from its whitelist", "policy"),
        ("STARTTLS is required to send mail", "policy"),
        ("TLS required", "policy"),
        ("protocol violation", "policy"),
        ("message headers fail syntax check", "policy"),
        ("Quota of your daily messages is exceeded", "account"),
    ],
)
def test_a_refusal_of_us_is_no_fault_of_the_recipient(status, words, reason):
    assert reason_code(status, f"550 {status} {words}") == f"text/{reason}"


def test_a_limit_of_the_mailbox_is_no_size_of_the_mail():
    assert reason_code("5.2.2", "552 5.2.2 Mailbox size limit exceeded") == "5.2.2"
    assert reason_code("5.2.0", "552 5.2.0 Mailbox size limit exceeded") == "text/mailbox-full"


@pytest.mark.parametrize(
    ("field", "address"),
    [
        ("rfc822; robin@example.net", "robin@example.net"),
        ("RFC822;<robin@example.net>", "robin@example.net"),
        ("robin@example.net", "robin@example.net"),
        ("rfc822; robin+2Bshop@example.net", "robin+shop@example.net"),
        ("utf-8; r\\x{F6}bin@example.net", "röbin@example.net"),
        ("utf-8; r\\x{FFFFFF}bin@example.net", "rbin@example.net"),
        ("", ""),
    ],
)
def test_addresses_are_read_out_of_their_fields(field, address):
    assert address_of(field) == address


def test_field_groups_survive_what_servers_write():
    text = "A: 1\n  2\nno field\n\n\nFinal-Recipient: x\nfinal-recipient: y\n:empty\nB : 2\n"

    assert blocks(text) == [{"a": "1 2"}, {"final-recipient": "x"}, {"final-recipient": "y", "b": "2"}]


def test_markup_is_never_rendered():
    page = (
        "<head><title>x</title></head><p>Hello<br>you &lt;robin@example.net&gt;<img src=http://example.org/x>"
    )

    assert plain(page).split() == ["Hello", "you", "<robin@example.net>"]


@pytest.mark.parametrize("text", ["", "yesterday", "99 Abc 9999 99:99", "Wed, 04 Mar 0000 16:59:30 +9999"])
def test_times_that_are_none_are_none(text):
    assert moment(text) is None


def test_a_mail_that_would_take_long_is_refused_or_quick():
    deep = (
        b"".join(b"Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n" % (n, n) for n in range(16))
        + b"x\n" * 400_000
    )
    wide = b"Content-Type: text/plain\n\n" + b"<a@b.example.net>: cannot be delivered\n" * 25_000
    brackets = b"From: MAILER-DAEMON@x\nSubject: " + b"(" * 500_000 + b"\n\ncould not be delivered"
    tags = b"From: MAILER-DAEMON@x\nContent-Type: text/html\n\n" + b"<style " * 100_000
    spaces = b"From: MAILER-DAEMON@x\nSubject: failure notice\n\n" + b"user " * 200_000
    folded = b"From: MAILER-DAEMON@x\nX:\n" + b" y\n" * 300_000

    for mail in (deep, wide, brackets, tags, spaces, folded, b"\n" * BYTES_MAX + b"From: x@y"):
        began = time.process_time()
        with contextlib.suppress(Unreadable):
            SMTP.parse("dsn", Call("MAIL", "", "", {}, mail))
        assert time.process_time() - began < 4


def test_no_more_recipients_are_read_than_a_mail_can_have():
    text = "Your mail could not be delivered:\n\n" + "\n".join(f"<p{n}@example.net>: no" for n in range(500))

    assert len(from_prose(text, "failure notice")) == 100


def test_a_mailbox_line_before_the_headers_does_no_harm():
    assert read(b"From x@y Wed Mar  4\nSubject: Hello\n\nHi").headers == {"subject": "Hello"}


LINES = st.lists(
    st.sampled_from(
        ["From: MAILER-DAEMON@x", "Return-Path: <>", "Subject: failure notice", "To: bounces@x", "", "--b", "--b--",
         'Content-Type: multipart/report; report-type=delivery-status; boundary="b"', "Content-Type: text/html",
         "Content-Type: message/delivery-status", "Content-Type: message/rfc822", "Content-Transfer-Encoding: base64",
         "Content-Type: message/feedback-report", "Content-Type: multipart/mixed; boundary=b", "Feedback-Type: abuse",
         "Final-Recipient: rfc822; a@b", "Action: failed", "Status: 5.1.1", "Diagnostic-Code: smtp; 550 no",
         "Content-Type: message/disposition-notification", "Disposition: x; displayed", "<a@b>: no such user",
         "Content-Type: text/plain; charset*=utf-8'x'%FF", "Subject: =?utf-8?b?////?=", "=?x?q?=?=", " folded",
         "could not be delivered", "Date: soon", "From: =?", "Content-Type: ;;;", "Auto-Submitted: auto-replied"]
    )
    | st.text(max_size=30),
    max_size=40,
)  # fmt: skip


@given(lines=LINES, junk=st.binary(max_size=20))
@settings(max_examples=400, deadline=None)
def test_nothing_but_unreadable_is_ever_raised(lines, junk):
    body = "\n".join(lines).encode("utf-8", "surrogatepass") + junk
    for headers in ({}, {"x-envelope-to": "bounces@bounce.example.com", "x-waybill-proof": "no"}):
        try:
            found = SMTP.parse("dsn", Call("MAIL", "", "", headers, body))
        except Unreadable:
            continue
        for fact in found:
            assert not (headers and isinstance(fact, Report))  # stored, and nothing of ours in it
