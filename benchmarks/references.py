"""What one would otherwise write: the other side of each comparison, in plain Django.

The views are WSGI applications of their own (`granian --interface wsgi benchmarks.references:bare`), without
middleware; the functions do the same work as ours, with the same effects.
"""

# ruff: noqa: E402 - the models need Django set up
from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import datetime

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "benchmarks.reference_settings")

import django

django.setup()

from django.conf import settings
from django.core.handlers.wsgi import WSGIHandler
from django.db import transaction
from django.db.models import F
from django.http import HttpRequest, HttpResponse
from django.urls import path
from django.utils import timezone

from benchmarks.rows import TOKEN
from campaigns.models import Campaign, Recipient
from contacts.models import Address, Consent, Contact, Suppression
from deliveries.deciding.routes import routes
from deliveries.ledger import events
from deliveries.ledger.statements.values import MESSAGE_DIMENSIONS, ClaimedReceipt, EventRow
from deliveries.ledger.tallies import DIMENSIONS
from deliveries.meaning.translation import shipped
from deliveries.models import (
    MESSAGE_TALLIES,
    Account,
    Message,
    Outbox,
    PendingReceipt,
    StatusChange,
    StatusEvent,
    TallyDelta,
)
from deliveries.providers import PROVIDERS
from deliveries.providers.facts import Call, Report
from deliveries.receiving import recording
from deliveries.sending.audience import OF_NUMBER, Opening, opening_of
from deliveries.statuses import REACHING, SETTLED, Status

# ---- Views -------------------------------------------------------------------------------------------------------


def nothing(request: HttpRequest, token: str, kind: str) -> HttpResponse:
    """The least a view can do."""
    return HttpResponse(status=204)


_account: Account | None = None


def inline(request: HttpRequest, token: str, kind: str) -> HttpResponse:
    """Check the signature, find the message, write the event, save the message: all in the request."""
    global _account
    account = _account = _account or Account.objects.get(token=TOKEN)
    headers = {name.lower(): value for name, value in request.headers.items()}
    url = settings.PUBLIC_URL + request.get_full_path()
    call = Call("POST", url, request.META["QUERY_STRING"], headers, request.body)
    adapter = PROVIDERS[account.provider]
    if not adapter.verify(call, account.credentials):
        return HttpResponse(status=403)
    now = timezone.now()
    with transaction.atomic():
        for report in adapter.parse(kind, call):
            message = Message.objects.get(uuid=report.ref)
            event = events.event(
                message.pk, message.goal, shipped().translate(account.provider, report).meaning, at=now,
                native=(report.native_status, report.native_code, report.native_text),
            )  # fmt: skip
            _create(event, now)
            if event.precedence > message.precedence:
                show(message, event, now)
                message.save()
    return HttpResponse(status=204)


def _create(event: EventRow, now: datetime) -> bool:
    """True when the event is new."""
    values = event._asdict()
    del values["disposition"], values["reason_code"]
    key = {name: values.pop(name) for name in ("message_id", "fact")}
    defaults = values | {"recorded_at": now, "mapping_version": shipped().version}
    _, new = StatusEvent.objects.get_or_create(**key, defaults=defaults)
    return new


def show(message: Message, event: EventRow, now: datetime) -> None:
    message.status, message.precedence = event.status, event.precedence
    message.failure_class, message.fault, message.evidence = event.failure_class, event.fault, event.evidence
    message.disposition, message.reason_code, message.updated_at = event.disposition, event.reason_code, now
    if event.status == Status.SENT:
        message.sent_at = event.occurred_at
    if event.status in REACHING:
        message.delivered_at = event.occurred_at
    if event.status in SETTLED:
        message.settled_at = event.occurred_at


urlpatterns = [
    path("hooks/<token>/<kind>", {"bare": nothing, "inline": inline}[os.environ.get("VIEW", "bare")])
]
application = WSGIHandler()

# ---- Recording ---------------------------------------------------------------------------------------------------


def record_one_by_one(now: datetime, limit: int) -> int:
    """One transaction for each receipt, everything through the ORM; return how many were recorded."""
    waiting = PendingReceipt.objects.filter(state="new").order_by("pk").values_list("pk", flat=True)
    done = 0
    for pk in list(waiting[:limit]):
        with transaction.atomic():
            done += _record_one(pk, now)
    return done


def _record_one(pk: int, now: datetime) -> bool:
    pending = PendingReceipt.objects.select_related("receipt").select_for_update().get(pk=pk)
    receipt = pending.receipt
    account = Account.objects.get(pk=receipt.account_id)
    call = Call(receipt.method, "", receipt.query, receipt.headers, bytes(receipt.body))
    for report in PROVIDERS[account.provider].parse(receipt.kind, call):
        assert isinstance(report, Report)
        message = Message.objects.select_for_update().filter(uuid=report.ref, account=account).first()
        if message is None:
            pending.state, pending.reason, pending.attempts = (
                "parked",
                "No message yet.",
                pending.attempts + 1,
            )
            pending.not_before = now + recording.BACKOFF[0]
            pending.save()
            return False
        event = events.event(
            message.pk, message.goal, shipped().translate(account.provider, report).meaning,
            at=receipt.received_at, receipt_id=pk,
            native=(report.native_status, report.native_code, report.native_text),
        )  # fmt: skip
        if _create(event, now) and event.precedence > message.precedence:
            _count(message, -1)
            show(message, event, now)
            message.save()
            _count(message, +1)
            StatusChange.objects.create(message_id=message.pk, changed_at=now)
    pending.delete()
    return True


def _count(message: Message, change: int) -> None:
    for tally in MESSAGE_TALLIES:
        key = {name: getattr(message, "created_on" if name == "day" else name) for name in tally.KEY}
        if not tally.objects.filter(**key).update(n=F("n") + change):
            tally.objects.create(**key, n=change)


def record_in_bulk(now: datetime, limit: int) -> int:
    """The ORM's own bulk methods: one in-lookup, bulk_create and bulk_update each; return how many were recorded."""
    with transaction.atomic():
        pending = PendingReceipt.objects.filter(state="new").select_related("receipt").order_by("pk")[:limit]
        waiting = [
            ClaimedReceipt(
                p.pk,
                r.account_id,
                r.kind,
                r.received_at,
                r.method,
                r.query,
                r.headers,
                bytes(r.body),
                p.attempts,
            )
            for p in pending
            if (r := p.receipt)
        ]
        reports = recording.take_apart(waiting).reports
        matched = recording.match(reports)
        events, unknown = matched.events, matched.unknown
        first = {(event.message_id, event.fact): event for event in reversed(events)}
        held = set(
            StatusEvent.objects.filter(message_id__in=[e.message_id for e in events]).values_list(
                "message_id", "fact"
            )
        )
        fresh = [event for key, event in first.items() if key not in held]
        StatusEvent.objects.bulk_create([_row(event, now) for event in fresh], batch_size=500)
        _move(fresh, now)
        done = [each.id for each in waiting if each.id not in unknown]
        PendingReceipt.objects.filter(pk__in=done).delete()
        PendingReceipt.objects.filter(pk__in=unknown).update(state="parked", attempts=F("attempts") + 1)
    return len(done)


def _row(event: EventRow, now: datetime) -> StatusEvent:
    values = event._asdict()
    del values["disposition"], values["reason_code"]
    return StatusEvent(**values, recorded_at=now, mapping_version=shipped().version)


SHOWN = [
    "status", "precedence", "failure_class", "fault", "evidence", "disposition", "reason_code", "updated_at", "sent_at",
    "delivered_at", "settled_at",
]  # fmt: skip


def _move(events: Sequence[EventRow], now: datetime) -> None:
    best: dict[int, EventRow] = {}
    for event in events:
        if event.message_id not in best or event.precedence > best[event.message_id].precedence:
            best[event.message_id] = event
    changes: dict[tuple, int] = {}
    changed = []
    for message in Message.objects.select_for_update().filter(pk__in=best).order_by("pk"):
        event = best[message.pk]
        if event.precedence > message.precedence:
            for change in (-1, +1):
                key = tuple(getattr(message, name) for name in MESSAGE_DIMENSIONS)
                changes[key] = changes.get(key, 0) + change
                show(message, event, now)
            changed.append(message)
    Message.objects.bulk_update(changed, SHOWN, batch_size=500)
    StatusChange.objects.bulk_create(
        [StatusChange(message_id=m.pk, changed_at=now) for m in changed], batch_size=500
    )
    TallyDelta.objects.bulk_create(
        [TallyDelta(**dict(zip(DIMENSIONS, key, strict=True)), n=n) for key, n in changes.items() if n],
        batch_size=500,
    )


# ---- Expansion ---------------------------------------------------------------------------------------------------


def expand_in_chunks(campaign: Campaign, now: datetime, low: int, high: int, chunk: int = 5_000) -> int:
    """Contacts in (low, high], 5,000 at a time, with bulk_create; return how many messages were made."""
    route = routes([campaign])[campaign.pk, campaign.channel]
    made = 0
    for start in range(low, high, chunk):
        with transaction.atomic():
            made += _expand_chunk(campaign, route, now, start, min(start + chunk, high))
    return made


def _expand_chunk(campaign: Campaign, route, now: datetime, low: int, high: int) -> int:
    contacts = list(
        Contact.objects.filter(pk__gt=low, pk__lte=high, lists__in=campaign.lists.all())
        .exclude(recipients__campaign=campaign)
        .distinct()
        .order_by("pk")
    )
    ids = [contact.pk for contact in contacts]
    addresses = {
        a.contact_id: a for a in Address.objects.filter(contact__in=ids, kind="phone", preferred=True)
    }
    blocked = set(
        Suppression.objects.in_force(now)
        .filter(match_key__in={a.match_key for a in addresses.values()}, channel__in=["", campaign.channel])
        .values_list("match_key", flat=True)
    )
    consents = Consent.objects.filter(contact__in=ids, channel=campaign.channel).order_by("at", "id")
    allowed = dict(consents.values_list("contact_id", "opted_in"))
    recipients, planned = [], []
    for contact in contacts:
        address = addresses.get(contact.pk)
        reason = _reason(address, blocked, allowed.get(contact.pk, False))
        state, step = ("skipped", "none") if reason else ("planned", "wait")
        recipients.append(
            Recipient(campaign=campaign, contact=contact, state=state, skip_reason=reason, next_step=step)
        )
        if not reason:
            planned.append((recipients[-1], contact, address))
    Recipient.objects.bulk_create(recipients, batch_size=1_000)
    messages = [_message(campaign, route, now, *row) for row in planned]
    Message.objects.bulk_create(messages, batch_size=500)
    Outbox.objects.bulk_create(
        [
            Outbox(
                message=m,
                campaign_id=campaign.pk,
                account_id=route.otherwise[0].account.pk,
                sender_id=m.sender_id,
                due_at=m.due_at,
            )
            for m in messages
        ],
        batch_size=1_000,
    )
    return len(messages)


def _reason(address: Address | None, blocked: set[str], allowed: bool) -> str:
    if address is None:
        return "no_address"
    if address.value in blocked:
        return "suppressed"
    return "" if allowed else "no_consent"


def _message(
    campaign: Campaign, route, now: datetime, recipient: Recipient, contact: Contact, address: Address
) -> Message:
    place = contact.time_zone, address.time_zone, address.region, address.match_key[:5]
    opening = opening_of(campaign, campaign.channel, OF_NUMBER.join(place), now)
    return Message(
        recipient=recipient, campaign=campaign, contact=contact, address=address, sender=route.content.sender,
        account=route.otherwise[0].account, list_source_id=contact.source_id or 0, channel=campaign.channel,
        goal=campaign.goal,
        rule_version=campaign.playbook.version, priority=campaign.priority, carrier=address.carrier,
        region=address.region, created_at=now, created_on=now.date(), updated_at=now,
        due_at=opening.at if isinstance(opening, Opening) else now,
    )  # fmt: skip
