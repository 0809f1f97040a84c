"""Who works in the admin."""

from __future__ import annotations

import pytest

from tests import factories


@pytest.fixture
def administrator(client):
    user = factories.user("admin", is_staff=True)
    client.force_login(user)
    return user
