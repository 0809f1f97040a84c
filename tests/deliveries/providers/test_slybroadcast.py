import asyncio
from urllib.parse import parse_qs

import httpx
import pytest

from deliveries.meaning.translation import shipped
from deliveries.providers import PROVIDERS
from deliveries.providers.facts import Call, LostAnswer, OutboundMessage, Report, SendResult
from tests.deliveries.providers.handing import Played

SLYBROADCAST = PROVIDERS["slybroadcast"]
CREDENTIALS = {"uid": "voice@example.com", "password": "a-password"}
CALLBACK = "https://waybill.example.com/hooks/tok/status?m=6f1c2b9e-3f0a-4c55-9d1e-0a1b2c3d4e5f&c=rvm&k=ours"
MESSAGE = OutboundMessage(
    ref="6f1c2b9e-3f0a-4c55-9d1e-0a1b2c3d4e5f",
    channel="rvm",
    to="+13125550142",
    sender="+12125550100",
    body="",
    callback=CALLBACK,
    media_url="https://files.example.com/hello.wav?version=2",
)


def against(handler, **changes):
    """What comes of sending to a Slybroadcast that answers as `handler` does."""

    async def run():
        async with Played(handler) as client:
            return await SLYBROADCAST.send(
                OutboundMessage(**{**vars(MESSAGE), **changes}), CREDENTIALS, client
            )

    return asyncio.run(run())


def answering(text, status=200):
    return lambda request: httpx.Response(status, text=text)


def status_of(handover):
    report = Report("", "", "rvm", handover.native_status, handover.native_code)
    return shipped().translate("slybroadcast", report).meaning[:3]


def test_one_number_goes_out_with_its_callback():
    seen = []

    def slybroadcast(request):
        seen.append(request)
        return httpx.Response(200, text="OK\nsession_id=9996130985\nnumber of phone=1\n")

    handover = against(slybroadcast)

    assert handover == SendResult(True, provider_message_id="9996130985")
    assert str(seen[0].url) == "https://www.mobile-sphere.com/gateway/vmb.php"
    assert parse_qs(seen[0].content.decode()) == {
        "c_uid": ["voice@example.com"],
        "c_password": ["a-password"],
        "c_phone": ["3125550142"],
        "c_callerID": ["2125550100"],
        "c_url": ["https://files.example.com/hello.wav?version=2"],
        "c_audio": ["wav"],
        "c_date": ["now"],
        "c_title": [MESSAGE.ref],
        "c_dispo_url": [CALLBACK],
    }


def test_a_message_is_known_by_session_and_phone_however_the_phone_is_written():
    callback = Call("POST", "", "", {}, b"var=9996130985|3125550142|OK||2026-03-04 11:38:18|")
    (report,) = SLYBROADCAST.parse("status", callback)

    handed_over = SLYBROADCAST.message_key("9996130985", MESSAGE.to)
    assert SLYBROADCAST.message_key(report.provider_message_id, report.address) == handed_over
    assert handed_over != SLYBROADCAST.message_key("9996130985", "+12125550143")


def test_callbacks_are_answered_ok():
    assert SLYBROADCAST.reply("status", Call("POST", "", "", {}, b"")) == ("text/plain", b"OK")


@pytest.mark.parametrize(
    ("answer", "meaning"),
    [
        ("ERROR\nBad Audio, can't download", ("rejected", "content", "content")),
        ("ERROR\nc_uid: required", ("rejected", "account", "account")),
        ("ERROR\nsomething new", ("rejected", "unknown", "none")),
        ("ERROR", ("rejected", "account", "account")),
    ],
)
def test_a_refusal_says_why(answer, meaning):
    handover = against(answering(answer))

    assert (handover.accepted, handover.retry_after) == (False, None)
    assert status_of(handover) == meaning


@pytest.mark.parametrize(
    ("changes", "meaning"),
    [
        ({"to": "+442079460000"}, ("rejected", "account", "account")),
        ({"media_url": ""}, ("rejected", "content", "content")),
    ],
    ids=["a number elsewhere", "nothing to play"],
)
def test_what_the_gateway_would_get_wrong_is_not_handed_over(changes, meaning):
    def nobody(request):
        raise AssertionError("sent")

    assert status_of(against(nobody, **changes)) == meaning


def test_an_outage_is_waited_for():
    assert against(answering("", 503)).retry_after == 30


@pytest.mark.parametrize(
    "answer", ["", "OK", "OK\nnumber of phone=1", "<html>", "OK\nsession_id=\nnumber of phone=1"]
)
def test_an_answer_that_says_nothing_is_not_taken_for_a_refusal(answer):
    with pytest.raises(LostAnswer):
        against(answering(answer))
