"""Campaigns on the simulated carriers, launched to see whether they stop by themselves, and when.

The demo's people and campaigns, by the ordinary code: the first slice, the stop, receipts by the receiver's door. Each
try is undone, so that the next one meets the same people; the seed gives other carriers, dead numbers and delays.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from django.db import transaction

from campaigns.models import Campaign
from contacts.channels import Channel
from deliveries.demo import making
from deliveries.demo.making import CampaignPlan
from deliveries.demo.simulation import Simulation
from deliveries.ledger import failure_rates
from deliveries.ledger.failure_counts import counts_of
from deliveries.ledger.failure_rates import FailureRates
from deliveries.models import CampaignStop, Canary, Message
from deliveries.outcomes.figures import CampaignFigures
from deliveries.providers.sandbox.network import Network
from deliveries.sending import breaker, launching

SOON, OFTEN = (
    timedelta(minutes=5),
    timedelta(seconds=5),
)  # so long after the launch the clock moves in such steps
LATER = timedelta(minutes=5)
WATCHED = timedelta(
    minutes=90
)  # of a campaign that is not stopped: by then retries are planned, and all have left
BAD = next(plan for plan in making.PLANS if plan.slug == "lens-week")
LISTS = ("Front desk", "Web sign-up", "Partner list B")  # one of them full of landlines


def _fine(name: str, channel: str, body: str) -> CampaignPlan:
    return replace(BAD, name=name, slug="fine", lists=LISTS, channel=channel, body=body, also=())


# Every second one is a text; the others take their turns.
SMS = _fine("Healthy SMS", Channel.SMS, making.REMINDER)
OTHERS = (
    _fine("Healthy long SMS", Channel.SMS, making.LONG),
    _fine("Healthy email", Channel.EMAIL, making.MAIL),
    _fine("Healthy MMS", Channel.MMS, making.SALE),
    _fine("Healthy voice", Channel.VOICE, making.VOICE),
    _fine("Healthy voicemail", Channel.RVM, making.VOICE),
)


def healthy(seed: int) -> CampaignPlan:
    return SMS if seed % 2 else OTHERS[seed // 2 % len(OTHERS)]


@dataclass(frozen=True)
class Trial:
    """What became of one launch: `left` of `messages` had left when it was stopped, or at the end; `minutes` after the
    launch; `failed` of those that had an outcome, 0..1. `stopped`: also where nothing waited any more that a stop would
    have spared, as much would with a slower sender.
    """

    name: str
    seed: int
    stopped: bool
    left: int
    messages: int
    minutes: float
    failed: float
    slice_over: str

    @property
    def share(self) -> float:
        """Of the campaign that had left, 0..1."""
        return self.left / self.messages if self.messages else 0.0


def prepare(seed: int, at: datetime, codes: Sequence[int] = making.AREA_CODES, share: float = 1.0) -> None:
    """Fill an empty database with the demo's people, accounts and lists, who came at `at`; `codes` and `share` as
    `making.import_sources` takes them."""

    def quietly(rows: Iterable, what: str) -> Iterable:
        return rows

    making.people()
    making.accounts_and_senders(seed, at)
    making.import_sources(seed, at, quietly, codes, share)


def tried(plan: CampaignPlan, seed: int, at: datetime) -> Trial:
    """One launch of the plan at `at`; nothing of it stays in the database."""
    with transaction.atomic():
        found = _try(plan, seed, at)
        transaction.set_rollback(True)
    return found


def _try(plan: CampaignPlan, seed: int, at: datetime) -> Trial:
    network = Network(seed, secret="")
    making.look_up_numbers(network)
    campaign = making.campaign(plan, at)
    campaign.canary_percent, campaign.breaker = 5, True
    campaign.save(update_fields=["canary_percent", "breaker"])
    launching.launch(campaign, None, at)
    simulation = Simulation(network, at)
    rates, would = failure_rates.load(), False
    while not (would or _is_decided(campaign, simulation.now - at)):
        simulation.now += OFTEN if simulation.now - at < SOON else LATER
        simulation.step()
        would = _would_stop(campaign, rates)
    outcomes = CampaignFigures(campaign).outcomes
    left = Message.objects.filter(campaign=campaign, handed_over_at__isnull=False, follows=None)
    stop = CampaignStop.objects.filter(campaign=campaign).first()
    first = Canary.objects.filter(campaign=campaign).first()
    return Trial(
        name=plan.name,
        seed=seed,
        stopped=stop is not None or would,
        left=left.count(),
        messages=Message.objects.filter(campaign=campaign, follows=None).count(),
        minutes=(simulation.now - at).total_seconds() / 60,
        failed=1 - (outcomes.settled_rate or 0.0),
        slice_over=first.ending if first else "",
    )


def _is_decided(campaign: Campaign, age: timedelta) -> bool:
    campaign.refresh_from_db()
    return campaign.state == Campaign.State.PAUSED or age >= WATCHED


def _would_stop(campaign: Campaign, rates: FailureRates) -> bool:
    """Whether it would be stopped if something waited."""
    counts = counts_of([campaign.pk]).get(campaign.pk, {})
    as_if = {where: replace(one, waiting=1) for where, one in counts.items()}
    return breaker.judge(campaign, as_if, rates, None) is not None
