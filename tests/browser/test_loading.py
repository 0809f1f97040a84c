"""Slow and failing fragments: the old rows stay, and the reader is told."""

from __future__ import annotations

import json
import re
from collections.abc import Callable

import pytest
from django.utils import timezone
from playwright.sync_api import Page, Route, expect

from deliveries.ledger.tallies import fold_all
from deliveries.models import Message
from deliveries.receiving.recording import record_all
from tests import factories
from tests.browser.clicking import click_visibly
from tests.browser.watching import Watch
from tests.browser.world import LIVE, REPORT

URL = f"/campaigns/{REPORT}/"
FRAGMENTS = re.compile(r"channel=email")
BROKEN = r"500|net::ERR_FAILED|request failed|htmx-2.min.js"  # htmx reports what failed to the console
ROW = "#results tbody tr"


def test_a_slow_fragment_shows_a_bar_after_a_moment_and_keeps_the_old_rows(page: Page) -> None:
    page.goto(URL)
    held: list[Route] = []
    page.route(FRAGMENTS, lambda route: held.append(route))
    page.evaluate(
        """() => { window.since = {};
          addEventListener("htmx:beforeRequest", () => (since.asked = performance.now()));
          new MutationObserver(() => (since.shown ??= performance.now()))
            .observe(document.querySelector("#results"), { attributeFilter: ["aria-busy"] }); }"""
    )

    page.locator("#filter-channel").select_option("email")
    expect(page.locator("#results")).to_have_attribute("aria-busy", "true")

    assert page.evaluate("since.shown - since.asked") >= 150
    assert page.evaluate("getComputedStyle(document.querySelector('#results'), '::before').height") == "2px"
    assert page.locator(ROW).count() == 50
    held[0].continue_()
    expect(page.locator("#results .t-channel").first).to_have_text("Email")
    expect(page.locator("#results")).not_to_have_attribute("aria-busy", "true")


@pytest.mark.parametrize("failure", [500, "network"])
def test_a_failing_fragment_keeps_the_rows_and_retry_brings_the_new_ones(
    page: Page, watch: Watch, failure: int | str
) -> None:
    watch.expect(BROKEN)
    page.goto(URL)
    rows = page.locator(ROW).all_inner_texts()
    page.route(FRAGMENTS, lambda route: route.abort() if failure == "network" else route.fulfill(status=500))

    page.locator("#filter-channel").select_option("email")

    toast = page.locator(".toast.is-error")
    expect(toast).to_contain_text(re.compile(r"Could not refresh. Showing \d\d:\d\d."))
    assert page.locator(ROW).all_inner_texts() == rows
    page.unroute(FRAGMENTS)
    toast.get_by_role("button", name="Retry").click()
    expect(page.locator("#results .t-channel").first).to_have_text("Email")
    expect(toast).to_have_count(0)


NOT_DONE = "did not reach the server. Nothing was changed."
NOBODY_KNOWS = "We do not know whether it was done. Look before trying again."
# (what becomes of the request, whether it had left, what the reader is told, what is offered)
FAILURES: list[tuple[Callable[[Route], None], bool, str, str]] = [
    (lambda route: route.abort("connectionrefused"), False, NOT_DONE, "Retry"),
    (lambda route: route.abort("internetdisconnected"), False, NOT_DONE, "Retry"),
    (lambda route: route.abort("connectionreset"), True, NOBODY_KNOWS, "Look"),
    (lambda route: route.abort("timedout"), True, NOBODY_KNOWS, "Look"),
    (lambda route: route.fulfill(status=403), True, "That was refused. Nothing was changed.", "Retry"),
    (lambda route: route.fulfill(status=413), True, "That was refused. Nothing was changed.", "Retry"),
    (lambda route: route.fulfill(status=500), True, NOBODY_KNOWS, "Look"),
    (lambda route: route.fulfill(status=502), True, NOBODY_KNOWS, "Look"),
    (lambda route: route.fulfill(status=504), True, NOBODY_KNOWS, "Look"),
    (lambda route: route.fulfill(status=503, headers={"X-Reason": "Busy."}), True, "Busy.", "Retry"),
]


def test_an_action_that_fails_says_what_is_known_of_it(page: Page, watch: Watch) -> None:
    watch.expect(r"Failed to load resource|answer [45]|request failed|htmx-2.min.js")
    page.goto("/queues/retry/")
    page.wait_for_load_state()
    held: list[Route] = []
    page.route(
        "**/queues/retry/",
        lambda route: held.append(route) if route.request.method == "POST" else route.continue_(),
    )

    for become, had_left, says, offers in FAILURES:
        with page.expect_request(lambda request: request.method == "POST"):
            click_visibly(page.get_by_role("button", name="Assign to me").first)
        if had_left:
            page.evaluate("document.dispatchEvent(new CustomEvent('htmx:xhr:progress'))")
        while not held:
            page.wait_for_timeout(10)
        become(held.pop())

        toast = page.locator(".toast.is-error")
        expect(toast).to_contain_text(says)
        expect(toast.get_by_role("button", name=offers)).to_be_visible()
        toast.get_by_role("button", name="Dismiss").click()


def test_a_live_report_refreshes_by_itself_but_not_under_busy_hands(page: Page) -> None:
    page.clock.install()
    page.goto(f"/campaigns/{LIVE}/")
    expect(page.locator(ROW).first).to_be_visible()

    with page.expect_response(lambda answer: bool(answer.request.headers.get("hx-request"))):
        page.clock.run_for(15_500)
    expect(page.locator("[data-live]")).to_be_visible()
    said = page.locator("#kpis .kpi-sub").first
    arrived, settled = map(int, re.findall(r"(\d+) of (\d+) with a final result", said.inner_text())[0])
    page.locator("[data-tick]").first.check()
    deliver_one()
    page.clock.run_for(15_500)

    expect(page.locator(".newbar")).to_contain_text("1 new outcome.")
    expect(page.locator("[data-tick]:checked")).to_have_count(1)
    page.locator(".newbar").get_by_role("button", name="Show").click()
    expect(page.locator(".newbar")).to_have_count(0)
    expect(said).to_have_text(re.compile(rf"^\s*{arrived + 1} of {settled + 1} with a final result"))
    drawn = page.evaluate(
        "document.querySelector('#chart').data.find((each) => each.meta === 'pending').text[0]"
    )
    told = page.locator("#data-table tbody td").nth(2).text_content()
    assert drawn.startswith(f"{told} (")
    assert page.locator("#kpis [data-b=pending] .kpi-n").text_content() == told


def deliver_one() -> None:
    """The carrier's word about one message of the live campaign, recorded as ever."""
    message = Message.objects.filter(campaign__slug=LIVE, disposition="PENDING").earliest("pk")
    told = {
        "id": message.provider_message_id,
        "channel": message.channel,
        "status": "delivered",
        "parts": message.segments,
        "occurred_at": timezone.now().isoformat(),
    }
    for part in range(1, message.segments + 1):
        body = json.dumps({**told, "part": part}).encode()
        factories.receipt(message.account, query=f"m={message.uuid}&c={message.channel}", body=body)
    assert record_all(timezone.now()).recorded
    fold_all()


def test_typing_too_few_letters_is_explained_and_the_list_stays(page: Page) -> None:
    page.goto(URL)

    page.locator("#s").press_sequentially("Ro")

    expect(page.locator("#count")).to_contain_text("Search for at least 3 letters")
    expect(page.locator(ROW)).to_have_count(50)
    expect(page.locator("#s")).to_be_focused()
