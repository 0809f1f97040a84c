"""Bulk actions: what the preview counts is what acts, it can be undone, and nothing stays ticked."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from django.utils import timezone
from playwright.sync_api import Page, expect

from campaigns.models import Campaign
from contacts.models import Suppression
from deliveries.bulk import actions, previewing
from deliveries.bulk.selections import Selection
from deliveries.models import Message, Outbox, QueueEntry
from deliveries.outcomes.narrowing import OutcomeView
from deliveries.statuses import Queue
from tests.browser.world import REPORT

PHONE = {"width": 390, "height": 844}
FEW_PAGES = range(51, actions.SLICE + 1)  # more than one page, and carried out at once


def find_a_mixture() -> str:
    """The report of a campaign, narrowed to a carrier where a retry would act on some and skip others."""
    for campaign in Campaign.objects.order_by("pk"):
        carriers = Message.objects.filter(campaign=campaign).order_by().values_list("carrier", flat=True)
        for carrier in sorted(set(carriers)):
            chosen = Selection(OutcomeView(campaign.pk, "", {"carrier": carrier}), (), timezone.now())
            found = previewing.preview("retry", chosen, {}, timezone.now())
            if found.total in FEW_PAGES and found.will_act and found.skipped:
                return f"/campaigns/{campaign.slug}/?carrier={carrier}"
    raise AssertionError("The small world holds no campaign in which a retry acts on some and skips others.")


def tick_one_to_suppress(page: Page) -> None:
    """One whose address nothing blocks yet. Those to correct have been suppressed by themselves."""
    blocked = Suppression.objects.in_force(timezone.now()).exclude(match_key="").values("match_key")
    entries = QueueEntry.objects.filter(queue=Queue.RETRY).exclude(message__address__match_key__in=blocked)
    page.goto("/queues/retry/")
    page.locator(f"[data-tick][value='{entries.order_by('-at', '-message_id')[0].message_id}']").check()


def number(page: Page, label: str) -> int:
    """The figure under a label of the preview."""
    figure = page.locator(".kpi", has=page.get_by_text(label, exact=True)).locator(".kpi-n")
    return int(figure.inner_text().replace(",", ""))


def test_what_the_preview_counts_is_what_acts_and_undo_restores(page: Page) -> None:
    page.goto(find_a_mixture())
    boxes = page.locator("[data-tick]")
    for n in range(3):
        boxes.nth(n).check()
    expect(page.locator("[data-bulk-count]")).to_have_text("3 selected")
    total = int(page.locator("[data-all-button]").get_attribute("data-total") or 0)
    page.locator("[data-all-button]").click()
    expect(page.locator("[data-bulk-count]")).to_have_text(f"All {total} selected")
    waiting = Outbox.objects.count()

    page.locator(".bulk").get_by_role("button", name="Retry").click()
    acts, skipped = number(page, "Will be retried"), number(page, "Skipped")
    reasons = [int(one) for one in page.locator("[aria-labelledby=skips-title] dd").all_inner_texts()]
    assert number(page, "Selected") == total
    assert acts + skipped == total
    assert sum(reasons) == skipped
    page.get_by_role("button", name=f"Retry {acts} message").click()

    page.wait_for_url(re.compile(r"/batches/\d+/"))
    expect(page.get_by_role("link", name=re.compile("^All "))).to_contain_text(str(total))
    expect(page.get_by_role("link", name="Skipped")).to_contain_text(str(skipped))
    assert Outbox.objects.count() == waiting + acts
    page.get_by_role("button", name="Undo").click()
    expect(page.locator(".toast")).to_contain_text("canceled")
    expect(page.get_by_role("link", name=f"Undone {acts}", exact=True)).to_be_visible()
    assert Outbox.objects.count() == waiting


@pytest.mark.parametrize("way", ["Cancel", "Back to the list"])
def test_what_was_ticked_stays_so_when_the_preview_is_left(page: Page, way: str) -> None:
    tick_one_to_suppress(page)
    page.locator(".bulk").get_by_role("button", name="Suppress").click()

    page.get_by_role("link", name=way).click()

    expect(page.locator("#count")).to_be_visible()
    expect(page.locator("[data-tick]:checked")).to_have_count(1)
    expect(page.locator("[data-bulk-count]")).to_have_text("1 selected")


def test_nothing_stays_ticked_after_a_bulk_action(page: Page) -> None:
    page.goto("/queues/correct/")
    page.locator("[data-tick]").first.check()
    page.locator(".bulk").get_by_role("button", name="Mark for correction").click()
    page.locator(".btn-row.sticky button").click()
    page.wait_for_url(re.compile(r"/batches/\d+/"))

    page.goto("/queues/correct/")

    expect(page.locator("#count")).to_be_visible()
    expect(page.locator("[data-tick]:checked")).to_have_count(0)
    expect(page.locator(".bulk")).to_be_hidden()


@pytest.mark.parametrize("script", [True, False], ids=["script", "no script"])
def test_the_undo_of_one_row_leaves_the_ticks_of_the_others(enter: Callable[..., Page], script: bool) -> None:
    page = enter("marketer", java_script_enabled=script)
    page.goto("/queues/retry/")
    ticks = page.locator("[data-tick]")
    ticks.nth(1).check()
    chosen = [ticks.nth(1).get_attribute("value")]

    page.locator("[data-act]").first.click()
    expect(page.locator(".toast")).to_contain_text("retry is sent")
    if script:  # it stays for as long as Undo is certain, and meanwhile one more is ticked
        assert page.locator(".toast").get_attribute("data-toast") == "60"
        page.locator("[data-tick]:not(:checked)").first.check()
        chosen = page.locator("[data-tick]:checked").evaluate_all("(all) => all.map((one) => one.value)")
    page.locator(".toast").get_by_role("button", name="Undo").click()

    expect(page.locator(".toast")).to_contain_text("canceled")
    kept = page.locator("[data-tick]:checked").evaluate_all("(all) => all.map((one) => one.value)")
    assert sorted(kept) == sorted(chosen)


@pytest.mark.parametrize("viewport", [{"width": 1440, "height": 900}, PHONE], ids=["desktop", "phone"])
def test_a_message_covers_no_button_for_what_is_ticked(enter: Callable[..., Page], viewport: dict) -> None:
    page = enter("marketer", viewport=viewport)
    page.goto(f"/campaigns/{REPORT}/")
    page.evaluate("document.dispatchEvent(new CustomEvent('toast', { detail: { text: 'Undone by you.' } }))")
    expect(page.locator(".toast")).to_be_visible()

    page.locator("[data-tick]").first.check()

    bar, message = page.locator(".bulk").bounding_box(), page.locator(".toast").bounding_box()
    assert bar
    assert message
    assert message["y"] + message["height"] <= bar["y"]


def test_a_single_row_acts_at_once_and_its_toast_undoes_it(page: Page) -> None:
    page.goto("/queues/retry/")
    waiting = Outbox.objects.count()

    page.locator("[data-act]").first.click()
    toast = page.locator(".toast")
    expect(toast).to_contain_text("retry is sent in a minute")
    assert Outbox.objects.count() == waiting + 1
    toast.get_by_role("button", name="Undo").click()

    expect(page.locator(".toast", has_text="canceled")).to_be_visible()
    assert Outbox.objects.count() == waiting


def test_suppressing_many_asks_for_a_reason_first(page: Page) -> None:
    tick_one_to_suppress(page)
    page.locator(".bulk").get_by_role("button", name="Suppress").click()
    page.get_by_role("button", name="Suppress the address of 1 message").click()

    expect(page.get_by_label("Reason, in your words")).to_be_focused()  # the browser asks for it

    page.get_by_label("Reason, in your words").fill("They wrote to us")
    page.get_by_role("button", name="Suppress the address of 1 message").click()
    page.wait_for_url(re.compile(r"/batches/\d+/"))
    expect(page.get_by_role("link", name="Done 1", exact=True)).to_be_visible()


@pytest.mark.parametrize("shift", [False, True])
def test_ticks_are_counted_one_by_one_and_as_a_range(page: Page, shift: bool) -> None:
    page.goto(f"/campaigns/{REPORT}/")
    boxes = page.locator("[data-tick]")

    boxes.nth(1).click()
    boxes.nth(4).click(modifiers=["Shift"] if shift else [])

    expect(page.locator("[data-bulk-count]")).to_have_text("4 selected" if shift else "2 selected")


def test_escape_clears_every_tick(page: Page) -> None:
    page.goto("/queues/correct/")
    page.locator("[data-tick-all]").check()
    expect(page.locator(".bulk")).to_be_visible()

    page.keyboard.press("Escape")

    expect(page.locator("[data-tick]:checked")).to_have_count(0)
    expect(page.locator(".bulk")).to_be_hidden()
