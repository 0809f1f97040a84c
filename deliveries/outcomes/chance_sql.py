"""The record of many people at once, in SQL: what `weigh` of `chance.py` says of one, and the figure that channels are
compared by. A test over random cases holds the two together.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Hashable, Mapping
from datetime import datetime
from typing import Any, TypeVar

from django.db import connection

from contacts.models import Address, Contact
from deliveries.ledger import base_rates
from deliveries.outcomes.chance import FAILED, HALF_LIFE, HORIZON, THEIRS, UNPROVED, Chance, Record
from deliveries.statuses import Disposition

K = TypeVar("K", bound=Hashable)

# A row for each address and channel that something came of. `{contacts}` limits the messages to those of some people.
RECORDS = """
SELECT contact_id, address_id, channel, sum(arrived * w) AS arrived, sum(failed * w) AS failed,
  sum(silent * w) AS silent, sum(arrived + failed) AS results, sum(silent) AS silences
FROM (
  SELECT contact_id, address_id, channel, power(0.5, {age} / {half_life}) AS w,
    CASE WHEN {delivered} AND NOT {unproved} THEN 1 ELSE 0 END AS arrived,
    CASE WHEN disposition IN ({failed}) AND {theirs} THEN 1 ELSE 0 END AS failed,
    CASE WHEN ({delivered} AND {unproved}) OR (disposition = '{unknown}' AND {theirs}) THEN 1 ELSE 0 END AS silent
  FROM deliveries_message
  WHERE {contacts} AND created_at >= %(oldest)s) result
WHERE arrived + failed + silent > 0
GROUP BY contact_id, address_id, channel
"""
# `Chance.at_least`, of a record `r` beside what is usual `u`.
AT_LEAST = """(u.rate * u.strength + coalesce(r.arrived, 0))
  / (u.strength + coalesce(r.arrived, 0) + coalesce(r.failed, 0) + coalesce(r.silent, 0))"""
AGES = {  # in seconds
    "postgresql": "extract(epoch FROM %(now)s - created_at)::float8",
    "sqlite": "((julianday(%(now)s) - julianday(created_at)) * 86400.0)",
}


def sql_records(contacts: str) -> str:
    """The statement RECORDS about the messages that `contacts`, a condition, holds of. Asks for `sql_values`."""
    return RECORDS.format(
        age=AGES[connection.vendor],
        half_life=HALF_LIFE.total_seconds(),
        delivered=f"disposition = '{Disposition.DELIVERED}'",
        unproved=f"evidence IN ({_listed(UNPROVED)})",
        failed=_listed(FAILED),
        theirs=f"fault IN ({_listed(THEIRS)})",
        unknown=Disposition.UNKNOWN,
        contacts=contacts,
    )


def sql_values(now: datetime) -> dict[str, Any]:
    moment = connection.ops.adapt_datetimefield_value
    return {"now": moment(now), "oldest": moment(now - HORIZON)}


def records(contact_ids: Collection[int], now: datetime) -> dict[tuple[int, str], Record]:
    """(address, channel) -> what came of earlier messages there. One query."""
    if not contact_ids:
        return {}
    postgres = connection.vendor == "postgresql"
    among = (
        "contact_id = ANY(%(contacts)s)"
        if postgres
        else "contact_id IN (SELECT value FROM json_each(%(contacts)s))"
    )
    ids = sorted(contact_ids)
    with connection.cursor() as cursor:
        cursor.execute(
            sql_records(among), {**sql_values(now), "contacts": ids if postgres else json.dumps(ids)}
        )
        return {(address, channel): Record(*sums) for _, address, channel, *sums in cursor.fetchall()}


def chances(wanted: Mapping[K, tuple[Contact, Address, str]], now: datetime) -> dict[K, Chance]:
    """The chance of each (contact, address, channel). Two queries; none where nothing is wanted."""
    if not wanted:
        return {}
    usual = base_rates.load()
    known = records({contact.pk for contact, *_ in wanted.values()}, now)
    return {
        key: Chance(
            known.get((address.pk, channel), Record()), usual.of(channel, address.carrier, contact.source_id)
        )
        for key, (contact, address, channel) in wanted.items()
    }


def _listed(words: Collection[str]) -> str:
    return ", ".join(f"'{word}'" for word in sorted(words))
