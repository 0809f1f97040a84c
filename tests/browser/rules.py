"""The rules of accessibility as far as a machine can judge them, by axe."""

from __future__ import annotations

from collections.abc import Sequence

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

STYLED_BY_AXE = (
    "Content Security Policy|policy: style-src"  # it tries out text spacing, which our policy refuses
)
ALL = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice")
COLOURS = ("color-contrast", "link-in-text-block")


def violations(page: Page, asked: Sequence[str] = ALL) -> list[str]:
    """One line for each element that breaks one of these rules, which are tags of rules or their names."""
    options = {
        "runOnly": list(asked),
        "resultTypes": ["violations"],
        "preload": False,  # or it asks for style sheets again, by wrong addresses
    }
    found = Axe().run(page, options=options).response["violations"]
    return [f"{rule['id']}: {node['html'][:140]}" for rule in found for node in rule["nodes"]]
