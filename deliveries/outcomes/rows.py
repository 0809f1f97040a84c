"""The rows of an outcome table: one message each, in words."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from accounts.models import User
from campaigns.models import Campaign
from campaigns.steps import NextStep, RecipientState
from contacts.models import Address, ContactList
from contacts.phones import mask
from deliveries.meaning.mappings import describe
from deliveries.models import Account, Message, QueueEntry
from deliveries.outcomes.counting import Count, counted
from deliveries.outcomes.keyset import Page, page
from deliveries.outcomes.narrowing import OutcomeView, entries, matching
from deliveries.outcomes.skipped_people import SkippedRow, lists_skipped, rows_of, skipped
from deliveries.statuses import BUCKETS, Disposition, Queue, Status
from deliveries.wording import Wording, withdrawal, wording, zoned

PAGE_SIZE = 50  # rows of a list that is only read
WORKLIST_SIZE = 30  # rows of work carry their owner and more buttons, and nobody works on fifty at a time
# What a row of either kind needs loaded with it.
MESSAGE_LINKS = ("contact", "address", "campaign", "recipient", "queue_entry__owner")
ENTRY_LINKS = ("message__contact", "message__address", "message__campaign", "message__recipient", "owner")

# The suggested act of each queue: (what the button does, its word). The action is one of Batch.Action.
STEPS = {
    Queue.RETRY: ("retry", "Retry"),
    Queue.SWITCH: ("switch", "Switch"),
    Queue.CORRECT: ("correct", "Correct"),
    Queue.SUPPRESS: ("suppress", "Suppress"),
}
# What is advised for these is to send once more, or to do something first so that one can.
TO_BE_SENT_AGAIN = frozenset({Disposition.PENDING_RETRY, Disposition.BOUNCED_HARD, Disposition.UNKNOWN})
AT_ONCE = {"retry", "switch"}  # acts on one row without a question; the others ask first


@dataclass(frozen=True)
class OutcomeRow:
    """One message as a reader sees it. Addresses are masked."""

    message: Message
    name: str
    address: str
    label: str  # the word for this channel and status
    what: str  # what happened
    next_step: str
    source: str
    at: datetime
    newer: Message | None = None  # the attempt that took its place
    queue: str = ""
    due_at: datetime | None = None
    plan: str = ""  # what is planned and why, beyond `what`: "Retry 1 of 2."
    left: str = ""  # in lists of people: what is left to try, or what reached them
    action: str = ""
    action_label: str = ""
    owner: User | None = None
    asleep_until: datetime | None = None  # only while it is
    marked: bool = (
        False  # somebody has marked its address for correction: that waits for whoever may correct it
    )

    @property
    def bucket(self) -> str:
        return bucket_of(self.message.disposition)

    @property
    def code(self) -> str:
        """The provider's; what was withdrawn has only our own word, which `what` says in full."""
        return self.message.reason_code if self.bucket else ""


def bucket_of(disposition: str) -> str:
    """The bucket's name; '' for a withdrawn message, which is in none."""
    return BUCKETS[Disposition(disposition)] if disposition else ""


@dataclass(frozen=True)
class OutcomeTable:
    """One page of rows, and how many there are in all. `skipped`: the rows instead, where the view lists those."""

    page: Page
    rows: list[OutcomeRow]
    count: Count
    snoozed: Count = field(default_factory=lambda: Count(0))  # rows these filters would show, were they awake
    skipped: list[SkippedRow] = field(default_factory=list)


# How many rows a tally says that a view has, the snoozed among them; None where none holds that combination.
Tallied = Callable[[OutcomeView], int | None]


def table(
    view: OutcomeView, now: datetime, after: str, tallied: Tallied, *, later: bool = False
) -> OutcomeTable:
    """The page of `view` after the cursor `after`; '' is the first. A fixed number of queries, whatever the rows.

    `later`: what no tally counts is not counted now, `exact_count` is asked for it once the page stands.
    """
    if lists_skipped(view):
        return _skipped(view, now, after, tallied, later=later)
    if view.queue:
        found = page(
            entries(view, now).select_related(*ENTRY_LINKS), page_size(view), after, pk="message_id", at="at"
        )
    else:
        found = page(matching(view, now).select_related(*MESSAGE_LINKS), page_size(view), after)
    asleep = snoozed(view, now)
    total = count(view, now, found, tallied, asleep, later=later)
    return OutcomeTable(found, list(rows(found.rows, now)), total, asleep)


def _skipped(view: OutcomeView, now: datetime, after: str, tallied: Tallied, *, later: bool) -> OutcomeTable:
    found = page(skipped(view).only("contact_id", "skip_reason"), PAGE_SIZE, after, pk="contact_id")
    channel = Campaign.objects.values_list("channel", flat=True).get(pk=view.campaign_id or 0)
    total = count(view, now, found, tallied, Count(0), later=later)
    return OutcomeTable(found, [], total, skipped=rows_of(found.rows, channel))


def page_size(view: OutcomeView) -> int:
    return WORKLIST_SIZE if view.is_worklist else PAGE_SIZE


def count(
    view: OutcomeView, now: datetime, found: Page, tallied: Tallied, asleep: Count, *, later: bool = False
) -> Count:
    """From a tally where one holds the combination, from the page itself when it is the only one, else counted; or
    left open, as more than the page has.

    The tally of a queue counts also what is snoozed: `asleep` rows, which the list does not show.
    """
    if found.first and not found.after:
        return Count(len(found.rows))
    known = None if asleep.more else tallied(view)
    if known is not None:
        return Count(max(0, known - asleep.n))
    if later:
        return Count(len(found.rows), more=True)
    if lists_skipped(view):
        return counted(skipped(view))
    return counted(entries(view, now) if view.queue else matching(view, now))


def exact_count(view: OutcomeView, now: datetime) -> int:
    """How many rows the view has, one by one: its cost grows with them."""
    if lists_skipped(view):
        return skipped(view).count()
    return (entries(view, now) if view.queue else matching(view, now)).count()


def snoozed(view: OutcomeView, now: datetime) -> Count:
    """The rows that stand aside in this list; none in a list that shows them."""
    if not view.is_worklist or view.filters.get("snoozed"):
        return Count(0)
    return counted(entries(replace(view, filters={**view.filters, "snoozed": "1"}), now))


@dataclass(frozen=True)
class Lookups:
    """What the rows of a page look up, read once for all of them."""

    sources: Mapping[int, str]  # id of a list source -> its name
    providers: Mapping[int, str]  # id of an account -> its provider
    newer: Mapping[int, Message]  # id of a message -> the attempt that took its place
    now: datetime


def rows(found: Iterable[Message | QueueEntry], now: datetime) -> Iterable[OutcomeRow]:
    """Messages or queue entries (with contact, address and campaign loaded) put in words. Three queries in all."""
    found = list(found)
    messages = [one.message if isinstance(one, QueueEntry) else one for one in found]
    names = dict(
        ContactList.objects.filter(pk__in={m.list_source_id for m in messages}).values_list("pk", "name")
    )
    known = Lookups(names, Account.objects.providers(), newer_attempts(messages), now)
    for message, one in zip(messages, found, strict=True):
        entry = one if isinstance(one, QueueEntry) else getattr(message, "queue_entry", None)
        yield _row(message, entry, known)


def newer_attempts(messages: Iterable[Message]) -> dict[int, Message]:
    """Message id -> the attempt that took its place, for those that did not arrive by themselves in the end."""
    failed = [message.pk for message in messages if message.disposition != Disposition.DELIVERED]
    return {m.follows_id or 0: m for m in Message.objects.filter(follows__in=failed, canceled_at=None)}


def _row(message: Message, entry: QueueEntry | None, known: Lookups) -> OutcomeRow:
    now, newer = known.now, known.newer.get(message.pk)
    words = words_of(message, now)
    what = meaning(message, known.providers, now)
    follow = f"See the newer attempt by {newer.get_channel_display()}." if newer else ""
    action, action_label = STEPS.get(Queue(entry.queue), ("", "")) if entry else ("", "")
    return OutcomeRow(
        message=message,
        name=str(message.contact),
        address=mask(message.address.value),
        label=words.label,
        what=what,
        next_step=follow if newer else advice(message, words),
        newer=newer,
        source=known.sources.get(message.list_source_id, ""),
        at=entry.at if entry else message.updated_at,
        queue=entry.queue if entry else "",
        due_at=entry.due_at if entry else None,
        plan=_plan(entry.reason, what) if entry else "",
        action=action,
        action_label=action_label,
        owner=entry.owner if entry else None,
        marked=message.address.validity == Address.Validity.NEEDS_CORRECTION,
        asleep_until=entry.snoozed_until if entry and entry.is_asleep(now) else None,
    )


def _plan(reason: str, what: str) -> str:
    """The reason of a decision without its first words, where the row has said them already."""
    stated = what.rstrip(".")
    rest = (
        reason[len(stated) :].lstrip(".:, ").removeprefix("and ")
        if stated and reason.startswith(stated)
        else reason
    )
    return rest[:1].upper() + rest[1:]


def words_of(message: Message, now: datetime) -> Wording:
    """The words for where a message (with its campaign loaded) stands; of one that waits, until when."""
    words = wording(message.channel, message.status, message.failure_class, message.goal, message.evidence)
    if message.status != Status.QUEUED or message.campaign.state == Campaign.State.CANCELED:
        return words
    if message.campaign.state == Campaign.State.PAUSED:
        return Wording("On hold", "It waits until the campaign is resumed.", "Resume the campaign.")
    if now < message.due_at:
        begins = message.campaign.begins_at
        label = "Scheduled" if begins and now < begins else "Waiting"
        return Wording(label, f"Leaves on {zoned(message.due_at)}.", "Nothing to do before that.")
    return words


def advice(message: Message, words: Wording) -> str:
    """What `words` advise, unless the last decision (`recipient` is loaded) was that nothing more is sent."""
    recipient = message.recipient
    ended = recipient.state in (RecipientState.FAILED, RecipientState.UNKNOWN)
    if ended and recipient.next_step == NextStep.NONE and message.disposition in TO_BE_SENT_AGAIN:
        return "None: nothing more is sent for it."
    return words.next_step


def meaning(message: Message, slugs: Mapping[int, str], now: datetime) -> str:
    """What happened: the code's meaning where there is a code, else that of the status."""
    if message.status == Status.CANCELED and not message.disposition:
        return withdrawal(message.reason_code)
    if message.reason_code:
        described = describe(
            slugs.get(message.account_id, ""), message.channel, message.reason_code, message.status
        )
        if described.short:
            return described.short
    return words_of(message, now).meaning
