"""The vocabulary of outcomes, and the order in which they win. Pure: no database, no clock.

A message shows the greatest of its events in the order below, so the order in which receipts arrive, and how
often, does not matter. `precedence()` turns an event's meaning into one number; the greatest number wins, in
Python and in SQL alike.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from hashlib import blake2b
from typing import NamedTuple

from django.db import models


class Status(models.TextChoices):
    QUEUED = "queued", "Queued"
    SENDING = "sending", "Sending"
    SENT = "sent", "Sent"
    DELAYED = "delayed", "Delayed"
    DELIVERED = "delivered", "Delivered"
    ANSWERED = "answered", "Answered"
    VOICEMAIL = "voicemail", "Voicemail"
    NO_ANSWER = "no_answer", "No answer"
    BUSY = "busy", "Busy"
    UNDELIVERED = "undelivered", "Undelivered"
    FAILED = "failed", "Failed"
    REJECTED = "rejected", "Rejected"
    EXPIRED = "expired", "Expired"
    TIMED_OUT = "timed_out", "Timed out"
    BOUNCED = "bounced", "Bounced"
    COMPLAINED = "complained", "Complained"
    OPTED_OUT = "opted_out", "Opted out"
    BLOCKED = "blocked", "Blocked"
    CANCELED = "canceled", "Canceled"
    UNKNOWN = "unknown", "Unknown"


class FailureClass(models.TextChoices):
    NONE = "none", "None"
    TEMPORARY = "temporary", "Temporary"
    PERMANENT = "permanent", "Permanent"
    COMPLIANCE = "compliance", "Compliance"
    CONTENT = "content", "Content"
    OPT_OUT = "opt_out", "Opt-out"
    ACCOUNT = "account", "Account"
    UNKNOWN = "unknown", "Unknown"


class Fault(models.TextChoices):
    NONE = "none", "Nobody"
    RECIPIENT = "recipient", "Recipient"
    SENDER = "sender", "Sender"
    CONTENT = "content", "Content"
    CARRIER = "carrier", "Carrier"
    ACCOUNT = "account", "Account"


class Evidence(models.TextChoices):
    CLOCK = "clock", "Decided by Waybill"
    ASSUMED = "assumed", "Assumed: this route sends no receipts"
    HANDED_OVER = "handed_over", "Handed over to the carrier"
    CARRIER = "carrier", "Carrier receipt"
    HANDSET = "handset", "Handset receipt"


class Queue(models.TextChoices):
    """The action queues. A tab of the report is one of these for one campaign."""

    RETRY = "retry", "Retry"
    SWITCH = "switch", "Switch channel"
    CORRECT = "correct", "Correct"
    REVIEW = "review", "Review content"
    SUPPRESS = "suppress", "Suppress"
    WATCH = "watch", "Waiting for receipt"


class Disposition(models.TextChoices):
    """The seven buckets, in the order every stack and legend keeps."""

    DELIVERED = "DELIVERED", "Delivered"
    PENDING = "PENDING", "Pending"
    PENDING_RETRY = "PENDING_RETRY", "Temporary failure"
    BOUNCED_HARD = "BOUNCED_HARD", "Can't be delivered"
    BLOCKED_COMPLIANCE = "BLOCKED_COMPLIANCE", "Blocked by carrier or rules"
    OPTOUT = "OPTOUT", "Opted out"
    UNKNOWN = "UNKNOWN", "Unknown"


# The names the interface gives the buckets in `data-b` attributes and chart colours.
BUCKETS = {
    Disposition.DELIVERED: "success",
    Disposition.PENDING: "pending",
    Disposition.PENDING_RETRY: "retryable",
    Disposition.BOUNCED_HARD: "permanent",
    Disposition.BLOCKED_COMPLIANCE: "compliance",
    Disposition.OPTOUT: "optout",
    Disposition.UNKNOWN: "unknown",
}

REACHING = frozenset({Status.DELIVERED, Status.ANSWERED, Status.VOICEMAIL})
OPEN = frozenset({Status.QUEUED, Status.SENDING, Status.SENT, Status.DELAYED})
SETTLED = frozenset(set(Status) - OPEN - {Status.TIMED_OUT, Status.UNKNOWN})
# What a phone that is off or a full mailbox leads to. A filter that blocks and a call that is declined are neither.
MISSED = frozenset({Status.UNDELIVERED, Status.EXPIRED, Status.BOUNCED, Status.FAILED})
RINGS = frozenset({Status.NO_ANSWER, Status.BUSY, Status.VOICEMAIL})  # the phone is on
PROOF = frozenset({Evidence.CARRIER, Evidence.HANDSET})  # of an arrival; else it was assumed

# How far a status goes. Progress first, then our own clock, then failures, then what proves arrival, then what
# can overturn an arrival (a late bounce, a complaint).
_RANK = {
    Status.UNKNOWN: 0,
    Status.QUEUED: 10,
    Status.SENDING: 20,
    Status.SENT: 30,
    Status.DELAYED: 35,
    Status.TIMED_OUT: 40,
    Status.CANCELED: 50,
    Status.EXPIRED: 100,
    Status.FAILED: 110,
    Status.NO_ANSWER: 120,
    Status.BUSY: 120,
    Status.REJECTED: 130,
    Status.UNDELIVERED: 140,
    Status.BLOCKED: 150,
    Status.OPTED_OUT: 160,
    Status.DELIVERED: 200,
    Status.ANSWERED: 200,
    Status.VOICEMAIL: 220,
    Status.BOUNCED: 240,
    Status.COMPLAINED: 250,
}
# The better founded of two equal words wins. An assumed delivery is weaker than any failure a carrier reported.
_EVIDENCE = {
    Evidence.CLOCK: 0,
    Evidence.ASSUMED: 1,
    Evidence.HANDED_OVER: 2,
    Evidence.CARRIER: 3,
    Evidence.HANDSET: 4,
}
_ASSUMED_DELIVERY = 60
# Seen by a person's voice: an answering machine's result overrides a bare "completed", a human's overrides both.
_ANSWERED_BY_HUMAN = 230
# Of two failures with the same word the one that says more wins.
_CLASS = {
    FailureClass.NONE: 0,
    FailureClass.UNKNOWN: 1,
    FailureClass.TEMPORARY: 2,
    FailureClass.ACCOUNT: 3,
    FailureClass.CONTENT: 4,
    FailureClass.COMPLIANCE: 5,
    FailureClass.PERMANENT: 6,
    FailureClass.OPT_OUT: 7,
}

_TIE_BITS = 44


class Meaning(NamedTuple):
    """What a provider's words mean in ours."""

    status: str
    failure_class: str = FailureClass.NONE
    fault: str = Fault.NONE
    evidence: str = Evidence.CARRIER


def fact_key(*parts: str) -> int:
    """A 63-bit key for one fact about one message: the same words always give the same key.

    Unique within a message only, where a collision cannot realistically happen.
    """
    digest = blake2b("\x1f".join(parts).encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1


def rank(meaning: Meaning) -> int:
    """The place of a meaning in the order, 0..255 for the word and finer steps for evidence and class."""
    status, failure_class, _, evidence = meaning
    word = _RANK[Status(status)]
    if status == Status.DELIVERED and evidence in (Evidence.ASSUMED, Evidence.CLOCK):
        word = _ASSUMED_DELIVERY
    elif status == Status.ANSWERED and evidence == Evidence.HANDSET:
        word = _ANSWERED_BY_HUMAN
    return (word * 8 + _EVIDENCE[Evidence(evidence)]) * 8 + _CLASS[FailureClass(failure_class)]


def precedence(meaning: Meaning, key: int) -> int:
    """One number that orders events totally: rank first, then the fact's own key so that ties fall the same way."""
    return (rank(meaning) << _TIE_BITS) | (key & ((1 << _TIE_BITS) - 1))


def shown_code(status: str, native_status: str, native_code: str) -> str:
    """The code that a message shows for an event: the provider's, else the status word of a failure; '' for none."""
    return native_code or (native_status if status in SETTLED - REACHING else "")


def disposition(status: str, failure_class: str, fault: str, goal: str) -> str:
    """The disposition of an outcome; '' for a message we withdrew, which has none.

    One that somebody else took out of their queue is no withdrawal of ours: its class is not `none`. `goal` is the
    campaign's: a voicemail is exposure, but no conversation.
    """
    if status == Status.CANCELED and failure_class == FailureClass.NONE:
        return ""
    if status == Status.VOICEMAIL:
        return Disposition.DELIVERED if goal == "exposure" else Disposition.PENDING_RETRY
    if status in REACHING:
        return Disposition.DELIVERED
    if status in OPEN:
        return Disposition.PENDING
    if status in (Status.OPTED_OUT, Status.COMPLAINED) or failure_class == FailureClass.OPT_OUT:
        return Disposition.OPTOUT
    if status in (Status.TIMED_OUT, Status.UNKNOWN):
        return Disposition.UNKNOWN
    if failure_class in (FailureClass.COMPLIANCE, FailureClass.CONTENT, FailureClass.ACCOUNT):
        return Disposition.BLOCKED_COMPLIANCE
    if failure_class == FailureClass.PERMANENT:
        # Permanent at the sender's or the account's end is ours to fix, and says nothing about the contact.
        return (
            Disposition.BOUNCED_HARD
            if fault in (Fault.RECIPIENT, Fault.CARRIER)
            else Disposition.BLOCKED_COMPLIANCE
        )
    if failure_class == FailureClass.TEMPORARY or status in (Status.NO_ANSWER, Status.BUSY, Status.EXPIRED):
        return Disposition.PENDING_RETRY
    return Disposition.UNKNOWN  # a bare "failed" without a code is nobody's fault yet


def is_miss(disposition: str, fault: str, failure_class: str, status: str) -> bool:
    """Whether it is reported that the person could not be reached: off, full, expired. Silence is no report, and the
    faults of carriers are not theirs."""
    temporary = failure_class == FailureClass.TEMPORARY and status in MISSED
    return disposition == Disposition.PENDING_RETRY and fault == Fault.RECIPIENT and temporary


class Precedence(NamedTuple):
    """One event as far as the projection needs it."""

    precedence: int
    status: str
    part: int
    parts: int


# Some parts arrived and the others are silent: sent, not delivered.
PARTLY = Precedence(precedence(Meaning(Status.SENT), 0), Status.SENT, 0, 0)


def project(events: Iterable[Precedence]) -> Precedence | None:
    """The event a message shows: the greatest; with several parts, the greatest of the part that matters.

    A message in parts is delivered only when every part is. Until then it shows its worst part if one failed,
    else its furthest progress short of delivery. Part 0 speaks for the whole message. None without events.
    """
    events = list(events)
    if not events:
        return None
    expected = max(event.parts for event in events)
    whole = [event for event in events if event.part == 0]
    best_of: dict[int, Precedence] = defaultdict(lambda: Precedence(-1, "", 0, 0))
    for event in events:
        if event.part:
            best_of[event.part] = max(best_of[event.part], event)
    if expected <= 1 or not best_of:
        return max(events)
    arrived = [best for best in best_of.values() if best.status in REACHING]
    if len(arrived) == expected:
        return max([*arrived, *whole])
    failed = [best for best in best_of.values() if best.status in SETTLED and best.status not in REACHING]
    if failed:
        return max([*failed, *whole])
    underway = [event for event in events if event.part and event.status not in REACHING]
    return max([*underway, *whole, PARTLY])
