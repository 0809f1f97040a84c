"""The list of the code tables' rows, and what each of them leads to."""

from __future__ import annotations

import html
import re
from datetime import timedelta

import pytest
from django.utils import timezone

from dashboard.mappings.code_forms import objections
from dashboard.mappings.code_tables import outcome
from deliveries.meaning import mappings
from deliveries.meaning.translation import Code, Key, shipped
from deliveries.models import CodeDay, CodeMapping
from deliveries.outcomes.shares import Share
from tests import factories
from tests.dashboard.mappings.steps import HTMX, codes_on, seen, text

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("query", "condition"),
    [
        ("table=twilio", {"table": "twilio"}),
        ("table=twilio&channel=mms", {"table": "twilio", "channel": "mms"}),
        ("table=sandbox&kind=status", {"table": "sandbox", "kind": "status"}),
        ("table=twilio&status=blocked", {"table": "twilio", "status": "blocked"}),
        ("table=twilio&failure_class=content", {"table": "twilio", "failure_class": "content"}),
        ("table=sandbox&fault=carrier", {"table": "sandbox", "fault": "carrier"}),
        ("s=handset&table=sandbox", {"table": "sandbox", "meaning__icontains": "handset"}),
    ],
)
def test_the_rows_in_force_are_narrowed(admin, query, condition):
    page = admin.get(f"/mappings/codes/?{query}")

    n = CodeMapping.objects.filter(**condition).count()
    assert n > 0
    assert f"{n} code" in text(page)
    assert len(codes_on(page)) == min(n, 50)


def test_search_finds_codes_names_and_meanings_in_any_case(admin):
    assert "30005" in codes_on(admin.get("/mappings/codes/?s=30005"))
    assert "ABSENT" in codes_on(admin.get("/mappings/codes/?s=subscriber+ABSENT&table=sandbox"))


def test_what_no_filter_allows_is_refused_in_words(admin):
    page = admin.get("/mappings/codes/?channel=fax")

    assert page.status_code == 422
    assert "These filters do not work: Channel" in text(page)


def test_nothing_found_offers_to_clear(admin):
    page = text(admin.get("/mappings/codes/?s=no-such-thing-anywhere"))

    assert "No code matches these filters" in page
    assert "Clear filters" in page


def test_pages_follow_each_other_and_nonsense_is_the_first(admin):
    first, second = (
        admin.get("/mappings/codes/?table=twilio"),
        admin.get("/mappings/codes/?table=twilio&page=2"),
    )

    assert len(codes_on(first)) == len(codes_on(second)) == 50
    assert not set(codes_on(first)) >= set(codes_on(second))
    assert "table=twilio&page=2" in html.unescape(first.content.decode())
    assert codes_on(admin.get("/mappings/codes/?table=twilio&page=x")) == codes_on(first)


def test_the_tables_of_our_own_providers_come_first(admin, account):
    assert "Twilio, " in text(admin.get("/mappings/codes/")).split("Changed by")[1][:200]


def test_how_often_a_row_was_seen_counts_every_account_and_spelling(admin, account):
    other = factories.account("twilio")
    seen(account, native_code="30005", n=3, known=True)
    seen(other, native_code="30005", n=4, known=True)
    seen(account, native_code="30005", channel="mms", n=5, known=True)  # MMS looks in the rows of SMS

    page = text(admin.get("/mappings/codes/?s=30005&table=twilio"))

    assert re.search(r"\b12 now\b", page)
    assert codes_on(admin.get("/mappings/codes/?seen=yes&kind=error")) == ["30005"]
    assert "30005" not in codes_on(admin.get("/mappings/codes/?seen=no&s=30005&table=twilio"))


def test_a_class_of_enhanced_codes_is_seen_by_its_members(admin):
    mail = factories.account("sandbox")
    tables_asked = mappings.latest().find("sandbox", "email", "error", "5.1.1")
    assert tables_asked
    seen(mail, channel="email", native_status="bounced", native_code="5.1.1", n=7, known=True)

    assert codes_on(admin.get("/mappings/codes/?seen=yes&kind=error")) == [tables_asked.code]


def test_what_became_of_the_next_attempt_stands_beside_the_code(admin, account):
    today = timezone.now().date()
    for day, followed, then in (
        (today, 60, 20),
        (today - timedelta(days=1), 40, 18),
        (today - timedelta(days=200), 9, 9),
    ):
        CodeDay.objects.create(
            account_id=account.pk,
            channel="sms",
            code="30005",
            day=day,
            n=9,
            followed=followed,
            then_delivered=then,
        )

    page = text(admin.get("/mappings/codes/?s=30005&table=twilio"))

    assert "38% of 100" in page
    assert "29 to 48%" in page


@pytest.mark.parametrize(
    ("hits", "n", "low", "high"),
    # Wilson's score interval for 95 %, worked out by hand and compared with published examples.
    [(0, 10, 0, 0.2775), (10, 10, 0.7225, 1), (5, 10, 0.2366, 0.7634), (1, 1, 0.2065, 1), (81, 263, 0.2553, 0.3662)],
)  # fmt: skip
def test_the_range_is_wilsons(hits, n, low, high):
    assert Share(hits, n).range == pytest.approx((low, high), abs=2e-4)


def test_a_fragment_comes_without_the_page(admin):
    answer = admin.get("/mappings/codes/?table=twilio", headers=HTMX | {"HX-Trigger": "filters"})

    assert answer.content.lstrip().startswith(b'<section id="results"')
    assert b'id="filters"' not in answer.content
    by_chip = admin.get("/mappings/codes/?table=twilio", headers=HTMX | {"HX-Trigger": "chip-table"})
    assert b'hx-swap-oob="true"' in by_chip.content


def test_the_tables_cost_the_same_whatever_was_heard(
    admin, account, django_assert_num_queries, django_assert_max_num_queries
):
    with django_assert_max_num_queries(17) as few:
        admin.get("/mappings/codes/?table=telnyx&channel=voice")
    first = len(few.captured_queries)
    for n in range(30):
        seen(account, native_code=f"300{n:02}", known=True)
        CodeDay.objects.create(
            account_id=account.pk,
            channel="sms",
            code=f"300{n:02}",
            day=timezone.now().date(),
            followed=5,
            then_delivered=2,
        )
    with django_assert_num_queries(first):
        admin.get("/mappings/codes/")


@pytest.mark.parametrize(
    ("meant", "bucket", "says"),
    [
        (("delivered", "none", "none", True), "success", "counts as delivered"),
        (("sent", "none", "none", True), "pending", "waits for the next report"),
        (
            ("undelivered", "temporary", "recipient", True),
            "retryable",
            "One alone never counts against the contact",
        ),
        (("undelivered", "permanent", "recipient", True), "permanent", "counts against the address"),
        (("undelivered", "permanent", "carrier", True), "permanent", "does not count against the address"),
        (("undelivered", "permanent", "recipient", False), "unknown", "not certain"),
        (("blocked", "content", "content", True), "compliance", "the queue “Review content”"),
        (("opted_out", "opt_out", "recipient", True), "optout", "blocked at once"),
        (("failed", "unknown", "none", True), "unknown", "the queue “Waiting for receipt”"),
        (("canceled", "none", "none", True), "", "canceled"),
    ],
)
@pytest.mark.parametrize("kind", ["status", "error"])
def test_an_outcome_says_what_follows(kind, meant, bucket, says):
    found = outcome(Key("twilio", "sms", kind, "x"), Code("x", "", "", *meant))

    assert found.bucket == bucket
    assert says in found.follows


def test_every_row_of_the_release_makes_sense_and_leads_somewhere():
    refused = {}
    for key, code in shipped().codes.items():
        why = list(objections(key.channel, code.status, code.failure_class, code.fault))
        if why:
            refused[key] = why
        assert outcome(key, code).follows

    assert refused == {}
