"""What the tests of the mapping pages begin with."""

from __future__ import annotations

from functools import partial

import pytest

from dashboard.mappings import draft as draft_views
from dashboard.mappings import sections, versions
from deliveries.meaning import mappings
from deliveries.models import MappingVersion
from tests import factories


@pytest.fixture
def tables():
    mappings.seed()
    return MappingVersion.objects.get()


@pytest.fixture
def admin(login, tables):
    return login("admin")


@pytest.fixture
def account():
    return factories.account("twilio", credentials={"account_sid": "AC1", "auth_token": "t"})


@pytest.fixture
def woken(monkeypatch):
    """Which modules woke the workers, in order."""
    modules: list[str] = []
    for views in (draft_views, sections, versions):
        name = views.__name__.rpartition(".")[2]
        monkeypatch.setattr(views, "wake", partial(modules.append, name))
    return modules
