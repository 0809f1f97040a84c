"""The last wording that arrived as it should, for whoever wonders why the present one does not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import NamedTuple

from django.db.models import Count, Sum

from campaigns.models import Campaign, ContentVersion
from deliveries.models import CarrierTally, Message
from deliveries.outcomes.delivery_rate import Outcomes
from deliveries.outcomes.thresholds import FEWEST_TO_JUDGE

NORMAL = 0.95  # of what has settled
LOOKED_AT = 12  # versions, newest first
COUNTED = 50_000  # messages of a campaign of several versions: its newest


class NormalVersion(NamedTuple):
    version: ContentVersion
    outcomes: Outcomes

    @property
    def campaign(self) -> Campaign:
        return self.version.content.campaign


def last_normal(sender_id: int, channel: str, *, without: int = 0) -> NormalVersion | None:
    """The newest wording of this sender on this channel of which 95 % arrived, of a hundred settled messages or more;
    None where there is none among the newest. `without`: a campaign that is left out."""
    newest = (
        ContentVersion.objects.filter(sender=sender_id, content__channel=channel)
        .exclude(content__campaign=without)
        .select_related("content__campaign")
        .annotate(siblings=Count("content__versions"))
        .order_by("-made_at", "-pk")[:LOOKED_AT]
    )
    for version in newest:
        outcomes = _outcomes(version, alone=version.siblings == 1)
        if outcomes.settled >= FEWEST and (outcomes.settled_rate or 0.0) >= NORMAL:
            return NormalVersion(version, outcomes)
    return None


def senders_before(channel_by_sender: Mapping[int, str], *, without: int) -> set[int]:
    """Those of these senders by whom another campaign left on that channel: they have something to compare with. One
    query."""
    kept = ContentVersion.objects.filter(sender__in=channel_by_sender).exclude(content__campaign=without)
    pairs = kept.order_by().values_list("sender_id", "content__channel").distinct()
    return {sender for sender, channel in pairs if channel_by_sender[sender] == channel}


FEWEST = max(FEWEST_TO_JUDGE, 100)


def _outcomes(version: ContentVersion, *, alone: bool) -> Outcomes:
    """What became of the messages that left with it: of the only one of its campaign, by the tallies."""
    content = version.content
    if alone:
        theirs = CarrierTally.objects.filter(campaign_id=content.campaign_id, channel=content.channel)
        return Outcomes(dict(theirs.values_list("disposition").annotate(total=Sum("n"))))
    newest = Message.objects.filter(campaign=content.campaign_id).order_by("-pk")
    rows = newest.values_list("channel", "content_version", "disposition")[:COUNTED]
    counts = Counter(
        disposition
        for channel, number, disposition in rows
        if channel == content.channel and number == version.number
    )
    return Outcomes(counts)
