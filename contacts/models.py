"""Who we may reach: people, their addresses, where they came from, and what they allowed."""

from __future__ import annotations

import re
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Exists, OuterRef, Q
from django.utils import timezone

from contacts import channels, grounds
from contacts.addresses import match_key
from contacts.channels import Channel, Kind, LineType
from contacts.fields import DerivedField
from contacts.names import LONGEST as LONGEST_FOLDED
from contacts.names import folded
from contacts.phones import mask


def _match_key() -> DerivedField:
    """Of `value`, for rows that name an address."""
    return DerivedField(
        max_length=254,
        from_field="value",
        derive=match_key,
        help_text="What all spellings of the address have in common; addresses are compared by it.",
    )


class ContactList(models.Model):
    """A list of contacts and, at the same time, the source that brought them in."""

    name = models.CharField(max_length=120, unique=True)
    slug = models.SlugField(max_length=140, unique=True)
    description = models.CharField(max_length=300, blank=True)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class Contact(models.Model):
    """A person."""

    class Stage(models.TextChoices):
        LEAD = "lead", "Lead"
        CUSTOMER = "customer", "Customer"
        LAPSED = "lapsed", "Lapsed"

    name = models.CharField(max_length=200, blank=True)
    search_name = DerivedField(from_field="name", derive=folded, max_length=LONGEST_FOLDED)
    external_id = models.CharField(
        "customer ID",
        max_length=120,
        blank=True,
        help_text="The id of this person in the system they were imported from.",
    )
    source = models.ForeignKey(
        ContactList,
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="sourced",
        db_index=False,
        help_text="The list that first brought this contact in; outcomes are reported by it.",
    )
    time_zone = models.CharField(
        max_length=64,
        blank=True,
        help_text="IANA name, such as America/Chicago. Empty: taken from the phone number.",
    )
    locale = models.CharField(max_length=16, blank=True)
    stage = models.CharField(max_length=16, choices=Stage, blank=True)
    value_tier = models.PositiveSmallIntegerField(
        default=0, help_text="0 is ordinary; higher is more valuable."
    )
    attributes = models.JSONField(
        default=dict, blank=True, help_text="Further merge fields, as name and text."
    )
    created_at = models.DateTimeField(default=timezone.now)
    updated_at = models.DateTimeField(auto_now=True)

    lists = models.ManyToManyField(ContactList, through="ListMembership", related_name="contacts")

    class Meta:
        indexes = [
            models.Index(fields=["external_id"], name="contact_external", condition=~Q(external_id="")),
            models.Index(fields=["source"], name="contact_source"),
        ]
        permissions = [
            ("view_full_address", "May see whole phone numbers and email addresses on a contact's trail"),
            ("correct_contact", "May correct a contact's details"),
            ("suppress_contact", "May suppress a contact or an address"),
        ]

    def __str__(self) -> str:
        return self.name or f"Contact {self.pk}"

    def save(self, *args, **kwargs) -> None:
        if kwargs.get("update_fields") is not None and "name" in kwargs["update_fields"]:
            kwargs["update_fields"] = {*kwargs["update_fields"], "search_name"}
        super().save(*args, **kwargs)

    def clean(self) -> None:
        """Messages are composed from `attributes`: a name and what is written in its place. Emptied, there are none."""
        if self.attributes is None:
            self.attributes = {}
        if not isinstance(self.attributes, dict):
            raise ValidationError({"attributes": 'Give names and texts, such as {"city": "Austin"}.'})
        wrong = [name for name, value in self.attributes.items() if not _is_writable(value)]
        if wrong:
            raise ValidationError({"attributes": f"Neither text nor number: {', '.join(wrong)}."})

    @property
    def first_name(self) -> str:
        return self.name.split()[0] if self.name else ""


def _is_writable(value: object) -> bool:
    """Whether a message can say it; true and false are no words."""
    return isinstance(value, str | int | float) and not isinstance(value, bool)


class ListMembership(models.Model):
    contact_list = models.ForeignKey(
        ContactList, on_delete=models.CASCADE, related_name="memberships", db_index=False
    )
    contact = models.ForeignKey(Contact, on_delete=models.CASCADE, related_name="memberships")
    added_at = models.DateTimeField(default=timezone.now)

    class Meta:
        verbose_name = "list member"
        constraints = [
            models.UniqueConstraint(
                fields=["contact_list", "contact"],
                name="one_membership_per_list",
                violation_error_message="The contact is on this list already: there is nothing to add.",
            )
        ]

    def __str__(self) -> str:
        return f"{self.contact_id} in {self.contact_list_id}"


class Address(models.Model):
    """One phone number (E.164) or email of a contact."""

    class Validity(models.TextChoices):
        VALID = "valid", "Valid"
        UNVERIFIED = "unverified", "Not verified"
        NEEDS_CORRECTION = "needs_correction", "Needs correction"
        INVALID = "invalid", "Invalid"

    contact = models.ForeignKey(Contact, on_delete=models.CASCADE, related_name="addresses", db_index=False)
    kind = models.CharField(max_length=8, choices=Kind)
    value = models.CharField(max_length=254, help_text="E.164 for phones, lower-case domain for emails.")
    match_key = _match_key()
    line_type = models.CharField(max_length=16, choices=LineType, default=LineType.UNKNOWN)
    carrier = models.CharField(max_length=60, blank=True)
    region = models.CharField(
        max_length=8, blank=True, help_text="Country, or country and state, such as US or US-TX."
    )
    time_zone = models.CharField(
        max_length=1_000,
        blank=True,
        help_text="IANA names, separated by blanks: every zone where the number may be. Messages leave when the"
        " hours are permitted in all of them; enter one alone to say which it is.",
    )
    validity = models.CharField(max_length=16, choices=Validity, default=Validity.UNVERIFIED)
    preferred = models.BooleanField(
        default=True, help_text="The one to use when a contact has several of a kind."
    )
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        verbose_name_plural = "addresses"
        constraints = [
            models.UniqueConstraint(
                fields=["contact", "value"],
                name="one_address_per_contact",
                violation_error_message="The contact has this address already: change that one instead.",
            ),
            models.UniqueConstraint(
                fields=["contact", "kind"],
                condition=Q(preferred=True),
                name="one_preferred_address_per_kind",
                violation_error_message=(
                    "Preferred: the contact has another preferred address of this kind; untick it there first."
                ),
            ),
        ]
        indexes = [models.Index(fields=["match_key"], name="address_match")]

    def __str__(self) -> str:
        """Masked: whoever may see the whole of it is shown `value`."""
        return mask(self.value)


class AddressHealth(models.Model):
    """How an address fares on one channel, kept only once something went wrong there.

    A projection of the messages sent to it (`deliveries.deciding.health` recomputes it), so that receipts in
    any order give the same row. What colleagues say about it stands in the last two columns.
    """

    Closed = channels.Closed

    address = models.ForeignKey(Address, on_delete=models.CASCADE, related_name="health", db_index=False)
    channel = models.CharField(max_length=8, choices=Channel)
    hard_fails = models.PositiveSmallIntegerField(
        default=0, help_text="Permanent failures at the recipient's end in a row; a delivery ends the row."
    )
    last_failed_at = models.DateTimeField(null=True, blank=True)
    last_code = models.CharField(max_length=64, blank=True)
    closed = models.CharField(
        max_length=8,
        choices=Closed,
        blank=True,
        help_text="A failure that says the channel cannot work at all; nothing is sent until something arrives.",
    )
    closed_why = models.CharField(
        max_length=200, blank=True, help_text="What was reported, and on which channel."
    )
    marked_at = models.DateTimeField(
        null=True,
        blank=True,
        help_text="A colleague marked it for correction: nothing is sent on this channel.",
    )
    cleared_at = models.DateTimeField(
        null=True, blank=True, help_text="The address was confirmed: what failed before does not count."
    )
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        verbose_name = "at-risk address"
        verbose_name_plural = "at-risk addresses"
        constraints = [models.UniqueConstraint(fields=["address", "channel"], name="one_health_per_channel")]

    def __str__(self) -> str:
        return f"{self.address_id} {self.channel}: {self.hard_fails}"


class AppendOnly(models.Model):
    """A ledger row: written once, never changed, never deleted."""

    class Meta:
        abstract = True

    def save(self, *args, **kwargs) -> None:
        if not self._state.adding:
            raise ValidationError(f"{self._meta.verbose_name} rows are written once and never changed.")
        super().save(*args, **kwargs)

    def delete(self, *args, **kwargs):
        raise ValidationError(f"{self._meta.verbose_name} rows are kept as evidence and cannot be deleted.")


class ConsentQuerySet(models.QuerySet):
    def counting(self) -> ConsentQuerySet:
        """What was said and not withdrawn since, or withdrawn by a row that was itself withdrawn."""
        later = Consent.objects.filter(withdraws=OuterRef("pk"))
        standing = later.filter(~Exists(Consent.objects.filter(withdraws=OuterRef("pk"))))
        return self.filter(~Exists(standing), withdraws=None)

    def in_order(self) -> ConsentQuerySet:
        """So that the last row of a contact and channel is what holds there.

        That a colleague or a file says yes lifts no earlier no, and none that comes later and was said before: it
        counts only where the person has said nothing.
        """
        others = Q(opted_in=True) & ~Q(origin=Consent.Origin.RECIPIENT)  # `decisive` says the same of a row
        rank = models.Case(models.When(others, then=0), default=1)
        return self.counting().annotate(rank=rank).order_by("rank", "at", "id")


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
        reported = self.withdraws_id is None and grounds.message_named(self.evidence) is not None
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


class SuppressionQuerySet(models.QuerySet):
    def in_force(self, now) -> SuppressionQuerySet:
        """Those that block at `now`."""
        return self.filter(Q(expires_at=None) | Q(expires_at__gt=now), released_at=None)


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
        HARD_FAILS = "hard_fails", "Permanent failures in a row"
        STAFF = "staff", "Added by staff"
        IMPORTED = "imported", "Imported"
        ASKED = "asked", "Asked us to stop"

    # What a person says with a word or in person, and may take back by their own word.
    BY_WORD = (Reason.STOP, Reason.ASKED)

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
    match_key = _match_key()
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
        indexes = [
            models.Index(fields=["contact"], name="suppression_contact", condition=Q(released_at=None)),
            models.Index(fields=["-created_at", "-id"], name="suppression_newest"),
            # For the admin, which looks at those released as well, and at the rare among many.
            models.Index(fields=["match_key"], name="suppression_match"),
            models.Index(fields=["reason", "-created_at", "-id"], name="suppression_reason"),
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
        return "" if coded or grounds.message_named(self.evidence) is not None else self.evidence

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


class Note(AppendOnly):
    """What a colleague wrote about a contact."""

    contact = models.ForeignKey(Contact, on_delete=models.CASCADE, related_name="notes", db_index=False)
    author = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    text = models.TextField()
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        indexes = [models.Index(fields=["contact", "-at", "-id"], name="note_newest")]

    def __str__(self) -> str:
        return self.text[:60]


class ReplyToReadQuerySet(models.QuerySet):
    def unread(self) -> ReplyToReadQuerySet:
        """Those that nobody has read yet."""
        return self.filter(read_at=None)

    def holding(self) -> ReplyToReadQuerySet:
        """Those that sends wait for: unread, and nothing was done about them yet."""
        return self.unread().filter(acted=False)


class ReplyToRead(models.Model):
    """A reply that a person has to read, because it may be an opt-out or was taken for one in doubt.

    As long as one waits that nothing was done about, nothing is sent to whoever has the address it came from.
    """

    class Judgement(models.TextChoices):
        OPT_OUT = "opt_out", "Opt-out"
        NO_OPT_OUT = "no_opt_out", "No opt-out"

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
    found = models.CharField(max_length=80, blank=True, help_text="The words that make it doubtful.")
    acted = models.BooleanField(default=False, help_text="It was taken for an opt-out at once.")
    fact = models.CharField(
        max_length=80, help_text="When and what was written: told again, it is the same reply."
    )
    round = models.PositiveSmallIntegerField(
        default=1, help_text="One more each time that it turns out to be no opt-out."
    )
    receipt_id = models.BigIntegerField(null=True)
    message_id = models.BigIntegerField(null=True, help_text="The message of ours that it answers, if known.")
    at = models.DateTimeField(help_text="When it was written.")
    read_at = models.DateTimeField(null=True, blank=True)
    read_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    judgement = models.CharField(max_length=12, choices=Judgement, blank=True)

    objects = ReplyToReadQuerySet.as_manager()

    class Meta:
        verbose_name = "reply to read"
        verbose_name_plural = "replies to read"
        constraints = [models.UniqueConstraint(fields=["value", "fact"], name="one_reply_to_read_for_a_fact")]
        indexes = [
            models.Index(fields=["acted", "-id"], name="reply_unread", condition=Q(read_at=None)),
            models.Index(fields=["match_key"], name="reply_holding", condition=Q(read_at=None, acted=False)),
            models.Index(fields=["match_key"], name="reply_judged", condition=Q(read_at__isnull=False)),
            models.Index(fields=["-read_at", "-id"], name="reply_read", condition=Q(read_at__isnull=False)),
        ]

    def __str__(self) -> str:
        return f"{mask(self.value)}: {self.get_judgement_display() or 'not read yet'}"

    @property
    def ground(self) -> str:
        """What a suppression for it is recorded for: one that was lifted is not put back, but said anew."""
        return self.fact if self.round == 1 else f"{self.fact} #{self.round}"
