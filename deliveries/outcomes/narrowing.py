"""Which rows a list of outcomes shows: a checked view, as a condition on messages or on the entries of a queue."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils import timezone

from campaigns.models import ContentVersion
from campaigns.steps import RecipientState
from contacts.searching import partly
from deliveries.ledger.failure_index import DISPOSITIONS, STATUSES
from deliveries.ledger.failure_rates import is_failure, is_silent
from deliveries.models import Message, QueueEntry
from deliveries.outcomes import by_person, recent
from deliveries.statuses import BUCKETS, Status

PERIODS = {
    "1h": ("Last hour", timedelta(hours=1)),
    "24h": ("Last 24 hours", timedelta(hours=24)),
    "7d": ("Last 7 days", timedelta(days=7)),
    "30d": ("Last 30 days", timedelta(days=30)),
}
TODAY = "today"
NOBODY = "-"  # the choice for "no carrier", "no list": '' already means "any"
ME = "me"
UNOWNED = "nobody"
CANCELED = Status.CANCELED.value
SKIPPED, PLANNED = RecipientState.SKIPPED.value, RecipientState.PLANNED.value
# What a pill says, and the disposition it stands for; what was canceled before it left has none.
# `unknown` and `canceled` are statuses as well: what the pill says wins.
DISPOSITION_OF = {**{bucket: disposition.value for disposition, bucket in BUCKETS.items()}, CANCELED: ""}


def is_worklist(campaign_id: int | None, queue: str) -> bool:
    """Whether these rows are a list of work: a queue over all campaigns. A campaign's report counts every row."""
    return bool(queue) and campaign_id is None


# Filters that say what became of messages or of their people: the figures above a list are about just that.
APART = ("status", "person", "engaged", "skip")


@dataclass(frozen=True)
class OutcomeView:
    """Which rows a list shows: of one campaign or of all, of one queue or every outcome, narrowed by filters.

    `filters`: name of a field -> its value as the form has checked it, none of them empty; an owner is an id or
    `UNOWNED`. `OutcomeFilter.view` makes one of a query string, `read_view` of what was kept: whoever is given a view
    checks nothing.
    """

    campaign_id: int | None  # None: of all campaigns
    queue: str = ""  # '': every outcome
    filters: Mapping[str, str] = field(default_factory=dict)

    @property
    def of_messages(self) -> OutcomeView:
        """All messages of the place that the filters let through, whatever became of them and of their people: what
        the figures above a list count. Without filters: all of the place."""
        kept = {name: value for name, value in self.filters.items() if name not in APART}
        return OutcomeView(self.campaign_id, "", kept)

    @property
    def is_worklist(self) -> bool:
        return is_worklist(self.campaign_id, self.queue)


def matching(view: OutcomeView, now: datetime) -> QuerySet[Message]:
    """The messages that a list page shows for `view`; unordered.

    Relative periods count back from `now`: give it the moment of a selection that is kept.
    """
    if view.filters.get("person") == SKIPPED:
        return Message.objects.none()  # nothing was sent to them
    prefix = "queue_entry__" if view.queue else "failure__" if only_failures(view.filters) else ""
    condition = _place(view, prefix) & _narrowed(view, prefix, now)
    return Message.objects.filter(condition, Q() if prefix else _counted(view))


def _counted(view: OutcomeView) -> Q:
    """What was canceled before it left is no outcome: no page counts it, but where it is asked for."""
    asked_for = view.filters.get("status") == CANCELED or view.filters.get("person") == PLANNED
    return Q() if asked_for else ~Q(disposition="")


def only_failures(filters: Mapping[str, str]) -> bool:
    """Whether every message that these let through is in the index of failures: then they are looked up there."""
    status, code = filters.get("status", ""), filters.get("code", NOBODY)
    if filters.get("outcome") == "failed":
        return True
    return code != NOBODY or DISPOSITION_OF.get(status) in DISPOSITIONS or status in STATUSES


def entries(view: OutcomeView, now: datetime) -> QuerySet[QueueEntry]:
    """The same rows as queue entries: what the tab of a queue reads."""
    return QueueEntry.objects.filter(_place(view, "") & _narrowed(view, "", now, entries=True))


def _place(view: OutcomeView, prefix: str) -> Q:
    place = Q(**{f"{prefix}queue": view.queue}) if view.queue else Q()
    if view.campaign_id is not None:
        # The entry's own copy where there is one: its index holds campaign, queue and time.
        place &= Q(**{f"{prefix}campaign_id": view.campaign_id})
    return place


def _narrowed(view: OutcomeView, prefix: str, now: datetime, *, entries: bool = False) -> Q:
    found = Q()
    for name, value in view.filters.items():
        if name == "engaged":
            found &= by_person.engaged(value, view.campaign_id, entries=entries)
        elif name != "snoozed":
            found &= _condition(name, value, prefix, now, entries)
    if view.is_worklist:
        found &= _asleep(prefix, now) if view.filters.get("snoozed") else _awake(prefix, now)
    return found


def _asleep(prefix: str, now: datetime) -> Q:
    return Q(**{f"{prefix}snoozed_until__gt": now})


def _awake(prefix: str, now: datetime) -> Q:
    return Q(**{f"{prefix}snoozed_until": None}) | Q(**{f"{prefix}snoozed_until__lte": now})


# Columns that the entries of a queue and of the index of failures have as well, and others: of the message alone.
COLUMNS = {"channel": "channel", "carrier": "carrier", "code": "reason_code"}
OF_THE_MESSAGE = {
    "failure": "failure_class", "region": "region", "sender": "sender_id", "account": "account_id",
    "version": "content_version", "attempt": "attempt", "evidence": "evidence", "priority": "priority",
    "stage": "contact__stage", "since": "created_on__gte", "until": "created_on__lte", "campaign": "campaign_id",
    "segments": "segments", "purpose": "campaign__purpose", "segment": "campaign__segment_id",
}  # fmt: skip


def _condition(name: str, value: str, prefix: str, now: datetime, entries: bool) -> Q:
    if name in COLUMNS:
        return Q(**{prefix + COLUMNS[name]: "" if value == NOBODY else value})
    if name in OF_THE_MESSAGE:
        link = "message__" if entries else ""
        return Q(**{link + OF_THE_MESSAGE[name]: "" if value == NOBODY else value})
    if name == "outcome":
        return _outcome(value, prefix, now, entries)
    if name == "hour":
        return _left_in(value, entries)
    if name == "link":
        return _links_to(value, entries=entries)
    if name == "status":
        return status_condition(value, prefix)
    if name == "days":
        return recent.of_days(int(value), now, "message__" if entries else "")
    if name == "person":
        return Q(pk=None) if value == SKIPPED else by_person.standing(value, entries=entries)
    if name == "source":
        return Q(**{f"{prefix}list_source_id": 0 if value == NOBODY else int(value)})
    if name == "owner":
        return Q(**{f"{prefix}owner_id": None if value == UNOWNED else int(value)})
    if name == "updated":
        time = "at" if entries or prefix else "updated_at"
        return Q(**{f"{prefix}{time}__gte": since(value, now)})
    # The entry's copy of the contact is a plain column, the message's a link: both spell it the same.
    return partly(value, f"{prefix}contact_id")


def _outcome(value: str, prefix: str, now: datetime, entries: bool) -> Q:
    """Of what has left, all, what failed as a stop counts it, or what nobody reported about in time."""
    if value == "failed":
        return is_failure(prefix)
    link = "message__" if entries else ""
    if value == "silent":
        return is_silent(now, link)
    return ~Q(**{f"{link}status": Status.QUEUED})


def hour_of(text: str) -> datetime | None:
    """The moment at which an hour such as "2026-11-30 14" begins, in UTC; None for anything else."""
    try:
        return datetime.strptime(text, "%Y-%m-%d %H").replace(tzinfo=UTC)
    except ValueError:
        return None


def _left_in(value: str, entries: bool) -> Q:
    """Handed over in that hour; what was never seen to be handed over counts from when it was made."""
    link, begins = "message__" if entries else "", hour_of(value)
    if begins is None:
        return Q(pk=None)
    ends = begins + timedelta(hours=1)
    handed_over = Q(**{f"{link}handed_over_at__gte": begins, f"{link}handed_over_at__lt": ends})
    made = {f"{link}handed_over_at": None, f"{link}created_at__gte": begins, f"{link}created_at__lt": ends}
    return handed_over | Q(**made)


def _links_to(host: str, *, entries: bool) -> Q:
    """Messages whose text, as it was when they were made, has a link there."""
    link = "message__" if entries else ""
    said = ContentVersion.objects.filter(
        Q(body__icontains=f"//{host}") | Q(body__icontains=f" {host}/") | Q(html__icontains=f"//{host}"),
        content__campaign_id=OuterRef(f"{link}campaign_id"),
        content__channel=OuterRef(f"{link}channel"),
        number=OuterRef(f"{link}content_version"),
    )
    return Q(Exists(said))


def status_condition(value: str, prefix: str = "") -> Q:
    if value in DISPOSITION_OF:
        return Q(**{f"{prefix}disposition": DISPOSITION_OF[value]})
    return Q(**{f"{prefix}status": value})


def since(period: str, now: datetime) -> datetime:
    """When the period began; today begins at midnight where the reader is."""
    if period == TODAY:
        return timezone.localtime(now).replace(hour=0, minute=0, second=0, microsecond=0)
    return now - PERIODS[period][1]
