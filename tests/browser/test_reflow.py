"""No page scrolls sideways: not on the narrowest phone, not at 200 % zoom, nowhere between."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page

from tests.browser.pages import PAGES
from tests.browser.watching import Watch

# 720 px are a 1440 px window at 200 %; 761 and 1101 px are the first of a layout.
WIDTHS = (320, 390, 720, 761, 1101, 1440)
OVERFLOW = """() => document.documentElement.scrollWidth - innerWidth"""
# Only to say what sticks out, when something does.
CULPRITS = """() => [...document.querySelectorAll("main *")]
  .filter((one) => one.getBoundingClientRect().right > innerWidth + 1).slice(0, 3)
  .map((one) => one.outerHTML.slice(0, 100))"""


@pytest.mark.parametrize("name", PAGES)
def test_a_page_fits_every_width(enter: Callable[..., Page], watch: Watch, name: str) -> None:
    username, url = PAGES[name]
    page = enter(username, viewport={"width": 320, "height": 640})
    watch.expect(r"40[34]" if name.startswith("not ") else "^$")
    page.goto(url())

    too_wide = {}
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 640})
        if over := page.evaluate(OVERFLOW):
            too_wide[width] = [over, *page.evaluate(CULPRITS)]

    assert too_wide == {}


# What a panel cuts off makes no page wider.
CUT = """() => [...document.querySelectorAll(".form-row :is(input, select, textarea, .help)")]
  .filter((one) => one.getBoundingClientRect().right > one.closest(".module").getBoundingClientRect().right)
  .map((one) => one.outerHTML.slice(0, 100))"""


@pytest.mark.parametrize("name", ["campaign form", "account form", "suppression form"])
def test_a_form_is_cut_nowhere(enter: Callable[..., Page], name: str) -> None:
    username, url = PAGES[name]
    page = enter(username, viewport={"width": 360, "height": 640})
    page.goto(url())

    assert page.evaluate(CUT) == []


def test_the_list_of_suppressions_shows_its_last_column_on_a_small_screen(enter: Callable[..., Page]) -> None:
    username, url = PAGES["suppressions"]
    page = enter(username, viewport={"width": 1280, "height": 720})
    page.goto(url())

    assert page.evaluate(
        """() => { const list = document.querySelector("#result_list"), frame = list.closest(".results")
          return list.offsetWidth <= frame.offsetWidth }"""
    )
