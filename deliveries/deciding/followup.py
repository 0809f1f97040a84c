"""Acting on decisions: the one place where recipients move, queues fill, and retries and switches are made.

`settle` looks at recipients with everything that is known about them, asks `decide`, and makes it so, in one
transaction. It may be called for any recipient at any time: with nothing new it changes nothing. What calls it:
a status that moved, a due time, a bulk action, an opt-out.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Exists, OuterRef, QuerySet

from campaigns.models import Campaign, Playbook, Recipient
from contacts.channels import KIND_OF, Channel
from contacts.gate import REASONS, Ask, Reason, Verdict, check
from contacts.hours import zone_for
from contacts.models import Address, AddressHealth, Suppression
from contacts.suppressing import suppress
from deliveries.deciding.decide import ARRIVED, Decided, Facts, Rules, State, Step, decide
from deliveries.deciding.health import Health, refresh, troubled
from deliveries.models import (
    Account,
    Cause,
    Decision,
    Message,
    Moved,
    Outbox,
    Queue,
    QueueEntry,
    QueueTally,
    RecipientTally,
)
from deliveries.receiving.recording import apply, event
from deliveries.receiving.translation import describe
from deliveries.sending.routes import Route, routes
from deliveries.statements import MESSAGE_DIMENSIONS, chunks, rewrite
from deliveries.statuses import Disposition, Evidence, FailureClass, Fault, Meaning, Status
from deliveries.tallies import append, bump

NEXT_STEP_FIELDS = ["next_step", "next_step_at", "next_step_reason"]
RECIPIENT_FIELDS = ["state", "skip_reason", "reached_at", "reached_by", *NEXT_STEP_FIELDS]

MOVED_LIMIT = 500
DUE_LIMIT = 500

CLAIM_MOVED = """
DELETE FROM deliveries_moved WHERE id IN (SELECT id FROM deliveries_moved ORDER BY id LIMIT %s {lock})
RETURNING message_id
"""


@dataclass
class View:
    """One recipient with its attempts, oldest first, withdrawn ones left out."""

    recipient: Recipient
    campaign: Campaign
    messages: list[Message]

    @property
    def head(self) -> Message:
        """The attempt that decisions are about."""
        return self.messages[-1]

    @property
    def reached_by(self) -> Message | None:
        """The attempt that arrived first; None while none has."""
        arrived = [m for m in self.messages if m.disposition == Disposition.DELIVERED]
        return min(arrived, key=lambda m: (m.delivered_at or m.updated_at, m.pk), default=None)

    @property
    def stragglers(self) -> list[tuple[Message, datetime]]:
        """Earlier attempts that are still under way, each with the moment its silence becomes unknown."""
        patience = timedelta(hours=self.campaign.playbook.give_up_hours)
        return [
            (message, message.handed_over_at + patience)
            for message in self.messages[:-1]
            if message.disposition == Disposition.PENDING and message.handed_over_at
        ]

    @property
    def first_attempt_at(self) -> datetime:
        return self.messages[0].handed_over_at or self.messages[0].due_at


@dataclass
class Known:
    """What the database says about a set of recipients, read in a fixed number of queries."""

    routes: dict[tuple[int, str], Route]
    addresses: dict[tuple[int, str], Address]  # (contact, kind) -> the preferred one
    providers: dict[int, str]
    health: dict[tuple[int, str], Health] = field(default_factory=dict)
    verdicts: dict[tuple[int, str], Verdict] = field(default_factory=dict)  # (recipient, channel)


def follow_moved(now: datetime, limit: int = MOVED_LIMIT) -> int:
    """Settle the recipients of messages whose status moved; return how many messages were looked at."""
    lock = "FOR UPDATE SKIP LOCKED" if connection.features.has_select_for_update_skip_locked else ""
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(CLAIM_MOVED.format(lock=lock), [limit])
            moved = [message for (message,) in cursor.fetchall()]
        settle(_arrive(sorted(set(moved))), now)
    return len(moved)


def _arrive(message_ids: Sequence[int]) -> set[int]:
    """Deal with the plain cases at once, and return the recipients that need a decision.

    Most messages go out and arrive at the first attempt. Then there is nothing to decide: progress asks for
    nothing, and an arrival makes the recipient reached. `settle` would come to the same, row by row.
    """
    # Locked before they are looked at: what changes meanwhile must not be overwritten by what was seen before.
    reached = Message.objects.filter(pk__in=message_ids, disposition=Disposition.DELIVERED)
    ids = list(reached.values_list("recipient_id", flat=True))
    locked = Recipient.objects.select_for_update().filter(pk__in=ids).order_by("pk")
    recipients = {recipient.pk: recipient for recipient in locked.only("campaign_id", *RECIPIENT_FIELDS)}
    # Said as the index `one_successor` says it, so that both databases use it.
    follower = Message.objects.filter(follows=OuterRef("pk"), follows__isnull=False, canceled_at__isnull=True)
    sick = AddressHealth.objects.filter(address=OuterRef("address"), hard_fails__gt=0)
    rows = Message.objects.filter(pk__in=message_ids).values_list(
        "recipient_id", "disposition", "status", "parts", "channel", "delivered_at", "updated_at", "follows",
        Exists(follower), Exists(QueueEntry.objects.filter(message=OuterRef("pk"))), Exists(sick),
    )  # fmt: skip
    arrived, rest = {}, set()
    for recipient, bucket, status, parts, channel, delivered, updated, follows, *complicated in rows:
        plain = follows is None and parts <= 1 and not any(complicated)
        if plain and bucket == Disposition.DELIVERED and recipient in recipients:
            arrived[recipient] = (delivered or updated, channel)
        elif not (plain and status in (Status.QUEUED, Status.SENDING, Status.SENT)):
            rest.add(recipient)
    _reach([recipients[pk] for pk in sorted(arrived)], arrived)
    return rest


def _reach(recipients: Sequence[Recipient], arrived: dict[int, tuple[datetime, str]]) -> None:
    """These recipients' only attempt arrived: recipient -> (when, on which channel)."""
    tally: Counter[tuple] = Counter()
    for recipient in recipients:
        tally[recipient.campaign_id, recipient.state, recipient.skip_reason] -= 1
        tally[recipient.campaign_id, State.REACHED, ""] += 1
        recipient.state, recipient.skip_reason = State.REACHED, ""
        recipient.reached_at, recipient.reached_by = arrived[recipient.pk]
        recipient.next_step, recipient.next_step_at, recipient.next_step_reason = Step.NONE, None, ARRIVED
    rewrite(recipients, RECIPIENT_FIELDS)
    bump(RecipientTally, tally)


def follow_due(now: datetime, limit: int = DUE_LIMIT) -> int:
    """Settle the recipients whose next step has come; return how many there were."""
    due = Recipient.objects.filter(next_step_at__lte=now).order_by("next_step_at")
    with transaction.atomic():
        ids = list(due.values_list("pk", flat=True)[:limit])
        settle(ids, now)
    return len(ids)


def settle(recipient_ids: Collection[int], now: datetime) -> None:
    """Bring these recipients' states, queues and next steps in line with what is known. Call in a transaction."""
    for chunk in chunks(sorted(set(recipient_ids)), 500):
        _settle(chunk, now)


def _settle(recipient_ids: Sequence[int], now: datetime) -> None:
    views = load(recipient_ids)
    if not views:
        return
    known = learn(views, now)
    decided = {view.recipient.pk: decide(*arguments(view, known), now) for view in views}
    _suppress(views, decided, now)
    _time_out(views, decided, now)
    made = _make_due(views, decided, known, now)
    withdraw([m.pk for v in views if v.reached_by for m in v.messages], "superseded", now)
    ended = [v for v in views if decided[v.recipient.pk].rule == "opted-out"]
    withdraw([m.pk for v in ended for m in v.messages], "opted_out", now)
    _explain(views, decided, made, now)
    _queue(views, decided, made, now)
    _move_recipients(views, decided, made, now)


def load(recipient_ids: Sequence[int]) -> list[View]:
    """The recipients, locked in order of id, with their attempts.

    Those left without any attempt, because the only one was withdrawn, become skipped and are left out.
    """
    recipients = list(
        Recipient.objects.select_for_update(
            of=("self",) if connection.features.has_select_for_update_of else ()
        )
        .filter(pk__in=recipient_ids)
        .select_related("contact")
        .order_by("pk")
    )
    campaigns = Campaign.objects.select_related("playbook").in_bulk({r.campaign_id for r in recipients})
    messages: dict[int, list[Message]] = defaultdict(list)
    for message in Message.objects.filter(recipient_id__in=recipient_ids, canceled_at=None).order_by("pk"):
        messages[message.recipient_id].append(message)
    _skip([r for r in recipients if not messages[r.pk] and r.state != State.SKIPPED])
    return [View(r, campaigns[r.campaign_id], messages[r.pk]) for r in recipients if messages[r.pk]]


def _skip(recipients: Sequence[Recipient]) -> None:
    """Nothing was ever handed over to these: the reason their message was withdrawn is why they were skipped."""
    reasons = dict(
        Message.objects.filter(recipient__in=recipients)
        .order_by("pk")
        .values_list("recipient_id", "reason_code")
    )
    tally: Counter[tuple] = Counter()
    for recipient in recipients:
        tally[recipient.campaign_id, recipient.state, recipient.skip_reason] -= 1
        recipient.state, recipient.skip_reason = State.SKIPPED, reasons.get(recipient.pk, "")[:24]
        recipient.next_step, recipient.next_step_at = Step.NONE, None
        recipient.next_step_reason = ""
        tally[recipient.campaign_id, recipient.state, recipient.skip_reason] += 1
    rewrite(recipients, RECIPIENT_FIELDS)
    bump(RecipientTally, tally)


def learn(views: Sequence[View], now: datetime) -> Known:
    """Routes, addresses, health, and the gate's word on each channel that could be used."""
    contacts = {view.recipient.contact_id for view in views}
    preferred = Address.objects.filter(contact_id__in=contacts, preferred=True)
    known = Known(
        routes=routes({view.campaign for view in views}),
        addresses={(a.contact_id, a.kind): a for a in preferred},
        providers=dict(Account.objects.values_list("pk", "provider")),
    )
    hard = {
        (m.contact_id, m.address_id, m.channel)
        for v in views
        for m in v.messages
        if m.disposition == Disposition.BOUNCED_HARD and m.fault == Fault.RECIPIENT
    }
    fine = {(m.address_id, m.channel): m.contact_id for v in views if (m := v.reached_by)}
    hard |= {(fine[pair], *pair) for pair in troubled(fine)}
    known.health = refresh(hard)
    known.verdicts = _ask(views, known, now)
    return known


def _ask(views: Sequence[View], known: Known, now: datetime) -> dict[tuple[int, str], Verdict]:
    """What the gate would say to each recipient's channels. Those that arrived need no answer."""
    asks: list[Ask] = []
    keys: list[tuple[int, str]] = []
    for view in views:
        if view.reached_by or (view.head.disposition == Disposition.PENDING and not _late(view, now)):
            continue
        for channel in [view.head.channel, *_others(view)]:
            route = known.routes.get((view.campaign.pk, channel))
            address = known.addresses.get((view.recipient.contact_id, KIND_OF[Channel(channel)]))
            if route is None:
                continue
            asks.append(ask(len(keys), view.campaign, route, view.recipient.contact_id, address, channel))
            keys.append((view.recipient.pk, channel))
    verdicts = check(asks, now)
    return {keys[number]: verdict for number, verdict in verdicts.items()}


def _late(view: View, now: datetime) -> bool:
    """Whether a pending attempt is old enough for another channel to matter."""
    head = view.head
    waited = now - head.handed_over_at if head.handed_over_at else timedelta(0)
    return head.status == Status.DELAYED or waited >= rules_of(view.campaign.playbook).next_look(timedelta(0))


def _others(view: View) -> list[str]:
    """The playbook's channels that this recipient has not been tried on."""
    playbook, tried = view.campaign.playbook, {m.channel for m in view.messages}
    wanted = playbook.urgent_switch_to if view.campaign.is_urgent else playbook.switch_to
    return [channel for channel in wanted if channel not in tried]


def ask(
    key: int, campaign: Campaign, route: Route, contact_id: int, address: Address | None, channel: str
) -> Ask:
    """The gate's question about one message of this campaign."""
    return Ask(
        key=key,
        contact_id=contact_id,
        address_id=address.pk if address else None,
        channel=channel,
        sender_value=route.content.sender.value,
        window_start=campaign.window_start,
        window_end=campaign.window_end,
        campaign_state=campaign.state,
        sender_state=route.content.sender.state,
        relevant_until=campaign.relevant_until,
        strikes=campaign.playbook.strikes,
    )


def rules_of(playbook: Playbook) -> Rules:
    return Rules(
        retries=playbook.retries,
        retry_window=timedelta(hours=playbook.retry_window_hours),
        retry_after=timedelta(hours=playbook.retry_after_hours),
        at_risk=timedelta(hours=playbook.at_risk_hours),
        switch_after=timedelta(hours=playbook.switch_after_hours),
        give_up=timedelta(hours=playbook.give_up_hours),
        strikes=playbook.strikes,
        version=playbook.version,
    )


def arguments(view: View, known: Known) -> tuple[Facts, Rules]:
    """The facts of one recipient, as `decide` wants them, with the rules that hold for it."""
    head, campaign = view.head, view.campaign
    reached = view.reached_by
    address = known.addresses.get((head.contact_id, KIND_OF[Channel(head.channel)]))
    own = known.verdicts.get((view.recipient.pk, head.channel))
    code, provider = head.reason_code, known.providers.get(head.account_id, "")
    usable = [
        channel
        for channel in _others(view)
        if (verdict := known.verdicts.get((view.recipient.pk, channel)))
        and (verdict.allowed or REASONS[Reason(verdict.reason)].holds)
    ]
    facts = Facts(
        channel=head.channel,
        status=head.status,
        failure_class=head.failure_class,
        fault=head.fault,
        disposition=head.disposition,
        reason=describe(provider, head.channel, code, head.status).short if code else "",
        handed_over_at=head.handed_over_at,
        settled_at=head.settled_at,
        attempts=sum(m.channel == head.channel for m in view.messages),
        first_attempt_at=view.first_attempt_at,
        reached_by=reached.channel if reached else "",
        opted_out=bool(own and own.reason == "opted_out"),
        blocked=_blocked(own),
        suppressed=bool(own and own.reason == "suppressed"),
        needs_correction=bool(own and own.reason == "needs_correction"),
        replaced=bool(address and address.pk != head.address_id),
        hard_fails=known.health.get((head.address_id, head.channel), Health(0, None, "")).hard_fails,
        zone=zone_for(
            view.recipient.contact.time_zone, address.time_zone if address else "", settings.TIME_ZONE
        ).key,
        window=(campaign.window_start, campaign.window_end),
        urgent=campaign.is_urgent,
        ended=campaign.state == Campaign.State.CANCELED or not view.recipient.automatic,
        relevant_until=campaign.relevant_until,
        alternatives=tuple(usable),
    )
    return facts, rules_of(campaign.playbook)


def _blocked(verdict: Verdict | None) -> str:
    """Why the gate would stop the next attempt, in words; '' when it would pass or only wait."""
    if verdict is None or verdict.allowed or REASONS[Reason(verdict.reason)].holds:
        return ""
    return REASONS[Reason(verdict.reason)].sentence


def _suppress(views: Sequence[View], decided: dict[int, Decided], now: datetime) -> None:
    """Permanent failures in a row: block that address on that channel, and say why.

    What waits elsewhere for the same person need not wait any more, so that is decided anew.
    """
    for view in views:
        if decided[view.recipient.pk].suppress:
            head = view.head
            suppress(
                contact=view.recipient.contact,
                value=head.address.value,
                channel=head.channel,
                reason=Suppression.Reason.HARD_FAILS,
                origin=Suppression.Origin.RULE,
                evidence=f"{view.campaign.playbook.strikes} permanent failures in a row; the last: {head.reason_code}",
                by=None,
                now=now,
            )
            others = QueueEntry.objects.filter(contact_id=head.contact_id, channel=head.channel).exclude(
                pk=head.pk
            )
            look_again(Recipient.objects.filter(messages__in=others.values("pk")), now)


def _time_out(views: Sequence[View], decided: dict[int, Decided], now: datetime) -> None:
    """Our own clock's word: no receipt came. Evidence `clock`, so any real receipt still overrides it."""
    meaning = Meaning(Status.TIMED_OUT, FailureClass.NONE, Fault.NONE, Evidence.CLOCK)
    silent = [view.head for view in views if decided[view.recipient.pk].give_up]
    silent += [message for view in views for message, ends in view.stragglers if ends <= now]
    apply([event(m.pk, m.goal, meaning, at=now) for m in silent], now)


def _make_due(
    views: Sequence[View], decided: dict[int, Decided], known: Known, now: datetime
) -> dict[int, Message]:
    """Make the retries and switches that are due: recipient -> its new message."""
    wanted = []
    for view in views:
        plan = decided[view.recipient.pk]
        if plan.step in (Step.RETRY, Step.SWITCH) and plan.due_at is not None and plan.due_at <= now:
            channel = plan.switch_to or view.head.channel
            cause = Cause.SWITCH if plan.switch_to else Cause.RETRY
            wanted.append((view, channel, cause, plan.reason))
    made = succeed(wanted, known, now)
    for view in views:
        plan = decided[view.recipient.pk]
        due = plan.step in (Step.RETRY, Step.SWITCH) and plan.due_at is not None and plan.due_at <= now
        if due and view.recipient.pk not in made:
            decided[view.recipient.pk] = Decided(
                "no-route", Step.REVIEW, State.FAILED,
                f"{plan.reason} There is no active account or content for that channel.", queue=Queue.REVIEW,
            )  # fmt: skip
    return made


def succeed(
    wanted: Iterable[tuple[View, str, str, str]], known: Known, now: datetime, due_at: datetime | None = None
) -> dict[int, Message]:
    """Make the next attempt for each (view, channel, cause, reason): recipient -> message, queued for handover.

    Recipients whose channel has no route or address are left out. The unique successor of a message is enforced
    by the database as well.
    """
    made = {}
    for view, channel, cause, reason in wanted:
        route = known.routes.get((view.campaign.pk, channel))
        address = known.addresses.get((view.recipient.contact_id, KIND_OF[Channel(channel)]))
        if route is None or address is None:
            continue
        made[view.recipient.pk] = _successor(view, channel, cause, reason, route, address, now, due_at or now)
    messages = Message.objects.bulk_create(made.values(), batch_size=300)
    Outbox.objects.bulk_create([outbox_of(message) for message in messages], batch_size=500)
    append(Counter(tuple(getattr(m, name) for name in MESSAGE_DIMENSIONS) for m in messages))
    return made


def _successor(
    view: View,
    channel: str,
    cause: str,
    reason: str,
    route: Route,
    address: Address,
    now: datetime,
    due_at: datetime,
) -> Message:
    head = view.head
    return Message(
        recipient_id=view.recipient.pk,
        campaign_id=view.campaign.pk,
        contact_id=view.recipient.contact_id,
        address_id=address.pk,
        sender_id=route.content.sender_id,
        account_id=route.account.pk,
        follows_id=head.pk,
        list_source_id=head.list_source_id,
        channel=channel,
        attempt=1 + sum(m.channel == channel for m in view.messages),
        cause=cause,
        cause_reason=reason[:200],
        rule_version=view.campaign.playbook.version,
        priority=view.campaign.priority,
        goal=view.campaign.goal,
        carrier=address.carrier,
        region=address.region,
        content_version=route.content.version,
        created_at=now,
        created_on=now.date(),
        due_at=due_at,
        updated_at=now,
    )


def outbox_of(message: Message) -> Outbox:
    return Outbox(
        message_id=message.pk,
        campaign_id=message.campaign_id,
        account_id=message.account_id,
        urgent=message.priority == "urgent",
        due_at=message.due_at,
    )


def withdraw(message_ids: Collection[int], reason: str, now: datetime) -> list[int]:
    """Take messages back that nobody has begun to hand over; return those it was not too late for."""
    taken: list[int] = []
    for chunk in chunks(sorted(message_ids)):
        waiting = (
            Outbox.objects.select_for_update().filter(message_id__in=chunk, claimed_until=None).order_by("pk")
        )
        ids = list(waiting.values_list("message_id", flat=True))
        Outbox.objects.filter(pk__in=ids).delete()
        taken += ids
    messages = Message.objects.filter(pk__in=taken)
    meaning = Meaning(Status.CANCELED, FailureClass.NONE, Fault.NONE, Evidence.CLOCK)
    apply([event(m.pk, m.goal, meaning, at=now, native=(reason, "", "")) for m in messages], now)
    messages.update(canceled_at=now)
    return taken


def _explain(
    views: Sequence[View], decided: dict[int, Decided], made: dict[int, Message], now: datetime
) -> None:
    """Record each decision that says something new."""
    rows = []
    for view in views:
        plan, recipient = decided[view.recipient.pk], view.recipient
        if plan.rule in ("arrived", "planned", "under-way"):
            continue  # the message itself says it
        said = (plan.step, plan.reason) == (recipient.next_step, recipient.next_step_reason)
        if said and recipient.pk not in made:
            continue
        rows.append(
            Decision(
                message_id=view.head.pk,
                recipient_id=recipient.pk,
                contact_id=recipient.contact_id,
                at=now,
                by="playbook",
                rule=plan.rule,
                rule_version=view.campaign.playbook.version,
                step=plan.step,
                due_at=plan.due_at,
                reason=plan.reason[:300],
            )
        )
    Decision.objects.bulk_create(rows, batch_size=300)


def _queue(
    views: Sequence[View], decided: dict[int, Decided], made: dict[int, Message], now: datetime
) -> None:
    """Let each attempt stand in the queue its decision names, and in no other."""
    standing = QueueEntry.objects.in_bulk([m.pk for view in views for m in view.messages])
    keep = _still_asked([m for view in views for m in view.messages[:-1] if m.pk in standing], standing, now)
    fresh, gone = [], []
    changes: Counter[tuple] = Counter()
    for view in views:
        plan = decided[view.recipient.pk]
        for message in view.messages:
            entry = standing.get(message.pk)
            queue = _queue_of(view, message, plan, keep.get(message.pk, ""), acted=view.recipient.pk in made)
            if entry and queue != entry.queue:
                gone.append(entry.pk)
                changes[entry.campaign_id, entry.queue] -= 1
            if queue and (entry is None or queue != entry.queue):
                changes[view.campaign.pk, queue] += 1
            if queue:
                before = entry if entry and entry.queue == queue else None
                fresh.append(_entry(message, queue, plan, before, now, is_head=message is view.head))
    QueueEntry.objects.filter(pk__in=gone).delete()
    QueueEntry.objects.bulk_create(
        fresh,
        batch_size=300,
        update_conflicts=True,
        unique_fields=["message"],
        update_fields=["status", "disposition", "reason_code", "due_at", "reason"],
    )
    bump(QueueTally, changes)


def _still_asked(
    earlier: Sequence[Message], standing: Mapping[int, QueueEntry], now: datetime
) -> dict[int, str]:
    """The queues that earlier attempts go on standing in: until their address was corrected, or suppressed."""
    if not earlier:
        return {}
    addresses = Address.objects.in_bulk({message.address_id for message in earlier})
    blocked = Suppression.objects.in_force(now).filter(value__in={a.value for a in addresses.values()})
    closed = set(blocked.values_list("value", "channel"))
    keep = {}
    for message in earlier:
        address, queue = addresses[message.address_id], standing[message.pk].queue
        suppressed = bool({(address.value, ""), (address.value, message.channel)} & closed)
        if queue in (Queue.CORRECT, Queue.SUPPRESS) and address.preferred and not suppressed:
            keep[message.pk] = queue
    return keep


def _queue_of(view: View, message: Message, plan: Decided, kept: str, *, acted: bool) -> str:
    if view.reached_by or plan.rule == "opted-out":
        return ""
    if message is view.head:
        # A retry or switch that was just made has left its queue; a bad address still waits to be corrected.
        return "" if acted and plan.queue in (Queue.RETRY, Queue.SWITCH, Queue.WATCH) else plan.queue
    return kept


def _entry(
    message: Message, queue: str, plan: Decided, before: QueueEntry | None, now: datetime, *, is_head: bool
) -> QueueEntry:
    """The row of `message` in `queue`. What an earlier attempt waits for stays in its own words."""
    return QueueEntry(
        message_id=message.pk,
        queue=queue,
        campaign_id=message.campaign_id,
        contact_id=message.contact_id,
        channel=message.channel,
        status=message.status,
        disposition=message.disposition or Disposition.UNKNOWN,
        reason_code=message.reason_code,
        carrier=message.carrier,
        list_source_id=message.list_source_id,
        at=before.at if before else (message.settled_at or now),
        due_at=plan.due_at if is_head and plan.step in (Step.RETRY, Step.SWITCH) else None,
        reason=plan.reason[:300] if is_head or before is None else before.reason,
        owner_id=before.owner_id if before else None,
        snoozed_until=before.snoozed_until if before else None,
    )


def _move_recipients(
    views: Sequence[View], decided: dict[int, Decided], made: dict[int, Message], now: datetime
) -> None:
    changed = []
    tally: Counter[tuple] = Counter()
    for view in views:
        recipient, plan = view.recipient, decided[view.recipient.pk]
        before = _fields(recipient)
        state_was = (recipient.campaign_id, recipient.state, recipient.skip_reason)
        _show(view, plan, now, acted=recipient.pk in made)
        if _fields(recipient) != before:
            changed.append(recipient)
            tally[state_was] -= 1
            tally[recipient.campaign_id, recipient.state, recipient.skip_reason] += 1
    rewrite(changed, RECIPIENT_FIELDS)
    bump(RecipientTally, tally)


def _fields(recipient: Recipient) -> tuple:
    return tuple(getattr(recipient, name) for name in RECIPIENT_FIELDS)


def _show(view: View, plan: Decided, now: datetime, *, acted: bool) -> None:
    """Write a decision onto the recipient."""
    recipient, reached = view.recipient, view.reached_by
    tried = any(message.handed_over_at for message in view.messages)
    recipient.state = State.OPEN if acted or (plan.state == State.PLANNED and tried) else plan.state
    recipient.skip_reason = ""
    recipient.reached_at = (reached.delivered_at or reached.updated_at) if reached else None
    recipient.reached_by = reached.channel if reached else ""
    recipient.next_step = Step.WAIT if acted else plan.step
    # An earlier attempt that is still silent has its own clock, whatever became of the later ones.
    clocks = [ends for _, ends in view.stragglers if ends > now]
    recipient.next_step_at = min(clocks + ([plan.due_at] if plan.due_at and not acted else []), default=None)
    recipient.next_step_reason = ("Just sent on: " + plan.reason if acted else plan.reason)[:300]


def stop_paths(value: str, now: datetime) -> None:
    """The owner of this address opted out: withdraw what waits to be sent to it, and have the rest decided anew."""
    addresses = list(Address.objects.filter(value=value).values_list("pk", "contact_id"))
    contacts = {contact for _, contact in addresses}
    waiting = Outbox.objects.filter(
        message__address_id__in=[pk for pk, _ in addresses], message__contact_id__in=contacts
    )
    withdraw(waiting.values_list("message_id", flat=True), "opted_out", now)
    look_again(Recipient.objects.filter(contact_id__in=contacts, next_step_at__isnull=False), now)


def look_again(recipients: QuerySet[Recipient], now: datetime) -> None:
    """Have these recipients decided anew, soon: what was planned for them may not hold any more."""
    messages = Message.objects.filter(recipient__in=recipients.values("pk")).values_list("pk", flat=True)
    Moved.objects.bulk_create([Moved(message_id=pk, moved_at=now) for pk in messages], batch_size=400)


def run_next_step_now(recipient: Recipient, by, now: datetime) -> bool:
    """Make the planned retry or switch at once; False when there is none any more."""
    with transaction.atomic():
        views = load([recipient.pk])
        if not views or views[0].recipient.next_step not in (Step.RETRY, Step.SWITCH):
            return False
        view = views[0]
        known = learn(views, now)
        plan = decide(*arguments(view, known), now)
        if plan.step not in (Step.RETRY, Step.SWITCH):
            settle([recipient.pk], now)
            return False
        cause = Cause.BULK_SWITCH if plan.switch_to else Cause.BULK_RETRY
        reason = f"{by.display_name} did not wait: {plan.reason}"
        made = succeed([(view, plan.switch_to or view.head.channel, cause, reason)], known, now)
        note_staff(view, plan.step, reason, now)
        settle([recipient.pk], now)
        return bool(made)


def cancel_next_step(recipient: Recipient, by, now: datetime) -> bool:
    """Stop the automatic steps for this recipient, and take back what has not left yet."""
    with transaction.atomic():
        views = load([recipient.pk])
        if not views:
            return False
        Recipient.objects.filter(pk=recipient.pk).update(automatic=False)
        withdraw([m.pk for m in views[0].messages], "stopped", now)
        note_staff(views[0], Step.NONE, f"{by.display_name} stopped the automatic steps.", now)
        settle([recipient.pk], now)
        return True


def note_staff(view: View, step: str, reason: str, now: datetime) -> None:
    """Record what a colleague decided for one recipient."""
    Decision.objects.create(
        message_id=view.head.pk,
        recipient_id=view.recipient.pk,
        contact_id=view.recipient.contact_id,
        at=now,
        by="staff",
        rule="staff",
        step=step,
        due_at=now,
        reason=reason[:300],
    )
