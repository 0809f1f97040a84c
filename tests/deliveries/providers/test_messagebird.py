import json

import httpx
import pytest

from deliveries.meaning.translation import shipped
from deliveries.providers import PROVIDERS
from deliveries.providers.facts import LostAnswer, Report, SendResult
from tests.deliveries.providers.handing import REF, against, message

MESSAGEBIRD = PROVIDERS["messagebird"]
CREDENTIALS = {"access_key": "not-a-real-key", "signing_key": "secret"}
ID = "e8077d803532c0b5937c639b60216938"


def made(**changes):
    recipient = {"recipient": 12105550142, "status": "sent", "messagePartCount": 2}
    return {"id": ID, "reference": REF, "recipients": {"totalCount": 1, "items": [recipient]}, **changes}


def send(*answers, **changes):
    return against(MESSAGEBIRD.send, message(**changes), CREDENTIALS, *answers)


def find(*answers, **changes):
    return against(MESSAGEBIRD.find, message(**changes), CREDENTIALS, *answers)


@pytest.mark.parametrize(
    ("channel", "address", "fields"),
    [
        ("sms", "messages", {"reportUrl": message("sms").callback, "datacoding": "auto"}),
        ("mms", "mms", {"mediaUrls": ["https://waybill.example.com/a.jpg"]}),
        ("voice", "voicemessages", {"reportUrl": message("voice").callback, "ifMachine": "delay"}),
    ],
)
def test_each_channel_has_its_own_resource(channel, address, fields):
    picture = "https://waybill.example.com/a.jpg" if channel == "mms" else ""

    handover, (request,) = send((201, made()), channel=channel, media_url=picture)

    assert handover == SendResult(True, provider_message_id=ID, segments=2)
    assert str(request.url) == f"https://rest.messagebird.com/{address}"
    assert request.headers["authorization"] == "AccessKey not-a-real-key"
    assert json.loads(request.content) == {
        "originator": "+12105550100",
        "recipients": ["12105550142"],
        "body": "Hello & welcome",
        "reference": REF,
        **fields,
    }


def error(code, description):
    return {"errors": [{"code": code, "description": description, "parameter": "recipients"}]}


@pytest.mark.parametrize("channel", ["sms", "mms", "voice"])
@pytest.mark.parametrize(
    ("answer", "code", "meaning"),
    [
        ((401, error(2, "Request not allowed")), "api:2", ("rejected", "account", "account")),
        ((422, error(9, "no (correct) recipients found")), "api:9", ("rejected", "permanent", "account")),
        ((402, error(25, "Not enough balance")), "api:25", ("rejected", "account", "account")),
        ((400, error(4711, "Something new")), "api:4711", ("rejected", "unknown", "none")),
        ((403, "<html>"), "http:403", ("rejected", "unknown", "none")),
    ],
)
def test_a_refusal_keeps_its_code(channel, answer, code, meaning):
    handover, _ = send(answer, channel=channel)

    report = Report("", "", channel, handover.native_status, handover.native_code)
    assert (handover.accepted, handover.retry_after, handover.native_code) == (False, None, code)
    assert shipped().translate("messagebird", report).meaning[:3] == meaning


@pytest.mark.parametrize(
    ("answer", "wait"), [((429, {}, {"retry-after": "9"}), 9), ((503, {}), 30), (httpx.ConnectError, 30)]
)
def test_what_was_not_taken_is_to_be_sent_later(answer, wait):
    assert send(answer)[0].retry_after == wait


@pytest.mark.parametrize(
    "answer", [httpx.ReadTimeout, (500, error(99, "Internal")), (201, {}), (200, "<html>")]
)
def test_an_answer_that_got_lost_is_not_taken_for_a_refusal(answer):
    with pytest.raises(LostAnswer):
        send(answer)


def test_a_lost_message_is_found_by_our_reference():
    other = made(id="another", reference="msg-123")

    handover, (request,) = find((200, {"items": [other, made()]}))

    assert handover == SendResult(True, provider_message_id=ID, segments=2)
    assert str(request.url) == "https://rest.messagebird.com/messages?recipient=12105550142"


@pytest.mark.parametrize(
    "answer",
    [
        (200, {"items": []}),
        (200, {"items": [made(reference=None)]}),
        (200, "<html>"),
        (500, {}),
        httpx.ReadTimeout,
    ],
)
def test_what_is_not_listed_may_still_come(answer):
    assert find(answer)[0] is None


def test_one_id_for_several_recipients_makes_a_key_for_each():
    assert MESSAGEBIRD.message_key(ID, "+12105550142") == f"{ID}/12105550142"
