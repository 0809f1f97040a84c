"""Shared playbooks: all of them, and making, copying and changing one. Whom a change is about is said before it."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_safe

from accounts.roles import requires
from campaigns.models import Playbook
from campaigns.playbook_changes import PlaybookSavedMeanwhile, as_it_is, save_playbook
from dashboard.playbooks.forms import PlaybookPageForm, changes, said
from dashboard.shell.pages import who
from deliveries.outcomes.keyset import read_id
from deliveries.outcomes.playbook_use import PlaybookUse, affected, uses

SEE, ADD, CHANGE = "campaigns.view_playbook", "campaigns.add_playbook", "campaigns.change_playbook"
SHOWN = 20  # changes, the newest
LONGEST_NAME = 80


@requires(SEE)
@require_safe
def index(request: HttpRequest) -> HttpResponse:
    used = uses()
    lines = [
        (one, said(one), used.get(one.pk, PlaybookUse()))
        for one in Playbook.objects.shared().order_by("name", "pk")
    ]
    return render(request, "playbooks/list.html", {"lines": lines, "title": "Playbooks"})


@requires(SEE, ADD)
@require_http_methods(["GET", "HEAD", "POST"])
def new(request: HttpRequest) -> HttpResponse:
    """`?from=` is the shared one that it begins as a copy of."""
    source = Playbook.objects.shared().filter(pk=read_id(request.GET.get("from", "")) or 0).first()
    made = Playbook(**source.rules) if source else Playbook()
    made.name = f"{source.name[: LONGEST_NAME - 6]}, copy" if source else ""
    form = PlaybookPageForm(request.POST if request.method == "POST" else None, instance=made)
    if request.method == "POST" and form.is_valid():
        save_playbook(form.instance, by=who(request), now=timezone.now())
        messages.success(request, f"{made.name} is saved. Campaigns can follow it from now on.")
        return redirect("playbooks:playbook", made.pk)
    title = f"Copy of {source.name}" if source else "New playbook"
    context = {
        "form": form,
        "title": title,
        "playbook": None,
        "may_change": True,
        "back": reverse("playbooks:list"),
    }
    return render(request, "playbooks/playbook.html", context, status=422 if form.errors else 200)


@requires(SEE)
@require_http_methods(["GET", "HEAD", "POST"])
def show(request: HttpRequest, pk: int) -> HttpResponse:
    """What is typed is shown with the campaigns that it changes first, where any goes on, and saved once that was
    looked at. One of a campaign alone is changed where that campaign is."""
    playbook = get_object_or_404(Playbook.objects.select_related("own_of", "began_from"), pk=pk)
    if playbook.own_of:
        return redirect(playbook.own_of)
    may_change = request.user.has_perm(CHANGE)
    if request.method != "POST":
        form = PlaybookPageForm(instance=playbook, locked=not may_change)
        return _page(request, playbook, form, may_change=may_change)
    if not may_change:
        raise PermissionDenied
    before = as_it_is(playbook)
    form = PlaybookPageForm(request.POST, instance=playbook)
    if not form.is_valid():
        return _page(request, playbook, form, before=before)
    following = affected(playbook)
    if following and as_it_is(playbook) != before and request.POST.get("looked_at") != form.digest:
        return _page(request, playbook, form, before=before, review=True)
    try:
        saved = save_playbook(
            form.instance,
            by=who(request),
            now=timezone.now(),
            seen=read_id(request.POST.get("version", "")) or 0,
        )
    except PlaybookSavedMeanwhile as problem:
        [stored] = problem.args
        form.add_error(
            None,
            f"It was saved meanwhile as version {stored.version}. Look at what would change, and save again.",
        )
        return _page(request, playbook, form, before=as_it_is(stored), review=True, version=stored.version)
    messages.success(
        request,
        f"{playbook.name} is saved as version {playbook.version}." if saved else "Nothing was changed.",
    )
    return redirect("playbooks:playbook", playbook.pk)


def _page(
    request: HttpRequest,
    playbook: Playbook,
    form: PlaybookPageForm,
    *,
    may_change: bool = True,
    before: dict[str, Any] | None = None,
    review: bool = False,
    version: int = 0,
) -> HttpResponse:
    name = before["name"] if before else playbook.name
    kept = playbook.changes.select_related("by")[:SHOWN]
    following = affected(playbook)
    context = {
        "title": name,
        "playbook": playbook,
        "form": form,
        "may_change": may_change,
        "back": reverse("playbooks:list"),
        "version": version or playbook.version,
        "use": uses().get(playbook.pk, PlaybookUse()),
        "affected": following,
        "waiting": sum(one.waiting for one in following),
        "review": changes(before, as_it_is(playbook)) if review and before else [],
        "kept": [(one, changes(one.before, one.after)) for one in kept],
    }
    return render(request, "playbooks/playbook.html", context, status=422 if form.errors else 200)
