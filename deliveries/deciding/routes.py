"""Which account hands a message over, from which sender, with which content. Whoever sends or passes on asks here."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from campaigns.models import Campaign, Content, Sender
from deliveries.models import Account, Route
from deliveries.statuses import FailureClass, Fault


class RouteOption(NamedTuple):
    account: Account
    sender: Sender

    @property
    def key(self) -> tuple[int, int]:
        """(account, sender): the lane of the outbox that its messages wait in."""
        return self.account.pk, self.sender.pk


@dataclass(frozen=True)
class CampaignRoute:
    """How one campaign sends on one channel: what it says, and by which accounts and senders, the first choice first.

    `lists` are those of the routes: country -> options, '' for every country without a list of its own; empty where
    nothing in it can be used. `otherwise` is what ownership and rank give where there is no list.
    """

    content: Content
    otherwise: tuple[RouteOption, ...]
    lists: Mapping[str, tuple[RouteOption, ...]] = field(default_factory=dict)

    def listed(self, region: str) -> tuple[RouteOption, ...]:
        """The options of the list for a region; none where there is no list: then nothing is passed on."""
        return self.lists.get(country_of(region), self.lists.get("", ()))

    def first(self, region: str) -> RouteOption | None:
        """What a new message to this region leaves by; None where a list holds nothing that can be used."""
        has_list = "" in self.lists or country_of(region) in self.lists
        return next(iter(self.listed(region) if has_list else self.otherwise), None)

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


def routes(campaigns: Iterable[Campaign]) -> dict[tuple[int, str], CampaignRoute]:
    """(campaign, channel) -> route, for every channel that has content and an active account with its credentials.

    Where no list says otherwise, the account that owns the sender comes first, then the lowest rank.
    """
    active = Account.objects.filter(active=True).prefetch_related("senders")
    accounts = {account.pk: account for account in active if account.is_ready}
    wanted = {campaign.pk: campaign for campaign in campaigns}
    lists = _lists()
    found = {}
    for content in Content.objects.filter(campaign__in=wanted).select_related("sender"):
        route = CampaignRoute(
            content,
            _by_ownership(content, list(accounts.values())),
            _by_list(content, accounts, lists, wanted[content.campaign_id].priority),
        )
        if route.otherwise or any(route.lists.values()):
            found[content.campaign_id, content.channel] = route
    return found


def _by_ownership(content: Content, accounts: Sequence[Account]) -> tuple[RouteOption, ...]:
    fitting = [account for account in accounts if content.channel in account.channels]
    owners = [a for a in fitting if any(s.pk == content.sender_id for s in a.senders.all())]
    return tuple(RouteOption(account, content.sender) for account in (owners or fitting)[:1])


Lists = Mapping[tuple[str, str, str], Sequence[Route]]  # (channel, country, priority) -> the list, in order


def _lists() -> Lists:
    found: dict[tuple[str, str, str], list[Route]] = defaultdict(list)
    for row in Route.objects.select_related("sender"):
        found[row.channel, row.country, row.priority].append(row)
    return found


def _by_list(
    content: Content, accounts: Mapping[int, Account], lists: Lists, priority: str
) -> dict[str, tuple[RouteOption, ...]]:
    """Country -> what can be used of the most exact list: its active accounts and the senders that may send.

    Where no sender of a list may send the gate says so of each message, as it does without lists.
    """
    found = {}
    for country in {country for channel, country, _ in lists if channel == content.channel}:
        exact = [(country, priority), (country, ""), ("", priority), ("", "")]
        rows = next((lists[content.channel, *key] for key in exact if (content.channel, *key) in lists), None)
        if rows is None:
            continue
        options = tuple(
            RouteOption(accounts[row.account_id], row.sender or content.sender)
            for row in rows
            if row.account_id in accounts and content.channel in accounts[row.account_id].channels
        )
        found[country] = tuple(option for option in options if option.sender.may_send) or options
    return found
