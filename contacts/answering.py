"""Answers to a word of a person: which are owed, in which words, and for how long.

A sure STOP is confirmed once: a second STOP of somebody who is opted out already asks for nothing new. HELP is answered
once an hour, so that two machines cannot go on answering each other. Whether one may go is the gate's to judge.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from contacts.addresses import match_key
from contacts.channels import Channel
from contacts.consent_ledger import family_of
from contacts.models import Address, AnswerWording, AutomaticAnswer, Suppression
from contacts.models.answers import HELP_TEXT, STOP_TEXT

Kind, State = AutomaticAnswer.Kind, AutomaticAnswer.State
# The FCC presumes a confirmation to be one that comes so soon (47 CFR 64.1200(a)(12)).
WITHIN = timedelta(minutes=5)
HELP_APART = timedelta(hours=1)


def owe(
    kind: str,
    *,
    value: str,
    channel: str,
    sender_value: str,
    account_id: int,
    at: datetime,
    by_provider: bool,
) -> AutomaticAnswer | None:
    """Note down that an answer is owed to whoever wrote from `value` to `sender_value`; None where none is.

    To be asked before the opt-out itself is recorded. `by_provider`: the provider answers such words itself, unless
    somebody turned that off there.
    """
    if channel not in family_of(Channel.SMS):
        return None
    text = _wording(kind, sender_value, by_provider)
    address = Address.objects.filter(match_key=match_key(value)).exclude(value="").order_by("pk").first()
    fact = _fact(kind, value, at)
    if not text or address is None or not fact:
        return None
    made, is_new = AutomaticAnswer.objects.get_or_create(
        kind=kind,
        match_key=address.match_key,
        fact=fact,
        defaults={
            "address": address,
            "channel": Channel.SMS,
            "sender_value": sender_value,
            "account_id": account_id,
            "text": text,
            "asked_at": at,
        },
    )
    return made if is_new else None


def _wording(kind: str, sender_value: str, by_provider: bool) -> str:
    """What is answered; '' for nothing."""
    known = {
        one.sender_value: one for one in AnswerWording.objects.filter(sender_value__in=["", sender_value])
    }
    wording = (
        known.get(sender_value) or known.get("") or AnswerWording(stop_text=STOP_TEXT, help_text=HELP_TEXT)
    )
    if wording.who == wording.Who.NOBODY or (wording.who == wording.Who.AUTO and by_provider):
        return ""
    return wording.stop_text if kind == Kind.STOP else wording.help_text


def _fact(kind: str, value: str, at: datetime) -> str:
    """What it answers. A STOP counts from one opt-in to the next: '' where they are opted out already."""
    if kind == Kind.HELP:
        return f"hour {int(at.timestamp() // HELP_APART.total_seconds())}"
    theirs = Suppression.objects.filter(match_key=match_key(value), origin=Suppression.Origin.RECIPIENT)
    said = list(theirs.exclude(value="").values_list("released_at", flat=True))
    return "" if None in said else f"opt-out {len(said) + 1}"


def is_owed(answer: AutomaticAnswer | None, key: str, channel: str, now: datetime) -> bool:
    """Whether this answer may still go to the address with this key, on this channel."""
    return (
        answer is not None
        and answer.state == State.WAITING
        and answer.match_key == key
        and answer.channel == channel
        and now - answer.asked_at <= WITHIN
    )
