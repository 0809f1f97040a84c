"""What adapters speak in: the call that came in, the facts in it, the message that goes out, and the answer to it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Literal, NamedTuple

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
    """What a provider reported about one message, in its own words.

    `ref` is our uuid from the callback address ('' when absent). `part` of `parts` counts from 1; 0 speaks for
    the whole message. `occurred_at` is aware, or None when the provider gives no time. `fact` tells facts apart
    that the other fields do not; leave it empty when status, code and part say it all. `address` is the
    recipient as reported. `lasting` is the provider's own word on whether the same message would fail again; it
    beats the code table. `evidence` says that this very report proves less (or more) than its words usually do.
    `mailbox` names the mailbox provider whose code table is asked first (gmail, microsoft, yahoo). `network` (MCC and
    MNC), `carrier` and `line_type` (of `LineType`) are what it tells of the recipient's line.
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
    network: str = ""
    carrier: str = ""
    line_type: str = ""


class Inbound(NamedTuple):
    """Something a person wrote to us: a reply, a STOP, a wish to be written to again."""

    sender: str  # the person's address, as written there: whoever acts on it brings it into its normal form
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


class BackscatterReport(NamedTuple):
    """A report about mail that we never sent: somebody else uses our address. It concerns no contact.

    `address` is the recipient it was about, `text` a sentence for people.
    """

    address: str
    text: str
    occurred_at: datetime | None = None


Fact = Report | Inbound | Act | BackscatterReport


HANG_UP = "hang_up"  # of a call's `machine`: it says nothing to a machine


@dataclass(frozen=True)
class OutboundMessage:
    """One message to hand over. `callback` is the absolute address for its receipts, our reference included."""

    ref: str
    channel: str
    to: str
    sender: str
    body: str
    callback: str
    subject: str = ""
    html: str = ""  # of an email, beside its text
    media_url: str = ""
    extra: Mapping[str, str] = field(default_factory=dict)

    @property
    def hangs_up(self) -> bool:
        """Whether a call ends when a machine answers it."""
        return self.extra.get("machine") == HANG_UP

    def callback_for(self, kind: str) -> str:
        """The same address for another kind of callback, such as the keys pressed during a call."""
        return self.callback.replace("/status?", f"/{kind}?", 1)


class Busy(StrEnum):
    """Who has reached a limit, where a provider answers that it takes nothing for the moment."""

    NOBODY = ""  # none has: it was not reached, or cannot
    ACCOUNT = "account"
    SENDER = "sender"


@dataclass(frozen=True)
class SendResult:
    """A provider's answer to one message.

    `accepted` with `provider_message_id`; or refused with `native_status` and `native_code`, to be translated like
    a receipt; or `retry_after` seconds: not taken, ask again later (a limit reached by `busy`, or an outage).
    `segments` is the provider's own count, 0 where it gives none.
    """

    accepted: bool
    provider_message_id: str = ""
    native_status: str = ""
    native_code: str = ""
    native_text: str = ""
    segments: int = 0
    retry_after: float | None = None
    busy: Busy = Busy.NOBODY


class LostAnswer(Exception):
    """The request may or may not have reached the provider: nobody may send it again blindly."""


class Uncheckable(Exception):
    """Whether a callback is genuine cannot be checked now: what its signature is checked with is out of reach."""


class Unreadable(ValueError):
    """A verified callback that the adapter cannot understand; the text says which field and why."""
