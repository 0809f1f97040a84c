"""The tallies: what the report pages read instead of counting messages."""

from __future__ import annotations

from typing import ClassVar

from django.db import models


class TallyDelta(models.Model):
    """A change of the tallies, appended by whatever changed messages and folded into them a moment later.

    Appending instead of upserting keeps recorders from waiting for each other on the few hot rows of a campaign.
    """

    campaign_id = models.BigIntegerField()
    day = models.DateField()
    channel = models.CharField(max_length=8)
    account_id = models.BigIntegerField()
    carrier = models.CharField(max_length=60)
    region = models.CharField(max_length=8)
    list_source_id = models.BigIntegerField()
    status = models.CharField(max_length=12)
    failure_class = models.CharField(max_length=12)
    disposition = models.CharField(max_length=20)
    reason_code = models.CharField(max_length=64)
    n = models.IntegerField()

    class Meta:
        verbose_name = "uncounted change"

    def __str__(self) -> str:
        return f"{self.n:+d} {self.status}"


class Tally(models.Model):
    """A cell: how many rows share its key."""

    KEY: ClassVar[tuple[str, ...]]

    n = models.BigIntegerField(default=0)

    objects = models.Manager()

    class Meta:
        abstract = True


class CarrierTally(Tally):
    """One campaign: by channel, status, class and carrier."""

    campaign_id = models.BigIntegerField()
    channel = models.CharField(max_length=8)
    carrier = models.CharField(max_length=60)
    status = models.CharField(max_length=12)
    failure_class = models.CharField(max_length=12)
    disposition = models.CharField(max_length=20)

    KEY: ClassVar = ("campaign_id", "channel", "carrier", "status", "failure_class", "disposition")

    class Meta:
        verbose_name = "count by carrier"
        verbose_name_plural = "counts by carrier"
        constraints = [
            models.UniqueConstraint(
                fields=["campaign_id", "channel", "carrier", "status", "failure_class", "disposition"],
                name="carrier_tally_key",
            )
        ]

    def __str__(self) -> str:
        return f"{self.campaign_id} {self.channel} {self.carrier} {self.status}: {self.n}"


class SourceTally(Tally):
    """One campaign: by list source and region."""

    campaign_id = models.BigIntegerField()
    list_source_id = models.BigIntegerField()
    region = models.CharField(max_length=8)
    channel = models.CharField(max_length=8)
    disposition = models.CharField(max_length=20)

    KEY: ClassVar = ("campaign_id", "list_source_id", "region", "channel", "disposition")

    class Meta:
        verbose_name = "count by list"
        verbose_name_plural = "counts by list"
        constraints = [
            models.UniqueConstraint(
                fields=["campaign_id", "list_source_id", "region", "channel", "disposition"],
                name="source_tally_key",
            )
        ]

    def __str__(self) -> str:
        return f"{self.campaign_id} {self.list_source_id} {self.region}: {self.n}"


class CodeTally(Tally):
    """One campaign: by the provider's code."""

    campaign_id = models.BigIntegerField()
    channel = models.CharField(max_length=8)
    account_id = models.BigIntegerField()
    reason_code = models.CharField(max_length=64)
    status = models.CharField(max_length=12)
    disposition = models.CharField(max_length=20)

    KEY: ClassVar = ("campaign_id", "channel", "account_id", "reason_code", "status", "disposition")

    class Meta:
        verbose_name = "count by code"
        verbose_name_plural = "counts by code"
        constraints = [
            models.UniqueConstraint(
                fields=["campaign_id", "channel", "account_id", "reason_code", "status", "disposition"],
                name="code_tally_key",
            )
        ]

    def __str__(self) -> str:
        return f"{self.campaign_id} {self.reason_code}: {self.n}"


class DayTally(Tally):
    """All campaigns: by day, channel, account and carrier. The overview reads only this."""

    day = models.DateField()
    channel = models.CharField(max_length=8)
    account_id = models.BigIntegerField()
    carrier = models.CharField(max_length=60)
    disposition = models.CharField(max_length=20)

    KEY: ClassVar = ("day", "channel", "account_id", "carrier", "disposition")

    class Meta:
        verbose_name = "count by day"
        verbose_name_plural = "counts by day"
        constraints = [
            models.UniqueConstraint(
                fields=["day", "channel", "account_id", "carrier", "disposition"], name="day_tally_key"
            )
        ]

    def __str__(self) -> str:
        return f"{self.day} {self.channel} {self.carrier} {self.disposition}: {self.n}"


MESSAGE_TALLIES = (CarrierTally, SourceTally, CodeTally, DayTally)


class RecipientTally(Tally):
    """One campaign: recipients by state, and why those skipped were. The reconciliation strip reads it."""

    campaign_id = models.BigIntegerField()
    state = models.CharField(max_length=8)
    skip_reason = models.CharField(max_length=24)

    KEY: ClassVar = ("campaign_id", "state", "skip_reason")

    class Meta:
        verbose_name = "recipient count"
        constraints = [
            models.UniqueConstraint(
                fields=["campaign_id", "state", "skip_reason"], name="recipient_tally_key"
            )
        ]

    def __str__(self) -> str:
        return f"{self.campaign_id} {self.state}: {self.n}"


class EngagementTally(Tally):
    """One campaign: people by the channel that reached them ('' for none that is known of) and what they did."""

    campaign_id = models.BigIntegerField()
    reached_by = models.CharField(max_length=8)
    deed = models.CharField(max_length=12)

    KEY: ClassVar = ("campaign_id", "reached_by", "deed")

    class Meta:
        verbose_name = "engagement count"
        constraints = [
            models.UniqueConstraint(fields=["campaign_id", "reached_by", "deed"], name="engagement_tally_key")
        ]

    def __str__(self) -> str:
        return f"{self.campaign_id} {self.reached_by} {self.deed}: {self.n}"


class QueueTally(Tally):
    """Entries of the action queues by campaign."""

    campaign_id = models.BigIntegerField()
    queue = models.CharField(max_length=8)

    KEY: ClassVar = ("campaign_id", "queue")

    class Meta:
        verbose_name = "queue count"
        constraints = [models.UniqueConstraint(fields=["campaign_id", "queue"], name="queue_tally_key")]

    def __str__(self) -> str:
        return f"{self.campaign_id} {self.queue}: {self.n}"
