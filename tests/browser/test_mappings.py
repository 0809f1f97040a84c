"""What a provider's word means: from a word nobody knew to messages that changed, and back again."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.utils import timezone
from playwright.sync_api import Page, expect

from deliveries.deciding.followup import follow_status_changes
from deliveries.meaning import mappings, occurrences
from deliveries.models import Message
from deliveries.receiving import recording, replay, storing
from deliveries.receiving.storing import Incoming
from tests.browser.pages import PAGES
from tests.browser.watching import Watch

UNHEARD_OF = "LK-999"


@pytest.fixture
def unknown(site: str) -> list[int]:
    """Three messages that failed with a code nobody has heard of."""
    now = timezone.now()
    chosen = list(Message.objects.filter(channel="sms", disposition="PENDING").order_by("pk")[:3])
    assert len(chosen) == 3
    for message in chosen:
        payload = {
            "id": message.provider_message_id, "channel": "sms", "status": "undelivered", "code": UNHEARD_OF,
            "to": message.address.value, "part": 0, "parts": 0, "occurred_at": now.isoformat(),
        }  # fmt: skip
        query, headers = f"m={message.uuid}&c=sms", {"content-type": "application/json"}
        body = json.dumps(payload).encode()
        storing.store([Incoming(message.account_id, "status", now, "POST", query, headers, body)])
    recording.record_all(now)
    while occurrences.count(now):
        pass
    return [message.pk for message in chosen]


def workers() -> None:
    """What the workers do once they are woken; a little later, so that no batch with the old tables is under way."""
    mappings.forget()
    now = timezone.now() + timedelta(minutes=1)
    while replay.run(now):
        pass
    while follow_status_changes(now):
        pass


def buckets(ids: list[int]) -> set[str]:
    return set(Message.objects.filter(pk__in=ids).values_list("disposition", flat=True))


@pytest.mark.parametrize("script", [True, False], ids=["with a script", "without one"])
def test_an_unknown_code_is_mapped_counted_published_and_undone(
    enter: Callable[..., Page], watch: Watch, unknown: list[int], script: bool
) -> None:
    # Somebody who goes on while the page asks for its progress breaks that request off.
    watch.expect("htmx:(sendAbort|afterRequest)")
    page = enter("admin", java_script_enabled=script)
    assert buckets(unknown) == {"UNKNOWN"}
    page.goto("/mappings/")

    page.get_by_role("row", name=UNHEARD_OF).get_by_role("link", name="Map").click()
    expect(page.get_by_role("heading", level=1)).to_have_text(f"Map {UNHEARD_OF}")
    expect(page.get_by_label("Status", exact=True)).to_have_value("undelivered")
    page.get_by_label("Permanent", exact=True).check()
    page.get_by_label("Recipient", exact=True).check()
    page.get_by_label("I am certain").check()
    if not script:
        page.get_by_role("button", name="Show what it leads to").click()
    expect(page.locator("#outcome")).to_contain_text("counts against the address")
    page.get_by_label("What it means").fill("The number was given back")
    page.get_by_role("button", name="Save to the draft").click()

    expect(page.get_by_role("row", name=UNHEARD_OF)).to_contain_text("Not listed")
    expect(page.get_by_role("button", name="Publish")).to_be_disabled()
    page.get_by_role("button", name="Count what would change").click()
    expect(page.get_by_role("progressbar")).to_be_visible()
    page.get_by_label("Why", exact=True).fill("Asked the carrier")
    workers()
    if not script:
        page.get_by_role("link", name="Refresh").click()
        page.get_by_label("Why", exact=True).fill("Asked the carrier")
    expect(page.locator("#difference")).to_contain_text("3 messages change.")
    page.locator("#difference").get_by_text("Show them").click()
    expect(page.locator("#difference .which a")).to_have_count(3)
    expect(page.get_by_label("Why", exact=True)).to_have_value("Asked the carrier")
    page.get_by_role("button", name="Publish").click()

    page.wait_for_url(re.compile(r"/mappings/versions/\d+/$"))
    expect(page.locator("#progress")).to_contain_text("be read again")
    workers()
    if not script:
        page.get_by_role("link", name="Refresh").click()
    expect(page.locator("#progress")).to_contain_text("3 messages changed. 3 were expected")
    assert buckets(unknown) == {"BOUNCED_HARD"}

    page.get_by_role("link", name="Undo").click()
    expect(page.get_by_role("row", name=UNHEARD_OF)).to_contain_text("Not listed")
    page.get_by_role("button", name="Undo").click()
    expect(page.locator(".toast")).to_contain_text("is undone")
    workers()
    assert buckets(unknown) == {"UNKNOWN"}
    page.goto("/mappings/")
    expect(page.get_by_role("row", name=UNHEARD_OF).get_by_role("link", name="Map")).to_be_visible()


def test_filters_and_pages_of_the_codes_are_swapped_and_come_back(enter: Callable[..., Page]) -> None:
    page = enter("admin")
    page.goto("/mappings/codes/")

    page.get_by_label("Provider", exact=True).select_option("smtp")
    page.wait_for_url("**/?table=smtp")
    expect(page.locator("#results .t-code small").first).to_contain_text("Mail servers")
    page.locator("#next-page").click()
    page.wait_for_url("**/?table=smtp&page=2")
    page.get_by_label("Search", exact=True).fill("mailbox")
    page.wait_for_url("**/?s=mailbox&table=smtp")
    page.locator("#chip-table").click()
    page.wait_for_url("**/?s=mailbox")

    expect(page.get_by_label("Provider", exact=True)).to_have_value("")
    expect(page.get_by_label("Search", exact=True)).to_have_value("mailbox")


def test_a_choice_that_makes_no_sense_is_said_at_once_and_leads_to_its_field(
    enter: Callable[..., Page], watch: Watch
) -> None:
    page = enter("admin")
    watch.expect("422")
    page.goto(PAGES["code"][1]())

    page.get_by_label("Account", exact=True).first.check()  # the class
    expect(page.locator("#outcome")).to_contain_text("never the recipient's fault")
    page.get_by_role("button", name="Save to the draft").focus()

    with page.expect_response(lambda answer: answer.status == 422):
        page.keyboard.press("Enter")
    page.get_by_role("link", name="Whose fault").click()
    expect(page.locator("#id_fault")).to_be_in_viewport()


def test_a_stored_example_is_read_and_changed_by_hand(enter: Callable[..., Page], unknown: list[int]) -> None:
    page = enter("admin")
    page.goto("/mappings/")

    page.get_by_role("row", name=UNHEARD_OF).get_by_role("link", name="Receipt").click()
    expect(page.locator("#result")).to_contain_text("No code table lists it.")
    body = page.get_by_label("Body")
    body.fill(body.input_value().replace(UNHEARD_OF, "ABSENT"))
    page.get_by_role("button", name="Try it").click()

    expect(page.locator("#result .pill").first).to_have_text("Temporary failure")
    expect(page.locator("#result")).to_contain_text("Temporary")


def test_the_whole_form_works_by_keyboard(enter: Callable[..., Page], watch: Watch) -> None:
    watch.expect("422")
    page = enter("admin")
    page.goto(PAGES["code"][1]())

    page.get_by_label("Status", exact=True).focus()
    page.keyboard.press("Tab")  # what each status means
    page.keyboard.press("Enter")
    expect(page.locator(".more-help dl").first).to_be_visible()
    page.keyboard.press("Tab")
    page.keyboard.press("ArrowDown")
    expect(page.get_by_label("Permanent", exact=True)).to_be_checked()
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("This was written for")
    page.get_by_label("What it means still fits").focus()
    page.keyboard.press("Space")
    page.keyboard.press("Enter")

    page.wait_for_url("**/mappings/draft/")
    expect(page.get_by_role("row", name=re.compile("^ABSENT"))).to_contain_text("Permanent")
