"""A campaign stops by itself, another may not begin: what is wrong is said, fixed, and it goes on, by mouse."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest
from django.utils import timezone
from playwright.sync_api import Locator, Page, expect

from campaigns import registering
from campaigns.models import Campaign, Recipient, Registration, Sender
from deliveries.demo.simulation import Simulation
from deliveries.models import CampaignStop, Message, Outbox
from deliveries.providers.sandbox import carriers
from deliveries.providers.sandbox.network import Network
from deliveries.sending import canary, checks
from tests.browser import rules, world
from tests.browser.clicking import click_visibly

FILTERS = "BlueRiver"
LISTS = ("Front desk", "Clinic import Oct", "Web sign-up")
TEXT = "Example Clinic: lens week, 20 percent off at bit.ly/lens-week. Reply STOP to opt out."


@pytest.fixture
def network(monkeypatch: pytest.MonkeyPatch) -> Network:
    """Carriers of which one filters public short links; and so few people are a large audience."""
    strict = [replace(one, filters=0.97 * (one.name == FILTERS)) for one in carriers.PHONE_CARRIERS]
    monkeypatch.setattr(carriers, "PHONE_CARRIERS", tuple(strict))
    monkeypatch.setattr(canary, "FROM", 300)
    return Network(world.SEED, secret="")


def named(page: Page, name: str, role: str = "button") -> Locator:
    return page.get_by_role(role, name=name).last  # type: ignore[arg-type]


def write_and_launch(page: Page, name: str) -> Campaign:
    """A campaign with a first slice, from nothing to its launch."""
    page.set_default_timeout(30_000)  # what workers do here is done in the process that serves
    page.goto("/campaigns/")
    click_visibly(named(page, "New campaign", "link"))
    page.wait_for_url("**/campaigns/new/")
    page.keyboard.type(name)
    click_visibly(named(page, "Write it"))
    for each in LISTS:
        click_visibly(page.locator("#form-who").get_by_role("checkbox", name=each).first)
    click_visibly(page.locator("#form-what textarea").first)
    page.keyboard.type(TEXT)
    expect(page.locator("#state-what")).to_contain_text("Saved")
    expect(page.get_by_label("First slice")).to_have_value("5")
    click_visibly(named(page, "Launch to "))
    expect(page.get_by_role("dialog")).to_contain_text("chosen at random, go first")
    click_visibly(named(page, "Launch now"))
    expect(page.locator("body")).to_contain_text("is being prepared")
    return Campaign.objects.get(name=name)


def test_one_carrier_filters_the_link_and_the_campaign_goes_on_without_it(
    page: Page, network: Network
) -> None:
    campaign = write_and_launch(page, "Lens week once more")
    simulation = Simulation(network, timezone.now())
    simulation.step()
    texts = Message.objects.filter(campaign=campaign, channel="sms")
    page.goto(campaign.get_absolute_url())
    expect(page.locator("#guard")).to_contain_text("went first; the rest waits until")
    first = texts.filter(handed_over_at__isnull=False).count()
    assert 0 < first < texts.count() / 2

    simulation.run_until(simulation.now + timedelta(minutes=45))
    page.reload()

    guard, stop = page.locator("#guard"), CampaignStop.objects.get(campaign=campaign)
    expect(guard).to_contain_text(f"Carrier {FILTERS} (SMS): ")
    expect(guard).to_contain_text(f"{stop.waiting} messages were not sent, which saves {stop.saved_words}.")
    assert texts.filter(handed_over_at__isnull=False).count() == first
    click_visibly(guard.get_by_role("link", name=f"{stop.waiting} messages"))
    expect(page.locator("#results [role=status]").first).to_contain_text(str(stop.waiting))
    page.go_back()
    click_visibly(named(page, f"Resume without {FILTERS} (SMS)"))
    expect(page.locator("body")).to_contain_text(f"goes on without {FILTERS} by SMS")
    simulation.run_until(simulation.now + timedelta(hours=2))
    page.reload()

    expect(guard).to_contain_text("Dana Okafor resumed it ")
    expect(guard).to_contain_text(f"without {FILTERS} by SMS")
    left_later = texts.filter(handed_over_at__gt=stop.at)
    assert not left_later.filter(carrier=FILTERS).exists()
    others = texts.exclude(carrier=FILTERS)
    assert others.count() == others.filter(handed_over_at__isnull=False).count() > 4 * first
    assert not Outbox.objects.filter(campaign_id=campaign.pk, held__gt="").exists()
    assert not Recipient.objects.filter(campaign=campaign, state="planned").exists()


def test_a_sender_blocks_until_an_administrator_has_approved_it_on_its_own_page(
    enter: Callable[..., Page],
) -> None:
    """The marketer's page stays open meanwhile: the checks are asked again as soon as its window is looked at."""
    sender = Sender.objects.get(channel="mms")
    row = sender.registrations.get(kind=Registration.Kind.CAMPAIGN)
    row.state, row.decided_on, row.expires_on = Registration.State.SUBMITTED, None, None
    registering.change(sender, row, None, timezone.now())
    page = enter("marketer")
    page.goto(f"/campaigns/{world.DRAFT}/edit/")
    check = page.locator("#check")
    expect(check).to_contain_text(f"The sender {sender.value} is not approved to send yet.")
    expect(check.get_by_role("button", name="Launch")).to_be_disabled()

    theirs = enter("admin")
    theirs.goto("/senders/")
    click_visibly(theirs.get_by_role("link", name=sender.name))
    expect(theirs.locator("body")).to_contain_text("This sender cannot send yet.")
    click_visibly(theirs.get_by_role("link", name="Change: Campaign"))
    click_visibly(theirs.get_by_label("State"))
    theirs.get_by_label("State").select_option("approved")
    click_visibly(named(theirs, "Save"))
    expect(theirs.locator("body")).not_to_contain_text("cannot send yet")
    theirs.close()

    page.evaluate("() => window.dispatchEvent(new Event('focus'))")

    expect(check).not_to_contain_text("is not approved")
    click_visibly(check.get_by_role("button", name="Launch to "))
    click_visibly(named(page, "Launch now"))
    expect(page.locator("body")).to_contain_text("is being prepared")
    assert Campaign.objects.get(slug=world.DRAFT).state == "launching"


def test_a_new_sender_to_many_is_accepted_with_a_reason(enter: Callable[..., Page], monkeypatch) -> None:
    monkeypatch.setattr(checks, "NEW_SENDER_MOST", 100)
    Sender.objects.update(created_at=timezone.now())
    page = enter("admin")
    page.goto(f"/campaigns/{world.DRAFT}/edit/")
    click_visibly(named(page, "Accept it with a reason", "link"), least=16)
    assert rules.violations(page) == []
    click_visibly(page.get_by_label("Why it is sent all the same"))
    page.keyboard.type("The carrier knows of it.")
    click_visibly(named(page, "Accept the warning"))

    expect(page.locator("#check")).to_contain_text("accepted that: The carrier knows of it.")
    expect(named(page, "Launch to ")).to_be_enabled()
