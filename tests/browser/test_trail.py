"""One contact's story, and suppressing from it: every place that shows it says the same."""

from __future__ import annotations

import re
from collections.abc import Callable

from playwright.sync_api import Page, expect

from contacts.models import Contact, Suppression
from deliveries.models import Message
from tests.browser.watching import Watch


def a_contact_nobody_blocks() -> Contact:
    blocked = Suppression.objects.exclude(contact=None).values("contact")
    reached = Message.objects.filter(disposition="DELIVERED", channel="sms").exclude(contact__in=blocked)
    return reached.earliest("pk").contact


def side(page: Page, title: str) -> str:
    """What a panel of the right column says."""
    return page.locator(f"section.panel:has(h2:text-is('{title}'))").inner_text()


def test_a_suppression_from_the_trail_shows_on_banner_panel_timeline_and_list(
    enter: Callable[..., Page],
) -> None:
    page = enter("support")
    contact = a_contact_nobody_blocks()
    page.goto(f"/contacts/{contact.pk}/")
    expect(page.locator(".banner")).to_have_count(0)
    assert "Not suppressed" in side(page, "Suppression")

    page.get_by_role("link", name="Suppress", exact=True).click()
    page.get_by_label("The person asked").check()
    page.get_by_label("Reason").fill("Asked at the front desk")
    page.get_by_role("button", name="Suppress").click()

    page.wait_for_url(f"**/contacts/{contact.pk}/")
    expect(page.locator(".toast")).to_contain_text("Suppressed")
    expect(page.locator(".banner")).to_contain_text("Everything is turned off for this contact")
    assert "Every channel" in side(page, "Suppression")
    assert "Reachable" not in side(page, "Reachability")
    expect(page.locator(".verdict")).to_contain_text("May not be contacted")
    expect(page.locator(".timeline .event", has_text="Suppressed").first).to_contain_text("Every channel")
    page.goto("/admin/contacts/suppression/")
    row = page.locator("#result_list tbody tr").first
    expect(row).to_contain_text(contact.name)
    expect(row).to_contain_text("Email")  # all that their email address can take
    expect(row).to_contain_text("Blocking")


def test_what_the_person_asked_for_cannot_be_released(enter: Callable[..., Page]) -> None:
    page = enter("admin")
    asked = Suppression.objects.filter(origin="recipient").earliest("pk")
    page.goto(f"/admin/contacts/suppression/?q={asked.value}")
    page.locator(f"input[name=_selected_action][value='{asked.pk}']").check()

    page.locator("select[name=action]").select_option("release_selected")
    page.get_by_label("Why").fill("Asked on the phone")
    page.get_by_role("button", name="Go").click()

    expect(page.locator(".messagelist")).to_contain_text("1 kept: asked for by the person")
    expect(page.locator("#result_list tbody tr").first).to_contain_text("Blocking")
    page.goto(f"/contacts/{asked.contact_id or Contact.objects.get(addresses__value=asked.value).pk}/")
    expect(page.locator(".banner")).to_contain_text("turned off")


def test_a_form_with_a_mistake_says_so_and_leads_to_the_field(page: Page, watch: Watch) -> None:
    watch.expect("422")
    contact = a_contact_nobody_blocks()
    page.goto(f"/contacts/{contact.pk}/suppress/")
    page.locator("form.form").evaluate("form => form.noValidate = true")

    with page.expect_response(lambda answer: answer.request.method == "POST") as sent:
        page.get_by_role("button", name="Suppress").click()

    assert sent.value.status == 422
    summary = page.get_by_role("alert")
    expect(summary).to_contain_text("Nothing was changed")
    summary.get_by_role("link", name="Reason").click()
    expect(page.get_by_label("Reason")).to_be_focused()


def test_a_number_in_any_form_finds_its_contact(page: Page) -> None:
    contact = a_contact_nobody_blocks()
    number = contact.addresses.get(kind="phone").value  # +1 NPA 555 01xx
    page.goto("/contacts/")

    page.locator("#s").fill(f"({number[2:5]}) {number[5:8]}-{number[8:]}")

    expect(page.locator("#count")).to_have_text("1 contact")
    page.locator("[data-open]").first.click()
    expect(page.get_by_role("heading", level=1)).to_have_text(contact.name)


def test_addresses_are_whole_for_support_and_masked_for_a_marketer(enter: Callable[..., Page]) -> None:
    contact = a_contact_nobody_blocks()
    number = contact.addresses.get(kind="phone").value
    support, marketer = enter("support"), enter("marketer")

    for page in (support, marketer):
        page.goto(f"/contacts/{contact.pk}/")

    ends = re.compile(rf"{number[-4:]}$")
    shown = [page.locator(".meta span", has_text=ends).first.inner_text() for page in (support, marketer)]
    assert [re.sub(r"[^\d]", "", one) for one in shown] == [number[1:], f"1{number[-4:]}"]


def test_a_raw_receipt_unfolds_on_the_timeline_for_support(enter: Callable[..., Page]) -> None:
    page = enter("support")
    page.goto(f"/contacts/{a_contact_nobody_blocks().pk}/")
    event = page.locator(".event", has_text="Raw receipt").first

    event.locator("summary", has_text="Why this status?").click()
    event.get_by_text(re.compile("Raw receipt")).first.click()

    expect(event.locator("pre.raw").first).to_be_visible()


def test_what_a_message_says_unfolds_on_the_timeline(enter: Callable[..., Page]) -> None:
    page = enter("support")
    page.goto(f"/contacts/{a_contact_nobody_blocks().pk}/")
    event = page.locator(".event", has_text="Message text").first
    expect(event.locator(".says")).to_be_hidden()

    event.locator("summary", has_text="Message text").click()

    expect(event.locator(".says")).to_contain_text(re.compile("\\w+"))
