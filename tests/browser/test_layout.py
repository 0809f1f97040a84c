"""Where things stand: on a phone, in a table that is scrolled sideways, in a header, in a message."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Locator, Page, Route, expect

from tests.browser.watching import Watch
from tests.browser.world import LIVE

PHONE = {"width": 390, "height": 844}


def box(part: Locator) -> dict[str, float]:
    found = part.bounding_box()
    assert found
    return found  # type: ignore[return-value]


def test_the_name_of_a_campaign_keeps_its_room_beside_a_long_state(enter: Callable[..., Page]) -> None:
    page = enter(viewport=PHONE)
    page.goto("/?days=90")
    line = page.locator("section[aria-labelledby=attention-title] .lines a").first

    line.locator(".verdict").evaluate(
        "(one) => (one.textContent = 'Scheduled for 21 Nov, 11:00 (Europe/Madrid)')"
    )

    assert box(line.locator("span").first)["width"] > 150


def test_a_card_of_a_queue_names_its_campaign_and_says_how_long_it_waits(enter: Callable[..., Page]) -> None:
    page = enter(viewport=PHONE)
    page.goto("/queues/correct/")
    card = page.locator("#results tbody tr").first

    expect(card.locator(".t-campaign")).to_be_visible()
    content = card.locator(".t-age").evaluate("(one) => getComputedStyle(one, '::before').content")
    assert "Waiting" in str(content)


@pytest.mark.parametrize("path", ["/?days=90", f"/campaigns/{LIVE}/"], ids=["overview", "report"])
def test_what_folds_toggles_or_leads_on_is_as_high_as_a_finger(enter: Callable[..., Page], path: str) -> None:
    page = enter(viewport=PHONE)
    page.goto(path)

    parts = page.locator("main :is(.seg > *, summary, a.aside, .lines a), .crumbs a").locator("visible=true")

    low = {part.inner_text(): box(part)["height"] for part in parts.all() if box(part)["height"] < 40}
    assert parts.count() > 2
    assert low == {}


@pytest.mark.parametrize("queue", ["retry", "watch"])
def test_the_chosen_tab_is_in_sight_on_a_phone(enter: Callable[..., Page], queue: str) -> None:
    page = enter(viewport=PHONE)
    page.goto(f"/queues/{queue}/")

    tab = box(page.locator(".tabs [aria-current]"))

    assert tab["x"] >= 0
    assert tab["x"] + tab["width"] <= PHONE["width"]


def test_the_carriers_keep_their_names_while_their_weeks_are_scrolled(enter: Callable[..., Page]) -> None:
    page = enter(viewport=PHONE)
    page.goto("/?days=90")
    table = page.locator(".scroll")
    name = table.locator("tbody th").first
    before = box(name)["x"]

    hint = table.evaluate("(one) => getComputedStyle(one, '::after').position")
    table.evaluate("(one) => (one.scrollLeft = 1000)")

    assert table.evaluate("(one) => one.scrollLeft") > 50
    assert abs(box(name)["x"] - before) < 2
    assert hint == "sticky"


@pytest.mark.parametrize("days", [7, 30, 90])
def test_a_wide_window_shows_the_carriers_of_the_whole_period(page: Page, days: int) -> None:
    page.goto(f"/?days={days}")

    hidden = page.locator(".scroll").evaluate("(one) => one.scrollWidth - one.clientWidth")

    assert hidden <= 0


def test_the_buttons_of_a_header_stand_in_one_row_beside_facts_of_two_lines(page: Page) -> None:
    page.goto(f"/campaigns/{LIVE}/")
    page.locator("#meta").evaluate("(one) => one.append('Sends 9:00-21:00, recipient time. '.repeat(4))")
    buttons = page.locator(".page-actions .btn:visible")

    places = [box(buttons.nth(n)) for n in range(buttons.count())]

    assert len(places) > 2
    assert len({place["y"] for place in places}) == 1
    end = box(page.locator(".page-head"))
    assert abs(places[-1]["x"] + places[-1]["width"] - end["x"] - end["width"]) < 2


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_link_in_a_message_has_the_colour_of_its_button(page: Page, theme: str) -> None:
    page.goto("/queues/")
    page.evaluate("(theme) => (document.documentElement.dataset.theme = theme)", theme)

    colours = page.evaluate(
        """() => {
          document.dispatchEvent(new CustomEvent("toast", { detail: { text: "Saved.", action: { label: "Look" } } }));
          const toast = document.querySelector(".toast");
          toast.querySelector("p").innerHTML = "<a href='/'>It waits here</a>";
          return [...toast.querySelectorAll("a, .toast-action")].map((one) => getComputedStyle(one).color) }"""
    )

    assert colours[0] == colours[1]


def test_the_parts_of_the_way_here_stand_on_one_line_on_a_phone(enter: Callable[..., Page]) -> None:
    page = enter(viewport=PHONE)
    page.goto(f"/campaigns/{LIVE}/")

    tops = page.locator(".crumbs li").evaluate_all(
        """(all) => all.map((one) => {
          const words = document.createRange();
          words.selectNodeContents(one.querySelector("a") ?? one);
          return words.getBoundingClientRect().top;
        })"""
    )

    assert max(tops) - min(tops) < 2


CHARTS = "**/plotly.min.js"


@pytest.mark.parametrize("viewport", [{"width": 1440, "height": 900}, PHONE], ids=["desktop", "phone"])
@pytest.mark.parametrize(
    ("url", "below"), [(f"/campaigns/{LIVE}/", "#tabs"), ("/?days=30", "#carriers-title")]
)
def test_nothing_moves_when_the_chart_is_drawn(
    enter: Callable[..., Page], viewport: dict[str, int], url: str, below: str
) -> None:
    page = enter(viewport=viewport)
    held: list[Route] = []
    page.route(CHARTS, lambda route: held.append(route))

    page.goto(url, wait_until="commit")
    expect(page.locator(below)).to_be_attached()
    page.wait_for_function("document.fonts.ready")
    while not held:
        page.wait_for_timeout(10)
    before = box(page.locator(below))["y"]
    held.pop().continue_()
    expect(page.locator("#chart.is-drawn")).to_be_visible()

    assert abs(box(page.locator(below))["y"] - before) < 3


def test_without_the_chart_library_its_table_stands_there(page: Page, watch: Watch) -> None:
    watch.expect(r"Failed to load resource|request failed|Plotly is not defined")
    page.route(CHARTS, lambda route: route.abort())

    page.goto(f"/campaigns/{LIVE}/")

    expect(page.locator("#data-table")).to_be_visible()
