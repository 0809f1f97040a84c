"""Noticing that a provider's code no longer means what it did: its share changed, or what it leads to.

Both compare the last days with the weeks before by a test of two proportions, and speak only of what is beyond
chance and large enough to matter. Measured once a day from the counts of each day, never from messages, but for
what became of later attempts: each follow-up is looked at once, after it has had its time.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from datetime import date, datetime, timedelta
from math import erfc, sqrt
from typing import NamedTuple

from django.db import transaction
from django.db.models import F, Max, Sum

from campaigns.steps import GIVE_UP_HOURS
from deliveries.meaning.occurrences import add_to_days, sound
from deliveries.models import Account, Bookmark, CodeAlarm, CodeDay, Message
from deliveries.statuses import Disposition

RECENT = timedelta(days=3)
BEFORE = timedelta(days=28)
EVERY = timedelta(hours=24)
CHANCE = 0.001  # of an alarm without a cause, for each code and day
FEWEST = 50  # receipts, or follow-ups, on both sides
SHARE_FACTOR = 2.0  # a share that doubled or halved ...
SHARE_LEAST = 0.01  # ... and is at least one in a hundred on either side
CONSEQUENCE_LEAST = 0.15  # a difference in what is delivered next, of 15 in 100
PATIENCE = timedelta(hours=GIVE_UP_HOURS)  # by then a follow-up has arrived, or counts as not delivered
NAME = "drift"  # of the bookmark that says how far follow-ups were looked at
SLICE = 50_000

Kind = CodeAlarm.Kind


class DriftShare(NamedTuple):
    """`hits` of `n`, in a recent and in an earlier time."""

    hits: int
    n: int
    hits_before: int
    n_before: int

    @property
    def now(self) -> float:
        return self.hits / self.n if self.n else 0.0

    @property
    def before(self) -> float:
        return self.hits_before / self.n_before if self.n_before else 0.0

    @property
    def chance(self) -> float:
        """The probability of a difference as large if nothing had changed (two-sided, normal approximation)."""
        if not self.n or not self.n_before:
            return 1.0
        together = (self.hits + self.hits_before) / (self.n + self.n_before)
        spread = sqrt(together * (1 - together) * (1 / self.n + 1 / self.n_before))
        return erfc(abs(self.now - self.before) / spread / sqrt(2)) if spread else 1.0


def run(now: datetime) -> int:
    """Once a day: look at follow-ups that are due, slice by slice, then at all codes; return the messages looked at.

    On the other calls it reads one row and writes nothing.
    """
    if not _is_due(now):
        return 0
    with transaction.atomic():
        bookmark, _ = Bookmark.objects.select_for_update().get_or_create(
            name=NAME, defaults={"at": now, "detail": {"upto": 0}}
        )
        looked_at = _follow_up(bookmark, now)
        bookmark.detail["more"] = looked_at > 0
        if not looked_at:
            sound(list(alarms(now)))
            bookmark.at = now
        bookmark.save()
    return looked_at


def _is_due(now: datetime) -> bool:
    bookmark = Bookmark.objects.filter(name=NAME).first()
    return bookmark is None or bool(bookmark.detail.get("more")) or bookmark.at <= now - EVERY


# ---- What became of the next attempt -----------------------------------------------------------------------


def _follow_up(bookmark: Bookmark, now: datetime) -> int:
    """Count, for the codes that messages failed with, whether the next attempt was delivered. One slice."""
    upto = int(bookmark.detail.get("upto", 0))
    old = Message.objects.filter(pk__gt=upto, pk__lte=upto + SLICE)
    first_young = (
        old.filter(created_at__gt=now - PATIENCE).order_by("pk").values_list("pk", flat=True).first()
    )
    last = first_young - 1 if first_young else old.aggregate(last=Max("pk"))["last"] or upto
    if last <= upto:
        return 0
    counts: dict[tuple, list[int]] = defaultdict(lambda: [0, 0, 0])
    later = Message.objects.filter(
        pk__gt=upto, pk__lte=last, follows__isnull=False, canceled_at=None, channel=F("follows__channel")
    ).exclude(follows__reason_code="")
    for day, account, channel, code, outcome in later.values_list(
        "created_on", "follows__account_id", "channel", "follows__reason_code", "disposition"
    ):
        cell = counts[day, account, channel, code]
        cell[1] += 1
        cell[2] += outcome == Disposition.DELIVERED
    add_to_days({key: (n, followed, then) for key, (n, followed, then) in counts.items()})
    bookmark.detail["upto"] = last
    return last - upto


# ---- Alarms ------------------------------------------------------------------------------------------------


def alarms(now: datetime) -> Iterator[CodeAlarm]:
    """What changed beyond chance by `now`."""
    today = now.date()
    names = Account.objects.names()
    shares, consequences = _counted(today)
    for kind, found in ((Kind.SHARE, shares), (Kind.CONSEQUENCE, consequences)):
        for (account, channel, code), share in found.items():
            if matters(kind, share):
                sentence = _sentence(kind, names.get(account, "An account"), code, share)
                yield CodeAlarm(
                    kind=kind,
                    account_id=account,
                    channel=channel,
                    code=code,
                    sentence=sentence,
                    raised_at=now,
                )


def matters(kind: str, share: DriftShare) -> bool:
    """Whether a difference is beyond chance, and large enough for somebody to look at."""
    if min(share.n, share.n_before) < FEWEST or share.chance > CHANCE:
        return False
    low, high = sorted((share.now, share.before))
    if kind == Kind.CONSEQUENCE:
        return high - low >= CONSEQUENCE_LEAST
    return high >= SHARE_LEAST and high >= SHARE_FACTOR * low


def _counted(today: date) -> tuple[dict[tuple, DriftShare], dict[tuple, DriftShare]]:
    """Each code's share of its account's receipts, and of the next attempts the share delivered."""
    recent, before = _sums(today - RECENT, today), _sums(today - RECENT - BEFORE, today - RECENT)
    totals, totals_before = _totals(recent), _totals(before)
    shares, consequences = {}, {}
    for key in recent.keys() | before.keys():
        (n, followed, then), (n_before, followed_before, then_before) = recent[key], before[key]
        shares[key] = DriftShare(n, totals[key[:2]], n_before, totals_before[key[:2]])
        consequences[key] = DriftShare(then, followed, then_before, followed_before)
    return shares, consequences


def _sums(since: date, until: date) -> defaultdict[tuple, Sequence[int]]:
    """(account, channel, code) -> (n, followed, then delivered) of the days in [since, until)."""
    found: defaultdict[tuple, Sequence[int]] = defaultdict(lambda: (0, 0, 0))
    rows = CodeDay.objects.filter(day__gte=since, day__lt=until).order_by()
    for account, channel, code, *counts in rows.values_list("account_id", "channel", "code").annotate(
        Sum("n"), Sum("followed"), Sum("then_delivered")
    ):
        found[account, channel, code] = counts
    return found


def _totals(sums: dict[tuple, Sequence[int]]) -> Counter[tuple]:
    totals: Counter[tuple] = Counter()
    for key, (n, _, _) in sums.items():
        totals[key[:2]] += n
    return totals


def _sentence(kind: str, account: str, code: str, share: DriftShare) -> str:
    if kind == Kind.CONSEQUENCE:
        return (
            f"{account}: after “{code}” the next attempt is delivered in {share.now:.0%} of {share.n:,} cases;"
            f" before it was {share.before:.0%} of {share.n_before:,}. Does the code still mean the same?"
        )
    return (
        f"{account}: “{code}” is {share.now:.1%} of what it reports, after {share.before:.1%}"
        f" in the four weeks before."
    )
