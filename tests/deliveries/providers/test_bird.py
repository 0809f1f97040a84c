import json

import httpx
import pytest

from deliveries.meaning.translation import shipped
from deliveries.providers import PROVIDERS
from deliveries.providers.facts import LostAnswer, Report, SendResult
from tests.deliveries.providers.handing import REF, against, message

BIRD = PROVIDERS["bird"]
CREDENTIALS = {"api_key": "bk_us1_not-a-real-key", "webhook_secret": "whsec_c2VjcmV0"}
CHANNEL = CREDENTIALS | {"api_key": "not-a-real-key", "workspace_id": "ours", "channel_id": "chan"}
ID = "sms_01krdgeqcxet5s7t44vh8rt9mg"
MADE = {"id": ID, "status": "accepted", "segments": {"count": 2, "encoding": "GSM_7BIT", "characters": 200}}


def send(*answers, credentials=CREDENTIALS, **changes):
    return against(BIRD.send, message(**changes), credentials, *answers)


def find(*answers, **changes):
    return against(BIRD.find, message(**changes), CREDENTIALS, *answers)


def test_a_text_carries_our_reference_and_can_be_sent_only_once():
    handover, (request,) = send((202, MADE))

    assert handover == SendResult(True, provider_message_id=ID, segments=2)
    assert str(request.url) == "https://us1.platform.bird.com/v1/sms/messages"
    assert request.headers["authorization"] == "Bearer bk_us1_not-a-real-key"
    assert request.headers["idempotency-key"] == REF
    assert json.loads(request.content) == {
        "to": "+12105550142",
        "from": "+12105550100",
        "text": "Hello & welcome",
        "category": "marketing",
        "metadata": {"ref": REF},
    }


def test_an_account_that_names_a_channel_uses_the_channels_api():
    handover, (request,) = send((202, {"id": "4045", "status": "accepted"}), credentials=CHANNEL)

    assert handover == SendResult(True, provider_message_id="4045")
    assert str(request.url) == "https://api.bird.com/workspaces/ours/channels/chan/messages"
    assert request.headers["authorization"] == "AccessKey not-a-real-key"
    assert json.loads(request.content) == {
        "receiver": {"contacts": [{"identifierKey": "phonenumber", "identifierValue": "+12105550142"}]},
        "body": {"type": "text", "text": {"text": "Hello & welcome"}},
        "reference": REF,
    }


def error(kind, name, code="E10001"):
    return {
        "error": {
            "type": kind,
            "code": code,
            "name": name,
            "message": "No.",
            "doc_url": "",
            "request_id": "r",
        }
    }


ACCOUNT = ("rejected", "account", "account")


@pytest.mark.parametrize(
    ("answer", "code", "meaning"),
    [
        ((422, error("validation_error", "SMSInvalidRecipient")), "SMSInvalidRecipient",
         ("rejected", "permanent", "recipient")),
        ((422, error("validation_error", "SomethingNew")), "SomethingNew", ("rejected", "unknown", "none")),
        ((401, error("auth_error", "InvalidApiKey")), "auth_error", ACCOUNT),
        ((402, error("billing_error", "WalletEmpty")), "billing_error", ACCOUNT),
        ((403, "<html>"), "http:403", ("rejected", "unknown", "none")),
        ((422, {"code": "InvalidPayload", "message": "No."}), "InvalidPayload", ("rejected", "unknown", "none")),
    ],
)  # fmt: skip
def test_a_refusal_keeps_its_code(answer, code, meaning):
    handover, _ = send(answer)

    report = Report("", "", "sms", handover.native_status, handover.native_code)
    assert (handover.accepted, handover.retry_after, handover.native_code) == (False, None, code)
    assert shipped().translate("bird", report).meaning[:3] == meaning


def test_a_call_is_refused_without_a_request():
    handover, asked = send(channel="voice")

    report = Report("", "", "voice", handover.native_status, handover.native_code)
    assert (handover.accepted, handover.retry_after, asked) == (False, None, [])
    assert shipped().translate("bird", report).meaning[:3] == ACCOUNT


@pytest.mark.parametrize(
    ("answer", "wait"), [((429, {}, {"retry-after": "9"}), 9), ((503, {}), 30), (httpx.ConnectError, 30)]
)
def test_what_was_not_taken_is_to_be_sent_later(answer, wait):
    assert send(answer)[0].retry_after == wait


UNDER_WAY = (409, error("conflict_error", "InFlight"))


@pytest.mark.parametrize(
    "answer", [httpx.ReadTimeout, (500, {}), (202, {}), (200, "<html>"), UNDER_WAY, (425, {})]
)
def test_an_answer_that_got_lost_is_not_taken_for_a_refusal(answer):
    with pytest.raises(LostAnswer):
        send(answer)


def test_a_lost_text_is_found_by_our_reference():
    another, ours = {**MADE, "id": "sms_0", "metadata": None}, {**MADE, "metadata": {"ref": REF}}

    handover, (request,) = find((200, {"data": [another, ours], "next_cursor": None}))

    assert handover == SendResult(True, provider_message_id=ID, segments=2)
    assert str(request.url) == "https://us1.platform.bird.com/v1/sms/messages?to=%2B12105550142"


@pytest.mark.parametrize(
    "answer", [(200, {"data": []}), (200, {"data": ["x"]}), (200, "<html>"), (500, {}), httpx.ReadTimeout]
)
def test_what_is_not_listed_may_still_come(answer):
    assert find(answer)[0] is None
