"""Audiences that are kept under a name, to be used in campaigns."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone

from campaigns import conditions
from campaigns.conditions import Conditions
from contacts.models import ContactList


class SegmentQuerySet(models.QuerySet):
    def seen_by(self, user_id: int | None) -> SegmentQuerySet:
        """Those that everybody may use, and their own."""
        return self.filter(Q(shared=True) | Q(created_by=user_id))


class Segment(models.Model):
    """Lists and conditions under a name. A campaign that uses it has a copy of both, which no later change reaches."""

    name = models.CharField(max_length=120)
    lists = models.ManyToManyField(ContactList, related_name="segments", blank=True)
    conditions = models.JSONField(default=dict, blank=True, validators=[conditions.validate], editable=False)
    shared = models.BooleanField(default=True, help_text="Everybody may use it. Off: only whoever made it.")
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    created_at = models.DateTimeField(default=timezone.now)
    updated_at = models.DateTimeField(auto_now=True)

    objects = SegmentQuerySet.as_manager()

    class Meta:
        app_label = "campaigns"
        ordering = ["name", "id"]
        constraints = [
            models.UniqueConstraint(
                fields=["name"],
                name="one_segment_per_name",
                violation_error_message="Name: there is a segment called so already; choose another name.",
            )
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def meant(self) -> Conditions:
        return conditions.of(self.conditions)
