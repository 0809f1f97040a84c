"""The rules of accessibility as far as a machine can judge them, by axe."""

from __future__ import annotations

from collections.abc import Sequence

from axe_playwright_python.base import AXE_SCRIPT
from playwright.sync_api import Page

STYLED_BY_AXE = (
    "Content Security Policy|policy: style-src"  # it tries out text spacing, which our policy refuses
)
ALL = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice")
COLOURS = ("color-contrast", "link-in-text-block")


IS_THERE = "() => 'axe' in window"
RUN = """async (options) => (await axe.run(options)).violations
  .flatMap((rule) => rule.nodes.map((node) => `${rule.id}: ${node.html.slice(0, 140)}`))"""


def violations(page: Page, asked: Sequence[str] = ALL) -> list[str]:
    """One line for each element that breaks one of these rules, which are tags of rules or their names."""
    if not page.evaluate(IS_THERE):
        page.evaluate(AXE_SCRIPT)
    options = {
        "runOnly": list(asked),
        "resultTypes": ["violations"],
        "preload": False,  # or it asks for style sheets again, by wrong addresses
    }
    return page.evaluate(RUN, options)
