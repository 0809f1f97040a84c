"""The report of a campaign that is being canceled: its parts agree, and it follows until that is done."""

import re

import pytest
from django.utils import timezone

from campaigns.models import Campaign
from deliveries.ledger.tallies import fold_all
from deliveries.sending import launching
from tests import factories, reporting_rows
from tests.engine import ABSENT, person, rebuild, report, sending, waiting, work

pytestmark = pytest.mark.django_db
HTMX = {"HX-Request": "true"}


@pytest.fixture
def marketer(login):
    return login("marketer")


@pytest.fixture
def going():
    """A campaign with three messages that have not left yet."""
    now, account = timezone.now(), factories.account()
    made = sending("sms", audience_size=3, expanded_count=3)
    account.senders.add(made.contents.get().sender)
    for _ in range(3):
        waiting(made, account, now, person("sms", at=now))
    return made


def read(response) -> str:
    shown = re.sub(r"<select.*?</select>", "", response.content.decode(), flags=re.DOTALL)
    return " ".join(re.sub(r"<[^>]+>", " ", shown).split())


def about(response) -> str:
    """What the page says it speaks of, as its refresh sends it."""
    return re.search(r'"X-State": "([^"]*)"', response.content.decode())[1]


def is_live(response) -> bool:
    return "data-live" in response.content.decode()


def end(campaign):
    """All that a cancel still asks of the worker."""
    launching.withdraw_canceled(timezone.now())
    work(timezone.now())
    fold_all()


def test_the_question_before_a_cancel_says_how_many_messages_it_withdraws(marketer, going):
    rebuild()

    text = read(marketer.get(going.get_absolute_url()))

    assert "3 waiting messages are canceled, and nothing more is sent." in text


def test_the_question_says_so_where_nothing_waits(marketer):
    made = sending("sms", audience_size=0, expanded_count=0)

    text = read(marketer.get(made.get_absolute_url()))

    assert "0 waiting messages are canceled, and nothing more is sent." in text


def test_the_question_counts_nothing_while_the_audience_is_prepared(marketer):
    made = sending("sms", state="launching", audience_size=3, expanded_count=0)

    text = read(marketer.get(made.get_absolute_url()))

    assert "its messages are canceled, also those that are being prepared, and nothing more is sent." in text
    assert "waiting message" not in text


def test_all_parts_of_the_report_agree_at_once(marketer, going):
    answer = marketer.post(f"/campaigns/{going.slug}/cancel/", follow=True)

    text = read(answer)
    assert "Canceled" in text
    assert re.search(r"before anything was sent: 3 messages canceled", text)
    assert "All outcomes 0" in text
    assert "0 messages" in text
    assert "Too early to judge" not in text
    assert "Pending 3" not in text


def test_what_is_being_withdrawn_in_the_background_is_counted_as_the_list_shows_it(
    marketer, going, monkeypatch
):
    monkeypatch.setattr(launching, "WITHDRAWN_AT_ONCE", 2)

    answer = marketer.post(f"/campaigns/{going.slug}/cancel/", follow=True)

    text = read(answer)
    assert "Canceling: nothing more is sent" in text
    assert "All outcomes 1" in text
    assert "Pending 1" in text
    assert re.search(r"Messages 1 = 0 delivered \+ 1 pending", text)
    assert "2 more canceled before" in text
    assert len(re.findall(r'<tr tabindex="-1">', answer.content.decode())) == 1


@pytest.mark.parametrize("at_once", [2, 10])
def test_the_report_follows_by_itself_until_the_canceling_is_done(marketer, going, monkeypatch, at_once):
    monkeypatch.setattr(launching, "WITHDRAWN_AT_ONCE", at_once)
    first = marketer.post(f"/campaigns/{going.slug}/cancel/", follow=True)
    assert is_live(first)
    again = marketer.get(going.get_absolute_url(), headers=HTMX | {"X-State": about(first)})
    assert "HX-Refresh" not in again

    end(going)

    last = marketer.get(going.get_absolute_url(), headers=HTMX | {"X-State": about(first)})
    assert last["HX-Refresh"] == "true"
    page = marketer.get(going.get_absolute_url())
    assert not is_live(page)
    assert "Canceling" not in read(page)
    assert "before anything was sent: 3 messages canceled" in read(page)


def test_what_was_planned_is_followed_until_it_is_decided_anew(marketer, going):
    now = timezone.now()
    for message in going.messages.all():
        report(message, ABSENT, now, "30003")
    work(now)
    rebuild()
    first = marketer.post(f"/campaigns/{going.slug}/cancel/", follow=True)
    assert is_live(first)

    end(going)

    last = marketer.get(going.get_absolute_url(), headers=HTMX | {"X-State": about(first)})
    assert last["HX-Refresh"] == "true"
    assert not is_live(marketer.get(going.get_absolute_url()))


@pytest.mark.parametrize(
    ("state", "follows"),
    [("launching", True), ("sending", True), ("paused", True), ("completed", False), ("canceled", False)],
)
def test_a_report_refreshes_itself_while_its_numbers_can_change(marketer, state, follows):
    campaign = reporting_rows.campaign([0, 3], state=state)
    if state == "canceled":
        Campaign.objects.filter(pk=campaign.pk).update(completed_at=timezone.now())

    assert is_live(marketer.get(campaign.get_absolute_url())) is follows


def test_canceling_promises_nothing_of_what_never_left(marketer, going):
    answer = marketer.post(f"/campaigns/{going.slug}/cancel/", follow=True)

    assert "is canceled. Nothing more is sent." in read(answer)
    assert "What had left" not in read(answer)


def test_what_was_canceled_before_anything_was_sent_can_be_narrowed(marketer, going):
    going.messages.update(carrier="Prairie Tel", list_source_id=factories.contact_list(name="Front desk").pk)
    rebuild()
    marketer.post(f"/campaigns/{going.slug}/cancel/")
    end(going)

    page = marketer.get(f"{going.get_absolute_url()}?status=canceled").content.decode()

    assert '<option value="Prairie Tel">' in page
    assert ">Front desk (3)</option>" in page
    assert "1 list source<" in page


def test_the_header_counts_no_list_sources_while_there_are_none(marketer):
    made = sending("sms", state="launching", audience_size=3, expanded_count=0)

    assert "list source<" not in marketer.get(made.get_absolute_url()).content.decode()
    assert "list sources<" not in marketer.get(made.get_absolute_url()).content.decode()
