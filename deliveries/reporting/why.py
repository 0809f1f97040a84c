"""Why a message shows the status it shows: which report decides it, and why each other one does not."""

from __future__ import annotations

from deliveries.models import Message, StatusEvent
from deliveries.statuses import OPEN, REACHING, Evidence, Status

DECIDES = "This decides the status."


def verdict(event: StatusEvent, message: Message, winner: StatusEvent | None) -> str:
    """One sentence about what `event` counts for; `winner` is the report whose word the message shows."""
    if winner is None:
        return "Some parts have arrived and the others are silent: sent, not delivered."
    if event.fact == winner.fact:
        return DECIDES
    if message.parts > 1 and event.part != winner.part:
        return "Another part decides: the message arrived only when all of its parts did."
    if event.evidence == Evidence.CLOCK:
        return "Overruled: our own clock gives way to any report."
    if event.status == winner.status:
        return "Overruled: the same word, with less behind it."
    if event.status in OPEN:
        return (
            "Overruled: progress gives way to an outcome."
            if winner.status not in OPEN
            else "An earlier step."
        )
    if event.status in REACHING and winner.status in (Status.BOUNCED, Status.COMPLAINED):
        return "Overruled: it was taken at first and came back, or was complained about, later."
    if winner.status in REACHING:
        return "Overruled: what proves an arrival outranks a reported failure."
    return "Overruled: the other report says more."
