"""Clients that are slow on purpose, and proxies in between, against the real process."""

from __future__ import annotations

import contextlib
import select
import socket
import threading
import time
from collections.abc import Callable, Iterator

import httpx
import pytest

from deliveries.models import Receipt
from tests import factories
from tests.deliveries.management.test_processes import Running, start  # noqa: F401 - a fixture
from tests.ports import free_ports

pytestmark = pytest.mark.processes
MANY = 30
HALF_A_FORM = (
    b"POST /admin/login/ HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/x-www-form-urlencoded\r\n"
    b"Content-Length: 100\r\n\r\nusername=a"
)
HELD = {
    "half a form": HALF_A_FORM,
    "half a form in chunks": HALF_A_FORM.replace(
        b"Content-Length: 100", b"Transfer-Encoding: chunked"
    ).replace(b"username=a", b"a\r\nusername=a\r\n"),
    "half a receipt": HALF_A_FORM.replace(b"/admin/login/", b"/hooks/nobody/status"),
    "half the headers": b"GET /admin/login/ HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: a",
    "nothing": b"",
}


@pytest.fixture
def hold(request) -> Iterator[Callable[[Running, bytes, int], list[socket.socket]]]:
    """`hold(web, text, 30)`: so many connections that said `text`, and stay open."""
    opened = contextlib.ExitStack()

    def held(web: Running, text: bytes, many: int = MANY) -> list[socket.socket]:
        connections = [
            socket.create_connection(("127.0.0.1", int(web.port)), timeout=10) for _ in range(many)
        ]
        for one in connections:
            opened.enter_context(contextlib.closing(one))
            one.sendall(text)
        return connections

    yield held
    opened.close()


def answered(connection: socket.socket) -> bytes:
    """All that it says until it closes."""
    said = b""
    with contextlib.suppress(ConnectionResetError):
        while more := connection.recv(65_536):
            said += more
    return said


@pytest.mark.once
def test_requests_that_are_never_finished_hold_up_nobody_and_are_ended(start, hold):  # noqa: F811
    web = start("web", REQUEST_SECONDS="6")
    web.wait_for(web.answers)
    held = {name: hold(web, text) for name, text in HELD.items()}

    statuses = [web.get(path, timeout=3).status_code for path in ("/admin/login/", "/healthz", "/readyz")]
    taken = httpx.post(f"http://127.0.0.1:{web.port}/hooks/nobody/status", timeout=3).status_code
    ended, _, _ = select.select([one for those in held.values() for one in those], [], [], 0)

    assert (statuses[:2], taken) == ([200, 200], 404)
    assert statuses[2] in (200, 503)  # no worker is at work
    assert ended == []  # all were answered beside them, not after them
    for name in ("half a form", "half a form in chunks", "half a receipt"):
        assert {answered(one).split(b" ", 2)[1] for one in held[name]} == {b"408"}, name
    assert "Traceback" not in web.output


@pytest.mark.once
def test_half_a_form_that_breaks_off_changes_nothing_and_is_no_error(start, hold):  # noqa: F811
    web = start("web")
    web.wait_for(web.answers)

    for one in hold(web, HALF_A_FORM):
        one.close()
    time.sleep(0.2)

    assert web.get("/admin/login/", timeout=3).status_code == 200
    assert "Traceback" not in web.output
    assert "ERROR" not in web.output


@pytest.mark.once
def test_headers_without_end_are_refused(start, hold):  # noqa: F811
    web = start("web")
    web.wait_for(web.answers)
    endless = b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n" + b"X-Long: " + b"x" * 70_000
    trailers = HELD["half a form in chunks"] + b"0\r\n" + b"X-Long: " + b"x" * 200_000

    (head,), (tail,) = hold(web, endless, 1), hold(web, trailers, 1)

    assert answered(head).startswith(b"HTTP/1.1 431 ")
    assert answered(tail).startswith(b"HTTP/1.1 431 ")


@pytest.mark.once
def test_answers_that_nobody_reads_hold_up_nobody(start, hold):  # noqa: F811
    web = start("web")
    web.wait_for(web.answers)
    hold(web, b"GET /static/plotly/plotly.min.js HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")

    statuses = [web.get("/admin/login/", timeout=5).status_code for _ in range(3)]

    assert statuses == [200] * 3


# ---- Proxies -----------------------------------------------------------------------------------------------------


class Proxy:
    """What stands in front of the receiver in life: it passes requests on, with the caller's address behind the rest.

    `claims` is what it says the caller's address is, as all here come from the same.
    """

    def __init__(self, port: int, target: str, claims: str) -> None:
        self.claims, self.target = claims, int(target)
        self.listening = socket.create_server(("127.0.0.1", port))
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self.listening.accept()
                threading.Thread(target=self._pass_on, args=(connection,), daemon=True).start()

    def _pass_on(self, connection: socket.socket) -> None:
        with connection, socket.create_connection(("127.0.0.1", self.target)) as ours:
            head, _, body = self._request(connection).partition(b"\r\n\r\n")
            lines = head.split(b"\r\n")
            forwarded = [
                line.split(b":", 1)[1] for line in lines if line.lower().startswith(b"x-forwarded-for:")
            ]
            kept = [
                line for line in lines if not line.lower().startswith((b"x-forwarded-for:", b"connection:"))
            ]
            hops = b", ".join([*(one.strip() for one in forwarded), self.claims.encode()])
            kept += [b"X-Forwarded-For: " + hops, b"Connection: close"]
            ours.sendall(b"\r\n".join(kept) + b"\r\n\r\n" + body)
            connection.sendall(answered(ours))

    def _request(self, connection: socket.socket) -> bytes:
        said = b""
        while b"\r\n\r\n" not in said:
            said += connection.recv(65_536)
        head, _, body = said.partition(b"\r\n\r\n")
        length = next(
            (
                int(line.split(b":")[1])
                for line in head.split(b"\r\n")
                if line.lower().startswith(b"content-length:")
            ),
            0,
        )
        while len(body) < length:
            more = connection.recv(65_536)
            said, body = said + more, body + more
        return said


PROVIDER, STRANGER = "192.0.2.7", "198.51.100.9"


@pytest.mark.once
def test_callbacks_behind_a_proxy_are_bound_to_the_callers_address_and_not_to_the_proxys(start):  # noqa: F811
    account = factories.account(
        "slybroadcast", credentials={"url_secret": "s", "allowed_addresses": "192.0.2.0/24"}
    )
    web = start("web", TRUSTED_PROXIES="127.0.0.1")
    web.wait_for(web.answers)
    ports = free_ports(2)
    Proxy(ports[0], web.port, PROVIDER)
    Proxy(ports[1], web.port, STRANGER)

    def post(port, **headers):
        url = f"http://127.0.0.1:{port}/hooks/{account.token}/status?k=s"
        return httpx.post(
            url, content=b"var=1|2105550101|OK||2026-03-04 12:00:00|Carrier", headers=headers
        ).status_code

    provider, stranger, spoofed, direct, other = (
        post(ports[0]),
        post(ports[1]),
        post(ports[1], **{"X-Forwarded-For": PROVIDER}),
        post(web.port),
        post(ports[1], Forwarded=f"for={PROVIDER}"),
    )

    assert (provider, stranger, spoofed, direct, other) == (200, 403, 403, 403, 403)
    assert Receipt.objects.count() == 1


@pytest.mark.once
def test_without_trusted_proxies_nobody_is_believed(start):  # noqa: F811
    account = factories.account(
        "slybroadcast", credentials={"url_secret": "s", "allowed_addresses": PROVIDER}
    )
    web = start("web")
    web.wait_for(web.answers)

    spoofed = httpx.post(
        f"http://127.0.0.1:{web.port}/hooks/{account.token}/status?k=s",
        content=b"var=1|2105550101|OK||2026-03-04 12:00:00|Carrier",
        headers={"X-Forwarded-For": PROVIDER},
    )

    assert spoofed.status_code == 403
