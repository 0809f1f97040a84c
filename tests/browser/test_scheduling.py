"""A campaign that is scheduled says so wherever it is named, sends nothing before its time, and leaves on it."""

from __future__ import annotations

from datetime import timedelta

import time_machine
from django.utils import timezone
from playwright.sync_api import Page, expect

from campaigns.models import Campaign
from deliveries.demo.simulation import Simulation
from deliveries.models import Message
from deliveries.providers.sandbox.network import Network
from tests.browser import world
from tests.browser.clicking import click_visibly

STARTS = world.NOW + timedelta(days=2)
WHEN = f"{STARTS:%-d %b, %H:%M}"


def test_a_scheduled_campaign_says_so_everywhere_and_leaves_on_time(page: Page) -> None:
    page.goto("/campaigns/")
    click_visibly(page.get_by_role("link", name="Flu clinic picture message"), least=16)
    click_visibly(page.get_by_role("radio", name="At a time, the same for all"), least=13)
    starts = page.get_by_label("Starts at")
    click_visibly(starts)
    starts.fill(f"{STARTS:%Y-%m-%dT%H:%M}")
    click_visibly(page.get_by_label("First slice"))  # whoever leaves a field has written it
    summary = page.locator("#summary")
    expect(summary).to_contain_text(f"To start {WHEN}")
    click_visibly(page.get_by_role("button", name="Schedule for ").last)
    expect(page.get_by_role("dialog")).to_contain_text(f"Nothing is sent before {WHEN}")
    click_visibly(page.get_by_role("button", name="Schedule", exact=True).last)
    expect(page.locator("body")).to_contain_text(f"is scheduled for {WHEN}")

    simulation = Simulation(Network(world.SEED, secret=""), timezone.now())
    simulation.step()
    campaign = Campaign.objects.get(slug=world.DRAFT)
    theirs = Message.objects.filter(campaign=campaign)
    for address in ("/campaigns/", f"/campaigns/{world.DRAFT}/", "/"):
        page.goto(address)
        expect(page.locator("main")).to_contain_text(f"Scheduled for {WHEN}")
    simulation.now = STARTS - timedelta(seconds=1)
    simulation.step()
    assert theirs.count() > theirs.filter(handed_over_at__isnull=False).count() == 0
    simulation.now = STARTS
    simulation.step()
    left = theirs.filter(handed_over_at=STARTS).count()
    assert left == theirs.filter(handed_over_at__isnull=False).count() > 0

    with time_machine.travel(STARTS + timedelta(minutes=1), tick=True):
        page.goto(f"/campaigns/{world.DRAFT}/")
        expect(page.locator("main")).to_contain_text(f"Started {WHEN}")
