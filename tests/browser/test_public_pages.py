"""The pages for the people we write to: on a phone, without JavaScript, without log-in."""

from __future__ import annotations

import re
from collections.abc import Callable
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page, expect

from contacts.channels import KIND_OF, Channel
from contacts.models import Address, Suppression
from deliveries import links
from deliveries.models import Message
from tests.browser import rules
from tests.browser.clicking import look
from tests.browser.watching import Watch

PHONE = {"width": 390, "height": 844}


@pytest.fixture
def reader(enter: Callable[..., Page]) -> Page:
    """Whoever got the first email, which lies open behind its link."""
    page = enter("", java_script_enabled=False, viewport=PHONE)
    page.goto(urlsplit(links.page(str(mail().uuid))).path)
    return page


def mail() -> Message:
    """An email to somebody who also has a number, and whom nothing blocks."""
    blocked = Suppression.objects.filter(released_at=None)
    theirs = Address.objects.filter(kind=KIND_OF[Channel.SMS], preferred=True)
    found = Message.objects.filter(channel="email", contact__addresses__in=theirs, address__preferred=True)
    found = found.exclude(address__match_key__in=blocked.values("match_key"))
    return found.exclude(contact__addresses__match_key__in=blocked.values("match_key")).earliest("pk")


def fits(page: Page) -> bool:
    buttons = [button.bounding_box() for button in page.get_by_role("button").all()]
    width = page.locator("body").evaluate("body => body.scrollWidth")
    return width <= PHONE["width"] and all(box and box["height"] >= 24 for box in buttons)


def test_unsubscribing_takes_one_button(reader: Page) -> None:
    before = Suppression.objects.count()
    expect(reader.get_by_role("heading", level=1)).to_have_text("Unsubscribe")
    assert fits(reader)
    assert Suppression.objects.count() == before

    reader.get_by_role("button", name="Unsubscribe").click()

    expect(reader.get_by_role("heading", level=1)).to_have_text("You are unsubscribed")
    assert Suppression.objects.count() == before + 1


def test_each_kind_is_turned_off_and_on_and_all_of_it_stopped(reader: Page) -> None:
    reader.get_by_role("link", name="Choose what you get from us").click()
    email = reader.get_by_role("region", name=re.compile("^Email"))
    expect(email.get_by_role("heading")).to_have_text("Email: on")
    assert fits(reader)

    email.get_by_role("button", name="Turn off").click()
    expect(email.get_by_role("heading")).to_have_text("Email: off")
    expect(reader.get_by_role("status")).to_contain_text("Saved")
    email.get_by_role("button", name="I agree: turn on").click()
    expect(email.get_by_role("heading")).to_have_text("Email: on")
    reader.get_by_role("button", name="Stop everything").click()

    expect(reader.get_by_role("status")).to_contain_text("Saved")
    for heading in reader.get_by_role("heading", level=2).all():
        expect(heading).to_contain_text("off")
    assert fits(reader)


def test_a_wrong_address_is_named_and_a_right_one_leads_to_its_code(reader: Page, watch: Watch) -> None:
    watch.expect("422")
    reader.goto(f"{reader.url}?choices")
    reader.get_by_role("link", name="Correct my number or email").click()
    field = reader.get_by_label("Your right number or email")
    field.fill("nobody")
    reader.get_by_role("button", name="Send the code").click()
    expect(reader.get_by_role("alert")).to_contain_text("Your right number or email")
    assert fits(reader)

    field.fill("robin.new@example.com")
    reader.get_by_role("button", name="Send the code").click()
    expect(reader.get_by_role("heading", level=1)).to_have_text("Enter the code")
    reader.get_by_label("Code").fill("000000")
    reader.get_by_role("button", name="Confirm").click()

    expect(reader.get_by_role("alert")).to_contain_text("no longer valid")
    assert fits(reader)


@pytest.mark.parametrize("query", ["", "?choices", "?correct", "?correct=code", "?correct=done", "?confirm"])
def test_the_rules_of_accessibility_hold(enter: Callable[..., Page], query: str) -> None:
    page = enter("", viewport=PHONE)
    page.goto(urlsplit(links.page(str(mail().uuid))).path + query)

    assert rules.violations(page) == []


HOSTILE = ";".join(f"{one} !important" for one in (
    "display: none", "visibility: hidden", "opacity: 0", "color: #fff", "background: #fff", "font-size: 0", "height: 0",
    "max-height: 0", "overflow: hidden", "position: absolute", "left: -9999px", "transform: scale(0)", "float: left",
))  # fmt: skip


def test_the_link_to_unsubscribe_is_seen_whatever_the_style_sheet_of_its_mail_says(browser: Browser) -> None:
    page = browser.new_page(viewport=PHONE)
    page.set_content(
        links.below_html(
            f"<style>p, a, body p a {{ {HOSTILE} }}</style><body><p>Sale</p></body>", "https://example.com/u"
        )
    )
    link = page.get_by_role("link", name="Unsubscribe")

    seen = look(link)

    assert seen
    assert not seen.over
    assert min(seen.width / 4, seen.height) >= 14
    assert rules.violations(page, rules.COLOURS) == []
    page.close()
