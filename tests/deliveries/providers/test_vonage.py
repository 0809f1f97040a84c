import asyncio
import hashlib
import hmac
import json
from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from hypothesis import given
from hypothesis import strategies as st

from deliveries.meaning.translation import shipped
from deliveries.providers import PROVIDERS
from deliveries.providers.facts import Call, LostAnswer, OutboundMessage, Report, SendResult
from tests.deliveries.providers.handing import Played

VONAGE = PROVIDERS["vonage"]
KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
SECRET = "a secret for signatures, long enough"
CREDENTIALS = {
    "api_key": "abcd1234",
    "api_secret": "not-a-real-secret",
    "signature_secret": SECRET,
    "application_id": "app-1",
    "private_key": KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode(),
}
URL = "https://waybill.example.com/hooks/tok/status?m=6f1c2b9e-3f0a-4c55-9d1e-0a1b2c3d4e5f&c=sms"
QUERY = URL.partition("?")[2]
NOW = datetime(2026, 3, 4, 17, tzinfo=UTC)
MESSAGE = OutboundMessage(
    ref="6f1c2b9e-3f0a-4c55-9d1e-0a1b2c3d4e5f",
    channel="sms",
    to="+13125550142",
    sender="+13125550100",
    body="Hello & welcome",
    callback=URL,
)


# ---- receipts of the SMS API carry their signature among the fields ------------------------------------------


RECEIPT = {
    "messageId": "0A00000001ABCD01",
    "status": "delivered",
    "err-code": "0",
    "client-ref": "a=b&c",
    "timestamp": str(int(NOW.timestamp())),
}
SCHEMES = ["md5 hash", "md5", "sha1", "sha256", "sha512"]


def sign(fields, scheme="sha256", secret=SECRET):
    """The documented schemes, written down once more and plainly."""
    text = "".join(f"&{name}={fields[name].replace('&', '_').replace('=', '_')}" for name in sorted(fields))
    if scheme == "md5 hash":
        return hashlib.md5((text + secret).encode()).hexdigest()
    return hmac.new(secret.encode(), text.encode(), scheme).hexdigest()


def receipt(fields, *, content_type="application/json", at=NOW):
    body = json.dumps(fields) if content_type == "application/json" else urlencode(fields)
    return Call("POST", URL, QUERY, {"content-type": content_type}, body.encode(), at=at)


def got(fields):
    query = f"{QUERY}&{urlencode(fields)}"
    return Call("GET", f"{URL.partition('?')[0]}?{query}", query, {}, b"", at=NOW)


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("content_type", ["application/json", "application/x-www-form-urlencoded"])
def test_a_signed_receipt_is_accepted(scheme, content_type):
    signed = {**RECEIPT, "sig": sign(RECEIPT, scheme)}

    assert VONAGE.verify(receipt(signed, content_type=content_type), CREDENTIALS)


def test_a_signed_receipt_by_get_is_accepted_with_our_own_fields_signed_or_not():
    ours = {"m": MESSAGE.ref, "c": "sms"}

    assert VONAGE.verify(got({**RECEIPT, "sig": sign(RECEIPT)}), CREDENTIALS)
    assert VONAGE.verify(got({**RECEIPT, "sig": sign({**RECEIPT, **ours}).upper()}), CREDENTIALS)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_receipt_that_was_changed_is_refused(scheme):
    signature = sign(RECEIPT, scheme)

    assert not VONAGE.verify(receipt({**RECEIPT, "status": "failed", "sig": signature}), CREDENTIALS)
    assert not VONAGE.verify(receipt({**RECEIPT, "more": "1", "sig": signature}), CREDENTIALS)
    assert not VONAGE.verify(receipt({**RECEIPT, "sig": signature[:-1]}), CREDENTIALS)
    assert not VONAGE.verify(receipt({**RECEIPT, "sig": signature}), {"signature_secret": "another"})
    assert not VONAGE.verify(receipt({**RECEIPT, "sig": sign(RECEIPT, scheme, "")}), {"signature_secret": ""})


@pytest.mark.parametrize(("age", "accepted"), [(timedelta(hours=72), True), (timedelta(hours=74), False)])
def test_a_receipt_may_be_as_old_as_vonage_tries_again(age, accepted):
    signed = {**RECEIPT, "sig": sign(RECEIPT)}

    assert VONAGE.verify(receipt(signed, at=NOW + age), CREDENTIALS) is accepted


@given(
    body=st.binary(),
    query=st.text(),
    authorization=st.one_of(st.text(), st.text().map("Bearer {}".format)),
    method=st.sampled_from(["GET", "POST"]),
    content_type=st.sampled_from(["application/json", "", "text/plain"]),
)
def test_garbage_is_refused_and_never_raises(body, query, authorization, method, content_type):
    headers = {"authorization": authorization, "content-type": content_type}

    assert VONAGE.verify(Call(method, URL, query, headers, body, at=NOW), CREDENTIALS) is False


@pytest.mark.parametrize("issued", ["yesterday", [1], {}, None, True])
def test_a_token_with_an_odd_time_is_refused(issued):
    claims = {"payload_hash": hashlib.sha256(b"{}").hexdigest(), "iat": issued}
    headers = {"authorization": f"Bearer {jwt.encode(claims, SECRET)}"}

    assert not VONAGE.verify(Call("POST", URL, QUERY, headers, b"{}", at=NOW), CREDENTIALS)


# ---- sending -------------------------------------------------------------------------------------------------


def hand_over(handler, credentials=CREDENTIALS, **changes):
    async def run():
        async with Played(handler) as client:
            return await VONAGE.send(OutboundMessage(**{**vars(MESSAGE), **changes}), credentials, client)

    return asyncio.run(run())


def answering(status, payload=None, **headers):
    return lambda request: httpx.Response(status, json=payload or {}, headers=headers)


def sent(**changes):
    """The one request that goes out for a message, and its fields."""
    seen = []

    def vonage(request):
        seen.append(request)
        return httpx.Response(202, json={"message_uuid": "m-1"})

    hand_over(vonage, **changes)
    (request,) = seen
    return request, json.loads(request.content)


def problem(number, title="No."):
    return {
        "type": f"https://developer.vonage.com/api-errors/messages#{number}",
        "title": title,
        "detail": f"{title} Really.",
    }


def test_a_text_goes_out_with_its_callback_address_and_our_reference():
    request, fields = sent()

    assert str(request.url) == "https://api.nexmo.com/v1/messages"
    assert request.headers["authorization"].startswith("Basic ")
    assert fields == {
        "channel": "sms",
        "message_type": "text",
        "text": "Hello & welcome",
        "to": "13125550142",
        "from": "13125550100",
        "client_ref": MESSAGE.ref,
        "webhook_url": URL,
        "webhook_version": "v1",
    }


def test_a_picture_goes_out_with_its_caption():
    _, fields = sent(channel="mms", media_url="https://media.example.com/a.png", sender="ACME")

    assert (fields["channel"], fields["message_type"], fields["from"]) == ("mms", "image", "ACME")
    assert fields["image"] == {"url": "https://media.example.com/a.png", "caption": "Hello & welcome"}


def test_a_call_carries_its_script_and_a_token_of_the_application():
    request, fields = sent(channel="voice")

    passport = request.headers["authorization"].removeprefix("Bearer ")
    claims = jwt.decode(passport, KEY.public_key(), algorithms=["RS256"])
    assert str(request.url) == "https://api.nexmo.com/v1/calls"
    assert (claims["application_id"], claims["exp"] - claims["iat"]) == ("app-1", 300)
    assert fields["to"] == [{"type": "phone", "number": "13125550142"}]
    assert fields["ncco"] == [{"action": "talk", "text": "Hello & welcome", "bargeIn": False}]
    assert fields["event_url"] == [URL]
    assert fields["advanced_machine_detection"]["mode"] == "detect_beep"


def test_a_call_that_asks_for_a_key_listens_for_one_and_reports_it():
    media = "https://media.example.com/a.mp3"

    _, fields = sent(channel="voice", media_url=media, extra={"keys": "1"})

    said, asked = fields["ncco"]
    assert said == {"action": "stream", "streamUrl": [media], "bargeIn": True}
    assert (asked["action"], asked["type"], asked["dtmf"]["maxDigits"]) == ("input", ["dtmf"], 1)
    assert asked["eventUrl"] == [URL.replace("/status?", "/keys?")]


@pytest.mark.parametrize(
    ("status", "payload", "expected"),
    [(202, {"message_uuid": "m-1"}, "m-1"), (201, {"uuid": "c-1", "status": "started"}, "c-1")],
)
def test_what_was_taken(status, payload, expected):
    assert hand_over(answering(status, payload)) == SendResult(True, expected)


@pytest.mark.parametrize(
    ("status", "payload", "channel", "code", "meaning"),
    [
        (422, problem(1020, "Invalid params"), "sms", "1020", ("rejected", "permanent", "account")),
        (422, problem(1430), "mms", "1430", ("rejected", "permanent", "recipient")),
        (402, problem("low-balance"), "sms", "low-balance", ("rejected", "account", "account")),
        (401, problem("unauthorized"), "voice", "unauthorized", ("rejected", "account", "account")),
        (418, {}, "sms", "http:418", ("rejected", "unknown", "none")),
    ],
)
def test_a_refusal_keeps_its_code_and_can_be_translated(status, payload, channel, code, meaning):
    handover = hand_over(answering(status, payload), channel=channel)

    report = Report("", "", channel, handover.native_status, handover.native_code)
    assert (handover.accepted, handover.retry_after, handover.native_code) == (False, None, code)
    assert shipped().translate("vonage", report).meaning[:3] == meaning


@pytest.mark.parametrize("joint", [" ", "", "\\n", "\r\n"], ids=["spaces", "nothing", "written", "Windows"])
def test_a_key_may_have_lost_its_lines_in_a_form(joint):
    pasted = {**CREDENTIALS, "private_key": joint.join(CREDENTIALS["private_key"].splitlines())}

    assert hand_over(answering(201, {"uuid": "c-1"}), pasted, channel="voice").accepted


@pytest.mark.parametrize(
    "missing", [{"private_key": ""}, {"private_key": "no key"}, {"application_id": None}]
)
def test_a_call_needs_the_application_and_its_key(missing):
    kept = {name: value for name, value in {**CREDENTIALS, **missing}.items() if value is not None}

    handover = hand_over(answering(200), kept, channel="voice")

    report = Report("", "", "voice", handover.native_status, handover.native_code)
    assert shipped().translate("vonage", report).meaning[:3] == ("rejected", "account", "account")


@pytest.mark.parametrize(
    ("answer", "wait"),
    [
        (answering(429, problem(1000), **{"retry-after": "3"}), 3),
        (answering(422, problem(1000)), 5),
        (answering(503), 30),
    ],
    ids=["rate limit", "throttled", "outage"],
)
def test_what_was_not_taken_is_to_be_sent_later(answer, wait):
    handover = hand_over(answer)

    assert (handover.accepted, handover.native_status, handover.retry_after) == (False, "", wait)


@pytest.mark.parametrize("answer", [answering(500), answering(504), answering(202)])
def test_an_answer_that_got_lost_is_not_taken_for_a_refusal(answer):
    with pytest.raises(LostAnswer):
        hand_over(answer)
