"""What became of the people that a list source or an import brought in, as it was counted last."""

from __future__ import annotations

from django.db import models

from contacts.models import ContactImport, ContactList


class PeopleFigures(models.Model):
    """How many people came from somewhere, and of how many of them which is true: as of `counted_at`.

    Of people, not of messages: a person counts once, however often they were written to. Which is which stands in
    `deliveries/ledger/source_figures.py`. Counted in the background, some thousand people at a time; `so_far` holds
    what was counted of the next figures.
    """

    people = models.PositiveIntegerField(default=0)
    valid = models.PositiveIntegerField(default=0)
    with_result = models.PositiveIntegerField(default=0)
    delivered = models.PositiveIntegerField(default=0)
    hard_fails = models.PositiveIntegerField(default=0)
    complaints = models.PositiveIntegerField(default=0)
    opt_outs = models.PositiveIntegerField(default=0)
    counted_at = models.DateTimeField(null=True)
    so_far = models.JSONField(default=dict)
    next_contact = models.BigIntegerField(default=0, help_text="Contacts with a smaller id are counted.")

    class Meta:
        abstract = True


class SourceFigures(PeopleFigures):
    contact_list = models.OneToOneField(
        ContactList, on_delete=models.CASCADE, primary_key=True, related_name="source_figures"
    )

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"source {self.contact_list_id}: {self.people}"


class ImportFigures(PeopleFigures):
    contact_import = models.OneToOneField(
        ContactImport, on_delete=models.CASCADE, primary_key=True, related_name="figures"
    )

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"import {self.contact_import_id}: {self.people}"
