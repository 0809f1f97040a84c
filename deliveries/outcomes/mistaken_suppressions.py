"""Suppressions that a rule made and would not make today: their evidence, graded anew. Reads only.

What people asked for, complaints and legal demands are no rule's, and never among them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import NamedTuple

from django.db.models import Count, Exists, F, IntegerField, Max, OuterRef, Q, QuerySet, Subquery
from django.db.models.fields.tuple_lookups import Tuple, TupleGreaterThanOrEqual
from django.db.models.functions import Coalesce

from campaigns.models import Playbook
from contacts.among import Among
from contacts.channels import strike_limit
from contacts.models import Suppression
from contacts.phones import ERASED
from contacts.strength import WEAK
from deliveries.meaning.failure_limits import (
    FEWEST_UNREACHABLE,
    UNREACHABLE_FOR,
    BlockLimits,
    enough_of,
    load_limits,
)
from deliveries.models import Account, Certainty, FailureLimit, Message, RouteAlarm, SuppressionEvidence
from deliveries.outcomes.keyset import Cursor, Page, after, page
from deliveries.statuses import MISSED, PROOF, Disposition, FailureClass, Fault, is_miss

TROUBLES = 100  # times of trouble looked at, the newest
TROUBLE_BEGAN = timedelta(hours=1)  # before it was noticed
WALK = 20_000  # suppressions made by a rule, standing or not, that are gone through for one page
OURS = (Fault.SENDER, Fault.CONTENT, Fault.ACCOUNT)


class Trouble(NamedTuple):
    """A time in which an account rested or refused; `channel` is '' for all of them."""

    account: int
    channel: str
    began: datetime
    ended: datetime

    def covers(self, row: SuppressionEvidence) -> bool:
        here = row.message.account_id == self.account and self.channel in ("", row.message.channel)
        return here and row.failed_at is not None and self.began <= row.failed_at <= self.ended


@dataclass(frozen=True)
class MistakenSuppression:
    """One that would not be made today. `reasons` in words; `still`: how many failures count yet, of `asked`."""

    row: Suppression
    reasons: list[str] = field(default_factory=list)
    still: int = 0
    asked: int = 0


def walk(now: datetime, size: int, mark: str, *, most: int = WALK) -> Page:
    """Up to `size` candidates, newest first, among the `most` suppressions of rules that come after the cursor.

    The next page starts after the last of them, or where this one stopped looking; so a page costs the same however
    many suppressions there are, and one without a row may have a next one. Contacts and makers are loaded.
    """
    every: QuerySet[Suppression] = Suppression.objects.filter(origin=Suppression.Origin.RULE)
    cursor = Cursor.read(mark)
    if cursor and cursor.at:
        every = after(every, cursor, pk="id", at="created_at")
    edge = every.order_by("-created_at", "-pk").values_list("created_at", "pk")[most - 1 : most].first()
    rows = candidates(now).select_related("contact", "created_by")
    if edge:
        key = TupleGreaterThanOrEqual(Tuple(F("created_at"), F("pk")), edge)
        rows = rows.filter(key, created_at__gte=edge[0])
    found = page(rows, size, mark, at="created_at")
    return replace(found, after=str(Cursor(*edge))) if edge and not found.after else found


def candidates(now: datetime) -> QuerySet[Suppression]:
    """Those that may be mistaken: something has changed about a message, its account or the limits since. All that are
    found, and some that are graded to stand."""
    mine = SuppressionEvidence.objects.filter(suppression=OuterRef("pk"))
    in_trouble = Q(pk__in=[])
    for one in _troubles(now):
        where = Q(message__account_id=one.account, failed_at__gte=one.began, failed_at__lte=one.ended)
        in_trouble |= where & Q(message__channel=one.channel) if one.channel else where
    doubted = Exists(mine.filter(~_counts() | in_trouble)) | Exists(_arrivals(OuterRef("pk")))
    found = Suppression.objects.in_force(now).filter(
        ~Q(match_key__startswith=ERASED),  # nobody releases those
        origin=Suppression.Origin.RULE,
        reason__in=[one for one in Suppression.OF_FAILURES if one in WEAK],
    )
    changed = FailureLimit.objects.aggregate(at=Max("made_at"))["at"]
    if changed is not None:
        counted = mine.order_by().values("suppression").annotate(n=Count("pk")).values("n")
        found = found.annotate(counted=Coalesce(Subquery(counted, output_field=IntegerField()), 0))
        doubted |= Q(created_at__lt=changed, counted__gt=0, counted__lt=_most_asked())
    return found.filter(doubted)


def _counts() -> Q:
    """A condition on evidence: its message reads today as it has to, for one that failed for good or was missed."""
    failed = Q(message__disposition=Disposition.BOUNCED_HARD) & ~Q(certainty=Certainty.UNREACHABLE)
    missed = Q(
        certainty=Certainty.UNREACHABLE,
        message__disposition=Disposition.PENDING_RETRY,
        message__failure_class=FailureClass.TEMPORARY,
        message__status__in=MISSED,
        message__delivered_at=None,
    )
    return Q(message__fault=Fault.RECIPIENT) & (failed | missed)


def _arrivals(suppression: OuterRef) -> QuerySet[SuppressionEvidence]:
    """Its evidence, where something has arrived since at the same address on the same channel."""
    arrived = Message.objects.filter(
        contact_id=OuterRef("message__contact_id"),
        address_id=OuterRef("message__address_id"),
        channel=OuterRef("message__channel"),
        disposition=Disposition.DELIVERED,
        evidence__in=PROOF,
        delivered_at__gt=OuterRef("failed_at"),
    )
    return SuppressionEvidence.objects.filter(Exists(arrived), suppression=suppression)


def _most_asked() -> int:
    """The most failures that any limit in force asks for."""
    limits = load_limits()
    asked = [one.failures for one in (*limits.kinds.values(), *limits.codes.values())]
    return max([*asked, Playbook.objects.aggregate(most=Max("strikes"))["most"] or 0])


def _troubles(now: datetime) -> list[Trouble]:
    kinds = (RouteAlarm.Kind.RESTS, RouteAlarm.Kind.REFUSES)
    rows = RouteAlarm.objects.filter(kind__in=kinds, raised_at__isnull=False, sender_id=0).order_by("-pk")
    return [
        Trouble(one.account_id, one.channel, one.raised_at - TROUBLE_BEGAN, one.closed_at or now)
        for one in rows[:TROUBLES]
        if one.raised_at
    ]


def mistaken(rows: Sequence[Suppression], now: datetime) -> list[MistakenSuppression]:
    """Those of these that would not be made today, in their order. Five queries."""
    if not rows:
        return []
    ids = {row.pk for row in rows}
    evidence: defaultdict[int, list[SuppressionEvidence]] = defaultdict(list)
    found = SuppressionEvidence.objects.filter(Among("suppression_id", ids)).order_by(
        "-failed_at", "-message_id"
    )
    for one in found.select_related("message__campaign__playbook"):
        evidence[one.suppression_id].append(one)
    arrived = set(
        SuppressionEvidence.objects.filter(Among("suppression_id", ids))
        .filter(pk__in=_arrivals(OuterRef("suppression_id")).values("pk"))
        .values_list("suppression_id", flat=True)
    )
    limits, accounts, troubles = load_limits(), _accounts(), _troubles(now)
    graded = (_graded(row, evidence[row.pk], row.pk in arrived, limits, accounts, troubles) for row in rows)
    return [one for one in graded if one is not None]


def _accounts() -> dict[int, tuple[str, str]]:
    """Account -> (its provider, its name)."""
    return {
        pk: (provider, name) for pk, provider, name in Account.objects.values_list("pk", "provider", "name")
    }


def _graded(
    row: Suppression,
    evidence: Sequence[SuppressionEvidence],
    arrived: bool,
    limits: BlockLimits,
    accounts: Mapping[int, tuple[str, str]],
    troubles: Sequence[Trouble],
) -> MistakenSuppression | None:
    """None where it stands, or where no evidence was kept."""
    if not evidence:
        return None
    against: dict[int, str] = {}
    for one in evidence:
        if why := _against(one, accounts, troubles):
            against[one.pk] = why
    still = [one for one in evidence if one.pk not in against]
    asked = _asked(row, evidence, still, limits, accounts)
    if not arrived and _enough(row, still, asked):
        return None
    reasons = ["Something has arrived there since"] if arrived else []
    reasons += dict.fromkeys(against.values())
    if not reasons:
        few = "One failure is" if len(still) == 1 else f"{len(still)} failures are"
        reasons = [f"{few} not enough any more: it takes {asked} in a row"]
    return MistakenSuppression(row, reasons, len(still), asked)


def _against(
    one: SuppressionEvidence, accounts: Mapping[int, tuple[str, str]], troubles: Sequence[Trouble]
) -> str:
    """Why a message does not count today, in words; '' where it does."""
    message = one.message
    named = f"Message {message.pk}"
    if message.disposition == Disposition.DELIVERED:
        return f"{named} arrived after all"
    if message.fault in OURS or message.disposition == Disposition.BLOCKED_COMPLIANCE:
        return f"{named} was blocked for a fault on our side or for our reputation, not the person's"
    failed = message.disposition == Disposition.BOUNCED_HARD and message.fault == Fault.RECIPIENT
    if one.certainty == Certainty.UNREACHABLE:
        reads_so = is_miss(message.disposition, message.fault, message.failure_class, message.status)
        failed = reads_so and message.delivered_at is None
    if not failed:
        return f"The code of message {message.pk} means something else by now"
    if any(trouble.covers(one) for trouble in troubles):
        return (
            f"{named} failed while {accounts.get(message.account_id, ('', 'its account'))[1]} was in trouble"
        )
    return ""


def _asked(
    row: Suppression,
    evidence: Sequence[SuppressionEvidence],
    still: Sequence[SuppressionEvidence],
    limits: BlockLimits,
    accounts: Mapping[int, tuple[str, str]],
) -> int:
    """How many failures it would take today."""
    if row.reason == Suppression.Reason.UNREACHABLE:
        return limits.kinds[Certainty.UNREACHABLE].failures
    asked = [
        limits.of(
            accounts.get(one.message.account_id, ("", ""))[0], one.message.channel, one.code, one.certainty
        )
        for one in still or evidence
    ]
    strikes = evidence[0].message.campaign.playbook.strikes
    return strike_limit(row.channel, strikes, enough_of(asked, row.channel))


def _enough(row: Suppression, still: Sequence[SuppressionEvidence], asked: int) -> bool:
    if len(still) >= asked:
        return True
    if row.reason != Suppression.Reason.UNREACHABLE or len(still) < FEWEST_UNREACHABLE:
        return False
    last, first = still[0].failed_at, still[-1].failed_at
    return bool(last and first and last - first >= UNREACHABLE_FOR)
