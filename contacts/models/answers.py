"""What we answer to what people write: a STOP is confirmed, HELP answered, a code sent, and colleagues write."""

from __future__ import annotations

from typing import ClassVar
from uuid import uuid4

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import RegexValidator
from django.db import models
from django.db.models import Q
from django.utils import timezone

from contacts.channels import Channel
from contacts.models.addresses import Address
from contacts.models.changes import AddressChange
from contacts.models.people import ContactList
from contacts.models.replies import Reply

LONGEST_ANSWER = 320  # characters: two texts at most

STOP_TEXT = "You will get no more messages from us. To get them again, reply START."
HELP_TEXT = "You get messages from us because you agreed to. To end them, reply STOP."
CODE_TEXT = (
    "{code} is your code. Enter it on our page within 15 minutes. You did not ask for it? Then do nothing."
)
CODE_PLACE = "{code}"
CONFIRM_TEXT = (
    "Please reply YES to confirm that you want messages from us. Without it you get none. Valid for 7 days."
)
CONFIRM_SUBJECT = "Please confirm that you want our email"
CONFIRM_MAIL = (
    "Please confirm here that you want email from us: {link} Without it you get none. Valid for 7 days."
)
LINK_PLACE = "{link}"
VERIFY_TEXT = (
    "Our email to you does not arrive. Check your address, or correct it, here: {link} STOP ends texts."
)
VERIFY_SUBJECT = "Is your number still right?"
VERIFY_MAIL = "Our messages to your number do not arrive. Please check it, or correct it, here: {link}"


class AnswerWording(models.Model):
    """What is answered to STOP and HELP, and how a code is sent: by one number of ours, or by all that have no row of
    their own; in one language, or in all others.

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
        help_text="The number or short code that they wrote to, or the From address, as it stands at its sender. Empty:"
        " every other one.",
    )
    language = models.CharField(
        max_length=3,
        blank=True,
        default="",
        db_default="",
        validators=[RegexValidator("^[a-z]{2,3}$", "Write it like en or de, or leave it empty.")],
        help_text="Of the person, such as de. Empty: every other one.",
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
    code_text = models.CharField(
        "message with a code",
        max_length=LONGEST_ANSWER,
        default=CODE_TEXT,
        db_default=CODE_TEXT,
        help_text="Sent to a number or email that somebody gave as their new one, with {code} where the code stands.",
    )
    confirm_text = models.CharField(
        "text that asks to confirm",
        max_length=LONGEST_ANSWER,
        default=CONFIRM_TEXT,
        db_default=CONFIRM_TEXT,
        help_text="Sent once to whoever joins a list that asks by SMS. YES, JA and the like confirm, within 7 days.",
    )
    confirm_subject = models.CharField(
        "subject of the email that asks to confirm",
        max_length=200,
        default=CONFIRM_SUBJECT,
        db_default=CONFIRM_SUBJECT,
    )
    confirm_mail = models.CharField(
        "email that asks to confirm",
        max_length=LONGEST_ANSWER,
        default=CONFIRM_MAIL,
        db_default=CONFIRM_MAIL,
        help_text="Sent once to whoever joins a list that asks by email, with {link} where the link stands.",
    )

    verify_text = models.CharField(
        "text about an email address that fails",
        max_length=LONGEST_ANSWER,
        default=VERIFY_TEXT,
        db_default=VERIFY_TEXT,
        help_text="Sent where automatic suppression asks by SMS, with {link} where the link to the page stands.",
    )
    verify_subject = models.CharField(
        "subject of the email about a number that fails",
        max_length=200,
        default=VERIFY_SUBJECT,
        db_default=VERIFY_SUBJECT,
    )
    verify_mail = models.CharField(
        "email about a number that fails",
        max_length=LONGEST_ANSWER,
        default=VERIFY_MAIL,
        db_default=VERIFY_MAIL,
        help_text="Sent where automatic suppression asks by email, with {link} where the link to the page stands.",
    )

    class Meta:
        verbose_name = "automatic text"
        verbose_name_plural = "automatic texts"
        constraints = [
            models.UniqueConstraint(
                fields=["sender_value", "language"],
                name="one_wording_per_sender_and_language",
                violation_error_message="There are texts for this number in this language already: change those.",
            )
        ]

    def __str__(self) -> str:
        return f"{self.sender_value or 'All other numbers'}{self.language and f' ({self.language})'}"

    def clean(self) -> None:
        if CODE_PLACE not in self.code_text:
            raise ValidationError({"code_text": f"Write {CODE_PLACE} where the code is to stand."})
        for name in ("confirm_mail", "verify_text", "verify_mail"):
            if LINK_PLACE not in getattr(self, name):
                raise ValidationError({name: f"Write {LINK_PLACE} where the link is to stand."})


class OwnAddress(models.Model):
    """Where somebody who works here has tests sent to: a number or an email of their own, as they say themselves, and
    prove by a code that was sent there."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="own_addresses")
    value = models.CharField(max_length=254)
    match_key = models.CharField(max_length=254)
    at = models.DateTimeField(default=timezone.now, help_text="When they said that it is theirs.")
    proven_at = models.DateTimeField(
        null=True, help_text="When they entered the code. Empty: no test goes there."
    )
    code_hash = models.CharField(
        max_length=64, blank=True, default="", db_default="", help_text="Of the code, with a key of ours."
    )
    code_at = models.DateTimeField(null=True, help_text="When the code was made, as it was handed over.")
    tries = models.PositiveSmallIntegerField(
        default=0, db_default=0, help_text="Codes entered that were wrong."
    )

    class Meta:
        verbose_name = "own address"
        verbose_name_plural = "own addresses"
        default_permissions = ()
        constraints = [models.UniqueConstraint(fields=["user", "match_key"], name="own_address_once")]

    def __str__(self) -> str:
        return f"own address of {self.user_id}"

    @property
    def is_email(self) -> bool:
        return "@" in self.value


class AutomaticAnswer(models.Model):
    """One answer, made with the word that it answers or written by a colleague, and gone out once or never.

    A test of a campaign goes the same way, to an address of whoever asked for it, and counts in no figure.
    A code stands in no row: it is put into the text as that is handed over.
    Tables above name account and sender by their ids. `fact`: what it answers; whatever is asked twice, or by two
    processes at once, is answered once.
    """

    class Kind(models.TextChoices):
        STOP = "stop", "Confirms a STOP"
        HELP = "help", "Answers HELP"
        CODE = "code", "Code for a new address"
        PERSON = "person", "Written by a colleague"
        CONFIRM = "confirm", "Asks to confirm"
        VERIFY = "verify", "Asks to check an address"
        TEST = "test", "Test of a campaign"

    class State(models.TextChoices):
        WAITING = "waiting", "Waiting"
        SENDING = "sending", "Being handed over"
        SENT = "sent", "Handed over"
        REFUSED = "refused", "Refused by the provider"
        DROPPED = "dropped", "Not sent"
        IN_DOUBT = "in_doubt", "Not known whether it left"

    ON_TRAILS: ClassVar = {
        Kind.STOP: "Confirmation of STOP",
        Kind.HELP: "Answer to HELP",
        Kind.CODE: "Code for a new address",
        Kind.PERSON: "Answer of a colleague",
        Kind.CONFIRM: "Question to confirm",
        Kind.VERIFY: "Question about an address that fails",
        Kind.TEST: "Test of a campaign",
    }
    QUESTIONS: ClassVar = (Kind.CONFIRM, Kind.VERIFY)  # nobody wrote to us: they may be many, and take turns

    address = models.ForeignKey(
        Address, null=True, on_delete=models.CASCADE, related_name="answers", db_index=False
    )
    change = models.ForeignKey(
        AddressChange,
        null=True,
        on_delete=models.CASCADE,
        related_name="answers",
        help_text="What its code is for: then it goes to an address that is nobody's yet.",
    )
    match_key = models.CharField(max_length=254)
    kind = models.CharField(max_length=8, choices=Kind)
    fact = models.CharField(max_length=80)
    channel = models.CharField(max_length=8, choices=Channel)
    contact_list = models.ForeignKey(
        ContactList,
        null=True,
        on_delete=models.SET_NULL,
        related_name="+",
        db_index=False,
        help_text="The list that asks to confirm.",
    )
    sender_value = models.CharField(max_length=254)
    account_id = models.BigIntegerField(help_text="0: whichever can send for the sender, once it is due.")
    subject = models.CharField(max_length=200, blank=True, default="", db_default="")
    text = models.TextField()
    html = models.TextField(
        blank=True, default="", db_default="", help_text="Of a test by email: what stands beside its text."
    )
    campaign_id = models.BigIntegerField(default=0, db_default=0, help_text="Of a test; 0 of anything else.")
    person_id = models.BigIntegerField(
        default=0, db_default=0, help_text="Of a test: the contact whose details it says; 0 of anything else."
    )
    own_value = models.CharField(
        max_length=254,
        blank=True,
        default="",
        db_default="",
        help_text="Of a test, or a code for such an address: whoever asked for it reads it there.",
    )
    media_url = models.CharField(max_length=500, blank=True, default="", db_default="")
    uuid = models.UUIDField(default=uuid4, unique=True, help_text="Our reference, in its callback address.")
    state = models.CharField(max_length=8, choices=State, default=State.WAITING)
    why = models.CharField(max_length=200, blank=True)
    asked_at = models.DateTimeField(default=timezone.now, help_text="When the word came in.")
    until = models.DateTimeField(null=True, help_text="Until when it waits for the hours there.")
    reply = models.ForeignKey(Reply, null=True, on_delete=models.CASCADE, related_name="answers")
    written_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+", db_index=False
    )
    begun_at = models.DateTimeField(null=True, help_text="When it was last taken up.")
    provider_message_id = models.CharField(max_length=80, blank=True)
    reported = models.CharField(max_length=64, blank=True, help_text="The provider's last word about it.")
    # What a provider said of it that was read as an opt-out or a complaint: it is read again when codes are corrected.
    no_status = models.CharField(max_length=64, blank=True, default="", db_default="")
    no_code = models.CharField(max_length=64, blank=True, default="", db_default="")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["kind", "match_key", "fact"], name="one_answer_for_a_fact"),
        ]
        indexes = [
            # Questions may be many: they are looked for apart.
            models.Index(
                fields=["id"],
                name="answer_at_once",
                condition=Q(state="waiting") & ~Q(kind__in=["confirm", "verify"]),
            ),
            models.Index(
                fields=["sender_value", "until", "id"],
                name="answer_question_of_sender",
                condition=Q(state="waiting", kind__in=["confirm", "verify"]),
            ),
            models.Index(fields=["begun_at"], name="answer_sending", condition=Q(state="sending")),
            models.Index(
                fields=["account_id", "provider_message_id"],
                name="answer_native",
                condition=~Q(provider_message_id=""),
            ),
            models.Index(fields=["address"], name="answer_address"),
            models.Index(fields=["campaign_id", "-id"], name="answer_test", condition=Q(kind="test")),
            models.Index(
                fields=["contact_list", "channel"],
                name="answer_question_of_list",
                condition=Q(kind="confirm"),
            ),
            models.Index(fields=["person_id"], name="answer_test_of_person", condition=Q(kind="test")),
            models.Index(
                fields=["id"], name="answer_that_met_a_no", condition=~Q(no_status="") | ~Q(no_code="")
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()}: {self.get_state_display()}"

    @property
    def to(self) -> str:
        """Where it goes."""
        if self.own_value:
            return self.own_value
        return self.change.value if self.change else self.address.value if self.address else ""

    @property
    def text_shown(self) -> str:
        """The text for colleagues: a code and a link of the person's own stand nowhere."""
        return self.text.replace(LINK_PLACE, "[link]").replace(CODE_PLACE, "[code]")

    @property
    def what(self) -> str:
        """What it is and what became of it, as a trail says it."""
        reported = f" ({self.reported})" if self.reported else ""
        return f"{self.ON_TRAILS[self.Kind(self.kind)]}: {self.get_state_display().lower()}{reported}"
