"""What pages say of the first slice and of a campaign that stopped by itself, and going on from there."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.contrib.admin.models import LogEntry
from django.urls import reverse
from django.utils import timezone

from campaigns.models import Campaign, SliceLeftOut
from dashboard.campaigns.when_form import WhenForm
from deliveries.models import CampaignStop, Canary
from deliveries.running.drain import expand as expand_all
from deliveries.sending import canary
from deliveries.sending.launching import launch
from tests import factories
from tests.engine import consent, rebuild

pytestmark = pytest.mark.django_db
PART = {"channel": "sms", "dimension": "carrier", "value": "BlueRiver"}


@pytest.fixture
def marketer(login):
    return login("marketer")


@pytest.fixture
def campaign(now):
    return factories.campaign(state="sending", name="Lens week", launched_at=now, expanded_count=0)


@pytest.fixture
def stop(campaign, now):
    Campaign.objects.filter(pk=campaign.pk).update(state="paused")
    causes = [
        {"dimension": "code", "value": "FILTERED", "label": "Filtered as spam.", "failed": 35, "sent": None},
        {"dimension": "carrier", "value": "BlueRiver", "label": "BlueRiver (SMS)", "failed": 22, "sent": 27},
        {"dimension": "link", "value": "bit.ly", "label": "bit.ly", "failed": 0, "sent": None},
    ]
    return CampaignStop.objects.create(
        campaign=campaign, at=now, kind="lasting", sent=100, failed=38, usual=0.05, tolerated=0.1, waiting=1_804,
        causes=causes, parts=[PART | {"label": "BlueRiver (SMS)", "failed": 22, "sent": 27}],
    )  # fmt: skip


def text(response) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", response.content.decode()))


def test_the_report_says_why_it_stopped_and_how_it_can_go_on(marketer, campaign, stop):
    page = marketer.get(campaign.get_absolute_url())

    shown = text(page)
    assert "Stopped by itself: 38 of 100 messages failed for good (38.0%); 5.0% is usual." in shown
    assert "1,804 messages were not sent" in shown
    assert "FILTERED: Filtered as spam. : 35 failed" in shown
    assert "BlueRiver (SMS) : 22 failed, 81.5% of 27 there" in shown
    assert "Resume without BlueRiver (SMS)" in shown
    assert 'href="/campaigns/' in page.content.decode()


def test_the_list_and_the_overview_say_so_too(marketer, campaign, stop):
    assert "Stopped by itself: 38.0% failed for good" in text(marketer.get(reverse("campaigns:list")))

    shown = text(marketer.get(reverse("overview")))
    assert "Lens week stopped by itself: 38 of 100 messages failed for good" in shown
    assert "Most of all: Filtered as spam (35). 1,804 messages not sent." in shown


def test_a_marketer_resumes_without_a_carrier(marketer, campaign, stop):
    response = marketer.post(reverse("campaigns:resume_without", args=[campaign.slug]), PART, follow=True)

    campaign.refresh_from_db()
    assert campaign.state == "sending"
    assert SliceLeftOut.objects.get().value == "BlueRiver"
    assert "goes on without BlueRiver by SMS" in text(response)
    assert "resumed it" in text(response)
    assert LogEntry.objects.get().change_message == "Resumed without BlueRiver by SMS."


@pytest.mark.parametrize(
    "given",
    [
        {},
        PART | {"channel": "pigeon"},
        PART | {"dimension": "x"},
        PART | {"dimension": "source"},
        PART | {"value": ""},
        PART | {"value": "blueriver"},
        PART | {"value": "Blue\0River"},
        PART | {"value": "x" * 99},
        PART | {"channel": "mms"},
        *(PART | {"dimension": "source", "value": value} for value in ("\u00b2", "007", "\u0667", "9" * 50)),
    ],
)
def test_what_is_no_part_of_it_changes_nothing(marketer, campaign, stop, given):
    response = marketer.post(reverse("campaigns:resume_without", args=[campaign.slug]), given, follow=True)

    campaign.refresh_from_db()
    assert campaign.state == "paused"
    assert "Choose one of the parts that the report names" in text(response)
    assert not SliceLeftOut.objects.exists()


@pytest.mark.parametrize(("hours", "says"), [(-1, True), (24, False)])
def test_a_first_slice_is_spoken_of_once_the_campaign_has_begun(marketer, campaign, hours, says):
    Canary.objects.create(campaign=campaign, share=1_000, wanted=104)
    Campaign.objects.filter(pk=campaign.pk).update(starts_at=timezone.now() + timedelta(hours=hours))

    page = text(marketer.get(campaign.get_absolute_url()))

    assert ("Send the rest now" in page, "Some people, chosen at random, go first" in page) == (says, says)


@pytest.mark.parametrize(("people", "says"), [(999, "Nobody goes first:"), (1_300, "About 120 of")])
def test_a_launch_says_how_many_go_first(people, says):
    assert canary.in_words(people, 10, 1_200).startswith(says)


def test_a_campaign_that_somebody_paused_names_no_part(marketer, campaign, stop):
    CampaignStop.objects.update(resumed_at=stop.at)

    response = marketer.post(reverse("campaigns:resume_without", args=[campaign.slug]), PART, follow=True)

    assert "Choose one of the parts that the report names" in text(response)
    assert not SliceLeftOut.objects.exists()


@pytest.mark.parametrize("name", ["resume_without", "send_rest"])
def test_support_decides_neither(login, campaign, stop, name):
    support = login("support")

    assert support.post(reverse(f"campaigns:{name}", args=[campaign.slug]), PART).status_code == 403
    assert "Resume without" not in text(support.get(campaign.get_absolute_url()))


def test_only_a_paused_campaign_is_resumed(marketer, campaign):
    response = marketer.post(reverse("campaigns:resume_without", args=[campaign.slug]), PART, follow=True)

    assert "is sending: only a paused campaign can be resumed" in text(response)
    assert not SliceLeftOut.objects.exists()


def test_the_report_counts_the_slice_and_a_marketer_sends_the_rest(marketer, monkeypatch, now):
    monkeypatch.setattr(canary, "FROM", 10)
    monkeypatch.setattr(canary, "FEWEST", 4)
    factories.account()
    people = factories.contact_list()
    for _ in range(10):
        contact = factories.contact(lists=[people])
        factories.phone(contact)
        consent(contact, "sms", at=now - timedelta(days=1))
    campaign = factories.campaign(lists=[people], canary_percent=5)
    factories.content(campaign)
    launch(campaign, None, now)
    while expand_all(now):
        pass
    rebuild()

    assert (
        "Some people, chosen at random, go first; the rest waits until 3 of their outcomes are in."
        in text(marketer.get(campaign.get_absolute_url()))
    )

    sent = marketer.post(reverse("campaigns:send_rest", args=[campaign.slug]), follow=True)
    again = marketer.post(reverse("campaigns:send_rest", args=[campaign.slug]), follow=True)

    assert Canary.objects.get().ending == Canary.Ending.PERSON
    assert "goes on without waiting" in text(sent)
    assert "of the people went first. The rest followed from" in text(sent)
    assert "the rest waits" not in text(sent)
    assert "Nothing of" in text(again)


def test_the_head_says_who_paused_it_until_it_goes_on(marketer, campaign):
    paused = marketer.post(reverse("campaigns:pause", args=[campaign.slug]), follow=True)
    by = f"Paused by {marketer.user.display_name}"

    assert by in text(paused)
    assert by not in text(marketer.post(reverse("campaigns:resume", args=[campaign.slug]), follow=True))


@pytest.mark.parametrize(("given", "kept"), [({}, 5), ({"when-canary_percent": "0"}, 0)])
def test_the_first_slice_is_chosen_in_the_composer_and_stays_where_it_is_not_asked_for(given, kept):
    draft = factories.campaign()
    shown = WhenForm(instance=draft)
    data = {
        shown.add_prefix(name): shown[name].value() or "" for name in shown.fields if name != "canary_percent"
    }

    form = WhenForm(data | given, instance=draft)
    assert form.is_valid(), form.errors
    form.save()

    draft.refresh_from_db()
    assert draft.canary_percent == kept


@pytest.mark.parametrize("state", ["draft", "sending"])
def test_an_administrator_lets_a_campaign_go_on_and_stop_again_and_says_why(login, campaign, state):
    Campaign.objects.filter(pk=campaign.pk).update(state=state)
    admin, address = login("admin"), reverse("campaigns:breaker", args=[campaign.slug])
    page = (
        reverse("campaigns:edit", args=[campaign.slug]) if state == "draft" else campaign.get_absolute_url()
    )
    assert f'href="{address}"' in admin.get(page).text

    assert admin.post(address, {"on": "0", "reason": " "}).status_code == 422
    admin.post(address, {"on": "0", "reason": "The carrier knows, and asked us to go on."})

    campaign.refresh_from_db()
    assert not campaign.breaker
    admin.user.refresh_from_db()
    shown = text(admin.get(page))
    assert f"{admin.user.display_name} let it go on whatever fails" in shown
    assert "The carrier knows, and asked us to go on." in shown
    admin.post(address, {"on": "0", "reason": "Twice, from an older page."})
    assert campaign.breaker_switches.count() == 1
    admin.post(address, {"on": "1", "reason": "The carrier is done."})
    campaign.refresh_from_db()
    assert campaign.breaker
    assert [(one.on, one.by) for one in campaign.breaker_switches.all()] == [
        (False, admin.user),
        (True, admin.user),
    ]
    assert LogEntry.objects.filter(object_id=campaign.pk).count() == 2


def test_of_a_campaign_that_is_over_nothing_is_switched(login, campaign):
    Campaign.objects.filter(pk=campaign.pk).update(state="completed")

    login("admin").post(reverse("campaigns:breaker", args=[campaign.slug]), {"on": "0", "reason": "Late"})

    assert Campaign.objects.get().breaker
    assert not campaign.breaker_switches.exists()


def test_a_marketer_reads_that_it_does_not_stop_and_cannot_switch_it(marketer, campaign):
    Campaign.objects.filter(pk=campaign.pk).update(breaker=False)
    address = reverse("campaigns:breaker", args=[campaign.slug])

    page = marketer.get(campaign.get_absolute_url())

    assert "It does not stop by itself, whatever fails." in text(page)
    assert address not in page.text
    assert marketer.post(address, {"on": "1", "reason": "I would"}).status_code == 403


def test_the_raw_record_says_whether_it_stops_and_switches_nothing(login, campaign):
    page = login(user=factories.user("admin", is_staff=True)).get(
        reverse("admin:campaigns_campaign_change", args=[campaign.pk])
    )

    assert "Stops by itself" in page.text
    assert 'name="breaker"' not in page.text
