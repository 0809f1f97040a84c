"""Ports for processes that tests start."""

from __future__ import annotations

import contextlib
import random
import socket

# Below those that the kernel gives to outgoing connections: one of these may be taken before the process listens.
RANGE = range(20_000, 32_000)


def free_ports(count: int = 1) -> list[int]:
    """`count` ports in a row that nobody listens on. Raises OSError after fifty tries."""
    for _ in range(50):
        first = random.choice(RANGE)
        ports = list(range(first, first + count))
        with contextlib.suppress(OSError), contextlib.ExitStack() as held:
            for port in ports:
                held.enter_context(socket.socket()).bind(("127.0.0.1", port))
            return ports
    raise OSError(f"No {count} free ports in a row between {RANGE.start} and {RANGE.stop}.")
