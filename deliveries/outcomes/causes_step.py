"""When causes are looked for: once more fails than is usual, once a campaign is over, and where somebody asks.

A step of the worker. What failed is seen from tallies, a few queries for all campaigns together; only then are the
messages of one campaign counted, one campaign at a time.
"""

from __future__ import annotations

import logging
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from math import log
from typing import NamedTuple

from django.db import IntegrityError, transaction
from django.db.models import F, Max, Q, Sum

from accounts.models import User
from campaigns.link_domains import link_domains
from campaigns.models import Campaign, Content, ContentVersion
from contacts.channels import Channel
from contacts.models import ContactList
from deliveries.ledger.excess import FALSE, FEWEST, Group, evidence
from deliveries.ledger.failure_counts import Counts, Where, counts_of
from deliveries.ledger.failure_rates import SILENT, WAITED, FailureRates, Kind, kinds_of, load
from deliveries.meaning.mappings import describe
from deliveries.models import Account, Bookmark, CauseReport, SourceTally
from deliveries.outcomes.causes import (
    ACCOUNT,
    CHANNEL,
    CODE,
    FAILED,
    HOUR,
    REGION,
    SEGMENTS,
    SENDER,
    SOURCE,
    WORDING,
    CauseFindings,
    CodeCount,
    CommonPart,
    FailureCause,
)
from deliveries.outcomes.causes import ComparedGroup as ComparedGroup
from deliveries.outcomes.causes_changed_codes import changed
from deliveries.outcomes.causes_counting import Cells, counted
from deliveries.outcomes.causes_ranking import MATTERS, FoundPart, search
from deliveries.outcomes.normal_versions import last_normal
from deliveries.statuses import Disposition, Status

logger = logging.getLogger(__name__)
Why = CauseReport.Why
State = Campaign.State
GOING = (State.LAUNCHING, State.SENDING, State.PAUSED)
WATCHED = timedelta(days=3)  # after its end: late reports come in, and alerts look as long
AGAIN = timedelta(minutes=15)  # between two counts of a campaign by itself
GROWN = 1.1  # and only once so many times the failures are known, or a cause may be over
PARTS = "cause_parts"  # of the bookmark: campaign -> its failures when its lists and regions were read last
OLD = timedelta(days=180)  # what was over before that is counted where somebody asks
TRIES = 3
KEPT = 2  # reports of a campaign
CALLS = (Channel.VOICE, Channel.RVM)
GROUPS = 200  # of a dimension, those with the most excess
CODES = 4


def run(now: datetime) -> int:
    """Ask for what is due by itself, then count one campaign that was asked for; return how many were counted."""
    _ask_for_jumps(now)
    report = CauseReport.objects.filter(counted_at=None).order_by("pk").select_related("campaign").first()
    if report is None:
        report = _one_that_is_over(now)
    if report is None:
        return 0
    count(report, now)
    return 1


def ask(campaign: Campaign, by: User | None, now: datetime, why: str = Why.ASKED) -> CauseReport:
    """Have it counted soon; what is asked for already stays as it is."""
    try:
        with transaction.atomic():
            return CauseReport.objects.create(campaign=campaign, why=why, asked_at=now, asked_by=by)
    except IntegrityError:
        return CauseReport.objects.filter(campaign=campaign).order_by("pk").last() or ask(
            campaign, by, now, why
        )


def _ask_for_jumps(now: datetime) -> None:
    """Five queries, of lists and regions only where more has failed; and one for each campaign of which more fails, or
    is silent, than is usual, or of which a cause that was found may be over."""
    recent = Q(state__in=GOING) | Q(completed_at__gt=now - WATCHED)
    watched = {one.pk: one for one in Campaign.objects.filter(recent, launched_at__isnull=False)}
    if not watched:
        return
    rates, last, counted = load(), _last(watched), counts_of(watched)
    new = [pk for pk, counts in counted.items() if _is_new(counts, last.get(pk), now)]
    parts = _parts_of({pk: _failures(counted[pk].values()) for pk in new}, now)
    for pk, counts in counted.items():
        fails = pk in new and jumped(counts, rates, parts.get(pk, ()))
        waited = _have_waited(watched[pk], last.get(pk), now)
        if fails or (waited and fell_silent(counts, rates)) or _may_be_over(counts, last.get(pk), now):
            ask(watched[pk], None, now, Why.JUMP)


class LastCount(NamedTuple):
    """The newest report of a campaign: when it was counted, None where it only is asked for; failures, messages that
    had left and those without a report then; of how many the time for a report was over; how large each cause was."""

    counted_at: datetime | None
    failed: int
    sent: int
    pending: int
    waited: int
    causes: tuple[int, ...]


class PartCount(NamedTuple):
    """Messages with an outcome of one list source, or one region, on a channel."""

    channel: str
    settled: int
    failed: int


def _parts_of(failed: Mapping[int, int], now: datetime) -> dict[int, list[PartCount]]:
    """Of those of these campaigns of which enough has failed to say something, and a tenth more than when their parts
    were read last. `failed`: campaign -> its failures."""
    enough = {pk: n for pk, n in failed.items() if n >= FEWEST}
    if not enough:
        return {}
    read = Bookmark.objects.filter(name=PARTS).values_list("detail", flat=True).first() or {}
    due = [pk for pk, n in enough.items() if n >= GROWN * read.get(str(pk), 0)]
    if not due:
        return {}
    kept = {str(pk): enough[pk] if pk in due else read[str(pk)] for pk in enough}
    Bookmark.objects.update_or_create(name=PARTS, defaults={"at": now, "detail": kept})
    return _parts(due)


def _parts(campaign_ids: Iterable[int]) -> dict[int, list[PartCount]]:
    """By campaign, its list sources and regions; not of calls: these tallies do not tell those that rang, which are no
    failures, from the others. One query."""
    rows = SourceTally.objects.filter(campaign_id__in=campaign_ids).exclude(channel__in=CALLS)
    rows = rows.exclude(disposition__in=("", Disposition.PENDING))
    counts: dict[tuple, Counter[str]] = defaultdict(Counter)
    cells = rows.order_by().values_list("campaign_id", "channel", "list_source_id", "region", "disposition")
    for pk, channel, source, region, disposition, n in cells.annotate(total=Sum("n")):
        for part in ((SOURCE, source), (REGION, region)):
            counts[pk, channel, *part]["settled"] += n
            counts[pk, channel, *part]["failed"] += n if Kind.ANY in kinds_of("", disposition) else 0
    found: dict[int, list[PartCount]] = defaultdict(list)
    for (pk, channel, *_), one in counts.items():
        found[pk].append(PartCount(channel, one["settled"], one["failed"]))
    return found


def jumped(counts: Mapping[Where, Counts], rates: FailureRates, parts: Iterable[PartCount] = ()) -> bool:
    """Whether surely more of a campaign failed than is usual for its carriers, by so much that it matters: as a whole,
    at one of its carriers, of one list source, or in one region."""
    margin = MATTERS[FAILED]
    groups = [
        Group(one.sent, one.failed[Kind.ANY], margin.tolerated(rates.usual(Kind.ANY, *where)))
        for where, one in counts.items()
    ]
    alone = groups + [
        Group(one.settled, one.failed, margin.tolerated(rates.usual(Kind.ANY, one.channel, "")))
        for one in parts
    ]
    return _is_beyond([groups, *([one] for one in alone)])


def fell_silent(counts: Mapping[Where, Counts], rates: FailureRates) -> bool:
    """Whether surely more is without a report than is usual after the time that reports have."""
    groups = [
        Group(one.sent, one.pending, MATTERS[SILENT].tolerated(rates.usual(SILENT, *where)))
        for where, one in counts.items()
    ]
    return _is_beyond([groups, *([one] for one in groups)])


def _is_beyond(sets: Sequence[Sequence[Group]]) -> bool:
    """Of so many sets of groups, whether one is beyond what is tolerated, and not by chance."""
    enough = log(1 / FALSE) + log(len(sets) or 1)
    return any(sum(one.failed for one in some) >= FEWEST and evidence(some) >= enough for some in sets)


def _is_new(counts: Mapping[Where, Counts], last: LastCount | None, now: datetime) -> bool:
    """Whether so much more has failed since it was counted that it is worth counting again."""
    if last is None or last.counted_at is None:
        return last is None
    return last.counted_at <= now - AGAIN and _failures(counts.values()) >= GROWN * max(1, last.failed)


def _have_waited(campaign: Campaign, last: LastCount | None, now: datetime) -> bool:
    """Whether reports had their time, of so many more messages than when it was counted last that it is worth counting
    again: what had left by then had it an hour later."""
    begins = campaign.begins_at
    if begins is None or begins > now - WAITED - AGAIN:
        return False
    if last is None or last.counted_at is None:
        return last is None
    return last.counted_at <= now - WAITED and last.sent >= GROWN * max(1, last.waited)


def _may_be_over(counts: Mapping[Where, Counts], last: LastCount | None, now: datetime) -> bool:
    """Whether a cause was found, and so much has changed since that it may be gone: a tenth of the smallest one."""
    if last is None or last.counted_at is None or not last.causes or last.counted_at > now - AGAIN:
        return False
    least = max(1.0, (GROWN - 1) * min(last.causes))
    before = (last.failed, last.sent, last.pending)
    return any(abs(a - b) >= least for a, b in zip(_numbers(counts.values()), before, strict=True))


def _failures(counts: Iterable[Counts]) -> int:
    return sum(one.failed[Kind.ANY] for one in counts)


def _numbers(counts: Collection[Counts]) -> tuple[int, int, int]:
    """Failures, messages that left, and those of them without a report."""
    return _failures(counts), sum(one.sent for one in counts), sum(one.pending for one in counts)


def _last(campaigns: Iterable[int]) -> dict[int, LastCount]:
    """The newest report of each. One query, which reads what is asked about it here and not all that was counted."""
    reports = CauseReport.objects.filter(campaign__in=campaigns)
    newest = reports.order_by().values("campaign").annotate(newest=Max("pk")).values("newest")
    rows = CauseReport.objects.filter(pk__in=newest).values_list(
        "campaign_id", "counted_at", "detail__seen", "detail__sent", "detail__pending", "detail__totals",
        "detail__causes",
    )  # fmt: skip
    found = {}
    for pk, at, failed, sent, pending, totals, causes in rows:
        waited, *_ = (totals or {}).get(SILENT, [0])
        sizes = tuple(one["failed"] for one in causes or ())
        found[pk] = LastCount(at, failed or 0, sent or 0, pending or 0, waited, sizes)
    return found


def _one_that_is_over(now: datetime) -> CauseReport | None:
    """The newest campaign that is over and was not counted since."""
    over = Campaign.objects.filter(state__in=(State.COMPLETED, State.CANCELED), completed_at__gt=now - OLD)
    counted_since = Q(cause_reports__counted_at__gte=F("completed_at"))
    campaign = over.exclude(pk__in=over.filter(counted_since).values("pk")).order_by("-completed_at").first()
    return ask(campaign, None, now, Why.OVER) if campaign else None


# ---- Counting ----------------------------------------------------------------------------------------------------


def count(report: CauseReport, now: datetime) -> None:
    """Count one campaign and keep what was found; one that fails a few times is left with nothing found."""
    report.tries = F("tries") + 1
    report.save(update_fields=["tries"])
    report.refresh_from_db(fields=["tries"])
    if report.tries <= TRIES:
        counts = counts_of([report.campaign_id]).get(report.campaign_id, {}).values()
        seen = dict(zip(("seen", "sent", "pending"), _numbers(counts), strict=True))
        report.detail = found_out(report.campaign, now).as_detail() | seen
    else:
        logger.error("The causes of campaign %d could not be counted.", report.campaign_id)
    report.counted_at = now
    with transaction.atomic():
        report.save(update_fields=["counted_at", "detail"])
        old = (
            CauseReport.objects.filter(campaign=report.campaign_id)
            .order_by("-pk")
            .values_list("pk", flat=True)
        )
        CauseReport.objects.filter(pk__in=list(old[KEPT:])).delete()


def found_out(campaign: Campaign, now: datetime) -> CauseFindings:
    """Why messages of this campaign fail, as of `now`. Reads each of its messages once."""
    domains = _domains(campaign)
    with counted(campaign, load(), domains, now) as cells:
        words = _Words(campaign, cells)
        totals = {measure: cells.totals(measure) for measure in ("failed", "silent")}
        groups = _groups(cells, words)
        if not totals[FAILED].n:
            return CauseFindings(totals)
        found, tested = search(cells, _suspects(campaign, domains))
        causes = tuple(_cause(campaign, cells, one, words, now) for one in found)
        return CauseFindings(totals, causes, *cells.rates(), tested, groups)


def _domains(campaign: Campaign) -> dict[str, list[str]]:
    """Wording -> the domains that it leads to."""
    found = {}
    for one in ContentVersion.objects.filter(content__campaign=campaign).select_related("content"):
        found[f"{one.content.channel} {one.number}"] = link_domains(one.body, one.html)
    for content in Content.objects.filter(campaign=campaign):
        found.setdefault(f"{content.channel} {content.version}", link_domains(content.body, content.html))
    return found


def _suspects(campaign: Campaign, domains: Mapping[str, list[str]]) -> list[str]:
    """The domains that the last wording of its sender that arrived did not lead to."""
    content = Content.objects.filter(campaign=campaign, channel=campaign.channel).first()
    normal = last_normal(content.sender_id, campaign.channel, without=campaign.pk) if content else None
    healthy = link_domains(normal.version.body, normal.version.html) if normal else []
    return [domain for found in domains.values() for domain in found if domain not in healthy]


class _Words:
    """The values of dimensions in words. Three queries."""

    def __init__(self, campaign: Campaign, cells: Cells) -> None:
        self.accounts = {str(pk): name for pk, name in Account.objects.names().items()}
        self.providers = Account.objects.providers()
        contents = Content.objects.filter(campaign=campaign).select_related("sender")
        self.senders = {str(one.sender_id): one.sender.value for one in contents}
        versions = ContentVersion.objects.filter(content__campaign=campaign).select_related("sender")
        self.senders |= {str(one.sender_id): one.sender.value for one in versions}
        self.sources = {str(pk): name for pk, name in ContactList.objects.values_list("pk", "name")}

    def of(self, dimension: str, value: str) -> CommonPart:
        return CommonPart(dimension, value, self._label(dimension, value))

    def meaning(self, channel: str, account: str, code: str) -> str:
        """Of a code; '' where there is none."""
        provider = self.providers.get(int(account), "")
        return describe(provider, channel, code, Status.FAILED).short if code else ""

    def _label(self, dimension: str, value: str) -> str:
        if dimension == CHANNEL:
            return str(Channel(value).label)
        if dimension == ACCOUNT:
            return self.accounts.get(value, value)
        if dimension == SENDER:
            return self.senders.get(value, f"number {value}")
        if dimension == SOURCE:
            return self.sources.get(value, "No list")
        if dimension == WORDING:
            channel, number = value.split(" ")
            return f"{number} by {Channel(channel).in_sentence}"
        if dimension == HOUR:
            return f"from {value}:00 UTC"
        if dimension == SEGMENTS:
            return value
        return value or "not known"


def _groups(cells: Cells, words: _Words) -> dict[str, tuple[ComparedGroup, ...]]:
    found: dict[str, list[ComparedGroup]] = {}
    for dimension, value, (n, failed, expected, delivered, settled, silent) in cells.singles():
        one = ComparedGroup(
            words.of(dimension, value),
            int(n),
            int(failed),
            expected,
            int(delivered),
            int(settled),
            int(silent),
        )
        found.setdefault(dimension, []).append(one)
    return {
        dimension: tuple(sorted(groups, key=lambda one: -one.excess)[:GROUPS])
        for dimension, groups in found.items()
    }


def _cause(campaign: Campaign, cells: Cells, found: FoundPart, words: _Words, now: datetime) -> FailureCause:
    codes = _codes(cells, found, words) if found.measure == FAILED else ()
    named = tuple(words.of(*part) for part in found.named)
    sentence = ""
    if codes and codes[0].code and codes[0].n >= found.contribution / 2:
        account = cells.constant.get(ACCOUNT) or dict(found.parts).get(ACCOUNT, "0")
        sentence = changed(campaign, int(account), codes[0].code, now)
        named = (CommonPart(CODE, codes[0].code, codes[0].code), *named) if sentence else named
    # Of what its name says, so that each number opens just those messages.
    whole = cells.whole(found.measure, [one[:2] for one in named if one.dimension != CODE])
    return FailureCause(
        found.measure,
        named,
        whole.n,
        whole.failed,
        whole.expected,
        found.contribution,
        found.fault,
        codes,
        sentence,
    )


def _codes(cells: Cells, found: FoundPart, words: _Words) -> tuple[CodeCount, ...]:
    """What was reported of the failures of a part, most often first; each code once, whichever account reported it."""
    counts: Counter[str] = Counter()
    meant: dict[str, str] = {}
    for channel, account, code, n in cells.codes(found.named):
        counts[code] += n
        if code not in meant:
            meant[code] = words.meaning(channel, account, code)
    return tuple(CodeCount(code, n, meant[code]) for code, n in counts.most_common(CODES))
