"""Accessibility of every page, as far as a machine can judge: WCAG 2.2 AA and best practice, by axe."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.contrib import admin
from playwright.sync_api import Page, expect

from deliveries.reporting import outcomes, trail
from tests.browser.pages import PAGES
from tests.browser.watching import Watch
from tests.browser.world import REPORT

DESKTOP, PHONE = {"width": 1440, "height": 900}, {"width": 390, "height": 844}
LOOKS = [(DESKTOP, "light"), (DESKTOP, "dark"), (PHONE, "dark"), (PHONE, "light")]
STYLED_BY_AXE = (
    "Content Security Policy|policy: style-src"  # it tries out text spacing, which our policy refuses
)
A_TOAST = """() => document.dispatchEvent(
  new CustomEvent("toast", { detail: { text: "Retry: done.", undo_url: "/batches/1/undo/" } }))"""
RULES = {
    "runOnly": [
        "wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice",
    ],
    "resultTypes": ["violations"],
    "preload": False,  # or it asks for style sheets again, by wrong addresses
}  # fmt: skip


def violations(page: Page) -> list[str]:
    """One line for each element that breaks a rule."""
    found = Axe().run(page, options=RULES).response["violations"]
    return [f"{rule['id']}: {node['html'][:140]}" for rule in found for node in rule["nodes"]]


def in_every_look(page: Page) -> dict[str, list[str]]:
    found = {}
    for size, theme in LOOKS:
        page.set_viewport_size(size)  # type: ignore[arg-type]
        page.evaluate("(theme) => (document.documentElement.dataset.theme = theme)", theme)
        if page.locator("[data-chart]").count():
            page.wait_for_function("document.querySelector('[data-chart].is-drawn')")
        if broken := violations(page):
            found[f"{size['width']} px, {theme}"] = broken
    return found


@pytest.fixture(autouse=True)
def short_lists(monkeypatch: pytest.MonkeyPatch) -> None:
    """One row is like another, and axe looks at every element."""
    monkeypatch.setattr(outcomes, "PAGE_SIZE", 8)
    monkeypatch.setattr(outcomes, "WORKLIST_SIZE", 8)
    monkeypatch.setattr(trail, "PAGE_SIZE", 12)
    monkeypatch.setattr(admin.ModelAdmin, "list_per_page", 12)


@pytest.mark.parametrize("name", PAGES)
def test_a_page_breaks_no_rule_in_any_look(enter: Callable[..., Page], watch: Watch, name: str) -> None:
    username, url = PAGES[name]
    page = enter(username)
    watch.expect(r"40[34]" if name.startswith("not ") else "^$")

    page.goto(url())

    assert watch.unexpected() == []
    watch.expect(STYLED_BY_AXE)
    assert in_every_look(page) == {}


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
        "() => document.dispatchEvent(new CustomEvent('toast', { detail: { text: 'Done.', undo_url: '/x' } }))"
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
