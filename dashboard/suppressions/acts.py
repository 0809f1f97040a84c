"""Suppressions to change: one added, a list of them, one released. All but the last only ever tighten."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib import messages
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods

from accounts.roles import requires
from contacts.blocking import closes
from contacts.blocking_lists import Blocked, Fate
from contacts.consenting import record_request
from contacts.headers import UnreadableFile
from contacts.models import Suppression
from contacts.phones import concealed
from contacts.strength import RELEASE, may_lift
from contacts.suppressing import CannotRelease, release, suppress
from dashboard.shell.pages import may_assign, may_see, who
from dashboard.suppressions.forms import AddForm, LiftForm, SuppressionsForm
from dashboard.suppressions.listing import whole_or_masked
from dashboard.suppressions.views import SEE
from deliveries.deciding.held_back import held_back, send_held_back
from deliveries.deciding.stopping import apply_blocking_list

SUPPRESS = "contacts.suppress_contact"
SHOWN = 500  # lines of a file that the page lists
Reason, Origin = Suppression.Reason, Suppression.Origin


@requires(SEE, SUPPRESS)
@require_http_methods(["GET", "HEAD", "POST"])
def add(request: HttpRequest) -> HttpResponse:
    form = AddForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        block, already = _add(request, form.cleaned_data)
        if already:
            messages.warning(request, "It is in force already, in your own words, so there is no second one.")
        else:
            messages.success(request, "Suppressed. Nothing more is sent there.")
        return redirect("suppressions:detail", block.pk)
    context = {"form": form, "section": "add"}
    return render(request, "suppressions/add.html", context, status=422 if form.errors else 200)


def _add(request: HttpRequest, given: dict[str, Any]) -> tuple[Suppression, bool]:
    """The suppression in force now, and whether it was before."""
    now = timezone.now()
    wanted: dict[str, Any] = {
        "contact": given["contact"], "value": given["value"], "channel": given["channel"], "evidence": given["note"],
        "by": who(request), "now": now,
    }  # fmt: skip
    if given["reason"] == Reason.ASKED:
        block = record_request(**wanted)
    else:
        block = suppress(**wanted, reason=given["reason"], origin=Origin.STAFF, expires_at=given["until"])
    return block, block.created_at != now


@requires(SEE, SUPPRESS)
@require_http_methods(["GET", "HEAD", "POST"])
def upload(request: HttpRequest) -> HttpResponse:
    """A list of addresses. With the button `check` nothing is saved."""
    posted = request.method == "POST"
    form = SuppressionsForm(
        request.POST if posted else None,
        request.FILES if posted else None,
        initial={"region": settings.DEFAULT_REGION},
    )
    context: dict[str, Any] = {"form": form, "section": "upload"}
    if posted and form.is_valid():
        given = form.cleaned_data
        only_checked = "check" in request.POST
        try:
            result = apply_blocking_list(
                given["file"],
                reason=given["reason"],
                source=given["source"],
                region=given["region"],
                now=timezone.now(),
                dry_run=only_checked,
            )
        except UnreadableFile as problem:
            form.add_error("file", str(problem))
        else:
            context |= _result(result, full=may_see(request)) | {"checked": only_checked}
    return render(request, "suppressions/upload.html", context, status=422 if form.errors else 200)


def _result(result: Blocked, *, full: bool) -> dict[str, Any]:
    """What became of each line, those that want somebody's attention first."""
    refused = [(one.line, "refused", str(one) if full else concealed(str(one))) for one in result.refused]
    words = {Fate.ADDED: "added", Fate.ALREADY: "already", Fate.TWICE: "twice"}
    rest = [
        (entry.line, words[fate], f"{whole_or_masked(entry.value, full=full)}: {fate.label.lower()}")
        for entry, fate in result.fates
    ]
    lines = [*refused, *rest]
    return {
        "result": result,
        "lines": lines[:SHOWN],
        "more": max(len(lines) - SHOWN, 0),
        "twice": sum(fate == Fate.TWICE for _, fate in result.fates),
    }


@requires(SEE, RELEASE)
@require_http_methods(["GET", "HEAD", "POST"])
def lift(request: HttpRequest, pk: int) -> HttpResponse:
    """Release one, having said what that lets go."""
    block = get_object_or_404(Suppression.objects.select_related("contact", "created_by", "follows"), pk=pk)
    now = timezone.now()
    if block.released_at is not None or not may_lift(who(request), block):
        over = "That suppression does not hold any more."
        messages.error(request, over if block.released_at else str(CannotRelease(block)))
        return redirect("suppressions:detail", pk)
    form = LiftForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        sent = _lift(request, block, form.cleaned_data)
        more = f" {sent} message{'' if sent == 1 else 's'} on the way." if sent else ""
        messages.success(request, f"Released.{more}")
        return redirect("suppressions:detail", pk)
    context = {
        "entry": block,
        "form": form,
        "section": "list",
        "address": whole_or_masked(block.value, full=may_see(request)),
        "closes": closes(block),
        "held": held_back(block, now),
        "may_send": may_assign(who(request)),
        "others": _others(block),
    }
    return render(request, "suppressions/release.html", context, status=422 if form.errors else 200)


@transaction.atomic
def _lift(request: HttpRequest, block: Suppression, given: dict[str, Any]) -> int:
    """How many messages it had held back are sent."""
    now, user = timezone.now(), who(request)
    wanted = given["send"] and may_assign(user)
    held = held_back(block, now) if wanted else None
    release(block, by=user, note=given["note"], now=now)
    if held is None or not held.ready:
        return 0
    return send_held_back(held.ready, f"{user.display_name} released a suppression: {given['note']}", now)


def _others(block: Suppression) -> int:
    """How many more there are of the same address or person."""
    rows = Suppression.objects.in_force(timezone.now()).exclude(pk=block.pk).exclude(follows=block)
    if block.value:
        return rows.filter(match_key=block.match_key).exclude(value="").count()
    return rows.filter(contact=block.contact, value="").count()
