"""Test callbacks: signed as the provider signs, taken by the receiver, and never a receipt."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

import httpx
import pytest
from django.conf import settings

from deliveries.models import CallbackTest, PendingReceipt, Receipt
from deliveries.providers import PROVIDERS
from deliveries.providers.facts import Call
from deliveries.receiving import callback_tests
from tests import factories
from tests.deliveries.receiving.exchanges import (
    Exchange,
    no_threads_left,  # noqa: F401 - a fixture that works by itself
)

AT = datetime(2026, 3, 4, 17, 0, tzinfo=UTC)
SECRETS = {
    "secret": "s", "url_secret": "s", "auth_token": "s", "signing_secret": "whsec_c2VjcmV0c2VjcmV0",
    "signature_secret": "s" * 32,
    "webhook_secret": "whsec_c2VjcmV0c2VjcmV0", "webhook_signing_key": "s",
}  # fmt: skip
KEPT_BY_THEM = {"telnyx", "sendgrid", "amazon_ses", "smtp"}  # public keys, and mail
BARE = Call("POST", "https://x.example/hooks/t/test/?test=1", "test=1", {}, b"a=b", at=AT)


@pytest.mark.parametrize("slug", sorted(PROVIDERS))
def test_what_we_sign_in_a_providers_place_is_believed(slug):
    provider = PROVIDERS[slug]

    made = provider.sign(BARE, SECRETS)

    if slug in KEPT_BY_THEM:
        assert made is None
    if made is not None:
        assert provider.verify(made, SECRETS)
        assert not provider.verify(made, {name: f"{value}x" for name, value in SECRETS.items()})
        assert "test=1" in made.query
    assert provider.sign(BARE, {}) is None


def test_most_providers_can_be_stood_in_for():
    able = {slug for slug, provider in PROVIDERS.items() if provider.sign(BARE, SECRETS)}

    assert {"sandbox", "twilio", "kannel", "vonage", "plivo", "resend", "mailgun", "bird"} <= able


@pytest.fixture
def to_the_receiver(monkeypatch):
    """What is posted to PUBLIC_URL reaches the receiver in this process."""

    def post(url, *, content, headers, **_):
        assert url.startswith(settings.PUBLIC_URL)
        parts = urlsplit(url)
        (answer,) = Exchange()(("POST", f"{parts.path}?{parts.query}", content, headers))
        return answer

    monkeypatch.setattr(httpx, "post", post)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("provider", ["sandbox", "twilio", "kannel"])
def test_one_arrives_by_the_receiver_and_is_no_receipt(to_the_receiver, provider):
    account = factories.account(provider, receipt_at=None)
    test = callback_tests.begin(account, None, AT)

    done = callback_tests.run(datetime.now(UTC)), callback_tests.run(datetime.now(UTC))

    test.refresh_from_db()
    assert done == (1, 0)
    assert (test.trouble, test.arrived_at is not None) == ("", True)
    assert callback_tests.proven_at(account) == test.arrived_at
    assert not Receipt.objects.exists()
    assert not PendingReceipt.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_one_that_we_do_not_wait_for_is_turned_away_and_kept_nowhere():
    account = factories.account()
    test = CallbackTest.objects.create(account=account, asked_at=AT)
    call = PROVIDERS["sandbox"].sign(
        Call("POST", f"{settings.PUBLIC_URL}/hooks/{account.token}/test/?test=no", "test=no", {}, b"", at=AT),
        account.credentials,
    )

    (answer,) = Exchange()(("POST", f"/hooks/{account.token}/test/?test=no", b"", call.headers))

    test.refresh_from_db()
    assert (answer.status_code, test.arrived_at) == (404, None)
    assert not Receipt.objects.exists()


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (httpx.ConnectError("refused"), "did not answer from here"),
        (httpx.Response(403), "signature was refused"),
        (httpx.Response(502), "answered with 502"),
        (httpx.Response(200), "something else answers"),
    ],
)
def test_what_does_not_arrive_says_why(monkeypatch, answer, words):
    def post(*_, **__):
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(httpx, "post", post)
    test = callback_tests.begin(factories.account(), None, AT)

    callback_tests.run(AT)

    test.refresh_from_db()
    assert words in test.trouble
    assert test.arrived_at is None


@pytest.mark.django_db
def test_when_the_last_receipt_of_an_account_came_is_known():
    one, other = factories.account(receipt_at=None), factories.account(receipt_at=None)
    for hours in (2, 1):
        factories.receipt(one, received_at=AT - timedelta(hours=hours))

    callback_tests.note_receipts(AT)
    factories.receipt(one, received_at=AT)
    callback_tests.note_receipts(AT)

    one.refresh_from_db()
    other.refresh_from_db()
    assert (one.receipt_at, other.receipt_at) == (AT, None)
