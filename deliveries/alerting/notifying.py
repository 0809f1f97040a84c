"""Sending alerts to channels and people: each alert once to each, at once or with the others of a day.

Each notice is written down first, in the same transaction in which the alert is marked as noticed; sending comes
after that, attempt by attempt. A channel that fails is tried again ever later and shows its trouble; it stops nothing.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from time import monotonic

from django.conf import settings
from django.db import transaction
from django.db.models import F, Q, QuerySet
from django.urls import reverse
from django.utils import timezone

from accounts.models import User
from deliveries.alerting import apprise_sending
from deliveries.alerting.kinds import kinds
from deliveries.credentials import CredentialsUnreadable
from deliveries.models import Alert, AlertChannel, AlertNotice, AlertPreference
from deliveries.models.notices import NoticeTiming
from deliveries.wording import zoned

logger = logging.getLogger(__name__)

PAUSES = [
    timedelta(minutes=m) for m in (1, 5, 30, 120, 480)
]  # after each attempt that failed; then it is given up
LEASE = timedelta(minutes=5)  # while one process sends it no other does
SEE = "deliveries.view_alert"
NOT_THEIRS = "When it was due this person did not see alerts."
MORNING = 8  # o'clock, in the time zone of the installation: when those who get them once a day do
SECONDS_AT_ONCE = 10  # then the other steps have their turn: services that do not answer take theirs each
MOST = 200  # alerts of one look, and of one text
Severity = Alert.Severity
RANK = {one.value: place for place, one in enumerate(Severity)}  # the most urgent first


def run(now: datetime) -> int:
    """How many notices were sent, or given up for now."""
    note(now)
    return send_due(now)


def note(now: datetime) -> int:
    """Write down who gets a notice of the alerts that were raised since the last time; how many alerts."""
    if not Alert.objects.filter(noticed_at=None, raised_at__isnull=False).exists():
        return 0
    with transaction.atomic():
        fresh = list(
            Alert.objects.select_for_update()
            .filter(noticed_at=None, raised_at__isnull=False)
            .order_by("pk")[:MOST]
        )
        channels = (
            AlertChannel.objects.filter(kind=AlertChannel.Kind.SHARED)
            .defer("secret")
            .exclude(when=NoticeTiming.NEVER)
        )
        people = AlertPreference.objects.exclude(when=NoticeTiming.NEVER).filter(user__in=readers())
        notices = [
            AlertNotice(alert=alert, channel=one, not_before=_when(one.when, now))
            for alert in fresh
            for one in channels
            if concerns(alert, one.least)
        ]
        notices += [
            AlertNotice(alert=alert, user_id=one.user_id, not_before=_when(one.when, now))
            for alert in fresh
            for one in people
            if concerns(alert, one.least)
        ]
        AlertNotice.objects.bulk_create(notices, ignore_conflicts=True, batch_size=500)
        Alert.objects.filter(pk__in=[alert.pk for alert in fresh]).update(noticed_at=now)
    return len(fresh)


def readers() -> QuerySet[User]:
    """Who may see alerts: active, and given that by a group, themselves, or as a superuser."""
    return User.objects.with_perm(SEE)


def concerns(alert: Alert, least: str) -> bool:
    return RANK[alert.severity] <= RANK[least]


def _when(timing: str, now: datetime) -> datetime:
    if timing != NoticeTiming.DAILY:
        return now
    here = timezone.localtime(now, timezone.get_default_timezone())
    morning = here.replace(hour=MORNING, minute=0, second=0, microsecond=0)
    return morning if morning > here else morning + timedelta(days=1)


def send_due(now: datetime) -> int:
    """Send what is due, one text for each channel and person; how many notices it was about."""
    groups: dict[tuple[int | None, int | None], list[AlertNotice]] = defaultdict(list)
    due = AlertNotice.objects.filter(sent_at=None, not_before__lte=now, attempts__lte=len(PAUSES))
    may_not_see = due.exclude(Q(user=None) | Q(user__in=readers()))  # who left since, or may not any more
    may_not_see.update(
        attempts=len(PAUSES) + 1, trouble=NOT_THEIRS
    )  # given up: none comes late, should they again
    for notice in due.select_related("alert", "user").order_by("pk")[: MOST * 5]:
        groups[notice.channel_id, notice.user_id].append(notice)
    began, sent = monotonic(), 0
    for (channel, _), those in groups.items():
        sent += _send_one(channel, those[:MOST], now)
        if monotonic() - began >= SECONDS_AT_ONCE:
            break
    return sent


def _send_one(channel_id: int | None, notices: Sequence[AlertNotice], now: datetime) -> int:
    ids = _claim([notice.pk for notice in notices], now)
    mine = [notice for notice in notices if notice.pk in ids]
    if not mine:
        return 0
    where = AlertChannel.objects.filter(pk=channel_id) if channel_id else _mail_servers()
    try:
        channel = where.get()
        url = channel.secret.get("url", "")
        if mine[0].user is not None:
            if not mine[0].user.email:
                raise apprise_sending.BadAddress("There is no email address on record for this person.")
            url = apprise_sending.to_person(url, mine[0].user.email)
        apprise_sending.send(url, title_of(mine), text_of(mine))
    except AlertChannel.DoesNotExist:
        _failed(mine, None, "No mail server is set for alerts.", now)
    except CredentialsUnreadable as problem:
        _failed(mine, where, str(problem), now)
    except (apprise_sending.BadAddress, apprise_sending.NotTaken) as problem:
        _failed(mine, where if channel_id else None, str(problem), now)
    else:
        AlertNotice.objects.filter(pk__in=ids).update(sent_at=now, trouble="")
        where.update(sent_at=now, trouble="", trouble_at=None)
    return len(mine)


def _claim(ids: Sequence[int], now: datetime) -> set[int]:
    """Those of them that are ours to send: the attempt is counted before it is made."""
    due = AlertNotice.objects.filter(pk__in=ids, sent_at=None, not_before__lte=now)
    with transaction.atomic():
        mine = set(due.select_for_update().values_list("pk", flat=True))
        AlertNotice.objects.filter(pk__in=mine).update(not_before=now + LEASE, attempts=F("attempts") + 1)
    return mine


def _failed(
    notices: Sequence[AlertNotice], where: QuerySet[AlertChannel] | None, trouble: str, now: datetime
) -> None:
    """Tried again later, the longer the more often it failed; the channel, or the mail server, shows why."""
    for notice in notices:
        pause = PAUSES[min(notice.attempts, len(PAUSES) - 1)]
        AlertNotice.objects.filter(pk=notice.pk).update(not_before=now + pause, trouble=trouble[:300])
    if where is not None:
        where.update(trouble=trouble[:300], trouble_at=now)


def _mail_servers() -> QuerySet[AlertChannel]:
    return AlertChannel.objects.filter(kind=AlertChannel.Kind.MAIL)


# ---- The text --------------------------------------------------------------------------------------------------


def title_of(notices: Sequence[AlertNotice]) -> str:
    if len(notices) == 1:
        return f"Waybill: {label_of(notices[0].alert)}"
    return f"Waybill: {len(notices)} alerts"


def text_of(notices: Iterable[AlertNotice]) -> str:
    """Each alert as its sentence, what to do, and where it is looked at; the most urgent first. No names of people,
    no addresses: it goes to where others read."""
    ordered = sorted((notice.alert for notice in notices), key=lambda alert: (RANK[alert.severity], alert.pk))
    return "\n\n".join(_paragraph(alert) for alert in ordered)


def _paragraph(alert: Alert) -> str:
    over = f"Closed by itself {zoned(alert.closed_at)}." if alert.closed_at else ""
    kind = kinds().get(alert.kind)
    to_do = kind.what_to_do if kind and not over else ""
    place = f"{settings.PUBLIC_URL}{reverse('alerts:alert', args=[alert.pk])}"
    return "\n".join(filter(None, [alert.sentence, over, to_do, place]))


def label_of(alert: Alert) -> str:
    kind = kinds().get(alert.kind)
    return kind.label if kind else "An alert"
