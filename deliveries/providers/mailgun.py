"""Mailgun. https://documentation.mailgun.com/docs/mailgun/user-manual/events/events

Events are read as they come: anymail's view calls a suppressed message "bounced", though it was never sent, and
needs the message's headers in every event. Replies come from a route that forwards to our address.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import timedelta
from email.utils import parseaddr
from typing import Any, Literal

from deliveries.providers.anymail_service import AnymailService, request_of
from deliveries.providers.email_events import addressed, ident, labelled, link, mailbox, replied, specific
from deliveries.providers.facts import Act, Call, Fact, Report, Unreadable
from deliveries.providers.proving import fresh, hmac_hex, same
from deliveries.providers.reading import clean, epoch, inside, is_json, json_object, word

# The signature does not cover the body, so it must not be good for long; but Mailgun asks to be patient with
# delays of its own.
TOLERANCE = timedelta(hours=1)
# Reasons that leave it open: the receiving server's code says more.
VAGUE = {"", "bounce", "generic", "delayed-bounce"}
OWN_CODES = {"498", "499", "605", "606", "607"}


class Mailgun(AnymailService):
    slug = "mailgun"
    name = "Mailgun"
    backend = "anymail.backends.mailgun.EmailBackend"
    credential_fields = {"api_key": "API key", "sender_domain": "Sending domain"}
    optional_fields = {
        "webhook_signing_key": "HTTP webhook signing key",
        "api_url": "API address, when not the one in the US",
    }
    send_options = frozenset({"api_url"})
    proof_field = "webhook_signing_key"
    kinds = frozenset({"status", "inbound"})
    refuses_replays = True
    signs_body = False
    tables = ("mailgun", "smtp")

    def verify(self, call: Call, credentials: Mapping[str, str]) -> bool:
        key = str(credentials.get("webhook_signing_key") or "")
        try:
            told = inside(json_object(call.body), "signature") if is_json(call) else fields_of(call)
            at, token, given = (word(told, name) for name in ("timestamp", "token", "signature"))
        except Unreadable:
            return False
        made = hmac_hex(key, f"{at}{token}".encode("utf-8", "replace"))
        return bool(key) and same(made, given) and fresh(at, call, TOLERANCE)

    def parse(self, kind: str, call: Call) -> list[Fact]:
        if kind == "inbound":
            return list(inbound(fields_of(call)))
        return list(facts(inside(json_object(call.body), "event-data")))


def fields_of(call: Call) -> dict[str, str]:
    """The fields of a form, in parts when there are attachments. Raises Unreadable."""
    try:
        return {str(name): str(value) for name, value in request_of(call).POST.items()}
    except Exception as problem:  # Django's readers of forms have many ways to say that it is none
        raise Unreadable("body: not a form.") from problem


def facts(event: Mapping[str, Any]) -> Iterator[Fact]:
    said = word(event, "event")
    headers, status = inside(event, "message", "headers"), inside(event, "delivery-status")
    if said == "stored" or inside(event, "flags").get("is-test-mode") is True:
        return  # incoming mail, or a message that was never meant to be sent
    message_id, ref = ident(headers.get("message-id")), labelled(event.get("user-variables"))
    at = epoch(event.get("timestamp"))
    address = addressed(event.get("recipient") or parseaddr(str(headers.get("to") or ""))[1])
    if said in ("opened", "clicked"):
        what: Literal["open", "click"] = "open" if said == "opened" else "click"
        machine = bool(inside(event, "client-info").get("bot"))
        yield Act(what, ref, message_id, "email", address, link(event.get("url")), at, machine=machine)
        return
    text = str(
        status.get("message") or status.get("description") or inside(event, "reject").get("reason") or ""
    )
    severity = word(event, "severity", required=False)
    yield Report(
        ref, message_id, "email", f"{said}/{severity}" if said == "failed" and severity else said,
        code(event, status, text) if said == "failed" or said.endswith("_fail") else "",
        clean(text), occurred_at=at, address=address, mailbox=mailbox(address, status.get("mx-host"), text),
    )  # fmt: skip


def code(event: Mapping[str, Any], status: Mapping[str, Any], text: str) -> str:
    """Why: Mailgun's own reason or code where it names one, else the server's code."""
    reason, own = word(event, "reason", required=False), word(status, "code", required=False)
    if reason not in VAGUE:
        return f"reason/{reason}"
    if own in OWN_CODES:
        return f"code/{own}"
    found = specific(status.get("enhanced-code"), text, status.get("description"), status.get("bounce-code"))
    return found or (f"reason/{reason}" if reason else "")


def inbound(fields: Mapping[str, str]) -> Iterator[Fact]:
    """A reply that a route forwarded."""
    yield from replied(
        parseaddr(fields.get("from") or fields.get("From") or "")[1] or fields.get("sender", ""),
        fields.get("recipient", ""),
        fields.get("subject", ""),
        fields.get("stripped-text") or fields.get("body-plain", ""),
        {name: fields.get(name, "") for name in ("Auto-Submitted", "In-Reply-To", "Message-Id")},
        epoch(fields.get("timestamp")),
    )
