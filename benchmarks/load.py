"""A load generator for where wrk is not installed: `python -m benchmarks.load PORT CONNECTIONS SECONDS FILE OFFSET`."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Iterator
from itertools import cycle, islice
from pathlib import Path

import httptools

HEAD = (
    "POST {} HTTP/1.1\r\nHost: 127.0.0.1\r\nUser-Agent: TwilioProxy/1.1\r\n"
    "Content-Type: application/x-www-form-urlencoded\r\nX-Twilio-Signature: {}\r\nContent-Length: {}\r\n\r\n{}"
)


class Client(asyncio.Protocol):
    """One connection: the next request goes out when the answer to the last one is complete."""

    done = failed = 0

    def __init__(self, requests: Iterator[bytes], ends: float) -> None:
        self.requests, self.ends = requests, ends
        self.parser = httptools.HttpResponseParser(self)
        self.closed = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        transport.write(next(self.requests))

    def data_received(self, data: bytes) -> None:
        self.parser.feed_data(data)

    def on_message_complete(self) -> None:
        Client.done += 1
        Client.failed += self.parser.get_status_code() // 100 != 2
        if time.monotonic() < self.ends:
            self.transport.write(next(self.requests))
        else:
            self.transport.close()

    def connection_lost(self, problem: Exception | None) -> None:
        self.closed.set_result(None)


async def run(port: int, connections: int, seconds: float, file: Path, offset: int) -> None:
    lines = (line.split("\t") for line in file.read_text().splitlines())
    known = [HEAD.format(target, sign, len(form), form).encode() for target, sign, form in lines]
    requests = islice(cycle(known), offset % len(known), None)
    start = time.monotonic()
    made = [
        await asyncio.get_running_loop().create_connection(
            lambda: Client(requests, start + seconds), "127.0.0.1", port
        )
        for _ in range(connections)
    ]
    await asyncio.gather(*(client.closed for _, client in made))
    print(json.dumps({"requests": Client.done, "failed": Client.failed, "seconds": time.monotonic() - start}))


if __name__ == "__main__":
    port, connections, seconds, file, offset = sys.argv[1:]
    asyncio.run(run(int(port), int(connections), float(seconds), Path(file), int(offset)))
