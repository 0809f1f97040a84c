"""What the tests of the mapping pages begin with."""

from __future__ import annotations

import pytest

from deliveries import mappings
from deliveries.models import MappingVersion
from deliveries.reporting.views.mappings import draft as draft_views
from deliveries.reporting.views.mappings import versions
from tests import factories


@pytest.fixture
def tables():
    mappings.ship()
    return MappingVersion.objects.get()


@pytest.fixture
def admin(login, tables):
    return login("admin")


@pytest.fixture
def account():
    return factories.account("twilio", credentials={"account_sid": "AC1", "auth_token": "t"})


@pytest.fixture
def rung(monkeypatch):
    """How often the workers were rung."""
    bells: list[int] = []
    for views in (draft_views, versions):
        monkeypatch.setattr(views, "ring", lambda: bells.append(1))
    return bells
