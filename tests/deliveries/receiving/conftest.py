"""An account that signs, a message of it, and a client."""

from __future__ import annotations

import pytest

from deliveries.models import Message
from deliveries.statuses import Evidence, Status
from tests import factories
from tests.deliveries.receiving.exchanges import TOKEN, Exchange
from tests.engine import rebuild


@pytest.fixture
def account():
    return factories.account(
        "twilio", credentials={"account_sid": "AC1", "auth_token": TOKEN}, channels=["sms"]
    )


@pytest.fixture
def message(account):
    made = factories.message(
        account=account, status=Status.SENDING, evidence=Evidence.HANDED_OVER, provider_message_id="SM1"
    )
    Message.objects.filter(pk=made.pk).update(precedence=0)
    rebuild()
    return made


@pytest.fixture
def post():
    """`post(path, body, headers)`: one POST; the answer."""
    return lambda path, body=b"", headers=None: Exchange()(("POST", path, body, headers or {}))[0]
