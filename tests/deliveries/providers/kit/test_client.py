"""The HTTP client against real sockets: what is put on the wire, and what is known after each kind of failure."""

from __future__ import annotations

import asyncio
import json
from base64 import b64encode

import pytest
from yarl import URL

from deliveries.providers.facts import LostAnswer
from deliveries.providers.kit import client as kit
from deliveries.providers.kit.client import HttpClient, NotReached

FINE = b"HTTP/1.1 201 Created\r\nContent-Length: 2\r\nRetry-After: 7\r\n\r\n{}"


class Server:
    """Answers each request with the next of `answers`: bytes, None to hang up, or seconds of silence."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.heads, self.bodies, self.connections = [], [], 0

    async def __aenter__(self):
        self.server = await asyncio.start_server(self.serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self.server.sockets[0].getsockname()[1]}/messages"
        return self

    async def __aexit__(self, *_):
        self.server.close()

    async def serve(self, reader, writer):
        self.connections += 1
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                line, *rest = head.decode().split("\r\n")
                fields = {
                    name.lower(): value for name, value in (each.split(": ", 1) for each in rest if each)
                }
                self.heads.append((line, fields))
                self.bodies.append(await reader.readexactly(int(fields.get("content-length", 0))))
                answer = self.answers.pop(0)
                if not isinstance(answer, bytes):
                    await asyncio.sleep(answer or 0)
                    break
                writer.write(answer)
        except asyncio.IncompleteReadError:
            pass
        finally:
            writer.close()


def talk(server, *calls):
    """What each of these calls (of a client and an address) gives, one after the other with one client."""

    async def run():
        async with server, HttpClient() as client:
            return [await call(client, server.url) for call in calls]

    return asyncio.run(run())


def test_a_form_repeats_the_field_of_a_list_and_the_account_stands_in_its_header():
    server = Server(FINE)
    fields = {"To": "+12105550142", "Event": ["a", "b"], "Body": "Grüße & 100 %"}

    [answer] = talk(server, lambda client, url: client.post(url, data=fields, auth=("AC1", "geheim-ü")))

    [(line, headers)], [body] = server.heads, server.bodies
    assert line == "POST /messages HTTP/1.1"
    assert headers["content-type"] == "application/x-www-form-urlencoded"
    assert headers["authorization"] == "Basic " + b64encode("AC1:geheim-ü".encode()).decode()
    assert body == b"To=%2B12105550142&Event=a&Event=b&Body=Gr%C3%BC%C3%9Fe+%26+100+%25"
    assert (answer.status_code, answer.is_success, answer.json()) == (201, True, {})
    assert answer.headers.get("retry-after") == "7"


def test_json_leaves_in_utf_8_and_parameters_in_the_address():
    server = Server(FINE)

    talk(server, lambda client, url: client.post(f"{url}?a=1", json={"text": "Grüße"}, params={"to": "+1 2"}))

    [(line, headers)] = server.heads
    assert line == "POST /messages?a=1&to=%2B1+2 HTTP/1.1"
    assert headers["content-type"] == "application/json"
    assert json.loads(server.bodies[0]) == {"text": "Grüße"}


def test_a_body_of_our_own_keeps_the_type_that_we_give_it():
    server = Server(FINE)
    headers = {"Content-Type": "text/plain; charset=UTF-8", "X-From": "Grüße"}

    talk(server, lambda client, url: client.post(url, content="żółw".encode(), headers=headers))

    assert server.heads[0][1]["content-type"] == "text/plain; charset=UTF-8"
    assert server.heads[0][1]["x-from"] == "Grüße"
    assert server.bodies == ["żółw".encode()]


def test_one_connection_serves_one_call_after_the_other():
    server = Server(FINE, FINE, FINE)

    talk(server, *[lambda client, url: client.post(url, json={})] * 3)

    assert (len(server.bodies), server.connections) == (3, 1)


def test_a_redirect_is_an_answer_and_is_not_followed():
    server = Server(b"HTTP/1.1 302 Found\r\nLocation: http://169.254.169.254/\r\nContent-Length: 0\r\n\r\n")

    [answer] = talk(server, lambda client, url: client.post(url, json={}))

    assert (answer.status_code, answer.is_success, len(server.bodies)) == (302, False, 1)


@pytest.mark.parametrize("address", ["http://127.0.0.1:1/", "http://nobody.invalid/", "nonsense", "http://"])
def test_whatever_fails_before_the_request_leaves_was_not_reached(address):
    with pytest.raises(NotReached):
        talk(Server(), lambda client, url: client.post(address, json={}))


@pytest.mark.parametrize(
    "answer",
    [None, 5.0, b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{", b"SMTP ready\r\n\r\n"],
    ids=["hangs up", "says nothing", "breaks off", "speaks something else"],
)
def test_what_fails_after_it_left_is_a_lost_answer(answer, monkeypatch):
    monkeypatch.setattr(kit, "TIMEOUT", kit.aiohttp.ClientTimeout(total=0.3))

    with pytest.raises(LostAnswer):
        talk(Server(answer), lambda client, url: client.post(url, json={}))


def test_a_lost_answer_is_not_asked_for_again_by_the_client_itself():
    server = Server(FINE, None, FINE)

    with pytest.raises(LostAnswer):
        talk(server, *[lambda client, url: client.post(url, json={})] * 2)

    assert len(server.bodies) == 2


@pytest.mark.parametrize(
    ("environment", "to", "proxy"),
    [
        ({}, "https://api.example.com/x", None),
        (
            {"https_proxy": "http://proxy.example:3128"},
            "https://api.example.com/x",
            "http://proxy.example:3128",
        ),
        ({"https_proxy": "http://proxy.example:3128"}, "http://api.example.com/x", None),
        ({"http_proxy": "proxy.example:3128"}, "http://api.example.com/x", "http://proxy.example:3128"),
        (
            {"https_proxy": "http://p.example", "no_proxy": "api.example.com"},
            "https://api.example.com/x",
            None,
        ),
        ({"https_proxy": "http://p.example", "no_proxy": ".example.com"}, "https://api.example.com/x", None),
        ({"https_proxy": "http://p.example", "no_proxy": "*"}, "https://api.example.com/x", None),
    ],
)
def test_the_proxy_is_the_one_that_the_environment_names(environment, to, proxy, monkeypatch):
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)

    found, headers = HttpClient()._proxy(URL(to))

    assert (str(found) if found else None, headers) == (proxy, {})


def test_the_name_and_password_of_a_proxy_are_sent_to_it(monkeypatch):
    monkeypatch.setenv("no_proxy", "")

    def through(client, url):
        monkeypatch.setenv(
            "http_proxy", url.replace("http://", "http://ann:p%40ss@").removesuffix("/messages")
        )
        return client.get("http://api.example.com/a", auth=("AC1", "secret"))

    server = Server(FINE)
    talk(server, through)

    [(line, headers)] = server.heads
    assert (line, headers["host"]) == ("GET http://api.example.com/a HTTP/1.1", "api.example.com")
    assert headers["proxy-authorization"] == "Basic " + b64encode(b"ann:p@ss").decode()
    assert headers["authorization"] == "Basic " + b64encode(b"AC1:secret").decode()
