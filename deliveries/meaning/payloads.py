"""One callback in, the events it means out: with the ordinary adapters and code tables, and with no database.

What `manage.py translate` does line by line, and the page that tries a pasted payload.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping as Fields
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

from django.conf import settings

from contacts.addresses import normal_form, region_of
from contacts.keywords import classify, pressed
from deliveries.meaning.translation import Mapping
from deliveries.providers import PROVIDERS
from deliveries.providers.base import Provider
from deliveries.providers.facts import Act, BackscatterReport, Call, Fact, Inbound, Report, Unreadable
from deliveries.statuses import shown_code

HOST = "https://waybill.example.com/hooks/token"
FORM = "application/x-www-form-urlencoded"
BACKSCATTER = "backscatter"  # the kind of a report about mail that we never sent
NO_PROVIDER = "provider: {!r} is not one of {}."


class BadLine(ValueError):
    """A line that is no callback; the text names the field and why."""


def understand(line: Fields[str, Any], mapping: Mapping) -> dict[str, Any]:
    """`{id, accepted, reason, events}` for a line `{id, provider, channel?, kind, method, content_type, headers,
    query, url?, body | body_b64 | form, secret?, at?}`.

    `kind` is status, inbound or dsn; `secret` the credential that proves the provider's callbacks: with it the
    signature is checked and forged calls are not accepted, without it nothing is. `at` (ISO 8601) is when the call
    came in, now when missing. Never raises: what is wrong stands in `reason`.
    """
    result: dict[str, Any] = {"id": line.get("id"), "accepted": False, "reason": "", "events": []}
    try:
        adapter = adapter_of(line)
        call = call_of(line, adapter)
        if line.get("secret") and not _proven(adapter, call, str(line["secret"])):
            result["reason"] = "The signature is wrong, or too old."
            return result
        facts = list(adapter.parse(str(line.get("kind") or "status"), call))
    except (BadLine, Unreadable) as problem:
        result["reason"] = str(problem)
        return result
    except Exception as problem:  # noqa: BLE001 - as in recording: an adapter's mistake concerns this call alone
        result["reason"] = f"{type(problem).__name__}: {problem}"
        return result
    hint = str(line.get("channel") or "")
    result["accepted"] = True
    result["events"] = [event_fields(adapter, fact, mapping, hint) for fact in facts]
    return result


def adapter_of(line: Fields[str, Any]) -> Provider:
    slug = str(line.get("provider") or "").lower().replace("-", "_")
    if slug not in PROVIDERS:
        raise BadLine(NO_PROVIDER.format(slug, ", ".join(sorted(PROVIDERS))))
    return PROVIDERS[slug]


def call_of(line: Fields[str, Any], adapter: Provider) -> Call:
    """The callback that a line describes. Raises BadLine."""
    headers = line.get("headers") or {}
    if not isinstance(headers, dict):
        raise BadLine("headers: not an object.")
    kept = {str(name).lower(): str(value) for name, value in headers.items()}
    body = body_of(line)
    kind = str(line.get("content_type") or kept.get("content-type") or _looks_like(line, body))
    if kind:
        kept["content-type"] = kind
    query = _query(line.get("query"))
    if line.get("channel") and "c=" not in query:
        query = "&".join(filter(None, [query, f"c={line['channel']}"]))
    url = str(line.get("url") or f"{HOST}/{line.get('kind') or 'status'}" + (f"?{query}" if query else ""))
    return Call(str(line.get("method") or "POST").upper(), url, query, kept, body, at=_moment(line))


def _looks_like(line: Fields[str, Any], body: bytes) -> str:
    """The content type of a pasted body that comes without one."""
    if line.get("form"):
        return FORM
    return "application/json" if body.lstrip()[:1] in (b"{", b"[") else ""


def body_of(line: Fields[str, Any]) -> bytes:
    """The raw bytes, from `body` (text), `body_b64` or `form` (an object, a list of pairs or encoded text)."""
    if line.get("body_b64") is not None:
        try:
            return base64.b64decode(str(line["body_b64"]), validate=True)
        except (binascii.Error, ValueError) as problem:
            raise BadLine("body_b64: not base64.") from problem
    if line.get("form") is not None:
        return _query(line["form"]).encode("utf-8", "surrogatepass")
    body = line.get("body")
    if body is None:
        return b""
    if not isinstance(body, str):
        raise BadLine("body: not a text.")
    return body.encode("utf-8", "surrogateescape")


def event_fields(adapter: Provider, fact: Fact, mapping: Mapping, hint: str = "") -> dict[str, Any]:
    """One fact as an event of the output, every field present."""
    event: dict[str, Any] = {
        "provider_message_id": "", "our_ref": "", "address": "", "channel": hint, "status": "",
        "failure_class": "none", "fault": "none", "reason_code": "", "native_status": "", "native_code": "",
        "evidence": "", "part": 0, "parts": 0, "occurred_at": None, "kind": "status", "text": "",
    }  # fmt: skip
    if isinstance(fact, Report):
        event.update(_report(adapter, fact, mapping))
    elif isinstance(fact, Inbound):
        kind = classify(fact.text, fact.opt_out_type).kind
        event.update(
            provider_message_id=fact.provider_message_id, our_ref=fact.ref,
            address=normal_form(fact.sender, region_of(fact.recipient, settings.DEFAULT_REGION)),
            channel=fact.channel, kind=kind, text=fact.text,
        )  # fmt: skip
    elif isinstance(fact, Act):
        stop = fact.kind == "key_press" and pressed(fact.text) == "stop"
        event.update(
            provider_message_id=fact.provider_message_id, our_ref=fact.ref, address=fact.address,
            channel=fact.channel, kind="stop" if stop else fact.kind, text=fact.text,
        )  # fmt: skip
    elif isinstance(fact, BackscatterReport):
        event.update(address=fact.address, channel="email", kind=BACKSCATTER, text=fact.text)
    if fact.occurred_at is not None:
        event["occurred_at"] = fact.occurred_at.astimezone(UTC).isoformat().replace("+00:00", "Z")
    return event


def _report(adapter: Provider, report: Report, mapping: Mapping) -> dict[str, Any]:
    meaning = mapping.translate(adapter.slug, report).meaning
    return {
        "provider_message_id": report.provider_message_id,
        "our_ref": report.ref,
        "address": report.address,
        "channel": report.channel,
        "status": str(meaning.status),
        "failure_class": str(meaning.failure_class),
        "fault": str(meaning.fault),
        "reason_code": shown_code(meaning.status, report.native_status, report.native_code),
        "native_status": report.native_status,
        "native_code": report.native_code,
        "evidence": str(meaning.evidence),
        "part": report.part,
        "parts": report.parts,
        "text": report.native_text,
    }


def _proven(adapter: Provider, call: Call, secret: str) -> bool:
    credentials = dict.fromkeys((*adapter.credential_fields, *adapter.optional_fields), secret)
    credentials.pop("allowed_addresses", None)
    return adapter.verify(call, credentials)


def _query(given: Any) -> str:
    if not given:
        return ""
    if isinstance(given, str):
        return given.removeprefix("?")
    try:
        # JSON has no tuples: a list of pairs is a list of lists, each with a name and a value.
        pairs = list(map(_pair, given)) if isinstance(given, list) else given
        return urlencode(pairs, doseq=True)
    except (TypeError, ValueError) as problem:
        raise BadLine("query or form: neither a text nor names and values.") from problem


def _pair(given: Any) -> tuple[str, Any]:
    """A name and its value. Raises TypeError or ValueError for anything else."""
    if isinstance(given, str):
        raise TypeError("A text is no pair.")
    name, value = given
    return name, value


def _moment(line: Fields[str, Any]) -> datetime:
    given = line.get("at")
    if not given:
        return datetime.now(UTC)
    try:
        at = datetime.fromisoformat(str(given))
    except ValueError as problem:
        raise BadLine(f"at: {given!r} is not an ISO time.") from problem
    return at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)
