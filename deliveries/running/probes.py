"""Is it alive, and is it ready? What load balancers and monitors ask.

`/healthz` speaks for the process alone; `/readyz` for everything a receipt needs on its way to a status.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import DatabaseError, connection
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from deliveries.models import Heartbeat, Outbox, PendingReceipt, Receipt

CLOCKS_DIFFER = timedelta(minutes=1)
PROBE_BYTES = 4_096
DRAIN = "drain"  # the heartbeat of whoever does the work


class NotReady(Exception):
    """One thing is not as it should be; the text says what, without addresses or secrets."""


@require_safe
@never_cache
def healthz(request: HttpRequest) -> HttpResponse:
    """200 as long as the process answers at all."""
    return HttpResponse("ok", content_type="text/plain")


@require_safe
@never_cache
def readyz(request: HttpRequest) -> JsonResponse:
    """200 when every check passes, else 503; either way each check with its word and its age in seconds."""
    ready, checks = report()
    return JsonResponse(checks, status=200 if ready else 503)


def report() -> tuple[bool, dict[str, Any]]:
    """Whether every check passes, and what each says. Asked without a request by config/monitoring.py."""
    now = timezone.now()
    checks = {name: _examine(check, now) for name, check in CHECKS.items()}
    ready = all(result["ok"] for result in checks.values())
    return ready, {"ready": ready, "checks": checks}


def oldest_waiting() -> datetime | None:
    """When the oldest receipt came in that nobody has looked at yet; None when there is none.

    One that was parked and is to be tried once more has been looked at.
    """
    waiting = PendingReceipt.objects.filter(state=PendingReceipt.State.NEW, attempts=0).order_by("receipt_id")
    first = waiting.values_list("receipt_id", flat=True).first()
    # By its id and not by a join, which would open every partition of the receipts.
    return Receipt.objects.filter(pk=first).values_list("received_at", flat=True).first() if first else None


def oldest_due(now: datetime) -> datetime | None:
    """Since when the longest waiting message could have been handed over; None when nothing is due."""
    # Once for each half of the index, which holds the urgent ones first: two look-ups instead of a scan.
    halves = (
        Outbox.objects.filter(claimed_until=None, urgent=urgent, due_at__lte=now) for urgent in (True, False)
    )
    firsts = (half.order_by("due_at", "message").values_list("due_at", flat=True).first() for half in halves)
    return min((due_at for due_at in firsts if due_at), default=None)


def last_beat() -> datetime | None:
    """When the worker last made progress; None when it never did."""
    return Heartbeat.objects.filter(name=DRAIN).values_list("at", flat=True).first()


def beat_age(now: datetime) -> float | None:
    """Seconds since the worker last made progress; None when it never did.

    A sign from the future was left by a clock that was wrong: it says nothing about now, and counts as none.
    """
    beat = last_beat()
    if beat is None or beat > now + CLOCKS_DIFFER:
        return None
    return max((now - beat).total_seconds(), 0.0)


def _examine(check: Callable[[datetime], dict[str, Any]], now: datetime) -> dict[str, Any]:
    try:
        return {"ok": True, **check(now)}
    except NotReady as problem:
        return {"ok": False, "problem": str(problem)}
    except DatabaseError:
        return {"ok": False, "problem": "The database does not answer."}


def _database(now: datetime) -> dict[str, Any]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    return {"kind": connection.vendor}


def _broker(now: datetime) -> dict[str, Any]:
    if not settings.REDIS_URL:
        return {"kind": "database"}
    import redis

    client = redis.Redis.from_url(settings.REDIS_URL, socket_timeout=1, socket_connect_timeout=1)
    try:
        client.ping()
    except redis.RedisError as problem:
        raise NotReady("Redis does not answer.") from problem
    finally:
        client.close()
    return {"kind": "redis"}


def _worker(now: datetime) -> dict[str, Any]:
    age = beat_age(now)
    if age is None:
        never = last_beat() is None
        raise NotReady(
            "No worker has been at work yet."
            if never
            else "The last sign of a worker lies ahead of the clock: it proves nothing."
        )
    if age > settings.READY_HEARTBEAT_SECONDS:
        raise NotReady(f"The last sign of a worker is {age:.0f} seconds old.")
    return {"age_seconds": round(age, 1)}


def _receipts(now: datetime) -> dict[str, Any]:
    oldest = oldest_waiting()
    age = (now - oldest).total_seconds() if oldest else 0.0
    if age > settings.READY_RECEIPT_SECONDS:
        raise NotReady(f"The oldest receipt has been waiting for {age:.0f} seconds.")
    return {"oldest_waiting_seconds": round(age, 1)}


def _disk(now: datetime) -> dict[str, Any]:
    """Room where the data is kept, by the figures and by writing: a read-only disk, or a quota, has room too."""
    free = []
    for folder in _folders():
        try:
            free.append(shutil.disk_usage(folder).free)
            with tempfile.TemporaryFile(dir=folder) as probe:
                probe.write(bytes(PROBE_BYTES))
                probe.flush()
                os.fsync(probe.fileno())
        except OSError as problem:
            words = os.strerror(problem.errno) if problem.errno else type(problem).__name__
            raise NotReady(f"Nothing can be written where the data is kept: {words}.") from problem
    megabytes = min(free) // 1_000_000
    if megabytes < settings.READY_DISK_MEGABYTES:
        raise NotReady(f"Only {megabytes} MB are free where the data is kept.")
    return {"free_megabytes": megabytes}


def _folders() -> set[Path]:
    """Our own files, and those of the database where it is one of them."""
    folders = {Path(settings.VAR_DIR)}
    if connection.vendor == "sqlite":
        folders.add(Path(connection.settings_dict["NAME"]).absolute().parent)
    return folders


CHECKS = {"database": _database, "broker": _broker, "worker": _worker, "receipts": _receipts, "disk": _disk}
