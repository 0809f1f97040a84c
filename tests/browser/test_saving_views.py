"""Views of a list are saved and opened by mouse; people who were skipped are sent to."""

from __future__ import annotations

from collections.abc import Callable

from playwright.sync_api import Page, expect

from tests.browser.world import REPORT


def test_the_filters_of_a_report_are_saved_and_opened_by_mouse(enter: Callable[..., Page]) -> None:
    page = enter()
    page.goto(f"/campaigns/{REPORT}/")
    page.locator("#filter-channel").select_option("email")
    expect(page.locator("#chip-channel")).to_be_visible()
    rows = page.locator("#count").inner_text().split()[0]

    page.locator("#views summary").click()
    page.locator("#save-view").click()
    page.get_by_label("Name").fill("By email")
    page.get_by_role("button", name="Save").click()

    expect(page.locator("#filter-channel")).to_have_value("email")
    page.goto(f"/campaigns/{REPORT}/")
    page.locator("#views summary").click()
    saved = page.locator("#views .views-one")
    expect(saved).to_contain_text("By email")
    expect(saved.locator(".badge")).to_have_text(rows)
    saved.click()
    expect(page.locator("#count")).to_contain_text(rows)

    page.goto("/views/")
    expect(page.get_by_role("button", name="Delete By email")).to_be_visible()


def test_people_who_were_skipped_are_looked_at_again_by_mouse(enter: Callable[..., Page]) -> None:
    page = enter(viewport={"width": 390, "height": 844}, color_scheme="dark")
    page.goto(f"/campaigns/{REPORT}/?person=skipped")
    page.locator("#views summary").click()
    expect(page.locator("#views-menu .views-foot")).to_be_visible()
    page.locator("#views summary").click()
    page.locator("#results").scroll_into_view_if_needed()
    page.locator("[data-tick]").first.click()
    page.get_by_role("button", name="Send to those who may get it now").click()

    expect(page.get_by_role("heading", level=1)).to_have_text("Send to people who were skipped")
    expect(page.locator(".meta").first).to_contain_text("1 person selected")
