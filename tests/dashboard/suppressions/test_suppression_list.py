"""The list of suppressions: search, filters, paging, who sees what, and the file."""

from __future__ import annotations

import csv
import io
import logging
import re
from datetime import timedelta

import pytest
from django.utils import timezone

from contacts.models import Suppression
from contacts.suppressing import release, suppress
from tests import factories

pytestmark = pytest.mark.django_db
URL = "/suppressions/"
NUMBER = "+12125550142"


def block(value=NUMBER, *, reason="staff", origin="staff", days=1, **fields):
    return suppress(
        value=value, reason=reason, origin=origin, now=timezone.now() - timedelta(days=days), **fields
    )


def shown(client, query=""):
    """The ids of the suppressions on the page."""
    page = client.get(f"{URL}{query}").content.decode()
    return [int(found) for found in re.findall(r'id="suppression-(\d+)"', page)]


@pytest.mark.parametrize("role", ["marketer", "support", "admin"])
def test_the_navigation_leads_to_the_list(login, role):
    assert f'href="{URL}"' in login(role).get("/").content.decode()


@pytest.mark.parametrize("path", ["", "lookup/", "add/", "upload/", "export/"])
def test_whoever_has_no_role_sees_nothing(login, path):
    assert login().get(f"{URL}{path}").status_code == 403


@pytest.mark.parametrize(
    "typed",
    ["+12125550142", "(212) 555-0142", "212.555.0142", "tel:+1-212-555-0142", "0012125550142", "2125550142"],
)
def test_a_number_is_found_however_it_is_written(login, typed):
    found = block()
    block("+12125550143")

    answer = login("support").get(URL, {"s": typed}).content.decode()

    assert re.findall(r'id="suppression-(\d+)"', answer) == [str(found.pk)]


def test_an_email_is_found_in_any_of_its_forms(login):
    found = block("ro.bin+news@gmail.com", channel="email")

    assert shown(login("support"), "?s=Robin@Googlemail.com") == [found.pk]


def test_the_block_of_a_whole_person_is_found_by_their_address_their_number_and_their_id(login):
    address = factories.phone(value=NUMBER, contact=factories.contact(external_id="C-17"))
    whole = suppress(contact=address.contact, reason="staff", origin="staff", now=timezone.now())
    client = login("support")

    for typed in (NUMBER, "C-17", f"%23{address.contact_id}"):
        assert whole.pk in shown(client, f"?s={typed.replace('+', '%2B')}")


@pytest.mark.parametrize(
    ("query", "wanted"),
    [
        ("reason=hard_bounce", "bounce"),
        ("origin=rule", "bounce"),
        ("channel=email", "bounce"),
        ("channel=every", "ours"),
        ("scope=sender", "sender"),
        ("state=released", "released"),
        ("state=expired", "expired"),
        ("state=ending", "ending"),
        ("reason=staff&channel=voice&state=blocking", "voice"),
    ],
)
def test_each_filter_narrows_to_what_it_names(login, query, wanted):
    made = {
        "bounce": block("robin@example.com", reason="hard_bounce", origin="rule", channel="email"),
        "ours": block(),
        "voice": block(channel="voice"),
        "released": block("+12125550144", channel="sms"),
        "expired": block("+12125550145", channel="sms", expires_at=timezone.now() - timedelta(hours=1)),
        "ending": block("+12125550147", channel="sms", expires_at=timezone.now() + timedelta(days=9)),
        "sender": Suppression.objects.create(
            value="+12125550146",
            channel="sms",
            scope="sender",
            scope_value="+1",
            reason="imported",
            origin="import",
        ),
    }
    release(made["released"], by=None, note="x", now=timezone.now())

    assert shown(login("support"), f"?{query}") == [made[wanted].pk]


def test_pages_go_on_where_the_last_one_ended(login):
    now = timezone.now()
    Suppression.objects.bulk_create(
        Suppression(value=factories.phone_number(n), reason="staff", origin="staff", created_at=now)
        for n in range(120)
    )
    client, seen, address = login("marketer"), [], URL
    while address:
        page = client.get(address).content.decode()
        seen += re.findall(r'id="suppression-(\d+)"', page)
        older = re.search(r'id="next-page" href="([^"]+)"', page)
        address = f"{URL}{older[1]}" if older else ""

    assert len(seen) == len(set(seen)) == 120


def test_a_filter_that_is_none_is_said_to_be_and_breaks_nothing(login):
    answer = login("support").get(URL, {"reason": "rain", "after": "x", "state": "y"})

    assert answer.status_code == 422
    assert "These filters do not work" in answer.content.decode()


@pytest.mark.parametrize(("role", "full"), [("support", True), ("marketer", False)])
def test_addresses_are_whole_for_those_who_may_see_them(login, role, full):
    block(evidence="Called from +12125550142")

    page = login(role).get(URL).content.decode()

    assert ("555-0142" in page) is full


def test_a_row_leads_to_whoever_has_the_address(login):
    first, second = factories.phone(value=NUMBER), factories.phone(value=NUMBER)
    found = block()

    page = login("support").get(URL).content.decode()

    assert f'href="/contacts/{first.contact_id}/"' in page
    assert f'href="/suppressions/{found.pk}/#people">1 more' in page
    assert second.contact.name in login("support").get(f"/suppressions/{found.pk}/").content.decode()


def test_however_many_rows_the_page_costs_the_same(login, django_assert_max_num_queries):
    client = login("admin")
    for n in range(30):
        address = factories.phone(value=factories.phone_number(n))
        block(address.value)
    with django_assert_max_num_queries(15):
        client.get(URL)


def test_htmx_gets_the_list_alone(login):
    block()

    answer = login("support").get(URL, headers={"HX-Request": "true"}).content.decode()

    assert '<section id="results"' in answer
    assert "<html" not in answer


# ---- As a file -------------------------------------------------------------------------------------------------


def file_of(client, query=""):
    answer = client.get(f"{URL}export/{query}")
    text = b"".join(answer).decode().lstrip("\ufeff")
    return list(csv.DictReader(io.StringIO(text)))


def test_the_file_holds_what_the_list_shows(login):
    factories.phone(value=NUMBER, contact=factories.contact(name="=cmd|' /C calc'!A0"))
    block(evidence='=HYPERLINK("http://example.com")')
    block("robin@example.com", reason="hard_bounce", origin="rule", channel="email")

    rows = file_of(login("admin"), "?reason=staff")

    (row,) = rows
    assert row["address"] == f"'{NUMBER}"
    assert row["contact"].startswith("'=")
    assert row["evidence"].startswith("'=")
    assert (row["reason"], row["state"]) == ("Added by staff", "Blocking")


def test_in_the_file_of_a_marketer_addresses_are_masked_also_within_words(login):
    block(evidence="Call +12125550142")

    (row,) = file_of(login("marketer"))

    assert "5550142" not in str(row)


def test_an_export_is_on_record_without_what_was_searched_for(login, caplog):
    with caplog.at_level(logging.WARNING):
        client = login("admin")
        list(client.get(f"{URL}export/", {"s": NUMBER, "state": "blocking"}))

    assert f"{client.user} exports suppressions: {{'state': 'blocking'}}" in caplog.text
    assert "5550142" not in caplog.text


def test_support_exports_nothing(login):
    assert login("support").get(f"{URL}export/").status_code == 403


def test_a_bad_filter_of_the_file_is_said_in_words(login):
    answer = login("admin").get(f"{URL}export/?state=rain")

    assert answer.status_code == 422
    assert "State" in answer.content.decode()
