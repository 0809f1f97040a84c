"""The keyboard alone, from the first Tab to an undone batch."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from deliveries.models import Outbox
from tests.browser.world import REPORT

ROW = "#results tbody tr"


def test_the_first_tab_offers_to_skip_the_navigation(page: Page) -> None:
    page.goto("/queues/correct/")

    page.keyboard.press("Tab")
    expect(page.locator(":focus")).to_have_text(re.compile("Skip"))
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")

    assert page.locator(":focus").evaluate("element => !!element.closest('main')")


def test_rows_are_ticked_sent_and_taken_back_without_a_mouse(page: Page) -> None:
    page.goto("/queues/retry/")
    waiting = Outbox.objects.count()

    page.keyboard.press("j")
    expect(page.locator(ROW).first).to_be_focused()
    page.keyboard.press("x")
    page.keyboard.press("j")
    page.keyboard.press("x")
    page.keyboard.press("k")
    expect(page.locator(ROW).first).to_be_focused()
    expect(page.locator("[data-bulk-count]")).to_have_text("2 selected")
    press_until(page, "Tab", ".bulk .btn.primary")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_contain_text("preview")
    press_until(page, "Tab", ".btn-row .btn.primary")
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile(r"/batches/\d+/"))
    assert Outbox.objects.count() == waiting + 2
    press_until(page, "Tab", ".page-actions .btn")
    page.keyboard.press("Enter")

    expect(page.locator(".toast")).to_contain_text("canceled")
    assert Outbox.objects.count() == waiting


def press_until(page: Page, key: str, selector: str, most: int = 150) -> None:
    for _ in range(most):
        if page.evaluate("(css) => document.activeElement.matches(css)", selector):
            return
        page.keyboard.press(key)
    raise AssertionError(f"{most} times {key} did not lead to {selector}.")


def test_a_row_opens_with_enter(page: Page) -> None:
    page.goto("/queues/correct/")
    page.keyboard.press("j")
    page.keyboard.press("j")
    href = page.locator(ROW).nth(1).locator("[data-open]").get_attribute("href")

    page.keyboard.press("Enter")

    page.wait_for_url(f"**{href}")


def test_a_takes_the_suggested_step_of_the_row(page: Page) -> None:
    page.goto("/queues/retry/")
    page.keyboard.press("j")

    page.keyboard.press("a")

    expect(page.locator(".toast")).to_contain_text("retry is sent in a minute")


@pytest.mark.parametrize(
    ("key", "heading"),
    [("c", "Campaigns"), ("q", "Action queues"), ("p", "Contacts"), ("s", re.compile("uppression"))],
)
def test_g_and_a_letter_go_to_a_page(page: Page, key: str, heading: str | re.Pattern[str]) -> None:
    page.goto("/")

    page.keyboard.press("g")
    page.keyboard.press(key)

    expect(page.get_by_role("heading", level=1)).to_have_text(heading)


def test_slash_leads_to_the_search_and_letters_there_are_letters(page: Page) -> None:
    page.goto(f"/campaigns/{REPORT}/")

    page.keyboard.press("/")
    expect(page.locator("#s")).to_be_focused()
    page.keyboard.type("jxk")

    expect(page.locator("#s")).to_have_value("jxk")
    expect(page.locator("[data-tick]:checked")).to_have_count(0)


def test_the_help_keeps_the_focus_and_gives_it_back(page: Page) -> None:
    page.goto("/queues/correct/")
    page.keyboard.press("j")

    page.keyboard.press("?")
    expect(page.locator("#help")).to_be_visible()
    for _ in range(6):
        page.keyboard.press("Tab")
        inside = "document.activeElement === document.body || !!document.activeElement.closest('#help')"
        assert page.evaluate(inside)
    page.keyboard.press("Escape")

    expect(page.locator("#help")).to_be_hidden()
    expect(page.locator(ROW).first).to_be_focused()


def test_shortcuts_can_be_switched_off_and_stay_off(page: Page) -> None:
    page.goto("/queues/correct/")
    page.keyboard.press("?")
    page.get_by_label("Use these shortcuts").uncheck()
    page.keyboard.press("Escape")

    page.keyboard.press("j")
    expect(page.locator(f"{ROW}:focus")).to_have_count(0)
    page.reload()
    page.keyboard.press("j")
    expect(page.locator(f"{ROW}:focus")).to_have_count(0)
    page.locator(".rail-person summary").click()
    page.get_by_role("button", name="Keyboard").click()
    page.get_by_label("Use these shortcuts").check()
    page.keyboard.press("Escape")

    page.locator("h1").click()
    page.keyboard.press("j")
    expect(page.locator(f"{ROW}:focus")).to_have_count(1)


def test_keys_with_a_modifier_are_left_to_the_browser(page: Page) -> None:
    page.goto("/queues/correct/")

    page.keyboard.press("Control+j")

    expect(page.locator(f"{ROW}:focus")).to_have_count(0)


def test_focus_stays_on_a_chip_s_neighbourhood_after_it_is_removed(page: Page) -> None:
    page.goto(f"/campaigns/{REPORT}/?channel=sms")
    page.locator("#chip-channel").focus()

    page.keyboard.press("Enter")

    expect(page.locator("#count")).to_be_focused()
