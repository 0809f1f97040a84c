"""The composer's section Who: the people a campaign is for."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django import forms
from django.db import transaction

from accounts.models import User
from campaigns.models import Campaign
from contacts.models import ContactList, ListMembership


class ListChoice(forms.ModelMultipleChoiceField):
    """Each list with how many people it has, as they were last counted."""

    def label_from_instance(self, obj: ContactList) -> str:
        figures = getattr(obj, "figures", None)
        if figures is None or figures.counted_at is None:
            return obj.name
        return f"{obj.name} ({figures.people:,})"


class WhoForm(forms.Form):
    lists = ListChoice(
        ContactList.objects.none(),
        label="Lists",
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text="Whoever is on several of them is written to once.",
    )

    def __init__(self, campaign: Campaign, data: Any = None) -> None:
        super().__init__(data, prefix="who")
        self.campaign = campaign
        self.fields["lists"].queryset = ContactList.objects.select_related("figures")  # type: ignore[attr-defined]
        self.initial["lists"] = list(campaign.lists.values_list("pk", flat=True))

    def save(self) -> None:
        with transaction.atomic():
            self.campaign.lists.set(self.cleaned_data["lists"])


def form(campaign: Campaign, user: User, data: Any = None, files: Any = None) -> WhoForm:
    return WhoForm(campaign, data)


def context(campaign: Campaign, user: User, now: datetime) -> dict[str, Any]:
    members = ListMembership.objects.filter(contact_list__in=campaign.lists.all())
    return {"people": members.values("contact_id").distinct().count()}
