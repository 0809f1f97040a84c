"""How well messages arrive, by what mailbox providers and carriers judge a sender by: by channel, how long they take,
the codes that rise, complaints and opt-outs. From totals alone, in a fixed number of queries."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta

from django.db.models import BooleanField, ExpressionWrapper, F, Q, Sum
from django.db.models.functions import Coalesce

from campaigns.models import Campaign
from deliveries.ledger.latency import HANDED_OVER, KEPT
from deliveries.meaning.mappings import current
from deliveries.models import Account, CarrierTally, CodeDay, LatencyCount
from deliveries.outcomes.latency import ENOUGH, SLOW, quantile
from deliveries.outcomes.recent import first_day
from deliveries.outcomes.shares import Share
from deliveries.outcomes.thresholds import FEWEST_TO_JUDGE
from deliveries.statuses import BUCKETS, REACHING, Disposition, FailureClass, Status

SHOWN = 8  # rows of each table: the worst
LATE_SHARE = 0.95  # of the arrivals, the share that the second figure of a latency speaks of


# ---- How long they take ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class ArrivalTimes:
    """`n` messages that arrived on one channel and carrier within the last day, and in how many seconds after handover
    half of them and 95 in 100 had. `carrier` is '' where it is not known."""

    channel: str
    carrier: str
    n: int
    median: float
    late: float

    @property
    def median_seconds(self) -> int:
        return round(self.median)

    @property
    def late_seconds(self) -> int:
        return round(self.late)

    @property
    def verdict(self) -> tuple[str, str]:
        """In words, and the bucket of its colour."""
        if self.n < ENOUGH:
            return "Too few to judge", BUCKETS[Disposition.UNKNOWN]
        if self.median > SLOW:
            return f"Slow: above {SLOW} s", BUCKETS[Disposition.BOUNCED_HARD]
        return "In time", BUCKETS[Disposition.DELIVERED]


def arrival_times(now: datetime) -> list[ArrivalTimes]:
    """The slowest first, those with too few arrivals last. One query."""
    rows = LatencyCount.objects.filter(
        minute__gt=now - KEPT, minute__lte=now, bucket__lt=HANDED_OVER
    ).order_by()
    counts: dict[tuple[str, str], Counter[int]] = defaultdict(Counter)
    for channel, carrier, bucket, n in rows.values_list("channel", "carrier", "bucket").annotate(Sum("n")):
        counts[channel, carrier][bucket] += n
    found = [
        ArrivalTimes(*where, buckets.total(), median, late)
        for where, buckets in counts.items()
        if (median := quantile(buckets, 0.5)) is not None
        and (late := quantile(buckets, LATE_SHARE)) is not None
    ]
    return sorted(found, key=lambda one: (one.n < ENOUGH, -one.median, one.channel, one.carrier))


# ---- Codes that rise -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class CodeChange:
    """How often providers reported one failure in some days, and in as many days before."""

    channel: str
    code: str
    meaning: str  # '' where the table has no words for it
    n: int
    before: int

    @property
    def more(self) -> int:
        """Below zero where it was reported less."""
        return self.n - self.before


def codes(days: int, now: datetime) -> list[CodeChange]:
    """The failures that providers reported in the last `days` UTC days, those that rose most first; what is expected to
    pass by itself included. Two queries, and the code tables where they are not at hand."""
    first = first_day(days, now)
    rows = CodeDay.objects.filter(
        day__gte=first - timedelta(days=days), day__lte=now.astimezone(UTC).date()
    ).order_by()
    providers, tables = Account.objects.providers(), current()
    counts: dict[tuple[str, str, str], list[int]] = defaultdict(lambda: [0, 0])
    counted = rows.annotate(new=ExpressionWrapper(Q(day__gte=first), BooleanField()))
    for account, channel, code, is_new, n in counted.values_list(
        "account_id", "channel", "code", "new"
    ).annotate(Sum("n")):
        provider = providers.get(account, "")
        row = tables.find(provider, channel, "error", code) or tables.find(provider, channel, "status", code)
        if row is not None and row.failure_class in ("", FailureClass.NONE):
            continue
        meaning = tables.describe(provider, channel, code).short if row else ""
        counts[channel, code, meaning][not is_new] += n
    found = [CodeChange(*key, n, before) for key, (n, before) in counts.items() if n]
    return sorted(found, key=lambda one: (-one.more, -one.n, one.channel, one.code))


# ---- Complaints and opt-outs -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class ComplaintLines:
    """From which share of the people reached on complaints are watched, and are too many: 0..1."""

    watch: float
    poor: float


@dataclass(frozen=True)
class UnwantedCampaign:
    """Of the messages of one campaign that arrived, how many led to an opt-out or a complaint, and to a complaint."""

    campaign: Campaign
    opt_outs: Share
    complaints: Share
    lines: ComplaintLines

    @property
    def verdict(self) -> tuple[str, str]:
        """On its complaints: in words, and the bucket of its colour."""
        if self.complaints.n < FEWEST_TO_JUDGE:
            return "Too few to judge", BUCKETS[Disposition.UNKNOWN]
        if self.complaints.rate >= self.lines.poor:
            return f"Complaints from {self.lines.poor:.1%} on (poor)", BUCKETS[Disposition.BOUNCED_HARD]
        if self.complaints.rate >= self.lines.watch:
            return f"Complaints from {self.lines.watch:.1%} on (watch)", BUCKETS[Disposition.PENDING_RETRY]
        return f"Complaints below {self.lines.watch:.1%}", BUCKETS[Disposition.DELIVERED]

    @property
    def rank(self) -> tuple[float, float, int]:
        """The worst first: by what is surely so."""
        return -self.complaints.range[0], -self.opt_outs.range[0], -self.campaign.pk


def unwanted(days: int, now: datetime, lines: ComplaintLines) -> list[UnwantedCampaign]:
    """Campaigns that began in the last `days` UTC days and met opt-outs or complaints. Two queries."""
    begins = datetime.combine(first_day(days, now), time.min, UTC)
    began = Campaign.objects.alias(at=Coalesce(F("starts_at"), F("launched_at"))).filter(
        at__gte=begins, at__lte=now
    )
    rows = CarrierTally.objects.filter(campaign_id__in=began.order_by().values("pk")).order_by()
    reached, left, complained = Counter[int](), Counter[int](), Counter[int]()
    for pk, status, disposition, n in rows.values_list("campaign_id", "status", "disposition").annotate(
        Sum("n")
    ):
        reached[pk] += n if status in REACHING or disposition == Disposition.OPTOUT else 0
        left[pk] += n if disposition == Disposition.OPTOUT else 0
        complained[pk] += n if status == Status.COMPLAINED else 0
    campaigns = Campaign.objects.in_bulk([pk for pk, n in left.items() if n])
    found = [
        UnwantedCampaign(one, Share(left[pk], reached[pk]), Share(complained[pk], reached[pk]), lines)
        for pk, one in campaigns.items()
    ]
    return sorted(found, key=lambda one: one.rank)
