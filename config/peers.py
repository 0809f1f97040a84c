"""Who calls, and whether by https: what the proxies that are ours say, and nobody else.

A proxy puts the address it was called from behind those it received. So the list is read from its end, and only as far
as the ones who wrote it are proxies of ours: whatever stands before that, anybody can have written.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

Network = IPv4Network | IPv6Network
Headers = Iterable[tuple[bytes, bytes]]

X_FORWARDED_FOR, FORWARDED = "X-Forwarded-For", "Forwarded"
X_FORWARDED_PROTO = b"x-forwarded-proto"
TOKEN = re.compile(r'[^,;"]+|[,;]|"(?:[^"\\]|\\.)*"')
LONGEST = 8_192  # characters of the header; nobody has so many proxies
WITH_PORT = re.compile(r"\[([^\]]*)\](?::\w+)?|([\d.]+):\w+")


def caller(peer: str, headers: Headers, trusted: Sequence[Network], header: str) -> str:
    """The nearest address that is no proxy of ours; `peer` is who opened the connection.

    '' when a proxy of ours names one that cannot be read: nobody is taken for somebody else. `header` is the one that
    our proxies write; the other is whatever the caller wanted it to be.
    """
    found = read_address(peer)
    if found is None or not is_trusted(found, trusted):
        return peer if found is None else str(found)
    for hop in reversed(hops(headers, header)):
        found = read_address(hop)
        if found is None:
            return ""
        if not is_trusted(found, trusted):
            break
    return str(found)


def trusted_headers(peer: str, headers: Headers, trusted: Sequence[Network]) -> list[tuple[bytes, bytes]]:
    """The headers, without the one that says by which scheme we were called where no proxy of ours wrote it."""
    found = read_address(peer)
    if found is not None and is_trusted(found, trusted):
        return list(headers)
    return [(name, value) for name, value in headers if name.lower() != X_FORWARDED_PROTO]


def is_trusted(address: IPv4Address | IPv6Address, trusted: Sequence[Network]) -> bool:
    return any(address in network for network in trusted)


def hops(headers: Headers, header: str) -> list[str]:
    """The addresses in the header, however often it was sent; '' for one that cannot be read."""
    name = header.lower().encode()
    lines = ",".join(value.decode("latin-1") for given, value in headers if given.lower() == name)
    if len(lines) > LONGEST:
        return [""]
    if header == FORWARDED:
        return [_for(element) for element in _elements(lines)]
    return [hop for one in lines.split(",") if (hop := one.strip())]


def _elements(lines: str) -> list[list[str]]:
    """The elements of a Forwarded header, each as its parameters.

    A quote that is never closed makes all of it unreadable: who calls could open one, for that of our proxy to close.
    """
    elements, at = [[""]], 0
    while token := TOKEN.match(lines, at):
        at = token.end()
        if token[0] == ",":
            elements.append([""])
        elif token[0] == ";":
            elements[-1].append("")
        else:
            elements[-1][-1] += token[0]
    return [one for one in elements if "".join(one).strip()] if at == len(lines) else [[]]


def _for(parameters: list[str]) -> str:
    """What the first parameter `for` says, without its quotes."""
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip().lower() == "for":
            return value.strip().removeprefix('"').removesuffix('"').strip()
    return ""


def read_address(text: str) -> IPv4Address | IPv6Address | None:
    """An address with or without its port, an IPv4 one written as IPv6 as itself; None for anything else."""
    with_port = WITH_PORT.fullmatch(text)
    try:
        found = ip_address((with_port[1] or with_port[2] or "") if with_port else text)
    except ValueError:
        return None
    return (isinstance(found, IPv6Address) and found.ipv4_mapped) or found
