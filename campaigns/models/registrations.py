"""What a sender is registered as, country by country, and everything that was ever said of it."""

from __future__ import annotations

from datetime import date

from django.conf import settings
from django.db import models

from campaigns.models.senders import Sender


class Registration(models.Model):
    """One thing that carriers, mailbox providers or authorities ask of a sender, and where that stands."""

    class Kind(models.TextChoices):
        BRAND = "brand_10dlc", "10DLC brand"
        CAMPAIGN = "campaign_10dlc", "10DLC campaign"
        CARRIER = "carrier", "Carrier approval"
        TOLL_FREE = "toll_free", "Toll-free verification"
        SHORT_CODE = "short_code", "Short code approval"
        SENDER_ID = "sender_id", "Sender ID registration"
        STIR_SHAKEN = "stir_shaken", "STIR/SHAKEN attestation"
        SPF = "spf", "SPF"
        DKIM = "dkim", "DKIM"
        DMARC = "dmarc", "DMARC"

    class State(models.TextChoices):
        NEEDED = "needed", "Needed"
        SUBMITTED = "submitted", "Submitted"
        APPROVED = "approved", "Approved"
        REJECTED = "rejected", "Rejected"
        EXPIRED = "expired", "Expired"
        NOT_NEEDED = "not_needed", "Not needed here"

    sender = models.ForeignKey(Sender, models.CASCADE, related_name="registrations")
    kind = models.CharField(max_length=16, choices=Kind)
    country = models.CharField(
        max_length=2, blank=True, help_text="Such as US. Empty: wherever it is sent to."
    )
    carrier = models.CharField(max_length=60, blank=True, help_text="Of a carrier's approval: which carrier.")
    state = models.CharField(max_length=12, choices=State, default=State.NEEDED)
    reference = models.CharField(
        max_length=120, blank=True, help_text="Its number or name there, such as the campaign's id."
    )
    submitted_on = models.DateField(null=True, blank=True)
    decided_on = models.DateField(null=True, blank=True)
    expires_on = models.DateField(
        null=True, blank=True, help_text="The last day on which it holds. Empty: no end."
    )
    note = models.CharField(max_length=300, blank=True)
    changed_at = models.DateTimeField()

    class Meta:
        app_label = "campaigns"
        permissions = [("request_registration", "Can ask for a registration")]
        constraints = [
            models.UniqueConstraint(
                fields=["sender", "kind", "country", "carrier"],
                name="one_registration_of_a_kind",
                violation_error_message="Kind: this sender has it for that country already; change that one instead.",
            )
        ]
        indexes = [models.Index(fields=["expires_on"], name="registrations_by_end")]

    def __str__(self) -> str:
        return self.words

    @property
    def words(self) -> str:
        """As "10DLC campaign (US)"."""
        where = ", ".join(filter(None, [self.country, self.carrier]))
        return f"{self.get_kind_display()} ({where})" if where else self.get_kind_display()

    def state_on(self, day: date) -> str:
        """Its state, an approval that has run out as expired."""
        over = self.state == self.State.APPROVED and self.expires_on is not None and self.expires_on < day
        return self.State.EXPIRED.value if over else self.state


class RegistrationChange(models.Model):
    """What a registration, or the state of a sender, was changed to. Written once."""

    sender = models.ForeignKey(Sender, models.CASCADE, related_name="registration_changes")
    registration = models.ForeignKey(
        Registration,
        models.CASCADE,
        null=True,
        related_name="changes",
        help_text="None: of the sender itself.",
    )
    at = models.DateTimeField()
    by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.PROTECT,
        null=True,
        related_name="+",
        help_text="None: Waybill itself.",
    )
    state_before = models.CharField(max_length=16, blank=True)
    state = models.CharField(max_length=16)
    reference = models.CharField(max_length=120, blank=True)
    submitted_on = models.DateField(null=True)
    decided_on = models.DateField(null=True)
    expires_on = models.DateField(null=True)
    note = models.CharField(max_length=300, blank=True)

    class Meta:
        app_label = "campaigns"
        ordering = ["-pk"]

    def __str__(self) -> str:
        return f"{self.subject}: {self.state_words}"

    @property
    def subject(self) -> str:
        return self.registration.words if self.registration else "Sender"

    @property
    def state_words(self) -> str:
        choices: type[models.TextChoices] = Registration.State if self.registration_id else Sender.State
        return str(choices(self.state).label)
