"""Who did what with a campaign: a person counts once, however often they clicked, and the tally that pages read.

What was done is a row of `Engagement`; a note says who is to be counted anew. The worker counts a moment later, from
the rows themselves: counted twice or in another order it comes to the same.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping
from datetime import datetime

from django.db import connection, transaction
from django.db.models import F

from campaigns.call_keys import USUAL, CallKeys, keys_of
from campaigns.models import Recipient
from contacts.among import Among
from contacts.models import Reply
from deliveries.ledger.tallies import bump
from deliveries.models import (
    REACHED,
    Deed,
    EngagedPerson,
    Engagement,
    EngagementNote,
    EngagementTally,
    Message,
    ReachDelta,
)

LIMIT = 500  # notes, and as many changes of people reached, in one transaction
# What an erased person wrote is gone, that they once did is not: they count on.
BY_REPLY = {Deed.REPLIED, Deed.OPTED_OUT, Deed.ANY}
TAKE = (
    "DELETE FROM {table} WHERE id IN (SELECT id FROM {table} ORDER BY id LIMIT %s {lock}) RETURNING {columns}"
)


def note(message_ids: Collection[int | None]) -> None:
    """Something was done with these messages."""
    whose = Message.objects.filter(Among("pk", {pk for pk in message_ids if pk}))
    _note(whose.values_list("recipient_id", flat=True))


def note_moves(moves: Iterable[tuple[Recipient, str, str]]) -> None:
    """These recipients moved from one channel that reached them to another, '' for none; for a tally that is folded
    soon. Call it in the transaction that moves them, with their rows locked."""
    changes = Counter[tuple[int, str]]()
    moved = []
    for recipient, was, now in moves:
        if was != now:
            changes[recipient.campaign_id, was] -= 1
            changes[recipient.campaign_id, now] += 1
            moved.append(recipient.pk)
    rows = [
        ReachDelta(campaign_id=key[0], reached_by=key[1], n=n) for key, n in changes.items() if key[1] and n
    ]
    if rows:
        ReachDelta.objects.bulk_create(rows)
    if moved:
        did = EngagedPerson.objects.filter(Among("recipient_id", moved))
        _note(did.values_list("recipient_id", flat=True))


def _note(recipients: Iterable[int]) -> None:
    rows = [EngagementNote(recipient_id=pk) for pk in sorted(set(recipients))]
    if rows:
        EngagementNote.objects.bulk_create(rows)


def channel_of(recipient: Recipient) -> str:
    """The channel that reached them; '' as long as none did."""
    return recipient.reached_by if recipient.state == Recipient.State.REACHED else ""


def fold(limit: int = LIMIT) -> int:
    """Count some of what was noted; return how much was looked at. A step of the worker."""
    if not (ReachDelta.objects.exists() or EngagementNote.objects.exists()):
        return 0  # without taking SQLite's only write lock
    with transaction.atomic():
        reached = _take(ReachDelta, ("campaign_id", "reached_by", "n"), limit)
        noted = _take(EngagementNote, ("recipient_id",), limit)
        changes = Counter[tuple]()
        for campaign, channel, n in reached:
            changes[campaign, channel, REACHED] += n
        changes.update(_recount({recipient for (recipient,) in noted}))
        bump(EngagementTally, changes)
    return len(reached) + len(noted)


def _take(model: type, columns: tuple[str, ...], limit: int) -> list[tuple]:
    lock = "FOR UPDATE SKIP LOCKED" if connection.features.has_select_for_update_skip_locked else ""
    sql = TAKE.format(table=model._meta.db_table, lock=lock, columns=", ".join(columns))  # type: ignore[attr-defined]
    with connection.cursor() as cursor:
        cursor.execute(sql, [limit])
        return cursor.fetchall()


def _recount(recipient_ids: Collection[int]) -> Mapping[tuple, int]:
    """Make the rows of these people what they did; return how the tally changes. They are locked, so that whoever moves
    them on sees these rows, or is seen here."""
    if not recipient_ids:
        return {}
    locked = (
        Recipient.objects.select_for_update(of=("self",)).filter(Among("pk", recipient_ids)).order_by("pk")
    )
    known = locked.annotate(erased_at=F("contact__erased_at"))
    recipients = {each.pk: each for each in known.only("campaign_id", "state", "reached_by")}
    wanted = {
        (pk, deed): (channel_of(recipients[pk]), at)
        for pk, deeds in _deeds(recipients).items()
        for deed, at in deeds.items()
    }
    held = {
        (row.recipient_id, row.deed): row
        for row in EngagedPerson.objects.filter(Among("recipient_id", recipients))
    }
    for (pk, deed), row in held.items():
        if recipients[pk].erased_at and deed in BY_REPLY:
            wanted.setdefault((pk, deed), (channel_of(recipients[pk]), row.at))
    changes = Counter[tuple]()
    for row in held.values():
        changes[row.campaign_id, row.reached_by, row.deed] -= 1
    for (pk, deed), (channel, _) in wanted.items():
        changes[recipients[pk].campaign_id, channel, deed] += 1
    stale = [row.pk for key, row in held.items() if wanted.get(key) != (row.reached_by, row.at)]
    EngagedPerson.objects.filter(Among("pk", stale)).delete()
    EngagedPerson.objects.bulk_create(
        EngagedPerson(
            recipient_id=pk, deed=deed, campaign_id=recipients[pk].campaign_id, reached_by=channel, at=at
        )
        for (pk, deed), (channel, at) in wanted.items()
        if (pk, deed) not in held or held[pk, deed].pk in set(stale)
    )
    return changes


def _deeds(recipients: Collection[int]) -> dict[int, dict[str, datetime]]:
    """Recipient -> what they did, and when first."""
    theirs = Message.objects.filter(Among("recipient_id", recipients))
    messages, left_with = {}, {}
    for pk, recipient, contact, *left in theirs.values_list(
        "pk", "recipient_id", "contact_id", "campaign_id", "content_version"
    ):
        messages[pk], left_with[pk] = (recipient, contact), (left[0], left[1])
    found: dict[int, dict[str, datetime]] = defaultdict(dict)
    rows = Engagement.objects.filter(Among("message_id", messages), message_id__isnull=False)
    acts = list(rows.order_by("at", "pk"))
    pressing = {row.message_id or 0 for row in acts if row.kind == Engagement.Kind.KEY_PRESS}
    keys = keys_of(left_with[pk] for pk in pressing)
    for row in acts:
        recipient, contact = messages[row.message_id or 0]
        if row.shared and row.contact_id != contact:
            continue  # others at the same address, who were not written to here
        for deed in deeds_of(row, keys.get(left_with[row.message_id or 0], USUAL)):
            found[recipient].setdefault(deed, row.at)
    # By the message that a reply was found to answer; what somebody read it as since counts, not what it came in as.
    for reply in Reply.objects.filter(Among("message_id", messages)).order_by("at", "pk"):
        for deed in deeds_of_reply(reply):
            found[messages[reply.message_id or 0][0]].setdefault(deed, reply.at)
    for deeds in found.values():
        for machine, own in ((Deed.MACHINE_CLICK, Deed.CLICKED), (Deed.MACHINE_OPEN, Deed.OPENED)):
            if own in deeds:
                deeds.pop(machine, None)
    return found


def deeds_of(row: Engagement, keys: CallKeys = USUAL) -> list[Deed]:
    """What this shows that somebody did, beside replies. A no is no engagement, and an open proves little: neither is
    "anything"."""
    kinds = Engagement.Kind
    if row.kind == kinds.CLICK:
        return [Deed.MACHINE_CLICK] if row.machine else [Deed.CLICKED, Deed.ANY]
    if row.kind == kinds.OPEN:
        return [Deed.MACHINE_OPEN] if row.machine else [Deed.OPENED]
    if row.kind == kinds.KEY_PRESS and keys.meaning(row.text) == "more":
        return [Deed.PRESSED, Deed.ANY]
    return []


def deeds_of_reply(reply: Reply) -> list[Deed]:
    """What a reply shows. Who opted out replied, but that is not "anything"."""
    return [Deed.REPLIED, Deed.OPTED_OUT if reply.reading == Reply.Reading.STOP else Deed.ANY]


def miscounted() -> set[int]:
    """Recipients who do not count as their replies say. Reads whole tables, when nothing waits: for checks only."""
    answers = Reply.objects.filter(message_id__isnull=False)
    found: set[int] = set()
    for deed, theirs in (
        (Deed.REPLIED, answers),
        (Deed.OPTED_OUT, answers.filter(reading=Reply.Reading.STOP)),
    ):
        replied = Message.objects.filter(pk__in=theirs.values("message_id")).values_list(
            "recipient_id", flat=True
        )
        counted = EngagedPerson.objects.filter(deed=deed).values_list("recipient_id", flat=True)
        found |= set(replied).symmetric_difference(counted)
    erased = Recipient.objects.filter(contact__erased_at__isnull=False).values_list("pk", flat=True)
    return found.difference(erased) if found else found


def count_anew(recipients: Collection[int]) -> None:
    """Have these people counted from the rows, with the next fold."""
    _note(recipients)
