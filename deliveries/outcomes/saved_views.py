"""Saved views as lists of now: what each means for the person who looks, in words, and how many rows it has."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from deliveries.models import SavedView
from deliveries.outcomes.counting import Count, counted
from deliveries.outcomes.filter_choices import NAMED
from deliveries.outcomes.filters import OutcomeFilter, filter_of
from deliveries.outcomes.keyset import read_id
from deliveries.outcomes.narrowing import OutcomeView, entries, matching
from deliveries.outcomes.skipped_people import lists_skipped, skipped


@dataclass(frozen=True)
class ReadView:
    """A saved view as somebody looks at it. `view` is None where its filters can no longer be used; `count` where they
    cannot be counted either."""

    saved: SavedView
    form: OutcomeFilter
    view: OutcomeView | None
    words: str
    count: Count | None = None

    @property
    def query(self) -> str:
        """The query string that narrows its list."""
        return self.form.querystring() if self.view else ""


def read(
    saved: SavedView, user_id: int, now: datetime, *, count: bool = True, whole: bool = False
) -> ReadView:
    """As this person sees it at this moment; `whole` as `in_words` has it. One query to count its rows, no further
    than a page cares for, and one for each filter whose value is named elsewhere."""
    form = filter_of(saved.campaign_id, saved.queue, saved.filters, me=user_id)
    if not form.is_valid():
        return ReadView(saved, form, None, "Its filters can no longer be used.")
    view = form.view(saved.campaign_id, saved.queue)
    return ReadView(saved, form, view, in_words(form, whole=whole), _count(view, now) if count else None)


def _count(view: OutcomeView, now: datetime) -> Count:
    if lists_skipped(view):
        return counted(skipped(view))
    return counted(entries(view, now) if view.queue else matching(view, now))


def in_words(form: OutcomeFilter, *, whole: bool = False) -> str:
    """What is set, in a line; what is kept by its id by its name. Needs `is_valid()` to have run.

    What is searched for may be somebody's number: it stands there only for who sees `whole` addresses.
    """
    names = _names(form.given) | ({} if whole else {"s": "…"})
    parts = [
        f"{str(form.fields[name].label).lower()} {names.get(name) or form.words(name, value)}"
        for name, value in form.given.items()
    ]
    return ", ".join(parts) or "no filter"


def _names(given: Mapping[str, Any]) -> dict[str, str]:
    """Field -> the name of what its value is the id of. One query each."""
    found = {}
    for name, value in given.items():
        if name in NAMED and read_id(str(value)) is not None:
            table, column = NAMED[name]
            words: Iterable[str] = table._default_manager.filter(pk=value).values_list(column, flat=True)
            found[name] = next(iter(words), "")
    return found
