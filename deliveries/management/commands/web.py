"""`manage.py web`: serve pages and receipts on HOST:PORT, in one process or in several."""

from __future__ import annotations

import contextlib
import errno
import resource
import socket
import sys
from argparse import ArgumentParser
from typing import Any

import uvicorn
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from uvicorn.config import STARTUP_FAILURE

from deliveries.receiving import receiver
from deliveries.running import watchdog
from deliveries.running.supervisor import Command as Program
from deliveries.running.supervisor import ProcessRecord, Supervisor

CONNECTIONS = 65_536  # and files, that may be open at once
BACKLOG = 2_048  # connections that wait to be taken
MOST_PROCESSES = 64
TITLE = "web"
GRACE = 10.0  # seconds for requests that are under way, and receipts that are not on disk yet


def refuse_taken_port(host: str, port: int, name: str = "PORT") -> None:
    """Raises CommandError, in one sentence, when nobody could listen on `port` now."""
    problem = why_closed(host, port)
    if problem:
        raise CommandError(f"Port {port} {problem}: choose another, for example {name}={port + 10}.")


def why_closed(host: str, port: int) -> str:
    """Why nobody could listen on `port` now, as the end of a sentence; '' when somebody could."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as problem:
            taken = problem.errno == errno.EADDRINUSE
            return "is already in use" if taken else f"cannot be opened on {host} ({problem.strerror})"
    return ""


def allow_connections() -> None:
    """As many as the machine allows: a few hundred slow clients must not take every place from the others."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = CONNECTIONS if hard == resource.RLIM_INFINITY else min(CONNECTIONS, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


class Server(uvicorn.Server):
    """Says when it listens, and goes on saying so while its loop turns and receipts get to the disk."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        watchdog.ready()

    async def on_tick(self, counter: int) -> bool:
        if receiver.receive.makes_progress():
            watchdog.alive()
        return await super().on_tick(counter)


def configuration() -> uvicorn.Config:
    return uvicorn.Config(
        "config.asgi:application",
        host=settings.HOST,
        port=settings.PORT,
        loop="auto",
        http="config.protocol:BoundedProtocol",
        ws="none",
        lifespan="on",
        access_log=False,
        log_config=None,  # ours stands
        proxy_headers=False,  # the scheme comes from settings.SECURE_PROXY_SSL_HEADER
        server_header=False,
        timeout_graceful_shutdown=3,
        backlog=BACKLOG,
    )


class Command(BaseCommand):
    help = "Serve pages and receipts on HOST:PORT."
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--processes", type=int, default=1, help="How many serve side by side; about one for each core."
        )
        parser.add_argument("--fd", type=int, help="Serve on this open socket instead of HOST:PORT.")

    def handle(self, *args: Any, processes: int, fd: int | None, **options: Any) -> None:
        if not 1 <= processes <= MOST_PROCESSES:
            raise CommandError(f"--processes has to be between 1 and {MOST_PROCESSES}.")
        allow_connections()
        if fd is not None:
            serve([socket.socket(fileno=fd)])
        elif processes > 1:
            side_by_side(processes)
        else:
            refuse_taken_port(settings.HOST, settings.PORT)
            serve(None)


def serve(sockets: list[socket.socket] | None) -> None:
    """Until SIGTERM or SIGINT; on HOST:PORT where no listening socket is given."""
    config = configuration()
    config.load_app()  # here, outside of the loop: what Django does as it starts is not meant for one
    server = Server(config)
    with contextlib.suppress(KeyboardInterrupt):
        server.run(sockets)
    if not server.started:
        raise SystemExit(STARTUP_FAILURE)


def side_by_side(processes: int) -> None:
    """Several processes on one listening socket. It stays open while one of them is replaced, so nobody is refused.

    Not uvicorn's own: its children outlive a parent that was killed, and one whose loop hangs passes for alive.
    """
    ProcessRecord(settings.VAR_DIR / "run", TITLE).end_stale(GRACE)  # they would still have the port
    refuse_taken_port(settings.HOST, settings.PORT)
    listening = configuration().bind_socket()
    listening.listen(BACKLOG)
    fd = listening.fileno()
    program = [sys.executable, str(settings.BASE_DIR / "manage.py"), "web", "--fd", str(fd)]
    commands = [
        Program(f"web-{n}", program, fds=[fd], patience=settings.WORKER_STALL_SECONDS)
        for n in range(1, processes + 1)
    ]
    Supervisor(TITLE, commands, var_dir=settings.VAR_DIR, grace=GRACE).run()
