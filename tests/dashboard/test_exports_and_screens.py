"""Each page with an export hands out just the rows that it lists, in their order, whatever narrows it: all of them are
read, page by page, and the files are those that the page itself leads to."""

from __future__ import annotations

import csv
import html
import io
import re
from datetime import timedelta
from urllib.parse import urlencode

import pytest
from django.utils import timezone
from python_calamine import CalamineWorkbook

from campaigns.models import Recipient
from contacts.models import Contact, Suppression
from dashboard import urls
from deliveries.models import Message, SavedView
from tests import factories, reporting_rows

pytestmark = pytest.mark.django_db

# The name of what makes each file, and the lists it is of. A new export: add its page here.
LISTS = {
    "campaigns:export": [
        *(f"/campaigns/spring/{query}" for query in (
            "", "?status=retryable", "?carrier=Carrier+A&channel=sms", "?queue=retry", "?queue=retry&code=30003",
            "?person=failed", "?person=skipped", "?person=skipped&skip=no_consent", "?s=code%3A30005",
            "?outcome=failed&updated=24h",
        )),
    ],
    "deliveries:export": [
        "/queues/retry/", "/queues/retry/?owner=nobody&channel=sms", "/queues/retry/?snoozed=1",
        "/queues/correct/?carrier=Carrier+B",
    ],
    "export_messages": [
        "/messages/", "/messages/?days=30&status=permanent", "/messages/?days=90&carrier=Carrier+A&channel=sms",
        "/messages/?s=status%3Apermanent",
    ],
    "suppressions:export": [
        "/suppressions/", "/suppressions/?reason=stop&state=blocking", "/suppressions/?channel=sms",
    ],
}  # fmt: skip
# Files that are no list of a page: of one person, and lines of an upload.
OTHERS = {"contacts:export", "contacts:export_data", "contacts:import_refused"}
ROW = re.compile(r'<tr tabindex="-1"[^>]*>(.*?)</tr>', re.DOTALL)
KEYS = (
    r'href="/deliveries/(\d+)/"\s+data-open', r'href="/suppressions/(\d+)/"', r'href="/contacts/(\d+)/" data-open'
)  # fmt: skip


@pytest.fixture(autouse=True)
def rows(monkeypatch):
    """Several pages of each list, people who were skipped, rows that are snoozed, and suppressions."""
    monkeypatch.setattr("deliveries.outcomes.rows.PAGE_SIZE", 5)
    monkeypatch.setattr("deliveries.outcomes.rows.WORKLIST_SIZE", 4)
    monkeypatch.setattr("dashboard.suppressions.listing.SIZE", 3)
    monkeypatch.setattr("deliveries.reporting.export_rows.CHUNK", 4)
    now = timezone.now()
    made = reporting_rows.campaign([0, 1, 2, 3, 4, 5, 6, 1, 2, 1] * 2, slug="spring", launched_at=now)
    for number, message in enumerate(Message.objects.order_by("pk")):
        carrier = "Carrier A" if number % 2 else "Carrier B"
        Message.objects.filter(pk=message.pk).update(carrier=carrier)
        if entry := getattr(message, "queue_entry", None):
            entry.carrier = carrier
            entry.snoozed_until = now + timedelta(days=1) if number % 5 == 1 else None
            entry.save()
    for number in range(7):
        reason = "no_consent" if number % 2 else "opted_out"
        skipped = factories.recipient(made)
        Recipient.objects.filter(pk=skipped.pk).update(state="skipped", skip_reason=reason)
    for number in range(8):
        Suppression.objects.create(
            value=factories.phone_number(), channel="sms" if number % 2 else "", reason="stop", origin="recipient",
            created_at=now - timedelta(minutes=number // 2),
        )  # fmt: skip
    reporting_rows.count()


def on_screen(client, address: str) -> tuple[list[int], str]:
    """The keys of all rows of a list, page after page, and its first page."""
    first = page = client.get(address).content.decode()
    found = []
    while True:
        for row in ROW.findall(page):
            key = next(filter(None, (re.search(pattern, row) for pattern in KEYS)), None)
            found += [int(key[1])] if key else []
        following = re.search(r'id="next-page" href="([^"]+)"', page)
        if not following:
            return found, first
        page = client.get(
            address.partition("?")[0] + html.unescape(following[1])
            if following[1].startswith("?")
            else html.unescape(following[1])
        ).content.decode()


def files(client, page: str) -> tuple[list[dict[str, str]], list[dict[str, str]]]:
    """The rows of both files that the menu of a page leads to."""
    menu = page[page.index('id="export-menu"') :]
    as_csv, as_workbook = (html.unescape(one) for one in re.findall(r'href="([^"]+)" download', menu)[:2])
    text = b"".join(client.get(as_csv).streaming_content).decode("utf-8-sig")
    body = b"".join(client.get(as_workbook).streaming_content)
    titles, *lines = CalamineWorkbook.from_filelike(io.BytesIO(body)).get_sheet_by_index(0).to_python()
    return list(csv.DictReader(io.StringIO(text))), [dict(zip(titles, line, strict=True)) for line in lines]


def keys(lines: list[dict[str, str]]) -> list[int]:
    """As the screen names its rows."""
    if lines and "message" in lines[0]:
        ids = dict(Message.objects.values_list("uuid", "pk"))
        by_text = {str(uuid): pk for uuid, pk in ids.items()}
        return [by_text[line["message"]] for line in lines]
    return [int(line.get("suppression") or line["contact_id"]) for line in lines]


def compare(client, address: str) -> list[int]:
    """Asserts that the page and both of its files have the same rows; their keys."""
    screen, page = on_screen(client, address)
    as_csv, as_workbook = files(client, page)

    assert screen, address
    assert keys(as_csv) == screen, address
    assert keys(as_workbook) == screen, address
    return screen


@pytest.mark.parametrize("address", [one for each in LISTS.values() for one in each])
def test_files_have_the_rows_of_the_screen_in_its_order(login, address):
    compare(login("admin"), address)


@pytest.mark.parametrize(
    "address", ["/campaigns/spring/?status=permanent", "/queues/retry/?code=30003", "/messages/?days=30"]
)
def test_so_do_those_of_a_saved_view(login, address):
    client = login("marketer")
    client.post(f"/views/new/?{urlencode({'from': address})}", {"name": "Mine"})
    [url] = re.findall(r'<th scope="row"><a href="([^"]+)">Mine', client.get("/views/").content.decode())

    rows = compare(client, html.unescape(url))

    assert SavedView.objects.count() == 1
    assert rows == on_screen(client, address)[0]


def test_every_export_of_a_list_is_compared():
    named = {
        f"{space}:{path.name}".lstrip(":")
        for space, pages in (
            ("", urls.root), ("campaigns", urls.campaign_pages), ("contacts", urls.contact_pages),
            ("deliveries", urls.delivery_pages), ("suppressions", urls.suppression_pages),
        )
        for path in pages
        if re.search(r"export|refused", path.name)
    }  # fmt: skip

    assert named == set(LISTS) | OTHERS


def test_a_file_has_the_columns_of_the_screen_in_its_words(login):
    client = login("marketer")
    page = html.unescape(client.get("/queues/retry/").content.decode())
    as_csv, as_workbook = files(client, page)

    screen = [
        " ".join(re.sub(r"<[^>]+>", " ", row).split()) for row in ROW.findall(page) if "data-open" in row
    ]
    assert len(screen) == 4
    for row, line in zip(screen, as_csv, strict=False):
        shown = [
            line[name] for name in ("contact", "campaign", "channel", "result", "what_happened", "carrier")
        ]
        assert all(
            words in row
            for words in [*shown, line["native_code"], line["address"].lstrip("'"), line["attempt"]]
        )
    for line, of_workbook in zip(as_csv, as_workbook, strict=True):
        same = ("contact", "campaign", "result", "native_code", "what_happened", "created_utc", "time_zone")
        assert [line[name] for name in same] == [of_workbook[name] for name in same]


def test_a_workbook_has_numbers_and_moments_and_runs_nothing(login):
    Contact.objects.update(name="=HYPERLINK(1)\x07 & <b>")
    client = login("marketer")

    _, lines = files(client, client.get("/campaigns/spring/").content.decode())

    assert {line["contact"] for line in lines} == {"=HYPERLINK(1) & <b>"}
    assert {line["attempt"] for line in lines} == {1.0}
    assert all(line["created_local"].tzinfo is None and line["created_local"].year >= 2025 for line in lines)
    assert {line["delivered_local"] for line in lines} >= {""}
    assert {line["native_code"] for line in lines} >= {"30003", "30005"}


def test_a_workbook_of_too_many_rows_for_one_sheet_has_more(login, monkeypatch):
    monkeypatch.setattr("deliveries.reporting.spreadsheets.ROWS_OF_A_SHEET", 6)

    body = b"".join(login("marketer").get("/campaigns/spring/export/?as=xlsx").streaming_content)

    book = CalamineWorkbook.from_filelike(io.BytesIO(body))
    sheets = [book.get_sheet_by_name(name).to_python() for name in book.sheet_names]
    assert [len(one) - 1 for one in sheets] == [6, 6, 6, 2]
    assert {one[0][0] for one in sheets} == {"message"}


def test_all_messages_are_read_part_by_part_and_not_at_once(login, django_assert_max_num_queries):
    """A cursor of the database would hold them all before the first line: of ten million that is the disk."""
    client = login("marketer")
    client.get("/messages/")

    answer = client.get("/messages/export/")
    with django_assert_max_num_queries(12):
        next(iter(answer.streaming_content))
        next(iter(answer.streaming_content))


def test_who_may_not_export_gets_no_messages_and_is_offered_none(login):
    support = login("support")

    assert support.get("/messages/export/").status_code == 403
    assert "export-menu" not in support.get("/messages/").content.decode()
    assert login("marketer").get("/messages/export/?channel=fax").status_code == 422
