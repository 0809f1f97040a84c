"""Why mail came back, by codes and by words."""

import csv

import pytest

from deliveries.meaning.translation import shipped
from deliveries.providers.mail.bounce_words import REASONS, TABLE
from deliveries.providers.mail.bounces import NOT_NOW, reason_code, text_reason
from tests.deliveries.providers.mail.reports import come_of, dsn, failed, meaning, one

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
