"""The list of campaigns: narrowed, in an order, and a page at a time by key.

What a campaign came to is no column of it. Where an order or a filter asks for that, it is added up from the tallies of
every campaign that passes: each page costs the same, and all of them grow with the number of campaigns.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, tzinfo
from typing import Any, NamedTuple

from django.db.models import (
    Case,
    DateTimeField,
    Exists,
    Expression,
    F,
    FloatField,
    OuterRef,
    Q,
    QuerySet,
    Subquery,
    Sum,
    TextChoices,
    Value,
    When,
)
from django.db.models.functions import Cast, Coalesce, NullIf

from campaigns.models import Campaign, Content
from deliveries.models import CarrierTally, CodeTally
from deliveries.outcomes.counting import Count, counted
from deliveries.outcomes.keyset import EPOCH, LARGEST_ID, Page
from deliveries.statuses import Disposition

NO_CODE = "-"  # the choice for failures without a code: '' already means "any"
MOST_CAUSES = 50  # offered for choice
LAST_RATE = 2.0  # of what nothing is known about: behind every rate
FINE = ("", Disposition.DELIVERED, Disposition.PENDING)
State = Campaign.State
RUNNING = (State.LAUNCHING, State.SENDING, State.PAUSED)


class ShownState(TextChoices):
    """As the list says it: what was launched and has not begun is scheduled."""

    DRAFT = "draft", "Draft"
    SCHEDULED = "scheduled", "Scheduled"
    SENDING = "sending", "Sending"
    PAUSED = "paused", "Paused"
    COMPLETED = "completed", "Completed"
    CANCELED = "canceled", "Canceled"
    RUNNING = "running", "Scheduled, sending or paused"


class CampaignSort(TextChoices):
    NEWEST = "newest", "Newest first"
    NAME = "name", "Name"
    STARTED = "started", "Last started first"
    RATE = "rate", "Lowest rate first"


@dataclass(frozen=True)
class CampaignQuery:
    """What narrows the list; '' and None narrow nothing. `since` and `until` are days on which it began, both included;
    `cause` is a code or NO_CODE, `playbook` an id."""

    text: str = ""
    state: str = ""
    channel: str = ""
    since: date | None = None
    until: date | None = None
    cause: str = ""
    playbook: int = 0  # that is followed as it is; below 0: that one's own numbers began from
    sort: str = CampaignSort.NEWEST


class _Order(NamedTuple):
    """The key that rows stand in order of, ties by the newest; how it is written into a cursor, and read."""

    key: Expression | F | None
    down: bool = False
    write: Callable[[Any], Any] = str
    read: Callable[[Any], Any] = str


def campaign_page(wanted: CampaignQuery, mark: str, size: int, now: datetime, zone: tzinfo) -> Page:
    """`size` campaigns that pass, behind the cursor `mark`; nonsense is the first page. One query."""
    order = ORDERS[CampaignSort(wanted.sort)]
    found = narrowed(wanted, now, zone)
    cursor = _read(mark, wanted.sort, order)
    if order.key is not None:
        found = found.annotate(key=order.key)
        if cursor:
            beyond = Q(key__lt=cursor[0]) if order.down else Q(key__gt=cursor[0])
            found = found.filter(beyond | Q(key=cursor[0], pk__lt=cursor[1]))
        found = found.order_by("-key" if order.down else "key", "-pk")
    else:
        found = (found.filter(pk__lt=cursor[1]) if cursor else found).order_by("-pk")
    rows = list(found[: size + 1])
    after = ""
    if len(rows) > size:
        last = rows[size - 1]
        key = order.write(last.key) if order.key is not None else None  # type: ignore[attr-defined]
        after = _spell([wanted.sort, key, last.pk])
    return Page(rows[:size], after, first=cursor is None)


def total(wanted: CampaignQuery, shown: Page, now: datetime, zone: tzinfo) -> Count:
    """How many campaigns pass, on whichever page. No query where the only page is `shown`."""
    if shown.first and not shown.after:
        return Count(len(shown))
    return counted(narrowed(wanted, now, zone))


def narrowed(wanted: CampaignQuery, now: datetime, zone: tzinfo) -> QuerySet[Campaign]:
    found = Campaign.objects.select_related("playbook")
    if wanted.text:
        found = found.filter(name__icontains=wanted.text)
    if wanted.state:
        found = found.filter(_in_state(ShownState(wanted.state), now))
    if wanted.channel:
        said = Content.objects.filter(campaign=OuterRef("pk"), channel=wanted.channel)
        found = found.filter(Q(channel=wanted.channel) | Exists(said))
    if wanted.since or wanted.until:
        found = found.annotate(began=BEGAN).exclude(launched_at=None)
        if wanted.since:
            found = found.filter(began__gte=datetime.combine(wanted.since, time(), zone))
        if wanted.until:
            found = found.filter(began__lt=datetime.combine(wanted.until + timedelta(days=1), time(), zone))
    if wanted.playbook > 0:
        found = found.filter(playbook=wanted.playbook)
    elif wanted.playbook < 0:
        found = found.filter(playbook__own_of__isnull=False, playbook__began_from=-wanted.playbook)
    if wanted.cause:
        code = "" if wanted.cause == NO_CODE else wanted.cause
        worst = _failures().filter(campaign_id=OuterRef("pk")).order_by("-n", "reason_code")
        found = found.annotate(worst=Subquery(worst.values("reason_code")[:1])).filter(worst=code)
    return found


class OfferedCause(NamedTuple):
    """A code, '' for none, as the account had it that most failures with it are of."""

    code: str
    channel: str
    account_id: int
    status: str


def causes_offered() -> list[OfferedCause]:
    """The codes of the most failures of all campaigns, in the order of how many. One query."""
    counted = _failures().order_by().values_list("reason_code", "channel", "account_id", "status")
    totals: Counter[str] = Counter()
    first: dict[str, OfferedCause] = {}
    for *key, n in counted.annotate(total=Sum("n")).order_by("-total", "reason_code"):
        cause = OfferedCause(*key)
        totals[cause.code] += n
        first.setdefault(cause.code, cause)
    codes = sorted(totals, key=lambda code: (-totals[code], code))
    return [first[code] for code in codes[:MOST_CAUSES]]


def _failures() -> QuerySet[CodeTally]:
    return CodeTally.objects.filter(n__gt=0).exclude(disposition__in=FINE)


def _in_state(state: ShownState, now: datetime) -> Q:
    """As `Campaign.state_words` says it."""
    ahead = Q(starts_at__gt=now) | Q(launched_at__gt=now)
    going = Q(state__in=[State.LAUNCHING, State.SENDING])
    if state == ShownState.SCHEDULED:
        return going & ahead
    if state == ShownState.RUNNING:
        return Q(state__in=RUNNING)
    if state == ShownState.SENDING:
        return (
            going
            & (Q(starts_at=None) | Q(starts_at__lte=now))
            & (Q(launched_at=None) | Q(launched_at__lte=now))
        )
    return Q(state=state.value)


# When it began or begins; of a draft the start that it says.
BEGAN = Coalesce(
    Case(When(starts_at__gt=F("launched_at"), then=F("starts_at")), default=F("launched_at")),
    F("starts_at"),
    output_field=DateTimeField(),
)
_cells = CarrierTally.objects.filter(campaign_id=OuterRef("pk")).order_by().values("campaign_id")
_settled = _cells.exclude(disposition__in=["", Disposition.PENDING]).annotate(total=Sum("n")).values("total")
_arrived = _cells.filter(disposition=Disposition.DELIVERED).annotate(total=Sum("n")).values("total")
# As `Outcomes.settled_rate`.
RATE = Coalesce(
    Cast(Coalesce(Subquery(_arrived), Value(0)), FloatField())
    / NullIf(Cast(Subquery(_settled), FloatField()), Value(0.0)),
    Value(LAST_RATE),
    output_field=FloatField(),
)

ORDERS = {
    CampaignSort.NEWEST: _Order(None),
    CampaignSort.NAME: _Order(F("name")),
    CampaignSort.STARTED: _Order(
        Coalesce(BEGAN, Value(EPOCH), output_field=DateTimeField()),
        down=True,
        write=datetime.isoformat,
        read=datetime.fromisoformat,
    ),
    CampaignSort.RATE: _Order(RATE, write=float, read=float),
}


def _spell(parts: list[Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(parts).encode()).decode().rstrip("=")


def _read(mark: str, sort: str, order: _Order) -> tuple[Any, int] | None:
    """(key, id) of the last row of the page before; None for nothing, for nonsense, and for another order."""
    try:
        of, key, pk = json.loads(base64.urlsafe_b64decode(mark + "=" * (-len(mark) % 4)))
        found = order.read(key) if order.key is not None else None
        fits = of == sort and isinstance(pk, int) and 0 <= pk <= LARGEST_ID
        if isinstance(found, datetime) and found.tzinfo is None:
            return None
    except (ValueError, TypeError, OverflowError, RecursionError, binascii.Error):
        return None
    return (found, pk) if fits else None
