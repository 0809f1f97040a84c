"""Is it alive, and is it ready? What load balancers and monitors ask.

`/healthz` speaks for the process alone; `/readyz` for everything a receipt needs on its way to a status.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import DatabaseError, connection
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from deliveries.models import Heartbeat
from deliveries.running import heartbeat, waiting

PROBE_BYTES = 4_096


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
    """Each role is at work somewhere. A process that hangs behind others is counted, and turns nothing red."""
    rows = heartbeat.signs(now)
    age = heartbeat.age(rows, now)
    if age is None:
        ever = Heartbeat.objects.exists()
        raise NotReady(
            "The last sign of a worker lies ahead of the clock: it proves nothing."
            if ever
            else "No worker has been at work yet."
        )
    limit = settings.READY_HEARTBEAT_SECONDS
    if age > limit:
        raise NotReady(f"The last sign of a worker is {age:.0f} seconds old.")
    ages = {role: heartbeat.age(those, now) for role, those in heartbeat.by_role(rows).items()}
    missing = [role.value for role, seconds in ages.items() if seconds is None or seconds > limit]
    if missing:
        raise NotReady(f"No process is at work on: {', '.join(missing)}.")
    return {"age_seconds": round(age, 1), "silent_processes": sum(row.is_silent(now) for row in rows)}


def _receipts(now: datetime) -> dict[str, Any]:
    oldest = waiting.oldest_receipt()
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
