"""The form of a playbook: channels are chosen one after the other, the best first."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django import forms
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from campaigns.models import Playbook
from campaigns.models.playbooks import RULES
from contacts.channels import Channel


class InOrder(forms.SelectMultiple):
    """A select for each place, all under one name: what is posted is a multiple choice in the order of preference."""

    use_fieldset = True

    def render(
        self, name: str, value: Any, attrs: Mapping[str, Any] | None = None, renderer: Any = None
    ) -> SafeString:
        chosen = [str(one) for one in value] if isinstance(value, list) else []
        choices = [("", "None"), *self.choices]
        chosen += [""] * (len(choices) - 1 - len(chosen))
        attrs = dict(attrs or {})
        first = attrs.pop("id", f"id_{name}")
        selects = [
            forms.Select(choices=choices).render(
                name, one, {**attrs, "id": f"{first}_{n}", "aria-label": f"Choice {n + 1}"}, renderer
            )
            for n, one in enumerate(chosen)
        ]
        return format_html("<div>{}</div>", format_html_join(" ", "{}", ((one,) for one in selects)))

    def value_from_datadict(self, data: Any, files: Any, name: str) -> list[str]:
        return [one for one in super().value_from_datadict(data, files, name) or [] if one]

    def id_for_label(self, id_: str, index: str | None = None) -> str:
        return ""


class ChannelsField(forms.MultipleChoiceField):
    """Channels, the best first; each counts where it stands first. None at all is an answer, too."""

    widget = InOrder

    def __init__(self, **options: Any) -> None:
        super().__init__(choices=Channel, required=False, **options)

    def clean(self, value: Any) -> list[str]:
        return list(dict.fromkeys(super().clean(value)))

    def has_changed(self, initial: Any, data: Any) -> bool:
        """Another order is another playbook."""
        return list(initial or []) != list(data or [])


class PlaybookForm(forms.ModelForm):
    switch_to = ChannelsField(help_text="Best first. None at all: it never changes channel.")
    urgent_switch_to = ChannelsField(help_text="The same, for urgent campaigns.")

    class Meta:
        model = Playbook
        fields = ("name", *RULES)

    def clean_name(self) -> str:
        name = self.cleaned_data["name"]
        if self.instance.own_of_id is None:
            others = Playbook.objects.shared().filter(name=name).exclude(pk=self.instance.pk)
            if others.exists():
                raise forms.ValidationError("Another playbook has this name: choose another.")
        return name
