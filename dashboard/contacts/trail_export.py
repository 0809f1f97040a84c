"""The timeline of one contact as CSV: what the trail shows, with what providers said of each message."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator
from typing import Any

from accounts.zones import zone_name
from contacts.models import Contact
from dashboard.exports import BOM, Echo, local, safe, utc
from deliveries.models import BatchItem, Decision
from deliveries.outcomes.message_details import Fact, TrailMessage
from deliveries.outcomes.trail import Item, Narrowing, trail
from deliveries.wording import decided_by

COLUMNS = (
    "at_utc", "at_local", "kind", "channel", "address", "campaign", "what", "details", "native_status", "native_code",
    "native_text", "by", "message", "time_zone",
)  # fmt: skip


def lines(contact: Contact, narrowing: Narrowing) -> Iterator[str]:
    """CSV lines, header first, newest first; read page by page as the trail is. Addresses are whole."""
    writer = csv.writer(Echo())
    yield BOM + writer.writerow(COLUMNS)
    zone = zone_name()
    for item in _items(contact, narrowing):
        for at, cells in _rows(item):
            line = {"at_utc": utc(at), "at_local": local(at), "time_zone": zone, **cells}
            yield writer.writerow([safe(line.get(name) or "") for name in COLUMNS])


def _items(contact: Contact, narrowing: Narrowing) -> Iterator[Item]:
    addresses, after, more = list(contact.addresses.all()), "", True
    while more:
        found = trail(contact, addresses, after, narrowing)
        for day in found.days:
            yield from day.items
        after, more = found.after, bool(found.after)


def _rows(item: Item) -> Iterator[tuple[Any, dict[str, Any]]]:
    """(time, cells by column) of the item; below a message what was said and decided about it."""
    if item.kind != "message":
        yield item.at, {"kind": item.kind, **CELLS[item.kind](item)}
        return
    attempt: TrailMessage = item.row
    yield item.at, {"kind": "message", **_message(attempt)}
    for fact in attempt.facts:
        yield (
            fact.event.occurred_at or fact.event.recorded_at,
            {"kind": "status report", **_fact(attempt, fact)},
        )
    for decision in attempt.decisions:
        yield decision.row.at, {"kind": "decision", **_about(attempt), **_decision(decision.row)}


def _about(attempt: TrailMessage) -> dict[str, Any]:
    message = attempt.message
    return {
        "channel": message.get_channel_display(),
        "address": message.address.value,
        "campaign": message.campaign.name,
        "message": message.uuid,
    }


def _message(attempt: TrailMessage) -> dict[str, Any]:
    details = " ".join(filter(None, [attempt.meaning, f"{attempt.hours}." if attempt.hours else ""]))
    cells = {"what": attempt.label, "details": details, "native_code": attempt.message.reason_code}
    return _about(attempt) | cells


def _fact(attempt: TrailMessage, fact: Fact) -> dict[str, Any]:
    event = fact.event
    native = {
        "native_status": event.native_status,
        "native_code": event.native_code,
        "native_text": event.native_text,
    }
    return _about(attempt) | {"what": fact.label, "details": fact.meaning} | native


def _decision(row: Decision) -> dict[str, Any]:
    return {
        "what": row.get_step_display(),
        "details": row.reason,
        "by": decided_by(row.by, row.rule, row.rule_version),
    }


def _own_decision(item: Item) -> dict[str, Any]:
    return {"campaign": item.row.recipient.campaign.name, **_decision(item.row)}


def _engagement(item: Item) -> dict[str, Any]:
    row = item.row
    return {"channel": row.get_channel_display(), "what": row.what, "details": row.text}


def _answer(item: Item) -> dict[str, Any]:
    row = item.row
    return {
        "channel": row.get_channel_display(),
        "what": row.what,
        "details": f"{row.text_shown} {row.why}".strip(),
        "by": _name(row.written_by),
    }


def _consent(item: Item) -> dict[str, Any]:
    row = item.row
    return {
        "channel": row.get_channel_display(),
        "what": row.what,
        "details": row.evidence if row.withdraws_id else row.how,
        "by": _name(row.recorded_by),
    }


def _suppression(item: Item) -> dict[str, Any]:
    row = item.row
    return {
        "channel": item.extra["where"],
        "address": row.value,
        "what": row.ground_by + (", carried over from an earlier address" if row.carried else ""),
        "details": row.evidence,
        "by": _name(row.created_by) or row.get_origin_display(),
    }


def _release(item: Item) -> dict[str, Any]:
    row = item.row
    return {
        "channel": item.extra["where"],
        "address": row.value,
        "what": "Suppression released",
        "details": row.release_note,
        "by": item.extra["by"],
    }


def _lapse(item: Item) -> dict[str, Any]:
    return _of_lapse(item) | {
        "kind": "release",
        "what": "Suppression released",
        "details": item.row.release_note,
    }


def _restored(item: Item) -> dict[str, Any]:
    return _of_lapse(item) | {
        "kind": "suppression",
        "what": "Suppressed again",
        "details": item.row.restore_note,
    }


def _of_lapse(item: Item) -> dict[str, Any]:
    return {"channel": item.extra["where"], "address": item.row.suppression.value}


def _note(item: Item) -> dict[str, Any]:
    return {"what": "Note", "details": item.row.text, "by": _name(item.row.author)}


def _judged(item: Item) -> dict[str, Any]:
    row = item.row
    return {
        "channel": row.get_channel_display(),
        "address": row.value,
        "what": f"Reply read: {row.get_judgement_display()}",
        "details": row.text,
        "by": _name(row.read_by),
    }


def _batch(item: Item) -> dict[str, Any]:
    row: BatchItem = item.row
    what = f"{row.batch.get_action_display()}: {row.get_outcome_display()}"
    cells = {"channel": row.message.get_channel_display(), "message": row.message.uuid}
    return {**cells, "what": what, "details": item.extra.get("why", ""), "by": _name(row.batch.created_by)}


def _name(person: Any) -> str:
    return person.display_name if person else ""


CELLS: dict[str, Callable[[Item], dict[str, Any]]] = {
    "decision": _own_decision,
    "engagement": _engagement,
    "answer": _answer,
    "consent": _consent,
    "suppression": _suppression,
    "release": _release,
    "lapse": _lapse,
    "restored": _restored,
    "judged": _judged,
    "note": _note,
    "batch": _batch,
}
