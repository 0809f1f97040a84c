"""What every provider adapter offers: `verify`, `parse`, `send`, and `find` where the provider allows it.

An adapter is mostly data. It turns the provider's words into the four values below and knows nothing of the
database, of our statuses (the code table in `codes/` maps those) or of other providers.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import ClassVar, NamedTuple


class Call(NamedTuple):
    """One callback as it came in. `url` is the public address the provider was given, query included;
    header names are lower case; `body` is the raw bytes."""

    method: str
    url: str
    query: str
    headers: Mapping[str, str]
    body: bytes


class Report(NamedTuple):
    """What a provider said about one message, in its own words.

    `ref` is our uuid from the callback address ('' when absent). `part` of `parts` counts from 1; 0 speaks for
    the whole message. `occurred_at` is aware, or None when the provider gives no time. `fact` tells facts apart
    that the other fields do not; leave it empty when status, code and part say it all.
    """

    ref: str
    provider_message_id: str
    channel: str
    native_status: str
    native_code: str = ""
    native_text: str = ""
    part: int = 0
    parts: int = 0
    occurred_at: datetime | None = None
    fact: str = ""


class Inbound(NamedTuple):
    """Something a person sent us: a reply, a STOP, a key press."""

    sender: str  # the person's address, E.164 or email
    recipient: str  # ours
    channel: str
    text: str
    ref: str = ""
    opt_out_type: str = ""  # STOP, START or HELP when the provider recognised the keyword itself
    occurred_at: datetime | None = None


@dataclass(frozen=True)
class Outgoing:
    """One message to hand over. `callback` is the absolute address for its receipts, our reference included."""

    ref: str
    channel: str
    to: str
    sender: str
    body: str
    callback: str
    subject: str = ""
    media_url: str = ""
    extra: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Handover:
    """A provider's answer to one message.

    `accepted` with `provider_message_id`; or refused with `native_status` and `native_code`, to be translated like
    a receipt; or `retry_after` seconds: not taken, ask again later (rate limit or outage).
    """

    accepted: bool
    provider_message_id: str = ""
    native_status: str = ""
    native_code: str = ""
    native_text: str = ""
    segments: int = 1
    retry_after: float | None = None


class LostAnswer(Exception):
    """The request may or may not have reached the provider: nobody may send it again blindly."""


class Unreadable(ValueError):
    """A verified callback that the adapter cannot understand; the text says which field and why."""


class Provider:
    """Base of the adapters. Subclasses set the class attributes and override what differs."""

    slug: ClassVar[str]
    name: ClassVar[str]
    channels: ClassVar[frozenset[str]]
    credential_fields: ClassVar[Mapping[str, str]] = {}  # name -> label; all of them secret
    headers_kept: ClassVar[frozenset[str]] = frozenset({"content-type", "user-agent"})
    # Native statuses that only the handset or a person can have caused: stronger evidence than a carrier's word.
    handset_words: ClassVar[frozenset[str]] = frozenset()

    def verify(self, call: Call, credentials: Mapping[str, str]) -> bool:
        """True when the signature proves that the provider sent exactly this. Never raises."""
        raise NotImplementedError

    def parse(self, kind: str, call: Call) -> Iterable[Report | Inbound]:
        """The facts in a verified callback; `kind` is the last word of its address (`status`, `inbound`, `amd`).

        Raises Unreadable. A callback with nothing to tell gives nothing.
        """
        raise NotImplementedError

    async def send(self, message: Outgoing, credentials: Mapping[str, str], client: object) -> Handover:
        """Hand one message over through `client` (an httpx.AsyncClient). Raises LostAnswer."""
        raise NotImplementedError

    async def find(
        self, message: Outgoing, credentials: Mapping[str, str], client: object
    ) -> Handover | None:
        """What the provider knows of a message whose answer was lost.

        A Handover: it has it (accepted) or says for certain that it never came (not accepted, `native_status`
        "never_received": safe to send). None: it cannot tell.
        """
        return None


def same(one: str | bytes, other: str | bytes) -> bool:
    """Compare two secrets in constant time."""
    as_bytes = [
        value.encode("utf-8", "surrogateescape") if isinstance(value, str) else value
        for value in (one, other)
    ]
    return hmac.compare_digest(*as_bytes)


def hmac_hex(key: str, text: bytes) -> str:
    """Lower-case hex of HMAC-SHA256."""
    return hmac.new(key.encode(), text, hashlib.sha256).hexdigest()
