"""The checks before a launch as a table: what each looks at, and how it went, also where nothing was found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from accounts.models import User
from campaigns.models import CheckOverride
from deliveries.sending.checks import CHECKS, CheckFinding, Draft, check

Verdict = Literal["blocks", "warns", "passes"]
ORDER: tuple[Verdict, ...] = ("blocks", "warns", "passes")

# What a check is called for those who read the table, by the name of its function. One that is not among them is called
# what its function is.
TITLES = {
    "has_an_audience": "Audience",
    "first_channel_can_leave": "First channel",
    "content_is_written": "Texts",
    "sender_may_send": "Sender",
    "senders_are_in_order": "Registrations and authentication",
    "receiving_is_proven": "Receiving",
    "sender_is_fast_enough": "Speed",
    "merge_fields_are_filled": "Merge fields",
    "is_still_relevant": "Times",
    "leaves_in_time": "Time for all of it",
    "people_can_be_written_to": "Consent and addresses",
    "nobody_is_left_out_needlessly": "People without the first channel",
    "people_were_left_in_peace": "Written to lately",
    "content_has_a_path": "Unused texts",
    "follow_ups_can_leave": "Next channel",
    "content_is_sound": "Wording",
    "links_can_be_opened": "Links",
    "calls_do_what_they_say": "Calls",
}
UNSEEN = {"is_a_draft"}  # who reads the table sees that


ACCEPT = "An administrator has to accept that first."


@dataclass(frozen=True)
class CheckRow:
    """A check and what it found; `key` names its function, `accepted` holds what an administrator accepted of it."""

    key: str
    title: str
    findings: tuple[CheckFinding, ...]
    accepted: Mapping[str, CheckOverride]

    @property
    def held(self) -> list[CheckFinding]:
        """Warnings that nobody accepted yet, and somebody has to."""
        return [
            one
            for one in self.findings
            if one.needs_override and not one.blocks and one.says not in self.accepted
        ]

    @property
    def verdict(self) -> Verdict:
        if not self.findings:
            return "passes"
        return "blocks" if self.held or any(one.blocks for one in self.findings) else "warns"


def table(draft: Draft) -> list[CheckRow]:
    """A row for each check, what stands in the way first."""
    accepted = {(one.check_name, one.says): one for one in draft.campaign.overrides.select_related("by")}
    rows = [
        CheckRow(
            key,
            TITLES.get(key) or key.replace("_", " ").capitalize(),
            tuple(each(draft)),
            {says: one for (name, says), one in accepted.items() if name == key},
        )
        for each in CHECKS
        if (key := each.__name__) not in UNSEEN
    ]
    return sorted(rows, key=lambda row: ORDER.index(row.verdict))


def stands_in_the_way(draft: Draft) -> list[str]:
    """What has to be done before a launch, in sentences; empty when nothing has."""
    found = check(draft)
    blocks = [one.sentence for one in found if one.blocks]
    if not any(one.needs_override for one in found):
        return blocks
    return blocks + [f"{one.says} {ACCEPT}" for row in table(draft) for one in row.held]


def accept(row: CheckRow, draft: Draft, *, reason: str, by: User, now: datetime) -> None:
    """An administrator accepts what holds a launch; it is kept, and shown on the report."""
    CheckOverride.objects.bulk_create(
        CheckOverride(
            campaign=draft.campaign, check_name=row.key, says=one.says, reason=reason, by=by, at=now
        )
        for one in row.held
    )
