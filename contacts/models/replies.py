"""Replies that a person has to read."""

from __future__ import annotations

from datetime import datetime

from django.conf import settings
from django.db import models
from django.db.models import Q

from contacts.addresses import match_key
from contacts.channels import Channel
from contacts.fields import DerivedField
from contacts.phones import mask

TO_DO = Q(done_at=None) & ~Q(asks="")
HOLDING = Q(read_at=None, doubtful=True, acted=False)


class ReplyQuerySet(models.QuerySet):
    def unread(self) -> ReplyQuerySet:
        """Those that somebody has to read, and nobody has read yet."""
        return self.filter(read_at=None, doubtful=True)

    def holding(self) -> ReplyQuerySet:
        """Those that sends wait for: unread, and nothing was done about them yet."""
        return self.unread().filter(acted=False)

    def to_do(self) -> ReplyQuerySet:
        """Those that ask for something that nobody has done yet."""
        return self.filter(TO_DO)

    def holding_then(self, at: datetime) -> ReplyQuerySet:
        """Those that sends waited for at `at`, a moment that is over."""
        unread = Q(read_at=None) | Q(read_at__gt=at)
        return self.filter(unread, doubtful=True, acted=False, at__lte=at)


class Reply(models.Model):
    """One thing that somebody wrote to us, whoever they are, and what it was read as.

    A person has to read what is `doubtful`, because it may be an opt-out or was taken for one in doubt. As long as one
    waits that nothing was done about, nothing is sent to whoever has the address it came from.
    """

    class Reading(models.TextChoices):
        STOP = "stop", "Opt-out"
        START = "start", "Opt-in"
        HELP = "help", "Asks for help"
        UNSURE = "unsure", "Unsure"
        OTHER = "other", "Other"

    class Judgement(models.TextChoices):
        OPT_OUT = "opt_out", "Opt-out"
        NO_OPT_OUT = "no_opt_out", "No opt-out"

    class Asks(models.TextChoices):
        CALL = "call", "Wants a call"
        WHO = "who", "Asks who we are"
        WRONG = "wrong", "Wrong person"

    value = models.CharField(max_length=254, help_text="The address it came from, in normal form.")
    match_key = DerivedField(
        max_length=254,
        from_field="value",
        derive=match_key,
        help_text="What all spellings of the address have in common; addresses are compared by it.",
    )
    values = models.JSONField(default=list, help_text="All addresses that an opt-out would hold for.")
    channel = models.CharField(max_length=8, choices=Channel)
    text = models.TextField()
    reading = models.CharField(max_length=8, choices=Reading, default=Reading.OTHER)
    doubtful = models.BooleanField(default=False, help_text="A person has to read it.")
    found = models.CharField(max_length=80, blank=True, help_text="The words that it was understood by.")
    acted = models.BooleanField(default=False, help_text="It was taken for an opt-out at once.")
    fact = models.CharField(
        max_length=80, help_text="When and what was written: received again, it is the same reply."
    )
    round = models.PositiveSmallIntegerField(
        default=1, help_text="One more each time that it turns out to be no opt-out."
    )
    receipt_id = models.BigIntegerField(null=True)
    sender_value = models.CharField(
        max_length=254, blank=True, help_text="Whom it was written to, as it stands at that sender of ours."
    )
    account_id = models.BigIntegerField(null=True, help_text="The provider account that it came in for.")
    message_id = models.BigIntegerField(null=True, help_text="The message of ours that it answers, if known.")
    campaign_id = models.BigIntegerField(null=True, help_text="The campaign of that message.")
    at = models.DateTimeField(help_text="When it was written.")
    read_at = models.DateTimeField(null=True, blank=True)
    read_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    judgement = models.CharField(max_length=12, choices=Judgement, blank=True)
    asks = models.CharField(
        max_length=8,
        choices=Asks,
        blank=True,
        default="",
        db_default="",
        help_text="What a colleague has to do about it, whatever it says about consent.",
    )
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="+",
        db_index=False,
    )
    done_at = models.DateTimeField(null=True, blank=True, help_text="When what it asks for was done.")
    done_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="+",
        db_index=False,
    )

    objects = ReplyQuerySet.as_manager()

    class Meta:
        verbose_name = "reply"
        verbose_name_plural = "replies"
        constraints = [models.UniqueConstraint(fields=["value", "fact"], name="one_reply_to_read_for_a_fact")]
        indexes = [
            models.Index(
                fields=["acted", "-id"], name="reply_unread", condition=Q(read_at=None, doubtful=True)
            ),
            models.Index(
                fields=["match_key"],
                name="reply_holding",
                condition=Q(read_at=None, doubtful=True, acted=False),
            ),
            models.Index(fields=["match_key", "-id"], name="reply_from"),
            models.Index(fields=["asks", "-id"], name="reply_asks", condition=~Q(asks="")),
            models.Index(fields=["-id"], name="reply_to_do", condition=Q(done_at=None) & ~Q(asks="")),
            models.Index(fields=["-read_at", "-id"], name="reply_read", condition=Q(read_at__isnull=False)),
            models.Index(fields=["reading", "-id"], name="reply_reading"),
            models.Index(fields=["channel", "-id"], name="reply_channel"),
            models.Index(fields=["campaign_id", "-id"], name="reply_campaign"),
            models.Index(fields=["message_id"], name="reply_answers", condition=Q(message_id__isnull=False)),
        ]
        permissions = [("answer_reply", "Can answer replies")]

    def __str__(self) -> str:
        return f"{mask(self.value)}: {self.get_reading_display()}"

    @property
    def ground(self) -> str:
        """What a suppression for it is recorded for: one that was lifted is not put back, but said anew."""
        return self.fact if self.round == 1 else f"{self.fact} #{self.round}"
