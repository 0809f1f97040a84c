"""`manage.py web`: serve pages and receipts on HOST:PORT."""

from __future__ import annotations

import contextlib
import errno
import resource
import socket
from typing import Any

import uvicorn
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

CONNECTIONS = 65_536  # and files, that may be open at once


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


class Command(BaseCommand):
    help = "Serve pages and receipts on HOST:PORT."
    requires_system_checks = []

    def handle(self, *args: Any, **options: Any) -> None:
        refuse_taken_port(settings.HOST, settings.PORT)
        allow_connections()
        with contextlib.suppress(KeyboardInterrupt):
            uvicorn.run(
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
            )
