"""What waits for the permitted hours leaves over their first minutes, the same for what is made and what is held."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta

import pytest

from campaigns.models import Campaign, Priority
from contacts.models import Address, Consent
from deliveries.models import Message, Outbox
from deliveries.outcomes.held_until import held_until
from deliveries.sending.dispatch import dispatch
from deliveries.sending.expansion import expand
from tests import factories
from tests.engine import Fake

pytestmark = pytest.mark.django_db

NIGHT = datetime(2026, 11, 4, 4, tzinfo=UTC)  # 22:00 in Chicago
OPENS = datetime(2026, 11, 4, 15, tzinfo=UTC)


@pytest.fixture(autouse=True)
def five_minutes(settings):
    settings.OPENING_SPREAD_SECONDS = 300


def drafted(people: int = 6, **fields) -> Campaign:
    """A campaign to so many people in Chicago."""
    members = factories.contact_list()
    for _ in range(people):
        contact = factories.contact(lists=[members])
        factories.phone(contact)
        Consent.objects.create(
            contact=contact, channel="sms", opted_in=True, at=NIGHT - timedelta(days=9), how="Form"
        )
    factories.account()
    campaign = factories.campaign(
        lists=[members], **{"window_start": time(9), "window_end": time(21), **fields}
    )
    factories.content(campaign)
    return campaign


def launched(at: datetime = NIGHT, people: int = 6, **fields) -> list[Message]:
    campaign = drafted(people, state="launching", launched_at=at, **fields)
    expand(campaign, at)
    Campaign.objects.filter(pk=campaign.pk).update(state="sending")
    return list(Message.objects.filter(campaign=campaign))


def due() -> dict[int, datetime]:
    return dict(Outbox.objects.values_list("message_id", "due_at"))


def test_a_launch_at_night_spreads_what_it_makes_by_the_number_of_the_message():
    messages = launched()

    assert due() == {m.pk: OPENS + timedelta(seconds=m.pk % 300) for m in messages}
    assert {m.pk: m.due_at for m in messages} == due()


def test_what_is_held_at_night_is_spread_alike():
    launched()
    meant = due()
    Outbox.objects.update(due_at=NIGHT)
    Message.objects.update(due_at=NIGHT)

    assert dispatch(NIGHT, Fake()).held == 6

    assert due() == meant
    assert set(Outbox.objects.values_list("held", flat=True)) == {"quiet_hours"}
    assert dict(Message.objects.values_list("pk", "due_at")) == meant


def test_marketing_is_held_for_the_day_that_the_law_permits_and_urgent_too():
    sunday = datetime(2026, 11, 1, 17, tzinfo=UTC)  # 11:00 in Alabama
    for priority in Priority.values:
        launched(sunday, people=1, purpose="marketing", priority=priority)
    Address.objects.update(region="US-AL")
    Outbox.objects.update(due_at=sunday)

    fake = Fake()
    assert dispatch(sunday, fake).held == 2

    assert not fake.left
    assert {due_at.date() for due_at in due().values()} == {datetime(2026, 11, 2).date()}  # noqa: DTZ001
    assert min(due().values()) == datetime(2026, 11, 2, 15, tzinfo=UTC)


def test_urgent_messages_leave_at_the_opening():
    launched(priority=Priority.URGENT)

    assert set(due().values()) == {OPENS}

    Outbox.objects.update(due_at=NIGHT)
    dispatch(NIGHT, Fake())
    assert set(due().values()) == {OPENS}


def test_a_launch_in_the_permitted_hours_spreads_nothing():
    at = OPENS + timedelta(hours=2, microseconds=5)
    launched(at)

    assert set(due().values()) == {at}


@pytest.mark.parametrize(
    "fields", [{"window_end": time(9, 0, 3)}, {"relevant_until": OPENS + timedelta(seconds=3)}]
)
def test_nothing_is_spread_beyond_the_end_of_the_hours_or_of_what_is_relevant(fields):
    messages = launched(**fields)

    meant = {m.pk: OPENS + timedelta(seconds=m.pk % 3) for m in messages}
    assert due() == meant
    Outbox.objects.update(due_at=NIGHT)
    dispatch(NIGHT, Fake())
    assert due() == meant


def test_a_message_says_until_which_minute_it_was_held():
    (message,) = launched(people=1)
    message.pk = 781  # three minutes and a second after the opening
    message.due_at = OPENS + timedelta(seconds=181)

    found = held_until(message, message.due_at, NIGHT)

    assert found == "Held until 4 Nov, 09:03 (America/Chicago, the number's zone)"
    assert held_until(message, message.due_at + timedelta(seconds=9), NIGHT) == ""


@pytest.mark.parametrize(
    ("priority", "words"),
    [("normal", "09:00 their time, spread over 5 minutes."), ("urgent", "09:00 their time.")],
)
def test_the_launch_says_over_how_long_it_is_spread(login, priority, words):
    campaign = drafted(1, priority=priority)

    page = login("marketer").get(campaign.get_absolute_url(), follow=True).content.decode()

    assert words in " ".join(page.split())
