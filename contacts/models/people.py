"""People, the lists that brought them in, and what colleagues wrote about them."""

from __future__ import annotations

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Q
from django.utils import timezone

from contacts.fields import DerivedField
from contacts.models.ledger import AppendOnly
from contacts.names import LONGEST as LONGEST_FOLDED
from contacts.names import folded


class ContactList(models.Model):
    """A list of contacts and, at the same time, the source that brought them in."""

    name = models.CharField(max_length=120, unique=True)
    slug = models.SlugField(max_length=140, unique=True)
    description = models.CharField(max_length=300, blank=True)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class Contact(models.Model):
    """A person."""

    class Stage(models.TextChoices):
        LEAD = "lead", "Lead"
        CUSTOMER = "customer", "Customer"
        LAPSED = "lapsed", "Lapsed"

    name = models.CharField(max_length=200, blank=True)
    search_name = DerivedField(from_field="name", derive=folded, max_length=LONGEST_FOLDED)
    external_id = models.CharField(
        "customer ID",
        max_length=120,
        blank=True,
        help_text="The id of this person in the system they were imported from.",
    )
    source = models.ForeignKey(
        ContactList,
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="sourced",
        db_index=False,
        help_text="The list that first brought this contact in; outcomes are reported by it.",
    )
    first_import = models.ForeignKey(
        "ContactImport",
        null=True,
        blank=True,
        editable=False,
        on_delete=models.SET_NULL,
        related_name="+",
        db_index=False,
        help_text="The file that first brought this contact in, where one did.",
    )
    time_zone = models.CharField(
        max_length=64,
        blank=True,
        help_text="IANA name, such as America/Chicago. Empty: taken from the phone number.",
    )
    locale = models.CharField(max_length=16, blank=True)
    stage = models.CharField(max_length=16, choices=Stage, blank=True)
    value_tier = models.PositiveSmallIntegerField(
        default=0, help_text="0 is ordinary; higher is more valuable."
    )
    attributes = models.JSONField(
        default=dict, blank=True, help_text="Further merge fields, as name and text."
    )
    created_at = models.DateTimeField(default=timezone.now)
    updated_at = models.DateTimeField(auto_now=True)
    merged_into = models.ForeignKey(
        "self",
        null=True,
        blank=True,
        editable=False,
        on_delete=models.PROTECT,
        related_name="merged",
        db_index=False,
        help_text="It was the same person as this contact, which has all that was theirs.",
    )

    erased_at = models.DateTimeField(
        null=True, blank=True, editable=False, help_text="Who it was is not known any more."
    )

    lists = models.ManyToManyField(ContactList, through="ListMembership", related_name="contacts")

    class Meta:
        indexes = [
            models.Index(fields=["external_id"], name="contact_external", condition=~Q(external_id="")),
            models.Index(fields=["source", "id"], name="contact_source"),
            models.Index(
                fields=["first_import", "id"],
                name="contact_first_import",
                condition=Q(first_import__isnull=False),
            ),
            models.Index(
                fields=["merged_into"], name="contact_merged", condition=Q(merged_into__isnull=False)
            ),
        ]
        permissions = [
            ("view_full_address", "May see whole phone numbers and email addresses on a contact's trail"),
            ("correct_contact", "May correct a contact's details"),
            ("suppress_contact", "May suppress a contact or an address"),
            ("merge_contact", "May merge two contacts that are one person"),
            ("export_contact", "May take out all data of one person as a file"),
            ("erase_contact", "May erase a person"),
        ]

    def __str__(self) -> str:
        return self.name or (f"Erased person {self.pk}" if self.erased_at else f"Contact {self.pk}")

    def save(self, *args, **kwargs) -> None:
        if kwargs.get("update_fields") is not None and "name" in kwargs["update_fields"]:
            kwargs["update_fields"] = {*kwargs["update_fields"], "search_name"}
        super().save(*args, **kwargs)

    def clean(self) -> None:
        """Messages are composed from `attributes`: a name and what is written in its place. Emptied, there are none."""
        if self.attributes is None:
            self.attributes = {}
        if not isinstance(self.attributes, dict):
            raise ValidationError({"attributes": 'Give names and texts, such as {"city": "Austin"}.'})
        wrong = [name for name, value in self.attributes.items() if not _is_writable(value)]
        if wrong:
            raise ValidationError({"attributes": f"Neither text nor number: {', '.join(wrong)}."})

    @property
    def first_name(self) -> str:
        return self.name.split()[0] if self.name else ""

    @property
    def stays(self) -> Contact:
        """The contact that has what was theirs since they were merged; else this one itself."""
        return self.merged_into or self


def _is_writable(value: object) -> bool:
    """Whether a message can say it; true and false are no words."""
    return isinstance(value, str | int | float) and not isinstance(value, bool)


class ListMembership(models.Model):
    contact_list = models.ForeignKey(
        ContactList, on_delete=models.CASCADE, related_name="memberships", db_index=False
    )
    contact = models.ForeignKey(Contact, on_delete=models.CASCADE, related_name="memberships")
    added_at = models.DateTimeField(default=timezone.now)

    class Meta:
        verbose_name = "list member"
        constraints = [
            models.UniqueConstraint(
                fields=["contact_list", "contact"],
                name="one_membership_per_list",
                violation_error_message="The contact is on this list already: there is nothing to add.",
            )
        ]
        indexes = [
            # For double opt-in, which looks each second at those of a list who are new since.
            models.Index(fields=["contact_list", "id"], name="membership_newest"),
        ]

    def __str__(self) -> str:
        return f"{self.contact_id} in {self.contact_list_id}"


class Note(AppendOnly):
    """What a colleague wrote about a contact."""

    contact = models.ForeignKey(Contact, on_delete=models.CASCADE, related_name="notes", db_index=False)
    author = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    text = models.TextField()
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        indexes = [models.Index(fields=["contact", "-at", "-id"], name="note_newest")]

    def __str__(self) -> str:
        return self.text[:60]


class ListCount(models.Model):
    """How many people a list has, and how many of them can be reached how: as of `counted_at`.

    Counted in the background, some thousand members at a time; `so_far` holds what was counted of the next figures.
    """

    contact_list = models.OneToOneField(
        ContactList, on_delete=models.CASCADE, primary_key=True, related_name="figures"
    )
    people = models.PositiveIntegerField(default=0)
    valid = models.PositiveIntegerField(
        default=0, help_text="People with an address in use that is not known to be wrong."
    )
    opted_in = models.JSONField(default=dict, help_text="By channel: people who said yes and not no since.")
    counted_at = models.DateTimeField(null=True)
    so_far = models.JSONField(default=dict)
    next_contact = models.BigIntegerField(default=0, help_text="Contacts with a smaller id are counted.")

    def __str__(self) -> str:
        return f"{self.contact_list_id}: {self.people}"
