"""A draft with everything that is asked of it before a launch, loaded once: for the checks, the preview, the pages."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

from django.urls import reverse

from campaigns.countries import countries
from campaigns.gaps import Gap, gaps
from campaigns.models import Campaign, Content
from contacts.channels import Channel
from deliveries.credentials import CredentialsUnreadable
from deliveries.deciding.routes import CampaignRoute, routes
from deliveries.sending.audience import forecast
from deliveries.sending.draft_speed import DraftSpeed
from deliveries.sending.findings import FixLink
from deliveries.sending.first_channel import first_routes
from deliveries.sending.meant import AudienceSize, FirstPeople, first_contacts, first_people, size_by
from deliveries.sending.other_channels import gain_by_chance, other_channels
from deliveries.sending.schedule import Schedule, schedule
from deliveries.wording import listed


@dataclass(frozen=True)
class Draft(DraftSpeed):
    """A campaign with everything that the checks ask of it."""

    campaign: Campaign
    contents: dict[str, Content]  # channel -> what it says there
    routes: dict[str, CampaignRoute]  # channel -> how it leaves
    unreadable: str  # why no account can be used at all; '' when they can
    first: FirstPeople  # by whom it is judged
    gaps: list[Gap]
    people: Counter[str]  # reason -> how many would be skipped, '' for those written to
    countries: Counter[str]  # where their phones are, most first, '' where that is not known
    now: datetime

    @property
    def audience(self) -> int:
        return self.people.total()

    @property
    def is_sampled(self) -> bool:
        """Only the first of a large audience were asked."""
        return self.first.partly

    @property
    def names_people(self) -> bool:
        """Whether it says whom it means: lists, or conditions that everybody is asked for."""
        return bool(self.first.who.lists or self.first.who.follow) or self.campaign.meant.everybody

    @cached_property
    def size(self) -> AudienceSize:
        """How many people it means."""
        return size_by(self.first, self.now)

    @property
    def senders(self) -> dict[str, str]:
        """Whom its first messages come from, by the channel that they may take; '' while it has no content."""
        return _senders(self.campaign, self.contents, self.routes)

    @property
    def chosen_among(self) -> str:
        """The channels that each person's first message is chosen among, in words; '' where there is one for all."""
        names = [Channel(channel).in_sentence for channel in self.senders]
        return listed(names, "or") if len(names) > 1 else ""

    @property
    def follow_ups(self) -> list[str]:
        """The channels that its playbook moves to."""
        return [channel for channel in self.campaign.moves_to if channel != self.campaign.channel]

    @property
    def written_to(self) -> int:
        """How many of them get a first message."""
        return self.people[""]

    @property
    def reckoned(self) -> int:
        """The same of a large audience as a whole, of which only the first were asked."""
        if not self.is_sampled or not self.audience:
            return self.written_to
        return round(self.size.n * self.written_to / self.audience)

    @cached_property
    def planned(self) -> Schedule | None:
        """When its first messages would leave."""
        return schedule(self)

    @property
    def left_out(self) -> int:
        return self.audience - self.written_to

    @cached_property
    def other_channels(self) -> list[str]:
        """By which first messages could go as well, were they chosen for each person."""
        return other_channels(self)

    @cached_property
    def gain_by_chance(self) -> int:
        """How many of those left out could be written to then. One query, if any."""
        return gain_by_chance(self)

    @property
    def later(self) -> list[str]:
        """The channels that it can move to: they have content, and an account to leave by."""
        return [channel for channel in self.follow_ups if channel in self.contents and channel in self.routes]

    @property
    def edit(self) -> FixLink:
        return self.edit_at("who")

    def edit_at(self, section: str) -> FixLink:
        """The way to a section of the page on which it is written: who, what or when."""
        url = f"{reverse('campaigns:edit', args=[self.campaign.slug])}#{section}"
        return FixLink(f"Go to {section.capitalize()}", url, "campaigns.change_campaign")

    @property
    def edit_playbook(self) -> FixLink:
        url = reverse("admin:campaigns_playbook_change", args=[self.campaign.playbook_id])
        return FixLink("Edit the playbook", url, "campaigns.change_playbook")


def load(campaign: Campaign, now: datetime) -> Draft:
    """A fixed number of queries; the people are counted in one."""
    contents = {one.channel: one for one in campaign.contents.select_related("sender__brand").order_by("pk")}
    first = first_people(campaign, now)
    contacts = first_contacts(campaign, now, first)
    unreadable, found = "", {}
    try:
        found = {channel: route for (_, channel), route in routes([campaign]).items()}
    except CredentialsUnreadable as problem:
        unreadable = str(problem)
    return Draft(
        campaign=campaign,
        contents=contents,
        routes=found,
        unreadable=unreadable,
        first=first,
        gaps=gaps(campaign, contacts, partly=first.partly),
        people=forecast(campaign, _senders(campaign, contents, found), now, first),
        countries=countries(contacts),
        now=now,
    )


def _senders(
    campaign: Campaign, contents: Mapping[str, Content], routes: Mapping[str, CampaignRoute]
) -> dict[str, str]:
    """By channel, the campaign's own first: that also without content or account, which are checked for."""
    own = contents.get(campaign.channel)
    first = first_routes(campaign, routes)
    return {campaign.channel: own.sender.value if own else ""} | {
        channel: route.content.sender.value for channel, route in first.items()
    }
