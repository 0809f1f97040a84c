"""How the receipts of each account come in: the last one, how many of those expected, how long they waited to be read,
and what could not be read. A fixed number of queries, however many accounts and receipts there are."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.db.models import Count, F, Sum

from deliveries.ledger.receiver_counts import BOUNDS, HANDED_OVER, SLOT
from deliveries.models import Account, PendingReceipt, Receipt, ReceiptGap, ReceiverCount
from deliveries.outcomes.counting import COUNT_LIMIT
from deliveries.outcomes.keyset import Page, page

DAY = timedelta(days=1)
HOUR = timedelta(hours=1)
GAPS_SHOWN = 20
LETTERS_SHOWN = 50
REASONS_SHOWN = 20
State = PendingReceipt.State


@dataclass(frozen=True)
class Hour:
    """One hour of an account; `expected` from the messages handed over in it and what usually comes for one."""

    begins: datetime
    handed_over: int
    receipts: int
    expected: float

    @property
    def is_short(self) -> bool:
        """Surely fewer than a tenth of what was to be expected."""
        return self.expected >= 20 and self.receipts < 0.1 * self.expected


@dataclass(frozen=True)
class ReceiverLine:
    """One account. `waits`: receipts of a day by the bucket of how long they waited."""

    account: Account
    gap: ReceiptGap | None
    hours: Sequence[Hour]
    waits: Mapping[int, int]
    parked: int = 0
    dead: int = 0

    @property
    def last_hour(self) -> Hour:
        return self.hours[-1]

    @property
    def receipts(self) -> int:
        return sum(hour.receipts for hour in self.hours)

    @property
    def state(self) -> tuple[str, str]:
        """Bucket and word of its pill."""
        if not self.account.active:
            return "unknown", "Switched off"
        if self.gap:
            return "permanent", "Silent"
        if self.account.receipt_at is None:
            return "unknown", "No receipt yet"
        return ("success", "Receipts come") if self.receipts else ("pending", "Quiet")

    @property
    def median(self) -> str:
        return self._waited(0.5)

    @property
    def most(self) -> str:
        """How long 95 in 100 waited at most."""
        return self._waited(0.95)

    def _waited(self, share: float) -> str:
        """The upper end of the bucket that the share lies in, in words; '' without any."""
        total, so_far = sum(self.waits.values()), 0
        for bucket in sorted(self.waits):
            so_far += self.waits[bucket]
            if so_far >= share * total:
                return within(bucket)
        return ""


def within(bucket: int) -> str:
    """How long it took, as in "5 s or less"."""
    if bucket >= len(BOUNDS):
        return f"more than {BOUNDS[-1] // 60} min"
    seconds = BOUNDS[bucket]
    return f"{seconds} s or less" if seconds < 60 else f"{seconds // 60} min or less"


@dataclass
class _Counts:
    waits: Counter[int] = field(default_factory=Counter)
    came: Counter[datetime] = field(default_factory=Counter)
    left: Counter[datetime] = field(default_factory=Counter)


def receiver_lines(now: datetime) -> list[ReceiverLine]:
    """Every account, those that are silent first. Six queries."""
    begin = now.replace(minute=0, second=0, microsecond=0) - DAY + HOUR
    counts: dict[int, _Counts] = defaultdict(_Counts)
    rows = ReceiverCount.objects.filter(slot__gte=begin, slot__lte=now).order_by()
    for account, slot, what, n in rows.values_list("account_id", "slot", "what").annotate(total=Sum("n")):
        hour, its = slot.replace(minute=0), counts[account]
        if what == HANDED_OVER:
            its.left[hour] += n
        else:
            its.came[hour] += n
            its.waits[what] += n
    gaps = {gap.account_id: gap for gap in ReceiptGap.objects.filter(ended_at=None)}
    letters = _letters()
    hours = [begin + n * HOUR for n in range(24)]
    lines = [
        ReceiverLine(
            account, gaps.get(account.pk), _hours(counts[account.pk], hours), counts[account.pk].waits,
            letters[account.pk][State.PARKED], letters[account.pk][State.DEAD],
        )
        for account in Account.objects.defer("credentials").order_by("name")
    ]  # fmt: skip
    return sorted(lines, key=lambda line: (line.gap is None, not line.account.active))


def _hours(its: _Counts, hours: Sequence[datetime]) -> list[Hour]:
    share = its.came.total() / its.left.total() if its.left else 0.0
    return [Hour(hour, its.left[hour], its.came[hour], share * its.left[hour]) for hour in hours]


def _letters() -> dict[int, Counter[str]]:
    """How many of the newest parked and dead ones are of each account. By their ids: a join opens every partition."""
    found: dict[int, Counter[str]] = defaultdict(Counter)
    for state in (State.PARKED, State.DEAD):
        pks = (
            PendingReceipt.objects.filter(state=state)
            .order_by("-receipt_id")
            .values_list("receipt_id", flat=True)
        )
        newest = list(pks[:COUNT_LIMIT])
        for start in range(0, len(newest), 500):
            rows = Receipt.objects.filter(pk__in=newest[start : start + 500]).order_by()
            for account, n in rows.values_list("account_id").annotate(n=Count("pk")):
                found[account][state] += n
    return found


# ---- Gaps ------------------------------------------------------------------------------------------------------


def gaps(mark: str) -> Page:
    """Newest first."""
    rows = ReceiptGap.objects.select_related("account", "released_by").defer("account__credentials")
    return page(rows, GAPS_SHOWN, mark)


# ---- Parked and dead -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Letter:
    """A receipt that could not be read yet, or never could."""

    pending: PendingReceipt
    receipt: Receipt | None
    account: str


def letters(state: str, reason: str, mark: str) -> tuple[list[Letter], Page]:
    """Of one state, and of one reason unless that is ''; newest first. Three queries."""
    rows = PendingReceipt.objects.filter(state=state)
    if reason:
        rows = rows.filter(reason=reason)
    found = page(rows.annotate(id=F("receipt_id")), LETTERS_SHOWN, mark, pk="receipt_id")
    receipts = Receipt.objects.defer("body", "headers", "query").in_bulk(
        [one.receipt_id for one in found.rows]
    )
    names = Account.objects.names()
    shown = []
    for one in found.rows:
        receipt = receipts.get(one.receipt_id)
        account = names.get(receipt.account_id, "An account that is gone") if receipt else "No longer kept"
        shown.append(Letter(one, receipt, account))
    return shown, found


def reasons(state: str) -> list[tuple[str, int]]:
    """Why they are there, the most frequent first. One query."""
    rows = PendingReceipt.objects.filter(state=state).order_by()
    counted = rows.values_list("reason").annotate(n=Count("pk")).order_by("-n", "reason")
    return [(reason, n) for reason, n in counted[:REASONS_SHOWN]]


SLOT_MINUTES = int(SLOT.total_seconds() // 60)
