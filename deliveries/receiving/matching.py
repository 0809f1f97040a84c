"""Which message a fact is about."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from deliveries.ledger import statements
from deliveries.ledger.statements.values import ClaimedReceipt
from deliveries.models import Account
from deliveries.providers import PROVIDERS
from deliveries.providers.facts import Act, Report


class MessageFinder:
    """Which message each fact is about: by our own reference first, else by the provider's id; always within the
    account the receipt came in for. Two queries, however many facts."""

    def __init__(self, facts: Sequence[tuple[ClaimedReceipt, Report | Act]]) -> None:
        self.providers = Account.objects.providers()
        self._by_ref = statements.messages_by_ref({ref for _, fact in facts if (ref := as_uuid(fact.ref))})
        rest = {
            (waiting.account_id, key)
            for waiting, fact in facts
            if (as_uuid(fact.ref), waiting.account_id) not in self._by_ref
            and (key := self._key(waiting, fact))
        }
        self._by_id = statements.messages_by_provider_id(rest)

    def find(self, waiting: ClaimedReceipt, fact: Report | Act) -> tuple[int, str] | None:
        """(message, goal), or None when nobody knows it (yet)."""
        return self._by_ref.get((as_uuid(fact.ref), waiting.account_id)) or self._by_id.get(
            (waiting.account_id, self._key(waiting, fact))
        )

    def _key(self, waiting: ClaimedReceipt, fact: Report | Act) -> str:
        adapter = PROVIDERS[self.providers[waiting.account_id]]
        return adapter.message_key(fact.provider_message_id, fact.address)


def as_uuid(ref: str) -> str | None:
    """The canonical text of a reference, or None when it is not one of ours."""
    if len(ref) == 36 and ref.isascii():
        return ref.lower()
    try:
        return str(UUID(ref))
    except ValueError:
        return None
