"""What a campaign says, for each channel."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import models, transaction
from django.utils import timezone

from accounts.models import User
from campaigns import links, merging
from campaigns.media import validate_web_address
from campaigns.models.campaigns import Campaign
from campaigns.models.senders import Sender
from contacts.channels import Channel

TRACKED = (Channel.SMS, Channel.MMS, Channel.EMAIL)  # what is read; what is spoken has no links
# What a version is kept of.
WORDING = ("sender_id", "subject", "body", "html", "media_url", "key_more", "key_stop", "on_machine")


class OnMachine(models.TextChoices):
    """What a call does when a machine answers."""

    SPEAK = "speak", "Leave the message"
    HANG_UP = "hang_up", "Hang up"


class CallSettings(models.Model):
    """What a call does beside speaking; of other channels it says nothing."""

    key_more = models.CharField("key for more", max_length=1, blank=True, default="", db_default="")
    key_stop = models.CharField("key that ends such calls", max_length=1, default="9", db_default="9")
    on_machine = models.CharField(
        "when a machine answers", max_length=8, choices=OnMachine, default=OnMachine.SPEAK, db_default="speak"
    )

    class Meta:
        abstract = True


class Content(CallSettings):
    """What a campaign says on one channel. `{first_name}` and the like are filled in for each recipient."""

    campaign = models.ForeignKey(Campaign, on_delete=models.CASCADE, related_name="contents", db_index=False)
    channel = models.CharField(max_length=8, choices=Channel)
    version = models.PositiveSmallIntegerField(default=1, editable=False)
    sender = models.ForeignKey(Sender, on_delete=models.PROTECT, related_name="contents")
    subject = models.CharField(max_length=200, blank=True, help_text="Email only.")
    body = models.TextField(help_text="Merge fields: {name}, {first_name} and the contacts' own attributes.")
    html = models.TextField(
        "HTML", blank=True, help_text="Email only: what programs show that read HTML, beside the text."
    )
    media_url = models.URLField(
        blank=True,
        validators=[validate_web_address],
        help_text="MMS picture, or the recording to play on voice and voicemail.",
    )

    changed_by: User | None = None  # who makes the next version of it; no column

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["campaign", "channel"],
                name="one_content_per_channel",
                violation_error_message=(
                    "Channel: the campaign has content for this one already; change that, or choose another channel."
                ),
            )
        ]

    def __str__(self) -> str:
        return f"{self.campaign}: {self.get_channel_display()}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        """A wording that messages left with is kept, and a change of it is the next version.

        Of a draft nothing has left, so that its text changes without a trace.
        """
        with transaction.atomic():
            launched = self._lock_campaign() != Campaign.State.DRAFT
            if not self._state.adding and self._next_version(keep=launched) and kwargs.get("update_fields"):
                kwargs["update_fields"] = {*kwargs["update_fields"], "version"}
            super().save(*args, **kwargs)
            if launched:
                self.keep(self.changed_by)

    @property
    def tracked_addresses(self) -> list[str]:
        """The addresses in it that leave as short links of ours, where its campaign counts clicks."""
        if self.channel not in TRACKED:
            return []
        return list(dict.fromkeys([*links.trackable(self.body), *links.trackable_in_html(self.html)]))

    @property
    def counted_links(self) -> dict[str, str]:
        """Something as long as the short link that stands for each address, for counting. Reads the campaign."""
        counts = self.channel in TRACKED and self.campaign.track_links
        return links.placeholders(self.body) if counts else {}

    @property
    def counted_body(self) -> str:
        """The text as long as it leaves, its merge fields not filled in. Reads the campaign."""
        return links.replaced(self.body, self.counted_links)

    def keep(self, by: User | None = None) -> None:
        """Keep the wording of today as the row of its number, once."""
        wording = {name: getattr(self, name) for name in WORDING}
        self.versions.get_or_create(number=self.version, defaults={**wording, "made_by": by})

    def _lock_campaign(self) -> str:
        """Its state, which no launch changes until this transaction ends."""
        campaigns = Campaign.objects.select_for_update().filter(pk=self.campaign_id)
        return campaigns.values_list("state", flat=True).first() or Campaign.State.DRAFT

    def _next_version(self, *, keep: bool) -> bool:
        """Whether the wording is not the one kept under its number, and therefore has the next."""
        before = Content.objects.filter(pk=self.pk).first()
        if before is None:
            return False
        if keep:
            before.keep()
        self.version = before.version
        kept = self.versions.filter(number=before.version).first()
        if kept is None or all(getattr(kept, name) == getattr(self, name) for name in WORDING):
            return False
        self.version = before.version + 1
        return True

    def clean(self) -> None:
        self.body = self.body.replace("\r\n", "\n")  # as browsers send it: two characters of a text message
        if self.sender_id and self.sender.channel != self.channel:
            raise ValidationError({"sender": f"This sender is for {self.sender.get_channel_display()}."})
        if self.channel == Channel.EMAIL and not self.subject:
            raise ValidationError({"subject": "An email needs a subject."})
        for field in ("subject", "body"):
            faults = merging.faults(getattr(self, field))
            if faults:
                raise ValidationError({field: faults})


class ContentVersion(CallSettings):
    """What a content said while it had this number; `Message.content_version` names it. Never changed."""

    content = models.ForeignKey(Content, models.CASCADE, related_name="versions", db_index=False)
    number = models.PositiveSmallIntegerField()
    sender = models.ForeignKey(Sender, models.PROTECT, related_name="+")
    subject = models.CharField(max_length=200, blank=True)
    body = models.TextField()
    html = models.TextField(blank=True)
    media_url = models.URLField(blank=True)
    made_at = models.DateTimeField(default=timezone.now)
    made_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )

    class Meta:
        ordering = ["number"]
        constraints = [models.UniqueConstraint(fields=["content", "number"], name="one_content_version")]

    def __str__(self) -> str:
        return f"{self.content}, version {self.number}"
