"""What support reads to the customer: what was sent and what became of it, as sure as that is, and what they asked."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from itertools import product

import pytest
from django.utils import timezone

from campaigns.models import Recipient
from contacts.channels import Channel
from contacts.consenting import record_opt_out, record_request
from contacts.correcting import correct
from contacts.gate import Reason
from contacts.models import Address, AddressHealth, AutomaticAnswer, Consent
from contacts.suppressing import CannotRelease, carry_over, suppress
from dashboard.contacts.explaining import SHOWN, came_of, explanation
from dashboard.contacts.explaining_words import CAME_OF_IT, LEFT_OUT
from deliveries.models import Decision
from deliveries.outcomes.reachability import side_panel
from deliveries.providers import PROVIDERS
from deliveries.statuses import Disposition, Evidence, FailureClass, Fault, Status
from deliveries.wording import WITHDRAWN
from tests import factories

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
TEMPORARY = {
    "status": "undelivered",
    "failure_class": "temporary",
    "fault": "recipient",
    "reason_code": "30003",
}


@pytest.fixture(autouse=True)
def today(time_machine):
    time_machine.move_to(NOW)
    with timezone.override("Europe/Madrid"):
        yield


@pytest.fixture
def robin():
    contact = factories.contact()
    factories.phone(contact, value="+12145550142", time_zone="")
    factories.email(contact, value="robin@example.com")
    for channel in Channel:
        Consent.objects.create(
            contact=contact, channel=channel, opted_in=True, at=NOW - 90 * DAY, how="Web form"
        )
    return contact


@pytest.fixture
def sent(robin):
    """`sent(campaign name, at, **message)`: one more message to Robin; `recipient` makes it a further attempt."""

    def make(name="Check-up", at=NOW - DAY, recipient=None, channel="sms", **fields):
        fields.setdefault("status", "delivered")
        recipient = recipient or factories.recipient(
            factories.campaign(name=name, state="sending", channel=channel), robin, state="open"
        )
        address = robin.addresses.get(kind="email" if channel == "email" else "phone")
        return factories.message(recipient, address=address, channel=channel, created_at=at, **fields)

    return make


def lines(contact):
    return explanation(contact, side_panel(contact, NOW)).split("\n")


def skipped(contact, reason, channel="sms", **fields):
    campaign = factories.campaign(name="Sale", channel=channel, **fields)
    recipient = factories.recipient(campaign, contact, state=Recipient.State.SKIPPED, skip_reason=reason)
    Decision.objects.create(
        recipient=recipient, contact=contact, at=NOW - DAY, by="gate", rule=reason, step="none", reason="x"
    )


@pytest.mark.parametrize(
    ("kind", "state", "said"),
    [
        ("confirm", "sent", "we asked you to confirm that you want messages from us, by text message."),
        ("person", "sent", "a colleague answered what you had written, by text message."),
        ("help", "in_doubt", "we answered your question for help, by text message; it is not known whether that left."),
        ("confirm", "dropped", ""), ("confirm", "waiting", ""),
    ],
)  # fmt: skip
def test_what_left_beside_the_campaigns_is_told_too(robin, kind, state, said):
    phone = robin.addresses.get(kind="phone")
    AutomaticAnswer.objects.create(
        address=phone, match_key=phone.match_key, kind=kind, fact="list 1", channel="sms", sender_value="+1",
        account_id=0, text="Hello", state=state, asked_at=NOW - DAY, begun_at=NOW - DAY,
    )  # fmt: skip

    assert lines(robin)[0] == (
        f"On 19 November at 13:00 {said}" if said else "We have not sent you anything so far."
    )


# ---- What was sent ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("channel", "outcome", "said"),
    [
        ("sms", {"evidence": "handset"}, "we know that it reached your phone"),
        ("sms", {"evidence": "carrier"}, "your phone company reports that it was delivered"),
        (
            "sms", {"evidence": "handed_over"},
            "your phone company accepted it, and nobody confirmed that it reached your phone",
        ),
        ("mms", {"evidence": "assumed"}, "no failure was reported, and nobody confirmed that it reached your phone"),
        ("sms", {"status": "sent"}, "it is on its way, and we have no confirmation yet"),
        ("sms", TEMPORARY, "it could not be delivered at that moment"),
        ("sms", {"status": "timed_out"}, "we received no confirmation either way"),
        ("email", {"evidence": "carrier"}, "your mail provider accepted it; it may still be in spam"),
        ("email", {"evidence": "assumed"}, "no failure came back, and nobody confirmed that it arrived"),
        (
            "email", {"status": "bounced", "failure_class": "permanent", "fault": "recipient"},
            "it could not be delivered: the report says that it cannot be reached there",
        ),
        ("voice", {"status": "answered"}, "the call was answered"),
        ("voice", {"status": "voicemail"}, "the call went to voicemail"),
        ("voice", {"status": "no_answer"}, "nobody picked up"),
        ("rvm", {"evidence": "carrier"}, "it is reported as left in your voicemail box"),
        (
            "sms", {"status": "blocked", "failure_class": "content", "fault": "content"},
            "it was not accepted for delivery, which has nothing to do with your number",
        ),
    ],
)  # fmt: skip
def test_each_is_told_with_its_date_its_campaign_its_channel_and_how_sure_we_are(
    robin, sent, channel, outcome, said
):
    sent(channel=channel, at=datetime(2026, 11, 3, 9, tzinfo=UTC), **outcome)

    what = {
        "sms": "sent a text message to the number ending in 0142",
        "mms": "sent a picture message to the number ending in 0142",
        "voice": "called the number ending in 0142",
        "rvm": "sent a voicemail to the number ending in 0142",
        "email": "sent an email to your address at example.com",
    }[channel]
    assert lines(robin)[0] == f"On 3 November at 10:00 we {what} for “Check-up”: {said}."
    assert lines(robin)[-1] == "All times are Madrid time."


@pytest.mark.parametrize(
    ("value", "where"),
    [
        ("+12145550143", "the number ending in 0143"),
        ("+29023456", "the number ending in 56"),
        ("12345", "your number"),
    ],
)
def test_of_a_number_no_more_is_read_than_everybody_may_see(robin, sent, value, where):
    phone = robin.addresses.get(kind="phone")
    phone.value = value
    phone.save()
    sent()
    suppress(value=value, reason="asked", origin="recipient", now=NOW - HOUR)

    sentences = lines(robin)

    assert f"we sent a text message to {where} for" in sentences[0]
    assert any(line.endswith(f" from us at {where}.") for line in sentences)


def test_the_newest_is_first_and_the_list_has_an_end(robin, sent):
    for number in range(SHOWN + 3):
        sent(f"Campaign {number}", NOW - number * DAY)

    shown = lines(robin)

    assert [re.search(r"“(.*)”", line)[1] for line in shown[:SHOWN]] == [
        f"Campaign {number}" for number in range(SHOWN)
    ]
    assert shown[SHOWN] == "And 3 earlier ones."


def test_a_reader_in_a_zone_whose_clocks_never_change_is_answered(robin, sent, login):
    campaign = sent().campaign
    client = login("admin")
    client.cookies["tz"] = "Etc/GMT+5"

    page = client.get(f"/contacts/{robin.pk}/").content.decode()
    trail = b"".join(client.get(f"/contacts/{robin.pk}/export/").streaming_content).decode()
    report = b"".join(client.get(f"{campaign.get_absolute_url()}export/").streaming_content).decode()

    assert "All times are UTC-05:00." in page
    assert "Etc/GMT+5" in trail
    assert "Etc/GMT+5" in report


@pytest.mark.parametrize(
    ("contact_zone", "number_zone", "when", "zone"),
    [
        ("America/Denver", "", "On 2 November at 20:22", "your local time (Denver)"),
        ("", "America/Denver", "On 2 November at 20:22", "your local time (Denver)"),
        ("Asia/Kolkata", "America/Denver", "On 3 November at 08:52", "your local time (Kolkata)"),
        ("", "America/Boise America/Denver", "On 3 November at 04:22", "Madrid time"),
        ("", "no/zone", "On 3 November at 04:22", "Madrid time"),
    ],
)
def test_times_are_the_customer_s_own_where_their_zone_is_known_to_be_one(
    robin, sent, contact_zone, number_zone, when, zone
):
    robin.time_zone = contact_zone
    robin.addresses.filter(kind="phone").update(time_zone=number_zone)
    sent(at=datetime(2026, 11, 3, 3, 22, tzinfo=UTC))

    shown = lines(robin)

    assert shown[0].startswith(f"{when} we sent")
    assert shown[-1] == f"All times are {zone}."


def test_a_year_ago_says_its_year(robin, sent):
    sent(at=datetime(2025, 12, 1, 9, tzinfo=UTC))

    assert lines(robin)[0].startswith("On 1 December 2025 at 10:00 we ")


def test_retries_are_one_sentence(robin, sent):
    first = sent(at=NOW - 30 * HOUR, **TEMPORARY)
    sent(at=NOW - 26 * HOUR, recipient=first.recipient, **TEMPORARY)
    sent(at=NOW - 22 * HOUR, recipient=first.recipient, evidence="handset")

    assert lines(robin)[0] == (
        "On 19 November at 07:00 we sent a text message to the number ending in 0142 for “Check-up”, and tried again 2"
        " times, last on 19 November at 15:00: we know that it reached your phone."
    )


def test_another_channel_is_told_as_what_it_was(robin, sent):
    first = sent(at=NOW - 3 * DAY, **TEMPORARY)
    sent(at=NOW - 2 * DAY, recipient=first.recipient, **TEMPORARY)
    sent(at=NOW - DAY, recipient=first.recipient, channel="email")

    assert lines(robin)[0] == (
        "On 17 November at 13:00 we sent a text message to the number ending in 0142 for “Check-up”, and tried again"
        " on 18 November at 13:00; as it could not be delivered, we sent an email to your address at example.com"
        " on 19 November at 13:00: your mail provider accepted it; it may still be in spam."
    )


def test_what_arrived_counts_though_another_was_sent_after_it(robin, sent):
    first = sent(at=NOW - 2 * DAY, evidence="handset")
    sent(at=NOW - DAY, recipient=first.recipient, channel="email", status="sent")

    assert lines(robin)[0].endswith(
        ": of the text message of 18 November at 13:00, we know that it reached your phone."
    )


def test_what_never_left_is_not_told(robin, sent):
    first = sent()
    sent(recipient=first.recipient, status="queued", due_at=NOW + DAY)
    withdrawn = sent(recipient=first.recipient, status="canceled")
    assert not withdrawn.disposition

    assert not any(word in " ".join(lines(robin)) for word in ("again", "queued", "withdrawn"))


@pytest.mark.parametrize("channel", Channel)
def test_every_outcome_of_every_channel_has_words_without_codes(robin, sent, channel):
    message = sent(channel=channel)
    for status, evidence, failure, fault in product(Status, Evidence, FailureClass, Fault):
        message.status, message.evidence = status, evidence
        found = factories.disposition(status, failure, fault, "exposure")
        if found:
            message.disposition = found
            assert not re.search(r"[_{}A-Z]|\d", came_of(message))
    assert CAME_OF_IT.keys() | {Disposition.DELIVERED} == set(Disposition)


# ---- What was not sent ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reason", "because"),
    [
        ("opted_out", "we knew that you do not want it"),
        ("no_consent", "we had no agreement of yours to a text message from us"),
        ("wrong_line", "the number we had cannot take a text message"),
        ("invalid_address", "the number we had was not a valid one"),
        ("sender_not_approved", "of a reason on our side, which has nothing to do with you"),
        ("stopped", "of a reason on our side, which has nothing to do with you"),
    ],
)
def test_who_was_left_out_is_told_why_in_their_words(robin, reason, because):
    skipped(robin, reason)

    assert lines(robin)[0] == (
        f"On 19 November at 13:00 we did not send you the text message for “Sale”, because {because}."
    )


@pytest.mark.parametrize("channel", Channel)
@pytest.mark.parametrize("reason", [*Reason.values, *WITHDRAWN, "of another time", ""])
def test_every_reason_has_words_without_codes(robin, channel, reason):
    skipped(robin, reason, channel)

    line = lines(robin)[0]

    assert not re.search(r"[_{}]", line)
    assert reason != line
    assert line.count("because") == 1
    assert LEFT_OUT.keys() <= {*Reason.values, *WITHDRAWN}


@pytest.mark.parametrize("state", ["sending", "paused", "canceled"])
def test_nothing_is_read_of_a_campaign_that_has_not_begun(robin, state):
    skipped(robin, "no_consent", state=state, launched_at=NOW - DAY, starts_at=NOW + HOUR)

    assert lines(robin) == ["We have not sent you anything so far."]


@pytest.mark.parametrize("reason", ["campaign_not_sending", "no_consent"])
def test_nothing_is_read_of_a_campaign_that_was_canceled_before_it_reached_the_person(robin, sent, reason):
    skipped(robin, reason, state="canceled", launched_at=NOW - 2 * DAY)

    assert lines(robin) == ["We have not sent you anything so far."]

    before = sent("Recall")  # what did leave is told, whatever became of its campaign
    before.recipient.campaign.state = "canceled"
    before.recipient.campaign.save()
    assert [line for line in lines(robin) if "“" in line] == [lines(robin)[0]]
    assert "“Recall”" in lines(robin)[0]


def test_nobody_is_reminded_of_words_that_they_did_not_say(robin):
    """Whoever stands on another system's list, or is reported by a provider, is left out as opted out as well."""
    record_opt_out(
        value="+12145550142", channel="sms", how="Imported list", evidence="old, line 7",
        fact="file 0a", reason="asked", at=NOW - 2 * DAY,
    )  # fmt: skip
    skipped(robin, "opted_out")

    assert not re.search(r"you (had )?(told|said|wrote|asked)", " ".join(lines(robin)), re.IGNORECASE)


@pytest.mark.parametrize(
    ("first", "why"),
    [
        ({"status": "sent"}, "we had no word that it arrived"),
        ({"status": "timed_out"}, "we had no word that it arrived"),
        (TEMPORARY, "it could not be delivered"),
        ({**TEMPORARY, "settled_at": NOW}, "we had no word that it arrived"),  # it failed only afterwards
        ({"status": "undelivered", "failure_class": "permanent", "fault": "recipient"}, "it could not be delivered"),
        ({"status": "rejected", "failure_class": "content", "fault": "content"}, "it was not accepted for delivery"),
        ({"status": "no_answer", "channel": "voice"}, "nobody picked up"),
        ({"status": "rejected", "channel": "rvm"}, "it could not be delivered"),
        ({"status": "unknown"}, "we had no word that it arrived"),
    ],
)  # fmt: skip
def test_what_was_known_to_have_failed_is_not_told_as_no_word(robin, sent, first, why):
    attempt = sent(at=NOW - 2 * DAY, **first)
    sent(at=NOW - DAY, channel="email", recipient=attempt.recipient)

    assert f"; as {why}, we sent an email to your address at example.com on" in lines(robin)[0]


# ---- What they asked --------------------------------------------------------------------------------------------


PHONE = "text messages, picture messages, calls or voicemails"


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"evidence": "STOP"}, "You replied STOP on 3 November"),
        (
            {"evidence": "You have the\nwrong person, ask ann@example.org"},
            "You answered “You have the wrong person, ask a•••@example.org” on 3 November",
        ),
        ({"evidence": "Pressed 9"}, "You pressed a key on 3 November to opt out"),
        *(
            (
                {"evidence": "old, line 7", "fact": "file 0a", "reason": reason},
                "We learnt on 3 November that you do not want to hear from us",
            )
            for reason in ("asked", "complaint")
        ),
        ({"evidence": "x", "fact": "message 7"}, "It was reported to us on 3 November that you opted out"),
        (
            {"evidence": "x", "fact": "message 7", "reason": "complaint"},
            "A message of ours was reported as unwanted on 3 November",
        ),
    ],
)
def test_an_opt_out_is_told_with_what_it_closed(robin, sent, fields, said):
    sent(at=NOW - 30 * DAY)
    at = datetime(2026, 11, 3, 9, tzinfo=UTC)
    record_opt_out(value="+12145550142", channel="sms", how="Reply", at=at, **fields)

    shown = lines(robin)

    assert f"{said}; since then you get no {PHONE} from us at the number ending in 0142." in shown
    assert "We can still reach you by email." in shown
    assert not any("no longer use" in line for line in shown)


def test_a_stop_that_was_carried_to_the_new_number_is_said_to_be_of_the_earlier_one(robin):
    record_opt_out(value="+12145550142", channel="sms", how="Reply", evidence="STOP", at=NOW - DAY)
    Address.objects.filter(value="+12145550142").update(preferred=False, validity="invalid")
    carry_over([factories.phone(robin, value="+12125550177")], NOW)

    told = "You replied STOP on 19 November, with your earlier number. It still holds: you get no"
    assert f"{told} {PHONE} from us at the number ending in 0177." in lines(robin)


def test_what_was_kept_off_is_not_told_as_an_opt_out(robin):
    Consent.objects.create(
        contact=robin, channel="voice", opted_in=False, at=NOW - DAY, how="Kept off when email was turned on"
    )

    assert "this stayed off: you get no calls from us." in " ".join(lines(robin))


def test_who_left_by_email_is_not_told_of_a_stop(robin):
    record_opt_out(
        value="robin@example.com", channel="email", how="Reply", evidence="unsubscribe", at=NOW - DAY
    )

    assert any(line.startswith("You unsubscribed by email on 19 November;") for line in lines(robin))


def test_several_are_told_the_newest_first_and_once_each(robin):
    record_opt_out(value="+12145550142", channel="sms", how="Reply", evidence="STOP", at=NOW - 3 * DAY)
    record_request(contact=robin, evidence="On the phone", by=factories.user(first_name="Ann"), now=NOW - DAY)

    shown = lines(robin)

    assert [line.partition(";")[0] for line in shown[1:]] == [
        "You asked us to stop on 19 November",
        "You replied STOP on 17 November",
    ]
    assert shown[1].endswith("since then you get nothing at all from us.")
    assert "Ann" not in " ".join(shown)


def test_a_no_on_one_channel_names_it(robin):
    Consent.objects.create(contact=robin, channel="voice", opted_in=False, at=NOW - DAY, how="Letter")

    assert "You opted out on 19 November; since then you get no calls from us." in lines(robin)


def test_what_we_closed_ourselves_reads_as_a_list(robin):
    suppress(value="+12145550142", reason="staff", origin="staff", evidence="Fraud?", now=NOW - DAY)

    shown = lines(robin)

    assert "We no longer use text messages, picture messages, calls and voicemails to reach you." in shown
    assert "Fraud" not in " ".join(shown)


def test_nothing_tells_a_code_a_provider_or_a_plan(robin, sent):
    for provider in ("twilio", "sandbox"):
        first = sent(account=factories.account(provider), at=NOW - 2 * DAY, **TEMPORARY)
        Recipient.objects.filter(pk=first.recipient_id).update(
            next_step="retry", next_step_at=NOW + DAY, next_step_reason="Retry 1 of 2."
        )
    phone = robin.addresses.get(kind="phone")
    AddressHealth.objects.create(
        address=phone, channel="rvm", closed="channel", closed_why="No voicemail (4123)", last_failed_at=NOW
    )

    shown = " ".join(lines(robin)).casefold()

    assert not any(word in shown for word in ("30003", "4123", "retry", *PROVIDERS))


def test_it_costs_the_same_however_much_happened(robin, sent, django_assert_num_queries):
    reach = side_panel(robin, NOW)
    for number in range(SHOWN * 3):
        sent(f"Campaign {number}", NOW - number * DAY)
        skipped(robin, "no_consent")

    with django_assert_num_queries(4):
        explanation(robin, reach)


@pytest.mark.parametrize(
    ("status", "words"),
    [
        ("failed", "it could not be delivered"), ("undelivered", "it could not be delivered"),
        ("timed_out", "we received no confirmation either way"), ("unknown", "we received no confirmation either way"),
    ],
)  # fmt: skip
def test_what_failed_for_an_unknown_reason_failed_all_the_same(status, words):
    message = factories.message(channel="rvm", status=status, failure_class="unknown")

    assert came_of(message) == words


def test_after_a_correction_it_is_said_which_number_is_used(robin, sent):
    sent(at=NOW - DAY, **TEMPORARY)

    correct(robin, phone="+12145550177", region="US", by=None)

    told = lines(robin)
    assert "the number ending in 0142" in told[0]
    assert (
        "We have changed your number: we now use the number ending in 0177, no longer the number ending in 0142."
        in told
    )


def test_a_number_that_nothing_goes_to_is_not_said_to_be_used(robin):
    correct(robin, phone="+12145550177", region="US", by=None)
    for channel in (Channel.SMS, Channel.VOICE):
        record_opt_out(value="+12145550177", channel=channel, how="Reply", evidence="STOP", at=NOW)

    assert not [line for line in lines(robin) if line.startswith("We have changed")]


def test_the_trail_and_the_explanation_are_in_one_zone_that_is_named(robin, sent, login):
    robin.time_zone = "America/Chicago"
    robin.save()
    sent(at=NOW - DAY)
    client = login("support")
    client.cookies["tz"] = "Europe/Madrid"

    theirs = client.get(f"/contacts/{robin.pk}/").content.decode()
    own = client.get(f"/contacts/{robin.pk}/?clock=own").content.decode()

    assert "On 19 November at 06:00" in theirs
    assert "All times are your local time (Chicago)." in theirs
    assert "where they are" in theirs
    assert "Show my time" in theirs
    assert "06:00" in theirs.partition("to-say")[0]  # on the timeline as well
    assert "On 19 November at 13:00" in own
    assert "13:00" in own.partition("to-say")[0]
    assert "Show their time (Chicago)" in own


def test_consent_to_texts_is_shown_to_count_for_picture_messages(robin, login):
    Consent.objects.filter(channel="mms").delete()
    page = login("support").get(f"/contacts/{robin.pk}/").content.decode()
    assert "<dt>SMS and MMS</dt>" in page


def test_a_refused_release_names_what_the_suppression_closes(robin):
    stop = suppress(value="+12145550142", channel="sms", reason="stop", origin="recipient", now=NOW)
    assert "SMS and MMS" in str(CannotRelease(stop))
    whole = suppress(value="+12145550142", reason="asked", origin="recipient", now=NOW)
    assert ", email" not in str(CannotRelease(whole))
    assert "and email" not in str(CannotRelease(whole))
