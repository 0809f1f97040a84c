"""The pages about what providers' words mean: who may, what they show, and each flow from end to end."""

from __future__ import annotations

import hmac
import html
import re
from datetime import timedelta

import pytest
from django.contrib.auth.models import Permission
from django.utils import timezone

from contacts.models import Suppression
from deliveries import mappings
from deliveries.mappings import drafts
from deliveries.models import (
    CodeAlarm,
    CodeDay,
    CodeMapping,
    MappingVersion,
    Message,
    Receipt,
    RouteEvidence,
    SeenCode,
    StrayReport,
)
from deliveries.receiving.translation import Code, Key, shipped
from deliveries.reporting.code_forms import objections
from deliveries.reporting.code_tables import outcome
from deliveries.reporting.heard import Share
from deliveries.reporting.views.mappings import draft as draft_views
from deliveries.reporting.views.mappings import versions
from tests import factories
from tests.test_mappings import HOUR, receive, reread, sent, work

pytestmark = pytest.mark.django_db

HTMX = {"HX-Request": "true"}
NUMBER_GONE = Key("twilio", "sms", "error", "30005")
EDIT = "/mappings/codes/edit/"
ROW = {
    "table": "twilio", "channel": "sms", "kind": "error", "code": "30005", "name": "Unknown", "meaning": "Was ported",
    "status": "undelivered", "failure_class": "temporary", "fault": "recipient", "verified": "on",
}  # fmt: skip
PAGES = [
    "/mappings/", "/mappings/codes/", EDIT, "/mappings/draft/", "/mappings/versions/1/", "/mappings/versions/1/undo/",
    "/mappings/try/", "/mappings/routes/", "/mappings/strays/",
]  # fmt: skip
ACTS = [
    "/mappings/alarms/close/", EDIT, "/mappings/draft/remove/", "/mappings/draft/discard/", "/mappings/draft/count/",
    "/mappings/draft/publish/", "/mappings/versions/1/undo/", "/mappings/try/", "/mappings/routes/",
    "/mappings/routes/1/remove/",
]  # fmt: skip


@pytest.fixture
def tables():
    mappings.ship()
    return MappingVersion.objects.get()


@pytest.fixture
def admin(login, tables):
    return login("admin")


@pytest.fixture
def account():
    return factories.account("twilio", credentials={"account_sid": "AC1", "auth_token": "t"})


@pytest.fixture
def rung(monkeypatch):
    """How often the workers were rung."""
    bells: list[int] = []
    for views in (draft_views, versions):
        monkeypatch.setattr(views, "ring", lambda: bells.append(1))
    return bells


def seen(account, **fields):
    now = timezone.now()
    given = {
        "account_id": account.pk, "channel": "sms", "native_status": "undelivered", "native_code": "31999",
        "known": False, "contradicts": False, "n": 3, "first_seen_at": now - HOUR, "last_seen_at": now,
    }  # fmt: skip
    return SeenCode.objects.create(**given | fields)


def alarm(account, **fields):
    given = {
        "kind": "unknown",
        "account_id": account.pk,
        "channel": "sms",
        "code": "31999",
        "sentence": "What is 31999?",
    }
    return CodeAlarm.objects.create(**given | fields)


def text(response) -> str:
    """The page as somebody reads it."""
    body = re.sub(r"<(script|style|svg|nav class=\"rail).*?</\1>", "", response.content.decode(), flags=re.S)
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]+>", " ", body)))


def draft() -> MappingVersion:
    found = drafts.open_draft()
    assert found
    return found


def counted_at() -> str:
    return draft().previewed_at.isoformat()


def save(client, **changes):
    return client.post(EDIT, ROW | changes, follow=True)


# ---- Who may -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("role", ["marketer", "support"])
def test_only_an_administrator_opens_these_pages(login, tables, role):
    client = login(role)

    assert {url: client.get(url).status_code for url in PAGES} == dict.fromkeys(PAGES, 403)
    assert {url: client.post(url).status_code for url in ACTS} == dict.fromkeys(ACTS, 403)
    assert b'href="/mappings/"' not in client.get("/queues/").content


def test_somebody_logged_out_is_sent_to_log_in(client, tables):
    assert {client.get(url).status_code for url in PAGES} == {302}


def test_an_administrator_opens_them_and_finds_them_in_the_rail(admin, account):
    seen(account)

    assert {url: admin.get(url).status_code for url in PAGES} == dict.fromkeys(PAGES, 200)
    rail = admin.get("/queues/").content.decode()
    assert re.search(r'href="/mappings/".*?Mappings</span><span class="rail-count">1<', rail)


def test_what_changes_something_is_done_by_post_alone(admin):
    gets = {url: admin.get(url).status_code for url in set(ACTS) - set(PAGES)}

    assert set(gets.values()) == {405}


def test_somebody_who_may_only_look_sees_no_way_to_change(login, make_user, tables, account):
    reader = make_user("")
    reader.user_permissions.add(Permission.objects.get(codename="view_codemapping"))
    client = login(user=reader)
    seen(account), alarm(account)
    drafts.edit(
        NUMBER_GONE, {"status": "undelivered", "failure_class": "temporary", "fault": "recipient"}, None
    )

    assert b"Map it" not in client.get("/mappings/").content
    assert b'<form method="post" action="/mappings' not in client.get("/mappings/").content
    assert b"Publish</button>" not in client.get("/mappings/draft/").content
    assert client.post(EDIT, ROW).status_code == 403
    assert client.post("/mappings/draft/publish/", {"note": "x"}).status_code == 403


# ---- The overview --------------------------------------------------------------------------------------------------


def test_with_nothing_to_do_the_overview_says_so(admin):
    page = text(admin.get("/mappings/"))

    assert "Every word is known" in page
    assert "Nothing odd." in page
    assert "Version 1 Came with the product" in page


def test_unknown_codes_stand_in_order_of_their_number_each_with_a_form(admin, account):
    seen(account, native_code="31998", n=2)
    often = seen(account, native_code="31999", n=9, receipt_id=5)
    seen(account, native_code="30005", known=True, n=99)

    page = admin.get("/mappings/").content.decode()

    rows = re.findall(r'<th scope="row" class="t-code">.*?<code class="what">(\w+)', page)
    assert rows == ["31999", "31998"]
    assert f"code=31999&amp;seen={often.pk}" in page
    assert 'href="/mappings/try/?receipt=5#result"' in page


def test_a_code_that_is_in_the_draft_says_so_in_the_queue(admin, account):
    seen(account)
    save(admin, code="31999")

    page = text(admin.get("/mappings/"))

    assert "In the draft" in page
    assert "A draft with 1 change is waiting." in page


def test_an_alarm_is_closed_by_somebody_and_kept(admin, account):
    first, second = alarm(account), alarm(account, code="31998", sentence="What is 31998?")

    admin.post("/mappings/alarms/close/", {"alarm": first.pk})
    first.refresh_from_db()

    assert (first.closed_by, first.closed_at is not None) == (admin.user, True)
    page = text(admin.get("/mappings/"))
    assert second.sentence in page
    assert first.sentence not in page


def test_closing_all_spares_alarms_that_nobody_has_seen(admin, account):
    for code in "abc":
        alarm(account, code=code)
    last_seen = CodeAlarm.objects.get(code="b").pk

    answer = admin.post("/mappings/alarms/close/", {"upto": last_seen}, follow=True)

    assert "2 alarms closed." in text(answer)
    assert CodeAlarm.objects.get(closed_at=None).code == "c"


@pytest.mark.parametrize("given", [{}, {"alarm": "x"}, {"alarm": "9" * 30}, {"upto": "-1"}, {"alarm": "77"}])
def test_closing_nothing_is_answered_in_words(admin, account, given):
    alarm(account)

    answer = admin.post("/mappings/alarms/close/", given, follow=True)

    assert "Nothing was closed" in text(answer)
    assert CodeAlarm.objects.filter(closed_at=None).exists()


def test_mail_that_was_never_sent_is_noticed_with_what_to_check(admin, account):
    now = timezone.now()
    StrayReport.objects.create(
        account_id=account.pk, address="someone@example.net", text="Spam from you", at=now
    )
    StrayReport.objects.create(
        account_id=account.pk, address="old@example.net", text="Old", at=now - timedelta(days=9)
    )

    assert "Somebody may be using your address. 1 report in the last 7 days is about" in text(
        admin.get("/mappings/")
    )
    page = text(admin.get("/mappings/strays/"))
    assert all(word in page for word in ("someone@example.net", "Spam from you", "Old", "Password", "DMARC"))


def test_addresses_of_strays_are_masked_without_the_permission_to_see_them(login, make_user, tables, account):
    reader = make_user("")
    names = ["view_codemapping", "view_strayreport"]
    reader.user_permissions.set(Permission.objects.filter(codename__in=names))
    StrayReport.objects.create(
        account_id=account.pk, address="someone@example.net", text="Spam", at=timezone.now()
    )

    assert "someone@example.net" not in text(login(user=reader).get("/mappings/strays/"))


def test_the_overview_costs_the_same_with_much_to_tell(
    admin, account, django_assert_num_queries, django_assert_max_num_queries
):
    save(admin)
    seen(account, native_code="x1"), alarm(account)
    with django_assert_max_num_queries(24) as few:
        admin.get("/mappings/")
    first = len(few.captured_queries)
    for n in range(20):
        seen(account, native_code=f"y{n}"), alarm(account, code=f"y{n}")
        StrayReport.objects.create(
            account_id=account.pk, address=f"{n}@example.net", text="x", at=timezone.now()
        )
        save(admin, code=f"y{n}")
    with django_assert_num_queries(first + 1):  # the time of the newest stray report
        admin.get("/mappings/")


# ---- The tables ----------------------------------------------------------------------------------------------------


def codes_on(response) -> list[str]:
    return re.findall(r'<th scope="row" class="t-code"><a [^>]*><code>([^<]*)', response.content.decode())


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
    assert "These filters cannot be used: Channel" in text(page)


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
    with django_assert_max_num_queries(16) as few:
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


# ---- What a row leads to -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("meant", "bucket", "says"),
    [
        (("delivered", "none", "none", True), "success", "counts as delivered"),
        (("sent", "none", "none", True), "pending", "waits for the next report"),
        (("undelivered", "temporary", "recipient", True), "retryable", "never counts against the contact"),
        (("undelivered", "permanent", "recipient", True), "permanent", "counts against the address"),
        (("undelivered", "permanent", "carrier", True), "permanent", "does not count against the address"),
        (("undelivered", "permanent", "recipient", False), "unknown", "not certain"),
        (("blocked", "content", "content", True), "compliance", "the queue Review"),
        (("opted_out", "opt_out", "recipient", True), "optout", "blocked at once"),
        (("failed", "unknown", "none", True), "unknown", "the queue Watch"),
        (("canceled", "none", "none", True), "", "withdrawn"),
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


# ---- Changing a row ------------------------------------------------------------------------------------------------


def test_the_form_of_a_row_shows_what_is_in_force(admin):
    page = admin.get(EDIT, {"table": "twilio", "channel": "sms", "kind": "error", "code": "30005"})

    assert "What 30005 means" in text(page)
    assert re.search(r'value="permanent"[^>]*checked', page.content.decode())
    assert re.search(r'<option value="undelivered" selected', page.content.decode())


def test_a_change_goes_into_the_draft_and_changes_nothing_else(admin):
    page = save(admin)

    assert page.redirect_chain == [("/mappings/draft/", 302)]
    assert "Temporary" in text(page)
    assert draft().created_by == admin.user
    assert mappings.latest().codes == shipped().codes


def test_the_form_comes_back_with_what_is_in_the_draft(admin):
    save(admin, meaning="Ported away")

    page = admin.get(EDIT, {"table": "twilio", "channel": "sms", "kind": "error", "code": "30005"})

    assert "Ported away" in page.content.decode()
    assert "In the draft" in text(page)


def test_what_is_in_force_already_is_no_change(admin):
    row = shipped().codes[NUMBER_GONE]
    save(admin)
    same = row._asdict() | {"verified": "on" if row.verified else ""}

    page = save(admin, **same)

    assert "means just this already" in text(page)
    assert drafts.open_draft() is None


def test_an_unknown_code_is_prefilled_by_what_its_status_says(admin, account):
    one = seen(account)

    page = admin.get(
        EDIT, {"table": "twilio", "channel": "sms", "kind": "error", "code": "31999", "seen": one.pk}
    )

    body = page.content.decode()
    assert "Map 31999" in text(page)
    assert re.search(r'<option value="undelivered" selected', body)
    assert re.search(r'value="unknown"[^>]*checked', body)
    assert not re.search(r'name="verified"[^>]*checked', body)


def test_an_unknown_status_asks_for_its_own_row_first(admin, account):
    one = seen(account, native_status="lost-in-space", native_code="30005")

    queue = html.unescape(admin.get("/mappings/").content.decode())
    page = admin.get(
        EDIT, {"table": "twilio", "channel": "sms", "kind": "status", "code": "lost-in-space", "seen": one.pk}
    )

    assert f"kind=status&code=lost-in-space&seen={one.pk}" in queue
    assert re.search(r'value="permanent"[^>]*checked', page.content.decode())  # as 30005 says


def test_what_is_unknown_on_mms_is_mapped_for_sms_which_serves_both(admin, account):
    seen(account, channel="mms")

    assert "table=twilio&channel=sms&kind=error&code=31999" in html.unescape(
        admin.get("/mappings/").content.decode()
    )


def test_a_new_code_is_added(admin):
    assert "Add a code" in text(admin.get(EDIT))

    save(admin, code="31999")

    assert draft().brought.get().code == "31999"
    assert "Not listed" in text(admin.get("/mappings/draft/"))


@pytest.mark.parametrize(
    ("changes", "field", "says"),
    [
        ({"failure_class": "account"}, "Whose fault", "never the recipient's fault"),
        ({"status": "delivered"}, "Failure class", "What arrived has not failed."),
        ({"status": "sent"}, "Failure class", "What is under way has not failed yet."),
        ({"status": "undelivered", "failure_class": "none"}, "Failure class", "A failure has a class."),
        (
            {"status": "delayed", "failure_class": "permanent"},
            "Failure class",
            "A delay is no final failure.",
        ),
        ({"status": "opted_out"}, "Failure class", "Choose the class Opt-out."),
        ({"failure_class": "opt_out", "fault": "carrier"}, "Whose fault", "the recipient's wish"),
        ({"failure_class": "content", "fault": "carrier"}, "Whose fault", "not the network's fault"),
        ({"status": "bounced"}, "Status", "on email only"),
        ({"status": "busy"}, "Status", "on ringless voicemail and voice only"),
        ({"status": "timed_out"}, "Status", "is not one of the available choices"),
        ({"fault": "weather"}, "Whose fault", "is not one of the available choices"),
        ({"code": "  "}, "Code or word", "This field is required."),
        ({"code": "x" * 65}, "Code or word", "at most 64 characters"),
        ({"meaning": "x" * 401}, "What it means", "at most 400 characters"),
        ({"table": "nobody"}, "Provider", "is not one of the available choices"),
        ({"channel": "rvm", "code": "new"}, "Channel", "Twilio does not offer Ringless voicemail."),
    ],
)
def test_what_makes_no_sense_is_refused_by_field_with_a_way_out(admin, changes, field, says):
    page = admin.post(EDIT, ROW | changes)

    assert page.status_code == 422
    assert re.search(re.escape(field) + r" : .{0,160}?" + re.escape(says), text(page))
    assert drafts.open_draft() is None


def test_choices_say_at_once_what_they_lead_to(admin):
    given = ROW | {"failure_class": "permanent"}

    answer = admin.get(EDIT, given, headers=HTMX)

    assert answer.content.lstrip().startswith(b'<section class="panel" id="outcome"')
    assert "counts against the address" in text(answer)
    refused = admin.get(EDIT, ROW | {"failure_class": "account"}, headers=HTMX)
    assert "never the recipient" in text(refused)


def test_without_script_a_button_says_what_the_choices_lead_to(admin):
    page = admin.post(EDIT, ROW | {"look": "1", "failure_class": "permanent"})

    assert page.status_code == 200
    assert "counts against the address" in text(page)
    assert drafts.open_draft() is None


@pytest.mark.parametrize(
    "query",
    [
        "?table=&channel=&kind=&code=", "?table=x&channel=fax&kind=z&code=%00", "?seen=x", "?seen=" + "9" * 40,
        "?table=twilio&channel=sms&kind=error&code=" + "x" * 500, "?status=nope&channel=sms", "?seen=٣", "?code=%ff",
    ],
)  # fmt: skip
def test_a_link_that_makes_no_sense_shows_an_empty_form(admin, query):
    assert admin.get(EDIT + query).status_code == 200
    assert admin.get(EDIT + query, headers=HTMX).status_code == 200
    assert admin.post(EDIT + query, {}).status_code == 422


def test_two_who_begin_a_draft_at_the_same_moment_are_told(admin, monkeypatch):
    from django.db import IntegrityError

    def fails(*_):
        raise IntegrityError("one_draft_of_the_mapping")

    monkeypatch.setattr(drafts, "edit", fails)

    page = admin.post(EDIT, ROW)

    assert page.status_code == 422
    assert "at the same moment. Save once more." in text(page)


# ---- The draft -----------------------------------------------------------------------------------------------------


def test_without_a_draft_the_page_says_how_one_begins(admin):
    assert "There is no draft" in text(admin.get("/mappings/draft/"))


def test_the_draft_shows_each_row_before_and_after(admin):
    page = text(save(admin))

    assert "Class Permanent becomes → Temporary" in page
    assert "Was ported" in page


def test_a_row_is_taken_out_and_the_last_ends_the_draft(admin):
    save(admin), save(admin, code="31999")
    row = draft().brought.get(key="30005")

    first = admin.post("/mappings/draft/remove/", {"row": row.pk}, follow=True)
    again = admin.post("/mappings/draft/remove/", {"row": row.pk}, follow=True)
    admin.post("/mappings/draft/remove/", {"row": draft().brought.get().pk})

    assert "30005 is out of the draft." in text(first)
    assert "no longer in the draft" in text(again)
    assert drafts.open_draft() is None


def test_a_published_row_cannot_be_taken_out_by_its_number(admin):
    save(admin)
    published = CodeMapping.objects.filter(since=1).first()

    answer = admin.post("/mappings/draft/remove/", {"row": published.pk}, follow=True)

    assert "no longer in the draft" in text(answer)
    assert CodeMapping.objects.filter(pk=published.pk).exists()


def test_the_draft_is_discarded_as_a_whole(admin):
    save(admin)

    answer = admin.post("/mappings/draft/discard/", follow=True)

    assert "Nothing was changed." in text(answer)
    assert drafts.open_draft() is None


@pytest.mark.parametrize("act", ["remove", "discard", "count", "publish"])
def test_what_is_done_to_a_draft_that_is_gone_is_answered_in_words(admin, act):
    answer = admin.post(f"/mappings/draft/{act}/", {"row": "1", "note": "Why"}, follow=True)

    assert answer.status_code == 200
    assert "There is no draft any more" in text(answer)


def test_publishing_waits_for_the_count(admin):
    page = save(admin)

    assert re.search(r'<button class="btn primary" disabled', page.content.decode())
    assert "Possible once it has been counted" in text(page)
    refused = admin.post("/mappings/draft/publish/", {"note": "Why", "counted_at": ""}, follow=True)
    assert "Look again, then publish." in text(refused)
    assert draft()


def test_publishing_needs_a_note(admin, now):
    save(admin)
    admin.post("/mappings/draft/count/")

    page = admin.post("/mappings/draft/publish/", {"note": " ", "counted_at": counted_at()})

    assert page.status_code == 422
    assert "Say why" in text(page)
    assert draft()


def test_a_row_added_after_the_count_asks_for_another(admin):
    save(admin)
    admin.post("/mappings/draft/count/")
    seen_at = counted_at()
    save(admin, code="31999")
    admin.post("/mappings/draft/count/")

    refused = admin.post("/mappings/draft/publish/", {"note": "Why", "counted_at": seen_at}, follow=True)

    assert "changed or counted anew since you looked" in text(refused)
    assert draft()


def test_the_draft_costs_the_same_with_more_rows(admin, django_assert_max_num_queries):
    save(admin)
    for n in range(12):
        save(admin, code=f"x{n}")

    with django_assert_max_num_queries(30):
        admin.get("/mappings/draft/")


# ---- From an unknown code to messages changed, and back ------------------------------------------------------------


@pytest.fixture
def three(account, now, tables):
    """Somebody whose number failed three times in a row with 30005, and is blocked for it."""
    phone = factories.phone()
    for day in (3, 2, 1):
        at = now - timedelta(days=day)
        recipient = factories.recipient(factories.campaign(), phone.contact)
        message = sent(account, recipient=recipient, address=phone, created_at=at)
        receive(message, at, "undelivered", "30005")
        work(at)


def test_counting_publishing_and_undoing_from_end_to_end(
    admin, three, now, rung, django_capture_on_commit_callbacks
):
    save(admin)
    with django_capture_on_commit_callbacks(execute=True):
        counting = admin.post("/mappings/draft/count/", follow=True)
    assert "0 % done" in text(counting)
    assert 'hx-trigger="refresh, load delay:2s"' in counting.content.decode()
    reread(now)

    counted = admin.get("/mappings/draft/")
    assert "3 messages change: 3 from Permanent to Retryable." in text(counted)
    assert "1 block would lift" in text(counted)
    polled = admin.get("/mappings/draft/", headers=HTMX)
    assert polled.content.count(b'id="publish-button" hx-swap-oob="true"') == 1
    assert b"hx-trigger" not in polled.content

    with django_capture_on_commit_callbacks(execute=True):
        published = admin.post(
            "/mappings/draft/publish/",
            {"note": "Numbers are ported", "counted_at": counted_at()},
            follow=True,
        )
    assert published.redirect_chain == [("/mappings/versions/2/", 302)]
    assert "being read anew: 0 % done" in text(published)
    reread(timezone.now() + HOUR)

    page = text(admin.get("/mappings/versions/2/"))
    assert "3 messages changed. 3 were counted before" in page
    assert "“Numbers are ported”" in page
    assert set(Message.objects.values_list("disposition", flat=True)) == {"PENDING_RETRY"}
    assert not Suppression.objects.filter(released_at=None).exists()
    assert "Numbers are ported" in text(admin.get("/mappings/"))

    confirm = text(admin.get("/mappings/versions/2/undo/"))
    assert "Class Temporary becomes → Permanent" in confirm
    with django_capture_on_commit_callbacks(execute=True):
        undone = admin.post("/mappings/versions/2/undo/", follow=True)
    assert undone.redirect_chain == [("/mappings/versions/3/", 302)]
    reread(timezone.now() + HOUR)
    assert set(Message.objects.values_list("disposition", flat=True)) == {"BOUNCED_HARD"}
    assert "It was undone by version 3." in text(admin.get("/mappings/versions/2/"))
    assert len(rung) == 3


def test_mapping_an_unknown_code_gives_its_messages_their_meaning(admin, account, now):
    message = sent(account)
    receive(message, now, "undelivered", "31999")
    work(now)
    link = re.search(r'href="(/mappings/codes/edit/[^"]+)"', admin.get("/mappings/").content.decode())
    assert "Map 31999" in text(admin.get(html.unescape(link[1])))

    save(admin, code="31999", failure_class="permanent")
    admin.post("/mappings/draft/count/")
    reread(now)
    assert "1 message changes: 1 from Unknown to Permanent." in text(admin.get("/mappings/draft/"))
    admin.post("/mappings/draft/publish/", {"note": "Asked Twilio", "counted_at": counted_at()})
    mappings.forget()
    reread(timezone.now() + HOUR)

    message.refresh_from_db()
    assert message.disposition == "BOUNCED_HARD"
    assert "Every word is known" in text(admin.get("/mappings/"))


def publish(client, **changes):
    save(client, **changes)
    client.post("/mappings/draft/count/")
    client.post("/mappings/draft/publish/", {"note": "Why", "counted_at": counted_at()})
    mappings.forget()


def test_what_stands_in_the_way_of_an_undo_is_said_before_and_after(admin):
    publish(admin)
    publish(admin, failure_class="permanent", meaning="Again")

    assert "It cannot be undone. Some of its rows were changed again" in text(
        admin.get("/mappings/versions/2/")
    )
    refused = admin.post("/mappings/versions/2/undo/", follow=True)
    assert "Twilio 30005 was changed again by version 3" in text(refused)
    save(admin)
    assert "There is a draft. Publish or discard it first." in text(admin.get("/mappings/versions/3/undo/"))
    assert "came with the product" in text(admin.get("/mappings/versions/1/undo/"))


def test_the_history_offers_undo_where_it_is_possible(admin):
    publish(admin)
    publish(admin, failure_class="permanent", meaning="Again")

    page = admin.get("/mappings/").content.decode()

    assert re.findall(r'href="/mappings/versions/(\d+)/undo/"', page) == ["3"]


def test_undoing_a_new_code_shows_it_going(admin):
    publish(admin, code="31999")

    admin.post("/mappings/versions/2/undo/")
    page = text(admin.get("/mappings/versions/3/"))

    assert "1 code changed" in page
    assert "Not listed" in page


def test_a_version_of_thousands_of_rows_is_paged(admin):
    page = admin.get("/mappings/versions/1/")

    assert len(codes_on(page)) == 50
    assert "Next" in text(page)


@pytest.mark.parametrize("number", ["0", "77", "9" * 12, "9" * 30])
def test_a_version_that_never_was_is_not_found(admin, number):
    assert admin.get(f"/mappings/versions/{number}/").status_code == 404
    assert admin.post(f"/mappings/versions/{number}/undo/").status_code == 404


def test_the_number_of_the_draft_leads_to_the_draft(admin):
    save(admin)

    assert admin.get("/mappings/versions/2/")["Location"] == "/mappings/draft/"


# ---- Trying a callback ---------------------------------------------------------------------------------------------

CALL = {
    "provider": "twilio", "kind": "status", "method": "POST", "content_type": "application/x-www-form-urlencoded",
    "body": "MessageSid=SM1&MessageStatus=undelivered&ErrorCode=30005&To=%2B12105550100", "query": "c=sms",
}  # fmt: skip


def test_a_pasted_callback_says_what_it_means_and_leaves_no_trace(admin, caplog):
    before = [model.objects.count() for model in (Receipt, Message, SeenCode, CodeAlarm)]

    with caplog.at_level("DEBUG"):
        page = admin.post("/mappings/try/", CALL)

    shown = text(page)
    assert "Undelivered" in shown
    assert "Failure class Permanent" in shown
    assert "Whose fault Recipient" in shown
    assert "Code 30005" in shown
    assert [model.objects.count() for model in (Receipt, Message, SeenCode, CodeAlarm)] == before
    assert "12105550100" not in caplog.text
    assert "no-store" in page["Cache-Control"]


def test_an_unknown_word_leads_to_its_form(admin):
    page = admin.post("/mappings/try/", CALL | {"body": CALL["body"].replace("30005", "31999")})

    assert "No code table lists it. Map it" in text(page)
    assert f"{EDIT}?table=twilio&channel=sms&kind=error&code=31999" in html.unescape(page.content.decode())


def test_a_callback_can_be_read_with_the_draft(admin):
    save(admin)

    page = admin.post("/mappings/try/", CALL | {"draft": "on"})

    assert "Failure class Temporary" in text(page)


def test_a_wrong_signature_is_said(admin):
    page = admin.post("/mappings/try/", CALL | {"secret": "not-it"})

    assert "It would not be accepted. The signature is wrong, or too old." in text(page)
    assert b"not-it" not in page.content


def test_a_right_signature_is_found_whatever_the_browser_did_to_the_line_breaks(admin):
    body = '{\n"id": "1", "channel": "sms", "status": "delivered", "occurred_at": "2026-03-04T17:00:00Z"}'
    url = "https://waybill.example.com/hooks/t/status"
    signature = hmac.new(b"s3cret", f"1.{url}.{body}".encode(), "sha256").hexdigest()
    given = {
        "provider": "sandbox", "kind": "status", "method": "POST", "content_type": "application/json", "url": url,
        "headers": f"X-Sandbox-Signature: {signature}\nX-Sandbox-Timestamp: 1", "secret": "s3cret",
    }  # fmt: skip

    page = text(admin.post("/mappings/try/", given | {"body": body.replace("\n", "\r\n")}))

    assert "would not be accepted" not in page
    assert "Evidence Carrier receipt" in page


@pytest.mark.parametrize(
    "changes",
    [
        {"body": ""}, {"body": "\x00"}, {"body": "{" * 2000, "provider": "sandbox"}, {"body": "ü" * 999},
        {"headers": "X-Odd: ünï"}, {"query": "%%%&&=;"}, {"kind": "dsn"}, {"kind": "keys"}, {"method": "GET"},
        {"content_type": "multipart/form-data"}, {"content_type": "a\r\nb"}, {"url": "not an address"},
        {"provider": "sandbox", "body": '{"id": 1, "status": [], "channel": {}}'},
        {"provider": "sandbox", "body": "[1, 2]"}, {"channel": "email"},
    ],
)  # fmt: skip
def test_whatever_is_pasted_is_answered_in_words(admin, changes):
    page = admin.post("/mappings/try/", CALL | changes)

    assert page.status_code in (200, 422)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"provider": "nobody"}, "Provider : Select a valid choice"),
        ({"headers": "fine: yes\nodd"}, "Headers : Line 2 is not of the form Name: value."),
        ({"body": "x" * 300_000}, "Body : Ensure this value has at most"),
        ({"method": "BREW"}, "Method : Select a valid choice"),
    ],
)
def test_a_form_that_cannot_be_tried_names_the_field(admin, changes, says):
    page = admin.post("/mappings/try/", CALL | changes)

    assert page.status_code == 422
    assert says in text(page)


@pytest.fixture
def stored(account, now, tables):
    message = sent(account)
    query = f"m={message.uuid}&c=sms"
    return factories.receipt(
        account, body=CALL["body"].encode(), query=query, headers={"content-type": CALL["content_type"]}, kind="status",
        state=None,
    )  # fmt: skip


def test_a_stored_receipt_is_read_anew_and_fills_the_form(admin, stored):
    page = admin.get("/mappings/try/", {"receipt": stored.pk})

    assert f"What receipt {stored.pk} says" in text(page)
    assert "Failure class Permanent" in text(page)
    assert "MessageSid=SM1" in page.content.decode()


def test_a_stored_receipt_keeps_its_addresses_to_itself_without_the_permission(login, make_user, stored):
    reader = make_user("")
    names = ["view_codemapping", "view_receipt"]
    reader.user_permissions.set(Permission.objects.filter(codename__in=names))

    page = login(user=reader).get("/mappings/try/", {"receipt": stored.pk})

    assert "2105550100" not in page.content.decode()
    assert "0100" in text(page)
    assert "Failure class Permanent" in text(page)


def test_a_stored_receipt_needs_the_permission_to_see_receipts(login, make_user, stored):
    reader = make_user("")
    reader.user_permissions.add(Permission.objects.get(codename="view_codemapping"))

    assert login(user=reader).get("/mappings/try/", {"receipt": stored.pk}).status_code == 403


@pytest.mark.parametrize("mark", ["", "x", "-1", "9" * 30, "987654321", "٣"])
def test_a_receipt_that_is_not_there_is_not_found(admin, mark):
    assert admin.get("/mappings/try/", {"receipt": mark}).status_code == 404


# ---- Routes --------------------------------------------------------------------------------------------------------

ROUTE = {
    "channel": "sms",
    "provider": "twilio",
    "country": "us",
    "carrier": "Carrier A",
    "evidence": "handed_over",
    "note": "",
}


def test_a_route_is_added_and_removed(admin):
    added = admin.post("/mappings/routes/", ROUTE, follow=True)

    rule = RouteEvidence.objects.get()
    assert (rule.country, rule.provider) == ("US", "twilio")
    assert "Carrier A Handed over to the carrier" in text(added)
    gone = admin.post(f"/mappings/routes/{rule.pk}/remove/", follow=True)
    assert "No route is listed" in text(gone)
    assert "was gone already" in text(admin.post(f"/mappings/routes/{rule.pk}/remove/", follow=True))


def test_the_same_route_twice_is_refused(admin):
    admin.post("/mappings/routes/", ROUTE)

    page = admin.post("/mappings/routes/", ROUTE | {"evidence": "assumed"})

    assert page.status_code == 422
    assert "There is a rule for exactly this route." in text(page)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"channel": "fax"}, "Channel : Select a valid choice"),
        ({"channel": ""}, "Channel : This field is required."),
        ({"country": "USA"}, "Country : Give the country as two letters"),
        ({"provider": "nobody"}, "Provider : Select a valid choice"),
        ({"carrier": "x" * 61}, "Carrier : Ensure this value has at most 60"),
        ({"evidence": "handset"}, "Select a valid choice"),
        ({"note": "x" * 201}, "Note : Ensure this value has at most 200"),
    ],
)
def test_a_route_that_makes_no_sense_names_the_field(admin, changes, says):
    page = admin.post("/mappings/routes/", ROUTE | changes)

    assert page.status_code == 422
    assert says in text(page)
    assert not RouteEvidence.objects.exists()


@pytest.mark.parametrize("pk", ["9" * 30, "0"])
def test_removing_a_route_that_never_was_is_answered_in_words(admin, pk):
    assert "was gone already" in text(admin.post(f"/mappings/routes/{pk}/remove/", follow=True))
