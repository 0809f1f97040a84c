"""What holds a launch is said on the Check step, fixed where its link leads, and the launch works then: by mouse."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.utils import timezone
from playwright.sync_api import Locator, Page, expect

from campaigns import registering
from campaigns.models import Campaign, Registration, Sender
from deliveries.sending import checks
from tests.browser import rules, world
from tests.browser.clicking import click_visibly

EDIT = f"/campaigns/{world.DRAFT}/edit/"
LINK = 16  # pixels high: a link in a sentence


def link(page: Page | Locator, name: str) -> Locator:
    return page.get_by_role("link", name=name).first


def button(page: Page | Locator, name: str) -> Locator:
    return page.get_by_role("button", name=name).last


def unregister(sender: Sender) -> None:
    row = sender.registrations.get(kind=Registration.Kind.CAMPAIGN)
    row.state, row.submitted_on, row.decided_on, row.expires_on = Registration.State.NEEDED, None, None, None
    registering.change(sender, row, None, timezone.now())


def test_an_unregistered_sender_blocks_until_it_is_asked_for_and_approved(enter: Callable[..., Page]) -> None:
    sender = Sender.objects.get(channel="mms")
    unregister(sender)
    marketer, admin = enter("marketer"), enter("admin")
    check = marketer.locator("#check")
    marketer.goto(EDIT)
    expect(check).to_contain_text(f"The sender {sender.value} is not approved to send yet.")
    expect(check).to_contain_text("Administrators can do this.")
    expect(button(check, "Launch")).to_be_disabled()

    click_visibly(link(check, "Open the sender"), least=LINK)
    expect(marketer.locator("body")).to_contain_text("This sender cannot send yet.")
    click_visibly(marketer.get_by_label("Note on 10DLC campaign"))
    marketer.keyboard.type("For the flu clinic.")
    click_visibly(button(marketer, "Ask for it"))
    expect(marketer.locator("body")).to_contain_text("For the flu clinic.")

    admin.goto(EDIT)
    click_visibly(link(admin.locator("#check"), "Open the sender"), least=LINK)
    click_visibly(link(admin, "Change : 10DLC campaign"))
    click_visibly(admin.get_by_label("State"))
    admin.get_by_label("State").select_option("approved")
    click_visibly(button(admin, "Save"))
    expect(admin.locator("body")).not_to_contain_text("cannot send yet")

    click_visibly(link(marketer, Campaign.objects.get(slug=world.DRAFT).name), least=LINK)
    expect(check).not_to_contain_text("is not approved")
    click_visibly(button(check, "Launch to "))
    click_visibly(button(marketer, "Launch now"))
    expect(marketer.locator("body")).to_contain_text("is being prepared")
    assert Campaign.objects.get(slug=world.DRAFT).state == "launching"


def test_a_warning_is_accepted_by_an_administrator_alone_with_a_reason_that_stays(
    enter: Callable[..., Page], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checks, "NEW_SENDER_MOST", 100)  # so few people are many to a new sender
    Sender.objects.update(created_at=timezone.now())
    marketer, admin = enter("marketer"), enter("admin")
    check = marketer.locator("#check")
    marketer.goto(EDIT)
    expect(check).to_contain_text("It holds the launch until an administrator accepts it.")
    expect(check.get_by_role("link", name="Accept it")).to_have_count(0)
    expect(button(check, "Launch")).to_be_disabled()

    admin.goto(EDIT)
    click_visibly(link(admin.locator("#check"), "Accept it with a reason"), least=LINK)
    admin.wait_for_url("**/override/**")
    assert rules.violations(admin) == []
    admin.set_viewport_size({"width": 390, "height": 844})
    admin.evaluate("() => (document.documentElement.dataset.theme = 'dark')")
    assert rules.violations(admin) == []
    click_visibly(admin.get_by_label("Why it is sent all the same"))
    admin.keyboard.type("The carrier knows of it.")
    click_visibly(button(admin, "Accept the warning"))
    said = "Robin Castillo accepted that: The carrier knows of it."
    expect(admin.locator("#check")).to_contain_text(said)

    marketer.reload()
    expect(check).to_contain_text(said)
    click_visibly(button(check, "Launch to "))
    click_visibly(button(marketer, "Launch now"))
    expect(marketer.locator("body")).to_contain_text("is being prepared")
    expect(marketer.locator("body")).to_contain_text("The carrier knows of it.")


def test_nobody_accepts_what_stands_in_the_way(enter: Callable[..., Page]) -> None:
    unregister(Sender.objects.get(channel="mms"))
    page = enter("admin")
    page.goto(EDIT)

    check = page.locator("#check")

    expect(check).to_contain_text("is not approved to send yet")
    expect(check.get_by_role("link", name="Accept it")).to_have_count(0)
    expect(button(check, "Launch")).to_be_disabled()
