"""A callback that was read to see what it means, put in words. Nothing of it is kept."""

from __future__ import annotations

import base64
from collections.abc import Mapping as Fields
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.conf import settings

from contacts.channels import Channel
from dashboard.mappings.code_tables import GOAL, word_of
from deliveries.meaning.payloads import BACKSCATTER
from deliveries.meaning.translation import FALLBACK_CHANNEL, Key, Mapping, tables_of
from deliveries.models import Account, Engagement, Receipt
from deliveries.outcomes.code_usage import ERROR, STATUS, edit_url
from deliveries.outcomes.rows import bucket_of
from deliveries.statuses import Evidence, FailureClass, Fault, Status, disposition
from deliveries.wording import wording

REPORT = "status"
# What is no report about a message.
OTHER_KINDS = {**dict(Engagement.Kind.choices), BACKSCATTER: "About mail that we never sent"}
NOTHING = "It was understood, and contains nothing that Waybill keeps."


@dataclass(frozen=True)
class Word:
    """One native word of a report: what the tables say of it, and where to change that."""

    kind: str
    word: str
    meaning: str
    known: bool
    edit_url: str


@dataclass(frozen=True)
class TriedEvent:
    """One fact of a callback as a reader sees it. `bucket` is '' for what is no report."""

    label: str
    bucket: str
    word: str
    meaning: str
    next_step: str
    facts: list[tuple[str, str]]
    address: str
    text: str
    words: list[Word]
    at: datetime | None


@dataclass(frozen=True)
class Tried:
    """What came of a callback: its events, or why it would not be accepted."""

    accepted: bool
    reason: str
    events: list[TriedEvent]


def tried(result: Fields[str, Any], provider: str, tables: Mapping) -> Tried:
    """From an answer of `payloads.understand`."""
    events = [_event(event, provider, tables) for event in result["events"]]
    reason = result["reason"] or ("" if events else NOTHING)
    return Tried(bool(result["accepted"]), str(reason), events)


def _event(event: Fields[str, Any], provider: str, tables: Mapping) -> TriedEvent:
    channel = str(event["channel"])
    at = datetime.fromisoformat(event["occurred_at"]) if event["occurred_at"] else None
    facts = [("Channel", Channel(channel).label)] if channel in Channel.values else []
    if event["kind"] != REPORT:
        label = OTHER_KINDS.get(event["kind"], str(event["kind"]).replace("_", " ").capitalize())
        facts += [("Provider's id", event["provider_message_id"]), ("Our reference", event["our_ref"])]
        return TriedEvent(label, "", label, "", "", _filled(facts), event["address"], event["text"], [], at)
    bucket = disposition(event["status"], event["failure_class"], event["fault"], GOAL)
    words = wording(channel, event["status"], event["failure_class"], GOAL)
    facts += [
        ("Status", Status(event["status"]).label),
        ("Failure class", FailureClass(event["failure_class"]).label),
        ("Whose fault", Fault(event["fault"]).label),
        ("Reason", event["reason_code"]),
        ("Evidence", Evidence(event["evidence"]).label if event["evidence"] else ""),
        ("Part", f"{event['part']} of {event['parts']}" if event["part"] else ""),
        ("Provider's id", event["provider_message_id"]),
        ("Our reference", event["our_ref"]),
    ]
    return TriedEvent(
        label=words.label,
        bucket=bucket_of(bucket),
        word=word_of(bucket),
        meaning=words.meaning,
        next_step=words.next_step,
        facts=_filled(facts),
        address=event["address"],
        text=event["text"],
        words=[
            _word(kind, event[name], provider, channel, tables)
            for kind, name in ((STATUS, "native_status"), (ERROR, "native_code"))
            if event[name]
        ],
        at=at,
    )


def _filled(facts: list[tuple[str, Any]]) -> list[tuple[str, str]]:
    return [(label, str(value)) for label, value in facts if value]


def _word(kind: str, word: str, provider: str, channel: str, tables: Mapping) -> Word:
    found = tables.find(provider, channel, kind, word)
    place = next((key for key, code in tables.codes.items() if code is found), None) if found else None
    missing = Key(tables_of(provider)[0], FALLBACK_CHANNEL.get(channel, channel), kind, word)
    silent = kind == ERROR and not word.strip("0")  # "0" and "000" say "no error"
    meaning = (found.meaning or found.name) if found else "No error." if silent else "No code table lists it."
    return Word(
        kind="Status word" if kind == STATUS else "Code",
        word=word,
        meaning=meaning[:1].upper() + meaning[1:],
        known=bool(found) or silent,
        edit_url="" if silent and not found else edit_url(place or missing),
    )


# ---- A stored receipt ------------------------------------------------------------------------------------------


def as_line(receipt: Receipt, account: Account) -> dict[str, Any]:
    """A stored receipt as `payloads.understand` takes it. Its signature was checked when it came in."""
    return {
        "provider": account.provider,
        "kind": receipt.kind,
        "method": receipt.method,
        "headers": receipt.headers,
        "query": receipt.query,
        "url": f"{settings.PUBLIC_URL}/hooks/{account.token}/{receipt.kind}?{receipt.query}",
        "body_b64": base64.b64encode(bytes(receipt.body)).decode(),
        "at": receipt.received_at.isoformat(),
    }


def as_form(receipt: Receipt, account: Account) -> dict[str, str]:
    """The same as the fields of the form, to change something and try again."""
    headers = {str(name): str(value) for name, value in dict(receipt.headers).items()}
    content_type = next((value for name, value in headers.items() if name.lower() == "content-type"), "")
    others = {name: value for name, value in headers.items() if name.lower() != "content-type"}
    return {
        "provider": account.provider,
        "kind": receipt.kind,
        "method": receipt.method,
        "content_type": content_type,
        "query": receipt.query,
        "headers": "\n".join(f"{name}: {value}" for name, value in sorted(others.items())),
        "body": bytes(receipt.body).decode("utf-8", "replace"),
    }
