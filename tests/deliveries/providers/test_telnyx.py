import asyncio
import json

import httpx
import pytest

from deliveries.meaning.translation import shipped
from deliveries.providers import PROVIDERS
from deliveries.providers.facts import Call, LostAnswer, OutboundMessage, Report, SendResult
from tests.deliveries.providers.handing import Played

TELNYX = PROVIDERS["telnyx"]
CREDENTIALS = {"api_key": "KEY0", "account_sid": "acc-1", "application_sid": "app-1", "public_key": "cHVi"}
URL = "https://waybill.example.com/hooks/tok/status?m=6f1c2b9e-3f0a-4c55-9d1e-0a1b2c3d4e5f&c=sms"
MESSAGE = OutboundMessage(
    ref="6f1c2b9e-3f0a-4c55-9d1e-0a1b2c3d4e5f",
    channel="sms",
    to="+13125550142",
    sender="+13125550100",
    body="Hello & welcome",
    callback=URL,
)


def hand_over(handler, credentials=CREDENTIALS, **changes):
    async def run():
        async with Played(handler) as client:
            return await TELNYX.send(OutboundMessage(**{**vars(MESSAGE), **changes}), credentials, client)

    return asyncio.run(run())


def answering(status, payload=None, **headers):
    return lambda request: httpx.Response(status, json=payload or {}, headers=headers)


def sent(**changes):
    """The one request that goes out for a message."""
    seen = []

    def telnyx(request):
        seen.append(request)
        return httpx.Response(200, json={"data": {"id": "m-1"}, "status": "queued"})

    hand_over(telnyx, **changes)
    (request,) = seen
    return request, json.loads(request.content)


def failed(code, title="No."):
    return {"errors": [{"code": code, "title": title, "detail": f"{title} Really."}]}


def test_a_text_goes_out_with_its_callback_address():
    request, fields = sent()

    assert str(request.url) == "https://api.telnyx.com/v2/messages"
    assert request.headers["authorization"] == "Bearer KEY0"
    assert fields == {
        "from": "+13125550100",
        "to": "+13125550142",
        "text": "Hello & welcome",
        "webhook_url": URL,
    }


def test_a_picture_goes_out_as_mms():
    _, fields = sent(channel="mms", media_url="https://media.example.com/a.png", subject="Look")

    assert (fields["type"], fields["subject"], fields["media_urls"]) == (
        "MMS",
        "Look",
        ["https://media.example.com/a.png"],
    )


def test_a_call_carries_its_script_and_waits_for_the_greeting():
    request, fields = sent(channel="voice")

    assert request.url.path == "/v2/texml/Accounts/acc-1/Calls"
    assert fields["Texml"] == "<Response><Say>Hello &amp; welcome</Say></Response>"
    assert (fields["ApplicationSid"], fields["MachineDetection"]) == ("app-1", "DetectMessageEnd")
    assert (fields["To"], fields["From"], fields["StatusCallback"]) == ("+13125550142", "+13125550100", URL)
    assert fields["StatusCallbackEvent"].split() == ["initiated", "ringing", "answered", "completed"]


def test_a_call_that_asks_for_a_key_gathers_one_and_reports_it():
    _, fields = sent(channel="voice", extra={"keys": "1"})

    action = URL.replace("/status?", "/keys?").replace("&", "&amp;")
    assert fields["Texml"] == (
        f'<Response><Gather numDigits="1" action="{action}" method="POST">'
        "<Say>Hello &amp; welcome</Say></Gather></Response>"
    )
    assert TELNYX.reply("keys", Call("POST", URL, "", {}, b"")) == ("text/xml", b"<Response/>")


@pytest.mark.parametrize(
    ("payload", "channel", "expected"),
    [
        ({"data": {"id": "m-1", "parts": 3}}, "sms", SendResult(True, "m-1", segments=3)),
        ({"data": {"id": "m-1"}}, "sms", SendResult(True, "m-1")),
        ({"from": "+1", "to": "+1", "status": "queued"}, "voice", SendResult(True, "")),
        ({"data": {"status": "queued", "call_sid": "v3:x"}}, "voice", SendResult(True, "v3:x")),
    ],
    ids=["a message in parts", "a message", "a call without an id", "a call with its id"],
)
def test_what_was_taken(payload, channel, expected):
    assert hand_over(answering(200, payload), channel=channel) == expected


@pytest.mark.parametrize(
    ("code", "status", "channel", "meaning"),
    [
        ("40300", 400, "sms", ("opted_out", "opt_out", "recipient")),
        ("40310", 400, "sms", ("rejected", "permanent", "recipient")),
        ("20100", 403, "sms", ("rejected", "account", "account")),
        ("10009", 401, "voice", ("rejected", "account", "account")),
        ("99999", 422, "sms", ("rejected", "unknown", "none")),
    ],
)
def test_a_refusal_keeps_its_code_and_can_be_translated(code, status, channel, meaning):
    handover = hand_over(answering(status, failed(code)), channel=channel)

    report = Report("", "", channel, handover.native_status, handover.native_code)
    assert (handover.accepted, handover.retry_after) == (False, None)
    assert (handover.native_code, handover.native_text) == (code, "No. Really.")
    assert shipped().translate("telnyx", report).meaning[:3] == meaning


def test_a_call_needs_the_ids_of_account_and_application():
    handover = hand_over(answering(200), {"api_key": "KEY0"}, channel="voice")

    report = Report("", "", "voice", handover.native_status, handover.native_code)
    assert shipped().translate("telnyx", report).meaning[:3] == ("rejected", "account", "account")


@pytest.mark.parametrize(
    ("answer", "wait"),
    [
        (answering(429, failed("10011"), **{"retry-after": "7"}), 7),
        (answering(400, failed("40318")), 5),
        (answering(503), 30),
    ],
    ids=["rate limit", "queue full", "outage"],
)
def test_what_was_not_taken_is_to_be_sent_later(answer, wait):
    handover = hand_over(answer)

    assert (handover.accepted, handover.native_status, handover.retry_after) == (False, "", wait)


@pytest.mark.parametrize(
    "answer",
    [
        answering(500),
        answering(504),
        answering(200, {"data": {}}),
        lambda request: httpx.Response(200, text="<html>"),
    ],
    ids=["500", "504", "no id", "no JSON"],
)
def test_an_answer_that_got_lost_is_not_taken_for_a_refusal(answer):
    with pytest.raises(LostAnswer):
        hand_over(answer)


@pytest.mark.parametrize("key", ["", "!", "c2hvcnQ="])
def test_a_key_that_is_none_proves_nothing(key):
    assert not TELNYX.verify(Call("POST", URL, "", {"telnyx-timestamp": "0"}, b""), {"public_key": key})
