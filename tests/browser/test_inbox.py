"""Replies to read: every button with the mouse, on a desktop and on a phone."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from contacts.models import Address, Reply, Suppression
from tests.browser.clicking import LEAST, click_visibly
from tests.browser.pages import replies_written

SIZES = {"desktop": ({"width": 1440, "height": 900}, LEAST), "phone": ({"width": 390, "height": 844}, 38)}


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("script", [True, False], ids=["script", "no script"])
def test_replies_are_read_with_the_mouse(enter: Callable[..., Page], size: str, script: bool) -> None:
    viewport, least = SIZES[size]
    page = enter("support", viewport=viewport, java_script_enabled=script)
    first, second, acted = replies_written()

    page.goto("/inbox/")
    expect(page.get_by_role("heading", level=1)).to_have_text("Replies")
    click_visibly(page.locator(f"#reply-{first} button[value=no_opt_out]"), least=least)
    expect(page.locator(f"#reply-{first}")).to_have_count(0)
    click_visibly(page.locator(f"#reply-{second} button[value=opt_out]"), least=least)
    expect(page.locator(f"#reply-{second}")).to_have_count(0)
    expect(page.get_by_role("heading", name="Nothing to read")).to_be_visible()

    click_visibly(page.get_by_role("link", name="Already opted out"))
    click_visibly(page.locator(f"#reply-{acted} button[value=no_opt_out]"), least=least)
    expect(page.locator(f"#reply-{acted}")).to_have_count(0)
    click_visibly(page.get_by_role("link", name="Read", exact=True))
    expect(page.locator("tbody tr")).to_have_count(3)
    click_visibly(page.locator(f"#reply-{second} button[value=no_opt_out]"), least=least)
    expect(page.locator(f"#reply-{second}")).to_contain_text("No opt-out, by")

    click_visibly(page.locator(f"#reply-{first} a").first, least=16)
    page.wait_for_url("**/contacts/*/")
    assert set(Reply.objects.filter(doubtful=True).values_list("judgement", flat=True)) == {"no_opt_out"}
    assert not Suppression.objects.filter(fact__startswith="test reply", released_at=None).exists()


def test_the_trail_leads_to_the_reply(enter: Callable[..., Page]) -> None:
    page = enter("support")
    first, *_ = replies_written()
    reply = Reply.objects.get(pk=first)
    contact = Address.objects.filter(value=reply.value).earliest("pk").contact_id

    page.goto(f"/contacts/{contact}/")
    click_visibly(page.locator(".banner").get_by_role("link", name="Replies to read"))

    expect(page.locator(f"#reply-{first}")).to_be_visible()
