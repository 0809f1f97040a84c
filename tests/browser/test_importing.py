"""Bringing people in: a dirty workbook becomes a clean list with consent, is undone and done again."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from django.utils import timezone
from playwright.sync_api import Page, expect

from contacts import import_runs
from contacts.models import Consent, Contact, ContactList
from tests.contacts.workbook import workbook

PHONE = {"width": 390, "height": 844}
PHONES = [
    "(512) 555-{:04d}",
    "+1 512 555 {:04d}",
    "512.555.{:04d}",
    " 1-512-555-{:04d} ",
    "tel:+1512555{:04d}",
]
YES = ["Yes", "y", "TRUE", "1", "no", "", "perhaps"]


def dirty(lines: int) -> bytes:
    """Phones in every notation, some impossible, people twice, broken emails, empty lines, and a few opt-outs."""
    rows: list[list[object]] = [["", "Full name ", "Mobile Number", "E-mail", "SMS Consent", "Unsubscribed?"]]
    for n in range(lines):
        phone: object = PHONES[n % 5].format(n % 10_000)
        if n % 50 == 7:
            phone = "555-12"
        elif n % 50 == 9:
            phone = float(f"1512555{n:04d}")
        email = f"somebody{n} at example.com" if n % 50 == 11 else f"somebody{n}@example.com"
        rows.append(["", f" Person {n} ", phone, email, YES[n % 7], "x" if n % 50 == 13 else ""])
        if n % 50 == 15:
            rows += [rows[-1], [""] * 6]
    return workbook(rows)


def work() -> None:
    """What the worker does."""
    while import_runs.run(timezone.now()):
        pass


def upload(page: Page, lines: int) -> None:
    page.goto("/contacts/")
    page.get_by_role("link", name="Import", exact=True).click()
    file = {"name": "fair.xlsx", "mimeType": "application/octet-stream", "buffer": dirty(lines)}
    page.get_by_label("File").set_input_files(file)  # type: ignore[arg-type]
    page.get_by_role("button", name="Upload").click()
    expect(page.get_by_role("heading", name="What the columns are")).to_be_visible()


def decide(page: Page) -> None:
    expect(page.get_by_label("Column 3, “Mobile Number”")).to_have_value("phone")
    expect(page.get_by_label("Column 6, “Unsubscribed?”")).to_have_value("opt_out")
    page.get_by_label("Column 5, “SMS Consent”").select_option("agreed:sms")
    if ContactList.objects.filter(name="Spring fair").exists():
        page.get_by_label("List", exact=True).select_option(label="Spring fair")
    else:
        page.get_by_label("Name of the new list").fill("Spring fair")
    page.get_by_label("How they agreed").fill("Form at the stand")
    page.get_by_label("When they agreed").fill("2026-03-04")
    page.get_by_label("The words they agreed to").fill("Yes, text me about offers.")
    page.get_by_role("button", name="Preview").click()
    expect(page.get_by_role("heading", name="The first lines as they would be stored")).to_be_visible()


def figure(page: Page, label: str) -> int:
    found = page.locator(".kpi", has=page.get_by_text(label, exact=True)).locator(".kpi-n")
    return int(found.inner_text().replace(",", ""))


def test_a_dirty_workbook_becomes_a_clean_list_is_undone_and_done_again(page: Page) -> None:
    people = Contact.objects.count()
    for _ in range(2):
        upload(page, 200)
        decide(page)
        added, refused = figure(page, "New people"), figure(page, "Refused lines")
        here, consents = figure(page, "Already here"), figure(page, "Consents recorded")
        assert (added + here, refused) == (192, 12)
        page.get_by_role("button", name="Import 192 people").click()
        expect(page.get_by_text("0 of 204 lines are done")).to_be_visible()
        work()
        page.reload()
        expect(page.locator("h1")).to_contain_text("Imported")
        assert (figure(page, "Added"), figure(page, "Refused lines")) == (added, refused)
        assert figure(page, "Consents recorded") == consents
        assert ContactList.objects.get(name="Spring fair").contacts.count() == 192
        assert Contact.objects.count() == people + added
        with page.expect_download() as download:
            page.get_by_role("link", name="Download the refused lines").click()
        assert "it is too short" in download.value.path().read_text("utf-8-sig")

        page.get_by_role("button", name="Undo …").click()
        page.get_by_role("button", name="Undo the import").click()
        expect(page.locator("h1")).to_contain_text("Being undone")
        work()
        page.reload()
        expect(page.get_by_text(re.compile("192 people as before the import"))).to_be_visible()
        assert Contact.objects.count() == people
        assert not Consent.objects.filter(how="Form at the stand").exists()


def test_the_page_follows_an_import_that_goes_on(page: Page) -> None:
    upload(page, 20)
    decide(page)
    page.get_by_role("button", name=re.compile("^Import")).click()
    expect(page.get_by_role("progressbar")).to_be_visible()

    work()
    page.locator("#results").dispatch_event("refresh")

    expect(page.locator("h1")).to_contain_text("Imported")


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_it_works_on_a_phone_without_javascript(enter: Callable[..., Page], theme: str) -> None:
    page = enter("marketer", java_script_enabled=False, viewport=PHONE, color_scheme=theme)

    upload(page, 20)
    decide(page)
    page.get_by_role("button", name=re.compile("^Import")).click()
    work()
    page.reload()

    expect(page.locator("h1")).to_contain_text("Imported")
    page.get_by_role("button", name="Undo …").click()
    page.get_by_role("button", name="Undo the import").click()
    work()
    page.reload()
    expect(page.locator("h1")).to_contain_text("Undone")
