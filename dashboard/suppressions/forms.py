"""What is typed about suppressions: an address to look up, one to add, a list of them, and why one is released."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import phonenumbers
from django import forms
from django.conf import settings
from django.core.exceptions import ValidationError
from django.utils import timezone

from contacts import searching
from contacts.blocking_lists import REASONS
from contacts.channels import KIND_OF, Channel, Kind
from contacts.emails import NotAnEmail, parse_email
from contacts.models import Contact, Suppression
from contacts.phones import NotAPhone, parse_phone
from contacts.suppressing import LONGEST_NOTE, BlocksNothing, refuse_idle

Reason = Suppression.Reason
LARGEST_FILE = 250_000  # bytes, some 18,000 numbers: a quarter of a minute; longer ones go by command
AHEAD = timedelta(days=366)
# Who wants it, and so who can lift it.
WHO_WANTS_IT = [
    (Reason.ASKED, "The person asked us to stop. Nobody can release it: it holds until they opt in again."),
    (Reason.STAFF, "We decided so ourselves. It can be released, with a reason."),
    (Reason.LEGAL, "A legal demand. Only an administrator can release it."),
    (Reason.REGISTER, "The number is on a do-not-call register. Only an administrator can release it."),
    (Reason.LITIGATOR, "A known litigator. Only an administrator can release it."),
]


def read_address(text: str) -> str:
    """The number or email in normal form, however it was written. Raises ValidationError."""
    text = searching.clean(text)
    try:
        return parse_email(text) if "@" in text else parse_phone(text, settings.DEFAULT_REGION).value
    except (NotAPhone, NotAnEmail) as problem:
        raise ValidationError(str(problem)) from None


class MomentField(forms.DateTimeField):
    """A date and a time of day, in the reader's zone, as the browser's own field writes it."""

    widget = forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M")
    input_formats = ["%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M"]

    def clean(self, value: Any) -> datetime | None:
        found = super().clean(value)
        if found and not datetime(2000, 1, 1, tzinfo=found.tzinfo) <= found <= timezone.now() + AHEAD:
            raise ValidationError("Choose a moment since 2000, and at most a year from now.")
        return found


class MomentForm(forms.Form):
    at = MomentField(
        label="At this moment",
        required=False,
        help_text="Empty: now. A moment that is over is judged as it stood then.",
    )


class LookUpForm(MomentForm):
    address = forms.CharField(
        label="Phone number or email",
        max_length=searching.LONGEST,
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
        help_text="In any form. It need not be a contact's.",
    )
    field_order = ("address", "at")

    def clean_address(self) -> str:
        return read_address(self.cleaned_data["address"])


class AddForm(forms.Form):
    whom = forms.CharField(
        label="Phone number, email or contact",
        max_length=searching.LONGEST,
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
        help_text="An address in any form, or a contact as #157 or by customer ID: then the whole person.",
    )
    channel = forms.ChoiceField(
        label="Channel",
        required=False,
        choices=[
            ("", "Every channel"),
            *(
                (of, [(one.value, one.label) for one in Channel if KIND_OF[one] == kind])
                for kind, of in ((Kind.PHONE, "To a phone number"), (Kind.EMAIL, "To an email address"))
            ),
        ],
    )
    reason = forms.ChoiceField(
        label="Why",
        choices=WHO_WANTS_IT,
        widget=forms.RadioSelect,
        error_messages={"required": "Say why: it decides who can release it."},
    )
    note = forms.CharField(
        label="Note",
        max_length=300,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text="In your words: what was said, or which letter or list says so. It stays on record with your name.",
    )
    until = MomentField(
        label="Until",
        required=False,
        help_text="Only for what we decided ourselves. Empty: until it is released.",
    )

    def clean(self) -> dict[str, Any]:
        given = super().clean() or {}
        if text := given.get("whom"):
            self._find(text)
        if given.get("until"):
            if given.get("reason") != Reason.STAFF:
                self.add_error("until", "Only what we decided ourselves ends by itself. Leave this empty.")
            elif given["until"] <= timezone.now():
                self.add_error("until", "This is over already.")
        try:
            refuse_idle(given.get("value", ""), given.get("channel", ""))
        except BlocksNothing as problem:
            self.add_error("channel", str(problem))
        return given

    def _find(self, text: str) -> None:
        """`value` and `contact` of what was typed: one of them is set, or the field has its error."""
        self.cleaned_data |= {"value": "", "contact": None}
        if contact := _contact(text):
            self.cleaned_data["contact"] = contact
            return
        try:
            self.cleaned_data["value"] = read_address(text)
        except ValidationError as problem:
            self.add_error("whom", problem)


def _contact(text: str) -> Contact | None:
    """The contact that the text names by our number behind a #, or by the whole of the customer ID."""
    text = searching.clean(text)
    if text.startswith("#"):
        numbered = Contact.objects.select_related("merged_into").filter(pk=searching.numbered(text) or 0)
        return found.stays if (found := numbered.first()) else None
    _, by_id = searching.exactly(text)
    theirs = list(Contact.objects.filter(pk__in=by_id.order_by())[:2])
    return theirs[0] if len(theirs) == 1 else None


class SuppressionsForm(forms.Form):
    file = forms.FileField(
        label="File",
        widget=forms.FileInput(attrs={"accept": ".csv,.txt,text/csv", "class": "control"}),
        help_text="CSV with a column phone or email, or both. At most 250 KB, some 18,000 numbers.",
    )
    reason = forms.ChoiceField(
        label="Why these addresses",
        choices=[(str(reason), f"{words[0].upper()}{words[1:]}") for reason, words in REASONS.items()],
        widget=forms.RadioSelect,
    )
    source = forms.CharField(
        label="Where it comes from",
        max_length=200,
        help_text="Such as “Opt-outs of the old system, 3 March”.",
    )
    region = forms.CharField(
        label="Country of numbers without a country code", max_length=2, help_text="Two letters, such as US."
    )

    def clean_file(self) -> Any:
        file = self.cleaned_data["file"]
        if file.size > LARGEST_FILE:
            raise ValidationError("It is larger than 250 KB. Upload it in parts, or use manage.py suppress.")
        return file

    def clean_region(self) -> str:
        region = self.cleaned_data["region"].upper()
        if region not in phonenumbers.SUPPORTED_REGIONS:
            raise ValidationError(f"“{region}” is no country. Use two letters, such as US.")
        return region


class LiftForm(forms.Form):
    note = forms.CharField(
        label="Why",
        max_length=LONGEST_NOTE,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text="In your words. It stays on record with your name.",
    )
    send = forms.BooleanField(label="Send what it held back", required=False)
