"""The adapter of the sandbox: its callbacks are verified and understood, its answers become handovers."""

import asyncio
import json
from datetime import UTC

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deliveries.meaning.translation import shipped
from deliveries.providers.facts import (
    Call,
    Inbound,
    LostAnswer,
    OutboundMessage,
    Report,
    SendResult,
    Unreadable,
)
from deliveries.providers.sandbox.channel_outcomes import FATES
from deliveries.providers.sandbox.network import Network
from deliveries.statuses import REACHING
from tests.deliveries.providers.handing import Played
from tests.deliveries.providers.sandbox.submitting import (
    CALLBACK,
    FOREVER,
    REF,
    SANDBOX,
    SECRET,
    addresses,
    call_of,
    numbers,
    submit,
)

# ---- the adapter -----------------------------------------------------------------------------------------


def test_every_callback_is_verified_and_understood():
    for channel in FATES:
        network = Network(7)
        for to in addresses(channel, 60):
            submit(network, to, channel=channel, body="x" * 400)
        for each in network.due(FOREVER):
            assert SANDBOX.verify(call_of(each), {"secret": SECRET})
            (item,) = SANDBOX.parse(each.kind, call_of(each))
            assert item.channel == channel
            assert item.occurred_at.tzinfo is UTC
            if isinstance(item, Report):
                assert item.ref == REF
                assert item.provider_message_id


def first_callback():
    network = Network(7)
    submit(network, numbers(1)[0])
    return call_of(network.due(FOREVER)[0])


def test_anything_changed_is_refused():
    good = first_callback()

    assert not SANDBOX.verify(good._replace(body=good.body + b" "), {"secret": SECRET})
    assert not SANDBOX.verify(good._replace(url=good.url + "0"), {"secret": SECRET})
    assert not SANDBOX.verify(
        good._replace(headers={**good.headers, "x-sandbox-timestamp": "1"}), {"secret": SECRET}
    )
    assert not SANDBOX.verify(good, {"secret": "another"})
    assert not SANDBOX.verify(good, {"secret": ""})
    assert not SANDBOX.verify(good, {})


GARBAGE = st.one_of(
    st.binary(),
    st.dictionaries(
        st.sampled_from(
            ["channel", "id", "status", "code", "part", "parts", "occurred_at", "from", "to", "text"]
        ),
        st.one_of(st.text(), st.integers(), st.none(), st.sampled_from(["sms", "2026-11-03T12:00:00+00:00"])),
    ).map(lambda found: json.dumps(found).encode()),
)


@given(body=GARBAGE, url=st.text(), signature=st.text(), kind=st.sampled_from(["status", "inbound", "other"]))
def test_garbage_is_refused_and_raises_nothing_but_unreadable(body, url, signature, kind):
    headers = {"x-sandbox-signature": signature, "x-sandbox-timestamp": url}
    garbage = Call("POST", url, url, headers, body)

    assert SANDBOX.verify(garbage, {"secret": SECRET}) is False
    try:
        found = SANDBOX.parse(kind, garbage)
    except Unreadable:
        return
    assert all(isinstance(item, Report | Inbound) for item in found)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"id": ""}, "id: missing"),
        ({"status": [3]}, "status: not a text"),
        ({"channel": "pigeon"}, "channel: 'pigeon'"),
        ({"part": 2, "parts": 1}, "part: 2 of 1"),
        ({"part": "1"}, "part: '1'"),
        ({"occurred_at": "yesterday"}, "occurred_at: 'yesterday'"),
    ],
)
def test_what_cannot_be_read_names_the_field(change, complaint):
    good = first_callback()
    body = json.dumps({**json.loads(good.body), **change}).encode()

    with pytest.raises(Unreadable, match=complaint):
        SANDBOX.parse("status", good._replace(body=body))


MESSAGE = OutboundMessage(REF, "sms", "+13125550142", "+13125550100", "Hello", f"{CALLBACK}?m={REF}&c=sms")


def against(handler, act=SANDBOX.send):
    async def run():
        async with Played(handler) as client:
            return await act(MESSAGE, {"secret": SECRET}, client)

    return asyncio.run(run())


def answering(status, told=None):
    return lambda request: httpx.Response(status, json=told or {})


def test_the_answer_of_the_network_becomes_a_handover():
    assert against(answering(202, {"id": "sb-1", "segments": 2})) == SendResult(True, "sb-1", segments=2)
    assert against(answering(422, {"code": "NO_SENDER", "text": "from: missing."})) == SendResult(
        False, native_status="rejected", native_code="NO_SENDER", native_text="from: missing."
    )
    assert against(answering(503)).retry_after == 30
    for lost in (answering(504), answering(202), lambda request: httpx.Response(200, text="<html>")):
        with pytest.raises(LostAnswer):
            against(lost)


def test_a_lost_message_is_found_or_known_never_to_have_come():
    assert against(
        answering(200, {"submissions": 1, "messages": [{"id": "sb-1"}]}), SANDBOX.find
    ) == SendResult(True, "sb-1")
    never = against(answering(404, {"submissions": 0, "messages": []}), SANDBOX.find)
    assert (never.accepted, never.native_status) == (False, "never_received")
    assert against(answering(500), SANDBOX.find) is None
    assert against(answering(404, {"detail": "another server"}), SANDBOX.find) is None


def test_both_words_for_delivered_reach():
    for word, evidence in (("delivered", "carrier"), ("handset", "handset")):
        meaning = shipped().translate("sandbox", Report("", "", "sms", word)).meaning
        assert meaning.status in REACHING
        assert meaning.evidence == evidence
