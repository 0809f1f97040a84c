"""Everything that is known of one person, as values that JSON can hold: what they may ask for."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db.models import Q, QuerySet

from campaigns.models import Recipient
from contacts.models import AutomaticAnswer, Contact, Note, Reply, Suppression
from deliveries.models import Decision, Engagement, Message, StatusEvent

WITHOUT = {
    "id",
    "contact",
    "search_name",
    "match_key",
    "code_hash",
    "recorded_by",
    "author",
    "created_by",
    "released_by",
    "read_by",
}


def person_data(contact: Contact) -> dict[str, Any]:
    """By kind of record, the oldest first. Names of colleagues, who are people too, are left out."""
    addresses = list(contact.addresses.order_by("pk"))
    keys = {one.match_key for one in addresses} - {""}
    messages = list(
        Message.objects.filter(contact=contact).select_related("campaign", "address", "sender").order_by("pk")
    )
    return {
        "contact": {
            "number": contact.pk,
            **{name: _plain(getattr(contact, name)) for name in (
                "name", "external_id", "time_zone", "locale", "stage", "value_tier", "attributes", "created_at",
                "updated_at",
            )},
            "source": contact.source.name if contact.source else "",
            "lists": list(contact.lists.order_by("name").values_list("name", flat=True)),
        },
        "addresses": _rows(contact.addresses.order_by("pk")),
        "consent": _rows(contact.consents.order_by("at", "pk")),
        "suppressions": _rows(
            Suppression.objects.filter(Q(match_key__in=keys) | Q(contact=contact)).order_by("pk")
        ),
        "campaigns": [
            {"campaign": one.campaign.name, "state": one.state, "skip_reason": one.skip_reason,
             "reached_at": _plain(one.reached_at), "reached_by": one.reached_by}
            for one in Recipient.objects.filter(contact=contact).select_related("campaign").order_by("pk")
        ],
        "messages": [_message(one) for one in messages],
        "status_events": _rows(
            StatusEvent.objects.filter(message_id__in=[one.pk for one in messages]).order_by("recorded_at")
        ),
        "replies_and_clicks": _rows(Engagement.objects.filter(contact=contact).order_by("pk")),
        "replies_to_read": _rows(Reply.objects.filter(match_key__in=keys).order_by("pk")),
        "automatic_answers": _rows(
            AutomaticAnswer.objects.filter(
                Q(address__contact=contact) | Q(change__contact=contact)
            ).order_by("pk")
        ),
        "address_changes": _rows(contact.address_changes.order_by("pk")),
        "decisions": _rows(Decision.objects.filter(contact=contact).order_by("pk")),
        "notes": _rows(Note.objects.filter(contact=contact).order_by("pk")),
    }  # fmt: skip


def _message(one: Message) -> dict[str, Any]:
    names = (
        "channel", "attempt", "status", "failure_class", "reason_code", "provider_message_id", "created_at", "sent_at",
        "delivered_at", "canceled_at",
    )  # fmt: skip
    told = {name: _plain(getattr(one, name)) for name in names}
    where = {"campaign": one.campaign.name, "to": one.address.value, "from": one.sender.value}
    return {"number": one.pk, "reference": str(one.uuid), **where, **told}


def _rows(found: QuerySet[Any]) -> list[dict[str, Any]]:
    names = [one.attname for one in found.model._meta.concrete_fields if one.name not in WITHOUT]
    return [dict(zip(names, map(_plain, row), strict=True)) for row in found.values_list(*names)]


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    known = value is None or isinstance(value, str | int | float | dict | list)
    return value if known else str(value)
