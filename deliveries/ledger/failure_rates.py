"""What share of messages usually fails, by channel and carrier: what a campaign that is being sent is held against.

As `base_rates.py` says of arrivals, but of failures as a stop counts them, by the kinds of `CampaignStop`, and of
silence, which stops nothing; from the campaigns of half a year that are over, without those that were stopped by
themselves. Counted once an hour from tallies and kept as one row. A carrier with few messages is drawn towards its
channel, and a channel towards what is usual anywhere, `PRIOR`.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Q, Sum

from campaigns.models import Campaign
from contacts.channels import Channel
from deliveries.ledger.base_rates import DRAWN, EVERY, RECENT
from deliveries.ledger.excess import Margin
from deliveries.models import Bookmark, CampaignStop, CarrierTally
from deliveries.statuses import RINGS, Disposition, Status

Kind = CampaignStop.Kind
SILENT = "silent"  # nothing was reported in time: no failure, but what a broken route is known by
MEASURES = (*Kind, SILENT)
NAME = "failure_rates"  # of the bookmark
# What is usual while nothing is known, and for how many messages that counts. Of lists that are kept clean 95 % arrive
# (outcomes/thresholds.py).
PRIOR: dict[str, float] = {Kind.LASTING: 0.05, Kind.ANY: 0.10, Kind.OPT_OUT: 0.005, SILENT: 0.03}
# More numbers take no picture than take no text, and more take no voicemail than that.
PRIOR_LASTING = {Channel.MMS: 0.07, Channel.RVM: 0.10}
PRIOR_COUNTS = 200.0


def prior(kind: str, channel: str) -> float:
    """The share that is usual while nothing is known of a channel."""
    usual = PRIOR[kind]
    return PRIOR_LASTING.get(Channel(channel), usual) if kind == Kind.LASTING else usual


# Nothing above that is ever called usual: with a worse history something else is wrong.
MOST: dict[str, float] = {Kind.LASTING: 0.15, Kind.ANY: 0.40, Kind.OPT_OUT: 0.03, SILENT: 0.99}
MOST_CARRIERS = 500  # of a channel, those with the most messages
# What is tolerated beyond the usual. An outage of one carrier of several is retried, and stops nothing: hence the wide
# margin of failures that a retry may help.
MARGINS = {Kind.LASTING: Margin(0.05, 0.5), Kind.ANY: Margin(0.30, 0.5), Kind.OPT_OUT: Margin(0.02, 1.0)}

WAITED = timedelta(hours=1)  # for a report, before a message counts as silent
UNREPORTED = (Status.TIMED_OUT, Status.SENDING, Status.SENT)
LEFT = frozenset(set(Status) - {Status.QUEUED})
LASTING = (Disposition.BOUNCED_HARD, Disposition.BLOCKED_COMPLIANCE)


def kinds_of(status: str, disposition: str) -> tuple[str, ...]:
    """The kinds of failure that an outcome counts as; none where it speaks against nobody.

    Dead numbers of a bad list count, as do filters, refusals of senders and accounts. A call that rang, silence, and
    a code that nobody knows count as nothing.
    """
    if disposition == Disposition.OPTOUT:
        return (Kind.OPT_OUT,)
    if disposition in LASTING:
        return (Kind.LASTING, Kind.ANY)
    if disposition == Disposition.PENDING_RETRY and status not in RINGS:
        return (Kind.ANY,)
    return ()


def is_failure(prefix: str = "") -> Q:
    """The condition on rows that are a failure of any kind but an opt-out; `prefix` leads to their columns."""
    again = Q(**{f"{prefix}disposition": Disposition.PENDING_RETRY}) & ~Q(**{f"{prefix}status__in": RINGS})
    return Q(**{f"{prefix}disposition__in": LASTING}) | again


def is_silent(now: datetime, prefix: str = "") -> Q:
    """The condition on messages that nothing was reported of within `WAITED`, as of `now`."""
    on_its_way = {
        f"{prefix}disposition": Disposition.PENDING, f"{prefix}status__in": (Status.SENDING, Status.SENT),
        f"{prefix}handed_over_at__lt": now - WAITED,
    }  # fmt: skip
    return Q(**{f"{prefix}status": Status.TIMED_OUT}) | Q(**on_its_way)


def measures_of(status: str, disposition: str) -> tuple[str, ...]:
    """The kinds of failure; or silence, of a campaign that is over: nothing of it is still on its way."""
    return (SILENT,) if status in UNREPORTED else kinds_of(status, disposition)


def has_left(status: str, disposition: str) -> bool:
    """Whether a message with this outcome was handed over. Those that were withdrawn have no disposition."""
    return bool(disposition) and status in LEFT


@dataclass(frozen=True)
class FailureRates:
    """Kind -> channel -> the usual share, and by carrier where it is known."""

    channels: Mapping[str, Mapping[str, float]]
    carriers: Mapping[str, Mapping[str, Mapping[str, float]]]

    def usual(self, kind: str, channel: str, carrier: str) -> float:
        known = self.carriers.get(kind, {}).get(channel, {})
        whole = self.channels.get(kind, {}).get(channel, prior(kind, channel))
        return known.get(carrier, whole)


def run(now: datetime) -> int:
    """Count anew once an hour; 0, as nothing is left to do."""
    last = Bookmark.objects.filter(name=NAME).values_list("at", flat=True).first()
    if last is None or last <= now - EVERY:
        refresh(now)
    return 0


def refresh(now: datetime) -> FailureRates:
    """One query over the tallies of half a year, and one row written."""
    over = Campaign.objects.filter(
        state__in=[Campaign.State.COMPLETED, Campaign.State.CANCELED], launched_at__gt=now - RECENT
    ).exclude(stops__isnull=False)
    tally = CarrierTally.objects.filter(campaign_id__in=over.values("pk")).order_by()
    rows = tally.values_list("channel", "carrier", "status", "disposition").annotate(total=Sum("n"))
    detail = counted(list(rows))
    Bookmark.objects.update_or_create(name=NAME, defaults={"at": now, "detail": detail})
    return _from(detail)


def load() -> FailureRates:
    """As they were counted last. One query."""
    return _from(Bookmark.objects.filter(name=NAME).values_list("detail", flat=True).first() or {})


def _from(detail: Mapping[str, Any]) -> FailureRates:
    return FailureRates(detail.get("channels", {}), detail.get("carriers", {}))


def counted(rows: list[tuple[str, str, str, str, int]]) -> dict[str, Any]:
    """What is stored: from (channel, carrier, status, disposition, n)."""
    sent: dict[str, Counter[str]] = defaultdict(Counter)
    failed: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    for channel, carrier, status, disposition, n in rows:
        if not has_left(status, disposition):
            continue
        sent[channel][carrier] += n
        for kind in measures_of(status, disposition):
            failed[kind, channel][carrier] += n
    detail: dict[str, Any] = {"channels": {}, "carriers": {}}
    for kind in MEASURES:
        for channel, by_carrier in sent.items():
            theirs = failed[kind, channel]
            whole = _drawn(theirs.total(), by_carrier.total(), prior(kind, channel), PRIOR_COUNTS)
            detail["channels"].setdefault(kind, {})[channel] = min(whole, MOST[kind])
            detail["carriers"].setdefault(kind, {})[channel] = {
                carrier: min(_drawn(theirs[carrier], n, whole, DRAWN), MOST[kind])
                for carrier, n in by_carrier.most_common(MOST_CARRIERS)
                if carrier
            }
    return detail


def _drawn(failed: int, sent: int, usual: float, counts: float) -> float:
    return (failed + counts * usual) / (sent + counts)
