"""SMPP receipts that a gateway passes on over HTTP, and the reader of their text. https://smpp.org (v3.4, appendix B).

For gateways that have no adapter of their own. They call our address by GET, with a form, with JSON (one receipt or
a list) or with the bare text of the receipt. `NAMES` says which names of fields are understood; where a field and
the text differ, the field counts, as the optional parameters of SMPP do. Times are UTC unless the address says
otherwise: `&tz=Europe/Berlin`. Nothing is sent through such an account.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta, timezone
from functools import lru_cache
from pathlib import Path
from typing import Literal, NamedTuple
from zoneinfo import ZoneInfo

from deliveries.providers.base import Unsigned
from deliveries.providers.facts import Call, Fact, Inbound, OutboundMessage, Report, SendResult
from deliveries.providers.kit.alphabets import LATIN, decoded, from_hex, readable, smpp_coding
from deliveries.providers.kit.http import refused
from deliveries.providers.kit.parsing import (
    FieldReader,
    clean,
    each,
    epoch,
    fields_of,
    is_json,
    json_value,
    pairs,
    query_of,
    reference,
    stamp,
)

# Keys of the text as gateways write them. A value runs to the next key, whatever stands between the two.
KEYS = {
    "id": r"id",
    "stat": r"(?:message[ _]?)?stat(?:us|e)?",
    "err": r"err(?:or)?(?:[ _]?code)?",
    "done": r"done(?:[ _-]?(?:date|time))?",
    "other": r"sub|dlvrd|submit(?:[ _-]?(?:date|time))?",
}
KEY = re.compile(
    r"(?<![\w-])(?:" + "|".join(f"(?P<{name}>{spelt})" for name, spelt in KEYS.items()) + r")\s*[:=]",
    re.IGNORECASE,
)
TOKEN = re.compile(r"[^\s,;|\"']+")
MESSAGE = re.compile(r"\btext\s*[:=]", re.IGNORECASE)
# The words for a state, which some centres write without a key.
STATES = frozenset(
    {
        "ACCEPTD", "ACCEPTED", "ACKED", "BUFFERD", "BUFFRED", "DELETED", "DELIVERED", "DELIVRD", "ENROUTE", "EXPIRED",
        "FAILED", "NACK", "REJECTD", "REJECTED", "SCHEDULED", "SKIPPED", "UNDELIV", "UNDELIVERABLE", "UNKNOWN",
    }
)  # fmt: skip
# What ran out of time may pass at another time, whatever code of its own the operator adds.
EXPIRED = {"expired", "3"}
# Twelve digits are read with two of the year first: with four of them the month would be 20.
LAYOUTS = {10: ("%y%m%d%H%M",), 12: ("%y%m%d%H%M%S", "%Y%m%d%H%M"), 14: ("%Y%m%d%H%M%S",)}
# SMPP's own form: tenths of a second, quarters of an hour from UTC, and in which direction.
ABSOLUTE = re.compile(r"(\d{12})\d(\d{2})([+-])")
DATE = re.compile(
    r"\d{15}[+-]|\d+(?!\d|[-/.]\d)|"
    r"\d{4}[-/.]\d\d[-/.]\d\d(?:[T ]\d\d:?\d\d(?::?\d\d(?:[.,]\d+)?)?(?:\s?(?:Z|[+-]\d\d:?\d\d))?)?"
)
UNIX = re.compile(r"1\d{9}(?:\d{3})?")
MARK, OK = "ESME_", "ESME_ROK"
# SMPP v5.0 calls five of the statuses by other names than v3.4.
ALSO_CALLED = {
    "RINVTLVSTREAM": "0x000000C0",
    "RTLVNOTALLWD": "0x000000C1",
    "RINVTLVLEN": "0x000000C2",
    "RMISSINGTLV": "0x000000C3",
    "RINVTLVVAL": "0x000000C4",
}

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


class ReceiptFields(NamedTuple):
    """What the text of a receipt says, in its own words; '' for what it leaves out. `done` is a date as written."""

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
        if kind == "inbound":
            return list(inbound_texts(call, query))
        if call.method != "GET" and is_json(call):
            return each(json_value(call.body), "body", lambda one: [report(one, query)])
        return [report(plain_fields(call), query)]

    def request(self, message: OutboundMessage, credentials: Mapping[str, str]) -> SendResult:
        return refused(
            "receive_only", "Only receipts are taken from this gateway; nothing is sent through it."
        )


def plain_fields(call: Call) -> FieldReader:
    """The fields of a GET or a form; a body that is neither is the receipt's text."""
    if call.method != "GET" and call.headers.get("content-type", "").lower().startswith("text/plain"):
        return FieldReader(receipt=call.body.decode("utf-8", "replace"))
    return fields_of(call)


def receipt_fields(text: str) -> ReceiptFields:
    """The text of a receipt, its keys in any order and any case; what follows `text:` is the message itself."""
    head = MESSAGE.split(text, maxsplit=1)[0]
    keys = list(KEY.finditer(head))
    if not keys:
        return ReceiptFields("", "", "", "")
    ends = [key.start() for key in keys[1:]] + [len(head)]
    values: dict[str, str] = {}
    for key, end in zip(keys, ends, strict=True):
        values.setdefault(key.lastgroup or "", head[key.end() : end].strip(" \t\r\n,;|\"'"))
    done = DATE.match(values.get("done", ""))
    return ReceiptFields(
        _token(values.get("id", "")),
        _token(values.get("stat", "")) or _bare_state(head),
        error(_token(values.get("err", ""))),
        done[0] if done else "",
    )


def _token(value: str) -> str:
    found = TOKEN.search(value)
    return found[0].rstrip("/") if found else ""


def _bare_state(head: str) -> str:
    """The word for a state that stands there without its key."""
    return next((word for word in re.findall(r"\w+", head) if word.upper() in STATES), "")


def error(code: str) -> str:
    """The operator's own code; zeros say that there is none."""
    return code if code.strip("0") else ""


@lru_cache(maxsize=1)
def names_of_statuses() -> Mapping[str, str]:
    """The numbers of SMPP's command statuses by their names, without ESME_, as the code table lists them."""
    table = Path(__file__).with_name("codes") / "smpp.csv"
    with table.open(encoding="utf-8", newline="") as lines:
        rows = [row for row in csv.DictReader(lines) if row["native_name"].startswith(MARK)]
    listed = {row["native_name"].removeprefix(MARK): row["native_code"] for row in rows}
    return {**ALSO_CALLED, **listed}


def command_status(code: str) -> str:
    """A status of SMPP as the code table writes it (0x0000000B), from a decimal or 0x number or from its name;
    else as it came."""
    try:
        return f"0x{int(code, 16 if code.lower().startswith('0x') else 10):08X}"
    except ValueError:
        return names_of_statuses().get(code.upper().removeprefix(MARK), code)


def refusal_of(fields: FieldReader) -> str:
    """Why the centre refused the message when it was handed over; '' when it did not, or this is no such answer.

    Some gateways tell it in the place of a state, by its name.
    """
    given = fields.optional_str("command_status")
    if not given:
        word = fields.optional_str(*NAMES["stat"])
        given = word if word.upper().startswith((MARK, "0X")) and word.upper() != OK else ""
    code = command_status(given)
    return code if code.strip("0x") else ""


def lasting(stat: str) -> Literal["", "temporary"]:
    return "temporary" if stat.lower() in EXPIRED else ""


def report(fields: FieldReader, query: FieldReader) -> Report:
    text = first_text(fields, "receipt", KEY.search)
    fields = FieldReader(
        fields | {f"its {key}": value for key, value in receipt_fields(text)._asdict().items()}
    )
    refusal = refusal_of(fields)
    stat = "REJECTED" if refusal else fields.required_str(*NAMES["stat"])
    return Report(
        ref=reference(query.get("m"), fields.get("reference"), fields.get("client_ref")),
        provider_message_id=fields.id(*NAMES["id"], required=False),
        channel="sms",
        native_status=stat,
        native_code=refusal or fields.error_code(*NAMES["err"]),
        native_text=clean(text),
        occurred_at=moment(fields.optional_str(*NAMES["done"]), query.get("tz", "")),
        address=fields.phone_number(*NAMES["to"]),
        lasting=lasting(stat),
    )


def moment(text: str, zone: str) -> datetime | None:
    """A date in any usual form, as the clock in `zone` shows it (an IANA name; '' and nonsense are UTC)."""
    try:
        clock = ZoneInfo(zone or "UTC")
    except (KeyError, ValueError, OSError):  # no such zone
        clock = ZoneInfo("UTC")
    text = text.strip()
    if text.isascii() and text.isdecimal():
        return stamp(text, *LAYOUTS.get(len(text), ()), zone=clock) or (
            epoch(text) if UNIX.fullmatch(text) else None
        )
    if absolute := ABSOLUTE.fullmatch(text):
        minutes = int(absolute[2]) * (15 if absolute[3] == "+" else -15)
        return stamp(absolute[1], "%y%m%d%H%M%S", zone=timezone(timedelta(minutes=minutes)))
    try:
        at = datetime.fromisoformat(text.replace("/", "-").replace(",", "."))
        return (at if at.tzinfo else at.replace(tzinfo=clock)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def first_text(fields: FieldReader, name: str, wanted: Callable[[str], object] = bool) -> str:
    """The first of these fields that is a text as `wanted`; free text may be of any length."""
    texts = (value for each in NAMES[name] if isinstance(value := fields.get(each), str))
    return next(filter(wanted, texts), "")


def inbound_texts(call: Call, query: FieldReader) -> Iterable[Fact]:
    """What people wrote: one text, or the texts of a JSON list."""
    if call.method != "GET" and is_json(call):
        return each(json_value(call.body), "body", lambda one: [inbound(one, query, {})])
    raw = call.query.encode("utf-8", "replace") if call.method == "GET" else call.body
    octets = {name.decode("utf-8", "replace"): value for name, value in reversed(pairs(raw))}
    return [inbound(plain_fields(call), query, octets)]


def inbound(fields: FieldReader, query: FieldReader, octets: Mapping[str, bytes]) -> Inbound:
    """`octets` are the fields of a form as they came: a text may still be in its coding."""
    return Inbound(
        sender=fields.address(*NAMES["sender"], required=True),  # national or not, as the centre is set up
        recipient=fields.address(*NAMES["recipient"]),
        channel="sms",
        text=clean(written(fields, octets)),
        ref=reference(query.get("m")),
        provider_message_id=fields.id(*NAMES["id"], required=False),
    )


def written(fields: FieldReader, octets: Mapping[str, bytes]) -> str:
    """The text a person wrote, by its data coding where hex digits give its octets, or where it came undecoded."""
    encoding = smpp_coding(fields.optional_str("coding", "data_coding", "dcs"))
    if binary := from_hex(fields.text("binary", "hex")):
        return decoded(binary, encoding or LATIN)
    name = next((name for name in NAMES["text"] if isinstance(fields.get(name), str) and fields[name]), "")
    if name in octets:
        return readable(octets[name], encoding)
    text = fields.text(name)
    # JSON has no octets: a text that was never decoded has its NULs in it.
    return decoded(text.encode("latin-1", "replace"), encoding) if "\x00" in text and encoding else text
