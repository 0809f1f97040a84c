"""Merge two contacts that are one person, with all that was sent to them. In one transaction, for good."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from django.db import connection, transaction
from django.db.models import F, Q

from accounts.models import User
from campaigns.models import Campaign, Recipient
from contacts import duplicates
from contacts.channels import Channel, Kind
from contacts.lists import lock_lists
from contacts.models import Contact, ContactList, ListMembership
from deliveries.deciding.followup import settle
from deliveries.deciding.health import refresh
from deliveries.deciding.staff import cancel_next_step
from deliveries.models import Decision, Engagement, FailureIndex, Message, QueueEntry


class CannotMerge(Exception):
    """Why these two cannot be merged now, in a sentence."""


@dataclass(frozen=True)
class Both:
    """A campaign that wrote to both: the recipient that leads it on, and the one whose automatic steps end."""

    campaign: Campaign
    goes_on: Recipient
    ends: Recipient


def in_both(kept: Contact, gone: Contact) -> list[Both]:
    """The campaigns that meant both of them. Whoever was reached counts for the person: nothing more is sent then."""
    theirs = {
        one.campaign_id: one for one in Recipient.objects.filter(contact=gone).select_related("campaign")
    }
    own = Recipient.objects.filter(contact=kept, campaign__in=theirs).select_related("contact").order_by("pk")
    found = []
    for one in own:
        other = theirs[one.campaign_id]
        reached = other.state == Recipient.State.REACHED and one.state != Recipient.State.REACHED
        goes_on, ends = (other, one) if reached else (one, other)
        found.append(Both(other.campaign, goes_on, ends))
    return found


@transaction.atomic
def merge(kept_id: int, gone_id: int, *, by: User, now: datetime, leave: Collection[int] = ()) -> Contact:
    """`gone_id` becomes part of `kept_id`, which comes back. Raises CannotMerge, and nothing is changed.

    `leave` names blocks of colleagues and imports, by id, that are not to hold at the address that is used then.
    """
    if kept_id == gone_id:
        raise CannotMerge("Choose two different contacts.")
    no_key = connection.features.has_select_for_no_key_update
    locked = Contact.objects.select_for_update(no_key=no_key).filter(pk__in=[kept_id, gone_id]).order_by("pk")
    found = {one.pk: one for one in locked}
    if len(found) < 2 or any(one.merged_into_id or one.erased_at for one in found.values()):
        raise CannotMerge(
            "One of the two is no contact any more. It may have been merged or erased meanwhile."
        )
    kept, gone = found[kept_id], found[gone_id]
    _refuse_while_launched(kept, gone)
    list(Recipient.objects.select_for_update().filter(contact__in=found).order_by("pk").values_list("pk"))
    _join_recipients(kept, gone, by, now)
    _join_messages(kept, gone)
    duplicates.join(kept, gone, by=by, now=now, leave=leave)
    channel_of = {Kind.PHONE: Channel.SMS, Kind.EMAIL: Channel.EMAIL}
    refresh([(kept.pk, one.pk, channel_of[Kind(one.kind)]) for one in kept.addresses.all()])
    _settle(kept, now)
    return kept


def _refuse_while_launched(kept: Contact, gone: Contact) -> None:
    """A launch goes through its lists by contact: one of the two could be passed over, or come twice. Their lists are
    locked, as `launch` does: one that begins meanwhile waits until the two are one. Raises CannotMerge."""
    theirs = ListMembership.objects.filter(contact__in=[kept, gone])
    lists = lock_lists(ContactList.objects.filter(pk__in=theirs.values("contact_list")))
    if not lists:
        lock_lists(ContactList.objects.all())  # as a launch to everybody does
    begun = Campaign.objects.filter(Q(lists__in=lists) | Q(conditions__everybody=True))
    if begun.filter(state=Campaign.State.LAUNCHING).exists():
        raise CannotMerge("A campaign to them is being launched. Try again in a minute.")
    halfway = begun.filter(state=Campaign.State.PAUSED, expanded_count__lt=F("audience_size")).first()
    if halfway:
        raise CannotMerge(
            f"The campaign “{halfway}” to them was paused while it was launched. Resume or cancel it first."
        )


def _join_recipients(kept: Contact, gone: Contact, by: User, now: datetime) -> None:
    """Those of a campaign that meant both stay two, or its figures would not add up: one of them comes to its end."""
    both = in_both(kept, gone)
    for one in both:
        if one.ends.state not in (Recipient.State.REACHED, Recipient.State.SKIPPED):
            cancel_next_step(one.ends, by, now)
    meant = [one.campaign.pk for one in both]
    Recipient.objects.filter(contact=gone).exclude(campaign__in=meant).update(contact=kept)


def _join_messages(kept: Contact, gone: Contact) -> None:
    for own, other in duplicates.same_addresses(kept, gone).items():
        Message.objects.filter(contact=gone, address_id=own).update(address_id=other)
        Message.objects.filter(contact=kept, address_id=own).update(address_id=other)
    Message.objects.filter(contact=gone).update(contact=kept)
    ids = list(Message.objects.filter(contact=kept).values_list("pk", flat=True))
    _name(ids, kept)
    Decision.objects.filter(contact=gone).update(contact=kept)
    # What one of them wrote was kept for both where they share the address: once is enough now.
    known = set(Engagement.objects.filter(contact=kept).values_list("receipt_id", "place"))
    theirs = Engagement.objects.filter(contact=gone).exclude(receipt_id=None)
    twice = [pk for pk, *fact in theirs.values_list("pk", "receipt_id", "place") if tuple(fact) in known]
    Engagement.objects.filter(pk__in=twice)._raw_delete(connection.alias)
    Engagement.objects.filter(contact=gone).update(contact=kept)


def _name(message_ids: Collection[int], kept: Contact) -> None:
    """The narrow tables beside the messages say whose they are."""
    for model in (FailureIndex, QueueEntry):
        model.objects.filter(message_id__in=message_ids).exclude(contact_id=kept.pk).update(
            contact_id=kept.pk
        )


def _settle(kept: Contact, now: datetime) -> None:
    asked = Recipient.objects.filter(contact=kept).exclude(state=Recipient.State.REACHED).order_by("-pk")
    settle(list(asked.values_list("pk", flat=True)[:200]), now)
