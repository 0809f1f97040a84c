"""What whoever uploads a file decides about its import."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from datetime import datetime, time
from typing import Any

from django.utils import timezone
from django.utils.dateparse import parse_date as parse_day

from contacts.dates import EARLIEST, DateOrder, parse_date
from contacts.headers import UnreadableFile
from contacts.import_columns import CONSENT, ColumnMapping, ReadLine, mapping_of, read_line
from contacts.models import ContactImport, FileRow
from contacts.sheet_lines import LONGEST_HOW, Refusal, SheetLine, understand
from contacts.sheets import dates_in, day_first_of

__all__ = ["LONGEST_HOW", "ImportOptions", "LineReader"]


@dataclass(frozen=True)
class ImportOptions:
    """`uses` has one entry a column (`import_columns`). `fill_in`: whether people already here get the file's details.

    `everybody` are channels that all of the file agreed to. `how`, `when` (a day, ISO) and `wording` are the evidence
    of consent, where no column of the file says otherwise. `list_name` is a list to be made. `day_first` says how
    03/04/2026 is meant.
    """

    uses: list[str] = field(default_factory=list)
    region: str = ""
    list_name: str = ""
    fill_in: bool = False
    everybody: list[str] = field(default_factory=list)
    how: str = ""
    when: str = ""
    wording: str = ""
    dates: str = ""
    day_first: bool = False

    @classmethod
    def of(cls, draft: ContactImport) -> ImportOptions:
        return cls(**draft.options)

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    @property
    def records_consent(self) -> bool:
        return bool(self.everybody) or any(use in CONSENT for use in self.uses)


class LineReader:
    """Reads the lines of one file by what was decided about it."""

    def __init__(self, titles: list[str], options: ImportOptions, now: datetime) -> None:
        self.options = options
        self.now = now
        self.mapping: ColumnMapping = mapping_of(titles, options.uses)
        day = parse_day(options.when) if options.when else None
        self.when = timezone.make_aware(datetime.combine(day, time())) if day else None

    def read(self, row: FileRow) -> ReadLine:
        return read_line(self.mapping, row.line, row.cells)

    def understand(self, read: ReadLine) -> SheetLine | list[Refusal]:
        """One line, or everything that is wrong with it."""
        options = self.options
        consent = tuple(dict.fromkeys([*options.everybody, *read.agreed]))
        found = understand(
            read.row,
            region=options.region,
            consent=consent,
            how=options.how,
            now=self.now,
            day_first=options.day_first,
        )
        if isinstance(found, list):
            return found
        found.without_consent += read.unclear
        found.consent_at = found.consent_at or self._day(read.agreed_on) or self.when
        return found

    def _day(self, text: str) -> datetime | None:
        """The day beside a yes; None where it is none, or lies in the future or before any consent."""
        try:
            found = parse_date(text, day_first=self.options.day_first)
            aware = timezone.make_aware(found) if timezone.is_naive(found) else found
        except (ValueError, OverflowError):
            return None
        return aware if aware <= self.now and aware.year >= EARLIEST else None


def date_order_of(titles: list[str], options: ImportOptions, rows: Iterable[FileRow]) -> DateOrder:
    """What the dates on which people agreed tell, on these lines, of the order in which they are written."""
    mapping = mapping_of(titles, options.uses)
    return dates_in(read_line(mapping, row.line, row.cells).row for row in rows)


def day_first_by(order: DateOrder) -> bool:
    """Whether the dates begin with the day. Raises UnreadableFile where that cannot be told."""
    try:
        return day_first_of(order)
    except UnreadableFile as problem:
        raise UnreadableFile(str(problem).partition(" Write them")[0]) from None
