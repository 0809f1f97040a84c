"""Whether receipts come back, account by account, and a test callback of our own."""

from __future__ import annotations

from dataclasses import dataclass

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from accounts.roles import requires
from dashboard.shell.pages import who
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


@requires(SEE)
@require_safe
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
    return render(request, "senders/receiving.html", {"proofs": proofs, "section": "receiving"})


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
        messages.success(request, "A test callback is on its way. Open the page again in a few seconds.")
    else:
        messages.error(request, "Only the provider can sign its callbacks: wait for the first real receipt.")
    return redirect("senders:receiving")
