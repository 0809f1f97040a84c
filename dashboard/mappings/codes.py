"""The code tables: the list of their rows, and the form of one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django import forms
from django.contrib import messages
from django.db import IntegrityError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_safe
from django.views.decorators.vary import vary_on_headers

from accounts.roles import requires
from dashboard.mappings.code_forms import CodeForm, objections
from dashboard.mappings.code_tables import listing, outcome
from dashboard.mappings.sections import EDIT, READ, drafted_rows, sections
from dashboard.shell.pages import fragment, swaps, trigger, who
from deliveries.meaning import drafts, mappings
from deliveries.meaning.drafts import ChangedMeanwhile
from deliveries.meaning.translation import Code, Key, Mapping
from deliveries.models import Account, MappingVersion, SeenCode
from deliveries.outcomes import code_usage
from deliveries.outcomes.keyset import read_id


@requires(READ)
@require_safe
@vary_on_headers("HX-Request")
def codes(request: HttpRequest) -> HttpResponse:
    draft = drafts.open_draft()
    shown = listing(request.GET.dict(), mappings.latest(), drafted_rows(draft))
    context = {
        **sections("codes", draft),
        "listing": shown,
        "form": shown.form,
        "swap": swaps(request),
        "swap_form": swaps(request) and trigger(request) not in ("filters", "s"),
    }
    template = fragment(request, "mappings/codes.html", "results")
    return render(request, template, context, status=200 if shown.valid else 422)


@requires(READ, EDIT)
@require_http_methods(["GET", "HEAD", "POST"])
@vary_on_headers("HX-Request")
def edit(request: HttpRequest) -> HttpResponse:
    """GET: the form of one row, filled from the draft, the tables, what was seen, or the query string; for htmx only
    what the choices in the query string lead to. POST: put the row into the draft, or (`look`) say what it leads to."""
    tables, draft = mappings.latest(), drafts.open_draft()
    seen = _seen(request.GET.get("seen", ""))
    if request.method == "POST":
        current = _current(_key(request.POST), tables, draft)
        form = CodeForm(request.POST, tables=tables, current=current)
        if form.is_valid() and "look" not in request.POST:
            return _save(request, form, tables, seen)
        looks = "look" in request.POST and form.is_valid()
        shown = request.POST.get("shown", "")
        edited = Edited(tables, draft, seen, shown)
        return _edit_page(request, form, form.data, edited, status=200 if looks else 422)
    given = {name: value for name, value in request.GET.dict().items() if name in CodeForm.base_fields}
    code = _current(_key(given), tables, draft)
    known = code._asdict() if code else _suggested(tables, seen)
    filled = {**known, **given}
    if known.get("code", "").lower() == given.get("code", "").lower():
        filled["code"] = known.get(
            "code", ""
        )  # as the provider writes it; an address has it in small letters
    form = CodeForm(initial=filled, tables=tables)
    return _edit_page(request, form, filled, Edited(tables, draft, seen, drafts.mark(code)))


def _seen(mark: str) -> SeenCode | None:
    number = read_id(mark)
    return SeenCode.objects.filter(pk=number).first() if number else None


def _key(given: Any) -> Key | None:
    """Where the row stands that the form is about; None before all of it is given."""
    table, channel, kind, code = (str(given.get(name) or "").strip() for name in CodeForm.PLACE)
    return Key(table, channel, kind, code.lower()) if table and channel and kind and code else None


def _current(key: Key | None, tables: Mapping, draft: MappingVersion | None) -> Code | None:
    """The row in the draft, else the one in force."""
    drafted = drafted_rows(draft).get(key) if key else None
    return mappings.code_of(drafted) if drafted else tables.codes.get(key) if key else None


def _suggested(tables: Mapping, seen: SeenCode | None) -> dict[str, str]:
    """What the form of a new row shows at first."""
    if seen:
        provider = Account.objects.filter(pk=seen.account_id).values_list("provider", flat=True).first()
        return code_usage.suggestion(tables, provider or "", seen)
    return {"kind": code_usage.ERROR, "status": "unknown", "failure_class": "unknown", "fault": "none"}


@dataclass(frozen=True)
class Edited:
    """What the form of a row is about, beside the form itself."""

    tables: Mapping  # in force
    draft: MappingVersion | None
    seen: SeenCode | None  # the code as it came, that the form was opened from
    shown: str  # the mark of the row that the form began with, to see whether it is the same when it is saved


def _edit_page(
    request: HttpRequest, form: CodeForm, given: Any, edited: Edited, *, status: int = 200
) -> HttpResponse:
    """`given`: the values of the form by the names of its fields, whether they were filled in or offered."""
    tables, draft = edited.tables, edited.draft
    key = _key(given)
    in_force = tables.codes.get(key) if key else None
    context = {
        "form": form,
        "key": key,
        "in_force": in_force,
        "now": outcome(key, in_force) if key and in_force else None,
        "table": code_usage.table_name(key.table) if key else "",
        "drafted": bool(key and key in drafted_rows(draft)),
        "seen": edited.seen,
        "shown": edited.shown,
        "then": code_usage.CodeUsage.beside(tables).then.get(key)
        if in_force and key and not swaps(request)
        else None,
        **_leads_to(given, form),
    }
    return render(request, fragment(request, "mappings/edit.html", "outcome"), context, status=status)


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


def _save(request: HttpRequest, form: CodeForm, tables: Mapping, seen: SeenCode | None) -> HttpResponse:
    shown = request.POST.get("shown")
    try:
        row = drafts.edit(form.key, form.values, who(request), shown=shown)
    except ChangedMeanwhile as problem:
        form.add_error(None, str(problem))
        shown = drafts.mark(problem.row)
    except IntegrityError:
        form.add_error(None, "Somebody else began a draft at the same moment. Save once more.")
    else:
        result = "is in the draft. Nothing changes until it is published."
        if row is None:
            result = "means just this already. The draft leaves it alone."
        messages.success(request, f"{form.cleaned_data['code']} {result}")
        return redirect("mappings:draft")
    edited = Edited(tables, drafts.open_draft(), seen, shown or "")
    return _edit_page(request, form, form.data, edited, status=422)
