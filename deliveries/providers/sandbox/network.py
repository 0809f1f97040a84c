"""The simulated carriers: what becomes of a message, decided by a seed. Pure: no clock, no database, no Django.

The fate of an attempt is a function of (seed, channel, address, how many attempts there were before), so the same
submissions at the same times give the same callbacks, byte for byte, whatever references they carry. `truth()`
tells what really happened, which the callbacks do not always do: receipts get lost, come late, twice, in the
wrong order, and one carrier sends none.
"""

from __future__ import annotations

import hmac
import json
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from hashlib import blake2b
from heapq import heappop, heappush
from typing import NamedTuple
from urllib.parse import urlsplit, urlunsplit

from campaigns.segments import segments

SECONDS, MINUTES, HOURS = 1.0, 60.0, 3600.0
LONGEST_DELAY = 30 * HOURS
DIGEST_SPAN = float(1 << 64)

PUBLIC_SHORTENERS = ("bit.ly/", "tinyurl.com/", "goo.gl/", "ow.ly/", "t.co/")
SPAM_WORDS = ("free money", "act now", "winner", "guaranteed", "cash prize", "casino")
REPLIES = ("Thanks", "Ok", "Yes please", "Who is this?", "Can you call me instead?")
# What the code table does not list, as happens with every real provider sooner or later.
UNLISTED_CODE = "LK-207"


class Submission(NamedTuple):
    """One message as it was handed over. `at` is aware; `secret` signs its callbacks."""

    ref: str
    channel: str
    to: str
    sender: str
    body: str
    callback: str
    at: datetime
    secret: str = ""
    media_url: str = ""


class CarrierAnswer(NamedTuple):
    """The answer to the sender: an id, or a refusal's code. `lost`: taken, but the answer never arrives."""

    id: str = ""
    code: str = ""
    text: str = ""
    segments: int = 1
    lost: bool = False


class Truth(NamedTuple):
    """What really happened. `by_what` is handset, mailbox, voicemail or person; empty when not reached."""

    reached: bool
    at: datetime | None = None
    by_what: str = ""


NOT_REACHED = Truth(reached=False)


class Callback(NamedTuple):
    """A request that the network makes at `at`, signed and ready; `kind` is status or inbound."""

    at: datetime
    url: str
    kind: str
    body: bytes
    headers: dict[str, str]


class CarrierPlan(NamedTuple):
    """All that becomes of one submission, known when it is made."""

    answer: CarrierAnswer
    truth: Truth
    callbacks: list[Callback]


class KnownMessage(NamedTuple):
    """What the network knows of a reference. More than one submission means it was handed over twice."""

    submissions: int
    answers: list[CarrierAnswer]


@dataclass(frozen=True)
class Carrier:
    """Odds are 0..1 of the messages that get as far as the question."""

    name: str
    share: float
    absent: float  # handset off or out of coverage
    recovers: float  # of those: delivered after all, hours later
    congestion: float
    filters: float  # content that looks like spam
    minutes: float  # deliveries that take minutes
    hours: float  # deliveries that take hours
    late_receipt: float
    handset: float  # receipts that come from the handset itself
    receipts: bool = True
    parts: bool = False  # reports long texts part by part
    outages: float = 0.0  # days with an outage of some hours
    drops: bool = True  # takes ringless voicemail


PHONE_CARRIERS = (
    Carrier("Northwind Mobile", 0.33, 0.020, 0.10, 0.003, 0.35, 0.06, 0.010, 0.010, 0.6),
    Carrier("BlueRiver", 0.27, 0.024, 0.10, 0.004, 0.85, 0.08, 0.015, 0.010, 0.3, parts=True),
    Carrier("Summit Wireless", 0.21, 0.022, 0.10, 0.008, 0.15, 0.08, 0.015, 0.010, 0.5, outages=0.05),
    Carrier("Lakeland Cellular", 0.16, 0.040, 0.40, 0.008, 0.05, 0.15, 0.040, 0.040, 0.0),
    Carrier(
        "Prairie Tel", 0.03, 0.030, 0.00, 0.005, 0.00, 0.08, 0.015, 0.000, 0.0, receipts=False, drops=False
    ),
)
MAIL_CARRIERS = (
    Carrier("Mailbox A", 0.62, 0.015, 0.0, 0.04, 0.25, 0.10, 0.01, 0.005, 0.0),
    Carrier("Mailbox B", 0.38, 0.020, 0.0, 0.07, 0.70, 0.15, 0.02, 0.010, 0.0),
)

# Shares of the numbers and addresses themselves: the same one always behaves alike.
LANDLINES, VOIP = 0.022, 0.030
DEAD, DEAD_MAILBOXES = 0.015, 0.022
STOP_ON_RECORD = 0.003
NO_MMS = 0.03
NO_VOICEMAIL = 0.02
# Shares of the attempts.
LOST_ANSWERS = 0.0005
LOST_RECEIPTS = 0.003
DUPLICATES = 0.02
OVERTAKING = 0.03
STOPS, REPLY_SHARE, UNSUBSCRIBES = 0.005, 0.012, 0.003
OUTAGE_HOURS = range(14, 20)  # UTC


class Dice:
    """Named rolls: each a function of the seed, what is rolled for, and its name, and of nothing else."""

    def __init__(self, *words: object) -> None:
        self._base = blake2b("\x1f".join(map(str, words)).encode("utf-8", "surrogatepass"), digest_size=8)

    def roll(self, name: str) -> float:
        """0 <= x < 1."""
        thrown = self._base.copy()
        thrown.update(b"\x1f" + name.encode())
        return int.from_bytes(thrown.digest(), "big") / DIGEST_SPAN

    def chance(self, name: str, odds: float) -> bool:
        return self.roll(name) < odds

    def between(self, name: str, low: float, high: float) -> float:
        """Short values are the likelier ones, as with all delays."""
        return low * (high / low) ** self.roll(name)

    def token(self) -> str:
        return self._base.hexdigest()


def carrier_of(seed: int, value: str) -> Carrier:
    """The carrier of a number, or the mail provider of an address."""
    carriers = MAIL_CARRIERS if "@" in value else PHONE_CARRIERS
    point = Dice(seed, "carrier", value).roll("")
    for carrier in carriers:
        point -= carrier.share
        if point < 0:
            return carrier
    return carriers[-1]


def line_type_of(seed: int, value: str) -> str:
    """mobile, landline or voip for a number; empty for an email address."""
    if "@" in value:
        return ""
    point = Dice(seed, "line", value).roll("")
    if point < LANDLINES:
        return "landline"
    return "voip" if point < LANDLINES + VOIP else "mobile"


def outage(seed: int, carrier: Carrier, at: datetime) -> bool:
    """Whether the carrier's network is down: some hours of the days that the seed gave it."""
    return at.hour in OUTAGE_HOURS and Dice(seed, "outage", carrier.name, at.date()).chance(
        "", carrier.outages
    )


def looks_like_spam(body: str) -> bool:
    text = body.lower()
    return any(sign in text for sign in PUBLIC_SHORTENERS + SPAM_WORDS)


def segments_of(channel: str, body: str) -> int:
    """How many parts a text needs."""
    return max(segments(body), 1) if channel == "sms" else 1


def refusal(channel: str, to: str, sender: str, body: str, media_url: str = "") -> tuple[str, str] | None:
    """Code and text for what the network will not even try; None when it will."""
    if channel == "email":
        if "@" not in to.strip("@"):
            return "INVALID_ADDRESS", "to: not an email address."
    elif not (to.startswith("+") and to[1:].isascii() and to[1:].isdigit() and 8 <= len(to) <= 16):
        return "INVALID_NUMBER", "to: not a phone number in international form."
    if not sender:
        return "NO_SENDER", "from: missing."
    if not (body or media_url):
        return "NO_CONTENT", "body: missing."
    return None


@dataclass
class CarrierAttempt:
    """One attempt while its fate unfolds: the dice, and its callbacks so far."""

    seed: int
    speed: float
    submission: Submission
    nth: int
    down: bool = False
    callbacks: list[Callback] = field(default_factory=list)
    truth: Truth = NOT_REACHED

    def __post_init__(self) -> None:
        submission = self.submission
        self.dice = Dice(self.seed, "attempt", submission.channel, submission.to, self.nth)
        self.address = Dice(self.seed, "address", submission.to)
        self.carrier = carrier_of(self.seed, submission.to)
        # The time keeps ids apart when a network starts anew and counts attempts from the beginning.
        unique = (submission.channel, submission.to, self.nth, submission.at.isoformat())
        self.id = f"sb-{Dice(self.seed, *unique).token()}"
        self.parts = segments_of(submission.channel, submission.body)

    # ---- what the address itself decides ------------------------------------------------------------------

    @property
    def line(self) -> str:
        return line_type_of(self.seed, self.submission.to)

    @property
    def dead(self) -> bool:
        return self.address.chance("dead", DEAD_MAILBOXES if self.submission.channel == "email" else DEAD)

    # ---- callbacks ---------------------------------------------------------------------------------------

    def moment(self, after: float) -> datetime:
        return self.submission.at + timedelta(milliseconds=round(after * 1000 / self.speed))

    def say(
        self, status: str, after: float, code: str = "", *, part: int = 0, parts: int = 0, lag: float = 0.0
    ) -> None:
        """Report `status` as having happened `after` seconds; the receipt comes `lag` seconds later."""
        body = {
            "id": self.id,
            "channel": self.submission.channel,
            "to": self.submission.to,
            "from": self.submission.sender,
            "status": status,
            "code": code,
            "part": part,
            "parts": parts,
            "occurred_at": self.moment(after).isoformat(),
        }
        name = f"{status}/{part}"
        lag += self.dice.between(f"lag {name}", 0.05, 0.6)
        self._send("status", self.submission.callback, body, after + lag)
        if self.dice.chance(f"twice {name}", DUPLICATES):
            again = self.dice.between(f"again {name}", 1, 2 * MINUTES)
            self._send("status", self.submission.callback, body, after + lag + again)

    def reply(self, text: str, after: float, opt_out_type: str = "") -> None:
        """The person answers."""
        at, submission = self.moment(after), self.submission
        body = inbound_body(
            f"{self.id}-reply",
            submission.channel,
            submission.to,
            submission.sender,
            text,
            at,
            opt_out_type=opt_out_type,
        )
        self._send("inbound", inbound_address(submission.callback), body, after + 0.5)

    def _send(self, kind: str, url: str, body: Mapping[str, object], after: float) -> None:
        at = self.moment(after)
        raw = as_json(body)
        self.callbacks.append(Callback(at, url, kind, raw, signed(self.submission.secret, at, url, raw)))

    def reach(self, after: float, by_what: str) -> None:
        self.truth = Truth(reached=True, at=self.moment(after), by_what=by_what)

    # ---- delays ------------------------------------------------------------------------------------------

    def latency(self) -> float:
        """Mostly 1 to 20 seconds, sometimes minutes, now and then up to 30 hours."""
        point = self.dice.roll("latency")
        if point < self.carrier.hours:
            return self.dice.between("hours", 30 * MINUTES, LONGEST_DELAY)
        if point < self.carrier.hours + self.carrier.minutes:
            return self.dice.between("minutes", 20, 30 * MINUTES)
        return self.dice.between("seconds", 1, 20)

    def receipt_delay(self) -> float:
        late = self.dice.chance("late receipt", self.carrier.late_receipt)
        return self.dice.between("late", 5 * MINUTES, 12 * HOURS) if late else 0.0


def as_json(body: Mapping[str, object]) -> bytes:
    return json.dumps(body, separators=(",", ":")).encode()


def inbound_body(
    ref: str, channel: str, writer: str, to: str, text: str, at: datetime, *, opt_out_type: str = ""
) -> dict[str, str]:
    """What a carrier says of a text that a person wrote."""
    return {
        "id": ref,
        "channel": channel,
        "from": writer,
        "to": to,
        "text": text,
        "opt_out_type": opt_out_type,
        "occurred_at": at.isoformat(),
    }


def inbound_address(callback: str) -> str:
    """Where replies go: the account's callback address with its last word changed, and without our reference."""
    parts = urlsplit(callback)
    slash = "/" if parts.path.endswith("/") else ""
    path = parts.path.rstrip("/").rpartition("/")[0]
    return urlunsplit((parts.scheme, parts.netloc, f"{path}/inbound{slash}", "", ""))


def signed(secret: str, at: datetime, url: str, body: bytes) -> dict[str, str]:
    """The headers of a callback: HMAC-SHA256 over time, address and body."""
    timestamp = str(int(at.timestamp()))
    text = f"{timestamp}.{url}.".encode("utf-8", "backslashreplace") + body
    return {
        "content-type": "application/json",
        "x-sandbox-timestamp": timestamp,
        "x-sandbox-signature": hmac.digest(secret.encode(), text, "sha256").hex(),
    }


# ---- one fate a channel ----------------------------------------------------------------------------------


def text_message(attempt: CarrierAttempt) -> None:
    """SMS and MMS."""
    dice, carrier = attempt.dice, attempt.carrier
    sent = dice.between("sent", 0.5, 3)
    after = sent + attempt.latency()
    failure = text_failure(attempt)
    if failure == "OUTAGE":
        attempt.say("failed", sent, failure)
        return
    # Now and then "sent" is reported after the outcome.
    attempt.say("sent", sent, lag=60.0 + after if dice.chance("overtaken", OVERTAKING) else 0.0)
    if failure == "ABSENT":
        absent_handset(attempt, sent)
    elif failure:
        text_receipt(attempt, "undelivered", sent + dice.between("refused", 0.5, 8), failure)
    elif carrier.parts and attempt.parts > 1:
        delivered_in_parts(attempt, after)
    else:
        text_arrives(attempt, after)


def text_failure(attempt: CarrierAttempt) -> str:
    """Why a text does not arrive; empty when it does."""
    dice, carrier, mms = attempt.dice, attempt.carrier, attempt.submission.channel == "mms"
    questions: tuple[tuple[str, Callable[[], bool]], ...] = (
        ("LANDLINE", lambda: attempt.line == "landline"),
        ("UNKNOWN_SUBSCRIBER", lambda: attempt.dead),
        ("OPTED_OUT", lambda: attempt.address.chance("stop on record", STOP_ON_RECORD)),
        ("MMS_UNSUPPORTED", lambda: mms and attempt.address.chance("no mms", NO_MMS)),
        ("OUTAGE", lambda: attempt.down),
        (
            "FILTERED",
            lambda: looks_like_spam(attempt.submission.body) and dice.chance("filter", carrier.filters),
        ),
        (UNLISTED_CODE, lambda: carrier.name == "Lakeland Cellular" and dice.chance("unlisted", 0.004)),
        ("CONGESTION", lambda: dice.chance("congestion", carrier.congestion * (3 if mms else 1))),
        ("ABSENT", lambda: dice.chance("absent", carrier.absent)),
    )
    return next((code for code, applies in questions if applies()), "")


def text_receipt(attempt: CarrierAttempt, status: str, after: float, code: str = "") -> None:
    """The final word, unless this carrier or this once gives none."""
    if attempt.carrier.receipts and not attempt.dice.chance("no receipt", LOST_RECEIPTS):
        attempt.say(status, after, code, lag=attempt.receipt_delay())


def text_arrives(attempt: CarrierAttempt, after: float) -> None:
    dice = attempt.dice
    text_receipt(
        attempt, "handset" if dice.chance("handset", attempt.carrier.handset) else "delivered", after
    )
    arrived(attempt, after)


def arrived(attempt: CarrierAttempt, after: float) -> None:
    dice = attempt.dice
    attempt.reach(after, "handset")
    if dice.chance("stop", STOPS):
        attempt.reply("STOP", after + dice.between("stops", MINUTES, 40 * MINUTES), "STOP")
    elif dice.chance("reply", REPLY_SHARE):
        text = REPLIES[int(dice.roll("words") * len(REPLIES))]
        attempt.reply(text, after + dice.between("replies", 20, 3 * HOURS))


def absent_handset(attempt: CarrierAttempt, sent: float) -> None:
    """The carrier keeps trying: gives up soon, gives up after a day, or delivers after all."""
    dice = attempt.dice
    if dice.chance("expires", 0.2):
        if attempt.carrier.receipts:
            attempt.say("delayed", sent + dice.between("delayed", 5 * MINUTES, 30 * MINUTES), "ABSENT")
        text_receipt(attempt, "expired", dice.between("expiry", 20 * HOURS, LONGEST_DELAY), "EXPIRED")
        return
    given_up = sent + dice.between("given up", 10, 30 * MINUTES)
    text_receipt(attempt, "undelivered", given_up, "ABSENT")
    if dice.chance("recovers", attempt.carrier.recovers):
        text_arrives(attempt, given_up + dice.between("recovery", 10 * MINUTES, 8 * HOURS))


def delivered_in_parts(attempt: CarrierAttempt, after: float) -> None:
    """Each part has its own receipt, and the whole is only there when every part is."""
    dice, parts = attempt.dice, attempt.parts
    whole, last = True, after
    for part in range(1, parts + 1):
        lost = dice.chance(f"part {part}", 0.01)
        at = after + dice.between(f"part at {part}", 0.1, 10)
        attempt.say(
            "undelivered" if lost else "delivered", at, "CONGESTION" if lost else "", part=part, parts=parts
        )
        whole, last = whole and not lost, max(last, at)
    if whole:
        arrived(attempt, last)


def call(attempt: CarrierAttempt) -> None:
    """Voice: a person, a machine, nobody, or no connection at all."""
    dice = attempt.dice
    attempt.say("dialing", dice.between("dialing", 0.5, 2))
    failure = call_failure(attempt)
    if failure:
        attempt.say("failed", dice.between("failure", 2, 8), failure)
        return
    ringing = dice.between("ringing", 2, 5)
    attempt.say("ringing", ringing)
    point = dice.roll("who")
    if point < 0.05:
        attempt.say("busy", ringing + 1)
    elif point < 0.27:
        attempt.say("no_answer", ringing + dice.between("rings", 20, 30))
    else:
        picked_up(attempt, ringing + dice.between("pickup", 3, 20), person=point < 0.62)


def call_failure(attempt: CarrierAttempt) -> str:
    dice = attempt.dice
    if attempt.dead:
        return "UNALLOCATED"
    if attempt.down:
        return "OUTAGE"
    if dice.chance("spam label", 0.012 if attempt.carrier.filters > 0.3 else 0.003):
        return "SPAM_LABEL"
    return "CONGESTION" if dice.chance("congestion", attempt.carrier.congestion) else ""


def picked_up(attempt: CarrierAttempt, at: float, *, person: bool) -> None:
    """The call's end and who answered are two reports, in either order; sometimes nobody can tell who."""
    dice = attempt.dice
    over = at + dice.between("talk", 6, 60)
    attempt.reach(at, "person" if person else "voicemail")
    attempt.say("completed", over)
    if not dice.chance("undecided", 0.03):
        detected = at + dice.between("detection", 2, 5)
        attempt.say(
            "amd:human" if person else "amd:machine",
            detected,
            lag=over + 30 - detected if dice.chance("detected late", OVERTAKING) else 0.0,
        )


def voicemail_drop(attempt: CarrierAttempt) -> None:
    """Ringless voicemail: mobiles only."""
    dice, carrier, address = attempt.dice, attempt.carrier, attempt.address
    taken = dice.between("accepted", 0.5, 3)
    if attempt.line != "mobile" or attempt.dead:
        attempt.say("rejected", taken, "MNF")
        return
    if dice.chance("refused", 0.008):
        attempt.say("rejected", taken)
        return
    attempt.say("accepted", taken)
    dropping = taken + dice.between("dropping", 2, 30)
    attempt.say("dropping", dropping)
    done = dropping + dice.between("drop", 15, 3 * MINUTES)
    failures: tuple[tuple[str, bool], ...] = (
        ("CARRIER_UNSUPPORTED", not carrier.drops),
        ("NO_MAILBOX", address.chance("no voicemail", NO_VOICEMAIL)),
        ("OUTAGE", attempt.down),
        ("MAILBOX_FULL", dice.chance("mailbox full", 0.03)),
        ("", dice.chance("failed drop", 0.025)),
    )
    for code, applies in failures:
        if applies:
            attempt.say("drop_failed", done, code)
            return
    attempt.reach(done, "voicemail")
    attempt.say("dropped", done, lag=attempt.receipt_delay())


def mail(attempt: CarrierAttempt) -> None:
    """Email: an acceptance may be followed by a bounce or a complaint."""
    dice, carrier = attempt.dice, attempt.carrier
    sent = dice.between("processed", 0.5, 3)
    attempt.say("processed", sent)
    answered = sent + dice.between("answer", 1, 15)
    if attempt.dead:
        mail_bounces(attempt, answered)
    elif looks_like_spam(attempt.submission.body) and dice.chance("filter", carrier.filters):
        attempt.say("blocked", answered, "5.7.1")
    elif dice.chance("full", carrier.absent):
        attempt.say("deferred", answered, "4.2.2")
        attempt.say("bounced", answered + dice.between("bounce", 10 * MINUTES, 20 * HOURS), "5.2.2")
    elif dice.chance("greylist", carrier.congestion):
        attempt.say("deferred", answered, "4.7.0")
        if dice.chance("never", 0.06):
            attempt.say("expired", dice.between("expiry", 20 * HOURS, LONGEST_DELAY), "4.4.7")
        else:
            mail_arrives(attempt, answered + dice.between("retry", 2 * MINUTES, 4 * HOURS))
    else:
        mail_arrives(attempt, sent + attempt.latency())


def mail_bounces(attempt: CarrierAttempt, answered: float) -> None:
    """Some servers accept first and send the bounce later."""
    dice = attempt.dice
    if dice.chance("late bounce", 0.15):
        attempt.say("accepted", answered)
        answered += dice.between("bounce", MINUTES, 6 * HOURS)
    attempt.say("bounced", answered, "5.1.1")


def mail_arrives(attempt: CarrierAttempt, after: float) -> None:
    dice = attempt.dice
    attempt.reach(after, "mailbox")
    attempt.say("accepted", after, lag=attempt.receipt_delay())
    if dice.chance("complaint", 0.001):
        attempt.say("complaint", after + dice.between("complains", 5 * MINUTES, 20 * HOURS))
    elif dice.chance("unsubscribe", UNSUBSCRIBES):
        attempt.reply("unsubscribe", after + dice.between("unsubscribes", MINUTES, 10 * HOURS), "STOP")


FATES: dict[str, Callable[[CarrierAttempt], None]] = {
    "sms": text_message,
    "mms": text_message,
    "voice": call,
    "rvm": voicemail_drop,
    "email": mail,
}


def plan(
    seed: int,
    submission: Submission,
    nth: int,
    speed: float = 1.0,
    outages: Collection[tuple[str, date]] = frozenset(),
) -> CarrierPlan:
    """Everything that becomes of `submission`, the `nth` attempt (from 1) to its address on its channel.

    `speed` divides every delay. `outages` adds days, as (carrier name, UTC date), on which a carrier is down.
    Callbacks are in time order. Raises ValueError for an unknown channel.
    """
    if submission.channel not in FATES:
        raise ValueError(f"channel: {submission.channel!r} is not one of {', '.join(FATES)}.")
    refused = refusal(
        submission.channel, submission.to, submission.sender, submission.body, submission.media_url
    )
    if refused:
        return CarrierPlan(CarrierAnswer(code=refused[0], text=refused[1]), NOT_REACHED, [])
    attempt = CarrierAttempt(seed, speed, submission, nth)
    carrier = attempt.carrier
    attempt.down = (carrier.name, submission.at.date()) in outages or outage(seed, carrier, submission.at)
    FATES[submission.channel](attempt)
    attempt.callbacks.sort(key=lambda callback: callback.at)
    lost = attempt.dice.chance("lost answer", LOST_ANSWERS)
    return CarrierPlan(
        CarrierAnswer(id=attempt.id, segments=attempt.parts, lost=lost), attempt.truth, attempt.callbacks
    )


class Network:
    """The carriers with their memory of one run: attempts so far, callbacks to come, and the truth."""

    def __init__(
        self,
        seed: int,
        speed: float = 1.0,
        outages: Collection[tuple[str, date]] = frozenset(),
        secret: str = "",
    ) -> None:
        self.seed = seed
        self.speed = speed
        self.outages = outages
        self.secret = secret
        self._attempts: Counter[tuple[str, str]] = Counter()
        self._waiting: list[tuple[datetime, int, Callback]] = []
        self._count = 0
        self._answers: dict[str, list[CarrierAnswer]] = {}
        self._truths: dict[str, Truth] = {}

    def submit(
        self,
        ref: str,
        channel: str,
        to: str,
        sender: str,
        body: str,
        callback: str,
        at: datetime,
        *,
        media_url: str = "",
        secret: str = "",
    ) -> CarrierAnswer:
        """Take a message at the aware time `at`; its callbacks are signed with `secret`, else the network's own."""
        submission = Submission(
            ref, channel, to, sender, body, callback, at, secret or self.secret, media_url
        )
        self._attempts[channel, to] += 1
        answer, truth, callbacks = plan(
            self.seed, submission, self._attempts[channel, to], self.speed, self.outages
        )
        for each in callbacks:
            self._count += 1
            heappush(self._waiting, (each.at, self._count, each))
        self._answers.setdefault(ref, []).append(answer)
        if not self.truth(ref).reached:
            self._truths[ref] = truth
        return answer

    def write(
        self, channel: str, writer: str, to: str, text: str, url: str, at: datetime, *, secret: str = ""
    ) -> None:
        """Somebody writes in words that no fate foresees; reported to `url` a moment after `at`."""
        ref = f"sb-{Dice(self.seed, channel, writer, text, at.isoformat()).token()}-reply"
        raw = as_json(inbound_body(ref, channel, writer, to, text, at))
        arrives = at + timedelta(milliseconds=500)
        self._count += 1
        callback = Callback(arrives, url, "inbound", raw, signed(secret or self.secret, arrives, url, raw))
        heappush(self._waiting, (arrives, self._count, callback))

    def due(self, until: datetime) -> list[Callback]:
        """The callbacks up to and including `until` in time order; each is given once."""
        found = []
        while self._waiting and self._waiting[0][0] <= until:
            found.append(heappop(self._waiting)[2])
        return found

    def next_at(self) -> datetime | None:
        """When the next callback is due; None when nothing is to come."""
        return self._waiting[0][0] if self._waiting else None

    def truth(self, ref: str) -> Truth:
        """What really became of a message; not reached for one that never came."""
        return self._truths.get(ref, NOT_REACHED)

    def lookup(self, ref: str) -> KnownMessage:
        answers = self._answers.get(ref, [])
        return KnownMessage(len(answers), answers)

    def carrier_of(self, value: str) -> str:
        return carrier_of(self.seed, value).name

    def line_type_of(self, value: str) -> str:
        return line_type_of(self.seed, value)
