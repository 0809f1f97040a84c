"""What is reported or looked up about the line of a number: its type, its carrier and its network, with their dates.

A fact replaces what is on record where it is newer, and never with something vaguer: "fixed or mobile" says less than
what anybody typed. It concerns the number, so that every contact who has it gets it. Which carrier a network belongs to
stands in `networks.csv`, of the largest ones (ITU-T E.212 and the operators' own pages); another network is kept as its
number.
"""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path

from django.db import transaction

from contacts.channels import LineType
from contacts.chunks import in_lists
from contacts.models import Address

VAGUE = frozenset({LineType.UNKNOWN, LineType.FIXED_OR_MOBILE, ""})
SOURCE_LENGTH = 80
AGAIN_AFTER = timedelta(days=1)  # what is reported once more moves its date this far at least
COLUMNS = (
    "line_type",
    "line_type_at",
    "line_type_source",
    "carrier",
    "carrier_at",
    "carrier_source",
    "network",
)


@dataclass(frozen=True, slots=True)
class LineFact:
    """What somebody reported at a moment of the number with this key; '' for what they did not report.

    `source` says who, for people: "reported by Telnyx US".
    """

    match_key: str
    at: datetime
    source: str
    network: str = ""
    carrier: str = ""
    line_type: str = ""


def keep(facts: Iterable[LineFact]) -> int:
    """Store what is news in these; return how many addresses changed. Set-based; any order, any repetition."""
    by_key: dict[str, list[LineFact]] = defaultdict(list)
    for fact in facts:
        by_key[fact.match_key].append(fact)
    by_key.pop("", None)
    changed = []
    with transaction.atomic():
        for keys in in_lists(by_key):
            rows = Address.objects.filter(match_key__in=keys).order_by("pk").select_for_update()
            for row in rows.only("match_key", *COLUMNS):
                # By all that is reported, so that the same facts in another order end alike.
                reported = sorted(
                    by_key[row.match_key], key=lambda fact: (fact.at, fact.carrier, fact.line_type)
                )
                if sum(_take(row, fact) for fact in reported):
                    changed.append(row)
        Address.objects.bulk_update(changed, COLUMNS, batch_size=100)
    return len(changed)


def _take(row: Address, fact: LineFact) -> bool:
    """Whether the address says something else now, or is known to say it more lately."""
    line = _take_line_type(row, fact)
    return _take_carrier(row, fact) or line


def _take_line_type(row: Address, fact: LineFact) -> bool:
    if fact.line_type in VAGUE or not _is_news(fact.at, row.line_type_at, fact.line_type == row.line_type):
        return False
    row.line_type, row.line_type_at = LineType(fact.line_type), fact.at
    row.line_type_source = fact.source[:SOURCE_LENGTH]
    return True


def _take_carrier(row: Address, fact: LineFact) -> bool:
    carrier = fact.carrier or carrier_of(fact.network)
    same = (carrier, fact.network) == (row.carrier, row.network)
    if not (carrier or fact.network) or not _is_news(fact.at, row.carrier_at, same):
        return False
    if not carrier and row.carrier and row.network in ("", fact.network):
        return False  # a number alone says less than a name
    row.carrier, row.network = carrier[:60], fact.network
    row.carrier_at, row.carrier_source = fact.at, fact.source[:SOURCE_LENGTH]
    return True


def _is_news(at: datetime, known_at: datetime | None, same: bool) -> bool:
    """Whether it is later than what is known. Every receipt of a number tells the same: one a day is enough."""
    return known_at is None or at > known_at + (AGAIN_AFTER if same else timedelta(0))


def carrier_of(network: str) -> str:
    """The carrier with this MCC and MNC; '' where it is not listed."""
    return _networks().get(network, "")


@cache
def _networks() -> dict[str, str]:
    with Path(__file__).with_name("networks.csv").open(encoding="utf-8", newline="") as file:
        return {row["network"]: row["carrier"] for row in csv.DictReader(file)}
