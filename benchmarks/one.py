"""Comparisons on the database of DATABASE_URL, figures as JSON lines: `python -m benchmarks.one OPTIONS NAME ...`."""

from __future__ import annotations

import json
import logging
import sys
import traceback
from importlib import import_module

import django

from benchmarks.measuring import Options, tell, timed

WITH_MESSAGES = {"ingest", "flood", "recording", "workers", "chain"}


def main(arguments: list[str]) -> None:
    django.setup()
    logging.disable(logging.WARNING)  # receipts about unknown messages are part of the load
    from benchmarks import rows

    options, names = Options(**json.loads(arguments[0])), arguments[1:]
    if WITH_MESSAGES & set(names):
        tell(f"{options.database}: {options.rows:,} messages ...")
        with timed() as clock:
            rows.messages(rows.world(), options.rows)
            rows.settle_down()
        tell(f"  made in {clock.seconds:.0f} s")
    for name in names:
        tell(f"{options.database}: {name}")
        try:
            for figure in import_module(f"benchmarks.{name}").run(options):
                figure.emit()
        except Exception:  # noqa: BLE001 - the other comparisons go on
            traceback.print_exc()
            tell(f"{name} on {options.database} was broken off; the other figures stand.")


if __name__ == "__main__":
    main(sys.argv[1:])
