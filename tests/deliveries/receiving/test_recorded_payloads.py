"""Every provider's recorded callbacks, from the waiting line to the rows: once, and again in another order."""

from __future__ import annotations

import random

import pytest

from contacts.models import Address, AddressHealth, Consent, Suppression
from deliveries.deciding.followup import follow_status_changes
from deliveries.meaning import occurrences
from deliveries.meaning.payloads import call_of
from deliveries.models import Backscatter, Engagement, Message, PendingReceipt, Receipt, SeenCode, StatusEvent
from deliveries.providers import PROVIDERS
from deliveries.providers.facts import Act, Inbound, Report, Unreadable
from deliveries.receiving import recording
from deliveries.receiving.matching import as_uuid
from deliveries.receiving.storing import Incoming, store
from deliveries.statuses import Status
from tests import factories
from tests.deliveries.meaning.test_payloads import AT, EXPECTED, RECORDED
from tests.engine import agree, rebuild

pytestmark = pytest.mark.django_db


def calls(slug):
    """(kind, call) of the lines that are accepted, each with the facts in it."""
    adapter = PROVIDERS[slug]
    for line in RECORDED:
        if line["provider"] != slug or not EXPECTED[line["id"]]["accepted"]:
            continue
        call = call_of({"at": AT, **line}, adapter)
        try:
            yield line.get("kind", "status"), call, list(adapter.parse(line.get("kind", "status"), call))
        except Unreadable:
            continue


def messages_for(account, told):
    """A message under way for each that the callbacks are about."""
    adapter, known = PROVIDERS[account.provider], set()
    for fact in told:
        if not isinstance(fact, Report | Act):
            continue
        ref, key = as_uuid(fact.ref), adapter.message_key(fact.provider_message_id, fact.address)[:80]
        if {ref, key} & known - {None, ""}:
            continue
        known |= {ref, key}
        more = {"uuid": ref} if ref else {}
        factories.message(
            account=account,
            status=Status.SENDING,
            provider_message_id=key,
            channel=fact.channel or "sms",
            **more,
        )


def authors_for(told):
    """Somebody at each address that wrote to us."""
    senders = {fact.sender for fact in told if isinstance(fact, Inbound)}
    for sender in senders - set(Address.objects.values_list("value", flat=True)):
        (factories.email if "@" in sender else factories.phone)(value=sender)


def rows():
    """Everything that receipts change, but the times of our own doing."""
    ours = {"id", "updated_at", "recorded_at", "created_at", "receipt_id", "at", "released_at"}
    found = {}
    for model in (Message, StatusEvent, Suppression, Consent, AddressHealth):
        names = [f.attname for f in model._meta.concrete_fields if f.attname not in ours]
        found[model.__name__] = sorted(map(repr, model.objects.values_list(*names)))
    return found


def handle_inbound(account, said, now):
    store(
        [Incoming(account.pk, kind, now, c.method, c.query, dict(c.headers), c.body) for kind, c, _ in said]
    )
    recording.record_all(now)
    while follow_status_changes(now):
        pass


@pytest.mark.parametrize("slug", PROVIDERS)
def test_what_is_heard_again_in_any_order_changes_nothing(slug, now):
    account = factories.account(slug, channels=sorted(PROVIDERS[slug].channels))
    said = list(calls(slug))
    told = [fact for _, _, facts in said for fact in facts]
    messages_for(account, told)
    authors_for(told)
    rebuild()
    handle_inbound(account, said, now)
    before, engagements = rows(), Engagement.objects.count()
    assert StatusEvent.objects.exists() or PROVIDERS[slug].silent
    assert not PendingReceipt.objects.filter(reason__contains="refused it").exists()
    assert agree()

    # What people wrote keeps its order: all of it came at one instant here, and of STOP and START the last counts.
    wrote = [one for one in said if any(isinstance(fact, Inbound) for fact in one[2])]
    again = [one for one in said if one not in wrote]
    random.Random(7).shuffle(again)
    handle_inbound(account, again + wrote, now)

    assert rows() == before
    assert agree()
    occurrences.count(now)
    assert Receipt.objects.count() == 2 * len(said)
    assert engagements <= Engagement.objects.count()
    assert SeenCode.objects.exists() or Backscatter.objects.exists() or PROVIDERS[slug].silent
