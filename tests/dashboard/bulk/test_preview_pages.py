"""The page that shows what a bulk action would do, before it does it."""

import re
from datetime import timedelta

import pytest
from django.utils import timezone

from contacts.models import Suppression
from deliveries.models import Account, Batch
from tests import factories, reporting_rows
from tests.dashboard.bulk.forms import chosen, ticked

pytestmark = pytest.mark.django_db


def test_a_preview_counts_what_is_selected_and_its_button_carries_the_number(marketer, campaign):
    page = marketer.post(
        "/batches/preview/", chosen(marketer, campaign, action="suppress", all="1", note="Asked")
    ).content

    assert b"Suppress the addresses of 3 messages" in page
    assert not Suppression.objects.exists()


def test_a_preview_of_very_many_says_how_many_it_looked_at(marketer, campaign, monkeypatch):
    monkeypatch.setattr("deliveries.bulk.previewing.PREVIEW_MOST", 2)

    page = marketer.post("/batches/preview/", chosen(marketer, campaign, action="retry", all="1")).content

    words = " ".join(page.decode().split())
    assert "The first 2 of 3 messages were checked for this preview." in words
    assert "Retry up to 3 messages" in words


def test_moving_asks_for_the_channel_first(marketer, campaign):
    factories.content(campaign, "email")

    page = marketer.post(
        "/batches/preview/", chosen(marketer, campaign, action="switch", all="1")
    ).content.decode()

    assert "Choose a channel" in page
    assert ">Preview</button>" in page
    assert "<span>3 messages on SMS</span>" in page
    assert f"<span>{campaign.name}</span>" in page


def offered(page: str) -> list[str]:
    return re.findall(r'<option value="(\w+)"', page)


def test_only_channels_that_can_carry_the_messages_are_offered(marketer, campaign):
    factories.content(campaign, "email")
    factories.content(campaign, "voice")
    Account.objects.update(channels=["sms", "email"])

    page = marketer.post("/batches/preview/", chosen(marketer, campaign, action="switch", all="1"))

    assert offered(page.content.decode()) == ["email"]
    assert (
        "Not offered: SMS (they were sent on it), MMS (no content), Voice (no account that sends on it), "
        "Ringless voicemail (no content)." in page.content.decode()
    )


def test_a_channel_that_only_some_campaigns_have_content_for_says_so(marketer, campaign):
    factories.content(campaign, "email")
    other = reporting_rows.campaign([1])
    given = {"action": "switch", "messages": [one.messages.first().pk for one in (campaign, other)]}

    page = marketer.post("/batches/preview/", given).content.decode()

    assert "Email, in 1 of 2 campaigns" in page


def test_without_any_other_channel_nothing_is_asked(marketer, campaign):
    page = marketer.post("/batches/preview/", chosen(marketer, campaign, action="switch", all="1"))

    assert "There is no channel to move to" in page.content.decode()
    assert offered(page.content.decode()) == []
    assert ">Preview</button>" not in page.content.decode()


def test_a_preview_names_campaigns_age_and_text(marketer, campaign):
    other = reporting_rows.campaign([1], name="Spring recall", at=timezone.now() - timedelta(days=9))
    messages = [*campaign.messages.order_by("pk")[:2], other.messages.get()]
    given = {"action": "retry", "messages": [message.pk for message in messages]}

    page = marketer.post("/batches/preview/", given).content.decode()

    assert f"2 campaigns: {campaign.name} (2), Spring recall (1)" in page
    assert "Oldest attempt 1\N{NO-BREAK SPACE}week ago" in page
    reader = min(messages, key=lambda one: one.pk).contact
    assert re.search(rf"SMS(</span>)? to {reader}</h2>", page)
    assert f"Hello {reader.first_name}, your appointment is tomorrow." in page
    assert "{first_name}" not in page


def test_a_preview_shows_the_text_only_to_those_who_would_be_written_to(marketer, campaign):
    arrived = reporting_rows.campaign([0], name="Spring recall")
    acting = campaign.messages.filter(reason_code="30003").order_by("pk")
    delivered = arrived.messages.get()

    both = marketer.post("/batches/preview/", {"action": "retry", "messages": [acting[0].pk, delivered.pk]})
    nobody = marketer.post("/batches/preview/", {"action": "retry", "messages": [delivered.pk]})

    assert re.findall(r'aria-label="Text by SMS, ([^"]*)"', both.content.decode()) == [campaign.name]
    assert "other text" not in both.content.decode()
    assert "Text by" not in nobody.content.decode()


def test_a_preview_calls_a_result_what_its_list_calls_it(marketer, campaign):
    message = campaign.messages.filter(reason_code="30003").first()

    page = marketer.post("/batches/preview/", {"action": "retry", "messages": [message.pk]}).content.decode()

    assert re.search(
        r'data-label="Status now">\s*<span class="pill" data-b="retryable">.*?Temporary failure',
        page,
        re.DOTALL,
    )


def test_the_sample_shows_skipped_rows_first_and_then_acting_ones(marketer, campaign):
    given = {"action": "retry", "messages": list(campaign.messages.values_list("pk", flat=True))}

    page = marketer.post("/batches/preview/", given).content.decode()

    results = re.findall(r'data-label="Result"><span[^>]*></span> ([\w ]+)(?:: ([^<]+))?<', page)
    assert results == [("Skipped", "already delivered meanwhile"), *[("Will be retried", "")] * 3]


def test_the_preview_and_its_way_back_leave_the_ticks_as_they_were(marketer, campaign):
    first, second, _ = campaign.messages.filter(reason_code="30003").order_by("pk")
    given = chosen(marketer, campaign, action="retry", messages=[first.pk, second.pk])

    marketer.post("/batches/preview/", given)
    page = marketer.get(f"/campaigns/{campaign.slug}/?queue=retry").content.decode()

    assert sorted(ticked(page)) == sorted([str(first.pk), str(second.pk)])


@pytest.mark.parametrize(
    ("given", "title"),
    [
        ({"action": "retry"}, "Retry 3 messages"),
        ({"action": "switch"}, "Switch 3 messages to another channel"),
        ({"action": "switch", "channel": "email"}, "Switch 3 messages to email"),
        ({"action": "switch", "channel": "sms"}, "Switch 3 messages to SMS"),
        ({"action": "switch", "channel": "voice"}, "Switch 3 messages to voice"),
        ({"action": "correct"}, "Mark the addresses of 3 messages for correction"),
        ({"action": "suppress", "note": "Asked"}, "Suppress the addresses of 3 messages"),
    ],
)
def test_the_title_of_every_act_is_a_sentence(marketer, campaign, given, title):
    page = marketer.post("/batches/preview/", chosen(marketer, campaign, all="1", **given)).content.decode()
    batch = Batch(action=given["action"], total=3, options={"channel": given.get("channel", "")})

    heading = " ".join(re.search(r"<h1[^>]*>(.*?)</h1>", page, re.DOTALL)[1].split())
    assert heading == f"{title}: preview"
    assert str(batch) == batch.title == title


@pytest.mark.parametrize(
    ("action", "title"),
    [
        ("retry", "Retry 1 message"),
        ("switch", "Switch 1 message to another channel"),
        ("correct", "Mark the address of 1 message for correction"),
        ("suppress", "Suppress the address of 1 message"),
    ],
)
def test_one_message_is_no_plural(action, title):
    assert Batch(action=action, total=1).title == title


def test_the_address_of_a_preview_by_itself_leads_back_to_the_queues(marketer):
    response = marketer.get("/batches/preview/", follow=True)

    assert response.redirect_chain == [("/queues/", 302)]
    assert "Select messages first" in response.content.decode()


@pytest.mark.parametrize(
    ("action", "says"),
    [
        ("correct", "on the channel that failed until somebody has corrected or confirmed them"),
        ("suppress", "other channels go on"),
    ],
)
def test_a_preview_says_what_it_means_for_the_people(marketer, campaign, action, says):
    ids = list(campaign.messages.values_list("pk", flat=True)[:1])

    page = marketer.post(
        "/batches/preview/", {"action": action, "messages": ids, "note": "x"}
    ).content.decode()

    assert says in page
    assert "Of these, later" not in page
