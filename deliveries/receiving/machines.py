"""Whether a link was followed by a person or by a machine: a preview, or a filter that looks for dangerous pages.

No rule is certain. What is known of those who ask is data (`machines.csv`, with its sources); the rest is when they
ask. A person taken for a machine is worse for nobody but the figure; a machine taken for a person would make it a lie.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import cache
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from pathlib import Path
from typing import NamedTuple

from contacts.channels import Channel
from deliveries.models import MachineWhy

TABLE = Path(__file__).with_name("machines.csv")
# All four our own choice. A filter opens links before it lets a mail in, or right after; nobody opens all links of a
# message in so short a time. A report of delivery may come late: what comes later than a minute is a person's.
EARLY = timedelta(minutes=1)  # after the handover, and before the delivery
FAST_MAIL = timedelta(seconds=10)  # after a mail server took the mail
FAST_TEXT = timedelta(seconds=1)  # after a phone got the text
TOGETHER = timedelta(seconds=10)  # between the first and the last of all links of a message


class KnownMachines(NamedTuple):
    agents: tuple[str, ...]
    persons: tuple[str, ...]  # words of browsers that an agent's would be found in
    networks: tuple[IPv4Network | IPv6Network, ...]


@cache
def known() -> KnownMachines:
    with TABLE.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    agents, persons = (
        tuple(row["pattern"] for row in rows if row["kind"] == kind) for kind in ("agent", "person")
    )
    networks = tuple(ip_network(row["pattern"]) for row in rows if row["kind"] == "network")
    return KnownMachines(agents, persons, networks)


def by_request(method: str, agent: str, address: str) -> str:
    """What says that no person asks: one of MachineWhy; '' where nothing does. `address`: the caller's, or ''."""
    if method == "HEAD":
        return MachineWhy.HEAD
    name = agent.lower()
    for word in known().persons:
        name = name.replace(word, "")
    if not name or any(one in name for one in known().agents):
        return MachineWhy.AGENT
    try:
        caller = ip_address(address)
    except ValueError:
        return ""
    return MachineWhy.NETWORK if any(caller in one for one in known().networks) else ""


def by_time(channel: str, at: datetime, handed_over: datetime | None, delivered: datetime | None) -> str:
    """What the time of a click says of it: one of MachineWhy; '' where nothing."""
    if handed_over is None or at < handed_over:
        return MachineWhy.EARLY
    if delivered is None:
        return ""
    if at < delivered:
        return MachineWhy.EARLY if at < handed_over + EARLY else ""
    fast = FAST_MAIL if channel == Channel.EMAIL else FAST_TEXT
    return MachineWhy.FAST if at < delivered + fast else ""


def all_at_once(links: int, visits: Sequence[tuple[datetime, int]]) -> bool:
    """Whether every one of so many links was opened within seconds. `visits`: when, and which link."""
    if links < 2:
        return False
    in_time = sorted(visits)
    for start, (began, _) in enumerate(in_time):
        opened = {link for at, link in in_time[start:] if at - began <= TOGETHER}
        if len(opened) >= links:
            return True
    return False
