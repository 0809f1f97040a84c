"""Who works in the admin."""

from __future__ import annotations

import pytest

from tests import factories


@pytest.fixture
def root(client):
    user = factories.user(is_staff=True, is_superuser=True)
    client.force_login(user)
    return user
