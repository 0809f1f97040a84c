"""Rows that are too old go each night, in portions, and a page says what is kept."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.contrib.sessions.models import Session
from django.utils import timezone

from contacts.changing import KEPT
from contacts.import_runs import is_undoable
from contacts.models import (
    AccessRecord,
    AddressChange,
    AutomaticAnswer,
    ContactImport,
    ImportChunk,
    ImportedContact,
    Reply,
)
from deliveries.ledger import tidying
from deliveries.ledger.retention import drop_old
from deliveries.models import Decision, Engagement, RetentionRun
from tests import factories

pytestmark = pytest.mark.django_db
WHERE = "/contacts/kept/"


def seen(at):
    return AccessRecord.objects.create(kind="shown", page="x", path="/x/", whole=True, at=at)


def decided(at):
    who = factories.contact()
    return Decision.objects.create(
        recipient_id=1, contact=who, at=at, by="gate", rule="x", step="none", reason="x"
    )


@pytest.fixture
def old(settings, now):
    """Three of each that are too old, and one that is not."""
    settings.ACCESS_LOG_RETENTION_DAYS = settings.DECISION_RETENTION_DAYS = 100
    for days in (300, 200, 101, 99):
        seen(now - timedelta(days=days))
        decided(now - timedelta(days=days))
    for n, days in enumerate((9, 2, 1, -1)):
        Session.objects.create(session_key=f"{n}", session_data="", expire_date=now - timedelta(days=days))


def left():
    return [model.objects.count() for model in (AccessRecord, Decision, Session)]


def test_what_is_too_old_goes_and_the_night_leaves_one_row_of_each(old, now, monkeypatch):
    monkeypatch.setattr(tidying, "CHUNK", 2)

    dropped = [drop_old(now + timedelta(minutes=n)) for n in range(3)]

    assert dropped == [6, 3, 0]
    assert left() == [1, 1, 1]
    runs = RetentionRun.objects.order_by("kind").values_list("kind", "rows", "below")
    assert list(runs) == [("access", 3, 0), ("decision", 3, 0), ("sessions", 3, 0)]
    drop_old(now + timedelta(days=2))
    assert RetentionRun.objects.filter(kind="access").count() == 2


def test_once_nothing_is_old_it_reads_no_further_than_it_could_drop(settings, now, monkeypatch):
    settings.ACCESS_LOG_RETENTION_DAYS = settings.DECISION_RETENTION_DAYS = 100
    monkeypatch.setattr(tidying, "CHUNK", 2)
    for days in (1, 1, 300):  # ids rise with time: the last one shows only how far it read
        seen(now - timedelta(days=days))
        decided(now - timedelta(days=days))

    assert drop_old(now) == 0
    assert left() == [3, 3, 0]


def test_without_a_setting_all_is_kept_but_sessions_that_ended(old, now, settings):
    settings.ACCESS_LOG_RETENTION_DAYS = settings.DECISION_RETENTION_DAYS = 0

    drop_old(now)

    assert left() == [4, 4, 1]


def test_an_address_that_was_never_confirmed_goes_and_what_was_confirmed_stays(now):
    for days, confirmed in ((29, None), (40, None), (41, now - timedelta(days=41)), (365, None)):
        AddressChange.objects.create(
            contact=factories.contact(), kind="phone", value="+12125550142", evidence="x",
            asked_at=now - timedelta(days=days), confirmed_at=confirmed,
        )  # fmt: skip
    for change in AddressChange.objects.all():
        AutomaticAnswer.objects.create(
            change=change, kind="code", match_key=change.match_key, fact=f"change {change.pk}", channel="sms",
            account_id=1, state="sent",
        )  # fmt: skip

    assert drop_old(now) == 2

    kept = AddressChange.objects.order_by("pk")
    assert [(now - one.asked_at).days for one in kept] == [29, 41]
    assert set(AutomaticAnswer.objects.values_list("change", flat=True)) == {one.pk for one in kept}
    [run] = RetentionRun.objects.all()
    assert (run.kind, run.rows) == ("changes", 2)
    assert now - run.older_than >= KEPT


def test_replies_go_once_they_are_read_and_what_was_said_goes_with_them(settings, now):
    settings.REPLY_RETENTION_DAYS = 100
    robin = factories.contact()
    for n, (days, doubtful, read) in enumerate(
        ((99, False, 0), (200, False, 0), (201, True, 0), (202, True, 1))
    ):
        at = now - timedelta(days=days)
        Reply.objects.create(
            value="+12125550142", channel="sms", text=f"Words {n}", fact=f"{n}", at=at, doubtful=doubtful,
            read_at=at if read else None, receipt_id=n,
        )  # fmt: skip
        Engagement.objects.create(
            contact=robin, receipt_id=n, channel="sms", kind="reply", text=f"Words {n}", at=at
        )

    assert drop_old(now) == 2

    assert set(Reply.objects.values_list("fact", flat=True)) == {"0", "2"}  # the last one waits to be read
    texts = Engagement.objects.order_by("pk").values_list("text", flat=True)
    assert list(texts) == ["Words 0", tidying.NOT_KEPT, "Words 2", tidying.NOT_KEPT]
    assert (run := RetentionRun.objects.get()).kind == "replies"
    assert run.rows == 2


def test_files_of_imports_go_with_what_undoes_them_unless_one_is_under_way(settings, now):
    settings.IMPORT_FILE_RETENTION_DAYS = 10
    for days, state in ((9, "done"), (11, "done"), (12, "running")):
        one = ContactImport.objects.create(
            file_name="x.csv", state=state, created_at=now - timedelta(days=days)
        )
        ImportChunk.objects.create(contact_import=one, number=1, lines=1, packed=b"x")
        who = factories.contact()
        one.people.create(contact=who, line=2, added=True, joins=True, at=one.created_at)
    drafts = ContactImport.objects.create(
        file_name="y.csv", state="draft", created_at=now - timedelta(days=1)
    )
    ImportChunk.objects.create(contact_import=drafts, number=1, lines=1, packed=b"x")

    assert drop_old(now) == 2

    assert ImportChunk.objects.count() == 3
    assert set(ImportedContact.objects.values_list("contact_import__state", flat=True)) == {"done", "running"}
    assert set(RetentionRun.objects.values_list("kind", "rows")) == {("files", 1), ("undoing", 1)}
    [stays, gone, _] = ContactImport.objects.exclude(state="draft").order_by("pk")
    assert is_undoable(stays, now)
    assert not is_undoable(gone, now)


def test_the_rail_leads_administrators_there(login):
    rail = login("admin").get("/contacts/").content.decode()
    assert f'href="{WHERE}"' in rail
    assert 'href="/contacts/access/"' in rail
    assert f'href="{WHERE}"' not in login("marketer").get("/contacts/").content.decode()


def test_runs_of_these_move_no_floor_of_receipts_and_events(old, now):
    drop_old(now)

    assert [RetentionRun.floor(kind) for kind in ("receipts", "events")] == [0, 0]


def test_the_page_says_what_is_kept_and_what_was_dropped(login, old, now):
    drop_old(now)
    page = login("admin").get(WHERE).content.decode()

    for words in ("100 days", "For ever", "ACCESS_LOG_RETENTION_DAYS", "Until they end", "Nothing so far"):
        assert words in page
    assert [login(role).get(WHERE).status_code for role in ("marketer", "support")] == [403, 403]
    assert f'href="{WHERE}"' in login("admin").get("/contacts/access/").content.decode()


def test_the_page_costs_the_same_however_much_is_kept(login, now, django_assert_max_num_queries):
    client = login("admin")
    client.get(WHERE)
    for _ in range(30):
        seen(timezone.now())

    with django_assert_max_num_queries(28):
        client.get(WHERE)


def test_empty_tables_have_no_oldest_row(login):
    assert login("admin").get(WHERE).status_code == 200
