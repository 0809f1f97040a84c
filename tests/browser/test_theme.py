"""Light and dark: everything changes at once, without loading the page again."""

from __future__ import annotations

from collections.abc import Callable

from playwright.sync_api import Page, expect

from tests.browser.world import REPORT

# What the reader sees of a bar, a pill and the page: colours as used, not as written.
COLOURS = """() => ({
  bar: getComputedStyle(document.querySelector("#chart .trace.bars path")).fill,
  pill: getComputedStyle(document.querySelector("#results .pill")).color,
  page: getComputedStyle(document.body).backgroundColor })"""


def switch_to(page: Page, theme: str) -> None:
    """By the button of the menu, as often as it takes."""
    menu = page.locator(".rail-person")
    if menu.get_attribute("open") is None:
        menu.locator("summary").click()
    for _ in range(3):
        if page.locator("html").get_attribute("data-theme") == theme:
            return
        page.locator(".theme-toggle").click()
    raise AssertionError(f"The theme never became {theme}.")


def test_bars_pills_and_page_change_without_a_reload(page: Page) -> None:
    page.goto(f"/campaigns/{REPORT}/")
    expect(page.locator("#chart.is-drawn")).to_be_visible()
    page.evaluate("window.same = true")
    light = page.evaluate(COLOURS)

    switch_to(page, "dark")
    page.wait_for_function(f"(before) => ({COLOURS})().bar !== before", arg=light["bar"])

    dark = page.evaluate(COLOURS)
    assert {name for name in light if light[name] == dark[name]} == set()
    assert page.evaluate("window.same")


def test_the_choice_holds_on_admin_pages_and_after_a_reload(page: Page) -> None:
    page.goto("/")
    switch_to(page, "dark")
    dark = page.evaluate("getComputedStyle(document.body).backgroundColor")

    page.goto("/admin/contacts/suppression/")

    assert page.locator("html").get_attribute("data-theme") == "dark"
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == dark
    switch_to(page, "light")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") != dark


def test_the_automatic_theme_follows_the_system(enter: Callable[..., Page]) -> None:
    page = enter("marketer", color_scheme="dark")
    page.goto(f"/campaigns/{REPORT}/")
    expect(page.locator("#chart.is-drawn")).to_be_visible()
    dark = page.evaluate(COLOURS)

    page.emulate_media(color_scheme="light")
    page.wait_for_function(f"(before) => ({COLOURS})().bar !== before", arg=dark["bar"])

    assert page.evaluate(COLOURS)["page"] != dark["page"]
