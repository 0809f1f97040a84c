"""Slybroadcast: ringless voicemail in North America. https://www.slybroadcast.com/documentation.php

A result is one line, `session|phone|status|reason|time|carrier`, in a form field named `var`; some report fields by
name instead. The words for failures are not published: all but OK say that nothing was left.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from deliveries.providers.base import Unsigned
from deliveries.providers.facts import Call, LostAnswer, OutboundMessage, Report, SendResult, Unreadable
from deliveries.providers.kit.client import HttpAnswer
from deliveries.providers.kit.http import accepted, refused
from deliveries.providers.kit.lines import carrier_name
from deliveries.providers.kit.parsing import (
    LONGEST_WORD,
    FieldReader,
    clean,
    fields_of,
    iso,
    north_american,
    query_of,
    reference,
    stamp,
)

URL = "https://www.mobile-sphere.com/gateway/vmb.php"
EASTERN = ZoneInfo("America/New_York")  # all times without a zone of their own
NORTH_AMERICA = "+1"
LINE = ("session_id", "phone", "status", "reason", "delivery_time", "carrier")
ARRIVED = {"ok", "delivered", "success"}
KNOWN = ARRIVED | {"e"}


class Slybroadcast(Unsigned):
    slug = "slybroadcast"
    name = "Slybroadcast"
    channels = frozenset({"rvm"})
    credential_fields = {"uid": "Account email", "password": "Password"}
    kinds = frozenset({"status"})
    answers_only = ("rejected", "submit/", "action/")
    answer = b"OK"
    shares_ids = True

    def parse(self, kind: str, call: Call) -> list[Report]:
        if kind != "status":
            raise Unreadable(f"kind: {kind!r} is not status.")
        fields = FieldReader(query_of(call) | fields_of(call))
        fields.update(in_line(fields.get("var") or next((name for name in fields if "|" in name), "")))
        ref = reference(query_of(call).get("m"))
        session = fields.id("session_id", "c_session", required=not ref)
        phone = fields.address("phone", "c_phone", required=not ref)
        status, reason = (
            fields.required_str("status", "c_dispo"),
            fields.text("reason", "c_disposition_reason"),
        )
        text = clean("; ".join(filter(None, (reason, fields.get("carrier")))))
        at = moment(fields.get("delivery_time", ""))
        words = in_words(status, reason)
        carrier = carrier_name(fields.get("carrier"))
        number = north_american(phone)
        return [Report(ref, session, "rvm", *words, text, occurred_at=at, address=number, carrier=carrier)]

    def request(
        self, message: OutboundMessage, credentials: Mapping[str, str]
    ) -> dict[str, Any] | SendResult:
        if not message.to.startswith(NORTH_AMERICA):  # ten of its digits would ring somebody else
            return refused("submit/not in North America", "This gateway reaches North America alone.")
        if not message.media_url:
            return refused("submit/no recording", "The campaign has no recording to play.")
        return {"url": URL, "data": fields(message, credentials)}

    def understood(self, answer: HttpAnswer) -> SendResult:
        """`OK` and the session in the next line, or `ERROR` and why. Raises LostAnswer for anything else."""
        first, *rest = [line.strip() for line in answer.text.splitlines() if line.strip()] or [""]
        if not answer.is_success:
            return refused(f"submit/HTTP {answer.status_code}", first)
        if first.upper() == "ERROR":
            why = rest[0] if rest else "ERROR"
            return refused(f"submit/{why}", why)
        if first.upper() != "OK":
            raise LostAnswer("Neither OK nor ERROR.")
        session = next((line for line in rest if "session" in line.lower()), "")
        return accepted(session.partition("=")[2].strip())


def in_line(line: str) -> dict[str, str]:
    """The parts of a result in one line; none of an empty one."""
    parts = (part.strip().strip("\"'") for part in line.strip().strip("\"'").split("|", len(LINE) - 1))
    return dict(zip(LINE, parts, strict=False)) if line else {}


def in_words(status: str, reason: str) -> tuple[str, str]:
    """Status and code. A status that nobody has seen yet says at least that it is not OK."""
    if status.lower() in ARRIVED:
        return status, ""
    if status.lower() not in KNOWN:
        status, reason = "not-OK", reason or status
    slug = re.sub(r"[^a-z0-9]+", "_", reason.lower()).strip("_")
    return status, f"reason/{slug}"[:LONGEST_WORD] if slug else ""


def moment(text: str) -> datetime | None:
    return stamp(text, "%Y-%m-%d %H:%M:%S", zone=EASTERN) or iso(text.replace(" T", "T"))


def fields(message: OutboundMessage, credentials: Mapping[str, str]) -> dict[str, str]:
    """One number for each submission: a session id may then stand for one message."""
    kind = PurePosixPath(urlsplit(message.media_url).path).suffix.lstrip(".").lower()
    return {
        "c_uid": credentials["uid"],
        "c_password": credentials["password"],
        "c_phone": message.to.removeprefix(NORTH_AMERICA),
        "c_callerID": message.sender.removeprefix(NORTH_AMERICA),
        "c_url": message.media_url,
        "c_audio": kind or "mp3",
        "c_date": "now",
        "c_title": message.ref,
        "c_dispo_url": message.callback,
    }
