"""Filters typed into the search box."""

import pytest

from deliveries.outcomes.filter_choices import Offer
from deliveries.outcomes.filters import OutcomeFilter, QueueFilter, SkippedFilter
from deliveries.outcomes.shorthand import EXAMPLE, meant, typed
from tests import factories

NAMES = ("status", "carrier", "code", "source", "failure")


@pytest.mark.parametrize(
    ("text", "found", "rest"),
    [
        ("robin lee", {}, "robin lee"),
        ("status:failed", {"status": "failed"}, ""),
        (
            'robin carrier:"Big Mobile" lee code:30007',
            {"carrier": "Big Mobile", "code": "30007"},
            "robin lee",
        ),
        ("list:expo CLASS:temporary", {"source": "expo", "failure": "temporary"}, ""),
        ("note:this", {}, "note:this"),
        ("xstatus:failed", {}, "xstatus:failed"),
        ("status: failed", {}, "status: failed"),
        ('carrier:"', {}, 'carrier:"'),
    ],
)
def test_pairs_are_filters_and_the_rest_is_searched_for(text, found, rest):
    assert typed(text, NAMES) == (found, rest)


def test_a_value_is_meant_by_its_name_its_words_or_their_beginning():
    choices = [("", "Any"), ("rvm", "Ringless voicemail"), ("voice", "Voice"), ("v2", "Voicemail")]

    assert meant("RVM", choices) == ["rvm"]
    assert meant("voice", choices) == ["voice"]
    assert meant("ringless", choices) == ["rvm"]
    assert meant("voi", choices) == ["voice", "v2"]
    assert meant("fax", choices) == []


@pytest.mark.django_db
def test_what_is_typed_is_set_as_if_it_was_chosen():
    expo = factories.contact_list(name="Expo 2026")
    form = OutcomeFilter({"s": f"{EXAMPLE} region:us-tx attempt:2 robin", "channel": "sms"})

    assert form.is_valid(), form.errors
    assert form.given == {
        "s": "robin", "status": "failed", "channel": "sms", "carrier": "Big Mobile", "source": str(expo.pk),
        "code": "30007", "region": "us-tx", "attempt": "2",
    }  # fmt: skip
    assert 'value="robin"' in str(form["s"])
    assert "selected" in str(form["carrier"])


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("form", "text", "says"),
    [
        (OutcomeFilter, "status:lost", "nothing that status can be"),
        (OutcomeFilter, "source:list", "could be several"),
        (OutcomeFilter, "source:nowhere", "nothing that source can be"),
        (QueueFilter, "since:yesterday", "Give a day"),
    ],
)
def test_what_cannot_be_meant_is_said(form, text, says):
    factories.contact_list(name="List one"), factories.contact_list(name="List two")
    found = form({"s": text})

    assert not found.is_valid()
    assert says in str(found.errors)


def test_what_only_a_message_answers_is_refused_of_people_who_were_skipped():
    found = SkippedFilter({"s": "carrier:Any", "person": "skipped"})

    assert "narrows messages" in str(found.errors)


def test_choices_carry_how_many_messages_they_have_and_chips_do_not():
    form = OutcomeFilter({"code": "30007"}, offered={"code": [Offer("30007", "30007", 1_204)]})

    assert form.is_valid()
    assert "30007 (1,204)" in str(form["code"])
    assert form.chips()[0].words == "30007"
