"""The form of the composer's section When: from when and how fast it is sent, and by which rules it goes on."""

from __future__ import annotations

from datetime import datetime, timedelta
from datetime import timezone as tz
from typing import Any

from django import forms
from django.db import models, transaction
from django.utils import timezone

from campaigns.models import Campaign, Playbook
from campaigns.models.campaigns import EARLIEST
from campaigns.own_playbooks import began_from, follow
from dashboard.campaigns.canary_field import canary_field
from dashboard.campaigns.playbook_sentence import PlaybookSentence
from deliveries.sending.audience import earliest_start

LATEST = tz(timedelta(hours=-12))  # where a time of the clock comes last
WHAT_IT_IS = ("purpose", "priority", "goal")
OWN_FIELDS = ("starts_at", "local_date", "local_time", "per_minute", "spread_hours")


# What each way to start asks for.
ASKED: dict[str, tuple[str, ...]] = {"at": ("starts_at",), "local": ("local_date", "local_time")}


class StartMode(models.TextChoices):
    NOW = "now", "As soon as it is launched"
    AT = "at", "At a time, the same for all"
    LOCAL = "local", "At each person's local time"


class PaceMode(models.TextChoices):
    FASTEST = "fastest", "As fast as its sender may"
    PER_MINUTE = "per_minute", "At most so many a minute"
    SPREAD = "spread", "Spread over hours"


class MomentInput(forms.DateTimeInput):
    """Date and time in one field, as the browser's own control writes them."""

    input_type = "datetime-local"

    def __init__(self) -> None:
        super().__init__(format="%Y-%m-%dT%H:%M")


class DayInput(forms.DateInput):
    input_type = "date"

    def __init__(self) -> None:
        super().__init__(format="%Y-%m-%d")


class ClockInput(forms.TimeInput):
    input_type = "time"

    def __init__(self) -> None:
        super().__init__(format="%H:%M")


class WhenForm(forms.ModelForm):
    start = forms.ChoiceField(label="Start", choices=StartMode, widget=forms.RadioSelect)
    pace = forms.ChoiceField(label="How fast", choices=PaceMode, widget=forms.RadioSelect)
    playbook = forms.ModelChoiceField(
        Playbook.objects.none(), label="Playbook", empty_label=None, help_text="Rules for what comes after."
    )

    class Meta:
        model = Campaign
        fields = (
            *OWN_FIELDS, "window_start", "window_end", "relevant_until", "purpose", "priority", "goal",
            "canary_percent",
        )  # fmt: skip
        widgets = {
            "starts_at": MomentInput, "relevant_until": MomentInput, "local_date": DayInput, "local_time": ClockInput,
            "window_start": ClockInput, "window_end": ClockInput,
        }  # fmt: skip
        labels = {
            "starts_at": "Starts at", "local_date": "Day where they are", "local_time": "Time where they are",
            "relevant_until": "Don't send after", "per_minute": "Messages a minute", "spread_hours": "Hours",
        }  # fmt: skip
        help_texts = dict.fromkeys(
            ("local_date", "local_time", "per_minute", "spread_hours", "starts_at"), ""
        )

    def __init__(self, data: Any = None, *, instance: Campaign, now: datetime | None = None) -> None:
        super().__init__(data, instance=instance, prefix="when")
        self.fields["canary_percent"] = canary_field(instance.canary_percent)
        self._now = now or timezone.now()
        self._before = instance.starts_at, instance.local_start, instance.relevant_until
        shared = Playbook.objects.shared().order_by("name")
        self.fields["playbook"].queryset = shared  # type: ignore[attr-defined]
        follows = began_from(instance)
        self.initial.update(start=_start_of(instance), pace=_pace_of(instance), playbook=follows.pk)
        if instance.local_start:
            self.initial["starts_at"] = None
        # What is chosen is saved at once: it comes with something that can be.
        tomorrow = timezone.localtime(self._now) + timedelta(days=1)
        nine = tomorrow.replace(hour=9, minute=0, second=0, microsecond=0)
        usual = {
            "starts_at": nine, "local_date": nine.date(), "local_time": nine.time(), "per_minute": 60,
            "spread_hours": 4,
        }  # fmt: skip
        for name, value in usual.items():
            self.initial[name] = self.initial.get(name) or value
        chosen = self.data.get(self.add_prefix("playbook"), "") if self.is_bound else ""
        chosen_one = next((one for one in shared if str(one.pk) == chosen), None) or follows
        self.sentence = PlaybookSentence(self, instance, chosen_one)
        if self.is_bound and not self.sentence.was_shown:
            self.sentence.skip()

    @property
    def what_it_is(self) -> str:
        """Its purpose, priority and goal in words, as they stand in the form."""
        purpose, priority, goal = (
            str(dict(self.fields[name].choices).get(self[name].value(), ""))  # type: ignore[attr-defined]
            for name in WHAT_IT_IS
        )
        return f"{purpose}, {priority.lower()} priority. {goal}."

    @property
    def what_is_wrong(self) -> bool:
        return not self.errors.keys().isdisjoint(WHAT_IT_IS)

    def clean(self) -> dict[str, Any]:
        data = super().clean() or self.cleaned_data
        self._clean_start(data)
        self._clean_pace(data)
        if self.sentence.was_shown:
            self.sentence.check(data)
        until, starts = data.get("relevant_until"), data.get("starts_at")
        if until and until != self._before[2] and until <= max(self._now, starts or self._now):
            self.add_error("relevant_until", "Nothing would leave: give a time after the start, or none.")
        return data

    def _clean_start(self, data: dict[str, Any]) -> None:
        mode, (before, local_before, _) = data.get("start"), self._before
        day, clock = data.get("local_date"), data.get("local_time")
        asked = ASKED.get(mode or "", ())
        for name in {"starts_at", "local_date", "local_time"} - set(asked):
            self.errors.pop(name, None)  # of what is not chosen nothing is asked
            data[name] = None
        if mode == StartMode.AT and "starts_at" not in self.errors:
            starts = data.get("starts_at")
            if starts is None:
                self.add_error("starts_at", "Say when it starts, or start as soon as it is launched.")
            elif starts <= self._now and (local_before or starts != before):
                self.add_error("starts_at", "That has passed: choose a later time, or start at the launch.")
        elif mode == StartMode.LOCAL:
            for name, value in (("local_date", day), ("local_time", clock)):
                if value is None and name not in self.errors:
                    self.add_error(name, "Give the day and the time where each person is.")
            if day and clock:
                local = datetime.combine(day, clock)
                data["starts_at"] = local.replace(tzinfo=EARLIEST)
                if local.replace(tzinfo=LATEST) <= self._now and local != local_before:
                    self.add_error("local_date", "That has passed everywhere: choose a later day or time.")

    def _clean_pace(self, data: dict[str, Any]) -> None:
        mode = data.get("pace")
        for name, of in (("per_minute", PaceMode.PER_MINUTE), ("spread_hours", PaceMode.SPREAD)):
            if mode != of:
                data[name] = None
                self.errors.pop(name, None)
            elif data.get(name) is None and name not in self.errors:
                self.add_error(name, "Give a number, or choose another pace.")

    @transaction.atomic
    def save(self, commit: bool = True) -> Campaign:
        campaign = self.instance
        if campaign.local_start:
            campaign.starts_at = earliest_start(campaign)
        campaign.save(update_fields=list(self._meta.fields or ()))
        shown = self.sentence.was_shown
        follow(campaign, self.sentence.shared, self.sentence.changed(self.cleaned_data) if shown else None)
        return campaign


def _start_of(campaign: Campaign) -> str:
    if campaign.local_start:
        return StartMode.LOCAL
    return StartMode.AT if campaign.starts_at else StartMode.NOW


def _pace_of(campaign: Campaign) -> str:
    if campaign.per_minute:
        return PaceMode.PER_MINUTE
    return PaceMode.SPREAD if campaign.spread_hours else PaceMode.FASTEST
