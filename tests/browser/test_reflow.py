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
