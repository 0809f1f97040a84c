import csv
import io
import logging
from datetime import UTC, datetime

import pytest
from django.utils import timezone

from dashboard.exports import COLUMNS, safe
from tests import factories, reporting_rows

pytestmark = pytest.mark.django_db


def exported(client, path):
    response = client.get(path)
    text = b"".join(response.streaming_content).decode("utf-8-sig")
    return list(csv.DictReader(io.StringIO(text)))


RUN = [
    "=1+1", "+1", "-1+2", "@SUM(A1)", "\tx", "\rx", "\n=1", " =1+1", "\xa0=1", '"=1+1', "'=1+1", "＝1+1", "＋1",
    "－2+3", "＠SUM(A1)", "-", "--1", "=", "+15125550100", "-1e5", "\t=1", "=HYPERLINK(\"https://example.com\")",
]  # fmt: skip


@pytest.mark.parametrize("cell", RUN)
def test_no_cell_runs_as_a_formula(cell):
    assert safe(cell).startswith("'")
    assert safe(cell).replace("'", "") == cell.replace("'", "")


@pytest.mark.parametrize(
    ("cell", "written"),
    [
        (";=1+1", ";'=1+1"),
        ("a;=1+1", "a;'=1+1"),
        ("a; =1+1", "a;' =1+1"),
        ("a\t@SUM(A1)", "a\t'@SUM(A1)"),
        ("a|+1", "a|'+1"),
        ("a\n=1\r\n=2", "a\n'=1\r\n'=2"),
        ("a;＝1;=2", "a;'＝1;'=2"),
        ('a;"=1"', 'a;\'"=1"'),
    ],
)
def test_nor_does_what_another_sign_would_part_from_it(cell, written):
    assert safe(cell) == written


@pytest.mark.parametrize(
    "cell",
    [
        0,
        -5,
        3.5,
        -0.25,
        "-12",
        "-12,50",
        "1+1=2",
        "a-b",
        "person@example.com",
        "",
        "a; b",
        "x = y",
        "2026-03-04T17:00:00+00:00",
    ],
)
def test_numbers_and_ordinary_words_stay_as_they_are(cell):
    assert safe(cell) == str(cell)


def test_an_export_has_the_rows_and_order_of_the_screen(login):
    client = login("marketer")
    campaign = reporting_rows.campaign([1, 2, 1, 0])

    lines = exported(client, f"/campaigns/{campaign.slug}/export/?queue=retry")

    entries = campaign.messages.filter(queue_entry__queue="retry").order_by("-queue_entry__at")
    assert [line["message"] for line in lines] == [str(message.uuid) for message in entries]


def test_an_export_gives_native_and_mapped_status_and_both_times(login):
    client = login("marketer")
    campaign = reporting_rows.campaign([1])
    campaign.messages.get().contact.__class__.objects.update(name="=HYPERLINK(1)")

    [line] = exported(client, f"/campaigns/{campaign.slug}/export/")

    assert tuple(line) == COLUMNS
    assert (line["result"], line["status"], line["native_code"]) == (
        "Temporary failure",
        "Undelivered",
        "30003",
    )
    assert line["created_utc"].endswith("+00:00")
    assert line["contact"] == "'=HYPERLINK(1)"
    assert line["address"].startswith("'+1 •••")


def test_times_stand_by_the_clock_of_the_reader_too_and_the_clock_is_named(login):
    campaign = reporting_rows.campaign([1])
    campaign.messages.update(created_at=datetime(2026, 7, 1, 22, 30, tzinfo=UTC))

    client = login("marketer")
    client.cookies["tz"] = "Asia/Tokyo"

    with timezone.override(None):  # the zone stays for as long as the file is read
        [line] = exported(client, f"/campaigns/{campaign.slug}/export/")

    assert line["created_utc"] == "2026-07-01T22:30:00+00:00"
    assert (line["created_local"], line["time_zone"]) == ("2026-07-02 07:30:00", "Asia/Tokyo")
    assert line["delivered_local"] == ""


def test_a_file_says_by_its_first_bytes_that_it_is_utf_8(login):
    campaign = reporting_rows.campaign([1])

    response = login("marketer").get(f"/campaigns/{campaign.slug}/export/")

    assert next(iter(response.streaming_content)).startswith(b"\xef\xbb\xbfmessage,")


def test_whole_addresses_are_for_those_who_may_see_them(login):
    campaign = reporting_rows.campaign([1])
    value = campaign.messages.get().address.value

    [line] = exported(login("admin"), f"/campaigns/{campaign.slug}/export/")

    assert line["address"] == f"'{value}"


def test_a_row_leads_back_to_the_systems_it_came_from(login):
    campaign = reporting_rows.campaign([1])
    campaign.messages.get().contact.__class__.objects.update(external_id="CRM-9")
    campaign.messages.update(segments=3)

    [line] = exported(login("marketer"), f"/campaigns/{campaign.slug}/export/")

    assert (line["external_id"], line["failure_class"], line["segments"]) == ("CRM-9", "temporary", "3")


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("", "all"), ("?status=retryable", "all-status-temporary-failure"), ("?queue=retry", "retry"),
        ("?channel=sms&updated=7d", "all-channel-sms-updated-last-7-days"), ("?s=0142", "all-search"),
    ],
)  # fmt: skip
def test_the_name_of_a_file_says_what_is_in_it_and_nobody_s_number(login, query, words):
    campaign = reporting_rows.campaign([1])

    response = login("marketer").get(f"/campaigns/{campaign.slug}/export/{query}")

    assert f'filename="waybill-{campaign.slug}-{words}-2' in response["Content-Disposition"]


def test_a_long_export_costs_by_the_chunk_and_not_by_the_row(login, django_assert_max_num_queries):
    client = login("marketer")
    reporting_rows.campaign([1] * 60)

    with django_assert_max_num_queries(12):
        assert len(exported(client, "/queues/retry/export/")) == 60


def test_an_export_is_logged_with_who_and_what(login, caplog):
    client = login("marketer")
    campaign = reporting_rows.campaign([1])

    with caplog.at_level(logging.INFO):
        exported(client, f"/campaigns/{campaign.slug}/export/?status=retryable")

    assert f"{client.user} exports {campaign.slug}" in caplog.text
    assert "status Temporary failure" in caplog.text


def test_a_bad_filter_is_said_instead_of_an_empty_file(login):
    campaign = factories.campaign(state="sending")

    response = login("marketer").get(f"/campaigns/{campaign.slug}/export/?channel=fax")

    assert response.status_code == 422
    assert b"Channel" in response.content
