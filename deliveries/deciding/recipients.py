"""The recipients that decisions are about, each with its attempts."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import connection

from campaigns.models import Campaign, Recipient
from deliveries.deciding.rules import rules_of
from deliveries.models import Message
from deliveries.statuses import Disposition


@dataclass
class RecipientContext:
    """One recipient with its attempts, oldest first, withdrawn ones left out."""

    recipient: Recipient
    campaign: Campaign
    messages: list[Message]

    @property
    def head(self) -> Message:
        """The attempt that decisions are about."""
        return self.messages[-1]

    @property
    def reached_by(self) -> Message | None:
        """The attempt that arrived first; None while none has."""
        arrived = [m for m in self.messages if m.disposition == Disposition.DELIVERED]
        return min(arrived, key=lambda m: (m.delivered_at or m.updated_at, m.pk), default=None)

    def tried_by(self, channel: str) -> set[tuple[int, int]]:
        """The (account, sender) that attempts on this channel left by, or were to leave by."""
        return {(m.account_id, m.sender_id) for m in self.messages if m.channel == channel}

    @property
    def earlier_open_attempts(self) -> list[tuple[Message, datetime]]:
        """Those that are still under way, each with the moment at which it times out."""
        rules = rules_of(self.campaign.playbook)
        return [
            (message, rules.times_out_at(message.handed_over_at))
            for message in self.messages[:-1]
            if message.disposition == Disposition.PENDING and message.handed_over_at
        ]

    @staticmethod
    def since(attempts: Sequence[Message]) -> datetime:
        """When the first of these began."""
        return attempts[0].handed_over_at or attempts[0].due_at


def load_recipients(recipient_ids: Sequence[int], *, lock: bool = False) -> list[RecipientContext]:
    """These recipients in order of id, with their attempts; those left without any attempt are left out.

    `lock`, in a transaction, for whoever acts on what is found.
    """
    wanted = Recipient.objects.filter(pk__in=recipient_ids).select_related("contact").order_by("pk")
    if lock:
        of = ("self",) if connection.features.has_select_for_update_of else ()
        wanted = wanted.select_for_update(of=of)
    recipients = list(wanted)
    campaigns = Campaign.objects.select_related("playbook").in_bulk({r.campaign_id for r in recipients})
    messages: dict[int, list[Message]] = defaultdict(list)
    attempts = Message.objects.filter(recipient_id__in=[r.pk for r in recipients], canceled_at=None)
    for message in attempts.order_by("pk"):
        messages[message.recipient_id].append(message)
    return [
        RecipientContext(r, campaigns[r.campaign_id], messages[r.pk]) for r in recipients if messages[r.pk]
    ]
