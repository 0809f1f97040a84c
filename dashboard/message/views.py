"""The page of one message: what became of it, and by which reports."""

from __future__ import annotations

from datetime import datetime

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils import timezone
from django.views.decorators.http import require_safe

from accounts.roles import requires
from dashboard.shell.pages import may_see
from deliveries.models import Engagement, Message, ReceiptGap
from deliveries.outcomes.message_details import LINKS, attempts
from deliveries.statuses import Disposition

MOST_DEEDS = 30  # of what was done with a message; of a link one click by a person and one by a machine


@requires("campaigns.view_report")
@require_safe
def message(request: HttpRequest, pk: int) -> HttpResponse:
    linked = (*LINKS, "account")
    found = get_object_or_404(Message.objects.select_related(*linked), pk=pk)
    [attempt] = attempts([found])
    followers = list(Message.objects.filter(recipient_id=found.recipient_id).order_by("id"))
    context = {
        "message": found,
        "attempt": attempt,
        "family": followers,
        "did": Engagement.objects.filter(message_id=found.pk).order_by("at", "pk")[:MOST_DEEDS],
        "silent_since": _silent_since(found),
        "full": may_see(request),
        "now": timezone.now(),
    }
    return render(request, "message/message.html", context)


def _silent_since(message: Message) -> datetime | None:
    """Since when no receipts of its account come, where that is why this message is silent."""
    if message.disposition != Disposition.PENDING:
        return None
    since = ReceiptGap.held().get(message.account_id)
    return since if since and message.is_without_evidence(since) else None
