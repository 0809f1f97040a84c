"""Twilio's status callbacks about messages of `benchmarks.rows`, as forms, as receipts and as signed requests."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from urllib.parse import urlencode

from django.conf import settings

from benchmarks.rows import ACCOUNT_SID, SECRET, TOKEN, provider_id, reference
from deliveries.providers.twilio import signature, signed_fields
from deliveries.receiving.storing import Incoming

# Of a hundred callbacks: status and error code.
STORY = (
    [("sent", "")] * 40
    + [("delivered", "")] * 50
    + [("undelivered", "30003")] * 6
    + [("undelivered", "30005")] * 4
)
UNKNOWN = 100  # one in so many is about a message nobody knows
HEADERS = {"content-type": "application/x-www-form-urlencoded", "user-agent": "TwilioProxy/1.1"}


def body(n: int, status: str, code: str) -> bytes:
    """A form of eleven fields, about 330 bytes, for message `n`."""
    sid = provider_id(n)
    fields = {
        "SmsSid": sid, "SmsStatus": status, "MessageStatus": status, "To": f"+1{210 + n % 700}5550{100 + n % 100}",
        "MessageSid": sid, "AccountSid": ACCOUNT_SID, "From": "+12105550100", "ApiVersion": "2010-04-01",
        "MessagingServiceSid": "MG" + "7" * 32, "RawDlrDoneDate": "2603041700", "ErrorCode": code or "0",
    }  # fmt: skip
    return urlencode(fields).encode()


def callbacks(rows: int, count: int, seed: int) -> Iterator[tuple[str, bytes]]:
    """(query, body) of callbacks about random messages among `rows`."""
    chance = random.Random(seed)
    for at in range(count):
        n = chance.randrange(1, rows + 1) if at % UNKNOWN else rows + 1 + at
        status, code = chance.choice(STORY)
        yield f"m={reference(n)}&c=sms", body(n, status, code)


def incoming(account: int, now: datetime, rows: int, count: int, seed: int) -> list[Incoming]:
    return [
        Incoming(account, "status", now, "POST", query, HEADERS, form)
        for query, form in callbacks(rows, count, seed)
    ]


def signed(path: Path, numbers: Iterator[int] | range) -> None:
    """Write one signed request a line, "target TAB signature TAB form": `delivered` for each of these messages."""
    with path.open("w") as file:
        for n in numbers:
            form = body(n, "delivered", "")
            target = f"/hooks/{TOKEN}/status?m={reference(n)}&c=sms"
            sign = signature(SECRET.encode(), settings.PUBLIC_URL + target, signed_fields(form))
            file.write(f"{target}\t{sign.decode()}\t{form.decode()}\n")
