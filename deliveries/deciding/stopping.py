"""Ending what was planned: opt-outs and blocks withdraw what waits, and have the people looked at again.

Nothing is decided here: `followup` does that, soon after.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import BinaryIO

from django.db import transaction
from django.db.models import QuerySet, prefetch_related_objects
from django.utils import timezone

from campaigns.models import Recipient
from contacts.addresses import match_key
from contacts.blocking import Target, blocks
from contacts.blocking_lists import OWN_WORD, Blocked, block_listed
from contacts.chunks import in_lists
from contacts.consenting import OptOut, record_opt_outs
from contacts.gate import Reason, stopped_by
from contacts.grounds import read_as_opt_out
from contacts.models import Address, Suppression
from deliveries.deciding.attempts import withdraw
from deliveries.deciding.decide import State, Step
from deliveries.ledger.statements import chunks
from deliveries.models import Message, Outbox, StatusChange
from deliveries.statuses import Status

STOPPED_AT_ONCE = 300  # addresses; what shares them is named beside them in one statement


def apply_opt_outs(
    messages: Sequence[Message], now: datetime, again: Mapping[int, str] | None = None, reading: str = ""
) -> None:
    """Opt-outs and complaints that providers report: the person's own wish, wherever they expressed it.

    It blocks the address for good, whatever became of the other attempts. Once for each message, unless a code
    mapping took it back meanwhile: `again` says, by message, why it counts once more. `reading`: what reads it out of a
    report that was understood otherwise before; then it is known, and blocks, since now.
    """
    if not messages:
        return
    prefetch_related_objects(messages, "address")
    keys = {message.address.match_key for message in messages} - {""}
    sharing = Address.objects.filter(match_key__in=keys).values_list("contact_id", flat=True)
    end_paths({*sharing, *(message.contact_id for message in messages)}, now)
    reasons = again or {}
    opt_outs = [_opt_out(message, now, reasons.get(message.pk, "")) for message in messages]
    if reading:
        opt_outs = [
            one._replace(since=now, evidence=read_as_opt_out(one.evidence, reading, now)) for one in opt_outs
        ]
    record_opt_outs(opt_outs, now)


def _opt_out(message: Message, now: datetime, again: str) -> OptOut:
    return reported_opt_out(
        f"message {message.pk}",
        value=message.address.value,
        channel=message.channel,
        status=message.status,
        code=message.reason_code,
        at=message.settled_at or now,
    )._replace(again=again)


def reported_opt_out(fact: str, *, value: str, channel: str, status: str, code: str, at: datetime) -> OptOut:
    """What a provider reports of `fact`, such as "message 12", where its meaning is an opt-out or a complaint."""
    complained = status == Status.COMPLAINED
    return OptOut(
        value=value,
        channel=channel,
        how="Complaint" if complained else "Opt-out reported by the provider",
        evidence=f"{fact.capitalize()}: {code or status}",
        at=at,
        reason=Suppression.Reason.COMPLAINT if complained else Suppression.Reason.STOP,
        fact=fact,
    )


@transaction.atomic
def apply_blocking_list(
    file: BinaryIO, *, reason: str, source: str, region: str, now: datetime, dry_run: bool = False
) -> Blocked:
    """`block_listed`, and what waits for those who opted out is withdrawn: together, as the gate would stop it in any
    case, but only once would it be withdrawn. Raises UnreadableFile."""
    result = block_listed(file, reason=reason, source=source, region=region, now=now, dry_run=dry_run)
    if result.written and reason in OWN_WORD:
        stop_paths(result.added, now)
    return result


def stop_paths(values: Collection[str], now: datetime) -> None:
    """The owners of these addresses opted out: withdraw what waits to be sent there, and have the rest decided anew."""
    for part in chunks(sorted({match_key(value) for value in values}), STOPPED_AT_ONCE):
        _stop_paths(part, now)


def _stop_paths(keys: Collection[str], now: datetime) -> None:
    addresses = list(
        Address.objects.filter(match_key__in=keys).exclude(value="").values_list("pk", "contact_id")
    )
    contacts = {contact for _, contact in addresses}
    waiting = Outbox.objects.filter(
        message__address_id__in=[pk for pk, _ in addresses], message__contact_id__in=contacts
    )
    withdraw(waiting.values_list("message_id", flat=True), "opted_out", now)
    end_paths(contacts, now)
    look_again(Recipient.objects.filter(contact_id__in=contacts, next_step_at__isnull=False), now)


def end_paths(contacts: Collection[int], now: datetime) -> None:
    """These people opted out on some channel: what follows an earlier attempt is not sent on any other either.

    What a campaign says first on another channel is the gate's to judge.
    """
    if not contacts:
        return
    following = Outbox.objects.filter(message__contact_id__in=contacts, message__follows__isnull=False)
    withdraw(following.values_list("message_id", flat=True), "opted_out", now)
    planned = Recipient.objects.filter(contact_id__in=contacts, next_step__in=[Step.RETRY, Step.SWITCH])
    look_again(planned.filter(next_step_at__isnull=False), now)


def follow_blocks(keys: Collection[str], contacts: Collection[int], **_: object) -> None:
    """What blocks these addresses and people has changed: what waits for whoever is blocked is withdrawn, and their
    rows leave the queues, or come back."""
    now, people = timezone.now(), set(contacts)
    for part in in_lists(keys):
        whose = Address.objects.filter(match_key__in=part).exclude(value="")
        people.update(whose.values_list("contact_id", flat=True))
    asked = (State.OPEN, State.FAILED, State.UNKNOWN)
    for contact_ids in in_lists(people):
        _withdraw_blocked(contact_ids, now)
        look_again(Recipient.objects.filter(contact_id__in=contact_ids, state__in=asked), now)


def _withdraw_blocked(contact_ids: Collection[int], now: datetime) -> None:
    """Take back what waits for these people and will be blocked when it is due. The gate would stop it too, but only
    then: until that day their page would promise it."""
    waiting = Outbox.objects.filter(message__contact_id__in=contact_ids, claimed_until=None)
    rows = [
        (pk, recipient, at, Target(*target))
        for pk, recipient, at, *target in waiting.values_list(
            "message_id", "message__recipient_id", "due_at", "message__address__match_key", "message__contact_id",
            "message__channel", "message__sender__value",
        )
    ]  # fmt: skip
    met = blocks({target for *_, target in rows}, now) if rows else {}
    stopped: dict[Reason, list[int]] = {}
    recipients = set()
    for pk, recipient, at, target in rows:
        in_force = [one for one in met[target] if one.expires_at is None or one.expires_at > at]
        if in_force:
            stopped.setdefault(stopped_by(in_force), []).append(pk)
            recipients.add(recipient)
    for part in in_lists(recipients):  # locked before messages, as everywhere
        list(Recipient.objects.select_for_update().filter(pk__in=part).order_by("pk").values_list("pk"))
    for reason, messages in stopped.items():
        withdraw(messages, reason.value, now)


def look_again(recipients: QuerySet[Recipient], now: datetime) -> None:
    """Have these recipients decided anew, soon: what was planned for them may not hold any more."""
    messages = Message.objects.filter(recipient__in=recipients.values("pk")).values_list("pk", flat=True)
    StatusChange.objects.bulk_create(
        [StatusChange(message_id=pk, changed_at=now) for pk in messages], batch_size=400
    )
