"""The gate: each reason, their order, and that any number of asks costs the same few queries."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, time, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from contacts.channels import IMPOSSIBLE_LINES, Channel, LineType
from contacts.consent_ledger import family_of
from contacts.gate import ASK_AGAIN, REASONS, SENDER_AGAIN, Ask, Reason, Verdict, check, sentence
from contacts.models import Address, AddressHealth, Consent, Suppression
from contacts.suppressing import suppress
from tests import factories

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 3, 4, 17, 0, tzinfo=UTC)  # 11:00 in Chicago
NIGHT = datetime(2026, 3, 5, 4, 14, tzinfo=UTC)  # 22:14 in Chicago
DAY = timedelta(days=1)
ALLOWED = Verdict(allowed=True)


def ask_for(address, channel=Channel.SMS, **fields):
    """An ask that is allowed as soon as there is consent."""
    return replace(
        Ask(
            key=address.pk,
            contact_id=address.contact_id,
            address_id=address.pk,
            channel=channel,
            sender_value="+15125550100",
            window_start=time(9),
            window_end=time(21),
            campaign_state="sending",
            sender_state="approved",
            relevant_until=None,
        ),
        **fields,
    )


def opt_in(address, channel=Channel.SMS, opted_in=True, at=NOW - DAY):
    Consent.objects.create(
        contact_id=address.contact_id, channel=channel, opted_in=opted_in, at=at, how="Web form"
    )


@pytest.fixture
def address():
    found = factories.phone()
    opt_in(found)
    return found


def verdict(ask, now=NOW):
    return check([ask], now)[ask.key]


def block(**fields):
    given = {"reason": Suppression.Reason.STAFF, "origin": Suppression.Origin.STAFF, "created_at": NOW - DAY}
    return Suppression.objects.create(**given | fields)


def test_what_nothing_stands_against_is_allowed(address):
    assert verdict(ask_for(address)) == ALLOWED


def test_every_reason_stands_in_the_table_in_order():
    assert list(REASONS) == list(Reason)
    assert {reason for reason, rule in REASONS.items() if rule.holds} == {
        Reason.SENDER_NOT_APPROVED,
        Reason.REPLY_UNREAD,
        Reason.CAMPAIGN_PAUSED,
        Reason.QUIET_HOURS,
    }
    assert max(len(reason) for reason in Reason.values) <= 24


# ---- The address --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("address_id", [None, 987_654_321])
def test_without_an_address_there_is_nothing_to_send_to(address, address_id):
    assert verdict(ask_for(address, address_id=address_id)).reason == "no_address"


def test_an_address_of_another_kind_or_person_is_none(address):
    stranger = factories.contact()

    assert verdict(ask_for(address, Channel.EMAIL)).reason == "no_address"
    assert verdict(ask_for(address, contact_id=stranger.pk)).reason == "no_address"


@pytest.mark.parametrize(
    ("validity", "reason"),
    [
        ("needs_correction", "needs_correction"),
        ("invalid", "invalid_address"),
        ("unverified", ""),
        ("valid", ""),
    ],
)
def test_the_validity_of_the_address_counts(address, validity, reason):
    Address.objects.update(validity=validity)

    assert verdict(ask_for(address)).reason == reason


@pytest.mark.parametrize("line", LineType.values)
@pytest.mark.parametrize("channel", ["sms", "mms", "voice", "rvm"])
def test_a_line_that_cannot_take_the_channel_is_refused(channel, line):
    address = factories.phone(line_type=line)
    opt_in(address, channel)

    found = verdict(ask_for(address, channel))

    assert found.allowed is (line not in IMPOSSIBLE_LINES[Channel(channel)])
    assert found.reason in ("", "wrong_line")


# ---- Suppression --------------------------------------------------------------------------------------------


def test_the_persons_own_opt_out_is_told_from_other_suppressions(address):
    block(value=address.value)
    block(value=address.value, reason="stop", origin="recipient", created_at=datetime(2026, 3, 3, tzinfo=UTC))

    assert verdict(ask_for(address)) == Verdict(False, "opted_out", None, "replied STOP on 3 Mar 2026")


def test_a_suppression_of_the_number_holds_whoever_has_it(address):
    block(value=address.value, contact=factories.contact())

    assert verdict(ask_for(address)).reason == "suppressed"


def test_a_suppressed_contact_gets_nothing_anywhere(address):
    block(contact=address.contact)

    assert verdict(ask_for(address)).reason == "suppressed"


def test_a_suppressed_number_leaves_the_contacts_email_alone(address):
    email = factories.email(address.contact)
    opt_in(email, Channel.EMAIL)
    block(value=address.value, contact=address.contact)

    assert verdict(ask_for(email, Channel.EMAIL)) == ALLOWED


@pytest.mark.parametrize(
    ("channel", "allowed"), [("", False), ("sms", False), ("mms", True), ("email", True)]
)
def test_a_suppression_holds_on_its_channel(address, channel, allowed):
    block(value=address.value, channel=channel)

    assert verdict(ask_for(address)).allowed is allowed


@pytest.mark.parametrize("channel", Channel.values)
@pytest.mark.parametrize("whole", [True, False])
def test_what_the_person_asked_for_holds_on_the_sibling_of_its_channel(channel, whole):
    address = factories.email() if channel == "email" else factories.phone()
    value = "" if whole else address.value

    block(contact=address.contact, value=value, channel=channel, reason="asked", origin="recipient")

    stopped = [each for each in Channel.values if verdict(ask_for(address, each)).reason == "opted_out"]
    assert stopped == family_of(channel)


@pytest.mark.parametrize(
    ("scope", "scope_value", "allowed"),
    [
        ("everything", "", False),
        ("sender", "+15125550100", False),
        ("sender", "+15125550101", True),
        ("brand", "Some brand", False),
    ],
)
def test_a_suppression_holds_in_its_scope(address, scope, scope_value, allowed):
    block(value=address.value, scope=scope, scope_value=scope_value)

    assert verdict(ask_for(address)).allowed is allowed


@pytest.mark.parametrize(
    ("fields", "allowed"),
    [
        ({"expires_at": NOW}, True),
        ({"expires_at": NOW + DAY}, False),
        ({"released_at": NOW - DAY}, True),
    ],
)
def test_only_a_suppression_in_force_blocks(address, fields, allowed):
    block(value=address.value, **fields)

    assert verdict(ask_for(address)).allowed is allowed


# ---- Consent and health -------------------------------------------------------------------------------------


def test_without_consent_nothing_is_sent():
    assert verdict(ask_for(factories.phone())) == Verdict(False, "no_consent", None, "never opted in to SMS")


def test_the_latest_word_counts_whatever_order_it_was_written_in(address):
    opt_in(address, opted_in=False, at=NOW - timedelta(hours=1))
    opt_in(address, opted_in=True, at=NOW - 2 * DAY)

    assert verdict(ask_for(address)) == Verdict(False, "opted_out", None, "opted out of SMS on 4 Mar 2026")


def test_of_two_words_at_one_moment_the_one_written_last_counts(address):
    opt_in(address, opted_in=False)
    opt_in(address, opted_in=True)

    assert verdict(ask_for(address)).allowed


def test_consent_for_sms_covers_mms_unless_mms_has_its_own(address):
    covered = verdict(ask_for(address, Channel.MMS))
    opt_in(address, Channel.MMS, opted_in=False)
    refused = verdict(ask_for(address, Channel.MMS))

    assert covered.allowed
    assert refused.reason == "opted_out"


@pytest.mark.parametrize("by", ["suppression", "consent"])
@pytest.mark.parametrize(
    "fault",
    [
        {"validity": "invalid"}, {"validity": "needs_correction"}, {"line_type": "landline"}, {"closed": "number"},
        {"closed": "texting"}, {"hard_fails": 5}, {"suppressed": True},
    ],
    ids=str,
)  # fmt: skip
def test_an_opt_out_is_the_reason_whatever_else_is_wrong(address, by, fault):
    if by == "consent":
        opt_in(address, opted_in=False)
    else:
        block(value=address.value, reason="stop", origin="recipient")
    if "suppressed" in fault:
        block(contact=address.contact)
    elif {"closed", "hard_fails"} & fault.keys():
        AddressHealth.objects.create(address=address, channel="sms", **fault)
    else:
        Address.objects.filter(pk=address.pk).update(**fault)

    assert verdict(ask_for(address)).reason == "opted_out"


@pytest.mark.parametrize("channel", ["voice", "rvm"])
def test_consent_for_sms_covers_no_call(address, channel):
    assert verdict(ask_for(address, channel)).reason == "no_consent"


@pytest.mark.parametrize(
    ("channel", "fails", "strikes", "reason"),
    [("sms", 2, 3, ""), ("sms", 3, 3, "hard_fails"), ("sms", 2, 2, "hard_fails"), ("voice", 9, 3, "")],
)
def test_too_many_permanent_failures_on_the_channel_stop(address, channel, fails, strikes, reason):
    AddressHealth.objects.create(address=address, channel=channel, hard_fails=fails)

    assert verdict(ask_for(address, strikes=strikes)).reason == reason


def test_one_permanent_failure_of_a_mailbox_stops_whatever_the_playbook_says():
    mailbox = factories.email()
    opt_in(mailbox, Channel.EMAIL)
    AddressHealth.objects.create(address=mailbox, channel=Channel.EMAIL, hard_fails=1)

    assert verdict(ask_for(mailbox, Channel.EMAIL, strikes=3)).reason == "hard_fails"


# ---- Campaign, sender, time ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("state", "reason"),
    [
        ("launching", ""),
        ("sending", ""),
        ("completed", ""),
        ("draft", "campaign_not_sending"),
        ("canceled", "campaign_not_sending"),
        ("paused", "campaign_paused"),
    ],
)
def test_the_state_of_the_campaign_counts(address, state, reason):
    assert verdict(ask_for(address, campaign_state=state)).reason == reason


def test_a_paused_campaign_holds_its_messages_for_a_while(address):
    assert verdict(ask_for(address, campaign_state="paused")).until == NOW + ASK_AGAIN


def test_a_sender_that_needs_no_registration_may_send(address):
    assert verdict(ask_for(address, sender_state="not_needed")).allowed


@pytest.mark.parametrize("state", ["not_registered", "in_review", "action_required", "suspended", "expired"])
def test_what_a_sender_that_is_not_approved_would_send_waits_for_it(address, state):
    found = verdict(ask_for(address, sender_state=state))

    assert (found.reason, found.until) == ("sender_not_approved", NOW + SENDER_AGAIN)


@pytest.mark.parametrize(
    ("until", "reason"), [(NOW, "not_relevant"), (NOW + DAY, ""), (NOW - DAY, "not_relevant")]
)
def test_what_is_no_longer_relevant_is_not_sent(address, until, reason):
    assert verdict(ask_for(address, relevant_until=until)).reason == reason


def test_at_night_a_text_waits_until_the_window_opens(address):
    opens = datetime(2026, 3, 5, 15, tzinfo=UTC)
    closes = opens + timedelta(hours=11, minutes=45)  # less the margin that the law of Texas is kept with
    words = "22:14 in Chicago; opens 09:00 on 5 Mar"

    assert verdict(ask_for(address), NIGHT) == Verdict(False, "quiet_hours", opens, words, closes)


def test_what_is_relevant_for_less_than_the_permitted_hours_ends_with_that(address):
    soon = datetime(2026, 3, 5, 15, 2, tzinfo=UTC)

    assert verdict(ask_for(address, relevant_until=soon), NIGHT).ends == soon


def test_the_zone_the_person_told_us_counts_before_that_of_the_number(address):
    address.contact.time_zone = "Pacific/Honolulu"
    address.contact.save()

    assert verdict(ask_for(address), NIGHT) == ALLOWED


SPAIN = "Atlantic/Canary Europe/Madrid"
RUSSIA = "Europe/Bucharest Europe/Moscow Asia/Kamchatka"


@pytest.mark.parametrize(
    ("zones", "at", "reason", "detail"),
    [
        (SPAIN, "2026-01-15T20:30", "quiet_hours",
         "21:30 in Madrid, 20:30 in Canary; opens 10:00 on 16 Jan in Madrid"),
        (SPAIN, "2026-01-15T08:10", "quiet_hours", "09:10 in Madrid, 08:10 in Canary; opens 10:00 in Madrid"),
        (SPAIN, "2026-01-15T09:10", "", ""),
        ("America/Boise America/Los_Angeles", "2026-01-15T16:30", "quiet_hours",
         "09:30 in Boise, 08:30 in Los Angeles; opens 10:00 in Boise"),
        ("Australia/Perth Australia/Sydney", "2026-01-14T22:45", "quiet_hours",
         "09:45 in Sydney, 06:45 in Perth; opens 12:00 in Sydney"),
        ("Australia/Perth Australia/Sydney", "2026-01-15T10:15", "quiet_hours",
         "21:15 in Sydney, 18:15 in Perth; opens 12:00 on 16 Jan in Sydney"),
        (RUSSIA, "2026-01-15T08:00", "", ""),
        (RUSSIA, "2026-01-15T12:00", "quiet_hours",
         "00:00 in Kamchatka, 15:00 in Moscow, 14:00 in Bucharest; opens 19:00 in Kamchatka"),
    ],
)  # fmt: skip
def test_the_hours_are_kept_in_every_zone_of_the_number(address, zones, at, reason, detail):
    Address.objects.filter(pk=address.pk).update(time_zone=zones)

    found = verdict(ask_for(address), datetime.fromisoformat(at).replace(tzinfo=UTC))

    assert (found.reason, found.detail) == (reason, detail)


def test_a_number_whose_zones_are_never_open_together_stops_until_somebody_says_which(address):
    Address.objects.filter(pk=address.pk).update(time_zone=RUSSIA)
    noon = ask_for(address, window_start=time(11), window_end=time(20))

    assert verdict(noon) == Verdict(
        False, "no_common_hour", None,
        "05:00 in Kamchatka, 20:00 in Moscow, 19:00 in Bucharest; 11:00 to 20:00 never is at once:"
        " enter the contact's time zone",
    )  # fmt: skip

    address.contact.time_zone = "Asia/Omsk"
    address.contact.save()
    assert verdict(noon).reason == "quiet_hours"


def test_an_email_knows_no_quiet_hours():
    email = factories.email()
    opt_in(email, Channel.EMAIL)

    assert verdict(ask_for(email, Channel.EMAIL), NIGHT) == ALLOWED


def test_a_reason_to_stop_comes_before_one_to_wait(address):
    ask = ask_for(address, campaign_state="paused", relevant_until=NOW)

    assert verdict(ask, NIGHT).reason == "not_relevant"


# ---- Many ---------------------------------------------------------------------------------------------------


def test_each_ask_gets_its_own_verdict(address):
    blocked, silent = factories.phone(), factories.phone()
    opt_in(blocked)
    suppress(value=blocked.value, reason="staff", origin="staff", now=NOW - DAY)

    found = check([ask_for(address), ask_for(blocked), ask_for(silent)], NOW)

    assert {key: each.reason for key, each in found.items()} == {
        address.pk: "",
        blocked.pk: "suppressed",
        silent.pk: "no_consent",
    }


def test_nothing_asked_is_nothing_answered(django_assert_num_queries):
    with django_assert_num_queries(0):
        assert check([], NOW) == {}


def test_five_thousand_asks_cost_a_handful_of_queries():
    contacts = factories.Contact.objects.bulk_create(factories.Contact() for _ in range(5_000))
    addresses = Address.objects.bulk_create(
        Address(contact=contact, kind="phone", value=f"+1512{n:07d}", time_zone="America/Chicago")
        for n, contact in enumerate(contacts)
    )
    Consent.objects.bulk_create(
        Consent(contact=each, channel="sms", opted_in=True, at=NOW - DAY, how="Web form") for each in contacts
    )
    with CaptureQueriesContext(
        connection,
    ) as one:
        check([ask_for(addresses[0])], NOW)

    with CaptureQueriesContext(connection) as many:
        found = check([ask_for(each) for each in addresses], NOW)

    assert all(each.allowed for each in found.values())
    assert len(one) == 5
    limit = connection.features.max_query_params
    assert len(many) <= (6 if limit is None else 6 * (5_000 // (limit - 20) + 1))


@pytest.mark.parametrize(
    ("reason", "detail", "said"),
    [
        ("not_in_service", "Number not in service, reported by SMS",
         "the number is not in service (reported by SMS)."),
        ("not_in_service", "Number not in service", "the number is not in service."),
        ("not_in_service", "No such number, reported by SMS",
         "the number is not in service (No such number, reported by SMS)."),
        ("opted_out", "replied STOP on 3 Nov 2026", "the person opted out (replied STOP on 3 Nov 2026)."),
        ("opted_out", "", "the person opted out."),
    ],
)  # fmt: skip
def test_nothing_is_said_twice_of_why_nothing_was_sent(reason, detail, said):
    assert sentence(reason, detail) == f"Not sent: {said}"
