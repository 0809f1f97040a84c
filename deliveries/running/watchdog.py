"""What a process reports to whoever watches over it: that it is ready, and that it still makes progress.

The words and the socket are those of systemd (sd_notify(3); `Type=notify`, `WatchdogSec=`). Our own supervisor
understands the same ones, so a process need not know which of them started it. Without NOTIFY_SOCKET nobody is told.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import tempfile
import time
from pathlib import Path

ADDRESS = "NOTIFY_SOCKET"
# What a process finds in its environment when systemd watches over it; its children are not meant.
OF_SYSTEMD = (ADDRESS, "WATCHDOG_USEC", "WATCHDOG_PID")
READY, ALIVE, STOPPING = "READY=1", "WATCHDOG=1", "STOPPING=1"
EVERY = 1.0  # seconds between two signs of progress

_sent_at = float("-inf")


def ready() -> None:
    """Say that the start is over."""
    _say(READY)


def alive() -> None:
    """Say that progress was made; once a second at most, however often it is called."""
    global _sent_at
    now = time.monotonic()
    if now - _sent_at >= EVERY:
        _sent_at = now
        _say(ALIVE)


def stopping() -> None:
    _say(STOPPING)


def _say(words: str) -> None:
    """Never raises and never waits: a watchdog that cannot be reached is no reason to stop working."""
    address = os.environ.get(ADDRESS, "")
    if not address:
        return
    if address.startswith("@"):  # a name that is no file
        address = "\0" + address[1:]
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as out:
        out.setblocking(False)
        out.sendto(words.encode(), address)


class NotifySocket:
    """The other end: one socket for each command that is watched over, in a folder of this process alone."""

    def __init__(self) -> None:
        self._folder: Path | None = None
        self._sockets: dict[str, socket.socket] = {}

    def address(self, name: str) -> str:
        """The NOTIFY_SOCKET of `name`. What was sent there so far is forgotten: it came from another process."""
        self._folder = self._folder or Path(tempfile.mkdtemp(prefix="waybill-"))
        path = str(self._folder / name)
        if name not in self._sockets:
            listening = self._sockets[name] = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            listening.setblocking(False)
            listening.bind(path)
        self.has_reported(name)
        return path

    def has_reported(self, name: str) -> bool:
        """Whether `name` reported readiness or progress since the last call."""
        reported = False
        with contextlib.suppress(BlockingIOError):
            while words := self._sockets[name].recv(1_024).decode("utf-8", "replace"):
                reported = reported or not {READY, ALIVE}.isdisjoint(words.splitlines())
        return reported

    def close(self) -> None:
        for listening in self._sockets.values():
            listening.close()
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
