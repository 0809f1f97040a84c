"""Trying a callback: what a provider's call would mean."""

from __future__ import annotations

from datetime import datetime

from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils.cache import add_never_cache_headers
from django.views.decorators.http import require_http_methods
from django.views.decorators.vary import vary_on_headers

from accounts.roles import requires
from dashboard.mappings.sections import READ, drafted_rows, sections, sees_addresses
from dashboard.mappings.tried import Tried, as_form, as_line, tried
from dashboard.mappings.try_form import TryForm
from dashboard.shell.pages import fragment, who
from deliveries.meaning import drafts, mappings
from deliveries.meaning.payloads import understand
from deliveries.meaning.translation import Mapping
from deliveries.models import Account, MappingVersion, Receipt, RetentionRun
from deliveries.outcomes.keyset import read_id


@requires(READ)
@require_http_methods(["GET", "HEAD", "POST"])
@vary_on_headers("HX-Request")
def attempt(request: HttpRequest) -> HttpResponse:
    """GET: an empty form, or (`receipt`) a stored receipt read anew; for htmx only the kinds of callback that
    the chosen provider has. POST: what the callback in it would mean.

    Nothing is stored, and what was pasted goes into no log.
    """
    draft = drafts.open_draft()
    found: list[Tried] = []
    receipt, dropped, shown, status = None, None, True, 200
    if request.method == "POST":
        form = TryForm(request.POST)
        if form.is_valid():
            tables = _tables(draft if form.cleaned_data["draft"] else None)
            # The first way to read it that is accepted, else what is wrong with the last.
            read = [tried(understand(line, tables), line["provider"], tables) for line in form.lines()]
            found = [next((one for one in read if one.accepted), read[-1])]
        else:
            status = 422
    elif "receipt" in request.GET and (dropped := _dropped(request)):
        form, status = TryForm(), 410
    elif "receipt" in request.GET:
        receipt, shown = _receipt(request), sees_addresses(request)
        account = get_object_or_404(Account, pk=receipt.account_id)
        line, tables = as_line(receipt, account), _tables(None)
        found = [tried(understand(line, tables), account.provider, tables)]
        form = TryForm(initial=as_form(receipt, account) if shown else {"provider": account.provider})
    else:
        form = TryForm(initial={"provider": request.GET.get("provider"), "kind": request.GET.get("kind")})
    context = {
        **sections("try", draft),
        "form": form,
        "result": found[0] if found else None,
        "receipt": receipt,
        "dropped": dropped,
        "full": shown,
        "limit": settings.RECEIPT_MAX_BYTES,
    }
    answer = render(request, fragment(request, "mappings/try.html", "kind"), context, status=status)
    add_never_cache_headers(answer)  # it holds what was pasted
    return answer


def _tables(draft: MappingVersion | None) -> Mapping:
    """The tables in force, or as the draft would leave them."""
    in_force = mappings.latest()
    if draft is None:
        return in_force
    edited = {key: mappings.code_of(row) for key, row in drafted_rows(draft).items()}
    return Mapping(draft.number, {**in_force.codes, **edited})


def _receipt(request: HttpRequest) -> Receipt:
    return get_object_or_404(Receipt, pk=_number(request))


def _dropped(request: HttpRequest) -> tuple[int, datetime] | None:
    """The number of the receipt that is asked for, and since when it is no longer kept; None where it is."""
    number = _number(request)
    if Receipt.objects.filter(pk=number).exists():
        return None
    since = RetentionRun.dropped(RetentionRun.Kind.RECEIPTS, [number]).get(number)
    return (number, since) if since else None


def _number(request: HttpRequest) -> int:
    if not who(request).has_perm("deliveries.view_receipt"):
        raise PermissionDenied
    pk = read_id(request.GET["receipt"])
    if pk is None:
        raise Http404("There is no such receipt.")
    return pk
