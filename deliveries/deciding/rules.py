"""A playbook as `decide` wants it, and which of its lines a failure falls under."""

from __future__ import annotations

from datetime import timedelta

from campaigns.models import Playbook
from campaigns.steps import Hindrance
from deliveries.deciding.facts import Retrying, Rules
from deliveries.meaning.full_mailboxes import is_full
from deliveries.models import Message
from deliveries.statuses import Status

OF_STATUS = {Status.BUSY: Hindrance.BUSY, Status.NO_ANSWER: Hindrance.NO_ANSWER}


def rules_of(playbook: Playbook) -> Rules:
    return Rules(
        retries=playbook.retries,
        retry_window=timedelta(hours=playbook.retry_window_hours),
        retry_after=timedelta(hours=playbook.retry_after_hours),
        busy=Retrying(playbook.busy_retries, timedelta(minutes=playbook.busy_after_minutes)),
        no_answer=Retrying(playbook.no_answer_retries, timedelta(hours=playbook.no_answer_after_hours)),
        mailbox_full=Retrying(
            playbook.mailbox_full_retries, timedelta(hours=playbook.mailbox_full_after_hours)
        ),
        at_risk=timedelta(hours=playbook.at_risk_hours),
        switch_after=timedelta(hours=playbook.switch_after_hours),
        give_up=timedelta(hours=playbook.give_up_hours),
        strikes=playbook.strikes,
        version=playbook.version,
    )


def hindrance_of(message: Message, provider: str) -> str:
    """A `Hindrance`; '' where what became of it is none, or it is under way."""
    if found := OF_STATUS.get(Status(message.status)):
        return found
    full = message.reason_code and is_full(provider, message.channel, message.reason_code)
    return Hindrance.MAILBOX_FULL if full else ""
