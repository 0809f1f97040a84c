"""Finding contacts by what we or a provider call a message, then by who they are."""

from __future__ import annotations

import re
from uuid import UUID

from django.db.models import Q, QuerySet

from contacts import searching
from contacts.models import Contact
from deliveries.models import Account, Message

LIMIT = searching.LIMIT
FEWEST_OF_ID = 6  # characters of a provider's id: fewer begin the ids of thousands of messages
LONGEST_ID = Message._meta.get_field("provider_message_id").max_length or 80


def find(text: str, limit: int = LIMIT) -> list[Contact]:
    """At most `limit` contacts: the one whose message `text` names, or else those it describes.

    A number that is also that of one of our messages finds its contact after those it describes.
    """
    text = searching.clean(text)
    if not text:
        return []
    ids = by_message(text)[:limit]
    if ids:
        known = Contact.objects.select_related("source").prefetch_related("addresses").in_bulk(ids)
        return [known[pk] for pk in ids if pk in known]
    found = searching.search(text, limit)
    number = searching.numbered(text)
    if number and len(found) < limit:
        theirs = Contact.objects.filter(pk__in=Message.objects.filter(pk=number).values("contact_id"))
        found += [
            one for one in theirs.select_related("source").prefetch_related("addresses") if one not in found
        ]
    return found


def by_message(text: str) -> list[int]:
    """Contact ids of the messages with this reference of ours, or whose provider's id is or begins with this."""
    try:
        return list(Message.objects.filter(uuid=UUID(text)).values_list("contact_id", flat=True)[:1])
    except ValueError:
        return _by_provider_id(text) or _by_beginning(text)


def _by_provider_id(text: str) -> list[int]:
    if len(text) > LONGEST_ID or " " in text:
        return []
    return _contacts(_sent().filter(provider_message_id=text))


def _by_beginning(text: str) -> list[int]:
    """The newest messages whose id at their provider begins with `text`, in capitals or not."""
    if not (
        FEWEST_OF_ID <= len(text) <= LONGEST_ID
        and re.search(r"\d", text)
        and re.fullmatch(r"[\w.-]+", text, re.A)
    ):
        return []
    if text.isdigit():
        return []  # rather a phone number
    spelt = {
        text,
        text.lower(),
        text.upper(),
        text[:2].upper() + text[2:].lower(),
    }  # SMab12 is often typed smab12
    wanted = Q()
    for beginning in spelt:
        # As bounds, which an index on text serves in every collation; the condition behind them is exact.
        last = beginning + "z" * (LONGEST_ID - len(beginning))
        wanted |= Q(provider_message_id__range=(beginning, last), provider_message_id__startswith=beginning)
    return _contacts(_sent().filter(wanted).order_by("-id")[: searching.LIMIT])


def _sent() -> QuerySet[Message]:
    """Messages with an id of their provider's. Naming the accounts and repeating the index's own condition is what lets
    both databases use that index."""
    found = Message.objects.filter(account_id__in=list(Account.objects.values_list("pk", flat=True)))
    return found.extra(where=["NOT (deliveries_message.provider_message_id = '')"])


def _contacts(messages: QuerySet[Message]) -> list[int]:
    return list(dict.fromkeys(messages.values_list("contact_id", flat=True)))
