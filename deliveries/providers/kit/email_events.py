"""What the events of email services have in common: our reference, ids, addresses, reasons, replies."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, Literal, NamedTuple

from deliveries.providers.facts import Act, Fact, Inbound, Report, Unreadable
from deliveries.providers.kit.parsing import LONGEST_ID, FieldReader, json_value, reference
from deliveries.providers.mail.bounce_words import bare_subject, receipt_subject
from deliveries.providers.mail.bounces import mailbox_in, mailbox_of, server_reason
from deliveries.providers.mail.quoted_mail import without_quotes
from deliveries.providers.mail.robots import STOP, is_automatic_answer, is_bare_stop

LABEL = "m"
LONGEST_TEXT = 10_000
HOST = re.compile(r"(?:[\w-]+\.)+[a-z]{2,}", re.IGNORECASE)
UNSPECIFIED = re.compile(r"[245]\.0\.0")  # "other or undefined" is no reason

# The service's own word on whether the same message would fail again.
Lasting = Literal["", "permanent", "temporary"]


# Who opens every mail as it comes in, read or not, by the name of the program that fetched the picture: Gmail's and
# Yahoo's proxies say so, and Apple's Mail Privacy Protection gives a name that says nothing else.
PROXIES = ("googleimageproxy", "yahoomailproxy", "ggpht.com")
APPLE = "mozilla/5.0"


def opened_by_proxy(agent: str) -> bool:
    name = agent.strip().lower()
    return name == APPLE or any(proxy in name for proxy in PROXIES)


class EmailEvent(NamedTuple):
    """An event about one mail of ours: what every fact in it repeats."""

    ref: str
    id: str
    address: str
    at: datetime | None

    def report(
        self, status: str, code: str = "", text: str = "", *servers: Any, lasting: Lasting = ""
    ) -> Report:
        """`servers`: further texts that may name the recipient's mail server."""
        return Report(
            self.ref, self.id, "email", status, code, text, occurred_at=self.at, address=self.address,
            lasting=lasting, mailbox=mailbox(self.address, *servers, text),
        )  # fmt: skip

    def act(
        self, kind: Literal["open", "click", "auto_reply"], text: str = "", *, machine: bool = False
    ) -> Act:
        return Act(kind, self.ref, self.id, "email", self.address, text, self.at, machine)

    def wish(self, opt_out_type: str, text: str) -> Inbound:
        """A person who wants no mail of ours, or wants it again. Raises Unreadable without an address."""
        if not self.address:
            raise Unreadable("address: missing.")
        return Inbound(self.address.lower(), "", "email", text, self.ref, opt_out_type, self.at, self.id)


def ident(given: Any) -> str:
    """A message id as it is stored: without the brackets of a Message-ID header, cut to what the column holds.

    Their first half alone is unique; only the domain at the end can make them long.
    """
    text = str(given) if isinstance(given, str | int) and not isinstance(given, bool) else ""
    return FieldReader(id=text.strip().strip("<>")[:LONGEST_ID]).id("id", required=False)


def labelled(metadata: Any) -> str:
    """Our reference from what was attached to the message, an object or its JSON text; empty when it has none."""
    if isinstance(metadata, str):
        try:
            metadata = json_value(metadata.encode("utf-8", "replace"))
        except Unreadable:
            return ""
    given = metadata.get(LABEL) if isinstance(metadata, Mapping) else None
    return reference(given)


def headed(headers: Any) -> str:
    """Our reference from the header that anymail puts metadata into, where a service has no place for them."""
    listed = [each for each in headers if isinstance(each, dict)] if isinstance(headers, list) else []
    texts = (each.get("value") for each in listed if str(each.get("name")).lower() == "x-metadata")
    return next(filter(None, map(labelled, texts)), "")


def tagged(tags: Any) -> str:
    """Our reference among a message's tags, where a service has nothing else to attach it to."""
    return reference(*tags) if isinstance(tags, list) else ""


def addressed(given: Any) -> str:
    """An address as the event gives it. Raises Unreadable."""
    return FieldReader(address=given).address("address")


def specific(*texts: Any) -> str:
    """The first code in these texts that gives a reason, or says that we were refused; empty when none does."""
    for text in texts:
        code = server_reason(text, mailbox_in(text)) if isinstance(text, str) else ""
        if code and not UNSPECIFIED.fullmatch(code):
            return code
    return ""


def mailbox(address: str, *texts: Any) -> str:
    """The mailbox provider, from the recipient's domain, else from a server named in the texts."""
    named = (host for text in texts if isinstance(text, str) for host in HOST.findall(text[:2_000]))
    return mailbox_of(address.rpartition("@")[2]) or next(filter(None, map(mailbox_of, named)), "")


def replied(
    sender: str,
    recipient: Any,
    subject: str,
    text: str,
    headers: Mapping[str, Any],
    at: datetime | None = None,
    message_id: Any = "",
) -> Iterator[Fact]:
    """What a person wrote to us; of a robot's answer, only that it answered a message of ours. Raises Unreadable.

    Without a text the subject counts: "unsubscribe" is what a mail program's button for it writes there. The subject
    of an answer is ours.
    """
    address = FieldReader(sender=sender).address("sender", required=True).lower()
    fields = {name.lower(): value for name, value in headers.items() if isinstance(value, str)}
    own, (bare, answer) = without_quotes(text, subject), bare_subject(subject)
    own = own or (subject.strip() if not answer or bare.strip(".! ") in STOP else "")
    receipt = receipt_subject(subject)
    if not is_bare_stop(own) and (receipt or is_automatic_answer(fields | {"subject": subject})):
        mail = EmailEvent("", ident(fields.get("in-reply-to")), address, at)
        if mail.id and receipt != "unread":
            yield mail.act("open") if receipt else mail.act("auto_reply", subject, machine=True)
        return
    yield Inbound(
        address,
        addressed(recipient),
        "email",
        own[:LONGEST_TEXT],
        occurred_at=at,
        provider_message_id=ident(message_id or fields.get("message-id")),
    )
