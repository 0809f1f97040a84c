"""A text is written in the composer: its length while one types, and what a click replaces or adds."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from campaigns.models import Campaign, Content
from tests.browser.clicking import click_visibly

DEAR = "Hello {first_name}, it’s time for your check-up: call us on Monday to book, or come by. Reply STOP to opt out."


@pytest.fixture
def draft() -> Campaign:
    return Campaign.objects.filter(state=Campaign.State.DRAFT, channel="sms").earliest("pk")


@pytest.mark.parametrize("script", [True, False], ids=["with a script", "without one"])
def test_a_curly_apostrophe_costs_a_segment_until_it_is_replaced(
    enter: Callable[..., Page], site: str, draft: Campaign, script: bool
) -> None:
    page = enter("marketer", java_script_enabled=script)
    page.goto(f"/campaigns/{draft.slug}/edit/")
    text, counter = page.locator("#id_what-sms_body"), page.locator("#counter-sms")

    text.fill(DEAR)
    if not script:
        page.locator("#form-what").get_by_role("button", name="Save", exact=True).click()
    expect(counter).to_contain_text("2 segments")
    expect(counter).to_contain_text("The curly apostrophe doubles your cost: 2 segments instead of 1.")
    expect(counter.locator("[data-all]")).to_be_hidden()  # it would do no more than the button beside it
    click_visibly(counter.get_by_role("button", name="Write '"))

    expect(counter).to_contain_text("1 segment")
    expect(counter.locator(".counter-dear")).to_be_empty()
    expect(text).to_have_value(DEAR.replace("’", "'"))
    if script:
        expect(page.locator("#state-what")).to_contain_text("Saved")
    assert Content.objects.get(campaign=draft, channel="sms").body == DEAR.replace("’", "'")


def test_the_line_that_is_missing_is_added_with_a_click(
    enter: Callable[..., Page], site: str, draft: Campaign
) -> None:
    page = enter("marketer")
    page.goto(f"/campaigns/{draft.slug}/edit/")
    text = page.locator("#id_what-sms_body")

    text.fill("Example Clinic: sale at bit.ly/lens")
    remarks = page.locator("#what .remarks")
    expect(remarks).to_contain_text("bit.ly is a public address shortener.")
    click_visibly(remarks.get_by_role("button", name="Add “Reply STOP to opt out.”"))

    expect(text).to_have_value("Example Clinic: sale at bit.ly/lens Reply STOP to opt out.")
    expect(remarks).not_to_contain_text("get no more of them")
