"""A dead number is left alone on every channel; what one channel cannot do closes that channel only."""

from __future__ import annotations

from datetime import timedelta
from importlib import import_module

import pytest
from django.apps import apps
from django.db import connection

from contacts.channels import Channel
from contacts.correcting import correct
from contacts.gate import Reason
from contacts.models import Address, AddressHealth
from deliveries.bulk import actions
from deliveries.bulk.selections import Selection
from deliveries.deciding.staff import run_next_step_now
from deliveries.meaning.ruling_out import channels_of, disproved, rows, ruled_out
from deliveries.meaning.translation import Key, shipped
from deliveries.models import Batch, Decision, Message, QueueEntry
from deliveries.outcomes.narrowing import OutcomeView
from deliveries.outcomes.reachability import side_panel
from deliveries.sending.dispatch import dispatch
from deliveries.statuses import Evidence, FailureClass, Fault, Meaning, Status
from tests import factories
from tests.engine import DEAD, Fake, agree, person, report, sending, waiting, work

HOUR = timedelta(hours=1)
PHONES = ("sms", "mms", "voice", "rvm")


# ---- The table --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("table", "channel", "code"), rows(), ids=" ".join)
def test_every_code_of_the_table_is_a_permanent_failure_of_the_recipient(table, channel, code):
    codes = shipped().codes
    found = codes.get(Key(table, channel, "error", code)) or codes[Key(table, channel, "status", code)]

    assert (found.failure_class, found.fault) == ("permanent", "recipient")


@pytest.mark.parametrize(
    ("provider", "channel", "code", "closes"),
    [
        ("twilio", "sms", "30005", PHONES),  # unknown destination handset
        ("twilio", "mms", "30005", PHONES),
        ("twilio", "voice", "21211", PHONES),  # not a phone number
        ("twilio", "sms", "30006", ("sms", "mms")),  # a landline
        ("twilio", "sms", "21614", ("sms", "mms")),
        ("twilio", "mms", "30011", ("mms",)),
        ("twilio", "sms", "30003", ()),  # the phone is off
        ("twilio", "sms", "30004", ()),  # blocked: one failure of many kinds
        ("twilio", "sms", "21610", ()),  # opted out
        ("twilio", "voice", "sip:404", PHONES),
        ("telnyx", "sms", "40001", ("sms", "mms")),
        ("telnyx", "voice", "unallocated_number", PHONES),
        ("infobip", "sms", "1", PHONES),
        ("infobip", "voice", "5410", PHONES),
        ("messagebird", "sms", "1", PHONES),
        ("vonage", "sms", "1190", PHONES),
        ("plivo", "voice", "3050", PHONES),
        ("sinch", "sms", "152", ("sms", "mms")),
        ("bandwidth", "sms", "4721", PHONES),
        ("slybroadcast", "rvm", "reason/disconnected", PHONES),
        ("slybroadcast", "rvm", "reason/no_voicemail", ("rvm",)),
        ("smpp", "sms", "0x0000000B", PHONES),
        ("sandbox", "mms", "MMS_UNSUPPORTED", ("mms",)),
        ("sandbox", "sms", "landline", ("sms", "mms")),
        ("nobody", "sms", "30005", ()),
        ("twilio", "sms", "", ()),
    ],
)
def test_a_code_says_which_channels_it_closes(provider, channel, code, closes):
    closed = ruled_out(provider, channel, code)

    assert (channels_of(closed, channel) if closed else frozenset()) == set(closes)


@pytest.mark.parametrize("closed", AddressHealth.Closed)
@pytest.mark.parametrize("channel", PHONES)
def test_what_arrives_on_a_channel_disproves_what_closed_it(closed, channel):
    assert disproved(closed, channel, set(PHONES))
    assert not disproved(closed, channel, set())


# ---- Dead numbers -----------------------------------------------------------------------------------------------


@pytest.fixture
def account(db):
    return factories.account()


@pytest.fixture
def everywhere(account):
    """By text, and from there by every channel in turn."""
    made = sending("sms", "voice", "rvm", "mms", "email")
    made.playbook.switch_to = ["voice", "rvm", "mms", "email"]
    made.playbook.save()
    return made


def handed_over(campaign, account, now, contact=None):
    message = waiting(campaign, account, now, contact or person(*Channel.values, at=now))
    dispatch(now, Fake())
    message.refresh_from_db()
    return message


def last_of(message):
    return Message.objects.filter(recipient=message.recipient_id).latest("pk")


def closed_for(address):
    return set(
        AddressHealth.objects.filter(address=address).exclude(closed="").values_list("channel", flat=True)
    )


@pytest.mark.parametrize("code", ["UNKNOWN_SUBSCRIBER", "INVALID_NUMBER"])
def test_a_number_that_is_not_in_service_is_neither_called_nor_texted_again(everywhere, account, code, now):
    first = handed_over(everywhere, account, now)

    report(first, DEAD, now, code)
    work(now)

    assert last_of(first).channel == "email"
    assert closed_for(first.address) == set(PHONES)
    assert QueueEntry.objects.get(pk=first.pk).queue == "correct"
    assert agree()


def test_without_another_address_the_record_is_to_be_corrected(everywhere, account, now):
    first = handed_over(everywhere, account, now, person("sms", "voice", "rvm", "mms", at=now))

    report(first, DEAD, now, "UNKNOWN_SUBSCRIBER")
    work(now)

    assert last_of(first) == first
    assert QueueEntry.objects.get().queue == "correct"


def test_a_landline_is_called_but_gets_no_text(everywhere, account, now):
    everywhere.playbook.switch_to = ["mms", "voice"]
    everywhere.playbook.save()
    first = handed_over(everywhere, account, now)

    report(first, DEAD, now, "LANDLINE")
    work(now)

    assert last_of(first).channel == "voice"
    assert closed_for(first.address) == {"sms", "mms"}


def test_a_failure_that_says_no_more_closes_nothing_else(everywhere, account, now):
    first = handed_over(everywhere, account, now)

    report(first, DEAD, now, "SOMETHING_ELSE")
    work(now)

    assert last_of(first).channel == "voice"
    assert closed_for(first.address) == set()


def test_another_campaign_leaves_a_dead_number_alone_and_says_why(everywhere, account, now):
    first = handed_over(everywhere, account, now, person("sms", "voice", at=now))
    report(first, DEAD, now, "UNKNOWN_SUBSCRIBER")
    work(now)

    other = waiting(sending("voice"), account, now, first.contact)
    work(now)

    other.recipient.refresh_from_db()
    assert (other.recipient.state, other.recipient.skip_reason) == ("skipped", Reason.NOT_IN_SERVICE)
    reason = Decision.objects.get(message_id=other.pk).reason
    assert reason == "Not sent: the number is not in service (reported by SMS)."


def test_what_is_best_now_is_no_channel_of_a_dead_number(everywhere, account, now):
    first = handed_over(everywhere, account, now, person("sms", "voice", "rvm", "mms", at=now))
    report(first, DEAD, now, "UNKNOWN_SUBSCRIBER")
    work(now)

    found = side_panel(first.contact, now)

    assert found.best is None
    assert {one.word for one in found.channels if one.address} == {"Not in service"}


def test_a_late_delivery_proves_the_number_alive(everywhere, account, now):
    first = handed_over(everywhere, account, now)
    second = handed_over(sending("voice"), account, now, first.contact)
    report(first, DEAD, now, "UNKNOWN_SUBSCRIBER")
    work(now)
    assert closed_for(first.address) == set(PHONES)

    report(second, Meaning(Status.ANSWERED), now)
    work(now)

    assert closed_for(first.address) == set()


def test_a_delivery_that_was_only_assumed_proves_nothing(everywhere, account, now):
    first = handed_over(everywhere, account, now)
    second = handed_over(sending("voice"), account, now, first.contact)
    report(first, DEAD, now, "UNKNOWN_SUBSCRIBER")
    report(second, Meaning(Status.DELIVERED, FailureClass.NONE, Fault.NONE, Evidence.ASSUMED), now)
    work(now)

    assert closed_for(first.address) == set(PHONES)


# ---- One channel ------------------------------------------------------------------------------------------------


@pytest.fixture
def picture(account, now):
    """A picture message that the number's plan cannot take, its number fine for texts."""
    campaign = sending("mms", "sms")
    campaign.playbook.switch_to = []
    campaign.playbook.save()
    return handed_over(campaign, account, now)


def test_a_plan_without_picture_messages_means_use_sms(picture, now):
    report(picture, DEAD, now, "MMS_UNSUPPORTED")
    work(now)

    entry = QueueEntry.objects.get()
    picture.recipient.refresh_from_db()
    assert (entry.queue, picture.recipient.next_step) == ("switch", "switch")
    assert "send it as a text message" in entry.reason
    assert closed_for(picture.address) == {"mms"}
    assert not run_next_step_now(picture.recipient, factories.user("marketer"), now)


def test_it_is_moved_to_sms_by_hand_and_leaves_the_queue_after_two_weeks(picture, now):
    report(picture, DEAD, now, "MMS_UNSUPPORTED")
    work(now)
    chosen = Selection(OutcomeView(picture.campaign_id), (picture.pk,), now)

    actions.start(Batch.Action.SWITCH, chosen, {"channel": "sms"}, factories.user("marketer"), now)

    assert last_of(picture).channel == "sms"


def test_it_leaves_the_queue_when_it_is_two_weeks_old(picture, now):
    report(picture, DEAD, now, "MMS_UNSUPPORTED")
    work(now)

    work(now + timedelta(days=14))

    assert not QueueEntry.objects.exists()


def test_a_mark_for_correction_closes_the_channel_that_failed_alone(account, now):
    first = handed_over(sending("mms", "sms"), account, now)
    report(first, DEAD, now, "SOMETHING")
    work(now)
    chosen = Selection(OutcomeView(first.campaign_id), (first.pk,), now)

    actions.start(Batch.Action.CORRECT, chosen, {}, factories.user("marketer"), now)

    usable = {one.channel for one in side_panel(first.contact, now).channels if one.usable}
    assert "mms" not in usable
    assert {"sms", "voice"} <= usable | {"voice"}
    assert Address.objects.get(pk=first.address_id).validity == "valid"


# ---- Corrections ------------------------------------------------------------------------------------------------


def settle_of(contact):
    from dashboard.contacts.views import _settle

    _settle(contact)


def test_a_number_that_is_confirmed_has_a_clean_slate_and_its_message_can_be_retried(
    everywhere, account, now, time_machine
):
    time_machine.move_to(now + HOUR, tick=False)
    first = handed_over(everywhere, account, now, person("sms", at=now))
    report(first, DEAD, now, "UNKNOWN_SUBSCRIBER")
    work(now)

    changes = correct(first.contact, region="US", by=None, confirmed=[first.address_id])
    settle_of(first.contact)

    assert "it is used again" in changes[0]
    assert closed_for(first.address) == set()
    assert QueueEntry.objects.get().queue == "retry"
    chosen = Selection(OutcomeView(first.campaign_id), (first.pk,), now + HOUR)
    actions.start(Batch.Action.RETRY, chosen, {}, factories.user("marketer"), now + HOUR)
    assert last_of(first) != first


def test_after_a_correction_a_retry_is_offered_for_what_was_suppressed(account, now, time_machine):
    time_machine.move_to(now + HOUR, tick=False)
    campaign = sending("sms")
    campaign.playbook.strikes = 1
    campaign.playbook.save()
    first = handed_over(campaign, account, now, person("sms", at=now))
    report(first, DEAD, now, "SOMETHING")
    work(now)
    assert QueueEntry.objects.get().queue == "correct"

    correct(first.contact, phone="214 555 0188", region="US", by=None)
    settle_of(first.contact)

    assert QueueEntry.objects.get().queue == "retry"


def test_a_fresh_failure_counts_again(everywhere, account, now, time_machine):
    time_machine.move_to(now + HOUR, tick=False)
    first = handed_over(everywhere, account, now, person("sms", at=now))
    report(first, DEAD, now, "UNKNOWN_SUBSCRIBER")
    work(now)
    correct(first.contact, region="US", by=None, confirmed=[first.address_id])

    second = handed_over(sending("sms"), account, now + 2 * HOUR, first.contact)
    report(second, DEAD, now + 2 * HOUR, "UNKNOWN_SUBSCRIBER")
    work(now + 2 * HOUR)

    assert closed_for(first.address) == set(PHONES)
    assert AddressHealth.objects.get(address=first.address, channel="sms").hard_fails == 1


def test_what_was_marked_on_every_channel_is_opened_but_for_the_one_that_failed(account, now):
    step = import_module("deliveries.migrations.0016_correct_one_channel")
    first = handed_over(sending("mms", "sms"), account, now)
    batch = Batch.objects.create(
        action="correct", selection={}, selected_at=now, created_by=factories.user("marketer")
    )
    item = batch.items.create(
        message=first, outcome="acted", before={"address": first.address_id, "validity": "valid"}
    )
    Address.objects.filter(pk=first.address_id).update(validity="needs_correction")

    step.mark_the_channel(apps, None)

    item.refresh_from_db()
    marked = AddressHealth.objects.filter(marked_at__isnull=False)
    assert list(marked.values_list("address", "channel")) == [(first.address_id, "mms")]
    assert Address.objects.get(pk=first.address_id).validity == "valid"
    assert item.before["channel"] == "mms"

    step.mark_the_address(apps, None)
    assert Address.objects.get(pk=first.address_id).validity == "needs_correction"


# ---- The page ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("role", ["marketer", "support", "admin"])
def test_correct_opens_the_form_and_leads_back_to_the_queue(login, account, role, now):
    first = handed_over(sending("sms"), account, now, person("sms", at=now))
    report(first, DEAD, now, "UNKNOWN_SUBSCRIBER")
    work(now)
    client = login(role)

    page = client.get("/queues/correct/").content.decode()
    link = f"/contacts/{first.contact_id}/correct/?next=%2Fqueues%2Fcorrect%2F"
    form = client.get(link).content.decode()
    answer = client.post(
        link, {"next": "/queues/correct/", "name": "Robin", "phone": "214 555 0188", "email": ""}
    )

    assert f'href="{link}"' in page
    assert "is right: use it again" in form
    assert answer.url == "/queues/correct/"
    assert first.contact.addresses.get(preferred=True).value == "+12145550188"


@pytest.mark.parametrize(
    "wanted", ["https://elsewhere.example/", "//elsewhere.example/", "javascript:alert(1)"]
)
def test_a_correction_leads_to_no_page_of_others(login, wanted):
    contact = factories.contact()

    answer = login("support").post(
        f"/contacts/{contact.pk}/correct/?next={wanted}",
        {"name": "New", "next": wanted, "phone": "", "email": ""},
    )

    assert answer.url == f"/contacts/{contact.pk}/"


def test_numbers_that_were_dead_before_are_found(everywhere, account, now):
    step = import_module("deliveries.migrations.0020_find_dead_numbers")
    first = handed_over(everywhere, account, now, person("sms", "voice", at=now))
    report(first, DEAD, now, "UNKNOWN_SUBSCRIBER")
    work(now)
    AddressHealth.objects.filter(hard_fails=0).delete()
    AddressHealth.objects.update(closed="", closed_why="")

    with connection.cursor() as cursor:
        # As the tables are called now.
        looking = step.LOOK_AGAIN.replace("deliveries_moved", "deliveries_statuschange")
        looking = looking.replace("deliveries_setback", "deliveries_failureindex")
        cursor.execute(looking.replace("moved_at", "changed_at"))
    work(now)

    assert closed_for(first.address) == set(PHONES)
