import json
from datetime import UTC, datetime

import httpx
import pytest

from deliveries.meaning.translation import shipped
from deliveries.providers import PROVIDERS
from deliveries.providers.facts import Call, LostAnswer, Report, SendResult
from tests.deliveries.providers.handing import REF, against, message

SINCH = PROVIDERS["sinch"]
CREDENTIALS = {
    "service_plan_id": "plan-1",
    "api_token": "token",
    "url_secret": "secret",
    "application_key": "app-key",
    "application_secret": "YXBwLXNlY3JldA==",
}


def send(*answers, credentials=CREDENTIALS, **changes):
    return against(SINCH.send, message(**changes), credentials, *answers)


def find(*answers, **changes):
    return against(SINCH.find, message(**changes), CREDENTIALS, *answers)


# ---- verify ----------------------------------------------------------------------------------------------


def test_the_signature_of_a_call_in_their_documents_is_accepted():
    """The example of https://developers.sinch.com/docs/voice/api-reference/authentication/callback-signed-request"""
    key = "669E367E-6BBA-48AB-AF15-266871C28135"
    body = (
        b'{"event":"ace","callid":"822aa4b7-05b4-4d83-87c7-1f835ee0b6f6_257",'
        b'"timestamp":"2014-09-24T10:59:41Z","version":1}'
    )
    headers = {
        "authorization": f"application {key}:Tg6fMyo8mj9pYfWQ9ssbx3Tc1BNC87IEygAfLbJqZb4=",
        "content-type": "application/json",
        "x-timestamp": "2014-09-24T10:59:41Z",
    }
    url = "https://callbacks.example.com/sinch/callback/ace"
    call = Call("POST", url, "", headers, body, at=datetime(2014, 9, 24, 11, 0, tzinfo=UTC))
    credentials = {"application_key": key, "application_secret": "BeIukql3pTKJ8RGL5zo0DA=="}

    assert SINCH.verify(call, credentials)
    assert not SINCH.verify(call._replace(body=body + b" "), credentials)
    assert not SINCH.verify(call, {**credentials, "application_secret": "not base64"})
    assert not SINCH.verify(call, {**credentials, "application_key": "another"})
    assert not SINCH.verify(call._replace(at=datetime(2014, 9, 26, tzinfo=UTC)), credentials)


# ---- keys ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", ["12105550142", "+12105550142"])
def test_a_message_is_known_by_its_batch_and_its_number(number):
    assert SINCH.message_key("batch-1", number) == "batch-1/12105550142"


def reply(body):
    return SINCH.reply("status", Call("POST", "", "", {}, body))


def test_a_call_ends_after_its_key():
    assert reply(b'{"event": "pie"}') == ("application/json", b'{"action": {"name": "hangup"}}')
    assert reply(b'{"event": "dice"}') == reply(b"{") == ("text/plain", b"")


# ---- send ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "content"),
    [
        ({}, {"type": "mt_text", "body": "Hello & welcome"}),
        (
            {"channel": "mms", "media_url": "https://media.example.com/1.png"},
            {
                "type": "mt_media",
                "body": {"url": "https://media.example.com/1.png", "message": "Hello & welcome"},
            },
        ),
    ],
    ids=["sms", "mms"],
)
def test_a_message_is_a_batch_of_one_that_reports_on_its_recipient(changes, content):
    handover, (request,) = send((201, {"id": "01JB1J"}), **changes)

    assert handover == SendResult(True, provider_message_id="01JB1J")
    assert str(request.url) == "https://us.sms.api.sinch.com/xms/v1/plan-1/batches"
    assert request.headers["authorization"] == "Bearer token"
    assert json.loads(request.content) == {
        "from": "12105550100",
        "to": ["12105550142"],
        "delivery_report": "per_recipient",
        "callback_url": message(**changes).callback,
        "client_reference": REF,
        **content,
    }


@pytest.mark.parametrize(("region", "host"), [("eu", "eu"), ("", "us"), ("evil.example.com/", "us")])
def test_a_message_goes_to_its_region(region, host):
    _, (request,) = send((201, {"id": "1"}), credentials={**CREDENTIALS, "region": region})

    assert request.url.host == f"{host}.sms.api.sinch.com"


def script_of(**changes):
    handover, (request,) = send((200, {"callId": "call-1"}), channel="voice", **changes)
    payload = json.loads(request.content)
    assert handover == SendResult(True, provider_message_id="call-1")
    assert str(request.url) == "https://calling.api.sinch.com/calling/v1/callouts"
    assert request.headers["authorization"].startswith("Basic ")
    assert (payload["method"], payload["customCallout"]["custom"]) == ("customCallout", REF)
    return [json.loads(payload["customCallout"][name]) for name in ("ice", "ace")]


@pytest.mark.parametrize(
    ("changes", "prompt"),
    [
        ({}, "#tts[Hello & welcome]"),
        ({"body": "Say [this]; now"}, "#tts[Say ,this,, now]"),
        ({"media_url": "https://media.example.com/1.mp3"}, "#href[https://media.example.com/1.mp3]"),
    ],
    ids=["spoken", "with their own marks", "played"],
)
def test_a_call_finds_out_who_answers_and_says_its_message(changes, prompt):
    ice, ace = script_of(**changes)

    assert ice["action"] == {
        "name": "connectPstn",
        "number": "+12105550142",
        "cli": "+12105550100",
        "amd": {"enabled": True, "async": True},
    }
    assert ace["instructions"][0]["ids"] == [prompt]
    assert ace["action"] == {"name": "hangup"}


def test_a_call_that_asks_for_a_key_waits_for_one():
    _, ace = script_of(extra={"keys": "1"})

    (menu,) = ace["action"]["menus"]
    assert (ace["action"]["name"], menu["maxDigits"]) == ("runMenu", 1)
    assert menu["mainPrompt"] == "#tts[Hello & welcome]"


def test_without_a_key_for_calls_no_call_is_made():
    handover, requests = send(
        channel="voice", credentials={"service_plan_id": "plan-1", "api_token": "token"}
    )

    assert requests == []
    assert (handover.native_status, handover.native_code) == ("rejected", "no_credentials")


@pytest.mark.parametrize(
    ("channel", "answer", "code", "failure_class"),
    [
        ("sms", (400, {"code": "syntax_invalid_json", "text": "No"}), "syntax_invalid_json", "permanent"),
        ("sms", (401, ""), "http:401", "account"),
        ("sms", (403, {"code": "something_new", "text": "No"}), "something_new", "unknown"),
        ("voice", (400, {"errorCode": 40001, "message": "No"}), "40001", "permanent"),
    ],
)
def test_a_refusal_keeps_its_code_and_can_be_translated(channel, answer, code, failure_class):
    handover, _ = send(answer, channel=channel)

    meaning = shipped().translate("sinch", Report("", "", channel, handover.native_status, code)).meaning
    assert (handover.accepted, handover.retry_after, handover.native_code) == (False, None, code)
    assert (meaning.status, meaning.failure_class) == ("rejected", failure_class)


@pytest.mark.parametrize(("answer", "wait"), [((429, {}, {"retry-after": "9"}), 9), (httpx.ConnectError, 30)])
def test_what_was_not_taken_is_to_be_sent_later(answer, wait):
    assert send(answer)[0].retry_after == wait


@pytest.mark.parametrize("answer", [httpx.ReadTimeout, (500, {}), (201, {}), (201, "<html>")])
def test_an_answer_that_got_lost_is_not_taken_for_a_refusal(answer):
    with pytest.raises(LostAnswer):
        send(answer)


@pytest.mark.parametrize(
    ("answer", "found"),
    [
        ((200, {"count": 1, "batches": [{"id": "01JB1J"}]}), SendResult(True, provider_message_id="01JB1J")),
        ((200, {"count": 0, "batches": []}), None),
        ((500, {}), None),
        (httpx.ConnectError, None),
    ],
)
def test_a_lost_message_is_looked_up_by_our_reference(answer, found):
    handover, (request,) = find(answer)

    assert handover == found
    assert dict(request.url.params) == {"client_reference": REF}


def test_a_lost_call_is_not_looked_up():
    assert find(channel="voice") == (None, [])
