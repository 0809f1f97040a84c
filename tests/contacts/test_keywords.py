"""Which inbound texts stop, start or ask for help, in whatever language, and which go to a person."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import contacts.keyword_limits
import contacts.keywords
from contacts.keywords import KINDS, Keyword, classify
from contacts.reply_asks import asks_for

ACTED, ACTED_AND_READ = Keyword("stop"), Keyword("stop", review=True)
READ, PLAIN = Keyword("reply", review=True), Keyword("reply")

FEDERAL = ["stop", "quit", "end", "revoke", "opt out", "cancel", "unsubscribe"]  # 47 CFR 64.1200(a)(10)
CARRIERS = [*FEDERAL, "stopall", "stop all", "optout", "remove", "arret", "unsub"]


def lines() -> list[dict[str, str]]:
    with Path(contacts.keywords.__file__).with_suffix(".csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_every_line_of_the_table_says_what_it_does():
    hows = {"act", "both", "review"}
    for line in lines():
        if line["kind"] != "courtesy":
            assert line["kind"] in KINDS, line
            assert line["whole"] in hows, line
            assert line["inside"] in hows - {"act"} | {""}, line


@pytest.mark.parametrize(
    "shape", ["{}", "{}.", "  {}!! ", "“{}”", "'{}'", "{} 🙏", "{}\n", "{}\ufe0f", "\u202b{}\u202c"]
)
def test_a_stop_word_alone_stops_however_it_is_dressed(shape):
    for word in CARRIERS:
        assert classify(shape.format(word)) == ACTED, word
        assert classify(shape.format(word.upper())) == ACTED, word


@pytest.mark.parametrize(
    "shape",
    [
        "{} please", "please {}", "{}. Thank you", "{} thx", "Hi, {} now!!", "ok {}", "yes, {}", "pls {} asap",
        "{} thank you so much, have a nice day", "por favor {}", "{} merci", "bitte {}, danke",
    ],
)  # fmt: skip
def test_a_courtesy_around_a_stop_word_changes_nothing(shape):
    for word in CARRIERS:
        assert classify(shape.format(word)) == ACTED, word


@pytest.mark.parametrize(
    "text",
    ["ＳＴＯＰ", "ARRÊT", "arre\u0302t", "opt-out", "OPT OUT", "Stop-All", "S.T.O.P", "s t o p", "S-T-O-P now",
     "stop stop",
     "STOP END", "STOPPPP", "STOP 36111", "Stop SMS", "stop!!! now", "kindly stop", "Yes, stop"],
)  # fmt: skip
def test_other_spellings_of_a_stop_word_stop(text):
    assert classify(text) == ACTED


@pytest.mark.parametrize(
    "text",
    ["S\u200bTOP", "ST\u00adOP", "\u200fSTOP\u200f", "\u2066STOP\u2069", "S\u2060T\u2060OP", "SТОР", "ЅТОР", "ЅTОP",
     "STΟP", "\U0001d5e6\U0001d5e7\U0001d5e2\U0001d5e3", "ⓢⓣⓞⓟ", "🆂🆃🅾🅿", "🅢🅣🅞🅟", "🇸🇹🇴🇵", "ꜱᴛᴏᴘ", "CАNСEL", "ЕND",
     "unsubsсribе please"],
)  # fmt: skip
def test_disguised_letters_are_read_as_what_they_show(text):
    assert classify(text).kind == "stop"


@pytest.mark.parametrize("text", ["СТОП", "стоп, пожалуйста", "ΣΤΟΠ", "СТОП 🙏", "ОТПИСАТЬСЯ"])
def test_words_in_their_own_script_stay_themselves(text):
    assert classify(text) == ACTED


@pytest.mark.parametrize(
    "text", ["STPO", "SOTP", "STOOP", "STO P", "STOP2", "S TOP", "st0p", "Stpo please", "stpp", "cancle"]
)
def test_a_slip_of_the_finger_stops(text):
    assert classify(text) == ACTED


@pytest.mark.parametrize(
    "text", ["unsubcribe", "unsuscribe", "unsubscirbe", "UNSUBSCRIBEE", "abmeldenn", "desabonmer"]
)
def test_a_long_word_with_one_wrong_letter_stops_and_is_read(text):
    assert classify(text) == ACTED_AND_READ


@pytest.mark.parametrize(
    "text",
    [
        "I want to opt out", "quit texting me", "remove my number", "take my number off your list",
        "delete my number",
        "please remove my number", "no more texts", "stop texting me", "please stop calling me",
        "remove me from your list please", "take me off this list", "Don't text me", "do not contact us",
        "no more messages",
        "No more marketing emails please", "opt me out", "leave me alone!", "fuck off", "lose my number",
        "I don't want to receive any more of these", "Please don't text me anymore", "revoke my consent",
        "stop sending me these texts", "do not call me again", "I no longer wish to receive messages",
        "cancel my subscription", "unsubscribe me now", "stop the messages",
        "Can you stop sending me this? stop texting",
    ],
)  # fmt: skip
def test_a_clear_wish_that_is_all_they_say_stops(text):
    assert classify(text) == ACTED


@pytest.mark.parametrize(
    "text",
    [
        "Wrong number", "you have the wrong person", "STOP I already voted",
        "I moved away last year. STOP", "Hi this is Robin's son, please take him off, leave us alone",
        "This is harassment, stop contacting me or I call the police", "Stop, I mean it",
        "I never signed up for this, who are you", "How do I unsubscribe from these?", "fuck you and your texts",
        "I have told you a hundred times to remove my number", "You people... remove me from this list, it is Sunday",
    ],
)  # fmt: skip
def test_a_clear_wish_among_other_words_stops_and_is_read(text):
    assert classify(text) == ACTED_AND_READ


@pytest.mark.parametrize(
    "text",
    [
        "Stop by the office tomorrow and I will sign", "Stop the bill! I am in", "Stop in any time",
        "Stop signs on Elm are down", "Stop racism", "Don't text me the address, I have it. See you there",
        "don't call me before nine, I work nights", "what time does it end?", "I'm at the bus stop", "bus stop",
        "can I cancel Tuesday only?", "I quit smoking", "no thanks", "not interested", "Cancelled", "dung", "T",
        "You never stop texting me", "Can't you stop texting me", "ELIMINAR", "KÜNDIGEN", "ОТМЕНА", "BATAL",
    ],
)  # fmt: skip
def test_what_may_mean_it_goes_to_a_person_and_is_not_acted_on(text):
    assert classify(text) == READ


@pytest.mark.parametrize(
    "text",
    [
        "", "👍", "yes", "Thanks, see you then", "weekend works", "information please", "start at 9?", "don't stop",
        "Please don't stop!", "please do not stop texting me", "stop by at 5?", "YES see you", "no pares",
        "nicht aufhören",
        "I don't want to unsubscribe", "n'arrêtez pas", "non fermarti", "не переставай", "别停", "Alba", "Toppings?",
        "the spot is great", "Dunga said hello", "Basti hier, alles gut", "Ich komme um 9",
    ],
)  # fmt: skip
def test_anything_else_is_a_reply(text):
    assert classify(text) == PLAIN


@pytest.mark.parametrize(
    ("language", "texts"),
    {
        "es": ["ALTO", "BAJA", "Cancelar", "PARE", "Salir, gracias", "no quiero recibir más mensajes",
               "no me escriban más",
               "dejen de enviarme mensajes", "quítenme de la lista", "por favor denme de baja", "Basta ya!"],
        "fr": ["ARRET", "ARRETER", "STOP SMS", "désabonner svp", "DÉSINSCRIRE", "ne m'envoyez plus de messages",
               "arrêtez de m'écrire", "retirez-moi de la liste", "je ne veux plus recevoir vos sms"],
        "pt": ["PARAR", "SAIR", "Remover", "DESCADASTRAR", "não quero mais receber mensagens",
               "pare de me enviar mensagens",
               "me tire da lista", "Cancelar por favor"],
        "de": ["STOPP", "Abmelden", "bitte abmelden", "ABBESTELLEN", "austragen", "bitte keine SMS mehr",
               "keine Nachrichten mehr", "nehmen Sie mich aus dem Verteiler", "Lassen Sie mich in Ruhe!"],
        "it": ["FERMA", "Basta", "CANCELLAMI", "disiscrivimi per favore", "non voglio più ricevere messaggi",
               "non mi scrivete più", "toglietemi dalla lista"],
        "nl": ["AFMELDEN", "Uitschrijven aub", "UIT", "stoppen", "stuur mij geen berichten meer", "laat me met rust"],
        "pl": ["WYPISZ", "REZYGNUJĘ", "rezygnuje", "Anuluj proszę", "proszę nie wysyłać więcej wiadomości",
               "nie chcę więcej smsów", "usuńcie mój numer"],
        "ru": ["СТОП", "Отписка", "отписаться", "не пишите мне больше", "удалите мой номер", "отстаньте",
               "хватит, спасибо"],
        "uk": ["СТОП", "ВІДПИСАТИСЯ", "не пишіть мені більше"],
        "zh": ["停止", "退订", "取消訂閱", "TD", "不要再发短信", "请停止，谢谢", "退订！"],
        "ja": ["停止", "配信停止", "解除", "やめて", "配信停止をお願いします", "もう送らないでください"],
        "ko": ["수신거부", "중지", "그만", "수신거부 부탁드립니다", "문자 그만 보내세요"],
        "ar": ["إيقاف", "ايقاف", "توقف", "الغاء", "إلغاء الاشتراك", "إلغاء الاشتراك من فضلك", "لا ترسلوا لي رسائل"],
        "he": ["הסר", "הסרה", "אנא הסר", "הסר אותי"],
        "hi": ["बंद", "रोकें", "कृपया बंद करें"],
        "tl": ["ITIGIL", "Hinto", "TIGIL po", "huwag na po kayong magtext", "wag na kayo magtext sa akin"],
        "vi": ["DỪNG", "HỦY", "TỪ CHỐI", "dừng lại", "đừng nhắn tin nữa", "xin hủy"],
        "ht": ["RETE", "SISPANN", "pa voye mesaj ankò", "sispann tanpri", "pa rele m"],
        "id": ["BERHENTI", "tolong berhenti", "jangan kirim sms lagi"],
        "th": ["หยุด", "ยกเลิก", "หยุดครับ", "กรุณาหยุด"],
        "tr": ["İPTAL", "iptal", "DUR", "RET", "lütfen iptal", "mesaj göndermeyin"],
        "el": ["ΔΙΑΓΡΑΦΗ", "ΣΤΟΠ", "μη μου στέλνετε μηνύματα"],
        "north": ["STOPP", "AVSLUTA", "avregistrera tack", "AFMELD", "AVSLUTT", "LOPETA", "inga fler sms tack"],
        "east": ["DEZABONARE", "ODHLÁSIT", "LEIRATKOZÁS", "neposílejte mi zprávy", "nu mai trimiteți mesaje",
        "odjava"],
    }.items(),
)  # fmt: skip
def test_every_language_can_say_no(language, texts):
    assert {text: classify(text).kind for text in texts} == dict.fromkeys(texts, "stop")


@pytest.mark.parametrize(
    "text",
    ["El más alto es mi hijo", "¿Quién es?", "Ik ga vanavond uit met vrienden",
     "il est dur à joindre", "Toda la semana está baja la marea", "今天天气很好", "今日はいい天気ですね",
     "오늘 만나요", "Je suis d'accord",
     "sí, me interesa", "bin dabei", "ci vediamo domani", "Będę na czas", "я приду", "سأحضر غدا"],
)  # fmt: skip
def test_ordinary_sentences_of_other_languages_are_replies(text):
    assert classify(text) == PLAIN


@pytest.mark.parametrize(
    "text", ["no quiero darme de baja", "ich möchte mich nicht abmelden", "je ne veux pas me désabonner",
    "我不想退订",
             "I did not ask to be removed from the list"]
)  # fmt: skip
def test_a_wish_that_is_turned_round_is_not_acted_on(text):
    assert classify(text).kind == "reply"


@pytest.mark.parametrize(
    ("about", "texts"),
    {
        "another thing": [
            "I got the wrong number of pills in my refill", "that is not the right number of seats",
            "Wrong phone model",
            "You charged the wrong person", "How do I unsubscribe from the magazine?", "How do I make it stop beeping?",
            "I want to opt out of the dental plan",
            "We have no more texts left",
            "no more than 2 texts",
            "I never asked for a refund", "yes, stop by tomorrow", "bestelle die Pizza ab", "hör mal auf deine Mutter",
            "erreur de numéro de dossier", "注文番号が違います", "물건을 잘못 보냈어요", "주문번호 잘못됐어요",
            "رقم خاطئ في الفاتورة",
            "لا أريد قهوة", "טעות במספר ההזמנה", "maling numero ng order", "sai số lượng", "salah nomor rekening",
            "λάθος αριθμός παραγγελίας", "špatné číslo objednávky", "rossz szám van a számlán", "en halua kahvia",
            "forkert nummer på fakturaen", "feil nummer på regningen", "väärä numero laskussa",
        ],
        "a time": [
            "Never call me before 9", "Stop texting me at night", "no more messages on Sundays", "stop texting for now",
            "9時前に電話しないでください", "夜は電話しないで", "9시 전에 전화하지 마세요", "밤에 연락하지 마세요",
            "لا تتصلوا قبل التاسعة",
            "אל תתקשרו לפני 9", "9 बजे से पहले मत करो", "रात को मत भेजो", "huwag kayong tumawag bago mag 9",
            "đừng gọi trước 9 giờ", "pa rele m anvan 9è", "jangan telepon sebelum jam 9", "อย่าโทรก่อน 9 โมง",
            "μη με καλείτε πριν τις 9", "nevolejte před 9", "nu mă sunați înainte de 9", "ne hívjanak 9 előtt",
            "не ми звънете преди 9", "не телефонуйте до 9", "ring mig ikke før kl 9", "ikke ring meg før 9",
            "älkää soittako ennen yhdeksää", "ne zovite pre 9",
        ],
        "the channel": ["Don't call me, text me", "Rufen Sie mich nicht an, schreiben Sie mir"],
    }.items(),
)  # fmt: skip
def test_a_wish_that_is_about_something_else_is_held_for_a_person_and_never_dropped(about, texts):
    assert {text: classify(text) for text in texts} == dict.fromkeys(texts, READ), about


@pytest.mark.parametrize(
    "text", ["wrong number of pills", "número equivocado de pastillas", "zły numer zamówienia"]
)
def test_a_wrong_number_of_things_is_no_wrong_person(text):
    assert asks_for(text) == ""


def test_every_limit_says_what_it_is_about():
    with (
        Path(contacts.keyword_limits.__file__).with_suffix(".csv").open(encoding="utf-8", newline="") as file
    ):
        limits = list(csv.DictReader(file))

    assert {line["about"] for line in limits} == {"thing", "time", "channel"}
    assert {line["language"] for line in limits} <= {line["language"] for line in lines()}


@pytest.mark.parametrize("word", ["start", "unstop", "INICIAR", "DEBUT", "AAN"])
def test_a_start_word_starts(word):
    assert classify(word.upper()) == Keyword("start")


@pytest.mark.parametrize("word", ["help", "info", "aide", "AYUDA", "HILFE", "ПОМОЩЬ", "帮助", "ÈD", "Ajuda"])
def test_a_help_word_asks_for_help(word):
    assert classify(word + "?") == Keyword("help")


def test_yes_starts_again_only_for_somebody_who_opted_out():
    assert classify("Yes!", opted_out=True) == Keyword("start")
    assert classify("Yes!") == Keyword("reply")


@pytest.mark.parametrize(
    ("recognised", "kind"), [("STOP", "stop"), ("START", "start"), ("HELP", "help"), ("stop", "stop")]
)
def test_what_the_provider_recognised_wins(recognised, kind):
    assert classify("Liked “our words”", recognised) == Keyword(kind)


def test_a_word_of_the_provider_we_do_not_know_is_passed_over():
    assert classify("STOP", "SOMETHING") == Keyword("stop")


@given(st.text())
def test_every_text_has_a_meaning(text):
    assert classify(text).kind in {"stop", "start", "help", "reply"}


@given(st.text(), st.lists(st.text(), max_size=2))
def test_every_text_has_a_meaning_whatever_we_sent(text, sent):
    assert classify(text, sent=sent).kind in {"stop", "start", "help", "reply"}
