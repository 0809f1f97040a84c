"""Rows as files that spreadsheets read."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

from django.utils import timezone
from django.utils.text import slugify

CHUNK = 1_000  # rows whose events are read at a time: a few hundred kilobytes in memory
BOM = "\ufeff"  # without it Excel takes UTF-8 for the code page of its country
LONGEST_NAME = 80  # of what a file name says about the filter
# A spreadsheet runs what starts so as a formula, some of them after blanks and quotes, or in full width. One that takes
# another sign than the comma to part cells sees starts inside of ours as well.
FORMULA = re.compile(r"""(^|\r\n|[;|\t\r\n])(?=[\s"']*[=+\-@＝＋－＠])|^(?=[\t\r\n])""")
NUMBER = re.compile(r"-?[0-9]+(?:[.,][0-9]+)?")


class Echo:
    """What csv.writer needs of a file: each line is handed straight back."""

    def write(self, line: str) -> str:
        return line


def safe(cell: Any) -> str:
    """`cell` as text that no spreadsheet runs: an apostrophe stands before what would be a formula.

    Numbers stay numbers. A phone number gets the apostrophe too, or its plus would be lost.
    """
    text = str(cell)
    return text if NUMBER.fullmatch(text) else FORMULA.sub(r"\1'", text)


def utc(moment: datetime | None) -> str:
    return moment.astimezone(UTC).isoformat(timespec="seconds") if moment else ""


def local(moment: datetime | None) -> str:
    """`moment` by the reader's clock, as spreadsheets read it; `time_zone` beside it says which clock that is."""
    return f"{timezone.localtime(moment):%Y-%m-%d %H:%M:%S}" if moment else ""


def file_name(*parts: str, now: datetime) -> str:
    """What is in the file and when it was made, in letters that every system takes."""
    words = [slugify(part)[:LONGEST_NAME].strip("-") for part in parts]
    return "-".join(["waybill", *filter(None, words), f"{timezone.localtime(now):%Y%m%d-%H%M}"]) + ".csv"
