"""What we answer to a word of a person: the one confirmation of their STOP, and what HELP asks for."""

from __future__ import annotations

from uuid import uuid4

from django.db import models
from django.db.models import Q
from django.utils import timezone

from contacts.channels import Channel
from contacts.models.addresses import Address

LONGEST_ANSWER = 320  # characters: two texts at most

STOP_TEXT = "You will get no more messages from us. To get them again, reply START."
HELP_TEXT = "You get messages from us because you agreed to. To end them, reply STOP."


class AnswerWording(models.Model):
    """What is answered to STOP and HELP: by one number of ours, or by all that have no row of their own.

    Without any row, the built-in words.
    """

    class Who(models.TextChoices):
        AUTO = "auto", "We, unless the provider answers itself"
        US = "us", "We, always"
        NOBODY = "nobody", "We do not"

    sender_value = models.CharField(
        "our number",
        max_length=254,
        blank=True,
        unique=True,
        help_text="The number or short code that they wrote to, as it stands at its sender. Empty: every other one.",
    )
    who = models.CharField(
        "who answers",
        max_length=8,
        choices=Who,
        default=Who.AUTO,
        help_text="Twilio and Telnyx answer STOP and HELP themselves, unless that is turned off there.",
    )
    stop_text = models.CharField(
        "answer to STOP",
        max_length=LONGEST_ANSWER,
        blank=True,
        default=STOP_TEXT,
        help_text="Sent once, within five minutes, and it may advertise nothing. Empty: none is sent.",
    )
    help_text = models.CharField(
        "answer to HELP",
        max_length=LONGEST_ANSWER,
        blank=True,
        default=HELP_TEXT,
        help_text="Say who you are and how to reach you. Empty: none is sent.",
    )

    class Meta:
        verbose_name = "answer to STOP and HELP"
        verbose_name_plural = "answers to STOP and HELP"

    def __str__(self) -> str:
        return self.sender_value or "All other numbers"


class AutomaticAnswer(models.Model):
    """One answer, made with the word that it answers, and gone out once or never.

    Tables above name account and sender by their ids. `fact`: what it answers; whatever is asked twice, or by two
    processes at once, is answered once.
    """

    class Kind(models.TextChoices):
        STOP = "stop", "Confirms a STOP"
        HELP = "help", "Answers HELP"

    class State(models.TextChoices):
        WAITING = "waiting", "Waiting"
        SENDING = "sending", "Being handed over"
        SENT = "sent", "Handed over"
        REFUSED = "refused", "Refused by the provider"
        DROPPED = "dropped", "Not sent"
        IN_DOUBT = "in_doubt", "Not known whether it left"

    address = models.ForeignKey(Address, on_delete=models.CASCADE, related_name="answers", db_index=False)
    match_key = models.CharField(max_length=254)
    kind = models.CharField(max_length=8, choices=Kind)
    fact = models.CharField(max_length=80)
    channel = models.CharField(max_length=8, choices=Channel)
    sender_value = models.CharField(max_length=254)
    account_id = models.BigIntegerField()
    text = models.CharField(max_length=LONGEST_ANSWER)
    uuid = models.UUIDField(default=uuid4, unique=True, help_text="Our reference, in its callback address.")
    state = models.CharField(max_length=8, choices=State, default=State.WAITING)
    why = models.CharField(max_length=200, blank=True)
    asked_at = models.DateTimeField(default=timezone.now, help_text="When the word came in.")
    begun_at = models.DateTimeField(null=True, help_text="When it was last taken up.")
    provider_message_id = models.CharField(max_length=80, blank=True)
    reported = models.CharField(max_length=64, blank=True, help_text="The provider's last word about it.")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["kind", "match_key", "fact"], name="one_answer_for_a_fact"),
        ]
        indexes = [
            models.Index(fields=["id"], name="answer_waiting", condition=Q(state__in=["waiting", "sending"])),
            models.Index(
                fields=["account_id", "provider_message_id"],
                name="answer_native",
                condition=~Q(provider_message_id=""),
            ),
            models.Index(fields=["address"], name="answer_address"),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()}: {self.get_state_display()}"
