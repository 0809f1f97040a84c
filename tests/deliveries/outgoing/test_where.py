"""Where webhooks may go: never to this machine or its network, by whatever name or spelling."""

from __future__ import annotations

import asyncio
import socket

import pytest

from deliveries.models import EventKind
from deliveries.outgoing import payloads, secrets
from deliveries.outgoing.calling import Call, make
from deliveries.outgoing.where import connector, is_allowed, wrong_with
from tests.deliveries.outgoing.receiver import deliver, endpoint, row

PRIVATE = [
    "127.0.0.1", "127.8.8.8", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0",
    "224.0.0.1", "255.255.255.255", "240.0.0.1", "::1", "::", "fe80::1", "fe80::1%eth0", "fc00::1", "ff02::1",
    "fec0::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254", "::127.0.0.1", "2002:7f00:1::",
    "2002:a00:1::", "64:ff9b::7f00:1", "64:ff9b::a00:1", "64:ff9b:1::a00:1", "2001:db8::1", "192.0.2.1",
]  # fmt: skip


@pytest.mark.parametrize("address", PRIVATE)
def test_what_only_our_machines_reach_is_refused(address):
    assert not is_allowed(address)


@pytest.mark.parametrize("address", ["8.8.8.8", "1.1.1.1", "2606:4700::1111", "::ffff:8.8.8.8"])
def test_what_all_the_world_reaches_is_allowed(address):
    assert is_allowed(address)


@pytest.mark.parametrize(
    "url",
    [
        "http://crm.example.com/", "ftp://crm.example.com/", "https://127.0.0.1/", "https://[::1]/", "https://",
        "https://me:secret@crm.example.com/", "https://[::ffff:10.0.0.1]/", "https://crm.example.com:99999/", "x",
    ],
)  # fmt: skip
def test_such_addresses_are_refused_when_they_are_entered(url):
    assert wrong_with(url)


def test_others_are_not():
    assert wrong_with("https://crm.example.com/hook?from=waybill") == ""


@pytest.mark.parametrize("address", PRIVATE)
def test_a_name_that_leads_there_is_not_called(settings, monkeypatch, address):
    """The name is looked up as the machine would: what is connected to is what was judged."""
    settings.WEBHOOK_HTTP = True
    bare = address.partition("%")[0]
    family = socket.AF_INET6 if ":" in bare else socket.AF_INET
    where = (bare, 80, 0, 0) if ":" in bare else (bare, 80)
    looked_up = []

    def names(host, port, *given, **more):
        looked_up.append(host)
        return [(family, socket.SOCK_STREAM, 6, "", where)]

    monkeypatch.setattr(socket, "getaddrinfo", names)
    monkeypatch.setattr(socket.socket, "connect", _never)

    outcome = asyncio.run(_call("http://crm.example.com/"))

    assert looked_up == ["crm.example.com"]
    assert outcome.status is None
    assert "private address" in outcome.trouble


def _never(*_):
    raise AssertionError("It connected.")


@pytest.mark.parametrize(
    "url", ["http://127.1/", "http://2130706433/", "http://0x7f000001/", "http://localhost/"]
)
def test_other_spellings_of_this_machine_are_not_called(settings, url):
    settings.WEBHOOK_HTTP = True

    outcome = asyncio.run(_call(url))

    assert outcome.status is None
    assert "private address" in outcome.trouble or "not a canonical" in outcome.trouble


async def _call(url):
    import aiohttp

    async with aiohttp.ClientSession(connector=connector()) as session:
        call = Call(1, 1, 1, "msg_1", url, [secrets.new_secret()], "{}", None)
        return await make(call, session)


@pytest.mark.django_db(transaction=True)
def test_a_setting_allows_a_network(receiver, settings, now):
    there = endpoint(receiver.url, [EventKind.FINISHED])
    settings.WEBHOOK_NETWORKS = []
    payloads.ping(there, now)

    deliver(now)

    assert receiver.got == []
    assert "WEBHOOK_NETWORKS" in row().tries[0]["trouble"]
