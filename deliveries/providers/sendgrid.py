"""Twilio SendGrid. https://www.twilio.com/docs/sendgrid/for-developers/tracking-events/event

Events are read as they come: anymail's view does not tell a block from a hard bounce, and warns with every call
that it is no longer looked after.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any, Literal

from anymail.exceptions import AnymailNotSupportedWarning

from deliveries.providers.anymail_service import AnymailService
from deliveries.providers.email_events import (
    addressed,
    ident,
    labelled,
    link,
    mailbox,
    resubscribed,
    specific,
)
from deliveries.providers.facts import Act, Call, Fact, Report, Unreadable
from deliveries.providers.proving import ecdsa, fresh
from deliveries.providers.reading import LONGEST_WORD, clean, epoch, json_objects, word

logger = logging.getLogger(__name__)
warnings.filterwarnings("ignore", category=AnymailNotSupportedWarning)

SIGNATURE, TIMESTAMP = "x-twilio-email-event-webhook-signature", "x-twilio-email-event-webhook-timestamp"
# SendGrid tries for a day, and does not say that it signs anew each time. The signature covers the body, and an
# event that comes twice changes nothing.
RETRIED_FOR = timedelta(hours=25)
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
        """An event nobody can read does not cost the others of its batch. Raises Unreadable when none can be read."""
        found: list[Fact] = []
        problem = None
        events = json_objects(call.body)
        for event in events:
            try:
                found.extend(facts(event))
            except Unreadable as spoilt:
                problem = spoilt
                logger.warning("Left out one of %d events from SendGrid: %s", len(events), spoilt)
        if problem and not found:
            raise problem
        return found

    def options(self, credentials: Mapping[str, str]) -> dict[str, Any]:
        return {**super().options(credentials), "generate_message_id": False}

    def message_id(self, status: Any) -> str:
        return ident(status.esp_response.headers.get("X-Message-Id"))

    def reason(self, told: Mapping[str, Any]) -> tuple[str, str]:
        errors = told.get("errors")
        first = errors[0] if isinstance(errors, list) and errors and isinstance(errors[0], dict) else {}
        return "", str(first.get("message") or "")


def facts(event: Mapping[str, Any]) -> Iterator[Fact]:
    said, address = word(event, "event"), addressed(event.get("email"))
    message_id = ident(event.get("sg_message_id")).partition(".")[0]
    ref, at = labelled(event), epoch(event.get("timestamp"))
    if said in ("open", "click"):
        what: Literal["open", "click"] = "open" if said == "open" else "click"
        machine = event.get("sg_machine_open") in (True, "true")
        yield Act(what, ref, message_id, "email", address, link(event.get("url")), at, machine=machine)
    elif said == "group_resubscribe":
        yield resubscribed(address, said, ref, message_id, at)
    elif message_id or ref:  # else it is about the account
        text = clean(str(event.get("reason") or event.get("response") or ""))
        yield Report(
            ref, message_id, "email", said, code(said, event, text), text,
            occurred_at=at, address=address, mailbox=mailbox(address, text),
        )  # fmt: skip


def code(said: str, event: Mapping[str, Any], text: str) -> str:
    """Why: SendGrid's own word where it names a reason, else the server's code, else what kind of bounce it was."""
    if said == "dropped":
        reason = text.partition(" (")[0]  # "Spam Content (if Spam Checker app enabled)"
        return f"dropped/{reason}" if reason and len(reason) < LONGEST_WORD - len("dropped/") else ""
    if said not in ("bounce", "deferred"):
        return ""
    classified = word(event, "bounce_classification", required=False)
    own = f"classification/{classified}" if classified else ""
    if own and classified.lower() not in VAGUE:
        return own
    found = specific(text, event.get("status"))
    if found or said == "deferred":
        return found
    kind = word(event, "type", required=False)
    return own if own and classified.lower() != "unclassified" else f"bounce/{kind}" if kind else ""
