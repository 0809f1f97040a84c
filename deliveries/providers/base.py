"""What every provider adapter offers: `verify`, `parse`, `send`, and `find` where the provider allows it.

An adapter is mostly data. It turns the provider's words into the values below and knows nothing of the database,
of our statuses (the code tables in `codes/` map those) or of other providers.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import ClassVar, Literal, NamedTuple

LONG_AGO = datetime.fromtimestamp(0, UTC)


class Call(NamedTuple):
    """One callback as it came in. `url` is the public address the provider was given, query included;
    header names are lower case; `body` is the raw bytes. `at` is when it came (aware; signed times are compared
    with it), `peer` the address of the caller."""

    method: str
    url: str
    query: str
    headers: Mapping[str, str]
    body: bytes
    at: datetime = LONG_AGO
    peer: str = ""


class Report(NamedTuple):
    """What a provider said about one message, in its own words.

    `ref` is our uuid from the callback address ('' when absent). `part` of `parts` counts from 1; 0 speaks for
    the whole message. `occurred_at` is aware, or None when the provider gives no time. `fact` tells facts apart
    that the other fields do not; leave it empty when status, code and part say it all. `address` is the
    recipient as told. `lasting` is the provider's own word on whether the same message would fail again; it
    beats the code table. `evidence` says that this very report proves less (or more) than its words usually do.
    `mailbox` names the mailbox provider whose code table is asked first (gmail, microsoft, yahoo).
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
    address: str = ""
    lasting: Literal["", "permanent", "temporary"] = ""
    evidence: Literal["", "assumed", "handed_over", "carrier", "handset"] = ""
    mailbox: str = ""


class Inbound(NamedTuple):
    """Something a person wrote to us: a reply, a STOP, a wish to be written to again."""

    sender: str  # the person's address, E.164 or email
    recipient: str  # ours
    channel: str
    text: str
    ref: str = ""
    opt_out_type: str = ""  # STOP, START or HELP when the provider recognised the keyword itself
    occurred_at: datetime | None = None
    provider_message_id: str = ""


class Act(NamedTuple):
    """Something the recipient, or a machine at their end, did with a message of ours. Never a status.

    `key_press` carries the digits in `text` ('' when the time for it ran out); `machine` is True for what is known
    to be no person: a proxy that opens every mail, an answering robot.
    """

    kind: Literal["open", "click", "key_press", "auto_reply"]
    ref: str
    provider_message_id: str
    channel: str
    address: str = ""
    text: str = ""
    occurred_at: datetime | None = None
    machine: bool = False


class Stray(NamedTuple):
    """A report about mail that we never sent: somebody else uses our address. It concerns no contact.

    `address` is the recipient it was about, `text` a sentence for people.
    """

    address: str
    text: str
    occurred_at: datetime | None = None


Fact = Report | Inbound | Act | Stray


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

    def callback_for(self, kind: str) -> str:
        """The same address for another kind of callback, such as the keys pressed during a call."""
        return self.callback.replace("/status?", f"/{kind}?", 1)


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


class Uncheckable(Exception):
    """Whether a callback is genuine cannot be told now: what its signature is checked with is out of reach."""


class Unreadable(ValueError):
    """A verified callback that the adapter cannot understand; the text says which field and why."""


# Settings of an account that give nobody any power: forms show what is stored. Everything else is secret.
NOT_SECRET = frozenset(
    {
        "account_id", "account_sid", "allowed_addresses", "api_url", "application_id", "application_sid", "base_url",
        "bounce_address", "channel_id", "configuration_set", "host", "imap_folder", "imap_host", "imap_port",
        "message_stream", "phone_line_id", "port", "region", "sender_domain", "service_plan_id", "tls", "topic_arn",
        "voice_application_id", "voice_id", "workspace_id",
    }
)  # fmt: skip


class Provider:
    """Base of the adapters. Subclasses set the class attributes and override what differs."""

    slug: ClassVar[str]
    name: ClassVar[str]
    channels: ClassVar[frozenset[str]]  # of sms, mms, voice, rvm, email
    credential_fields: ClassVar[Mapping[str, str]] = {}  # name -> label; needed to send
    # name -> label of further settings, which may stay empty: keys that only check callbacks, lists of addresses.
    optional_fields: ClassVar[Mapping[str, str]] = {}
    # The credential that proves callbacks: what `secret` means in `manage.py translate`.
    proof_field: ClassVar[str] = ""
    # True where a signed time or a nonce that expires is part of the proof.
    refuses_replays: ClassVar[bool] = False
    # False where the proof leaves the body open to change: an address with a secret, a signed address.
    signs_body: ClassVar[bool] = True
    # Kinds of callback understood by `parse`: the last word of the addresses the provider is given.
    kinds: ClassVar[frozenset[str]] = frozenset({"status", "inbound"})
    # Code tables asked in turn: files of `codes/`. The slug's own when empty.
    tables: ClassVar[tuple[str, ...]] = ()
    # Beginnings of words in the code table that only answers to our own requests bring, never a callback.
    answers_only: ClassVar[tuple[str, ...]] = ("rejected",)
    headers_kept: ClassVar[frozenset[str]] = frozenset({"content-type", "user-agent"})
    # Native statuses that only the handset or a person can have caused: stronger evidence than a carrier's word.
    handset_words: ClassVar[frozenset[str]] = frozenset()
    # What the provider wants to read in our answer, beyond its being 2xx.
    answer: ClassVar[bytes] = b""
    # True when one id of theirs stands for several recipients: messages are then known by id and address.
    shares_ids: ClassVar[bool] = False
    # True when results exist only in a file or on a screen of theirs: silence then says nothing.
    silent: ClassVar[bool] = False

    def verify(self, call: Call, credentials: Mapping[str, str]) -> bool:
        """True when the signature proves that the provider sent exactly this.

        Raises nothing but Uncheckable: the provider is then asked to come again.
        """
        raise NotImplementedError

    def parse(self, kind: str, call: Call) -> Iterable[Fact]:
        """The facts in a verified callback; `kind` is the last word of its address.

        Raises Unreadable. A callback with nothing to tell gives nothing.
        """
        raise NotImplementedError

    def reply(self, kind: str, call: Call) -> tuple[str, bytes]:
        """Content type and body of our answer to a verified callback; without a body it is a bare 204.

        Where the provider asks what a call shall say next, the body is that script. Never raises.
        """
        return "text/plain", self.answer

    def confirmation(self, call: Call) -> str:
        """The address to fetch so that the provider begins to call us; '' for an ordinary callback. Never raises."""
        return ""

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

    def message_key(self, provider_message_id: str, address: str) -> str:
        """What a message is stored and found by: their id, and where that is shared the address's digits too."""
        if not self.shares_ids or not address:
            return provider_message_id
        return f"{provider_message_id}/{bare(address)}"


class Unsigned(Provider):
    """A provider that signs nothing: a secret of ours in the address proves its callbacks."""

    optional_fields: ClassVar[Mapping[str, str]] = {
        "url_secret": "Secret in the callback address",
        "allowed_addresses": "Addresses or networks that callbacks may come from",
    }
    proof_field = "url_secret"
    signs_body = False

    def verify(self, call: Call, credentials: Mapping[str, str]) -> bool:
        from deliveries.providers.proving import allowed_peer, url_secret

        return url_secret(call, credentials) and allowed_peer(call, credentials)


def bare(address: str) -> str:
    """An address without what providers write in different ways: the digits of a number, lower-case email."""
    if "@" in address:
        return address.strip().lower()
    return "".join(each for each in address if each.isascii() and each.isdigit())


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
