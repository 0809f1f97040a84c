"""Recipients to whom nothing was ever handed over: why each was skipped, as lists, trails and decisions say it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection

from campaigns.models import Recipient
from contacts.gate import Reason, sentence
from deliveries.deciding.decide import State, Step
from deliveries.ledger import engagement
from deliveries.ledger.statements import rewrite
from deliveries.models import Decision, Message
from deliveries.wording import withdrawal

# What a decision writes onto a recipient.
RECIPIENT_FIELDS = [
    "state", "skip_reason", "reached_at", "reached_by", "next_step", "next_step_at", "next_step_reason"
]  # fmt: skip


def skip(recipient_ids: Collection[int], tally: Counter[tuple]) -> None:
    """Nothing was ever handed over to these: the reason their message was withdrawn is why they were skipped."""
    recipients = list(Recipient.objects.filter(pk__in=recipient_ids).exclude(state=State.SKIPPED))
    if not recipients:
        return
    withdrawn = Message.objects.filter(recipient__in=recipients).order_by("pk")
    latest = {message.recipient_id: message for message in withdrawn}
    reasons = {recipient: message.reason_code for recipient, message in latest.items()}
    _explain_skips(latest.values())
    moves = []
    for recipient in recipients:
        moves.append((recipient, engagement.channel_of(recipient), ""))
        tally[recipient.campaign_id, recipient.state, recipient.skip_reason] -= 1
        recipient.state, recipient.skip_reason = State.SKIPPED, reasons.get(recipient.pk, "")[:24]
        recipient.next_step, recipient.next_step_at = Step.NONE, None
        recipient.next_step_reason = ""
        tally[recipient.campaign_id, recipient.state, recipient.skip_reason] += 1
    rewrite(recipients, RECIPIENT_FIELDS)
    engagement.note_moves(moves)


def _explain_skips(withdrawn: Collection[Message]) -> None:
    """A decision for each that was withdrawn without one: for an opt-out, say."""
    explained = Decision.objects.filter(message_id__in=[message.pk for message in withdrawn])
    done = set(explained.values_list("message_id", flat=True))
    Decision.objects.bulk_create(
        [
            Decision(
                message_id=message.pk, recipient_id=message.recipient_id, contact_id=message.contact_id,
                at=message.canceled_at or message.updated_at, by="gate" if code in Reason.values else "playbook",
                rule=code or "withdrawn", step=Step.NONE,
                reason=sentence(code) if code in Reason.values else withdrawal(code),
            )
            for message in withdrawn
            if message.pk not in done
            for code in [message.reason_code[:40]]
        ],
        batch_size=300,
    )  # fmt: skip
