"""What people and their mail programs write back: their own words, what they quote, and what no person wrote."""

import pytest

from contacts.keywords import classify
from deliveries.providers.facts import Act, Call, Inbound
from deliveries.providers.kit.email_events import replied, specific
from deliveries.providers.mail.bounce_words import bare_subject, is_automatic_subject, receipt_subject
from deliveries.providers.mail.quoted_mail import without_quotes
from deliveries.providers.smtp import Smtp

SMTP = Smtp()
OURS = "Hello Robin, doors open at 7. Wrong person? To stop the emails, reply STOP."


def letter(text, subject="Re: Hello", content_type="text/plain; charset=utf-8", head=""):
    body = (
        f"From: Robin <robin@example.org>\nTo: bounces@bounce.example.com\nSubject: {subject}\n{head}"
        "In-Reply-To: <6f1c2b9e-3f0a-4c55-9d1e-0a1b2c3d4e5f@bounce.example.com>\n"
        f"Content-Type: {content_type}\n\n{text}\n"
    )
    (fact,) = SMTP.parse("dsn", Call("MAIL", "", "", {}, body.encode()))
    return fact


# ---- Quoted mail ------------------------------------------------------------------------------------------------

QUOTES = [
    "Von: News <news@example.com>\nGesendet: Mittwoch, 4. März 2026 18:00\nAn: Robin\nBetreff: Hello\n\n",
    "Von: News\nGesendet: Mittwoch, 4. März 2026 18:00\nAn: Robin\nBetreff: Hello\n\n",
    "De : News <news@example.com>\nEnvoyé : mercredi 4 mars 2026 18:00\nÀ : Robin\nObjet : Hello\n\n",
    "De: News <news@example.com>\nEnviado el: miércoles, 4 de marzo de 2026 18:00\nPara: Robin\nAsunto: Hello\n\n",
    "Da: News <news@example.com>\nInviato: mercoledì 4 marzo 2026 18:00\nA: Robin\nOggetto: Hello\n\n",
    "Från: News <news@example.com>\nSkickat: den 4 mars 2026 18:00\nTill: Robin\nÄmne: Hello\n\n",
    "Van: News <news@example.com>\nVerzonden: woensdag 4 maart 2026 18:00\nAan: Robin\nOnderwerp: Hello\n\n",
    "От: News <news@example.com>\nОтправлено: 4 марта 2026 г. 18:00\nКому: Robin\nТема: Hello\n\n",
    "Kimden: News <news@example.com>\nGönderildi: 4 Mart 2026 18:00\nKime: Robin\nKonu: Hello\n\n",
    "差出人: News <news@example.com>\n送信日時: 2026年3月4日 18:00\n宛先: Robin\n件名: Hello\n\n",
    "发件人：News <news@example.com>\n发送时间：2026年3月4日 18:00\n收件人：Robin\n主题：Hello\n\n",
    "*From:* News <news@example.com>\n*Sent:* Wednesday, March 4, 2026 6:00 PM\n*To:* Robin\n*Subject:* Hello\n\n",
    "From: News <news@example.com>\n\n",
    # A language that no list has.
    "Kutoka: News <news@example.com>\nIlitumwa: 4/3/2026 18:00\nKwa: Robin\nKichwa: Hello\n\n",
    "________________________________\nVon: News <news@example.com>\nAn: Robin\n\n",
    "________________________________\n\n",
    "-----Original Message-----\n",
    "-----Ursprüngliche Nachricht-----\n",
    "-----Message d'origine-----\n",
    "----- Messaggio originale -----\n",
    "-------- Oprindelig meddelelse --------\n",
    "----- Исходное сообщение -----\n",
    "On Wed, 4 Mar 2026 at 18:00, News <news@example.com> wrote:\n\n",
    "Am Mi., 4. März 2026 um 18:00 Uhr schrieb News <news@example.com>:\n\n",
    "Le mer. 4 mars 2026 à 18:00, News <news@example.com> a écrit :\n\n",
    "El mié, 4 mar 2026 a las 18:00, News (<news@example.com>) escribió:\n\n",
    "Il giorno mer 4 mar 2026 alle ore 18:00 News <news@example.com> ha scritto:\n\n",
    "Op wo 4 mrt 2026 om 18:00 schreef News <news@example.com>:\n\n",
    "Den ons 4 mars 2026 kl 18:00 skrev News <news@example.com>:\n\n",
    "śr., 4 mar 2026 o 18:00 News <news@example.com> napisał(a):\n\n",
    "ср, 4 мар. 2026 г. в 18:00, News <news@example.com>:\n\n",
    "2026年3月4日(水) 18:00 News <news@example.com>:\n\n",
    "Το Τετ, 4 Μαρ 2026 στις 18:00 News <news@example.com> έγραψε:\n\n",
    "On Wed, 4 Mar 2026 at 18:00, News from the house on the hill\n<news@example.com> wrote:\n\n",
]


@pytest.mark.parametrize("quote", QUOTES, ids=range(len(QUOTES)))
@pytest.mark.parametrize("subject", ["AW: Hello", "[EXTERN] RE: Hello", "Hello"])
def test_what_an_answer_quotes_is_not_the_persons(quote, subject):
    fact = letter(f"Danke, passt!\n\n{quote}{OURS}", subject)

    assert isinstance(fact, Inbound)
    assert fact.text == "Danke, passt!"
    assert classify(fact.text, fact.opt_out_type).kind == "reply"


@pytest.mark.parametrize("quote", QUOTES, ids=range(len(QUOTES)))
def test_a_stop_above_a_quote_is_theirs(quote):
    fact = letter(f"STOP\n\n{quote}Hello Robin, see you.")

    assert classify(fact.text, fact.opt_out_type).kind == "stop"


@pytest.mark.parametrize("quote", [quote for quote in QUOTES if quote.rstrip().endswith((":", "wrote:"))])
def test_a_stop_below_marked_lines_is_theirs(quote):
    marked = "\n".join(f"> {line}" for line in OURS.splitlines())

    fact = letter(f"{quote}{marked}\n\nSTOP")

    assert (fact.text, classify(fact.text, fact.opt_out_type).kind) == ("STOP", "stop")


@pytest.mark.parametrize(
    "text",
    [
        "Name: Robin\nEmail: robin@example.org\nPhone: 123\nPlease stop writing to me",
        "Note: STOP",
        "Three things:\n1: no\n2: more\n3: mail on 4/3/2026",
        "At 10:30 I called you. Stop the emails: now.",
        "My new address: robin@example.net\nThanks",
        "Bitte: nicht mehr schreiben\nDanke: Robin",
        "-- \nRobin\nSTOP",
        "*** STOP ***",
    ],
)
def test_what_only_looks_like_a_quote_stays(text):
    assert without_quotes(text, "Re: Hello") == text.strip()


@pytest.mark.parametrize(
    "text",
    [
        "-- STOP --",
        "--- UNSUBSCRIBE ---",
        "== Abmelden ==",
        "Hi\n\n-- STOP --",
        "____________________\nSTOP\n____________________",
        ">STOP",
        ">> please unsubscribe me <<",
        "| STOP |",
        "I wrote to you on 12/11/2026 already:\nSTOP sending me mail",
        "Am 12.11.2026 schrieb ich schon:\n\nAbmelden",
        "As we wrote to you on 12/11/2026 at 10:15:\n\nplease unsubscribe me",
        "Please delete, as of 2026-11-29, robin@example.org:\nSTOP",
        "From: robin@example.org\nSTOP",
        "De: robin@example.org\nPara: news@example.com\nAsunto: Hola\n\nSTOP",
        "Hello,\nName: Robin\nEmail: robin@example.org\nRequest: please unsubscribe me",
    ],
)
@pytest.mark.parametrize("subject", ["Re: Hello", "Hello"])
def test_a_stop_in_the_shape_of_a_quote_is_theirs(text, subject):
    fact = letter(text, subject)

    assert classify(fact.text, fact.opt_out_type).kind == "stop"


@pytest.mark.parametrize(
    "page",
    [
        "<p>Danke, passt!</p><blockquote type=cite>{}</blockquote>",
        '<div>Danke, passt!</div><div class="gmail_quote">On Wed News wrote:<br>{}</div>',
        "<p>Danke, passt!</p><div id=\"divRplyFwdMsg\"><b>Von:</b> News</div><p>{}</p>",
        "<p>Danke, passt!</p><div id='x_divRplyFwdMsg'>Von: News</div><p>{}</p>",
        '<p>Danke, passt!</p><div class="yahoo_quoted">{}</div>',
        '<p>Danke, passt!</p><div class="moz-cite-prefix">Am 4.3.2026 schrieb News:</div>{}',
        "<p>Danke, passt!</p><p>Von: News &lt;news@example.com&gt;<br>An: Robin<br>Betreff: Hello</p><p>{}</p>",
    ],
)  # fmt: skip
def test_quotes_in_html_are_no_words_of_theirs(page):
    assert letter(page.format(OURS), content_type="text/html").text == "Danke, passt!"


def test_a_stop_below_a_blockquote_is_theirs():
    page = f"<blockquote>{OURS}</blockquote><p>STOP</p>"

    assert letter(page, content_type="text/html").text == "STOP"


@pytest.mark.parametrize(
    "subject", ["Re: Stop the emails", "AW: Wrong number?", "SV: Don't text us", "回复：stop the calls"]
)
def test_our_own_subject_is_no_word_of_theirs(subject):
    fact = letter(f"> {OURS}", subject)

    assert (fact.text, fact.opt_out_type) == ("", "")
    assert classify(fact.text).kind == "reply"


@pytest.mark.parametrize(
    "subject", ["STOP", "unsubscribe", "Re: unsubscribe", "[External] Unsubscribe", "AW: STOP"]
)
def test_a_subject_that_is_the_keyword_alone_counts(subject):
    fact = letter("", subject)

    assert classify(fact.text, fact.opt_out_type).kind == "stop"


# ---- Robots -----------------------------------------------------------------------------------------------------

TAGS = [
    "",
    "[External] ",
    "[EXTERN] ",
    "{Spam?} ",
    "(spam?) ",
    "***SPAM*** ",
    "[EXT] [Newsletter] ",
    "AW: ",
    "RE: [External] ",
]
AUTOMATIC = [
    "Automatic reply: Hello", "Auto-Reply: Hello", "Autoreply: Hello", "Out of Office: Hello",
    "Automatische Antwort: Hello",
    "Abwesend: Hello", "Abwesenheitsnotiz: Hello", "Réponse automatique : Hello", "Respuesta automática: Hello",
    "Risposta automatica: Hello", "Resposta automática: Hello", "Automatisch antwoord: Hello",
    "Afwezig: Hello", "Autosvar: Hello",
    "Automatiskt svar: Hello", "Automatisk svar: Hello", "Frånvaro: Hello", "Automaattinen vastaus: Hello",
    "Automatyczna odpowiedź: Hello", "Odpowiedź automatyczna: Hello", "Automatická odpověď: Hello",
    "Automatická odpoveď: Hello",
    "Automatikus válasz: Hello", "Răspuns automat: Hello", "Автоматический ответ: Hello",
    "Автоматична відповідь: Hello",
    "Otomatik yanıt: Hello", "Αυτόματη απάντηση: Hello", "תשובה אוטומטית: Hello", "رد تلقائي: Hello", "自動返信: Hello",
    "自动回复: Hello", "自動回覆: Hello", "자동 회신: Hello", "Trả lời tự động: Hello", "Automatski odgovor: Hello",
]  # fmt: skip


@pytest.mark.parametrize("tag", TAGS)
def test_a_robot_is_known_by_its_subject(tag):
    assert [subject for subject in AUTOMATIC if not is_automatic_subject(f"{tag}{subject}")] == []


@pytest.mark.parametrize(
    "subject",
    [
        "Re: Out of office hours", "AW: Abwesenheit am Montag", "Hello", "Re: Hello", "Question about my vacation",
        "Oooh, nice", "Lunch", "[External] Re: your mail", "I read: your letter",
        "Re: Automatic reply to our customers",
    ],
)  # fmt: skip
def test_a_person_is_no_robot(subject):
    assert not is_automatic_subject(subject)
    assert not receipt_subject(subject)


@pytest.mark.parametrize(
    "head",
    [
        "X-Auto-Response-Suppress: All\n", "X-Auto-Response-Suppress: DR, OOF, AutoReply\n",
        "Auto-Submitted: auto-generated\n",
        "Auto-Submitted: auto-replied (vacation)\n", "Precedence: bulk\n", "Precedence: auto_reply\n",
        "X-Autoreply: yes\n",
    ],
)  # fmt: skip
def test_a_robot_is_known_by_its_headers(head):
    fact = letter("Stop writing to my old address, I moved.", head=head)

    assert isinstance(fact, Act)
    assert (fact.kind, fact.machine) == ("auto_reply", True)


@pytest.mark.parametrize(
    "head", ["X-Auto-Response-Suppress: DR, RN, NRN\n", "Auto-Submitted: no\n", "Precedence: normal\n"]
)
def test_headers_that_people_have_too_make_no_robot(head):
    assert isinstance(letter("STOP", head=head), Inbound)


@pytest.mark.parametrize(
    ("subject", "head"),
    [
        ("Re: Out of office: five tips", ""),
        ("Out of office: five tips", ""),
        ("Re: Hello", "X-Auto-Response-Suppress: All\n"),
        ("Re: Hello", "Precedence: list\n"),
        ("Re: Hello", "Auto-Submitted: auto-generated\n"),
    ],
)
@pytest.mark.parametrize(
    "text", ["STOP", "Stop!", "unsubscribe", "Bitte abmelden", "Baja", "退订", "remove me please"]
)
def test_a_bare_stop_is_a_persons_whatever_the_mail_looks_like(subject, head, text):
    fact = letter(text, subject, head=head)

    assert classify(fact.text, fact.opt_out_type).kind == "stop"


@pytest.mark.parametrize(
    ("subject", "head", "text"),
    [
        ("Re: Hello", "Return-Path: <>\n", "STOP"),
        ("Hello", "Return-Path: <MAILER-DAEMON>\n", "Bitte abmelden"),
        ("STOP", "Precedence: bulk\n", ""),
        ("Abmelden", "Auto-Submitted: auto-generated\n", ""),
        ("Read: Hello", "", "STOP"),
        ("Ungelesen: Hello", "", "unsubscribe me"),
    ],
)
def test_a_bare_stop_is_a_persons_whoever_passes_for_its_sender(subject, head, text):
    fact = letter(text, subject, head=head)

    assert classify(fact.text, fact.opt_out_type).kind == "stop"


@pytest.mark.parametrize("subject", ["Re: Stop the emails", "AW: Fin", "Re: Cancel"])
def test_our_own_subject_is_no_word_of_theirs_through_a_service(subject):
    (fact,) = through_a_service(f"> {OURS}", subject)

    assert classify(fact.text, fact.opt_out_type).kind == "reply"


@pytest.mark.parametrize(
    ("subject", "text"), [("STOP", ""), ("Read: Hello", "STOP"), ("Abmelden", ""), ("Lu : Hello", "Abmelden")]
)
def test_a_bare_stop_is_a_persons_through_a_service_whatever_it_looks_like(subject, text):
    (fact,) = through_a_service(text, subject, Precedence="bulk")

    assert classify(fact.text, fact.opt_out_type).kind == "stop"


RECEIPTS = [
    "Gelesen: Hello", "Read: Hello", "Lu : Hello", "Lu: Hello", "Leído: Hello", "Letto: Hello",
    "Lida: Hello", "Gelezen: Hello",
    "Läst: Hello", "Lest: Hello", "Læst: Hello", "Luettu: Hello", "Przeczytano: Hello", "Přečteno: Hello",
    "Прочтено: Hello",
    "Okundu: Hello", "開封済み: Hello", "已读: Hello", "읽음: Hello", "Αναγνώστηκε: Hello", "Lesebestätigung: Hello",
]  # fmt: skip


@pytest.mark.parametrize("subject", RECEIPTS)
@pytest.mark.parametrize("tag", ["", "[External] "])
def test_a_read_receipt_written_as_a_letter_is_an_open(tag, subject):
    fact = letter("Ihre Nachricht wurde gelesen. To stop the emails, reply STOP.", f"{tag}{subject}")

    assert isinstance(fact, Act)
    assert fact.kind == "open"


@pytest.mark.parametrize(
    "subject",
    ["Not read: Hello", "Ungelesen: Hello", "Non lu : Hello", "No leído: Hello", "Не прочтено: Hello"],
)
def test_a_receipt_of_mail_deleted_unread_says_nothing(subject):
    body = f"From: robin@example.org\nTo: bounces@bounce.example.com\nSubject: {subject}\n\nNot read.\n"

    assert SMTP.parse("dsn", Call("MAIL", "", "", {}, body.encode())) == []


@pytest.mark.parametrize(
    "subject", ["Re: Read: Hello", "Aw: Gelesen: Hello", "Reading: Hello", "Luc: Hello", "Lu"]
)
def test_a_letter_about_reading_is_a_letter(subject):
    assert isinstance(letter("STOP", subject), Inbound)


@pytest.mark.parametrize(
    ("subject", "bare"),
    [
        ("[External] AW: Hello", ("hello", True)),
        ("Re[2]: Fwd: Hello", ("hello", True)),
        ("{Spam?} Hello", ("hello", False)),
        ("Hello: you", ("hello: you", False)),
        ("[External]", ("", False)),
        ("", ("", False)),
    ],
)
def test_a_subject_is_bared_of_tags(subject, bare):
    assert bare_subject(subject) == bare


# ---- The same through email services ------------------------------------------------------------------------------


def through_a_service(text, subject="Re: Hello", **headers):
    headers = {"In-Reply-To": "<1@example.com>"} | {
        name.replace("_", "-"): value for name, value in headers.items()
    }
    return list(replied("robin@example.org", "news@example.com", subject, text, headers))


@pytest.mark.parametrize("quote", QUOTES[::4])
def test_what_an_answer_quotes_is_not_the_persons_through_a_service_either(quote):
    (fact,) = through_a_service(f"Danke, passt!\n\n{quote}{OURS}")

    assert fact.text == "Danke, passt!"


@pytest.mark.parametrize(
    ("subject", "headers", "kind"),
    [
        ("[External] Automatic reply: Hello", {}, "auto_reply"),
        ("Autosvar: Hello", {}, "auto_reply"),
        ("Hello", {"X_Auto_Response_Suppress": "All"}, "auto_reply"),
        ("Hello", {"Precedence": "auto_reply"}, "auto_reply"),
        ("Hello", {"Auto_Submitted": "auto-replied"}, "auto_reply"),
        ("Gelesen: Hello", {}, "open"),
        ("Lu : Hello", {}, "open"),
    ],
)
def test_a_robot_is_known_through_a_service_too(subject, headers, kind):
    (fact,) = through_a_service(f"I moved. {OURS}", subject, **headers)

    assert (fact.kind, fact.provider_message_id) == (kind, "1@example.com")


@pytest.mark.parametrize(
    ("subject", "text"),
    [("Unsubscribe", ""), ("Re: unsubscribe", ""), ("Re: Hello", "STOP"), ("Automatic reply: Hello", "STOP")],
)
def test_a_bare_stop_counts_through_a_service_too(subject, text):
    (fact,) = through_a_service(text, subject)

    assert classify(fact.text).kind == "stop"


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("550 5.1.1 <news@example.com>: Sender address rejected: User unknown", "text/sender-rejected"),
        ("550 5.1.0 Your IP address 192.0.2.1 is blacklisted", "text/policy"),
        ("550 Sender denied", "text/sender-rejected"),
        ("550 5.1.1 rejected as spam", "text/spam"),
        ("550 5.7.1 Recipient address rejected: User unknown", "text/no-such-user"),
        (
            "550-5.2.1 The user is receiving mail at a rate that prevents more - gsmtp",
            "text/receiving-too-fast",
        ),
        ("550 5.1.1 User unknown", "5.1.1"),
        ("550 5.4.1 Recipient address rejected: Access denied [x.prod.outlook.com]", "5.4.1"),
        ("550 User unknown", ""),
        ("I get too many emails", ""),
        ("550 5.0.0 no", ""),
    ],
)
def test_a_servers_answer_that_a_service_passes_on_is_read_by_its_words(text, code):
    assert specific(text) == code
