"""Every number of people in a report opens exactly these people, a row for each."""

import csv
import io
import re
from datetime import timedelta
from html import unescape

import pytest
from django.utils import timezone

from campaigns.models import Recipient
from deliveries.models import Message
from deliveries.outcomes.filters import read_view
from deliveries.statuses import Status
from tests import factories, reporting_rows
from tests.engine import consent

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


def tabs(page: str) -> dict[str, tuple[str, int]]:
    """The tabs of people: the label of each with its address and number."""
    found = re.findall(
        r'id="people-\d+" href="([^"]+)"[^>]*>\s*([\w ]+?) <span class="badge">([\d,]+)<', page
    )
    return {label: (unescape(address), int(n.replace(",", ""))) for address, label, n in found}


def skip(campaign, reason: str) -> Recipient:
    recipient = factories.recipient(campaign)
    Recipient.objects.filter(pk=recipient.pk).update(state="skipped", skip_reason=reason)
    return recipient


def test_people_have_tabs_that_open_just_them(marketer):
    campaign = reporting_rows.campaign([DELIVERED] * 3 + [RETRYABLE] * 2 + [PERMANENT, SENT, UNKNOWN])
    skip(campaign, "no_consent"), skip(campaign, "no_address")
    reporting_rows.count()

    found = tabs(marketer.get(campaign.get_absolute_url()).content.decode())

    assert {label: n for label, (_, n) in found.items()} == {
        "Not reached": 3, "Unknown": 1, "Open": 1, "Skipped": 2, "Reached": 3,
    }  # fmt: skip
    for label, (address, n) in found.items():
        page = marketer.get(address).content.decode()
        assert page.count('<tr tabindex="-1">') == n, label
        assert 'aria-current="page"' in page[page.index("people-1") : page.index('aria-label="Messages"')]


def test_tabs_keep_the_filters_and_say_no_number_that_nobody_counted(marketer):
    campaign = reporting_rows.campaign([DELIVERED, RETRYABLE, RETRYABLE])

    page = marketer.get(campaign.get_absolute_url() + "?code=30003&person=failed").content.decode()
    found = re.findall(
        r'id="((?:people|tab)-\d+)" href="([^"]+)"[^>]*>\s*[\w ]+?\s*(?:<span class="badge">(\d+)|</a>)', page
    )

    assert {number for _, _, number in found} == {"", "2"}
    assert {name: n for name, _, n in found if n} == {"tab-1": "2"}
    assert all("code=30003" in address for _, address, _ in found if "skipped" not in address)


def test_whoever_was_not_reached_stands_with_the_last_reason_and_what_is_left_to_try(marketer):
    campaign = reporting_rows.campaign([PERMANENT, RETRYABLE])
    message = Message.objects.order_by("pk").first()
    factories.content(campaign, "sms", sender=message.sender)
    message.account.senders.add(message.sender)
    mail = factories.content(campaign, "email")
    factories.account("sandbox", name="mail").senders.add(mail.sender)
    factories.email(message.contact)
    for channel in ("sms", "email"):
        consent(message.contact, channel, at=timezone.now())

    page = marketer.get(campaign.get_absolute_url() + "?person=failed").content.decode()

    assert "Left to try: email." in page
    assert "Nothing is left to try." in page
    rows = list(csv.DictReader(io.StringIO(export(marketer, campaign, "person=failed"))))
    assert [row["person"] for row in rows] == ["Not reached"] * 2
    assert "Left to try: email." in [row["left_to_try"] for row in rows]


@pytest.mark.parametrize(
    ("state", "automatic", "promised"),
    [("failed", True, False), ("unknown", False, False), ("unknown", True, True)],
)
def test_only_a_step_that_needs_nobody_is_promised(marketer, state, automatic, promised):
    """A failed attempt to retry by hand has a moment too, when it is looked at again; so has one whose steps were
    stopped."""
    campaign = reporting_rows.campaign([RETRYABLE])
    Recipient.objects.update(
        state=state, automatic=automatic, next_step="retry", next_step_at=timezone.now() + timedelta(days=14)
    )
    reporting_rows.count()

    page = marketer.get(f"{campaign.get_absolute_url()}?person={state}").content.decode()

    assert ("Retry by itself on" in page) is promised


def export(client, campaign, query: str) -> str:
    answer = client.get(f"/campaigns/{campaign.slug}/export/?{query}")
    return b"".join(answer.streaming_content).decode().removeprefix("\ufeff")


def test_the_file_of_the_skipped_holds_whom_the_screen_shows(marketer):
    campaign = reporting_rows.campaign([DELIVERED])
    meant, _ = skip(campaign, "no_consent"), skip(campaign, "no_address")
    reporting_rows.count()

    rows = list(csv.DictReader(io.StringIO(export(marketer, campaign, "person=skipped&skip=no_consent"))))

    assert [(row["contact_id"], row["reason"]) for row in rows] == [(str(meant.contact_id), "no_consent")]


def test_all_of_the_skipped_can_not_be_acted_upon(marketer):
    campaign = reporting_rows.campaign([RETRYABLE])
    skip(campaign, "no_consent")
    given = {"action": "retry", "campaign": campaign.pk, "filters": "person=skipped", "all": "1"}

    assert "0 messages" in marketer.post("/batches/preview/", given).content.decode()
