"""Every button of every page, clicked once with the mouse on a desktop and on a phone, as each role that sees it.

A button that stands on many pages is pressed on the first of them, in each process of a run.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from django.test import Client
from playwright.sync_api import Page

from tests.browser import serving
from tests.browser.pages import PAGES
from tests.browser.pressing import SIZES, Budget, Known, Round, World
from tests.browser.serving import HOST, KeptFiles
from tests.browser.watching import Watch

SECONDS = 400  # that one page may take, on a machine that has much else to do
LOADING = 30_000  # milliseconds of these that the browser may take to load it once
ROLES = ("marketer", "support", "admin")
# New pages whose buttons are pressed in tests of their own so far: to be taken out of here one by one.
NOT_YET = {
    "access", "alert channel", "alert notices", "ask people", "brands", "breaker", "compare", "compare all",
    "compare two", "composer", "dead letters", "dead letters none", "inbox", "inbox all", "inbox to do",
    "kept", "list", "list ask", "list that asks", "messages of days", "queue", "receivers", "report",
    "report live", "report unguarded", "sending routes arrivals", "trail",
}  # fmt: skip

# What can be pressed, as it stands in HTML; and the navigation, which is the same on each page of a role.
CONTROLS = re.compile(r"<input\b[^>]*>|<(a|button|summary)\b.*?</\1>", re.DOTALL)
RAIL = re.compile(r'<nav class="rail".*?</nav>', re.DOTALL)


def controls(html: str, *, with_rail: bool) -> set[str]:
    """What may be pressed on a page, numbers aside, and without the navigation where that was seen.

    Where one role is shown nothing that another one was not, nothing is left to press: no reason to have a browser
    load the page.
    """
    html = html if with_rail else RAIL.sub("", html)
    return {re.sub(r"[\d,.]+|csrfmiddlewaretoken.*?>", "#", found[0]) for found in CONTROLS.finditer(html)}


def html_for(cookie: dict[str, str], address: str) -> str:
    client = Client(HTTP_HOST=HOST)
    client.cookies["sessionid"] = cookie["value"]
    return client.get(address).content.decode()


# A chart takes longer to draw than all else of a page, which is loaded anew for many a button: here it has its height.
NO_DRAWING = """window.Plotly = { react: async (root, data, layout) => {
  root.style.height = `${layout.height || 0}px`;
  root.on = () => {};
} }"""


@pytest.fixture(autouse=True)
def charts_of_height_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(KeptFiles, "instead", {"plotly.min.js": NO_DRAWING})


@pytest.fixture(scope="session")
def known() -> Known:
    return Known()


@pytest.mark.parametrize("name", [name for name in PAGES if name not in NOT_YET])
def test_every_button_can_be_clicked_and_does_something(
    name: str, enter: Callable[..., Page], tmp_path: Path, watch: Watch, known: Known
) -> None:
    budget, world, problems = Budget(SECONDS), World(tmp_path), []
    cookies = {role: serving.session_of(role, f"http://{HOST}") for role in ROLES}
    address = PAGES[name][1]()
    world.keep()
    pages = {role: html_for(cookies[role], address) for role in ROLES}
    for size, (viewport, _) in SIZES.items():
        shown: set[str] = set()
        for role, html in pages.items():
            ours = controls(html, with_rail=(size, role) not in known.with_rail)
            if not ours <= shown:
                page = enter("", viewport=viewport)
                page.set_default_timeout(LOADING)
                Round(page, watch, size, world, cookies[role], known, budget, problems).visit(name, address)
                page.close()
                known.with_rail.add((size, role))
            shown |= ours

    watch.problems.clear()  # what is no button's doing: every page is looked at elsewhere
    assert not problems, "\n".join(problems)
