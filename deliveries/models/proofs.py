"""What was proven of a sender and of an account: that its mail is authenticated, that receipts come back."""

from __future__ import annotations

import secrets

from django.conf import settings
from django.db import models

from campaigns.models import Sender
from deliveries.models.accounts import Account


def new_nonce() -> str:
    return secrets.token_urlsafe(18)


class DomainCheck(models.Model):
    """What the DNS says of the domain of a From address, the last time that it was asked."""

    sender = models.OneToOneField(Sender, models.CASCADE, primary_key=True, related_name="domain_check")
    asked_at = models.DateTimeField(null=True, help_text="Somebody waits for it since; empty: nobody does.")
    checked_at = models.DateTimeField(null=True, help_text="When the answers came.")
    found = models.JSONField(default=list, help_text="An object for each of SPF, DKIM, DMARC and MX.")

    class Meta:
        app_label = "deliveries"
        indexes = [models.Index(fields=["checked_at"], name="domain_checks_by_age")]

    def __str__(self) -> str:
        return f"DNS of sender {self.sender_id}"


class CallbackTest(models.Model):
    """One callback that we sent to ourselves, signed as the provider signs. No event comes of it."""

    account = models.ForeignKey(Account, models.CASCADE, related_name="callback_tests")
    nonce = models.CharField(max_length=40, unique=True, default=new_nonce)
    asked_at = models.DateTimeField()
    asked_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+")
    sent_at = models.DateTimeField(null=True, help_text="When it was posted; empty: it waits.")
    arrived_at = models.DateTimeField(
        null=True, help_text="When the receiver took it; empty: it did not come."
    )
    trouble = models.CharField(max_length=300, blank=True, help_text="Why it did not arrive, in a sentence.")

    class Meta:
        app_label = "deliveries"
        indexes = [
            models.Index(fields=["id"], name="callback_tests_waiting", condition=models.Q(sent_at=None)),
        ]

    def __str__(self) -> str:
        return f"Test callback {self.pk} of account {self.account_id}"
