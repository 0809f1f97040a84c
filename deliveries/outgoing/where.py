"""Where a webhook may go: to no address that only machines of ours reach, unless the settings name its network.

A name is looked up once, all its addresses are judged, and the call connects to one of those: a name that means
another machine a moment later leads nowhere.
"""

from __future__ import annotations

import asyncio
import socket
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from urllib.parse import urlsplit

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from django.conf import settings

NAT64 = [ip_network("64:ff9b::/96"), ip_network("64:ff9b:1::/48")]
COMPATIBLE = ip_network("::/96")  # IPv4 written as IPv6, as it was before 2006
LAST_FOUR_BYTES = 0xFFFFFFFF


class NotAllowed(OSError):
    """An address to which nothing may go; the text says why."""


def inner(address: IPv6Address) -> list[IPv4Address]:
    """The IPv4 addresses that stand in it: mapped, of 6to4, of Teredo, or of a translation by NAT64."""
    found = [one for one in (address.ipv4_mapped, address.sixtofour) if one]
    found += list(address.teredo or ())
    if address in COMPATIBLE or any(address in one for one in NAT64):
        found.append(IPv4Address(int(address) & LAST_FOUR_BYTES))
    return found


def is_allowed(text: str) -> bool:
    """Whether this IP address may be connected to."""
    address = ip_address(text.partition("%")[0])
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    if any(one in network for network in settings.WEBHOOK_NETWORKS for one in (address, mapped) if one):
        return True
    if isinstance(address, IPv6Address):
        if address.is_site_local or any(not _is_public(one) for one in inner(address)):
            return False
        return mapped is not None or _is_public(address)
    return _is_public(address)


def _is_public(address: IPv4Address | IPv6Address) -> bool:
    return address.is_global and not (address.is_multicast or address.is_reserved or address.is_unspecified)


def wrong_with(url: str) -> str:
    """Why nothing may go to this URL, as far as it tells itself; '' where nothing speaks against it."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        _ = parts.port
    except ValueError:
        return "The address cannot be read."
    if parts.scheme not in ("http", "https") or not host:
        return "Give an address that begins with https://."
    if parts.scheme == "http" and not settings.WEBHOOK_HTTP:
        return "Give an https:// address: what is sent must not be read on the way."
    if parts.username or parts.password:
        return "Leave out the name and password: the signature shows who sends."
    try:
        allowed = is_allowed(host)
    except ValueError:  # a name, which is looked up before each call
        return ""
    return "" if allowed else f"{host} is a private address; the setting WEBHOOK_NETWORKS allows some."


class CheckedResolver(AbstractResolver):
    """Looks names up, and gives no address that is not allowed. Raises NotAllowed."""

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        loop = asyncio.get_running_loop()
        rows = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM, family=family)
        for _, _, _, _, where in rows:
            _refuse_private(str(where[0]))
        return [
            ResolveResult(
                hostname=host,
                host=str(where[0]),
                port=port,
                family=kind,
                proto=proto,
                flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
            )
            for kind, _, proto, _, where in rows
        ]

    async def close(self) -> None:
        """Nothing is held."""


def _refuse_private(address: str) -> None:
    if not is_allowed(address):
        raise NotAllowed(f"{address} is a private address, and WEBHOOK_NETWORKS does not allow it.")


def _socket(info: tuple) -> socket.socket:
    """The socket of a call, the last place where its address can be judged: also one that stands in the URL itself."""
    family, kind, proto, _, where = info
    _refuse_private(str(where[0]))
    return socket.socket(family, kind, proto)


def connector() -> aiohttp.TCPConnector:
    """Belongs to one event loop. Connections are not kept: the next call is judged anew."""
    return aiohttp.TCPConnector(
        resolver=CheckedResolver(), use_dns_cache=False, limit=0, force_close=True, socket_factory=_socket
    )
