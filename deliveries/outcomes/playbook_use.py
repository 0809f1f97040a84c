"""Whom a shared playbook is about: the campaigns that follow it, and their people for whom more is to come."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import NamedTuple

from django.db.models import Count, Sum

from campaigns.models import Campaign, Playbook
from campaigns.steps import RecipientState
from deliveries.models import RecipientTally
from deliveries.outcomes.campaign_list import RUNNING


class PlaybookUse(NamedTuple):
    """How many campaigns follow it as it is, how many of them go on, and how many began from it with own numbers."""

    campaigns: int = 0
    running: int = 0
    own: int = 0


def uses() -> dict[int, PlaybookUse]:
    """By playbook; those that no campaign follows are missing. Two queries."""
    followed: Counter[int] = Counter()
    running: Counter[int] = Counter()
    own: Counter[int] = Counter()
    rows = Campaign.objects.filter(playbook__own_of=None).order_by().values_list("playbook_id", "state")
    for pk, state, n in rows.annotate(n=Count("pk")):
        followed[pk] += n
        running[pk] += n if state in RUNNING else 0
    for pk, n in (
        Playbook.objects.exclude(own_of=None)
        .exclude(began_from=None)
        .order_by()
        .values_list("began_from")
        .annotate(n=Count("pk"))
    ):
        own[pk] = n
    return {pk: PlaybookUse(followed[pk], running[pk], own[pk]) for pk in {*followed, *own}}


@dataclass(frozen=True)
class AffectedCampaign:
    """A campaign that goes on, and its people: with something under way or to come, and not begun with."""

    campaign: Campaign
    open: int
    planned: int

    @property
    def waiting(self) -> int:
        return self.open + self.planned


def affected(playbook: Playbook) -> list[AffectedCampaign]:
    """The campaigns that a change is about from the moment it is saved, the newest first. Two queries."""
    campaigns = list(playbook.campaigns.filter(state__in=RUNNING).order_by("-pk"))
    tally = RecipientTally.objects.filter(
        campaign_id__in=[one.pk for one in campaigns], state__in=(RecipientState.OPEN, RecipientState.PLANNED)
    ).order_by()
    states: dict[int, Counter[str]] = defaultdict(Counter)
    for pk, state, n in tally.values_list("campaign_id", "state").annotate(n=Sum("n")):
        states[pk][state] += n
    return [
        AffectedCampaign(one, states[one.pk][RecipientState.OPEN], states[one.pk][RecipientState.PLANNED])
        for one in campaigns
    ]
