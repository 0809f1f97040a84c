"""Amazon SES, its events through SNS. https://docs.aws.amazon.com/ses/latest/dg/event-publishing-retrieving-sns-contents.html

Events are read as they come: anymail's view wants every field to be there, calls a delay or a changed subscription
"unknown", and every bounce the same. A topic may also post without the envelope ("raw message delivery").
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

from anymail.exceptions import AnymailAPIError
from botocore.exceptions import ClientError, HTTPClientError
from botocore.exceptions import ConnectionError as NotConnected

from deliveries.providers.facts import Call, Fact, LostAnswer, SendResult, Unreadable
from deliveries.providers.kit import sns
from deliveries.providers.kit.anymail_service import CONNECT, READ, AnymailService
from deliveries.providers.kit.client import HttpAnswer
from deliveries.providers.kit.email_events import (
    LABEL,
    EmailEvent,
    Lasting,
    addressed,
    headed,
    ident,
    specific,
    tagged,
)
from deliveries.providers.kit.http import not_reached, refused, weighed
from deliveries.providers.kit.parsing import FieldReader, iso, json_object
from deliveries.providers.kit.signatures import url_secret

# Where a type of event tells its own things, when not under its name in lower case.
BLOCKS = {"Rendering Failure": "failure", "DeliveryDelay": "deliveryDelay"}
NAMED = {
    "Bounce": "bouncedRecipients",
    "Complaint": "complainedRecipients",
    "DeliveryDelay": "delayedRecipients",
}
VAGUE = {"General", "Undetermined", ""}  # subtypes that name no reason
# Complaints that are none, or about mail that was never sent: words of their own in the code table.
NO_COMPLAINTS = {"not-spam", "auth-failure", "OnAccountSuppressionList"}
LASTING: dict[str, Lasting] = {"Permanent": "permanent", "Transient": "temporary"}
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
        event = json_object(call.body)
        at = event.get("Timestamp")
        if "Type" in event:
            text = event.text("Message") if event["Type"] == "Notification" else ""
            if not text or text.startswith("Successfully validated SNS topic"):
                return []
            event = json_object(text.encode())
        return list(facts(event, at))

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

    def failed(self, problem: AnymailAPIError) -> SendResult:
        cause = problem.__cause__
        if isinstance(cause, NotConnected):
            return not_reached(cause)
        if isinstance(cause, HTTPClientError) or cause is None:
            raise LostAnswer(str(problem)) from problem
        if not isinstance(cause, ClientError):
            return refused("unsendable", cause)  # the client refused to make a request of it
        error, meta = cause.response.get("Error", {}), cause.response.get("ResponseMetadata", {})
        busy = error.get("Code") in BUSY
        answer = weighed(HttpAnswer(429 if busy else int(meta.get("HTTPStatusCode") or 400), {}))
        return answer if isinstance(answer, SendResult) else refused(error.get("Code"), error.get("Message"))


@lru_cache(maxsize=8)
def client_for(credentials: tuple[tuple[str, str], ...]) -> Any:
    """An open connection for an account: making one takes a tenth of a second, and threads may share it."""
    backend = AnymailService.connection(AmazonSes(), dict(credentials))
    backend.open()
    return backend


# ---- the events ------------------------------------------------------------------------------------------


def facts(event: FieldReader, received: Any) -> Iterator[Fact]:
    """One per recipient: of those it names, else of those the message went to."""
    event_type = event.required_str("eventType", "notificationType")
    if event_type == "Received":
        return  # incoming mail
    mail, block = event.object_at("mail"), event.object_at(BLOCKS.get(event_type, event_type.lower()))
    sent_to = addresses(mail.get("destination"))
    ref = our_reference(mail) if len(sent_to) <= 1 else ""
    at = block.time("timestamp") or mail.time("timestamp") or iso(received)
    for address, about in recipients(event_type, block) or [
        (address, FieldReader()) for address in sent_to or [""]
    ]:
        mail_event = EmailEvent(ref, ident(mail.get("messageId")), address, at)
        if event_type in ("Open", "Click"):
            yield mail_event.act("open" if event_type == "Open" else "click", block.text("link"))
        elif event_type == "Subscription" and (again := subscribed_again(block)):
            yield mail_event.wish("START", again)
        else:
            lasting = LASTING.get(str(block.get("bounceType")), "")
            yield mail_event.report(
                *words(event_type, block, about), block.get("reportingMTA"), lasting=lasting
            )


def words(event_type: str, block: FieldReader, about: FieldReader) -> tuple[str, str, str]:
    """The status, the code and the text of the code table's entry. Raises Unreadable."""
    if event_type == "Bounce":
        status = "Bounce/delayed" if about.get("action") == "delayed" else "Bounce"
        kind, reason = block.optional_str("bounceType"), block.optional_str("bounceSubType")
        own = f"{kind}/{reason or 'General'}" if kind else ""
        return status, server_code(about, reason) or own, about.text("diagnosticCode")
    if event_type == "DeliveryDelay":
        own = block.prefixed_str("DeliveryDelay/", "delayType")
        return (
            event_type,
            server_code(about, block.optional_str("delayType")) or own,
            about.text("diagnosticCode"),
        )
    if event_type == "Complaint":
        code = block.prefixed_str("Complaint/", "complaintSubType", "complaintFeedbackType")
        none = code.removeprefix("Complaint/") in NO_COMPLAINTS
        return (code if none else event_type), code, block.text("userAgent")
    if event_type == "Subscription" and left(block):
        return "Subscription/unsubscribed", "", ""
    return event_type, "", block.text("reason", "errorMessage", "smtpResponse")


def server_code(about: FieldReader, reason: str) -> str:
    """The code of the recipient's server, where Amazon's own reason leaves it open."""
    return specific(about.get("diagnosticCode"), about.get("status")) if reason in VAGUE else ""


def recipients(event_type: str, block: FieldReader) -> list[tuple[str, FieldReader]]:
    """Those an event names, each with what it says about them."""
    if event_type == "Delivery":
        return [(address, FieldReader()) for address in addresses(block.get("recipients"))]
    return [(each.address("emailAddress"), each) for each in block.objects(NAMED.get(event_type, ""))]


def our_reference(mail: FieldReader) -> str:
    """From the message tags, else from the header that anymail put our metadata into."""
    return tagged(mail.object_at("tags").get(LABEL)) or headed(mail.get("headers"))


def topics(block: FieldReader, name: str) -> dict[str, Any]:
    """Status by topic, and that of all together under ''."""
    preferences = block.object_at(name)
    listed = preferences.objects("topicSubscriptionStatus")
    by_name = {str(each.get("topicName")): each.get("subscriptionStatus") for each in listed}
    return {**by_name, "": "OptOut" if preferences.get("unsubscribeAll") is True else "OptIn"}


def left(block: FieldReader) -> bool:
    """Whether the person left a topic, or all of them."""
    old, new = topics(block, "oldTopicPreferences"), topics(block, "newTopicPreferences")
    return any(status == "OptOut" and old.get(topic) != "OptOut" for topic, status in new.items())


def subscribed_again(block: FieldReader) -> str:
    """What they came back to; empty when they left something, too."""
    old, new = topics(block, "oldTopicPreferences"), topics(block, "newTopicPreferences")
    back = [name or "everything" for name, s in new.items() if s == "OptIn" and old.get(name) == "OptOut"]
    return f"Subscribed to {', '.join(back)}" if back and not left(block) else ""


def addresses(value: Any) -> list[str]:
    """A list of addresses as the event gives them; none for a missing one. Raises Unreadable."""
    if value is None:
        return []
    if not isinstance(value, list):
        raise Unreadable("recipients: not a list.")
    return [addressed(each) for each in value]
