"""Everything above the list of a report follows its filters, also what is counted only once the page stands."""

from __future__ import annotations

from collections.abc import Callable

from playwright.sync_api import Page, expect

from tests.browser.world import REPORT


def test_the_chart_the_sums_and_the_causes_follow_the_filters_and_come_back(
    enter: Callable[..., Page],
) -> None:
    page = enter()
    page.goto(f"/campaigns/{REPORT}/")
    rows = page.locator("#data-table tbody tr")
    expect(page.locator("#chart.is-drawn")).to_be_visible()
    whole = rows.count()
    assert whole > 1

    page.locator("#filter-channel").select_option("email")

    expect(page.locator("#chart-panel")).to_contain_text("All delivered")

    page.locator("#filter-channel").select_option("sms")

    expect(page.locator("#chart-title")).to_contain_text("with these filters")
    expect(rows).to_have_count(1)
    expect(page.locator("#chart.is-drawn")).to_be_visible()
    expect(page.locator("#recon")).to_contain_text("Messages with these filters")
    expect(page.locator("#of-all")).to_be_visible()

    page.locator("#filters-more summary").click()
    page.locator("#filter-attempt").select_option("1")

    expect(page.locator("#chip-attempt")).to_be_visible()
    expect(page.locator("#kpis[aria-busy]")).to_have_count(0)
    expect(page.locator("#recon")).not_to_contain_text("being counted")
    expect(page.locator("#causes")).not_to_contain_text("Being counted")
    expect(page.locator("#chart.is-drawn")).to_be_visible()

    page.locator("#clear").click()

    expect(page.locator("#chart-title")).not_to_contain_text("with these filters")
    expect(rows).to_have_count(whole)
    expect(page.locator("#of-all")).to_be_hidden()


def test_without_a_script_what_no_tally_knows_is_counted_by_a_link(enter: Callable[..., Page]) -> None:
    page = enter(java_script_enabled=False, viewport={"width": 390, "height": 844}, color_scheme="dark")
    page.goto(f"/campaigns/{REPORT}/?attempt=1")

    page.get_by_role("link", name="Count them now").click()

    expect(page.locator("#recon")).to_contain_text("Messages with these filters")
    expect(page.locator("#data-table tbody tr").first).to_be_visible()
