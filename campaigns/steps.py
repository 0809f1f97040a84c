"""Where a recipient stands, and what is to be done next: the words that deciding speaks, apart from the tables."""

from __future__ import annotations

from django.db import models

# Hours without a receipt after which a message has timed out, where a playbook says nothing else. Carriers keep trying
# for 24 to 72 hours before they call a message expired.
GIVE_UP_HOURS = 72
# Hours for which an attempt is followed at all, and so the longest window of a playbook: two weeks on, what a campaign
# said is no news to anybody.
LONGEST_WINDOW = 14 * 24


class RecipientState(models.TextChoices):
    SKIPPED = "skipped", "Skipped"
    PLANNED = "planned", "Planned"  # nothing has been handed over yet
    OPEN = "open", "Open"
    REACHED = "reached", "Reached"
    FAILED = "failed", "Failed"
    UNKNOWN = "unknown", "Unknown"


class NextStep(models.TextChoices):
    NONE = "none", "Nothing to do"
    WAIT = "wait", "Wait"
    RETRY = "retry", "Retry"
    SWITCH = "switch", "Switch channel"
    CORRECT = "correct", "Correct"
    REVIEW = "review", "Review"
    SUPPRESS = "suppress", "Suppress"
    VERIFY = "verify", "Verify"


BY_ITSELF = frozenset({NextStep.WAIT, NextStep.RETRY, NextStep.SWITCH})  # all others are for a person


class Hindrance(models.TextChoices):
    """Why a message did not get through for now, where a playbook has numbers of its own for it."""

    BUSY = "busy", "Busy"
    NO_ANSWER = "no_answer", "No answer"
    MAILBOX_FULL = "mailbox_full", "Mailbox full"
