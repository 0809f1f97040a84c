"""What a report draws and sums above its list: of the campaign, or of what the filters of the list let through.

The chart, the causes and the sums of messages all read one NarrowedFigures; the links of each keep the filters.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import urlencode

from campaigns.models import Campaign, Recipient
from dashboard.campaigns.listing import cause_words
from dashboard.campaigns.report_list import list_url
from dashboard.charts import chart_context
from dashboard.shell.empty import Empty
from dashboard.shell.listing import SHOW_ALL
from deliveries.models import Account
from deliveries.outcomes.delivery_rate import Outcomes
from deliveries.outcomes.figures import MOST_CAUSES, SHOWN_CAUSES, CampaignFigures
from deliveries.outcomes.filters import OutcomeFilter
from deliveries.outcomes.narrowed_figures import NarrowedFigures
from deliveries.outcomes.narrowing import NOBODY
from deliveries.outcomes.reconciling import ReconciliationCheck
from deliveries.outcomes.tally_cells import CauseCount
from deliveries.statuses import BUCKETS, Disposition

NARROWED = "Messages with these filters"
ALL_DELIVERED = Empty("All delivered", "Every one of these messages was delivered. Choose All to draw them.")
COUNTING = Empty(
    "Being counted", "No count is kept for these filters together, so the messages are counted now."
)


class Term(NamedTuple):
    """A number of a sum, and the list of what it counts; '' where there is none."""

    words: str
    n: int
    url: str


def with_these(filters: Mapping[str, str], **more: str) -> str:
    """The query string of `filters` and these, in the order in which the form has them."""
    both = {**filters, **more}
    return urlencode({name: both[name] for name in OutcomeFilter.base_fields if both.get(name)})


def figures_context(
    figures: CampaignFigures,
    found: NarrowedFigures,
    filters: Mapping[str, str],
    *,
    everything: bool,
    toggle: str,
    unsent: Empty | None = None,
) -> dict[str, Any]:
    """What the templates of the chart, the causes and the sums print.

    `filters`: those that narrow the messages, none of them for the whole campaign; `toggle`: where the chart shows
    the other half.
    """  # fmt: skip
    campaign = figures.campaign
    url, slugs = list_url(campaign), Account.objects.providers()
    causes = [
        (cause, cause_words(cause, slugs), url("", with_these(filters, **_cause_filters(cause))))
        for cause in (found.causes or [])[:MOST_CAUSES]
    ]
    # What has not begun is not "not delivered": there is nothing to draw yet.
    by_channel = {} if unsent else found.by_channel or {}

    def link(bucket: str) -> str:
        return url("", with_these(filters, status=bucket))

    return {
        "narrowed": bool(filters),
        "chart_counted": found.by_channel is not None,
        "causes_counted": found.causes is not None,
        "whole_url": campaign.get_absolute_url(),
        "checks": _checks(figures, found.outcomes, filters),
        "people": [
            Term(words, n, url("", f"person={state}")) for state, words, n in figures.reconciliation.people
        ],
        "canceled_url": url("", "status=canceled"),
        **chart_context(by_channel, everything=everything, link=link),
        "nothing": _nothing(found, unsent),
        "unsent": unsent,
        "toggle_url": toggle,
        "cause_count": len(found.causes or []),
        "causes": causes[:SHOWN_CAUSES],
        "more_causes": causes[SHOWN_CAUSES:],
    }


def _nothing(found: NarrowedFigures, unsent: Empty | None) -> Empty:
    """Why there is nothing to draw, for where there is not."""
    if unsent:
        return unsent
    if found.outcomes and found.outcomes.sent:
        return ALL_DELIVERED
    return Empty("No such messages", "No message has all of these filters.") if found.is_counted else COUNTING


def _cause_filters(cause: CauseCount) -> dict[str, str]:
    """What narrows the list to the messages of a cause."""
    return {"status": cause.status, "channel": cause.channel, "code": cause.code or NOBODY}


def _checks(
    figures: CampaignFigures, outcomes: Outcomes | None, filters: Mapping[str, str]
) -> list[tuple[ReconciliationCheck, tuple[Term, list[Term]]]]:
    """Whether the numbers add up. With filters the people are those of the campaign, and the messages those that the
    filters let through, once they are counted."""
    checks = figures.checks()
    if filters:
        buckets = [(one.label.lower(), outcomes.of(one)) for one in Disposition] if outcomes else []
        counted = [ReconciliationCheck((NARROWED, outcomes.sent), buckets)] if outcomes else []
        checks = [figures.reconciliation.check, *counted]
    links = _links(figures.campaign, filters)
    return [(check, _opened(check, links)) for check in checks]


def _links(campaign: Campaign, filters: Mapping[str, str]) -> dict[str, str]:
    """Where the terms of the sums are listed, by their words. Those that are listed nowhere are missing."""
    url = list_url(campaign)
    buckets = {one.label.lower(): url("", with_these(filters, status=BUCKETS[one])) for one in Disposition}
    return {
        "Messages": url("", ""),
        NARROWED: url("", with_these(filters)),
        "skipped": url("", f"person={Recipient.State.SKIPPED}"),
        "planned": url("", f"person={Recipient.State.PLANNED}"),
        **buckets,
    }


def _opened(check: ReconciliationCheck, links: Mapping[str, str]) -> tuple[Term, list[Term]]:
    """The whole and the parts of a sum, each with the list that it opens."""
    whole, *parts = [Term(words, n, links.get(words, "")) for words, n in (check.whole, *check.parts)]
    return whole, parts


def other_half(form: OutcomeFilter, queue: str, campaign: Campaign, *, everything: bool) -> str:
    """The same list, with the chart showing also what was delivered, or only what was not."""
    url = list_url(campaign)
    return url(queue, form.querystring(show="" if everything else SHOW_ALL))
