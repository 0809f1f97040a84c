"""Bringing people in from a file: upload, columns, preview, the import itself, its refused lines and its undo."""

from __future__ import annotations

import csv
import logging
import re
from collections.abc import Iterator, Mapping
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts.roles import requires
from campaigns.drafting import draft_without_people
from contacts import import_dates, import_runs, import_undo
from contacts.access_log import note_whole
from contacts.erased_files import imported_parts
from contacts.headers import UnreadableFile
from contacts.import_columns import WHAT_IS_WRONG
from contacts.import_files import store_upload
from contacts.import_options import ImportOptions
from contacts.import_preview import check, first_lines, samples, uses_to_begin_with
from contacts.models import ContactImport, ContactList, ImportedContact
from dashboard.contacts.import_forms import ColumnsForm, UploadForm
from dashboard.exports import BOM, Echo, file_name, safe
from dashboard.shell.pages import may_see, swaps, who
from deliveries.outcomes.keyset import page
from deliveries.outcomes.sources import ComparedSource, poor_sources, source_of
from deliveries.wake import wake

logger = logging.getLogger(__name__)

State = ContactImport.State
MAY = "contacts.import_contacts"
PAGE = 30  # imports
CELL = re.compile("“[^”]*”")  # as faults quote it
STATE_BUCKETS = {
    State.READING: "pending",
    State.DRAFT: "unknown",
    State.RUNNING: "pending",
    State.DONE: "success",
    State.FAILING: "retryable",
    State.FAILED: "permanent",
    State.UNDOING: "pending",
    State.UNDONE: "optout",
}


@requires(MAY)
@require_http_methods(["GET", "HEAD", "POST"])
def index(request: HttpRequest) -> HttpResponse:
    """GET: the upload, and the imports so far. POST: a file."""
    form = UploadForm(request.POST or None, request.FILES or None)
    if request.method == "POST" and form.is_valid():
        file = form.cleaned_data["file"]
        try:
            draft = store_upload(file.file, name=file.name, by=who(request), now=timezone.now())
        except UnreadableFile as problem:
            form.add_error("file", str(problem))
        else:
            return redirect("contacts:import_columns", draft.pk)
    found = page(
        ContactImport.objects.select_related("created_by", "contact_list", "source").exclude(
            state=State.READING
        ),
        PAGE,
        request.GET.get("after", ""),
    )
    poor = poor_sources()
    rows = [(one, STATE_BUCKETS[State(one.state)], _poor(one, poor)) for one in found.rows]
    context = {"form": form, "page": found, "rows": rows}
    return render(request, "contacts/imports.html", context, status=422 if form.errors else 200)


def _poor(one: ContactImport, poor: Mapping[int, ComparedSource]) -> ContactList | None:
    """The source of its people where that has done far worse than the others."""
    source = source_of(one)
    return source if source and source.pk in poor else None


@requires(MAY)
@require_http_methods(["GET", "HEAD", "POST"])
def columns(request: HttpRequest, pk: int) -> HttpResponse:
    """What the columns are, and where the people go."""
    draft = _mine(request, pk)
    if draft.state != State.DRAFT:
        return redirect("contacts:import", pk)
    uses, initial = _to_begin_with(draft)
    form = ColumnsForm(request.POST or None, titles=draft.titles, uses=uses, initial=initial)
    if request.method == "POST" and form.is_valid() and _decide(draft, form):
        return redirect("contacts:import_preview", pk)
    context = {"one": draft, "form": form, "columns": form.columns(samples(draft))}
    return render(request, "contacts/import_columns.html", context, status=422 if form.errors else 200)


def _to_begin_with(draft: ContactImport) -> tuple[list[str], dict[str, Any]]:
    """The uses and the other fields as they are shown at first."""
    if draft.options:
        chosen = ImportOptions.of(draft)
        given = chosen.as_json() | {"contact_list": draft.contact_list_id, "source": draft.source_id}
        return chosen.uses, given | ({} if draft.contact_list_id else _list_of(chosen.list_name))
    uses, last = uses_to_begin_with(draft)
    return uses, {
        "region": last.region if last else settings.DEFAULT_REGION,
        "fill_in": bool(last and last.fill_in),
        **_list_of(draft.file_name.rpartition(".")[0][:120]),
    }


def _list_of(name: str) -> dict[str, Any]:
    """The list with this name, which may have been made meanwhile, else a new one."""
    known = ContactList.objects.filter(name__iexact=name).first()
    return {"contact_list": known.pk if known else None, "list_name": "" if known else name}


def _decide(draft: ContactImport, form: ColumnsForm) -> bool:
    """Keep what was decided, and check the first lines by it; False where the file does not allow it."""
    options = form.options
    try:
        day_first = import_dates.guess(draft, options)
    except UnreadableFile as problem:
        form.add_error("dates", str(problem))
        return False
    draft.options = options.as_json() | {"day_first": day_first}
    draft.contact_list, draft.source = form.cleaned_data["contact_list"], form.cleaned_data["source"]
    draft.preview = check(draft, timezone.now())
    mine = ContactImport.objects.filter(pk=draft.pk, state=State.DRAFT)
    mine.update(
        options=draft.options, contact_list=draft.contact_list, source=draft.source, preview=draft.preview
    )
    return True


@requires(MAY)
@require_safe
def preview(request: HttpRequest, pk: int) -> HttpResponse:
    draft = _mine(request, pk)
    if draft.state != State.DRAFT:
        return redirect("contacts:import", pk)
    if not draft.options:
        return redirect("contacts:import_columns", pk)
    options, source = ImportOptions.of(draft), source_of(draft)
    context = {
        "one": draft,
        "poor": poor_sources().get(source.pk) if source else None,
        "options": options,
        "found": draft.preview,
        "refused": [each for each in draft.preview["faults"] if each["refused"]],
        "without": [each for each in draft.preview["faults"] if not each["refused"]],
        "accepted": sum(draft.preview[name] for name in ("added", "updated", "unchanged")),
        "all_checked": draft.preview["lines"] == draft.lines,
        "rows": first_lines(draft, timezone.now()),
        "into": draft.contact_list or options.list_name,
    }
    return render(request, "contacts/import_preview.html", context)


@requires(MAY)
@require_POST
def start(request: HttpRequest, pk: int) -> HttpResponse:
    draft = _mine(request, pk)
    if import_runs.start(draft, timezone.now()):
        logger.warning("%s imports %s, import %d", request.user, draft.file_name, draft.pk)
        transaction.on_commit(wake)
    elif draft.state == State.DRAFT:
        return redirect("contacts:import_columns", pk)
    return redirect("contacts:import", pk)


@requires(MAY)
@require_safe
def result(request: HttpRequest, pk: int) -> HttpResponse:
    """How far an import is, and what came of it."""
    one = _find(pk)
    if one.state in (State.DRAFT, State.READING):
        return redirect("contacts:import_columns", pk)
    kept = ImportedContact.Kept
    faults = _faults(request, one)
    context = {
        "one": one,
        "state_bucket": STATE_BUCKETS[State(one.state)],
        "people": one.added + one.updated + one.unchanged,
        "refused": [each for each in faults if each["refused"]],
        "without": [each for each in faults if not each["refused"]],
        "undoable": import_runs.is_undoable(one, timezone.now()),
        "undo_until": import_runs.undo_until(one),
        "has_file": one.refused and _may_read(request, one) and one.chunks.exists(),
        "staying": [
            (each.label, n) for each in kept if (n := one.people.filter(kept=each).count()) and one.kept
        ],
        "taken_back": one.removed + one.kept,
        "draft": draft_without_people(who(request)) if one.state == State.DONE else None,
    }
    answer = render(request, "contacts/import_result.html", context)
    if swaps(request) and not one.is_under_way:
        answer["HX-Refresh"] = "true"  # its state stands at the head of the page as well
    return answer


@requires(MAY)
@require_POST
def undo(request: HttpRequest, pk: int) -> HttpResponse:
    one = _find(pk)
    now = timezone.now()
    if import_runs.is_undoable(one, now) and import_undo.undo(one, who(request), now):
        logger.warning("%s undoes import %d", request.user, one.pk)
        transaction.on_commit(wake)
        messages.success(request, "The import is being undone.")
    else:
        messages.error(request, "This import cannot be undone any more.")
    return redirect("contacts:import", pk)


@requires(MAY)
@require_POST
def discard(request: HttpRequest, pk: int) -> HttpResponse:
    draft = _mine(request, pk)
    if ContactImport.objects.filter(pk=draft.pk, state=State.DRAFT).delete()[0]:
        messages.success(request, f"{draft.file_name} was not imported, and is gone.")
    return redirect("contacts:imports")


@requires(MAY)
@require_safe
def refused(request: HttpRequest, pk: int) -> StreamingHttpResponse:
    """The refused lines as they were uploaded, each with what is wrong, to be corrected and uploaded again."""
    one = _mine(request, pk)
    logger.warning("%s exports the refused lines of import %d", request.user, one.pk)
    answer = StreamingHttpResponse(_refused_lines(one), content_type="text/csv; charset=utf-8")
    named = file_name("refused lines", one.file_name.rpartition(".")[0], now=timezone.now())
    answer["Content-Disposition"] = f'attachment; filename="{named}"'
    answer["Cache-Control"] = "no-store"
    return answer


def _refused_lines(one: ContactImport) -> Iterator[str]:
    writer = csv.writer(Echo())
    width = len(one.titles)
    yield BOM + writer.writerow([safe(title) for title in one.titles] + [WHAT_IS_WRONG])
    for rows, reasons in imported_parts(one):
        why: dict[int, list[str]] = {}
        for line, column, _, reason, remedy in reasons:
            why.setdefault(line, []).append(f"{column + ': ' if column else ''}{reason}. {remedy}")
        for row in rows:
            if row.line in why:
                cells = (row.cells + [""] * width)[:width]
                yield writer.writerow([safe(cell) for cell in cells] + [safe(" ".join(why[row.line]))])


def _find(pk: int) -> ContactImport:
    return get_object_or_404(
        ContactImport.objects.select_related("created_by", "contact_list", "source", "undone_by"), pk=pk
    )


def _may_read(request: HttpRequest, one: ContactImport) -> bool:
    """Whoever uploaded a file knows what is in it; others need the right to whole addresses."""
    if one.created_by_id == who(request).pk:
        note_whole(request)
        return True
    return may_see(request)


def _faults(request: HttpRequest, one: ContactImport) -> list[dict[str, Any]]:
    """By kind, as the import noted them; without the cells they quote for whoever may not read the file."""
    if _may_read(request, one):
        return one.faults
    return [
        {**each, "why": CELL.sub("“…”", each["why"]), "remedy": CELL.sub("“…”", each["remedy"])}
        for each in one.faults
    ]


def _mine(request: HttpRequest, pk: int) -> ContactImport:
    one = _find(pk)
    if not _may_read(request, one):
        raise PermissionDenied
    return one
