"""Delivering: in order for each subject, again and again for a day, at least once and always by the same id.

An attempt is counted as it is claimed. A process that dies before it has stored the answer leaves a claim that runs
out; the receiver then gets the event a second time and knows it by its id.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import datetime, timedelta

from django.db import connection, transaction
from django.db.models import Exists, OuterRef, Q, QuerySet

from deliveries.credentials import CredentialsUnreadable
from deliveries.models import PING, WebhookDelivery, WebhookEndpoint
from deliveries.outgoing import subscriptions
from deliveries.outgoing.calling import Call, Caller, Outcome
from deliveries.outgoing.payloads import hand_out

logger = logging.getLogger(__name__)

# After each attempt that failed.
PAUSES = [
    timedelta(seconds=s) for s in (5, 30, 120, 600, 1_800, 3_600, 7_200, 14_400, 28_800)
]  # fmt: skip
GIVEN_UP_AFTER = timedelta(days=1)  # from the first attempt on
LEASE = timedelta(seconds=60)  # well above what a call may take
LONGEST_PAUSE = timedelta(hours=1)  # of those that a receiver asks for by Retry-After
# An endpoint that fails so often in a row is left alone for a while, then asked by one call at a time.
FAILS, SHORTEST_REST, LONGEST_REST = 5, timedelta(seconds=10), timedelta(minutes=10)
GONE = 410
State = WebhookDelivery.State


def run(now: datetime) -> int:
    """A step of the worker: hand out what happened, and begin the calls that are due. How much there was."""
    return hand_out(now) + begin_due(now, caller())


_caller: Caller | None = None


def caller() -> Caller:
    """The one of this process."""
    global _caller
    if _caller is None:
        _caller = Caller(store)
    return _caller


def begin_due(now: datetime, caller: Caller) -> int:
    begun = 0
    waiting = WebhookDelivery.objects.filter(state=State.WAITING, next_at__lte=now)
    asked = Exists(waiting.filter(endpoint=OuterRef("pk")))
    for pk in WebhookEndpoint.objects.filter(asked).values_list("pk", flat=True):
        try:
            endpoint = WebhookEndpoint.objects.get(pk=pk)
            calls = claim(endpoint, caller.free(pk), now)
        except WebhookEndpoint.DoesNotExist:
            continue
        except CredentialsUnreadable as problem:
            logger.warning("%s", problem)
            disable(WebhookEndpoint.objects.filter(pk=pk), "Its secret cannot be read: rotate it.", now)
            continue
        caller.begin(calls)
        begun += len(calls)
    return begun


def claim(endpoint: WebhookEndpoint, places: int, now: datetime) -> list[Call]:
    """What goes there now, at most so many: of each subject the oldest, and none while another of it is under way."""
    rests = endpoint.rests_until is not None and endpoint.rests_until > now
    places = min(places, 1) if endpoint.failures >= FAILS else places
    waiting = WebhookDelivery.objects.filter(endpoint=endpoint, state=State.WAITING)
    if endpoint.disabled_at is not None or rests:
        waiting = waiting.filter(kind=PING)
    if places <= 0:
        return []
    earlier = WebhookDelivery.objects.filter(
        endpoint=endpoint, state=State.WAITING, subject=OuterRef("subject"), pk__lt=OuterRef("pk")
    )
    with transaction.atomic():
        due = waiting.filter(~Exists(earlier), next_at__lte=now).order_by("pk")
        if connection.features.has_select_for_update_skip_locked:
            due = due.select_for_update(skip_locked=True)
        rows = list(due[:places])
        for row in rows:
            row.attempts += 1
            row.first_at = row.first_at or now
            row.next_at = now + LEASE
        WebhookDelivery.objects.bulk_update(rows, ["attempts", "first_at", "next_at"])
    return [
        Call(
            row.pk,
            endpoint.pk,
            row.attempts,
            row.webhook_id,
            endpoint.url,
            endpoint.secrets(now),
            row.body,
            now,
        )
        for row in rows
    ]


def store(outcomes: Sequence[Outcome]) -> None:
    """Write down what came of these calls, endpoint by endpoint."""
    by_endpoint: dict[int, list[Outcome]] = {}
    for one in sorted(outcomes, key=lambda one: one.over_at):
        by_endpoint.setdefault(one.call.endpoint_id, []).append(one)
    for pk, those in sorted(by_endpoint.items()):
        with transaction.atomic():
            _store(pk, those)


def _store(endpoint_id: int, outcomes: Sequence[Outcome]) -> None:
    found = WebhookEndpoint.objects.select_for_update().defer("secret").filter(pk=endpoint_id).first()
    if found is None:
        return
    rows = {
        row.pk: row
        for row in WebhookDelivery.objects.select_for_update()
        .filter(pk__in=[one.call.delivery_id for one in outcomes], state=State.WAITING)
        .order_by("pk")
    }
    for one in outcomes:
        row = rows.get(one.call.delivery_id)
        if row is not None and row.attempts == one.call.attempt:
            _note(row, one)
            _judge(found, row, one)
    WebhookDelivery.objects.bulk_update(
        rows.values(), ["state", "next_at", "done_at", "status_code", "tries"]
    )
    found.save(update_fields=["taken_at", "failures", "rests_until", "disabled_at", "disabled_why"])


def _note(row: WebhookDelivery, one: Outcome) -> None:
    tried = {
        "at": one.call.at.isoformat(),
        "seconds": round(one.seconds, 3),
        "status": one.status,
        "answer": one.answer,
        "trouble": one.trouble,
    }
    row.tries = [*row.tries, tried][-WebhookDelivery.TRIES_KEPT :]
    row.status_code = one.status


def _judge(endpoint: WebhookEndpoint, row: WebhookDelivery, one: Outcome) -> None:
    """What becomes of the delivery, and of its endpoint. A test is tried once, and says nothing about the others."""
    at = one.over_at
    if one.taken:
        row.state, row.done_at = State.DELIVERED, at
        endpoint.taken_at, endpoint.failures, endpoint.rests_until = at, 0, None
        return
    if row.kind == PING:
        row.state, row.done_at = State.FAILED, at
        return
    endpoint.failures += 1
    if endpoint.failures >= FAILS:
        rest = SHORTEST_REST * 2 ** min(endpoint.failures - FAILS, 10)
        endpoint.rests_until = at + min(rest, LONGEST_REST)
    if one.status == GONE:
        row.state, row.done_at = State.FAILED, at
        _disable(endpoint, "It answered 410 Gone: nobody takes events there any more.", at)
        return
    assert row.first_at is not None
    last = row.first_at + GIVEN_UP_AFTER
    if at >= last:
        row.state, row.done_at = State.FAILED, at
        if endpoint.taken_at is None or endpoint.taken_at < row.first_at:
            _disable(endpoint, "It took nothing for a day.", at)
        return
    asked = min(timedelta(seconds=one.pause), LONGEST_PAUSE)
    pause = max(PAUSES[min(row.attempts, len(PAUSES)) - 1], asked)
    row.next_at = min(at + pause, last)


def _disable(endpoint: WebhookEndpoint, why: str, now: datetime) -> None:
    if endpoint.disabled_at is None:
        endpoint.disabled_at, endpoint.disabled_why = now, why


def disable(endpoints: QuerySet[WebhookEndpoint], why: str, now: datetime) -> None:
    """Send nothing there any more; what waits goes on waiting. `why` is '' where a person says so."""
    endpoints.filter(disabled_at=None).update(disabled_at=now, disabled_why=why)
    subscriptions.forget()


def enable(endpoint: WebhookEndpoint, now: datetime) -> None:
    """Send again, first what waited meanwhile, each with a day of its own."""
    endpoint.disabled_at, endpoint.disabled_why = None, ""
    endpoint.failures, endpoint.rests_until = 0, None
    endpoint.save(update_fields=["disabled_at", "disabled_why", "failures", "rests_until"])
    waiting = endpoint.deliveries.filter(state=State.WAITING).exclude(kind=PING)
    waiting.filter(Q(next_at__gt=now) | Q(first_at__isnull=False)).update(
        next_at=now, first_at=None, attempts=0
    )


def replay(deliveries: QuerySet[WebhookDelivery], now: datetime) -> int:
    """Send these once more, by the ids that they had; those that wait already are passed over. How many."""
    return deliveries.exclude(state=State.WAITING).update(
        state=State.WAITING, next_at=now, attempts=0, first_at=None, done_at=None
    )
