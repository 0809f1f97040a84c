"""Amazon SES, its events through SNS. https://docs.aws.amazon.com/ses/latest/dg/event-publishing-retrieving-sns-contents.html

Events are read as they come: anymail's view wants every field to be there, calls a delay or a changed subscription
"unknown", and every bounce the same. A topic may also post without the envelope ("raw message delivery").
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any, Literal

import httpx
from anymail.exceptions import AnymailAPIError
from botocore.exceptions import ClientError, HTTPClientError
from botocore.exceptions import ConnectionError as NotConnected

from deliveries.providers import sns
from deliveries.providers.anymail_service import CONNECT, READ, AnymailService, refusal
from deliveries.providers.email_events import (
    LABEL,
    addressed,
    headed,
    ident,
    labelled,
    link,
    mailbox,
    resubscribed,
    specific,
)
from deliveries.providers.facts import Act, Call, Fact, Handover, LostAnswer, Report, Unreadable
from deliveries.providers.handing_over import OUTAGE_WAIT, weighed
from deliveries.providers.proving import url_secret
from deliveries.providers.reading import clean, inside, iso, json_object, objects, word

BLOCKS = {
    "Rendering Failure": "failure",
    "DeliveryDelay": "deliveryDelay",
}  # of the other types, the name in lower case
VAGUE = {"General", "Undetermined", ""}  # subtypes that name no reason
# Complaints that are none, or about mail that was never sent: words of their own in the code table.
NO_COMPLAINTS = {"not-spam", "auth-failure", "OnAccountSuppressionList"}
BUSY = {"TooManyRequestsException", "ThrottlingException", "Throttling", "LimitExceededException"}


class AmazonSes(AnymailService):
    slug = "amazon_ses"
    name = "Amazon SES"
    backend = "anymail.backends.amazon_ses.EmailBackend"
    credential_fields = {
        "access_key_id": "Access key ID",
        "secret_access_key": "Secret access key",
        "region": "Region",
    }
    optional_fields = {
        "configuration_set": "Configuration set that publishes events",
        "topic_arn": "ARNs of the SNS topics whose signed messages are ours",
        "url_secret": "Secret in the callback address",
    }
    proof_field = "url_secret"
    signs_body = False
    tables = ("amazon_ses", "smtp")

    # ---- receiving ---------------------------------------------------------------------------------------

    def verify(self, call: Call, credentials: Mapping[str, str]) -> bool:
        """By our secret, or by Amazon's signature for a topic of ours. Raises Uncheckable."""
        topics = str(credentials.get("topic_arn") or "").replace(",", " ").split()
        return url_secret(call, credentials) or sns.signed(call.body, topics)

    def parse(self, kind: str, call: Call) -> list[Fact]:
        """What an event says. The confirmation of a subscription (`sns.subscription`) is no event."""
        told = json_object(call.body)
        at = told.get("Timestamp")
        if "Type" in told:
            if told["Type"] != "Notification":
                return []
            text = told.get("Message")
            if not isinstance(text, str) or text.startswith("Successfully validated SNS topic"):
                return []
            told = json_object(text.encode("utf-8", "replace"))
        return list(facts(told, at))

    def confirmation(self, call: Call) -> str:
        try:
            return sns.subscription(call.body)
        except Unreadable:
            return ""

    # ---- sending -----------------------------------------------------------------------------------------

    def label(self, mail: Any, ref: str) -> None:
        """As a message tag too: identity notifications repeat the headers, event publishing the tags."""
        super().label(mail, ref)
        mail.esp_extra = {"EmailTags": [{"Name": LABEL, "Value": ref}]}

    def options(self, credentials: Mapping[str, str]) -> dict[str, Any]:
        """One attempt only: the client's own retries would send a message again whose answer was lost."""
        network = {"connect_timeout": CONNECT, "read_timeout": READ, "retries": {"total_max_attempts": 1}}
        return {
            "session_params": {
                "aws_access_key_id": credentials["access_key_id"],
                "aws_secret_access_key": credentials["secret_access_key"],
                "region_name": credentials["region"],
            },
            "client_params": {"config": network},
            "configuration_set_name": credentials.get("configuration_set") or None,
        }

    def connection(self, credentials: Mapping[str, str]) -> Any:
        names = (*self.credential_fields, "configuration_set")
        return client_for(tuple((name, str(credentials.get(name) or "")) for name in names))

    def failed(self, problem: AnymailAPIError) -> Handover:
        cause = problem.__cause__
        if isinstance(cause, NotConnected):
            return Handover(False, native_text=f"Not reached: {cause}"[:300], retry_after=OUTAGE_WAIT)
        if isinstance(cause, HTTPClientError) or cause is None:
            raise LostAnswer(str(problem)) from problem
        if not isinstance(cause, ClientError):
            return refusal("unsendable", str(cause))  # the client refused to make a request of it
        told, meta = cause.response.get("Error", {}), cause.response.get("ResponseMetadata", {})
        code, status = str(told.get("Code") or ""), int(meta.get("HTTPStatusCode") or 400)
        answer = weighed(httpx.Response(429 if code in BUSY else status))
        return answer if isinstance(answer, Handover) else refusal(code, str(told.get("Message") or ""))


@lru_cache(maxsize=8)
def client_for(credentials: tuple[tuple[str, str], ...]) -> Any:
    """An open connection for an account: making one takes a tenth of a second, and threads may share it."""
    backend = AnymailService.connection(AmazonSes(), dict(credentials))
    backend.open()
    return backend


# ---- the events ------------------------------------------------------------------------------------------


def facts(event: Mapping[str, Any], received: Any) -> Iterator[Fact]:
    """One per recipient: of those it names, else of those the message went to."""
    said = word(event, "eventType", "notificationType")
    if said == "Received":
        return  # incoming mail
    mail = inside(event, "mail")
    block = inside(event, BLOCKS.get(said, said.lower()))
    sent_to = strings(mail.get("destination"))
    ref = our_reference(mail) if len(sent_to) <= 1 else ""
    message_id = ident(mail.get("messageId"))
    at = iso(block.get("timestamp")) or iso(mail.get("timestamp")) or iso(received)
    for address, about in recipients(said, block) or [(address, {}) for address in sent_to or [""]]:
        if said in ("Open", "Click"):
            what: Literal["open", "click"] = "open" if said == "Open" else "click"
            yield Act(what, ref, message_id, "email", address, link(block.get("link")), at)
        elif said == "Subscription" and (again := subscribed_again(block)):
            yield resubscribed(address, again, ref, message_id, at)
        else:
            status, code, text = words(said, block, about)
            yield Report(
                ref, message_id, "email", status, code, clean(text),
                occurred_at=at, address=address, mailbox=mailbox(address, text, block.get("reportingMTA")),
                lasting=lasting(said, block),
            )  # fmt: skip


def words(said: str, block: Mapping[str, Any], about: Mapping[str, Any]) -> tuple[str, str, str]:
    """The status, the code and the text of the code table's entry. Raises Unreadable."""
    text = next((str(block[n]) for n in ("reason", "errorMessage", "smtpResponse") if block.get(n)), "")
    if said == "Bounce":
        text = str(about.get("diagnosticCode") or "")
        status = "Bounce/delayed" if about.get("action") == "delayed" else "Bounce"
        kind, reason = (word(block, name, required=False) for name in ("bounceType", "bounceSubType"))
        found = specific(text, about.get("status")) if reason in VAGUE else ""
        return status, found or (f"{kind}/{reason or 'General'}" if kind else ""), text
    if said == "DeliveryDelay":
        text = str(about.get("diagnosticCode") or "")
        reason = word(block, "delayType", required=False)
        found = specific(text, about.get("status")) if reason in VAGUE else ""
        return said, found or (f"DeliveryDelay/{reason}" if reason else ""), text
    if said == "Complaint":
        reason = word(block, "complaintSubType", "complaintFeedbackType", required=False)
        code = f"Complaint/{reason}" if reason else ""
        return (code if reason in NO_COMPLAINTS else said), code, str(block.get("userAgent") or "")
    if said == "Subscription" and left(block):
        return "Subscription/unsubscribed", "", ""
    return said, "", text


def recipients(said: str, block: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any]]]:
    """Those an event names, each with what it says about them."""
    if said == "Delivery":
        return [(address, {}) for address in strings(block.get("recipients"))]
    name = {"Bounce": "bounced", "Complaint": "complained", "DeliveryDelay": "delayed"}.get(said, "")
    listed = objects(block.get(f"{name}Recipients"), f"{name}Recipients") if name else []
    return [(addressed(each.get("emailAddress")), each) for each in listed]


def lasting(said: str, block: Mapping[str, Any]) -> Literal["", "permanent", "temporary"]:
    kind = block.get("bounceType") if said == "Bounce" else ""
    return "permanent" if kind == "Permanent" else "temporary" if kind == "Transient" else ""


def our_reference(mail: Mapping[str, Any]) -> str:
    """From the message tags, else from the header that anymail put our metadata into."""
    tags = mail.get("tags")
    values = strings(tags.get(LABEL)) if isinstance(tags, dict) else []
    return next(filter(None, (labelled({LABEL: value}) for value in values)), "") or headed(
        mail.get("headers")
    )


def topics(block: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Status by topic, and that of all together under ''."""
    told = inside(block, name)
    listed = objects(told.get("topicSubscriptionStatus"), "topicSubscriptionStatus")
    by_name = {str(each.get("topicName")): each.get("subscriptionStatus") for each in listed}
    return {**by_name, "": "OptOut" if told.get("unsubscribeAll") is True else "OptIn"}


def left(block: Mapping[str, Any]) -> bool:
    """Whether the person left a topic, or all of them."""
    old, new = topics(block, "oldTopicPreferences"), topics(block, "newTopicPreferences")
    return any(status == "OptOut" and old.get(topic) != "OptOut" for topic, status in new.items())


def subscribed_again(block: Mapping[str, Any]) -> str:
    """What they came back to; empty when they left something, too."""
    old, new = topics(block, "oldTopicPreferences"), topics(block, "newTopicPreferences")
    back = [name or "everything" for name, s in new.items() if s == "OptIn" and old.get(name) == "OptOut"]
    return f"Subscribed to {', '.join(back)}" if back and not left(block) else ""


def strings(told: Any) -> list[str]:
    """A list of addresses as told. Raises Unreadable."""
    if told is None:
        return []
    if not isinstance(told, list):
        raise Unreadable("recipients: not a list.")
    return [addressed(each) for each in told]
