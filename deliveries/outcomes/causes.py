"""Why messages of a campaign fail, as it was counted last: what pages and alerts read.

Each cause is a part of what was sent ("carrier B and links to c.example") of which surely more failed than is usual
there. Parts are taken away one after the other, so that their excesses add up to that of the whole. How they are found
stands in `causes_ranking.py`, how they are counted in `causes_counting.py`, when in `causes_step.py`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from django.db.models import Max, QuerySet

from campaigns.models import Campaign
from deliveries.ledger.failure_rates import SILENT
from deliveries.models import CauseReport
from deliveries.outcomes.rounding import percent, percent_of
from deliveries.outcomes.shares import Share

FAILED = "failed"
MEASURES = (FAILED, SILENT)
WORDS = {FAILED: "failed", SILENT: "had no report"}
NOUN = {FAILED: "failure", SILENT: "silent message"}
CHANNEL, ACCOUNT, SENDER, WORDING, LINK = "channel", "account", "sender", "wording", "link"
CARRIER, REGION, SOURCE, SEGMENTS, HOUR, CODE = "carrier", "region", "source", "segments", "hour", "code"
LABELS = {
    CHANNEL: "Channel", ACCOUNT: "Account", SENDER: "Sender", WORDING: "Wording", LINK: "Links to", CARRIER: "Carrier",
    REGION: "Region", SOURCE: "List source", SEGMENTS: "Segments", HOUR: "Hour", CODE: "Code",
}  # fmt: skip


class CommonPart(NamedTuple):
    """What messages have in common: a dimension of LABELS, its value as rows have it, and that in words."""

    dimension: str
    value: str
    label: str

    @property
    def words(self) -> str:
        name = LABELS[self.dimension]
        return (
            f"{name.lower()} {self.label}"
            if self.dimension in (LINK, WORDING, HOUR)
            else f"{name} {self.label}"
        )


class CodeCount(NamedTuple):
    code: str
    n: int
    meaning: str


@dataclass(frozen=True)
class FailureCause:
    """One part of which surely more failed (or stayed silent) than usual.

    `n`, `failed` and `expected` are of the whole part; `contribution` is its excess without what an earlier cause has
    taken. `parts` is empty where the whole campaign is meant. `changed`: how the code's meaning seems to have changed,
    in a sentence; else ''.
    """

    measure: str
    parts: tuple[CommonPart, ...]
    n: int
    failed: int
    expected: float
    contribution: float
    fault: str = ""
    codes: tuple[CodeCount, ...] = ()
    changed: str = ""

    @property
    def name(self) -> str:
        """ "Carrier B × links to c.example"."""
        words = " × ".join(part.words for part in self.parts)
        return words[:1].upper() + words[1:] if words else "The whole campaign"

    @property
    def rate(self) -> str:
        return percent_of(self.failed, self.n)

    @property
    def usual(self) -> str:
        return percent(self.expected / self.n if self.n else None)

    @property
    def excess_range(self) -> tuple[int, int]:
        """Between what and what the excess lies, with 95 % certainty."""
        low, high = Share(self.failed, self.n).range
        return round(low * self.n - self.expected), round(high * self.n - self.expected)

    def part(self, dimension: str) -> CommonPart | None:
        return next((one for one in self.parts if one.dimension == dimension), None)


class ComparedGroup(NamedTuple):
    """Messages that share a value of a dimension."""

    part: CommonPart
    n: int
    failed: int
    expected: float
    delivered: int
    settled: int
    silent: int

    @property
    def excess(self) -> float:
        return self.failed - self.expected


@dataclass(frozen=True)
class Totals:
    """Of one measure: messages it can be said of, those it is true of, and how many are usual."""

    n: int = 0
    failed: int = 0
    expected: float = 0.0

    @property
    def excess(self) -> float:
        return self.failed - self.expected


@dataclass(frozen=True)
class CauseFindings:
    """All that was counted. `delivered` of `settled` messages, and the same without the causes. `tested`: how many
    parts were looked at."""

    totals: Mapping[str, Totals] = field(default_factory=dict)
    causes: tuple[FailureCause, ...] = ()
    delivered: int = 0
    settled: int = 0
    delivered_without: int = 0
    settled_without: int = 0
    tested: int = 0
    groups: Mapping[str, tuple[ComparedGroup, ...]] = field(default_factory=dict)

    def of(self, measure: str) -> Totals:
        return self.totals.get(measure, Totals())

    def rest(self, measure: str) -> float:
        """The excess that no cause was found for; below 0 where less failed than usual."""
        named = sum(one.contribution for one in self.causes if one.measure == measure)
        return self.of(measure).excess - named

    def sentence(self, cause: FailureCause) -> str:
        """ "73 of 81 excess failures: carrier B × links to c.example"."""
        whole, taken = round(self.of(cause.measure).excess), round(cause.contribution)
        noun = f"{NOUN[cause.measure]}{'' if whole == 1 else 's'}"
        if taken > whole:  # the others failed less than usual
            return f"{taken:,} more {noun} than usual: {cause.name}"
        return f"{taken:,} of {whole:,} excess {noun}: {cause.name}"

    @property
    def without(self) -> str:
        """The delivery rate of settled messages without the causes."""
        return percent_of(self.delivered_without, self.settled_without)

    @property
    def with_all(self) -> str:
        return percent_of(self.delivered, self.settled)

    def as_detail(self) -> dict[str, Any]:
        """As it is stored."""
        return {
            "totals": {measure: [one.n, one.failed, one.expected] for measure, one in self.totals.items()},
            "causes": [
                {
                    "measure": one.measure, "parts": one.parts, "n": one.n, "failed": one.failed,
                    "expected": one.expected, "contribution": one.contribution, "fault": one.fault,
                    "codes": one.codes, "changed": one.changed,
                }
                for one in self.causes
            ],
            "rates": [self.delivered, self.settled, self.delivered_without, self.settled_without],
            "tested": self.tested,
            "groups": {
                dimension: [[one.part.value, one.part.label, *one[1:]] for one in groups]
                for dimension, groups in self.groups.items()
            },
        }  # fmt: skip


def findings_of(detail: Mapping[str, Any]) -> CauseFindings:
    """What was stored."""
    if not detail:
        return CauseFindings()
    groups = {
        dimension: tuple(
            ComparedGroup(CommonPart(dimension, value, label), *rest) for value, label, *rest in rows
        )
        for dimension, rows in detail["groups"].items()
    }
    delivered, settled, delivered_without, settled_without = detail["rates"]
    return CauseFindings(
        _totals(detail["totals"]),
        tuple(_causes(detail["causes"])),
        delivered,
        settled,
        delivered_without,
        settled_without,
        detail["tested"],
        groups,
    )


def _totals(stored: Mapping[str, Sequence[float]]) -> dict[str, Totals]:
    return {measure: Totals(*numbers) for measure, numbers in stored.items()}  # type: ignore[arg-type]


def _causes(stored: Iterable[Mapping[str, Any]]) -> Iterator[FailureCause]:
    for one in stored:
        parts = tuple(CommonPart(*part) for part in one["parts"])
        codes = tuple(CodeCount(*code) for code in one["codes"])
        yield FailureCause(**{**one, "parts": parts, "codes": codes})


class WorstCause(NamedTuple):
    cause: FailureCause
    sentence: str


class DatedFindings(NamedTuple):
    at: datetime
    why: str
    findings: CauseFindings


def newest_reports(campaign_ids: Collection[int]) -> QuerySet[CauseReport]:
    """Of each of these campaigns the report that was counted last."""
    counted = CauseReport.objects.filter(campaign__in=campaign_ids, counted_at__isnull=False)
    last = counted.order_by().values("campaign").annotate(newest=Max("pk")).values("newest")
    return CauseReport.objects.filter(pk__in=last)


def newest(campaign_ids: Collection[int]) -> dict[int, DatedFindings]:
    """What was found out last about each of these campaigns; those never counted are missing. One query."""
    return {
        one.campaign_id: DatedFindings(one.counted_at, one.why, findings_of(one.detail))
        for one in newest_reports(campaign_ids)
        if one.counted_at
    }


def causes_now(campaign: Campaign) -> list[FailureCause]:
    """Which causes a campaign has, by its newest report, the worst first; none where it was never counted or nothing
    stands out. One query."""
    dated = newest([campaign.pk]).get(campaign.pk)
    return list(dated.findings.causes) if dated else []


def worst_causes(campaign_ids: Collection[int]) -> dict[str, dict[int, WorstCause]]:
    """By measure, of each of these campaigns that has one, the cause with the most excess, as it was counted last. One
    query, which leaves in the database what only pages compare."""
    rows = newest_reports(campaign_ids).values_list("campaign_id", "detail__causes", "detail__totals")
    found: dict[str, dict[int, WorstCause]] = {measure: {} for measure in MEASURES}
    for pk, causes, totals in rows:
        findings = CauseFindings(_totals(totals or {}), tuple(_causes(causes or ())))
        for cause in findings.causes:
            found[cause.measure].setdefault(pk, WorstCause(cause, findings.sentence(cause)))
    return found


def is_awaited(campaign: Campaign) -> bool:
    """Whether a count is asked for and not done yet."""
    return CauseReport.objects.filter(campaign=campaign, counted_at=None).exists()
