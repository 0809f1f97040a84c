"""`/healthz` and `/readyz`, answered apart from the pages: also when every thread of theirs is taken."""

from __future__ import annotations

import asyncio
import json
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from django.db import close_old_connections

from config.buffering import Receive, Scope, Send
from deliveries.running import probes

CHECK_SECONDS = (
    10.0  # then the checks count as failed; they go on, and the next who asks waits for the same ones
)
FRESH_SECONDS = 1.0  # in which everybody who asks gets the same answer

Report = tuple[bool, dict[str, Any]]


class Monitors:
    """The ASGI application of both. However many ask, the checks run once at a time, in a thread of their own."""

    paths = ("/healthz", "/readyz")

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="health")
        self._checking: asyncio.Future[Report] | None = None
        self._began = float("-inf")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] not in ("GET", "HEAD"):
            status, kind, text = 405, b"text/plain", ""
        elif scope["path"] == "/healthz":
            status, kind, text = 200, b"text/plain", "ok"
        else:
            ready, report = await self._report()
            status, kind, text = 200 if ready else 503, b"application/json", json.dumps(report)
        headers = [
            (b"content-type", kind),
            (b"content-length", str(len(text)).encode()),
            (b"cache-control", b"no-store"),
            *([(b"allow", b"GET, HEAD")] if status == 405 else []),
        ]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        body = b"" if scope["method"] == "HEAD" else text.encode()
        await send({"type": "http.response.body", "body": body})

    async def _report(self) -> Report:
        checking = self._checking
        if checking is None or (checking.done() and time.monotonic() - self._began > FRESH_SECONDS):
            self._began = time.monotonic()
            loop = asyncio.get_running_loop()
            checking = self._checking = loop.run_in_executor(self._thread, checked)
        try:
            return await asyncio.wait_for(asyncio.shield(checking), CHECK_SECONDS)
        except TimeoutError:
            problem = f"The checks were not done within {CHECK_SECONDS:.0f} seconds."
            return False, {"ready": False, "checks": {}, "problem": problem}


def checked() -> Report:
    """`health.report`, with the connections that a request of Django's would look after."""
    close_old_connections()
    try:
        return probes.report()
    finally:
        close_old_connections()
