"""The admin's pages on a phone, by mouse."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from django.urls import reverse
from playwright.sync_api import Page, expect

from campaigns.models import Campaign
from tests.browser.clicking import LEAST_ON_PHONES, click_visibly
from tests.browser.rules import STYLED_BY_AXE, violations
from tests.browser.watching import Watch
from tests.browser.world import REPORT

HIDDEN = "one => one.scrollHeight - one.clientHeight"  # pixels that are to be had by scrolling inside only
PHONE = {"width": 390, "height": 844}
ADDRESSES: dict[str, Callable[[], str]] = {
    "product page": lambda: f"/campaigns/{REPORT}/",
    "new campaign": lambda: reverse("admin:campaigns_campaign_add"),
    "edit": lambda: reverse("admin:campaigns_campaign_change", args=[Campaign.objects.get(slug=REPORT).pk]),
    "list": lambda: reverse("admin:campaigns_campaign_changelist"),
    "index": lambda: reverse("admin:index"),
    "password": lambda: reverse("admin:password_change"),
}


@pytest.mark.parametrize("where", ADDRESSES)
def test_the_menu_leads_to_every_section_and_to_the_log_out(
    enter: Callable[..., Page], watch: Watch, where: str
) -> None:
    watch.expect(STYLED_BY_AXE)
    page = enter("admin", viewport=PHONE)
    page.goto(ADDRESSES[where]())

    click_visibly(page.get_by_role("button", name="Menu"), least=LEAST_ON_PHONES)
    assert violations(page) == []
    click_visibly(page.locator(".rail-person summary"))
    assert page.locator(".rail").evaluate(HIDDEN) == 0
    click_visibly(page.locator(".rail").get_by_role("link", name="Action queues"), least=LEAST_ON_PHONES)

    expect(page).to_have_url(re.compile(r"/queues/$"))


def test_one_logs_out_of_an_admin_page(enter: Callable[..., Page]) -> None:
    page = enter("admin", viewport=PHONE)
    page.goto(ADDRESSES["edit"]())

    click_visibly(page.get_by_role("button", name="Menu"), least=LEAST_ON_PHONES)
    click_visibly(page.locator(".rail-person summary"))
    assert page.locator(".rail").evaluate(HIDDEN) == 0
    click_visibly(page.get_by_role("button", name="Log out"), least=LEAST_ON_PHONES)

    expect(page.get_by_role("heading", name="You are logged out")).to_be_visible()


def test_the_action_that_is_chosen_can_be_read(enter: Callable[..., Page]) -> None:
    page = enter("admin", viewport=PHONE)
    page.goto(reverse("admin:contacts_suppression_changelist"))

    widths = [(page.get_by_label(name).bounding_box() or {}).get("width", 0) for name in ("Action:", "Why")]

    assert min(widths) > 200
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_rows_of_a_list_are_low_enough_to_look_through_and_can_be_ticked(enter: Callable[..., Page]) -> None:
    page = enter("admin", viewport=PHONE)
    page.goto(reverse("admin:contacts_suppression_changelist"))
    rows = page.locator("#result_list tbody tr")

    heights = rows.evaluate_all("(all) => all.map((one) => one.getBoundingClientRect().height)")

    assert max(heights) <= 90
    click_visibly(rows.first.locator("input[type=checkbox]"))


@pytest.mark.parametrize("viewport", [PHONE, {"width": 1440, "height": 900}], ids=["phone", "desktop"])
def test_an_error_far_below_is_named_at_the_top_and_led_to(
    enter: Callable[..., Page], watch: Watch, viewport: dict
) -> None:
    watch.expect(STYLED_BY_AXE)
    page = enter("admin", viewport=viewport)
    page.goto(ADDRESSES["edit"]())
    page.locator("#id_relevant_until_0").fill("never")

    click_visibly(page.get_by_role("button", name="Save", exact=True))
    link = page.locator(".errors-summary a")
    expect(link).to_have_text("Don't send after")
    assert violations(page) == []
    click_visibly(link)

    expect(page.locator("#id_relevant_until_0")).to_be_in_viewport()
