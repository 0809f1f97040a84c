"""The composer's section Who: the people a campaign is for."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

from django import forms
from django.db import transaction

from accounts.models import User
from campaigns.condition_words import described
from campaigns.models import Campaign, Segment
from contacts.channels import Channel
from dashboard.campaigns.looking import looked_at
from dashboard.campaigns.skipped import by_reason
from dashboard.who_form import WhoForm
from deliveries.wording import listed


class ComposeWhoForm(WhoForm):
    """With a saved segment to begin with: choosing another takes its lists and conditions, whatever else was chosen."""

    segment = forms.ModelChoiceField(
        Segment.objects.none(),
        label="Begin with a saved segment",
        required=False,
        empty_label="None",
        help_text="Its lists and conditions are copied, and may be changed here.",
    )

    def __init__(self, campaign: Campaign, user: User | None, data: Any = None) -> None:
        lists = list(campaign.lists.order_by("pk").values_list("pk", flat=True))
        super().__init__(campaign.meant, lists, data)
        self.campaign = campaign
        usable = Segment.objects.seen_by(user.pk if user else None) | Segment.objects.filter(
            pk=campaign.segment_id or 0
        )
        self.fields["segment"].queryset = usable  # type: ignore[attr-defined]
        self.initial["segment"] = campaign.segment_id
        if (
            campaign.follows_id
        ):  # its people are those of the earlier campaign: lists and everybody add nobody
            del self.fields["lists"], self.fields["everybody"]
            self.fields["segment"].help_text = "Its conditions are copied, and may be changed here."

    def clean(self) -> dict[str, Any]:
        data = super().clean()
        segment = data.get("segment")
        if segment and segment.pk != self.campaign.segment_id:
            self.meant, self.rewrote = segment.meant, True
            self.chosen_lists = list(segment.lists.values_list("pk", flat=True))
        if self.campaign.follows_id:  # of its lists some ask people to confirm: they stay
            self.meant = replace(self.meant, everybody=self.campaign.meant.everybody)
            self.chosen_lists = list(self.initial["lists"])
        return data

    def save(self) -> None:
        with transaction.atomic():
            self.campaign.lists.set(self.chosen_lists)
            self.campaign.conditions = self.meant.as_json
            self.campaign.segment = self.cleaned_data["segment"]
            self.campaign.save(update_fields=["conditions", "segment"])


def form(campaign: Campaign, user: User, data: Any = None, files: Any = None) -> ComposeWhoForm:
    return ComposeWhoForm(campaign, user, data)


def context(campaign: Campaign, user: User, now: datetime) -> dict[str, Any]:
    draft = looked_at(campaign, now)
    who = draft.first.who
    segment, others = campaign.segment, draft.other_channels
    same = (
        segment
        and segment.meant == who.conditions
        and set(who.lists) == set(segment.lists.values_list("pk", flat=True))
    )
    return {
        "campaign": campaign,
        "meant": described(who.conditions, who.lists),
        "draft": draft,
        "size": draft.size,
        "skipped": by_reason(campaign, draft.people),
        "first_channel": Channel(campaign.channel).in_sentence,
        "segment_changed": segment is not None and not same,
        "gain": draft.gain_by_chance,
        "gain_by": listed([Channel(one).in_sentence for one in others], "or") if others else "",
    }
