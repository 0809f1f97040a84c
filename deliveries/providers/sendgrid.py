"""Twilio SendGrid. https://www.twilio.com/docs/sendgrid/for-developers/tracking-events/event

Events are read as they come: anymail's view does not tell a block from a hard bounce, and warns with every call
that it is no longer looked after.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any

from anymail.exceptions import AnymailNotSupportedWarning

from deliveries.providers.facts import Call, Fact
from deliveries.providers.kit.anymail_service import AnymailService
from deliveries.providers.kit.email_events import EmailEvent, ident, labelled, specific
from deliveries.providers.kit.parsing import LONGEST_WORD, FieldReader, each, epoch, json_value
from deliveries.providers.kit.signatures import ecdsa, fresh

warnings.filterwarnings("ignore", category=AnymailNotSupportedWarning)

SIGNATURE, TIMESTAMP = "x-twilio-email-event-webhook-signature", "x-twilio-email-event-webhook-timestamp"
# SendGrid tries for a day, and does not say that it signs anew each time. The signature covers the body, and an
# event that comes twice changes nothing.
RETRIED_FOR = timedelta(hours=25)
CLASS = "bounce_classification"
# Classifications that leave the reason open: a code in the server's answer says more.
VAGUE = {"unclassified", "mailbox unavailable", "technical", "technical failure"}


class SendGrid(AnymailService):
    slug = "sendgrid"
    name = "SendGrid"
    backend = "anymail.backends.sendgrid.EmailBackend"
    credential_fields = {"api_key": "API key"}
    optional_fields = {"verification_key": "Verification key of the signed event webhook"}
    proof_field = "verification_key"
    tables = ("sendgrid", "smtp")

    def verify(self, call: Call, credentials: Mapping[str, str]) -> bool:
        key, at = str(credentials.get("verification_key") or ""), call.headers.get(TIMESTAMP, "")
        signed = at.encode("utf-8", "replace") + call.body
        proven = ecdsa(key, call.headers.get(SIGNATURE, ""), signed)
        return proven and fresh(at, call, RETRIED_FOR)

    def parse(self, kind: str, call: Call) -> list[Fact]:
        return each(json_value(call.body), "body", facts)

    def options(self, credentials: Mapping[str, str]) -> dict[str, Any]:
        return {**super().options(credentials), "generate_message_id": False}

    def message_id(self, status: Any) -> str:
        return ident(status.esp_response.headers.get("X-Message-Id"))

    def refusal(self, answer: FieldReader) -> tuple[Any, Any]:
        return "", answer.first_object("errors").get("message")


def facts(event: FieldReader) -> Iterator[Fact]:
    event_type = event.required_str("event")
    mail = EmailEvent(
        labelled(event),
        ident(event.get("sg_message_id")).partition(".")[0],
        event.address("email"),
        epoch(event.get("timestamp")),
    )
    if event_type in ("open", "click"):
        machine = event.get("sg_machine_open") in (True, "true")
        yield mail.act("open" if event_type == "open" else "click", event.text("url"), machine=machine)
    elif event_type == "group_resubscribe":
        yield mail.wish("START", event_type)
    elif mail.id or mail.ref:  # else it is about the account
        text = event.text("reason", "response")
        yield mail.report(event_type, code(event_type, event, text), text)


def code(event_type: str, event: FieldReader, text: str) -> str:
    """Why: SendGrid's own word where it names a reason, else the server's code, else what kind of bounce it was."""
    if event_type == "dropped":
        reason = text.partition(" (")[0]  # "Spam Content (if Spam Checker app enabled)"
        return f"dropped/{reason}" if reason and len(reason) < LONGEST_WORD - len("dropped/") else ""
    if event_type not in ("bounce", "deferred"):
        return ""
    kind, own = event.optional_str(CLASS).lower(), event.prefixed_str("classification/", CLASS)
    if kind and kind not in VAGUE:
        return own
    found = specific(text, event.get("status"))
    if found or event_type == "deferred":
        return found
    return own if own and kind != "unclassified" else event.prefixed_str("bounce/", "type")
