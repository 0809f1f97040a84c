"""How fast the first messages of a draft leave, by what its sender may and by what the campaign itself says."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING

from campaigns.models import Campaign, Content
from campaigns.rate_words import limit_words
from campaigns.rates import Limit
from campaigns.segments import segments
from contacts.channels import Channel
from deliveries.deciding.routes import CampaignRoute, RouteOption
from deliveries.sending.lanes import Lane
from deliveries.sending.pacing import limits_of, sending_hours


class DraftSpeed:
    """Of whatever has these."""

    if TYPE_CHECKING:
        campaign: Campaign
        contents: Mapping[str, Content]
        routes: Mapping[str, CampaignRoute]
        now: datetime

        @property
        def written_to(self) -> int: ...

        @property
        def reckoned(self) -> int: ...

    @property
    def first_option(self) -> RouteOption | None:
        """How its first messages leave."""
        route = self.routes.get(self.campaign.channel)
        return route.first("") if route else None

    @property
    def parts(self) -> int:
        """As how many messages each of its first ones counts: the segments of a text."""
        text = self.contents.get(Channel.SMS) if self.campaign.channel == Channel.SMS else None
        return max(segments(text.counted_body), 1) if text else 1

    @cached_property
    def limits(self) -> list[Limit]:
        """What its first messages keep to."""
        if self.first_option is None:
            return []
        lane = Lane(self.first_option.account.pk, self.first_option.sender.pk)
        return limits_of([lane], self.now).get(lane, [])

    @cached_property
    def takes_long(self) -> str:
        """How long its first messages take, in words; '' where all of them leave within the hour."""
        if not self.written_to:
            return ""
        count = self.reckoned * self.parts
        slowest = max(self.limits, key=lambda limit: sending_hours(limit, count), default=None)
        hours = sending_hours(slowest, count) if slowest else 0.0
        if self.own_hours > max(hours, 1):
            return f"{self.reckoned:,} messages take about {hours_words(self.own_hours)} of sending: {self._own_pace}."
        if slowest is None or hours <= 1:
            return ""
        what = f"{self.reckoned:,} messages{f' of {self.parts} segments' if self.parts > 1 else ''}"
        return f"{what} take about {hours_words(hours)} of sending: {limit_words(slowest)}."

    @property
    def own_hours(self) -> float:
        """How long its first messages take by what the campaign itself says of how fast it sends; 0 where nothing."""
        by_minute = self.reckoned / self.campaign.per_minute / 60 if self.campaign.per_minute else 0.0
        return max(by_minute, float(self.campaign.spread_hours or 0))

    @property
    def _own_pace(self) -> str:
        spread, per_minute = self.campaign.spread_hours or 0, self.campaign.per_minute
        if per_minute and self.own_hours > spread:
            return f"this campaign sends {per_minute:,} a minute at most"
        return f"they are spread over {spread} hour{'' if spread == 1 else 's'}"


def hours_words(hours: float) -> str:
    return f"{hours:,.0f} hours" if hours < 48 else f"{hours / 24:,.0f} days"
