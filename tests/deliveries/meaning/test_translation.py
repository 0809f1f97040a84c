import csv
from itertools import permutations

import pytest

from deliveries.meaning.translation import CODES, Code, Key, Mapping, shipped
from deliveries.providers import PROVIDERS
from deliveries.providers.facts import Report
from deliveries.statuses import Meaning, disposition, rank


def meaning(status, code="", channel="sms", provider="twilio", **more):
    return shipped().translate(provider, Report("", "SM1", channel, status, code, **more)).meaning


@pytest.mark.parametrize(
    ("provider", "word", "code"),
    [
        ("twilio", "failed", "sip:487"),
        ("twilio", "no-answer", "sip:487"),
        ("telnyx", "call.hangup", "sip:487"),
        ("telnyx", "call.hangup", "q850:26"),
        ("telnyx", "no-answer", "sip:487"),
        ("telnyx", "failed", "q850:26"),
        ("bird", "failed", "sip:487"),
        ("infobip", "FAILED", "5487"),
        ("infobip", "UNDELIVERABLE", "5487"),
        ("infobip", "UNDELIVERABLE", "CANCELLED"),
    ],
)
def test_a_call_that_rang_out_may_be_tried_again_and_is_none_that_we_withdrew(provider, word, code):
    found = meaning(word, code, "voice", provider)

    assert (found.status, found.failure_class) == ("no_answer", "temporary")
    assert disposition(*found[:3], "conversation") == "PENDING_RETRY"


@pytest.mark.parametrize(
    ("provider", "word", "code"),
    [
        ("twilio", "canceled", "sip:487"),
        ("twilio", "canceled", ""),
        ("telnyx", "canceled", "sip:487"),
        ("telnyx", "canceled", "q850:26"),
        ("bird", "canceled", "sip:487"),
        ("infobip", "CANCELLED", "CANCELLED"),
        ("infobip", "CANCELLED", "5487"),
    ],
)
def test_a_call_that_was_withdrawn_is_withdrawn_however_it_ended(provider, word, code):
    found = meaning(word, code, "voice", provider)

    assert found[:3] == ("canceled", "none", "none")
    assert disposition(*found[:3], "conversation") == ""


@pytest.mark.parametrize(
    ("provider", "channel", "word"),
    [
        ("twilio", "sms", "queued"),
        ("twilio", "sms", "sent"),
        ("twilio", "voice", "ringing"),
        ("telnyx", "sms", "sending"),
        ("vonage", "sms", "accepted"),
        ("smpp", "sms", "ENROUTE"),
        ("infobip", "sms", "7"),
    ],
)
def test_what_is_under_way_has_not_failed_whatever_code_nobody_knows_comes_with_it(provider, channel, word):
    report = Report("", "SM1", channel, word, "99-unheard-of")

    found = shipped().translate(provider, report)

    assert found.meaning[1:3] == ("none", "none")
    assert not found.known


def describe(provider, channel, code, status=""):
    return shipped().describe(provider, channel, code, status)


def table(slug):
    return {
        (key.channel, key.kind, key.code): code for key, code in shipped().codes.items() if key.table == slug
    }


@pytest.mark.parametrize("slug", PROVIDERS)
def test_every_provider_has_a_code_table_in_our_vocabulary(slug):
    assert table(slug)
    assert {channel for channel, _, _ in table(slug)} <= PROVIDERS[slug].channels


@pytest.mark.parametrize(
    ("status", "code", "expected"),
    [
        ("delivered", "", Meaning("delivered", "none", "none", "carrier")),
        ("undelivered", "", Meaning("undelivered", "unknown", "none", "carrier")),
        ("undelivered", "30003", Meaning("undelivered", "temporary", "recipient", "carrier")),
        ("undelivered", "30007", Meaning("blocked", "content", "content", "carrier")),
        ("failed", "30007", Meaning("blocked", "content", "content", "carrier")),
        ("sent", "30003", Meaning("sent", "temporary", "recipient", "carrier")),
        ("canceled", "30003", Meaning("canceled", "temporary", "recipient", "carrier")),
        ("delivered", "30003", Meaning("delivered", "none", "none", "carrier")),
        ("delivered", "99999", Meaning("delivered", "none", "none", "carrier")),
        ("undelivered", "99999", Meaning("undelivered", "unknown", "none", "carrier")),
        ("failed", "0", Meaning("failed", "unknown", "none", "carrier")),
        ("failed", "000", Meaning("failed", "unknown", "none", "carrier")),
        ("teleported", "", Meaning("unknown", "unknown", "none", "carrier")),
        ("teleported", "30005", Meaning("unknown", "unknown", "none", "carrier")),
        ("", "30005", Meaning("undelivered", "permanent", "recipient", "carrier")),
        ("", "", Meaning("unknown", "unknown", "none", "carrier")),
        ("DELIVERED", "", Meaning("delivered", "none", "none", "carrier")),
        ("read", "", Meaning("delivered", "none", "none", "handset")),
    ],
)
def test_the_reason_refines_the_status_and_never_undoes_a_success(status, code, expected):
    assert meaning(status, code) == expected


def test_picture_messages_look_in_their_own_rows_first():
    assert meaning("failed", "30011", "mms").fault == "recipient"
    assert meaning("undelivered", "30005", "mms").failure_class == "permanent"
    assert meaning("failed", "30011", "sms").failure_class == "unknown"


def test_what_is_not_verified_never_counts_against_a_recipient():
    for slug in PROVIDERS:
        for channel, kind, code in table(slug):
            row = table(slug)[channel, kind, code]
            if not row.verified:
                found = (
                    meaning(code, "", channel, slug)
                    if kind == "status"
                    else meaning("failed", code, channel, slug)
                )
                assert found.fault != "recipient", code


def test_a_guess_that_somebody_opted_out_blocks_nobody():
    key = Key("twilio", "sms", "status", "gone_away")
    code = Code("gone_away", "", "", "opted_out", "opt_out", "none", verified=False)
    unlisted = Report("", "SM1", "sms", "gone_away")

    assert Mapping(1, {key: code}).translate("twilio", unlisted).meaning.status == "unknown"
    assert (
        Mapping(1, {key: code._replace(verified=True)}).translate("twilio", unlisted).meaning.status
        == "opted_out"
    )


def test_the_tables_mark_what_is_uncertain():
    with (CODES / "twilio.csv").open(newline="", encoding="utf-8") as file:
        uncertain = [row for row in csv.DictReader(file) if row["source"] == "uncertain"]

    assert {"21268", "partially_delivered"} <= {row["native_code"] for row in uncertain}
    assert meaning("failed", "21268") == Meaning("rejected", "unknown", "none", "carrier")


def test_a_person_who_answers_outranks_a_machine_and_a_bare_completed():
    ended, person, machine = (
        meaning(word, "", "voice") for word in ("completed", "amd:human", "amd:machine_start")
    )

    assert rank(ended) < rank(machine) < rank(person)
    for order in permutations([ended, person]):
        assert max(order, key=rank).evidence == "handset"


def test_an_unknown_provider_or_channel_is_unknown_and_no_error():
    assert meaning("delivered", provider="nobody").status == "unknown"
    assert meaning("delivered", channel="telex").status == "unknown"


def test_meanings_are_plain_texts():
    assert all(type(word) is str for status in ("delivered", "nonsense") for word in meaning(status))


# ---- describe --------------------------------------------------------------------------------------------


def test_a_code_is_described_in_a_few_words():
    found = describe("twilio", "sms", "30003")

    assert found.known
    assert found.name == "Unreachable destination handset"
    assert found.short == "Handset off, out of coverage or otherwise not reachable now"


def test_without_a_code_the_status_is_described():
    assert describe("sandbox", "rvm", "", "dropped").name == "Voicemail dropped"
    assert describe("twilio", "voice", "", "amd:human").meaning == "A person answered"
    assert describe("twilio", "sms", "", "") == ("", "", "", True)


def test_a_code_nobody_listed_is_shown_as_it_came():
    found = describe("twilio", "sms", "31337")

    assert (found.code, found.known) == ("31337", False)
    assert found.short


@pytest.mark.parametrize("slug", PROVIDERS)
def test_every_short_description_fits(slug):
    for channel, _, code in table(slug):
        short = describe(slug, channel, code).short
        assert 0 < len(short) <= 60
        assert short[0] in "'\"" or not short[0].islower()
