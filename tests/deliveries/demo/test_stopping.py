"""On the simulated carriers: the demo's filtered campaign stops early, and a healthy one does not."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from campaigns.models import Campaign
from deliveries.demo import making, stopping
from deliveries.demo.simulation import Simulation
from deliveries.models import CampaignStop
from deliveries.providers.sandbox.network import Network
from deliveries.sending import canary, launching

pytestmark = [pytest.mark.django_db, pytest.mark.once]
AT = datetime(2026, 11, 18, 17, 0, tzinfo=UTC)


def test_a_filtered_campaign_stops_before_a_tenth_has_left_and_a_healthy_one_goes_on(monkeypatch):
    monkeypatch.setattr(making, "SOURCES", [replace(one, size=one.size // 4) for one in making.SOURCES])
    monkeypatch.setattr(canary, "FROM", 200)
    monkeypatch.setattr(canary, "FEWEST", 50)
    stopping.prepare(1, AT - timedelta(days=30))

    bad = stopping.tried(stopping.BAD, 1, AT)
    fine = stopping.tried(stopping.SMS, 1, AT)

    assert bad.stopped
    assert bad.share < 0.15  # of a quarter of the people; the whole: `benchmarks/stopping.py`
    assert not fine.stopped
    assert fine.slice_over == "outcomes"
    assert fine.left == fine.messages
    assert not Campaign.objects.exists()  # nothing of a try stays

    [plan] = [plan for plan in making.PLANS if plan.guarded]
    shown, network = making.campaign(plan, AT), Network(1, secret="")
    making.look_up_numbers(network)
    launching.launch(shown, None, AT)
    simulation = Simulation(network, AT)
    simulation.step()
    simulation.run_until(AT + timedelta(hours=3))

    shown.refresh_from_db()
    assert shown.state == Campaign.State.PAUSED
    assert {part["value"] for part in CampaignStop.objects.get().parts} >= {"BlueRiver"}
