"""Whoever may not be contacted stands in no queue that asks to send, correct or watch; once they may, it is back."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from importlib import import_module
from types import SimpleNamespace
from zoneinfo import ZoneInfo

import pytest
from django.apps import apps
from django.utils import timezone

from campaigns.models import Recipient
from contacts.consenting import record_opt_in, record_opt_out, record_request
from contacts.models import Suppression
from contacts.suppressing import keep_for_good, release, suppress, suppress_each
from deliveries.deciding.decide import CORRECT_IT, State, Step, decide
from deliveries.deciding.facts import Rules
from deliveries.models import Message, Outbox, QueueEntry, StatusChange
from deliveries.outcomes.upcoming import upcoming
from deliveries.sending.dispatch import dispatch
from deliveries.statuses import FailureClass, Fault, Meaning, Status
from tests import factories
from tests.deliveries.deciding.test_decide import NOON, facts
from tests.engine import ABSENT, DEAD, SENT, SPAM, Fake, agree, person, report, sending, waiting, work

HOUR = timedelta(hours=1)
RENAMED = {"Moved": "StatusChange"}
RULES = Rules()
TWICE_ABSENT = [(ABSENT, 0), (ABSENT, 4), (ABSENT, 8)]
BLOCKED = Meaning(Status.BLOCKED, FailureClass.PERMANENT, Fault.RECIPIENT)
UNMAPPED = Meaning(Status.FAILED, FailureClass.UNKNOWN, Fault.NONE)
# Channel, code, what was reported after how many hours, when it is looked at, and the queue it stands in.
QUEUED = {
    "a dead number": ("sms", "", [(DEAD, 0)], 1, "correct"),
    "a planned retry": ("sms", "", [(ABSENT, 0)], 1, "retry"),
    "no retries left": ("sms", "", TWICE_ABSENT, 9, "retry"),
    "no picture messages": ("mms", "MMS_UNSUPPORTED", [(DEAD, 0)], 1, "switch"),
    "silent for a day": ("sms", "", [(SENT, 0)], 25, "watch"),
    "silent for good": ("sms", "", [(SENT, 0)], 73, "watch"),
    "an unknown word": ("sms", "", [(UNMAPPED, 0)], 1, "watch"),
}


@pytest.fixture
def account():
    return factories.account("sandbox")


def queued(account, now, channel, code, reported):
    """The last attempt, reported on as said."""
    message = waiting(sending(channel), account, now, person(channel, at=now))
    dispatch(now, Fake())
    for meaning, hours in reported:
        work(now + hours * HOUR)
        report(Message.objects.latest("pk"), meaning, now + hours * HOUR, code)
        work(now + hours * HOUR)
    return Message.objects.filter(recipient=message.recipient_id).latest("pk")


def queue_of(message):
    return QueueEntry.objects.filter(pk=message.pk).values_list("queue", flat=True).first() or ""


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("channel", "code", "reported", "hours", "queue"),
    QUEUED.values(),
    ids=QUEUED.keys(),
)
def test_a_suppressed_person_leaves_the_queue_and_is_back_when_released(
    account, now, channel, code, reported, hours, queue
):
    message = queued(account, now, channel, code, reported)
    work(now + hours * HOUR)
    assert queue_of(message) == queue

    block = suppress(contact=message.contact, reason="staff", origin="staff", now=now + hours * HOUR)
    work(now + hours * HOUR)
    while_blocked = queue_of(message)
    release(block, by=None, note="By mistake", now=now + hours * HOUR)
    work(now + hours * HOUR)

    assert (while_blocked, queue_of(message)) == ("", queue)
    assert agree()


@pytest.mark.django_db
@pytest.mark.parametrize("channel", ["", "sms"])
def test_marked_for_correction_and_then_suppressed_nothing_is_left_to_correct(
    account, now, make_user, channel
):
    message = queued(account, now, "sms", "", [(DEAD, 0)])
    message.address.validity = "needs_correction"
    message.address.save()
    work(now + HOUR)
    assert queue_of(message) == "correct"

    suppress(
        contact=message.contact, value=message.address.value, channel=channel, reason="staff", origin="staff",
        now=now + HOUR,
    )  # fmt: skip
    work(now + HOUR)

    message.recipient.refresh_from_db()
    assert queue_of(message) == ""
    assert message.recipient.next_step == Step.NONE
    assert "suppressed" in message.recipient.next_step_reason
    assert agree()


@pytest.mark.django_db
def test_a_stop_takes_what_waits_to_be_corrected_out_of_the_queue(account, now):
    message = queued(account, now, "sms", "", [(DEAD, 0)])

    record_opt_out(value=message.address.value, channel="sms", how="Reply", evidence="STOP", at=now + HOUR)
    work(now + HOUR)

    assert queue_of(message) == ""
    assert agree()


@pytest.mark.django_db
def test_a_block_of_another_channel_leaves_the_row_where_it_is(account, now):
    message = queued(account, now, "sms", "", [(DEAD, 0)])

    suppress(contact=message.contact, channel="email", reason="staff", origin="staff", now=now + HOUR)
    work(now + HOUR)

    assert queue_of(message) == "correct"


@pytest.mark.django_db
def test_what_is_ours_to_correct_stays_for_review(account, now):
    message = queued(account, now, "sms", "", [(SPAM, 0)])

    suppress(contact=message.contact, reason="staff", origin="staff", now=now + HOUR)
    work(now + HOUR)

    assert queue_of(message) == "review"


@pytest.mark.django_db
def test_a_block_that_ends_by_itself_brings_the_row_back(account, now):
    message = queued(account, now, "sms", "", [(DEAD, 0)])
    suppress(
        contact=message.contact, reason="staff", origin="staff", now=now + HOUR, expires_at=now + 48 * HOUR
    )
    work(now + HOUR)
    assert queue_of(message) == ""

    work(now + 47 * HOUR)
    before = queue_of(message)
    work(now + 48 * HOUR)

    assert (before, queue_of(message)) == ("", "correct")
    assert agree()


@pytest.mark.django_db
def test_an_earlier_attempt_whose_address_is_bad_is_back_as_well(account, now):
    message = waiting(sending("sms", "email"), account, now, person("sms", "email", at=now))
    dispatch(now, Fake())
    report(message, DEAD, now)
    work(now)

    block = suppress(contact=message.contact, reason="staff", origin="staff", now=now + HOUR)
    work(now + HOUR)
    while_blocked = queue_of(message)
    release(block, by=None, note="By mistake", now=now + HOUR)
    work(now + HOUR)

    assert (while_blocked, queue_of(message)) == ("", "correct")
    assert QueueEntry.objects.get(pk=message.pk).reason == f"The carrier could not deliver it. {CORRECT_IT}"
    assert agree()


@pytest.mark.django_db
def test_whoever_blocks_us_is_not_to_be_corrected_after_another_channel_was_used(account, now):
    message = waiting(sending("sms", "email"), account, now, person("sms", "email", at=now))
    dispatch(now, Fake())
    report(message, BLOCKED, now)
    work(now)

    assert Message.objects.latest("pk").channel == "email"
    assert queue_of(message) == ""
    assert agree()


@pytest.mark.django_db
@pytest.mark.parametrize(("days", "sent"), [(1, ["sms", "sms"]), (3, ["sms"]), (13, ["sms"])])
def test_who_opts_in_again_gets_nothing_old_that_they_had_answered_with_a_no(account, now, days, sent):
    message = waiting(sending("sms", "email"), account, now, person("sms", "email", at=now))
    dispatch(now, Fake())
    report(message, ABSENT, now)
    work(now)
    value, later = message.address.value, now + timedelta(days=days)
    record_opt_out(value=value, channel="sms", how="Reply", evidence="STOP", at=now + HOUR)
    work(now + HOUR)

    record_opt_in(value=value, channel="sms", how="Reply", evidence="START", at=later)
    work(later)

    assert list(Message.objects.order_by("pk").values_list("channel", flat=True)) == sent


@pytest.mark.django_db
def test_what_was_sent_after_they_opted_in_again_goes_on_however_old(account, now):
    contact = person("sms", "email", at=now)
    value = contact.addresses.get(kind="phone").value
    record_opt_out(value=value, channel="sms", how="Reply", evidence="STOP", at=now - HOUR)
    record_opt_in(value=value, channel="sms", how="Reply", evidence="START", at=now - HOUR / 2)
    message = waiting(sending("sms", "email"), account, now, contact)
    dispatch(now, Fake())
    report(message, ABSENT, now)

    work(now + timedelta(days=3))

    assert Message.objects.latest("pk").channel == "email"


@pytest.mark.django_db
def test_everybody_with_the_address_is_looked_at_once_and_a_repeat_is_none(account, now):
    message = queued(account, now, "sms", "", [(DEAD, 0)])
    block = {
        "value": message.address.value, "reason": "complaint", "origin": "provider", "now": now,
        "fact": f"message {message.pk}",
    }  # fmt: skip
    StatusChange.objects.all().delete()

    suppress(**block)
    changes = StatusChange.objects.count()
    suppress(**block)

    assert (changes, StatusChange.objects.count()) == (1, 1)
    assert Suppression.objects.count() == 1


# ---- What waits to be sent -----------------------------------------------------------------------------------------


def suppressed_as(how, message, now):
    """The person of `message` is suppressed in one of the ways there are."""
    of = {"contact": message.contact, "now": now}
    ours = {"reason": "staff", "origin": "staff"}
    value = message.address.value
    {
        "whole contact": lambda: suppress(**of, **ours),
        "address": lambda: suppress(**of, **ours, value=value),
        "address by its channel": lambda: suppress(**of, **ours, value=value, channel=message.channel),
        "an address without a contact": lambda: suppress(**ours, value=value, now=now),
        "many at once": lambda: suppress_each([Suppression(value=value, fact="batch 1", **ours)]),
        "the person asked": lambda: record_request(**of, evidence="On the phone", by=None),
        "a list of another system": lambda: suppress_each(
            [Suppression(value=value, reason="stop", origin="recipient", fact="file 1", created_at=now)]
        ),
    }[how]()


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("how", "reason"),
    [
        ("whole contact", "suppressed"),
        ("address", "suppressed"),
        ("address by its channel", "suppressed"),
        ("an address without a contact", "suppressed"),
        ("many at once", "suppressed"),
        ("the person asked", "opted_out"),
        ("a list of another system", "opted_out"),
    ],
)
@pytest.mark.parametrize("channel", ["sms", "email"])
def test_what_waits_for_somebody_is_withdrawn_as_they_are_suppressed(account, now, channel, how, reason):
    message = waiting(sending(channel), account, now, due_at=now + 48 * HOUR)

    suppressed_as(how, message, now)

    message.refresh_from_db()
    assert (message.status, message.reason_code) == ("canceled", reason)
    assert not Outbox.objects.exists()
    assert upcoming(message.contact, (ZoneInfo("UTC"),), now) == []
    work(now)
    recipient = Recipient.objects.get()
    assert (recipient.state, recipient.skip_reason) == ("skipped", reason)
    assert agree()


@pytest.mark.django_db
@pytest.mark.parametrize("before_it_ends", [True, False])
def test_what_waits_until_a_block_is_over_waits_on(account, before_it_ends):
    now = timezone.now()
    message = waiting(sending("email"), account, now, due_at=now + 48 * HOUR)
    ends = now + (72 if before_it_ends else 24) * HOUR

    block = suppress(contact=message.contact, reason="staff", origin="staff", now=now, expires_at=ends)
    assert Outbox.objects.exists() is not before_it_ends

    keep_for_good(Suppression.objects.filter(pk=block.pk), now)
    assert not Outbox.objects.exists()


@pytest.mark.django_db
def test_what_waits_on_another_channel_or_for_somebody_else_waits_on(account, now):
    text, mail = (waiting(sending(channel), account, now) for channel in ("sms", "email"))
    other = waiting(mail.campaign, account, now)

    suppress(contact=text.contact, channel="sms", reason="staff", origin="staff", now=now)

    assert set(Outbox.objects.values_list("message", flat=True)) == {mail.pk, other.pk}
    assert agree()


@pytest.mark.django_db
def test_what_a_provider_has_in_hand_is_not_taken_back(account, now):
    message = waiting(sending("sms"), account, now)
    Outbox.objects.update(claimed_until=now + HOUR)

    suppress(contact=message.contact, reason="staff", origin="staff", now=now)

    message.refresh_from_db()
    assert message.status == "queued"


@pytest.mark.django_db
def test_suppressing_on_the_page_leaves_nothing_to_come(client, account):
    now = timezone.now()
    message = waiting(sending("email"), account, now, due_at=now + 48 * HOUR)
    client.force_login(factories.user("support"))
    form = {"what": "contact", "channel": "", "reason": "Called us", "asked": "person"}

    page = client.post(f"/contacts/{message.contact_id}/suppress/", form, follow=True).content.decode()

    assert "Everything is turned off for this contact." in page
    assert "Canceled before it was sent: the person opted out." in page
    assert ">Planned</h2>" not in page
    assert "leaves" not in page.partition('id="to-say"')[0]
    assert Recipient.objects.get().state == "skipped"


# ---- The rule itself ----------------------------------------------------------------------------------------------


def test_whoever_is_suppressed_waits_for_no_retry():
    plan = decide(
        facts(Status.UNDELIVERED, FailureClass.TEMPORARY, Fault.RECIPIENT, suppressed=True), RULES, NOON
    )

    assert (plan.step, plan.state, plan.queue) == (Step.NONE, State.FAILED, "")


def test_another_channel_that_may_be_used_is_used_all_the_same():
    plan = decide(
        facts(
            Status.UNDELIVERED,
            FailureClass.PERMANENT,
            Fault.RECIPIENT,
            suppressed=True,
            alternatives=("email",),
        ),
        RULES,
        NOON,
    )

    assert (plan.step, plan.switch_to) == (Step.SWITCH, "email")


@pytest.mark.parametrize(("everywhere", "queue"), [(True, ""), (False, "switch")])
def test_a_channel_that_cannot_work_asks_for_another_unless_none_is_allowed(everywhere, queue):
    closed = facts(
        Status.UNDELIVERED,
        FailureClass.PERMANENT,
        Fault.RECIPIENT,
        suppressed=True,
        closed="channel",
        channel="mms",
    )

    assert decide(replace(closed, suppressed_everywhere=everywhere), RULES, NOON).queue == queue


def as_called_now(app, model):
    """A model by the name that a migration knows it by."""
    return apps.get_model(app, RENAMED.get(model, model))


@pytest.mark.django_db
def test_what_stood_in_a_queue_before_is_looked_at_once_more(account, now):
    message = queued(account, now, "sms", "", [(DEAD, 0)])
    suppress(contact=message.contact, reason="staff", origin="staff", now=now)
    StatusChange.objects.all().delete()

    step = import_module("deliveries.migrations.0024_look_at_the_queues_again")
    step.look_again(SimpleNamespace(get_model=as_called_now), None)
    work(now + HOUR)

    assert queue_of(message) == ""
