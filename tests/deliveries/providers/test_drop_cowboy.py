import asyncio
import json
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from deliveries.meaning.translation import shipped
from deliveries.providers import PROVIDERS
from deliveries.providers.facts import Call, LostAnswer, OutboundMessage, Report, SendResult
from deliveries.providers.kit.signatures import hmac_hex
from tests.deliveries.providers.handing import Played

DROP_COWBOY = PROVIDERS["drop_cowboy"]
CREDENTIALS = {
    "key": "a-key",
    "secret": "a-secret",
    "url_secret": "ours",
    "webhook_secret": "old-one, new-one",
}
CALLBACK = "https://waybill.example.com/hooks/tok/status?m=6f1c2b9e-3f0a-4c55-9d1e-0a1b2c3d4e5f&c=rvm&k=ours"
NOW = datetime(2026, 3, 4, 17, tzinfo=UTC)
BODY = b'{"event": "contact.rvm.status", "data": {}}'


def webhook(secret="new-one", body=BODY, age=0, **headers):
    at = str(int((NOW - timedelta(seconds=age)).timestamp()))
    signature = hmac_hex(secret, f"{at}.".encode() + BODY)
    headers = {"x-timestamp": at, "x-signature": f"sha256={signature}", **headers}
    return Call("POST", "https://waybill.example.com/hooks/tok/inbound", "", headers, body, at=NOW)


@pytest.mark.parametrize(
    ("call", "accepted"),
    [
        (webhook(), True),
        (webhook("old-one"), True),
        (webhook("another"), False),
        (webhook(""), False),
        (webhook(body=BODY + b" "), False),
        (webhook(age=300), True),
        (webhook(age=301), False),
        (webhook(age=-301), False),
        (webhook(**{"x-timestamp": "yesterday"}), False),
        (webhook(**{"x-timestamp": ""}), False),
        (webhook(**{"x-signature": ""}), False),
        (webhook(**{"x-signature-version": "v1"}), True),
        (webhook(**{"x-signature-version": "v2"}), False),
        (webhook("another")._replace(query="k=ours"), False),
        (Call("POST", CALLBACK, "m=1&k=ours", {}, BODY, at=NOW), True),
        (Call("POST", CALLBACK, "m=1&k=theirs", {}, BODY, at=NOW), False),
        (Call("POST", CALLBACK, "m=1", {}, BODY, at=NOW), False),
    ],
)
def test_webhooks_are_proven_by_their_signature_and_callbacks_by_our_secret(call, accepted):
    assert DROP_COWBOY.verify(call, CREDENTIALS) is accepted


def test_nothing_is_proven_without_secrets():
    assert not DROP_COWBOY.verify(webhook(""), {"key": "a-key", "secret": "a-secret"})
    assert not DROP_COWBOY.verify(Call("POST", CALLBACK, "k=", {}, BODY, at=NOW), {})


def test_only_known_callers_are_listened_to_when_the_account_names_them():
    credentials = CREDENTIALS | {"allowed_addresses": "192.0.2.0/24"}

    assert DROP_COWBOY.verify(webhook()._replace(peer="192.0.2.7"), credentials)
    assert not DROP_COWBOY.verify(webhook()._replace(peer="198.51.100.7"), credentials)


@pytest.mark.parametrize("code", ["3999", "4999", "6999", "7001", "0042"])
@pytest.mark.parametrize("channel", ["rvm", "sms"])
def test_a_code_that_no_document_lists_never_counts_against_the_contact(channel, code):
    found = shipped().translate("drop_cowboy", Report("", "1", channel, "failure", code)).meaning

    assert found.fault != "recipient"
    assert found.failure_class != "permanent"


# ---- send ------------------------------------------------------------------------------------------------

MESSAGE = OutboundMessage(
    ref="6f1c2b9e-3f0a-4c55-9d1e-0a1b2c3d4e5f",
    channel="rvm",
    to="+13125550142",
    sender="+12125550100",
    body="Hello there",
    callback=CALLBACK,
)


def against(handler, credentials=CREDENTIALS, **changes):
    """What comes of sending to a Drop Cowboy that answers as `handler` does."""

    async def run():
        async with Played(handler) as client:
            return await DROP_COWBOY.send(
                OutboundMessage(**{**vars(MESSAGE), **changes}), credentials, client
            )

    return asyncio.run(run())


def answering(status, payload=None, **headers):
    return lambda request: httpx.Response(status, json=payload, headers=headers)


QUEUED = {"status": "queued", "message_id": "2b8f5d1a-7c3e-4a9b-9f6d-4e2a8c1b7d53"}
AUDIO = "https://files.example.com/hello.mp3"
COMMON = {"to": MESSAGE.to, "foreign_id": MESSAGE.ref, "callback_url": CALLBACK}


@pytest.mark.parametrize(
    ("changes", "settings", "path", "body"),
    [
        (
            {},
            {"voice_id": "v1"},
            "/rvm",
            {"caller_id": "+12125550100", "tts_body": "Hello there", "voice_id": "v1"},
        ),
        ({"media_url": AUDIO}, {"phone_line_id": "p1"}, "/rvm", {"phone_line_id": "p1", "audio_url": AUDIO}),
        ({"channel": "sms"}, {"phone_line_id": "p1"}, "/sms", {"phone_line_id": "p1", "body": "Hello there"}),
        ({"channel": "sms", "media_url": AUDIO}, {}, "/sms", {"body": "Hello there", "media_urls": [AUDIO]}),
    ],
    ids=["spoken text", "recording", "text", "text with a picture"],
)
def test_what_goes_out(changes, settings, path, body):
    seen = []

    def drop_cowboy(request):
        seen.append(request)
        return httpx.Response(202, json=QUEUED)

    handover = against(drop_cowboy, CREDENTIALS | settings, **changes)

    assert handover == SendResult(True, provider_message_id=QUEUED["message_id"])
    assert str(seen[0].url) == f"https://api-v2.dropcowboy.com{path}"
    assert json.loads(seen[0].content) == COMMON | body
    sent = seen[0].headers
    assert (sent["x-key"], sent["x-secret"], sent["idempotency-key"]) == ("a-key", "a-secret", MESSAGE.ref)


@pytest.mark.parametrize(("status", "failure_class"), [(401, "account"), (403, "account"), (422, "unknown")])
def test_a_refusal_keeps_its_code_and_text(status, failure_class):
    handover = against(answering(status, {"title": "insufficient-scope", "detail": "No."}))

    report = Report("", "", "rvm", handover.native_status, handover.native_code)
    meaning = shipped().translate("drop_cowboy", report).meaning
    assert (handover.accepted, handover.retry_after, handover.native_text) == (False, None, "No.")
    assert (meaning.status, meaning.failure_class) == ("rejected", failure_class)


@pytest.mark.parametrize(
    ("answer", "wait"), [(answering(429, **{"retry-after": "7"}), 7), (answering(503), 30)]
)
def test_what_was_not_taken_is_to_be_sent_later(answer, wait):
    assert against(answer).retry_after == wait


@pytest.mark.parametrize("answer", [answering(500), answering(202, {"status": "queued"}), answering(202, [])])
def test_an_answer_that_got_lost_is_not_taken_for_a_refusal(answer):
    with pytest.raises(LostAnswer):
        against(answer)
