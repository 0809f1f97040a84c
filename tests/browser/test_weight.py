"""How heavy pages are, in bytes as they would come without a cache."""

from __future__ import annotations

import gzip
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, Response

from tests import reporting_rows
from tests.browser.pages import PAGES
from tests.browser.watching import Watch
from tests.browser.world import REPORT

KB = 1_024


def of(watch: Watch, *endings: str) -> list[Response]:
    return [one for one in watch.responses if one.url.split("?")[0].endswith(endings)]


def compressed(answers: list[Response]) -> int:
    return len(gzip.compress(b"".join(one.body() for one in answers)))


@pytest.mark.parametrize("name", ["trail", "queue", "campaigns", "search found", "batches"])
def test_a_list_or_trail_weighs_little_and_has_no_chart_library(
    enter: Callable[..., Page], watch: Watch, name: str
) -> None:
    username, url = PAGES[name]
    page = enter(username)

    page.goto(url(), wait_until="networkidle")

    assert of(watch, "plotly.min.js") == []
    ours = [one for one in watch.responses if "/django_htmx/" not in one.url]
    assert sum(len(one.body()) for one in ours) <= 120 * KB


def test_the_report_of_fifty_rows_is_small_html(page: Page, watch: Watch) -> None:
    page.goto(f"/campaigns/{REPORT}/", wait_until="networkidle")

    [html] = of(watch, f"/{REPORT}/")
    assert page.locator("#results tbody tr").count() == 50
    assert len(html.body()) <= 80 * KB
    assert compressed([html]) <= 10 * KB


def test_a_full_page_of_a_queue_is_small_html(page: Page, watch: Watch) -> None:
    reporting_rows.campaign([1] * 60, name="Reminders of the autumn check-up", slug="many")
    page.goto("/queues/retry/", wait_until="networkidle")

    [html] = of(watch, "/queues/retry/")
    assert page.locator("#results tbody tr").count() == 30
    assert len(html.body()) <= 60 * KB


def test_style_sheets_and_scripts_of_ours_are_small(page: Page, watch: Watch) -> None:
    page.goto(f"/campaigns/{REPORT}/", wait_until="networkidle")

    assert compressed(of(watch, "ui.css")) <= 8 * KB
    assert compressed(of(watch, "ui.js", "charts.js")) <= 6 * KB
