"""A file of contacts into the database: ours beside csv and COPY of the same rows from Python."""

from __future__ import annotations

import csv
import resource
import tempfile
from collections.abc import Iterator
from pathlib import Path

from django.db import connection, transaction
from django.utils import timezone

from benchmarks.measuring import Figure, Options, Rounds, tell, timed
from contacts import import_runs
from contacts.import_files import store_upload
from contacts.import_options import ImportOptions
from contacts.models import ContactImport

LINES = 500_000
AREAS = (
    205,
    212,
    213,
    303,
    305,
    312,
    404,
    415,
    469,
    512,
    602,
    617,
    702,
    713,
    718,
    737,
    773,
    801,
    816,
    832,
    904,
    917,
)
USES = ["name", "phone", "email", "external_id", "field", "agreed:sms"]
AWAY = 1_000_000_000  # ids of copied rows start here
MADE = {  # by table: which of its rows an import made, in the order of their foreign keys
    "contacts_contact": "id IN (SELECT contact_id FROM contacts_importedcontact WHERE contact_import_id = %s)",
    "contacts_address": "contact_id IN (SELECT contact_id FROM contacts_importedcontact WHERE contact_import_id = %s)",
    "contacts_consent": "contact_id IN (SELECT contact_id FROM contacts_importedcontact WHERE contact_import_id = %s)",
    "contacts_listmembership": (
        "contact_id IN (SELECT contact_id FROM contacts_importedcontact WHERE contact_import_id = %s)"
    ),
}


def run(options: Options) -> Iterator[Figure]:
    """Figures of one round: a second one would find everybody there already."""
    lines = min(LINES, options.rows)
    rounds = Rounds("importing", options, "lines/s")
    before = _peak()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "people.csv"
        _write(path, lines)
        with timed() as reading, path.open("rb") as file:
            one = store_upload(file, name=path.name, by=None, now=timezone.now())
        tell(f"  {lines:,} lines read in {reading.seconds:.0f} s")
        with timed() as clock:
            _import(one)
        rounds.add("ours", one.added / (reading.seconds + clock.seconds))
        tell(f"  peak memory {_peak():.0f} MiB, {before:.0f} MiB before")
        if options.on_postgresql:
            rounds.add("csv and COPY", _copied(one, path))
            yield rounds.against(
                "csv and COPY of the same rows / import", "csv and COPY", "ours", 6, at_most=True
            )
    yield Figure(
        "importing", options.database, "peak memory of an import", "MiB", _peak(), 300, _peak() / 300, None, None, 1,
        at_most=True,
    )  # fmt: skip


def _write(path: Path, lines: int) -> None:
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["name", "phone", "email", "customer id", "city", "sms consent"])
        for n in range(lines):
            rest = n // len(AREAS)
            phone = f"+1{AREAS[n % len(AREAS)]}{200 + rest % 700}{rest // 700:04d}"
            writer.writerow([f"Person {n}", phone, f"person{n}@example.com", f"C-{n}", "Austin", "yes"])


def _import(one: ContactImport) -> None:
    options = ImportOptions(
        uses=USES,
        region="US",
        list_name="Benchmark",
        how="Web form",
        when="2026-01-02",
        wording="Yes, text me.",
    )
    one.options = options.as_json()
    one.save()
    import_runs.start(one, timezone.now())
    while one.is_under_way:
        import_runs.run(timezone.now())
        one.refresh_from_db()
    assert one.state == ContactImport.State.DONE, one.failure


def _peak() -> float:
    """MiB, of this process."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _copied(one: ContactImport, path: Path) -> float:
    """Lines a second of reading the file by csv, and of COPY of the rows that the import made, in one commit.

    The rows come from the table one after the other while they are copied into it: they need no room in memory.
    """
    with timed() as reading, path.open(newline="") as file:
        lines = sum(1 for _ in csv.reader(file)) - 1
    seconds = reading.seconds
    with connection.cursor() as cursor, tempfile.TemporaryFile() as held, transaction.atomic():
        for table, whose in MADE.items():
            cursor.execute(f"SELECT * FROM {table} LIMIT 0")
            columns = [column.name for column in cursor.description]
            shifted = [f"{name} + {AWAY}" if name in ("id", "contact_id") else name for name in columns]
            held.seek(0)
            held.truncate()
            with cursor.copy(
                f"COPY (SELECT {', '.join(shifted)} FROM {table} WHERE {whose}) TO STDOUT", [one.pk]
            ) as copy:
                for data in copy:
                    held.write(data)
            held.seek(0)
            with timed() as clock, cursor.copy(f"COPY {table} ({', '.join(columns)}) FROM STDIN") as copy:
                while data := held.read(65_536):
                    copy.write(data)
            seconds += clock.seconds
            tell(f"  {table} copied in {clock.seconds:.1f} s")
        with timed() as clock:  # as the commit does, which does not come
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        seconds += clock.seconds
        transaction.set_rollback(True)
    return lines / seconds
