"""What each role sees and may open, and what the pages for "you may not" look like."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from contacts.models import Suppression
from tests.browser.watching import Watch
from tests.browser.world import REPORT

NO_PAGE = r"40[34]"


def test_support_reads_the_report_without_bulk_actions_and_export(enter: Callable[..., Page]) -> None:
    page = enter("support")

    page.goto(f"/campaigns/{REPORT}/")

    expect(page.locator("#results tbody tr").first).to_be_visible()
    expect(page.locator(".bulk, [data-tick], [data-act][name=one]")).to_have_count(0)
    expect(page.get_by_role("link", name="Export CSV")).to_have_count(0)


@pytest.mark.parametrize(
    ("username", "url"),
    [
        ("support", "/batches/"),
        ("support", f"/campaigns/{REPORT}/export/"),
        ("marketer", "/admin/contacts/suppression/add/"),
        ("marketer", "/admin/deliveries/account/"),
    ],
)
def test_what_a_role_may_not_open_says_so_and_offers_a_way_back(
    enter: Callable[..., Page], watch: Watch, username: str, url: str
) -> None:
    page = enter(username)
    watch.expect(NO_PAGE)

    answer = page.goto(url)

    assert answer is not None
    assert answer.status == 403
    expect(page.get_by_role("heading", level=1)).to_have_text("Your role does not include this page")
    expect(page.locator(".rail-person")).to_be_visible()
    page.get_by_role("link", name="Go to the overview").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Overview")


def test_a_marketer_looks_at_suppressions_and_changes_none(enter: Callable[..., Page]) -> None:
    page = enter("marketer")

    page.goto("/admin/contacts/suppression/")

    expect(page.locator("#result_list tbody tr").first).to_be_visible()
    expect(page.locator("select[name=action], .object-tools .addlink")).to_have_count(0)
    page.goto(f"/admin/contacts/suppression/{Suppression.objects.earliest('pk').pk}/change/")
    expect(page.locator("[name=_save]")).to_have_count(0)


def test_an_administrator_adds_and_releases_suppressions(enter: Callable[..., Page]) -> None:
    page = enter("admin")
    blocked = Suppression.objects.filter(origin="rule").earliest("pk")

    page.goto(f"/admin/contacts/suppression/?q={blocked.value}")
    page.locator(f"input[name=_selected_action][value='{blocked.pk}']").check()
    page.locator("select[name=action]").select_option("release_selected")
    page.get_by_label("Why").fill("Asked on the phone")
    page.get_by_role("button", name="Go").click()

    expect(page.locator(".messagelist")).to_contain_text("1 released")
    page.goto("/admin/contacts/suppression/add/")
    expect(page.locator("[name=_save]")).to_be_visible()


def test_an_address_that_leads_nowhere_is_answered_in_words(page: Page, watch: Watch) -> None:
    watch.expect(NO_PAGE)

    answer = page.goto("/campaigns/no-such-campaign/")

    assert answer is not None
    assert answer.status == 404
    expect(page.get_by_role("heading", level=1)).to_have_text("There is nothing at this address")
    expect(page.get_by_role("link", name="Search contacts")).to_be_visible()


def test_somebody_logged_out_lands_on_the_page_they_asked_for(enter: Callable[..., Page]) -> None:
    page = enter("")
    page.goto("/queues/retry/?channel=sms")

    page.get_by_label("Username").fill("marketer")
    page.get_by_label("Password").fill("waybill-marketer")
    page.get_by_role("button", name="Log in").click()

    page.wait_for_url("**/queues/retry/?channel=sms")
    expect(page.get_by_role("heading", level=1)).to_have_text("Retry")


def test_a_login_that_ran_out_while_the_page_was_open_leads_to_the_login_page(page: Page) -> None:
    page.goto(f"/campaigns/{REPORT}/")
    page.context.clear_cookies(name="sessionid")

    page.locator("#tabs a:has-text('Waiting for receipt')").click()

    page.wait_for_url("**/admin/login/**")
    expect(page.get_by_label("Password")).to_be_visible()
