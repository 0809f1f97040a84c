"""Look-ups of many numbers at a provider, as records."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils import timezone

from contacts.models import ContactList


class LookupRun(models.Model):
    """The numbers of a list, looked up at a provider: who had it done, at which price, and how far it is."""

    class State(models.TextChoices):
        RUNNING = "running", "Running"
        DONE = "done", "Done"
        STOPPED = "stopped", "Stopped"

    contact_list = models.ForeignKey(
        ContactList,
        models.SET_NULL,
        null=True,
        related_name="lookup_runs",
        help_text="Empty: it was deleted.",
    )
    service = models.CharField(max_length=16, help_text="A key of deliveries/providers/number_lookup.py.")
    cents_per_1000 = models.PositiveIntegerField(help_text="The price that was said before, in US cents.")
    told_before = models.DateTimeField(
        help_text="Numbers of which nothing was told since then are looked up."
    )
    total = models.PositiveIntegerField(help_text="How many numbers that were when it began.")
    position = models.CharField(max_length=254, blank=True, help_text="Numbers up to this one are done.")
    asked = models.PositiveIntegerField(default=0)
    found = models.PositiveIntegerField(default=0, help_text="Of those asked: something is known of them.")
    state = models.CharField(max_length=8, choices=State, default=State.RUNNING)
    why = models.CharField(max_length=200, blank=True, help_text="Why it waits or was stopped.")
    failures = models.PositiveSmallIntegerField(default=0, help_text="Rounds in a row without an answer.")
    not_before = models.DateTimeField(default=timezone.now)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    created_at = models.DateTimeField(default=timezone.now)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name = "look-up of numbers"
        verbose_name_plural = "look-ups of numbers"
        constraints = [
            models.UniqueConstraint(
                fields=["contact_list"], condition=models.Q(state="running"), name="one_lookup_run_for_a_list"
            )
        ]

    def __str__(self) -> str:
        return f"{self.contact_list}, {self.created_at:%Y-%m-%d}"
