"""What a report tells of the line of the number: in fields of its own, or by a code that can mean nothing else.

Such codes stand in `providers/line_codes.csv`. One that may mean a landline or something else is not among them: it
closes the channel (`ruling_out.py`), which an arrival opens again, and says nothing about the line.
"""

from __future__ import annotations

import csv
from functools import lru_cache
from typing import NamedTuple

from deliveries.meaning.translation import CODES, FALLBACK_CHANNEL, tables_of
from deliveries.providers.facts import Report

FILE = CODES.parent / "line_codes.csv"


class ReportedLine(NamedTuple):
    """Of one number: '' for what is not reported. `network` is MCC and MNC, `line_type` a value of `LineType`."""

    network: str
    carrier: str
    line_type: str


@lru_cache(maxsize=1)
def rows() -> dict[tuple[str, str, str], str]:
    """Which line a code means by (table, channel, code in lower case)."""
    with FILE.open(newline="", encoding="utf-8") as file:
        return {
            (row["provider"], row["channel"], row["native_code"].lower()): row["line_type"]
            for row in csv.DictReader(file)
        }


def reported(provider: str, report: Report) -> ReportedLine | None:
    """None where it tells nothing."""
    line_type = report.line_type or (_by_code(provider, report) if report.native_code else "")
    if not (report.network or report.carrier or line_type):
        return None
    return ReportedLine(report.network, report.carrier, line_type)


def _by_code(provider: str, report: Report) -> str:
    return _meant(provider, report.channel, report.native_code)


@lru_cache(maxsize=4096)
def _meant(provider: str, channel: str, code: str) -> str:
    for table in tables_of(provider):
        for where in (channel, FALLBACK_CHANNEL.get(channel, "")):
            if found := rows().get((table, where, code.lower())):
                return found
    return ""
