"""A campaign is made from nothing and launched on one page, by mouse; and nothing that was typed is ever lost."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from django.contrib.sessions.models import Session
from django.db.models import F
from playwright.sync_api import Locator, Page, expect

from campaigns.models import Campaign, Content, Sender
from contacts.models import ContactList
from tests.browser import world
from tests.browser.clicking import LEAST, LEAST_ON_PHONES, click_visibly
from tests.browser.watching import Watch

SIZES = {
    "desktop": ({"width": 1440, "height": 900}, LEAST),
    "phone": ({"width": 390, "height": 844}, LEAST_ON_PHONES),
}
EDIT = f"/campaigns/{world.DRAFT}/edit/"


def text(page: Page):
    return page.locator("#form-what textarea").first


def body() -> str:
    return Content.objects.get(campaign__slug=world.DRAFT, channel=F("campaign__channel")).body


@pytest.mark.parametrize("size", SIZES)
def test_a_campaign_is_made_from_nothing_and_launched_by_mouse(enter: Callable[..., Page], size: str) -> None:
    viewport, least = SIZES[size]
    page = enter("marketer", viewport=viewport, timezone_id="Europe/Madrid")

    def press(name: str, role: str = "button") -> None:
        click_visibly(page.get_by_role(role, name=name, exact=name == "First name").last, least=least)

    page.goto("/")
    press("New campaign", "link")
    page.wait_for_url("**/campaigns/new/")
    page.keyboard.type("Spring recall")  # the field has the focus already
    press("Write it")
    click_visibly(page.get_by_role("checkbox", name="Web sign-up").first)
    expect(page.locator("#preview")).to_contain_text("1 of 60")
    click_visibly(text(page))
    page.keyboard.type("Hello ")
    press("First name")
    page.keyboard.type(", your check-up is due. Reply STOP to opt out.")
    expect(page.locator("#state-what")).to_contain_text("Saved")
    first = page.locator("#preview .bubble").inner_text()
    press("Next", "link")
    expect(page.locator("#preview")).to_contain_text("2 of 60")
    click_visibly(text(page))
    page.keyboard.type("!")
    press("Launch to ")  # before that was saved: it waits, and says what is launched then
    expect(page.get_by_role("dialog")).to_contain_text("Launch Spring recall?")
    press("Launch now")

    expect(page.locator("body")).to_contain_text("is being prepared and starts automatically")
    made = Campaign.objects.get(name="Spring recall")
    words = made.contents.get().body
    assert (made.state, words.count("!")) == ("launching", 1)
    assert words.replace("!", "") == "Hello {first_name}, your check-up is due. Reply STOP to opt out."
    assert "{first_name}" not in first


def test_a_new_marketer_comes_from_nothing_to_a_launch_with_a_first_slice_in_few_clicks(
    enter: Callable[..., Page],
) -> None:
    """A curly apostrophe is taken out by one click; a sender blocks until it is approved."""
    page, clicks = enter("marketer"), 0
    sender = Sender.objects.get(channel="sms")
    Sender.objects.filter(pk=sender.pk).update(state="not_registered")

    def press(target: Locator) -> None:
        nonlocal clicks
        clicks += 1
        click_visibly(target)

    page.goto("/campaigns/")
    press(page.get_by_role("link", name="New campaign"))
    page.wait_for_url("**/campaigns/new/")
    page.keyboard.type("First of mine")
    press(page.get_by_role("button", name="Write it"))
    press(page.get_by_role("checkbox", name="Web sign-up").first)
    expect(page.locator("#preview")).to_contain_text("1 of 60")
    press(text(page))
    page.keyboard.type(
        f"Example Clinic: it’s time for your check-up{', please come' * 5}. Reply STOP to opt out."
    )
    counter = page.locator("#counter-sms")
    expect(counter).to_contain_text("2 segments")
    expect(page.locator("#state-what")).to_contain_text("Saved")
    press(counter.get_by_role("button", name="Write '"))
    expect(counter).to_contain_text("1 segment")
    expect(text(page)).to_have_value(re.compile("it's time"))
    expect(page.locator("#state-what")).to_contain_text("Saved")
    expect(page.get_by_label("First slice")).to_have_value("5")  # unless somebody chooses otherwise

    check = page.locator("#check")
    expect(check).to_contain_text(f"The sender {sender.value} is not approved to send yet.")
    expect(check.get_by_role("button", name="Launch")).to_be_disabled()
    Sender.objects.filter(pk=sender.pk).update(state="approved")
    page.reload()
    press(check.get_by_role("button", name="Launch to "))
    press(page.get_by_role("button", name="Launch now"))

    expect(page.locator("body")).to_contain_text("is being prepared and starts automatically")
    made = Campaign.objects.get(name="First of mine")
    assert (made.state, made.canary_percent) == ("launching", 5)
    assert "it's time" in made.contents.get().body
    assert clicks <= 7


def test_what_is_typed_while_it_is_being_saved_stays_and_can_be_undone(page: Page) -> None:
    page.goto(EDIT)
    text(page).click()
    page.keyboard.press("Control+A")
    for letter in "Come by on Monday. " * 3:
        page.keyboard.type(letter)
        page.wait_for_timeout(45)  # slower than the time after which it is saved
    page.wait_for_timeout(700)
    page.keyboard.type("End")

    expect(page.locator("#state-what")).to_contain_text("Saved")
    expect(text(page)).to_be_focused()
    assert body() == text(page).input_value() == f"{'Come by on Monday. ' * 3}End"
    page.keyboard.press("Control+Z")
    assert text(page).input_value() == body()[:-1]


def test_a_step_to_the_next_person_outlasts_a_save_that_comes_back_late(page: Page) -> None:
    page.goto(EDIT)
    who = page.locator("#preview .compose-person small")
    expect(who).to_contain_text("1 of ")
    page.route("**/edit/what/", lambda route: None)
    text(page).click()
    page.keyboard.type("Hello")
    expect(page.locator("#state-what")).to_have_text("Saving")
    click_visibly(page.locator("#person-after"))
    page.wait_for_timeout(300)  # what does not wait for the save has shown the next person by now
    page.unroute("**/edit/what/")  # lets it through

    expect(page.locator("#state-what")).to_contain_text("Saved")
    expect(who).to_contain_text("2 of ")
    assert "Hello" in body()


def test_whom_it_means_is_typed_without_losing_a_field(page: Page) -> None:
    ContactList.objects.create(name="Staff")
    page.goto(EDIT)
    shown = page.locator("#form-who :is(input, select):not([type=hidden])")
    fields = shown.count()
    click_visibly(page.get_by_text("Leave out, and hold out to compare"))
    staff = page.locator("#who-out").get_by_role("checkbox", name="Staff")
    click_visibly(staff)
    click_visibly(page.get_by_label("Hold out, per cent"))
    page.keyboard.type("10", delay=700)
    expect(page.locator("#state-who")).to_contain_text("Saved")

    expect(page.get_by_label("Hold out, per cent")).to_be_focused()
    assert shown.count() == fields
    page.keyboard.press("Tab")
    page.wait_for_timeout(900)
    made = Campaign.objects.get(slug=world.DRAFT)
    assert (made.meant.hold_out, len(made.meant.excluded)) == (10, 1)
    click_visibly(staff)
    page.get_by_label("Hold out, per cent").fill("")
    page.keyboard.press("Tab")
    page.wait_for_timeout(900)
    expect(page.locator("#state-who")).to_contain_text("Saved")
    expect(page.get_by_label("Hold out, per cent")).to_be_visible()


def test_two_windows_show_each_other_what_they_would_overwrite(
    enter: Callable[..., Page], watch: Watch
) -> None:
    # A page is left while its checks are still being asked for.
    watch.expect("422|htmx:sendAbort|htmx:afterRequest")
    mine, theirs = enter("marketer"), enter("admin")
    for each in (mine, theirs):
        each.goto(EDIT)
    text(theirs).fill("Theirs")
    expect(theirs.locator("#state-what")).to_contain_text("Saved")

    text(mine).fill("Mine")

    expect(mine.get_by_role("alert")).to_contain_text("Theirs")
    expect(text(mine)).to_have_value("Mine")
    assert body() == "Theirs"
    click_visibly(mine.get_by_role("link", name="Take what is saved"))
    expect(text(mine)).to_have_value("Theirs")
    text(mine).fill("Both")
    expect(mine.locator("#state-what")).to_contain_text("Saved")
    assert body() == "Both"


def test_what_was_typed_as_the_session_ended_is_saved_after_the_log_in(page: Page) -> None:
    page.goto(EDIT)
    Session.objects.all().delete()
    text(page).fill("Written too late.")
    page.get_by_label("Username").fill("marketer")
    page.get_by_label("Password").fill("waybill-marketer")
    page.get_by_role("button", name="Log in").click()

    expect(page.get_by_text("Written too late.")).to_be_visible()
    expect(page.locator(".lead")).to_contain_text("in its section What, is kept below and not saved yet")
    page.get_by_role("button", name="Save it now").click()

    expect(text(page)).to_have_value("Written too late.")
    assert body() == "Written too late."


def test_it_needs_no_script(enter: Callable[..., Page]) -> None:
    page = enter("marketer", java_script_enabled=False)
    page.goto("/campaigns/")
    page.get_by_role("link", name="New campaign").click()
    page.get_by_label("Name").fill("By hand")
    page.get_by_role("button", name="Write it").click()
    page.get_by_role("checkbox", name="Web sign-up").first.check()
    page.locator("#who").get_by_role("button", name="Save").first.click()
    text(page).fill("Come by. Reply STOP to opt out.")
    page.locator("#what").get_by_role("button", name="Save").first.click()
    page.locator("#preview").get_by_role("link", name="Next").click()
    expect(page.locator("#preview")).to_contain_text("2 of 60")
    page.get_by_role("button", name="Launch to ").click()
    page.get_by_role("button", name="Launch now").click()

    expect(page.locator("body")).to_contain_text("is being prepared")
    assert Campaign.objects.get(name="By hand").state == "launching"
