"""Who was refused, the recipient or we: what a report of returned mail says of that."""

import pytest

from deliveries.providers.mail.bounces import innermost, reason_code, stage_of
from tests.deliveries.providers.mail.reports import meaning

OURS = "news@example.com"


# ---- We were refused, not the recipient -------------------------------------------------------------------------

BLAME_THE_ADDRESS = [
    "550 5.1.0",
    "550 5.1.1",
    "550 5.1.2",
    "553 5.1.3",
    "550 5.2.0",
    "550 5.2.1",
    "550",
    "553",
]
REFUSALS_OF_US = [
    "<bounces@bounce.example.com> sender rejected. AUP#In-1310",
    "Sender denied",
    "<news@example.com>: Sender address rejected: User unknown",
    "Sender address rejected: Domain not found",
    "Domain of sender address news@example.com does not exist",
    "sender verify failed",
    "Could not verify the sender: invalid return path",
    "From: domain is invalid",
    "Bad sender address syntax",
    "Invalid sender domain",
    "HELO name rejected",
    "We do not accept mail from dynamic addresses",
    "Your IP address 192.0.2.1 is blacklisted",
    "Client host [192.0.2.1] blocked using a list",
    "Your domain example.com is not allowed to send here",
    "Your mail server has been blocked",
    "Your host 192.0.2.1 is listed, see http://www.spamhaus.org/query/bl?ip=192.0.2.1",
    "https://www.spamhaus.org/query/ip/192.0.2.1",
    "blocked because of a bad reputation",
    "Rejected for policy reasons",
    "Relaying denied",
    "relay access denied",
    "unable to relay",
    "Message rejected as spam",
    "This message was identified as spam",
    "Message contains a virus",
    "Unsolicited mail is not wanted here",
    "Message quarantined by the content filter",
    "Unauthenticated mail from example.com is not accepted due to DMARC policy",
    "SPF check failed",
    "No DKIM signature",
    "Reverse DNS lookup failed",
    "access forbidden by invalid RDNS record of your mail server",
    "192.0.2.1 has sent to too many recipients this hour",
    "Too many messages from your address",
    "Sending rate exceeded, throttled",
    "Message size exceeds fixed maximum message size",
    "Your account has reached its daily limit for message recipients",
    "Requested action not taken: mailbox unavailable invalid DNS MX or A/AAAA resource record",
    "Message rejected",
    "Mail refused",
    "Submission quota exceeded",
    "Please turn on SMTP authentication",
    "Absender abgelehnt",
    "Ihre IP-Adresse gesperrt",
    "Expéditeur refusé",
    "Adresse IP bloquée",
    "Remitente rechazado",
    "Su IP está bloqueada",
    "Mittente rifiutato",
    "Indirizzo IP bloccato",
    "Remetente rejeitado",
    "Afzender geweigerd",
    "Nadawca odrzucony",
    "Отправитель отклонен",
]  # fmt: skip


@pytest.mark.parametrize("code", BLAME_THE_ADDRESS)
def test_a_refusal_of_ours_never_counts_against_the_recipient(code):
    _, _, enhanced = code.partition(" ")

    found = {text: reason_code(enhanced or "5.0.0", f"{code} {text}") for text in REFUSALS_OF_US}

    blamed = {text: meaning(one) for text, one in found.items()}
    assert {text: one for text, one in blamed.items() if one[1] not in ("sender", "content", "account")} == {}


@pytest.mark.parametrize("text", REFUSALS_OF_US)
def test_a_refusal_of_ours_for_now_is_temporary(text):
    found = reason_code("4.2.0", f"450 4.2.0 {text}")

    assert meaning(found) == ("temporary", "sender"), found


@pytest.mark.parametrize(
    "text",
    [
        "550 5.1.1 User unknown",
        "550 5.1.1 <spam@example.org>: Recipient address rejected: User unknown in local recipient table",
        "550 5.1.1 mx.spamfilter.example.net: no such user",
        "550 5.1.1 No such user, see http://virus.example.com/policy/blocked",
        "550 5.1.1 sorry, no mailbox here by that name; returning message to sender",
        "550 5.1.0 Address rejected",
        "550 5.1.2 Host unknown",
        "550 5.1.1 The email account that you tried to reach does not exist. Please try double-checking the "
        "recipient's email address https://support.google.com/mail/?p=NoSuchUser",
        "550 5.1.1 <robin@example.org> is not a valid mailbox",
        "550 5.1.1 Recipient address rejected: Access denied",
        "550 5.2.1 The email account that you tried to reach is disabled",
        "550 5.1.1 this address is not listed here",
        "550 5.1.10 RESOLVER.ADR.RecipNotFound",
        "511 5.1.1 Unknown recipient robin@example.org",
        "550 5.1.1 Message rejected due to no such recipient",
        "550 5.1.1 your mail to robin@example.org was rejected: mailbox not found",
        "550 5.1.1 Recipient address rejected: Domain not found",
        "550 5.1.1 user unknown; rejecting mail to sender",
    ],
)
def test_a_dead_address_is_still_one(text):
    code = reason_code(text.split()[1], text)

    assert meaning(code) == ("permanent", "recipient")
    assert not code.startswith("text/")


# ---- The stage of the dialogue ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "stage"),
    [
        ("host mx.example.net[192.0.2.8] said: 550 5.1.0 no (in reply to MAIL FROM command)", "sender"),
        (
            "SMTP error from remote mail server after MAIL FROM:<news@example.com> SIZE=1022: 553 5.1.0 no",
            "sender",
        ),
        ("SMTP error from remote mail server after pipelined MAIL FROM:<news@example.com>: 550 no", "sender"),
        (">>> MAIL From:<news@example.com> SIZE=500\n<<< 553 5.1.1 unknown", "sender"),
        ("Connected to 192.0.2.8 but sender was rejected.\nRemote host said: 550 5.1.1 unknown", "sender"),
        ("host mx.example.net[192.0.2.8] refused to talk to me: 550 5.1.1 no", "connection"),
        ("SMTP error from remote mail server after initial connection: 550 no", "connection"),
        ("host mx.example.net said: 550 no (in reply to EHLO command)", "connection"),
        ("Connected to 192.0.2.8 but greeting failed. Remote host said: 550 go away", "connection"),
        ("SMTP error from remote mail server after end of data: 550 5.2.0 no", "text"),
        ("host mx.example.net said: 550 no (in reply to end of DATA command)", "text"),
        ("192.0.2.8 failed after I sent the message. Remote host said: 550 no", "text"),
        ("host mx.example.net said: 550 no (in reply to RCPT TO command)", ""),
    ],
)
def test_where_we_were_refused_tells_who_was(text, stage):
    from deliveries.providers.mail.bounce_words import evened

    assert stage_of(evened(text)) == stage
    assert (meaning(reason_code("", text))[1] == "sender") == bool(stage)


def test_a_dead_mailbox_that_shows_only_after_the_text_is_one():
    found = reason_code("5.1.1", "550 5.1.1 User unknown (in reply to end of DATA command)")

    assert meaning(found) == ("permanent", "recipient")


@pytest.mark.parametrize(
    "text",
    [
        "550 5.1.1 <news@example.com>: user unknown",
        "550 <News@Example.com> unknown user account",
        "553 5.1.0 <news@example.com>... no",
        "550 news@example.com: mailbox not found",
        "551 5.1.3 <news@example.com>: invalid",
    ],
)
def test_an_answer_that_names_our_own_address_is_about_us(text):
    assert meaning(reason_code("5.1.1", text, senders={OURS}))[1] == "sender"
    assert (
        meaning(reason_code("5.1.1", text.lower().replace(OURS, "robin@example.org"), senders={OURS}))[1]
        == "recipient"
    )


# ---- An answer inside another's sentence ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "status", "wanted"),
    [
        (
            "5.1.0 - Unknown address error 550-'5.7.1 Blocked by SpamAssassin' (delivery attempts: 0)",
            "5.0.0",
            ("compliance", "sender"),
        ),
        (
            "5.1.0 - Unknown address error 550-'Message rejected as spam' (delivery attempts: 0)",
            "5.0.0",
            ("content", "content"),
        ),
        (
            "5.1.0 - Unknown address error 550-'5.2.2 <robin@example.org>... Mailbox Full' (delivery attempts: 0)",
            "5.0.0",
            ("temporary", "recipient"),
        ),
        (
            "5.1.0 - Unknown address error 550-'5.1.1 User unknown' (delivery attempts: 0)",
            "5.1.0",
            ("permanent", "recipient"),
        ),
        (
            "5.1.0 - Unknown address error 553-'sorry, your domain is not allowed' (delivery attempts: 0)",
            "5.1.0",
            ("compliance", "sender"),
        ),
        (
            '5.1.0 - Unknown address error 550-"SPF failed" (delivery attempts: 0)',
            "5.1.0",
            ("compliance", "sender"),
        ),
        (
            "5.3.0 - Other mail system problem 554-'5.7.1 Message blocked' (delivery attempts: 0)",
            "5.0.0",
            ("compliance", "sender"),
        ),
        (
            "5.3.0 - Other mail system problem 554-'User unknown' (delivery attempts: 0)",
            "5.0.0",
            ("permanent", "recipient"),
        ),
        ("550 5.1.1 relay.example.net said: 554 5.7.1 Service refused", "5.1.1", ("compliance", "sender")),
        ("554 5.0.0 Remote host responded: 550 5.1.1 No such user", "5.0.0", ("permanent", "recipient")),
        ("550 5.1.1 mx.example.org returned '452 4.2.2 Over quota'", "5.0.0", ("temporary", "recipient")),
    ],
)
def test_the_innermost_answer_counts(text, status, wanted):
    assert meaning(reason_code(status, text)) == wanted


def test_an_answer_alone_is_its_own_innermost():
    assert innermost("Unknown user: x\nRCPT TO generated following response:\n553 5.3.0 unknown").startswith(
        "Unknown"
    )
