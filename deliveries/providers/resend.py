"""Resend. https://resend.com/docs/webhooks/event-types

Events are read as they come: anymail's view calls suppressed and failed messages "unknown" and guesses the reason
of a bounce from its text. Incoming mail is announced without its text, so replies are not read.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal

from deliveries.providers.anymail_service import AnymailService
from deliveries.providers.email_events import (
    LABEL,
    addressed,
    headed,
    ident,
    labelled,
    link,
    mailbox,
    specific,
)
from deliveries.providers.facts import Act, Call, Fact, Report
from deliveries.providers.proving import standard_webhook
from deliveries.providers.reading import LONGEST_WORD, clean, inside, iso, json_object, word

VAGUE = {"General", "Undetermined", ""}
LASTING: dict[str, Literal["permanent", "temporary"]] = {"Permanent": "permanent", "Transient": "temporary"}


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

    def parse(self, kind: str, call: Call) -> list[Fact]:
        return list(facts(json_object(call.body)))

    def label(self, mail: Any, ref: str) -> None:
        """As one of Resend's own tags too: those come back with every event."""
        super().label(mail, ref)
        mail.esp_extra = {"tags": [{"name": LABEL, "value": ref}]}

    def reason(self, told: Mapping[str, Any]) -> tuple[str, str]:
        return str(told.get("name") or ""), str(told.get("message") or "")


def facts(event: Mapping[str, Any]) -> Iterator[Fact]:
    """One fact. Resend does not say which of several recipients an event is about; we send to one."""
    said, data = word(event, "type"), inside(event, "data")
    if not said.startswith("email.") or said == "email.received":
        return  # contacts, domains, incoming mail
    sent_to = data.get("to")
    sent_to = sent_to if isinstance(sent_to, list) else [sent_to]
    address = addressed(sent_to[0] if len(sent_to) == 1 else None).rpartition("<")[2].rstrip(">")
    ref = our_reference(data) if len(sent_to) == 1 else ""
    message_id, at = ident(data.get("email_id")), iso(event.get("created_at"))
    if said in ("email.opened", "email.clicked"):
        what: Literal["open", "click"] = "open" if said == "email.opened" else "click"
        yield Act(what, ref, message_id, "email", address, link(inside(data, "click").get("link")), at)
        return
    bounce, suppressed, failed = (inside(data, name) for name in ("bounce", "suppressed", "failed"))
    text = str(bounce.get("message") or suppressed.get("message") or failed.get("reason") or "")
    answers = bounce.get("diagnosticCode")
    answers = answers if isinstance(answers, list) else [answers]
    yield Report(
        ref, message_id, "email", said, code(bounce, suppressed, failed, text, answers), clean(text),
        occurred_at=at, address=address, mailbox=mailbox(address, *answers),
        lasting=LASTING.get(str(bounce.get("type")), ""),
    )  # fmt: skip


def code(
    bounce: Mapping[str, Any],
    suppressed: Mapping[str, Any],
    failed: Mapping[str, Any],
    text: str,
    answers: list[Any],
) -> str:
    """Why: Resend's types, or the server's code where they leave the reason open. Raises Unreadable."""
    if suppressed:
        reason = word(suppressed, "type", required=False)
        return f"suppressed/{reason}" if reason else ""
    if failed:
        why = failed.get("reason")
        return f"failed/{why}"[:LONGEST_WORD] if isinstance(why, str) and why.isidentifier() else ""
    kind, subtype = word(bounce, "type", required=False), word(bounce, "subType", required=False)
    if not kind:  # as it was before Resend told the types
        return "Permanent/Suppressed" if "suppressed sending" in text else ""
    found = specific(*answers) if subtype in VAGUE else ""
    return found or f"{kind}/{subtype or 'General'}"


def our_reference(data: Mapping[str, Any]) -> str:
    """From our tag, else from the header that anymail put our metadata into."""
    tags = data.get("tags")
    if isinstance(tags, list):
        tags = {str(tag.get("name")): tag.get("value") for tag in tags if isinstance(tag, dict)}
    return labelled(tags) or headed(data.get("headers"))
