"""The ledger of consent: what each person allowed and refused, channel by channel."""

from __future__ import annotations

from datetime import datetime

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Exists, OuterRef, Q
from django.utils import timezone

from contacts import grounds
from contacts.channels import Channel
from contacts.models.ledger import AppendOnly
from contacts.models.people import Contact


class ConsentQuerySet(models.QuerySet):
    def counting(self, until: datetime | None = None) -> ConsentQuerySet:
        """What was said and not withdrawn since, or withdrawn by a row that was itself withdrawn; `until` a moment that
        is over, or by now."""
        known = Consent.objects.all() if until is None else Consent.objects.filter(at__lte=until)
        later = known.filter(withdraws=OuterRef("pk"))
        effective = later.filter(~Exists(known.filter(withdraws=OuterRef("pk"))))
        said = self if until is None else self.filter(at__lte=until)
        return said.filter(~Exists(effective), withdraws=None)

    def in_order(self, until: datetime | None = None) -> ConsentQuerySet:
        """So that the last row of a contact and channel is what holds there.

        That a colleague or a file says yes lifts no earlier no, and none that comes later and was said before: it
        counts only where the person has said nothing.
        """
        others = Q(opted_in=True) & ~Q(origin=Consent.Origin.RECIPIENT)  # `decisive` says the same of a row
        rank = models.Case(models.When(others, then=0), default=1)
        return self.counting(until).annotate(rank=rank).order_by("rank", "at", "id")


class Consent(AppendOnly):
    """One change of what a contact allows on one channel. `objects.in_order` says which row is what holds now.

    An opt-out that nobody said stays in the ledger, and a row that withdraws it follows: what held before holds again,
    be it nothing. A row that withdraws such a withdrawal puts the opt-out back, at its own moment. Neither opts in.
    """

    class Origin(models.TextChoices):
        RECIPIENT = "recipient", "The person's own word, with evidence"
        STAFF = "staff", "Staff"
        IMPORT = "import", "Import"

    contact = models.ForeignKey(Contact, on_delete=models.CASCADE, related_name="consents", db_index=False)
    channel = models.CharField(max_length=8, choices=Channel)
    opted_in = models.BooleanField()
    at = models.DateTimeField(default=timezone.now)
    how = models.CharField(max_length=60, help_text="Web form, keyword, paper, import, staff ...")
    origin = models.CharField(max_length=12, choices=Origin, default=Origin.RECIPIENT)
    wording = models.TextField(blank=True, help_text="The words shown to the person when they chose.")
    evidence = models.TextField(
        blank=True, help_text="What proves it: a form id, the text of the reply, a receipt."
    )
    recorded_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    withdraws = models.ForeignKey(
        "self",
        null=True,
        blank=True,
        on_delete=models.CASCADE,
        related_name="withdrawn_by",
        db_index=False,
        help_text="The row of this contact and channel that was a mistake: it counts as if it had not been said.",
    )

    objects = ConsentQuerySet.as_manager()

    class Meta:
        indexes = [
            models.Index(fields=["contact", "channel", "-at", "-id"], name="consent_latest"),
            models.Index(
                fields=["withdraws"], name="consent_withdrawn", condition=Q(withdraws__isnull=False)
            ),
        ]

    def __str__(self) -> str:
        return f"{self.contact_id} {self.channel} {'in' if self.opted_in else 'out'}"

    @property
    def what(self) -> str:
        """What happened, in words."""
        if self.withdraws_id is None:
            return "Opted in" if self.opted_in else "Opted out"
        return "Blocked again" if self.says_no else "Opt-out withdrawn"

    @property
    def reading(self) -> str:
        """How a provider's earlier report came to be read as an opt-out, in words; '' for what was known at once."""
        return grounds.reading(self.evidence) if self.withdraws_id is None else ""

    @property
    def proof(self) -> str:
        """The evidence as people read it: of a provider's report, which message it was about."""
        reported = self.withdraws_id is None and grounds.is_report(self.evidence)
        return self.evidence.partition(":")[0] if reported else self.evidence

    @property
    def says_no(self) -> bool:
        """Whether sends stop because of it."""
        return not self.opted_in and (self.withdraws is None or self.withdraws.withdraws_id is not None)

    @property
    def decisive(self) -> bool:
        """Whether it counts against what the person said before: a no, or their own yes."""
        return not self.opted_in or self.origin == self.Origin.RECIPIENT

    def clean(self) -> None:
        """What a colleague enters. After a no of the person only a yes of theirs counts: later, and with its proof."""
        if self.at and self.at > timezone.now():
            raise ValidationError({"at": "It lies in the future: give the moment at which they chose."})
        if not (self.opted_in and self.contact_id and self.channel and self.at):
            return
        last = Consent.objects.filter(contact=self.contact, channel=self.channel).in_order().last()
        if last is None or last.opted_in:
            return
        if self.at <= last.at:
            raise ValidationError({"at": f"They opted out on {grounds.moment(last.at)}, which is later."})
        if not self.evidence.strip():
            why = f"They opted out on {grounds.day(last.at)}. Say what proves that they opted in again since."
            raise ValidationError({"evidence": why})
