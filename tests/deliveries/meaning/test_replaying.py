"""Receipts read anew by changed code tables: what the preview counts is what then changes."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import transaction

from campaigns.models import Recipient
from contacts.models import AddressHealth, Consent, Suppression
from deliveries.ledger import events
from deliveries.meaning import drafts, mappings
from deliveries.meaning.translation import Key, shipped
from deliveries.models import (
    CodeAlarm,
    Message,
    SeenCode,
    StatusEvent,
)
from deliveries.receiving import recording, replay
from deliveries.receiving.replay_preview import Difference
from tests import factories
from tests.deliveries.meaning.tables import (
    HOUR,
    UNKNOWN_NUMBER,
    receive,
    replay_all,
    sent,
    soften,
    values,
    work,
)
from tests.engine import agree, rebuild

pytestmark = pytest.mark.django_db


# ---- Reading anew ------------------------------------------------------------------------------------------


@pytest.fixture
def three(account, now):
    """Somebody whose number failed for good three times in a row, and is blocked for it."""
    phone = factories.phone()
    messages = []
    for day in (3, 2, 1):
        at = now - timedelta(days=day)
        recipient = factories.recipient(factories.campaign(), phone.contact)
        messages.append(sent(account, recipient=recipient, address=phone, created_at=at))
        receive(messages[-1], at, "undelivered", "30005")
        work(at)
    rebuild()
    return messages


def block():
    return Suppression.objects.filter(released_at=None, reason="hard_fails")


def test_the_preview_counts_what_would_change_and_changes_nothing(tables, three, now):
    assert block().count() == 1
    drafts.edit(UNKNOWN_NUMBER, values(failure_class="temporary"), None)
    draft = drafts.open_draft()
    before = list(Message.objects.order_by("pk").values()), list(StatusEvent.objects.order_by("pk").values())

    replay.start_preview(draft, now)
    replay_all(now)

    draft.refresh_from_db()
    difference = Difference.read(draft.preview)
    assert (difference.messages, difference.lifting, difference.crossing) == (3, 1, 0)
    move = ("BOUNCED_HARD", "PENDING_RETRY")
    assert difference.moves == {move: 3}
    assert sorted(difference.examples[move]) == sorted(Message.objects.values_list("pk", flat=True))
    assert before == (
        list(Message.objects.order_by("pk").values()), list(StatusEvent.objects.order_by("pk").values()),
    )  # fmt: skip


def test_publishing_brings_messages_tallies_and_blocks_in_line_and_undo_restores_them(tables, three, now):
    before = list(
        Message.objects.order_by("pk").values("disposition", "precedence", "failure_class", "fault")
    )
    version = soften(now)

    assert replay.run(now) == 0  # a batch with the old tables may still be under way
    replay_all(now + HOUR)

    version.refresh_from_db()
    assert (version.changed, version.replaying) == (3, False)
    assert set(Message.objects.values_list("disposition", "failure_class")) == {
        ("PENDING_RETRY", "temporary")
    }
    assert set(StatusEvent.objects.filter(native_code="30005").values_list("mapping_version", flat=True)) == {
        2
    }
    assert not block().exists()
    assert {one.hard_fails for one in AddressHealth.objects.all()} == {0}
    assert agree()

    drafts.undo(version, by=None, now=now + HOUR)
    mappings.forget()
    replay_all(now + 2 * HOUR)

    after = list(Message.objects.order_by("pk").values("disposition", "precedence", "failure_class", "fault"))
    assert after == before
    assert AddressHealth.objects.get(channel="sms").hard_fails == 3
    assert block().count() == 1
    assert agree()


def test_nothing_is_sent_for_an_old_message_that_now_could_be_retried(tables, three, now):
    soften(now + 30 * timedelta(days=1))
    replay_all(now + 31 * timedelta(days=1))

    assert not Recipient.objects.filter(
        next_step_at__isnull=False, next_step__in=["retry", "switch"]
    ).exists()
    assert not Recipient.objects.filter(automatic=False).exists()  # that is a colleague's word
    assert Message.objects.count() == 3


def test_a_code_nobody_knew_gets_its_meaning_for_what_came_in_before(tables, account, now):
    message = sent(account)
    receive(message, now, "undelivered", "31999")
    work(now)
    message.refresh_from_db()
    assert (message.disposition, message.reason_code) == ("UNKNOWN", "31999")
    assert SeenCode.objects.filter(known=False).get().native_code == "31999"
    assert CodeAlarm.objects.get(kind="unknown").code == "31999"

    drafts.edit(Key("twilio", "sms", "error", "31999"), values(code="31999"), None)
    drafts.publish(drafts.open_draft(), note="", by=None, now=now)
    mappings.forget()
    replay_all(now + HOUR)

    message.refresh_from_db()
    assert message.disposition == "BOUNCED_HARD"
    assert not SeenCode.objects.filter(known=False).exists()
    assert not CodeAlarm.objects.filter(closed_at=None).exists()


def test_what_is_not_concerned_is_left_alone(tables, account, now):
    other = factories.account("sandbox")
    theirs = sent(other)
    fine = sent(account)
    receive(fine, now, "delivered")
    work(now)
    said = recording.Report("", "", "sms", "undelivered", "30005")
    meaning = shipped().translate("sandbox", said).meaning
    native = (said.native_status, said.native_code, "")
    with transaction.atomic():
        events.apply([events.event(theirs.pk, "exposure", meaning, at=now, native=native)], now)
    soften(now)

    replay_all(now + HOUR)

    assert set(StatusEvent.objects.values_list("mapping_version", flat=True)) == {1}


def test_an_opt_out_that_was_misread_is_taken_back(tables, account, now):
    phone = factories.phone()
    Consent.objects.create(contact=phone.contact, channel="sms", opted_in=True, at=now - HOUR, how="Form")
    message = sent(account, recipient=factories.recipient(factories.campaign(), phone.contact), address=phone)
    receive(message, now, "failed", "21610")
    work(now)
    assert Suppression.objects.get(released_at=None).reason == "stop"

    drafts.edit(
        Key("twilio", "sms", "error", "21610"),
        values(status="blocked", failure_class="compliance", fault="sender"),
        None,
    )
    drafts.publish(drafts.open_draft(), note="", by=None, now=now)
    mappings.forget()
    replay_all(now + HOUR)

    assert not Suppression.objects.filter(released_at=None).exists()
    assert "Mapping corrected: version 2" in Suppression.objects.get().release_note
    latest = Consent.objects.filter(contact=phone.contact, channel="sms").in_order().last()
    assert (latest.opted_in, latest.how) == (True, "Form")


def test_a_message_in_parts_is_brought_in_line_as_a_whole(tables, now):
    account = factories.account("sandbox")
    message = sent(account)
    for part, status in ((1, "delivered"), (2, "undelivered")):
        meaning = shipped().translate("sandbox", recording.Report("", "", "sms", status, "")).meaning
        with transaction.atomic():
            events.apply(
                [
                    events.event(
                        message.pk, "exposure", meaning, at=now, native=(status, "", ""), part=part, parts=2
                    )
                ],
                now,
            )
    rebuild()
    drafts.edit(
        Key("sandbox", "sms", "status", "undelivered"),
        values(code="undelivered", failure_class="content", fault="content"),
        None,
    )
    drafts.publish(drafts.open_draft(), note="", by=None, now=now)
    mappings.forget()

    replay_all(now + HOUR)

    message.refresh_from_db()
    assert (message.failure_class, message.disposition) == ("content", "BLOCKED_COMPLIANCE")
    assert agree()
