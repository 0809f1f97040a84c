"""The circuit breaker: a campaign whose failures are surely above what is usual is paused by itself.

Looked at every few seconds, from tallies: a few queries for all campaigns that are being sent, whatever their size.
What counts as a failure stands in `ledger/failure_rates.py`, the test and its bound on false stops in
`ledger/excess.py`. Of a campaign that went on after a stop only what left since then is judged; where it went on whole,
because somebody had looked at it, the share seen at the stop is what is usual for it from then on.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from django.db import transaction
from django.db.models import Sum

from accounts.models import User
from campaigns.link_domains import link_domains
from campaigns.models import BreakerSwitch, Campaign
from contacts.channels import Channel
from contacts.gate_facts import Dimension
from contacts.models import ContactList
from deliveries.ledger.excess import Group, is_surely_above
from deliveries.ledger.failure_counts import Counts, Where, counts_of
from deliveries.ledger.failure_rates import MARGINS, FailureRates, Kind, kinds_of, load
from deliveries.meaning.mappings import describe
from deliveries.models import Account, CampaignStop, CodeTally, SourceTally
from deliveries.sending import launching
from deliveries.sending.savings import saved
from deliveries.sending.stops import carriers_left_out
from deliveries.statuses import Disposition
from deliveries.wording import wording

State = Campaign.State
GOING = (State.LAUNCHING, State.SENDING)
OVER = (State.COMPLETED, State.CANCELED)
SHOWN = 3  # causes of each sort
# What a campaign may go on without: a part with so many failures, failing so many times as often as the rest of it.
PART_FAILED, PART_TIMES = 5, 2.0


class JudgedKind(NamedTuple):
    """A kind of failures that is surely above what is tolerated."""

    kind: str
    sent: int
    failed: int
    usual: float
    tolerated: float


def watch(now: datetime) -> int:
    """Pause those that do surely worse than usual; return how many."""
    going = list(Campaign.objects.filter(state__in=GOING, breaker=True))
    if not going:
        return 0
    counts, rates = counts_of([one.pk for one in going]), load()
    stops: dict[int, CampaignStop] = {}
    for stop in CampaignStop.objects.filter(campaign__in=going).order_by("pk"):
        stops[stop.campaign_id] = stop
    stopped = 0
    for campaign in going:
        theirs = counts.get(campaign.pk, {})
        judged = judge(campaign, theirs, rates, stops.get(campaign.pk))
        if judged:
            stopped += stop_campaign(campaign, judged, sum(one.waiting for one in theirs.values()), now)
    return stopped


def judge(
    campaign: Campaign, counts: Mapping[Where, Counts], rates: FailureRates, last: CampaignStop | None
) -> JudgedKind | None:
    """The first kind of failures that is surely above; None where none is, or nothing waits that could be spared."""
    if not any(one.waiting for one in counts.values()):
        return None
    return next(surely_above(campaign, counts, rates, last), None)


def surely_above(
    campaign: Campaign, counts: Mapping[Where, Counts], rates: FailureRates, last: CampaignStop | None
) -> Iterator[JudgedKind]:
    """Every kind of failures that is, whether or not anything waits. `last`: the campaign's last stop."""
    before = last.before if last else {}
    out = carriers_left_out(campaign)
    fresh = {where: one.since(before.get(str(where))) for where, one in counts.items() if where not in out}
    for kind in Kind:
        seen = last.observed if last and last.kind == kind and not last.without else 0.0
        groups, usual = [], []
        for where, one in fresh.items():
            share = max(rates.usual(kind, *where), seen)
            groups.append(Group(one.sent, one.failed[kind], MARGINS[kind].tolerated(share)))
            usual.append(share)
        if is_surely_above(groups):
            sent, failed = sum(one.sent for one in groups), sum(one.failed for one in groups)
            weights = [one.sent for one in groups]
            yield JudgedKind(
                kind,
                sent,
                failed,
                _mean(usual, weights),
                _mean([one.tolerated for one in groups], weights),
            )


def _mean(values: Sequence[float], weights: Sequence[int]) -> float:
    return sum(value * weight for value, weight in zip(values, weights, strict=True)) / sum(weights)


def stop_campaign(campaign: Campaign, judged: JudgedKind, waiting: int, now: datetime) -> bool:
    """Pause it and keep why; False when somebody else has paused or canceled it meanwhile."""
    with transaction.atomic():
        if not launching.pause(campaign, *GOING):
            return False
        causes, parts = explain(campaign, judged.kind)
        stop = CampaignStop.objects.create(
            campaign=campaign, at=now, kind=judged.kind, sent=judged.sent, failed=judged.failed, usual=judged.usual,
            tolerated=judged.tolerated, waiting=waiting, causes=causes, parts=parts,
        )  # fmt: skip
    # Once it is paused: of a large campaign this may look at many messages, and each moment sends more of them.
    stop.saved, stop.saved_in = saved(campaign, waiting)
    stop.save(update_fields=["saved", "saved_in"])
    return True


def switch(campaign: Campaign, on: bool, *, reason: str, by: User, now: datetime) -> bool:
    """Let it stop by itself, or go on whatever fails, and keep why; False when that was so already, or it is over."""
    with transaction.atomic():
        mine = Campaign.objects.filter(pk=campaign.pk, breaker=not on).exclude(state__in=OVER)
        if not mine.update(breaker=on):
            return False
        BreakerSwitch.objects.create(campaign=campaign, on=on, reason=reason, by=by, at=now)
    return True


# ---- Why ---------------------------------------------------------------------------------------------------------


def explain(campaign: Campaign, kind: str) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """What its failures have in common, the most telling first; and what it can go on without. Reads tallies."""
    counts = counts_of([campaign.pk]).get(campaign.pk, {})
    carriers = [
        _entry(
            Dimension.CARRIER, where.carrier, f"{where.carrier} ({Channel(where.channel).label})", one.failed[kind],
            one.sent, channel=where.channel, waiting=one.waiting,
        )
        for where, one in counts.items()
        if where.carrier and one.sent
    ]  # fmt: skip
    sources, regions = _by_source(campaign, kind)
    telling = [part for those in (sources, regions) for part in those if _stands_out(part, those)]
    causes = [*_codes(campaign, kind), *_most(carriers), *_most(telling)]
    causes += _senders_and_links(campaign, causes)
    parts = [part for those in (carriers, sources, regions) for part in those if _stands_out(part, those)]
    return causes, sorted(parts, key=lambda part: -part["failed"])[:SHOWN]


def _entry(
    dimension: str, value: str, label: str, failed: int, sent: int | None, **more: Any
) -> dict[str, Any]:
    return {
        "dimension": str(dimension),
        "value": value,
        "label": label,
        "failed": failed,
        "sent": sent,
        **more,
    }


def _most(entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
    failed = [one for one in entries if one["failed"]]
    return sorted(failed, key=lambda one: -one["failed"])[:SHOWN]


def _stands_out(part: Mapping[str, Any], those: Sequence[Mapping[str, Any]]) -> bool:
    others = [one for one in those if one is not part and one["channel"] == part["channel"]]
    sent, failed = sum(one["sent"] for one in others), sum(one["failed"] for one in others)
    if part["failed"] < PART_FAILED or not sent or not part["value"]:
        return False
    return part["failed"] / part["sent"] >= PART_TIMES * max(failed / sent, 0.01)


def _codes(campaign: Campaign, kind: str) -> list[dict[str, Any]]:
    tally = CodeTally.objects.filter(campaign_id=campaign.pk).order_by()
    rows = tally.values_list("channel", "account_id", "reason_code", "status", "disposition").annotate(
        total=Sum("n")
    )
    failed: Counter[str] = Counter()
    words: dict[str, str] = {}
    providers = Account.objects.providers()
    for channel, account, code, status, disposition, n in rows:
        if kind not in kinds_of(status, disposition):
            continue
        failed[code] += n
        meant = describe(providers.get(account, ""), channel, code, status).short if code else ""
        words[code] = meant or wording(channel, status).meaning
    return [_entry("code", code, words[code], n, None) for code, n in failed.most_common(SHOWN) if n > 0]


def _by_source(campaign: Campaign, kind: str) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """By list source and by region. Their tallies know no statuses: a call that rang counts with the other failures."""
    rows = list(
        SourceTally.objects.filter(campaign_id=campaign.pk, channel=campaign.channel)
        .order_by()
        .values_list("list_source_id", "region", "disposition")
        .annotate(total=Sum("n"))
    )
    names = ContactList.objects.in_bulk({source for source, *_ in rows})
    return (
        _grouped(rows, kind, campaign.channel, Dimension.SOURCE, lambda row: str(row[0]),
                 lambda value: names[int(value)].name if int(value) in names else "No list"),
        _grouped(rows, kind, campaign.channel, Dimension.REGION, lambda row: row[1], lambda value: value),
    )  # fmt: skip


def _grouped(
    rows: Sequence[tuple], kind: str, channel: str, dimension: str, value_of: Callable[[tuple], str],
    label_of: Callable[[str], str],
) -> list[dict[str, Any]]:  # fmt: skip
    """What waits is pending here like what is on its way: so `sent` are those with an outcome."""
    sent: Counter[str] = Counter()
    failed: Counter[str] = Counter()
    for row in rows:
        disposition, n = row[2], row[3]
        if disposition in ("", Disposition.PENDING):
            continue
        sent[value_of(row)] += n
        if kind in kinds_of("", disposition):
            failed[value_of(row)] += n
    return [
        _entry(dimension, value, label_of(value), failed[value], n, channel=channel)
        for value, n in sent.items()
        if value and n > 0
    ]


def _senders_and_links(campaign: Campaign, causes: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Whom it came from and where its links lead: the same for every message, so named and not counted."""
    content = campaign.contents.select_related("sender").filter(channel=campaign.channel).first()
    if content is None or not causes:
        return []
    domains = link_domains(content.body, content.html)
    named = [_entry("sender", content.sender.value, content.sender.value, 0, None)]
    return named + [_entry("link", domain, domain, 0, None) for domain in domains[:SHOWN]]
