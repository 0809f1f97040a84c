"""Which lists ask those who join them to confirm that they agreed."""

from __future__ import annotations

from django.db import models
from django.utils import timezone

from contacts.channels import Channel
from contacts.models.people import ContactList


class DoubleOptIn(models.Model):
    """A list that asks, on one channel, whoever joins it from `since` on, and those of before where somebody
    wants them asked, too. `contacts.opt_ins` and `contacts.asking_members` say what that means."""

    CHANNELS = [(Channel.SMS.value, "SMS"), (Channel.EMAIL.value, "Email")]

    contact_list = models.ForeignKey(
        ContactList, on_delete=models.CASCADE, related_name="double_opt_ins", db_index=False
    )
    channel = models.CharField(max_length=8, choices=CHANNELS)
    sender_value = models.CharField(max_length=254, help_text="The number or From address of ours that asks.")
    since = models.DateTimeField(
        default=timezone.now,
        help_text="Whoever joined since waits until they confirm; who was there before does not.",
    )
    asks_from = models.DateTimeField(
        null=True, help_text="Who joined since then is asked, where that is not the same."
    )
    looked_until = models.BigIntegerField(default=0, help_text="Memberships up to this id were looked at.")
    begun_at = models.DateTimeField(
        default=timezone.now, help_text="When it was last begun to look at them all."
    )

    answers = models.JSONField(
        default=dict,
        help_text="What those whom it asked had answered when they were counted last, if many.",
    )
    counted_at = models.DateTimeField(null=True, help_text="When that was looked at last.")

    class Meta:
        verbose_name = "double opt-in"
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(fields=["contact_list", "channel"], name="one_double_opt_in_per_channel")
        ]

    def __str__(self) -> str:
        return f"{self.contact_list_id} by {self.channel}"
