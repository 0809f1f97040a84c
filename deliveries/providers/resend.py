"""Resend. https://resend.com/docs/webhooks/event-types

Events are read as they come: anymail's view calls suppressed and failed messages "unknown" and guesses the reason
of a bounce from its text. Incoming mail is announced without its text, so replies are not read.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from deliveries.providers.facts import Call, Fact
from deliveries.providers.kit.anymail_service import AnymailService
from deliveries.providers.kit.email_events import (
    LABEL,
    EmailEvent,
    Lasting,
    addressed,
    headed,
    ident,
    labelled,
    specific,
)
from deliveries.providers.kit.parsing import LONGEST_WORD, FieldReader, json_object
from deliveries.providers.kit.signatures import sign_standard_webhook, standard_webhook

VAGUE = {"General", "Undetermined", ""}
LASTING: dict[str, Lasting] = {"Permanent": "permanent", "Transient": "temporary"}


class Resend(AnymailService):
    slug = "resend"
    name = "Resend"
    backend = "anymail.backends.resend.EmailBackend"
    credential_fields = {"api_key": "API key"}
    optional_fields = {"signing_secret": "Signing secret of the webhook"}
    proof_field = "signing_secret"
    refuses_replays = True
    tables = ("resend", "smtp")

    def verify(self, call: Call, credentials: Mapping[str, str]) -> bool:
        return standard_webhook(call, str(credentials.get("signing_secret") or ""))

    def sign(self, call: Call, credentials: Mapping[str, str]) -> Call | None:
        return sign_standard_webhook(call, str(credentials.get("signing_secret") or ""))

    def parse(self, kind: str, call: Call) -> list[Fact]:
        return list(facts(json_object(call.body)))

    def label(self, mail: Any, ref: str) -> None:
        """As one of Resend's own tags too: those come back with every event."""
        super().label(mail, ref)
        mail.esp_extra = {"tags": [{"name": LABEL, "value": ref}]}

    def refusal(self, answer: FieldReader) -> tuple[Any, Any]:
        return answer.get("name"), answer.get("message")


def facts(event: FieldReader) -> Iterator[Fact]:
    """One fact. Resend does not say which of several recipients an event is about; we send to one."""
    event_type, data = event.required_str("type"), event.object_at("data")
    if not event_type.startswith("email.") or event_type == "email.received":
        return  # contacts, domains, incoming mail
    sent_to = data["to"] if isinstance(data.get("to"), list) else [data.get("to")]
    alone = len(sent_to) == 1
    mail = EmailEvent(
        our_reference(data) if alone else "",
        ident(data.get("email_id")),
        addressed(sent_to[0]).rpartition("<")[2].rstrip(">") if alone else "",
        event.time("created_at"),
    )
    if event_type in ("email.opened", "email.clicked"):
        yield mail.act(
            "open" if event_type == "email.opened" else "click", data.object_at("click").text("link")
        )
        return
    why = data.object_at("bounce") or data.object_at("suppressed") or data.object_at("failed")
    text, answers = why.text("message", "reason"), why.get("diagnosticCode")
    answers = answers if isinstance(answers, list) else [answers]
    lasting = LASTING.get(str(why.get("type")), "")
    yield mail.report(event_type, code(data, text, answers), text, *answers, lasting=lasting)


def code(data: FieldReader, text: str, answers: list[Any]) -> str:
    """Why: Resend's types, or the server's code where they leave the reason open. Raises Unreadable."""
    bounce, suppressed, failed = (data.object_at(name) for name in ("bounce", "suppressed", "failed"))
    if suppressed:
        return suppressed.prefixed_str("suppressed/", "type")
    if failed:
        why = failed.text("reason")
        return f"failed/{why}"[:LONGEST_WORD] if why.isidentifier() else ""
    kind, subtype = bounce.optional_str("type"), bounce.optional_str("subType")
    if not kind:  # as it was before Resend reported the types
        return "Permanent/Suppressed" if "suppressed sending" in text else ""
    found = specific(*answers) if subtype in VAGUE else ""
    return found or f"{kind}/{subtype or 'General'}"


def our_reference(data: FieldReader) -> str:
    """From our tag, else from the header that anymail put our metadata into."""
    tags = data.get("tags")
    if isinstance(tags, list):
        tags = {str(tag.get("name")): tag.get("value") for tag in tags if isinstance(tag, dict)}
    return labelled(tags) or headed(data.get("headers"))
