"""Import contacts from a file: every line is checked before anything is written, and then all is written at once.

An import adds and fills in. It never empties a field, never lifts a suppression and never undoes an opt-out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import BinaryIO

import phonenumbers
from django.db import connection, transaction

from accounts.models import User
from contacts.channels import Channel
from contacts.headers import UnreadableFile
from contacts.import_plan import ImportPlan, ImportResult
from contacts.models import Address, Consent, Contact, ContactList, ListMembership
from contacts.sheet_lines import LONGEST_HOW, SheetLine, understand
from contacts.sheets import SheetRow, read_sheet
from contacts.slugs import free_slug

MANY = 1_000  # lines from which on the database has to count its rows anew

Progress = Callable[[Sequence[SheetRow]], Iterable[SheetRow]]


def import_contacts(
    file: BinaryIO,
    *,
    contact_list: ContactList | str,
    region: str,
    consent: Sequence[str] = (),
    how: str = "",
    now: datetime,
    by: User | None = None,
    strict: bool = False,
    dry_run: bool = False,
    day_first: bool | None = None,
    progress: Progress = iter,
) -> ImportResult:
    """Import a CSV file into a list, which is made when only its name is given and it does not exist.

    Refused lines are left out and listed; with `strict` a single one keeps the whole file out. `consent` and `how`
    hold for files without such columns. `day_first` says how dates such as 03/04/2026 are meant; None takes it from
    the file. `dry_run` tells what would happen. `progress` wraps the rows as they are checked. Raises
    UnreadableFile; a database error leaves nothing behind.
    """
    check_options(contact_list, region, consent, how)
    sheet = read_sheet(file, day_first=day_first)
    result = ImportResult(lines=len(sheet.rows), notes=sheet.notes)
    lines = []
    for row in progress(sheet.rows):
        found = understand(
            row, region=region, consent=tuple(consent), how=how, now=now, day_first=sheet.day_first
        )
        if isinstance(found, SheetLine):
            lines.append(found)
        else:
            result.refused += found
    with transaction.atomic():
        plan = ImportPlan(lines, contact_list, result, now, by)
        result.refused.sort(key=lambda each: each.line)
        held_back = dry_run or (strict and result.refused)
        if result.accepted and not held_back:
            plan.write(list_to_fill(contact_list))
            result.written = True
    if result.written and result.accepted >= MANY:
        count_rows()
    return result


def count_rows() -> None:
    """Have PostgreSQL see at once how many contacts there are.

    By itself it does within a minute or two. A campaign launched before that is expanded as if there were none: one
    loop inside the other, for hours.
    """
    if connection.vendor == "postgresql":
        tables = ", ".join(model._meta.db_table for model in (Contact, Address, ListMembership, Consent))
        with connection.cursor() as cursor:
            cursor.execute(f"ANALYZE {tables}")


def check_options(contact_list: ContactList | str, region: str, consent: Sequence[str], how: str) -> None:
    if region not in phonenumbers.SUPPORTED_REGIONS:
        raise UnreadableFile(f"“{region}” is no country. Use two capital letters, such as US.")
    unknown = [channel for channel in consent if channel not in Channel.values]
    if unknown:
        raise UnreadableFile(f"“{unknown[0]}” is no channel. Use {', '.join(Channel.values)}.")
    if consent and not how.strip():
        raise UnreadableFile("Say how consent was given, such as “Web form”.")
    if len(how) > LONGEST_HOW:
        raise UnreadableFile(f"How consent was given is kept in {LONGEST_HOW} characters at most.")
    if isinstance(contact_list, str) and not 0 < len(contact_list.strip()) <= 120:
        raise UnreadableFile("The list needs a name of 120 characters at most.")


def list_to_fill(contact_list: ContactList | str) -> ContactList:
    """The list, which is made when only its name is given and it does not exist."""
    if isinstance(contact_list, ContactList):
        return contact_list
    name = contact_list.strip()
    found = ContactList.objects.filter(name=name).first()
    if found:
        return found
    return ContactList.objects.create(name=name, slug=free_slug(name, ContactList.objects.all(), "list"))
