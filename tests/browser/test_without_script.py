"""Without JavaScript: every page works by links and forms."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from deliveries.models import Outbox, QueueEntry
from tests.browser.test_bulk import number
from tests.browser.world import REPORT


@pytest.fixture
def plain(enter: Callable[..., Page]) -> Page:
    return enter("marketer", java_script_enabled=False)


def test_the_report_is_filtered_and_paged_by_form_and_links(plain: Page) -> None:
    plain.goto(f"/campaigns/{REPORT}/")
    expect(plain.locator(".data-table table")).to_be_visible()  # in the place of the chart
    plain.get_by_label("Channel", exact=True).select_option("sms")

    plain.get_by_role("button", name="Show", exact=True).click()

    assert "channel=sms" in plain.url
    expect(plain.locator("#results .t-channel").first).to_have_text("SMS")
    expect(plain.locator("[data-tick]")).to_have_count(50)
    plain.locator("#next-page").click()
    assert "after=" in plain.url
    expect(plain.get_by_label("Channel", exact=True)).to_have_value("sms")


def test_a_bulk_action_runs_and_is_undone(plain: Page) -> None:
    plain.goto("/queues/retry/")
    waiting, total = Outbox.objects.count(), QueueEntry.objects.filter(queue="retry").count()
    for box in plain.locator("[data-tick]").all():
        box.check()

    plain.locator(".bulk").get_by_role("button", name="Retry").click()
    acts = number(plain, "Will be retried")
    assert number(plain, "Selected") == total
    plain.get_by_role("button", name=re.compile("^Retry")).click()

    assert re.search(r"/batches/\d+/", plain.url)
    assert Outbox.objects.count() == waiting + acts
    plain.get_by_role("button", name="Undo").click()
    expect(plain.locator(".toast")).to_contain_text("canceled")
    assert Outbox.objects.count() == waiting


def test_one_row_acts_at_once_and_the_message_carries_undo(plain: Page) -> None:
    plain.goto("/queues/retry/")
    waiting = Outbox.objects.count()

    plain.locator("[data-act]").first.click()
    expect(plain.locator(".toast")).to_contain_text("retry is sent in a minute")
    plain.locator(".toast").get_by_role("button", name="Undo").click()

    expect(plain.locator(".toast")).to_contain_text("canceled")
    assert Outbox.objects.count() == waiting


def test_the_trail_unfolds_pages_and_takes_a_suppression(plain: Page) -> None:
    plain.goto("/contacts/")
    plain.locator("[data-open]").first.click()
    expect(plain.locator(".event").first).to_be_visible()
    plain.get_by_role("link", name="Suppress", exact=True).click()
    plain.get_by_label("The person asked").check()
    plain.get_by_label("Reason").fill("Wrote to us")

    plain.get_by_role("button", name="Suppress").click()

    expect(plain.locator(".banner")).to_contain_text("turned off")


def test_the_menu_of_a_phone_stands_open(enter: Callable[..., Page]) -> None:
    phone = enter("marketer", java_script_enabled=False, viewport={"width": 390, "height": 844})

    phone.goto("/")

    expect(phone.get_by_role("link", name="Campaigns", exact=True)).to_be_visible()
    expect(phone.get_by_role("button", name="Menu")).to_be_hidden()


def test_a_row_is_snoozed_on_a_page_of_its_own(plain: Page) -> None:
    plain.goto("/queues/correct/")
    name = plain.locator("#results .t-contact a").first.inner_text()
    link = plain.locator("[data-snooze]").first
    row = link.get_attribute("id")

    link.click()
    expect(plain.get_by_role("heading", level=1)).to_have_text(f"Snooze {name}")
    plain.get_by_role("button", name="For 3 days").click()

    expect(plain.locator(".toast")).to_contain_text("Snoozed until")
    expect(plain.locator("#results [data-snooze]").first).to_be_visible()
    expect(plain.locator(f"#{row}")).to_have_count(0)
