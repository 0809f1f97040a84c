"""The composer's section What: by which channel first, and what is said on each."""

from __future__ import annotations

import re
from collections.abc import Sequence
from copy import copy
from datetime import datetime
from typing import Any, NamedTuple

from django import forms
from django.db import transaction
from django.utils import timezone

from accounts.models import User
from campaigns import uploads
from campaigns.content_fixes import fixed
from campaigns.countries import countries
from campaigns.drafting import usual_sender
from campaigns.links import CODE_LENGTH, address_of
from campaigns.look_alikes import replaced
from campaigns.media import validate_web_address
from campaigns.models import Campaign, Content, OnMachine, Sender
from campaigns.rates import kind_of
from contacts.channels import Channel
from contacts.phones import grouped
from dashboard.campaigns.what_notes import ChannelNotes, channel_notes, opt_out_country
from deliveries.outcomes.normal_versions import senders_before
from deliveries.sending.meant import first_contacts

MEDIA = {
    Channel.MMS: ("Picture", "The address of a picture, such as https://example.com/picture.jpg."),
    Channel.VOICE: ("Recording", "The address of a recording. Empty: the text is read aloud."),
    Channel.RVM: ("Recording", "The address of a recording. Empty: the text is read aloud."),
}


HTML_HELP = (
    "Empty: the mail is plain text. Else programs show this, and the text where they show no HTML. The link to"
    " unsubscribe is added to both."
)


OF_CALLS = ("key_more", "key_stop", "on_machine")


def _of_calls() -> dict[str, forms.Field]:
    """What a call does beside speaking. The usual key for stop always ends calls, so that it asks for nothing else."""
    keys = [str(n) for n in range(1, 9)]
    return {
        "key_more": forms.ChoiceField(
            label="Key for more",
            required=False,
            choices=[("", "Any key"), *((one, one) for one in keys)],
            help_text="Who presses it counts as interested. Say in the text which.",
        ),
        "key_stop": forms.ChoiceField(
            label="Key that ends such calls",
            choices=[(one, one) for one in ("9", *keys, "0")],
            help_text="Say in the text which. 9 does as well, whatever is chosen.",
        ),
        "on_machine": forms.ChoiceField(
            label="When a machine answers",
            choices=OnMachine,
            help_text="Hang up where only a person who answers counts.",
        ),
    }


class PlainText(forms.CharField):
    """Lines end as they are sent: browsers make two characters of each end."""

    widget = forms.Textarea

    def to_python(self, value: Any) -> str:
        return (super().to_python(value) or "").replace("\r\n", "\n")


class SenderChoice(forms.TypedChoiceField):
    """One of these senders, those that may send first; all channels take theirs from one query."""

    def __init__(self, senders: Sequence[Sender]) -> None:
        known = {str(one.pk): one for one in senders}
        super().__init__(
            label="From",
            choices=_by_use(list(known.items())),
            coerce=lambda key: known[str(key)],
        )


def _by_use(senders: list[tuple[str, Sender]]) -> list[tuple[str, Any]]:
    """Choices of senders; in two groups where some may not send yet."""
    ready = [(key, _named(one)) for key, one in senders if one.may_send]
    others = [(key, _named(one)) for key, one in senders if not one.may_send]
    groups: list[tuple[str, Any]] = [("Ready to send", ready), ("May not send yet", others)]
    return groups if ready and others else [*ready, *others]


def _named(sender: Sender) -> str:
    state = "" if sender.may_send else f", {sender.get_state_display().lower()}"
    return f"{grouped(sender.value)} ({sender.name}{state})"


class ChannelFields(NamedTuple):
    """The fields of what is said on one channel, for the template."""

    channel: str
    label: str
    fields: list[forms.BoundField]
    notes: ChannelNotes | None
    compares: bool  # its sender has sent other wordings


class WhatForm(forms.Form):
    """A text for each channel that has one; `add` and `remove`, the names of buttons, carry a channel, `fix` a channel
    and what to do about its text. `rewrote`: saving changed a text as `fix` asked."""

    rewrote = False

    channel = forms.ChoiceField(label="First channel", help_text="What each person gets first.")
    track_links = forms.BooleanField(label="Count clicks", required=False)

    def __init__(self, campaign: Campaign, data: Any = None, files: Any = None) -> None:
        super().__init__(data, files, prefix="what")
        self.campaign = campaign
        self.contents = {
            one.channel: one for one in campaign.contents.select_related("sender__brand").order_by("pk")
        }
        senders = list(Sender.objects.order_by("name", "pk"))
        self.senders = {
            channel: [one for one in senders if one.channel == channel] for channel in Channel.values
        }
        usable = [one for one in Channel if self.senders[one] or one == campaign.channel]
        self.fields["channel"].choices = [(one.value, str(one.label)) for one in usable]  # type: ignore[attr-defined]
        self.initial["channel"] = campaign.channel
        self.initial["track_links"] = campaign.track_links
        short = address_of("x" * CODE_LENGTH)
        self.fields["track_links"].help_text = (
            f"Web addresses in texts and emails leave as short ones, such as {address_of('…')}, and are counted with"
            f" their {len(short)} characters. Those with a merge field in them stay as they are."
        )
        for content in self.contents.values():
            self._add_fields(content)

    def _add_fields(self, content: Content) -> None:
        channel = Channel(content.channel)
        fields: dict[str, forms.Field] = {"sender": SenderChoice(self.senders[channel])}
        if channel == Channel.EMAIL:
            fields["subject"] = forms.CharField(label="Subject", max_length=200, required=False)
        fields["body"] = PlainText(label="Text", required=False)
        if channel == Channel.EMAIL:
            fields["html"] = PlainText(label="HTML", required=False, help_text=HTML_HELP)
        if channel in MEDIA:
            label, hint = MEDIA[channel]
            fields["media_url"] = forms.URLField(
                label=label,
                help_text=hint,
                required=False,
                validators=[validate_web_address],
                assume_scheme="https",
            )
            fields["file"] = forms.FileField(label=f"Or upload a {label.lower()}", required=False)
        if channel == Channel.VOICE:
            fields |= _of_calls()
        for name, field in fields.items():
            self.fields[f"{channel}_{name}"] = field
            value = getattr(content, name, None)
            self.initial[f"{channel}_{name}"] = value.pk if isinstance(value, Sender) else value

    def clean(self) -> dict[str, Any]:
        """An upload is what it contains, and takes the place of the address."""
        data = super().clean() or self.cleaned_data
        if data.get("voice_key_more") and data["voice_key_more"] == data.get("voice_key_stop"):
            self.add_error("voice_key_more", "That key ends such calls already: choose another.")
        for channel in self.contents:
            file, sender = data.get(f"{channel}_file"), data.get(f"{channel}_sender")
            if not file or sender is None:
                continue
            if file.size > uploads.MOST:
                self.add_error(
                    f"{channel}_file", f"It has more than {uploads.MOST // 1_048_576} MB: make it smaller."
                )
                continue
            octets = file.read()
            try:
                facts = uploads.read(channel, octets, kind_of(channel, sender.value))
            except uploads.NotUsable as problem:
                self.add_error(f"{channel}_file", str(problem))
            else:
                data[f"{channel}_media_url"] = uploads.address(uploads.store(octets, facts.ending))
                self.rewrote = True
        return data

    @property
    def by_channel(self) -> list[ChannelFields]:
        """The first channel first."""
        order = sorted(self.contents, key=lambda channel: channel != self.campaign.channel)
        notes = channel_notes(
            self.campaign, [self._typed(one) for one in self.contents.values()], timezone.now()
        )
        senders = {content.sender_id: channel for channel, content in self.contents.items()}
        before = senders_before(senders, without=self.campaign.pk)
        return [
            ChannelFields(
                channel,
                str(Channel(channel).label),
                [self[name] for name in self.fields if name.startswith(f"{channel}_")],
                notes.get(channel),
                self.contents[channel].sender_id in before,
            )
            for channel in order
        ]

    def _typed(self, content: Content) -> Content:
        """What is said as it stands on the page, saved or not."""
        typed = copy(content)
        typed.campaign = self.campaign
        for name in ("subject", "body", "html"):
            field = f"{content.channel}_{name}"
            if field in self.fields:
                setattr(typed, name, self.fields[field].to_python(self[field].value() or ""))
        return typed

    @property
    def missing(self) -> list[tuple[str, str]]:
        """(channel, label) of those that could be added: they have a sender, and no text yet."""
        return [
            (one.value, str(one.label)) for one in Channel if self.senders[one] and one not in self.contents
        ]

    def save(self) -> None:
        data, campaign = self.cleaned_data, self.campaign
        add, remove = self.data.get("what-add", ""), self.data.get("what-remove", "")
        with transaction.atomic():
            for channel, content in self.contents.items():
                self._store(channel, content)
            if remove in self.contents and len(self.contents) > 1:
                self.contents.pop(remove).delete()
            campaign.channel = data["channel"]
            if campaign.channel == remove:
                campaign.channel = next(iter(self.contents))
            campaign.track_links = data["track_links"]
            campaign.save(update_fields=["channel", "track_links"])
            for channel in {campaign.channel, add} & set(Channel.values) - set(self.contents):
                if sender := usual_sender(channel):
                    Content.objects.create(campaign=campaign, channel=channel, sender=sender)

    def _store(self, channel: str, content: Content) -> None:
        names = [
            name
            for name in ("sender", "subject", "body", "html", "media_url", *OF_CALLS)
            if f"{channel}_{name}" in self.fields
        ]
        for name in names:
            setattr(content, name, self.cleaned_data[f"{channel}_{name}"])
        which, _, fix = self.data.get("what-fix", "").partition(":")
        if which == channel and (body := self._fixed(content.body, fix)) != content.body:
            content.body, self.rewrote = body, True
        content.save(update_fields=names)

    def _fixed(self, body: str, fix: str) -> str:
        """`fix` is what a remark names, or the code of one character to replace."""
        if fix == "opt_out_line":
            return fixed(body, fix, opt_out_country(countries(first_contacts(self.campaign, timezone.now()))))
        if re.fullmatch(r"[0-9A-F]{4,5}", fix):
            return replaced(body, chr(int(fix, 16)))
        return fixed(body, fix)


def form(campaign: Campaign, user: User, data: Any = None, files: Any = None) -> WhatForm:
    return WhatForm(campaign, data, files)


def context(campaign: Campaign, user: User, now: datetime) -> dict[str, Any]:
    return {"first": campaign.channel}
