"""What people want their number or email corrected to, until they have shown that it is theirs."""

from __future__ import annotations

from django.db import models
from django.utils import timezone

from contacts.channels import Kind
from contacts.models.addresses import derived_match_key
from contacts.models.people import Contact
from contacts.phones import mask


class AddressChange(models.Model):
    """One address that a person gave as their right one. It counts once they enter the code that was sent there."""

    contact = models.ForeignKey(
        Contact, on_delete=models.CASCADE, related_name="address_changes", db_index=False
    )
    kind = models.CharField(max_length=8, choices=Kind)
    value = models.CharField(max_length=254, help_text="The new address, in normal form.")
    match_key = derived_match_key()
    evidence = models.TextField(help_text="What shows who asked for it.")
    asked_at = models.DateTimeField(default=timezone.now)
    code_hash = models.CharField(max_length=64, blank=True, help_text="Of the code, with a key of ours.")
    code_at = models.DateTimeField(null=True, help_text="When the code was made, as it was handed over.")
    tries = models.PositiveSmallIntegerField(default=0, help_text="Codes entered that were wrong.")
    confirmed_at = models.DateTimeField(null=True)

    class Meta:
        default_permissions = ()
        indexes = [
            models.Index(fields=["contact", "-id"], name="change_contact"),
            models.Index(fields=["match_key", "asked_at"], name="change_address"),
        ]

    def __str__(self) -> str:
        return f"{self.contact_id}: {mask(self.value)}"
