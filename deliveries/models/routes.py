"""Which accounts and senders messages leave by, in order, and what is wrong with one of them now."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar

from django.core.exceptions import ValidationError
from django.core.validators import RegexValidator
from django.db import models
from django.db.models import Q

from campaigns.models import Priority, Sender
from contacts.channels import Channel
from deliveries.credentials import CredentialsUnreadable
from deliveries.models.accounts import Account
from deliveries.models.tallies import Tally


class Route(models.Model):
    """One entry of an ordered list: by which account, from which sender, messages of one kind leave.

    Of the lists of a channel the most exact one counts, and it alone: country and priority, the country, the priority,
    the channel. Where there is none, the account that owns the sender is used, then the lowest rank.
    """

    channel = models.CharField(max_length=8, choices=Channel)
    country = models.CharField(
        max_length=2,
        blank=True,
        validators=[
            RegexValidator(r"^[A-Z]{2}$", "Two capital letters, such as US; empty for every country.")
        ],
        help_text="Of the recipient's number: two capital letters, such as US. Empty: every country without a list.",
    )
    priority = models.CharField(
        max_length=8,
        choices=Priority,
        blank=True,
        help_text="Of the campaign. Empty: urgent and normal ones.",
    )
    position = models.PositiveSmallIntegerField(
        default=1, help_text="The lowest is used; the next when that one rests or refuses."
    )
    account = models.ForeignKey(Account, models.PROTECT, related_name="routes")
    sender = models.ForeignKey(
        Sender,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="routes",
        help_text="Empty: the sender of the campaign's content.",
    )

    class Meta:
        ordering = ["channel", "country", "priority", "position", "id"]
        constraints = [
            models.UniqueConstraint(
                fields=["channel", "country", "priority", "position"],
                name="one_route_at_a_position",
                violation_error_message="Position: that place in this list is taken. Choose another number.",
            )
        ]

    def __str__(self) -> str:
        kind = " ".join(filter(None, [Channel(self.channel).label, self.country, self.priority]))
        return f"{kind}, {self.position}: {self.account}"

    def clean(self) -> None:
        """Raises ValidationError for whatever could not send, and says what to do about it."""
        errors = {}
        label = Channel(self.channel).label if self.channel in Channel.values else ""
        if self.account_id and label and (problem := self._problem_of_account(label)):
            errors["account"] = problem
        if self.sender_id and self.sender and label and (problem := self._problem_of_sender(label)):
            errors["sender"] = problem
        if errors:
            raise ValidationError(errors)

    def _problem_of_account(self, label: str) -> str:
        if self.channel not in self.account.channels:
            return f"{self.account} does not send {label}: choose another, or add the channel to the account."
        try:
            lacking = self.account.lacking
        except CredentialsUnreadable as problem:
            return str(problem)
        if lacking or not self.account.is_ready:
            what = ", ".join(lacking) or "a provider that Waybill knows"
            return f"{self.account} lacks {what}: enter it on the account's page first."
        return ""

    def _problem_of_sender(self, label: str) -> str:
        assert self.sender is not None
        if self.sender.channel != self.channel:
            return f"This sender is for {self.sender.get_channel_display()}: choose one for {label}."
        if not self.sender.may_send:
            state = self.sender.get_state_display().lower()
            return f"{self.sender.value} is {state}: choose one that is approved, or come back once it is."
        return ""


class RouteAlarm(models.Model):
    """What is wrong with an account, or with a sender there. One open at most for each cause; it closes by itself.

    A working fallback closes nothing: the alarm stands until the account itself takes messages again.
    """

    class Kind(models.TextChoices):
        RESTS = "rests", "Rests"
        OFF = "off", "Switched off"
        REFUSES = "refuses", "Refuses"
        SLOW = "slow", "Slow"
        SILENT = "silent", "Delivers nothing"

    kind = models.CharField(max_length=8, choices=Kind)
    account = models.ForeignKey(Account, models.CASCADE, related_name="alarms")
    channel = models.CharField(max_length=8, choices=Channel, blank=True, help_text="Empty: every channel.")
    sender_id = models.BigIntegerField(default=0, help_text="0: every sender.")
    country = models.CharField(max_length=2, blank=True, help_text="Empty: every country.")
    carrier = models.CharField(max_length=60, blank=True, help_text="Empty: every carrier.")
    sentence = models.CharField(max_length=300, blank=True)
    refusals = models.PositiveIntegerField(default=0, help_text="In a row.")
    raised_at = models.DateTimeField(null=True, help_text="Empty: counted, and not often enough yet.")
    until = models.DateTimeField(null=True, help_text="Nothing is handed over there before.")
    closed_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["kind", "account", "channel", "sender_id", "country", "carrier"],
                condition=Q(closed_at=None),
                name="one_open_alarm_for_a_route",
            )
        ]

    def __str__(self) -> str:
        return self.sentence

    def concerns(self, account_id: int, channel: str, sender_id: int) -> bool:
        """Whether it is about messages that leave by this account, on this channel, from this sender."""
        here = self.account_id == account_id and self.channel in ("", channel)
        return here and self.sender_id in (0, sender_id)

    def in_effect(self, now: datetime) -> bool:
        """Whether nothing is handed over there now."""
        if self.kind == self.Kind.OFF:
            return True
        return self.until is not None and self.until > now


class LatencyCount(Tally):
    """How many messages arrived, in one minute, so long after they were handed over; or were handed over in it. Kept
    for a day."""

    minute = models.DateTimeField(help_text="In which it was counted.")
    account_id = models.BigIntegerField()
    channel = models.CharField(max_length=8)
    country = models.CharField(max_length=8)
    carrier = models.CharField(max_length=60)
    bucket = models.PositiveSmallIntegerField(
        help_text="An index of BOUNDS in ledger/latency.py, or HANDED_OVER."
    )

    KEY: ClassVar = ("minute", "account_id", "channel", "country", "carrier", "bucket")

    class Meta:
        verbose_name = "count by latency"
        verbose_name_plural = "counts by latency"
        constraints = [
            models.UniqueConstraint(
                fields=["minute", "account_id", "channel", "country", "carrier", "bucket"],
                name="latency_count_key",
            )
        ]

    def __str__(self) -> str:
        return f"{self.minute:%H:%M} {self.channel} {self.carrier}: {self.n}"


class Shifted(models.Model):
    """Urgent messages of one channel to one country and carrier, some of which leave by another account."""

    channel = models.CharField(max_length=8, choices=Channel)
    country = models.CharField(max_length=8, blank=True)
    carrier = models.CharField(max_length=60, blank=True)
    share = models.PositiveSmallIntegerField(help_text="Of a hundred urgent messages, by the other account.")
    account = models.ForeignKey(Account, models.CASCADE, related_name="+", help_text="The other one.")

    class Meta:
        abstract = True


class RouteShare(Shifted):
    """How it is now. Without a row, all leave by the first route of their list."""

    changed_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["channel", "country", "carrier"], name="one_share_for_a_route")
        ]

    def __str__(self) -> str:
        return f"{self.channel} {self.country} {self.carrier}: {self.share} %"


class RouteMove(Shifted):
    """One step of urgent messages to another account, or back, and why. Or what was passed on from an account where
    nothing was handed over: then `alarm` says why it was not, `share` is 0, and `messages` grows as long as that lasts.
    """

    at = models.DateTimeField()
    was = models.PositiveSmallIntegerField(help_text="The share before.")
    messages = models.PositiveIntegerField(null=True, help_text="Passed on. Empty: a step of the share.")
    alarm = models.ForeignKey(RouteAlarm, models.SET_NULL, null=True, related_name="+")
    away_from = models.ForeignKey(
        Account, models.CASCADE, related_name="+", help_text="The first of the list."
    )
    reason = models.CharField(max_length=300)

    class Meta:
        ordering = ["-at", "-id"]
        indexes = [models.Index(fields=["-at", "-id"], name="route_move_newest")]

    def __str__(self) -> str:
        return self.reason

    @property
    def is_back(self) -> bool:
        """Whether it was a step back to the first account of the list."""
        return self.messages is None and self.share < self.was
