"""Passing on: messages that wait where nothing is handed over move to the next route of their list.

Urgent ones at once, others once the account has rested for `PASS_ON_AFTER`. Only what nobody has claimed, so that it
certainly never left; what has moved stays where it is, and new messages take the first route again when that goes on.
"""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import F, Q

from campaigns.models import Campaign, Pace, Sender
from campaigns.rates import account_key
from deliveries.deciding.context import PASS_ON_AFTER
from deliveries.deciding.decide import Step
from deliveries.deciding.rests import Kind
from deliveries.deciding.routes import CampaignRoute, RouteOption, routes
from deliveries.ledger.statements.values import MESSAGE_DIMENSIONS
from deliveries.ledger.tallies import append
from deliveries.models import Account, Decision, Message, Outbox, Route, RouteAlarm, RouteMove
from deliveries.models.work import LIMIT_REACHED
from deliveries.sending.claiming import lock
from deliveries.sending.lanes import Lane, lanes
from deliveries.wording import zoned

CHUNK = 500  # messages, in one transaction
SECONDS = 0.5  # of one turn: the process that sends has more to do
# What its account put off comes again by itself after up to so long; the next route need not wait for that.
PUT_OFF = timedelta(hours=1)
# An account that takes no more for less than that (429, Retry-After) has taken its messages before another would.
WORTH_MOVING = timedelta(seconds=5)
CALM = timedelta(
    minutes=10
)  # after a rest, with nothing to hand over: what nobody can try is not alarmed for ever


def pass_on(now: datetime) -> int:
    """Move what waits in the lanes that rest, as long as the time of a turn allows; how many messages moved."""
    waiting = list(lanes())
    alarms = [alarm for alarm in watch(now, {lane.account_id for lane in waiting}) if alarm.in_effect(now)]
    if not alarms:
        return 0
    channels = dict(
        Sender.objects.filter(pk__in={lane.sender_id for lane in waiting}).values_list("pk", "channel")
    )
    listed = list(Route.objects.filter(channel__in=set(channels.values())))
    resting = []
    for lane in waiting:
        channel = channels.get(lane.sender_id, "")
        alarm = _of(lane, channel, alarms)
        if alarm and _has_others(lane, channel, listed, alarms):
            resting.append((lane, alarm))
    late = [
        (lane, alarm) for lane, alarm in resting if alarm.raised_at and now >= alarm.raised_at + PASS_ON_AFTER
    ]
    turns = [(*each, True) for each in resting] + [(*each, False) for each in late]
    # Urgent ones of all lanes first, and each its part of the time: one in which nothing can move starves no other.
    return sum(
        _pass_on(lane, alarm, alarms, now, time.monotonic() + SECONDS / len(turns), urgent=urgent)
        for lane, alarm, urgent in turns
    )


# ---- What rests, and since when -----------------------------------------------------------------------------


def watch(now: datetime, waiting: Iterable[int]) -> list[RouteAlarm]:
    """Open an alarm for each account that rests, or takes no more or is switched off while messages wait there
    (`waiting`), and close those that are over; all that are open. An account that rests again before it took anything
    rests still.
    """
    waiting = set(waiting)
    busy = _busy(waiting, now)
    opened = list(
        RouteAlarm.objects.filter(closed_at=None, raised_at__isnull=False).select_related("account")
    )
    found = {(alarm.kind, alarm.account_id): alarm for alarm in opened if not alarm.channel}
    resting = Account.objects.filter(
        Q(paused_until__gt=now) | Q(active=False, pk__in=waiting) | Q(pk__in=busy)
    )
    wanted: dict[tuple[str, int], tuple[datetime | None, str]] = {}
    for account in resting.defer("credentials"):
        if not account.active:
            wanted[Kind.OFF, account.pk] = None, f"{account} is switched off, and messages wait there."
        elif account.pk in busy:
            why = f"{account} takes no more for the moment: it reached a limit of its provider."
            wanted[Kind.RESTS, account.pk] = busy[account.pk], why
        if account.paused_until and account.paused_until > now:
            wanted[Kind.RESTS, account.pk] = (
                account.paused_until,
                f"{account} rests: nothing is handed over there.",
            )
    for (kind, account_id), (until, sentence) in wanted.items():
        alarm = found.get((kind, account_id))
        if alarm is None:
            alarm, _ = RouteAlarm.objects.select_related("account").get_or_create(
                kind=kind, account_id=account_id, channel="", sender_id=0, country="", closed_at=None,
                defaults={"raised_at": now, "until": until, "sentence": sentence[:300]},
            )  # fmt: skip
            opened.append(alarm)
        else:
            _rest_until(alarm, until)
    for key, alarm in found.items():
        if key not in wanted and alarm.in_effect(now) and alarm.kind == Kind.RESTS:
            _rest_until(alarm, now)  # somebody resumed it
    over = [alarm for key, alarm in found.items() if key not in wanted and _is_over(alarm, now)]
    refusing = [alarm for alarm in opened if alarm.kind == Kind.REFUSES and alarm.account_id not in waiting]
    over += [alarm for alarm in refusing if alarm.until and now >= alarm.until + CALM]
    if over:
        RouteAlarm.objects.filter(pk__in=[alarm.pk for alarm in over]).update(closed_at=now)
    return [alarm for alarm in opened if alarm not in over]


def _busy(accounts: Iterable[int], now: datetime) -> dict[int, datetime]:
    """Which of these accounts wait because their provider takes no more, and until when."""
    keys = {account_key(pk, ""): pk for pk in accounts}
    paces = Pace.objects.filter(pk__in=keys, next_at__gt=now + WORTH_MOVING)
    return {keys[key]: until for key, until in paces.values_list("pk", "next_at")}


def _rest_until(alarm: RouteAlarm, until: datetime | None) -> None:
    if alarm.until != until:
        alarm.until = until
        alarm.save(update_fields=["until"])


def _is_over(alarm: RouteAlarm, now: datetime) -> bool:
    """What rested is tried first: the alarm closes when it takes a message (`note_answers`), or when all was calm."""
    return alarm.kind == Kind.OFF or bool(
        alarm.kind == Kind.RESTS and alarm.until and now >= alarm.until + CALM
    )


def _of(lane: Lane, channel: str, alarms: Sequence[RouteAlarm]) -> RouteAlarm | None:
    """Why nothing leaves by this lane; None when it does."""
    those = (alarm for alarm in alarms if alarm.concerns(lane.account_id, channel, lane.sender_id))
    return min(those, key=lambda alarm: (alarm.raised_at, alarm.pk), default=None)


def _has_others(lane: Lane, channel: str, listed: Sequence[Route], alarms: Sequence[RouteAlarm]) -> bool:
    """Whether any list of the channel holds something else that does not rest: else nobody need look at what waits."""
    keys = {Lane(row.account_id, row.sender_id or lane.sender_id) for row in listed if row.channel == channel}
    return any(key != lane and _of(key, channel, alarms) is None for key in keys)


# ---- Moving ---------------------------------------------------------------------------------------------------


def _pass_on(
    lane: Lane,
    alarm: RouteAlarm,
    alarms: Sequence[RouteAlarm],
    now: datetime,
    ends: float,
    *,
    urgent: bool,
) -> int:
    """What is due in one lane, chunk by chunk, each committed; how many moved."""
    put_off = Q(due_at__lte=now + PUT_OFF) & (Q(attempts__gt=0, held="") | Q(held=LIMIT_REACHED))
    rows = Outbox.objects.filter(
        Q(due_at__lte=now) | put_off, account_id=lane.account_id, sender_id=lane.sender_id, urgent=urgent,
        claimed_until=None, due_at__lte=now + PUT_OFF,
    ).order_by("due_at", "message")  # fmt: skip
    done, after = 0, Q()
    while time.monotonic() < ends:
        with transaction.atomic():
            chunk = lock(rows.filter(after)[:CHUNK])
            targets = _targets(chunk, lane, alarms)
            for option, ids in targets.items():
                _move(ids, option, alarm, now)
        done += sum(map(len, targets.values()))
        if len(chunk) < CHUNK:
            break
        last = chunk[-1]
        after = Q(due_at__gt=last.due_at) | Q(due_at=last.due_at, message__gt=last.message_id)
    return done


def _targets(
    rows: Sequence[Outbox], lane: Lane, alarms: Sequence[RouteAlarm]
) -> Mapping[RouteOption, list[int]]:
    """Where each message goes: the first option of its list that is elsewhere and does not rest."""
    found: dict[RouteOption, list[int]] = defaultdict(list)
    if not rows:
        return found
    of = routes(Campaign.objects.filter(pk__in={row.campaign_id for row in rows}))
    where = Message.objects.filter(pk__in=[row.message_id for row in rows]).values_list(
        "pk", "channel", "region"
    )
    campaigns = {row.message_id: row.campaign_id for row in rows}
    chosen: dict[tuple, RouteOption | None] = {}
    for pk, channel, region in where:
        key = campaigns[pk], channel, region
        if key not in chosen:
            chosen[key] = _next(of.get(key[:2]), channel, region, lane, alarms)
        option = chosen[key]
        if option:
            found[option].append(pk)
    return found


def _next(
    route: CampaignRoute | None, channel: str, region: str, lane: Lane, alarms: Sequence[RouteAlarm]
) -> RouteOption | None:
    for option in route.listed(region) if route else ():
        key = Lane(*option.key)
        if key != lane and option.sender.may_send and _of(key, channel, alarms) is None:
            return option
    return None


def _move(ids: Sequence[int], option: RouteOption, alarm: RouteAlarm, now: datetime) -> None:
    """To another account and sender, with the tallies, and a decision that says why. Call in a transaction."""
    messages = list(Message.objects.select_for_update().filter(pk__in=ids).order_by("pk"))
    if not messages:
        return
    changes: Counter[tuple] = Counter()
    for message in messages:
        changes[_dimensions(message)] -= 1
        message.account_id, message.sender_id = option.key
        changes[_dimensions(message)] += 1
    account, sender = option.key
    Message.objects.filter(pk__in=ids).update(account=account, sender=sender, updated_at=now)
    moved = Outbox.objects.filter(pk__in=ids)
    moved.filter(due_at__gt=now).update(due_at=now)
    moved.update(account_id=account, sender_id=sender, held="")
    append(changes)
    _record(messages[0].channel, len(messages), option, alarm, now)
    reason = f"{_why(alarm)}: passed on to {option.account}."[:300]
    Decision.objects.bulk_create(
        [
            Decision(
                message_id=message.pk, recipient_id=message.recipient_id, contact_id=message.contact_id, at=now,
                by="route", rule="passed_on", step=Step.WAIT, reason=reason,
            )
            for message in messages
        ],
        batch_size=300,
    )  # fmt: skip


def _record(channel: str, count: int, option: RouteOption, alarm: RouteAlarm, now: datetime) -> None:
    """For the page of routes: one line for each cause and account, however many turns it takes."""
    account, _ = option.key
    line = RouteMove.objects.filter(alarm=alarm, channel=channel, account=account)
    if not line.update(messages=F("messages") + count):
        RouteMove.objects.create(
            channel=channel, share=0, was=0, account_id=account, away_from_id=alarm.account_id, at=now, alarm=alarm,
            messages=count, reason=f"{_why(alarm)}."[:300],
        )  # fmt: skip


def _dimensions(message: Message) -> tuple:
    return tuple(getattr(message, name) for name in MESSAGE_DIMENSIONS)


def _why(alarm: RouteAlarm) -> str:
    if alarm.kind == Kind.REFUSES:
        return alarm.sentence.rstrip(".")[:200]
    if alarm.kind == Kind.OFF:
        return f"{alarm.account} is switched off"
    assert alarm.raised_at is not None
    return f"{alarm.account} rests since {zoned(alarm.raised_at)}"
