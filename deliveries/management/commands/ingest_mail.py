"""`manage.py ingest_mail`: keep one mail from standard input. What a mail server calls for each bounce."""

from __future__ import annotations

import os
import sys
import traceback
from argparse import ArgumentParser
from typing import Any, BinaryIO

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import Error

from deliveries.models import Account
from deliveries.receiving.mail import keep, takes_mail

# sysexits.h. Everything that is wrong here is temporary to the mail server: it keeps the mail until somebody has
# fixed it, and nobody gets a bounce of a bounce.
LATER = os.EX_TEMPFAIL
CHUNK = 65_536


class Command(BaseCommand):
    help = (
        "Keep one mail (a bounce, a complaint, a letter) from standard input. Ends with 0 once it is on disk, and with"
        " 75 when it could not be stored for now: the mail server then keeps it and comes again."
    )
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--account", required=True, metavar="NAME", help="the account whose mail it is")
        parser.add_argument("--envelope-to", default="", metavar="ADDRESS", help="whom the mail was sent to")

    def run_from_argv(self, argv: list[str]) -> None:
        try:
            super().run_from_argv(argv)
        except SystemExit as end:
            sys.exit(LATER if end.code else end.code)
        except Exception:  # noqa: BLE001 - whatever it was, the mail must come again
            traceback.print_exc()
            sys.exit(LATER)

    def handle(self, *args: Any, account: str, envelope_to: str, **options: Any) -> None:
        raw, length = read(sys.stdin.buffer)
        if not raw.strip():
            raise CommandError("No mail came in.", returncode=LATER)
        try:
            owner = Account.objects.filter(name=account).first()
            if owner is None or not takes_mail(owner):
                raise CommandError(
                    f"--account: {account!r} is no account for email by SMTP.", returncode=LATER
                )
            keep(owner, raw, envelope_to, length=length)
        except (Error, OSError) as problem:
            raise CommandError(f"Not stored, come again: {problem}", returncode=LATER) from problem


def read(source: BinaryIO) -> tuple[bytes, int]:
    """As much as is kept of a mail, and its whole length. All is read: a broken pipe would be a failure."""
    raw, length = b"", 0
    while chunk := source.read(CHUNK):
        raw += chunk[: max(settings.RECEIPT_MAX_BYTES - len(raw), 0)]
        length += len(chunk)
    return raw, length
