"""A shared playbook is changed by mouse, on a desktop and on a phone: looked at first, then saved for all."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from campaigns.models import Campaign, Playbook
from tests.browser.clicking import click_visibly
from tests.browser.watching import Watch
from tests.browser.world import DRAFT, LIVE

LINK = 14  # within a line of text
SIZES = [{"width": 1440, "height": 900}, {"width": 390, "height": 844}]


@pytest.mark.parametrize("size", SIZES, ids=["desktop", "phone"])
@pytest.mark.parametrize("script", [True, False], ids=["with a script", "without one"])
def test_a_playbook_is_changed_for_the_campaigns_that_go_on(
    enter: Callable[..., Page], watch: Watch, size: dict[str, int], script: bool
) -> None:
    watch.expect("422")
    shared = Campaign.objects.get(slug=LIVE).playbook
    page = enter("admin", viewport=size, java_script_enabled=script)
    page.goto("/playbooks/")
    click_visibly(page.get_by_role("link", name=shared.name, exact=True), least=LINK)

    page.get_by_label("Hours between retries", exact=True).fill("30")
    click_visibly(page.get_by_role("button", name="Look at what changes"))
    wrong = page.get_by_role("alert")
    expect(wrong).to_contain_text(
        "Hours between retries: A temporary failure: a pause of 30 h does not fit into 24 h"
    )
    page.get_by_label("Hours between retries", exact=True).fill("4")
    page.get_by_label("Retries", exact=True).fill("4")
    page.get_by_label("Busy: minutes between retries").fill("45")
    click_visibly(page.get_by_role("button", name="Look at what changes"))

    review = page.locator("#review")
    expect(review).to_contain_text("This changes 3 running campaigns at once")
    expect(review).to_contain_text(f"Retries: {shared.retries} → 4")
    assert Playbook.objects.get(pk=shared.pk).retries == shared.retries
    people = page.locator("#affected td.num a").first
    n = people.inner_text()
    click_visibly(review.get_by_role("button", name="Save it for all of them"))
    expect(page.locator(".playbook-changes")).to_contain_text("Busy: minutes between retries: 30 → 45")
    assert Playbook.objects.get(pk=shared.pk).busy_after_minutes == 45

    click_visibly(people)
    expect(page.locator("#count")).to_contain_text(n)


def test_a_playbook_is_duplicated_and_found_from_the_composer(enter: Callable[..., Page]) -> None:
    page = enter("admin")
    page.goto("/playbooks/")
    click_visibly(page.get_by_role("link", name="Duplicate").first)
    page.get_by_label("Name", exact=True).fill("Gentle")
    click_visibly(page.get_by_role("button", name="Save"))
    expect(page.get_by_role("heading", level=1)).to_have_text("Gentle")

    page.goto(f"/campaigns/{DRAFT}/edit/")
    page.locator("#when-numbers summary").click()
    click_visibly(page.get_by_role("link", name="All that this playbook does"), least=LINK)
    expect(page.get_by_role("heading", level=1)).to_have_text(Campaign.objects.get(slug=DRAFT).playbook.name)
