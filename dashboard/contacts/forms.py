"""What may be entered for one person: corrections, a suppression and its release, a note."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django import forms

from contacts.carrying import words
from contacts.channels import KIND_OF, Channel, Kind
from contacts.consenting import WHO_ASKED
from contacts.models import Address, Contact, Suppression
from contacts.phones import concealed
from contacts.suppressing import LONGEST_NOTE, BlocksNothing, refuse_idle
from dashboard.contacts.banner import whole_or_masked


class BlocksForm(forms.Form):
    """Which blocks by colleagues and imports hold at the address that takes the place of another."""

    blocks_label = "Block the new one too"
    blocks_help = (
        "What was blocked before stays blocked at the new number or email. Untick only what was about the old one "
        "alone, such as a wrong number; that is noted with your name."
    )

    def __init__(
        self, *args: Any, blocked: Sequence[Suppression] = (), full: bool = False, **kwargs: Any
    ) -> None:
        """`blocked`: what colleagues and imports blocked at their addresses. Addresses are whole only in `full`."""
        super().__init__(*args, **kwargs)
        self.show = whole_or_masked(full)
        self.conceal = str if full else concealed
        self.blocks_shown: list[str] = []
        if blocked:
            self._ask_of_blocks(blocked)

    def _ask_of_blocks(self, blocked: Sequence[Suppression]) -> None:
        shown = [(str(one.pk), f"{self.show(one.value)}: {self.conceal(words(one))}") for one in blocked]
        self.blocks_shown = [pk for pk, _ in shown]
        self.fields["block_too"] = forms.MultipleChoiceField(
            label=self.blocks_label,
            required=False,
            choices=shown,
            initial=self.blocks_shown,
            widget=forms.CheckboxSelectMultiple,
            help_text=self.blocks_help,
        )
        if self.is_bound:  # an unticked box sends nothing: only what was shown can have been unticked
            data: Any = self.data.copy()  # type: ignore[attr-defined]  # a QueryDict
            seen = set(data.getlist("blocks_shown"))
            for pk in self.blocks_shown:
                if pk not in seen:
                    data.appendlist("block_too", pk)
            self.data = data

    @property
    def unblocked(self) -> set[int]:
        """The blocks, by id, that somebody was shown and unticked."""
        ticked = self.cleaned_data.get("block_too", ())
        return {int(pk) for pk in self.blocks_shown if pk not in ticked}


class MergeForm(BlocksForm):
    blocks_label = "Block the one that is used too"
    blocks_help = (
        "What colleagues or imports blocked at a number or email that gives way holds at the one that is used as well. "
        "Untick only what was about the other one alone, such as a wrong number; that is noted with your name. What "
        "the person asked us to stop always goes along."
    )


class CorrectForm(BlocksForm):
    name = forms.CharField(label="Name", required=False, max_length=200)
    phone = forms.CharField(
        label="Phone number",
        required=False,
        max_length=40,
        help_text="In any format. The old one is kept as invalid. Their consent goes along, and so does their no.",
    )
    email = forms.CharField(
        label="Email",
        required=False,
        max_length=254,
        help_text="The same holds: the old one is kept as invalid, and what they agreed to or refused goes along.",
    )
    time_zone = forms.CharField(
        label="Time zone",
        required=False,
        max_length=64,
        help_text="Such as America/Chicago. Empty: taken from the phone number.",
    )
    external_id = forms.CharField(
        label="Customer ID",
        required=False,
        max_length=120,
        help_text="Of the system that imports come from: by it they find this person again.",
    )
    stage = forms.ChoiceField(
        label="Stage", required=False, choices=[("", "Not known"), *Contact.Stage.choices]
    )

    def __init__(self, *args: Any, doubted: Sequence[tuple[Address, str]] = (), **kwargs: Any) -> None:
        """`doubted`: the contact's addresses at which something failed, each with what, in words."""
        super().__init__(*args, **kwargs)
        if doubted:
            self.fields["confirmed"] = forms.MultipleChoiceField(
                label="Is it right as it is?",
                required=False,
                choices=[
                    (str(one.pk), f"{self.show(one.value)} is right: use it again. {why}")
                    for one, why in doubted
                ],
                widget=forms.CheckboxSelectMultiple,
            )
            self.order_fields([name for name in self.fields if name != "block_too"])

    def offer_to_share(self, contact: Contact | str, values: list[str]) -> None:
        """Another contact has these addresses: ask whether both of them go by them."""
        self.fields["shared"] = forms.MultipleChoiceField(
            label="Do they share it?",
            choices=[(one, f"Yes, {contact} can be reached at {self.show(one)} too") for one in values],
            widget=forms.CheckboxSelectMultiple,
        )


class SuppressForm(forms.Form):
    what = forms.ChoiceField(label="What to suppress", widget=forms.RadioSelect)
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
    asked = forms.ChoiceField(
        label="Who wants it",
        choices=WHO_ASKED,
        widget=forms.RadioSelect,
        error_messages={"required": "Say who wants it: only one of the two can be released."},
        help_text=(
            "What the person asked for cannot be released by anybody: it holds until they opt in again. "
            "What we decided ourselves can be released again, with a reason."
        ),
    )
    reason = forms.CharField(
        label="Reason",
        max_length=300,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text="In your words. It stays on record with your name.",
    )

    def __init__(self, *args: Any, addresses: list[dict[str, Any]], **kwargs: Any) -> None:
        """`addresses`: {"address": Address, "shown": str, "note": str} for each, as the page lists them."""
        super().__init__(*args, **kwargs)
        self.addresses = {str(one["address"].pk): one["address"] for one in addresses}
        one_each = [
            (str(one["address"].pk), f"Only {one['shown']}" + (f" ({one['note']})" if one["note"] else ""))
            for one in addresses
        ]
        self.fields["what"].choices = [("contact", "The whole contact"), *one_each]  # type: ignore[attr-defined]

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if "what" in cleaned:
            try:
                refuse_idle(self.value, cleaned.get("channel", ""))
            except BlocksNothing as problem:
                self.add_error("channel", str(problem))
        return cleaned

    @property
    def value(self) -> str:
        """The address to block; '' for the whole contact."""
        chosen = self.addresses.get(self.cleaned_data["what"])
        return chosen.value if chosen else ""


class ReleaseForm(forms.Form):
    note = forms.CharField(
        label="Why",
        max_length=LONGEST_NOTE,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text="In your words. It stays on record with your name.",
    )


class ContactNoteForm(forms.Form):
    text = forms.CharField(
        label="Add a note", max_length=2_000, widget=forms.Textarea(attrs={"rows": 2, "aria-label": "Note"})
    )
