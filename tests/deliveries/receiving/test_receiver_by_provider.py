"""The receiver and what differs from provider to provider: secrets, addresses, times, being introduced."""

from __future__ import annotations

import base64
import hmac
import json
from datetime import UTC, datetime
from urllib.parse import quote

import pytest
from django.conf import settings as conf
from django.utils import timezone

from contacts.models import Suppression
from deliveries.models import Receipt
from deliveries.receiving import receiver as subject
from deliveries.receiving.recording import record
from deliveries.receiving.storing import Incoming, store
from tests import factories
from tests.deliveries.receiving.exchanges import (
    FORM,
    Exchange,
    callback,
    eventually,
    no_threads_left,  # noqa: F401 - a fixture that works by itself
)

pytestmark = pytest.mark.django_db(transaction=True)


# ---- What people write -----------------------------------------------------------------------------------------


def inbound(account, sender: str, text: str) -> Incoming:
    body = f"MessageSid=SM9&From={quote(sender)}&To=%2B12125550100&Body={quote(text)}&NumMedia=0".encode()
    return Incoming(account.pk, "inbound", datetime.now(UTC), "POST", "", {"content-type": FORM}, body)


def test_a_stop_from_a_number_that_no_contact_has_yet_blocks_it_all_the_same(account):
    store([inbound(account, "+12125550142", "STOP")])

    done = record(datetime.now(UTC))

    assert done.parked == 1
    entry = Suppression.objects.get()
    assert (entry.value, entry.origin) == ("+12125550142", "recipient")


def test_a_receipt_for_the_sandbox_is_taken_with_its_own_signature(post):
    account = factories.account("sandbox", credentials={"secret": "s"})
    path = f"/hooks/{account.token}/status"
    body = json.dumps({"id": "x", "status": "sent", "channel": "sms"}).encode()
    signed_text = f"123.{conf.PUBLIC_URL}{path}.".encode() + body
    headers = {
        "x-sandbox-timestamp": "123",
        "x-sandbox-signature": hmac.digest(b"s", signed_text, "sha256").hex(),
    }

    assert post(path, body, headers).status_code == 204
    assert post(path, body, {**headers, "x-sandbox-timestamp": "124"}).status_code == 403


# ---- Providers that sign nothing ---------------------------------------------------------------------------------


def test_an_account_of_a_provider_that_signs_nothing_has_a_secret_from_the_first_moment():
    account = factories.account("kannel", credentials={"username": "u", "password": "p"})
    account.refresh_from_db()

    assert len(account.credentials["url_secret"]) >= 20
    assert account.credentials["username"] == "u"


@pytest.mark.parametrize(("query", "status"), [("&k=right", 200), ("&k=wrong", 403), ("", 403), ("&k=", 403)])
def test_an_unsigned_callback_is_proved_by_our_secret_in_its_address(query, status):
    account = factories.account("kannel", credentials={"url_secret": "right"})

    (answer,) = Exchange()(("GET", f"/hooks/{account.token}/status?id=1&d=1{query}", b"", {}))

    assert answer.status_code == status


@pytest.mark.parametrize(
    ("networks", "status"), [("127.0.0.0/8", 200), ("10.0.0.0/8, 192.0.2.7", 403), ("nonsense", 403)]
)
def test_an_unsigned_callback_may_be_bound_to_addresses(post, networks, status):
    account = factories.account(
        "slybroadcast", credentials={"url_secret": "s", "allowed_addresses": networks}
    )

    answer = post(f"/hooks/{account.token}/status?k=s", b"var=1|2105550101|OK||2026-03-04 12:00:00|Carrier")

    assert answer.status_code == status


def test_a_provider_that_waits_for_words_gets_them(post):
    account = factories.account("slybroadcast", credentials={"url_secret": "s"})

    answer = post(f"/hooks/{account.token}/status?k=s", b"var=1|2105550101|OK||2026-03-04 12:00:00|Carrier")

    assert (answer.status_code, answer.text) == (200, "OK")


def test_a_signed_time_is_compared_with_the_moment_the_call_came_in(post):
    account = factories.account(
        "resend", credentials={"api_key": "k", "signing_secret": "whsec_" + "c2VjcmV0" * 4}
    )
    body = json.dumps({"type": "email.sent", "data": {"email_id": "1", "to": ["a@example.com"]}}).encode()

    def sign(at):
        text = f"msg_1.{at}.".encode() + body
        made = base64.b64encode(hmac.digest(base64.b64decode("c2VjcmV0" * 4), text, "sha256")).decode()
        return {"svix-id": "msg_1", "svix-timestamp": str(at), "svix-signature": f"v1,{made}"}

    now = int(timezone.now().timestamp())
    assert post(f"/hooks/{account.token}/status", body, sign(now)).status_code == 204
    assert post(f"/hooks/{account.token}/status", body, sign(now - 3_600)).status_code == 403


# ---- Being introduced --------------------------------------------------------------------------------------------


def test_a_provider_may_ask_whether_anybody_is_there(account):
    path = callback(account)

    answers = Exchange()(
        ("HEAD", path, b"", {}), ("GET", path, b"", {}), ("HEAD", "/hooks/nobody/status", b"", {})
    )

    assert [answer.status_code for answer in answers] == [200, 200, 404]
    assert not Receipt.objects.exists()


@pytest.mark.parametrize(
    ("host", "confirmed"),
    [("sns.us-east-1.amazonaws.com", True), ("sns.us-east-1.amazonaws.com.example.org", False)],
)
def test_a_subscription_is_confirmed_once_its_request_is_proven(post, monkeypatch, host, confirmed):
    fetched = []
    monkeypatch.setattr(subject, "confirm", fetched.append)
    account = factories.account("amazon_ses", credentials={"url_secret": "s"})
    body = json.dumps(
        {
            "Type": "SubscriptionConfirmation", "TopicArn": "arn:aws:sns:us-east-1:123456789012:waybill",
            "SubscribeURL": f"https://{host}/?Action=ConfirmSubscription"
            "&TopicArn=arn:aws:sns:us-east-1:123456789012:waybill&Token=abc",
        }
    ).encode()  # fmt: skip

    assert post(f"/hooks/{account.token}/status?k=wrong", body).status_code == 403
    assert post(f"/hooks/{account.token}/status?k=s", body).status_code in (200, 204)

    eventually(lambda: fetched or not confirmed)
    assert [address.startswith(f"https://{host}/") for address in fetched] == [True] * confirmed
