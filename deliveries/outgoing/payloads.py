"""What is sent: from what was written down when it happened to the body of a call, for each endpoint that asks for it.

One process at a time does it, in order, so that of two events about one message the earlier has its rows first.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from django.db import connection, transaction

from contacts.models import Contact
from contacts.phones import concealed, mask
from deliveries.models import PING, Bookmark, Message, WebhookDelivery, WebhookEndpoint, WebhookEvent

NAME = "webhooks"  # of the bookmark that lets one process do it at a time
AT_ONCE = 500
FREE_TEXT = ("text", "reason", "sentence")  # of people, or with what a provider said


def hand_out(now: datetime) -> int:
    """Make a delivery of the oldest events for each endpoint that asks for them; how many events there were."""
    if not WebhookEvent.objects.exists():
        return 0
    skip = connection.features.has_select_for_update_skip_locked
    Bookmark.objects.get_or_create(name=NAME, defaults={"at": now})
    with transaction.atomic():
        if not Bookmark.objects.select_for_update(skip_locked=skip).filter(name=NAME).exists():
            return 0
        events = list(WebhookEvent.objects.order_by("pk")[:AT_ONCE])
        active = list(WebhookEndpoint.objects.filter(disabled_at=None).defer("secret"))
        whole = {one.pk for one in active if one.shows_whole}
        rows = list(_rows(events, active, whole, now))
        WebhookDelivery.objects.bulk_create(rows, batch_size=AT_ONCE)
        WebhookEvent.objects.filter(pk__in=[event.pk for event in events]).delete()
    return len(events)


def _rows(
    events: Sequence[WebhookEvent], active: Sequence[WebhookEndpoint], whole: set[int], now: datetime
) -> Iterator[WebhookDelivery]:
    ids = {event.message_id for event in events if event.message_id}
    found = Message.objects.filter(pk__in=ids).select_related("address", "campaign")
    messages = {one.pk: one for one in found}
    people = {event.contact_id for event in events if event.contact_id}
    people |= {one.contact_id for one in messages.values()}
    called = dict(Contact.objects.filter(pk__in=people).values_list("pk", "external_id"))
    for event in events:
        message = messages.get(event.message_id or 0)
        contact_id = message.contact_id if message else event.contact_id
        facts = {**_facts(message), **event.data}
        if contact_id is not None:
            facts |= {"contact_id": contact_id, "external_id": called.get(contact_id, "")}
        for endpoint in active:
            if event.kind in endpoint.kinds:
                shown = facts if endpoint.pk in whole else without_addresses(facts)
                yield WebhookDelivery(
                    endpoint=endpoint,
                    kind=event.kind,
                    subject=event.subject,
                    contact_id=contact_id,
                    created_at=now,
                    next_at=now,
                    body=body(event.kind, event.at, shown),
                )


def _facts(message: Message | None) -> dict[str, Any]:
    if message is None:
        return {}
    return {
        "message_id": message.pk,
        "message": str(message.uuid),
        "campaign_id": message.campaign_id,
        "campaign": message.campaign.slug,
        "recipient_id": message.recipient_id,
        "channel": message.channel,
        "attempt": message.attempt,
        "address": message.address.value,
    }


def without_addresses(facts: Mapping[str, Any]) -> dict[str, Any]:
    """The same with its address masked, and whatever stands in free text and looks like one."""
    shown = dict(facts)
    if shown.get("address"):
        shown["address"] = mask(shown["address"])
    for name in FREE_TEXT:
        if isinstance(shown.get(name), str):
            shown[name] = concealed(shown[name])
    return shown


def body(kind: str, at: datetime, data: Mapping[str, Any]) -> str:
    """As the Standard Webhooks specification has it: type, timestamp, data."""
    moment = at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return json.dumps({"type": kind, "timestamp": moment, "data": dict(data)}, ensure_ascii=False)


def ping(endpoint: WebhookEndpoint, now: datetime) -> WebhookDelivery:
    """A test, which goes also to an endpoint that is disabled."""
    return WebhookDelivery.objects.create(
        endpoint=endpoint,
        kind=PING,
        subject=f"test {now.isoformat()}",
        created_at=now,
        next_at=now,
        body=body(PING, now, {"endpoint_id": endpoint.pk, "endpoint": endpoint.name}),
    )
