"""The small world the browser looks at: the demo's people and campaigns, fewer of them, made by the ordinary code."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from unittest import mock

from accounts.models import User
from contacts.models import Note
from deliveries.bulk import actions
from deliveries.bulk.selections import Selection
from deliveries.demo import making
from deliveries.demo.simulation import Simulation
from deliveries.models import Message
from deliveries.outcomes.narrowing import OutcomeView

SEED = 7
NOW = datetime(2026, 11, 18, 17, 20, tzinfo=UTC)  # a Wednesday, inside every sending window of the mainland
BEGUN = NOW - timedelta(minutes=40)  # when the live campaign was launched
SIZES = {"Front desk": 70, "Clinic import Oct": 330, "Web sign-up": 60, "Partner list B": 130}
SHOWN = {
    "september-newsletter",
    "recall-drop",
    "october-newsletter",
    "storm-closure",
    "november-newsletter",
    "autumn-recall-reminders",
}
REPORT = "autumn-recall-reminders"
LIVE = making.LIVE.slug
DRAFT = "flu-clinic"


def build() -> None:
    """Fill an empty database. The clock must stand at NOW."""
    sources = [replace(source, size=SIZES[source.name]) for source in making.SOURCES]
    plans = [plan for plan in making.PLANS if plan.slug in SHOWN]
    quiet = {"REPLIES": (), "SHARED_REPLY": ()}  # tests write what is to be read themselves
    with mock.patch.multiple(making, SOURCES=sources, PLANS=plans, **quiet):
        network = making.make(SEED, BEGUN, progress=_quietly, say=lambda line: None)
    Simulation(network, BEGUN).run_until(NOW)
    making.campaign(next(plan for plan in making.PLANS if plan.slug == DRAFT), NOW)
    somebody_works()


def somebody_works() -> None:
    """A bulk action with some rows skipped, and a note: pages that only people fill."""
    marketer = User.objects.get(username="marketer")
    chosen = Message.objects.filter(queue_entry__queue="correct").order_by("pk")[:4]
    done = Message.objects.filter(disposition="DELIVERED").order_by("pk")[:2]
    ids = tuple(message.pk for message in (*chosen, *done))
    actions.start("retry", Selection(OutcomeView(None), ids, NOW), {}, marketer, NOW)
    Note.objects.create(contact=chosen[0].contact, author=marketer, text="Asked for the new number.", at=NOW)


def _quietly(items: Iterable, name: str) -> Iterable:
    return items
