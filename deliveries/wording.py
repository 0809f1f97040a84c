"""What people read: label, meaning and next step of an outcome. The sentences stand in `words.csv`.

A row names a channel, a status, a failure class and a goal; `*` stands for any. The most particular row speaks. What
arrived has no failure class: there the column names evidence that is too weak to be called proof.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable
from datetime import datetime
from functools import lru_cache
from itertools import product
from pathlib import Path
from typing import NamedTuple

from django.utils import timezone
from django.utils.formats import date_format

from accounts.zones import zone_words
from campaigns.models import Campaign
from contacts.gate import REASONS, Reason

WORDS = Path(__file__).resolve().parent / "words.csv"
ANY = "*"
# Picture messages share their words with text messages.
ALIKE = {"mms": "sms"}
WEAK = frozenset({"handed_over", "assumed"})


# Why we withdrew a message, beyond the gate's own reasons.
WITHDRAWN = {
    "undone": "Canceled before it was sent: the bulk action was undone.",
    "stopped": "Canceled before it was sent: a colleague stopped it.",
    "superseded": "Canceled before it was sent: another attempt arrived first.",
    "no_longer_meant": "Canceled before it was sent: what the follow-up waited for was no longer so.",
}


# Why a bulk action passed over a message.
SKIPS = {
    "delivered": "Already delivered meanwhile",
    "under_way": "Another attempt is on its way",
    "not_latest": "A newer attempt has replaced it",
    "permanent": "Retrying a permanent failure never helps",
    "ours_to_mend": "Content, sender or account has to be fixed first",
    "opted_out": "The contact opted out",
    "reached": "Reached by a newer message",
    "already_suppressed": "Already suppressed",
    "already_marked": "Already marked for correction on that channel",
    "history": "More than two weeks old",
    "failed": "An error in Waybill: nothing was changed",
    "no_route": "No content or account for that channel",
    "same_channel": "It was sent on that channel already",
    **{
        reason.value: rule.sentence.capitalize()
        for reason, rule in REASONS.items()
        if not rule.holds and reason != Reason.OPTED_OUT
    },
}


# The rules of `deciding/decide.py` and what else a decision can stand on, each as it is called on pages.
RULES = {
    "arrived": "It arrived",
    "opted-out": "The person opted out",
    "suppressed": "The person may not be contacted",
    "history": "More than two weeks old",
    "planned": "Waiting to be sent",
    "under-way": "On its way",
    "at-risk": "No receipt, or delayed, for long",
    "silence": "No receipt for too long",
    "evidence-missing": "No receipts come from the account",
    "urgent-delay": "Urgent and delayed",
    "undelivered-switch": "Not delivered: another channel",
    "permanent-switch": "Permanent failure: another channel",
    "permanent": "Permanent failure",
    "strikes": "Permanent failures",
    "corrected": "The address was corrected",
    "other-channel": "The number takes another channel",
    "ours-to-mend": "A fault on our side",
    "next-route": "Refused, and another route takes it",
    "retry": "Retry after a temporary failure",
    "exhausted": "All retries are used",
    "blocked": "No retry is allowed",
    "too-late": "It would come too late",
    "ended": "Nothing more is sent",
    "unknown": "Whether it arrived is not known",
    "unexplained": "A failure without a known reason",
    "no-route": "No content or account for the channel",
    "undone": "The bulk action was undone",
    "stopped": "A colleague stopped it",
    "superseded": "Another attempt arrived first",
    "no_longer_meant": "What the follow-up waited for was no longer so",
    "withdrawn": "It was withdrawn",
    "staff": "A colleague's decision",
}


class Wording(NamedTuple):
    """An outcome in plain words: the label fits a chip, the other two are sentences."""

    label: str
    meaning: str
    next_step: str


@lru_cache(maxsize=1)
def rows() -> dict[tuple[str, str, str, str], Wording]:
    """Every row of the table by (status, channel, failure class, goal)."""
    with WORDS.open(newline="", encoding="utf-8") as file:
        return {
            (row["status"], row["channel"], row["failure_class"], row["goal"]): Wording(
                row["label"], row["meaning"], row["next_step"]
            )
            for row in csv.DictReader(file)
        }


@lru_cache(maxsize=4_096)
def wording(
    channel: str, status: str, failure_class: str = "", goal: str = "exposure", evidence: str = ""
) -> Wording:
    """The words for an outcome. Raises KeyError for a status that is not of our vocabulary."""
    if status == "delivered" and evidence in WEAK:
        failure_class = evidence
    channels = dict.fromkeys((channel, ALIKE.get(channel, channel), ANY))
    # The class says more than the channel does, so a row for it is looked for on every channel first.
    for of_class, of_channel, of_goal in product((failure_class, ANY), channels, (goal, ANY)):
        found = rows().get((status, of_channel, of_class, of_goal))
        if found:
            return found
    raise KeyError(f"words.csv has no row for the status {status!r}")


def withdrawal(reason: str) -> str:
    """Why a message of ours never left, as a sentence. `reason` is what was noted when it was withdrawn."""
    if reason in WITHDRAWN:
        return WITHDRAWN[reason]
    if reason in {one.value for one in Reason}:
        return f"Canceled before it was sent: {REASONS[Reason(reason)].sentence}."
    return "Canceled before it was sent."


def rule_words(rule: str) -> str:
    """What a rule is called on pages: one of ours, or a reason of the gate."""
    if rule in Reason.values:
        return REASONS[Reason(rule)].sentence.capitalize()
    return RULES.get(rule, "A rule that no longer exists")


def decided_by(by: str, rule: str, version: int) -> str:
    """Who or what decided: "Playbook rule “Permanent failure”, version 3"."""
    if by == "gate":
        return "Checked before sending"
    if by == "staff":
        return "A colleague"
    if by == "route":
        return "Routes of the channel"
    return f"Playbook rule “{rule_words(rule)}”{f', version {version}' if version else ''}"


def zoned(value: datetime) -> str:
    """A time in full for a sentence, in the current time zone: "17 Nov, 09:00 (Europe/Madrid)"."""
    local = timezone.localtime(value)
    return f"{date_words(local)}, {local:%H:%M} ({zone_words()})"


def begins_words(campaign: Campaign) -> str:
    """When a campaign that has a beginning begins, for a sentence: "1 Dec, 09:00 where each person is", or `zoned`."""
    zone = "where each person is" if campaign.local_start else f"({zone_words()})"
    return f"{begins_shortly(campaign)} {zone}"


def begins_shortly(campaign: Campaign) -> str:
    """The same without its zone: "1 Dec, 09:00"."""
    local = campaign.local_start
    if local is None:
        assert campaign.begins_at is not None
        local = timezone.localtime(campaign.begins_at)
    return f"{date_words(local)}, {local:%H:%M}"


def date_words(local: datetime) -> str:
    """The day, with its year only when that is not this year."""
    return date_format(local, "j M" if local.year == timezone.localtime().year else "j M Y")


def listed(words: Iterable[str], last: str = "and") -> str:
    """Words as a list in a sentence: "SMS, MMS and voice"."""
    words = list(words)
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} {last} {words[-1]}"
