"""Moving urgent messages away from a route that has become slow, step by step, and back when it is well again.

Once a minute. Slow is a median of more than 30 s from handover to arrival over 15 minutes; silent, and treated in the
same way, is a route that takes messages of which hardly any arrive, where usually they do. Then ten in a hundred urgent
messages to that country and carrier more leave by the next account of the list that is neither; five minutes later ten
more. Where every account of the list is slow or silent nothing moves: then it is the carrier. A way back of the same
steps begins as soon as the account is well again.
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
from deliveries.outcomes.latency import (
    NONE_LEFT,
    NOTHING,
    SLOW,
    Arrivals,
    Latency,
    RouteId,
    arrivals,
    latencies,
)

STEP = 10  # of a hundred urgent messages
MOST = 90  # some go on by the slow account: else nobody would see when it is well again
EVERY = timedelta(minutes=5)  # of one step and the next: so long it takes until the last one shows
NAME = "route_moves"  # of the bookmark that lets one process do it at a time

Where = tuple[str, str, str]  # channel, country, carrier


class RouteFacts(NamedTuple):
    """What is known when a step is decided upon."""

    accounts: Mapping[int, Account]
    measured: Mapping[RouteId, Latency]
    arrived: Mapping[RouteId, Arrivals]
    lists: Mapping[tuple[str, str, str], Sequence[Route]]

    def latency(self, account_id: int, where: Where) -> Latency:
        return self.measured.get(RouteId(account_id, *where), NOTHING)

    def arrivals(self, account_id: int, where: Where) -> Arrivals:
        return self.arrived.get(RouteId(account_id, *where), NONE_LEFT)

    def trouble(self, account_id: int, where: Where) -> str:
        """Why urgent messages had better leave by another account, in words; '' where they need not."""
        latency, arrivals = self.latency(account_id, where), self.arrivals(account_id, where)
        if latency.is_slow:
            return _measured(latency)
        return _unheard(arrivals) if arrivals.is_silent else ""

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
        facts = RouteFacts(accounts, latencies(now), arrivals(now), lists)
        shares = {(one.channel, one.country, one.carrier): one for one in RouteShare.objects.all()}
        _alarm(facts, shares, now)
        troubled = {
            key for key in {*facts.measured, *facts.arrived} if facts.trouble(key.account_id, key[1:])
        }
        places = {key[1:] for key in troubled} | shares.keys()
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
    trouble = facts.trouble(first, where)
    if not trouble:
        well = _well(facts.latency(first, where))
        return (
            _move(where, first, share.account_id, was, max(was - STEP, 0), well, facts, now)
            if share
            else None
        )
    other = next((one for one in options[1:] if not facts.trouble(one, where)), None)
    if other is None or was >= MOST:
        return None
    there = facts.latency(other, where)
    why = f"{trouble}; {_measured(there)} by {facts.accounts[other]}" if there.n else trouble
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


def _unheard(arrivals: Arrivals) -> str:
    """ "2 of 120 messages arrived that were handed over 15 to 45 minutes ago, where usually 94 in 100 do" """
    usual = round(100 * (arrivals.usual or 0))
    arrived = f"{arrivals.arrived:,} of {arrivals.handed_over:,} messages arrived"
    return f"{arrived} that were handed over 15 to 45 minutes ago, where usually {usual} in 100 do"


def _well(latency: Latency) -> str:
    return _measured(latency) if latency.is_known else "too few messages to call it slow"


# ---- Alarms -------------------------------------------------------------------------------------------------


def _alarm(facts: RouteFacts, shares: Mapping[Where, RouteShare], now: datetime) -> None:
    """One for each slow or silent route. It closes when that is well again: what is moved away meanwhile does not close
    it."""
    slow = {key for key, latency in facts.measured.items() if latency.is_slow}
    silent = {key for key, arrivals in facts.arrived.items() if arrivals.is_silent}
    for kind, wrong in ((Kind.SLOW, slow), (Kind.SILENT, silent)):
        opened = {
            RouteId(one.account_id, one.channel, one.country, one.carrier): one
            for one in RouteAlarm.objects.filter(kind=kind, closed_at=None)
        }
        for key in sorted(wrong - opened.keys()):
            if key.account_id in facts.accounts:
                sentence = _sentence(kind, key, facts)[:300]
                RouteAlarm.objects.create(kind=kind, **key._asdict(), raised_at=now, sentence=sentence)
        over = [
            alarm.pk
            for key, alarm in opened.items()
            if key not in wrong and (_is_known(kind, key, facts) or key[1:] not in shares)
        ]
        RouteAlarm.objects.filter(pk__in=over).update(closed_at=now)


def _is_known(kind: Kind, key: RouteId, facts: RouteFacts) -> bool:
    """Whether it is known to be well, and not only too few messages to tell."""
    if kind == Kind.SLOW:
        return facts.latency(key.account_id, key[1:]).is_known
    return facts.arrivals(key.account_id, key[1:]).is_known


def _sentence(kind: Kind, key: RouteId, facts: RouteFacts) -> str:
    where = " in ".join(filter(None, (key.carrier, key.country))) or "every carrier"
    route = f"{facts.accounts[key.account_id]}", f"by {Channel(key.channel).label} to {where}"
    if kind == Kind.SLOW:
        latency = facts.latency(key.account_id, key[1:])
        return f"{route[0]} is slow {route[1]}: {_measured(latency)}, more than {SLOW} s."
    return f"{route[0]} delivers nothing {route[1]}: {_unheard(facts.arrivals(key.account_id, key[1:]))}."
