"""What people ask for on the pages that links in our messages lead to."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from contacts import grounds
from contacts.addresses import match_key
from contacts.consenting import record_opt_out
from contacts.models import Suppression
from deliveries.deciding.stopping import stop_paths
from deliveries.models import Message

HOW = "Unsubscribe link"
BY_PROGRAM, ON_PAGE = "one click in the mail program", "confirmed on the page"


def message_of(ref: str) -> Message | None:
    """The message that a link stood in, with its address; None for one that is gone."""
    found = Message.objects.select_related("address").only("pk", "channel", "contact", "address")
    return found.exclude(address__value="").filter(uuid=ref).first() if ref else None


def unsubscribe(ref: str, now: datetime, where: str) -> None:
    """Whoever got this message wants none of the kind any more: the address is blocked, and what waits is withdrawn.

    Asked for again, it changes nothing; once they opted in anew, it counts anew. `where` it was asked for is evidence.
    """
    message = message_of(ref)
    if message is None:
        return
    value, fact = message.address.value, _fact(message)
    if not fact:
        return
    with transaction.atomic():
        evidence = f"{grounds.LINK_IN} {message.pk}, {where}"
        record_opt_out(value=value, channel=message.channel, how=HOW, evidence=evidence, at=now, fact=fact)
        stop_paths([value], now)


def _fact(message: Message) -> str:
    """What the opt-out is recorded for; '' while the last one by this link stands. Two clicks at once name the same."""
    name = f"{grounds.LINK} {message.pk}"
    found = Suppression.objects.filter(match_key=match_key(message.address.value)).exclude(value="")
    said = dict(found.filter(fact__startswith=name).values_list("fact", "released_at"))
    said = {fact: lifted for fact, lifted in said.items() if fact.split(" #")[0] == name}
    if None in said.values():
        return ""
    return f"{name} #{len(said) + 1}" if said else name
