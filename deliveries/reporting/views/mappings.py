"""What providers' words mean: unknown words and alarms, the code tables, the draft, the versions, trying it out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django import forms
from django.conf import settings
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.core.paginator import Page, Paginator
from django.db import IntegrityError, transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.cache import add_never_cache_headers
from django.views.decorators.http import require_http_methods, require_POST, require_safe
from django.views.decorators.vary import vary_on_headers

from accounts.roles import requires
from contacts.phones import mask
from deliveries import mappings
from deliveries.mappings import drafts, rereading
from deliveries.mappings.drafts import CannotChange
from deliveries.models import (
    Account,
    CodeAlarm,
    CodeMapping,
    DayTally,
    MappingVersion,
    Receipt,
    RouteEvidence,
    SeenCode,
    StrayReport,
)
from deliveries.receiving.payloads import understand
from deliveries.receiving.translation import Code, Key, Mapping
from deliveries.reporting import heard, mapping_history
from deliveries.reporting.code_forms import (
    CloseForm,
    CodeForm,
    NoteForm,
    RemoveForm,
    RouteForm,
    TryForm,
    objections,
)
from deliveries.reporting.code_tables import listing, outcome
from deliveries.reporting.keyset import LARGEST_ID, page
from deliveries.reporting.pages import fragment, swaps, trigger, who
from deliveries.reporting.trying import Tried, as_form, as_line, tried
from deliveries.tasks import ring

READ = "deliveries.view_codemapping"
EDIT = "deliveries.change_codemapping"
PUBLISH = "deliveries.change_mappingversion"
ALARMS_SHOWN = 6
UNKNOWN_SHOWN = 25
CHANGES_SHOWN = 50
STRAYS_SHOWN = 50
ALL = "all"
MOST_ALARMS = 200
OFFERED = 300  # carriers to choose from
ALARM_WORDS = {
    CodeAlarm.Kind.UNKNOWN: ("Unknown code", "unknown"),
    CodeAlarm.Kind.NEW: ("New code", "pending"),
    CodeAlarm.Kind.SHARE: ("Share changed", "retryable"),
    CodeAlarm.Kind.CONSEQUENCE: ("Leads elsewhere", "retryable"),
    CodeAlarm.Kind.CONTRADICTION: ("Contradiction", "permanent"),
}
ORIGIN_BUCKETS = {
    MappingVersion.Origin.SHIPPED: "unknown",
    MappingVersion.Origin.STAFF: "pending",
    MappingVersion.Origin.UNDO: "optout",
}


def _sections(current: str, draft: MappingVersion | None) -> dict[str, Any]:
    """What the tabs over these pages need. One query when there is a draft."""
    return {"section": current, "draft": draft, "draft_size": draft.brought.count() if draft else 0}


def _drafted(draft: MappingVersion | None) -> dict[Key, CodeMapping]:
    return {mappings.key_of(row): row for row in draft.brought.all()} if draft else {}


# ---- The overview ----------------------------------------------------------------------------------------------


@requires(READ)
@require_safe
def overview(request: HttpRequest) -> HttpResponse:
    now, draft, tables = timezone.now(), drafts.open_draft(), mappings.latest()
    lines, found = mapping_history.history(request.GET.get("after", ""), draft)
    words = _page(SeenCode.objects.filter(known=False).order_by("-n", "pk"), UNKNOWN_SHOWN, request)
    told = {
        **_sections("overview", draft),
        **_alarms(everything=request.GET.get("alarms") == ALL),
        "tables": len({key.table for key in tables.codes}),
        "codes": len(tables.codes),
        "unknown": heard.unknown(words, tables, _drafted(draft)),
        "words": words,
        "lines": lines,
        "page": found,
        "strays": heard.Strays.recent(now),
    }
    return render(request, "mappings/overview.html", told)


def _page(rows: Any, size: int, request: HttpRequest) -> Page:
    """By number: these lists are short, and nonsense means the first page."""
    return Paginator(rows, size).get_page(request.GET.get("page"))


def _alarms(*, everything: bool) -> dict[str, Any]:
    """The open alarms, newest first: the first few, or all that a page can bear."""
    opened = CodeAlarm.objects.filter(closed_at=None).order_by("-raised_at", "-pk")
    found = list(opened[: MOST_ALARMS if everything else ALARMS_SHOWN])
    names = dict(Account.objects.values_list("pk", "name"))
    return {
        "alarms": [
            (one, *ALARM_WORDS[CodeAlarm.Kind(one.kind)], names.get(one.account_id, "")) for one in found
        ],
        "alarm_count": opened.count(),
        "newest_alarm": max((one.pk for one in found), default=0),
        "all_alarms": everything,
    }


@requires(READ, "deliveries.change_codealarm")
@require_POST
def close_alarms(request: HttpRequest) -> HttpResponse:
    """One alarm, or all that were there when the page was read. They are kept, with who closed them."""
    form = CloseForm(request.POST)
    if not form.is_valid() or not any(form.cleaned_data.values()):
        messages.error(request, "Nothing was closed: the page did not say which alarm.")
        return redirect("mappings:overview")
    one, upto = form.cleaned_data["alarm"], form.cleaned_data["upto"]
    wanted = CodeAlarm.objects.filter(closed_at=None, **({"pk": one} if one else {"pk__lte": upto}))
    closed = wanted.update(closed_at=timezone.now(), closed_by=who(request))
    if closed:
        messages.success(request, f"{mapping_history.count_of(closed, 'alarm')} closed.")
    else:
        messages.error(request, "Nothing was closed: somebody was faster.")
    return redirect("mappings:overview")


@requires(READ, "deliveries.view_strayreport")
@require_safe
def strays(request: HttpRequest) -> HttpResponse:
    """Reports about mail that we never sent, and what to look at."""
    found = page(StrayReport.objects.all(), STRAYS_SHOWN, request.GET.get("after", ""), at="at")
    rows = [(one, mask(one.address) if one.address else "") for one in found.rows]
    told = {
        "rows": rows,
        "page": found,
        "strays": heard.Strays.recent(timezone.now()),
        "full": _full(request),
    }
    return render(request, "mappings/strays.html", told)


def _full(request: HttpRequest) -> bool:
    return who(request).has_perm("contacts.view_full_address")


# ---- The code tables -------------------------------------------------------------------------------------------


@requires(READ)
@require_safe
@vary_on_headers("HX-Request")
def codes(request: HttpRequest) -> HttpResponse:
    draft = drafts.open_draft()
    shown = listing(request.GET.dict(), mappings.latest(), _drafted(draft))
    told = {
        **_sections("codes", draft),
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
    drafted = _drafted(draft).get(key) if key else None
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
        "drafted": bool(key and key in _drafted(draft)),
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
            draft = _locked_draft()
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


def _locked_draft() -> MappingVersion | None:
    """The draft, held until the transaction ends: nothing is added to it while it is being published."""
    return MappingVersion.objects.select_for_update().filter(state=MappingVersion.State.DRAFT).first()


# ---- The draft -------------------------------------------------------------------------------------------------


@requires(READ)
@require_safe
@vary_on_headers("HX-Request")
def draft(request: HttpRequest) -> HttpResponse:
    return _draft_page(request, NoteForm())


def _draft_page(request: HttpRequest, form: NoteForm, status: int = 200) -> HttpResponse:
    found = drafts.open_draft()
    told: dict[str, Any] = {**_sections("draft", found), "form": form}
    if found:
        difference = rereading.Difference.read(found.preview)
        told |= {
            "changes": mapping_history.changed(drafts.changes(found)),
            "counted": mapping_history.counted(found),
            "percent": mapping_history.percent(found),
            "headline": mapping_history.headline(difference),
            "moves": mapping_history.moves(difference),
            "aftermath": mapping_history.aftermath(difference),
            "counted_at": found.previewed_at.isoformat() if found.previewed_at else "",
            "swap": swaps(request),
        }
    return render(request, fragment(request, "mappings/draft.html", "difference"), told, status=status)


def _acting(request: HttpRequest, act: Callable[[MappingVersion], str], *, bell: bool = False) -> bool:
    """Do something to the draft while nobody else can; say what was done, or why it was not."""
    try:
        with transaction.atomic():
            found = _locked_draft()
            if found is None:
                raise CannotChange("There is no draft any more: it was published or discarded.")
            said = act(found)
            if bell:
                transaction.on_commit(ring)
    except CannotChange as problem:
        messages.error(request, str(problem))
        return False
    messages.success(request, said)
    return True


@requires(READ, EDIT)
@require_POST
def remove(request: HttpRequest) -> HttpResponse:
    form = RemoveForm(request.POST)
    pk = form.cleaned_data["row"] if form.is_valid() else 0

    def act(found: MappingVersion) -> str:
        row = CodeMapping.objects.filter(pk=pk, since=found).select_related("since").first()
        if row is None:
            raise CannotChange("That row is no longer in the draft.")
        drafts.drop(row)
        return f"{row.code} is out of the draft."

    _acting(request, act)
    return redirect("mappings:draft")


@requires(READ, EDIT)
@require_POST
def discard(request: HttpRequest) -> HttpResponse:
    def act(found: MappingVersion) -> str:
        drafts.discard(found)
        return "The draft is gone. Nothing was changed."

    _acting(request, act)
    return redirect("mappings:overview")


@requires(READ, EDIT)
@require_POST
def count(request: HttpRequest) -> HttpResponse:
    def act(found: MappingVersion) -> str:
        rereading.start_preview(found, timezone.now())
        return "Counting what would change."

    _acting(request, act, bell=True)
    return redirect("mappings:draft")


@requires(READ, EDIT, PUBLISH)
@require_POST
def publish(request: HttpRequest) -> HttpResponse:
    form = NoteForm(request.POST)
    if not form.is_valid():
        return _draft_page(request, form, status=422)
    number = 0

    def act(found: MappingVersion) -> str:
        nonlocal number
        counted_at = found.previewed_at.isoformat() if found.previewed_at else ""
        if not mapping_history.counted(found) or form.cleaned_data["counted_at"] != counted_at:
            raise CannotChange(
                "The draft was changed or counted anew since you looked. Look again, then publish."
            )
        drafts.publish(found, note=form.cleaned_data["note"], by=who(request), now=timezone.now())
        number = found.pk
        return f"Version {number} is in force. What came in before is being read anew."

    done = _acting(request, act, bell=True)
    return redirect("mappings:version", number) if done else redirect("mappings:draft")


# ---- Versions --------------------------------------------------------------------------------------------------


@requires(READ)
@require_safe
@vary_on_headers("HX-Request")
def version(request: HttpRequest, number: int) -> HttpResponse:
    found = _version(number)
    if found.state == MappingVersion.State.DRAFT:
        return redirect("mappings:draft")
    told = {
        **_version_facts(found),
        "changes": _page(drafts.changes(found), CHANGES_SHOWN, request),
        "obstacle": mapping_history.obstacle(found, drafts.open_draft()),
        "percent": mapping_history.percent(found),
        "swap": swaps(request),
    }
    told["rows"] = mapping_history.changed(told["changes"])
    return render(request, fragment(request, "mappings/version.html", "progress"), told)


def _version(number: int) -> MappingVersion:
    linked = MappingVersion.objects.select_related("created_by", "undoes", "undone_by")
    return get_object_or_404(linked, pk=number)


def _version_facts(found: MappingVersion) -> dict[str, Any]:
    difference = rereading.Difference.read(found.preview)
    return {
        "version": found,
        "who": mapping_history.Line(found, 0, "").who,
        "origin_bucket": ORIGIN_BUCKETS[MappingVersion.Origin(found.origin)],
        "expected": difference.messages if found.preview else None,
    }


@requires(READ, EDIT, PUBLISH)
@require_http_methods(["GET", "HEAD", "POST"])
def undo(request: HttpRequest, number: int) -> HttpResponse:
    """GET: what it would restore. POST: restore it, as a version of its own."""
    found = _version(number)
    if request.method == "POST":
        return _undo(request, found)
    changes = _page(drafts.changes(found), CHANGES_SHOWN, request)
    told = {
        **_version_facts(found),
        "changes": changes,
        # Backwards: what is in force now, and what would be again.
        "rows": mapping_history.changed(drafts.Change(one.key, one.after, one.before) for one in changes),
        "obstacle": mapping_history.obstacle(found, drafts.open_draft()),
    }
    return render(request, "mappings/undo.html", told)


def _undo(request: HttpRequest, found: MappingVersion) -> HttpResponse:
    try:
        with transaction.atomic():
            back = drafts.undo(found, by=who(request), now=timezone.now())
            transaction.on_commit(ring)
    except CannotChange as problem:
        messages.error(request, _sentence(str(problem)))
        return redirect("mappings:version", found.pk)
    except IntegrityError:
        messages.error(request, "Somebody else was at it at the same moment. Look again.")
        return redirect("mappings:version", found.pk)
    messages.success(
        request, f"Version {found.pk} is undone: version {back.pk} restores what held before it."
    )
    return redirect("mappings:version", back.pk)


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


# ---- Trying a callback -----------------------------------------------------------------------------------------


@requires(READ)
@require_http_methods(["GET", "HEAD", "POST"])
def attempt(request: HttpRequest) -> HttpResponse:
    """GET: an empty form, or (`receipt`) a stored receipt read anew. POST: what the callback in it would mean.

    Nothing is stored, and what was pasted goes into no log.
    """
    draft = drafts.open_draft()
    found: list[Tried] = []
    receipt, shown, status = None, True, 200
    if request.method == "POST":
        form = TryForm(request.POST)
        if form.is_valid():
            tables = _tables(draft if form.cleaned_data["draft"] else None)
            # The first way to read it that is accepted, else what is wrong with the last.
            read = [tried(understand(line, tables), line["provider"], tables) for line in form.lines()]
            found = [next((one for one in read if one.accepted), read[-1])]
        else:
            status = 422
    elif "receipt" in request.GET:
        receipt, shown = _receipt(request), _full(request)
        account = get_object_or_404(Account, pk=receipt.account_id)
        line, tables = as_line(receipt, account), _tables(None)
        found = [tried(understand(line, tables), account.provider, tables)]
        form = TryForm(initial=as_form(receipt, account) if shown else {"provider": account.provider})
    else:
        form = TryForm()
    told = {
        **_sections("try", draft),
        "form": form,
        "result": found[0] if found else None,
        "receipt": receipt,
        "full": shown,
        "limit": settings.RECEIPT_MAX_BYTES,
    }
    answer = render(request, "mappings/try.html", told, status=status)
    add_never_cache_headers(answer)  # it holds what was pasted
    return answer


def _tables(draft: MappingVersion | None) -> Mapping:
    """The tables in force, or as the draft would leave them."""
    in_force = mappings.latest()
    if draft is None:
        return in_force
    edited = {key: mappings.code_of(row) for key, row in _drafted(draft).items()}
    return Mapping(draft.number, {**in_force.codes, **edited})


def _receipt(request: HttpRequest) -> Receipt:
    if not who(request).has_perm("deliveries.view_receipt"):
        raise PermissionDenied
    mark = request.GET["receipt"]
    if not (mark.isascii() and mark.isdigit() and int(mark) <= LARGEST_ID):
        raise Http404("There is no such receipt.")
    return get_object_or_404(Receipt, pk=int(mark))


# ---- What routes prove -----------------------------------------------------------------------------------------


@requires(READ, "deliveries.view_routeevidence")
@require_http_methods(["GET", "HEAD", "POST"])
def routes(request: HttpRequest) -> HttpResponse:
    """GET: the rules and a form for another. POST: add it."""
    form = RouteForm(request.POST if request.method == "POST" else None)
    if request.method == "POST":
        if not who(request).has_perm("deliveries.add_routeevidence"):
            raise PermissionDenied
        if form.is_valid():
            try:
                with transaction.atomic():
                    RouteEvidence.objects.create(**form.cleaned_data)
            except IntegrityError:
                form.add_error(None, "There is a rule for exactly this route by now.")
            else:
                messages.success(request, "Added. It counts for every report that comes in from now on.")
                return redirect("mappings:routes")
    carriers = DayTally.objects.exclude(carrier="").order_by("carrier").values_list("carrier", flat=True)
    told = {
        **_sections("routes", drafts.open_draft()),
        "form": form,
        "rules": [
            (one, heard.table_name(one.provider) if one.provider else "")
            for one in RouteEvidence.objects.order_by("channel", "provider", "country", "carrier")
        ],
        "carriers": carriers.distinct()[:OFFERED],
    }
    return render(request, "mappings/routes.html", told, status=422 if form.errors else 200)


@requires(READ, "deliveries.delete_routeevidence")
@require_POST
def remove_route(request: HttpRequest, pk: int) -> HttpResponse:
    if RouteEvidence.objects.filter(pk=pk).delete()[0]:
        messages.success(request, "Removed. Reports that came in before keep what was said of them.")
    else:
        messages.error(request, "That rule was gone already.")
    return redirect("mappings:routes")
