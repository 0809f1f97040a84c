"""Published versions: what each changed, how far reading anew has come, and undo."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.db import IntegrityError, transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_safe
from django.views.decorators.vary import vary_on_headers

from accounts.roles import requires
from dashboard.mappings import history
from dashboard.mappings.code_forms import ConfirmForm
from dashboard.mappings.sections import EDIT, PUBLISH, READ, hurry, numbered
from dashboard.shell.pages import fragment, swaps, who
from deliveries.meaning import drafts
from deliveries.meaning.drafts import CannotChange, NotConfirmed
from deliveries.models import MappingVersion
from deliveries.receiving.replay_preview import Difference
from deliveries.wake import wake

CHANGES_SHOWN = 50
ORIGIN_BUCKETS = {
    MappingVersion.Origin.SHIPPED: "unknown",
    MappingVersion.Origin.STAFF: "pending",
    MappingVersion.Origin.UNDO: "optout",
}


@requires(READ)
@require_safe
@vary_on_headers("HX-Request")
def version(request: HttpRequest, number: int) -> HttpResponse:
    found = _version(number)
    if found.state == MappingVersion.State.DRAFT:
        return redirect("mappings:draft")
    hurry(found)
    context = {
        **_version_facts(found),
        "changes": numbered(drafts.changes(found), CHANGES_SHOWN, request),
        "obstacle": history.obstacle(found, drafts.open_draft()),
        "percent": history.percent(found),
        "moves": history.moves(Difference.read(found.preview)),
        "swap": swaps(request),
    }
    context["rows"] = history.changed(context["changes"])
    return render(request, fragment(request, "mappings/version.html", "progress"), context)


def _version(number: int) -> MappingVersion:
    linked = MappingVersion.objects.select_related("created_by", "undoes", "undone_by")
    return get_object_or_404(linked, pk=number)


def _version_facts(found: MappingVersion) -> dict[str, Any]:
    difference = Difference.read(found.preview)
    return {
        "version": found,
        "who": history.VersionLine(found, 0, "").who,
        "origin_bucket": ORIGIN_BUCKETS[MappingVersion.Origin(found.origin)],
        "expected": difference.messages if found.preview else None,
    }


@requires(READ, EDIT, PUBLISH)
@require_http_methods(["GET", "HEAD", "POST"])
def undo(request: HttpRequest, number: int) -> HttpResponse:
    """GET: what it would restore. POST: restore it, as a version of its own."""
    found = _version(number)
    form = ConfirmForm(request.POST if request.method == "POST" else None)
    if request.method == "POST":
        confirmed = form.cleaned_data["confirmed"] if form.is_valid() else 0
        try:
            return _undo(request, found, confirmed)
        except NotConfirmed as problem:
            form.add_error("confirmed", str(problem))
    freed = drafts.freed_by_undoing(found)
    changes = numbered(drafts.changes(found), CHANGES_SHOWN, request)
    context = {
        **_version_facts(found),
        "changes": changes,
        # Backwards: what is in force now, and what would be again.
        "rows": history.changed(drafts.Change(one.key, one.after, one.before) for one in changes),
        "obstacle": history.obstacle(found, drafts.open_draft()),
        "freed": history.freed(freed, "Up to "),
        "freed_count": freed,
        "form": form,
    }
    return render(request, "mappings/undo.html", context, status=422 if form.errors else 200)


def _undo(request: HttpRequest, found: MappingVersion, confirmed: int) -> HttpResponse:
    """Raises NotConfirmed."""
    try:
        with transaction.atomic():
            back = drafts.undo(found, by=who(request), now=timezone.now(), confirmed=confirmed)
            transaction.on_commit(wake)
    except NotConfirmed:
        raise
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
