"""Numbers of a list looked up at a provider, in the background: what it will cost, its start, and its rounds.

It is off unless `NUMBER_LOOKUP` names a service and `NUMBER_LOOKUP_CENTS_PER_1000` its price. A number that stands with
several contacts is asked about once. A round that dies is made again, of `ROUND` numbers at most.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import F, Max, Q, QuerySet

from accounts.models import User
from contacts.channels import Kind
from contacts.line_facts import LineFact, keep
from contacts.models import Address, ContactList
from deliveries.models import Account, LookupRun
from deliveries.providers.kit.client import HttpClient
from deliveries.providers.number_lookup import SERVICES, AskLater, Denied, LineAnswer, LookupService, ask

logger = logging.getLogger(__name__)

ROUND = 8  # numbers asked about together
LEASE = timedelta(minutes=2)  # a round's own; a process that dies leaves it
MOST_FAILURES = 10  # rounds in a row without an answer, then somebody has to look
State = LookupRun.State
Outcome = LineAnswer | AskLater | Denied


class LookupOff(Exception):
    """Nothing can be looked up; the text says why, and the way out."""


@dataclass(frozen=True)
class LookupCost:
    numbers: int
    cents_per_1000: int

    @property
    def dollars(self) -> str:
        """Rounded up, so that it never costs more than was said."""
        return f"{-(-self.numbers * self.cents_per_1000 // 1000) / 100:,.2f}"


def service() -> LookupService:
    """The one that is switched on. Raises LookupOff."""
    found = SERVICES.get(settings.NUMBER_LOOKUP)
    if found is None:
        raise LookupOff("Looking up numbers is off: NUMBER_LOOKUP names no service.")
    if not settings.NUMBER_LOOKUP_CENTS_PER_1000:
        raise LookupOff("What a look-up costs is not known: set NUMBER_LOOKUP_CENTS_PER_1000.")
    return found


def account_for(found: LookupService) -> Account:
    """The first active account with its credentials. Raises LookupOff."""
    accounts = Account.objects.filter(provider=found.slug, active=True).order_by("pk").readable()
    for account in accounts:
        if all(account.credentials.get(name) for name in found.needs):
            return account
    raise LookupOff(f"{found.label} needs an active account of {found.slug} with its credentials.")


def numbers(contact_list: ContactList, told_before: datetime) -> QuerySet[Address, tuple[str, str]]:
    """(Key, number) of the list's numbers, each once, of which nothing was learnt since then; none that is invalid."""
    rows = Address.objects.filter(
        Q(line_type_at=None) | Q(line_type_at__lt=told_before),
        kind=Kind.PHONE,
        contact__memberships__contact_list=contact_list,
    ).exclude(validity=Address.Validity.INVALID)
    # Of several spellings the one of today: it is the greatest, for what was dropped stood in front of it.
    each = rows.values("match_key").annotate(number=Max("value"))
    return each.order_by("match_key").values_list("match_key", "number")


def estimate(contact_list: ContactList, told_before: datetime) -> LookupCost:
    return LookupCost(numbers(contact_list, told_before).count(), settings.NUMBER_LOOKUP_CENTS_PER_1000)


def start(contact_list: ContactList, told_before: datetime, user: User, now: datetime) -> LookupRun:
    """Raises LookupOff, also where the list has nothing to ask about or is being looked up already."""
    found = service()
    account_for(found)
    will = estimate(contact_list, told_before)
    if not will.numbers:
        raise LookupOff("Of every number on the list enough is known.")
    try:
        with transaction.atomic():
            return LookupRun.objects.create(
                contact_list=contact_list, service=found.slug, cents_per_1000=will.cents_per_1000,
                told_before=told_before, total=will.numbers, not_before=now, created_by=user, created_at=now,
            )  # fmt: skip
    except IntegrityError:
        raise LookupOff("This list is being looked up already.") from None


def stop(run: LookupRun, now: datetime) -> bool:
    """What was asked stays; nothing more is. False where it is over already."""
    mine = LookupRun.objects.filter(pk=run.pk, state=State.RUNNING)
    return bool(mine.update(state=State.STOPPED, why="Stopped by hand.", finished_at=now))


# ---- The rounds --------------------------------------------------------------------------------------------------


def run(now: datetime, new_client: Callable[[], HttpClient] = HttpClient) -> int:
    """One round of the run that waits longest; return how many numbers were asked about."""
    waiting = LookupRun.objects.filter(state=State.RUNNING, not_before__lte=now)
    for one in waiting.order_by("not_before", "pk")[:1]:
        # The lease is taken in one statement: no transaction stays open while a provider is asked.
        if waiting.filter(pk=one.pk).update(not_before=now + LEASE):
            return _round(one, now, new_client)
    return 0


def _round(one: LookupRun, now: datetime, new_client: Callable[[], HttpClient]) -> int:
    listed = one.contact_list
    rest = numbers(listed, one.told_before).filter(match_key__gt=one.position) if listed else ()
    asked = dict(rest[:ROUND])
    if not asked:
        _store(one, state=State.DONE, finished_at=now, why="")
        return 0
    try:
        found = SERVICES[one.service]
        account = account_for(found)
    except (KeyError, LookupOff) as problem:
        _store(one, state=State.STOPPED, finished_at=now, why=str(problem)[:200])
        return 0
    outcomes = asyncio.run(_ask_all(found, account, list(asked.values()), new_client))
    answered = list(zip(asked, outcomes, strict=True))
    source = f"looked up with {found.label}"
    answers = [(key, each) for key, each in answered if isinstance(each, LineAnswer)]
    keep(LineFact(key, now, source, *each) for key, each in answers if any(each))
    _go_on(one, answered, now)
    return len(answers)


async def _ask_all(
    found: LookupService, account: Account, asked: Sequence[str], new_client: Callable[[], HttpClient]
) -> list[Outcome]:
    async with new_client() as client:
        calls = (ask(found, number, account.credentials, client) for number in asked)
        outcomes = await asyncio.gather(*calls, return_exceptions=True)
    return [_expected(each) for each in outcomes]


def _expected(outcome: LineAnswer | BaseException) -> Outcome:
    if isinstance(outcome, LineAnswer | AskLater | Denied):
        return outcome
    logger.error("A look-up failed", exc_info=outcome)
    return AskLater(60, f"An answer could not be read ({type(outcome).__name__}).")


def _go_on(one: LookupRun, answered: Sequence[tuple[str, Outcome]], now: datetime) -> None:
    """Store how far it is, and when and whether it goes on. Behind the first without an answer it asks again, but for
    those of which something is known by now."""
    answers = [each for _, each in answered if isinstance(each, LineAnswer)]
    trouble = [n for n, (_, each) in enumerate(answered) if not isinstance(each, LineAnswer)]
    before = answered[: trouble[0]] if trouble else answered
    after: dict[str, object] = {
        "asked": F("asked") + len(answers), "found": F("found") + sum(map(any, answers)),
        "failures": 0, "not_before": now, "why": "",
    }  # fmt: skip
    if before:
        after["position"] = before[-1][0]
    if trouble:
        after |= _trouble(one, answered[trouble[0]][1], now, some_answered=bool(answers))
    _store(one, **after)


def _trouble(one: LookupRun, what: Outcome, now: datetime, *, some_answered: bool) -> dict[str, object]:
    stopped = {"state": State.STOPPED, "finished_at": now}
    if not isinstance(what, AskLater):
        return {**stopped, "why": str(what)[:200]}
    failures = 0 if some_answered else one.failures + 1
    waits = {
        "not_before": now + timedelta(seconds=what.seconds), "why": str(what)[:200], "failures": failures,
    }  # fmt: skip
    return waits | (stopped if failures >= MOST_FAILURES else {})


def _store(one: LookupRun, **fields: object) -> None:
    """Unless it was stopped meanwhile: then only what was asked is counted."""
    if not LookupRun.objects.filter(pk=one.pk, state=State.RUNNING).update(**fields):
        counted = {name: value for name, value in fields.items() if name in ("asked", "found", "position")}
        LookupRun.objects.filter(pk=one.pk).update(**counted) if counted else None
