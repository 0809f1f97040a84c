"""The report on paper: no navigation, the numbers as a table, and what it was narrowed to."""

from __future__ import annotations

import io
import re

from playwright.sync_api import Page, expect
from pypdf import PdfReader

from tests.browser.world import REPORT


def printed(page: Page) -> str:
    """The text of the PDF, with every run of white space as one space."""
    # Digits of one width are glyphs that a PDF gives no letters for.
    page.evaluate("document.body.style.fontVariantNumeric = 'normal'")
    reader = PdfReader(io.BytesIO(page.pdf(format="A4")))
    return re.sub(r"\s+", " ", " ".join(sheet.extract_text() for sheet in reader.pages))


def test_a_printed_report_has_its_filters_and_table_and_no_navigation(page: Page) -> None:
    page.goto(f"/campaigns/{REPORT}/?status=success&channel=sms")
    expect(page.locator("#chart.is-drawn")).to_be_visible()

    text = printed(page)

    assert "status Delivered, channel SMS" in text
    assert re.search(r"Printed 18 Nov, 17:2\d", text)
    table = [
        cell.strip()
        for cell in page.locator(".data-table tbody tr").first.locator("th, td").all_text_contents()
    ]
    assert " ".join(table) in text
    for word in ("Action queues", "Suppression list", "Next 50", "Export CSV", "Menu", "Clear all"):
        assert word not in text


def test_a_dark_screen_still_prints_dark_letters_on_white(page: Page) -> None:
    page.goto(f"/campaigns/{REPORT}/")
    page.evaluate("document.documentElement.dataset.theme = 'dark'")

    page.emulate_media(media="print")

    assert page.evaluate("getComputedStyle(document.body).color") == "rgb(22, 25, 31)"
