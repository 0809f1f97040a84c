"""Every number reconciles: audience = skipped + planned + attempted, attempted = reached + failed + open + unknown.

The strip of a report draws what stands here, and `manage.py check_tallies` asks the same of every campaign.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from django.db.models import Sum

from campaigns.models import Campaign, Recipient
from deliveries.models import RecipientTally

State = Recipient.State


@dataclass(frozen=True)
class ReconciliationCheck:
    """One line of the reconciliation strip: a whole and its parts, (label, n)."""

    whole: tuple[str, int]
    parts: list[tuple[str, int]]
    waiting: bool = False  # changes recorded but not folded in yet: a difference may be just that

    @property
    def difference(self) -> int:
        """What is missing among the parts (or, below zero, too much); 0 when they add up."""
        return self.whole[1] - sum(n for _, n in self.parts)

    @property
    def adds_up(self) -> bool:
        return self.difference == 0


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
        return sum(n for *_, n in self.people)

    @property
    def people(self) -> list[tuple[str, str, int]]:
        """Attempted recipients by where they stand now: (state, words, n), in the order of the strip."""
        return [
            (State.REACHED, "reached", self.reached),
            (State.FAILED, "not reached", self.failed),
            (State.OPEN, "open", self.open),
            (State.UNKNOWN, "unknown", self.unknown),
        ]

    @property
    def check(self) -> ReconciliationCheck:
        planned = [("planned", self.planned)] if self.planned else []
        parts = [("skipped", self.skipped), ("attempted", self.attempted), *planned]
        return ReconciliationCheck(("Audience", self.audience), parts)

    @property
    def difference(self) -> int:
        """What is missing (or, below zero, too much); 0 when it adds up."""
        return self.check.difference

    @property
    def adds_up(self) -> bool:
        return self.check.adds_up


def reconciliation(audience: int, states: Mapping[str, int]) -> Reconciliation:
    """`states`: how many recipients are in each state; one that is missing is in none."""
    return Reconciliation(
        audience=audience,
        skipped=states.get(State.SKIPPED, 0),
        planned=states.get(State.PLANNED, 0),
        reached=states.get(State.REACHED, 0),
        failed=states.get(State.FAILED, 0),
        open=states.get(State.OPEN, 0),
        unknown=states.get(State.UNKNOWN, 0),
    )


def reconcile(campaign: Campaign) -> Reconciliation:
    """The recipients of one campaign, from its tally. One query."""
    rows = RecipientTally.objects.filter(campaign_id=campaign.pk).values_list("state").annotate(n=Sum("n"))
    return reconciliation(campaign.expanded_count, dict(rows))


def unbalanced() -> list[str]:
    """A sentence for each launched campaign whose numbers do not add up. Two queries."""
    launched = list(Campaign.objects.exclude(state=Campaign.State.DRAFT))
    return [
        f"{campaign.name}: {difference:+d} recipients do not add up."
        for campaign, difference in differences(launched)
    ]


def differences(campaigns: Sequence[Campaign]) -> list[tuple[Campaign, int]]:
    """Those of these campaigns whose numbers do not add up, and by how much. One query."""
    rows = RecipientTally.objects.filter(campaign_id__in=[campaign.pk for campaign in campaigns]).order_by()
    states: dict[int, dict[str, int]] = defaultdict(dict)
    for campaign_id, state, n in rows.values_list("campaign_id", "state").annotate(total=Sum("n")):
        states[campaign_id][state] = n
    strips = [(one, reconciliation(one.expanded_count, states[one.pk])) for one in campaigns]
    return [(campaign, strip.difference) for campaign, strip in strips if not strip.adds_up]
