"""The step that looks for what somebody should look at: everything that alerting knows, and work that waits."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from contacts import erased_files
from deliveries.alerting import evaluating, of_campaigns, of_providers
from deliveries.alerting.findings import Finder, Finding
from deliveries.alerting.kinds import AlertSettings
from deliveries.models import Heartbeat
from deliveries.running.waiting import OLDEST

Role = Heartbeat.Role
WAITS = {
    Role.RECORD: "Receipts wait to be read",
    Role.DECIDE: "Retries and queues wait to be worked out",
    Role.SEND: "Messages wait to be handed over",
    Role.REST: "Campaigns wait to be prepared",
}


def backlog(now: datetime, settings: AlertSettings) -> Iterator[Finding]:
    """Work that is older than it should be: what waits for a pause, a rate or its hour is not counted."""
    limit = timedelta(minutes=settings.threshold("backlog"))
    for role, oldest in OLDEST.items():
        since = oldest(now)
        if since is not None and since < now - limit:
            minutes = int((now - since).total_seconds() // 60)
            yield Finding("backlog", role, f"{WAITS[role]}, the oldest for {minutes:,} minutes.")
    if erased_files.late(now):
        yield Finding(
            "backlog",
            "erased_files",
            "An erased person still stands in uploaded files, a day after the erasure.",
        )


def finders(now: datetime) -> tuple[Finder, ...]:
    """Everything that one look looks for."""
    return (*of_campaigns.finders(now), *of_providers.FINDERS, Finder(("backlog",), backlog))


def run(now: datetime) -> int:
    """How many alerts were raised or closed."""
    return evaluating.run(now, finders(now))
