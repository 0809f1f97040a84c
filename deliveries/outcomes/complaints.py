"""Complaints of one campaign, and from which share on they are too many: one rule for alerts and pages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from deliveries.outcomes.shares import Share
from deliveries.statuses import REACHING, Status

ARRIVED = REACHING | {Status.COMPLAINED}  # who complains has it
FEWEST = 3  # one person's complaint is no rate


@dataclass(frozen=True)
class ComplaintLines:
    """From which share of the messages that arrived complaints are watched, and are too many: 0..1."""

    watch: float
    poor: float


def complaint_share(statuses: Mapping[str, int]) -> Share:
    """Complaints of the messages that arrived, by how many messages have each status."""
    return Share(statuses.get(Status.COMPLAINED, 0), sum(statuses.get(status, 0) for status in ARRIVED))


def surely_reaches(share: Share, line: float) -> bool:
    """Whether complaints are `line` (0..1) or more, with 95 % certainty."""
    return share.hits >= FEWEST and share.range[0] >= line
