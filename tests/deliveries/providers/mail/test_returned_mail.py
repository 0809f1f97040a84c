"""Whose fault it was that a mail came back, in whatever words; and whom the report is about."""

import csv

import pytest

from deliveries.meaning.translation import shipped
from deliveries.providers.facts import Call, Report
from deliveries.providers.mail.bounce_words import REASONS, TABLE
from deliveries.providers.mail.bounces import NOT_NOW, innermost, reason_code, stage_of, text_reason
from deliveries.providers.smtp import Smtp

SMTP = Smtp()
OURS = "news@example.com"


def meaning(code, mailbox="", status="failed"):
    report = Report("", "", "email", status, code, mailbox=mailbox)
    found = shipped().translate("smtp", report).meaning
    return found.failure_class, found.fault


def come_of(body):
    """What a returned mail says: (status, class, fault, address) of each recipient."""
    found = SMTP.parse("dsn", Call("MAIL", "", "", {}, body.encode()))
    answers = []
    for fact in found:
        assert isinstance(fact, Report), fact
        what = shipped().translate("smtp", fact).meaning
        answers.append((what.status, what.failure_class, what.fault, fact.address))
    return answers


def one(body):
    (answer,) = come_of(body)
    return answer


def dsn(
    fields, explanation="Not delivered.", copy="From: news@example.com\nTo: robin@example.org\n", head=""
):
    return (
        f"From: MAILER-DAEMON@mail.example.net\nTo: bounces@bounce.example.com\nSubject: Undelivered mail\n{head}"
        "Content-Type: multipart/report; report-type=delivery-status; boundary=b\n\n--b\nContent-Type: text/plain\n\n"
        f"{explanation}\n\n--b\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; mail.example.net\n\n"
        f"{fields}\n\n--b\nContent-Type: text/rfc822-headers\n\n{copy}\n--b--\n"
    )


def failed(status, *more, recipient="rfc822; robin@example.org"):
    return "\n".join([f"Final-Recipient: {recipient}", "Action: failed", f"Status: {status}", *more])


def words(text, subject="failure notice", sender="MAILER-DAEMON@mail.example.net", head="Return-Path: <>\n"):
    return f"{head}From: {sender}\nTo: bounces@bounce.example.com\nSubject: {subject}\n\n{text}\n"


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
@pytest.mark.parametrize("text", REFUSALS_OF_US)
def test_a_refusal_of_ours_never_counts_against_the_recipient(code, text):
    _, _, enhanced = code.partition(" ")

    found = reason_code(enhanced or "5.0.0", f"{code} {text}")

    assert meaning(found)[1] in ("sender", "content", "account"), found


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


# ---- Codes with two meanings ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("mailbox", "text", "wanted"),
    [
        (
            "gmail",
            "550-5.2.1 The user you are trying to contact is receiving mail at a rate that prevents more",
            ("temporary", "recipient"),
        ),
        (
            "gmail",
            "550 5.2.1 The email account that you tried to reach is inactive",
            ("permanent", "recipient"),
        ),
        (
            "gmail",
            "550-5.7.1 This message is likely suspicious due to the very low reputation of the sending domain",
            ("compliance", "sender"),
        ),
        ("microsoft", "550 5.4.1 Relay Access Denied", ("compliance", "sender")),
        (
            "microsoft",
            "550 5.4.1 Recipient address rejected: Access denied. AS(201806281)",
            ("permanent", "recipient"),
        ),
        (
            "",
            "550 5.4.1 Recipient address rejected: Access denied. AS(201806281)",
            ("permanent", "recipient"),
        ),
        ("", "550 5.4.1 No answer from host", ("temporary", "carrier")),
        ("microsoft", "550 5.2.1 Content filter agent quarantined this message", ("content", "content")),
        ("microsoft", "550 5.2.1 Mailbox cannot be accessed", ("permanent", "recipient")),
        ("microsoft", "550 5.2.2 Submission quota exceeded", ("account", "account")),
        ("microsoft", "552 5.2.2 Mailbox full", ("temporary", "recipient")),
        (
            "microsoft",
            "550 5.1.92 Message can't be submitted because the sender's submission quota was exceeded",
            ("account", "account"),
        ),
        (
            "",
            "550 5.1.90 Your message can't be sent because you've reached your daily limit for message recipients",
            ("account", "account"),
        ),
        ("", "550 5.1.91 Sender limit", ("account", "account")),
        ("microsoft", "550 5.1.90 daily limit", ("account", "account")),
        ("", "525 5.7.13 Disabled recipient address", ("temporary", "recipient")),
        ("", "525 5.7.13 User account disabled", ("temporary", "recipient")),
        ("", "535 5.7.8 Authentication credentials invalid", ("account", "account")),
        (
            "",
            "550 5.7.1 <robin@example.org>: Recipient address rejected: User unknown",
            ("permanent", "recipient"),
        ),
        ("", "550 5.7.1 No such user here", ("permanent", "recipient")),
        ("", "554 5.7.1 Mailbox is over quota", ("temporary", "recipient")),
        ("", "550 5.7.1 The recipient's mailbox does not exist", ("permanent", "recipient")),
        (
            "",
            "550 5.7.1 <robin@example.org>: Recipient address rejected: User temporary locked. Try again later",
            ("temporary", "recipient"),
        ),
        ("", "550 5.7.1 Sender address rejected: User unknown", ("compliance", "sender")),
        ("", "550 5.7.1 IP address not found in our list of known servers", ("compliance", "sender")),
        ("", "550 5.7.1 Message rejected, the address is not known to us", ("compliance", "sender")),
        ("", "550 5.7.26 Unauthenticated mail, no such user", ("compliance", "sender")),
        ("", "550 5.1.1 Mailbox full", ("temporary", "recipient")),
        ("", "550 5.1.1 User temporarily locked", ("temporary", "recipient")),
        (
            "",
            "552 sorry, mailbox robin@example.org is over quota temporarily (#5.1.1)",
            ("temporary", "recipient"),
        ),
    ],
)
def test_where_a_code_has_two_meanings_the_words_decide(mailbox, text, wanted):
    status = next(
        word
        for word in text.replace("-", " ").replace("#", " ").replace(")", " ").split()
        if word[1:2] == "."
    )

    assert meaning(reason_code(status, text, mailbox), mailbox) == wanted


@pytest.mark.parametrize(
    "host",
    [
        "AM6PR01MB1234.prod.exchangelabs.com",
        "AM6PR01MB1234.eurprd01.prod.outlook.com",
        "mail.example.org",
        "hybrid.example.net",
        "example-org.mail.protection.outlook.com",
        "x.outlook.office365.com",
    ],
)
def test_limits_of_our_account_at_microsoft_are_ours_on_every_host(host):
    answer = one(
        dsn(
            failed(
                "5.1.90",
                f"Remote-MTA: dns; {host}",
                "Diagnostic-Code: smtp; 550 5.1.90 Your message can't be sent",
            )
        )
    )

    assert answer[1:3] == ("account", "account")


# ---- A vague status hides nothing --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "explanation", "wanted"),
    [
        (
            ['X-Supplementary-Info: <192.0.2.32 #5.0.0 smtp; 550 "Unknown User">'],
            "",
            ("permanent", "recipient"),
        ),
        (
            ["X-Supplementary-Info: <mx.example.org #5.0.0 smtp; 550 5.7.1 blocked>"],
            "",
            ("compliance", "sender"),
        ),
        (["X-SMTP-Response: 552 mailbox full"], "", ("temporary", "recipient")),
        (["X-Notes-Reason: User robin not listed in Domino Directory"], "", ("permanent", "recipient")),
        (["X-Notes: Maximum hop count exceeded"], "", ("temporary", "carrier")),
        (["Diagnostic-Code: X-Notes; Recipient's Domino Directory entry does not exist"], "", None),
        (
            [
                "Diagnostic-Code: smtp; 550 Requested action not taken",
                "X-SMTP-Response: 550 5.1.1 No such user",
            ],
            "",
            ("permanent", "recipient"),
        ),
        (
            [],
            "<robin@example.org>: host mx.example.org said: 550 5.1.1 User unknown",
            ("permanent", "recipient"),
        ),
        ([], "robin@example.org: 550 5.7.26 Unauthenticated email is not accepted", ("compliance", "sender")),
        (
            [],
            "Your message wasn't delivered to robin@example.org because the address couldn't be found.",
            ("permanent", "recipient"),
        ),
        ([], "Das Postfach des Empfängers ist voll.", ("temporary", "recipient")),
        ([], "robin@example.org: Domain does not exist", ("permanent", "recipient")),
        (["Diagnostic-Code: smtp; 504 Command parameter not implemented"], "", ("permanent", "sender")),
        (["Diagnostic-Code: smtp; 552 no more"], "", ("temporary", "recipient")),
        (["Diagnostic-Code: smtp; 556 no"], "", ("permanent", "recipient")),
        (["Diagnostic-Code: smtp; 511 no"], "", ("permanent", "recipient")),
        (["Diagnostic-Code: smtp; 535 no"], "", ("account", "account")),
        (["Diagnostic-Code: smtp; 550 no"], "", ("unknown", "none")),
        (
            [
                "Diagnostic-Code: smtp; 550-Please turn on SMTP authentication.\n550-mx is not permitted to\n"
                "550 relay through this server without authentication."
            ],
            "",
            ("account", "account"),
        ),
        ([], "", ("unknown", "none")),
    ],
)
def test_beside_a_vague_status_the_rest_of_the_report_is_read(fields, explanation, wanted):
    if wanted:
        assert one(dsn(failed("5.0.0", *fields), explanation))[1:3] == wanted


@pytest.mark.parametrize(
    ("action", "status"), [("delivered", "delivered"), ("relayed", "sent"), ("expanded", "sent")]
)
@pytest.mark.parametrize("code", ["2.0.0", "2.1.5", "2.5.0"])
def test_a_report_of_an_arrival_gives_no_reason(action, status, code):
    fields = failed(code, "Diagnostic-Code: smtp; 250 2.0.0 Ok, not blocked by policy").replace(
        "failed", action
    )
    explanation = (
        "Your message was delivered. If it was blocked by a policy or as spam: 550 5.1.1 User unknown"
    )

    assert one(dsn(fields, explanation)) == (status, "none", "none", "robin@example.org")
    assert (
        one(
            dsn(f"Final-Recipient: rfc822; robin@example.org\nAction: {action}\nStatus: {code}", explanation)
        )[0]
        == status
    )


def test_reasons_of_one_recipient_are_not_given_to_another():
    two = f"{failed('5.0.0')}\n\n{failed('5.0.0', recipient='rfc822; kim@example.org')}"
    explanation = "<robin@example.org>: 550 5.1.1 User unknown\n\n<kim@example.org>: 552 5.2.2 Mailbox full"

    assert come_of(dsn(two, explanation)) == [
        ("bounced", "permanent", "recipient", "robin@example.org"),
        ("bounced", "temporary", "recipient", "kim@example.org"),
    ]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (
            "554 delivery error: dd This user doesn't have a yahoo.com account (robin@yahoo.com) [0] - mta1.yahoo.com",
            "no-such-user",
        ),
        ("554 delivery error: dd Not a valid recipient - atlas318.free.mail.gq1.yahoo.com", "no-such-user"),
        ("Account not available", "no-such-user"),
        ("robin@example.org does not have an account here", "no-such-user"),
        ("Recipient is not on this system", "no-such-user"),
        ("There is no user by that name", "no-such-user"),
        ("Mailbox not found", "no-such-user"),
        ("Invalid final delivery userid", "no-such-user"),
        ("Not a known user", "no-such-user"),
        ("User robin not known at this site", "no-such-user"),
        ("Addressee unknown", "no-such-user"),
        ("Unknown local part robin", "no-such-user"),
        ("Benutzer existiert nicht", "no-such-user"),
        ("Empfänger unbekannt", "no-such-user"),
        ("Utilisateur inconnu", "no-such-user"),
        ("L'adresse du destinataire est introuvable", "no-such-user"),
        ("L’utilisateur n’existe pas", "no-such-user"),
        ("Usuario desconocido", "no-such-user"),
        ("El buzón no existe", "no-such-user"),
        ("Utente sconosciuto", "no-such-user"),
        ("Casella di posta inesistente", "no-such-user"),
        ("Usuário inexistente", "no-such-user"),
        ("USUARIO INEXISTENTE", "no-such-user"),
        ("Gebruiker onbekend", "no-such-user"),
        ("Nieznany użytkownik", "no-such-user"),
        ("Пользователь не найден", "no-such-user"),
        ("用户不存在", "no-such-user"),
        ("mailbox is over its quota", "mailbox-full"),
        ("user is over the storage limit", "mailbox-full"),
        ("The e-mail message could not be delivered because the user's mailfolder is full.", "mailbox-full"),
        ("User mailbox exceeds allowed size", "mailbox-full"),
        ("has been postponed due to a full mailbox", "mailbox-full"),
        ("The recipient's inbox is out of storage space", "mailbox-full"),
        ("Postfach voll", "mailbox-full"),
        ("Boîte aux lettres pleine", "mailbox-full"),
        ("Boite aux lettres pleine", "mailbox-full"),
        ("Buzón lleno", "mailbox-full"),
        ("Casella piena", "mailbox-full"),
        ("Caixa postal cheia", "mailbox-full"),
        ("Postvak vol", "mailbox-full"),
        ("Skrzynka pełna", "mailbox-full"),
        ("Mailbox is frozen.", "disabled"),
        ("The recipient account is blocked.", "disabled"),
        ("Disabled recipient address", "disabled"),
        ("Konto gesperrt", "disabled"),
        ("Compte désactivé", "disabled"),
        ("No such domain.", "no-such-host"),
        ("No mx record found for domain=example.com", "no-such-host"),
        ("DNS lookup failure: host example.com not found", "no-such-host"),
        ("I'm not going to try again; this message has been in the queue too long.", "expired"),
        (
            "unable to connect to remote server: Operation timed out\nthis message has been in the queue too long.",
            "expired",
        ),
        ("Delivery to the following recipients was aborted after 5.0 hour(s)", "expired"),
        ("Could not deliver for the last 432000 seconds. Giving up.", "expired"),
        (
            "all hosts have been failing for a long time and were last tried after this message arrived",
            "expired",
        ),
        ("unable to deliver this message for 5 days", "expired"),
        ("Too many hops 26 (25 max)", "loop"),
        ("Maximum hop count exceeded. Message probably in a routing loop", "loop"),
        ("mail for example.org loops back to myself", "loop"),
        ("too many Received headers", "loop"),
        ("mail forwarding loop for robin@example.org", "loop"),
        ("Nachricht ist zu groß", "too-big"),
        ("Message trop volumineux", "too-big"),
        ("Bitte versuchen Sie es später erneut", "try-later"),
        ("Greylisted, please come back later", "try-later"),
        ("Réessayez plus tard", "try-later"),
        ("The recipient server did not accept our requests to connect. socket error", "network"),
        ("Acceso denegado", "policy"),
        ("Each of the following recipients was rejected by a remote mail server.", ""),
        ("Nothing to see", ""),
    ],
)
def test_ordinary_wordings_are_known(text, reason):
    assert text_reason(text).removeprefix("text/") == reason


def test_the_table_of_words_speaks_of_each_reason_in_six_languages():
    with TABLE.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    languages = {}
    for row in rows:
        languages.setdefault(row["says"], set()).add(row["language"])
    reasons = {
        "sender-rejected", "policy", "spam", "too-fast", "mailbox-full", "disabled", "no-such-host", "no-such-user",
        "too-big", "expired", "refused", "try-later", "network", "failed", "later",
    }  # fmt: skip

    assert all(len(languages[says] - {"en"}) >= 6 for says in reasons)
    assert set(languages) == reasons | {"automatic", "read", "unread"}
    assert len({(row["says"], row["language"], row["words"]) for row in rows}) == len(rows)


def test_every_reason_has_a_row():
    rows = {key.code for key in shipped().codes if key.table == "smtp" and key.code.startswith("text/")}

    assert rows == {f"text/{reason.name}" for reason in REASONS} | {NOT_NOW}


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
