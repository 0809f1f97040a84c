"""Code tables in versions: loading, drafting, counting, publishing, undoing."""

from __future__ import annotations

from datetime import timedelta

import pytest

from contacts.models import AddressHealth, Suppression
from deliveries.ledger import statements
from deliveries.meaning import drafts, mappings
from deliveries.meaning.drafts import CannotChange
from deliveries.meaning.translation import Key, shipped
from deliveries.models import (
    CodeAlarm,
    CodeMapping,
    MappingVersion,
    PendingReceipt,
    RouteEvidence,
    SeenCode,
)
from deliveries.receiving import replay
from tests.deliveries.meaning.tables import HOUR, UNKNOWN_NUMBER, receive, sent, soften, values, work

pytestmark = pytest.mark.django_db


# ---- Tables in force ---------------------------------------------------------------------------------------


def test_the_tables_of_the_release_are_version_one(tables):
    assert (tables.number, tables.state, tables.origin) == (1, "published", "shipped")
    assert mappings.latest().codes == shipped().codes
    assert mappings.seed() == (0, 0, 0)


def test_without_tables_in_the_database_those_of_the_files_count():
    MappingVersion.objects.all().delete()

    assert mappings.latest() is shipped()


def test_a_release_leaves_alone_what_was_edited_here(tables, now, monkeypatch):
    soften(now)
    other = dict(shipped().codes)
    other[UNKNOWN_NUMBER] = other[UNKNOWN_NUMBER]._replace(meaning="Reworded")
    reworded = UNKNOWN_NUMBER._replace(code="30003")
    other[reworded] = other[reworded]._replace(meaning="Reworded")
    gone = UNKNOWN_NUMBER._replace(code="30006")
    del other[gone]
    monkeypatch.setattr(mappings, "shipped", lambda: type(shipped())(1, other))

    assert mappings.seed() == (1, 1 + 1, 1)

    codes = mappings.latest().codes
    assert codes[UNKNOWN_NUMBER].failure_class == "temporary"
    assert codes[reworded].meaning == "Reworded"
    assert gone not in codes


def test_a_release_that_comes_while_there_is_a_draft_goes_before_it(tables, now, monkeypatch):
    drafts.edit(UNKNOWN_NUMBER, values(failure_class="temporary"), None)
    other = dict(shipped().codes)
    other.pop(UNKNOWN_NUMBER._replace(code="30006"))
    monkeypatch.setattr(mappings, "shipped", lambda: type(shipped())(1, other))

    mappings.seed()

    draft = drafts.open_draft()
    assert (draft.number, draft.brought.count()) == (3, 1)
    assert mappings.latest().codes[UNKNOWN_NUMBER].failure_class == "permanent"
    drafts.publish(draft, note="", by=None, now=now)
    mappings.forget()
    assert mappings.latest().codes[UNKNOWN_NUMBER].failure_class == "temporary"
    assert mappings.latest().version == 3


# ---- Drafts ------------------------------------------------------------------------------------------------


def test_a_draft_changes_nothing_until_it_is_published(tables, now):
    row = drafts.edit(UNKNOWN_NUMBER, values(failure_class="temporary"), None)

    assert mappings.latest().codes == shipped().codes
    (change,) = drafts.changes(drafts.open_draft())
    assert (change.before.failure_class, change.after) == ("permanent", row)


def test_a_row_edited_twice_stands_once_in_the_draft(tables):
    drafts.edit(UNKNOWN_NUMBER, values(failure_class="temporary"), None)
    drafts.edit(UNKNOWN_NUMBER, values(failure_class="content"), None)

    assert drafts.open_draft().brought.get().failure_class == "content"


def test_dropping_the_last_row_ends_the_draft(tables):
    drafts.drop(drafts.edit(UNKNOWN_NUMBER, values(), None))

    assert drafts.open_draft() is None
    assert CodeMapping.objects.count() == len(shipped().codes)


def test_what_is_published_can_be_neither_dropped_discarded_nor_published_again(tables, now):
    version = soften(now)

    for act in (
        lambda: drafts.drop(version.brought.get()),
        lambda: drafts.discard(version),
        lambda: drafts.publish(version, note="", by=None, now=now),
        lambda: replay.start_preview(version, now),
    ):
        with pytest.raises(CannotChange):
            act()


def test_undoing_restores_the_row_and_keeps_the_history(tables, now):
    version = soften(now)

    back = drafts.undo(version, by=None, now=now)
    mappings.forget()

    assert mappings.latest().codes == shipped().codes
    assert (back.number, back.undoes) == (3, version)
    assert mappings.rows(2) is not None
    assert dict(mappings.rows(2))[UNKNOWN_NUMBER].failure_class == "temporary"


def test_undoing_a_new_code_takes_it_out_again(tables, now):
    key = Key("twilio", "sms", "error", "31999")
    drafts.edit(key, values(code="31999"), None)
    version = drafts.open_draft()
    drafts.publish(version, note="", by=None, now=now)
    mappings.forget()
    assert key in mappings.latest().codes

    drafts.undo(version, by=None, now=now)
    mappings.forget()

    assert key not in mappings.latest().codes


def test_what_stands_in_the_way_of_an_undo_is_named(tables, now):
    first = soften(now)
    drafts.edit(UNKNOWN_NUMBER, values(failure_class="content"), None)
    with pytest.raises(CannotChange, match="draft"):
        drafts.undo(first, by=None, now=now)
    drafts.publish(drafts.open_draft(), note="", by=None, now=now)

    with pytest.raises(CannotChange, match="twilio 30005 was changed again by version 3"):
        drafts.undo(first, by=None, now=now)
    with pytest.raises(CannotChange, match="only what was edited here"):
        drafts.undo(tables, by=None, now=now)


# ---- What was seen -----------------------------------------------------------------------------------------


def test_words_are_counted_with_an_example_and_their_first_and_last_time(tables, account, now):
    for hour, code in ((0, "30003"), (1, "30003"), (2, "")):
        message = sent(account)
        receive(message, now + hour * HOUR, "undelivered", code)
        work(now + hour * HOUR)

    row = SeenCode.objects.get(native_code="30003")
    assert (row.n, row.first_seen_at, row.last_seen_at) == (2, now, now + HOUR)
    assert row.receipt_id
    assert SeenCode.objects.count() == 2


def test_an_undo_that_makes_a_code_unknown_again_raises_its_alarm_again(tables, account, now):
    receive(sent(account), now, "undelivered", "31999")
    work(now)
    drafts.edit(Key("twilio", "sms", "error", "31999"), values(), None)
    version = MappingVersion.objects.get(state="draft")
    drafts.publish(version, note="", by=None, now=now + HOUR)
    version.refresh_from_db()
    assert not CodeAlarm.objects.filter(closed_at=None).exists()

    drafts.undo(version, by=None, now=now + 2 * HOUR)

    again = CodeAlarm.objects.get(closed_at=None)
    assert (again.kind, again.code, again.raised_at) == ("unknown", "31999", now + 2 * HOUR)
    assert again.sentence == CodeAlarm.objects.exclude(pk=again.pk).get().sentence


def test_tables_that_make_a_status_and_a_code_contradict_raise_an_alarm(tables, account, now):
    receive(sent(account), now, "delivered", "31999")
    work(now)
    drafts.edit(Key("twilio", "sms", "error", "31999"), values(), None)

    drafts.publish(MappingVersion.objects.get(state="draft"), note="", by=None, now=now + HOUR)

    assert [(one.kind, one.code) for one in CodeAlarm.objects.filter(closed_at=None)] == [
        ("contradiction", "31999")
    ]


def test_a_code_that_is_new_on_a_settled_account_raises_an_alarm_once(tables, account, now):
    receive(sent(account), now, "delivered")
    work(now)
    assert not CodeAlarm.objects.exists()  # everything is new at first
    for day in (8, 9):
        receive(sent(account), now + timedelta(days=day), "undelivered", "30006")
        work(now + timedelta(days=day))

    alarm = CodeAlarm.objects.get()
    assert (alarm.kind, alarm.code) == ("new", "30006")
    assert "for the first time" in alarm.sentence


def test_a_status_and_a_code_that_contradict_each_other_raise_an_alarm(tables, account, now):
    receive(sent(account), now, "delivered", "30005")
    work(now)

    assert CodeAlarm.objects.get().kind == "contradiction"


def test_an_unknown_code_never_moves_a_contacts_counters(tables, account, now):
    for _ in range(3):
        receive(sent(account), now, "undelivered", "31999")
        work(now)

    assert not AddressHealth.objects.filter(hard_fails__gt=0).exists()
    assert not Suppression.objects.exists()


# ---- Evidence of routes ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rule", "evidence"),
    [
        ({"country": "US"}, "handed_over"),
        ({"country": "DE"}, "carrier"),
        ({"carrier": "Carrier A"}, "handed_over"),
        ({"carrier": "carrier a", "country": "us"}, "handed_over"),
        ({"provider": "telnyx"}, "carrier"),
        ({"provider": "twilio", "evidence": "assumed"}, "assumed"),
    ],
)
def test_a_route_without_handset_receipts_proves_less(account, now, rule, evidence):
    RouteEvidence.objects.create(channel="sms", **rule)
    message = sent(account, region="US-TX", carrier="Carrier A")
    receive(message, now, "delivered")
    work(now)

    message.refresh_from_db()
    assert (message.status, message.evidence) == ("delivered", evidence)


def test_the_most_particular_route_counts(account, now):
    RouteEvidence.objects.create(channel="sms", country="US", evidence="assumed")
    RouteEvidence.objects.create(channel="sms", country="US", carrier="Carrier A", evidence="handed_over")
    message = sent(account, region="US-TX", carrier="Carrier A")
    receive(message, now, "delivered")
    work(now)

    message.refresh_from_db()
    assert message.evidence == "handed_over"
    assert not PendingReceipt.objects.exists()
    assert statements.reproject([message.pk], now) == []
