"""A large campaign in small: what the tests of slices, stops and parts left out share."""

from __future__ import annotations

from datetime import timedelta

from campaigns.models import Campaign
from contacts.models import Address
from deliveries.deciding.followup import follow_due, follow_status_changes
from deliveries.ledger.tallies import fold_all
from deliveries.models import CampaignStop, Canary, Message, Outbox
from deliveries.running.drain import expand as expand_all
from deliveries.sending import canary, guarding, leaving_out
from deliveries.sending.dispatch import dispatch
from deliveries.sending.launching import hold_or_let_go, launch
from deliveries.statuses import Status
from tests import factories
from tests.engine import DELIVERED, Fake, consent, report

PEOPLE = 80
CARRIERS = ("Carrier A", "Carrier B")


def small(monkeypatch):
    """So few people are a large audience."""
    monkeypatch.setattr(canary, "FROM", PEOPLE)
    monkeypatch.setattr(canary, "FEWEST", 50)


def large_draft(now, *, email=False, **fields) -> Campaign:
    """To PEOPLE by text, half of them of each carrier; where `email` says so, by email after that."""
    people = factories.contact_list()
    for n in range(PEOPLE):
        contact = factories.contact(lists=[people])
        factories.phone(contact, carrier=CARRIERS[n % 2])
        consent(contact, "sms", at=now - timedelta(days=1))
        if email:
            factories.email(contact)
            consent(contact, "email", at=now - timedelta(days=1))
    made = factories.campaign(lists=[people], **fields)
    factories.content(made)
    if email:
        factories.content(made, "email")
    return made


def launched(draft, now) -> Campaign:
    launch(draft, None, now)
    while expand_all(now):
        pass
    draft.refresh_from_db()
    return draft


def work(now, transport=None, rounds=30) -> Fake:
    """What the workers do at `now`, until nothing is left to do."""
    transport = transport or Fake()
    for _ in range(rounds):
        done = follow_status_changes(now) + follow_due(now) + dispatch(now, transport).looked_at
        fold_all()
        done += guarding.run(now) + leaving_out.leave_out(now) + hold_or_let_go(now)
        if not done:
            return transport
    raise AssertionError("There is always something more to do.")


def outcomes(campaign, now, meaning_of=lambda message: DELIVERED, most=10_000):
    """Receipts for what has left and is silent."""
    silent = Message.objects.filter(
        campaign=campaign, handed_over_at__isnull=False, status__in=[Status.SENDING, Status.SENT]
    )
    for message in silent.order_by("pk")[:most]:
        report(message, meaning_of(message), now, "30007")
    fold_all()


def waiting_for(campaign, held):
    return Outbox.objects.filter(campaign_id=campaign.pk, held=held).count()


def left(campaign) -> int:
    return Message.objects.filter(campaign=campaign, handed_over_at__isnull=False).count()


def carriers_written_to(transport) -> set[str]:
    values = [one.to for one in transport.left]
    return set(Address.objects.filter(value__in=values).values_list("carrier", flat=True))


def slice_of(campaign) -> Canary:
    return Canary.objects.get(campaign=campaign)


def stop_of(campaign) -> CampaignStop:
    return CampaignStop.objects.get(campaign=campaign, resumed_at=None)


def names_part(campaign, dimension, value, now):
    """It has stopped by itself, and can go on without that part of those it texts."""
    part = {"channel": "sms", "dimension": dimension, "value": value, "label": value, "failed": 9, "sent": 9}
    whole = {
        "at": now,
        "kind": "lasting",
        "sent": 9,
        "failed": 9,
        "usual": 0.05,
        "tolerated": 0.1,
        "waiting": 0,
    }
    Campaign.objects.filter(pk=campaign.pk).update(state=Campaign.State.PAUSED)
    CampaignStop.objects.update_or_create(
        campaign=campaign,
        resumed_at=None,
        defaults={"parts": [part]},
        create_defaults=whole | {"parts": [part]},
    )
