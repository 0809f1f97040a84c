"""Playbooks: when to retry, when to change channel, when to stop."""

from __future__ import annotations

import json

from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models

from campaigns import steps
from contacts.channels import STRIKES, Channel


class ChannelOrder(models.TextChoices):
    FIXED = "fixed", "As listed, the same for everybody"
    BEST_CHANCE = "best_chance", "Best chance: for each person what is likeliest to arrive"


def channels_only(value: object) -> None:
    """Raises ValidationError for anything that is not a list of channels."""
    if not isinstance(value, list) or any(word not in Channel.values for word in value):
        raise ValidationError(f"Not a list of channels, such as {json.dumps([Channel.EMAIL])}.")


def hours(name: str, default: int, help_text: str) -> models.PositiveSmallIntegerField:
    return models.PositiveSmallIntegerField(
        name,
        default=default,
        help_text=help_text,
        validators=[MinValueValidator(1), MaxValueValidator(steps.LONGEST_WINDOW)],
    )


def channels(help_text: str) -> models.JSONField:
    return models.JSONField(default=list, blank=True, help_text=help_text, validators=[channels_only])


class Playbook(models.Model):
    """Ready-made rules: when to retry, when to change channel, when to stop. All durations in hours.

    The defaults are those of the built-in playbook.
    """

    name = models.CharField(max_length=80, unique=True)
    retries = models.PositiveSmallIntegerField(
        default=2, help_text="How often a temporary failure is retried."
    )
    retry_window_hours = hours("retry for (hours)", 24, "Counted from the first attempt.")
    retry_after_hours = hours("hours between retries", 4, "Pause before each retry.")
    at_risk_hours = hours(
        "flag after (hours)",
        24,
        "A message that is delayed or has no receipt for longer is flagged as at risk.",
    )
    switch_after_hours = hours(
        "switch channel after (hours)", 48, "A message not delivered by then is sent on the next channel."
    )
    switch_to = channels("Channels in order of preference.")
    urgent_switch_to = channels("The same, for urgent campaigns.")
    channel_order = models.CharField(
        max_length=12,
        choices=ChannelOrder,
        default=ChannelOrder.FIXED,
        help_text="With the best chance, each person's first message, too, takes whichever of the campaign's channel"
        " and those above is likeliest to arrive and may be used; only channels that the campaign has content for.",
    )
    give_up_hours = hours(
        "stop waiting after (hours)",
        steps.GIVE_UP_HOURS,
        "With no receipt by then, a message counts as timed out: unknown, not failed.",
    )
    strikes = models.PositiveSmallIntegerField(
        "block after N failures",
        default=STRIKES,
        help_text="So many permanent failures in a row block the address on that channel.",
        validators=[MinValueValidator(1)],
    )
    version = models.PositiveIntegerField(default=1, editable=False)

    def __str__(self) -> str:
        return self.name

    @property
    def by_chance(self) -> bool:
        """Whether channels are chosen for each person, by what is likeliest to arrive."""
        return self.channel_order == ChannelOrder.BEST_CHANCE
