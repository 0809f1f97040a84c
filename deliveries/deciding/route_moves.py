"""Moving urgent messages away from a route that has become slow, step by step, and back when it is well again.

Once a minute. Slow is a median of more than 30 s from handover to arrival over 15 minutes. Then ten in a hundred urgent
messages to that country and carrier more leave by the next account of the list that is not slow; five minutes later ten
more. Where every account of the list is slow nothing moves: then it is the carrier. A way back of the same steps begins
as soon as the account is not slow any more.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from django.db import transaction

from campaigns.models import Priority
from contacts.channels import Channel
from deliveries.deciding.rests import Kind
from deliveries.deciding.routes import best_list
from deliveries.ledger.latency import prune
from deliveries.models import Account, Bookmark, Route, RouteAlarm, RouteMove, RouteShare
from deliveries.outcomes.latency import NOTHING, SLOW, Latency, RouteId, latencies

STEP = 10  # of a hundred urgent messages
MOST = 90  # some go on by the slow account: else nobody would see when it is well again
EVERY = timedelta(minutes=5)  # of one step and the next: so long it takes until the last one shows
NAME = "route_moves"  # of the bookmark that lets one process do it at a time

Where = tuple[str, str, str]  # channel, country, carrier


class RouteFacts(NamedTuple):
    """What is known when a step is decided upon."""

    accounts: Mapping[int, Account]
    measured: Mapping[RouteId, Latency]
    lists: Mapping[tuple[str, str, str], Sequence[Route]]

    def latency(self, account_id: int, where: Where) -> Latency:
        return self.measured.get(RouteId(account_id, *where), NOTHING)

    def options(self, where: Where) -> list[int]:
        """The accounts of the list that urgent messages go by, in order; those that are switched off left out."""
        rows = best_list(self.lists, where[0], where[1], Priority.URGENT)
        return list(dict.fromkeys(row.account_id for row in rows if row.account_id in self.accounts))


def run(now: datetime) -> int:
    """Watch, alarm, and take at most one step for each country and carrier; how many steps."""
    with transaction.atomic():
        Bookmark.objects.get_or_create(name=NAME, defaults={"at": now})
        mark = Bookmark.objects.select_for_update().get(name=NAME)
        prune(now)
        accounts = {one.pk: one for one in Account.objects.filter(active=True).defer("credentials")}
        lists: dict[tuple[str, str, str], list[Route]] = {}
        for row in Route.objects.all():
            lists.setdefault((row.channel, row.country, row.priority), []).append(row)
        facts = RouteFacts(accounts, latencies(now), lists)
        shares = {(one.channel, one.country, one.carrier): one for one in RouteShare.objects.all()}
        _alarm(facts, shares, now)
        places = {key[1:] for key, latency in facts.measured.items() if latency.is_slow} | shares.keys()
        moves = [move for where in sorted(places) if (move := _step(where, facts, shares.get(where), now))]
        RouteMove.objects.bulk_create(moves, batch_size=100)
        mark.at = now
        mark.save(update_fields=["at"])
    return len(moves)


def _step(where: Where, facts: RouteFacts, share: RouteShare | None, now: datetime) -> RouteMove | None:
    """The next step, away or back, made; None where everything stays as it is."""
    if share and now < share.changed_at + EVERY:
        return None
    was = share.share if share else 0
    options = facts.options(where)
    first = options[0] if options else None
    if first is None:
        if share:
            share.delete()  # its list has gone
        return None
    slow = facts.latency(first, where)
    if not slow.is_slow:
        return (
            _move(where, first, share.account_id, was, max(was - STEP, 0), _well(slow), facts, now)
            if share
            else None
        )
    other = next((one for one in options[1:] if not facts.latency(one, where).is_slow), None)
    if other is None or was >= MOST:
        return None
    there = facts.latency(other, where)
    why = f"{_measured(slow)}; {_measured(there)} by {facts.accounts[other]}" if there.n else _measured(slow)
    return _move(where, first, other, was, min(was + STEP, MOST), why, facts, now)


def _move(
    where: Where, first: int, other: int, was: int, share: int, why: str, facts: RouteFacts, now: datetime
) -> RouteMove:
    channel, country, carrier = where
    if share:
        RouteShare.objects.update_or_create(
            channel=channel, country=country, carrier=carrier,
            defaults={"share": share, "account_id": other, "changed_at": now},
        )  # fmt: skip
    else:
        RouteShare.objects.filter(channel=channel, country=country, carrier=carrier).delete()
    by = facts.accounts.get(other)
    reason = (
        f"{facts.accounts[first]}: {why}. {share} % of urgent messages leave by {by or 'another account'}."
    )
    return RouteMove(
        channel=channel, country=country, carrier=carrier, share=share, was=was, account_id=other,
        away_from_id=first, at=now, reason=reason[:300],
    )  # fmt: skip


def _measured(latency: Latency) -> str:
    """ "a median of 41 s (212 messages in 15 minutes)" """
    return f"a median of {latency.median or 0:.0f} s ({latency.n:,} messages in 15 minutes)"


def _well(latency: Latency) -> str:
    return _measured(latency) if latency.is_known else "too few messages to call it slow"


# ---- Alarms -------------------------------------------------------------------------------------------------


def _alarm(facts: RouteFacts, shares: Mapping[Where, RouteShare], now: datetime) -> None:
    """One for each slow route. It closes when that is slow no more: what is moved away meanwhile does not close it."""
    opened = {
        RouteId(one.account_id, one.channel, one.country, one.carrier): one
        for one in RouteAlarm.objects.filter(kind=Kind.SLOW, closed_at=None)
    }
    for key, latency in facts.measured.items():
        if latency.is_slow and key not in opened and key.account_id in facts.accounts:
            RouteAlarm.objects.create(
                kind=Kind.SLOW, **key._asdict(), raised_at=now, sentence=_slow(key, latency, facts)[:300]
            )
    over = [
        alarm.pk
        for key, alarm in opened.items()
        if not (latency := facts.measured.get(key, NOTHING)).is_slow
        and (latency.is_known or key[1:] not in shares)
    ]
    RouteAlarm.objects.filter(pk__in=over).update(closed_at=now)


def _slow(key: RouteId, latency: Latency, facts: RouteFacts) -> str:
    where = " in ".join(filter(None, (key.carrier, key.country))) or "every carrier"
    return (
        f"{facts.accounts[key.account_id]} is slow by {Channel(key.channel).label} to {where}:"
        f" {_measured(latency)}, more than {SLOW} s."
    )
