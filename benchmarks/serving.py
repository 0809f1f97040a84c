"""Servers to send requests to, and the load: wrk where it is installed, else a small generator of our own."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.scratch import ROOT

HOST = "127.0.0.1"
CONNECTIONS = 32
SCRIPT = Path(__file__).with_name("signed.lua")


@dataclass(frozen=True)
class Load:
    """What came of it. `p99` in milliseconds; None where the generator does not say."""

    requests: int
    failed: int
    seconds: float
    p50: float | None = None
    p99: float | None = None

    @property
    def rate(self) -> float:
        """Answers with 2xx, each second."""
        return (self.requests - self.failed) / self.seconds


def generator() -> str:
    return "wrk" if shutil.which("wrk") else "a generator of our own"


def load(port: int, requests: Path, seconds: float, offset: int) -> Load:
    """Send the signed requests of the file, from line `offset` on and round again, over 32 connections."""
    sent = command(port, requests, seconds, offset)
    done = subprocess.run(sent, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True)
    return Load(**json.loads(done.stdout.strip().splitlines()[-1]))


def command(port: int, requests: Path, seconds: float, offset: int) -> list[str]:
    """The generator, as a command."""
    words = [str(requests), str(offset)]
    if shutil.which("wrk"):
        wrk = [
            "wrk",
            "-t1",
            f"-c{CONNECTIONS}",
            f"-d{seconds:g}s",
            "-s",
            str(SCRIPT),
            f"http://{HOST}:{port}",
        ]
        return [*wrk, "--", *words]
    return [sys.executable, "-m", "benchmarks.load", str(port), str(CONNECTIONS), str(seconds), *words]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


@contextmanager
def running(*words: str, port: int = 0, **environment: str) -> Iterator[subprocess.Popen]:
    """A process in the background, ended in good order; with a port, once that answers."""
    env = {**os.environ, **environment}
    with subprocess.Popen([sys.executable, *words], cwd=ROOT, env=env, stdout=subprocess.DEVNULL) as process:
        try:
            if port:
                _wait(process, port)
            yield process
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()


def _wait(process: subprocess.Popen, port: int) -> None:
    ends = time.monotonic() + 30
    while process.poll() is None and time.monotonic() < ends:
        try:
            socket.create_connection((HOST, port), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise RuntimeError(f"{process.args} does not answer on port {port}.")


@dataclass(frozen=True)
class Server:
    port: int
    process: subprocess.Popen

    def cpu(self) -> float:
        """Seconds of CPU that the server and its children have used; 0 where /proc does not tell."""
        return sum(_cpu(pid) for pid in [self.process.pid, *_children(self.process.pid)])


def _cpu(pid: int) -> float:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _children(pid: int) -> list[int]:
    try:
        found = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    except OSError:
        return []
    return [int(child) for child in found.split()]


@contextmanager
def receiver(public_url: str, processes: int = 1) -> Iterator[Server]:
    """Our own web process, or so many of them on one port."""
    port = free_port()
    settings = {"PORT": str(port), "PUBLIC_URL": public_url, "LOG_LEVEL": "ERROR"}
    with running("manage.py", "web", "--processes", str(processes), port=port, **settings) as process:
        yield Server(port, process)


@contextmanager
def reference(view: str, public_url: str, threads: int) -> Iterator[Server]:
    """A view of benchmarks/references.py under granian, without middleware."""
    port = free_port()
    granian = ("-m", "granian", "--interface", "wsgi", "--host", HOST, "--port", str(port), "--no-ws")
    more = ("--blocking-threads", str(threads), "--log-level", "error", "benchmarks.references:application")
    settings = {"DJANGO_SETTINGS_MODULE": "benchmarks.reference_settings", "PUBLIC_URL": public_url}
    with running(*granian, *more, port=port, VIEW=view, **settings) as process:
        yield Server(port, process)
