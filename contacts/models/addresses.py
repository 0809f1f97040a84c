"""The addresses of people, and how each fares on a channel."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from django.db import models, transaction
from django.db.models import Q
from django.dispatch import Signal
from django.utils import timezone

from contacts import channels
from contacts.addresses import match_key
from contacts.channels import Channel, Kind, LineType
from contacts.fields import DerivedField
from contacts.models.people import Contact
from contacts.phones import mask
from contacts.row_writing import insert


def derived_match_key() -> DerivedField:
    """Of `value`, for rows that name an address."""
    return DerivedField(
        max_length=254,
        from_field="value",
        derive=match_key,
        help_text="What all spellings of the address have in common; addresses are compared by it.",
    )


# Sent in the same transaction when addresses are saved: the `addresses`. Whatever door they come by.
addresses_saved = Signal()
# Sent in the same transaction before addresses are deleted, but for those that go with their contact: the `addresses`.
addresses_going = Signal()


class AddressQuerySet(models.QuerySet):
    def bulk_create(self, objs: Iterable[Any], *args: Any, **kwargs: Any) -> list[Any]:
        with transaction.atomic():
            made = super().bulk_create(objs, *args, **kwargs)
            addresses_saved.send(Address, addresses=made)
        return made

    def insert(self, made: Sequence[Address]) -> None:
        """As `contacts.row_writing.insert`."""
        with transaction.atomic():
            insert(Address, made)
            addresses_saved.send(Address, addresses=made)

    def delete(self) -> tuple[int, dict[str, int]]:
        with transaction.atomic():
            addresses_going.send(Address, addresses=list(self))
            return super().delete()

    delete.alters_data = delete.queryset_only = True  # type: ignore[attr-defined] # as Django's own


class Address(models.Model):
    """One phone number (E.164) or email of a contact."""

    class Validity(models.TextChoices):
        VALID = "valid", "Valid"
        UNVERIFIED = "unverified", "Not verified"
        NEEDS_CORRECTION = "needs_correction", "Needs correction"
        INVALID = "invalid", "Invalid"

    contact = models.ForeignKey(Contact, on_delete=models.CASCADE, related_name="addresses", db_index=False)
    kind = models.CharField(max_length=8, choices=Kind)
    value = models.CharField(max_length=254, help_text="E.164 for phones, lower-case domain for emails.")
    match_key = derived_match_key()
    line_type = models.CharField(max_length=16, choices=LineType, default=LineType.UNKNOWN)
    carrier = models.CharField(max_length=60, blank=True)
    network = models.CharField(
        max_length=6,
        blank=True,
        default="",
        db_default="",
        help_text="MCC and MNC as reported, such as 310260; empty: not known.",
    )
    # When the two were reported, and by whom; empty where they are read from the number itself.
    line_type_at = models.DateTimeField(null=True, blank=True, editable=False)
    line_type_source = models.CharField(max_length=80, blank=True, default="", db_default="", editable=False)
    carrier_at = models.DateTimeField(null=True, blank=True, editable=False)
    carrier_source = models.CharField(max_length=80, blank=True, default="", db_default="", editable=False)
    region = models.CharField(
        max_length=8, blank=True, help_text="Country, or country and state, such as US or US-TX."
    )
    time_zone = models.CharField(
        max_length=1_000,
        blank=True,
        help_text="IANA names, separated by blanks: every zone where the number may be. Messages leave when the"
        " hours are permitted in all of them; enter one alone to say which it is.",
    )
    validity = models.CharField(max_length=16, choices=Validity, default=Validity.UNVERIFIED)
    preferred = models.BooleanField(
        default=True, help_text="The one to use when a contact has several of a kind."
    )
    created_at = models.DateTimeField(default=timezone.now)

    objects = AddressQuerySet.as_manager()

    class Meta:
        verbose_name_plural = "addresses"
        constraints = [
            models.UniqueConstraint(
                fields=["contact", "value"],
                name="one_address_per_contact",
                violation_error_message="The contact has this address already: change that one instead.",
            ),
            models.UniqueConstraint(
                fields=["contact", "kind"],
                condition=Q(preferred=True),
                name="one_preferred_address_per_kind",
                violation_error_message=(
                    "Preferred: the contact has another preferred address of this kind; untick it there first."
                ),
            ),
        ]
        indexes = [models.Index(fields=["match_key"], name="address_match")]

    def __str__(self) -> str:
        """Masked: whoever may see the whole of it is shown `value`."""
        return mask(self.value)

    def save(self, *args: Any, **kwargs: Any) -> None:
        with transaction.atomic():
            super().save(*args, **kwargs)
            if "value" in (kwargs.get("update_fields") or ["value"]):
                addresses_saved.send(Address, addresses=[self])

    def delete(self, *args: Any, **kwargs: Any) -> tuple[int, dict[str, int]]:
        with transaction.atomic():
            addresses_going.send(Address, addresses=[self])
            return super().delete(*args, **kwargs)


class AddressHealth(models.Model):
    """How an address fares on one channel, kept only once something went wrong there.

    A projection of the messages sent to it (`deliveries.deciding.health` recomputes it), so that receipts in
    any order give the same row. What colleagues say about it stands in the last two columns.
    """

    Closed = channels.Closed

    address = models.ForeignKey(Address, on_delete=models.CASCADE, related_name="health", db_index=False)
    channel = models.CharField(max_length=8, choices=Channel)
    hard_fails = models.PositiveSmallIntegerField(
        default=0, help_text="Permanent failures at the recipient's end in a row; a delivery ends the row."
    )
    enough = models.PositiveSmallIntegerField(
        default=0,
        db_default=0,
        help_text="So many in a row block it, by the codes reported; 0: as many as the playbook says.",
    )
    last_failed_at = models.DateTimeField(null=True, blank=True)
    last_code = models.CharField(max_length=64, blank=True)
    closed = models.CharField(
        max_length=8,
        choices=Closed,
        blank=True,
        help_text="A failure that says the channel cannot work at all; nothing is sent until something arrives.",
    )
    closed_why = models.CharField(
        max_length=200, blank=True, help_text="What was reported, and on which channel."
    )
    marked_at = models.DateTimeField(
        null=True,
        blank=True,
        help_text="A colleague marked it for correction: nothing is sent on this channel.",
    )
    cleared_at = models.DateTimeField(
        null=True, blank=True, help_text="The address was confirmed: what failed before does not count."
    )
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        verbose_name = "at-risk address"
        verbose_name_plural = "at-risk addresses"
        constraints = [models.UniqueConstraint(fields=["address", "channel"], name="one_health_per_channel")]

    def __str__(self) -> str:
        return f"{self.address_id} {self.channel}: {self.hard_fails}"
