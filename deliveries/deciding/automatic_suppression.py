"""Suppressions that a rule makes of what was reported: with their evidence, and for how long."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime

from django.db import transaction
from django.db.models import Count

from contacts import verifying
from contacts.blocking import Target, blocks
from contacts.channels import Channel
from contacts.chunks import in_lists
from contacts.models import Suppression
from contacts.suppressing import MAPPING_CORRECTED, MISTAKEN, end_pauses, suppress_each
from deliveries.deciding.context import Context
from deliveries.deciding.facts import Decided
from deliveries.deciding.health import NO_FAILURES, CountedFailure, Health
from deliveries.deciding.recipients import RecipientContext
from deliveries.meaning.failure_limits import load_limits, pause
from deliveries.models import Message, SuppressionEvidence

PAUSES_A_ROUND = 500  # suppressions


def suppress_failed(
    views: Sequence[RecipientContext], decided: Mapping[int, Decided], context: Context, now: datetime
) -> None:
    """Block the addresses that failed often enough, each on its channel, and keep which messages say so."""
    failed = [view for view in views if decided[view.recipient.pk].suppress]
    if not failed:
        return
    stand = _blocked_by_rule([view.head for view in failed], now)
    first: dict[Target, RecipientContext] = {}
    for view in failed:
        if view.head.target not in stand:
            first.setdefault(view.head.target, view)
    if not first:
        return
    limits, before = load_limits(), _times_before(first)
    wanted, evidence = [], []
    for target, view in first.items():
        health = context.health.get((view.head.address_id, view.head.channel), NO_FAILURES)
        counted = _grounds(view.head, health)
        asked = [
            limits.of(context.providers.get(one.message.account, ""), target.channel, one.message.code, one.certainty)
            for one in counted
        ]  # fmt: skip
        length = pause(asked, before[target.match_key, target.channel])
        wanted.append(_suppression(view, counted, now, now + length if length else None))
        evidence.append(counted)
    rows = suppress_each(wanted, now)
    verifying.ask(rows, now)
    SuppressionEvidence.objects.bulk_create(
        [row for block, counted in zip(rows, evidence, strict=True) for row in _evidence(block, counted)],
        batch_size=300,
        ignore_conflicts=True,
    )


def _grounds(head: Message, health: Health) -> Sequence[CountedFailure]:
    return health.failures if any(one.message.id == head.pk for one in health.failures) else health.misses


def _suppression(
    view: RecipientContext, counted: Sequence[CountedFailure], now: datetime, ends: datetime | None
) -> Suppression:
    head = view.head
    missed = bool(counted) and counted[0].message.missed
    bounced = (
        Suppression.Reason.HARD_BOUNCE if head.channel == Channel.EMAIL else Suppression.Reason.HARD_FAILS
    )
    return Suppression(
        contact=view.recipient.contact.stays,
        value=head.address.value,
        channel=head.channel,
        reason=Suppression.Reason.UNREACHABLE if missed else bounced,
        origin=Suppression.Origin.RULE,
        evidence=f"{_how_many(counted, missed=missed)}; the last: {head.reason_code}",
        created_at=now,
        expires_at=ends,
        fact=f"message {head.pk}",
    )


def _how_many(counted: Sequence[CountedFailure], *, missed: bool) -> str:
    if missed:
        return f"Not reached {len(counted)} times in a row"
    return "Permanent failure" if len(counted) <= 1 else f"{len(counted)} permanent failures in a row"


def _evidence(block: Suppression, counted: Iterable[CountedFailure]) -> Iterable[SuppressionEvidence]:
    for one in counted:
        yield SuppressionEvidence(
            suppression=block, message_id=one.message.id, code=one.message.code, status=one.message.status,
            certainty=one.certainty, failed_at=one.message.settled_at,
        )  # fmt: skip


def _blocked_by_rule(messages: Sequence[Message], now: datetime) -> set[Target]:
    """Where such a block stands already: the next message that fails there is no new ground."""
    met = blocks({message.target for message in messages}, now)
    return {
        target
        for target, those in met.items()
        if any(one.match_key and one.origin == Suppression.Origin.RULE for one in those)
    }


def _times_before(targets: Collection[Target]) -> Counter[tuple[str, str]]:
    """How often a rule suppressed each of these before, by address and channel. A mistake does not count."""
    found: Counter[tuple[str, str]] = Counter()
    for keys in in_lists({target.match_key for target in targets}):
        rows = Suppression.objects.filter(
            match_key__in=keys, origin=Suppression.Origin.RULE, reason__in=Suppression.OF_FAILURES
        )
        for mistaken in (MAPPING_CORRECTED, MISTAKEN):
            rows = rows.exclude(release_note__startswith=mistaken)
        for key, channel, times in rows.values_list("match_key", "channel").annotate(Count("pk")).order_by():
            found[key, channel] = times
    return found


@transaction.atomic
def run(now: datetime) -> int:
    """Let addresses be used again whose pause is over, what failed there forgotten; return how many."""
    return end_pauses(now, PAUSES_A_ROUND)
