"""The admin: every list opens with few queries, and the record cannot be touched."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest
from django.contrib import admin
from django.contrib.auth.models import Permission
from django.contrib.messages import get_messages
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from campaigns.models import Campaign
from contacts.admin import CappedPaginator
from contacts.models import ListMembership, Suppression
from deliveries.models import Account, Heartbeat, Message, PendingReceipt, Receipt, StatusEvent
from deliveries.statuses import Status
from tests import factories
from tests.admin.forms import url

pytestmark = pytest.mark.django_db


OURS = [model for model in admin.site._registry if model._meta.app_label in ("campaigns", "deliveries")]
CHANGEABLE = {"brand", "campaign", "sender", "playbook", "price", "account", "route"}
RECORD = [model for model in OURS if model._meta.model_name not in CHANGEABLE]


def by_id(model):
    return model._meta.model_name


@pytest.mark.parametrize("model", OURS, ids=by_id)
def test_every_list_opens(model, client, root):
    factories.message()

    assert client.get(url(model, "changelist")).status_code == 200


def test_times_are_written_as_on_other_pages_with_their_zone(client, root):
    Account.objects.filter(pk=factories.account().pk).update(
        paused_until=datetime(2026, 12, 1, 9, 5, tzinfo=UTC)
    )

    assert "1 Dec 2026, 09:05 UTC" in client.get(url(Account, "changelist")).content.decode()


def test_records_are_named_in_plain_words(client, root):
    page = client.get(reverse("admin:index")).content.decode()

    for name in ("Unprocessed messages", "Outbox", "Counts by carrier", "At-risk addresses", "Worker status"):
        assert f">{name}</a>" in page
    for name in ("Status changes", "tallies", "Heartbeat", "Tally"):
        assert name not in page


@pytest.mark.parametrize("model", [Message, Receipt, PendingReceipt, Campaign, Account], ids=by_id)
def test_a_list_takes_as_many_queries_for_many_rows_as_for_one(model, client, root):
    def make():
        factories.receipt()
        return factories.message()

    def queries():
        with CaptureQueriesContext(connection) as asked:
            client.get(url(model, "changelist"))
        return len(asked)

    make()
    queries()  # content types are looked up once and kept
    with_one = queries()
    for _ in range(5):
        make()

    assert queries() == with_one


def test_each_error_of_a_form_leads_to_its_field(client, root):
    given = {
        "name": "", "lists": [], "starts_at_0": "never", "window_start": "x",
        "contents-TOTAL_FORMS": "1", "contents-INITIAL_FORMS": "0",
        "contents-0-channel": "nothing", "contents-0-body": "Hello",
    }  # fmt: skip

    page = client.post("/admin/campaigns/campaign/add/", given).content.decode()

    summary = page.partition('class="errors-summary"')[2].partition("</ul>")[0]
    led_to = re.findall(r'href="#([^"]+)"', summary)
    assert {"id_name", "id_starts_at_0", "id_window_start", "id_contents-0-channel"} <= set(led_to)
    assert [one for one in led_to if f'id="{one}"' not in page] == []


def test_a_list_counts_no_further_than_its_cap(monkeypatch):
    monkeypatch.setattr(CappedPaginator, "CAP", 2)
    for _ in range(3):
        factories.receipt()

    paginator = CappedPaginator(Receipt.objects.order_by("-pk"), 50)

    assert paginator.count == 2


@pytest.mark.parametrize(
    ("rows", "says"),
    [(1, "1 suppression "), (999, "999 suppressions "), (1_000, "1,000 or more suppressions ")],
)
@pytest.mark.parametrize("query", [{}, {"reason__exact": "staff"}])
def test_a_list_that_counted_no_further_says_so_wherever_it_tells_how_many(
    client, root, monkeypatch, rows, says, query
):
    monkeypatch.setattr(CappedPaginator, "CAP", 1_000)
    Suppression.objects.bulk_create(
        Suppression(value=f"a{n}@example.com", reason="staff", origin="staff") for n in range(rows)
    )

    page = " ".join(client.get(url(Suppression, "changelist"), query).content.decode().split())

    assert f"{says}</p>" in page
    assert ("1,000 or more results" in page) == (rows == 1_000)
    assert ("Select all 1,000 or more suppressions" in page) == (rows == 1_000)
    assert "1000 " not in page


@pytest.mark.parametrize("model", RECORD, ids=by_id)
@pytest.mark.parametrize("page", ["changelist", "add"])
def test_nothing_is_added_to_the_record(page, model, client, root):
    response = client.post(url(model, "add"), {}) if page == "add" else client.get(url(model, page))

    if page == "add":
        assert response.status_code == 403
    else:
        assert url(model, "add") not in response.content.decode()


@pytest.mark.parametrize("model", [Message, Receipt, PendingReceipt], ids=by_id)
def test_the_record_is_neither_changed_nor_deleted(model, client, root):
    factories.message()
    factories.receipt()
    row = model.objects.get()

    shown = client.get(url(model, "change", row.pk))
    changed = client.post(url(model, "change", row.pk), {"state": "dead", "status": "delivered"})
    deleted = client.post(url(model, "delete", row.pk), {"post": "yes"})

    assert shown.status_code == 200
    assert 'name="_save"' not in shown.content.decode()
    assert changed.status_code == deleted.status_code == 403
    assert model.objects.filter(pk=row.pk).exists()


def test_a_message_is_found_by_each_of_its_names(client, root):
    message = factories.message(provider_message_id="SM1234")
    factories.message()

    for name in (str(message.uuid), "SM1234", str(message.pk)):
        page = client.get(url(Message, "changelist"), {"q": name})
        assert message in page.context["cl"].result_list, name
    assert not client.get(url(Message, "changelist"), {"q": "nobody"}).context["cl"].result_list


@pytest.mark.parametrize("term", ["", "12", "abc", "9" * 30, "9" * 5_000, "\x00"])
def test_a_search_for_anything_gets_an_answer(term, client, root):
    for model in (Message, Receipt, PendingReceipt):
        assert client.get(url(model, "changelist"), {"q": term}).status_code == 200


@pytest.mark.parametrize("mark", ["x", "9" * 30, "9" * 5_000])
def test_a_filter_by_a_campaign_that_cannot_be_gets_an_answer(mark, client, root):
    factories.campaign()

    assert client.get(url(Message, "changelist"), {"campaign": mark}).status_code == 200


def test_a_message_shows_what_was_said_about_it(client, root):
    message = factories.message()
    receipt = factories.receipt()
    StatusEvent.objects.create(
        message_id=message.pk,
        fact=1,
        receipt_id=receipt.pk,
        status=Status.UNDELIVERED,
        precedence=1,
        failure_class="temporary",
        fault="carrier",
        evidence="carrier",
        native_code="30003",
        native_text="<b>unreachable</b>",
        occurred_at=message.created_at,
        recorded_at=message.created_at,
    )

    html = client.get(url(Message, "change", message.pk)).content.decode()

    assert "30003" in html
    assert "&lt;b&gt;unreachable" in html
    assert url(Receipt, "change", receipt.pk) in html


def test_messages_and_receipts_keep_addresses_from_those_who_may_not_see_them(client):
    message = factories.message(address=factories.phone(value="+15125550142"))
    receipt = factories.receipt(body=b"to=+15125550142", query="to=15125550142", headers={"x": "5125550142"})
    StatusEvent.objects.create(
        message_id=message.pk,
        fact=1,
        receipt_id=receipt.pk,
        status=Status.UNDELIVERED,
        precedence=1,
        failure_class="temporary",
        fault="carrier",
        evidence="carrier",
        native_code="30003",
        native_text="+15125550142 is away",
        occurred_at=message.created_at,
        recorded_at=message.created_at,
    )
    reader = factories.user(is_staff=True)
    reader.user_permissions.add(
        *Permission.objects.filter(codename__in=["view_message", "view_receipt", "view_address"])
    )
    client.force_login(reader)

    pages = [client.get(url(type(row), "change", row.pk)).content.decode() for row in (message, receipt)]

    assert "+1 ••• ••• 0142" in pages[0]
    assert "30003" in pages[0]
    assert not any("5125550142" in page for page in pages)


def test_a_receipt_shows_its_body_as_text_whatever_is_in_it(client, root):
    receipt = factories.receipt(
        body=b'<script>alert("x")</script>\xff', headers={"content-type": "text/plain"}
    )

    html = client.get(url(Receipt, "change", receipt.pk)).content.decode()

    assert "<script>alert" not in html
    assert "&lt;script&gt;" in html
    assert "\\xff" in html


def test_dead_letters_are_tried_again_and_others_left_alone(client, root):
    dead = factories.receipt(state="dead")
    parked = factories.receipt(state="parked")
    PendingReceipt.objects.update(attempts=7, reason="No such message.")
    chosen = {"action": "try_again", "_selected_action": [dead.pk, parked.pk]}

    response = client.post(url(PendingReceipt, "changelist"), chosen)

    again = PendingReceipt.objects.get(pk=dead.pk)
    assert (again.state, again.attempts, again.not_before, again.reason) == ("new", 0, None, "")
    assert PendingReceipt.objects.get(pk=parked.pk).state == "parked"
    assert [str(message) for message in get_messages(response.wsgi_request)] == [
        "1 dead letter will be tried again."
    ]


def test_an_administrator_tries_dead_letters_again_and_changes_nothing_else(login):
    administrator = login(user=factories.user("admin", is_staff=True))
    dead, other = factories.receipt(state="dead"), factories.receipt(state="dead")

    administrator.post(
        url(PendingReceipt, "changelist"), {"action": "try_again", "_selected_action": [dead.pk]}
    )
    changed = administrator.post(url(PendingReceipt, "change", other.pk), {"state": "new"})

    assert PendingReceipt.objects.get(pk=dead.pk).state == "new"
    assert changed.status_code == 403
    assert PendingReceipt.objects.get(pk=other.pk).state == "dead"


def test_who_may_only_look_cannot_try_dead_letters_again(login):
    reader = factories.user(is_staff=True)
    reader.user_permissions.add(Permission.objects.get(codename="view_pendingreceipt"))
    viewer = login(user=reader)
    dead = factories.receipt(state="dead")

    viewer.post(url(PendingReceipt, "changelist"), {"action": "try_again", "_selected_action": [dead.pk]})

    assert PendingReceipt.objects.get(pk=dead.pk).state == "dead"


# ---- The shell -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("page", ["admin:index", "admin:password_change"])
def test_admin_pages_have_our_navigation_and_theme(page, client, root):
    html = client.get(reverse(page)).content.decode()

    assert 'class="rail"' in html
    assert "css/tokens.css" in html
    assert "css/admin.css" in html


def test_the_log_in_page_is_themed_and_shows_no_navigation(client):
    html = client.get(reverse("admin:login")).content.decode()

    assert "css/admin.css" in html
    assert 'class="rail"' not in html


@pytest.mark.parametrize("model", [Campaign, Account, Message, ListMembership], ids=by_id)
def test_lists_have_no_inline_script_or_style(model, client, root):
    html = client.get(url(model, "changelist")).content.decode()

    assert "<style" not in html
    assert " style=" not in html


def test_each_process_is_listed_with_what_it_did_last_and_whether_it_hangs(login):
    now = timezone.now()
    factories.heartbeat("send", host="mail-2", pid=4711, step="send", at=now - timedelta(minutes=9))
    factories.heartbeat("record", host="mail-1", pid=4712, step="fold", at=now)
    factories.heartbeat("rest", host="mail-1", pid=4713, step="", at=now - timedelta(hours=2))

    administrator = login(user=factories.user("admin", is_staff=True))
    page = administrator.get(url(Heartbeat, "changelist")).content.decode()

    rows = [row for row in page.split("<tr") if "mail-" in row]
    states = {pid: next(row for row in rows if pid in row) for pid in ("4711", "4712", "4713")}
    assert "mail-2" in states["4711"]
    assert "Silent for 9" in states["4711"]
    assert "At work" in states["4712"]
    assert "Waits for a task" in states["4713"]
