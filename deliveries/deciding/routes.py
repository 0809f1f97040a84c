"""Which account hands a message over, from which sender, with which content. Whoever sends or passes on asks here."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from campaigns.models import Campaign, Content, Sender
from deliveries.models import Account, Message, Route, RouteShare
from deliveries.statuses import FailureClass, Fault


class RouteOption(NamedTuple):
    account: Account
    sender: Sender

    @property
    def key(self) -> tuple[int, int]:
        """(account, sender): the lane of the outbox that its messages wait in."""
        return self.account.pk, self.sender.pk


class Span(NamedTuple):
    """Recipients whose id ends, in its last two digits, in `low` or more and less than `high`."""

    low: int
    high: int
    option: RouteOption


ALL = 100


@dataclass(frozen=True)
class CampaignRoute:
    """How one campaign sends on one channel: what it says, and by which accounts and senders, the first choice first.

    `lists` are those of the routes: country -> options, '' for every country without a list of its own; empty where
    nothing in it can be used. `otherwise` is what ownership and rank give where there is no list. `shares`: of urgent
    campaigns, how many of a hundred messages to (country, carrier) leave by another account of the list.
    """

    content: Content
    otherwise: tuple[RouteOption, ...]
    lists: Mapping[str, tuple[RouteOption, ...]] = field(default_factory=dict)
    shares: Mapping[tuple[str, str], tuple[int, int]] = field(default_factory=dict)  # -> (share, account)

    def listed(self, region: str) -> tuple[RouteOption, ...]:
        """The options of the list for a region; none where there is no list: then nothing is passed on."""
        return self.lists.get(country_of(region), self.lists.get("", ()))

    def first(self, region: str) -> RouteOption | None:
        """What new messages to this region leave by; None where a list holds nothing that can be used."""
        has_list = "" in self.lists or country_of(region) in self.lists
        return next(iter(self.listed(region) if has_list else self.otherwise), None)

    def spans(self, region: str, carrier: str) -> list[Span]:
        """Who leaves by what: every recipient is in one of them, by the last two digits of its id; none where nothing
        can be used.
        """
        first = self.first(region)
        if first is None:
            return []
        share, account = self.shares.get((country_of(region), carrier), (0, 0))
        other = next(
            (one for one in self.listed(region) if one.account.pk == account != first.account.pk), None
        )
        if not (share and other):
            return [Span(0, ALL, first)]
        return [Span(0, share, other), Span(share, ALL, first)]

    def pick(self, region: str, carrier: str, recipient_id: int) -> RouteOption | None:
        """What a new message to this recipient leaves by: always the same, as long as the shares are."""
        place = recipient_id % ALL
        return next(
            (span.option for span in self.spans(region, carrier) if span.low <= place < span.high), None
        )

    def unused(self, region: str, used: Collection[tuple[int, int]]) -> RouteOption | None:
        """The first of the list that is not among `used`, as `RouteOption.key` names them."""
        return next((option for option in self.listed(region) if option.key not in used), None)


def country_of(region: str) -> str:
    """The country of an address's region: "US" of "US-TX"; '' where it is not known, as of email."""
    return region.partition("-")[0]


def concerns_route(failure_class: str, fault: str) -> bool:
    """Whether a failure is about the account, or a sender there, so that another route may take the message.

    A sender that is not registered is its account's to register. What was blocked for its content, or for the person,
    is not sent again by somebody else.
    """
    if failure_class in (FailureClass.CONTENT, FailureClass.OPT_OUT):
        return False
    return failure_class == FailureClass.ACCOUNT or fault in (Fault.ACCOUNT, Fault.SENDER)


def refused_by_route(message: Message) -> bool:
    """Whether its account, or the sender there, was refused at handover: so it certainly never left."""
    refused = concerns_route(message.failure_class, message.fault)
    return refused and message.handed_over_at is not None and not message.provider_message_id


def routes(campaigns: Iterable[Campaign]) -> dict[tuple[int, str], CampaignRoute]:
    """(campaign, channel) -> route, for every channel that has content and an active account with its credentials.

    Where no list says otherwise, the account that owns the sender comes first, then the lowest rank.
    """
    active = Account.objects.filter(active=True).prefetch_related("senders")
    accounts = {account.pk: account for account in active if account.is_ready}
    wanted = {campaign.pk: campaign for campaign in campaigns}
    lists = _lists()
    shares = _shares() if lists and any(campaign.is_urgent for campaign in wanted.values()) else {}
    found = {}
    for content in Content.objects.filter(campaign__in=wanted).select_related("sender"):
        campaign = wanted[content.campaign_id]
        route = CampaignRoute(
            content,
            _by_ownership(content, list(accounts.values())),
            _by_list(content, accounts, lists, campaign.priority),
            shares.get(content.channel, {}) if campaign.is_urgent else {},
        )
        if route.otherwise or any(route.lists.values()):
            found[content.campaign_id, content.channel] = route
    return found


def _by_ownership(content: Content, accounts: Sequence[Account]) -> tuple[RouteOption, ...]:
    fitting = [account for account in accounts if content.channel in account.channels]
    owners = [a for a in fitting if any(s.pk == content.sender_id for s in a.senders.all())]
    return tuple(RouteOption(account, content.sender) for account in (owners or fitting)[:1])


def _shares() -> dict[str, dict[tuple[str, str], tuple[int, int]]]:
    """channel -> (country, carrier) -> (share, account)"""
    found: dict[str, dict[tuple[str, str], tuple[int, int]]] = defaultdict(dict)
    for row in RouteShare.objects.all():
        found[row.channel][row.country, row.carrier] = (row.share, row.account_id)
    return found


Lists = Mapping[tuple[str, str, str], Sequence[Route]]  # (channel, country, priority) -> the list, in order


def _lists() -> Lists:
    found: dict[tuple[str, str, str], list[Route]] = defaultdict(list)
    for row in Route.objects.select_related("sender"):
        found[row.channel, row.country, row.priority].append(row)
    return found


def best_list(lists: Lists, channel: str, country: str, priority: str) -> Sequence[Route]:
    """The most exact list, in order; empty where there is none."""
    exact = [(country, priority), (country, ""), ("", priority), ("", "")]
    return next((lists[channel, *key] for key in exact if (channel, *key) in lists), ())


def _by_list(
    content: Content, accounts: Mapping[int, Account], lists: Lists, priority: str
) -> dict[str, tuple[RouteOption, ...]]:
    """Country -> what can be used of the most exact list: its active accounts and the senders that may send.

    Where no sender of a list may send the gate says so of each message, as it does without lists.
    """
    found = {}
    for country in {country for channel, country, _ in lists if channel == content.channel}:
        rows = best_list(lists, content.channel, country, priority)
        if not rows:
            continue
        options = tuple(
            RouteOption(accounts[row.account_id], row.sender or content.sender)
            for row in rows
            if row.account_id in accounts and content.channel in accounts[row.account_id].channels
        )
        found[country] = tuple(option for option in options if option.sender.may_send) or options
    return found
