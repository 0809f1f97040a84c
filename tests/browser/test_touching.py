"""What is noticed of a button that a phone shows, although the click on it does nothing there."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from playwright.sync_api import Browser

from tests.browser import pressing as subject

BIG = "width: 90px; height: 50px;"
FAULTS = {
    "nothing": (f"<button style='{BIG}'>Go</button>", ""),
    "too small": ("<button style='width: 12px; height: 12px; padding: 0'>Go</button>", "12 x 12 pixels"),
    "something over it": (
        f"<button style='{BIG}'>Go</button><div style='position: fixed; inset: 0'></div>",
        "covered by <div",
    ),
    "no pointer meets it": (f"<button style='{BIG} pointer-events: none'>Go</button>", "covered by <body"),
    "beyond the edge": (
        f"<button style='{BIG} position: fixed; left: 500px'>Go</button>",
        "covered by the edge",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_button_that_cannot_be_clicked_on_a_phone_is_noticed(
    browser: Browser, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    html, says = FAULTS[fault]
    monkeypatch.setattr(subject, "MOMENTS", 2)
    context = browser.new_context(viewport=subject.SIZES["phone"][0])  # type: ignore[arg-type]
    page = context.new_page()
    page.set_content(html.replace("<button", "<button onclick='document.title = 1'"))
    world, budget = SimpleNamespace(changed=False), subject.Budget(60)
    visit = subject.Round(page, None, "phone", world, {}, subject.Known(), budget)  # type: ignore[arg-type]
    [button] = visit.buttons()

    visit.touch("a page", button)

    assert page.title() == ""  # the click does nothing
    assert len(visit.problems) == bool(says)
    assert all(says in problem for problem in visit.problems)
    context.close()
