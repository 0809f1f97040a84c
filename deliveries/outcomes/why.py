"""Why a message shows the status it shows: which report decides it, and why each other one does not."""

from __future__ import annotations

from deliveries.models import Message, StatusEvent
from deliveries.statuses import OPEN, REACHING, Evidence, Status
from deliveries.wording import wording

DECIDES = "This decides the status."
STEP = "An earlier step."
AGREES = "The other report says more of how it arrived."


def verdict(event: StatusEvent, message: Message, winner: StatusEvent | None) -> str:
    """One sentence about what `event` counts for; `winner` is the report whose word the message shows."""
    if winner is None:
        return "Some parts have arrived and the others are silent: sent, not delivered."
    if event.fact == winner.fact:
        return DECIDES
    if message.parts > 1 and event.part != winner.part:
        return "Another part decides: the message arrived only when all of its parts did."
    why = _why_not(event, winner)
    if why in (STEP, AGREES):
        return why
    shown = wording(message.channel, winner.status, winner.failure_class, message.goal, winner.evidence)
    return f"Gives way to “{shown.label}”: {why}"


def _why_not(event: StatusEvent, winner: StatusEvent) -> str:
    """Why the event does not decide, to follow the name of what does."""
    if event.evidence == Evidence.CLOCK:
        return "any report outranks our own clock."
    if event.status == winner.status:
        return "the same word, on better grounds."
    if event.status in OPEN:
        return _why_not_progress(event, winner)
    if event.status == Status.UNKNOWN:
        return "any word outranks one that we cannot interpret."
    if event.status in REACHING:
        return _why_not_arrived_so(event, winner)
    if winner.status in REACHING:
        return "what proves an arrival outranks a reported failure."
    return "that report says more."


def _why_not_progress(event: StatusEvent, winner: StatusEvent) -> str:
    if event.occurred_at <= winner.occurred_at:
        return STEP
    if winner.status in OPEN:
        return "that is further on its way, though it is the earlier report."
    return "an outcome outranks progress, even when that is reported later."


def _why_not_arrived_so(event: StatusEvent, winner: StatusEvent) -> str:
    if winner.status in (Status.BOUNCED, Status.COMPLAINED):
        return "it was taken at first and came back, or was complained about, later."
    if winner.status not in REACHING:
        return "a reported failure outranks an assumed delivery."
    if event.status == Status.DELIVERED:
        return AGREES
    return "it says better whether a person or a machine answered."
