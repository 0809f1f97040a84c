"""The numbers of the report pages, read from tallies only: their cost does not grow with the messages."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from typing import Any

from django.db.models import Sum
from django.utils import timezone

from campaigns.models import Campaign, Recipient
from deliveries.models import (
    Message,
    QueueEntry,
    QueueTally,
    RecipientTally,
    StatusChange,
    TallyDelta,
)
from deliveries.outcomes.counting import Count, counted
from deliveries.outcomes.delivery_rate import Outcomes
from deliveries.outcomes.engagement_figures import EngagementFigures
from deliveries.outcomes.narrowing import DISPOSITION_OF, NOBODY, OutcomeView
from deliveries.outcomes.reconciling import Reconciliation, ReconciliationCheck, reconciliation
from deliveries.outcomes.rounding import percent_of
from deliveries.outcomes.tally_cells import (
    TALLIES,
    CarrierCell,
    CauseCount,
    CodeCell,
    SourceCell,
    causes,
    cells,
    outcomes_by_channel,
    tallied,
    totals,
    uncounted,
)
from deliveries.statuses import BUCKETS, Disposition, Status

SHOWN_CAUSES, MOST_CAUSES = 7, 15  # beside the chart at its height; and once the list is opened
COUNTED_WITHIN = timedelta(hours=1)  # of its last withdrawal, what a cancel changed is counted and decided


@dataclass(frozen=True)
class People:
    """Recipients something was sent to, and how many of them any attempt reached, whatever it took."""

    reached: int = 0
    attempted: int = 0

    @property
    def share(self) -> str:
        return percent_of(self.reached, self.attempted)


def people_of(states: Mapping[str, int]) -> People:
    """`states`: recipients by where they stand."""
    state = Recipient.State
    attempted = sum(n for key, n in states.items() if key not in (state.SKIPPED, state.PLANNED))
    return People(states.get(state.REACHED, 0), attempted)


@dataclass(frozen=True)
class Kpi:
    """One cell of the strip: a bucket, its count, its share of sent (0..1) and one telling line."""

    disposition: str
    label: str
    bucket: str
    n: int
    share: float
    line: str


@dataclass(frozen=True)
class CampaignFigures:
    """What the report of one campaign counts. Each number is read when it is first asked for, and once: a fragment
    pays for what it shows. One query each, whatever the size of the campaign.

    `uncounted` counts in what changed and is not folded in yet, as the list shows it already.
    """

    campaign: Campaign
    uncounted: bool = False

    @cached_property
    def by_carrier(self) -> list[CarrierCell]:
        return cells(CarrierCell, self._rows(CarrierCell))

    @cached_property
    def by_source(self) -> list[SourceCell]:
        return cells(SourceCell, self._rows(SourceCell))

    @cached_property
    def by_code(self) -> list[CodeCell]:
        return cells(CodeCell, self._rows(CodeCell))

    def _rows(self, kind: type) -> list[tuple]:
        return self._with_uncounted[kind] if self.uncounted else tallied(kind, self.campaign)

    @cached_property
    def _with_uncounted(self) -> dict[type, list[tuple]]:
        """The rows of every tally, and what is to be added to them.

        That is read last: what is folded in meanwhile is missed, and stands there at the next look, but never counts
        twice.
        """
        counted = {kind: tallied(kind, self.campaign) for kind in TALLIES}
        late = uncounted(self.campaign)
        return {kind: rows + late[kind] for kind, rows in counted.items()}

    @cached_property
    def _recipients(self) -> list[tuple[str, str, int]]:
        rows = RecipientTally.objects.filter(campaign_id=self.campaign.pk)
        return list(rows.values_list("state", "skip_reason", "n"))

    @cached_property
    def recipients(self) -> dict[str, int]:
        """Recipients by where they stand: Recipient.State -> n."""
        return totals((state, n) for state, _, n in self._recipients)

    @cached_property
    def skipped(self) -> dict[str, int]:
        """Skipped recipients by the reason: contacts.gate.Reason -> n."""
        return totals((reason, n) for _, reason, n in self._recipients if reason)

    @cached_property
    def engagement(self) -> EngagementFigures:
        return EngagementFigures(self.campaign)

    @cached_property
    def queues(self) -> dict[str, int]:
        """Messages that wait in each queue, the snoozed included: Queue -> n."""
        rows = QueueTally.objects.filter(campaign_id=self.campaign.pk)
        return dict(rows.values_list("queue", "n"))

    @cached_property
    def unhandled(self) -> Count:
        """Retryable messages that nothing is planned for: they wait for somebody."""
        return _in_queues(self.campaign, due_at=None)

    @cached_property
    def planned(self) -> Count:
        """Retryable messages whose next step comes by itself."""
        return _in_queues(self.campaign, due_at__isnull=False)

    @cached_property
    def waiting(self) -> bool:
        """Whether changes, of any campaign, are recorded but not folded into the tallies yet."""
        return TallyDelta.objects.exists()

    @cached_property
    def outcomes(self) -> Outcomes:
        return Outcomes(totals((cell.disposition, cell.n) for cell in self.by_carrier))

    @property
    def queued(self) -> int:
        """Messages that wait to leave."""
        return sum(cell.n for cell in self.by_carrier if cell.status == Status.QUEUED)

    @property
    def reach(self) -> People:
        return people_of(self.recipients)

    @property
    def reconciliation(self) -> Reconciliation:
        return reconciliation(self.campaign.expanded_count, self.recipients)

    @cached_property
    def by_channel(self) -> dict[str, Outcomes]:
        """Channel -> its outcomes, the busiest first."""
        return outcomes_by_channel(self.by_carrier)

    @property
    def carriers(self) -> dict[str, int]:
        """Carrier -> its messages."""
        return _counts(self.by_carrier, "carrier")

    @property
    def failures(self) -> dict[str, int]:
        """FailureClass -> the messages of that class."""
        return _counts(self.by_carrier, "failure")

    @property
    def regions(self) -> dict[str, int]:
        return _counts(self.by_source, "region")

    @property
    def sources(self) -> dict[int, int]:
        """List source -> its messages."""
        return _counts(self.by_source, "source")

    @property
    def accounts(self) -> dict[int, int]:
        return _counts(self.by_code, "account_id")

    @property
    def source_ids(self) -> set[int]:
        return {cell.source for cell in _listed(self.by_source)}

    @property
    def codes(self) -> dict[str, int]:
        """Providers' codes with their messages; the words for what we withdrew ourselves are none."""
        return totals((cell.code, cell.n) for cell in self.by_code if cell.disposition)

    @cached_property
    def all_causes(self) -> list[CauseCount]:
        """Codes of what was not delivered and is not still on its way, most frequent first."""
        return causes(self.by_code)

    def kpis(self, names: Mapping[int, str]) -> list[Kpi]:
        """The six cells after the delivery rate. `names`: list source id -> its name."""
        sent = self.outcomes.sent
        return [
            Kpi(
                disposition,
                str(disposition.label),
                BUCKETS[disposition],
                n := self.outcomes.of(disposition),
                n / sent if sent else 0.0,
                self._line(disposition, n, names) if n else "",
            )
            for disposition in Disposition
            if disposition != Disposition.DELIVERED
        ]

    def _line(self, disposition: Disposition, n: int, names: Mapping[int, str]) -> str:
        if disposition == Disposition.PENDING:
            return "on their way" if self.reach.attempted else "waiting to be sent"
        if disposition == Disposition.PENDING_RETRY:
            return self._handled(n)
        if disposition == Disposition.OPTOUT:
            return "never sent to again"
        if disposition in (Disposition.BLOCKED_COMPLIANCE, Disposition.UNKNOWN):
            return self._top_code(disposition)
        return self._worst_source(disposition, n, names) or self._top_code(disposition)

    def _handled(self, n: int) -> str:
        """How many of the retryable wait for somebody, and how many for a step that is planned; of the others another
        attempt was made, or nothing more is."""
        waiting = min(self.unhandled.n, n)
        planned = min(self.planned.n, n - waiting)
        parts = [
            f"{_at_least(waiting, self.unhandled)} {'needs' if waiting == 1 else 'need'} attention"
            if waiting
            else "",
            f"{_at_least(planned, self.planned)} planned" if planned else "",
        ]
        more = self.unhandled.more or self.planned.more
        if not more and waiting + planned < n:
            parts.append(f"{n - waiting - planned:,} retried, moved or closed")
        return ", ".join(filter(None, parts))

    def _worst_source(self, disposition: str, n: int, names: Mapping[int, str]) -> str:
        counts = totals((cell.source, cell.n) for cell in self.by_source if cell.disposition == disposition)
        if len(self.source_ids) < 2 or not counts:
            return ""
        worst = max(counts, key=lambda key: counts[key])
        return f"{percent_of(counts[worst], n)} from {names.get(worst, 'no list')}"

    def _top_code(self, disposition: str) -> str:
        counts = totals((cell.code, cell.n) for cell in self.by_code if cell.disposition == disposition)
        if not counts:
            return ""
        code = max(counts, key=lambda key: counts[key])
        return f"{counts[code]:,} with code {code}" if code else f"{counts[code]:,} without a code"

    def checks(self) -> list[ReconciliationCheck]:
        """Whether the numbers add up: the audience by its recipients, and the messages by each tally."""
        people = self.reconciliation.check
        buckets = [(one.label.lower(), self.outcomes.of(one)) for one in Disposition]
        messages = ReconciliationCheck(("Messages", _sent(self.by_source)), buckets, waiting=self.waiting)
        codes = ReconciliationCheck(
            ("Messages by code", _sent(self.by_code)), [("messages", self.outcomes.sent)]
        )
        return [people, messages] if codes.adds_up else [people, messages, codes]

    def count(self, view: OutcomeView) -> int | None:
        """How many rows a view of this campaign has, when a tally holds that combination; None when none does."""
        if view.queue:
            return self.queues.get(view.queue, 0) if not view.filters else None
        if set(view.filters) == {"engaged"}:
            return self.engagement.count(view.filters["engaged"])
        if set(view.filters) == {"person"}:
            return self.recipients.get(view.filters["person"], 0)
        if set(view.filters) == {"person", "skip"}:
            return self.skipped.get(view.filters["skip"], 0)
        wanted = dict(map(_as_in_a_cell, view.filters.items()))
        canceled = wanted.get("disposition") == ""
        found = self._cells(wanted)
        return None if found is None else sum(cell.n for cell in found if canceled or cell.disposition)

    def narrowed(self, filters: Mapping[str, str]) -> list[Any] | None:
        """The cells of the messages that have all these, of whatever kind, when a tally holds that combination; None
        when none does."""
        return self._cells(dict(map(_as_in_a_cell, filters.items())))

    def narrowed_codes(self, filters: Mapping[str, str]) -> list[CodeCell] | None:
        """The same by code."""
        return self._cells(dict(map(_as_in_a_cell, filters.items())), kinds=[CodeCell])

    def _cells(
        self, wanted: Mapping[str, str | int], kinds: Sequence[Any] = (CarrierCell, CodeCell, SourceCell)
    ) -> list[Any] | None:
        """The cells with these values, of the first tally that has all of the fields."""
        names = {CarrierCell: "by_carrier", CodeCell: "by_code", SourceCell: "by_source"}
        for kind in kinds:
            if wanted.keys() <= set(kind._fields):
                found = getattr(self, names[kind])
                return [one for one in found if all(getattr(one, key) == it for key, it in wanted.items())]
        return None


def _at_least(n: int, found: Count) -> str:
    """`n` of those found; when counting stopped before the end there are more."""
    return f"more than {n:,}" if found.more and n == found.n else f"{n:,}"


def _listed(cells: Sequence[Any]) -> list[Any]:
    """Those of what was sent or waits for it. Of what was withdrawn only where there is nothing else to list."""
    counted = [cell for cell in cells if cell.n]
    return [cell for cell in counted if cell.disposition] or counted


def _counts(cells: Sequence[Any], name: str) -> dict[Any, int]:
    return totals((getattr(cell, name), cell.n) for cell in _listed(cells))


def _sent(cells: Iterable[Any]) -> int:
    """The messages in these cells; those that were canceled before they left are none."""
    return sum(cell.n for cell in cells if cell.disposition)


def _as_in_a_cell(given: tuple[str, str]) -> tuple[str, str | int]:
    """A filter as the field of a cell and the value there."""
    name, value = given
    if name == "status":
        return ("disposition", DISPOSITION_OF[value]) if value in DISPOSITION_OF else (name, value)
    if name == "source":
        return name, 0 if value == NOBODY else int(value)
    if name == "account":
        return "account_id", int(value)
    return name, "" if value == NOBODY else value


def is_canceling(campaign: Campaign) -> bool:
    """Whether something of a canceled campaign is still to be withdrawn, counted or decided.

    Two queries at most. To be asked before its figures are read: what is not known as changing then is in them.
    """
    if campaign.state != Campaign.State.CANCELED:
        return False
    if campaign.completed_at is None:
        return True
    if campaign.completed_at < timezone.now() - COUNTED_WITHIN:
        return False
    undecided = Message.objects.filter(
        pk__in=StatusChange.objects.values("message_id"), campaign_id=campaign.pk
    )
    return TallyDelta.objects.filter(campaign_id=campaign.pk).exists() or undecided.exists()


def _in_queues(campaign: Campaign, **which: Any) -> Count:
    """Such retryable messages in a queue."""
    retryable = QueueEntry.objects.filter(campaign_id=campaign.pk, disposition=Disposition.PENDING_RETRY)
    return counted(retryable.filter(**which))


def queue_counts() -> dict[str, int]:
    """Entries of each queue over all campaigns."""
    rows = QueueTally.objects.order_by().values_list("queue").annotate(total=Sum("n"))
    return {queue: n for queue, n in rows if n > 0}
