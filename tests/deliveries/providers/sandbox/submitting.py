"""Messages handed to the simulated network, and what it says of them."""

import json
from datetime import UTC, datetime, timedelta

from deliveries.providers import PROVIDERS
from deliveries.providers.facts import (
    Call,
)
from deliveries.providers.sandbox.network import Network

SANDBOX = PROVIDERS["sandbox"]
SECRET = "sandbox-secret"
REF = "6f1c2b9e-3f0a-4c55-9d1e-0a1b2c3d4e5f"
CALLBACK = "http://127.0.0.1:8000/hooks/tok/status"
NOON = datetime(2026, 11, 3, 12, tzinfo=UTC)
FOREVER = datetime(2027, 1, 1, tzinfo=UTC)
MANY = 5_000


def numbers(count=MANY):
    return [f"+1312{5_550_000 + n}" for n in range(count)]


def addresses(channel, count=MANY):
    return [f"person{n}@example.com" for n in range(count)] if channel == "email" else numbers(count)


def submit(network, to, *, ref=REF, channel="sms", body="See you at ten.", at=NOON):
    callback = f"{CALLBACK}?m={ref}&c={channel}"
    return network.submit(ref, channel, to, "+13125550100", body, callback, at, secret=SECRET)


def told(callbacks):
    return [json.loads(each.body) for each in callbacks if each.kind == "status"]


def call_of(callback):
    return Call("POST", callback.url, callback.url.partition("?")[2], callback.headers, callback.body)


def run(seed, submissions, refs):
    network = Network(seed)
    answers = [
        submit(
            network,
            addresses(channel, 41)[n],
            ref=ref,
            channel=channel,
            body=body,
            at=NOON + timedelta(seconds=late),
        )
        for ref, (channel, n, body, late) in zip(refs, submissions, strict=True)
    ]
    return answers, network.due(FOREVER)
