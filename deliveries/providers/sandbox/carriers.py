"""The simulated carriers: their odds, and which of them a number or an address belongs to. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from hashlib import blake2b

DIGEST_SPAN = float(1 << 64)
PUBLIC_SHORTENERS = ("bit.ly/", "tinyurl.com/", "goo.gl/", "ow.ly/", "t.co/")
SPAM_WORDS = ("free money", "act now", "winner", "guaranteed", "cash prize", "casino")


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
