"""Who did what with one campaign: people over those it reached, never over those it was sent to, and what that says."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property

from campaigns.models import Campaign
from contacts.channels import Channel
from deliveries.models import REACHED, Deed, EngagementTally
from deliveries.outcomes.by_person import NOT_REACHED
from deliveries.outcomes.delivery_rate import Outcomes
from deliveries.outcomes.rounding import percent, percent_of
from deliveries.outcomes.shares import Share
from deliveries.outcomes.thresholds import (
    FEWEST_ENGAGED,
    FEWEST_TO_JUDGE,
    LOW_ENGAGEMENT,
    POOR_BELOW,
)
from deliveries.wording import zoned

SHOWN = (Deed.CLICKED, Deed.REPLIED, Deed.OPTED_OUT, Deed.PRESSED, Deed.OPENED)
# What is shown although nobody did it: it says that it is counted.
ALWAYS = {Deed.REPLIED}
TIME_TO_ANSWER = timedelta(hours=24)  # after the last message; what people do, they mostly do within a day
LATE = "A report may come later, or never."


@dataclass(frozen=True)
class DeedCount:
    """How many of the people whom a channel reached did this; `filter` is what lists them."""

    label: str
    n: int
    share: str
    filter: str


@dataclass(frozen=True)
class ChannelEngagement:
    """The people whom a channel reached, and what they did, in the order of `columns`."""

    label: str
    reached: DeedCount
    deeds: list[DeedCount]


@dataclass(frozen=True)
class EngagementFigures:
    """One query, whatever the size of the campaign."""

    campaign: Campaign

    @cached_property
    def _cells(self) -> Counter[tuple[str, str]]:
        """(channel that reached them, deed) -> people."""
        rows = EngagementTally.objects.filter(campaign_id=self.campaign.pk, n__gt=0)
        return Counter(
            {(channel, deed): n for channel, deed, n in rows.values_list("reached_by", "deed", "n")}
        )

    def count(self, value: str) -> int:
        """The people that a filter, one of ENGAGED, lists."""
        deed, _, place = value.partition(".")
        wanted = "" if place == NOT_REACHED else place
        return sum(n for (by, did), n in self._cells.items() if did == deed and (not place or by == wanted))

    @cached_property
    def reached(self) -> int:
        return self.count(REACHED)

    @cached_property
    def engaged(self) -> int:
        """Those of the people reached who did anything."""
        return self.count(Deed.ANY) - self.count(f"{Deed.ANY}.{NOT_REACHED}")

    @property
    def columns(self) -> list[Deed]:
        always = ALWAYS | ({Deed.CLICKED} if self.campaign.track_links else set())
        return [deed for deed in SHOWN if deed in always or self.count(deed)]

    @property
    def rows(self) -> list[ChannelEngagement]:
        """By channel, the one that reached most people first."""
        reached = {by: n for (by, deed), n in self._cells.items() if deed == REACHED}
        return [self._row(by, n) for by, n in sorted(reached.items(), key=lambda pair: (-pair[1], pair[0]))]

    def _row(self, by: str, reached: int) -> ChannelEngagement:
        deeds = [
            DeedCount(str(deed.label), n, percent_of(n, reached), f"{deed}.{by}")
            for deed in self.columns
            for n in [self._cells[by, deed]]
        ]
        return ChannelEngagement(
            str(Channel(by).label), DeedCount("Delivered", reached, "", f"{REACHED}.{by}"), deeds
        )

    @property
    def replied(self) -> int:
        """People who replied to a message of the campaign, whatever they wrote: those who opted out are among them."""
        return self.count(Deed.REPLIED)

    @property
    def opted_out(self) -> int:
        return self.count(Deed.OPTED_OUT)

    @property
    def replied_unreported(self) -> int:
        """Those of the people who replied of whom no report says that it was delivered."""
        return self.count(f"{Deed.REPLIED}.{NOT_REACHED}")

    @property
    def apart(self) -> list[DeedCount]:
        """What counts for nobody: machines, and people of whom no report says that it was delivered."""
        found = [
            (
                "followed a link by a machine only, such as a mail filter or a link preview",
                Deed.MACHINE_CLICK.value,
            ),
            ("opened by a mail program only, which opens every mail", Deed.MACHINE_OPEN.value),
            (
                f"did something although no report says that it was delivered. {LATE}",
                f"{Deed.ANY}.{NOT_REACHED}",
            ),
        ]
        return [DeedCount(words, n, "", value) for words, value in found if (n := self.count(value))]

    def sentence(self, outcomes: Outcomes, now: datetime) -> str:
        """What is to be done about it: `outcomes` says whether delivery is to be fixed first."""
        rate = outcomes.settled_rate
        early = outcomes.is_early
        if rate is not None and rate < POOR_BELOW and not early and outcomes.settled >= FEWEST_TO_JUDGE:
            return f"Fix delivery first: {percent(rate)} was delivered, and nobody answers what never came."
        completed = self.campaign.completed_at
        if completed is None or completed > now - TIME_TO_ANSWER:
            when = "" if completed is None else f", which was on {zoned(completed)}"
            return f"Too early to judge: people have a day to answer once the campaign is completed{when}."
        if self.reached < FEWEST_ENGAGED:
            return f"Too few people to judge: of fewer than {FEWEST_ENGAGED}, one more or less decides."
        share = Share(self.engaged, self.reached)
        said = f"{percent(share.rate)} of the people reached did something"
        low = _mark({by: n for (by, deed), n in self._cells.items() if deed == REACHED})
        if share.range[1] >= low:
            return f"{said}." if share.range[0] < low else f"{said}: more than the {low:.0%} that is little."
        if not self.campaign.track_links:
            return f"{said}, but clicks are not counted in this campaign, so it says little."
        return f"{said}, less than {low:.0%}: it arrives, so look at the message, not at the route."


def _mark(reached: Mapping[str, int]) -> float:
    """Below this share of the people reached, engagement is low: each channel's own mark by its people."""
    return sum(LOW_ENGAGEMENT[Channel(by)] * n for by, n in reached.items() if by) / max(
        sum(reached.values()), 1
    )
