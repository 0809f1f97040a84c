"""The replay of stored receipts with other code tables: first to count what would change, then to change it.

Both work in slices of messages, in the background. After publishing, the events, the messages and all that follows
from them are brought in line. Nothing is sent for it: messages whose time is over are corrected in the records
and nothing more.
"""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Sequence
from collections.abc import Mapping as Fields
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from django.db import connection, transaction
from django.db.models import F, Q, QuerySet
from django.db.models.functions import Lower

from campaigns.models import Campaign, Recipient
from contacts.addresses import match_key
from contacts.channels import limit
from contacts.chunks import in_lists
from contacts.consenting import Mistaken, own_blocks, take_back_opt_outs
from contacts.grounds import reported_message
from contacts.models import Suppression
from contacts.suppressing import lift_mistaken
from deliveries.deciding.decide import STILL_WORTH_IT
from deliveries.deciding.health import examine, refresh
from deliveries.deciding.stopping import apply_opt_outs
from deliveries.ledger import quarantine
from deliveries.ledger.events import event_key
from deliveries.ledger.quarantine import Kind
from deliveries.ledger.statements import reproject
from deliveries.ledger.statements.values import ClaimedReceipt
from deliveries.meaning import evidence, mappings
from deliveries.meaning.drafts import CannotChange, Change, changes, last_message
from deliveries.meaning.translation import ENHANCED, FALLBACK_CHANNEL, Key, Mapping, shipped, tables_of
from deliveries.models import Account, MappingVersion, Message, Receipt, StatusEvent
from deliveries.providers import PROVIDERS
from deliveries.providers.facts import Report
from deliveries.receiving.recording import as_call
from deliveries.statuses import Disposition, Fault, Precedence, Status, disposition, precedence, project

SLICE = 20_000  # messages looked at in one step, unless it takes longer than
STEP_SECONDS = 2.0
TOGETHER = 1_000  # messages read, or brought in line, in one transaction
FAILED_LIMIT = 20
PEOPLE = 10_000  # told apart, as each of them may have messages in several slices; more are as many as these
EXAMPLES = 20  # messages named for each way in which messages would change
# A batch that began with the old tables may still be under way when the new ones are published.
SETTLING = timedelta(seconds=5)
MAILBOXES = frozenset({"gmail", "microsoft", "yahoo"})
BY_RULE = (Suppression.Reason.HARD_FAILS, Suppression.Reason.HARD_BOUNCE)

State = MappingVersion.State


@dataclass
class Difference:
    """What reading the stored receipts anew would change, as far as it has been counted.

    `moves` counts messages by (disposition before, after), `examples` names the newest of each.
    """

    messages: int = 0
    moves: Counter[tuple[str, str]] = field(default_factory=Counter)
    examples: dict[tuple[str, str], list[int]] = field(default_factory=dict)
    crossing: int = 0  # addresses that would reach the limit of permanent failures
    lifting: int = 0  # blocks that would lift
    freed: int = 0  # people who opted out, and whom nothing would keep from being written to any more
    blocked: set[int] = field(
        default_factory=set
    )  # contacts who would be blocked as opted out; at most PEOPLE

    @classmethod
    def read(cls, stored: Fields[str, Any]) -> Difference:
        """From `MappingVersion.preview`."""
        counts = {name: stored.get(name, 0) for name in ("messages", "crossing", "lifting", "freed")}
        moves = stored.get("moves", [])
        return cls(
            **counts,
            blocked=set(stored.get("blocked", [])),
            moves=Counter({(a, b): n for a, b, n, *_ in moves}),
            examples={(a, b): ids for a, b, _, *more in moves for ids in more},
        )

    def stored(self) -> dict[str, Any]:
        return {
            "messages": self.messages, "crossing": self.crossing, "lifting": self.lifting, "freed": self.freed,
            "blocked": sorted(self.blocked),
            "moves": [[*move, n, self.examples.get(move, [])] for move, n in sorted(self.moves.items())],
        }  # fmt: skip

    def merge(self, more: Difference) -> None:
        """Add what was counted for other messages, later ones."""
        self.messages += more.messages
        self.moves += more.moves
        for move, ids in more.examples.items():
            self.examples[move] = [*self.examples.get(move, []), *ids][-EXAMPLES:]
        self.crossing += more.crossing
        self.lifting += more.lifting
        self.freed += more.freed
        self.blocked = set(sorted(self.blocked | more.blocked)[:PEOPLE])

    def add(self, before: str, after: str, message: int) -> None:
        self.messages += 1
        self.moves[before, after] += 1
        self.examples[before, after] = [*self.examples.get((before, after), []), message][-EXAMPLES:]


def start_preview(version: MappingVersion, now: datetime) -> None:
    """Count, from the beginning, what publishing the draft would change. The workers do it. Raises CannotChange."""
    if version.state != State.DRAFT:
        raise CannotChange(f"{version} is published already.")
    MappingVersion.objects.filter(pk=version.pk).update(
        preview=Difference().stored(), previewed_at=now, replayed_to=0, replay_to=last_message()
    )


def run(now: datetime) -> int:
    """Some of whatever is to be read anew, for a preview or for good; return how many messages it covered.

    Many short transactions, so that nobody waits for long behind it.
    """
    covered, ends = 0, time.monotonic() + STEP_SECONDS
    while covered < SLICE and time.monotonic() < ends:
        version = _due(now)  # without taking SQLite's only write lock
        if version is None:
            break
        done = quarantine.run(Kind.REPLAY, version.pk, partial(_go_on, version, now), now)
        if not done:
            break
        covered += done
    return covered


def _due(now: datetime) -> MappingVersion | None:
    """The version to work on: publications in their order, the draft's preview last."""
    due = _behind().filter(Q(state=State.DRAFT) | Q(published_at__lte=now - SETTLING))
    found = due.order_by("-state", "number").first()
    earlier = _behind().filter(state=State.PUBLISHED)
    if found and found.state == State.DRAFT and earlier.exists():
        return None  # it counts what would change of what is in force by then
    return None if found and earlier.filter(number__lt=found.number).exists() else found


def _go_on(version: MappingVersion, now: datetime) -> int:
    """The next messages of a version, in one transaction; how many were covered. 0: another process is at it."""
    with transaction.atomic():
        skip = connection.features.has_select_for_update_skip_locked
        found = (
            _behind().select_for_update(skip_locked=skip).filter(pk=version.pk, state=version.state).first()
        )
        if found is None:
            return 0
        return _read_some(found, now)


def _read_some(version: MappingVersion, now: datetime) -> int:
    upto = min(version.replayed_to + SLICE, version.replay_to)
    affected = Affected.of(changes(version))
    ids = affected.messages(version.replayed_to, upto)
    if len(ids) > TOGETHER:
        ids = ids[:TOGETHER]
        upto = ids[-1]
    mapping = Mapping(version.number, _codes(version))
    difference = Difference.read(version.preview)
    if version.state == State.DRAFT:
        quarantine.isolated(
            ids,
            lambda some: difference.merge(_compare(some, affected, mapping)),
            lambda pk, problem: None,  # not counted: it will be set aside when it is read anew for good
        )
        version.preview = difference.stored()
    else:
        quarantine.isolated(
            ids,
            lambda some: _count_changed(
                version, _bring_in_line(Read.of(some, affected, mapping), version, now)
            ),
            lambda pk, problem: quarantine.failed(Kind.REPLAY_MESSAGE, pk, problem, now),
        )
    covered = upto - version.replayed_to
    version.replayed_to = upto
    version.replayed_at = None if version.replaying else now
    version.save(update_fields=["preview", "replayed_to", "changed", "replayed_at"])
    return covered


def _count_changed(version: MappingVersion, changed: int) -> None:
    version.changed += changed


def run_failed(now: datetime) -> int:
    """Try the messages once more, each alone, that could not be read anew; return how many came to an end."""
    return sum(
        quarantine.run(Kind.REPLAY_MESSAGE, pk, partial(_once_more, pk, now), now)
        for pk in quarantine.due(Kind.REPLAY_MESSAGE, now, FAILED_LIMIT)
    )


@transaction.atomic
def _once_more(message: int, now: datetime) -> int:
    """Bring one message in line with what is in force by now."""
    version = MappingVersion.objects.filter(state=State.PUBLISHED).latest("number")
    _bring_in_line(Read.of([message], Affected.everything(), mappings.latest()), version, now)
    return 1


def _behind() -> QuerySet[MappingVersion]:
    """Versions with messages still to be looked at."""
    return MappingVersion.objects.filter(replayed_to__lt=F("replay_to"))


def _codes(version: MappingVersion) -> dict[Key, Any]:
    """The tables as they are, or for a draft would be, with this version."""
    if version.state == State.PUBLISHED:
        return dict(mappings.rows(version.number))
    edited = {mappings.key_of(row): mappings.code_of(row) for row in version.brought.all()}
    return {**mappings.latest().codes, **edited}


# ---- Reading -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Affected:
    """Which events a set of changed rows can concern: by account, channel and words."""

    accounts: frozenset[int]
    channels: frozenset[str]
    statuses: frozenset[str]
    codes: frozenset[str]
    classes: frozenset[str]  # beginnings of codes, for rows that stand for a class of them
    all: bool = False

    @classmethod
    def everything(cls) -> Affected:
        """Whatever a provider reported."""
        return cls(frozenset(), frozenset(), frozenset(), frozenset(), frozenset(), all=True)

    @classmethod
    def of(cls, changes: Iterable[Change]) -> Affected:
        keys = [change.key for change in changes]
        tables = {key.table for key in keys}
        mailboxes = bool(tables & MAILBOXES)
        accounts = [
            pk
            for pk, provider in Account.objects.providers().items()
            if tables & set(tables_of(provider)) or (mailboxes and "smtp" in tables_of(provider))
        ]
        channels = {key.channel for key in keys}
        channels |= {channel for channel, used in FALLBACK_CHANNEL.items() if used in channels}
        words = defaultdict(set)
        for key in keys:
            words["class" if key.code.endswith(".x") else key.kind].add(key.code)
        return cls(
            frozenset(accounts), frozenset(channels), frozenset(words["status"]), frozenset(words["error"]),
            frozenset(code.split("x")[0] for code in words["class"]),
        )  # fmt: skip

    def messages(self, above: int, upto: int) -> list[int]:
        """Messages with an id in (above, upto] that have such an event."""
        words = Q(status_word__in=self.statuses) | Q(code_word__in=self.codes)
        for beginning in self.classes:
            words |= Q(code_word__startswith=beginning)
        events = StatusEvent.objects.filter(message_id__gt=above, message_id__lte=upto)
        events = events.alias(status_word=Lower("native_status"), code_word=Lower("native_code")).filter(
            words
        )
        ids = sorted(set(events.values_list("message_id", flat=True)))
        of_account = Message.objects.filter(account__in=self.accounts, channel__in=self.channels)
        found: list[int] = []
        for at in range(0, len(ids), TOGETHER):
            found += of_account.filter(pk__in=ids[at : at + TOGETHER]).values_list("pk", flat=True)
        return sorted(found)

    def concerns(self, event: StatusEvent) -> bool:
        if self.all:
            return event.receipt_id is not None
        status, code = event.native_status.lower(), event.native_code.lower()
        in_class = bool(ENHANCED.fullmatch(code)) and any(code.startswith(each) for each in self.classes)
        return status in self.statuses or code in self.codes or in_class


@dataclass
class Read:
    """Some messages as they are stored, with all their events; those concerned by the change say what they mean now."""

    messages: dict[int, Message]
    events: dict[int, list[StatusEvent]]
    concerned: list[StatusEvent]
    own_words: set[int] = field(default_factory=set)  # messages whose person said no by what they did

    @classmethod
    def of(cls, ids: Sequence[int], affected: Affected, mapping: Mapping) -> Read:
        messages = Message.objects.select_related("address").in_bulk(ids)
        events: dict[int, list[StatusEvent]] = defaultdict(list)
        for event in StatusEvent.objects.filter(message_id__in=ids):
            events[event.message_id].append(event)
        concerned = [event for found in events.values() for event in found if affected.concerns(event)]
        read = cls(messages, events, concerned)
        read._translate(mapping)
        return read

    def _translate(self, mapping: Mapping) -> None:
        providers = Account.objects.providers()
        reports = _reports(self.concerned, providers)
        weaken = evidence.of_routes(set(self.messages))
        for event in self.concerned:
            message = self.messages[event.message_id]
            report = reports.get((event.message_id, event.fact)) or Report(
                "", "", message.channel, event.native_status, event.native_code
            )
            provider = providers.get(message.account_id, "")
            meaning = mapping.translate(provider, report).meaning
            if _is_own_word(event, provider, report):
                self.own_words.add(event.message_id)
            meaning = weaken(event.message_id, meaning)
            event.status, event.failure_class, event.fault, event.evidence = map(str, meaning)
            event.precedence = precedence(meaning, event.fact)

    def mistaken(self, ids: Iterable[int], who: str = "") -> list[Mistaken]:
        """The opt-outs of those of these messages on which nobody but the provider's code stands for one; `who` mapped
        it anew."""
        found = (self.messages[pk] for pk in ids if pk not in self.own_words)
        return [
            Mistaken(m.address.value, m.pk, f"code {self.code_of(m)} was mapped anew{who}")
            for m in found
            if m.disposition == Disposition.OPTOUT and m.settled_at
        ]

    def code_of(self, message: Message) -> str:
        """The provider's word for what became of it: the code, or the status of one that came without."""
        words = (event.native_status for event in self.concerned if event.message_id == message.pk)
        return message.reason_code or next(filter(None, words), message.status)

    def shown(self, message: int) -> tuple[str, str]:
        """(disposition, fault) that a message has with these events."""
        events = self.events[message]
        winner = project([Precedence(e.precedence, e.status, e.part, e.parts) for e in events])
        event = next((e for e in events if winner and e.precedence == winner.precedence), None)
        if event is None:  # some parts arrived, the others are silent
            return str(Disposition.PENDING), str(Fault.NONE)
        goal = self.messages[message].goal
        return str(disposition(event.status, event.failure_class, event.fault, goal)), event.fault


def _is_own_word(event: StatusEvent, provider: str, report: Report) -> bool:
    """Whether an event reports what the person did, a complaint or leaving, rather than why something was refused.

    By the tables as they came: an edited row cannot make a refusal the person's own word, nor the reverse.
    """
    meant = shipped().translate(provider, report).meaning.status
    return meant == Status.COMPLAINED or (meant == Status.OPTED_OUT and not event.native_code)


def _reports(events: Sequence[StatusEvent], providers: Fields[int, str]) -> dict[tuple[int, int], Report]:
    """What the stored receipts of these events say, by (message, fact): the evidence itself, read once more."""
    reports: dict[int, dict[int, Report]] = {}
    for pk, receipt in Receipt.objects.in_bulk({e.receipt_id for e in events if e.receipt_id}).items():
        adapter = PROVIDERS.get(providers.get(receipt.account_id, ""))
        try:
            facts = list(adapter.parse(receipt.kind, as_call(_waiting(receipt)))) if adapter else []
        except Exception:  # noqa: BLE001 - an adapter that cannot read it today: the stored words will do
            facts = []
        reports[pk] = {event_key(fact): fact for fact in facts if isinstance(fact, Report)}
    return {
        (event.message_id, event.fact): report
        for event in events
        if event.receipt_id and (report := reports.get(event.receipt_id, {}).get(event.fact))
    }


def _waiting(receipt: Receipt) -> ClaimedReceipt:
    return ClaimedReceipt(
        receipt.pk, receipt.account_id, receipt.kind, receipt.received_at, receipt.method, receipt.query,
        receipt.headers, bytes(receipt.body), 0,
    )  # fmt: skip


# ---- Counting ----------------------------------------------------------------------------------------------


def _compare(ids: Sequence[int], affected: Affected, mapping: Mapping) -> Difference:
    """What would change for these messages."""
    read, difference = Read.of(ids, affected, mapping), Difference()
    other: dict[int, tuple[str, str]] = {}
    for pk in sorted({event.message_id for event in read.concerned}):
        message, shown = read.messages[pk], read.shown(pk)
        if shown != (message.disposition, message.fault):
            other[pk] = shown
            difference.add(message.disposition, shown[0], pk)
    messages = [read.messages[pk] for pk in other]
    triples = {(m.contact_id, m.address_id, m.channel) for m in messages}
    before, after, enough = examine(triples), examine(triples, other), _limits(messages)
    crossing = {p for p in after if before[p].hard_fails < enough[p] <= after[p].hard_fails}
    well = {p for p in after if after[p].hard_fails < enough[p] <= before[p].hard_fails}
    difference.crossing += len(crossing)
    difference.lifting += _blocks(messages, well).count()
    none_any_more = [pk for pk, (shown, _) in other.items() if shown != Disposition.OPTOUT]
    difference.freed += _freed(read, none_any_more, affected, mapping)
    optouts = [message for message in messages if other[message.pk][0] == Disposition.OPTOUT]
    difference.blocked = _blocked(one for one in optouts if one.disposition != Disposition.OPTOUT)
    return difference


def _blocked(messages: Iterable[Message]) -> set[int]:
    """The contacts of these who have not said no already: such an outcome would block them."""
    whose = {(m.contact_id, m.address.match_key) for m in messages}
    said_no = own_blocks(key for _, key in whose)
    return {contact for contact, key in whose if not said_no.get(key)}


def _freed(read: Read, ids: Sequence[int], affected: Affected, mapping: Mapping) -> int:
    """How many people only such opt-outs keep from being written to; each counted at the last of them."""
    mistaken = {one.message: one for one in read.mistaken(ids)}
    grounds: dict[str, list[int]] = {}
    for key, rows in own_blocks(match_key(one.value) for one in mistaken.values()).items():
        messages = [reported_message(row) for row in rows]
        known = [message for message in messages if message is not None]
        if len(known) == len(messages) and max(known) in mistaken:
            grounds[key] = known
    others = {message for those in grounds.values() for message in those} - mistaken.keys()
    rest = Read.of(sorted(others), affected, mapping)
    fallen = mistaken.keys() | {
        one.message
        for one in rest.mistaken(pk for pk in rest.messages if rest.shown(pk)[0] != Disposition.OPTOUT)
    }
    free = [max(those) for those in grounds.values() if fallen.issuperset(those)]
    return len({read.messages[message].contact_id for message in free})


def _limits(messages: Iterable[Message]) -> dict[tuple[int, str], int]:
    """How many failures in a row block each (address, channel), by the playbook of the latest campaign here."""
    messages = sorted(messages, key=lambda m: m.pk)
    campaigns = Campaign.objects.select_related("playbook").in_bulk({m.campaign_id for m in messages})
    return {
        (m.address_id, m.channel): limit(m.channel, campaigns[m.campaign_id].playbook.strikes)
        for m in messages
    }


def _blocks(messages: Iterable[Message], pairs: Collection[tuple[int, str]]) -> QuerySet[Suppression]:
    """The rules' own blocks in force on these (address, channel) pairs."""
    keys: dict[str, set[str]] = defaultdict(set)
    for message in messages:
        if (message.address_id, message.channel) in pairs:
            keys[message.channel].add(message.address.match_key)
    where = Q(pk__in=[])
    for channel, those in keys.items():
        where |= Q(channel=channel, match_key__in=those)
    return Suppression.objects.filter(
        where, reason__in=BY_RULE, origin=Suppression.Origin.RULE, released_at=None
    )


# ---- Bringing in line --------------------------------------------------------------------------------------

SHOWN = """
UPDATE deliveries_statusevent SET status = %s, precedence = %s, failure_class = %s, fault = %s, evidence = %s,
  mapping_version = %s WHERE message_id = %s AND fact = %s
"""


def _bring_in_line(read: Read, version: MappingVersion, now: datetime) -> int:
    """Write what these messages' events mean now, and let all that follows from it follow; return how many moved."""
    # Recipients are locked before messages, as everywhere.
    recipients = {message.recipient_id for message in read.messages.values()}
    list(Recipient.objects.select_for_update().filter(pk__in=recipients).order_by("pk").values_list("pk"))
    with connection.cursor() as cursor:
        cursor.executemany(
            SHOWN,
            [
                (
                    e.status,
                    e.precedence,
                    e.failure_class,
                    e.fault,
                    e.evidence,
                    version.number,
                    e.message_id,
                    e.fact,
                )
                for e in read.concerned
            ],
        )
    moved = reproject(sorted(read.messages), now)
    _leave_in_peace(moved, now)
    who = _who(version)
    _lift(read, moved, f"version {version.number}", who, now)
    # What is an opt-out now holds at once: also what an earlier version had lifted.
    opted_out = [message for message in moved if message.disposition == Disposition.OPTOUT]
    again = {m.pk: f"code {read.code_of(m)} was mapped as an opt-out again{who}" for m in opted_out}
    apply_opt_outs(opted_out, now, again, _named(version))
    return len(moved)


def _who(version: MappingVersion) -> str:
    """By whom, as the end of a sentence."""
    if version.origin == MappingVersion.Origin.SHIPPED:
        return " by a new release of Waybill"
    return f" by {version.created_by.display_name}" if version.created_by else ""


def _named(version: MappingVersion) -> str:
    """The version, and whose it is."""
    if version.origin == MappingVersion.Origin.SHIPPED:
        whose = ", which came with a new release of Waybill"
    else:
        whose = f", published by {version.created_by.display_name}" if version.created_by else ""
    return f"version {version.number} of the code tables{whose}"


def _leave_in_peace(moved: Sequence[Message], now: datetime) -> None:
    """Nothing is sent by itself any more on behalf of attempts this old; what a colleague sends on later is."""
    old = [m.recipient_id for m in moved if not m.handed_over_at or m.handed_over_at < now - STILL_WORTH_IT]
    for part in in_lists(set(old)):
        Recipient.objects.filter(pk__in=part).update(read_anew_at=now)


def _lift(read: Read, moved: Sequence[Message], note: str, who: str, now: datetime) -> None:
    """Blocks that stood for what these messages no longer say are lifted. New ones come by the ordinary rules.

    What a person said themselves stays, whatever the provider's words are taken for.
    """
    before = [read.messages[message.pk] for message in moved]
    failed = [message for message in before if message.disposition == Disposition.BOUNCED_HARD]
    health = refresh({(m.contact_id, m.address_id, m.channel) for m in failed})
    enough = _limits(failed)
    well = {pair for pair, found in health.items() if found.hard_fails < enough[pair]}
    lift_mistaken(_blocks(failed, well), note=note, now=now)
    none_any_more = [message.pk for message in moved if message.disposition != Disposition.OPTOUT]
    take_back_opt_outs(read.mistaken(none_any_more, who), note=note, now=now)
