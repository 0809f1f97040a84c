"""A receiver on this machine, and the settings that let webhooks go there."""

from __future__ import annotations

from ipaddress import ip_network

import pytest

from tests.deliveries.outgoing.receiver import Receiver


@pytest.fixture
def local(settings):
    settings.WEBHOOK_NETWORKS = [ip_network("127.0.0.0/8")]
    settings.WEBHOOK_HTTP = True


@pytest.fixture
def receiver(local):
    made = Receiver()
    yield made
    made.close()
