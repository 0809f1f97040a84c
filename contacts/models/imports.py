"""Files of contacts that were uploaded, what is to become of them, and what their imports changed."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable
from typing import Any, NamedTuple

from django.conf import settings
from django.db import models
from django.utils import timezone

from contacts.models.people import Contact, ContactList


class FileRow(NamedTuple):
    """One line of a file as it was uploaded: its number as an editor counts, and its cells."""

    line: int
    cells: list[str]


class ContactImport(models.Model):
    """One uploaded file of contacts: how its columns are read, how far its import is, and what came of it.

    `titles` is its first line. `options` and `preview` are those of `contacts.import_options`. `faults` holds the
    lines left out by kind, `notes` sentences about the file as a whole. `lines` counts those below the first.
    """

    class State(models.TextChoices):
        READING = "reading", "Being uploaded"
        DRAFT = "draft", "Not started"
        RUNNING = "running", "Running"
        DONE = "done", "Imported"
        FAILING = "failing", "Failed, being taken back"
        FAILED = "failed", "Failed: nothing was imported"
        UNDOING = "undoing", "Being undone"
        UNDONE = "undone", "Undone"

    state = models.CharField(max_length=12, choices=State, default=State.READING)
    file_name = models.CharField(max_length=200)
    file_hash = models.CharField(max_length=64, help_text="SHA-256 of the file as it was uploaded.")
    titles = models.JSONField(default=list)
    options = models.JSONField(default=dict)
    preview = models.JSONField(default=dict)
    dates_seen = models.JSONField(
        default=dict,
        help_text="What its dates tell of the order in which they are written: contacts.import_dates.",
    )
    contact_list = models.ForeignKey(
        ContactList,
        null=True,
        on_delete=models.PROTECT,
        related_name="imports",
        help_text="The list it fills.",
    )
    source = models.ForeignKey(
        ContactList,
        null=True,
        on_delete=models.PROTECT,
        related_name="+",
        db_index=False,
        help_text="Where new people come from; empty for the list itself.",
    )
    lines = models.PositiveIntegerField(default=0)
    done_lines = models.PositiveIntegerField(default=0)
    added = models.PositiveIntegerField(default=0)
    updated = models.PositiveIntegerField(default=0)
    unchanged = models.PositiveIntegerField(default=0)
    refused = models.PositiveIntegerField(default=0)
    consents = models.PositiveIntegerField(default=0)
    opt_outs = models.PositiveIntegerField(
        default=0, help_text="Addresses whose owners said no, newly blocked."
    )
    removed = models.PositiveIntegerField(default=0, help_text="People whose part of the import was undone.")
    kept = models.PositiveIntegerField(
        default=0, help_text="People who stayed as they are when it was undone."
    )
    faults = models.JSONField(default=list)
    notes = models.JSONField(default=list)
    failure = models.CharField(max_length=300, blank=True)
    tries = models.PositiveSmallIntegerField(default=0, help_text="Of the part that fails, in a row.")
    created_at = models.DateTimeField(default=timezone.now)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)
    undone_at = models.DateTimeField(null=True)
    undone_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )

    class Meta:
        verbose_name = "import"
        permissions = [("import_contacts", "May import contacts from a file, and undo it")]

    def __str__(self) -> str:
        return f"Import {self.pk}: {self.file_name}"

    @property
    def is_under_way(self) -> bool:
        return self.state in UNDER_WAY


UNDER_WAY = (ContactImport.State.RUNNING, ContactImport.State.FAILING, ContactImport.State.UNDOING)


class ImportChunk(models.Model):
    """Some lines of an uploaded file, so that nobody needs to hold all of them in memory.

    Once it is imported only the refused ones are left, for the file that is corrected and uploaded again. Until then
    its reasons name the lines that are emptied if they are refused (`contacts.erased_files`).
    """

    contact_import = models.ForeignKey(
        ContactImport, on_delete=models.CASCADE, related_name="chunks", db_index=False
    )
    number = models.PositiveIntegerField()
    lines = models.PositiveIntegerField(help_text="As uploaded.")
    is_done = models.BooleanField(default=False)
    packed = models.BinaryField(help_text="The lines, compressed.")
    packed_reasons = models.BinaryField(default=b"", help_text="Why lines were refused, compressed.")

    class Meta:
        default_permissions = ()  # read by the pages of its import alone
        constraints = [
            models.UniqueConstraint(fields=["contact_import", "number"], name="one_chunk_per_number")
        ]

    def __str__(self) -> str:
        return f"{self.contact_import_id}, part {self.number}"

    def rows(self) -> list[FileRow]:
        return [FileRow(line, cells) for line, cells in unpack(bytes(self.packed))]

    def reasons(self) -> list[list[Any]]:
        """[line, column, cell, why, remedy] for each fault."""
        return unpack(bytes(self.packed_reasons)) if self.packed_reasons else []


class ImportedContact(models.Model):
    """What an import changed of one person, for as long as it can be undone.

    `before` holds {"fields": {name: [old, new]}, "addresses": [ids made], "replaced": [ids], "consents": [ids made]}.
    """

    class Kept(models.TextChoices):
        SENT = "sent", "They are in a campaign, or wrote to us"
        CHANGED = "changed", "Somebody changed them since"

    contact_import = models.ForeignKey(
        ContactImport, on_delete=models.CASCADE, related_name="people", db_index=False
    )
    contact = models.ForeignKey(Contact, on_delete=models.CASCADE, related_name="imports")
    line = models.PositiveIntegerField()
    added = models.BooleanField()
    joins = models.BooleanField(help_text="Whether the import put them on its list.")
    before = models.JSONField(default=dict)
    at = models.DateTimeField()
    kept = models.CharField(max_length=12, choices=Kept, blank=True)

    class Meta:
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(fields=["contact_import", "contact"], name="once_per_import_and_contact")
        ]

    def __str__(self) -> str:
        return f"{self.contact_id} in import {self.contact_import_id}"


def pack(values: Iterable[Any]) -> bytes:
    return zlib.compress(json.dumps(list(values), ensure_ascii=False, separators=(",", ":")).encode(), 1)


def unpack(packed: bytes) -> list[Any]:
    return json.loads(zlib.decompress(packed))
