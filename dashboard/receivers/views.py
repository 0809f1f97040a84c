"""Receivers: whether the receipts of each account come in, the times in which they did not, and those that could not be
processed."""

from __future__ import annotations

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from accounts.roles import requires
from dashboard.shell.pages import next_url, who
from deliveries.models import PendingReceipt, ReceiptGap, ReceiptRetry
from deliveries.outcomes import receiver_status
from deliveries.outcomes.counting import counted
from deliveries.receiving import dead_letters, gaps

SEE, LETTERS = "deliveries.view_receiptgap", "deliveries.view_pendingreceipt"
RELEASE, RETRY = "deliveries.change_receiptgap", "deliveries.change_pendingreceipt"
RETRIES_SHOWN = 10
State = PendingReceipt.State
SHOWN = [(State.DEAD.value, State.DEAD.label), (State.PARKED.value, State.PARKED.label)]


@requires(SEE)
@require_safe
def page(request: HttpRequest) -> HttpResponse:
    """Every account, and the gaps of all of them."""
    found = receiver_status.gaps(request.GET.get("after", ""))
    context = {
        "lines": receiver_status.receiver_lines(timezone.now()),
        "page": found,
        "first_url": f"{reverse('receivers:page')}#gaps-title",
        "may_release": who(request).has_perm(RELEASE),
        "opens_accounts": who(request).is_staff and who(request).has_perm("deliveries.view_account"),
    }
    return render(request, "receivers/receivers.html", context)


class NoteForm(forms.Form):
    note = forms.CharField(max_length=300)


@requires(SEE, RELEASE)
@require_POST
def release(request: HttpRequest, pk: int) -> HttpResponse:
    """Let the messages of an open gap go on without their evidence."""
    get_object_or_404(ReceiptGap, pk=pk)
    form = NoteForm(request.POST)
    if not form.is_valid():
        messages.error(request, "Nothing was changed: say why they may go on without receipts.")
    elif gaps.release(pk, who(request), form.cleaned_data["note"], timezone.now()):
        messages.success(request, "Let go. What waits for evidence goes on within 15 minutes.")
    else:
        messages.error(request, "Nothing was changed: it has ended, or somebody was faster.")
    return redirect("receivers:page")


class LettersForm(forms.Form):
    """Which of them are listed: dead or parked, of one reason or of all."""

    state = forms.ChoiceField(choices=SHOWN)
    reason = forms.CharField(required=False, max_length=300)


@requires(SEE, LETTERS)
@require_safe
def letters(request: HttpRequest) -> HttpResponse:
    form = LettersForm(
        {"state": request.GET.get("state", State.DEAD), "reason": request.GET.get("reason", "")}
    )
    valid = form.is_valid()
    state = form.cleaned_data["state"] if valid else State.DEAD
    reason = form.cleaned_data["reason"] if valid else ""
    shown, found = receiver_status.letters(state, reason, request.GET.get("after", ""))
    counts = {key: counted(PendingReceipt.objects.filter(state=key)) for key, _ in SHOWN}
    context = {
        "state": state,
        "reason": reason,
        "tabs": [(f"?state={one}", label, counts[one], one == state) for one, label in SHOWN],
        "letters": shown,
        "reasons": receiver_status.reasons(state),
        "page": found,
        "first_url": f"?state={state}",
        "keep": f"state={state}",
        "retries": ReceiptRetry.objects.select_related("by")[:RETRIES_SHOWN],
        "may_retry": who(request).has_perm(RETRY) and state == State.DEAD,
        "back": request.get_full_path(),
    }
    return render(request, "receivers/letters.html", context)


class RetryForm(forms.Form):
    """One dead letter, or all with one reason."""

    one = forms.IntegerField(required=False, min_value=1, max_value=2**63 - 1)
    reason = forms.CharField(required=False, max_length=300)
    note = forms.CharField(required=False, max_length=300)


@requires(SEE, LETTERS, RETRY)
@require_POST
def retry(request: HttpRequest) -> HttpResponse:
    form = RetryForm(request.POST)
    n = 0
    if form.is_valid():
        one, reason = form.cleaned_data["one"], form.cleaned_data["reason"]
        ids = [one] if one else dead_letters.with_reason(reason) if reason else []
        note = form.cleaned_data["note"]
        n = dead_letters.try_again(ids, who(request), timezone.now(), reason="" if one else reason, note=note)
    if n:
        messages.success(request, f"{n:,} dead letter{' is' if n == 1 else 's are'} tried again now.")
    else:
        messages.error(
            request, "Nothing was changed: no dead letter was chosen, or they are tried again already."
        )
    return redirect(next_url(request, reverse("receivers:letters")))
