import asyncio

import httpx
import pytest

from deliveries.meaning.translation import shipped, tables_of
from deliveries.providers import PROVIDERS
from deliveries.providers.facts import LostAnswer, OutboundMessage, Report, SendResult
from tests.deliveries.providers.handing import Played

CALL_LOOP = PROVIDERS["call_loop"]
TRIGGER = "4d6333c3-0000-4808-b4dc-ee6afa4320e7"
MESSAGE = OutboundMessage(
    ref="6f1c2b9e-3f0a-4c55-9d1e-0a1b2c3d4e5f",
    channel="rvm",
    to="+13125550142",
    sender="+12125550100",
    body="",
    callback="https://waybill.example.com/hooks/tok/status?m=6f1c2b9e-3f0a-4c55-9d1e-0a1b2c3d4e5f&c=rvm&k=ours",
    media_url="https://files.example.com/hello.mp3",
)


def against(handler, trigger=f"https://api.callloop.com/webhook/Custom/{TRIGGER}", **changes):
    """What comes of sending to a Call Loop that answers as `handler` does."""

    async def run():
        async with Played(handler) as client:
            return await CALL_LOOP.send(
                OutboundMessage(**{**vars(MESSAGE), **changes}), {"trigger": trigger}, client
            )

    return asyncio.run(run())


def answering(status, payload=None):
    return lambda request: httpx.Response(status, json=payload)


@pytest.mark.parametrize(
    "trigger",
    [
        f"https://api.callloop.com/webhook/Custom/{TRIGGER}",
        f"https://api.callloop.com/webhook/Custom/{TRIGGER}?phone=",
        f"https://elsewhere.example.com/{TRIGGER}/",
        TRIGGER,
    ],
)
@pytest.mark.parametrize(
    ("changes", "query"),
    [
        ({}, {"phone": "+13125550142", "audio": "https://files.example.com/hello.mp3"}),
        ({"media_url": ""}, {"phone": "+13125550142"}),
    ],
)
def test_the_trigger_is_called_at_call_loop_and_nowhere_else(trigger, changes, query):
    seen = []

    def call_loop(request):
        seen.append(request)
        return httpx.Response(200, json={"message": "Message queued"})

    handover = against(call_loop, trigger, **changes)

    assert handover == SendResult(True)
    assert (seen[0].url.host, seen[0].url.path) == ("api.callloop.com", f"/webhook/Custom/{TRIGGER}")
    assert dict(seen[0].url.params) == query


def test_a_refusal_is_rejected_for_reasons_unknown():
    handover = against(answering(404, {"message": "No such trigger"}))

    report = Report("", "", "rvm", handover.native_status, handover.native_code)
    assert (handover.accepted, handover.native_text) == (False, "No such trigger")
    assert shipped().translate("call_loop", report).meaning[:3] == ("rejected", "unknown", "sender")


def test_what_was_not_taken_waits_and_a_lost_answer_is_no_refusal():
    assert against(answering(429)).retry_after
    with pytest.raises(LostAnswer):
        against(answering(502))


def test_silence_says_nothing_and_the_generic_words_are_known():
    assert CALL_LOOP.silent
    assert tables_of("call_loop") == ("call_loop", "generic")
    assert shipped().find("call_loop", "rvm", "status", "drop.mailbox_full").name == "Mailbox full"
