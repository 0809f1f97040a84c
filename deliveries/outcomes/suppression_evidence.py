"""What automatic suppressions rest on: which messages, with which codes, when. Reads only."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from contacts.among import Among
from deliveries.meaning.mappings import describe
from deliveries.models import Account, Certainty, SuppressionEvidence

SHOWN = 10  # messages of one suppression, the newest first


@dataclass(frozen=True)
class FailedMessage:
    """A message that counted. `words`: what its code meant, `sure`: how sure that was."""

    message_id: int
    campaign: str
    code: str
    words: str
    sure: str
    failed_at: datetime | None


def evidence_of(suppressions: Collection[int]) -> dict[int, list[FailedMessage]]:
    """By suppression, the newest first; without those that no rule made, or that were made before evidence was kept.
    Two queries, none for none."""
    found: defaultdict[int, list[FailedMessage]] = defaultdict(list)
    if not suppressions:
        return found
    rows = SuppressionEvidence.objects.filter(Among("suppression_id", set(suppressions)))
    rows = rows.select_related("message", "message__campaign").order_by("-failed_at", "-message_id")
    providers = Account.objects.providers()
    for row in rows:
        if len(found[row.suppression_id]) < SHOWN:
            message = row.message
            provider = providers.get(message.account_id, "")
            found[row.suppression_id].append(
                FailedMessage(
                    message_id=message.pk,
                    campaign=message.campaign.name,
                    code=row.code,
                    words=describe(provider, message.channel, row.code, row.status).short,
                    sure=str(Certainty(row.certainty).label),
                    failed_at=row.failed_at,
                )
            )
    return found
