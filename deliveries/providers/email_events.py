"""What the events of email services have in common: our reference, ids, addresses, reasons, replies."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from deliveries.providers.bounces import enhanced_code, mailbox_of
from deliveries.providers.facts import Act, Fact, Inbound, Unreadable
from deliveries.providers.reading import LONGEST_ADDRESS, LONGEST_ID, clean, json_value, reference, word

LABEL = "m"
LONGEST_TEXT = 10_000
HOST = re.compile(r"(?:[\w-]+\.)+[a-z]{2,}", re.IGNORECASE)
NOT_SAID = re.compile(r"[245]\.0\.0")  # "other or undefined" is no reason


def ident(given: Any) -> str:
    """A message id as it is stored: without the brackets of a Message-ID header, cut to what the column holds.

    Their first half alone is unique; only the domain at the end can make them long.
    """
    text = str(given) if isinstance(given, str | int) and not isinstance(given, bool) else ""
    return word({"id": text.strip().strip("<>")[:LONGEST_ID]}, "id", longest=LONGEST_ID, required=False)


def labelled(told: Any) -> str:
    """Our reference from what was attached to the message, an object or its JSON text; empty when it has none."""
    if isinstance(told, str):
        try:
            told = json_value(told.encode("utf-8", "replace"))
        except Unreadable:
            return ""
    given = told.get(LABEL) if isinstance(told, Mapping) else None
    return reference({"m": given}) if isinstance(given, str) else ""


def headed(headers: Any) -> str:
    """Our reference from the header that anymail puts metadata into, where a service has no place for them."""
    listed = [each for each in headers if isinstance(each, dict)] if isinstance(headers, list) else []
    texts = (each.get("value") for each in listed if str(each.get("name")).lower() == "x-metadata")
    return next(filter(None, map(labelled, texts)), "")


def tagged(told: Any) -> str:
    """Our reference among a message's tags, where a service has nothing else to attach it to."""
    tags = [tag for tag in told if isinstance(tag, str)] if isinstance(told, list) else []
    return next(filter(None, (reference({"m": tag}) for tag in tags)), "")


def addressed(given: Any) -> str:
    """An address as told. Raises Unreadable."""
    return word({"address": given}, "address", longest=LONGEST_ADDRESS, required=False)


def link(given: Any) -> str:
    return clean(given) if isinstance(given, str) else ""


def specific(*texts: Any) -> str:
    """The first enhanced status code in these texts that gives a reason; empty when none does."""
    for text in texts:
        code = enhanced_code(text) if isinstance(text, str) else ""
        if code and not NOT_SAID.fullmatch(code):
            return code
    return ""


def mailbox(address: str, *texts: Any) -> str:
    """The mailbox provider, from the recipient's domain, else from a server named in the texts."""
    named = (host for text in texts if isinstance(text, str) for host in HOST.findall(text[:2_000]))
    return mailbox_of(address.rpartition("@")[2]) or next(filter(None, map(mailbox_of, named)), "")


def resubscribed(address: str, said: str, ref: str, message_id: str, at: datetime | None) -> Inbound:
    """A person who wants our mail again. Raises Unreadable without an address."""
    sender = word({"address": address}, "address", longest=LONGEST_ADDRESS).lower()
    return Inbound(
        sender,
        "",
        "email",
        said,
        ref=ref,
        opt_out_type="START",
        occurred_at=at,
        provider_message_id=message_id,
    )


def replied(
    sender: Any,
    recipient: Any,
    subject: Any,
    text: Any,
    headers: Mapping[str, Any],
    at: datetime | None,
    message_id: Any = "",
) -> Iterator[Fact]:
    """What a person wrote to us; of a robot's answer, only that it answered a message of ours. Raises Unreadable.

    Without a text the subject counts: "unsubscribe" is what a mail program's button for it writes there.
    """
    said = {name.lower(): value for name, value in headers.items() if isinstance(value, str)}
    address = word({"sender": sender}, "sender", longest=LONGEST_ADDRESS).lower()
    if said.get("auto-submitted", "").strip().lower() not in ("", "no"):  # RFC 3834
        if ours := ident(said.get("in-reply-to")):
            yield Act("auto_reply", "", ours, "email", address, link(subject), at, machine=True)
        return
    yield Inbound(
        address,
        addressed(recipient),
        "email",
        (link(text).strip() or link(subject).strip())[:LONGEST_TEXT],
        occurred_at=at,
        provider_message_id=ident(message_id or said.get("message-id")),
    )
