"""What pages read instead of the messages: the index of failures, and counts."""

from __future__ import annotations

from django.contrib import admin
from django.http import HttpRequest
from django.utils.safestring import SafeString

from campaigns.admin import NewestCampaignsFilter, RawRecord
from deliveries import models
from deliveries.admin.pills import pill


@admin.register(models.FailureIndex)
class FailureIndexAdmin(RawRecord):
    list_display = ("message_id", "campaign", "channel", "outcome", "reason_code", "carrier", "at")
    list_select_related = ("campaign",)
    list_filter = (NewestCampaignsFilter,)

    def get_ordering(self, request: HttpRequest) -> tuple[str, ...]:
        """A campaign's as its index has them: it may have a million."""
        return ("disposition", "-message_id") if "campaign" in request.GET else self.ordering

    @admin.display(description="status")
    def outcome(self, failure: models.FailureIndex) -> SafeString:
        return pill(failure.disposition, failure.get_status_display())


@admin.register(models.TallyDelta)
class TallyDeltaAdmin(RawRecord):
    list_display = ("id", "n", "campaign_id", "day", "channel", "status", "disposition", "reason_code")


class TallyAdmin(RawRecord):
    """Every column of the tally's key, and its count."""

    def get_list_display(self, request: HttpRequest) -> tuple[str, ...]:
        return ("id", *self.model.KEY, "n")


admin.site.register(
    [*models.MESSAGE_TALLIES, models.RecipientTally, models.EngagementTally, models.QueueTally], TallyAdmin
)
