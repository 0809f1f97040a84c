"""Suppressing, releasing, and what a person's own word changes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from contacts.channels import Channel, reported_by
from contacts.consent_ledger import family_of, latest_consents
from contacts.consenting import record_opt_in, record_opt_out
from contacts.models import AddressHealth, Consent, Suppression
from contacts.suppressing import BlocksNothing, CannotRelease, lift_mistaken, release, release_each, suppress
from tests import factories

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 3, 4, 17, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
NUMBER = "+15125550142"
STAFF = {"reason": Suppression.Reason.STAFF, "origin": Suppression.Origin.STAFF, "now": NOW}


def said(word, value=NUMBER, channel=Channel.SMS, at=NOW):
    record = {"stop": record_opt_out, "start": record_opt_in}[word]
    return record(value=value, channel=channel, how=f"Replied {word.upper()}", evidence=word, at=at)


def blocking(value=NUMBER, now=NOW + 10 * HOUR):
    return Suppression.objects.in_force(now).filter(value=value)


# ---- suppress and release -----------------------------------------------------------------------------------


def test_the_same_words_of_the_same_person_give_the_one_in_force():
    first = suppress(value=NUMBER, **STAFF)

    second = suppress(value=NUMBER, **STAFF | {"now": NOW + HOUR})

    assert second.pk == first.pk
    assert Suppression.objects.count() == 1


@pytest.mark.parametrize(
    "other",
    [
        {"evidence": "Sued us"},
        {"expires_at": NOW + HOUR},
        {"fact": "batch 12"},
        {"reason": Suppression.Reason.COMPLAINT},
        {"channel": Channel.SMS},
    ],
)
def test_each_ground_stands_on_its_own(other):
    first = suppress(value=NUMBER, **STAFF)
    second = suppress(value=NUMBER, **STAFF | other)

    release(second, by=None, note="Settled", now=NOW)

    assert first.pk != second.pk
    assert blocking().get() == first


def test_a_colleagues_words_are_kept_beside_those_of_another():
    for name in ("Ada", "Bea"):
        suppress(value=NUMBER, **STAFF, by=factories.user(), evidence=f"{name} says so")

    assert list(blocking().order_by("id").values_list("evidence", flat=True)) == [
        "Ada says so",
        "Bea says so",
    ]


@pytest.mark.parametrize(
    ("value", "channel"),
    [("robin@example.com", each) for each in Channel if each != Channel.EMAIL] + [(NUMBER, Channel.EMAIL)],
)
def test_a_suppression_that_could_block_nothing_is_refused(value, channel):
    with pytest.raises(BlocksNothing):
        suppress(value=value, channel=channel, **STAFF)

    assert not Suppression.objects.exists()


@pytest.mark.parametrize(
    ("value", "channel"), [("robin@example.com", Channel.EMAIL), (NUMBER, Channel.RVM), (NUMBER, "")]
)
def test_an_address_is_blocked_on_what_it_can_take(value, channel):
    assert suppress(value=value, channel=channel, **STAFF).channel == channel


@pytest.mark.parametrize("spelling", [NUMBER, "+5215512345678", "+525512345678"])
def test_a_fact_counts_once_however_often_it_is_told(spelling):
    fact = {"reason": Suppression.Reason.HARD_FAILS, "origin": Suppression.Origin.RULE, "fact": "message 7"}
    suppress(value="+525512345678" if spelling != NUMBER else NUMBER, now=NOW, **fact)

    suppress(value=spelling, now=NOW + HOUR, **fact)

    assert Suppression.objects.count() == 1


def test_a_fact_told_again_after_its_release_does_not_block_again():
    fact = {"reason": Suppression.Reason.HARD_FAILS, "origin": Suppression.Origin.RULE, "fact": "message 7"}
    release(suppress(value=NUMBER, now=NOW, **fact), by=None, note="Number fixed", now=NOW)

    suppress(value=NUMBER, now=NOW + HOUR, **fact)

    assert not blocking().exists()


def test_a_fact_that_was_taken_for_misread_blocks_again_when_it_is_told_again():
    fact = {"reason": Suppression.Reason.STOP, "origin": Suppression.Origin.RECIPIENT, "fact": "message 7"}
    suppress(value=NUMBER, now=NOW, **fact)
    lift_mistaken(Suppression.objects.all(), note="version 2", now=NOW)

    suppress(value=NUMBER, now=NOW + HOUR, **fact)

    assert blocking().get().created_at == NOW


def test_a_contact_is_suppressed_once():
    contact = factories.contact()

    first = suppress(contact=contact, **STAFF)
    second = suppress(contact=contact, **STAFF)

    assert first.pk == second.pk
    assert first.value == ""


def test_another_channel_or_reason_is_another_suppression():
    suppress(value=NUMBER, **STAFF)
    suppress(value=NUMBER, channel=Channel.SMS, **STAFF)
    suppress(value=NUMBER, **STAFF | {"reason": Suppression.Reason.COMPLAINT})

    assert Suppression.objects.count() == 3


def test_one_that_ended_by_itself_makes_room_for_a_new_one():
    old = suppress(value=NUMBER, **STAFF, expires_at=NOW + HOUR)

    new = suppress(value=NUMBER, **STAFF | {"now": NOW + 2 * HOUR})

    assert new.pk != old.pk
    assert blocking().get() == new


def test_nobody_at_all_cannot_be_suppressed():
    with pytest.raises(ValueError, match="needs a contact or an address"):
        suppress(**STAFF)


def test_released_it_no_longer_blocks_and_says_who_and_why():
    person = factories.user("support")
    found = suppress(value=NUMBER, **STAFF)

    release(found, by=person, note="Number given to somebody else", now=NOW)

    assert not blocking().exists()
    assert (found.released_by, found.release_note) == (person, "Number given to somebody else")


def test_what_the_person_asked_for_cannot_be_released():
    said("stop")

    with pytest.raises(CannotRelease, match="Only new consent"):
        release(blocking().get(), by=factories.user(), note="", now=NOW)

    assert blocking().exists()


def test_releasing_twice_keeps_the_first_release():
    found = suppress(value=NUMBER, **STAFF)
    release(found, by=None, note="first", now=NOW)

    release(found, by=None, note="second", now=NOW + HOUR)

    assert found.release_note == "first"


def test_releasing_failures_forgives_them_on_that_channel_only():
    address = factories.phone(value=NUMBER)
    for channel in (Channel.SMS, Channel.VOICE):
        AddressHealth.objects.create(address=address, channel=channel, hard_fails=3)
    reason = {"reason": Suppression.Reason.HARD_FAILS, "origin": Suppression.Origin.RULE}
    found = suppress(value=NUMBER, channel=Channel.SMS, now=NOW, **reason)

    release(found, by=None, note="", now=NOW)

    assert dict(AddressHealth.objects.values_list("channel", "hard_fails")) == {"sms": 0, "voice": 3}


@pytest.mark.parametrize("by_list", [False, True])
@pytest.mark.parametrize("channel", ["sms", "mms", "voice", "rvm"])
def test_releasing_failures_of_a_channel_opens_what_they_closed_and_nothing_else(channel, by_list):
    address = factories.phone(value=NUMBER)
    others = [each for each in ("sms", "mms", "voice", "rvm") if each != channel]
    for each, reported in zip([channel, *others], [channel, channel, *others[1:]], strict=True):
        AddressHealth.objects.create(
            address=address, channel=each, hard_fails=int(each == reported == channel), closed="number",
            closed_why=f"Number not in service{reported_by(reported)}",
        )  # fmt: skip
    found = suppress(
        value=NUMBER, channel=channel, now=NOW, reason=Suppression.Reason.HARD_FAILS,
        origin=Suppression.Origin.STAFF if by_list else Suppression.Origin.RULE,
    )  # fmt: skip

    if by_list:
        release_each(Suppression.objects.filter(pk=found.pk), by=factories.user("admin"), note="", now=NOW)
    else:
        release(found, by=None, note="", now=NOW)

    still = AddressHealth.objects.exclude(closed="").order_by("channel").values_list("channel", flat=True)
    assert list(still) == sorted(others[1:])


# ---- STOP and START -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("channel", "family"),
    [
        ("sms", ["sms", "mms"]),
        ("mms", ["sms", "mms"]),
        ("voice", ["voice", "rvm"]),
        ("rvm", ["voice", "rvm"]),
        ("email", ["email"]),
    ],
)
def test_a_word_on_one_channel_covers_its_family(channel, family):
    assert family_of(channel) == family


def test_stop_blocks_the_number_and_opts_out_everybody_who_has_it():
    shared = [factories.phone(value=NUMBER).contact_id for _ in range(2)]

    touched = said("stop")

    assert touched == shared
    assert {key: each.opted_in for key, each in latest_consents(shared).items()} == {
        (pk, channel): False for pk in shared for channel in ("sms", "mms")
    }
    found = blocking().get()
    assert (found.channel, found.scope, found.reason, found.origin) == ("", "everything", "stop", "recipient")
    assert found.created_at == NOW


def test_stop_blocks_a_number_that_nobody_has():
    assert said("stop") == []

    assert blocking().exists()


def test_a_stop_told_twice_counts_once_and_a_second_stop_stands_beside_the_first():
    factories.phone(value=NUMBER)
    said("stop")

    said("stop")
    assert Suppression.objects.count() == 1
    said("stop", at=NOW + HOUR)

    assert Suppression.objects.count() == 2
    assert Consent.objects.count() == 2
    said("start", at=NOW + 2 * HOUR)
    assert not blocking().exists()


def test_start_opts_in_and_lifts_the_stop():
    contact_id = factories.phone(value=NUMBER).contact_id
    said("stop")

    touched = said("start", at=NOW + HOUR)

    assert touched == [contact_id]
    assert not blocking().exists()
    assert latest_consents([contact_id])[contact_id, "sms"] == (True, NOW + HOUR)


def test_start_leaves_every_other_block():
    said("stop")
    suppress(value=NUMBER, **STAFF)

    said("start", at=NOW + HOUR)

    assert blocking().get().reason == Suppression.Reason.STAFF


def test_a_start_that_arrives_late_does_not_lift_a_newer_stop():
    contact_id = factories.phone(value=NUMBER).contact_id
    said("stop", at=NOW + HOUR)

    said("start", at=NOW)

    assert blocking().exists()
    assert not latest_consents([contact_id])[contact_id, "sms"].opted_in


def test_a_stop_repeated_after_its_release_does_not_block_again():
    factories.phone(value=NUMBER)
    said("stop")
    said("start", at=NOW + HOUR)

    said("stop")

    assert not blocking().exists()
    assert Consent.objects.count() == 4


def test_the_persons_own_stop_outlives_an_imported_one():
    suppress(
        value=NUMBER,
        reason=Suppression.Reason.STOP,
        origin=Suppression.Origin.IMPORT,
        now=NOW,
        expires_at=NOW + 5 * HOUR,
    )

    said("stop", at=NOW + HOUR)

    found = blocking().get()
    assert found.by_recipient
    assert found.expires_at is None


def test_an_unsubscribed_email_leaves_the_phone_alone():
    contact = factories.contact()
    factories.phone(contact, value=NUMBER)
    factories.email(contact, value="robin@example.com")

    said("stop", value="robin@example.com", channel=Channel.EMAIL)

    assert not blocking().exists()
    assert set(latest_consents([contact.pk])) == {(contact.pk, "email")}
