import json

import httpx
import pytest

from deliveries.meaning.translation import shipped
from deliveries.providers import PROVIDERS
from deliveries.providers.facts import LostAnswer, Report, SendResult
from deliveries.providers.infobip import NUMBERS
from tests.deliveries.providers.handing import REF, against, message

INFOBIP = PROVIDERS["infobip"]
CREDENTIALS = {"base_url": "https://abc123.api.infobip.com/", "api_key": "key", "url_secret": "secret"}


def send(*answers, **changes):
    return against(INFOBIP.send, message(**changes), CREDENTIALS, *answers)


def find(*answers, **changes):
    return against(INFOBIP.find, message(**changes), CREDENTIALS, *answers)


def made(number=26, group="PENDING", name="PENDING_ACCEPTED"):
    status = {"groupId": 1, "groupName": group, "id": number, "name": name, "description": name}
    return {"messages": [{"messageId": REF, "status": status, "details": {"messageCount": 2}}]}


def test_a_text_goes_out_under_our_reference():
    handover, (request,) = send((200, made()))

    assert handover == SendResult(True, provider_message_id=REF, segments=2)
    assert str(request.url) == "https://abc123.api.infobip.com/sms/3/messages"
    assert request.headers["authorization"] == "App key"
    assert json.loads(request.content) == {
        "messages": [
            {
                "sender": "12105550100",
                "destinations": [{"to": "12105550142", "messageId": REF}],
                "content": {"text": "Hello & welcome"},
                "webhooks": {
                    "delivery": {"url": message().callback, "intermediateReport": True},
                    "contentType": "application/json",
                    "callbackData": REF,
                },
            }
        ]
    }


@pytest.mark.parametrize(
    ("changes", "content"),
    [
        ({}, {"text": "Hello & welcome", "language": "en"}),
        (
            {"media_url": "https://media.example.com/1.mp3"},
            {"audioFileUrl": "https://media.example.com/1.mp3"},
        ),
        ({"extra": {"keys": "1"}}, {"text": "Hello & welcome", "language": "en", "maxDtmf": 1}),
    ],
    ids=["spoken", "played", "asking for a key"],
)
def test_a_call_goes_out_with_its_callback_address(changes, content):
    handover, (request,) = send((200, made()), channel="voice", **changes)

    assert handover.accepted
    assert request.url.path == "/tts/3/advanced"
    assert json.loads(request.content)["messages"] == [
        {
            "from": "12105550100",
            "destinations": [{"to": "12105550142", "messageId": REF}],
            "machineDetection": "continue",
            "notifyUrl": message("voice").callback,
            "notifyContentType": "application/json",
            "notifyContentVersion": 2,
            "callbackData": REF,
            **content,
        }
    ]


@pytest.mark.parametrize(
    ("answer", "status", "code", "meaning"),
    [
        ((200, made(12, "REJECTED", "REJECTED_NOT_ENOUGH_CREDITS")), "12", "", ("rejected", "account")),
        ((200, made(999, "REJECTED", "REJECTED_NEW")), "REJECTED", "", ("rejected", "unknown")),
        ((400, {"errorCode": "E400", "description": "No"}), "rejected", "E400", ("rejected", "permanent")),
        (
            (401, {"requestError": {"serviceException": {"messageId": "UNAUTHORIZED", "text": "No"}}}),
            "rejected",
            "UNAUTHORIZED",
            ("rejected", "unknown"),
        ),
        ((401, "no"), "rejected", "http:401", ("rejected", "account")),
    ],
)
def test_a_refusal_keeps_its_words_and_can_be_translated(answer, status, code, meaning):
    handover, _ = send(answer)

    report = Report("", "", "sms", handover.native_status, handover.native_code)
    assert (handover.accepted, handover.retry_after) == (False, None)
    assert (handover.native_status, handover.native_code) == (status, code)
    assert shipped().translate("infobip", report).meaning[:2] == meaning


def test_a_duplicate_was_taken_before():
    handover, _ = send((200, made(23, "REJECTED", "REJECTED_DUPLICATE_MESSAGE_ID")))

    assert (handover.accepted, handover.provider_message_id) == (True, REF)


@pytest.mark.parametrize(("answer", "wait"), [((429, {}, {"retry-after": "9"}), 9), (httpx.ConnectError, 30)])
def test_what_was_not_taken_is_to_be_sent_later(answer, wait):
    assert send(answer)[0].retry_after == wait


@pytest.mark.parametrize(
    "answer",
    [
        httpx.ReadTimeout,
        (500, {}),
        (200, {}),
        (200, "<html>"),
        (200, {"messages": [{"messageId": "1", "status": {}}]}),
    ],
)
def test_an_answer_that_got_lost_is_not_taken_for_a_refusal(answer):
    with pytest.raises(LostAnswer):
        send(answer)


@pytest.mark.parametrize(
    ("answer", "found"),
    [
        ((200, {"results": [{"messageId": REF}]}), SendResult(True, provider_message_id=REF)),
        ((200, {"results": []}), SendResult(False, native_status="never_received")),
        ((200, {}), None),
        ((500, {}), None),
        (httpx.ConnectError, None),
    ],
)
def test_a_lost_text_is_looked_up_by_our_reference(answer, found):
    handover, (request,) = find(answer)

    assert handover == found
    assert (request.url.path, dict(request.url.params)) == ("/sms/3/logs", {"messageId": REF})


def test_a_lost_call_is_not_looked_up():
    assert find(channel="voice") == (None, [])


def test_the_numbers_that_are_known_are_those_of_the_table():
    for channel in ("sms", "voice"):
        listed = {key.code for key in shipped().codes if key[:3] == ("infobip", channel, "status")}
        assert {code for code in listed if code.isdigit()} == NUMBERS
