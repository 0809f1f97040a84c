"""The small world the browser looks at: the demo's people and campaigns, fewer of them, made by the ordinary code."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from unittest import mock

from deliveries import demo
from deliveries.simulation import Simulation

SEED = 7
NOW = datetime(2026, 11, 18, 17, 20, tzinfo=UTC)  # a Wednesday, inside every sending window of the mainland
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
LIVE = demo.LIVE.slug


def build() -> None:
    """Fill an empty database. The clock must stand at NOW."""
    sources = [replace(source, size=SIZES[source.name]) for source in demo.SOURCES]
    plans = [plan for plan in demo.PLANS if plan.slug in SHOWN]
    with mock.patch.multiple(demo, SOURCES=sources, PLANS=plans):
        network = demo.make(SEED, NOW - timedelta(minutes=40), progress=_quietly, say=lambda line: None)
    Simulation(network, NOW - timedelta(minutes=40)).run_until(NOW)


def _quietly(items: Iterable, name: str) -> Iterable:
    return items
