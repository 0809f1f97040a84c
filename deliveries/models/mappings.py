"""The code tables as published, which codes providers reported, and what is odd about it."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone

from contacts.channels import Channel
from deliveries.statuses import Evidence, FailureClass, Fault, Status


class MappingVersion(models.Model):
    """One state of all code tables. Versions follow each other; one that was published never changes again."""

    class State(models.TextChoices):
        DRAFT = "draft", "Draft"
        PUBLISHED = "published", "Published"

    class Origin(models.TextChoices):
        SHIPPED = "shipped", "Came with the product"
        STAFF = "staff", "Edited here"
        UNDO = "undo", "Undoes another"

    number = models.PositiveIntegerField(primary_key=True)
    state = models.CharField(max_length=9, choices=State, default=State.DRAFT)
    origin = models.CharField(max_length=7, choices=Origin, default=Origin.STAFF)
    note = models.CharField(max_length=300, blank=True, help_text="Why; shown wherever the version is.")
    digest = models.CharField(max_length=64, blank=True, help_text="Of the files it was loaded from.")
    undoes = models.OneToOneField(
        "self", models.PROTECT, null=True, blank=True, related_name="undone_by", db_constraint=False
    )
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+"
    )
    created_at = models.DateTimeField(default=timezone.now)
    published_at = models.DateTimeField(null=True, blank=True)
    # What publishing would change, or has changed: the counts of `replay_preview.Difference`, and how far it got.
    preview = models.JSONField(default=dict, blank=True)
    previewed_at = models.DateTimeField(null=True, blank=True)
    replayed_to = models.BigIntegerField(default=0, help_text="The last message looked at.")
    replay_to = models.BigIntegerField(default=0, help_text="The last message to look at; 0: nothing to do.")
    changed = models.PositiveBigIntegerField(default=0, help_text="Messages whose outcome changed so far.")
    replayed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-number"]
        constraints = [
            models.UniqueConstraint(
                fields=["state"], condition=Q(state="draft"), name="one_draft_of_the_mapping"
            )
        ]

    def __str__(self) -> str:
        return f"version {self.number}"

    @property
    def replaying(self) -> bool:
        return self.replayed_to < self.replay_to


class CodeMapping(models.Model):
    """A row of a code table, in force from version `since` until version `until` replaced or removed it."""

    class Kind(models.TextChoices):
        STATUS = "status", "What became of it"
        ERROR = "error", "Why"

    table = models.CharField(max_length=24, help_text="A provider, or a standard that several of them share.")
    channel = models.CharField(max_length=8, choices=Channel)
    kind = models.CharField(max_length=6, choices=Kind)
    code = models.CharField(max_length=64)
    key = models.CharField(max_length=64, editable=False, help_text="The code in lower case.")
    name = models.CharField(max_length=120, blank=True)
    meaning = models.CharField(max_length=400, blank=True)
    status = models.CharField(max_length=12, choices=Status)
    failure_class = models.CharField(max_length=12, choices=FailureClass)
    fault = models.CharField(max_length=12, choices=Fault)
    verified = models.BooleanField(
        default=True, help_text="Only then may it count against a contact's address."
    )
    since = models.ForeignKey(MappingVersion, models.CASCADE, related_name="brought", db_constraint=False)
    until = models.ForeignKey(
        MappingVersion, models.SET_NULL, null=True, related_name="ended", db_constraint=False
    )

    class Meta:
        ordering = ["table", "channel", "-kind", "code"]
        constraints = [
            models.UniqueConstraint(
                fields=["table", "channel", "kind", "key", "since"], name="one_row_for_a_code_and_version"
            )
        ]

    def __str__(self) -> str:
        return f"{self.table} {self.channel} {self.code}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        self.key = self.code.lower()
        super().save(*args, **kwargs)


class CodeOccurrence(models.Model):
    """Words that a batch of receipts brought, appended by the recorder and folded into the two tables below."""

    account_id = models.BigIntegerField()
    channel = models.CharField(max_length=8)
    native_status = models.CharField(max_length=64)
    native_code = models.CharField(max_length=64)
    known = models.BooleanField()
    contradicts = models.BooleanField()
    receipt_id = models.BigIntegerField(null=True)
    at = models.DateTimeField()
    n = models.PositiveIntegerField()

    def __str__(self) -> str:
        return f"{self.native_status} {self.native_code}: {self.n}"


class LineNote(models.Model):
    """What a batch of receipts reports of the lines of numbers, appended by the recorder and soon taken over.

    `facts` is a list of [message, when, network, carrier, line type]; when in ISO 8601, '' for what was not told.
    """

    at = models.DateTimeField()
    facts = models.JSONField()

    def __str__(self) -> str:
        return f"{len(self.facts)} of {self.at}"


class SeenCode(models.Model):
    """A pair of words that one account's provider has used: since when, how often, with an example."""

    account_id = models.BigIntegerField()
    channel = models.CharField(max_length=8, choices=Channel)
    native_status = models.CharField(max_length=64, blank=True)
    native_code = models.CharField(max_length=64, blank=True)
    known = models.BooleanField(help_text="Whether a code table lists both words.")
    contradicts = models.BooleanField(help_text="The status says one thing and the code another.")
    n = models.PositiveBigIntegerField(default=0)
    first_seen_at = models.DateTimeField()
    last_seen_at = models.DateTimeField()
    receipt_id = models.BigIntegerField(null=True, help_text="An example.")

    class Meta:
        ordering = ["-last_seen_at"]
        constraints = [
            models.UniqueConstraint(
                fields=["account_id", "channel", "native_status", "native_code"],
                name="one_row_for_seen_words",
            )
        ]
        indexes = [
            models.Index(fields=["-n"], name="seen_code_unknown", condition=Q(known=False)),
        ]

    def __str__(self) -> str:
        return f"{self.native_status} {self.native_code}".strip()


class CodeDay(models.Model):
    """How often an account's provider used a code on one day, and what became of the next attempt."""

    account_id = models.BigIntegerField()
    channel = models.CharField(max_length=8)
    code = models.CharField(max_length=64, help_text="The error code, else the status word.")
    day = models.DateField()
    n = models.PositiveBigIntegerField(default=0)
    followed = models.PositiveIntegerField(
        default=0,
        help_text="Messages that failed with it and were tried again, by the day of the next attempt.",
    )
    then_delivered = models.PositiveIntegerField(default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["day", "account_id", "channel", "code"], name="one_row_for_a_code_and_day"
            )
        ]

    def __str__(self) -> str:
        return f"{self.day} {self.code}: {self.n}"


class CodeAlarm(models.Model):
    """Something about a provider's words that somebody should look at. One open alarm for each thing."""

    class Kind(models.TextChoices):
        UNKNOWN = "unknown", "Unrecognised code"
        NEW = "new", "Code never seen before on this account"
        SHARE = "share", "Its share changed"
        CONSEQUENCE = "consequence", "The results that follow it changed"
        CONTRADICTION = "contradiction", "Status and code contradict each other"

    kind = models.CharField(max_length=13, choices=Kind)
    account_id = models.BigIntegerField()
    channel = models.CharField(max_length=8, choices=Channel)
    code = models.CharField(max_length=64)
    sentence = models.CharField(max_length=300)
    raised_at = models.DateTimeField(default=timezone.now)
    closed_at = models.DateTimeField(null=True, blank=True)
    closed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+"
    )

    class Meta:
        ordering = ["-raised_at"]
        constraints = [
            models.UniqueConstraint(
                fields=["kind", "account_id", "channel", "code"],
                condition=Q(closed_at=None),
                name="one_open_alarm_for_a_code",
            )
        ]

    def __str__(self) -> str:
        return self.sentence


class RouteEvidence(models.Model):
    """What a carrier's "delivered" proves on some routes: where no handset answers, it is handed over at best."""

    channel = models.CharField(max_length=8, choices=Channel)
    provider = models.CharField(max_length=24, blank=True, help_text="Empty: any.")
    country = models.CharField(max_length=2, blank=True, help_text="ISO code such as US; empty: any.")
    carrier = models.CharField(max_length=60, blank=True, help_text="As on the report; empty: any.")
    evidence = models.CharField(
        max_length=12,
        choices=[(e.value, e.label) for e in (Evidence.ASSUMED, Evidence.HANDED_OVER)],
        default=Evidence.HANDED_OVER,
    )
    note = models.CharField(max_length=200, blank=True)

    class Meta:
        verbose_name_plural = "route evidence"
        constraints = [
            models.UniqueConstraint(
                fields=["channel", "provider", "country", "carrier"], name="one_evidence_for_a_route"
            )
        ]

    def __str__(self) -> str:
        where = " ".join(filter(None, [self.provider, self.country, self.carrier])) or "anywhere"
        return f"{self.channel} {where}: {self.evidence}"


class Backscatter(models.Model):
    """A report about mail that we never sent. It concerns no contact; many of them mean that somebody forges us."""

    account_id = models.BigIntegerField()
    receipt_id = models.BigIntegerField(null=True)
    address = models.CharField(max_length=254, blank=True)
    text = models.CharField(max_length=300)
    at = models.DateTimeField()

    class Meta:
        verbose_name = "backscatter report"
        ordering = ["-at"]
        indexes = [models.Index(fields=["-at", "-id"], name="backscatter_newest")]
        constraints = [
            models.UniqueConstraint(fields=["receipt_id", "address"], name="one_backscatter_report_each")
        ]

    def __str__(self) -> str:
        return self.text
