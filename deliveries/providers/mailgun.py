"""Mailgun. https://documentation.mailgun.com/docs/mailgun/user-manual/events/events

Events are read as they come: anymail's view calls a suppressed message "bounced", though it was never sent, and
needs the message's headers in every event. Replies come from a route that forwards to our address.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import timedelta
from email.utils import parseaddr

from deliveries.providers.facts import Call, Fact, Unreadable
from deliveries.providers.kit.anymail_service import AnymailService, request_of
from deliveries.providers.kit.email_events import (
    LABEL,
    EmailEvent,
    addressed,
    ident,
    labelled,
    opened_by_proxy,
    replied,
    specific,
)
from deliveries.providers.kit.parsing import FieldReader, epoch, is_json, json_object
from deliveries.providers.kit.signatures import fresh, hmac_hex, same
from deliveries.providers.mail.mail_reading import read
from deliveries.providers.mail.quoted_mail import own_words

# The signature does not cover the body, so it must not be good for long; but Mailgun asks to be patient with
# delays of its own.
TOLERANCE = timedelta(hours=1)
# Reasons that leave it open: the receiving server's code says more.
VAGUE = {"", "bounce", "generic", "delayed-bounce"}
GIVEN_UP = frozenset({"bounced", "dropped"})  # by webhooks of the old kind
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
            signed_fields = (
                json_object(call.body).object_at("signature") if is_json(call) else fields_of(call)
            )
            at, token, given = (
                signed_fields.required_str(name) for name in ("timestamp", "token", "signature")
            )
        except Unreadable:
            return False
        made = hmac_hex(key, f"{at}{token}".encode("utf-8", "replace"))
        return bool(key) and same(made, given) and fresh(at, call, TOLERANCE)

    def sign(self, call: Call, credentials: Mapping[str, str]) -> Call | None:
        """Mailgun signs a time and a token, and puts both into the body."""
        key, at = str(credentials.get("webhook_signing_key") or ""), str(int(call.at.timestamp()))
        if not key:
            return None
        proof = {"timestamp": at, "token": at, "signature": hmac_hex(key, f"{at}{at}".encode())}
        headers = {**call.headers, "content-type": "application/json"}
        return call._replace(headers=headers, body=json.dumps({"signature": proof}).encode())

    def parse(self, kind: str, call: Call) -> list[Fact]:
        if kind == "inbound":
            return list(inbound(fields_of(call)))
        event = json_object(call.body).object_at("event-data") if is_json(call) else as_event(fields_of(call))
        return list(facts(event))


def fields_of(call: Call) -> FieldReader:
    """The fields of a form, in parts when there are attachments. Raises Unreadable."""
    try:
        return FieldReader(request_of(call).POST.dict())
    except Exception as problem:  # Django's readers of forms have many ways to say that it is none
        raise Unreadable("body: not a form.") from problem


def as_event(fields: FieldReader) -> FieldReader:
    """The event that a webhook of the old kind tells in a form, as the new kind would.

    Whatever was attached to the message stands among its fields under its own name.
    """
    event_type = fields.required_str("event").lower()
    reason = fields.optional_str("reason").lower()
    status = {"code": fields.get("code"), "message": fields.text("error", "notification", "description")}
    return FieldReader(
        {
            "event": "failed" if event_type in GIVEN_UP else event_type,
            "severity": "permanent",
            "reason": reason if reason == "old" else "",
            "recipient": fields.get("recipient"),
            "timestamp": fields.get("timestamp"),
            "url": fields.get("url"),
            "user-variables": {LABEL: fields.get(LABEL)},
            "message": {"headers": {"message-id": fields.text("Message-Id", "message-id")}},
            "delivery-status": status,
        }
    )


def facts(event: FieldReader) -> Iterator[Fact]:
    event_type = event.required_str("event")
    if event_type == "stored" or event.object_at("flags").get("is-test-mode") is True:
        return  # incoming mail, or a message that was never meant to be sent
    headers, status = event.object_at("message", "headers"), event.object_at("delivery-status")
    mail = EmailEvent(
        labelled(event.get("user-variables")),
        ident(headers.get("message-id")),
        addressed(event.get("recipient") or parseaddr(headers.text("to"))[1]),
        epoch(event.get("timestamp")),
    )
    if event_type in ("opened", "clicked"):
        client, opened = event.object_at("client-info"), event_type == "opened"
        machine = bool(client.get("bot")) or (opened and opened_by_proxy(client.text("user-agent")))
        yield mail.act("open" if opened else "click", event.text("url"), machine=machine)
        return
    text = status.text("message", "description") or event.object_at("reject").text("reason")
    reason = code(event, status, text) if event_type == "failed" or event_type.endswith("_fail") else ""
    severity = event.optional_str("severity") if event_type == "failed" else ""
    yield mail.report(
        f"{event_type}/{severity}" if severity else event_type, reason, text, status.get("mx-host")
    )


def code(event: FieldReader, status: FieldReader, text: str) -> str:
    """Why: Mailgun's own reason or code where it names one, else the server's code."""
    if event.optional_str("reason") not in VAGUE:
        return event.prefixed_str("reason/", "reason")
    if status.optional_str("code") in OWN_CODES:
        return status.prefixed_str("code/", "code")
    found = specific(status.get("enhanced-code"), text, status.get("description"), status.get("bounce-code"))
    return found or event.prefixed_str("reason/", "reason")


def inbound(fields: FieldReader) -> Iterator[Fact]:
    """A reply that a route forwarded, taken apart by Mailgun or, to an address that ends in `mime`, as it came."""
    whole = fields.text("body-mime")
    mail = read(whole.encode("utf-8", "surrogateescape")) if whole else None
    yield from replied(
        parseaddr(fields.text("from", "From"))[1]
        or fields.address("sender")
        or (mail.sender if mail else ""),
        fields.address("recipient"),
        fields.text("subject") or (mail.headers.get("subject", "") if mail else ""),
        fields.text("stripped-text", "body-plain") or (own_words(mail) if mail else ""),
        {**(mail.headers if mail else {}), **fields},
        epoch(fields.get("timestamp")),
    )
