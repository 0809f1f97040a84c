"""Every number of people in a report opens exactly these people, a row for each."""

import re
from html import unescape

import pytest
from django.utils import timezone

from campaigns.models import Recipient
from deliveries.models import Message
from deliveries.outcomes.filters import read_view
from deliveries.statuses import Status
from tests import factories, reporting_rows

pytestmark = pytest.mark.django_db
DELIVERED, RETRYABLE, PERMANENT, SENT, UNKNOWN = 0, 1, 2, 3, 6


@pytest.fixture
def marketer(login):
    return login("marketer")


def opened(client, address: str) -> tuple[int, list[str]]:
    """The count that a list says, and the ids of its messages."""
    page = client.get(unescape(address)).content.decode()
    count = re.search(r'id="count"[^>]*>\s*([\d,]+)\s+(\w+)', page)
    return int(count.group(1).replace(",", "")), re.findall(r'name="messages" value="(\d+)"', page)


def test_each_number_of_people_opens_that_many_people(marketer):
    campaign = reporting_rows.campaign(
        [DELIVERED] * 4 + [RETRYABLE] * 3 + [PERMANENT] * 2 + [SENT] + [UNKNOWN] * 2
    )

    page = marketer.get(campaign.get_absolute_url()).content.decode()
    links = re.findall(r'<a href="([^"]*person=[^"]*)">([\d,]+)( [a-z ]+)?</a>', page)

    assert {words.strip(): int(n) for _, n, words in links} == {
        "": 4, "reached": 4, "not reached": 5, "open": 1, "unknown": 2,
    }  # fmt: skip
    for address, n, _ in links:
        count, ids = opened(marketer, address)
        assert (count, len(ids)) == (int(n), int(n))
    assert "people" in marketer.get(campaign.get_absolute_url() + "?person=failed").content.decode()


def test_a_person_stands_there_once_with_the_last_message_that_left(marketer):
    campaign = reporting_rows.campaign([PERMANENT, PERMANENT])
    first = Message.objects.order_by("pk").first()
    retried = factories.message(
        first.recipient, follows=first, attempt=2, status=Status.UNDELIVERED, reason_code="30003",
        failure_class="temporary", fault="recipient", account=first.account, sender=first.sender, address=first.address,
    )  # fmt: skip
    factories.message(
        first.recipient, follows=retried, attempt=3, status=Status.CANCELED, canceled_at=timezone.now(),
        account=first.account, sender=first.sender, address=first.address,
    )  # fmt: skip
    reporting_rows.count()

    count, ids = opened(marketer, campaign.get_absolute_url() + "?person=failed")

    assert count == 2
    assert str(retried.pk) in ids
    assert str(first.pk) not in ids


def test_people_narrow_a_queue_and_an_act_on_all_of_them(marketer):
    campaign = reporting_rows.campaign([RETRYABLE, RETRYABLE, DELIVERED])
    reached = Message.objects.order_by("pk").first().recipient
    Recipient.objects.filter(pk=reached.pk).update(state=Recipient.State.REACHED)
    reporting_rows.count()

    count, ids = opened(marketer, campaign.get_absolute_url() + "?queue=retry&person=failed")

    assert (count, len(ids)) == (1, 1)
    assert read_view(campaign.pk, "", {"person": "failed"}).filters == {"person": "failed"}


def test_a_state_that_nobody_can_be_in_is_refused(marketer):
    campaign = reporting_rows.campaign([DELIVERED])

    assert marketer.get(campaign.get_absolute_url() + "?person=happy").status_code == 422
