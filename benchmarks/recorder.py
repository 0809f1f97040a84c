"""A recording worker on command: says "ready", waits for a line, records all there is, says how many."""

from __future__ import annotations

import logging
import sys

import django

if __name__ == "__main__":
    django.setup()
    logging.disable(logging.WARNING)

    from django.db import OperationalError
    from django.utils import timezone

    from deliveries.receiving.recording import record

    record(timezone.now())  # nothing waits yet: only opens the connection
    print("ready", flush=True)
    for _ in sys.stdin:
        done = 0
        while True:
            try:
                batch = record(timezone.now())
            except (
                OperationalError
            ):  # as deliveries.running.drain does: the other worker was faster, try again
                continue
            if not batch.recorded:
                break
            done += batch.recorded
        print(done, flush=True)
