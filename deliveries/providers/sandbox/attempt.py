"""One attempt in the simulated network: its identity, its delays, and the callbacks it makes. Pure."""

from __future__ import annotations

import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NamedTuple
from urllib.parse import urlsplit, urlunsplit

from campaigns.segments import segments
from deliveries.providers.sandbox.carriers import Dice, carrier_of, line_type_of

SECONDS, MINUTES, HOURS = 1.0, 60.0, 3600.0
LONGEST_DELAY = 30 * HOURS
# Shares, 0..1, made up like all odds of the sandbox: of the numbers and mailboxes, and of the receipts.
DEAD, DEAD_MAILBOXES = 0.015, 0.022
DUPLICATES = 0.02


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


def segments_of(channel: str, body: str) -> int:
    """How many parts a text needs."""
    return max(segments(body), 1) if channel == "sms" else 1


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
