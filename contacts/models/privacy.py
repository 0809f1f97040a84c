"""What was done with all that is known of one person: a trail without their identity."""

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
