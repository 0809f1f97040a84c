"""What a message costs, as far as anybody has said."""

from __future__ import annotations

from django.core.validators import MinValueValidator, RegexValidator
from django.db import models
from django.utils import timezone

from contacts.channels import Channel

# Kinds of senders as campaigns/rates.py calls them: what providers have prices of their own for.
KINDS = [
    ("", "Any sender"),
    ("long_code_us", "US or Canadian number"),
    ("long_code", "Number outside of the USA and Canada"),
    ("toll_free", "Toll-free number"),
    ("short_code", "Short code"),
    ("alphanumeric", "Name"),
]


class Price(models.Model):
    """Of a segment by SMS, of a minute by voice, of a message otherwise. The most particular line counts."""

    channel = models.CharField(max_length=8, choices=Channel)
    country = models.CharField(
        max_length=2,
        blank=True,
        validators=[
            RegexValidator(r"^[A-Z]{2}$", "Two capitals, such as US; empty for every other country.")
        ],
        help_text="Two capitals, such as US. Empty: every country without a line of its own.",
    )
    sender_kind = models.CharField("sender", max_length=16, choices=KINDS, blank=True)
    amount = models.DecimalField(
        max_digits=10,
        decimal_places=5,
        validators=[MinValueValidator(0)],
        help_text="Of a segment by SMS, of a minute by voice, of a message otherwise; with the carriers' fees.",
    )
    currency = models.CharField(
        max_length=3,
        default="USD",
        validators=[RegexValidator(r"^[A-Z]{3}$", "Three capitals, such as USD.")],
    )
    is_example = models.BooleanField(
        "example", default=False, editable=False, help_text="Nobody has compared it with the contract yet."
    )
    changed_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ["channel", "country", "sender_kind"]
        constraints = [
            models.UniqueConstraint(
                fields=["channel", "country", "sender_kind"],
                name="one_price",
                violation_error_message="There is such a price already: change that one.",
            )
        ]

    def __str__(self) -> str:
        return f"{self.get_channel_display()}, {self.country or 'other countries'}: {self.amount} {self.currency}"
