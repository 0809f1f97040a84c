"""A campaign's life by mouse, on a desktop and on a phone: every button is where people see it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from playwright.sync_api import Page, expect

from campaigns.models import Campaign, Sender
from deliveries.running import drain
from tests.browser import world
from tests.browser.clicking import LEAST, LEAST_ON_PHONES, click_visibly

SIZES = {
    "desktop": ({"width": 1440, "height": 900}, LEAST),
    "phone": ({"width": 390, "height": 844}, LEAST_ON_PHONES),
}


@pytest.fixture(params=SIZES)
def hand(request: pytest.FixtureRequest, enter: Callable[..., Page]) -> Hand:
    size, least = SIZES[request.param]
    return Hand(enter("marketer", viewport=size, timezone_id="Europe/Madrid"), least)


class Hand:
    """Whoever holds the mouse."""

    def __init__(self, page: Page, least: float) -> None:
        self.page = page
        self.least = least

    def press(self, name: str) -> None:
        click_visibly(self.page.get_by_role("button", name=name).last, least=self.least)

    def reads(self, *words: str) -> None:
        for each in words:
            expect(self.page.locator("body")).to_contain_text(each)


def state() -> str:
    return Campaign.objects.get(slug=world.DRAFT).state


def expand_all() -> None:
    while drain.expand(world.NOW):
        pass


def test_a_campaign_is_launched_paused_resumed_and_canceled(hand: Hand) -> None:
    hand.page.goto(f"/campaigns/{world.DRAFT}/")

    hand.press("Launch to ")
    hand.press("Launch now")

    hand.reads("is being prepared and starts automatically", "Preparing the audience")
    expand_all()
    hand.page.goto(f"/campaigns/{world.DRAFT}/")
    hand.press("Pause")
    hand.reads("Nothing more is sent until you resume it", "Paused")
    assert state() == "paused"
    hand.press("Resume")
    hand.reads("is running again")
    assert state() == "sending"
    hand.press("More")
    hand.press("Cancel campaign")
    hand.press("Keep it going")
    assert state() == "sending"
    hand.press("More")
    hand.press("Cancel campaign")
    hand.press("Cancel campaign")
    hand.reads("is canceled")
    assert state() == "canceled"


def test_the_confirmation_leads_to_the_checks_behind_it(hand: Hand) -> None:
    Sender.objects.update(created_at=world.NOW)  # new: that is worth a look
    hand.page.goto(f"/campaigns/{world.DRAFT}/")
    hand.press("Launch to ")

    click_visibly(hand.page.get_by_role("link", name="to look at first"), least=16)

    expect(hand.page.get_by_role("dialog")).to_be_hidden()
    expect(hand.page.locator("#check")).to_be_in_viewport()
    assert state() == "draft"


def test_a_campaign_is_scheduled_paused_resumed_and_canceled(hand: Hand) -> None:
    Campaign.objects.filter(slug=world.DRAFT).update(starts_at=world.NOW + timedelta(days=2))
    hand.page.goto("/campaigns/")  # from the next page on, times are the reader's
    hand.page.goto(f"/campaigns/{world.DRAFT}/")
    when = "20 Nov, 18:20 (Europe/Madrid)"

    hand.press("Schedule for ")
    hand.reads(f"Nothing is sent before {when}")
    hand.press("Schedule")

    hand.reads(f"is scheduled for {when}")
    expand_all()
    hand.page.goto(f"/campaigns/{world.DRAFT}/")
    hand.reads(f"Scheduled for {when}", "Nothing was sent yet", f"Leaves on {when}")
    hand.press("Pause")
    hand.reads("Paused", f"was scheduled for {when}", "It waits until the campaign is resumed.")
    hand.press("Resume")
    hand.reads(f"is scheduled for {when}")
    hand.press("More")
    hand.press("Cancel campaign")
    hand.press("Cancel campaign")
    hand.reads("is canceled", f"Was scheduled for {when}")


def test_a_confirmation_needs_no_script_and_gives_the_focus_back(enter: Callable[..., Page]) -> None:
    page = enter("marketer", java_script_enabled=False)
    page.goto(f"/campaigns/{world.DRAFT}/")
    page.get_by_role("button", name="Launch to ").click()
    page.get_by_role("button", name="Not now").click()
    page.get_by_role("button", name="Launch to ").click()
    page.get_by_role("button", name="Launch now").click()
    expect(page.locator("body")).to_contain_text("is being prepared")

    page = enter("marketer")
    page.goto(f"/campaigns/{world.LIVE}/")
    page.get_by_role("button", name="More").focus()
    for key in ("Enter", "Tab", "Tab", "Tab", "Enter"):  # behind Print and Duplicate
        page.keyboard.press(key)
    expect(page.get_by_role("button", name="Keep it going")).to_be_focused()
    expect(page.locator("#more")).to_be_hidden()  # nothing stands open behind the question
    page.keyboard.press("Escape")

    expect(page.get_by_role("button", name="More")).to_be_focused()
