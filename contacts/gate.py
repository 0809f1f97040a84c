"""The gate: may this be sent to this person, on this channel, now? Every path to a send asks here, and only here.

`REASONS` is the whole of it: each reason with its sentence, whether it stops a message or holds it until later,
and its check. The order of the table is the order in which the checks are made.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

from django.db import models

from contacts import drawing, grounds
from contacts.blocking import Block
from contacts.channels import IMPOSSIBLE_LINES, KIND_OF, Channel, strike_limit
from contacts.gate_facts import Ask, Dimension, GateFacts, gather
from contacts.grounds import day
from contacts.hours import clocks, held_by, local_zones, next_close, next_open, other_day, place
from contacts.jurisdictions import Law, laws
from contacts.models import Address, AddressHealth, AutomaticAnswer, Suppression
from contacts.phones import ERASED
from contacts.states import CAMPAIGN_SENDS, SENDER_MAY_SEND, CampaignState

# What is held until somebody acts (a pause, a reply to read) is asked about again after this: soon enough for whoever
# resumes it; sooner, what waits would be claimed for nothing.
ASK_AGAIN = timedelta(minutes=5)
SENDER_AGAIN = timedelta(minutes=15)  # so much may wait for one that it is asked about less often


class Reason(models.TextChoices):
    EXCLUDED = "excluded", "On an excluded list"
    NO_ADDRESS = "no_address", "No address"
    OPTED_OUT = "opted_out", "Opted out"
    NEEDS_CORRECTION = "needs_correction", "Needs correction"
    INVALID_ADDRESS = "invalid_address", "Invalid address"
    NOT_IN_SERVICE = "not_in_service", "Not in service"
    WRONG_LINE = "wrong_line", "Wrong line type"
    SUPPRESSED = "suppressed", "Suppressed"
    NOT_CONFIRMED = "not_confirmed", "Not confirmed yet"
    NO_CONSENT = "no_consent", "No consent"
    HARD_FAILS = "hard_fails", "Failed too often"
    HOLD_OUT = "hold_out", "Held out to compare"
    NO_COMMON_HOUR = "no_common_hour", "No hour fits its time zones"
    NO_LAWFUL_HOUR = "no_lawful_hour", "No hour permitted by law"
    CAMPAIGN_NOT_SENDING = "campaign_not_sending", "Campaign not sending"
    LEFT_OUT = "left_out", "Left out when it went on"
    NOT_RELEVANT = "not_relevant", "No longer relevant"
    SENDER_NOT_APPROVED = "sender_not_approved", "Sender not approved"
    REPLY_UNREAD = "reply_unread", "Reply to read"
    CAMPAIGN_PAUSED = "campaign_paused", "Campaign paused"
    QUIET_HOURS = "quiet_hours", "Quiet hours"


@dataclass(frozen=True, slots=True)
class Verdict:
    """`reason` is a key of `REASONS`, '' when allowed. `until`: held, ask again then; None when stopped for good.

    `ends`: of what waits for the permitted hours, when those are over again or it is no longer relevant.
    """

    allowed: bool
    reason: str = ""
    until: datetime | None = None
    detail: str = ""
    ends: datetime | None = None


class Objection(NamedTuple):
    detail: str = ""
    until: datetime | None = None
    ends: datetime | None = None


Check = Callable[[GateFacts, Ask, datetime], Objection | None]


class GateRule(NamedTuple):
    """`sentence` completes "Not sent:". `holds`: the message waits; else it is stopped."""

    sentence: str
    holds: bool
    check: Check


# ---- The checks: None, or what stands against it -----------------------------------------------------------


def _excluded(facts: GateFacts, ask: Ask, now: datetime) -> Objection | None:
    return Objection() if facts.excluded else None


def _no_address(facts: GateFacts, ask: Ask, now: datetime) -> Objection | None:
    found = facts.address
    fits = found and found.contact_id == ask.contact_id and found.kind == KIND_OF[Channel(ask.channel)]
    return None if fits else Objection()


def _needs_correction(facts: GateFacts, ask: Ask, now: datetime) -> Objection | None:
    if facts.health.marked_at:
        return Objection(f"marked on {day(facts.health.marked_at)}")
    return Objection() if _validity(facts) == Address.Validity.NEEDS_CORRECTION else None


def _invalid_address(facts: GateFacts, ask: Ask, now: datetime) -> Objection | None:
    if _validity(facts) != Address.Validity.INVALID:
        return None
    erased = facts.address is not None and facts.address.match_key.startswith(ERASED)
    return Objection("the person was erased" if erased else "")


def _not_in_service(facts: GateFacts, ask: Ask, now: datetime) -> Objection | None:
    dead = facts.health.closed == AddressHealth.Closed.NUMBER
    return Objection(facts.health.closed_why) if dead else None


def _validity(facts: GateFacts) -> str:
    return facts.address.validity if facts.address else ""


def _wrong_line(facts: GateFacts, ask: Ask, now: datetime) -> Objection | None:
    if facts.health.closed:
        return Objection(facts.health.closed_why)
    line = facts.address.line_type if facts.address else ""
    if line not in IMPOSSIBLE_LINES[Channel(ask.channel)]:
        return None
    return Objection(line_detail(line, ask.channel))


def line_detail(line: str, channel: str) -> str:
    """Why a line of that type does not take the channel."""
    return f"a {_words(line)} number cannot take {Channel(channel).label}"


def stopped_by(blocks: Sequence[Block]) -> Reason:
    """Which reason the gate would give for a send that these suppressions meet."""
    return Reason.OPTED_OUT if _asked_for(blocks) else Reason.SUPPRESSED


def _asked_for(blocks: Sequence[Block]) -> list[Block]:
    return [each for each in blocks if each.origin == Suppression.Origin.RECIPIENT]


def _opted_out(facts: GateFacts, ask: Ask, now: datetime) -> Objection | None:
    if theirs := _asked_for(facts.suppressions):
        return Objection(_block_text(theirs[0]))
    if facts.consent is None or facts.consent.opted_in:
        return None
    return Objection(f"opted out of {Channel(ask.channel).label} on {day(facts.consent.at)}")


def _suppressed(facts: GateFacts, ask: Ask, now: datetime) -> Objection | None:
    others = [one for one in facts.suppressions if one.origin != Suppression.Origin.RECIPIENT]
    return Objection(_block_text(others[0])) if others else None


def _not_confirmed(facts: GateFacts, ask: Ask, now: datetime) -> Objection | None:
    return Objection() if facts.awaited else None


def _no_consent(facts: GateFacts, ask: Ask, now: datetime) -> Objection | None:
    return Objection(f"never opted in to {Channel(ask.channel).label}") if facts.consent is None else None


def _hard_fails(facts: GateFacts, ask: Ask, now: datetime) -> Objection | None:
    fails = facts.health.hard_fails
    if fails < strike_limit(ask.channel, ask.strikes, facts.health.enough):
        return None
    if fails == 1:
        return Objection(f"a permanent failure on {Channel(ask.channel).label}")
    return Objection(f"{fails} permanent failures in a row on {Channel(ask.channel).label}")


def _hold_out(facts: GateFacts, ask: Ask, now: datetime) -> Objection | None:
    if not ask.hold_out:
        return None  # what is asked of no campaign in particular has none
    held = drawing.place(ask.contact_id, ask.campaign_id, drawing.HOLD_OUT) < ask.hold_out
    return Objection() if held else None


def _no_common_hour(facts: GateFacts, ask: Ask, now: datetime) -> Objection | None:
    hours = _hours(facts, ask)
    if hours is None or next_open(now, hours.zones, ask.window_start, ask.window_end) is not None:
        return None
    window = f"{ask.window_start:%H:%M} to {ask.window_end:%H:%M}"
    return Objection(f"{clocks(now, hours.zones)}; {window} never is at once: {NAME_THE_ZONE}")


def _no_lawful_hour(facts: GateFacts, ask: Ask, now: datetime) -> Objection | None:
    hours = _hours(facts, ask)
    if hours is None or next_open(now, *hours) is not None:
        return None
    return Objection(held_by(now, *hours))


class _Hours(NamedTuple):
    """When a send is permitted, as `contacts.hours` is asked about it."""

    zones: tuple[ZoneInfo, ...]
    start: time
    end: time
    laws: tuple[Law, ...]


def _hours(facts: GateFacts, ask: Ask) -> _Hours | None:
    """None where none are kept."""
    found = facts.address
    if not Channel(ask.channel).keeps_hours or found is None:
        return None
    zones = local_zones(found.contact_time_zone, found.time_zone)
    lawful = laws(found.region, found.match_key, ask.channel, ask.purpose)
    return _Hours(zones, ask.window_start, ask.window_end, lawful)


def _campaign_not_sending(facts: GateFacts, ask: Ask, now: datetime) -> Objection | None:
    if ask.campaign_state in CAMPAIGN_SENDS:
        return None
    return Objection(f"the campaign is {_words(ask.campaign_state)}")


def _campaign_paused(facts: GateFacts, ask: Ask, now: datetime) -> Objection | None:
    return Objection("", now + ASK_AGAIN) if ask.campaign_state == CampaignState.PAUSED else None


def _reply_unread(facts: GateFacts, ask: Ask, now: datetime) -> Objection | None:
    if facts.unread_since is None:
        return None
    return Objection(f"a reply of {day(facts.unread_since)} waits to be read", now + ASK_AGAIN)


def _sender_not_approved(facts: GateFacts, ask: Ask, now: datetime) -> Objection | None:
    if ask.sender_state in SENDER_MAY_SEND:
        return None
    return Objection(f"{ask.sender_value} is {_words(ask.sender_state)}", now + SENDER_AGAIN)


def _left_out(facts: GateFacts, ask: Ask, now: datetime) -> Objection | None:
    found = facts.address
    if found is None:
        return None
    what = next((what for what in ask.left_out if found.has(*what)), None)
    if what is None:
        return None
    dimension, value = what
    return Objection(f"the {dimension} {value}" if dimension != Dimension.SOURCE else "their list source")


def _not_relevant(facts: GateFacts, ask: Ask, now: datetime) -> Objection | None:
    if ask.answer is not None and not facts.owed:
        return Objection("an answer to a word of theirs that is answered, or too long ago")
    if ask.relevant_until is None or now < ask.relevant_until:
        return None
    return Objection(f"it was relevant until {day(ask.relevant_until)}")


def _quiet_hours(facts: GateFacts, ask: Ask, now: datetime) -> Objection | None:
    hours = _hours(facts, ask)
    opens = next_open(now, *hours) if hours else None  # the same for many of a batch, and kept
    if hours is None or opens is None or opens <= now:
        return None
    ends = min(filter(None, [next_close(opens, *hours), ask.relevant_until]))
    zones = hours.zones
    first = max(zones, key=lambda zone: opens.astimezone(zone).replace(tzinfo=None))  # as `clocks` begins
    there = opens.astimezone(first)
    later = other_day(there, now.astimezone(first).date())
    where = f" in {place(first)}" if len(zones) > 1 else ""
    why = f"{law}; " if (law := held_by(now, *hours)) else ""
    return Objection(f"{clocks(now, zones)}; {why}opens {there:%H:%M}{later}{where}", opens, ends)


# Whatever stops a message comes before what merely holds it: nothing waits for hours only to be stopped then. What the
# person asked for comes before what is wrong with an address: nobody need correct it, for it would lift nothing.
# The campaign's own choice of people frames what stands against a person: whom it leaves out comes first, as it means
# nobody there; whom it holds out comes last, so that these are people whom it would have written to.
REASONS: dict[Reason, GateRule] = {
    Reason.EXCLUDED: GateRule("they are on a list that the campaign leaves out", False, _excluded),
    Reason.NO_ADDRESS: GateRule("there is no address for this channel", False, _no_address),
    Reason.OPTED_OUT: GateRule("the person opted out", False, _opted_out),
    Reason.NEEDS_CORRECTION: GateRule("the address waits to be corrected", False, _needs_correction),
    Reason.INVALID_ADDRESS: GateRule("the address is known to be invalid", False, _invalid_address),
    Reason.NOT_IN_SERVICE: GateRule("the number is not in service", False, _not_in_service),
    Reason.WRONG_LINE: GateRule("the number cannot take this channel", False, _wrong_line),
    Reason.SUPPRESSED: GateRule("the address or the contact is suppressed", False, _suppressed),
    Reason.NOT_CONFIRMED: GateRule(
        "they have not confirmed yet that they agreed, which their list asks for", False, _not_confirmed
    ),
    Reason.NO_CONSENT: GateRule("there is no consent for this channel", False, _no_consent),
    Reason.HARD_FAILS: GateRule("the address failed permanently too often in a row", False, _hard_fails),
    Reason.HOLD_OUT: GateRule("they are held out, to compare with those written to", False, _hold_out),
    Reason.NO_COMMON_HOUR: GateRule(
        "no hour is permitted in all of the time zones where the person may be", False, _no_common_hour
    ),
    Reason.NO_LAWFUL_HOUR: GateRule(
        "the campaign sends at no hour that is permitted where the person is", False, _no_lawful_hour
    ),
    Reason.CAMPAIGN_NOT_SENDING: GateRule("the campaign is not sending", False, _campaign_not_sending),
    Reason.LEFT_OUT: GateRule(
        "the campaign was stopped, and goes on without this part of its audience", False, _left_out
    ),
    Reason.NOT_RELEVANT: GateRule("it is too late to be relevant", False, _not_relevant),
    # Ours to put in order, and no fault of theirs: what was launched while it could send waits.
    Reason.SENDER_NOT_APPROVED: GateRule("the sender is not approved", True, _sender_not_approved),
    Reason.REPLY_UNREAD: GateRule("a reply of the person waits to be read", True, _reply_unread),
    Reason.CAMPAIGN_PAUSED: GateRule("the campaign is paused", True, _campaign_paused),
    Reason.QUIET_HOURS: GateRule("it is outside the permitted hours where the person is", True, _quiet_hours),
}

# The one exception. An answer that is owed to a word of the person passes what that word put in its way, and what holds
# for messages that nobody asked for. Everything else stops it as well: a bad number, a block of staff, a complaint.
ANSWERS_PASS = frozenset(
    {
        Reason.OPTED_OUT, Reason.NO_CONSENT, Reason.NO_COMMON_HOUR, Reason.NO_LAWFUL_HOUR, Reason.REPLY_UNREAD,
        Reason.QUIET_HOURS,
    }
)  # fmt: skip
# A code, and a question whether they agreed, go where nobody has agreed to anything yet, and past nothing else. So does
# a test, which goes at any hour to an address that whoever asks for it just then has proved to be theirs.
PASSES: dict[str, frozenset[Reason]] = {
    AutomaticAnswer.Kind.STOP: ANSWERS_PASS,
    AutomaticAnswer.Kind.HELP: ANSWERS_PASS,
    AutomaticAnswer.Kind.CODE: frozenset({Reason.NO_CONSENT}),
    AutomaticAnswer.Kind.CONFIRM: frozenset({Reason.NO_CONSENT}),
    AutomaticAnswer.Kind.TEST: frozenset({Reason.NO_CONSENT}),
}

ALLOWED = Verdict(allowed=True)
NAME_THE_ZONE = "enter the contact's time zone"
NOT_SENT = "Not sent: "
NOT_SENT_BY = "Not sent by "  # several channels, each with what stops it


def sentence(reason: str, detail: str = "") -> str:
    """Why nothing was sent, as decisions and trails say it."""
    why = REASONS[Reason(reason)].sentence
    detail = _beyond(why, detail)
    return f"{NOT_SENT}{why}{f' ({detail})' if detail else ''}."


def _beyond(why: str, detail: str) -> str:
    """What the detail adds: where it begins by saying the same once more, only what follows."""
    first, _, rest = detail.partition(", ")
    return rest if {*first.lower().split()} <= {*why.lower().split()} else detail


def judge(facts: GateFacts, ask: Ask, now: datetime) -> Verdict:
    """The first objection in the order of `REASONS`, else allowed. Pure; every call gives a verdict."""
    by_word = all(one.reason in Suppression.BY_WORD for one in _asked_for(facts.suppressions))
    passes = PASSES.get(facts.owed, frozenset()) if by_word else frozenset()
    for reason, rule in REASONS.items():
        if reason in passes:
            continue
        objection = rule.check(facts, ask, now)
        if objection is not None:
            return Verdict(False, reason.value, objection.until, objection.detail, objection.ends)
    return ALLOWED


def check(asks: Sequence[Ask], now: datetime, *, past: bool = False) -> dict[int, Verdict]:
    """A verdict for every ask, by its key. `now` is aware; `past`: it is over, and what was known then counts.

    Six queries whatever the number of asks, two more where lists ask to confirm.
    To be binding it must run in the transaction that claims the messages.
    """
    found = gather(asks, now, past=past)
    return {ask.key: judge(facts, ask, now) for ask, facts in zip(asks, found, strict=True)}


# ---- Words --------------------------------------------------------------------------------------------------

_REASON_TEXTS = {
    Suppression.Reason.COMPLAINT: "complained of spam",
    Suppression.Reason.HARD_BOUNCE: "hard bounce",
    Suppression.Reason.HARD_FAILS: "permanent failures",
    Suppression.Reason.UNREACHABLE: "not reachable for too long",
    Suppression.Reason.STAFF: "suppressed by staff",
    Suppression.Reason.IMPORTED: "imported as suppressed",
    Suppression.Reason.ASKED: "asked us to stop",
    Suppression.Reason.LEGAL: "legal demand",
    Suppression.Reason.REGISTER: "on a do-not-call register",
    Suppression.Reason.LITIGATOR: "known litigator",
}


def _block_text(found: Block) -> str:
    if words := grounds.opt_out(found):
        text = grounds.dated(words, found.created_at)
        return f"{text[0].lower()}{text[1:]}"
    return f"{_REASON_TEXTS[Suppression.Reason(found.reason)]} on {day(found.created_at)}"


def _words(key: str) -> str:
    return key.replace("_", " ")
