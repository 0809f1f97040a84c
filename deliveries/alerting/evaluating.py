"""Alerts open when their cause is there, and close when it is gone. Once a minute, by one process at a time.

The finders say what is there now. A cause has to last as long as its kind says before it is raised, and to be gone for
`GONE_FOR` before its alert closes, so that what stands at a threshold opens one alert and not twenty. A finder that
fails closes nothing.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from django.db import transaction

from deliveries.alerting.findings import Finder, Finding
from deliveries.alerting.kinds import AlertSettings, kinds, load_settings
from deliveries.ledger.quarantine import PASSING
from deliveries.models import Alert, Bookmark

logger = logging.getLogger(__name__)

NAME = "alerts"  # of the bookmark that lets one process do it at a time
GONE_FOR = timedelta(minutes=10)
EVERY = timedelta(seconds=50)  # a second process that looks in between finds it done
LONGEST_URL = 300
CHANGING = ["sentence", "numbers", "url", "last_seen_at", "raised_at"]


def run(now: datetime, finders: Sequence[Finder]) -> int:
    """How many alerts were raised or closed; 0 also where another process looked a moment ago."""
    if not _is_due(now):
        return 0
    settings = load_settings()
    found, not_judged = _look(finders, settings, now)
    with transaction.atomic():
        mark, _ = Bookmark.objects.select_for_update().get_or_create(name=NAME, defaults={"at": now})
        opened = {alert.cause: alert for alert in Alert.objects.filter(closed_at=None)}
        raised = _open(found, opened, now)
        closed = _close([alert for cause, alert in opened.items() if cause not in found], not_judged, now)
        Bookmark.objects.filter(pk=mark.pk).update(at=now)
    return raised + closed


def _is_due(now: datetime) -> bool:
    last = Bookmark.objects.filter(name=NAME).values_list("at", flat=True).first()
    return last is None or not last <= now < last + EVERY


def _look(
    finders: Sequence[Finder], settings: AlertSettings, now: datetime
) -> tuple[dict[str, Finding], set[str]]:
    """What is there by its cause, and the kinds that could not be judged."""
    found: dict[str, Finding] = {}
    not_judged: set[str] = set()
    for finder in finders:
        try:
            with transaction.atomic():
                those = list(finder.find(now, settings))
        except PASSING:
            raise
        except Exception:  # one that fails must not keep the others from looking
            logger.exception("Looking for %s failed", ", ".join(finder.kinds))
            not_judged.update(finder.kinds)
        else:
            found |= {one.cause: one for one in those if settings.is_on(one.kind)}
    return _without_weaker(found), not_judged


def _without_weaker(found: Mapping[str, Finding]) -> dict[str, Finding]:
    """Only those beside which no other says the same, and more."""
    there: dict[tuple[str, int | None], list[Finding]] = defaultdict(list)
    for one in found.values():
        there[one.kind, one.campaign_id].append(one)
    return {
        cause: one
        for cause, one in found.items()
        if not any(
            _says_the_same(one, there[kind, about])
            for kind in kinds()[one.kind].unless
            for about in (one.campaign_id, None)
        )
    }


def _says_the_same(one: Finding, others: Sequence[Finding]) -> bool:
    """Where both are about accounts, only if the others together are about all of its accounts."""
    if not one.accounts or not all(other.accounts for other in others):
        return bool(others)
    return bool(others) and one.accounts <= frozenset().union(*(other.accounts for other in others))


def _open(found: Mapping[str, Finding], opened: Mapping[str, Alert], now: datetime) -> int:
    """Make what is new and bring what is open up to date; return how many were raised."""
    raised, changed = 0, []
    for cause, finding in found.items():
        alert = opened.get(cause) or Alert(cause=cause, kind=finding.kind, seen_at=now)
        kind = kinds()[finding.kind]
        alert.severity, alert.campaign_id = kind.severity, finding.campaign_id
        alert.sentence = finding.sentence[:400]
        alert.url = (
            finding.url if len(finding.url) <= LONGEST_URL else ""
        )  # half an address opens something else
        alert.numbers = [list(number) for number in finding.numbers]
        alert.last_seen_at = now
        if alert.raised_at is None and now - alert.seen_at >= kind.patience:
            alert.raised_at = now
            raised += 1
        changed.append(alert)
    Alert.objects.bulk_update([one for one in changed if one.pk], CHANGING, batch_size=100)
    Alert.objects.bulk_create([one for one in changed if not one.pk], ignore_conflicts=True)
    return raised


def _close(alerts: Sequence[Alert], not_judged: set[str], now: datetime) -> int:
    gone = [one for one in alerts if one.kind not in not_judged and one.last_seen_at <= now - GONE_FOR]
    never_raised = [one.pk for one in gone if one.raised_at is None]
    if never_raised:
        Alert.objects.filter(pk__in=never_raised).delete()
    over = [one.pk for one in gone if one.raised_at is not None]
    return Alert.objects.filter(pk__in=over, closed_at=None).update(closed_at=now) if over else 0
