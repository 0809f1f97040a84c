"""Campaigns with one thing wrong, by the ordinary code from the launch to the queue, to see what is noticed, and when.

Messages are handed over to simulated carriers, their signed receipts come in by the receiver's door, are recorded and
decided on, and the steps that look for silence, causes and alerts run, under a clock that moves ever longer steps. Each
try is undone. A few hundred people are enough for what `faults.py` can do to them, and take seconds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from django.db import transaction

from deliveries.demo import causing, making
from deliveries.demo.faults import STATES, CarrierFault, FaultyNetwork, fault_of, people_now
from deliveries.demo.simulation import Simulation
from deliveries.ledger.failure_rates import is_silent
from deliveries.models import Alert, Message, QueueEntry
from deliveries.outcomes import causes_step
from deliveries.outcomes.causes import causes_now
from deliveries.receiving import gaps
from deliveries.running import alerts
from deliveries.sending import launching

CODES = [code for codes in STATES.values() for code in codes]
SHARE = 0.4  # of the demo's people: some 600 on the lists of a campaign
EARLIER = timedelta(days=6)  # before: a campaign that came the whole way, as the next one does
# Minutes after the launch at which it is looked: in life every minute, here where something may have changed.
OFTEN = (1, 2, 4, 7, 10, 20, 30, 60, 75)
LATER = (180, 300, 420, 600, 1440, 1800)
QUEUES_AT = 75  # minutes: silence is known, and nothing is sent again yet
THROUGH_A_DAY = (2, 10, 30, 75, 240, 600, 1440, 2870)
DAYS_OF_A_WEEK = (0, 2, 5)  # on which a campaign leaves
FAR_APART = (5, 60, 300, 600, 1440, 2160, 2880, 4320, 5760, 8640)
# What is to be alerted of: the kinds of `alerting/kinds.csv` that say so.
FAILS = ("stopped", "failures", "rejected", "rate_poor", "rate_watch", "part_fails", "code_changes")
SILENT = ("receiver_silent", "route", "part_silent")


@dataclass(frozen=True)
class WatchedFault:
    """What was noticed of one campaign.

    `named`: (dimension, words) of the first cause, `wanted` those of what was wrong. `alert`: minutes until the first
    alert of it, None where none came; `says`: until one whose sentence names it. Of messages: `queued` stand in the
    right queue, `belong` there by what the carriers did, `both`. `false`: alerts of something else.
    """

    kind: str
    seed: int
    wanted: frozenset[tuple[str, str]]
    named: frozenset[tuple[str, str]]
    alert: float | None
    says: float | None
    queued: int
    belong: int
    both: int
    false: tuple[str, ...]

    @property
    def is_named_first(self) -> bool:
        return self.wanted == self.named


def prepare(seed: int, at: datetime, share: float = SHARE) -> None:
    """Fill an empty database with people, healthy campaigns of earlier weeks, and one that came the whole way."""
    causing.prepare(seed, at, CODES, share)
    began = at - EARLIER
    network = FaultyNetwork(seed + 100, None, {})
    plan = replace(causing.PLAN, name="Reminder", slug="earlier", body=making.REMINDER)
    run = Run(network, plan, began)
    for minutes in FAR_APART:
        run.step(minutes)


class Run:
    """One campaign under way, with the steps of the worker that look at it."""

    def __init__(self, network: FaultyNetwork, plan: making.CampaignPlan, at: datetime) -> None:
        making.look_up_numbers(network)
        self.network, self.at = network, at
        self.campaign = making.campaign(plan, at)
        launching.launch(self.campaign, None, at)
        self.simulation = Simulation(network, at)

    def step(self, minutes: float) -> None:
        """Let everything happen until so long after the launch."""
        simulation = self.simulation
        simulation.now = self.at + timedelta(minutes=minutes)
        simulation.step()
        gaps.watch(simulation.now)
        while causes_step.run(simulation.now):
            pass
        alerts.run(simulation.now)


def tried(kind: str, seed: int, at: datetime) -> WatchedFault:
    """One campaign launched at `at` on carriers with this seed; nothing of it stays in the database."""
    with transaction.atomic():
        found = _try(kind, seed, at)
        transaction.set_rollback(True)
    return found


def _try(kind: str, seed: int, at: datetime) -> WatchedFault:
    people = people_now()
    fault = fault_of(kind, seed, people)
    run = Run(FaultyNetwork(seed, fault, people), causing.PLAN, at)
    queued: set[str] = set()
    belong: set[str] = set()
    named: frozenset[tuple[str, str]] = frozenset()
    for minutes in (*OFTEN, *LATER):
        run.step(minutes)
        if minutes == QUEUES_AT and fault:
            queued, belong = _queued(run, fault), _belonging(run, fault)
        named = causing.names_of(next(iter(causes_now(run.campaign)), None))
        seen = fault.named == named if fault else False
        if minutes >= QUEUES_AT and (seen or not fault or minutes >= fault.looked_at.total_seconds() / 60):
            break
    kinds = SILENT if fault and not fault.status else FAILS if fault else ()
    raised = _raised(at)
    true = [one for one in raised if one.kind in kinds]
    labels = [label for _, label in fault.named] if fault else []
    saying = [one for one in true if all(label in one.sentence for label in labels)]
    return WatchedFault(
        kind, seed, fault.named if fault else frozenset(), named, _minutes(true, at), _minutes(saying, at),
        len(queued), len(belong), len(queued & belong),
        tuple(f"{one.kind}: {one.sentence}" for one in raised if one.kind not in kinds),
    )  # fmt: skip


def healthy_week(seed: int, at: datetime) -> list[str]:
    """The alerts of a week in which nothing is wrong: three campaigns to lists whose numbers were looked up, each
    watched until the next. Nothing of it stays in the database."""
    with transaction.atomic():
        plan = replace(causing.PLAN, lists=making.OWN)
        for number, days in enumerate(DAYS_OF_A_WEEK):
            began = at + timedelta(days=days)
            network = FaultyNetwork(seed * len(DAYS_OF_A_WEEK) + number, None, {})
            run = Run(network, replace(plan, slug=f"healthy-{number}"), began)
            for minutes in THROUGH_A_DAY:
                run.step(minutes)
        found = [f"{one.kind}: {one.sentence}" for one in _raised(at)]
        transaction.set_rollback(True)
    return found


def _raised(at: datetime) -> list[Alert]:
    """What was raised since, without news, and without a code that these carriers report and no table lists: that one
    is true of all of them."""
    raised = Alert.objects.filter(raised_at__gte=at).exclude(severity=Alert.Severity.NOTICE)
    return list(raised.exclude(kind="codes").order_by("raised_at"))


def _minutes(alerts: Sequence[Alert], at: datetime) -> float | None:
    return (alerts[0].raised_at - at).total_seconds() / 60 if alerts and alerts[0].raised_at else None


def _queued(run: Run, fault: CarrierFault) -> set[str]:
    """The messages of its campaign that stand in the right queue with the code that was reported; of silence those that
    the number of its cause opens, as nothing is decided about them yet."""
    if not fault.status:
        silent = Message.objects.filter(is_silent(run.simulation.now), campaign=run.campaign)
        return set(map(str, silent.values_list("uuid", flat=True)))
    rows = QueueEntry.objects.filter(campaign=run.campaign, queue=fault.queue, reason_code=fault.code)
    return set(map(str, rows.values_list("message__uuid", flat=True)))


def _belonging(run: Run, fault: CarrierFault) -> set[str]:
    """Those that stand there rightly, by what the carriers did, which no table of ours decides."""
    ours = set(map(str, Message.objects.filter(campaign=run.campaign).values_list("uuid", flat=True)))
    return {ref for ref, code in run.network.codes.items() if ref in ours and code == (fault.code or None)}
