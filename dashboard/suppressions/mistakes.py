"""Suppressions that would not be made today: looked through, and released together."""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from typing import Any

from django import forms
from django.contrib import messages
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from accounts.roles import requires
from contacts.models import Suppression
from contacts.strength import RELEASE
from contacts.suppressing import LONGEST_NOTE, MISTAKEN, release_each
from dashboard.shell.pages import may_see, who
from dashboard.suppressions.listing import shown
from dashboard.suppressions.views import SEE
from deliveries.outcomes.keyset import Page, read_id
from deliveries.outcomes.mistaken_suppressions import WALK, MistakenSuppression, candidates, mistaken, walk

SIZE = 100  # looked at for one page, and released together


class ReleaseTogetherForm(forms.Form):
    note = forms.CharField(
        label="Why",
        max_length=LONGEST_NOTE - len(MISTAKEN) - 2,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text="In your words. It stays on record with your name, at each of them.",
    )


@requires(SEE)
@require_safe
def show(request: HttpRequest) -> HttpResponse:
    """Those among the newest that may be mistaken; a page looks at a fixed number of them."""
    now = timezone.now()
    looked_at = walk(now, SIZE, request.GET.get("after", ""))
    context = {
        "found": _rows(request, mistaken(looked_at.rows, now)),
        "walk": WALK,
        "next_url": f"?after={older}" if (older := _older(looked_at, now)) else "",
        "first_url": "" if looked_at.first else request.path,
        "may_release": request.user.has_perm(RELEASE),
        "section": "mistakes",
    }
    return render(request, "suppressions/mistakes.html", context)


def _older(shown: Page, now: datetime) -> str:
    """Where the next page begins, past one on which nothing is mistaken; '' where no older one is."""
    if not shown.after or not shown.rows:
        return shown.after
    following = walk(now, SIZE, shown.after)
    return shown.after if mistaken(following.rows, now) else following.after


def _rows(request: HttpRequest, found: list[MistakenSuppression]) -> list[tuple[Any, MistakenSuppression]]:
    rows = shown([one.row for one in found], timezone.now(), full=may_see(request))
    return list(zip(rows, found, strict=True))


@requires(SEE, RELEASE)
@require_POST
def release(request: HttpRequest) -> HttpResponse:
    """The preview of releasing those ticked; with the button `release`, the deed. Both grade them anew."""
    ids = {pk for text in request.POST.getlist("suppressions")[:SIZE] if (pk := read_id(text))}
    if not ids:
        messages.error(request, "Tick those to release first.")
        return redirect("suppressions:mistakes")
    form = ReleaseTogetherForm(request.POST if "release" in request.POST else None)
    if form.is_bound and form.is_valid():
        done = _release(request, ids, form.cleaned_data["note"])
        left = len(ids) - done
        rest = f" {left} stayed: they are released already, or stand after all." if left else ""
        messages.success(request, f"{done} suppression{'' if done == 1 else 's'} released.{rest}")
        return redirect("suppressions:mistakes")
    found = _still_mistaken(ids)
    reasons = Counter(str(one.row.ground) for one in found)
    context = {
        "form": form,
        "found": _rows(request, found),
        "left": len(ids) - len(found),
        "reasons": sorted(reasons.items()),
        "section": "mistakes",
    }
    return render(request, "suppressions/release_mistakes.html", context, status=422 if form.errors else 200)


def _still_mistaken(ids: set[int], *, lock: bool = False) -> list[MistakenSuppression]:
    now = timezone.now()
    rows = candidates(now).filter(pk__in=ids)
    if lock:
        kept = Suppression.objects.select_for_update().filter(pk__in=ids).order_by("pk")
        list(kept.values_list("pk"))
    else:
        rows = rows.select_related("contact", "created_by")
    return mistaken(list(rows.order_by("-created_at", "-pk")), now)


@transaction.atomic
def _release(request: HttpRequest, ids: set[int], note: str) -> int:
    found = Suppression.objects.filter(pk__in=[one.row.pk for one in _still_mistaken(ids, lock=True)])
    return len(release_each(found, by=who(request), note=f"{MISTAKEN}: {note}", now=timezone.now()))
