"""How well messages arrive, by what mailbox providers and carriers judge a sender by: by channel, how long they take,
the codes that rise, complaints and opt-outs. From totals alone, in a fixed number of queries."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta

from django.db.models import BooleanField, ExpressionWrapper, F, Q, Sum
from django.db.models.functions import Coalesce

from campaigns.models import Campaign
from deliveries.ledger.latency import HANDED_OVER
from deliveries.meaning.mappings import current
from deliveries.models import REACHED, Account, CarrierTally, CodeDay, Deed, EngagementTally, LatencyCount
from deliveries.outcomes.complaints import ARRIVED, ComplaintLines, complaint_share, surely_reaches
from deliveries.outcomes.latency import ENOUGH, SLOW, quantile
from deliveries.outcomes.recent import first_day
from deliveries.outcomes.shares import Share
from deliveries.outcomes.thresholds import FEWEST_TO_JUDGE
from deliveries.statuses import BUCKETS, Disposition, FailureClass

SHOWN = 8  # rows of each table: the worst
LATELY = timedelta(hours=6)  # arrivals are counted by the minute: those of a day would be many rows
LATE_SHARE = 0.95  # of the arrivals, the share that the second figure of a latency speaks of


# ---- How long they take ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class ArrivalTimes:
    """`n` messages that arrived on one channel and carrier LATELY, and in how many seconds after handover
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
        minute__gt=now - LATELY, minute__lte=now, bucket__lt=HANDED_OVER
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
class UnwantedCampaign:
    """Of the people whom one campaign reached, who opted out in answer to it; of its messages that arrived, how many
    were complained about."""

    campaign: Campaign
    opt_outs: Share
    complaints: Share
    lines: ComplaintLines

    @property
    def verdict(self) -> tuple[str, str]:
        """On its complaints, as alerts judge them: in words, and the bucket of its colour."""
        for line, word, disposition in (
            (self.lines.poor, "poor", Disposition.BOUNCED_HARD),
            (self.lines.watch, "watch", Disposition.PENDING_RETRY),
        ):
            if surely_reaches(self.complaints, line):
                return f"Complaints {line:.1%} or more ({word})", BUCKETS[disposition]
        if self.complaints.n < FEWEST_TO_JUDGE:
            return "Too few to judge", BUCKETS[Disposition.UNKNOWN]
        return f"Complaints not surely {self.lines.watch:.1%} or more", BUCKETS[Disposition.DELIVERED]


def unwanted(days: int, now: datetime, lines: ComplaintLines) -> tuple[list[UnwantedCampaign], int]:
    """Campaigns that began in the last `days` UTC days and met opt-outs or complaints, the worst SHOWN by what is
    surely so; and how many there are in all. Three queries."""
    begins = datetime.combine(first_day(days, now), time.min, UTC)
    began = Campaign.objects.alias(at=Coalesce(F("starts_at"), F("launched_at"))).filter(
        at__gte=begins, at__lte=now
    )
    among = began.order_by().values("pk")
    statuses, people = defaultdict[int, Counter[str]](Counter), defaultdict[int, Counter[str]](Counter)
    arrived = CarrierTally.objects.filter(campaign_id__in=among, status__in=ARRIVED).order_by()
    for pk, status, n in arrived.values_list("campaign_id", "status").annotate(Sum("n")):
        statuses[pk][status] += n
    deeds = EngagementTally.objects.filter(
        campaign_id__in=among, deed__in=(REACHED, Deed.OPTED_OUT)
    ).order_by()
    for pk, deed, n in deeds.values_list("campaign_id", "deed").annotate(Sum("n")):
        people[pk][deed] += n
    found = [
        (
            Share(people[pk][Deed.OPTED_OUT], max(people[pk][REACHED], people[pk][Deed.OPTED_OUT])),
            complaints,
            pk,
        )
        for pk in statuses.keys() | people.keys()
        if (complaints := complaint_share(statuses[pk])).hits or people[pk][Deed.OPTED_OUT]
    ]
    found.sort(key=lambda one: (-one[1].range[0], -one[0].range[0], -one[2]))
    campaigns = Campaign.objects.in_bulk([pk for *_, pk in found[:SHOWN]])
    worst = [
        UnwantedCampaign(campaigns[pk], opt_outs, complaints, lines)
        for opt_outs, complaints, pk in found[:SHOWN]
        if pk in campaigns
    ]
    return worst, len(found)
