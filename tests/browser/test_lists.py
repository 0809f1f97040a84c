"""The lists of the report and the queues: filters, tabs, chips, figures, all by their URL."""

from __future__ import annotations

import re
from urllib.parse import parse_qsl, urlsplit

import pytest
from playwright.sync_api import Page, expect

from tests.browser.world import REPORT

URL = f"/campaigns/{REPORT}/"


def names(page: Page) -> list[str]:
    return page.locator("#results .t-contact a").all_inner_texts()


def query(url: str) -> list[tuple[str, str]]:
    return parse_qsl(urlsplit(url).query, keep_blank_values=True)


def test_back_restores_rows_count_url_and_select_after_filtering_by_channel(page: Page) -> None:
    page.goto(URL)
    before, count = names(page), page.locator("#count").inner_text()

    page.get_by_label("Channel", exact=True).focus()
    page.get_by_label("Channel", exact=True).select_option("email")
    expect(page.locator("#count")).not_to_have_text(count)

    assert query(page.url) == [("channel", "email")]
    expect(page.get_by_label("Channel", exact=True)).to_be_focused()
    assert set(page.locator("#results .t-channel").all_inner_texts()) == {"Email"}
    page.go_back()
    expect(page.locator("#count")).to_have_text(count)
    expect(page.locator("#results .t-contact a").first).to_have_text(before[0])
    assert query(page.url) == []
    assert names(page) == before
    expect(page.get_by_label("Channel", exact=True)).to_have_value("")


def test_typing_loses_no_letter_while_the_list_refreshes_twice(page: Page) -> None:
    page.goto(URL)
    word = max(names(page)[0].split(), key=len)
    field = page.locator("#s")
    field.focus()

    for letters in (word[:3], word[3:]):  # less than three letters are not searched for
        with page.expect_response(lambda answer: "s=" in answer.url):
            field.press_sequentially(letters, delay=20)
            page.wait_for_timeout(350)
    expect(page).to_have_url(re.compile(rf"\?s={word}$"))

    expect(field).to_have_value(word)
    expect(field).to_be_focused()
    assert all(word.lower() in name.lower() for name in names(page))


@pytest.mark.parametrize(
    "control",
    [
        "#tabs a:has-text('Correct')",
        "#tabs a:has-text('Waiting for receipt')",
        "#kpis a[data-b=retryable]",
        ".legend a[data-b=permanent]",
        ".causes a >> nth=0",
    ],
)
def test_a_click_leads_where_the_link_leads_and_the_form_follows(page: Page, control: str) -> None:
    page.goto(URL)
    link = page.locator(control)
    href = link.get_attribute("href") or ""
    rows_by_link = len(re.findall(r"data-tick\s", page.request.get(href).text()))

    link.click()
    page.wait_for_url(f"**{href}")

    expect(page.locator("#results [data-tick]")).to_have_count(rows_by_link)
    for name, value in query(href):
        expect(page.locator(f"[name={name}][form=filters], #filters [name={name}]")).to_have_value(value)


def test_removing_a_chip_resets_its_field_and_keeps_the_others(page: Page) -> None:
    page.goto(f"{URL}?status=success&channel=sms")

    page.locator("#chip-channel").click()

    page.wait_for_url("**/?status=success")
    expect(page.locator("#filter-channel")).to_have_value("")
    expect(page.locator("#filter-status")).to_have_value("success")
    expect(page.locator(".chip")).to_have_count(1)


def test_a_tab_keeps_the_filters_that_are_set(page: Page) -> None:
    page.goto(f"{URL}?channel=sms")

    page.locator("#tabs a:has-text('Correct')").click()

    page.wait_for_url("**/?queue=correct&channel=sms")
    expect(page.locator("#filter-channel")).to_have_value("sms")
    expect(page.locator("#tabs [aria-current]")).to_contain_text("Correct")


def test_a_bar_of_the_chart_leads_where_its_legend_leads(page: Page) -> None:
    page.goto(URL)
    expect(page.locator("#chart.is-drawn")).to_be_visible()
    href = page.locator(".legend a[data-b=permanent]").get_attribute("href")
    layer = page.locator("#chart .trace.bars").nth(2)  # pending, retryable, permanent

    box = layer.locator("path").first.bounding_box()
    assert box
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)

    page.wait_for_url(f"**{href}")


def test_paging_forward_and_back_shows_the_same_rows(page: Page) -> None:
    page.goto(URL)
    first = names(page)

    page.locator("#next-page").click()
    page.wait_for_url("**after=*")
    expect(page.locator("#first-page")).to_be_visible()

    assert len(names(page)) == 50
    page.go_back()
    expect(page.locator("#results .t-contact a").first).to_have_text(first[0])
    assert names(page) == first


def test_a_select_that_changes_nothing_else_leaves_no_empty_parameter(page: Page) -> None:
    page.goto(f"{URL}?queue=watch&channel=sms")

    page.locator("#filter-channel").select_option("")

    page.wait_for_url("**/?queue=watch")


def test_a_row_is_snoozed_in_one_dialog_for_all(page: Page) -> None:
    page.goto("/queues/correct/?channel=sms")
    link = page.locator("[data-snooze]").nth(1)
    row = link.get_attribute("id")

    link.click()
    expect(page.get_by_role("dialog", name="Snooze")).to_be_visible()
    page.keyboard.press("Escape")
    expect(link).to_be_focused()
    page.keyboard.press("Enter")
    page.get_by_role("dialog").get_by_role("button", name="For 3 days").click()

    expect(page.locator(".toast")).to_contain_text("Snoozed until")
    expect(page.locator(f"#{row}")).to_have_count(0)
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(page.locator("#count")).to_be_focused()
    assert page.url.endswith("?channel=sms")


def test_what_is_done_to_one_row_leaves_the_ticks_of_the_others(page: Page) -> None:
    page.goto("/queues/retry/")
    ids = [page.locator("[data-tick]").nth(n).get_attribute("value") for n in range(3)]
    for pk in ids[1:3]:
        page.locator(f"[data-tick][value='{pk}']").check()

    page.get_by_role("button", name="Assign to me").first.click()
    expect(page.locator(".toast")).to_contain_text("It is yours")
    expect(page.locator("[data-bulk-count]")).to_have_text("2 selected")
    page.locator("tr", has=page.locator(f"[value='{ids[0]}']")).locator("[data-act]").click()

    expect(page.locator(".toast")).to_contain_text("retry is sent")
    expect(page.locator("[data-bulk-count]")).to_have_text("2 selected")
    assert [one.get_attribute("value") for one in page.locator("[data-tick]:checked").all()] == ids[1:3]
