"""Rows as files that spreadsheets read: CSV and XLSX, written while they are sent, whatever their number."""

from __future__ import annotations

import csv
import io
import re
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import chain, islice
from typing import Any
from xml.sax.saxutils import escape

from django.utils import timezone
from django.utils.text import slugify

CHUNK = 1_000  # rows whose events are read at a time: a few hundred kilobytes in memory
BOM = "\ufeff"  # without it Excel takes UTF-8 for the code page of its country
LONGEST_NAME = 80  # of what a file name says about the filter
# A spreadsheet runs what starts so as a formula, some of them after blanks and quotes, or in full width. One that takes
# another sign than the comma to part cells sees starts inside of ours as well.
FORMULA = re.compile(r"""(^|\r\n|[;|\t\r\n])(?=[\s"']*[=+\-@＝＋－＠])|^(?=[\t\r\n])""")
NUMBER = re.compile(r"-?[0-9]+(?:[.,][0-9]+)?")


@dataclass
class ExportTable:
    """Rows of as many cells as there are `columns`. `written` counts those that were read by now."""

    columns: Sequence[str]
    cells: Iterable[Sequence[Any]]
    written: int = 0

    def __iter__(self) -> Iterator[Sequence[Any]]:
        for row in self.cells:
            self.written += 1
            yield row


class Echo:
    """What csv.writer needs of a file: each line is handed straight back."""

    def write(self, line: str) -> str:
        return line


def csv_lines(table: ExportTable) -> Iterator[str]:
    """The titles first."""
    writer = csv.writer(Echo())
    yield BOM + writer.writerow(table.columns)
    for row in table:
        yield writer.writerow([safe(cell) for cell in row])


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


def file_name(*parts: str, now: datetime, ending: str = "csv") -> str:
    """What is in the file and when it was made, in letters that every system takes."""
    words = [slugify(part)[:LONGEST_NAME].strip("-") for part in parts]
    return (
        "-".join(["waybill", *filter(None, words), f"{timezone.localtime(now):%Y%m%d-%H%M}"]) + f".{ending}"
    )


# ---- XLSX ------------------------------------------------------------------------------------------------------
# Office Open XML (ECMA-376), as little of it as every spreadsheet asks for. Its text is never run, so nothing stands
# before a formula; numbers are numbers, and what `local` wrote is a date.

XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
ROWS_OF_A_SHEET = 500_000  # and its titles: Excel reads 1,048,576, and a sheet must stay below 2 GB
LONGEST_CELL = 32_767  # characters that Excel takes
_NO_XML = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_BEGIN = datetime(1899, 12, 30)  # noqa: DTZ001 - day 0 of a spreadsheet, whatever its clock
_MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_KIND = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"
_HEAD = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
_SHEET = "application/vnd.openxmlformats-officedocument.spreadsheetml.worksheet+xml"
_PARTS = {
    "[Content_Types].xml": f"""<Types xmlns="{_PACKAGE}/content-types">
<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>
<Default Extension="xml" ContentType="{_SHEET}"/>
<Override PartName="/xl/workbook.xml" ContentType="{XLSX}.main+xml"/>
<Override PartName="/xl/styles.xml"
 ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.styles+xml"/></Types>""",
    "_rels/.rels": f"""<Relationships xmlns="{_PACKAGE}/relationships">
<Relationship Id="rId1" Type="{_KIND}/officeDocument" Target="xl/workbook.xml"/></Relationships>""",
    # 0: as it comes, 1: a moment, 2: a title.
    "xl/styles.xml": f"""<styleSheet xmlns="{_MAIN}">
<numFmts count="1"><numFmt numFmtId="164" formatCode="yyyy\\-mm\\-dd hh:mm:ss"/></numFmts>
<fonts count="2"><font/><font><b/></font></fonts>
<fills count="2"><fill><patternFill patternType="none"/></fill><fill><patternFill patternType="gray125"/></fill></fills>
<borders count="1"><border/></borders><cellStyleXfs count="1"><xf/></cellStyleXfs>
<cellXfs count="3"><xf/><xf numFmtId="164" applyNumberFormat="1"/><xf fontId="1" applyFont="1"/></cellXfs>
</styleSheet>""",
}
BOLD = ' s="2"'
_TOP = f"""{_HEAD}<worksheet xmlns="{_MAIN}"><sheetViews><sheetView workbookViewId="0">\
<pane ySplit="1" topLeftCell="A2" activePane="bottomLeft" state="frozen"/></sheetView></sheetViews><sheetData>"""


class WrittenBytes(io.RawIOBase):
    """What zipfile writes into, taken away bit by bit; it cannot go back."""

    def __init__(self) -> None:
        self.held: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self.held.append(bytes(data))
        return len(data)

    def taken(self) -> bytes:
        bits, self.held = b"".join(self.held), []
        return bits


def xlsx_parts(table: ExportTable) -> Iterator[bytes]:
    """A workbook with the titles on top of each sheet; more sheets than one where the rows are too many for it."""
    out, rows, names = WrittenBytes(), iter(table), list[str]()
    dates = [title.endswith("_local") for title in table.columns]
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as file:
        for path, text in _PARTS.items():
            file.writestr(path, _HEAD + text)
        first = next(rows, None)
        while first is not None or not names:
            names.append("Rows" if not names else f"Rows {len(names) + 1}")
            given = chain([first] if first is not None else [], rows)
            with file.open(f"xl/worksheets/sheet{len(names)}.xml", "w") as sheet:
                sheet.write((_TOP + _titles(table.columns)).encode())
                of_this = islice(given, ROWS_OF_A_SHEET)
                while some := list(islice(of_this, CHUNK)):
                    sheet.write("".join(_row(row, dates) for row in some).encode())
                    yield out.taken()
                sheet.write(b"</sheetData></worksheet>")
            first = next(rows, None)
        file.writestr("xl/workbook.xml", _HEAD + _book(names))
        file.writestr("xl/_rels/workbook.xml.rels", _HEAD + _links(len(names)))
    yield out.taken()


def _titles(columns: Sequence[str]) -> str:
    return f"<row>{''.join(_text(title, BOLD) for title in columns)}</row>"


def _row(cells: Sequence[Any], dates: Sequence[bool]) -> str:
    return f"<row>{''.join(map(_cell, cells, dates))}</row>"


def _cell(cell: Any, is_date: bool) -> str:
    if cell is None or cell == "":
        return "<c/>"
    if isinstance(cell, int | float):
        return f"<c><v>{cell}</v></c>"
    if is_date:
        return f'<c s="1"><v>{(datetime.fromisoformat(cell) - _BEGIN) / timedelta(days=1):.6f}</v></c>'
    return _text(cell)


def _text(cell: Any, style: str = "") -> str:
    text = escape(_NO_XML.sub("", str(cell))[:LONGEST_CELL])
    return f'<c{style} t="inlineStr"><is><t xml:space="preserve">{text}</t></is></c>'


def _book(names: Sequence[str]) -> str:
    sheets = "".join(f'<sheet name="{name}" sheetId="{n}" r:id="rId{n}"/>' for n, name in enumerate(names, 1))
    return f'<workbook xmlns="{_MAIN}" xmlns:r="{_KIND}"><sheets>{sheets}</sheets></workbook>'


def _links(sheets: int) -> str:
    of_sheets = "".join(
        f'<Relationship Id="rId{n}" Type="{_KIND}/worksheet" Target="worksheets/sheet{n}.xml"/>'
        for n in range(1, sheets + 1)
    )
    styles = f'<Relationship Id="rId{sheets + 1}" Type="{_KIND}/styles" Target="styles.xml"/>'
    return f'<Relationships xmlns="{_PACKAGE}/relationships">{of_sheets}{styles}</Relationships>'
