"""The checks before a launch as a table: what each looks at, and how it went, also where nothing was found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from deliveries.sending.checks import CHECKS, Draft, Finding

Verdict = Literal["blocks", "warns", "passes"]
ORDER: tuple[Verdict, ...] = ("blocks", "warns", "passes")

# What a check is called for those who read the table, by the name of its function. One that is not among them is called
# what its function is.
TITLES = {
    "has_an_audience": "Audience",
    "first_channel_can_leave": "First channel",
    "content_is_written": "Texts",
    "sender_may_send": "Sender",
    "sender_is_fast_enough": "Speed",
    "merge_fields_are_filled": "Merge fields",
    "is_still_relevant": "Times",
    "people_can_be_written_to": "Consent and addresses",
    "content_has_a_path": "Unused texts",
    "follow_ups_can_leave": "Next channel",
    "content_is_sound": "Wording",
}
UNSEEN = {"is_a_draft"}  # who reads the table sees that


@dataclass(frozen=True)
class CheckRow:
    """A check and what it found; `key` names its function."""

    key: str
    title: str
    findings: tuple[Finding, ...]

    @property
    def verdict(self) -> Verdict:
        if not self.findings:
            return "passes"
        return "blocks" if any(one.blocks for one in self.findings) else "warns"


def table(draft: Draft) -> list[CheckRow]:
    """A row for each check, what stands in the way first."""
    rows = [
        CheckRow(key, _title(key), tuple(each(draft)))
        for each in CHECKS
        if (key := each.__name__) not in UNSEEN
    ]
    return sorted(rows, key=lambda row: ORDER.index(row.verdict))


def _title(key: str) -> str:
    return TITLES.get(key) or key.replace("_", " ").capitalize()
