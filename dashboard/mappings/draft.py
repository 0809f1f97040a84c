"""The draft: its rows, what publishing it would change, and publishing it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe
from django.views.decorators.vary import vary_on_headers

from accounts.roles import requires
from dashboard.mappings import history
from dashboard.mappings.code_forms import RemoveForm, VersionNoteForm
from dashboard.mappings.sections import EDIT, PUBLISH, READ, hurry, sections
from dashboard.shell.pages import fragment, swaps, who
from deliveries.meaning import drafts
from deliveries.meaning.drafts import CannotChange, NotConfirmed
from deliveries.models import CodeMapping, MappingVersion
from deliveries.receiving import replay
from deliveries.receiving.replay_preview import Difference
from deliveries.wake import wake


@requires(READ)
@require_safe
@vary_on_headers("HX-Request")
def draft(request: HttpRequest) -> HttpResponse:
    return _draft_page(request, VersionNoteForm())


def _draft_page(request: HttpRequest, form: VersionNoteForm, status: int = 200) -> HttpResponse:
    found = drafts.open_draft()
    context: dict[str, Any] = {**sections("draft", found), "form": form}
    if found:
        hurry(found)
        difference = Difference.read(found.preview)
        context |= {
            "changes": history.changed(drafts.changes(found)),
            "counted": history.counted(found),
            "percent": history.percent(found),
            "freed": history.freed(difference.freed),
            "freed_count": difference.freed,
            "headline": history.headline(difference),
            "moves": history.moves(difference),
            "aftermath": history.aftermath(difference),
            "counted_at": found.previewed_at.isoformat() if found.previewed_at else "",
            "swap": swaps(request),
        }
    return render(request, fragment(request, "mappings/draft.html", "difference"), context, status=status)


def _acting(request: HttpRequest, act: Callable[[MappingVersion], str], *, wakes: bool = False) -> bool:
    """Do something to the draft while nobody else can; say what was done, or why it was not."""
    try:
        with transaction.atomic():
            found = drafts.locked_draft()
            if found is None:
                raise CannotChange("There is no draft any more: it was published or discarded.")
            result = act(found)
            if wakes:
                transaction.on_commit(wake)
    except NotConfirmed:
        raise
    except CannotChange as problem:
        messages.error(request, str(problem))
        return False
    messages.success(request, result)
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
        replay.start_preview(found, timezone.now())
        return "Counting what would change."

    _acting(request, act, wakes=True)
    return redirect("mappings:draft")


@requires(READ, EDIT, PUBLISH)
@require_POST
def publish(request: HttpRequest) -> HttpResponse:
    form = VersionNoteForm(request.POST)
    if not form.is_valid():
        return _draft_page(request, form, status=422)
    number = 0

    def act(found: MappingVersion) -> str:
        nonlocal number
        counted_at = found.previewed_at.isoformat() if found.previewed_at else ""
        if not history.counted(found) or form.cleaned_data["counted_at"] != counted_at:
            raise CannotChange(
                "The draft was changed or counted anew since you looked. Look again, then publish."
            )
        drafts.publish(
            found,
            note=form.cleaned_data["note"],
            by=who(request),
            now=timezone.now(),
            confirmed=form.cleaned_data["confirmed"],
        )
        number = found.pk
        return f"Version {number} is in force. What came in before is being read again."

    try:
        done = _acting(request, act, wakes=True)
    except NotConfirmed as problem:
        form.add_error("confirmed", str(problem))
        return _draft_page(request, form, status=422)
    return redirect("mappings:version", number) if done else redirect("mappings:draft")
