"""Accessibility of what a visit alone does not show: menus, dialogs and forms that people open, by axe."""

from __future__ import annotations

from playwright.sync_api import Page, expect

from tests.browser.rules import STYLED_BY_AXE, violations
from tests.browser.watching import Watch
from tests.browser.world import REPORT

PHONE = {"width": 390, "height": 844}


def test_no_rule_is_broken_with_everything_unfolded(page: Page, watch: Watch) -> None:
    watch.expect(STYLED_BY_AXE)
    page.goto(f"/campaigns/{REPORT}/?queue=correct")
    page.locator("[data-tick]").first.check()
    page.locator("details:not(.rail-person, .confirm)").evaluate_all(
        "all => all.forEach(one => one.open = true)"
    )
    page.locator(".rail-person summary").click()
    page.set_viewport_size(PHONE)  # type: ignore[arg-type]
    page.evaluate(
        """() => document.dispatchEvent(
             new CustomEvent("toast", { detail: { text: "Done.", action: { label: "Look" } } }))"""
    )
    page.get_by_role("button", name="Menu").click()
    page.get_by_role("button", name="Filters").click()

    assert violations(page) == []


def test_no_rule_is_broken_by_the_help_and_the_preview(page: Page, watch: Watch) -> None:
    watch.expect(STYLED_BY_AXE)
    page.goto("/queues/correct/")
    page.locator("[data-tick]").first.check()
    page.keyboard.press("?")
    expect(page.locator("#help")).to_be_visible()
    help_breaks = violations(page)
    page.keyboard.press("Escape")
    page.locator("#help").wait_for(state="hidden")

    page.locator(".bulk").get_by_role("button", name="Suppress").click()
    expect(page.get_by_label("Reason, in your words")).to_be_visible()

    assert [*help_breaks, *violations(page)] == []


def test_no_rule_is_broken_once_logged_out(page: Page, watch: Watch) -> None:
    watch.expect(STYLED_BY_AXE)
    page.goto("/")
    page.locator(".rail-person summary").click()
    page.get_by_role("button", name="Log out").click()
    expect(page.get_by_role("heading", name="You are logged out")).to_be_visible()
    page.set_viewport_size(PHONE)  # type: ignore[arg-type]

    assert violations(page) == []
    page.get_by_role("link", name="Log in").click()
    expect(page.get_by_label("Username")).to_be_visible()
