"""The table of words that replies are read by: trying a reply, and what administrators may change of it."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from contacts.keyword_changes import (
    ALWAYS_STOP,
    KeywordRefused,
    change_keyword,
    changes_in_force,
    explain,
    languages,
    table_in_force,
    table_with,
)
from contacts.keywords import Keyword, built_in, classify, keywords
from contacts.models import KeywordChange, Reply, Suppression
from deliveries.receiving.recording import record_all
from deliveries.receiving.storing import Incoming, store
from tests import factories

URL, CHANGE = "/inbox/keywords/", "/inbox/keywords/change/"
STOPS, UNSURE, PLAIN = Keyword("stop"), Keyword("reply", review=True), Keyword("reply")


@pytest.fixture
def change(db, now):
    """`change(text, meaning)`: what an administrator makes of it, in German unless another language is named."""
    ada = factories.user("admin", first_name="Ada", last_name="Byron")

    def make(text, meaning="stop", language="de"):
        return change_keyword(language, text, meaning, by=ada, now=now)

    return make


def read(text):
    return classify(text, table=table_in_force())


# ---- What may be changed -----------------------------------------------------------------------------------------


def test_an_added_word_is_read_alone_and_held_for_a_person_within_a_longer_text(change):
    assert read("Schluss damit") == PLAIN

    change("Schluss damit")

    assert {read(text) for text in ("Schluss damit", "SCHLUSS DAMIT!!", "bitte schluß damit, danke")} == {
        STOPS
    }
    assert read("Jetzt ist aber wirklich Schluss damit ihr Lieben") == UNSURE


@pytest.mark.parametrize(
    ("meaning", "found"), [("unsure", UNSURE), ("start", Keyword("start")), ("help", Keyword("help"))]
)
def test_an_added_word_may_mean_something_else(change, meaning, found):
    change("hallihallo", meaning)

    assert read("Hallihallo!") == found


def test_a_built_in_word_is_made_unsure_and_as_it_was_again(change):
    assert read("abmelden") == STOPS
    change("Abmelden", "unsure")
    assert read("bitte abmelden") == UNSURE
    change("abmelden", "built_in")
    assert read("abmelden") == STOPS


def test_an_unsure_word_is_made_an_opt_out(change):
    assert read("no more") != STOPS
    change("no more", "stop", "en")

    assert read("no more") == STOPS


@pytest.mark.parametrize("meaning", ["unsure", "start", "help", "built_in"])
@pytest.mark.parametrize(
    "word", ["STOP", "stop", "ＳＴＯＰ", "Opt-Out", "unsubscribe", "ARRÊT", "cancel", "end"]
)
def test_nothing_keeps_stop_from_stopping(change, word, meaning):
    with pytest.raises(KeywordRefused, match="always stops messages"):
        change(word, meaning, "en")

    assert read(word) == STOPS


@pytest.mark.parametrize(
    ("text", "meaning", "why"),
    [
        ("abmelden", "start", "opt-out that is built in"),
        ("abmelden", "help", "opt-out that is built in"),
        ("yes", "stop", "courtesy"),
        ("danke", "stop", "courtesy"),
        ("bitte danke", "stop", "courtesy"),
        ("hilfe", "stop", "another meaning"),
        ("start", "unsure", "another meaning"),
        ("stop texting me", "unsure", "by a pattern"),
        ("leave me alone", "start", "may be, an opt-out"),
        ("stop stop", "start", "may be, an opt-out"),
        ("take me off", "help", "may be, an opt-out"),
        ("stop now please", "help", "may be, an opt-out"),
        ("unsubscibe", "start", "may be, an opt-out"),
        ("a|b", "stop", "Only letters"),
        ("^", "stop", "Only letters"),
        ("!!!", "stop", "There is no letter|at least"),
        ("x", "stop", "at least 2 letters"),
        ("halt ein", "built_in", "read so already"),
    ],
)
def test_what_silences_people_or_lets_a_no_pass_is_refused(change, text, meaning, why):
    with pytest.raises(KeywordRefused, match=why):
        change(text, meaning)

    assert not KeywordChange.objects.exists()


def written(pattern):
    """Words that somebody may write, and that this text of the table is about: the first of each choice."""
    words = pattern
    while (found := re.sub(r"\(([^()|]*)[^()]*\)\??", r"\1", words)) != words:
        words = found
    return " ".join(re.sub(r"[\^$?]", " ", words).replace("*", "all").replace("#", "3").split())


OPT_OUTS = sorted({written(row.text) for row in built_in() if row.kind == "stop"})


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    text=st.sampled_from(OPT_OUTS), rest=st.sampled_from(["", " please", " now", " all", " again"]),
    meaning=st.sampled_from(["start", "help"]),
)  # fmt: skip
def test_no_opt_out_of_the_table_is_made_its_opposite(change, text, rest, meaning):
    found = classify(text + rest)
    assume(found.kind == "stop" or found.review)

    with pytest.raises(KeywordRefused):
        change(text + rest, meaning)


def test_each_opt_out_of_the_table_stays_one(change):
    opt_outs = [text for text in OPT_OUTS if (found := classify(text)).kind == "stop" or found.review]
    assert len(opt_outs) > 800

    for text in opt_outs:
        for meaning in ("start", "help"):
            with pytest.raises(KeywordRefused):
                change(text, meaning)


def test_a_language_that_is_not_in_the_table_is_refused(change):
    with pytest.raises(KeywordRefused, match="Choose a language"):
        change("halt ein", language="tlh")


def test_every_change_is_kept_with_who_and_when(change, now):
    for meaning in ("stop", "unsure", "built_in"):
        change("halt ein", meaning)

    kept = KeywordChange.objects.order_by("pk")
    assert [(one.meaning, one.by.display_name, one.at) for one in kept] == [
        ("stop", "Ada Byron", now), ("unsure", "Ada Byron", now), ("built_in", "Ada Byron", now),
    ]  # fmt: skip
    assert changes_in_force() == []


@given(
    st.lists(
        st.tuples(
            st.sampled_from([code for code, _ in languages()]),
            st.sampled_from(["abmelden", "stopp", "quit it", "st", "sto", "halt", "no more", "please end"]),
            st.sampled_from(["stop", "unsure", "start", "help"]),
        ),
        max_size=4,
    ),
    st.sampled_from(sorted(ALWAYS_STOP)),
)
def test_whatever_was_changed_the_words_of_the_law_stop(changes, word):
    table = table_with(changes)

    assert classify(word, table=table).kind == "stop"
    assert classify(f"{word} please", table=table).kind == "stop"


@pytest.mark.django_db
def test_a_reply_is_recorded_by_the_words_in_force(change, now):
    account, address = factories.account(), factories.phone()
    change("halt ein")
    payload = {"channel": "sms", "from": address.value, "to": "+12125550199", "text": "Halt ein!",
               "occurred_at": now.isoformat()}  # fmt: skip
    store([Incoming(account.pk, "inbound", now, "POST", "", {}, json.dumps(payload).encode())])

    record_all(now)

    assert Reply.objects.get().reading == "stop"
    assert Suppression.objects.get().value == address.value


# ---- Trying a reply ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "what", "because"),
    [
        ("STOPP bitte", "Opt-out, acted on at once", "“stopp” (English, German"),
        ("I moved. STOP", "Opt-out, acted on at once; a person looks it over", "“stop”"),
        ("stop by the store", "Unsure", "“stop”"),
        ("HELP", "Asks for help", "“help” (English)"),
        ("start", "Opt-in", "“start”"),
        ("stop texting me", "Opt-out, acted on at once", "by a pattern of the table"),
        ("See you at 9", "An ordinary reply", "No word or phrase"),
    ],
)
def test_it_is_said_what_a_reply_is_read_as_and_why(text, what, because):
    told = explain(text, keywords())

    assert told.what.startswith(what)
    assert because in told.because


@pytest.mark.parametrize("role", ["marketer", "support", "admin"])
@pytest.mark.django_db
def test_everybody_may_try_a_reply(login, role, change):
    change("halt ein")

    page = login(role).post(URL, {"text": "Halt ein, bitte"}).content.decode()

    assert "Opt-out, acted on at once." in page
    assert "“halt ein” (German)" in page


@pytest.mark.parametrize("data", [{}, {"text": ""}, {"text": "a" * 2_001}, {"text": "a\x00"}])
@pytest.mark.django_db
def test_a_reply_that_is_none_is_refused_in_words(login, data):
    answer = login("support").post(URL, data)

    assert answer.status_code == 422
    assert "Nothing was tried" in answer.content.decode()


# ---- The page ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("role", "status"), [("marketer", 403), ("support", 403), ("admin", 302), ("", 403)])
@pytest.mark.django_db
def test_only_administrators_change_words(login, role, status):
    data = {"language": "de", "text": "halt ein", "meaning": "stop"}

    assert login(role).post(CHANGE, data).status_code == status
    assert KeywordChange.objects.exists() == (status == 302)


@pytest.mark.django_db
def test_the_table_of_a_language_shows_what_was_changed_by_whom(login, change):
    change("halt ein")
    change("abmelden", "unsure")

    page = " ".join(login("admin").get(URL, {"language": "de"}).content.decode().split())

    for told in ("halt ein", "Ada Byron", "Take back", "As built in", "Make unsure", "Built in"):
        assert told in page
    assert (
        "halt ein"
        not in login("admin")
        .get(URL, {"language": "fr", "after": "zzzz"})
        .content.decode()
        .split("Changes</h2>")[0]
    )


@pytest.mark.django_db
def test_the_form_stands_above_the_words_and_rows_without_a_button_say_why(login):
    page = " ".join(login("admin").get(URL, {"language": "en"}).content.decode().split())

    assert page.index("Add a word</h2>") < page.index("Words in English")
    for row in page.split("<tbody>")[1].split("</tbody>")[0].split("<tr ")[1:]:
        assert ("<button" in row) != ("Stays: " in row), row
    assert "Stays: the law and the carriers require it" in page


@pytest.mark.django_db
def test_a_button_of_the_table_changes_a_word(login):
    data = {"act": "1", "language": "de", "text": "abmelden", "meaning": "unsure"}

    page = login("admin").post(CHANGE, data, follow=True).content.decode()

    assert "“abmelden” is read from now on: Unsure" in page
    assert read("abmelden") == UNSURE


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"language": "xx", "text": "halt", "meaning": "stop"},
        {"language": "de", "text": "halt\x00", "meaning": "stop"},
        {"language": "de", "text": "a" * 61, "meaning": "stop"},
        {"language": "de", "text": "halt", "meaning": "built_in"},
        {"language": "en", "text": "STOP", "meaning": "unsure"},
    ],
)
@pytest.mark.django_db
def test_a_bad_change_is_refused_in_words(login, data):
    client = login("admin")
    answer = client.post(CHANGE, data)
    by_button = client.post(CHANGE, {**data, "act": "1"}, follow=True)

    assert answer.status_code == 422
    assert "Nothing was changed yet" in answer.content.decode()
    assert by_button.status_code == 200
    assert KeywordChange.objects.count() == 0 or data["meaning"] == "built_in"


@pytest.mark.parametrize("role", ["marketer", "support"])
@pytest.mark.django_db
def test_others_read_the_table_and_change_nothing(login, role):
    page = login(role).get(URL).content.decode()

    assert "unsubscribe" in page
    assert "Add a word" not in page
    assert "Make unsure" not in page


@pytest.mark.django_db
def test_the_page_asks_the_same_number_of_queries_for_many_changes(
    login, change, django_assert_max_num_queries
):
    for n in range(40):
        change(f"halt ein {factories.phone_number(n)[-4:]}")
    client = login("admin")
    client.get(URL, {"language": "de"})

    with django_assert_max_num_queries(14):
        answer = client.get(URL, {"language": "de"})

    assert len(answer.context["page"].rows) == 30
