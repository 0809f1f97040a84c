"""How heavy a full page of a queue is; `test_every_page.py` weighs the pages that are there without further rows."""

from __future__ import annotations

from playwright.sync_api import Page

from tests import reporting_rows
from tests.browser.watching import Watch
from tests.browser.weight import KB, of


def test_a_full_page_of_a_queue_is_small_html(page: Page, watch: Watch) -> None:
    reporting_rows.campaign([1] * 60, name="Reminders of the autumn check-up", slug="many")
    page.goto("/queues/retry/", wait_until="networkidle")

    [html] = of(watch, "/queues/retry/")
    assert page.locator("#results tbody tr").count() == 30
    assert len(html.body()) <= 64 * KB
