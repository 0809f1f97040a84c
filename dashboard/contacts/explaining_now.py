"""What holds now, to be read to the customer on the phone: what they asked of us, and how we can reach them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime

from django.utils.text import Truncator

from contacts import grounds
from contacts.channels import KIND_OF, Channel, Kind
from contacts.models import Contact, Suppression
from contacts.phones import ERASED, concealed
from contacts.preferring import KEPT_OFF
from dashboard.contacts.banner import acts
from dashboard.contacts.explaining_words import HOW_THEY_ASKED, NOUN, day_words, where
from deliveries.outcomes.reachability import Reach, SidePanel
from deliveries.wording import listed

QUOTED = 80  # characters of what somebody wrote


def what_holds(contact: Contact, reach: SidePanel) -> list[str]:
    """What holds now: what waits for a reply to be read, what they asked for, and what is left."""
    if contact.erased_at:
        return [f"We erased your details on {day_words(contact.erased_at)}; you get nothing at all from us."]
    return [*_held(reach), *_asked(reach), *_used(reach), *_reached(reach)]


def _held(reach: SidePanel) -> list[str]:
    if reach.held_since is None:
        return []
    return [f"You wrote to us on {day_words(reach.held_since)}; we hold everything until it is read."]


def _used(reach: SidePanel) -> list[str]:
    """Which address took the place of another that something above may be about."""
    lines = []
    for kind, noun in ((Kind.PHONE, "number"), (Kind.EMAIL, "email address")):
        mine = [one for one in reach.addresses if one.kind == kind and not one.value.startswith(ERASED)]
        now = next((one for one in mine if one.preferred), None)
        open_there = [one for one in reach.channels if KIND_OF[Channel(one.channel)] == kind and not one.off]
        earlier = [one for one in mine if now and not one.preferred and one.match_key != now.match_key]
        if now and earlier and open_there:
            old = listed([where(one.value) for one in earlier])
            lines.append(f"We have changed your {noun}: we now use {where(now.value)}, no longer {old}.")
    return lines


# ---- What they asked of us -------------------------------------------------------------------------------------


def _asked(reach: SidePanel) -> list[str]:
    """What they said themselves, the newest first, and what it closes; a no without a block names its channel."""
    facts = []
    for act, extended in acts(reach.suppressions):
        if line := _act(act, extended, reach):
            facts.append((act.created_at, line))
    noes: defaultdict[datetime, list[Reach]] = defaultdict(list)
    for one in reach.channels:
        if one.consent and one.opted_out and not any(each.by_recipient for each in one.suppressions):
            noes[one.consent.at].append(one)
    for at, those in noes.items():
        facts.append((at, _no(those, at)))
    return [line for _, line in sorted(facts, reverse=True)]


def _no(those: Sequence[Reach], at: datetime) -> str:
    if all(one.consent and one.consent.how.startswith(KEPT_OFF) for one in those):
        return f"When you chose on {day_words(at)} what you get, this stayed off: {_nothing(those)} from us."
    return f"You opted out on {day_words(at)}; since then {_nothing(those)} from us."


def _act(act: Suppression, extended: Sequence[Suppression], reach: SidePanel) -> str:
    """'' for what the person did not ask for, and for what closes nothing of theirs any more."""
    rows = {act.pk, *(one.pk for one in extended)}
    closed = [one for one in reach.channels if rows & {each.pk for each in one.suppressions}]
    indirect = grounds.is_listed(act) or act.reading
    ground = grounds.LISTED if indirect else grounds.opt_out(act) or act.reason
    if not act.by_recipient or not closed:
        return ""
    used = {one.address.value for one in closed if one.address}
    met = [one.value for one in (act, *extended) if one.value in used] or [act.value]
    there = f" at {listed(map(where, met))}" if act.value else ""
    how = HOW_THEY_ASKED.get(ground, "You asked us to stop on {day}")
    how = how.format(day=day_words(act.created_at), words=_quoted(act.evidence))
    if act.value and (act.carried or act.value not in met):
        which = "another" if act.carried else "your earlier"
        kind = "email address" if "@" in act.value else "number"
        return f"{how}, with {which} {kind}. It still holds: {_nothing(closed)} from us{there}."
    return f"{how}; since then {_nothing(closed)} from us{there}."


def _quoted(text: str) -> str:
    """What somebody wrote, on one line, and no more of an address than everybody may see."""
    return Truncator(concealed(" ".join(text.split()))).chars(QUOTED)


def _nothing(closed: Sequence[Reach]) -> str:
    if len(closed) == len(Channel):
        return "you get nothing at all"
    return f"you get no {listed([f'{NOUN[Channel(one.channel)]}s' for one in closed], 'or')}"


def _reached(reach: SidePanel) -> list[str]:
    """What is off for other reasons than their word, and what is left."""
    ours = [
        one
        for one in reach.off
        if not one.opted_out and not any(each.by_recipient for each in one.suppressions)
    ]
    lines = []
    if ours:
        lines.append(
            f"We no longer use {listed([f'{NOUN[Channel(one.channel)]}s' for one in ours])} to reach you."
        )
    if reach.best and reach.off:
        lines.append(f"We can still reach you by {NOUN[Channel(reach.best.channel)]}.")
    return lines
