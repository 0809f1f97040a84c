"""The page behind the link in every mail, and the one click of mail programs (RFC 8058)."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.views.decorators.http import require_http_methods

from deliveries import links
from deliveries.models import Message
from deliveries.receiving.unsubscribing import BY_PROGRAM, ON_PAGE, answer_of, message_of, unsubscribe
from public import choosing, confirming, correcting
from public.answers import answer, for_anybody

BUTTON = "from"  # what the button of our page sends in the address, and no mail program does


@for_anybody
@require_http_methods(["GET", "HEAD", "POST"])
def page(request: HttpRequest, token: str) -> HttpResponse:
    """Opening it changes nothing: programs that look for dangerous links do that. A POST is the person's word, whatever
    is in it. The page that asks is the same for a link that is not ours; only who has a link of ours, whose proof fits,
    is told that it is done, and whoever has none that nothing was recorded."""
    if choosing.FIELD in request.GET:
        return choosing.page(request, token)
    if confirming.FIELD in request.GET:
        return confirming.page(request, token)
    if correcting.FIELD in request.GET:
        return correcting.page(request, token)
    if request.method != "POST":
        return answer("public/unsubscribe.html")
    ref = links.read(token)
    sent = message_of(ref) or answer_of(ref)
    if sent is None:
        return answer("public/not_unsubscribed.html", status=404)
    unsubscribe(sent, timezone.now(), ON_PAGE if BUTTON in request.GET else BY_PROGRAM)
    return answer("public/unsubscribed.html", {"chooses": isinstance(sent, Message)})
