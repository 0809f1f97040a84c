"""Nothing about a person stays in the browser."""

from __future__ import annotations

import json
from collections.abc import Callable

from playwright.sync_api import Page, expect

from contacts.models import Address, Contact
from tests.browser.pages import busiest_contact
from tests.browser.world import REPORT

OURS = {"theme", "waybill.shortcuts", "htmx-current-path-for-history"}
KEPT = """() => JSON.stringify([{...localStorage}, {...sessionStorage}])"""


def test_no_name_number_or_address_is_stored_in_the_browser(enter: Callable[..., Page]) -> None:
    page = enter("support")
    contact = busiest_contact()

    page.goto(f"/campaigns/{REPORT}/")
    page.locator("#filter-channel").select_option("sms")
    page.wait_for_url("**channel=sms")
    page.evaluate("window.before = true")
    page.go_back()
    page.wait_for_function("!window.before")  # no history is kept: the page is loaded anew
    page.wait_for_load_state("networkidle")
    page.goto("/contacts/")
    page.locator("#s").fill(contact.name)
    page.wait_for_url("**q=**")
    page.locator("[data-open]").first.click()
    expect(page.get_by_role("heading", level=1)).to_have_text(contact.name)
    page.go_back()
    page.locator(".rail-person summary").click()
    page.locator(".theme-toggle").click()

    kept = page.evaluate(KEPT)
    names = Contact.objects.values_list("name", flat=True)
    values = Address.objects.values_list("value", flat=True)
    assert [one for one in (*names, *values) if one in kept] == []
    assert {key for each in json.loads(kept) for key in each} <= OURS
    assert page.evaluate("indexedDB.databases().then((all) => all.length)") == 0


def test_the_cookies_hold_no_more_than_a_session_and_a_token(enter: Callable[..., Page]) -> None:
    page = enter("")
    page.goto("/contacts/?q=555")
    page.get_by_label("Username").fill("support")
    page.get_by_label("Password").fill("waybill-support")
    page.get_by_role("button", name="Log in").click()
    expect(page.locator("#count")).to_be_visible()

    cookies = {cookie["name"]: cookie for cookie in page.context.cookies()}

    # `tz` is the zone of the reader's clock, `was` a sealed note of who was logged in here.
    assert set(cookies) <= {"sessionid", "csrftoken", "messages", "tz", "was"}
    assert cookies["sessionid"]["httpOnly"]
    assert cookies["sessionid"]["sameSite"] == "Lax"
