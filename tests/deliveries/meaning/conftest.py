"""The tables of the release, and an account whose receipts they translate."""

from __future__ import annotations

import pytest

from deliveries.meaning import mappings
from deliveries.models import (
    MappingVersion,
)
from tests import factories


@pytest.fixture
def tables():
    """The tables of this release in the database, as after every migration."""
    mappings.seed()
    return MappingVersion.objects.get()


@pytest.fixture
def account():
    return factories.account("twilio", credentials={"account_sid": "AC1", "auth_token": "t"})
