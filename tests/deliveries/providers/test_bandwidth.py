import json
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from deliveries.meaning.translation import shipped
from deliveries.providers import PROVIDERS
from deliveries.providers.facts import Call, LostAnswer, Report, SendResult
from tests.deliveries.providers.handing import REF, against, message

BANDWIDTH = PROVIDERS["bandwidth"]
CREDENTIALS = {
    "account_id": "55555555",
    "username": "user",
    "password": "word",
    "application_id": "app-1",
    "url_secret": "secret",
}
MADE = {"id": "17726431", "segmentCount": 2, "direction": "out", "tag": REF}


def send(*answers, credentials=CREDENTIALS, **changes):
    return against(BANDWIDTH.send, message(**changes), credentials, *answers)


@pytest.mark.parametrize(
    ("changes", "content"),
    [
        ({}, {"text": "Hello & welcome"}),
        (
            {"channel": "mms", "media_url": "https://media.example.com/1.png", "body": ""},
            {"media": ["https://media.example.com/1.png"]},
        ),
    ],
    ids=["sms", "mms"],
)
def test_a_message_goes_out_with_our_reference_as_its_tag(changes, content):
    handover, (request,) = send((202, MADE), **changes)

    assert handover == SendResult(True, provider_message_id="17726431", segments=2)
    assert str(request.url) == "https://messaging.bandwidth.com/api/v2/users/55555555/messages"
    assert request.headers["authorization"].startswith("Basic ")
    assert json.loads(request.content) == {
        "applicationId": "app-1",
        "from": "+12105550100",
        "to": ["+12105550142"],
        "tag": REF,
        **content,
    }


def test_a_call_asks_who_answers_and_carries_its_words_in_the_address_that_is_asked_for_them():
    credentials = {**CREDENTIALS, "voice_application_id": "app-2"}
    handover, (request,) = send((201, {"callId": "c-1"}), channel="voice", credentials=credentials)

    payload = json.loads(request.content)
    asked = urlsplit(payload.pop("answerUrl"))
    callback = message("voice").callback
    assert handover == SendResult(True, provider_message_id="c-1")
    assert str(request.url) == "https://voice.bandwidth.com/api/v2/accounts/55555555/calls"
    assert payload == {
        "applicationId": "app-2",
        "from": "+12105550100",
        "to": "+12105550142",
        "disconnectUrl": callback,
        "machineDetection": {"mode": "async", "callbackUrl": callback},
        "tag": REF,
    }
    assert asked.path == "/hooks/tok/answer"
    assert parse_qs(asked.query) == {"m": [REF], "c": ["voice"], "k": ["secret"], "say": ["Hello & welcome"]}


def reply(kind, query):
    return BANDWIDTH.reply(
        kind, Call("POST", f"https://waybill.example.com/hooks/tok/{kind}?{query}", query, {}, b"")
    )


def answer_to(**changes):
    """What we say to the `answer` callback of a call that was placed like this."""
    _, (request,) = send((201, {"callId": "c-1"}), channel="voice", **changes)
    return reply("answer", urlsplit(json.loads(request.content)["answerUrl"]).query)[1].decode()


@pytest.mark.parametrize(
    ("changes", "script"),
    [
        ({}, "<SpeakSentence>Hello &amp; welcome</SpeakSentence>"),
        (
            {"media_url": "https://media.example.com/1.mp3"},
            "<PlayAudio>https://media.example.com/1.mp3</PlayAudio>",
        ),
        (
            {"extra": {"keys": "1"}},
            f'<Gather gatherUrl="keys?m={REF}&amp;c=voice&amp;k=secret" maxDigits="1">'
            "<SpeakSentence>Hello &amp; welcome</SpeakSentence></Gather>",
        ),
    ],
    ids=["spoken", "played", "asking for a key"],
)
def test_an_answered_call_hears_its_message(changes, script):
    assert answer_to(**changes) == f"<Response>{script}</Response>"


def test_after_a_key_there_is_nothing_more_to_say_and_a_receipt_wants_no_script():
    assert reply("keys", "m=1") == ("application/xml", b"<Response></Response>")
    assert reply("status", "say=Hello") == ("text/plain", b"")


@pytest.mark.parametrize(
    ("answer", "code", "failure_class"),
    [
        (
            (400, {"type": "request-validation", "description": "'to' is bad"}),
            "request-validation",
            "permanent",
        ),
        ((401, {"type": "unauthorized", "description": "No"}), "unauthorized", "account"),
        ((403, "<html>"), "http:403", "account"),
        ((404, {"error": "Not Found"}), "http:404", "unknown"),
    ],
)
def test_a_refusal_keeps_its_code_and_can_be_translated(answer, code, failure_class):
    handover, _ = send(answer)

    meaning = shipped().translate("bandwidth", Report("", "", "sms", handover.native_status, code)).meaning
    assert (handover.accepted, handover.retry_after, handover.native_code) == (False, None, code)
    assert (meaning.status, meaning.failure_class) == ("rejected", failure_class)


@pytest.mark.parametrize(
    ("answer", "wait"),
    [((429, {"type": "max-message-queue-size-exceeded"}, {"retry-after": "9"}), 9), (httpx.ConnectError, 30)],
)
def test_what_was_not_taken_is_to_be_sent_later(answer, wait):
    assert send(answer)[0].retry_after == wait


@pytest.mark.parametrize("answer", [httpx.ReadTimeout, (502, {}), (202, {}), (202, "<html>")])
def test_an_answer_that_got_lost_is_not_taken_for_a_refusal(answer):
    with pytest.raises(LostAnswer):
        send(answer)


def test_no_receipt_in_two_hours_is_no_failure():
    meaning = shipped().translate("bandwidth", Report("", "1", "sms", "message-failed", "9902")).meaning

    assert meaning.status == "unknown"
