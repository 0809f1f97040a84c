"""Stored messages, and what their events mean with other code tables."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from collections.abc import Mapping as Fields
from dataclasses import dataclass, field

from django.db.models import Q
from django.db.models.functions import Lower

from contacts.withdrawing import Mistaken
from deliveries.ledger.events import event_key
from deliveries.ledger.statements.values import ClaimedReceipt
from deliveries.meaning import evidence
from deliveries.meaning.drafts import Change
from deliveries.meaning.translation import ENHANCED, FALLBACK_CHANNEL, Mapping, shipped, tables_of
from deliveries.models import Account, Message, Receipt, RetentionRun, StatusEvent
from deliveries.providers import PROVIDERS
from deliveries.providers.facts import Report
from deliveries.receiving.recording import as_call
from deliveries.statuses import Disposition, Fault, Precedence, Status, disposition, precedence, project

TOGETHER = 1_000  # messages read, or brought in line, in one transaction
MAILBOXES = frozenset({"gmail", "microsoft", "yahoo"})


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
        above = max(
            above, RetentionRun.floor(RetentionRun.Kind.EVENTS) - 1
        )  # what is left below is not all of it
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
        return self.names(event.native_status, event.native_code)

    def names(self, status: str, code: str) -> bool:
        """Whether these words of a provider are among those of the changed rows."""
        status, code = status.lower(), code.lower()
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
            if is_own_word(event.native_code, provider, report):
                self.own_words.add(event.message_id)
            meaning = weaken(event.message_id, meaning)
            event.status, event.failure_class, event.fault, event.evidence = map(str, meaning)
            event.precedence = precedence(meaning, event.fact)

    def mistaken(self, ids: Iterable[int], who: str = "") -> list[Mistaken]:
        """The opt-outs of those of these messages on which nobody but the provider's code stands for one; `who` mapped
        it anew."""
        found = (self.messages[pk] for pk in ids if pk not in self.own_words)
        return [
            Mistaken(m.address.value, f"message {m.pk}", f"code {self.code_of(m)} was mapped anew{who}")
            for m in found
            if m.disposition == Disposition.OPTOUT and m.settled_at
        ]

    def code_of(self, message: Message) -> str:
        """The provider's word for what became of it: the code, or the status of one that came without."""
        words = (event.native_status for event in self.concerned if event.message_id == message.pk)
        return message.reason_code or next(filter(None, words), message.status)

    def shown(self, message: int) -> tuple[str, str]:
        """(disposition, fault) that a message has with these events; as it is, where they are no longer kept."""
        events = self.events[message]
        if not events:
            return self.messages[message].disposition, self.messages[message].fault
        winner = project([Precedence(e.precedence, e.status, e.part, e.parts) for e in events])
        event = next((e for e in events if winner and e.precedence == winner.precedence), None)
        if event is None:  # some parts arrived, the others are silent
            return str(Disposition.PENDING), str(Fault.NONE)
        goal = self.messages[message].goal
        return str(disposition(event.status, event.failure_class, event.fault, goal)), event.fault


def is_own_word(code: str, provider: str, report: Report) -> bool:
    """Whether a report, stored with that code, is of what the person did, a complaint or leaving, rather than of why
    something was refused.

    By the tables as they came: an edited row cannot make a refusal the person's own word, nor the reverse.
    """
    meant = shipped().translate(provider, report).meaning.status
    return meant == Status.COMPLAINED or (meant == Status.OPTED_OUT and not code)


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
