"""Campaigns of which some fail: what the tests of causes and comparisons share."""

from __future__ import annotations

from datetime import timedelta

from campaigns.models import Campaign
from deliveries.ledger import failure_index
from tests import factories
from tests.engine import rebuild, sending

CARRIERS, REGIONS = ("Carrier A", "Carrier B", "Carrier C"), ("US-TX", "US-NY")


def messages(campaign, account, now, meaning_of, n=240):
    """First attempts that left two hours ago, one for each of `n` people; what became of them by their place."""
    sender = campaign.contents.get(channel="sms").sender
    ours = []
    for place in range(n):
        recipient = factories.recipient(campaign, factories.contact())
        carrier, region = CARRIERS[place % 3], REGIONS[place // 3 % 2]
        meaning = meaning_of(place, carrier, region)
        ours.append(
            factories.message(
                recipient, account=account, sender=sender, carrier=carrier, region=region,
                list_source_id=place // 6 % 2, status=meaning.status, failure_class=meaning.failure_class,
                fault=meaning.fault, reason_code="30007" if meaning.fault != "none" else "",
                handed_over_at=now - timedelta(hours=2), created_at=now - timedelta(hours=2),
            )
        )  # fmt: skip
    failure_index.repair([one.pk for one in ours])
    rebuild()
    return ours


def linked(**fields) -> Campaign:
    """A campaign whose text leads to c.example."""
    made = sending(**fields)
    content = made.contents.get(channel="sms")
    said = "Lens week at https://c.example/lenses. Reply STOP to opt out."
    made.contents.update(body=said)
    content.versions.update(body=said)
    return made
