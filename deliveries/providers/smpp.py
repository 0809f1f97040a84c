"""SMPP receipts that a gateway passes on over HTTP, and the reader of their text. https://smpp.org (v3.4, appendix B).

For gateways that have no adapter of their own. They call our address by GET, with a form, with JSON (one receipt or
a list) or with the bare text of the receipt. `NAMES` says which names of fields are understood; where a field and
the text differ, the field counts, as the optional parameters of SMPP do. Times are UTC unless the address says
otherwise: `&tz=Europe/Berlin`. Nothing is sent through such an account.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Literal, NamedTuple
from zoneinfo import ZoneInfo

from deliveries.providers.base import Unsigned
from deliveries.providers.facts import Call, Fact, Handover, Inbound, Outgoing, Report
from deliveries.providers.handing_over import refused
from deliveries.providers.reading import (
    Told,
    clean,
    each,
    fields_of,
    is_json,
    json_value,
    query_of,
    reference,
    stamp,
)

KEY = r"(?:id|sub|dlvrd|submit[ _]?date|done[ _]?date|stat|err)"
PAIR = re.compile(rf"\b({KEY}):\s*((?!{KEY}:)\S*)", re.IGNORECASE)
MESSAGE = re.compile(r"\btext:", re.IGNORECASE)
# What ran out of time may pass at another time, whatever code of its own the operator adds.
EXPIRED = {"expired", "3"}
LAYOUTS = {10: "%y%m%d%H%M", 12: "%y%m%d%H%M%S"}

# Names of fields, the strongest first; "its ..." is what the text of the receipt says.
NAMES = {
    "receipt": ("receipt", "dlr", "short_message", "message_payload", "message", "text", "body"),
    "id": ("receipted_message_id", "message_id", "id", "msgid", "its id"),
    "stat": ("message_state", "stat", "status", "message_status", "its stat"),
    "err": ("err", "error", "error_code", "network_error_code", "its err"),
    "done": ("done_date", "donedate", "its done"),
    "to": ("recipient", "msisdn", "to", "source_addr"),  # a receipt comes from the number that it is about
    "sender": ("from", "source_addr", "sender", "msisdn"),
    "recipient": ("to", "destination_addr", "recipient", "shortcode"),
    "text": ("text", "content", "short_message", "message_payload", "message", "body"),
}


class Said(NamedTuple):
    """What the text of a receipt says, in its own words; '' for what it leaves out. `done` is YYMMDDhhmm[ss]."""

    id: str
    stat: str
    err: str
    done: str


class Smpp(Unsigned):
    slug = "smpp"
    name = "SMPP gateway (receipts only)"
    channels = frozenset({"sms"})
    answer = b"ACK/Jasmin"  # the gateway that asks for words asks for these; others take any

    def parse(self, kind: str, call: Call) -> list[Fact]:
        query = query_of(call)
        read = inbound if kind == "inbound" else report
        if call.method != "GET" and is_json(call):
            return each(json_value(call.body), "body", lambda one: [read(one, query)])
        return [read(plain_fields(call), query)]

    def request(self, message: Outgoing, credentials: Mapping[str, str]) -> Handover:
        return refused(
            "receive_only", "Only receipts are taken from this gateway; nothing is sent through it."
        )


def plain_fields(call: Call) -> Told:
    """The fields of a GET or a form; a body that is neither is the receipt's text."""
    if call.method != "GET" and call.headers.get("content-type", "").lower().startswith("text/plain"):
        return Told(receipt=call.body.decode("utf-8", "replace"))
    return fields_of(call)


def said(text: str) -> Said:
    """The text of a receipt, its keys in any order and any case; what follows `text:` is the message itself."""
    head = MESSAGE.split(text, maxsplit=1)[0]
    found = {re.sub("[ _]", "", key).lower(): value for key, value in PAIR.findall(head)}
    return Said(
        found.get("id", ""), found.get("stat", ""), error(found.get("err", "")), found.get("donedate", "")
    )


def error(code: str) -> str:
    """The operator's own code; zeros say that there is none."""
    return code if code.strip("0") else ""


def command_status(code: str) -> str:
    """A status of SMPP as the code table writes it (0x0000000B), from a decimal or 0x number; else as it came."""
    try:
        return f"0x{int(code, 16 if code.lower().startswith('0x') else 10):08X}"
    except ValueError:
        return code


def lasting(stat: str) -> Literal["", "temporary"]:
    return "temporary" if stat.lower() in EXPIRED else ""


def report(fields: Told, query: Told) -> Report:
    text = first_text(fields, "receipt", PAIR.search)
    fields = Told(fields | {f"its {key}": value for key, value in said(text)._asdict().items()})
    refusal = command_status(fields.maybe("command_status"))  # of the centre, when it was handed the message
    refused_at_once = refusal.strip("0x") != ""
    stat = "REJECTED" if refused_at_once else fields.word(*NAMES["stat"])
    return Report(
        ref=reference(query.get("m"), fields.get("reference"), fields.get("client_ref")),
        provider_message_id=fields.id(*NAMES["id"], required=False),
        channel="sms",
        native_status=stat,
        native_code=refusal if refused_at_once else fields.code(*NAMES["err"]),
        native_text=clean(text),
        occurred_at=moment(fields.maybe(*NAMES["done"]), query.get("tz", "")),
        address=fields.number(*NAMES["to"]),
        lasting=lasting(stat),
    )


def moment(text: str, zone: str) -> datetime | None:
    """YYMMDDhhmm or YYMMDDhhmmss, as the clock in `zone` shows it (an IANA name; '' and nonsense are UTC)."""
    try:
        clock = ZoneInfo(zone or "UTC")
    except (KeyError, ValueError, OSError):  # no such zone
        clock = ZoneInfo("UTC")
    return stamp(text, LAYOUTS[len(text)], zone=clock) if len(text) in LAYOUTS else None


def first_text(fields: Told, name: str, wanted: Callable[[str], object] = bool) -> str:
    """The first of these fields that is a text as `wanted`; free text may be of any length."""
    texts = (value for each in NAMES[name] if isinstance(value := fields.get(each), str))
    return next(filter(wanted, texts), "")


def inbound(fields: Told, query: Told) -> Inbound:
    return Inbound(
        sender=fields.number(*NAMES["sender"], required=True),
        recipient=fields.address(*NAMES["recipient"]),
        channel="sms",
        text=clean(first_text(fields, "text")),
        ref=reference(query.get("m")),
        provider_message_id=fields.id(*NAMES["id"], required=False),
    )
