"""Each kind of event, made by the act that causes it; and as docs/webhooks.md shows them."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from pathlib import Path

import pytest

from campaigns.models import Campaign, Recipient
from contacts.consenting import record_opt_out
from contacts.models import Suppression
from contacts.suppressing import extend, release, suppress
from deliveries.alerting import evaluating
from deliveries.alerting.findings import Finder, Finding
from deliveries.deciding.erasing import erase_person
from deliveries.deciding.followup import follow_status_changes
from deliveries.models import Engagement, EventKind, WebhookDelivery, WebhookEvent
from deliveries.outgoing import payloads, subscriptions
from deliveries.receiving.inbound import _engage
from deliveries.sending import launching
from tests import engine, factories
from tests.deliveries.outgoing.receiver import endpoint

pytestmark = pytest.mark.django_db
DOCUMENT = Path(__file__).resolve().parents[3] / "docs" / "webhooks.md"
SAMPLE = re.compile(r"```json\n(.*?)```", re.DOTALL)


@pytest.fixture(autouse=True)
def there(db):
    return endpoint("https://crm.example.com/hook", name="CRM")


def happened():
    return [(one.kind, one.data) for one in WebhookEvent.objects.order_by("pk")]


def kinds():
    return [kind for kind, _ in happened()]


def a_message(now, **fields):
    made = factories.message(status="queued", precedence=0, created_at=now, **fields)
    engine.rebuild()
    return made


def test_a_status_and_the_person_reached(now):
    message = a_message(now)
    engine.report(message, engine.DELIVERED, now)
    engine.report(message, engine.DELIVERED, now)
    follow_status_changes(now)

    assert kinds() == ["message.status", "recipient.reached"]


def test_a_person_not_reached_and_what_was_decided(now):
    engine.report(a_message(now), engine.DEAD, now, "30005")
    follow_status_changes(now)

    assert {"message.status", "recipient.not_reached", "decision"} <= set(kinds())


def test_an_opt_out(now):
    address = factories.phone()
    record_opt_out(value=address.value, channel="sms", how="Reply", evidence="STOP", at=now)

    assert "contact.opted_out" in kinds()
    assert "suppression.created" in kinds()


def test_a_suppression_made_twice_and_released_once(now):
    address = factories.phone()
    by = factories.user("admin")
    given = {"value": address.value, "reason": "staff", "origin": "staff", "evidence": "Asked", "now": now}
    made = suppress(**given)
    suppress(**given)
    other = factories.email(address.contact)
    extend([(made, other)])
    extend([(made, other)])

    release(made, by=by, note="A mistake", now=now + timedelta(hours=1))

    assert sorted(kinds()) == ["suppression.created"] * 2 + ["suppression.released"] * 2
    assert Suppression.objects.count() == 2


def test_a_reply_once_however_often_it_is_recorded(now):
    message = a_message(now)
    for _ in range(2):
        _engage([said(message, now)])

    assert kinds() == ["reply.received"]


def said(message, now):
    return Engagement(
        contact_id=message.contact_id,
        message_id=message.pk,
        receipt_id=7,
        place=0,
        channel="sms",
        kind="reply",
        text="Call me at +1 212 555 0147",
        at=now,
    )


def test_a_campaign_that_finished(now):
    made = factories.campaign(state=Campaign.State.SENDING)
    factories.recipient(made, state=Recipient.State.REACHED)
    engine.rebuild()

    assert launching.complete(now) == 1
    assert launching.complete(now) == 0

    assert happened() == [
        ("campaign.finished", {"campaign_id": made.pk, "campaign": made.name, "slug": made.slug})
    ]


def test_an_alert_raised_and_closed(now):
    there = [Finding("route", "1", "Twilio refuses.")]
    finder = Finder(("route",), lambda now, settings: iter(there))
    evaluating.run(now, [finder])
    there.clear()
    evaluating.run(now + timedelta(hours=1), [finder])

    assert kinds() == ["alert.opened", "alert.closed"]


def test_whoever_is_erased_is_in_no_delivery(now):
    message = a_message(now)
    engine.report(message, engine.DELIVERED, now)
    payloads.hand_out(now)
    engine.report(message, engine.DEAD, now)
    assert WebhookDelivery.objects.filter(contact_id=message.contact_id).exists()

    erase_person(message.contact_id, by=factories.user("admin"), reason="Asked", now=now)
    payloads.hand_out(now)

    assert message.address.value not in " ".join(WebhookDelivery.objects.values_list("body", flat=True))
    assert not WebhookDelivery.objects.filter(
        created_at=now, kind="message.status", state="delivered"
    ).exists()


def test_the_samples_of_the_document_have_what_is_sent(now):
    """Of every kind, and with the very names."""
    subscriptions.forget()
    message = a_message(now)
    engine.report(message, engine.DELIVERED, now)
    follow_status_changes(now)
    engine.report(a_message(now), engine.DEAD, now, "30005")
    follow_status_changes(now)
    _engage([said(message, now)])
    test_an_opt_out(now)
    release_one(now)
    finish_one(now)
    raise_and_close(now)
    payloads.hand_out(now)
    made: dict[str, set] = {}
    for body in WebhookDelivery.objects.values_list("body", flat=True):
        sent = json.loads(body)
        assert set(sent) == {"type", "timestamp", "data"}
        made.setdefault(sent["type"], set()).update(sent["data"])

    shown = [json.loads(sample) for sample in SAMPLE.findall(DOCUMENT.read_text(encoding="utf-8"))]

    assert {one["type"]: set(one["data"]) for one in shown} == made
    assert set(made) == set(EventKind.values)


def release_one(now):
    address = factories.phone()
    given = {"value": address.value, "reason": "staff", "origin": "staff", "evidence": "Asked", "now": now}
    release(suppress(**given), by=factories.user("admin"), note="A mistake", now=now)


def finish_one(now):
    made = factories.campaign(state=Campaign.State.SENDING)
    factories.recipient(made, state=Recipient.State.REACHED)
    engine.rebuild()
    launching.complete(now)


def raise_and_close(now):
    there = [Finding("route", "1", "Twilio refuses.")]
    finder = Finder(("route",), lambda now, settings: iter(there))
    evaluating.run(now, [finder])
    there.clear()
    evaluating.run(now + timedelta(hours=1), [finder])
