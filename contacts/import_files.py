"""An uploaded file, CSV or XLSX, into rows that are kept in parts: nobody ever holds the whole of it in memory."""

from __future__ import annotations

import codecs
import csv
import hashlib
import io
import re
import shutil
from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import BinaryIO

from accounts.models import User
from contacts.chunks import chunks
from contacts.headers import UnreadableFile
from contacts.models import ContactImport, FileRow, ImportChunk
from contacts.models.imports import pack
from contacts.sheets import ZIP, dialect
from contacts.workbooks import sheet_rows

AT_ONCE = 2_000  # lines of a part, which is imported in one transaction
MOST_LINES = 500_000
MOST_COLUMNS = 200
LONGEST_CELL = 10_000  # characters
HEAD = 64 * 1024  # bytes in which the first line is looked for
GUARD = re.compile(r"""^'(?=[\s"']*[=+\-@])""")  # what our own files put before what a spreadsheet would run
OLD_EXCEL = b"\xd0\xcf\x11\xe0"


def store_upload(file: BinaryIO, *, name: str, by: User | None, now: datetime) -> ContactImport:
    """Keep the file's lines as a draft. Raises UnreadableFile, and then nothing is kept."""
    file.seek(0)
    digest = _digest(file)
    file.seek(0)
    rows = (row for row in read_rows(file) if any(cell.strip() for cell in row.cells))
    first = next(rows, None)
    if first is None:
        raise UnreadableFile(
            "The file is empty. Its first line must name the columns, such as name, phone, email."
        )
    titles = _titles(*_checked([first]))
    draft = ContactImport.objects.create(
        file_name=Path(name).name[-200:], file_hash=digest, titles=titles, created_by=by, created_at=now
    )
    try:
        lines = 0
        for number, part in enumerate(chunks(rows, AT_ONCE)):
            lines += len(part)
            if lines > MOST_LINES:
                raise UnreadableFile(
                    f"The file has more than {MOST_LINES:,} lines. Split it into several files."
                )
            ImportChunk.objects.create(
                contact_import=draft, number=number, lines=len(part), packed=pack(_checked(part))
            )
        if not lines:
            raise UnreadableFile("The file has a first line that names the columns, and nothing below it.")
    except UnreadableFile:
        draft.delete()
        raise
    draft.lines, draft.state = lines, ContactImport.State.DRAFT
    draft.save(update_fields=["lines", "state"])
    return draft


def _digest(file: BinaryIO) -> str:
    digest = hashlib.sha256()
    while data := file.read(HEAD):
        digest.update(data)
    return digest.hexdigest()


def _titles(first: FileRow) -> list[str]:
    titles = [cell.strip()[:200] for cell in first.cells]
    while titles and not titles[-1]:
        titles.pop()
    if len(titles) > MOST_COLUMNS:
        raise UnreadableFile(
            f"The file has more than {MOST_COLUMNS} columns. Leave out those you don’t need."
        )
    return titles


def _checked(part: Iterable[FileRow]) -> Iterator[FileRow]:
    for row in part:
        if len(row.cells) > 2 * MOST_COLUMNS or any(len(cell) > LONGEST_CELL for cell in row.cells):
            raise UnreadableFile(f"Line {row.line} has a cell or a number of cells far too long. Check it.")
        if any("\0" in cell for cell in row.cells):
            raise UnreadableFile(f"Line {row.line} is not text. Save the file as “CSV UTF-8”.")
        yield FileRow(row.line, [GUARD.sub("", cell) for cell in row.cells])


def read_rows(file: BinaryIO) -> Iterator[FileRow]:
    """The lines of the file, the first one too, as they come. Raises UnreadableFile."""
    head = file.read(HEAD)
    file.seek(0)
    if head.startswith(OLD_EXCEL):
        raise UnreadableFile(
            "This is an old Excel file, or one with a password. Save it as “Excel workbook (.xlsx)”."
        )
    return _workbook(file) if head.startswith(ZIP) else _text(file, head)


def _workbook(file: BinaryIO) -> Iterator[FileRow]:
    with NamedTemporaryFile(suffix=".xlsx") as copy:
        shutil.copyfileobj(file, copy)
        copy.flush()
        for number, cells in enumerate(sheet_rows(copy.name), start=1):
            yield FileRow(number, cells)


def _text(file: BinaryIO, head: bytes) -> Iterator[FileRow]:
    utf16 = head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    encoding = "utf-16" if utf16 else "utf-8"
    beginning = head.decode(encoding, errors="ignore")
    marks = len(beginning) - len(beginning.lstrip("\ufeff"))
    first, delimiter, skipped = dialect(beginning[marks:])
    text = io.TextIOWrapper(file, encoding=encoding, newline="")
    try:
        text.read(marks + first)
        reader = csv.reader(text, delimiter=delimiter, strict=True)
        before = 0
        for cells in reader:
            yield FileRow(before + 1 + skipped, cells)
            before = reader.line_num
    except UnicodeDecodeError:
        kind = "UTF-16" if utf16 else "UTF-8"
        where = f"The file is not {kind} text, from about line {before + 1} on."
        raise UnreadableFile(f"{where} Save it as “CSV UTF-8” or as an Excel workbook.") from None
    except csv.Error as problem:
        where = f"Line {reader.line_num + skipped}: {problem}."
        raise UnreadableFile(f"{where} Check the quotation marks there.") from None
    finally:
        text.detach()
