"""The calls alone: `python -m benchmarks.bare PORT AT_A_TIME COUNT` makes the calls of so many text messages and prints
how long it took. It uses the client that messages are handed over with, reads every answer, and stores nothing.
"""

from __future__ import annotations

import asyncio
import sys
import time
from itertools import count
from uuid import UUID, uuid4

import uvloop

from deliveries.providers.kit.client import HttpClient

CALLBACK = "https://waybill.example.com/hooks/token/status?m={}&c=sms"


async def calls(url: str, at_a_time: int, number: int) -> float:
    """Seconds for `number` calls."""
    numbers, first = count(1), uuid4().int

    async def caller(client: HttpClient) -> None:
        while (n := next(numbers)) <= number:
            fields = {
                "To": f"+1212555{n % 10_000:04}",
                "From": "+12105550100",
                "StatusCallback": CALLBACK.format(UUID(int=(first + n) % 2**128)),
                "Body": "Hello Ann",
            }
            answer = await client.post(url, data=fields, auth=("AC0123", "secret"))
            assert answer.json()["sid"]

    async with HttpClient() as client:
        start = time.perf_counter()
        await asyncio.gather(*(caller(client) for _ in range(at_a_time)))
        return time.perf_counter() - start


if __name__ == "__main__":
    port, at_a_time, number = map(int, sys.argv[1:])
    url = f"http://127.0.0.1:{port}/2010-04-01/Accounts/AC0123/Messages.json"
    print(uvloop.run(calls(url, at_a_time, number)))
