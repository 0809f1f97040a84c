"""Our own words, quoted back to us, opt nobody out; what a person adds to them counts."""

from __future__ import annotations

import pytest

from contacts.keywords import Keyword, classify

OURS = "Hi Robin, the clinic moved to 12 Elm St. Wrong number? Reply STOP to end."
NO_REPLIES = "Vote on Tuesday! Don’t text us back; this box is not read. Stop the messages any time: STOP"
PLAIN, READ = Keyword("reply"), Keyword("reply", review=True)


@pytest.mark.parametrize("ours", [OURS, NO_REPLIES])
@pytest.mark.parametrize(
    "reaction",
    [
        "Liked “{}”", "Loved “{}”", "Disliked “{}”", "Laughed at “{}”", "Emphasized “{}”", "Questioned “{}”",
        'Liked "{}"', "Reacted 👍 to “{}”", "Reacted ❤️ to “{}”", "👍 to “ {} ”",
        "\u200a\u200b👍\u200b to “\u200a{}\u200a”",
        "Removed a heart from “{}”", "Removed a like from “{}”",
        "Le gusta “{}”", "Le encantó «{}»", "No le gusta “{}”", "Reaccionó con 👍 a “{}”",
        "A aimé « {} »", "J’aime « {} »", "A réagi avec 👍 à « {} »", "N’a pas aimé « {} »",
        "Gefällt „{}“", "Mag „{}“", "Hat „{}“ hervorgehoben", "Hat mit 👍 auf „{}“ reagiert", "Hat über „{}“ gelacht",
        "Curtiu “{}”", "Amou “{}”", "Reagiu com 👍 a “{}”",
        "Ha messo mi piace a “{}”", "Ha adorato «{}»",
        "Vond “{}” leuk", "Reageerde met 👍 op “{}”",
        "Polubił(a) „{}”", "Zareagował na „{}”", "Нравится «{}»", "Отреагировал 👍 на «{}»",
        "喜欢“{}”", "不喜欢“{}”", "「{}」にいいねしました", "Gillade ”{}”", "Beğendi “{}”",
    ],
)  # fmt: skip
def test_a_reaction_of_a_phone_is_a_plain_reply(reaction, ours):
    assert classify(reaction.format(ours)) == PLAIN
    assert classify(reaction.format(ours), sent=[ours]) == PLAIN


@pytest.mark.parametrize("cut", [40, 60, 71])
def test_a_quotation_that_was_cut_is_one_all_the_same(cut):
    assert classify(f"Liked “{OURS[:cut]}") == PLAIN
    assert classify(f"Liked “{OURS[:cut]}…”", sent=[OURS]) == PLAIN


@pytest.mark.parametrize(
    "reaction",
    ["Fand “{}” klasse", "Rinse “{}”", "‹3 “{}”", "Tetszik neki: „{}”", "ถูกใจ “{}”", "הגיב/ה 👍 ל ”{}”"],
)
def test_the_place_of_the_marks_tells_a_reaction_of_an_unknown_language(reaction):
    assert classify(reaction.format(OURS), sent=[OURS]) == PLAIN
    assert classify(reaction.format(OURS)).kind == "reply"


def test_what_only_looks_quoted_goes_to_a_person():
    assert classify(f"Fand “{OURS}” klasse") == READ


@pytest.mark.parametrize(
    "text",
    [
        "STOP “{}”",
        "“{}” stop texting me",
        "{}\n\nSTOP",
        "STOP\n> {}",
        "{} remove my number",
        "Liked your text? No. STOP “{}”",
    ],
)
def test_what_they_add_to_our_words_counts(text):
    assert classify(text.format(OURS), sent=["Another message of ours.", OURS]).kind == "stop"


@pytest.mark.parametrize(
    "text", ["{}\n\nok thanks", "Danke! {}", "> {}\nSee you there", "“{}” yes that is right"]
)
def test_our_words_without_marks_are_ours_when_we_sent_them(text):
    assert classify(text.format(OURS), sent=[OURS]) == PLAIN


def test_nothing_but_our_own_words_goes_to_a_person():
    assert classify(OURS, sent=[OURS]) == READ


@pytest.mark.parametrize(
    "text", ["STOP", "“STOP”", "I said “STOP”", "reply “STOP”", "Wrong number", "'Stop to end'"]
)
def test_a_word_that_our_message_names_is_still_theirs(text):
    assert classify(text, sent=[OURS]).kind == "stop" or classify(text, sent=[OURS]).review


@pytest.mark.parametrize(
    "text", ["I said “stop texting me right now”", "I repeat: «please remove my number now»"]
)
def test_who_quotes_themselves_means_it(text):
    assert classify(text).kind == "stop"
