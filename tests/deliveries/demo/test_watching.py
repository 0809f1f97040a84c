"""By the ordinary code from the launch to the queue: what is wrong is named, alerted of, and in the right queue.

`python -m benchmarks --only alerting` tries many seeds.
"""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from campaigns.models import Campaign
from deliveries.demo import causing, watching
from deliveries.models import Alert

pytestmark = pytest.mark.django_db
AT = datetime(2026, 11, 18, 20, 0, tzinfo=UTC)  # an hour without the carriers' own outages
SHARE = 0.15  # of the demo's people: some 220 on the lists


def test_faults_are_named_first_and_alerted_of_and_only_their_messages_stand_in_the_right_queue():
    watching.prepare(1, AT, SHARE)

    filtered = watching.tried("a carrier filters a link", 3, AT)
    silent = watching.tried("a silent provider", 1, AT)
    healthy = watching.tried("nothing", 1, AT)

    for fault, minutes in ((filtered, 2), (silent, 20)):
        assert fault.is_named_first
        assert fault.alert == fault.says == minutes
        assert fault.queued == fault.belong == fault.both > 20
        assert fault.false == ()
    assert healthy.named == frozenset()
    assert healthy.false == ()
    assert Campaign.objects.count() == len(causing.BEFORE) + 1  # nothing of a try stays
    assert not Alert.objects.filter(raised_at__gte=AT).exists()
