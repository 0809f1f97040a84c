"""List sources and imports compared: how the people each brought have done beside those of all others."""

from __future__ import annotations

from typing import Any, NamedTuple
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_safe

from accounts.roles import requires
from deliveries.ledger.source_figures import Ever
from deliveries.outcomes import sources
from deliveries.outcomes.sources import ComparedShare, ComparedSource

TABS = {"sources": "By list source", "import_outcomes": "By import"}


class SourceLine(NamedTuple):
    """One source or import as the report shows it. `shares` are each with the page of the people it counts."""

    found: ComparedSource
    shares: list[tuple[ComparedShare, str]]
    people_url: str
    with_result_url: str


@requires("contacts.view_contact", "contacts.view_contactlist")
@require_safe
def by_source(request: HttpRequest) -> HttpResponse:
    """List sources, the worst first. A fixed number of queries."""
    return _shown(request, "sources", "source", sources.sources())


@requires("contacts.view_contact", "contacts.view_contactlist", "contacts.view_contactimport")
@require_safe
def by_import(request: HttpRequest) -> HttpResponse:
    """Imports, the worst first. A fixed number of queries."""
    return _shown(request, "import_outcomes", "first_import", sources.imports())


def _shown(request: HttpRequest, tab: str, parameter: str, found: list[ComparedSource]) -> HttpResponse:
    page = sources.page_of(found, request.GET.get("after", ""))
    context: dict[str, Any] = {
        "tab": tab,
        "tabs": [(reverse(f"contacts:{name}"), label, name == tab) for name, label in TABS.items()],
        "measures": [one.label for one in sources.MEASURES],
        "lines": [_line(one, parameter) for one in page.rows],
        "count": len(found),
        "counted_at": sources.oldest_count(page.rows),
        "page": page,
        "first_url": request.path,
    }
    return render(request, "contacts/sources.html", context)


def _line(found: ComparedSource, parameter: str) -> SourceLine:
    def url(ever: str = "") -> str:
        given = {parameter: found.pk} | ({"ever": ever} if ever else {})
        return f"{reverse('contacts:search')}?{urlencode(given)}"

    shares = [(one, url(one.measure.ever)) for one in found.shares]
    return SourceLine(found, shares, url(), url(Ever.WITH_RESULT))
