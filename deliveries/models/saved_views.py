"""Filters of a list of outcomes that somebody keeps under a name."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone

from campaigns.models import Campaign
from deliveries.statuses import Queue


class SavedViewQuerySet(models.QuerySet):
    def seen_by(self, user_id: int | None) -> SavedViewQuerySet:
        """Their own, and those that are shared. A search stays its owner's, as it may be somebody's number."""
        return self.filter(Q(shared=True) & ~Q(filters__has_key="s") | Q(owner=user_id))

    def of_place(self, campaign_id: int | None, *, queues: bool) -> SavedViewQuerySet:
        """Those of a campaign's report; of none: those of the queues, or of all messages."""
        if campaign_id is not None:
            return self.filter(campaign=campaign_id)
        found = self.filter(campaign=None)
        return found.exclude(queue="") if queues else found.filter(queue="")


class SavedView(models.Model):
    """A list narrowed by filters, under a name: the report of `campaign`, a queue over all campaigns, or all messages.

    `filters`: name of a field -> its value, as the form of that list gives them; periods and the owner "me" stay as
    they are, and mean the moment and the person that looks.
    """

    name = models.CharField(max_length=80)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="saved_views")
    campaign = models.ForeignKey(
        Campaign, models.CASCADE, null=True, blank=True, related_name="saved_views",
        help_text="Empty: of all campaigns.",
    )  # fmt: skip
    queue = models.CharField(
        max_length=8, choices=Queue, blank=True, help_text="Empty: messages, whatever became of them."
    )
    filters = models.JSONField(default=dict)
    shared = models.BooleanField(default=False, help_text="Everybody sees it. Off: only its owner.")
    created_at = models.DateTimeField(default=timezone.now)

    objects = SavedViewQuerySet.as_manager()

    class Meta:
        ordering = ["name", "id"]
        permissions = [("share_savedview", "Can share a saved view with everybody")]
        constraints = [models.UniqueConstraint(fields=["owner", "name"], name="one_saved_view_of_a_name")]

    def __str__(self) -> str:
        return self.name
