"""Finding contacts by what we or a provider call a message, then by who they are."""

from __future__ import annotations

from uuid import UUID

from contacts import searching
from contacts.models import Contact
from deliveries.models import Account, Message

LIMIT = searching.LIMIT
LONGEST_ID = Message._meta.get_field("provider_message_id").max_length or 80


def find(text: str, limit: int = LIMIT) -> list[Contact]:
    """At most `limit` contacts: the one whose message `text` names, or else those it describes."""
    text = searching.clean(text)
    if not text:
        return []
    ids = list(by_message(text)[:limit])
    if ids:
        return list(Contact.objects.filter(pk__in=ids).select_related("source").prefetch_related("addresses"))
    return searching.search(text, limit)


def by_message(text: str) -> list[int]:
    """Contact ids of the messages with this reference of ours, or this id of a provider's."""
    try:
        return list(Message.objects.filter(uuid=UUID(text)).values_list("contact_id", flat=True)[:1])
    except ValueError:
        return _by_provider_id(text)


def _by_provider_id(text: str) -> list[int]:
    if len(text) > LONGEST_ID or " " in text:
        return []
    # Naming the accounts and repeating the index's own condition is what lets both databases use that index.
    found = Message.objects.filter(account_id__in=list(Account.objects.values_list("pk", flat=True)))
    found = found.filter(provider_message_id=text).extra(
        where=["NOT (deliveries_message.provider_message_id = '')"]
    )
    return list(dict.fromkeys(found.values_list("contact_id", flat=True)))
