"""The page on which people confirm that they agreed to email, by the link in the one mail that asked them."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from contacts.models import AutomaticAnswer
from contacts.opt_ins import confirm_by_link
from deliveries import links
from public.answers import answer

FIELD = "confirm"  # in the address: this page of the link's


def page(request: HttpRequest, token: str) -> HttpResponse:
    """Opening it changes nothing; a link that is not ours, or too old, is seen to be so once the button is pressed."""
    if request.method != "POST":
        return answer("public/confirm.html")
    ref = links.read(token)
    question = AutomaticAnswer.objects.select_related("address").filter(uuid=ref).first() if ref else None
    if question is None or not confirm_by_link(question, timezone.now()):
        return answer("public/not_confirmed.html", status=404)
    return answer("public/confirmed.html")
