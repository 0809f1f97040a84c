"""Why a message shows the status it shows: which report decides it, and why each other one does not."""

from __future__ import annotations

from deliveries.models import Message, StatusEvent
from deliveries.statuses import OPEN, REACHING, Evidence, Status
from deliveries.wording import wording

DECIDES = "This decides the status."
STEP = "An earlier step."
AGREES = "Another report says more about how it arrived."


def verdict(event: StatusEvent, message: Message, winner: StatusEvent | None) -> str:
    """One sentence about what `event` counts for; `winner` is the report whose word the message shows."""
    if winner is None:
        return "Some parts have arrived and the others have no receipt: sent, not delivered."
    if event.fact == winner.fact:
        return DECIDES
    if message.parts > 1 and event.part != winner.part:
        return "Another part decides: a message has arrived only when all its parts have."
    why = _why_not(event, winner)
    if why in (STEP, AGREES):
        return why
    shown = wording(message.channel, winner.status, winner.failure_class, message.goal, winner.evidence)
    return f"Replaced by “{shown.label}”: {why}"


def _why_not(event: StatusEvent, winner: StatusEvent) -> str:
    """Why the event does not decide, to follow the name of what does."""
    if event.evidence == Evidence.CLOCK:
        return "any report counts more than a time-out by Waybill."
    if event.status == winner.status:
        return "the same status, with stronger evidence."
    if event.status in OPEN:
        return _why_not_progress(event, winner)
    if event.status == Status.UNKNOWN:
        return "a status that is known counts more than a code that is not."
    if event.status in REACHING:
        return _why_not_arrived_so(event, winner)
    if winner.status in REACHING:
        return "proof of delivery counts more than a reported failure."
    return "that report says more."


def _why_not_progress(event: StatusEvent, winner: StatusEvent) -> str:
    if event.occurred_at <= winner.occurred_at:
        return STEP
    if winner.status in OPEN:
        return "that is a later step, although it was reported earlier."
    return "the final result counts more than a step, even one that is reported later."


def _why_not_arrived_so(event: StatusEvent, winner: StatusEvent) -> str:
    if winner.status in (Status.BOUNCED, Status.COMPLAINED):
        return "it was accepted at first, and bounced or was reported as unwanted later."
    if winner.status not in REACHING:
        return "a reported failure counts more than an assumed delivery."
    if event.status == Status.DELIVERED:
        return AGREES
    return "that report is surer whether a person or a machine answered."
