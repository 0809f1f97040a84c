"""What people ask for on the pages that links in our messages lead to."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from contacts import grounds, preferring
from contacts.addresses import match_key
from contacts.consenting import record_opt_out
from contacts.models import AutomaticAnswer, Suppression
from deliveries.deciding.stopping import end_paths, stop_paths
from deliveries.models import Message

HOW = "Unsubscribe link"
BY_PROGRAM, ON_PAGE, CHOSEN = "one click in the mail program", "confirmed on the page", "chosen on the page"


def message_of(ref: str) -> Message | None:
    """The message that a link stood in, with its address; None for one that is gone."""
    found = Message.objects.select_related("address__contact")
    return found.exclude(address__value="").filter(uuid=ref).first() if ref else None


def answer_of(ref: str) -> AutomaticAnswer | None:
    """The answer, question, code or test of ours that a link stood in, of whatever kind; None for one that is gone."""
    found = (
        AutomaticAnswer.objects.select_related("address", "change").filter(uuid=ref).first() if ref else None
    )
    return found if found and found.to else None


@transaction.atomic
def unsubscribe(sent: Message | AutomaticAnswer, now: datetime, where: str) -> None:
    """Whoever got this wants none of the kind any more: the address is blocked, and what waits is withdrawn.

    Asked for again, it changes nothing; once they opted in anew, it counts anew. `where` it was asked for is evidence.
    """
    value = sent.address.value if isinstance(sent, Message) else sent.to
    fact = _fact(sent, value)
    if not fact:
        return
    evidence = evidence_of(sent, where)
    record_opt_out(value=value, channel=sent.channel, how=HOW, evidence=evidence, at=now, fact=fact)
    stop_paths([value], now)


@transaction.atomic
def turn_off(message: Message, channel: str, now: datetime) -> None:
    """The person who got the message wants nothing on this channel's family any more, or with '' nothing at all."""
    if channel in ("", message.channel):
        unsubscribe(message, now, CHOSEN)
    if channel != message.channel:
        preferring.turn_off(message.address, channel, evidence_of(message, CHOSEN), now)
        end_paths([message.address.contact_id], now)


@transaction.atomic
def turn_on(message: Message, channel: str, now: datetime) -> preferring.Turned:
    """The person who got the message wants it again: their own new consent."""
    return preferring.turn_on(
        message.address, channel, evidence_of(message, CHOSEN), now, _own_facts(message)
    )


def _own_facts(message: Message) -> list[str]:
    """The opt-outs that hold at the address and were said by links in messages to this person."""
    unreleased = Suppression.objects.filter(match_key=message.address.match_key, released_at=None)
    facts = unreleased.filter(fact__startswith=f"{grounds.LINK} ").values_list("fact", flat=True)
    named = {fact: int(fact.split()[1]) for fact in facts}
    theirs = Message.objects.filter(pk__in=named.values(), contact=message.contact_id)
    known = set(theirs.values_list("pk", flat=True))
    return [fact for fact, pk in named.items() if pk in known]


def evidence_of(sent: Message | AutomaticAnswer, where: str) -> str:
    return f"{grounds.LINK_IN if isinstance(sent, Message) else grounds.LINK_IN_ANSWER} {sent.pk}, {where}"


def _fact(sent: Message | AutomaticAnswer, value: str) -> str:
    """What the opt-out is recorded for; '' while the last one by this link stands. Two clicks at once name the same."""
    name = f"{grounds.LINK if isinstance(sent, Message) else grounds.ANSWER_LINK} {sent.pk}"
    found = Suppression.objects.filter(match_key=match_key(value)).exclude(value="")
    said = dict(found.filter(fact__startswith=name).values_list("fact", "released_at"))
    said = {fact: lifted for fact, lifted in said.items() if fact.split(" #")[0] == name}
    if None in said.values():
        return ""
    return f"{name} #{len(said) + 1}" if said else name
