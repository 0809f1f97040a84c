"""The pages that say why messages fail, and compare: every number opens its rows."""

from __future__ import annotations

import re
from html import unescape

import pytest
from django.urls import reverse
from django.utils import timezone

from campaigns.models import Campaign
from deliveries.models import CampaignStop, CauseReport
from deliveries.outcomes import causes_step
from deliveries.outcomes.narrowing import matching
from tests import factories
from tests.deliveries.outcomes.failing import linked, messages
from tests.engine import DELIVERED, SPAM

pytestmark = pytest.mark.django_db


@pytest.fixture
def marketer(login):
    return login("marketer")


@pytest.fixture(scope="module")
def campaign(database_of_module, now):
    made = linked(name="Lens week", launched_at=now)
    messages(
        made, factories.account(), now,
        lambda place, carrier, region: SPAM if carrier == "Carrier B" and place % 4 else DELIVERED,
    )  # fmt: skip
    causes_step.count(causes_step.ask(made, None, now), now)
    return made


def text(response) -> str:
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", " ", response.content.decode())))


def links(response, pattern: str) -> list[tuple[str, int]]:
    """(address, the number that stands in the link)."""
    found = re.findall(r'<a href="([^"]+)"[^>]*>([\d,]+)</a>', response.content.decode())
    return [(unescape(url), int(n.replace(",", ""))) for url, n in found if re.search(pattern, url)]


def rows(client, url) -> int:
    """How many messages the list there shows, on all its pages."""
    shown = client.get(url)
    assert shown.status_code == 200
    return matching(shown.context["listing"].view, timezone.now()).count()


def test_a_cause_is_a_sentence_with_its_numbers_and_what_to_do(marketer, campaign):
    shown = text(marketer.get(reverse("campaigns:causes", args=[campaign.slug])))

    assert "Carrier Carrier B × links to c.example" in shown
    assert re.search(r"60 of 80 failed \(75\.0%\); [\d.]+% is usual", shown)
    assert "75.0% of settled messages arrived; without what is named below, 100%" in shown
    assert "Review the content" in shown
    assert "No other wording of" in shown


def test_every_number_opens_just_its_rows(marketer, campaign):
    pages = [reverse("campaigns:causes", args=[campaign.slug])]
    pages += [f"{reverse('campaigns:compare', args=[campaign.slug])}?by={by}" for by in ("carrier", "source", "hour",
              "segments", "wording", "link", "account", "sender", "region", "channel")]  # fmt: skip

    for page in pages:
        opened = links(marketer.get(page), r"outcome=")
        assert opened, page
        for url, n in opened:
            assert rows(marketer, url) == n, url


def test_the_page_takes_the_same_queries_whatever_the_messages(
    marketer, campaign, now, django_assert_max_num_queries
):
    with django_assert_max_num_queries(32):
        marketer.get(reverse("campaigns:causes", args=[campaign.slug]))
    with django_assert_max_num_queries(16):
        marketer.get(reverse("campaigns:compare", args=[campaign.slug]))


def test_counting_is_asked_for_once_and_done_in_the_background(marketer, campaign):
    url = reverse("campaigns:count_causes", args=[campaign.slug])

    marketer.post(url)
    again = marketer.post(url, follow=True)

    assert "Being counted again" in text(again)
    assert CauseReport.objects.filter(campaign=campaign, counted_at=None).count() == 1


def test_a_campaign_that_stopped_goes_on_without_the_cause_by_one_click(marketer, campaign, now):
    type(campaign).objects.filter(pk=campaign.pk).update(state="paused")
    part = {
        "channel": "sms",
        "dimension": "carrier",
        "value": "Carrier B",
        "label": "B",
        "failed": 60,
        "sent": 80,
    }
    CampaignStop.objects.create(
        campaign=campaign, at=now, kind="lasting", sent=240, failed=60, usual=0.05, tolerated=0.1, waiting=5,
        parts=[part],
    )  # fmt: skip

    shown = marketer.get(reverse("campaigns:causes", args=[campaign.slug]))

    assert "Resume without it" in text(shown)
    assert 'value="Carrier B"' in shown.content.decode()


def test_two_campaigns_stand_beside_each_other(marketer, campaign, now):
    other = linked(name="Second", launched_at=now)
    messages(other, factories.account(), now, lambda *_: DELIVERED, 120)
    causes_step.count(causes_step.ask(other, None, now), now)
    Campaign.objects.update(launched_at=timezone.now())

    shown = text(
        marketer.get(f"{reverse('campaigns:compare', args=[campaign.slug])}?by=carrier&with={other.slug}")
    )
    every = text(marketer.get(reverse("compare:campaigns")))
    channels = text(marketer.get(f"{reverse('compare:campaigns')}?by=channel"))

    assert "Carrier B More failed 75.0% of 80" in shown
    assert "Lens week More than usual" in every
    assert "SMS More than usual 360 60" in channels


def test_nothing_is_said_of_what_was_not_counted(login, now):
    campaign = linked(launched_at=now)
    support = login("support")

    shown = text(support.get(reverse("campaigns:causes", args=[campaign.slug])))

    assert "Not counted yet" in shown
    assert "Not counted yet" in text(support.get(reverse("campaigns:compare", args=[campaign.slug])))
    assert login("").get(reverse("campaigns:causes", args=[campaign.slug])).status_code == 403


def test_the_report_leads_to_its_wordings_lists_and_carriers_compared(marketer, campaign):
    page = marketer.get(campaign.get_absolute_url()).content.decode()

    compare = reverse("campaigns:compare", args=[campaign.slug])
    for by in ("wording", "source", "carrier"):
        assert f'href="{compare}?by={by}"' in page
        assert marketer.get(f"{compare}?by={by}").status_code == 200
