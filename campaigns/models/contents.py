"""What a campaign says, for each channel."""

from __future__ import annotations

from django.core.exceptions import ValidationError
from django.db import models

from campaigns import links, merging
from campaigns.media import validate_web_address
from campaigns.models.campaigns import Campaign
from campaigns.models.senders import Sender
from contacts.channels import Channel

TRACKED = (Channel.SMS, Channel.MMS, Channel.EMAIL)  # what is read; what is spoken has no links


class Content(models.Model):
    """What a campaign says on one channel. `{first_name}` and the like are filled in for each recipient."""

    campaign = models.ForeignKey(Campaign, on_delete=models.CASCADE, related_name="contents", db_index=False)
    channel = models.CharField(max_length=8, choices=Channel)
    version = models.PositiveSmallIntegerField(default=1, editable=False)
    sender = models.ForeignKey(Sender, on_delete=models.PROTECT, related_name="contents")
    subject = models.CharField(max_length=200, blank=True, help_text="Email only.")
    body = models.TextField(help_text="Merge fields: {name}, {first_name} and the contacts' own attributes.")
    media_url = models.URLField(
        blank=True,
        validators=[validate_web_address],
        help_text="MMS picture, or the recording to play on voice and voicemail.",
    )

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

    @property
    def tracked_addresses(self) -> list[str]:
        """The addresses in it that leave as short links of ours, where its campaign counts clicks."""
        return links.trackable(self.body) if self.channel in TRACKED else []

    @property
    def counted_links(self) -> dict[str, str]:
        """Something as long as the short link that stands for each address, for counting. Reads the campaign."""
        counts = self.channel in TRACKED and self.campaign.track_links
        return links.placeholders(self.body) if counts else {}

    @property
    def counted_body(self) -> str:
        """The text as long as it leaves, its merge fields not filled in. Reads the campaign."""
        return links.replaced(self.body, self.counted_links)

    def clean(self) -> None:
        if self.sender_id and self.sender.channel != self.channel:
            raise ValidationError({"sender": f"This sender is for {self.sender.get_channel_display()}."})
        if self.channel == Channel.EMAIL and not self.subject:
            raise ValidationError({"subject": "An email needs a subject."})
        for field in ("subject", "body"):
            faults = merging.faults(getattr(self, field))
            if faults:
                raise ValidationError({field: faults})
