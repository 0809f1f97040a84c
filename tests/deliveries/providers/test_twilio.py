import asyncio
import base64
import hashlib
import hmac
import json
from urllib.parse import parse_qs, urlencode

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deliveries.meaning.translation import shipped
from deliveries.providers import PROVIDERS, choices
from deliveries.providers.facts import (
    Act,
    Call,
    Inbound,
    LostAnswer,
    OutboundMessage,
    Report,
    SendResult,
    Unreadable,
)
from tests.deliveries.providers.handing import Played

TWILIO = PROVIDERS["twilio"]
CREDENTIALS = {"account_sid": "AC0123456789abcdef0123456789abcdef", "auth_token": "not-a-real-token"}
URL = "https://waybill.example.com/hooks/tok/status?m=6f1c2b9e-3f0a-4c55-9d1e-0a1b2c3d4e5f&c=sms"
FORM = "application/x-www-form-urlencoded"


def sign(url, fields, token=CREDENTIALS["auth_token"]):
    """The documented scheme, written down once more and plainly: address, then sorted names and values."""
    text = url + "".join(name + value for name, value in sorted(set(fields)))
    return base64.b64encode(hmac.new(token.encode(), text.encode(), hashlib.sha1).digest()).decode()


def call(fields=(), *, url=URL, body=None, signature="", method="POST", content_type=FORM):
    headers = {"content-type": content_type, "x-twilio-signature": signature}
    raw = urlencode(list(fields)).encode() if body is None else body
    return Call(method, url, url.partition("?")[2], headers, raw)


def signed_call(fields, *, url=URL, signed_url=None):
    return call(fields, url=url, signature=sign(signed_url or url, fields))


FIELDS = [("MessageSid", "SM1"), ("MessageStatus", "delivered"), ("To", "+13125550142"), ("ErrorMessage", "")]


# ---- verify ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fields",
    [
        FIELDS,
        [],
        [("Body", "Ünïcode & = + % 😀"), ("A", "1")],
        [("Body", "second"), ("Body", "first"), ("Body", "second")],
        [("Empty", ""), ("", "nameless")],
    ],
    ids=["plain", "no fields", "special characters", "a name repeated", "empty names and values"],
)
def test_a_signed_form_is_accepted(fields):
    assert TWILIO.verify(signed_call(fields), CREDENTIALS)


def test_a_known_signature_stays_valid():
    fields = [("MessageStatus", "sent"), ("MessageSid", "SM1")]
    # openssl dgst -sha1 -hmac not-a-real-token -binary | base64, over the address and the sorted fields
    known = "RpC/BAgf8dXJxk6br/ZX/XYxtB8="

    assert TWILIO.verify(call(fields, url="https://waybill.example.com/h", signature=known), CREDENTIALS)


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ("https://waybill.example.com/h?m=1", "https://waybill.example.com:443/h?m=1"),
        ("https://waybill.example.com:443/h?m=1", "https://waybill.example.com/h?m=1"),
        ("http://waybill.example.com/h", "http://waybill.example.com:80/h"),
        ("http://waybill.example.com:8000/h", "http://waybill.example.com:8000/h"),
        ("https://waybill.example.com/h#rc=2", "https://waybill.example.com/h"),
    ],
)
def test_the_port_may_be_left_out_or_put_in(ours, theirs):
    assert TWILIO.verify(signed_call(FIELDS, url=ours, signed_url=theirs), CREDENTIALS)


def json_call(body, url, digest_of=None):
    url = f"{url}&bodySHA256={hashlib.sha256(body if digest_of is None else digest_of).hexdigest()}"
    return call(body=body, url=url, signature=sign(url, []), content_type="application/json; charset=utf-8")


def test_a_json_body_is_signed_through_its_digest():
    body = b'{"MessageSid": "SM1", "MessageStatus": "sent"}'

    assert TWILIO.verify(json_call(body, URL), CREDENTIALS)
    assert not TWILIO.verify(json_call(body, URL, digest_of=b"{}"), CREDENTIALS)
    assert not TWILIO.verify(
        call(body=body, signature=sign(URL, []), content_type="application/json"), CREDENTIALS
    )


def test_anything_changed_is_refused():
    good = signed_call(FIELDS)

    assert not TWILIO.verify(good._replace(body=good.body.replace(b"delivered", b"failed")), CREDENTIALS)
    assert not TWILIO.verify(good._replace(body=good.body[:-4]), CREDENTIALS)
    assert not TWILIO.verify(good._replace(url=good.url + "1"), CREDENTIALS)
    assert not TWILIO.verify(good._replace(headers={}), CREDENTIALS)
    assert not TWILIO.verify(good, {**CREDENTIALS, "auth_token": "another"})


@pytest.mark.parametrize("credentials", [{}, {"auth_token": ""}, {"auth_token": None}])
def test_without_a_token_nothing_is_accepted(credentials):
    assert not TWILIO.verify(call(FIELDS, signature=sign(URL, FIELDS, token="")), credentials)


@given(
    body=st.binary(),
    url=st.text(),
    signature=st.text(),
    content_type=st.sampled_from([FORM, "application/json", "", "text/plain"]),
)
def test_garbage_is_refused_and_never_raises(body, url, signature, content_type):
    garbage = call(body=body, url=url, signature=signature, content_type=content_type)

    assert TWILIO.verify(garbage, CREDENTIALS) is False


def test_bytes_that_are_no_utf8_are_signed_as_they_came():
    raw = b"Body=%FF%FE\xff&MessageSid=SM1"
    text = URL.encode() + b"Body\xff\xfe\xff" + b"MessageSidSM1"
    signature = base64.b64encode(hmac.digest(CREDENTIALS["auth_token"].encode(), text, "sha1")).decode()

    assert TWILIO.verify(call(body=raw, signature=signature), CREDENTIALS)


# ---- parse -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "fields", "complaint"),
    [
        ("status", {"MessageStatus": "sent"}, "MessageSid: missing"),
        ("status", {"MessageSid": "SM1"}, "MessageStatus: missing"),
        ("status", {"MessageSid": "SM1", "MessageStatus": ""}, "MessageStatus: missing"),
        ("status", {"MessageSid": "S" * 81, "MessageStatus": "sent"}, "MessageSid: longer than 80"),
        ("status", {"MessageSid": "SM1", "MessageStatus": "s" * 65}, "MessageStatus: longer than 64"),
        ("status", {"MessageSid": "SM\x00", "MessageStatus": "sent"}, "MessageSid: contains an unprintable"),
        ("status", {"CallSid": "CA1"}, "CallStatus: missing"),
        ("inbound", {"To": "+13125550100", "Body": "Hi"}, "From: missing"),
        ("inbound", {"To": "+13125550100", "From": "whatsapp:+13125550142"}, "From: 'whatsapp'"),
        ("keys", {"Digits": "1"}, "CallSid: missing"),
        ("gossip", {"MessageSid": "SM1"}, "kind: 'gossip'"),
    ],
)
def test_what_cannot_be_read_names_the_field(kind, fields, complaint):
    with pytest.raises(Unreadable, match=complaint):
        TWILIO.parse(kind, call(fields.items()))


@given(
    body=st.one_of(
        st.binary(),
        st.dictionaries(st.text(), st.text()).map(lambda d: json.dumps(d).encode()),
        st.just(b"[]"),
    ),
    query=st.text(),
    kind=st.sampled_from(sorted(TWILIO.kinds)),
    content_type=st.sampled_from([FORM, "application/json"]),
)
def test_parsing_raises_nothing_but_unreadable(body, query, kind, content_type):
    garbage = call(body=body, url=f"https://waybill.example.com/h?{query}", content_type=content_type)

    try:
        found = TWILIO.parse(kind, garbage)
    except Unreadable:
        return

    assert all(isinstance(item, Report | Inbound | Act) for item in found)


def test_a_reference_that_is_no_uuid_is_left_out():
    (report,) = TWILIO.parse("status", call(FIELDS, url="https://waybill.example.com/h?m=1%27--&c=rvm"))

    assert (report.ref, report.channel) == ("", "sms")


def test_a_key_is_answered_with_a_script_that_ends_the_call():
    assert TWILIO.reply("keys", call()) == ("text/xml", b"<Response/>")
    assert TWILIO.reply("status", call())[1] == b""


def test_a_broken_time_does_not_cost_the_fact():
    fields = {"CallSid": "CA1", "CallStatus": "busy", "Timestamp": "yesterday"}

    (report,) = TWILIO.parse("status", call(fields.items()))

    assert (report.native_status, report.occurred_at) == ("busy", None)


# ---- send ------------------------------------------------------------------------------------------------

MESSAGE = OutboundMessage(
    ref="6f1c2b9e-3f0a-4c55-9d1e-0a1b2c3d4e5f",
    channel="sms",
    to="+13125550142",
    sender="+13125550100",
    body="Hello & welcome",
    callback=URL,
)


def against(handler, act=TWILIO.send, message=MESSAGE):
    """What `act` makes of a Twilio that answers as `handler` does."""

    async def run():
        async with Played(handler) as client:
            return await act(message, CREDENTIALS, client)

    return asyncio.run(run())


def answering(status, payload=None, **headers):
    return lambda request: httpx.Response(status, json=payload or {}, headers=headers)


def test_an_accepted_message_has_its_id_and_segments():
    seen = []

    def twilio(request):
        seen.append(request)
        return httpx.Response(201, json={"sid": "SM1", "status": "queued", "num_segments": "2"})

    handover = against(twilio)

    assert handover == SendResult(True, provider_message_id="SM1", segments=2)
    assert seen[0].url.path == f"/2010-04-01/Accounts/{CREDENTIALS['account_sid']}/Messages.json"
    assert seen[0].headers["authorization"].startswith("Basic ")
    assert parse_qs(seen[0].content.decode()) == {
        "To": ["+13125550142"],
        "From": ["+13125550100"],
        "Body": ["Hello & welcome"],
        "StatusCallback": [URL],
    }


def test_a_call_says_its_text_after_the_greeting_and_asks_for_every_event():
    seen = []

    def twilio(request):
        seen.append(request)
        return httpx.Response(201, json={"sid": "CA1"})

    message = OutboundMessage(**{**vars(MESSAGE), "channel": "voice"})
    handover = against(twilio, message=message)

    fields = parse_qs(seen[0].content.decode())
    assert handover == SendResult(True, provider_message_id="CA1")
    assert seen[0].url.path.endswith("/Calls.json")
    assert fields["Twiml"] == ["<Response><Say>Hello &amp; welcome</Say></Response>"]
    assert fields["MachineDetection"] == ["DetectMessageEnd"]
    assert fields["StatusCallbackEvent"] == ["initiated", "ringing", "answered", "completed"]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, "<Say>Press 1 &amp; wait</Say>"),
        (
            {"media_url": "https://media.example.com/a.mp3?x=1&y=2"},
            "<Play>https://media.example.com/a.mp3?x=1&amp;y=2</Play>",
        ),
    ],
    ids=["words", "a recording"],
)
def test_a_call_that_asks_for_a_key_gathers_one_and_reports_it(changes, said):
    seen = []

    def twilio(request):
        seen.append(request)
        return httpx.Response(201, json={"sid": "CA1"})

    asking = {"channel": "voice", "body": "Press 1 & wait", "extra": {"keys": "1"}, **changes}
    against(twilio, message=OutboundMessage(**{**vars(MESSAGE), **asking}))

    action = URL.replace("/status?", "/keys?").replace("&", "&amp;")
    (twiml,) = parse_qs(seen[0].content.decode())["Twiml"]
    assert twiml == (
        f'<Response><Gather numDigits="1" action="{action}" method="POST" actionOnEmptyResult="true">'
        f"{said}</Gather></Response>"
    )


@pytest.mark.parametrize(
    ("code", "meaning"),
    [("21610", "opted_out"), ("21211", "rejected"), ("20003", "rejected"), ("99999", "rejected")],
)
def test_a_refusal_keeps_its_code_and_can_be_translated(code, meaning):
    handover = against(answering(400, {"code": int(code), "message": "No.", "status": 400}))

    report = Report("", "", "sms", handover.native_status, handover.native_code)
    assert not handover.accepted
    assert handover.retry_after is None
    assert (handover.native_code, shipped().translate("twilio", report).meaning.status) == (code, meaning)


@pytest.mark.parametrize(
    ("answer", "wait", "busy"),
    [
        (answering(429, {"code": 20429}, **{"retry-after": "17"}), 17, "account"),
        (answering(429, {"code": 20429}), 5, "account"),
        (answering(429, **{"retry-after": "999999"}), 3600, "account"),
        (answering(400, {"code": 21611}), 5, "sender"),
        (answering(503), 30, ""),
    ],
    ids=["429", "429 without a time", "429 for days", "sender queue full", "503"],
)
def test_what_was_not_taken_is_to_be_sent_later(answer, wait, busy):
    handover = against(answer)

    assert (handover.accepted, handover.native_status, handover.retry_after) == (False, "", wait)
    assert handover.busy == busy


def failing(problem):
    def handler(request):
        raise problem("broken", request=request)

    return handler


@pytest.mark.parametrize("problem", [httpx.ConnectError, httpx.ConnectTimeout])
def test_what_never_left_is_to_be_sent_later(problem):
    assert against(failing(problem)).retry_after


@pytest.mark.parametrize(
    "answer",
    [
        failing(httpx.ReadTimeout),
        failing(httpx.WriteTimeout),
        failing(httpx.ReadError),
        failing(httpx.RemoteProtocolError),
        answering(502),
        answering(500, {"code": 20500}),
        answering(504),
        answering(201, {"status": "queued"}),
        lambda request: httpx.Response(201, text="<html>"),
    ],
)
def test_an_answer_that_got_lost_is_not_taken_for_a_refusal(answer):
    with pytest.raises(LostAnswer):
        against(answer)


def listed(**changes):
    return {
        "sid": "SM1",
        "body": MESSAGE.body,
        "num_segments": "1",
        "date_created": "Sun, 22 Nov 2026 16:02:31 +0000",
        **changes,
    }


SINCE = OutboundMessage(**{**vars(MESSAGE), "extra": {"since": "2026-11-22T16:02:31.500+00:00"}})


@pytest.mark.parametrize(
    ("messages", "found"),
    [
        ([listed()], "SM1"),
        ([listed(), listed(sid="SM2", body="Something else")], "SM1"),
        ([listed(date_created="Sun, 22 Nov 2026 16:02:30 +0000")], None),
        ([listed(), listed(sid="SM2")], None),
        ([listed(date_created=None)], None),
        ([], None),
    ],
    ids=["the one", "another text", "an earlier one", "two alike", "no time", "none"],
)
def test_a_lost_message_is_found_only_if_exactly_one_can_be_it(messages, found):
    handover = against(answering(200, {"messages": messages}), TWILIO.find, SINCE)

    assert (handover and handover.provider_message_id) == found


def test_looking_for_a_lost_message_survives_an_outage():
    assert against(answering(500), TWILIO.find, SINCE) is None
    assert against(failing(httpx.ConnectError), TWILIO.find, SINCE) is None


def test_every_provider_can_be_chosen():
    assert [slug for slug, _ in choices()] == list(PROVIDERS)
