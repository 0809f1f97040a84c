"""The HTTP client that messages are handed over with: aiohttp behind the few words that adapters use.

One client serves a process for as long as it lives, so that its connections stay open from one message to the next.
At 200 calls at a time aiohttp makes many times as many a second as httpx, whose pool grows slower the more wait.
"""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Mapping
from typing import Any, NamedTuple, Self
from urllib.parse import urlencode
from urllib.request import getproxies, proxy_bypass

import aiohttp
from yarl import URL

from deliveries.providers.facts import LostAnswer
from deliveries.providers.kit.moment import its_moment

TIMEOUT = aiohttp.ClientTimeout(total=15.0, connect=5.0)  # seconds
KEEP_ALIVE = (
    15.0  # seconds that an idle connection is kept: below what servers usually do, which then close it on us
)
JSON, FORM = "application/json", "application/x-www-form-urlencoded"
Proxy = tuple[URL | None, dict[str, str]]


class NotReached(Exception):
    """It failed before a byte of the request had left."""


class HttpAnswer(NamedTuple):
    """What came back. `headers` are asked for without regard to case."""

    status_code: int
    headers: Mapping[str, str]
    content: bytes = b""

    @property
    def is_success(self) -> bool:
        return 200 <= self.status_code < 300

    @property
    def is_server_error(self) -> bool:
        return self.status_code >= 500

    @property
    def text(self) -> str:
        return self.content.decode("utf-8", "replace")

    def json(self) -> Any:
        """Raises ValueError."""
        return json.loads(self.content)


class PunctualConnector(aiohttp.TCPConnector):
    """Has a connection ready before the moment of a call, and hands it out then. Raises TooLate."""

    async def connect(self, *args: Any, **options: Any) -> aiohttp.connector.Connection:
        connection = await super().connect(*args, **options)
        try:
            await its_moment()
        except BaseException:
            connection.release()
            raise
        return connection


class HttpClient:
    """`async with HttpClient() as client`; belongs to one event loop.

    It takes the proxies that the environment names (`HTTPS_PROXY`, `NO_PROXY` and so on), read once for each host.
    aiohttp would read them, and the user's .netrc file, for every call in a thread of its own, which takes half as long
    as the call.
    """

    def __init__(self) -> None:
        self._session: aiohttp.ClientSession | None = None
        self._proxies: dict[tuple[str, str | None], Proxy] = {}

    async def __aenter__(self) -> Self:
        # How many calls go at a time is for whoever makes them to say.
        connector = PunctualConnector(limit=0, keepalive_timeout=KEEP_ALIVE)
        self._session = aiohttp.ClientSession(
            connector=connector,
            timeout=TIMEOUT,
            cookie_jar=aiohttp.DummyCookieJar(),
            requote_redirect_url=False,
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._session is not None:
            await self._session.close()

    async def post(
        self,
        url: str,
        *,
        params: Mapping[str, Any] | None = None,
        data: Mapping[str, Any] | None = None,
        json: Any = None,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        auth: tuple[str, str] | None = None,
    ) -> HttpAnswer:
        """`data` is a form, in which a list repeats its field; or `json`, or `content` as it is.

        Raises NotReached, or LostAnswer when the request may have left. Redirects are not followed.
        """
        body, kind = _body(data, json, content)
        named = {"content-type": kind} if kind else {}
        return await self.request("POST", _address(url, params), {**named, **_headers(headers, auth)}, body)

    async def get(
        self,
        url: str,
        *,
        params: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        auth: tuple[str, str] | None = None,
    ) -> HttpAnswer:
        """As `post`."""
        return await self.request("GET", _address(url, params), _headers(headers, auth), b"")

    async def request(self, method: str, url: str, headers: Mapping[str, str], body: bytes) -> HttpAnswer:
        assert self._session is not None
        try:
            to = URL(url, encoded=True)
            proxy, for_proxy = self._proxy(to)
            if (
                to.scheme == "http"
            ):  # such a request goes to the proxy itself; others through a tunnel that it opens
                headers = {**headers, **for_proxy}
            async with self._session.request(
                method,
                to,
                headers=headers,
                data=body or None,
                allow_redirects=False,
                proxy=proxy,
                proxy_headers=for_proxy,
            ) as answer:
                return HttpAnswer(answer.status, answer.headers, await answer.read())
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError, aiohttp.InvalidURL) as problem:
            raise NotReached(str(problem)) from problem
        except (aiohttp.ClientError, TimeoutError, OSError) as problem:
            raise LostAnswer(f"{type(problem).__name__}: {problem}") from problem

    def _proxy(self, to: URL) -> Proxy:
        place = (to.scheme, to.host)
        if place not in self._proxies:
            self._proxies[place] = _proxy_to(to)
        return self._proxies[place]


def _proxy_to(to: URL) -> Proxy:
    """The proxy that the environment names for this address, and the header with its name and password."""
    named = getproxies().get(to.scheme)
    if not named or proxy_bypass(to.authority):
        return None, {}
    proxy = URL(named if "://" in named else f"http://{named}")
    headers = _headers(None, (proxy.user, proxy.password or "")) if proxy.user else {}
    return proxy.with_user(None), {f"proxy-{name}": value for name, value in headers.items()}


def _address(url: str, params: Mapping[str, Any] | None) -> str:
    if not params:
        return url
    return f"{url}{'&' if '?' in url else '?'}{urlencode(params, doseq=True)}"


def _body(data: Mapping[str, Any] | None, value: Any, content: bytes | None) -> tuple[bytes, str]:
    """The bytes and their type; no type where the caller names it."""
    if content is not None:
        return content, ""
    if value is not None:
        return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode(), JSON
    if data is not None:
        return urlencode(data, doseq=True).encode(), FORM
    return b"", ""


def _headers(headers: Mapping[str, str] | None, auth: tuple[str, str] | None) -> dict[str, str]:
    named = dict(headers or {})
    if auth:
        named["authorization"] = "Basic " + b64encode(":".join(auth).encode()).decode()
    return named
