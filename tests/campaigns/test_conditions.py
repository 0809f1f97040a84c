"""Conditions of an audience: read strictly, said in words."""

import pytest

from campaigns.conditions import KINDS, PARAMS, BadConditions, Condition, Conditions, Names, sentence

ONE_OF_EACH = [
    {"is": "source", "lists": [1, 2]}, {"is": "import", "imports": [3]}, {"is": "on", "lists": [1]},
    {"is": "field", "field": "tags", "words": ["VIP", "new"]}, {"is": "stage", "stages": ["lead", "lapsed"]},
    {"is": "tier", "tier": 2}, {"is": "region", "regions": ["US-TX", "DE"]},
    {"is": "reached", "any_channel": "sms", "days": 90}, {"is": "never"},
    {"is": "campaign", "campaign": 4, "outcome": "not_reached"}, {"is": "engaged", "days": 30},
    {"is": "likely", "channel": "email", "percent": 60}, {"is": "consent", "channel": "rvm"},
    {"is": "sample", "share": 10},
]  # fmt: skip
NAMES = Names({1: "Clinic", 2: "Web"}, {3: "fair.csv"}, {4: "May news"})


def test_there_is_an_example_of_each_kind_and_each_parameter_is_read():
    assert [one["is"] for one in ONE_OF_EACH] == list(KINDS)
    assert {name for kind in KINDS.values() for name in kind.params} == set(PARAMS)


@pytest.mark.parametrize("given", ONE_OF_EACH, ids=lambda one: one["is"])
def test_what_is_read_is_what_is_kept(given):
    whole = {"all": [given], "excluded": [5], "hold_out": 10, "everybody": True}

    assert Conditions.read(whole).as_json == whole
    if KINDS[given["is"]].says_not:
        assert Condition.read(given | {"not": True}).as_json == given | {"not": True}


@pytest.mark.parametrize("value", [
    [], "all", None, {"list": [1]}, {"all": {}}, {"all": [{}]}, {"all": ["never"]}, {"all": [{"is": "rich"}]},
    {"all": [{"is": ["never"]}]}, {"all": [{"is": "never", "days": 3}]}, {"all": [{"is": "never", "not": 1}]},
    {"all": [{"is": "sample", "share": 10, "not": True}]}, {"all": [{"is": "source", "lists": []}]},
    {"all": [{"is": "source", "lists": ["1"]}]}, {"all": [{"is": "source", "lists": [True]}]},
    {"all": [{"is": "source", "lists": [0]}]}, {"all": [{"is": "source", "lists": [2**63]}]},
    {"all": [{"is": "source", "lists": list(range(1, 200))}]}, {"all": [{"is": "tier", "tier": 0}]},
    {"all": [{"is": "tier", "tier": 1.5}]}, {"all": [{"is": "stage", "stages": ["friend"]}]},
    {"all": [{"is": "region", "regions": ["Texas"]}]}, {"all": [{"is": "region", "regions": [7]}]},
    {"all": [{"is": "consent", "channel": "fax"}]}, {"all": [{"is": "consent", "channel": ""}]},
    {"all": [{"is": "engaged", "days": 0}]}, {"all": [{"is": "engaged"}]}, {"all": [{"is": "field", "field": "tags"}]},
    {"all": [{"is": "field", "field": "a\x00", "words": ["b"]}]}, {"all": [{"is": "never"}] * 13},
    {"excluded": ["1"]}, {"excluded": 1}, {"hold_out": 51}, {"hold_out": -1}, {"hold_out": "10"}, {"everybody": "yes"},
])  # fmt: skip
def test_what_is_not_known_is_refused(value):
    with pytest.raises(BadConditions):
        Conditions.read(value)


@pytest.mark.parametrize(("given", "words"), [
    (ONE_OF_EACH[0], "came from “Clinic” or “Web”"),
    (ONE_OF_EACH[2] | {"not": True}, "are not on “Clinic”"),
    (ONE_OF_EACH[3], "have in the field “tags” “VIP” or “new”"),
    (ONE_OF_EACH[4], "are at the stage lead or lapsed"),
    (ONE_OF_EACH[7], "were reached by SMS in the last 90 days"),
    (ONE_OF_EACH[7] | {"any_channel": "", "not": True}, "were not reached by any channel in the last 90 days"),
    (ONE_OF_EACH[9], "were not reached by the campaign “May news”"),
    (ONE_OF_EACH[11], "have at least a chance of 60% to be reached by email"),
    (ONE_OF_EACH[13], "are in a random sample of 10%"),
    ({"is": "source", "lists": [9]}, "came from a list that is deleted"),
])  # fmt: skip
def test_a_condition_is_said_in_plain_words(given, words):
    assert sentence(Condition.read(given), NAMES) == words


def test_a_contrary_reads_the_same_from_its_first_value_on():
    for kind in KINDS.values():
        if kind.says_not:
            first, second = kind.begins
            assert kind.says.replace(first, second, 1) == kind.says_not
