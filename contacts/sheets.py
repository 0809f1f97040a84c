"""A file of contacts, from bytes to rows of cells; `sheet_lines.py` understands them. No database."""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from tempfile import NamedTemporaryFile
from typing import BinaryIO, NamedTuple

from contacts.dates import DateOrder, date_order
from contacts.headers import (
    WHOM,
    Column,
    Denial,
    UnreadableFile,
    known_columns,
    read_header,
    remarks,
    remarks_on_denials,
)
from contacts.workbooks import sheet_rows

ZIP = b"PK\x03\x04"  # how a workbook begins
DELIMITERS = ",;\t|"
SEPARATOR_LINE = re.compile(r'"?sep=(.*?)"?\s*', re.IGNORECASE)  # Excel's, before the first line proper


class SheetRow(NamedTuple):
    """One line of the file: its number as an editor counts, and its cells by column, blanks trimmed."""

    line: int
    cells: Mapping[str, str]
    surplus: int  # cells beyond the header
    denials: tuple[Denial, ...] = ()


class Sheet(NamedTuple):
    """A file's lines below the header, and what there is to say about it as a whole, a sentence each.

    `day_first` is how its dates that end in the year are to be read.
    """

    rows: list[SheetRow]
    notes: list[str]
    day_first: bool


def read_sheet(
    file: BinaryIO, *, day_first: bool | None = None, dates: bool = True, whom: Sequence[str] = WHOM
) -> Sheet:
    """The lines below the header; empty ones are passed over. Raises UnreadableFile.

    `day_first` says how 03/04/2026 is to be read; None leaves it to the other dates of its column. `dates`: whether
    anybody reads any. `whom`: the columns of which the file needs one.
    """
    lines = _numbered(file.read())
    titles = next((cells for _, cells in lines if any(cell.strip() for cell in cells)), [])
    columns = read_header(titles, whom)
    rows = [row_of(number, columns, cells) for number, cells in lines if any(cell.strip() for cell in cells)]
    denials = ((row.line, denial) for row in rows for denial in row.denials)
    notes = remarks(columns) + remarks_on_denials(denials)
    if not dates:
        return Sheet(rows, notes, day_first=False)
    order = dates_in(rows)
    first = day_first_of(order) if day_first is None else day_first
    return Sheet(rows, notes + _remark_on_dates(order, first, chosen=day_first is not None), first)


def _numbered(content: bytes) -> Iterator[tuple[int, list[str]]]:
    """Every line with its number, of a CSV file or of the first sheet of a workbook. Raises UnreadableFile."""
    if content.startswith(ZIP):
        with NamedTemporaryFile(suffix=".xlsx") as copy:
            copy.write(content)
            copy.flush()
            yield from enumerate(sheet_rows(copy.name), start=1)
        return
    text = _decode(content)
    first, delimiter, skipped = dialect(text)
    reader = csv.reader(io.StringIO(text[first:], newline=""), delimiter=delimiter, strict=True)
    before = 0
    try:
        for cells in reader:
            yield before + 1 + skipped, cells
            before = reader.line_num
    except csv.Error as problem:
        raise UnreadableFile(
            f"Line {reader.line_num + skipped}: {problem}. Check the quotation marks there."
        ) from None


def _decode(content: bytes) -> str:
    encoding = "utf-16" if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else "utf-8"
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as problem:
        line = content[: problem.start].count(b"\n") + 1
        kind = "UTF-16" if encoding == "utf-16" else "UTF-8"
        raise UnreadableFile(f"Line {line} is not {kind} text. Save the file as “CSV UTF-8”.") from None
    if "\0" in text:
        raise UnreadableFile("This is not a text file. Save it as “CSV UTF-8”.")
    return text.lstrip("\ufeff")  # some programs put the mark twice


def dialect(text: str) -> tuple[int, str, int]:
    """Where the header begins, what stands between its cells, and how many lines were passed over before it."""
    line = re.match(r"[^\r\n]*(?:\r\n|\r|\n)?", text)
    separator = SEPARATOR_LINE.fullmatch(line[0]) if line else None
    if not (line and separator):
        return 0, _delimiter(text), 0
    declared = {"": "", "\\t": "\t"}.get(separator[1], separator[1])
    usable = len(declared) == 1 and declared not in '"\r\n '
    return line.end(), declared if usable else _delimiter(text[line.end() :]), 1


def _delimiter(text: str) -> str:
    """Whichever makes most columns that we know of the first line, and most columns of any kind; else a comma."""

    def columns(delimiter: str) -> tuple[int, int]:
        reader = csv.reader(io.StringIO(text.lstrip(), newline=""), delimiter=delimiter)
        try:
            titles = next(reader, [])
        except csv.Error:
            return 0, 0
        return known_columns(titles), len(titles)

    return max(DELIMITERS, key=columns)


def dates_in(rows: Iterable[SheetRow]) -> DateOrder:
    return date_order((row.line, row.cells.get("consent_at", "")) for row in rows)


def _remark_on_dates(order: DateOrder, day_first: bool, *, chosen: bool) -> list[str]:
    """In which order dates were read that can be read in two, what decided it, and how to have it otherwise."""
    if not order.unclear:
        return []
    line, text = order.unclear
    first, other = ("day", "month-first") if day_first else ("month", "day-first")
    ground = order.day_first if day_first else order.month_first
    why = "as was asked" if chosen or not ground else f"as in “{ground[1]}” on line {ground[0]}"
    return [
        f"Dates in consent_at that can be read in two ways, such as “{text}” on line {line}, were read with the "
        f"{first} first, {why}. To have them read the other way: --dates {other}."
    ]


def day_first_of(order: DateOrder) -> bool:
    """Whether 03/04/2026 is the third of April, as the other dates of the column tell. Raises UnreadableFile."""
    if order.day_first and order.month_first:
        (line, day), (other, month) = order.day_first, order.month_first
        raise UnreadableFile(
            f"The dates in consent_at begin with the day on line {line} (“{day}”) and with the month on "
            f"line {other} (“{month}”). Write them all like 2026-03-04."
        )
    if order.unclear and not (order.day_first or order.month_first):
        line, text = order.unclear
        raise UnreadableFile(
            f"The dates in consent_at can be read in two ways, such as “{text}” on line {line}. Write them like "
            f"2026-03-04, or say that they begin with the day or with the month (--dates day-first, month-first)."
        )
    return order.day_first is not None


def row_of(line: int, columns: Sequence[Column], cells: Sequence[str]) -> SheetRow:
    """The cells of a line by the columns, of which several may be about the same cell."""
    titled = max(column.number for column in columns if column.title)
    trimmed = [cell.strip() for cell in cells] + [""] * (titled - len(cells))
    placed = [(column, trimmed[column.number - 1]) for column in columns if column.number <= len(trimmed)]
    denials = (denial for column, cell in placed if (denial := column.denial(cell)))
    return SheetRow(
        line,
        {column.name: cell for column, cell in placed if column.name},
        sum(1 for cell in trimmed[titled:] if cell),
        tuple(denials),
    )
