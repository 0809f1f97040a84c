"""Playbooks: when to retry, when to change channel, when to stop."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q

from campaigns import steps
from contacts.channels import STRIKES, Channel

if TYPE_CHECKING:
    from campaigns.models.campaigns import Campaign

MOST_RETRIES = 20  # more of one message to one person would be a nuisance whatever they are spread over
MINUTES_TO = 24  # hours; a pause that is given in minutes is no longer
# What a playbook decides by: what a copy takes over, and what a new version differs in.
RULES = (
    "retries",
    "retry_window_hours",
    "retry_after_hours",
    "busy_retries",
    "busy_after_minutes",
    "no_answer_retries",
    "no_answer_after_hours",
    "mailbox_full_retries",
    "mailbox_full_after_hours",
    "at_risk_hours",
    "switch_after_hours",
    "switch_to",
    "urgent_switch_to",
    "channel_order",
    "give_up_hours",
    "strikes",
)


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


def times(name: str, default: int = 2) -> models.PositiveSmallIntegerField:
    return models.PositiveSmallIntegerField(
        name,
        default=default,
        help_text="How often it is retried.",
        validators=[MaxValueValidator(MOST_RETRIES)],
    )


class PlaybookQuerySet(models.QuerySet):
    def shared(self) -> PlaybookQuerySet:
        """Those that any campaign may follow."""
        return self.filter(own_of=None)


class Playbook(models.Model):
    """Ready-made rules: when to retry, when to change channel, when to stop. Durations in hours, but where a field says
    otherwise.

    The defaults are those of the built-in playbook. One that is of one campaign alone (`own_of`) began as a copy of a
    shared one, and keeps its name.
    """

    name = models.CharField(max_length=80)
    own_of = models.OneToOneField(
        "campaigns.Campaign",
        null=True,
        blank=True,
        editable=False,
        on_delete=models.CASCADE,
        related_name="own_playbook",
        help_text="The one campaign that follows it; empty: any may.",
    )
    began_from = models.ForeignKey(
        "self",
        null=True,
        blank=True,
        editable=False,
        on_delete=models.SET_NULL,
        related_name="+",
        help_text="The shared one that it was copied from.",
    )
    retries = models.PositiveSmallIntegerField(
        default=2,
        help_text="How often a temporary failure is retried.",
        validators=[MaxValueValidator(MOST_RETRIES)],
    )
    retry_window_hours = hours("retry for (hours)", 24, "Counted from the first attempt.")
    retry_after_hours = hours("hours between retries", 4, "Pause before each retry.")
    busy_retries = times("busy: retries")
    busy_after_minutes = models.PositiveSmallIntegerField(
        "busy: minutes between retries",
        default=30,
        help_text="Whoever talks is soon free again.",
        validators=[MinValueValidator(1), MaxValueValidator(60 * MINUTES_TO)],
    )
    no_answer_retries = times("no answer: retries")
    no_answer_after_hours = hours("no answer: hours between retries", 4, "At another time of the day.")
    mailbox_full_retries = times("mailbox full: retries")
    mailbox_full_after_hours = hours(
        "mailbox full: hours between retries", 8, "Of email and of voicemail: somebody has to empty it."
    )
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

    objects = PlaybookQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["name"],
                condition=Q(own_of=None),
                name="one_shared_playbook_of_a_name",
                violation_error_message="Another playbook has this name: choose another.",
            )
        ]

    def __str__(self) -> str:
        return self.name

    def copy_for(self, campaign: Campaign) -> Playbook:
        """The same for one campaign alone, not saved. Its versions go on from here: no two sets of rules that a
        campaign has followed have the same number."""
        return Playbook(
            name=self.name,
            own_of=campaign,
            began_from=self.began_from if self.own_of_id else self,
            version=self.version + 1,
            **self.rules,
        )

    @property
    def rules(self) -> dict[str, Any]:
        """What it decides by, by the names of its fields."""
        return {name: getattr(self, name) for name in RULES}

    @property
    def by_chance(self) -> bool:
        """Whether channels are chosen for each person, by what is likeliest to arrive."""
        return self.channel_order == ChannelOrder.BEST_CHANCE


class PlaybookChange(models.Model):
    """What somebody has made of a shared playbook, from `version` on. Written once, one for each version."""

    playbook = models.ForeignKey(Playbook, models.CASCADE, related_name="changes")
    version = models.PositiveIntegerField()
    at = models.DateTimeField()
    by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+")
    before = models.JSONField(default=dict, help_text="Name and rules before; empty: it was made.")
    after = models.JSONField(help_text="Name and rules from then on.")

    class Meta:
        ordering = ["-pk"]
        default_permissions = ()
        verbose_name = "change of a playbook"
        verbose_name_plural = "changes of playbooks"

    def __str__(self) -> str:
        return f"{self.after.get('name', '')}, version {self.version}"

    @property
    def changed(self) -> list[str]:
        """The names of what is another than before, in the order of the rules."""
        return [name for name in ("name", *RULES) if self.before.get(name) != self.after.get(name)]
