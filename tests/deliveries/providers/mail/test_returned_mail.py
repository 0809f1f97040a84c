"""What is a bounce, and whom it is about."""

import pytest

from deliveries.providers.facts import Call
from tests.deliveries.providers.mail.reports import SMTP, dsn, failed, one


def words(text, subject="failure notice", sender="MAILER-DAEMON@mail.example.net", head="Return-Path: <>\n"):
    return f"{head}From: {sender}\nTo: bounces@bounce.example.com\nSubject: {subject}\n\n{text}\n"


# ---- What is a bounce -------------------------------------------------------------------------------------------

REFUSED = "Your message could not be delivered to:\n\n<robin@example.org>\n 550 5.1.1 User unknown"


@pytest.mark.parametrize(
    ("head", "sender"),
    [
        ("", "MAILER-DAEMON <>"),
        ("", "Mail Delivery Subsystem <MAILER-DAEMON>"),
        ("", "Postmaster <>"),
        ("", '<"System Administrator"@example.org>'),
        ("", "<Postmaster\\@example.com@example.net>"),
        ("", "mailer-daemon"),
        ("Return-Path: <MAILER-DAEMON@mx.example.org>\n", "gateway@example.org"),
        ("Return-Path: MAILER-DAEMON\n", "gateway@example.org"),
        ("Return-Path: <>\n", "no-reply@example.org"),
        ("Return-Path: < >\n", "no-reply@example.org"),
    ],
)
def test_a_bounce_is_known_without_a_usable_sender(head, sender):
    assert one(words(REFUSED, "Mail", sender, head))[1:] == ("permanent", "recipient", "robin@example.org")


@pytest.mark.parametrize(
    "text",
    [
        "Nachricht nicht angekommen.\n\n<robin@example.org>:\n550 5.1.1 User unknown",
        "Viesti ei mennyt perille.\n\nrobin@example.org: 550 5.1.1 tuntematon",
        "Zpráva nebyla doručena.\n\n<robin@example.org>: host mx.example.org said: 550 5.1.1 unknown",
        "メールを配信できませんでした。\n\n<robin@example.org>:\n550 5.1.1 User unknown",
        "Ваше сообщение вернулось.\n\nrobin@example.org\n    550 5.1.1 User unknown",
        "您的邮件被退回。\n\n* robin@example.org\n550 5.1.1 User unknown",
    ],
)
def test_a_bounce_is_known_by_its_shape_in_any_language(text):
    for sender in ("MAILER-DAEMON@mx.example.org", "noreply@example.org"):
        assert one(words(text, "...", sender)) == ("bounced", "permanent", "recipient", "robin@example.org")


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ("<robin@example.org>:\n451 4.7.1 come back", "delayed"),
        ("Zustellung verzögert.\n\n<robin@example.org>:\n451 4.2.0 x", "delayed"),
        ("Votre message n’a pas pu être remis :\n\n<robin@example.org>:\n451 4.4.1 x", "bounced"),
        (
            'Delivery of email to this address\n"robin@example.org"\nhas been postponed due to a full mailbox.',
            "delayed",
        ),
        (
            "I'm not going to try again.\n\n<robin@example.org>:\n451 4.2.0 x could not be delivered",
            "bounced",
        ),
    ],
)
def test_whether_it_is_over_is_read_from_words_and_codes(text, status):
    assert one(words(text, "..."))[0] == status


@pytest.mark.parametrize(
    "text",
    [
        "I am away until Monday and cannot be reached.",
        "I left the company. Please write to kim@example.org instead.",
        "Our office is closed; the mailbox is not read. Call us at 550 12 34.",
        "Thank you for your mail. We have received your request number 550-1234.",
        "For help, write to\n\nsupport@example.org",
    ],
)
@pytest.mark.parametrize("head", ["Return-Path: <>\n", "Return-Path: <>\nAuto-Submitted: auto-replied\n"])
def test_what_robots_write_is_no_bounce(text, head):
    found = SMTP.parse(
        "dsn", Call("MAIL", "", "", {}, words(text, "Your mail", "robin@example.org", head).encode())
    )

    assert [getattr(fact, "kind", "") for fact in found] == ["auto_reply"]


@pytest.mark.parametrize(
    ("disposition", "head", "text", "wanted"),
    [
        (
            "automatic-action/MDN-sent-automatically; deleted",
            "Auto-Submitted: auto-replied (rejected)\n",
            "Quota exceeded",
            ("temporary", "recipient"),
        ),
        (
            "automatic-action/MDN-sent-automatically; deleted/rejected",
            "",
            "User unknown",
            ("permanent", "recipient"),
        ),
        (
            "automatic-action/MDN-sent-automatically; failed",
            "",
            "The mailbox is full",
            ("temporary", "recipient"),
        ),
        (
            "automatic-action/MDN-sent-automatically; deleted/error",
            "",
            "Message rejected as spam",
            ("content", "content"),
        ),
        (
            "automatic-action/MDN-sent-automatically; deleted",
            "",
            "Your message was automatically rejected: blocked by policy",
            ("compliance", "sender"),
        ),
    ],
)
def test_a_refusal_in_the_shape_of_a_read_receipt_is_a_bounce(disposition, head, text, wanted):
    body = (
        f"From: admin@example.org\nTo: bounces@bounce.example.com\nSubject: Your mail\n{head}"
        "Content-Type: multipart/report; report-type=disposition-notification; boundary=b\n\n--b\n\n"
        f"{text}\n\n--b\nContent-Type: message/disposition-notification\n\nFinal-Recipient: rfc822; robin@example.org\n"
        f"Disposition: {disposition}\n\n--b--\n"
    )

    assert one(body)[1:] == (*wanted, "robin@example.org")


def test_a_report_that_somebody_passes_on_is_read():
    body = (
        "From: postmaster@example.net\nTo: news@example.com\nSubject: Fwd\n"
        "Content-Type: multipart/mixed; boundary=outer\n\n"
        "--outer\nContent-Type: text/plain\n\nThis came for you.\n\n--outer\nContent-Type: message/rfc822\n\n"
        f"{dsn(failed('5.1.1'))}\n--outer--\n"
    )

    assert one(body) == ("bounced", "permanent", "recipient", "robin@example.org")


def test_another_word_for_failed_is_known():
    fields = failed("5.0.0").replace("failed", "error")

    assert one(dsn(fields, "robin@example.org: Domain does not exist"))[:3] == (
        "bounced",
        "permanent",
        "recipient",
    )


def test_lines_that_end_as_on_old_machines_are_lines():
    assert one(words(REFUSED).replace("\n", "\r"))[1:] == ("permanent", "recipient", "robin@example.org")


# ---- Whom it is about -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "<robin@example.org>:\n550 5.1.1 no",
        '"robin@example.org":\n550 5.1.1 no',
        "'robin@example.org':\n550 5.1.1 no",
        "robin@example.org: 550 5.1.1 no",
        "robin@example.org\n    550 5.1.1 no",
        "550 5.1.1 <robin@example.org>... no",
        "550 <robin@example.org>... 550 5.1.1 no",
        "robin@example.org [User unknown]",
        "robin@example.org (User unknown)",
        "robin@example.org Invalid Address, ERROR_CODE :550, ERROR_CODE :5.1.1 User Unknown",
        "   * robin@example.org\n\n550 5.1.1 no",
        "\t* [robin@example.org]: 550 5.1.1 no",
        "- <robin@example.org>\n550 5.1.1 no",
        "• robin@example.org\n550 5.1.1 no",
        ">>> robin@example.org <robin@example.org>\n\n550 5.1.1 no",
        "robin@example.org<mailto:robin@example.org>\n550 5.1.1 no",
        "robin@example.org on 3/4/2026 4:51 PM\n  550 5.1.1 no",
        "Invalid final delivery userid: robin@example.org",
        "Unknown user: robin@example.org\n550 5.1.1 no",
        "Failed Recipient: robin@example.org\nReason: Remote host said: 550 5.1.1 unknown user",
        "Recipient: <robin@example.org>\n550 5.1.1 no",
        "Empfänger: robin@example.org\n550 5.1.1 no",
        "User not listed in Domino Directory\nrobin@example.org",
        "550 5.1.1 User unknown\n\nThe following recipients were affected:\n    robin@example.org",
        "There was an error delivering your mail to <robin@example.org>.\n\n550 5.1.1 no such user",
        "SMTP Server <mx.example.org> rejected recipient <robin@example.org>: [550 5.1.1 User unknown]",
        "<mailto:robin@example.org>\n550 5.1.1 no",
    ],
)
def test_the_recipient_is_found_in_every_form_of_line(text):
    assert one(words(f"Your mail could not be delivered.\n\n{text}")) == (
        "bounced",
        "permanent",
        "recipient",
        "robin@example.org",
    )


@pytest.mark.parametrize(
    "text",
    [
        "A message sent by\n\n  <news@example.com>\n\ncould not be delivered:\n\n  robin@example.org\n    550 5.1.1 no",
        "Original Sender: <news@example.com>\n\n  robin@example.org\n    550 5.1.1 no",
        "From: news@example.com\nTo: list@example.net\n\n<robin@example.org>: 550 5.1.1 no",
        "<robin@example.org>: 550 5.1.1 no\n\nDetails:\n\t* From: news@example.com\n\t* To: list@example.net",
        "MAILER-DAEMON@mail.example.net:\n\n<robin@example.org>: 550 5.1.1 no",
        "bounces@bounce.example.com\n\n<robin@example.org>: 550 5.1.1 no",
        "For help write to:\npostmaster@example.net\n\n<robin@example.org>: 550 5.1.1 no",
    ],
)
def test_nobody_else_is_taken_for_the_recipient(text):
    assert one(words(f"Undeliverable.\n\n{text}"))[3] == "robin@example.org"


@pytest.mark.parametrize("name", ["support", "postmaster", "abuse", "admin", "help", "info", "sales"])
def test_role_addresses_are_recipients_too(name):
    address = f"{name}@example.org"

    assert one(words(f"Failed:\n\n<{address}>:\n550 5.1.1 User unknown", "Returned mail"))[3] == address
    assert one(dsn(failed("5.1.1", recipient=f"rfc822; {address}")))[3] == address


@pytest.mark.parametrize(
    "final",
    [
        "rfc822;|/usr/bin/filter robin@example.org",
        'rfc822; "|/usr/bin/filter"@mail.example.org',
        "rfc822; /var/spool/mail/robin",
        "rfc822; /mail/robin/mbox@mail.example.org",
        "rfc822; :include:/etc/list@mail.example.org",
        "X-LOCAL; |/usr/bin/procmail",
    ],
)
def test_a_program_or_a_file_is_no_recipient(final):
    alone = one(dsn(failed("5.0.0", recipient=final)))
    named = one(dsn(failed("5.0.0", "Original-Recipient: rfc822; kim@example.org", recipient=final)))

    assert (alone[3], named[3]) == ("robin@example.org", "kim@example.org")


@pytest.mark.parametrize(
    "copy",
    [
        "--- Below this line is a copy of the message.\n\nFrom: news@example.com\nTo: robin@example.org",
        "------ This is a copy of the message, including all the headers. ------\n\nTo: Robin <robin@example.org>",
        "   ----- Unsent message follows -----\nTo: robin@example.org\nSubject: x",
        "Original message headers:\n\nReceived: from x\nTo: robin@example.org",
        "Received:from x by y\nTo:<robin@example.org>\nSubject:x",
        "Below is a copy of the original message:\n\nFrom: news@example.com\nTo: robin@example.org",
    ],
)
def test_without_an_address_the_copy_names_the_recipient(copy):
    assert (
        one(words(f"Your message could not be delivered.\n\n550 5.1.1 User unknown\n\n{copy}"))[3]
        == "robin@example.org"
    )
