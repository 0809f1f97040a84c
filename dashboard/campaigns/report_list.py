"""The list under a campaign's report: its tabs of people and of messages, and what its filters offer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime

from django.http import HttpRequest
from django.urls import reverse

from campaigns.links import hosts_of
from campaigns.models import Campaign, ContentVersion
from campaigns.steps import RecipientState
from dashboard.shell.empty import unsent
from dashboard.shell.listing import Listing, ListPlace, listing, needs_choices
from deliveries.models import Account
from deliveries.outcomes.figures import CampaignFigures
from deliveries.outcomes.filter_choices import NAMELESS, PERSON_CHOICES, Offer, Offered
from deliveries.outcomes.filters import OutcomeFilter, SkippedFilter, filter_of
from deliveries.outcomes.narrowing import NOBODY, SKIPPED
from deliveries.outcomes.skipped_people import why
from deliveries.statuses import Queue

OFFERED_ATTEMPTS = 5
# Tabs that are there also where nobody stands: an empty one is good news, or to come.
ALWAYS = {RecipientState.FAILED.value, RecipientState.OPEN.value, SKIPPED, RecipientState.REACHED.value}


def report_list(
    request: HttpRequest,
    campaign: Campaign,
    figures: CampaignFigures,
    names: list[tuple[int, str]],
    now: datetime,
) -> Listing:
    """`names`: (id, name) of its list sources; empty where nothing of the filters is printed."""
    queue = request.GET.get("queue", "")
    queue = queue if queue in Queue.values else ""
    tabs = [("", "All outcomes", figures.outcomes.sent)]
    tabs += [(key, str(key.label), figures.queues.get(key, 0)) for key in Queue]
    stands = [(key, label, figures.recipients.get(key, 0)) for key, label in PERSON_CHOICES]
    place = ListPlace(
        campaign_id=campaign.pk,
        queue=queue,
        tabs=tabs,
        people=[one for one in stands if one[0] in ALWAYS or one[2]],
        url=list_url(campaign),
        tallied=figures.count,
        unsent=unsent(campaign, figures, now),
        count_url=count_url(campaign),
    )
    return listing(request, _form(request, campaign, queue, figures, names), place, now)


def _form(
    request: HttpRequest,
    campaign: Campaign,
    queue: str,
    figures: CampaignFigures,
    names: list[tuple[int, str]],
) -> OutcomeFilter:
    given = request.GET.dict()
    form = filter_of(campaign.pk, queue, given)
    if not needs_choices(request):
        return form
    if isinstance(form, SkippedFilter):
        return SkippedFilter(given, offered=_of_the_skipped(campaign, figures))
    return OutcomeFilter(given, offered=_of_messages(campaign, figures, names))


def _of_the_skipped(campaign: Campaign, figures: CampaignFigures) -> Offered:
    reasons = sorted(figures.skipped.items(), key=lambda pair: (-pair[1], pair[0]))
    lists = campaign.lists.order_by("name").values_list("pk", "name")
    return {
        "skip": [Offer(reason, why(reason).capitalize(), n) for reason, n in reasons],
        "source": [Offer(str(pk), name) for pk, name in lists],
    }


def _of_messages(campaign: Campaign, figures: CampaignFigures, names: list[tuple[int, str]]) -> Offered:
    """The values that its messages have, with how many have each where a tally says so. Three queries."""
    versions = list(
        ContentVersion.objects.filter(content__campaign=campaign).order_by("number").select_related("sender")
    )
    accounts = Account.objects.in_bulk(figures.accounts)
    hosts = sorted({host for one in versions for host in hosts_of(one.body, one.html)})
    return {
        "carrier": _ordered(figures.carriers, "carrier"),
        "code": _ordered(figures.codes, "code"),
        "region": _ordered(figures.regions, "region"),
        "source": [Offer(str(pk) if pk else NOBODY, name, figures.sources.get(pk)) for pk, name in names],
        "account": [Offer(str(pk), one.name, figures.accounts[pk]) for pk, one in accounts.items()],
        "sender": [
            Offer(str(pk), value)
            for pk, value in {one.sender_id: one.sender.value for one in versions}.items()
        ],
        "version": [Offer(str(n), f"Wording {n}") for n in sorted({one.number for one in versions})],
        "link": [Offer(host, host) for host in hosts],
        "attempt": [Offer(str(n), f"Attempt {n}") for n in range(1, OFFERED_ATTEMPTS + 1)],
    }


def _ordered(counts: Mapping[str, int], name: str) -> list[Offer]:
    return [Offer(value or NOBODY, value or NAMELESS[name], n) for value, n in sorted(counts.items())]


Url = Callable[[str, str], str]


def list_url(campaign: Campaign) -> Url:
    """(queue, query string) -> where such a list of the campaign is."""
    return _url(campaign.get_absolute_url())


def count_url(campaign: Campaign) -> Url:
    """(queue, query string) -> what counts such a list."""
    return _url(reverse("campaigns:counts", args=[campaign.slug]))


def _url(base: str) -> Url:
    def url(queue: str, querystring: str) -> str:
        query = "&".join(filter(None, [f"queue={queue}" if queue else "", querystring]))
        return f"{base}?{query}" if query else base

    return url
