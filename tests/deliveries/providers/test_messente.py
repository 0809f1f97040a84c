import json

import httpx
import pytest

from deliveries.providers import PROVIDERS
from deliveries.providers.facts import LostAnswer, SendResult
from tests.deliveries.providers.handing import against, message

MESSENTE = PROVIDERS["messente"]
CREDENTIALS = {"username": "user", "password": "word", "url_secret": "secret"}
MADE = {
    "to": "+12105550142",
    "omnimessage_id": "omni-1",
    "messages": [{"channel": "sms", "message_id": "msg-1", "sender": "Example"}],
}


def send(*answers, **changes):
    return against(MESSENTE.send, message(**changes), CREDENTIALS, *answers)


def error(code, title="Invalid data", detail="Bad number"):
    return {"errors": [{"code": code, "title": title, "detail": detail, "source": "payload.to"}]}


def test_a_message_goes_out_with_its_callback_address():
    handover, (request,) = send((201, MADE))

    assert handover == SendResult(True, provider_message_id="msg-1")
    assert str(request.url) == "https://api.messente.com/v1/omnimessage"
    assert request.headers["authorization"].startswith("Basic ")
    assert json.loads(request.content) == {
        "to": "+12105550142",
        "messages": [{"channel": "sms", "sender": "+12105550100", "text": "Hello & welcome"}],
        "dlr_url": message().callback,
    }


@pytest.mark.parametrize(
    ("answer", "code", "text"),
    [
        ((400, error("105")), "105", "Bad number"),
        ((401, error("103", "Unauthorized", None)), "103", "Unauthorized"),
        ((401, "no"), "http:401", "HTTP 401"),
        ((302, ""), "http:302", "HTTP 302"),
    ],
)
def test_a_refusal_keeps_its_code(answer, code, text):
    handover, _ = send(answer)

    assert handover == SendResult(False, native_status="rejected", native_code=code, native_text=text)


@pytest.mark.parametrize(
    ("answer", "wait"), [((429, {}, {"retry-after": "9"}), 9), ((503, {}), 30), (httpx.ConnectError, 30)]
)
def test_what_was_not_taken_is_to_be_sent_later(answer, wait):
    assert send(answer)[0].retry_after == wait


@pytest.mark.parametrize("answer", [httpx.ReadTimeout, (500, error("104")), (201, {}), (201, "<html>")])
def test_an_answer_that_got_lost_is_not_taken_for_a_refusal(answer):
    with pytest.raises(LostAnswer):
        send(answer)
