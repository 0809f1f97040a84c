"""Whom a draft would skip, and a campaign skipped: every number of them opens exactly those people."""

import html
import re

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from campaigns.models import Recipient
from contacts.models import Address
from tests import factories, reporting_rows
from tests.engine import consent

pytestmark = pytest.mark.django_db
COUNTS = {"no_consent": 3, "no_address": 2, "opted_out": 1}


@pytest.fixture
def marketer(login):
    return login("marketer")


@pytest.fixture
def sent():
    """A campaign that was sent to two, and skipped some."""
    made = reporting_rows.campaign([0, 2])
    for reason, n in COUNTS.items():
        skip(made, reason, n)
    reporting_rows.count()
    return made


def skip(campaign, reason, n):
    for _ in range(n):
        contact = factories.contact()
        factories.phone(contact)
        recipient = factories.recipient(campaign, contact)
        Recipient.objects.filter(pk=recipient.pk).update(state="skipped", skip_reason=reason)


@pytest.fixture
def draft():
    """A draft that would write to one, and skip three without consent and two without a number."""
    people, now = factories.contact_list(), timezone.now()
    for number in range(6):
        contact = factories.contact(lists=[people])
        if number > 1:
            factories.phone(contact)
        if number == 5:
            consent(contact, "sms", at=now)
    made = factories.campaign(lists=[people])
    factories.account().senders.add(factories.content(made, "sms").sender)
    return made


def rows(response) -> int:
    return response.content.decode().count('<tr tabindex="-1">')


def shown_count(response) -> int:
    return int(re.search(r'id="count"[^>]*>([\d,]+)', response.content.decode())[1].replace(",", ""))


def numbers(response) -> list[tuple[str, int]]:
    """The links to people who were skipped, each with its number."""
    found = re.findall(
        r'<a href="([^"]*(?:/skipped/|person=skipped)[^"]*)">([\d,]+)</a>', response.content.decode()
    )
    return [(html.unescape(address), int(n.replace(",", ""))) for address, n in found]


@pytest.mark.parametrize(
    ("which", "expected"),
    [
        ("sent", {"": 6, "no_consent": 3, "no_address": 2, "opted_out": 1}),
        ("draft", {"": 5, "no_consent": 3, "no_address": 2}),
    ],
)
def test_every_number_of_skipped_people_opens_exactly_those(marketer, request, which, expected):
    campaign = request.getfixturevalue(which)

    found = numbers(marketer.get(campaign.get_absolute_url(), follow=True))

    assert {
        re.sub(r".*/skipped/|.*person=skipped|.*(reason|skip)=", "", address): n for address, n in found
    } == expected
    for address, n in found:
        opened = marketer.get(address)
        assert (rows(opened), shown_count(opened)) == (n, n)


def test_every_term_of_the_sums_that_is_a_link_opens_that_many_rows(marketer, sent):
    page = marketer.get(sent.get_absolute_url()).content.decode()
    sums = page[page.index('id="recon"') : page.index("Why contacts were skipped")]

    found = re.findall(r'<a href="([^"]+)">([\d,]+)</a>\s*([\w\'& ]*)', html.unescape(sums))

    assert {words.strip() for _, _, words in found} == {"", "skipped", "delivered", "can't be delivered"}
    for address, n, _ in found:
        opened = marketer.get(html.unescape(address))
        assert rows(opened) == shown_count(opened) == int(n)


@pytest.mark.parametrize("which", ["sent", "draft"])
@pytest.mark.parametrize("reason", ["", "no_consent"])
def test_pages_of_the_skipped_show_each_once(marketer, request, monkeypatch, which, reason):
    campaign = request.getfixturevalue(which)
    monkeypatch.setattr("dashboard.campaigns.skipped.SIZE", 2)
    monkeypatch.setattr("deliveries.outcomes.rows.PAGE_SIZE", 2)
    address, seen = f"/campaigns/{campaign.slug}/skipped/", []
    query = f"?reason={reason}" if reason else ""

    while query is not None:
        page = marketer.get(address + query, follow=True).content.decode()
        seen += re.findall(r'href="/contacts/(\d+)/"', page)
        following = re.search(r'href="([^"]*[?&]after=[^"]*|[^"]*&amp;after=[^"]*)"', page)
        query = html.unescape(following[1]) if following else None
        address = address if query is None or query.startswith("?") else ""

    assert len(seen) == len(set(seen)) == {"": {"sent": 6, "draft": 5}[which], "no_consent": 3}[reason]


@pytest.mark.parametrize("which", ["sent", "draft"])
def test_the_list_costs_the_same_for_few_and_many(marketer, request, which):
    campaign = request.getfixturevalue(which)
    address = f"/campaigns/{campaign.slug}/skipped/?reason=no_consent"
    if which == "sent":
        address = marketer.get(address)["Location"]
    marketer.get(address)
    few = count_queries(marketer, address)

    if which == "sent":
        skip(campaign, "no_consent", 30)
        reporting_rows.count()
    else:
        for _ in range(30):
            factories.phone(factories.contact(lists=[campaign.lists.get()]))

    assert count_queries(marketer, address) == few
    assert rows(marketer.get(address)) == 33


def count_queries(client, address) -> int:
    with CaptureQueriesContext(connection) as found:
        client.get(address)
    return len(found.captured_queries)


@pytest.mark.parametrize(
    ("which", "role", "whole"),
    [
        ("draft", "marketer", False),
        ("draft", "admin", True),
        ("sent", "marketer", False),
        ("sent", "admin", False),
    ],
)
def test_addresses_are_masked_for_whom_they_are_not_meant(login, request, which, role, whole):
    """In the list of a report for everybody, as those of messages are."""
    campaign = request.getfixturevalue(which)
    page = (
        login(role)
        .get(f"/campaigns/{campaign.slug}/skipped/?reason=no_consent", follow=True)
        .content.decode()
    )
    shown = re.findall(r'href="/contacts/(\d+)/"', page)
    address = Address.objects.get(contact_id=shown[0])

    assert (address.value in page) is whole
    assert address.value[-4:] in page


@pytest.mark.parametrize(
    "query", ["reason=nonsense", "reason=%00", "after=nonsense", "reason=no_consent&after=MTI"]
)
def test_a_query_that_means_nothing_breaks_nothing(marketer, draft, query):
    assert marketer.get(f"/campaigns/{draft.slug}/skipped/?{query}").status_code == 200


def test_the_list_needs_the_permission_for_reports(client, sent):
    assert client.get(f"/campaigns/{sent.slug}/skipped/").status_code == 302


def test_a_number_that_cannot_take_the_channel_says_what_kind_of_line_it_is(marketer, sent):
    skip(sent, "wrong_line", 1)
    Address.objects.filter(contact__recipients__skip_reason="wrong_line").update(line_type="landline")

    page = marketer.get(f"/campaigns/{sent.slug}/skipped/", follow=True).content.decode()

    assert "A landline number cannot take SMS" in page
