"""What must not be sent: suppressions, and the times in which one did not hold."""

from __future__ import annotations

import re
from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import Exists, OuterRef, Q
from django.utils import timezone

from contacts import grounds
from contacts.channels import Channel
from contacts.models.addresses import derived_match_key
from contacts.models.people import Contact
from contacts.phones import mask


class SuppressionQuerySet(models.QuerySet):
    def in_force(self, now) -> SuppressionQuerySet:
        """Those that block at `now`."""
        return self.filter(Q(expires_at=None) | Q(expires_at__gt=now), released_at=None)

    def in_force_then(self, at) -> SuppressionQuerySet:
        """Those that blocked at `at`, a moment that is over: also those lifted since, not those made since."""
        lapses = SuppressionLapse.objects.filter(
            suppression=OuterRef("pk"), released_at__lte=at, restored_at__gt=at
        )
        held = (Q(expires_at=None) | Q(expires_at__gt=at)) & (Q(released_at=None) | Q(released_at__gt=at))
        return self.filter(held, ~Exists(lapses), created_at__lte=at)


def keep_blocks_of_addresses(collector: Any, field: Any, blocks: Any, using: str) -> None:
    """With a contact goes what blocks only them; what blocks their addresses stays, whoever has these next."""
    models.SET_NULL(collector, field, blocks.exclude(value=""), using)
    models.CASCADE(collector, field, blocks.filter(value=""), using)


class Suppression(models.Model):
    """ "Do not send." Holds for an address wherever it stands, or for a whole contact.

    Kept by the address's text, not by a link to its row: somebody who adds the number back to a list must
    still be blocked. Each act has its own row, with its own grounds: who, why, on what evidence. As long as any
    stands, nothing is sent; lifting one lifts no other.
    """

    class Scope(models.TextChoices):
        EVERYTHING = "everything", "Everything we send"
        BRAND = "brand", "One brand"
        SENDER = "sender", "One sender"

    class Reason(models.TextChoices):
        STOP = "stop", "Replied STOP"
        COMPLAINT = "complaint", "Spam complaint"
        HARD_BOUNCE = "hard_bounce", "Hard bounce"
        HARD_FAILS = "hard_fails", "Permanent failures"
        UNREACHABLE = "unreachable", "Not reachable for too long"
        STAFF = "staff", "Added by staff"
        IMPORTED = "imported", "Imported"
        ASKED = "asked", "Asked us to stop"
        LEGAL = "legal", "Legal demand"
        REGISTER = "register", "Do-not-call register"
        LITIGATOR = "litigator", "Known litigator"

    # What a person says with a word or in person, and may take back by their own word.
    BY_WORD = (Reason.STOP, Reason.ASKED)
    # What a rule made of what was reported about the address: lifting it has the failures counted anew.
    OF_FAILURES = (Reason.HARD_BOUNCE, Reason.HARD_FAILS, Reason.UNREACHABLE)
    # What is about a person and not about one number of theirs: it holds at the one that takes its place as well.
    OF_PERSON = (Reason.LEGAL, Reason.LITIGATOR)

    class Origin(models.TextChoices):
        RECIPIENT = "recipient", "Recipient"
        PROVIDER = "provider", "Provider"
        RULE = "rule", "Rule"
        STAFF = "staff", "Staff"
        IMPORT = "import", "Import"

    value = models.CharField(
        max_length=254,
        blank=True,
        help_text="The phone number (E.164) or email; empty to block the whole contact.",
    )
    match_key = derived_match_key()
    contact = models.ForeignKey(
        Contact, null=True, blank=True, on_delete=keep_blocks_of_addresses, related_name="suppressions"
    )
    follows = models.ForeignKey(
        "self",
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="followers",
        help_text="The suppression that this one extends to another address of the same person, and ends with.",
    )
    channel = models.CharField(
        max_length=8, choices=Channel, blank=True, help_text="Empty blocks every channel."
    )
    scope = models.CharField(max_length=12, choices=Scope, default=Scope.EVERYTHING)
    scope_value = models.CharField(
        max_length=120, blank=True, help_text="The brand or the sender, for those scopes."
    )
    reason = models.CharField(max_length=16, choices=Reason)
    origin = models.CharField(max_length=12, choices=Origin)
    evidence = models.TextField(blank=True)
    fact = models.CharField(
        max_length=80,
        blank=True,
        help_text="The one thing it is recorded for, such as “batch 12”, which counts once however often it is told.",
    )
    created_at = models.DateTimeField(default=timezone.now)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    expires_at = models.DateTimeField(null=True, blank=True)
    released_at = models.DateTimeField(null=True, blank=True)
    released_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    release_note = models.CharField(max_length=300, blank=True)

    objects = SuppressionQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=~Q(value="") | Q(contact__isnull=False),
                name="suppression_names_somebody",
                violation_error_message="Give a phone number or an email address, or choose a contact.",
            ),
            # A rule or a provider that says the same thing twice adds nothing, neither when it was lifted meanwhile.
            models.UniqueConstraint(
                fields=["match_key", "channel", "scope", "scope_value", "reason", "fact"],
                condition=~Q(fact="") & ~Q(value=""),
                name="one_suppression_per_fact",
                violation_error_message="The address is blocked for this very thing already: there is nothing to add.",
            ),
        ]
        permissions = [
            ("release_suppression", "May release bounces and entries of staff, with a reason"),
            ("release_legal_suppression", "May release legal demands, registers and imported lists as well"),
        ]
        indexes = [
            models.Index(fields=["contact"], name="suppression_contact", condition=Q(released_at=None)),
            models.Index(fields=["-created_at", "-id"], name="suppression_newest"),
            # For the lists, which look at those released as well, and at the rare among many.
            models.Index(fields=["match_key"], name="suppression_match"),
            models.Index(fields=["reason", "-created_at", "-id"], name="suppression_reason"),
            models.Index(fields=["origin", "-created_at", "-id"], name="suppression_origin"),
            models.Index(fields=["channel", "-created_at", "-id"], name="suppression_channel"),
            models.Index(
                fields=["scope", "-created_at", "-id"],
                name="suppression_scope",
                condition=~Q(scope="everything"),
            ),
            models.Index(
                fields=["-created_at", "-id"], name="suppression_standing", condition=Q(released_at=None)
            ),
            models.Index(
                fields=["-created_at", "-id"],
                name="suppression_released",
                condition=Q(released_at__isnull=False),
            ),
            models.Index(
                fields=["expires_at"],
                name="suppression_ending",
                condition=Q(released_at=None, expires_at__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        whom = mask(self.value) if self.value else self.contact
        return f"{whom} {self.channel or 'all channels'}: {self.ground}"

    @property
    def by_recipient(self) -> bool:
        """Asked for by the person: staff may not release it, only new consent can."""
        return self.origin == self.Origin.RECIPIENT

    @property
    def of_person(self) -> bool:
        """About the person, whichever address they have."""
        return self.by_recipient or self.reason in self.OF_PERSON

    @property
    def carried(self) -> bool:
        """It extends what was said at another address, such as the number they had before; needs `follows` loaded."""
        extends = self.fact.startswith("follows ")
        return extends and (self.follows is None or bool(self.follows.value))

    @property
    def counts_failures(self) -> bool:
        """It stands for failures: lifting it has them counted from the beginning."""
        return self.reason in self.OF_FAILURES

    @property
    def ground(self) -> str:
        """The reason by what is known of it: not every opt-out is a STOP."""
        return grounds.opt_out(self) or str(self.get_reason_display())

    @property
    def ground_by(self) -> str:
        """The ground with the colleague whose reading it is; needs `created_by` loaded."""
        reader = self.created_by if self.reason == self.Reason.STOP else None
        return f"{self.ground} by {reader.display_name}" if reader else self.ground

    @property
    def reading(self) -> str:
        """How a provider's earlier report came to be read as an opt-out, in words; '' for what was known at once."""
        return grounds.reading(self.evidence)

    @property
    def ground_dated(self) -> str:
        """`ground_by` with its day in the current time zone."""
        return grounds.dated(self.ground_by, self.created_at)

    @property
    def quote(self) -> str:
        """The evidence where somebody wrote it. That of rules and of reports is made of codes."""
        coded = self.origin in (self.Origin.RULE, self.Origin.PROVIDER)
        return "" if coded or grounds.is_report(self.evidence) else self.evidence

    @property
    def occasion(self) -> str:
        """The fact where it tells people something, such as "batch 12"; '' for one that only tells replies apart."""
        return self.fact if re.fullmatch(r"(batch|message) \d+", self.fact) else ""


class SuppressionLapse(models.Model):
    """A time in which a suppression did not hold: lifted because a provider's word had been misread, so it seemed, and
    put back since. The suppression itself stands as if it had never been lifted."""

    suppression = models.ForeignKey(Suppression, on_delete=models.CASCADE, related_name="lapses")
    released_at = models.DateTimeField()
    release_note = models.CharField(max_length=300, blank=True)
    restored_at = models.DateTimeField()
    restore_note = models.CharField(max_length=300, blank=True)

    def __str__(self) -> str:
        return f"{self.suppression}: lifted and put back"
