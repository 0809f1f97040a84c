"""Suppressions with a mouse: an address looked up, a release refused and allowed, one added on a phone, and all of it
without JavaScript."""

from __future__ import annotations

from collections.abc import Callable

from playwright.sync_api import Page, expect

from contacts.models import Suppression
from tests.browser.clicking import click_visibly as click


def own_word() -> Suppression:
    """What a person asked for."""
    asked = Suppression.objects.filter(origin="recipient", released_at=None).exclude(value="")
    return asked.earliest("pk")


def bounce() -> Suppression:
    return Suppression.objects.filter(origin="rule", released_at=None).exclude(value="").earliest("pk")


def test_a_marketer_looks_up_who_opted_out_and_finds_no_way_to_release_it(enter: Callable[..., Page]) -> None:
    page, asked = enter("marketer"), own_word()
    page.goto("/")

    click(page.get_by_role("link", name="Suppression list"))
    click(page.get_by_role("link", name="Look up an address"))
    page.get_by_label("Phone number or email").fill(asked.value.upper())
    click(page.get_by_role("button", name="Look up"))

    expect(page.locator("main")).to_contain_text("Only by the person, who opts in again")
    expect(page.get_by_role("link", name="Release")).to_have_count(0)
    assert asked.value not in page.url
    expect(page.locator("main")).not_to_contain_text(asked.value)


def test_support_filters_the_list_and_releases_a_bounce_with_a_reason(enter: Callable[..., Page]) -> None:
    page, found = enter("support"), bounce()
    page.goto("/suppressions/")

    page.get_by_label("Search").fill(found.value)
    expect(page.locator("#count")).to_contain_text("1 suppression")
    click(page.locator(f"#suppression-{found.pk} th a"))
    click(page.locator(".page-actions").get_by_role("link", name="Release"))
    page.get_by_label("Why").fill("Their mailbox is back")
    click(page.get_by_role("button", name="Release"))

    expect(page.locator(".toast")).to_contain_text("Released.")
    found.refresh_from_db()
    assert (found.released_by.username, found.release_note) == ("support", "Their mailbox is back")


def test_one_is_added_on_a_phone_in_the_dark(enter: Callable[..., Page]) -> None:
    page = enter("support")
    page.set_viewport_size({"width": 390, "height": 844})
    page.emulate_media(color_scheme="dark")
    page.goto("/suppressions/")

    click(page.get_by_role("link", name="Add suppression"))
    page.get_by_label("Phone number, email or contact").fill("(212) 555-0199")
    click(page.get_by_label("A legal demand"))
    page.get_by_label("Note").fill("Letter of 3 November")
    click(page.get_by_role("button", name="Suppress"))

    expect(page.locator("main")).to_contain_text("Legal demand")
    expect(page.locator("main")).to_contain_text("By an administrator, with a reason")
    assert Suppression.objects.get(value="+12125550199").reason == "legal"


def test_a_list_is_uploaded_without_javascript(enter: Callable[..., Page]) -> None:
    plain = enter("marketer", java_script_enabled=False)
    plain.goto("/suppressions/upload/")

    file = {"name": "list.csv", "mimeType": "text/csv", "buffer": b"phone\n(212) 555-0198\nnobody\n"}
    plain.get_by_label("File").set_input_files(files=[file])  # type: ignore[list-item]
    click(plain.get_by_label("They asked to hear no more"))
    plain.get_by_label("Where it comes from").fill("Old system")
    click(plain.get_by_role("button", name="Block these addresses"))

    expect(plain.locator("#result")).to_contain_text("1 address is blocked.")
    expect(plain.locator("#result")).to_contain_text("1 refused, of 2 lines.")
