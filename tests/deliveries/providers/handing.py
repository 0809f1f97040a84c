"""Handing a message over to a provider that is played by the test."""

import asyncio

import httpx

from deliveries.providers.facts import LostAnswer, OutboundMessage
from deliveries.providers.kit.client import HttpAnswer, HttpClient, NotReached

REF = "6f1c2b9e-3f0a-4c55-9d1e-0a1b2c3d4e5f"


class Played(HttpClient):
    """A client whose provider is a function: of an httpx request, to its answer or an error of httpx's."""

    def __init__(self, provider):
        super().__init__()
        self.provider = provider

    async def request(self, method, url, headers, body):
        octets = {name: value.encode() for name, value in headers.items()}
        try:
            answer = self.provider(httpx.Request(method, url, headers=octets, content=body))
        except (httpx.ConnectError, httpx.ConnectTimeout) as problem:
            raise NotReached(str(problem)) from problem
        except httpx.RequestError as problem:
            raise LostAnswer(f"{type(problem).__name__}: {problem}") from problem
        return HttpAnswer(answer.status_code, answer.headers, answer.content)


def message(channel="sms", **changes):
    """One message as an adapter gets it; `callback` carries our reference, the channel and our secret."""
    fields = {
        "ref": REF,
        "channel": channel,
        "to": "+12105550142",
        "sender": "+12105550100",
        "body": "Hello & welcome",
        "callback": f"https://waybill.example.com/hooks/tok/status?m={REF}&c={channel}&k=secret",
    }
    return OutboundMessage(**{**fields, **changes})


def against(act, outgoing, credentials, *answers):
    """What `act` (an adapter's `send` or `find`) makes of these answers, and the requests it made.

    An answer is (status, JSON or text), (status, JSON or text, headers), or an exception to raise.
    """
    seen, left = [], list(answers)

    def provider(request):
        seen.append(request)
        answer = left.pop(0)
        if isinstance(answer, type):
            raise answer("broken", request=request)
        status, said, *headers = answer
        body = {"text": said} if isinstance(said, str) else {"json": said}
        return httpx.Response(status, headers=headers[0] if headers else {}, **body)

    async def run():
        async with Played(provider) as client:
            return await act(outgoing, credentials, client)

    return asyncio.run(run()), seen
