"""What was done with what is known of people: trails without their identity."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils import timezone

from contacts.models.ledger import AppendOnly


class PrivacyRecord(AppendOnly):
    """Somebody took out all data of a person as a file, or erased them. Kept for good; it names only their number."""

    class Act(models.TextChoices):
        EXPORT = "export", "All data exported"
        ERASE = "erase", "Erased"

    act = models.CharField(max_length=8, choices=Act)
    contact_number = models.BigIntegerField(help_text="The contact's id.")
    at = models.DateTimeField(default=timezone.now)
    by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    reason = models.CharField(max_length=300, blank=True)

    class Meta:
        indexes = [models.Index(fields=["contact_number", "-at"], name="privacy_contact")]

    def __str__(self) -> str:
        return f"{self.get_act_display()}: contact {self.contact_number}"


class FileErasure(models.Model):
    """The lines of an erased person in uploaded files, which `contacts.erased_files` empties part by part.

    By what the lines are known is kept as keyed hashes (`contacts.erased_traits`), until it is done: `numbers` as
    [digits, hash], `emails` as [characters before the @, characters after it, hash], with 0 and 0 for the key.
    """

    contact_number = models.BigIntegerField(db_index=True, help_text="The contact's id.")
    at = models.DateTimeField()
    emails = models.JSONField(default=list)
    numbers = models.JSONField(default=list)
    ids = models.JSONField(default=list)
    names = models.JSONField(default=list)
    last_part = models.BigIntegerField(
        help_text="The id of the newest part there was: later ones are theirs anew."
    )
    looked_to = models.BigIntegerField(default=0, help_text="The id of the last part that was looked at.")
    parts = models.PositiveIntegerField(help_text="How many there were.")
    looked = models.PositiveIntegerField(default=0)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        default_permissions = ()  # shown on the page of the person alone
        indexes = [
            models.Index(fields=["at"], name="file_erasure_open", condition=models.Q(finished_at=None))
        ]

    def __str__(self) -> str:
        return f"Contact {self.contact_number}: {self.looked} of {self.parts} parts"


class AccessRecord(AppendOnly):
    """Somebody was shown whole addresses on a page, or took out a file. It says where, and holds no address."""

    class Kind(models.TextChoices):
        SHOWN = "shown", "Page with whole addresses"
        EXPORTED = "exported", "File"

    kind = models.CharField(max_length=8, choices=Kind)
    at = models.DateTimeField(default=timezone.now)
    by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="+",
        db_index=False,
    )
    page = models.CharField(max_length=80, help_text="The name of the page, such as contacts:trail.")
    path = models.CharField(max_length=200)
    contact_number = models.BigIntegerField(
        null=True, blank=True, help_text="The contact's id, where it is about one."
    )
    filter = models.CharField(max_length=300, blank=True, help_text="What narrowed it, addresses masked.")
    rows = models.BigIntegerField(
        null=True,
        blank=True,
        help_text="Of a file: how many rows it had. Empty until it is over.",
    )
    whole = models.BooleanField(help_text="Whether addresses were whole in it.")

    class Meta:
        indexes = [
            models.Index(fields=["-at", "-id"], name="access_newest"),
            models.Index(fields=["by", "-at", "-id"], name="access_by"),
            models.Index(fields=["kind", "-at", "-id"], name="access_kind"),
            models.Index(
                fields=["contact_number", "-at", "-id"],
                name="access_contact",
                condition=models.Q(contact_number__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()}: {self.path}"
