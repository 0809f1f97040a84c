"""A campaign's life: launch, pause, resume, cancel, complete."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from campaigns.models import Campaign, Recipient
from deliveries.models import Message, Outbox
from deliveries.models.work import NOT_NOW
from deliveries.outcomes.reconciling import reconcile, unbalanced
from deliveries.running.drain import expand as expand_all
from deliveries.sending.dispatch import dispatch
from deliveries.sending.expansion import expand
from deliveries.sending.launching import (
    CannotLaunch,
    cancel,
    complete,
    hold_or_let_go,
    launch,
    obstacles,
    pause,
    resume,
    withdraw_canceled,
)
from tests import factories
from tests.engine import (
    ABSENT,
    DEAD,
    DELIVERED,
    Fake,
    agree,
    consent,
    report,
    sending,
    waiting,
    work,
)

pytestmark = pytest.mark.django_db

State = Campaign.State


@pytest.fixture
def account():
    return factories.account()


@pytest.fixture
def draft(account, now):
    """A campaign by text to three people, ready to be launched."""
    people = factories.contact_list()
    for _ in range(3):
        contact = factories.contact(lists=[people])
        factories.phone(contact)
        consent(contact, "sms", at=now - timedelta(days=1))
    made = factories.campaign(lists=[people])
    factories.content(made)
    return made


def launched(draft, now):
    launch(draft, None, now)
    while expand_all(now):
        pass
    draft.refresh_from_db()
    return draft


def test_a_launch_records_who_when_and_for_how_many(draft, make_user, now):
    by = make_user("marketer")

    launch(draft, by, now)

    draft.refresh_from_db()
    assert (draft.state, draft.launched_by, draft.launched_at) == (State.LAUNCHING, by, now)
    assert draft.audience_size == 3


def test_a_launched_campaign_is_expanded_sent_and_in_the_end_completed(draft, now):
    launched(draft, now)
    assert draft.state == State.SENDING
    work(now)
    for message in Message.objects.all():
        report(message, DELIVERED, now)
    complete(now)
    assert Campaign.objects.get().state == State.SENDING
    work(now)

    complete(now)

    draft.refresh_from_db()
    assert (draft.state, draft.completed_at) == (State.COMPLETED, now)
    strip = reconcile(draft)
    assert (strip.audience, strip.reached, strip.difference) == (3, 3, 0)
    assert unbalanced() == []
    assert agree()


def test_a_launch_is_refused_with_every_reason_and_the_way_out(now):
    bare = factories.campaign()

    with pytest.raises(CannotLaunch) as refused:
        launch(bare, None, now)

    assert refused.value.reasons == [
        "The campaign has no list. Choose at least one.",
        "There is no SMS content. Add it to the campaign.",
    ]
    bare.refresh_from_db()
    assert bare.state == State.DRAFT


def test_a_launch_needs_an_account_and_an_approved_sender(draft, account):
    account.active = False
    account.save()
    assert obstacles(draft, timezone.now()) == [
        "No active account sends SMS. Ask an administrator to add one."
    ]

    account.active = True
    account.save()
    sender = draft.contents.get().sender
    sender.state = "in_review"
    sender.save()

    assert obstacles(draft, timezone.now()) == [
        f"The sender {sender.value} is not approved to send yet. "
        "It is in review: choose another, or launch once it is approved."
    ]


def test_two_clicks_launch_once(draft, now):
    stale = Campaign.objects.get(pk=draft.pk)
    launch(draft, None, now)

    with pytest.raises(CannotLaunch):
        launch(stale, None, now)


def test_a_paused_campaign_sends_nothing_until_it_is_resumed(draft, now):
    launched(draft, now)
    carriers = Fake()

    assert pause(draft)
    assert not pause(draft)
    dispatch(now, carriers)
    assert carriers.left == []
    assert resume(draft)
    assert not resume(draft)
    work(now + timedelta(minutes=6), carriers)

    assert len(carriers.left) == 3
    assert Campaign.objects.get().state == State.SENDING


def test_completing_takes_no_lock_while_nothing_is_complete(account, now, django_assert_num_queries):
    waiting(sending("sms"), account, now)

    with django_assert_num_queries(1):
        assert complete(now) == 0


def test_a_campaign_paused_before_its_audience_was_complete_is_expanded_on(draft, account, now):
    launch(draft, None, now)
    expand(draft, now, 1)
    account.active = False
    account.save()
    expand_all(now)
    assert Campaign.objects.get().state == State.PAUSED

    account.active = True
    account.save()
    resume(draft)
    while expand_all(now):
        pass

    draft.refresh_from_db()
    assert (draft.state, draft.expanded_count, Recipient.objects.count()) == (State.SENDING, 3, 3)
    assert agree()


def test_canceling_withdraws_what_has_not_left_and_keeps_what_has(draft, now):
    launched(draft, now)
    dispatch(now, Fake(), limit=1)

    withdrawn = cancel(draft, now)
    work(now)

    draft.refresh_from_db()
    assert (withdrawn, draft.state, draft.completed_at) == (True, State.CANCELED, now)
    assert not Outbox.objects.exists()
    assert list(Recipient.objects.order_by("pk").values_list("state", "skip_reason")) == [
        ("open", ""), ("skipped", "campaign_not_sending"), ("skipped", "campaign_not_sending"),
    ]  # fmt: skip
    assert reconcile(draft).adds_up
    assert cancel(draft, now) is False
    assert agree()


def test_a_large_campaign_is_withdrawn_in_the_background_and_complete_after_that(draft, monkeypatch, now):
    monkeypatch.setattr("deliveries.sending.launching.WITHDRAWN_AT_ONCE", 1)
    launched(draft, now)

    cancel(draft, now)
    waiting = Outbox.objects.count()
    draft.refresh_from_db()
    early = draft.completed_at
    rounds = [withdraw_canceled(now) for _ in range(4)]

    draft.refresh_from_db()
    assert (waiting, early) == (2, None)
    assert (rounds, draft.completed_at) == ([1, 1, 0, 0], now)
    assert not Outbox.objects.exists()
    work(now)
    assert agree()


def test_what_is_canceled_is_not_paused_by_an_expansion_that_finds_no_account(draft, now):
    launch(draft, None, now)
    cancel(draft, now)

    assert not pause(draft, State.LAUNCHING)

    draft.refresh_from_db()
    assert draft.state == State.CANCELED


def test_canceling_while_the_audience_is_expanded_stops_the_expansion(draft, now):
    launch(draft, None, now)
    expand(draft, now, 1)

    cancel(draft, now)
    while expand_all(now):
        pass
    work(now)

    draft.refresh_from_db()
    assert (draft.state, draft.expanded_count, Recipient.objects.count()) == (State.CANCELED, 1, 1)
    assert reconcile(draft).adds_up
    assert agree()


def test_a_message_claimed_when_its_campaign_is_canceled_is_not_sent_again(draft, now):
    from deliveries.providers.facts import SendResult

    launched(draft, now)

    dispatch(now, Fake(SendResult(False, retry_after=1.0), during=lambda: cancel(draft, now)))
    carriers = Fake()
    work(now + timedelta(minutes=5), carriers)

    assert carriers.left == []
    assert set(Recipient.objects.values_list("state", flat=True)) == {"skipped"}
    assert agree()


def test_nothing_is_retried_after_a_cancel(draft, now):
    launched(draft, now)
    work(now)
    first, second, _ = Message.objects.order_by("pk")
    report(first, ABSENT, now)
    work(now)
    cancel(draft, now)
    report(second, ABSENT, now)
    carriers = Fake()

    for hours in (0, 4, 24, 48):
        work(now + timedelta(hours=hours), carriers)

    assert carriers.left == []
    assert list(Recipient.objects.order_by("pk").values_list("state", flat=True)) == [
        "failed",
        "failed",
        "open",
    ]
    assert agree()


def test_a_campaign_with_somebody_to_wait_for_is_not_completed(draft, now):
    launched(draft, now)
    work(now)
    first, second, third = Message.objects.order_by("pk")
    report(first, DELIVERED, now)
    report(second, DEAD, now)
    work(now)

    complete(now)
    assert Campaign.objects.get().state == State.SENDING
    report(third, DELIVERED, now)
    work(now)
    complete(now)

    assert Campaign.objects.get().state == State.COMPLETED


@pytest.mark.django_db(transaction=True)
def test_canceling_while_it_is_being_sent_leaves_the_books_in_order(draft, now):
    from threading import Thread

    launched(draft, now)
    carriers = Fake()

    def send():
        try:
            for _ in range(5):
                dispatch(now, carriers, limit=1)
        finally:
            connection.close()

    thread = Thread(target=send)
    thread.start()
    cancel(draft, now)
    thread.join()
    work(now, carriers)

    assert len(carriers.left) + Recipient.objects.filter(state="skipped").count() == 3
    assert reconcile(Campaign.objects.get()).adds_up
    assert agree()


# ---- Large campaigns are paused and resumed in the background ------------------------------------------------------


@pytest.fixture
def large(account, monkeypatch, now):
    """Seven messages, of which two are held in one transaction."""
    monkeypatch.setattr("deliveries.sending.launching.HELD_AT_ONCE", 2)
    made = sending("sms")
    for _ in range(7):
        waiting(made, account, now)
    return made


def held():
    return Outbox.objects.filter(held="campaign_paused", due_at=NOT_NOW).count()


def rounds(now):
    return list(iter(lambda: hold_or_let_go(now), 0))


def test_a_large_campaign_is_paused_at_once_and_held_in_the_background(large, now):
    pause(large)

    large.refresh_from_db()
    assert (large.state, held()) == (State.PAUSED, 2)
    assert rounds(now) == [2, 2, 1]
    assert held() == 7
    assert dispatch(now + timedelta(hours=1), Fake()).looked_at == 0


def test_what_is_not_held_yet_neither_leaves_nor_stands_in_the_way(large, account, now):
    other = waiting(sending("sms"), account, now)
    pause(large)
    carriers = Fake()

    result = dispatch(now, carriers, limit=3)

    assert ([each.ref for each in carriers.left], result.looked_at) == ([str(other.uuid)], 1)


def test_a_large_campaign_is_resumed_in_the_background(large, now):
    meant = set(Outbox.objects.values_list("pk", "due_at"))
    pause(large)
    rounds(now)

    resume(large)

    assert held() == 5
    assert rounds(now) == [2, 2, 1]
    assert set(Outbox.objects.values_list("pk", "due_at")) == meant
    assert not Outbox.objects.exclude(held="").exists()


def test_resuming_before_all_is_held_lets_all_go(large, now):
    pause(large)
    resume(large)
    pause(large)
    resume(large)

    rounds(now)

    assert dispatch(now, Fake()).handed_over == 7


def test_what_waits_for_another_reason_goes_on_waiting(large, now):
    first = Outbox.objects.order_by("pk")[0]
    pause(large)
    Outbox.objects.filter(pk=first.pk).update(held="quiet_hours", due_at=now + timedelta(hours=9))

    resume(large)
    rounds(now)

    first.refresh_from_db()
    assert (first.held, first.due_at) == ("quiet_hours", now + timedelta(hours=9))


def test_a_campaign_paused_and_canceled_is_withdrawn(large, now):
    pause(large)
    cancel(large, now)
    rounds(now)
    withdraw_canceled(now)

    assert not Outbox.objects.exists()
