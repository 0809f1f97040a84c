"""The first sheet of an XLSX file as rows of text, read in a process of its own.

The library holds a whole sheet in memory. In a process of its own that costs the web server nothing once it is read,
and a file made to fill the memory ends that process alone. Run as `python -m contacts.workbooks FILE`, it writes a
JSON list for each row, and on a fault exits with a sentence on its error output.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any

from contacts.headers import UnreadableFile

MEMORY = 1_536 * 1024 * 1024  # bytes of address space
SECONDS = 120  # of processor time
NO_WORKBOOK = (
    "This is no Excel workbook that can be read. Save it as “Excel workbook (.xlsx)” or as “CSV UTF-8”."
)
UNREADABLE = 3  # exit code: the error output says why, in a sentence for people


def sheet_rows(path: str) -> Iterator[list[str]]:
    """Every row of the first sheet, cells as text. Raises UnreadableFile."""
    command = [sys.executable, "-m", "contacts.workbooks", path]
    here = Path(__file__).resolve().parent.parent
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=here) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        try:
            for line in process.stdout:
                yield json.loads(line)
            problem = process.stderr.read().decode(errors="replace")
            code = process.wait()
        finally:
            process.kill()
    if code:
        raise UnreadableFile(problem.strip() if code == UNREADABLE else NO_WORKBOOK)


def text_of(cell: Any) -> str:
    """A cell as people would have typed it: 15125550142, not 15125550142.0, and dates like 2026-03-04."""
    if isinstance(cell, bool):
        return "yes" if cell else "no"
    if isinstance(cell, float):
        return str(int(cell)) if cell.is_integer() and abs(cell) < 1e15 else repr(cell)
    if isinstance(cell, datetime):
        return cell.date().isoformat() if cell.time() == time() else cell.isoformat(timespec="seconds")
    if isinstance(cell, date | time):
        return cell.isoformat()
    if isinstance(cell, timedelta):
        return str(cell)
    return "" if cell is None else str(cell)


def main(path: str) -> int:
    import resource

    from python_calamine import CalamineError, CalamineWorkbook

    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
    try:
        book = CalamineWorkbook.from_path(path)
        if not book.sheet_names:
            raise ValueError(path)
        sheet = book.get_sheet_by_index(0)
    except (CalamineError, ValueError, OSError):
        sys.stderr.write(NO_WORKBOOK)
        return UNREADABLE
    try:
        for _ in range(sheet.start[0] if sheet.start else 0):
            sys.stdout.write("[]\n")
        for row in sheet.iter_rows():
            sys.stdout.write(json.dumps([text_of(cell) for cell in row]) + "\n")
    except BrokenPipeError:  # whoever asked has seen enough
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
