"""Claiming what is due: the gate is asked in the transaction that claims, so an opt-out before it wins. So is the
condition of a follow-up: a click before it wins as well."""

from __future__ import annotations

import logging
from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import NamedTuple

from django.db import connection
from django.db.models import F, Q, QuerySet

from campaigns.models import Campaign, Content, Sender
from campaigns.texts import contents_of
from contacts.among import Among
from contacts.gate import REASONS, Ask, Reason, Verdict, check, sentence
from contacts.hours import spread
from deliveries import short_links
from deliveries.deciding.attempts import withdraw
from deliveries.deciding.decide import Step
from deliveries.deciding.rests import RouteKey, rests
from deliveries.ledger import quarantine
from deliveries.ledger.quarantine import Kind
from deliveries.ledger.statements import rewrite
from deliveries.models import Account, Decision, Message, Outbox
from deliveries.models.work import DAILY_LIMIT, EARLIER_GOES_ON, NOT_NOW, OWN_PACE, WHEN_ALLOWED
from deliveries.sending import still_meant
from deliveries.sending.campaign_pace import CampaignTurns, campaign_turns, give_more_turns
from deliveries.sending.composing import outgoing
from deliveries.sending.lanes import Lane, lanes, take
from deliveries.sending.pacing import AT_ONCE, Clock, Pacing, Turn, show_due
from deliveries.sending.transport import LEASE, Claimed

logger = logging.getLogger(__name__)

# A message that keeps ending its process is handed over alone, and in the end not at all.
TOGETHER_ENDINGS = 2  # so often a message may be there with its neighbours: it is seldom to blame
MOST_ENDINGS = 5
# Among the reasons why a row of the outbox waits:
ANSWER_LOST = "answer_lost"  # its process did not end: it asks the provider once its claim has run out
SET_ASIDE = "set_aside"  # until an administrator has it tried again
# Reasons by which the message itself shows until when it waits.
SHOWN = (Reason.QUIET_HOURS, DAILY_LIMIT, OWN_PACE)
WAIT_FOR_CONTENT = timedelta(minutes=5)
EARLIER_AGAIN = timedelta(hours=1)
MOST_PAUSES = 72  # of that length: what cannot be put together is tried again four times a day


class Loaded(NamedTuple):
    """Messages by id, contents by campaign and channel, accounts by id."""

    messages: dict[int, Message]
    contents: dict[tuple[int, str], Content]
    accounts: dict[int, Account]


NOTHING = Loaded({}, {}, {})


class Gated(NamedTuple):
    """What the gate decided of the rows that were due: those claimed, and how many wait or were withdrawn.

    `loaded` is what their handovers need.
    """

    claimed: list[Outbox]
    loaded: Loaded
    held: int = 0
    stopped: int = 0
    turns: Mapping[int, Turn] = {}  # of those whose sender keeps to a rate


def claim_due(
    now: datetime, room: Mapping[int, int], *, busy: bool = False, clock: Clock | None = None
) -> Gated:
    """Take due messages, for each account as many as it has room for, ask the gate about each, and mark those that
    may go. Attempts count before the attempt. `busy`: other calls of this process are under way. `clock`: goes on
    from `now`, for senders that keep to a rate.
    """
    clock = clock or Clock(now)
    usual, tried = rests(now).part(lane for lane in lanes() if room.get(lane.account_id, 0) > 0)
    paused = _being_paused()
    pacing = Pacing([*usual, *(lane for those in tried.values() for lane in those)], clock)
    waiting = pacing.hold_used_up(now, paused)
    rows = _due(usual, tried, Counter(room), pacing, now, paused)
    if suspects := quarantine.troubled(Kind.HAND_OVER, [row.pk for row in rows], least=TOGETHER_ENDINGS):
        # Alone, so that it can end its process for nobody else.
        rows = [] if busy else [row for row in rows if row.pk in suspects][:1]
    if not rows:
        return Gated([], NOTHING, waiting)
    loaded = load(rows)
    messages, contents, _ = loaded
    campaigns = _campaigns(messages.values())
    left = withdraw(still_meant.among(messages.values(), campaigns, now), still_meant.NO_LONGER_MEANT, now)
    rows = [row for row in rows if row.message_id not in set(left)]
    verdicts = _strictest(check(_asks(messages.values(), contents, campaigns), now))
    early = set(still_meant.too_early([messages[row.message_id] for row in rows], campaigns, now))
    # What may never leave any more is withdrawn, whatever the earlier campaign does.
    too_early = [row for row in rows if row.message_id in early and not _stops(verdicts[row.message_id])]
    early = {row.message_id for row in too_early}
    rows = [row for row in rows if row.message_id not in early]
    there = {pk for pk, message in messages.items() if (message.campaign_id, message.channel) in contents}
    going = [row for row in rows if verdicts[row.message_id].allowed and row.message_id in there]
    own = campaign_turns(going, campaigns, now)
    turns = pacing.turns([row for row in going if row.message_id not in own.until], contents, messages)
    turns |= {pk: Turn(waits=True, until=until) for pk, until in own.until.items()}
    _wait_for_senders(verdicts)
    go, held, stopped = _sort(rows, verdicts, turns, there, now, own)
    for row in too_early:
        _hold_until(row, now + EARLIER_AGAIN, EARLIER_GOES_ON, held)
    held += give_more_turns([row for row in held if row.held == OWN_PACE], campaigns, now, paused)
    Outbox.objects.filter(Among("pk", [row.pk for row in go])).update(
        claimed_until=now + LEASE, attempts=F("attempts") + 1, held=""
    )
    rewrite(held, ["held", "due_at"])
    # The message shows until when it waits for the permitted hours, a turn or its sender's next day, and that it did.
    show_due(row for row in held if row.held in SHOWN)
    for reason, those in stopped.items():
        _stop(those, reason, verdicts, now)
    pacing.save()
    withdrawn = len(left) + sum(map(len, stopped.values()))
    return Gated(go, loaded, len(held) + waiting, withdrawn, turns)


def give_back_refused(gated: Gated, now: datetime) -> Gated:
    """Ask the gate once more about what is claimed, and give back what it refuses by now: for what was said while the
    claim was made. What somebody else would withdraw is claimed, so nobody but us can."""
    messages, contents, _ = gated.loaded
    claimed = {row.message_id: row for row in gated.claimed}
    asked = [messages[pk] for pk in claimed]
    verdicts = _strictest(check(_asks(asked, contents, _campaigns(asked)), now))
    refused = [row for pk, row in claimed.items() if not verdicts[pk].allowed]
    if not refused:
        return gated
    give_back(refused)
    stopped = defaultdict[str, list[Outbox]](list)
    for row in refused:
        if _stops(verdicts[row.message_id]):
            stopped[verdicts[row.message_id].reason].append(row)
    for reason, those in stopped.items():
        _stop(those, reason, verdicts, now)
    going = [row for row in gated.claimed if verdicts[row.message_id].allowed]
    return gated._replace(claimed=going, stopped=gated.stopped + sum(map(len, stopped.values())))


def give_back(rows: Sequence[Outbox]) -> None:
    """Their handover has not begun: they wait as before."""
    Outbox.objects.filter(Among("pk", [row.pk for row in rows])).update(
        claimed_until=None, attempts=F("attempts") - 1
    )


def _due(
    usual: Sequence[Lane],
    tried: Mapping[RouteKey, Sequence[Lane]],
    places: Counter[int],
    pacing: Pacing,
    now: datetime,
    paused: Sequence[int],
) -> list[Outbox]:
    """Due rows of lanes that go on as usual; and one of each group that rests, where it is tried whether it goes on."""
    rows: list[Outbox] = []
    trying = [those for key, those in tried.items() if not _is_under_way(key, now)]
    for some, free in [(usual, places), *((those, _one(those, places)) for those in trying)]:
        open_lanes = [lane for lane in some if lane in pacing.lanes]
        # One after the other, so that the index finds each without wading through what is due tomorrow.
        for urgent in (True, False):
            rows += take(open_lanes, free, pacing.most, now, paused, urgent=urgent)
    return rows


def _sort(
    rows: Sequence[Outbox],
    verdicts: Mapping[int, Verdict],
    turns: Mapping[int, Turn],
    with_content: Collection[int],
    now: datetime,
    own: CampaignTurns,
) -> tuple[list[Outbox], list[Outbox], dict[str, list[Outbox]]]:
    """Those that may go, those that are held until later, and those that are stopped, by the reason. What has no turn
    in the next moment is in none of them, and is looked at again then."""
    go: list[Outbox] = []
    held: list[Outbox] = []
    stopped = defaultdict[str, list[Outbox]](list)
    for row in rows:
        verdict, turn = verdicts[row.message_id], turns.get(row.message_id, AT_ONCE)
        if _stops(verdict):
            stopped[verdict.reason].append(row)
        elif not verdict.allowed:
            _hold_until(row, _again(row, verdict) or now + WAIT_FOR_CONTENT, verdict.reason, held)
        elif row.message_id not in with_content:
            _hold_until(row, now + WAIT_FOR_CONTENT, "no_content", held)
        elif turn.waits:
            if turn.until:
                _hold_until(row, turn.until, OWN_PACE if row.message_id in own.until else DAILY_LIMIT, held)
            elif row.message_id in own.taken and row.held != OWN_PACE:
                _hold_until(
                    row, now, OWN_PACE, held
                )  # only its sender lets it wait: it keeps its turn for a moment
        else:
            row.claimed_until, row.attempts, row.held = now + LEASE, row.attempts + 1, ""
            go.append(row)
    return go, held, stopped


def _hold_until(row: Outbox, due_at: datetime, why: str, held: list[Outbox]) -> None:
    row.due_at, row.held = due_at, why
    held.append(row)


def _is_under_way(key: RouteKey, now: datetime) -> bool:
    """Whether a message is just being tried there, by whichever process: the next one waits for its answer."""
    claimed = Outbox.objects.filter(
        account_id=key.account_id, claimed_until__gt=now, claimed_until__lt=NOT_NOW
    )
    mine = Q(sender_id=key.sender_id) if key.sender_id else Q(message__channel=key.channel)
    return claimed.filter(mine).exists()


def _one(those: Sequence[Lane], places: Mapping[int, int]) -> Counter[int]:
    """Room for one message where it is only tried whether anything is taken."""
    return Counter({lane.account_id: min(1, places[lane.account_id]) for lane in those})


def _again(row: Outbox, verdict: Verdict) -> datetime | None:
    """When it is asked about again. What waits for the permitted hours is spread over their first minutes."""
    if row.urgent or verdict.until is None or verdict.ends is None:
        return verdict.until
    return spread(row.message_id, verdict.until, verdict.ends)


def _being_paused() -> list[int]:
    """Paused campaigns whose messages still stand among what is due: they must not be in the others' way. And those
    that go on without a part of their audience, until what waits for that is withdrawn: the gate would only skip it."""
    leaving_out = Q(leaves_out=True, left_out__outbox_to__isnull=False)
    paused = Campaign.objects.filter(leaving_out | Q(state=Campaign.State.PAUSED), outbox_to__isnull=False)
    return list(paused.values_list("pk", flat=True).distinct())


def lock(rows: QuerySet[Outbox]) -> list[Outbox]:
    skip = connection.features.has_select_for_update_skip_locked
    return list(rows.select_for_update(skip_locked=skip))


def load(rows: Sequence[Outbox]) -> Loaded:
    """What the gate is asked and a provider is given. The rest of the many columns of messages is left out.

    In the transaction that claims: if it fails, nothing is claimed. What is claimed and never begun would be in doubt.
    """
    messages = Message.objects.select_related("contact", "address").only(
        "uuid", "channel", "goal", "provider_message_id", "recipient", "campaign", "account", "sender",
        "region", "carrier", "contact__name", "contact__attributes", "address__value",
    )  # fmt: skip
    found = {
        message.pk: message for message in messages.filter(Among("pk", [row.message_id for row in rows]))
    }
    senders = Sender.objects.only("value", "state").in_bulk({message.sender_id for message in found.values()})
    for message in found.values():  # one object for all its messages
        message.sender = senders[message.sender_id]
    accounts = Account.objects.in_bulk({row.account_id for row in rows})
    return Loaded(found, contents_of(row.campaign_id for row in rows), accounts)


def _campaigns(messages: Collection[Message]) -> dict[int, Campaign]:
    return Campaign.objects.select_related("playbook").in_bulk({each.campaign_id for each in messages})


def _asks(
    messages: Collection[Message],
    contents: Mapping[tuple[int, str], Content],
    campaigns: Mapping[int, Campaign],
) -> list[Ask]:
    """The gate's questions, keyed by message; by its negative id once more for the campaign's own sender, where it
    leaves from another one: what somebody said of that sender is about the campaign.
    """
    asks = [
        campaigns[message.campaign_id].ask(
            message.pk,
            contact_id=message.contact_id,
            address_id=message.address_id,
            channel=message.channel,
            sender=message.sender,
        )
        for message in messages
    ]
    return asks + [
        replace(ask, key=-ask.key, sender_value=content.sender.value)
        for message, ask in zip(messages, asks, strict=True)
        if (content := contents.get((message.campaign_id, message.channel)))
        and content.sender_id != message.sender_id
    ]


def _strictest(verdicts: Mapping[int, Verdict]) -> dict[int, Verdict]:
    """One for each message: no to it, or to the campaign's own sender, is no."""
    found = {key: verdict for key, verdict in verdicts.items() if key > 0}
    for key, own in verdicts.items():
        if key < 0 and (_stops(own) or found[-key].allowed):
            found[-key] = own
    return found


def _stops(verdict: Verdict) -> bool:
    """Whether it is no for good: the message is withdrawn."""
    return not verdict.allowed and not REASONS[Reason(verdict.reason)].holds


def _wait_for_senders(verdicts: dict[int, Verdict]) -> None:
    """What leaves by a sender that may not send waits until it may (`sender_allowed.py`), rather than be asked about
    again and again."""
    for pk, verdict in verdicts.items():
        if verdict.reason == Reason.SENDER_NOT_APPROVED:
            verdicts[pk] = replace(verdict, until=WHEN_ALLOWED, ends=None)


def _stop(rows: Sequence[Outbox], reason: str, verdicts: dict[int, Verdict], now: datetime) -> None:
    """The gate said no: the message is withdrawn, and the decision says why."""
    ids = withdraw([row.message_id for row in rows], reason, now)
    Decision.objects.bulk_create(
        [
            Decision(
                message_id=pk, recipient_id=recipient, contact_id=contact, at=now, by="gate", rule=reason,
                step=Step.NONE, reason=sentence(reason, verdicts[pk].detail)[:300],
            )
            for pk, recipient, contact in Message.objects.filter(pk__in=ids).values_list("pk", "recipient", "contact")
        ],
        batch_size=300,
    )  # fmt: skip


def count_endings(rows: Sequence[Outbox], now: datetime) -> list[Outbox]:
    """Those to look up now. A claim that ran out without an answer lost means that its process ended: counted before
    the next attempt. One that was there twice before when a process ended goes alone, so that its neighbours, counted
    with it, can go on; the last time it is set aside, still claimed: whether it left is not known.
    """
    ended = {row.message_id: row for row in rows if row.held != ANSWER_LOST}
    suspects = quarantine.troubled(Kind.HAND_OVER, ended, least=TOGETHER_ENDINGS)
    if suspects:
        alone = min(suspects)
        ended, rows = {alone: ended[alone]}, [ended[alone]]
    attempts = quarantine.count(Kind.HAND_OVER, ended, now) if ended else {}
    too_often = [row for pk, row in ended.items() if attempts[pk] >= MOST_ENDINGS]
    for row in too_often:
        logger.error("Message %d is set aside: it was there each time its process ended", row.message_id)
        row.claimed_until, row.held = NOT_NOW, SET_ASIDE
        quarantine.set_aside(Kind.HAND_OVER, row.message_id, quarantine.NO_END, now)
    rewrite(too_often, ["claimed_until", "held"])
    return [row for row in rows if row not in too_often]


def prepare(
    rows: Sequence[Outbox],
    loaded: Loaded,
    began: Mapping[int, datetime],
    now: datetime,
    begin_by: float,
) -> list[Claimed]:
    """What is to be sent, merge fields filled in; `began` says when a handover in doubt was begun.

    What cannot be put together is held, ever longer, and never left: unless it is in doubt, which keeps its claim.
    """
    messages, contents, accounts = loaded
    claimed, broken = [], []
    short = short_links.numbers(contents.values())
    for row in rows:
        message, account, since = (
            messages[row.message_id],
            accounts[row.account_id],
            began.get(row.message_id),
        )
        # Without content nothing new is claimed; what is in doubt can still be looked up by its reference.
        content = contents.get((message.campaign_id, message.channel)) or Content()
        assert row.claimed_until is not None
        try:
            sent = outgoing(message, content, account, since, short.get(message.campaign_id))
        except Exception:  # whatever is wrong with its contact or content concerns this message alone
            logger.exception("Message %d cannot be put together", message.pk)
            broken.append(row)
        else:
            if since is None:  # what it leaves with may have been written after it was made
                message.content_version = content.version
            claimed.append(Claimed(message, sent, account, row.claimed_until, since, begin_by))
    _hold([row for row in broken if row.message_id not in began], now)
    return claimed


def _hold(rows: Sequence[Outbox], now: datetime) -> None:
    for row in rows:
        row.claimed_until, row.held = None, "cannot_be_made"
        row.due_at = now + min(row.attempts, MOST_PAUSES) * WAIT_FOR_CONTENT
    rewrite(rows, ["claimed_until", "held", "due_at"])
