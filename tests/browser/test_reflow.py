"""What the width of the page does not show: nothing inside it is cut off."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page

from tests.browser.pages import PAGES

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
