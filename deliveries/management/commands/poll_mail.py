"""`manage.py poll_mail`: fetch bounces from mailboxes, for accounts whose settings name one."""

from __future__ import annotations

import signal
import threading
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import Error, close_old_connections

from deliveries.receiving.mail import MailboxAway, fetch, mailboxes

PAUSE_SECONDS = 60


class Command(BaseCommand):
    help = "Fetch bounces from the mailboxes that accounts name: once, or for ever, a minute between rounds."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--forever", action="store_true", help="go on until stopped")
        parser.add_argument(
            "--account", action="append", default=[], metavar="NAME", help="only this one; may be given again"
        )

    def handle(self, *args: Any, forever: bool, account: list[str], **options: Any) -> None:
        if not forever:
            if not self.round(account):
                raise CommandError("Not every mailbox could be read.")
            return
        stopped = threading.Event()
        for word in (signal.SIGTERM, signal.SIGINT):
            signal.signal(word, lambda *_: stopped.set())
        while not stopped.is_set():
            close_old_connections()
            self.round(account)
            stopped.wait(PAUSE_SECONDS)

    def round(self, names: list[str]) -> bool:
        """Look into each mailbox; False when one could not be read. One that is away does not hold up the others."""
        fine = True
        try:
            accounts = mailboxes(names)
            missing = set(names) - {each.name for each in accounts}
            for name in sorted(missing):
                self.stderr.write(f"{name}: no active account with a mailbox to fetch from.")
            fine = not missing
            for each in accounts:
                fine = self.look_into(each) and fine
        except Error as problem:  # the mails stay unseen, and the next round finds them
            self.stderr.write(f"The database is away: {problem}")
            return False
        return fine

    def look_into(self, account: Any) -> bool:
        try:
            n = fetch(account)
        except MailboxAway as problem:
            self.stderr.write(str(problem))
            return False
        if n:
            self.stdout.write(f"{account.name}: {n} mails")
        return True
