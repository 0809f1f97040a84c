"""The index of failures says what the messages say, so that a list may be looked up in it."""

from __future__ import annotations

from itertools import product

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from deliveries.deciding.followup import follow_status_changes
from deliveries.ledger import failure_index
from deliveries.ledger.events import apply, event
from deliveries.models import FailureIndex, Message
from deliveries.outcomes.filters import STATUS_CHOICES, read_view
from deliveries.outcomes.narrowing import matching
from deliveries.statuses import Disposition, Evidence, FailureClass, Fault, Meaning, Status, disposition
from tests import factories, reporting_rows

pytestmark = pytest.mark.django_db

UNREACHABLE = Meaning(Status.UNDELIVERED, FailureClass.TEMPORARY, Fault.RECIPIENT, Evidence.CARRIER)
DELAYED = Meaning(Status.DELAYED, FailureClass.NONE, Fault.NONE, Evidence.CARRIER)
DELIVERED = Meaning(Status.DELIVERED, FailureClass.NONE, Fault.NONE, Evidence.CARRIER)
EVERY_FILTER = [
    *({"status": value} for _, group in STATUS_CHOICES[1:] for value, _ in group),
    {"code": "30003"},
    {"code": "-"},
    {"status": "permanent", "code": "30005"},
    {"status": "retryable", "carrier": "-", "channel": "sms", "updated": "24h"},
]


@pytest.fixture
def message(now) -> Message:
    return factories.message(account=factories.account("twilio"), status="sending", handed_over_at=now)


def reported(message: Message, meaning: Meaning, code: str, now) -> None:
    apply([event(message.pk, message.goal, meaning, at=now, native=(meaning.status, code, ""))], now)
    follow_status_changes(now)


def test_a_failure_is_noted_and_gone_once_the_message_arrives(message, now):
    reported(message, UNREACHABLE, "30003", now)
    noted = FailureIndex.objects.values_list("message", "campaign", "disposition", "reason_code")
    before = list(noted)

    reported(message, DELIVERED, "", now)

    assert before == [(message.pk, message.campaign_id, "PENDING_RETRY", "30003")]
    assert not FailureIndex.objects.exists()


def test_a_delay_with_a_code_is_noted_and_one_without_is_not(message, now):
    other = factories.message(account=message.account, status="sending", handed_over_at=now)

    reported(message, DELAYED, "4.2.2", now)
    reported(other, DELAYED, "", now)

    assert list(FailureIndex.objects.values_list("message", flat=True)) == [message.pk]


@pytest.mark.parametrize("filters", EVERY_FILTER, ids=str)
def test_a_filter_finds_what_the_messages_themselves_say(filters, monkeypatch):
    campaign = reporting_rows.campaign([0, 1, 2, 3, 4, 5, 6, 1, 2])
    view = read_view(campaign.pk, "", filters)

    found = set(matching(view, timezone.now()).values_list("pk", flat=True))

    monkeypatch.setattr("deliveries.outcomes.narrowing.only_failures", lambda filters: False)
    plain = matching(view, timezone.now())
    assert found == set(plain.values_list("pk", flat=True))


def test_every_message_with_one_of_these_words_is_in_the_index():
    shown = {
        status: {
            disposition(status, *rest) for rest in product(FailureClass, Fault, ("exposure", "conversation"))
        }
        for status in failure_index.STATUSES
    }

    assert {status for status, buckets in shown.items() if buckets - failure_index.DISPOSITIONS} == set()
    assert Disposition.DELIVERED not in failure_index.DISPOSITIONS


def test_what_is_wrong_is_said_and_made_right(capsys):
    campaign = reporting_rows.campaign([1, 2])
    FailureIndex.objects.filter(campaign=campaign, disposition="BOUNCED_HARD").delete()
    FailureIndex.objects.update(reason_code="30006")

    with pytest.raises(CommandError, match="do not equal"):
        call_command("check_tallies")
    call_command("check_tallies", repair=True)

    assert "wrong about 2 messages" in capsys.readouterr().err
    call_command("check_tallies")
