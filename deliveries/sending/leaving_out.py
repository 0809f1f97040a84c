"""Going on without a part of the audience: nobody of a carrier, region or list source is written to on that channel by
this campaign any more.

The gate refuses them from the moment the campaign goes on, whichever way a message is made: at the expansion of the
rest, for a retry, for a change of channel. What waits for them in the outbox is withdrawn here, some at a time, before
anything of the campaign is let go; whom the playbook can reach by its next channel is sent to by that.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from functools import partial

from django.db import transaction
from django.db.models import QuerySet

from accounts.models import User
from campaigns.models import Campaign, SliceLeftOut
from contacts.channels import KIND_OF, Channel
from contacts.gate import REASONS, Reason, check, sentence
from contacts.gate_facts import Ask, Dimension
from contacts.models import ContactList
from deliveries.deciding import context as known
from deliveries.deciding.attempts import succeed, withdraw
from deliveries.deciding.context import Context
from deliveries.deciding.decide import Step
from deliveries.deciding.followup import settle
from deliveries.deciding.recipients import RecipientContext, load_recipients
from deliveries.ledger import quarantine
from deliveries.ledger.quarantine import Kind
from deliveries.models import CampaignStop, Cause, Decision, Message, Outbox
from deliveries.sending import launching
from deliveries.sending.audience import source_of

LOOKED_AT_ONCE = 5_000  # messages that wait, in one transaction
WITHDRAWN_AT_ONCE = 500  # of these
COLUMN = {Dimension.CARRIER: "carrier", Dimension.REGION: "region", Dimension.SOURCE: "list_source_id"}
State = Campaign.State


class NothingToLeaveOut(Exception):
    """What it should go on without is none of its parts, in a sentence."""


def words(channel: str, dimension: str, value: str) -> str:
    """The part as the end of "goes on without": "BlueRiver by SMS"."""
    name = value
    if dimension == Dimension.SOURCE:
        found = ContactList.objects.filter(pk=source_of(value) or 0).first()
        name = f"the list {found.name}" if found else "those of no list"
    return f"{name} by {Channel(channel).in_sentence}"


def _named(campaign: Campaign) -> set[tuple[str, str, str]]:
    """(channel, dimension, value) of the parts that the open stop says it can go on without."""
    stop = CampaignStop.objects.filter(campaign=campaign, resumed_at=None).first()
    parts = stop.parts if stop else []
    return {(part["channel"], part["dimension"], part["value"]) for part in parts}


def resume_without(
    campaign: Campaign, channel: str, dimension: str, value: str, by: User | None, now: datetime
) -> bool:
    """Send on without a part that the open stop names, and by the very words it has; False when the campaign is not
    paused. Raises NothingToLeaveOut."""
    with transaction.atomic():
        mine = Campaign.objects.select_for_update().get(pk=campaign.pk)
        if mine.state != State.PAUSED:
            return False
        if (channel, dimension, value) not in _named(mine):
            raise NothingToLeaveOut("Choose one of the parts that the report names.")
        SliceLeftOut.objects.update_or_create(
            campaign=mine, channel=channel, dimension=dimension, value=value,
            defaults={"outbox_to": 0, "at": now, "by": by},
        )  # fmt: skip
        mine.leaves_out = True
        mine.save(update_fields=["leaves_out"])
        return launching.resume(mine, by, now, without=words(channel, dimension, value))


def leave_out(now: datetime) -> int:
    """Withdraw the next messages of parts that are left out; return how many were looked at."""
    return sum(
        quarantine.run(Kind.LEAVE_OUT, one.pk, partial(_more, one, now), now)
        for one in SliceLeftOut.objects.filter(outbox_to__isnull=False).order_by("pk")
    )


@transaction.atomic
def _more(one: SliceLeftOut, now: datetime) -> int:
    """The row of what is left out is the lock. The last part lets the campaign's other messages go."""
    one = SliceLeftOut.objects.select_for_update().select_related("campaign__playbook").get(pk=one.pk)
    if one.outbox_to is None:
        return 0
    waiting = Outbox.objects.filter(campaign_id=one.campaign_id, pk__gt=one.outbox_to).order_by("pk")
    ids = list(waiting.values_list("pk", flat=True)[:LOOKED_AT_ONCE])
    theirs = _of_it(one).filter(
        pk__gt=one.outbox_to, pk__lte=ids[-1] if ids else 0, outbox__claimed_until=None, outbox__isnull=False
    ).order_by("pk")  # fmt: skip
    found = list(theirs.values_list("pk", "recipient_id")[:WITHDRAWN_AT_ONCE])
    if found:
        _withdraw(one, [pk for pk, _ in found], [recipient for _, recipient in found], now)
    if len(found) == WITHDRAWN_AT_ONCE:
        one.outbox_to = found[-1][0]
    else:
        one.outbox_to = ids[-1] if len(ids) == LOOKED_AT_ONCE else None
    one.save(update_fields=["outbox_to"])
    return len(ids)


def _of_it(one: SliceLeftOut) -> QuerySet[Message]:
    """The messages of that part; none where its value names nobody."""
    column = COLUMN[Dimension(one.dimension)]
    value = source_of(one.value) if one.dimension == Dimension.SOURCE else one.value
    if value is None:
        return Message.objects.none()
    return Message.objects.filter(campaign_id=one.campaign_id, channel=one.channel, **{column: value})


def _withdraw(
    one: SliceLeftOut, message_ids: Sequence[int], recipient_ids: Sequence[int], now: datetime
) -> None:
    """Recipients are locked before messages, as everywhere. What was a first attempt is followed by one on the next
    channel that may be used; of what was a retry the playbook decides anew."""
    views = load_recipients(sorted(set(recipient_ids)), lock=True)
    first = [view for view in views if len(view.messages) == 1 and view.head.pk in set(message_ids)]
    taken = set(withdraw(message_ids, Reason.LEFT_OUT.value, now))
    _say(one, [view for view in views if view.head.pk in taken], now)
    _by_next_channel(one, [view for view in first if view.head.pk in taken], now)
    settle({view.recipient.pk for view in views}, now)


def _say(one: SliceLeftOut, views: Sequence[RecipientContext], now: datetime) -> None:
    why = sentence(Reason.LEFT_OUT, words(one.channel, one.dimension, one.value))[:300]
    Decision.objects.bulk_create(
        [
            Decision(
                message_id=view.head.pk, recipient_id=view.recipient.pk, contact_id=view.recipient.contact_id, at=now,
                by="gate", rule=Reason.LEFT_OUT, step=Step.NONE, reason=why,
            )
            for view in views
        ],
        batch_size=300,
    )  # fmt: skip


def _by_next_channel(one: SliceLeftOut, views: Sequence[RecipientContext], now: datetime) -> None:
    if not views:
        return
    context = known.load_context(views, now)
    usable = _usable(one, views, context, now)
    part = words(one.channel, one.dimension, one.value)
    why = f"The campaign goes on without {part}: the next channel of the playbook."
    succeed([(view, usable[view.recipient.pk], Cause.SWITCH, why) for view in views if view.recipient.pk in usable],
            context, now)  # fmt: skip


def _usable(
    one: SliceLeftOut, views: Collection[RecipientContext], context: Context, now: datetime
) -> dict[int, str]:
    """Recipient -> the first channel of the playbook, beside this one, that the gate lets pass, now or later."""
    asks: list[Ask] = []
    keys: list[tuple[RecipientContext, str]] = []
    for view in views:
        if not view.recipient.automatic:
            continue
        for channel in [channel for channel in view.campaign.moves_to if channel != one.channel]:
            route = context.routes.get((view.campaign.pk, channel))
            address = context.addresses.get((view.recipient.contact_id, KIND_OF[Channel(channel)]))
            if route and address:
                asked = known.ask(
                    len(keys), view.campaign, route, view.recipient.contact_id, address, channel
                )
                asks.append(asked)
                keys.append((view, channel))
    found: dict[int, str] = {}
    later: dict[int, str] = {}  # those of which the sender may not send, only if there is no other
    for number, verdict in sorted(check(asks, now).items()) if asks else ():
        view, channel = keys[number]
        if verdict.reason == Reason.SENDER_NOT_APPROVED:
            later.setdefault(view.recipient.pk, channel)
        elif verdict.allowed or REASONS[Reason(verdict.reason)].holds:
            found.setdefault(view.recipient.pk, channel)
    return later | found
