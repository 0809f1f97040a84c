"""The code tables: the list of their rows, and the form of one."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import messages
from django.db import IntegrityError, transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_safe
from django.views.decorators.vary import vary_on_headers

from accounts.roles import requires
from deliveries import mappings
from deliveries.mappings import drafts
from deliveries.models import Account, CodeMapping, MappingVersion, SeenCode
from deliveries.receiving.translation import Code, Key, Mapping
from deliveries.reporting import heard
from deliveries.reporting.code_forms import CodeForm, objections
from deliveries.reporting.code_tables import listing, outcome
from deliveries.reporting.pages import fragment, swaps, trigger, who
from deliveries.reporting.views.mappings.draft import locked_draft
from deliveries.reporting.views.mappings.sections import EDIT, READ, drafted_rows, sections


@requires(READ)
@require_safe
@vary_on_headers("HX-Request")
def codes(request: HttpRequest) -> HttpResponse:
    draft = drafts.open_draft()
    shown = listing(request.GET.dict(), mappings.latest(), drafted_rows(draft))
    told = {
        **sections("codes", draft),
        "listing": shown,
        "form": shown.form,
        "swap": swaps(request),
        "swap_form": swaps(request) and trigger(request) not in ("filters", "s"),
    }
    template = fragment(request, "mappings/codes.html", "results")
    return render(request, template, told, status=200 if shown.valid else 422)


@requires(READ, EDIT)
@require_http_methods(["GET", "HEAD", "POST"])
@vary_on_headers("HX-Request")
def edit(request: HttpRequest) -> HttpResponse:
    """GET: the form of one row, filled from the draft, the tables, what was seen, or the query string; for htmx only
    what the choices in the query string lead to. POST: put the row into the draft, or (`look`) say what it leads to."""
    tables, draft = mappings.latest(), drafts.open_draft()
    seen = _seen(request.GET.get("seen", ""))
    if request.method == "POST":
        form = CodeForm(request.POST, tables=tables)
        if form.is_valid() and "look" not in request.POST:
            return _save(request, form, tables)
        looks = "look" in request.POST and form.is_valid()
        return _edit_page(request, form, form.data, tables, draft, seen=seen, status=200 if looks else 422)
    given = {name: value for name, value in request.GET.dict().items() if name in CodeForm.base_fields}
    filled = {**_known_values(given, tables, draft, seen), **given}
    form = CodeForm(initial=filled, tables=tables)
    return _edit_page(request, form, filled, tables, draft, seen=seen)


def _seen(mark: str) -> SeenCode | None:
    number = int(mark) if mark.isascii() and mark.isdigit() and len(mark) < 19 else 0
    return SeenCode.objects.filter(pk=number).first() if number else None


def _key(given: Any) -> Key | None:
    """Where the row stands that the form is about; None before all of it is given."""
    table, channel, kind, code = (str(given.get(name) or "").strip() for name in CodeForm.PLACE)
    return Key(table, channel, kind, code.lower()) if table and channel and kind and code else None


def _known_values(
    given: Any, tables: Mapping, draft: MappingVersion | None, seen: SeenCode | None
) -> dict[str, Any]:
    """What the form shows at first: the row in the draft, else the one in force, else what the words seen suggest."""
    key = _key(given)
    drafted = drafted_rows(draft).get(key) if key else None
    code = mappings.code_of(drafted) if drafted else tables.codes.get(key) if key else None
    if code:
        return code._asdict()
    if seen:
        provider = Account.objects.filter(pk=seen.account_id).values_list("provider", flat=True).first()
        return heard.suggestion(tables, provider or "", seen)
    return {"kind": heard.ERROR, "status": "unknown", "failure_class": "unknown", "fault": "none"}


def _edit_page(
    request: HttpRequest,
    form: CodeForm,
    given: Any,
    tables: Mapping,
    draft: MappingVersion | None,
    *,
    seen: SeenCode | None = None,
    status: int = 200,
) -> HttpResponse:
    key = _key(given)
    in_force = tables.codes.get(key) if key else None
    told = {
        "form": form,
        "key": key,
        "in_force": in_force,
        "now": outcome(key, in_force) if key and in_force else None,
        "table": heard.table_name(key.table) if key else "",
        "drafted": bool(key and key in drafted_rows(draft)),
        "seen": seen,
        "then": heard.Heard.beside(tables).then.get(key) if in_force and key and not swaps(request) else None,
        **_leads_to(given, form),
    }
    return render(request, fragment(request, "mappings/edit.html", "outcome"), told, status=status)


def _leads_to(given: Any, form: CodeForm) -> dict[str, Any]:
    """The outcome of what is chosen, and what makes no sense in it; neither while a choice is missing or unheard of."""
    names = ("channel", "kind", "status", "failure_class", "fault")
    chosen = {name: str(given.get(name) or "") for name in names}
    if not all(word and _offers(form, name, word) for name, word in chosen.items()):
        return {"leads_to": None, "objections": []}
    channel, kind, status, failure_class, fault = chosen.values()
    certain = str(given.get("verified")) in ("True", "on")
    code = Code("code", "", "", status, failure_class, fault, certain)
    return {
        "leads_to": outcome(Key("", channel, kind, "code"), code),
        "objections": [why for _, why in objections(channel, status, failure_class, fault)],
    }


def _offers(form: CodeForm, name: str, word: str) -> bool:
    field = form.fields[name]
    return isinstance(field, forms.ChoiceField) and field.valid_value(word)


def _save(request: HttpRequest, form: CodeForm, tables: Mapping) -> HttpResponse:
    """Put the row into the draft; one that says what is in force already has no place there."""
    key, in_force = form.key, tables.codes.get(form.key)
    same = in_force is not None and form.row._replace(code=in_force.code) == in_force
    try:
        with transaction.atomic():
            draft = locked_draft()
            if same:
                for row in CodeMapping.objects.filter(since=draft, key=key.code).select_related("since"):
                    if mappings.key_of(row) == key:
                        drafts.drop(row)
            else:
                drafts.edit(key, form.values, who(request))
    except IntegrityError:
        form.add_error(None, "Somebody else began a draft at the same moment. Save once more.")
        return _edit_page(request, form, form.data, tables, drafts.open_draft(), status=422)
    if same:
        messages.success(
            request, f"{form.cleaned_data['code']} means just this already. The draft leaves it alone."
        )
        return redirect("mappings:draft")
    messages.success(
        request, f"{form.cleaned_data['code']} is in the draft. Nothing changes until it is published."
    )
    return redirect("mappings:draft")
