"""Where messages are handed over and whose receipts come in."""

from __future__ import annotations

import logging
import secrets
from typing import Any

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.utils import timezone

from campaigns.models import Pace, Sender
from campaigns.rates import account_key
from deliveries.credentials import CredentialsUnreadable, EncryptedJSONField
from deliveries.providers import PROVIDERS
from deliveries.providers.base import Unsigned

logger = logging.getLogger(__name__)
unreadable: set[int] = set()  # accounts that this process has logged as such

URL_SECRET_FIELD = Unsigned.proof_field


def new_token() -> str:
    return secrets.token_urlsafe(18)


class AccountQuerySet(models.QuerySet["Account"]):
    def providers(self) -> dict[int, str]:
        """Account id -> the slug of its provider, to read native codes by. One query."""
        return dict(self.values_list("pk", "provider"))

    def readable(self) -> list[Account]:
        """Those whose credentials can be read. One by one: an account whose credentials cannot holds up no other."""
        found: list[Account] = []
        for pk in self.values_list("pk", flat=True):
            try:
                found.append(self.get(pk=pk))
            except CredentialsUnreadable as problem:
                if pk not in unreadable:  # whoever sends asks every second
                    logger.error("Account %d sends nothing: %s", pk, problem)
                unreadable.add(pk)
        return found

    def names(self) -> dict[int, str]:
        """Account id -> its name. One query."""
        return dict(self.values_list("pk", "name"))


class Account(models.Model):
    """One account at one provider: where messages are handed over and whose receipts come in."""

    name = models.CharField(max_length=80, unique=True)
    provider = models.CharField(max_length=24, help_text="A slug of deliveries/providers.")
    token = models.CharField(
        max_length=40,
        unique=True,
        default=new_token,
        help_text="Part of the address its receipts are sent to.",
    )
    credentials: models.Field[Any, Any] = EncryptedJSONField(default=dict, blank=True)
    channels = models.JSONField(default=list, help_text="Channels handed over here.")
    senders = models.ManyToManyField(Sender, blank=True, related_name="accounts")
    rank = models.PositiveSmallIntegerField(
        default=10, help_text="Among accounts for a channel the lowest is used."
    )
    at_a_time = models.PositiveSmallIntegerField(
        "calls at a time",
        null=True,
        blank=True,
        validators=[MinValueValidator(1), MaxValueValidator(1_000)],
        help_text="How many messages one sending process hands over at the same time; empty: as suits the provider.",
    )
    per_second = models.FloatField(
        "at most a second",
        null=True,
        blank=True,
        validators=[MinValueValidator(0.01), MaxValueValidator(10_000)],
        help_text="On each channel, all senders together; a text counts as its segments. Empty: as the provider says.",
    )
    active = models.BooleanField(default=True)
    paused_until = models.DateTimeField(
        null=True,
        blank=True,
        help_text="Nothing is handed over before: an outage, or the provider asked us to wait.",
    )
    failures = models.PositiveSmallIntegerField(
        default=0, editable=False, help_text="Handovers failed in a row."
    )
    forged = models.PositiveIntegerField(
        default=0, editable=False, help_text="Callbacks refused for their signature."
    )
    forged_at = models.DateTimeField(null=True, editable=False)
    receipt_at = models.DateTimeField(
        "last receipt",
        null=True,
        editable=False,
        help_text="When its last verified receipt came, to the minute.",
    )
    created_at = models.DateTimeField(default=timezone.now)

    objects = AccountQuerySet.as_manager()

    class Meta:
        verbose_name = "provider account"
        ordering = ["rank", "id"]

    def __str__(self) -> str:
        return self.name

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Where a provider signs nothing, a secret in the address stands in for it from the first moment."""
        adapter = PROVIDERS.get(self.provider)
        unsigned = adapter is not None and adapter.proof_field == URL_SECRET_FIELD
        if unsigned and "credentials" not in self.get_deferred_fields():
            self.credentials = {URL_SECRET_FIELD: new_token(), **self.credentials}
        super().save(*args, **kwargs)

    @property
    def calls_at_a_time(self) -> int:
        adapter = PROVIDERS.get(self.provider)
        return self.at_a_time or (adapter.at_a_time if adapter else 1)

    @property
    def is_paused(self) -> bool:
        return self.paused_until is not None and self.paused_until > timezone.now()

    def resume(self) -> None:
        """Hand messages over again at once, whoever or whatever paused it; what it refused, one to begin with."""
        Account.objects.filter(pk=self.pk).update(paused_until=None, failures=0)
        Pace.objects.filter(pk=account_key(self.pk, "")).delete()
        self.alarms.filter(closed_at=None, until__isnull=False).update(until=timezone.now())

    @property
    def lacking(self) -> list[str]:
        """The labels of what its provider needs to send and nobody has set yet."""
        adapter = PROVIDERS.get(self.provider)
        fields = adapter.credential_fields if adapter else {}
        return [label for name, label in fields.items() if not self.credentials.get(name)]

    @property
    def is_ready(self) -> bool:
        """Whether anything can be handed over here: without its credentials nothing can have left."""
        return self.provider in PROVIDERS and not self.lacking
