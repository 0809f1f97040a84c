"""Senders in a list: what each lacks, what uses it, and how its last campaign did."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from django.db.models import Count, Max, Q, Sum

from campaigns import registering
from campaigns.models import Campaign, Content, Registration, Sender
from campaigns.rate_words import limits_in_short
from deliveries.models import CarrierTally
from deliveries.outcomes.delivery_rate import Outcomes
from deliveries.outcomes.rounding import percent

BUCKETS = {
    Sender.State.APPROVED: "success",
    Sender.State.NOT_NEEDED: "success",
    Sender.State.IN_REVIEW: "pending",
    Sender.State.NOT_REGISTERED: "compliance",
    Sender.State.ACTION_REQUIRED: "permanent",
    Sender.State.SUSPENDED: "permanent",
    Sender.State.EXPIRED: "permanent",
}


@dataclass(frozen=True)
class SenderLine:
    sender: Sender
    lacking: list[registering.Line]
    ending: list[Registration]
    limits: str
    campaigns: int
    last: Campaign | None  # the newest one launched that it was used in
    outcomes: Outcomes  # of that one, on the sender's channel

    @property
    def bucket(self) -> str:
        return BUCKETS[Sender.State(self.sender.state)]

    @property
    def rate(self) -> str:
        return percent(self.outcomes.rate)

    @property
    def lacks(self) -> str:
        """In words; '' where nothing is missing."""
        return "; ".join(f"{line.words}: {str(line.state.label).lower()}" for line in self.lacking)


def sender_lines(day: date) -> list[SenderLine]:
    """All of them, by channel and name. Six queries."""
    senders = list(
        Sender.objects.select_related("brand")
        .prefetch_related("registrations", "accounts")
        .order_by("channel", "name", "pk")
    )
    used = {
        row["sender"]: row
        for row in Content.objects.order_by()
        .values("sender")
        .annotate(n=Count("campaign"), last=Max("campaign", filter=Q(campaign__launched_at__isnull=False)))
    }
    last = Campaign.objects.in_bulk([row["last"] for row in used.values() if row["last"]])
    counts = outcomes_of(list(last))
    lines = []
    for sender in senders:
        rows = list(sender.registrations.all())
        of_it = used.get(sender.pk)
        newest = of_it["last"] if of_it else None
        lines.append(
            SenderLine(
                sender=sender,
                lacking=[line for line in registering.checklist(sender, rows, day) if line.is_lacking],
                ending=registering.ends_soon(rows, day),
                limits=limits_in_short(sender),
                campaigns=of_it["n"] if of_it else 0,
                last=last.get(newest or 0),
                outcomes=counts.get((newest or 0, sender.channel), Outcomes()),
            )
        )
    return lines


def outcomes_of(campaigns: Sequence[int]) -> dict[tuple[int, str], Outcomes]:
    """By campaign and channel. One query."""
    found: dict[tuple[int, str], dict[str, int]] = defaultdict(dict)
    rows = CarrierTally.objects.filter(campaign_id__in=campaigns).order_by()
    for campaign, channel, disposition, n in rows.values_list(
        "campaign_id", "channel", "disposition"
    ).annotate(total=Sum("n")):
        found[campaign, channel][disposition] = n
    return {key: Outcomes(counts) for key, counts in found.items()}
