"""The form of a callback to try."""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from typing import Any

from django import forms
from django.conf import settings

from contacts.channels import Channel
from deliveries.providers import PROVIDERS, choices
from deliveries.providers.base import Provider

# What each kind of callback is called, and what it is; the usual ones first.
KINDS = {
    "status": ("Status report", "What became of a message or a call."),
    "inbound": ("Message from a recipient", "An answer, or a word such as STOP."),
    "keys": ("Key press", "What somebody pressed during a call."),
    "amd": ("Answering machine", "Whether a person or a machine picked up a call."),
    "answer": ("Answered call", "A call was picked up, and the provider asks what to say."),
    "script": ("Call script", "The provider asks what to say on a call."),
    "dsn": ("Returned mail", "The mail, whole, in which a mail server says what became of another."),
}
METHODS = [("POST", "POST"), ("GET", "GET")]
CONTENT_TYPES = (
    "application/json",
    "application/x-www-form-urlencoded",
    "multipart/form-data",
    "message/rfc822",
    "text/xml",
)


def named(kinds: AbstractSet[str]) -> list[tuple[str, str]]:
    """Kinds of callback with their names, in the usual order."""
    known = [(kind, name) for kind, (name, _) in KINDS.items() if kind in kinds]
    return known + [(kind, kind.capitalize()) for kind in sorted(kinds - KINDS.keys())]


def kinds_by_provider(provider: Provider) -> list[tuple[str, list[tuple[str, str]]]]:
    """Those of `provider`, then what only others have: who chooses without a script sees them all."""
    every = {kind for each in PROVIDERS.values() for kind in each.kinds}
    return [(provider.name, named(provider.kinds)), ("Other providers only", named(every - provider.kinds))]


class TryForm(forms.Form):
    """A callback, to see what it would mean. Nothing of it is kept."""

    provider = forms.ChoiceField(label="Provider", choices=choices)
    kind = forms.ChoiceField(label="Kind", help_text="The last word of the address that the provider calls.")
    channel = forms.ChoiceField(
        label="Channel", required=False, choices=[("", "As it says itself"), *Channel.choices],
        help_text="Only for callbacks that do not name it.",
    )  # fmt: skip
    method = forms.ChoiceField(label="Method", choices=METHODS)
    content_type = forms.CharField(
        label="Content type", required=False, max_length=200,
        widget=forms.TextInput(attrs={"list": "content-types", "autocomplete": "off"}),
    )  # fmt: skip
    query = forms.CharField(
        label="Query", required=False, max_length=8_000, help_text="What follows the ? of the address.",
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )  # fmt: skip
    headers = forms.CharField(
        label="Headers", required=False, max_length=16_000, help_text="One on each line, as Name: value.",
        widget=forms.Textarea(attrs={"rows": 2, "spellcheck": "false"}),
    )  # fmt: skip
    body = forms.CharField(
        label="Body", required=False, strip=False, max_length=settings.RECEIPT_MAX_BYTES,
        widget=forms.Textarea(attrs={"rows": 8, "spellcheck": "false"}),
    )  # fmt: skip
    secret = forms.CharField(
        label="Secret", required=False, max_length=4_000, help_text="What proves this provider's callbacks.",
        widget=forms.PasswordInput(attrs={"autocomplete": "off"}),
    )  # fmt: skip
    url = forms.CharField(
        label="Address called", required=False, max_length=2_000,
        help_text="Whole, with its query. Some providers sign it as well.",
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )  # fmt: skip
    draft = forms.BooleanField(label="Read it with the draft", required=False)

    SIGNED = ("secret", "url")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        chosen = PROVIDERS.get(str(self["provider"].value()), next(iter(PROVIDERS.values())))
        self.fields["kind"].choices = kinds_by_provider(chosen)  # type: ignore[attr-defined]

    @property
    def kind_help(self) -> list[tuple[str, str]]:
        return list(KINDS.values())

    def clean(self) -> dict[str, Any]:
        given = super().clean() or {}
        provider, kind = PROVIDERS.get(given.get("provider", "")), given.get("kind")
        if provider and kind and kind not in provider.kinds:
            names = ", ".join(name for _, name in named(provider.kinds))
            self.add_error("kind", f"{provider.name} sends nothing of this kind. It has: {names}.")
        return given

    def clean_headers(self) -> dict[str, str]:
        headers = {}
        for number, line in enumerate(self.cleaned_data["headers"].splitlines(), start=1):
            name, colon, value = line.partition(":")
            if line.strip() and not (colon and name.strip()):
                raise forms.ValidationError(f"Line {number} is not of the form Name: value.")
            if line.strip():
                headers[name.strip()] = value.strip()
        return headers

    def lines(self) -> Iterator[dict[str, Any]]:
        """The callback as `payloads.understand` takes it, once for each way its line breaks may have been.

        Browsers send every line break of a text field as CR LF, and a signature is over the bytes as they were.
        """
        given = {name: value for name, value in self.cleaned_data.items() if name not in ("draft", "body")}
        body = self.cleaned_data["body"]
        for text in dict.fromkeys((body, body.replace("\r\n", "\n"))) if given["secret"] else (body,):
            yield {**given, "body": text}
