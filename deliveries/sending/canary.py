"""The first slice of a large campaign: so many people, chosen at random, are written to, and the others wait for what
becomes of that.

Who is in it follows from the person and the campaign by a fixed formula (`sql_is_first`), so carriers, sources and
regions are mixed as in the whole, and an expansion that is done again chooses the same. The others have their message
and their place in the outbox, with no time; retries of the slice, and whatever else the campaign sends, go on. Once
enough outcomes are in, or they were waited for long enough, the rest is let go, a part at a time, as after a pause.
Whether the slice did badly is not judged here: `breaker.py` pauses the campaign then.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.db import transaction
from django.db.models import Sum

from campaigns.models import Campaign
from deliveries.ledger.failure_rates import has_left
from deliveries.models import Canary, CarrierTally, Outbox, TallyDelta
from deliveries.models.work import CANARY, NOT_NOW
from deliveries.statuses import SETTLED
from deliveries.wake import wake

FROM = 1_000  # people: of smaller audiences all are written to at once
FEWEST = 100  # people of a slice
ENOUGH = 200  # outcomes, or four fifths of the slice where it is smaller or turns out to be
PART_OF_SLICE = 0.8
LONGEST = timedelta(hours=1)  # since the first of the slice left
WHOLE = 10_000  # shares are of so many
State = Campaign.State
GOING = (State.LAUNCHING, State.SENDING)

# 0 <= it < WHOLE: a multiplication and a product of the halves mix the bits of ids that rise one by one. All of it fits
# into 63 bits on both databases.
MIXED = "(({contact} %% 1000003 + 1) * 2654435761 + {campaign} * 40503) %% 4294967296"
IS_FIRST = "(((({mixed}) / 65536) * (({mixed}) %% 65536) + ({mixed})) %% 1000003) %% {whole} < {share}"


class Progress(NamedTuple):
    """How the slice fares: messages that left, and outcomes among them; what waits for it."""

    left: int
    outcomes: int
    waiting: int


NOTHING_YET = Progress(0, 0, 0)


def begin(campaign: Campaign) -> None:
    """Decide at the launch whether a slice goes first. Call in its transaction, the size of the audience stored."""
    size = Campaign.objects.values_list("audience_size", flat=True).get(pk=campaign.pk)
    share = share_of(size, campaign.canary_percent)
    Canary.objects.filter(campaign=campaign).delete()
    if share:
        people = size * share // WHOLE
        Canary.objects.create(
            campaign=campaign, share=share, wanted=max(1, min(ENOUGH, round(people * PART_OF_SLICE)))
        )


def share_of(people: int, percent: int) -> int:
    """The slice of so many people, of ten thousand; 0 where all of them are written to at once."""
    if not percent or people < FROM:
        return 0
    return max(percent * WHOLE // 100, -(-FEWEST * WHOLE // people))


def in_words(people: int, percent: int, written_to: int) -> str:
    """What a launch does first of an audience of so many, of whom it writes to `written_to`; '' where no slice was
    asked for, or nobody is written to."""
    share = share_of(people, percent)
    if not percent or not written_to:
        return ""
    if not share:
        return f"Nobody goes first: that takes an audience of {FROM:,} people."
    first = max(1, written_to * share // WHOLE)
    return (
        f"About {first:,} of them, chosen at random, go first; the rest once enough of their outcomes are in,"
        " or an hour after the first left, unless too many fail."
    )


def sql_is_first(campaign_id: int, share: int, contact: str = "contact_id") -> str:
    """Whether that contact is in the slice, as SQL."""
    mixed = MIXED.format(contact=contact, campaign=campaign_id % 100_000)
    return IS_FIRST.format(mixed=mixed, whole=WHOLE, share=share)


def waiting_canary(campaign: Campaign) -> Canary | None:
    """The slice that others of the campaign wait for; None where nobody does."""
    return Canary.objects.filter(campaign_id=campaign.pk, over_at=None).first()


def look() -> dict[int, Progress]:
    """How the slices fare that others wait for, by campaign: to be asked before `go_on`. Two queries at most, for all
    campaigns."""
    waiting = Canary.objects.filter(over_at=None, campaign__state__in=GOING).values_list("pk", flat=True)
    return progress(list(waiting)) if waiting else {}


def go_on(seen: Mapping[int, Progress], now: datetime) -> int:
    """Let those go on whose slice did well, or was waited for long enough; return how many campaigns went on.

    `seen` was looked at before the breaker judged: so nothing goes on for an outcome that it has not seen.
    """
    waiting = Canary.objects.filter(over_at=None, campaign__state__in=GOING).select_related("campaign")
    return sum(_go_on(one, seen.get(one.campaign_id, NOTHING_YET), now) for one in waiting)


def _go_on(canary: Canary, so_far: Progress, now: datetime) -> bool:
    # The slice as it turned out: fewer than were reckoned where some were skipped, or chance chose fewer.
    enough = so_far.outcomes >= round(so_far.left * PART_OF_SLICE) and _has_all_left(canary.campaign)
    if canary.began_at is None:
        if not (so_far.left or enough):
            return False
        Canary.objects.filter(pk=canary.pk, began_at=None).update(began_at=now)
        canary.began_at = now
    if so_far.outcomes >= canary.wanted or enough:
        return end(canary.campaign, Canary.Ending.OUTCOMES, now, GOING)
    return now >= canary.began_at + LONGEST and end(canary.campaign, Canary.Ending.TIME, now, GOING)


def _has_all_left(campaign: Campaign) -> bool:
    """Whether nothing of the slice is to leave any more, and what became of it is counted."""
    if campaign.state != State.SENDING:  # not everybody's row is there
        return False
    to_leave = Outbox.objects.filter(campaign_id=campaign.pk).exclude(held=CANARY)
    return not (to_leave.exists() or TallyDelta.objects.filter(campaign_id=campaign.pk).exists())


def end(
    campaign: Campaign, ending: str, now: datetime, states: Collection[str] = (*GOING, State.PAUSED)
) -> bool:
    """Nobody waits for the slice any more: what did is let go, in the background; False when that was so before, or
    the campaign is in none of `states`.

    The campaign's row is the lock, as it is for an expansion: what is expanded after this does not wait.
    """
    with transaction.atomic():
        mine = Campaign.objects.select_for_update().filter(pk=campaign.pk, state__in=states).first()
        if mine is None:
            return False
        over = Canary.objects.filter(campaign_id=campaign.pk, over_at=None).update(over_at=now, ending=ending)
        if not over:
            return False
        Campaign.objects.filter(pk=campaign.pk).update(outbox_to=0)
        transaction.on_commit(wake)
    return True


def progress(campaign_ids: Collection[int]) -> dict[int, Progress]:
    """How the slices of these campaigns fare, from tallies. One query."""
    tally = CarrierTally.objects.filter(campaign_id__in=campaign_ids).order_by()
    rows = tally.values_list("campaign_id", "status", "disposition").annotate(total=Sum("n"))
    counts: Mapping[int, Counter[str]] = defaultdict(Counter)
    for campaign_id, status, disposition, n in rows:
        if has_left(status, disposition):
            counts[campaign_id]["left"] += n
            counts[campaign_id]["outcomes"] += n if status in SETTLED else 0
        elif disposition:
            counts[campaign_id]["waiting"] += n
    return {pk: Progress(one["left"], one["outcomes"], one["waiting"]) for pk, one in counts.items()}


@dataclass(frozen=True)
class Hold:
    """How an expansion writes the time and the reason of a row of the outbox, as SQL; `values` are what it asks for."""

    due_at: str
    held: str
    values: Mapping[str, Any]


def hold(campaign: Campaign, due_at: str, sql_moment: Callable[[datetime], Any]) -> Hold:
    """Those outside of the slice wait; all leave as they may where there is none, or nobody waits for it any more."""
    canary = waiting_canary(campaign)
    if canary is None:
        return Hold(due_at, "''", {})
    first = sql_is_first(campaign.pk, canary.share)
    never = "%(not_now)s"
    return Hold(
        f"CASE WHEN {first} THEN {due_at} ELSE {never} END",
        f"CASE WHEN {first} THEN '' ELSE '{CANARY}' END",
        {"not_now": sql_moment(NOT_NOW)},
    )
