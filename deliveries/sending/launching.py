"""A campaign's life: launch, pause, resume, cancel. Each is one conditional update, so two clicks do it once."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from django.db import transaction
from django.db.models import Case, Exists, F, OuterRef, Q, Subquery, Value, When
from django.utils import timezone

from accounts.models import User
from campaigns.follow_ups import OPEN_DAYS
from campaigns.models import Campaign, Pace, Recipient
from campaigns.rates import campaign_key
from contacts.gate import Reason
from contacts.lists import lock_lists
from contacts.models import ContactList
from deliveries.deciding.attempts import withdraw
from deliveries.deciding.decide import Step
from deliveries.deciding.stopping import look_again
from deliveries.ledger import quarantine
from deliveries.ledger.quarantine import Kind
from deliveries.models import Message, Outbox, RecipientTally
from deliveries.models.work import CANARY, DAILY_LIMIT, NOT_NOW, PAUSED_DAILY_LIMIT
from deliveries.sending import canary
from deliveries.sending.audience import earliest_start
from deliveries.sending.check_table import stands_in_the_way
from deliveries.sending.checks import load
from deliveries.sending.meant import audience_size
from deliveries.sending.stops import note_resumed
from deliveries.wake import wake

State = Campaign.State

PAUSED = Reason.CAMPAIGN_PAUSED.value
KEPT = {DAILY_LIMIT: PAUSED_DAILY_LIMIT}  # why something waits that still holds once its campaign goes on
HELD = [PAUSED, *KEPT.values()]
# Messages in one transaction:
WITHDRAWN_AT_ONCE = 2_000
HELD_AT_ONCE = 5_000


class CannotLaunch(Exception):
    """Why a campaign cannot be launched; each reason is a sentence that says the way out."""

    def __init__(self, reasons: list[str]) -> None:
        super().__init__(" ".join(reasons))
        self.reasons = reasons


def obstacles(campaign: Campaign, now: datetime) -> list[str]:
    """What stands in the way of a launch, with the way out; empty when nothing does."""
    return stands_in_the_way(load(campaign, now))


def launch(campaign: Campaign, by: User | None, now: datetime) -> None:
    """Start sending: the audience is expanded in the background. Raises CannotLaunch, also where it was edited after it
    was loaded: what was looked at is what is sent."""
    reasons = obstacles(campaign, now)
    if reasons:
        raise CannotLaunch(reasons)
    with transaction.atomic():
        theirs = ContactList.objects.all() if campaign.meant.everybody else campaign.lists.all()
        lock_lists(theirs)  # two of their people may just become one
        mine = Campaign.objects.filter(pk=campaign.pk, state=State.DRAFT, edited=campaign.edited).update(
            # The people of a follow-up come one by one, as what it waits for comes true (`sequences.py`).
            state=State.SENDING if campaign.follows_id else State.LAUNCHING,
            launched_by=by,
            launched_at=now,
            audience_size=0 if campaign.follows_id else max(audience_size(campaign, now).n, 1),
            starts_at=earliest_start(campaign) or F("starts_at"),
        )
        if not mine:
            raise CannotLaunch(
                ["Somebody else has just launched or changed this campaign. Look at it again."]
            )
        canary.begin(campaign)
        for content in campaign.contents.all():
            content.keep(by)
        transaction.on_commit(wake)


def pause(campaign: Campaign, *states: str) -> bool:
    """Hold what has not left yet; False when the campaign is in none of `states`, or not sending.

    From now on the gate lets nothing of it leave. Of a large campaign what waits is held in the background.
    """
    with transaction.atomic():
        mine = _move(campaign, states or (State.SENDING,), state=State.PAUSED, outbox_to=0)
        if mine:
            _hold_some(campaign)
        transaction.on_commit(wake)
    return mine


def resume(
    campaign: Campaign, by: User | None = None, now: datetime | None = None, *, without: str = ""
) -> bool:
    """Send on; an audience that was not wholly expanded when it was paused is expanded on. False when not paused.

    What was stopped by itself goes on because `by` has looked at it, and so does the rest behind its first slice.
    `without`: whom it goes on without, in words.
    """
    expanded = Q(expanded_count__gte=F("audience_size"))
    on = Case(When(expanded, then=Value(State.SENDING)), default=Value(State.LAUNCHING))
    with transaction.atomic():
        mine = _move(campaign, [State.PAUSED], state=on, outbox_to=0)
        if mine:
            note_resumed(campaign, by, now or timezone.now(), without)
            Pace.objects.filter(pk=campaign_key(campaign.pk)).delete()  # what had a turn gets another
            _hold_some(campaign)
            quarantine.forget(Kind.PREPARE, [campaign.pk])
        transaction.on_commit(wake)
    return mine


def hold_or_let_go(now: datetime) -> int:
    """The next messages of campaigns that were paused or resumed; return how many were looked at."""
    moving = Campaign.objects.filter(outbox_to__isnull=False).order_by("pk")
    return sum(
        quarantine.run(Kind.HOLD, campaign.pk, partial(_hold_more, campaign), now) for campaign in moving
    )


@transaction.atomic
def _hold_more(campaign: Campaign) -> int:
    return _hold_some(campaign)


def _hold_some(campaign: Campaign) -> int:
    """Of a paused campaign, put what waits out of the claims' way, rather than have each refused every few minutes; of
    a resumed one, put it back. Return how many of its messages were looked at. Call in a transaction."""
    campaign = Campaign.objects.select_for_update().get(pk=campaign.pk)
    if campaign.outbox_to is None or _is_leaving_out(campaign):
        return 0
    waiting = Outbox.objects.filter(campaign_id=campaign.pk, pk__gt=campaign.outbox_to).order_by("pk")
    ids = list(waiting.values_list("pk", flat=True)[:HELD_AT_ONCE])
    if ids:
        these = Outbox.objects.filter(
            campaign_id=campaign.pk, pk__gt=campaign.outbox_to, pk__lte=ids[-1], claimed_until=None
        )
        if campaign.state == State.PAUSED:
            reason = Case(
                *(When(held=was, then=Value(kept)) for was, kept in KEPT.items()), default=Value(PAUSED)
            )
            these.exclude(held__in=[CANARY, *HELD]).update(due_at=NOT_NOW, held=reason)
        else:
            held = HELD + ([] if canary.waiting_canary(campaign) else [CANARY])
            meant = Message.objects.filter(pk=OuterRef("pk")).values("due_at")
            reason = Case(
                *(When(held=kept, then=Value(was)) for was, kept in KEPT.items()), default=Value("")
            )
            these.filter(held__in=held).update(due_at=Subquery(meant), held=reason)
    campaign.outbox_to = ids[-1] if len(ids) == HELD_AT_ONCE else None
    campaign.save(update_fields=["outbox_to"])
    return len(ids)


def _is_leaving_out(campaign: Campaign) -> bool:
    """Whether it goes on without somebody whose messages are still being withdrawn: before that nothing is let go."""
    if campaign.state == State.PAUSED or not campaign.leaves_out:
        return False
    return campaign.left_out.filter(outbox_to__isnull=False).exists()


def cancel(campaign: Campaign, now: datetime) -> bool:
    """End the campaign: from now on the gate lets nothing of it leave. False when it is not going.

    What waits is withdrawn, of a large campaign in the background: it is complete once that is done.
    """
    with transaction.atomic():
        going = [State.LAUNCHING, State.SENDING, State.PAUSED]
        mine = _move(campaign, going, state=State.CANCELED, outbox_to=None)
        if mine:
            _withdraw_some(campaign, now)
            transaction.on_commit(wake)
    return mine


def withdraw_canceled(now: datetime) -> int:
    """Withdraw the next messages of campaigns that were canceled; return how many."""
    going = Campaign.objects.filter(state=State.CANCELED, completed_at=None)
    return sum(
        quarantine.run(Kind.WITHDRAW, campaign.pk, partial(_withdraw_more, campaign, now), now)
        for campaign in going
    )


@transaction.atomic
def _withdraw_more(campaign: Campaign, now: datetime) -> int:
    return _withdraw_some(campaign, now)


def _withdraw_some(campaign: Campaign, now: datetime) -> int:
    """Some of what has not left. With the last of it, what was planned by itself is looked at again."""
    waiting = Outbox.objects.filter(campaign_id=campaign.pk, claimed_until=None).order_by("pk")
    ids = list(waiting.values_list("pk", flat=True)[:WITHDRAWN_AT_ONCE])
    withdraw(ids, "campaign_not_sending", now)
    if len(ids) < WITHDRAWN_AT_ONCE and _move(campaign, [State.CANCELED], completed_at=now):
        look_again(Recipient.objects.filter(campaign=campaign, next_step__in=[Step.RETRY, Step.SWITCH]), now)
    return len(ids)


def _move(campaign: Campaign, states: Iterable[str], **fields: Any) -> bool:
    """Set these fields of the campaign if it is in one of these states; whether it was."""
    return bool(Campaign.objects.filter(pk=campaign.pk, state__in=states).update(**fields))


def complete(now: datetime) -> int:
    """Call those campaigns completed that have nothing left to send and nobody left to wait for; return how many."""
    waiting = [Recipient.State.PLANNED, Recipient.State.OPEN]
    busy = RecipientTally.objects.filter(campaign_id=OuterRef("pk"), state__in=waiting, n__gt=0)
    idle = Campaign.objects.filter(~Exists(busy), state=State.SENDING).exclude(_may_follow(now))
    if not idle.exists():
        return 0  # without taking SQLite's only write lock
    return idle.update(state=State.COMPLETED, completed_at=now)


def _may_follow(now: datetime) -> Q:
    """Follow-ups to which people of the earlier campaign may still come."""
    ended = Q(follows__completed_at__lte=now - timedelta(days=OPEN_DAYS)) | Q(relevant_until__lte=now)
    return Q(follows__isnull=False) & ~ended
