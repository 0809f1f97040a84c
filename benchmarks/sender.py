"""A sending process on command: says "ready", waits for a line, sends all that is due, says how many it handed over."""

from __future__ import annotations

import logging
import sys

import django

if __name__ == "__main__":
    django.setup()
    logging.disable(logging.WARNING)

    from django.utils import timezone

    from deliveries.models import Outbox
    from deliveries.sending.send_loop import SendLoop
    from deliveries.sending.transport import Transport

    with Transport() as transport:
        loop = SendLoop(transport)
        loop.recover(timezone.now())  # nothing waits yet: only opens the connection
        print("ready", flush=True)
        for _ in sys.stdin:
            done = 0
            while True:
                loop.recover(timezone.now())
                done += loop.turn(timezone.now())
                if not transport.calls and not Outbox.objects.exists():
                    break
            print(done, flush=True)
