"""Campaigns in a list: each with its outcomes, its people and its worst cause."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Sum

from campaigns.models import Campaign
from campaigns.models.campaigns import SCHEDULED
from deliveries.models import CampaignStop, CarrierTally, CodeTally, RecipientTally
from deliveries.outcomes.delivery_rate import Outcomes, TargetVerdict
from deliveries.outcomes.figures import People, people_of
from deliveries.outcomes.rounding import percent
from deliveries.outcomes.stop_words import in_short, open_stops
from deliveries.outcomes.tally_cells import CODE_COLUMNS, CauseCount, CodeCell, causes
from deliveries.statuses import BUCKETS, Disposition
from deliveries.wording import begins_shortly, begins_words

STATE_BUCKETS = {
    Campaign.State.DRAFT: "unknown",
    Campaign.State.LAUNCHING: "pending",
    Campaign.State.SENDING: "pending",
    Campaign.State.PAUSED: "retryable",
    Campaign.State.COMPLETED: "success",
    Campaign.State.CANCELED: "optout",
}


def verdict_of(campaign: Campaign, outcomes: Outcomes, now: datetime) -> TargetVerdict:
    """The judgement on its outcomes; of a campaign that has not begun, when it will."""
    begins = campaign.begins_at
    if campaign.is_over and not outcomes.sent:
        return TargetVerdict("Nothing was sent", BUCKETS[Disposition.UNKNOWN])
    if not campaign.is_going or begins is None or now >= begins:
        return outcomes.verdict
    paused = campaign.state == Campaign.State.PAUSED
    words = "Paused, was scheduled for" if paused else "Scheduled for"
    return TargetVerdict(f"{words} {begins_words(campaign)}", BUCKETS[Disposition.PENDING])


def what_became_of(campaign: Campaign, outcomes: Outcomes) -> TargetVerdict:
    """Of a canceled campaign: how many of its messages never left."""
    withdrawn, made = outcomes.canceled, outcomes.canceled + outcomes.sent
    messages = f"{made:,} message{'' if made == 1 else 's'}"
    if not made:
        words = "Canceled before anything was sent"
    elif withdrawn == made:
        words = f"Canceled before anything was sent: {messages} canceled"
    elif campaign.completed_at is None:
        words = f"Canceling: {withdrawn:,} of {messages} canceled so far"
    elif withdrawn:
        words = f"Canceled: {withdrawn:,} of {messages} canceled"
    else:
        words = f"Canceled after {messages} {'was' if made == 1 else 'were'} sent"
    return TargetVerdict(words, STATE_BUCKETS[Campaign.State.CANCELED])


@dataclass(frozen=True)
class CampaignLine:
    """One campaign in a list."""

    campaign: Campaign
    outcomes: Outcomes
    people: People
    channels: list[str]
    worst: CauseCount | None
    at: datetime  # when it was read
    stop: CampaignStop | None = None  # it stopped by itself, and nobody has resumed it

    @property
    def stopped(self) -> str:
        """Why it stopped by itself; '' where it did not."""
        return f"Stopped by itself: {in_short(self.stop)}" if self.stop else ""

    @property
    def state(self) -> str:
        """As in: Scheduled for 1 Dec, 09:00, without the zone, which stands beside it; or in everybody's own."""
        words = self.campaign.state_words(self.at)
        if words != SCHEDULED:
            return words
        return (
            f"{words} for {begins_shortly(self.campaign)}{' local time' if self.campaign.local_start else ''}"
        )

    @property
    def is_canceled(self) -> bool:
        return self.campaign.state == Campaign.State.CANCELED

    @property
    def verdict(self) -> TargetVerdict:
        if self.is_canceled:
            return what_became_of(self.campaign, self.outcomes)
        return verdict_of(self.campaign, self.outcomes, self.at)

    @property
    def needs_attention(self) -> bool:
        """Whoever canceled a campaign has looked at it."""
        return (self.outcomes.needs_attention or bool(self.stop)) and not self.is_canceled

    @property
    def rate(self) -> str:
        return percent(self.outcomes.settled_rate)

    @property
    def of_sent(self) -> str:
        """The share of sent, where it differs from the rate because something is still on its way."""
        return percent(self.outcomes.rate) if self.outcomes.of(Disposition.PENDING) else ""

    @property
    def state_bucket(self) -> str:
        return STATE_BUCKETS[Campaign.State(self.campaign.state)]


def lines(campaigns: Collection[Campaign], now: datetime) -> list[CampaignLine]:
    """These campaigns with their outcomes, people and worst cause: four queries for all of them."""
    ids = [campaign.pk for campaign in campaigns]
    outcomes: dict[int, Counter[str]] = defaultdict(Counter)
    channels: dict[int, Counter[str]] = defaultdict(Counter)
    rows = (
        CarrierTally.objects.filter(campaign_id__in=ids)
        .order_by()
        .values_list("campaign_id", "channel", "disposition")
    )
    for campaign_id, channel, disposition, n in rows.annotate(total=Sum("n")):
        outcomes[campaign_id][disposition] += n
        channels[campaign_id][channel] += n
    worst, people, stops = _worst_causes(ids), _people(ids), open_stops(ids)
    return [
        CampaignLine(
            campaign,
            Outcomes(dict(outcomes[campaign.pk])),
            people.get(campaign.pk, People()),
            [channel for channel, n in channels[campaign.pk].most_common() if n] or [campaign.channel],
            worst.get(campaign.pk),
            now,
            stops.get(campaign.pk),
        )
        for campaign in campaigns
    ]


def _worst_causes(ids: Collection[int]) -> dict[int, CauseCount]:
    rows = CodeTally.objects.filter(campaign_id__in=ids).values_list("campaign_id", *CODE_COLUMNS, "n")
    of: dict[int, list[CodeCell]] = defaultdict(list)
    for campaign_id, *row in rows:
        of[campaign_id].append(CodeCell(*row))
    return {pk: found[0] for pk, rows in of.items() if (found := causes(rows))}


def _people(ids: Collection[int]) -> dict[int, People]:
    rows = RecipientTally.objects.filter(campaign_id__in=ids).values_list("campaign_id", "state", "n")
    states: dict[int, Counter[str]] = defaultdict(Counter)
    for pk, state, n in rows:
        states[pk][state] += n
    return {pk: people_of(found) for pk, found in states.items()}
