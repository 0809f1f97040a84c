"""A carrier filters a campaign's links: it stops by itself, says why, and goes on without that carrier, by mouse."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from django.utils import timezone
from playwright.sync_api import Page, expect

from campaigns.models import Campaign, Recipient
from deliveries.demo import making
from deliveries.demo.simulation import Simulation
from deliveries.models import CampaignStop, Message, Outbox
from deliveries.providers.sandbox import carriers
from deliveries.providers.sandbox.network import Network
from deliveries.sending import canary
from tests.browser import world
from tests.browser.clicking import click_visibly

FILTERS = "BlueRiver"
SHARES = {FILTERS: 0.6, "Northwind Mobile": 0.0}  # of numbers: it is most people's carrier
TEXT = "Example Clinic: lens week, 20 percent off at bit.ly/lens-week. Reply STOP to opt out."


@pytest.fixture
def network(site: str, monkeypatch: pytest.MonkeyPatch) -> Network:
    """Carriers of which one alone filters public short links; and so few people are a large audience."""
    strict = [
        replace(one, filters=0.97 * (one.name == FILTERS), share=SHARES.get(one.name, one.share))
        for one in carriers.PHONE_CARRIERS
    ]
    monkeypatch.setattr(carriers, "PHONE_CARRIERS", tuple(strict))
    monkeypatch.setattr(canary, "FROM", 300)
    network = Network(world.SEED, secret="")
    making.look_up_numbers(network)
    return network


def write_and_launch(page: Page, name: str) -> Campaign:
    """A campaign with a first slice, from nothing to its launch."""
    page.goto("/campaigns/")
    click_visibly(page.get_by_role("link", name="New campaign").last)
    page.wait_for_url("**/campaigns/new/")
    page.keyboard.type(name)
    click_visibly(page.get_by_role("button", name="Write it"))
    for each in making.OWN:
        click_visibly(page.locator("#form-who").get_by_role("checkbox", name=each).first)
    click_visibly(page.locator("#form-what textarea").first)
    page.keyboard.type(TEXT)
    expect(page.locator("#state-what")).to_contain_text("Saved")
    expect(page.get_by_label("First slice")).to_have_value("5")
    click_visibly(page.get_by_role("button", name="Launch to ").last)
    expect(page.get_by_role("dialog")).to_contain_text("chosen at random, go first")
    click_visibly(page.get_by_role("button", name="Launch now"))
    expect(page.locator("body")).to_contain_text("is being prepared")
    return Campaign.objects.get(name=name)


def test_a_campaign_stops_at_one_carrier_that_filters_and_goes_on_without_it(
    page: Page, network: Network
) -> None:
    page.set_default_timeout(30_000)  # what workers do here is done in the process that serves
    campaign = write_and_launch(page, "Lens week once more")
    simulation = Simulation(network, timezone.now())
    simulation.step()
    texts = Message.objects.filter(campaign=campaign, channel="sms")
    left = texts.filter(handed_over_at__isnull=False)
    page.goto(campaign.get_absolute_url())
    guard = page.locator("#guard")
    expect(guard).to_contain_text("went first; the rest waits until")
    first = left.count()
    assert 0 < first < texts.count() / 2

    while not CampaignStop.objects.exists():  # the first outcomes: a run in longer steps would send the rest
        simulation.now += timedelta(seconds=5)
        simulation.step()
    page.reload()

    stop = CampaignStop.objects.get(campaign=campaign)
    expect(guard).to_contain_text("Stopped by itself")
    expect(guard).to_contain_text(f"Carrier {FILTERS} (SMS): ")
    expect(guard).to_contain_text(f"{stop.waiting} messages were not sent, which saves {stop.saved_words}.")
    assert left.count() == first
    click_visibly(guard.get_by_role("link", name=f"{stop.waiting} messages"), least=16)
    expect(page.locator("#results [role=status]").first).to_contain_text(str(stop.waiting))
    page.go_back()
    click_visibly(page.get_by_role("button", name=f"Resume without {FILTERS} (SMS)"))
    expect(page.locator("body")).to_contain_text(f"goes on without {FILTERS} by SMS")

    simulation.run_until(simulation.now + timedelta(hours=2))
    page.reload()
    expect(guard).to_contain_text("Dana Okafor resumed it ")
    expect(guard).to_contain_text(f"without {FILTERS} by SMS")
    assert not texts.filter(carrier=FILTERS, handed_over_at__gt=stop.at).exists()
    assert not texts.exclude(carrier=FILTERS).filter(handed_over_at=None).exists()
    assert not Outbox.objects.filter(campaign_id=campaign.pk, held__gt="").exists()
    assert not Recipient.objects.filter(campaign=campaign, state="planned").exists()
