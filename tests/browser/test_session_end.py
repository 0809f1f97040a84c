"""What somebody typed while their session ended."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.contrib.sessions.models import Session
from playwright.sync_api import Page, expect

from contacts.models import Note
from tests.browser.pages import busiest_contact
from tests.browser.rules import STYLED_BY_AXE, violations
from tests.browser.watching import Watch


@pytest.mark.parametrize("options", [{}, {"viewport": {"width": 390, "height": 844}, "color_scheme": "dark"}])
def test_a_note_sent_too_late_is_there_after_the_log_in(
    enter: Callable[..., Page], watch: Watch, options: dict
) -> None:
    watch.expect(STYLED_BY_AXE)
    page, before = enter("support", **options), Note.objects.count()
    page.goto(f"/contacts/{busiest_contact().pk}/")
    page.get_by_label("Note", exact=True).fill("Asked for a call on Monday.")
    Session.objects.all().delete()

    page.get_by_role("button", name="Add note").click()
    page.get_by_label("Username").fill("support")
    page.get_by_label("Password").fill("waybill-support")
    page.get_by_role("button", name="Log in").click()

    expect(page.get_by_role("heading", level=1)).to_have_text("Not sent yet")
    expect(page.get_by_text("Asked for a call on Monday.")).to_be_visible()
    assert Note.objects.count() == before
    assert violations(page) == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.get_by_role("button", name="Submit it now").click()
    expect(page.locator("main, #content-main, body").first).to_contain_text("Asked for a call on Monday.")
    assert Note.objects.count() == before + 1
