"""What holds for every page there is, in one visit to each: it weighs little, it fits every width and cuts nothing off,
and it breaks no rule of WCAG 2.2 AA and of good practice that axe can judge, on the desktop and on the phone, light and
dark."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page

from tests.browser import rules, weight
from tests.browser.pages import PAGES
from tests.browser.watching import Watch
from tests.browser.world import REPORT

LIGHT = {"trail", "queue", "campaigns", "search found", "batches"}  # lists and trails, which draw nothing
DESKTOP, PHONE = {"width": 1440, "height": 900}, {"width": 390, "height": 844}
# What depends on the theme is colour alone: the other one of a size is asked for colours only.
LOOKS = [
    (DESKTOP, "light", rules.ALL),
    (DESKTOP, "dark", rules.COLOURS),
    (PHONE, "dark", rules.ALL),
    (PHONE, "light", rules.COLOURS),
]
# 720 px are a 1440 px window at 200 %; 761 and 1101 px are the first of a layout.
WIDTHS = (320, 360, 390, 720, 761, 1101, 1280, 1440)
OVERFLOW = """() => document.documentElement.scrollWidth - innerWidth"""
# What a panel cuts off makes no page wider.
CUT = """() => [...document.querySelectorAll(":is(.form-row, .actions) :is(input, select, textarea, .help, button)")]
  .filter((one) => one.getBoundingClientRect().right > one.closest(".module")?.getBoundingClientRect().right)
  .map((one) => one.outerHTML.slice(0, 100))"""
# Nor do columns that a list shows only to whoever scrolls it sideways; on a phone that is how they are read.
FROM_HERE_WHOLE = 1280
HIDDEN_COLUMNS = """() => { const list = document.querySelector("#result_list"), frame = list?.closest(".results");
  return frame && list.offsetWidth > frame.offsetWidth ? [list.offsetWidth, frame.offsetWidth] : [] }"""
# Only to say what sticks out, when something does.
CULPRITS = """() => [...document.querySelectorAll("main *")]
  .filter((one) => one.getBoundingClientRect().right > innerWidth + 1).slice(0, 3)
  .map((one) => one.outerHTML.slice(0, 100))"""
# What is read one after the other stands so too: columns within a cell would take its words apart.
SCRAMBLED = """() => [...document.querySelectorAll("main td, main tbody th")].filter((cell) => {
  const words = document.createTreeWalker(cell, NodeFilter.SHOW_TEXT), range = document.createRange();
  for (let last = -1e9; words.nextNode();) {
    range.selectNodeContents(words.currentNode);
    const lines = [...range.getClientRects()];
    const seen = lines.length && words.currentNode.data.trim() && words.currentNode.parentNode.checkVisibility()
      && !words.currentNode.parentNode.closest(".sr, option");
    if (!seen) continue;
    if (lines[0].top < last - 8) return true;
    last = lines.at(-1).top;
  }
}).slice(0, 3).map((cell) => cell.innerText)"""
# Times are the reader's, or those of the person whose trail it is: a page that shows one says whose. (Tests have the
# zone UTC.)
NO_ZONE = """() => { const text = document.querySelector(".app main")?.innerText || "";
  return /, \\d\\d:\\d\\d/.test(text) && !/UTC|Times are in/.test(text) }"""
# One row is like another, and axe looks at every element.
SHORTEN = """() => document.querySelectorAll("tbody tr:nth-child(n+9), .timeline li:nth-child(n+9)")
  .forEach((one) => one.remove())"""


@pytest.mark.parametrize("name", PAGES)
def test_a_page_fits_every_width_and_breaks_no_rule(
    enter: Callable[..., Page], watch: Watch, name: str
) -> None:
    username, url = PAGES[name]
    page = enter(username)
    watch.expect(r"40[34]" if name.startswith("not ") else "^$")

    page.goto(url())

    assert watch.unexpected() == []
    assert too_heavy(name, watch) == []
    assert too_wide(page) == {}
    assert not page.evaluate(NO_ZONE)
    page.set_viewport_size(PHONE)  # type: ignore[arg-type]
    assert page.evaluate(SCRAMBLED) == []
    watch.expect(rules.STYLED_BY_AXE)
    page.evaluate(SHORTEN)
    assert broken_rules(page) == {}


def too_heavy(name: str, watch: Watch) -> list[str]:
    """What weighs more than its kind of page may, in bytes as it comes without a cache."""
    found = []
    if name in LIGHT:
        found += ["the chart library"] if weight.of(watch, "plotly.min.js") else []
        ours = [one for one in watch.responses if "/django_htmx/" not in one.url]
        found += _over("all of it", sum(len(one.body()) for one in ours), 120)
    if name == "report":
        [html] = weight.of(watch, f"/{REPORT}/")
        found += _over("its HTML", len(html.body()), 80)
        # Ten for fifty rows, and one for what people did, which came later.
        found += _over("its HTML, compressed", weight.compressed([html]), 12)
        found += _over("its styles", weight.compressed(weight.of(watch, "ui.css")), 8)
        found += _over("its scripts", weight.compressed(weight.of(watch, "ui.js", "charts.js")), 6)
    return found


def _over(what: str, size: int, kilobytes: int) -> list[str]:
    return [f"{what}: {size:,} bytes"] if not 0 < size <= kilobytes * weight.KB else []


def too_wide(page: Page) -> dict[int, list]:
    """Width -> by how many pixels the page is wider, and what sticks out or is cut off; only where it does."""
    found = {}
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 640})
        if over := page.evaluate(OVERFLOW):
            found[width] = [over, *page.evaluate(CULPRITS)]
        elif cut := page.evaluate(CUT):
            found[width] = cut
        elif width >= FROM_HERE_WHOLE and (hidden := page.evaluate(HIDDEN_COLUMNS)):
            found[width] = hidden
    return found


def broken_rules(page: Page) -> dict[str, list[str]]:
    """Look -> a line for each element that breaks a rule in it; only where one does."""
    found = {}
    for size, theme, asked in LOOKS:
        page.set_viewport_size(size)  # type: ignore[arg-type]
        page.evaluate("(theme) => (document.documentElement.dataset.theme = theme)", theme)
        if page.locator("[data-chart]").count():
            page.wait_for_function("document.querySelector('[data-chart].is-drawn')")
        page.wait_for_function("!document.querySelector('[aria-busy=true]')")  # what is dimmed meanwhile
        if broken := rules.violations(page, asked):
            found[f"{size['width']} px, {theme}"] = broken
    return found
