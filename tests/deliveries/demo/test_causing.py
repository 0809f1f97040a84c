"""On simulated carriers: what is wrong with a campaign is named first. `benchmarks/causing.py` tries many seeds."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from campaigns.models import Campaign
from deliveries.demo import causing, making

pytestmark = [pytest.mark.django_db, pytest.mark.once]
AT = datetime(2026, 11, 18, 20, 0, tzinfo=UTC)  # an hour without the carriers' own outages


def test_a_carrier_that_filters_a_link_is_named_first_and_nothing_of_a_healthy_campaign(monkeypatch):
    monkeypatch.setattr(making, "SOURCES", [replace(one, size=one.size // 4) for one in making.SOURCES])
    causing.prepare(1, AT)

    filtered = causing.tried("a carrier filters a link", 1, AT)
    healthy = causing.tried("nothing", 1, AT)

    assert filtered.named == filtered.wanted
    assert "links to c.example" in filtered.sentence
    assert healthy.named == frozenset()
    assert Campaign.objects.count() == len(causing.BEFORE)  # nothing of a try stays
