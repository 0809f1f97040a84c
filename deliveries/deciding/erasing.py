"""Erase a person with what was sent to them and what they wrote: who it was goes, that it happened stays."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from django.db import connection, transaction
from django.db.models.functions import Lower

from accounts.models import User
from campaigns.models import Recipient
from contacts import erasing
from contacts.models import Contact, Reply
from contacts.phones import ERASED
from contacts.searching import partly, wholly
from deliveries.deciding.attempts import withdraw
from deliveries.deciding.followup import settle
from deliveries.ledger.redacting import Redaction
from deliveries.ledger.statements import chunks
from deliveries.models import Backscatter, Engagement, Message, Outbox, Receipt, SavedView, StatusEvent


@transaction.atomic
def erase_person(contact_id: int, *, by: User, reason: str, now: datetime) -> bool:
    """Whether there was somebody to erase. All or nothing.

    Statuses, times, codes and counts stay, so every report says what it said. Receipts keep all but what tells who it
    was; those that come in later are as their provider sends them.
    """
    no_key = connection.features.has_select_for_no_key_update
    found = Contact.objects.select_for_update(no_key=no_key).filter(
        pk=contact_id, merged_into=None, erased_at=None
    )
    contact = found.first()
    if contact is None:
        return False
    recipients = Recipient.objects.select_for_update().filter(contact=contact).order_by("pk")
    ids = list(recipients.values_list("pk", flat=True))
    messages = list(Message.objects.filter(contact=contact).values_list("pk", flat=True))
    redaction = _redaction(contact)
    waiting = Outbox.objects.filter(message__in=messages)
    withdraw(list(waiting.values_list("message_id", flat=True)), "stopped", now)
    Recipient.objects.filter(pk__in=ids).update(automatic=False)
    _redact_receipts(contact, messages, redaction)
    for part in chunks(sorted(messages)):
        StatusEvent.objects.filter(message_id__in=part).exclude(native_text="").update(native_text="")
    for mail in _mail_that_came_back(contact):
        Backscatter.objects.filter(pk=mail.pk).update(
            address=f"{ERASED}{mail.pk}", text=redaction.of_text(mail.text)
        )
    Engagement.objects.filter(contact=contact).exclude(text="").update(text=erasing.GONE)
    _drop_searches(contact, redaction)
    erasing.erase(contact, by=by, reason=reason, now=now)
    settle(ids, now)
    return True


def _drop_searches(contact: Contact, redaction: Redaction) -> None:
    """Saved views that search for them go; one that is called by who they are is called by its number."""
    for view in SavedView.objects.all():
        text = str(view.filters.get("s", ""))
        if text and (redaction.of_text(text) != text or _finds(text, contact)):
            view.delete()
        elif redaction.of_text(view.name) != view.name:
            SavedView.objects.filter(pk=view.pk).update(name=f"View {view.pk}")


def _finds(text: str, contact: Contact) -> bool:
    them = Contact.objects.filter(pk=contact.pk)
    return them.filter(wholly(text)).exists() or them.filter(partly(text)).exists()


def _redaction(contact: Contact) -> Redaction:
    addresses = list(contact.addresses.exclude(value="").values_list("value", "match_key"))
    written = set(Engagement.objects.filter(contact=contact).values_list("text", flat=True))
    replies = Reply.objects.filter(match_key__in=[key for _, key in addresses])
    written |= set(replies.values_list("text", flat=True))
    return Redaction([value for value, _ in addresses], [contact.name, contact.external_id, *written])


def _mail_that_came_back(contact: Contact) -> list[Backscatter]:
    """Reports about mail to them that was not ours."""
    emails = {one.lower() for one in contact.addresses.values_list("value", flat=True) if "@" in one}
    if not emails:
        return []
    return list(Backscatter.objects.annotate(lower=Lower("address")).filter(lower__in=emails))


def _redact_receipts(contact: Contact, messages: Collection[int], redaction: Redaction) -> None:
    receipts: set[int] = set()
    for part in chunks(sorted(messages)):
        reported = StatusEvent.objects.filter(message_id__in=part).exclude(receipt_id=None)
        receipts |= {pk for pk in reported.values_list("receipt_id", flat=True) if pk is not None}
    wrote = Engagement.objects.filter(contact=contact).exclude(receipt_id=None)
    receipts |= {pk for pk in wrote.values_list("receipt_id", flat=True) if pk is not None}
    receipts |= {one.receipt_id for one in _mail_that_came_back(contact) if one.receipt_id}
    for part in chunks(sorted(receipts)):
        for one in Receipt.objects.filter(pk__in=part):
            Receipt.objects.filter(pk=one.pk).update(
                body=redaction.of_bytes(bytes(one.body)),
                query=redaction.of_text(one.query),
                headers=redaction.of_json(one.headers),
            )
