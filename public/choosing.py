"""The page on which people choose what they get from us: each kind on or off, or nothing at all."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils import timezone

from contacts.preferring import SORTS, Turned, is_theirs, preferences
from deliveries import links
from deliveries.models import Message
from deliveries.receiving.unsubscribing import message_of, turn_off, turn_on
from public.answers import answer

FIELD = "choices"  # in the address: this page of the link's two
# What the address says after a change, and the page then.
SAID: dict[str, str] = {
    Turned.SAVED: "Saved. It holds from now on.",
    Turned.UNCHANGED: "Nothing was changed.",
    Turned.SHARED: "Saved, but somebody else who uses this number or address wants nothing from us: it stays off.",
    Turned.TOO_OFTEN: "You turned things on too often today. Nothing was changed: try again tomorrow.",
}


def page(request: HttpRequest, token: str) -> HttpResponse:
    """Only for whoever the address of the message still belongs to; a link that is not ours gets the same answer."""
    message = message_of(links.read(token))
    if message is None or not is_theirs(message.address):
        return answer("public/no_choices.html", status=404)
    if request.method == "POST":
        return HttpResponseRedirect(f"?{FIELD}={_change(message, request.POST.get('do', ''))}")
    known = preferences(message.address, timezone.now())
    context = {
        "preferences": known,
        "said": SAID.get(request.GET[FIELD], ""),
        "ended": all(one.ended for one in known),
    }
    return answer("public/choices.html", context)


def _change(message: Message, wish: str) -> Turned:
    """Do what a button says, "off sms" or "stop"."""
    act, _, channel = wish.partition(" ")
    now = timezone.now()
    if wish == "stop":
        turn_off(message, "", now)
        return Turned.SAVED
    if channel not in [one.channel for one in SORTS] or act not in ("on", "off"):
        return Turned.UNCHANGED
    if act == "off":
        turn_off(message, channel, now)
        return Turned.SAVED
    return turn_on(message, channel, now)
