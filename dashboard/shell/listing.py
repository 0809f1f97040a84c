"""A list of outcomes on a page: tabs, filters, chips, rows, paging. The report and the queues are two of these."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from django.http import HttpRequest, QueryDict
from django.utils.safestring import mark_safe

from dashboard.shell.empty import Empty, no_rows
from dashboard.shell.icons import ICONS
from dashboard.shell.pages import swaps, trigger
from deliveries.bulk.left_to_try import left_to_try
from deliveries.outcomes.counting import Count
from deliveries.outcomes.filter_choices import NAMED
from deliveries.outcomes.filters import OutcomeFilter
from deliveries.outcomes.keyset import Page, read_id
from deliveries.outcomes.narrowing import OutcomeView
from deliveries.outcomes.rows import STEPS, OutcomeRow, OutcomeTable, Tallied, page_size, table
from deliveries.outcomes.skipped_people import lists_skipped
from deliveries.statuses import Queue

ALL = ""
MOST_TICKED = 1_000  # ids in one form; more than that is "all matching"
TICKED = "ticked"  # in the session: what was ticked when one row was acted on
SHOW_ALL = "all"
# The filter form, the field in it that asks while somebody types, the region that refreshes itself, and the form
# of what is done to one row: none of them changes what is filtered.
OWN_TRIGGERS = ("filters", "s", "results", "assign")
# What can be done to many rows at once: (action, word). The first is the primary one of its queue.
ACTIONS = (
    ("retry", "Retry"),
    ("switch", "Switch channel"),
    ("correct", "Mark for correction"),
    ("suppress", "Suppress"),
)


@dataclass(frozen=True)
class Tab:
    label: str
    n: int | None  # None: with the filters that are set, nobody has counted
    url: str
    current: bool


@dataclass(frozen=True)
class Listing:
    """What the template of a list prints. `query` is the canonical query string of what is shown."""

    form: OutcomeFilter
    view: OutcomeView
    table: OutcomeTable
    tabs: list[Tab]
    people_tabs: list[Tab]
    query: str
    clear_url: str
    next_url: str
    first_url: str
    snoozed_url: str  # the rows that stand aside; '' where none do
    count_url: str  # what counts the rows, where that is left for later; else ''
    count_now_url: str  # the same page with them counted, for whoever has no script
    chips: list[tuple[str, str, str]]  # label, words, the URL without it
    show: str  # SHOW_ALL where the chart above shows also what was delivered; else ''
    at: datetime
    invalid: bool
    unsent: (
        Empty | None
    )  # why its campaign has sent nothing; None where it has, or the list is of no campaign

    @property
    def lists_skipped(self) -> bool:
        """Whether its rows are people who were skipped: nothing was sent to them."""
        return lists_skipped(self.view)

    @property
    def by_person(self) -> bool:
        """Whether there is one row for each person."""
        return is_by_person(self.view)

    @property
    def has_rows(self) -> bool:
        return bool(self.table.rows or self.table.skipped)

    @property
    def has_more(self) -> bool:
        return bool(self.next_url or self.first_url)

    @property
    def may_take_all(self) -> bool:
        """Whether one act may be about all of them: never about all messages of all campaigns."""
        return bool(self.view.queue) or self.view.campaign_id is not None

    @property
    def symbols(self) -> list[tuple[str, str]]:
        """The icons the rows refer to, drawn once for all of them: a page of rows stays small."""
        used = {name for row in self.table.rows for name in (row.message.channel, row.bucket) if name}
        return [(name, mark_safe(ICONS[name])) for name in sorted(used)]  # noqa: S308 - constants of ours

    @property
    def nouns(self) -> str:
        """What its rows are, one and many: of a list by people there is one row for each."""
        return nouns(self.view)

    @property
    def size(self) -> int:
        """Rows to a page."""
        return page_size(self.view)

    @property
    def export_query(self) -> str:
        """What narrows the rows, as the export's own URL takes it."""
        queue = {"queue": self.view.queue} if self.view.queue and self.view.campaign_id is not None else {}
        return "" if self.invalid else urlencode(queue | self.form.given)

    @property
    def empty(self) -> Empty:
        """Title and sentence for when there are no rows."""
        return no_rows(
            self.view.queue,
            filtered=bool(self.view.filters.keys() - {"person"}),
            person=self.view.filters.get("person", ""),
            snoozed=bool(self.table.snoozed.n),
            unsent=self.unsent,
        )

    @property
    def suggested(self) -> str:
        """The action this queue is for; '' where there is none, as in the review of content."""
        return STEPS.get(Queue(self.view.queue), ("", ""))[0] if self.view.queue else ""

    @property
    def actions(self) -> list[tuple[str, str]]:
        """The suggested one first."""
        return sorted(ACTIONS, key=lambda one: one[0] != self.suggested)

    @property
    def selection(self) -> dict[str, str]:
        """The hidden fields that say what a bulk action is about."""
        return {
            "campaign": str(self.view.campaign_id or ""),
            "queue": self.view.queue,
            "filters": urlencode(self.view.filters),
            "selected_at": self.at.isoformat(),
        }


def is_by_person(view: OutcomeView) -> bool:
    return bool({"person", "engaged"} & view.filters.keys())


def nouns(view: OutcomeView) -> str:
    """What its rows are, as `pluralize` takes it."""
    return "person,people" if is_by_person(view) else "message,messages"


@dataclass(frozen=True)
class ListPlace:
    """Where a list of outcomes stands, and what is known there before it is read."""

    campaign_id: int | None  # None: over all campaigns
    queue: str  # '': every outcome
    tabs: Sequence[tuple[str, str, int]]  # queue, label, how many rows
    url: Callable[[str, str], str]  # (queue, query string) -> where such a list is
    tallied: Tallied
    people: Sequence[tuple[str, str, int]] = ()  # where people stand, label, how many: tabs of their own
    unsent: Empty | None = None  # as in a Listing
    count_url: Callable[[str, str], str] | None = (
        None  # as `url`: what counts such a list; None: it is counted at once
    )


def listing(request: HttpRequest, form: OutcomeFilter, place: ListPlace, now: datetime) -> Listing:
    """Read one page of the list.

    With invalid filters there are no rows, and the form says why; only a search that is too short is passed over.
    """
    valid, queue = form.can_show, place.queue
    view = form.view(place.campaign_id, queue) if valid else OutcomeView(place.campaign_id, queue)
    given = urlencode(form.given) if valid else ""
    shown = {"show": SHOW_ALL} if request.GET.get("show") == SHOW_ALL else {}
    after = request.GET.get("after", "") if valid else ""
    later = place.count_url is not None and request.GET.get("count") != "1"
    read = (
        table(view, now, after, place.tallied, later=later) if valid else OutcomeTable(Page([]), [], Count(0))
    )
    if "person" in view.filters and not queue:
        read = replace(read, rows=_with_left(read.rows, now))
    query = form.querystring(**shown) if valid else ""
    person = view.filters.get("person", "") if not queue else ""
    kept = {"person": person} if person else {}

    def filtered(querystring: str, **extra: str) -> str:
        return place.url(queue, "&".join(filter(None, [querystring, urlencode(shown | extra)])))

    def tab_url(key: str, **changes: str) -> str:
        query = form.replaced(skip="", **changes) if valid else urlencode(changes)
        return place.url(key, "&".join(filter(None, [query, urlencode(shown)])))

    def number(n: int, key: str, **changes: str) -> int | None:
        """How many rows the tab opens, with the filters that it keeps; None where no tally knows."""
        given = {**view.filters, **changes, "skip": ""}
        kept = {name: value for name, value in given.items() if value}
        return n if kept.keys() <= {"person"} else place.tallied(OutcomeView(place.campaign_id, key, kept))

    return Listing(
        form=form,
        view=view,
        table=read,
        tabs=[
            Tab(label, number(n, key, person=""), tab_url(key, person=""), key == queue and not person)
            for key, label, n in place.tabs
        ],
        people_tabs=[
            Tab(
                label,
                number(n, "", person=key, engaged=""),
                tab_url("", person=key, engaged=""),
                key == person,
            )
            for key, label, n in place.people
        ],
        query=query,
        clear_url=filtered(urlencode(kept)),
        next_url=filtered(given, after=read.page.after) if read.page.after else "",
        first_url="" if read.page.first else filtered(given),
        count_url=place.count_url(queue, query) if place.count_url and later and read.count.more else "",
        count_now_url=filtered(given, count="1"),
        snoozed_url=filtered(form.querystring(snoozed="1")) if read.snoozed.n else "",
        chips=[
            (chip.label, chip.words, filtered(chip.without)) for chip in form.chips() if chip.name not in kept
        ]
        if valid
        else [],
        show=shown.get("show", ""),
        at=now,
        invalid=not valid,
        unsent=place.unsent,
    )


def _with_left(rows: Sequence[OutcomeRow], now: datetime) -> list[OutcomeRow]:
    """The rows of people with what is left to try for each."""
    left = left_to_try([row.message for row in rows], now)
    return [replace(row, left=left[row.message.pk]) for row in rows]


def ticks_of(data: QueryDict) -> dict[str, Any]:
    """The rows that are ticked in a form of a list, and whether all that match are meant."""
    ids = map(read_id, data.getlist("messages")[:MOST_TICKED])
    return {"ids": [pk for pk in ids if pk is not None], "all": bool(data.get("all"))}


def keep_ticks(request: HttpRequest, acted_on: Collection[int], url: str) -> None:
    """For the list at `url`, which people come back to: a button on one row, its Undo, or a look at the preview leaves
    the ticks of the others alone."""
    ticks = ticks_of(request.POST) | {"url": url}
    ticks["ids"] = [pk for pk in ticks["ids"] if pk not in acted_on]
    if ticks["ids"]:
        request.session[TICKED] = ticks


def drop_ticks(request: HttpRequest) -> None:
    """What was ticked has been acted on: the list is to show none of it ticked."""
    request.session.pop(TICKED, None)


def _ticks(request: HttpRequest) -> dict[str, Any]:
    """What stays ticked: in a list that answers what was done to a row of it, or that is opened after that. "All that
    match" would be others in any other list."""
    if request.method == "POST":
        return ticks_of(request.POST)
    kept = {} if swaps(request) else request.session.pop(TICKED, {})
    return kept if kept.get("url") == request.get_full_path() else {}


def shows_form(request: HttpRequest) -> bool:
    """Whether the answer carries the filter form: a page does, and a fragment that something else asked for."""
    return not swaps(request) or trigger(request) not in OWN_TRIGGERS


def needs_choices(request: HttpRequest) -> bool:
    """Whether what the selects offer is printed: in the form, or as the name of what is set by its id."""
    return (
        shows_form(request) or any(request.GET.get(name) for name in NAMED) or ":" in request.GET.get("s", "")
    )


def list_context(listing: Listing, request: HttpRequest) -> dict[str, Any]:
    """What the templates of a list need."""
    swap = swaps(request)
    ticks = _ticks(request)
    return {
        "listing": listing,
        "ticked": set(ticks.get("ids", ())),
        "all_ticked": ticks.get("all", False),
        "form": listing.form,
        "swap": swap,
        "swap_form": swap and shows_form(request),
    }
