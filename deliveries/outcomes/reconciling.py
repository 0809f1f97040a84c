"""Every number reconciles: audience = skipped + planned + attempted, attempted = reached + failed + open + unknown."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from django.db.models import Sum

from campaigns.models import Campaign, Recipient
from deliveries.models import RecipientTally

State = Recipient.State


@dataclass(frozen=True)
class Reconciliation:
    """The recipients of one campaign, each counted once, in the state it is in now."""

    audience: int  # contacts the campaign was expanded to, as counted by the expansion itself
    skipped: int
    planned: int
    reached: int
    failed: int
    open: int
    unknown: int

    @property
    def attempted(self) -> int:
        return self.reached + self.failed + self.open + self.unknown

    @property
    def difference(self) -> int:
        """What is missing (or, below zero, too much); 0 when it adds up."""
        return self.audience - self.skipped - self.planned - self.attempted

    @property
    def adds_up(self) -> bool:
        return self.difference == 0


def reconcile(campaign: Campaign) -> Reconciliation:
    """The strip of one campaign, from its tally."""
    rows = RecipientTally.objects.filter(campaign_id=campaign.pk).values_list("state").annotate(n=Sum("n"))
    counts: Counter[str] = Counter(dict(rows))
    return Reconciliation(
        audience=campaign.expanded_count,
        skipped=counts[State.SKIPPED],
        planned=counts[State.PLANNED],
        reached=counts[State.REACHED],
        failed=counts[State.FAILED],
        open=counts[State.OPEN],
        unknown=counts[State.UNKNOWN],
    )


def unbalanced() -> list[str]:
    """A sentence for each launched campaign whose numbers do not add up."""
    return [
        f"{campaign.name}: {strip.difference:+d} recipients do not add up."
        for campaign in Campaign.objects.exclude(state=Campaign.State.DRAFT)
        if not (strip := reconcile(campaign)).adds_up
    ]
