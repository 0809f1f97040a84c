"""Where the short links in a campaign's messages lead."""

from __future__ import annotations

from hashlib import blake2b

from django.db import models

from campaigns.models.campaigns import Campaign


class TrackedLink(models.Model):
    """An address in what a campaign says. It is written once and never changes: links that left go on leading there."""

    campaign = models.ForeignKey(
        Campaign, on_delete=models.CASCADE, related_name="tracked_links", db_index=False
    )
    digest = models.CharField(max_length=32, help_text="Of the address, which is too long for an index.")
    url = models.CharField("address", max_length=2_000)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["campaign", "digest"], name="one_tracked_link_per_address")
        ]

    def __str__(self) -> str:
        return self.url


def digest_of(url: str) -> str:
    return blake2b(url.encode(), digest_size=16).hexdigest()
