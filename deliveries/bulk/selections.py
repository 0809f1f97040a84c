"""What a bulk action is about: messages that were ticked, or all that match a filter; and what they hold."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from django.db.models import Count, Min, QuerySet
from django.utils import timezone

from campaigns.models import Campaign, Content
from contacts.channels import Channel
from deliveries.deciding.routes import routes
from deliveries.models import Message
from deliveries.outcomes.narrowing import OutcomeView, matching


def _current_zone() -> str:
    return str(timezone.get_current_timezone())


@dataclass(frozen=True)
class Selection:
    """What was chosen: these messages, or everything that `view` showed at `selected_at`.

    `zone` is where "today" of the filter began: that of whoever chose, also when a worker goes through it later.
    """

    view: OutcomeView
    message_ids: tuple[int, ...]
    selected_at: datetime
    zone: str = field(default_factory=_current_zone)

    def as_json(self) -> dict:
        if self.message_ids:
            return {"messages": list(self.message_ids)}
        return {
            "filter": {"campaign": self.view.campaign_id, "queue": self.view.queue, **self.view.filters},
            "zone": self.zone,
        }

    def messages(self) -> QuerySet[Message]:
        """The chosen messages, in order of id. Those that came to stand in a queue later are left out."""
        if self.message_ids:
            return _loaded(Message.objects.filter(pk__in=self.message_ids))
        with timezone.override(self.zone):
            chosen = matching(self.view, self.selected_at)
        if self.view.queue:
            chosen = chosen.filter(queue_entry__at__lte=self.selected_at)
        return _loaded(chosen.filter(created_at__lte=self.selected_at))


def _loaded(messages: QuerySet[Message]) -> QuerySet[Message]:
    """With what judging a row looks at."""
    return messages.select_related("address").order_by("pk")


@dataclass(frozen=True)
class About:
    """What a selection holds, before anybody judges its rows. The most frequent first."""

    parts: list[tuple[Campaign, Channel, int]]
    oldest: datetime | None  # when the first of its attempts was made

    @property
    def total(self) -> int:
        return sum(n for _, _, n in self.parts)

    @property
    def campaigns(self) -> list[tuple[Campaign, int]]:
        counts = Counter[Campaign]()
        for campaign, _, n in self.parts:
            counts[campaign] += n
        return counts.most_common()

    @property
    def channels(self) -> list[tuple[Channel, int]]:
        counts = Counter[Channel]()
        for _, channel, n in self.parts:
            counts[channel] += n
        return counts.most_common()


def about(selection: Selection) -> About:
    """Two queries, whatever the number of rows."""
    groups = selection.messages().order_by().values_list("campaign_id", "channel")
    found = list(groups.annotate(n=Count("pk"), oldest=Min("created_at")))
    campaigns = Campaign.objects.in_bulk({row[0] for row in found})
    parts = [(campaigns[pk], Channel(channel), n) for pk, channel, n, _ in found]
    parts.sort(key=lambda part: (-part[2], part[0].pk, part[1]))
    return About(parts, min((row[3] for row in found), default=None))


class ChannelOption(NamedTuple):
    """A channel that a selection could move to, in how many of its campaigns, and why it cannot in any."""

    channel: Channel
    campaigns: int
    why_not: str = ""


def channel_options(chosen: About) -> list[ChannelOption]:
    """Every channel, with what stands against moving the selection to it."""
    campaigns = [campaign for campaign, _ in chosen.campaigns]
    written = set(Content.objects.filter(campaign__in=campaigns).values_list("channel", flat=True))
    ready = Counter(channel for _, channel in routes(campaigns))
    sent_on = [channel for channel, _ in chosen.channels]
    found = []
    for channel in Channel:
        why_not = ""
        if sent_on == [channel]:
            why_not = "they were sent on it"
        elif channel not in written:
            why_not = "no content"
        elif not ready[channel]:
            why_not = "no account that sends on it"
        found.append(ChannelOption(channel, ready[channel], why_not))
    return found
