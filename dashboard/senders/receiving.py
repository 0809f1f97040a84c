"""Whether receipts come back, account by account, and a test callback of our own."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe
from django.views.decorators.vary import vary_on_headers

from accounts.roles import requires
from dashboard.senders.waiting import still_comes
from dashboard.shell.pages import fragment, who
from deliveries.credentials import CredentialsUnreadable
from deliveries.models import Account, CallbackTest
from deliveries.receiving import callback_tests

SEE, TEST = "campaigns.view_sender", "campaigns.launch_campaign"


@dataclass(frozen=True)
class AccountProof:
    """One account, and what proves that its receipts come back."""

    account: Account
    last_test: CallbackTest | None
    can_test: bool
    is_proven: bool

    def comes(self, now: datetime) -> bool:
        """Whether the result of its test is about to come."""
        last = self.last_test
        return last is not None and not (last.arrived_at or last.trouble) and still_comes(last.asked_at, now)


@requires(SEE)
@require_safe
@vary_on_headers("HX-Request")
def index(request: HttpRequest) -> HttpResponse:
    now = timezone.now()
    proofs = []
    for account in Account.objects.readable():
        if not account.active:
            continue
        last = account.callback_tests.order_by("-pk").first()
        proven = callback_tests.proven_at(account)
        proofs.append(
            AccountProof(
                account,
                last,
                callback_tests.can_test(account),
                proven is not None and proven > now - callback_tests.FRESH,
            )
        )
    context = {"proofs": proofs, "section": "receiving", "comes": any(one.comes(now) for one in proofs)}
    return render(request, fragment(request, "senders/receiving.html", "proofs"), context)


@requires(SEE, TEST)
@require_POST
def test(request: HttpRequest, pk: int) -> HttpResponse:
    account = get_object_or_404(Account.objects.defer("credentials"), pk=pk, active=True)
    try:
        able = callback_tests.can_test(Account.objects.get(pk=account.pk))
    except CredentialsUnreadable as problem:
        messages.error(request, str(problem))
        return redirect("senders:receiving")
    if able:
        callback_tests.begin(account, who(request), timezone.now())
        messages.success(request, "A test callback is on its way. Its result stands here in a few seconds.")
    else:
        messages.error(request, "Only the provider can sign its callbacks: wait for the first real receipt.")
    return redirect("senders:receiving")
