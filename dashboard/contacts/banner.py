"""What is turned off for a contact, on which grounds, and what is still allowed: the banner of their page."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from contacts.channels import Channel
from contacts.grounds import BY_REPLY, day
from contacts.models import AddressHealth, Consent, Suppression
from contacts.phones import grouped, mask
from deliveries.outcomes.reachability import Reach, SidePanel
from deliveries.wording import listed

Show = Callable[[str], str]  # how an address is written

SHOWN = 5  # grounds


@dataclass(frozen=True)
class Ground:
    """One thing that closes channels. `quote` is what was written, and may hold addresses; `closes` is a sentence."""

    at: datetime
    words: str
    quote: str
    closes: str


@dataclass(frozen=True)
class Banner:
    title: str
    still: str
    grounds: list[Ground]  # the newest first
    more: int  # grounds that are not shown
    bucket: str


def banner(reach: SidePanel, *, full: bool = False) -> Banner | None:
    """None when nothing is off. Addresses are whole only in `full`."""
    if not reach.off:
        return None
    whole = reach.silenced or any(not one.value and not one.channel for one in reach.suppressions)
    what = "Everything is" if whole else f"{_first(named(reach.off))} {_are(reach.off)}"
    asked = any(one.opted_out or any(each.by_recipient for each in one.suppressions) for one in reach.off)
    show = whole_or_masked(full)
    found = sorted(_grounds(reach, show), key=lambda ground: ground.at, reverse=True)
    return Banner(
        title=f"{what} turned off for this contact.",
        still=_still(reach.allowed),
        grounds=found[:SHOWN],
        more=len(found[SHOWN:]),
        bucket="optout" if asked else "permanent",
    )


def acts(suppressions: Sequence[Suppression]) -> list[tuple[Suppression, list[Suppression]]]:
    """Each act once, in their order, with those that extend it to other addresses."""
    shown = {one.pk for one in suppressions}
    extended: defaultdict[int | None, list[Suppression]] = defaultdict(list)
    for one in suppressions:
        if one.follows_id in shown:
            extended[one.follows_id].append(one)
    return [(one, extended[one.pk]) for one in suppressions if one.follows_id not in shown]


def blocked(act: Suppression, extended: Sequence[Suppression], *, full: bool = False) -> str:
    """What an act blocks. Addresses are whole only in `full`."""
    show = whole_or_masked(full)
    return listed([show(one.value) if one.value else "The whole contact" for one in (act, *extended)])


def whole_or_masked(full: bool) -> Show:
    """How an address is written for whoever may see it in `full`, and for everybody else: as in the page's header."""
    return grouped if full else mask


def named(reaches: Iterable[Reach]) -> str:
    """Channels by their names, inside a sentence: "SMS, MMS and voice"."""
    return listed([Channel(one.channel).in_sentence for one in reaches])


def _grounds(reach: SidePanel, show: Show) -> Iterator[Ground]:
    yield from _of_suppressions(reach, show)
    yield from _of_consents(reach.off)
    yield from _of_health(reach.off, show)


def _of_suppressions(reach: SidePanel, show: Show) -> Iterator[Ground]:
    for act, extended in acts(reach.suppressions):
        rows = {act.pk, *(one.pk for one in extended)}
        closed = [one for one in reach.off if rows & {each.pk for each in one.suppressions}]
        if closed:
            yield Ground(act.created_at, _how(act), _quote(act), _closes(act, extended, closed, show))


def _how(act: Suppression) -> str:
    entered = act.created_by if act.reason != Suppression.Reason.STOP else None
    who = f", entered by {entered.display_name}" if entered else ""
    until = f", until {day(act.expires_at)}" if act.expires_at else ""
    reading = f", {act.reading}" if act.reading else ""
    return f"{act.ground_dated}{reading}{who}{until}"


def _quote(act: Suppression) -> str:
    """What somebody wrote."""
    return act.quote if act.created_by_id or act.ground in BY_REPLY else ""


def _closes(act: Suppression, extended: Sequence[Suppression], closed: Sequence[Reach], show: Show) -> str:
    what = "every channel" if not act.value and not act.channel else named(closed)
    if not act.value:
        return f"Closes {what} for the whole contact."
    where = {one.address.value for one in closed if one.address}
    met = [one.value for one in (act, *extended) if one.value in where] or [act.value]
    return f"Closes {what} at {listed([show(one) for one in met])}."


def _of_consents(off: Sequence[Reach]) -> Iterator[Ground]:
    """Opt-outs of a channel, apart from those that block an address as well: they stand with the block."""
    together: defaultdict[tuple, list[Reach]] = defaultdict(list)
    for one in off:
        consent = one.consent
        if consent is None or consent.opted_in:
            continue
        if not any(_blocks_for(each, consent) for each in one.suppressions):
            together[consent.at, consent.how, consent.recorded_by, consent.evidence].append(one)
    for (at, how, colleague, evidence), those in together.items():
        who = f", entered by {colleague.display_name}" if colleague else ""
        words = f"Opted out on {day(at)} ({how}){who}"
        yield Ground(at, words, evidence if colleague else "", f"Closes {named(those)}.")


def _blocks_for(block: Suppression, consent: Consent) -> bool:
    """Whether the block stands for that very no. One that was read out of an earlier report began to hold later."""
    same = block.created_at == consent.at or (consent.reading and block.evidence == consent.evidence)
    return bool(block.by_recipient and same)


def _of_health(off: Sequence[Reach], show: Show) -> Iterator[Ground]:
    """What failed, apart from what the playbook has made a suppression of."""
    together: defaultdict[str, list[Reach]] = defaultdict(list)
    for one in off:
        if one.shut:
            together[one.shut].append(one)
        elif one.hard_fails >= one.strikes and not any(each.counts_failures for each in one.suppressions):
            together[_failures(one.hard_fails)].append(one)
    for words, those in together.items():
        at = _since([one.health for one in those])
        where = listed(dict.fromkeys(show(one.address.value) for one in those if one.address))
        yield Ground(at, f"{words}, {day(at)}", "", f"Closes {named(those)} at {where}.")


def _failures(n: int) -> str:
    return "A permanent failure" if n == 1 else f"{n} permanent failures in a row"


def _since(rows: Sequence[AddressHealth]) -> datetime:
    """When it was marked or failed last. A channel that is closed for what failed on another has no time of its own."""
    known = [at for row in rows if (at := row.marked_at or row.last_failed_at)]
    return max(known) if known else min(row.updated_at for row in rows)


def _still(allowed: Sequence[Reach]) -> str:
    """What may still be used, and what may but did not work the last time."""
    if not allowed:
        return "Nothing may be sent."
    failing = [one for one in allowed if one.bucket == "permanent"]
    well = [one for one in allowed if one not in failing]
    return " ".join(
        f"{_first(named(those))} {_are(those)} {words}."
        for those, words in ((well, "still allowed"), (failing, "allowed, but failed permanently before"))
        if those
    )


def _first(words: str) -> str:
    return f"{words[0].upper()}{words[1:]}"


def _are(reaches: Sequence[Reach]) -> str:
    return "is" if len(reaches) == 1 else "are"
