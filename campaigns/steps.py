"""Where a recipient stands, and what is to be done next: the words that deciding speaks, apart from the tables."""

from __future__ import annotations

from django.db import models

# Hours without a receipt after which a message has timed out, where a playbook says nothing else. Carriers keep trying
# for 24 to 72 hours before they call a message expired.
GIVE_UP_HOURS = 72


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
