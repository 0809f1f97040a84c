"""Writing down what happened, for webhooks, in the transaction in which it did. Nothing is sent here."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import Any

from django.utils import timezone

from campaigns.models import Campaign, Recipient
from contacts.addresses import match_key
from contacts.models import Consent, Suppression
from deliveries.models import Alert, Decision, Engagement, EventKind, Message, WebhookEvent
from deliveries.outgoing.subscriptions import wanted

AT_ONCE = 500
# What a reply is; the others are no words of a person.
WORDS = {Engagement.Kind.REPLY, Engagement.Kind.STOP, Engagement.Kind.START, Engagement.Kind.HELP}
State = Recipient.State
NOT_REACHED = {State.FAILED, State.UNKNOWN, State.SKIPPED}


def of_message(message_id: int) -> str:
    """The subject of what is about this message."""
    return f"message {message_id}"


def _write(rows: Iterable[WebhookEvent]) -> None:
    WebhookEvent.objects.bulk_create(rows, batch_size=AT_ONCE)


def note_statuses(messages: Sequence[Message], now: datetime) -> None:
    """These messages, as they are now; call where a set-based statement has not noted them."""
    if not messages or not wanted(EventKind.MESSAGE_STATUS):
        return
    _write(
        WebhookEvent(
            kind=EventKind.MESSAGE_STATUS,
            subject=of_message(one.pk),
            message_id=one.pk,
            contact_id=one.contact_id,
            at=now,
            data={
                "status": one.status,
                "failure_class": one.failure_class,
                "fault": one.fault,
                "evidence": one.evidence,
                "disposition": one.disposition,
                "code": one.reason_code,
            },
        )
        for one in messages
    )


def note_recipients(moved: Iterable[tuple[Recipient, str]], now: datetime | None = None) -> None:
    """Recipients as they are now, each with the state in which it was before."""
    if not wanted(EventKind.REACHED) and not wanted(EventKind.NOT_REACHED):
        return
    rows = []
    for one, before in moved:
        kind = EventKind.REACHED if one.state == State.REACHED else EventKind.NOT_REACHED
        if one.state != before and wanted(kind) and (kind == EventKind.REACHED or one.state in NOT_REACHED):
            data = {"recipient_id": one.pk, "campaign_id": one.campaign_id, "state": one.state}
            if kind == EventKind.REACHED:
                data |= {"channel": one.reached_by, "reached_at": one.reached_at}
            else:
                data |= {"skip_reason": one.skip_reason, "reason": one.next_step_reason}
            rows.append(
                WebhookEvent(
                    kind=kind,
                    subject=f"recipient {one.pk}",
                    contact_id=one.contact_id,
                    at=now or timezone.now(),
                    data=plain(data),
                )
            )
    _write(rows)


def record_decisions(decisions: Sequence[Decision]) -> None:
    """Write these decisions, and note them for webhooks."""
    Decision.objects.bulk_create(decisions, batch_size=300)
    if not wanted(EventKind.DECISION):
        return
    _write(
        WebhookEvent(
            kind=EventKind.DECISION,
            subject=of_message(one.message_id) if one.message_id else f"recipient {one.recipient_id}",
            message_id=one.message_id,
            contact_id=one.contact_id,
            at=one.at,
            data=plain(
                {
                    "recipient_id": one.recipient_id,
                    "by": one.by,
                    "rule": one.rule,
                    "step": one.step,
                    "due_at": one.due_at,
                    "reason": one.reason,
                }
            ),
        )
        for one in decisions
    )


def note_opt_outs(rows: Sequence[Consent], **_: object) -> None:
    """Consent that was just written. A signal's receiver."""
    if not wanted(EventKind.OPTED_OUT):
        return
    _write(
        WebhookEvent(
            kind=EventKind.OPTED_OUT,
            subject=f"contact {one.contact_id}",
            contact_id=one.contact_id,
            at=one.at,
            data={"channel": one.channel, "how": one.how},
        )
        for one in rows
        if not one.opted_in and one.withdraws_id is None
    )


def note_saved_consent(instance: Consent, created: bool, **_: object) -> None:
    """As `note_opt_outs`, for a row that was saved alone."""
    if created:
        note_opt_outs([instance])


def note_suppressions(rows: Sequence[Suppression], after: int, **_: object) -> None:
    """Suppressions that were just made. A signal's receiver."""
    if rows and wanted(EventKind.SUPPRESSED):
        _write(_of_suppression(EventKind.SUPPRESSED, one, one.created_at) for one in _with_keys(rows, after))


def note_releases(ids: Collection[int], **_: object) -> None:
    """Suppressions that were just lifted. A signal's receiver."""
    if not ids or not wanted(EventKind.RELEASED):
        return
    rows = Suppression.objects.filter(pk__in=ids).order_by("pk")
    _write(_of_suppression(EventKind.RELEASED, one, one.released_at or timezone.now()) for one in rows)


def _with_keys(rows: Sequence[Suppression], after: int) -> list[Suppression]:
    """Those of these rows that are new, as they are stored: where others are passed over, no key comes back."""
    if all(one.pk for one in rows):
        return list(rows)
    facts = {one.fact for one in rows}
    found = Suppression.objects.filter(fact__in=facts, pk__gt=after).order_by("pk")
    return list(found.filter(match_key__in={match_key(one.value) for one in rows}))


def _of_suppression(kind: EventKind, one: Suppression, at: datetime) -> WebhookEvent:
    data: dict[str, Any] = {
        "suppression_id": one.pk,
        "address": one.value,
        "channel": one.channel,
        "reason": one.reason,
        "origin": one.origin,
        "expires_at": one.expires_at,
    }
    return WebhookEvent(
        kind=kind, subject=f"suppression {one.pk}", contact_id=one.contact_id, at=at, data=plain(data)
    )


def new_replies(rows: Iterable[Engagement]) -> list[Engagement]:
    """What people wrote, of what is about to be stored; without what is stored already. None where nobody asks."""
    written = [one for one in rows if one.kind in WORDS] if wanted(EventKind.REPLY) else []
    receipts = {one.receipt_id for one in written}
    known: set[tuple[Any, ...]] = set()
    if receipts:
        held = Engagement.objects.filter(receipt_id__in=receipts)
        known = set(held.values_list("receipt_id", "place", "contact_id"))
    return [one for one in written if (one.receipt_id, one.place, one.contact_id) not in known]


def note_replies(rows: Sequence[Engagement]) -> None:
    """What people wrote, just stored: as `new_replies` gave it."""
    _write(
        WebhookEvent(
            kind=EventKind.REPLY,
            subject=of_message(one.message_id) if one.message_id else f"contact {one.contact_id}",
            message_id=one.message_id,
            contact_id=one.contact_id,
            at=one.at,
            data={"channel": one.channel, "read_as": one.kind, "text": one.text, "shared": one.shared},
        )
        for one in rows
    )


def note_finished(campaigns: Iterable[Campaign], now: datetime) -> None:
    if not wanted(EventKind.FINISHED):
        return
    _write(
        WebhookEvent(
            kind=EventKind.FINISHED,
            subject=f"campaign {one.pk}",
            at=now,
            data={"campaign_id": one.pk, "campaign": one.name, "slug": one.slug},
        )
        for one in campaigns
    )


def note_alerts(kind: EventKind, alerts: Iterable[Alert], now: datetime) -> None:
    if not wanted(kind):
        return
    _write(
        WebhookEvent(
            kind=kind,
            subject=f"alert {one.pk}",
            at=now,
            data={
                "alert_id": one.pk,
                "kind": one.kind,
                "severity": one.severity,
                "sentence": one.sentence,
                "campaign_id": one.campaign_id,
            },
        )
        for one in alerts
    )


def plain(data: dict[str, Any]) -> dict[str, Any]:
    """The same with moments as text."""
    return {name: value.isoformat() if isinstance(value, datetime) else value for name, value in data.items()}
