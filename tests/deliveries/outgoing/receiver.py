"""Another system that takes webhooks: a real HTTP server on this machine, which answers as told."""

from __future__ import annotations

import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from deliveries.models import EventKind, WebhookDelivery, WebhookEndpoint
from deliveries.outgoing import delivering, payloads, secrets
from tests import factories


class Receiver:
    """`got` holds (path, headers, body) of every call. `answer(path, body)` says the status, and the headers."""

    def __init__(self) -> None:
        self.got: list[tuple[str, dict, str]] = []
        self.answer = lambda path, body: 200
        self.headers: dict[str, str] = {}
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"])).decode()
                outer.got.append((self.path, {k.lower(): v for k, v in self.headers.items()}, body))
                status = outer.answer(self.path, body)
                self.send_response(status)
                for name, value in outer.headers.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(b"understood " * 1_000)

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}/hook"

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


def endpoint(url: str, kinds=EventKind.values, **fields) -> WebhookEndpoint:
    fields.setdefault("secret", {"now": secrets.new_secret()})
    fields.setdefault("name", f"CRM {url} {WebhookEndpoint.objects.count()}")
    return WebhookEndpoint.objects.create(url=url, kinds=list(kinds), **fields)


def deliver(now) -> int:
    """Everything that is due at `now`, answers stored."""
    caller, total = delivering.caller(), 0
    while True:
        done = payloads.hand_out(now) + delivering.begin_due(now, caller)
        assert caller.finish(15)
        total += done
        if not done:
            return total


def row() -> WebhookDelivery:
    return WebhookDelivery.objects.get()


def wait_for(what, seconds: float = 20.0) -> None:
    ends = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < ends, "It never came to that."
        time.sleep(0.05)


__all__ = ["Receiver", "deliver", "endpoint", "factories", "row", "wait_for"]
