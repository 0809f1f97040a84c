import asyncio
import json
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from deliveries.meaning.translation import shipped
from deliveries.providers import PROVIDERS
from deliveries.providers.facts import Call, LostAnswer, OutboundMessage, Report, SendResult
from tests.deliveries.providers.handing import Played

PLIVO = PROVIDERS["plivo"]
CREDENTIALS = {"auth_id": "MA1", "auth_token": "not-a-real-token"}
URL = "https://waybill.example.com/hooks/tok/status?m=6f1c2b9e-3f0a-4c55-9d1e-0a1b2c3d4e5f&c=sms"
KEYS = URL.replace("/status?", "/keys?").replace("&", "&amp;")
MESSAGE = OutboundMessage(
    ref="6f1c2b9e-3f0a-4c55-9d1e-0a1b2c3d4e5f",
    channel="sms",
    to="+13125550142",
    sender="+13125550100",
    body="Grüße & welcome",
    callback=URL,
)


def hand_over(handler, **changes):
    async def run():
        async with Played(handler) as client:
            return await PLIVO.send(OutboundMessage(**{**vars(MESSAGE), **changes}), CREDENTIALS, client)

    return asyncio.run(run())


def answering(status, payload=None, **headers):
    return lambda request: httpx.Response(status, json=payload or {}, headers=headers)


def sent(**changes):
    """The one request that goes out for a message, and its fields."""
    seen = []

    def plivo(request):
        seen.append(request)
        return httpx.Response(202, json={"message_uuid": ["m-1"], "request_uuid": "r-1"})

    hand_over(plivo, **changes)
    (request,) = seen
    return request, json.loads(request.content)


def asked(url):
    """The request with which Plivo fetches the script of a call."""
    return Call("POST", url, urlsplit(url).query, {}, b"CallStatus=in-progress")


def test_a_text_goes_out_with_its_callback_address():
    request, fields = sent()

    assert str(request.url) == "https://api.plivo.com/v1/Account/MA1/Message/"
    assert request.headers["authorization"].startswith("Basic ")
    assert fields == {
        "src": "+13125550100",
        "dst": "+13125550142",
        "type": "sms",
        "text": "Grüße & welcome",
        "url": URL,
        "method": "POST",
    }


def test_a_picture_goes_out_as_mms():
    _, fields = sent(channel="mms", media_url="https://media.example.com/a.png", body="")

    assert (fields["type"], fields["media_urls"]) == ("mms", ["https://media.example.com/a.png"])
    assert "text" not in fields


@pytest.mark.parametrize(
    ("changes", "script"),
    [
        ({}, "<Speak>Grüße &amp; welcome</Speak>"),
        ({"media_url": "https://media.example.com/a.mp3"}, "<Play>https://media.example.com/a.mp3</Play>"),
        (
            {"extra": {"keys": "1"}},
            f'<GetInput numDigits="1" action="{KEYS}" method="POST" inputType="dtmf" redirect="false">'
            "<Speak>Grüße &amp; welcome</Speak></GetInput>",
        ),
    ],
    ids=["words", "a recording", "asking for a key"],
)
def test_a_call_finds_its_script_in_the_address_it_asks(changes, script):
    request, fields = sent(channel="voice", **changes)

    content_type, body = PLIVO.reply("script", asked(fields["answer_url"]))

    assert request.url.path == "/v1/Account/MA1/Call/"
    assert (content_type, body.decode()) == ("text/xml", f"<Response>{script}</Response>")
    assert fields["hangup_url"] == fields["ring_url"] == fields["machine_detection_url"] == URL
    assert parse_qs(urlsplit(fields["answer_url"]).query)["m"] == [MESSAGE.ref]


@pytest.mark.parametrize("carried", ["", "a", "%ff", "%E2%98%83", "!!!!!"])
def test_a_spoilt_script_address_ends_the_call(carried):
    content_type, body = PLIVO.reply(
        "script", asked(f"https://waybill.example.com/hooks/tok/script?s={carried}")
    )

    assert (content_type, body) == ("text/xml", b"<Response/>")


def test_other_callbacks_are_answered_without_words():
    assert PLIVO.reply("status", asked(URL))[1] == b""
    assert PLIVO.reply("keys", asked(URL))[1] == b""


@pytest.mark.parametrize(
    ("payload", "changes", "expected"),
    [
        ({"message_uuid": ["m-1"], "api_id": "a"}, {}, "m-1"),
        ({"request_uuid": "r-1", "message": "call fired"}, {"channel": "voice"}, "r-1"),
        ({"request_uuid": ["r-1"]}, {"channel": "voice"}, "r-1"),
    ],
)
def test_what_was_taken(payload, changes, expected):
    assert hand_over(answering(202, payload), **changes) == SendResult(True, expected)


@pytest.mark.parametrize(
    ("status", "channel", "meaning"),
    [
        (400, "sms", ("rejected", "unknown", "none")),
        (401, "sms", ("rejected", "account", "account")),
        (404, "voice", ("rejected", "account", "account")),
        (418, "voice", ("rejected", "unknown", "none")),
    ],
)
def test_a_refusal_keeps_its_words_and_can_be_translated(status, channel, meaning):
    handover = hand_over(answering(status, {"api_id": "a", "error": "No such number"}), channel=channel)

    report = Report("", "", channel, handover.native_status, handover.native_code)
    assert (handover.accepted, handover.retry_after) == (False, None)
    assert (handover.native_code, handover.native_text) == (f"http:{status}", "No such number")
    assert shipped().translate("plivo", report).meaning[:3] == meaning


@pytest.mark.parametrize(("answer", "wait"), [(answering(429), 5), (answering(503), 30)])
def test_what_was_not_taken_is_to_be_sent_later(answer, wait):
    assert hand_over(answer).retry_after == wait


@pytest.mark.parametrize(
    "answer",
    [answering(500), answering(502), answering(202), answering(202, {"message_uuid": []})],
)
def test_an_answer_that_got_lost_is_not_taken_for_a_refusal(answer):
    with pytest.raises(LostAnswer):
        hand_over(answer)


def test_the_third_version_covers_the_query_and_the_body():
    # openssl dgst -sha256 -hmac not-a-real-token -binary | base64, over the text that the documents describe:
    # https://waybill.example.com/h?c=sms&m=1.StatussentTo1.12345
    headers = {"x-plivo-signature-v3": SIGNED, "x-plivo-signature-v3-nonce": "12345"}
    good = Call("POST", "https://waybill.example.com/h?m=1&c=sms", "m=1&c=sms", headers, b"To=1&Status=sent")

    assert PLIVO.verify(good, CREDENTIALS)
    assert not PLIVO.verify(good._replace(body=b"To=1&Status=failed"), CREDENTIALS)
    assert not PLIVO.verify(good._replace(query="m=2&c=sms"), CREDENTIALS)
    assert not PLIVO.verify(good, {"auth_token": ""})


SIGNED = "YPbSvFm65ifaEND3GCZVKTNhtTNjYqoCOkaay+ZSiSk="
