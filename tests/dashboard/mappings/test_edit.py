"""The form of one row."""

from __future__ import annotations

import html
import re

import pytest

from deliveries.meaning import drafts, mappings
from deliveries.meaning.translation import shipped
from tests.dashboard.mappings.steps import EDIT, HTMX, NUMBER_GONE, ROW, draft, save, seen, text

pytestmark = pytest.mark.django_db


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


@pytest.mark.parametrize(
    "changes",
    [
        {"failure_class": "temporary"},
        {"failure_class": "opt_out", "status": "opted_out"},
        {"fault": "carrier"},
    ],
)
def test_a_meaning_that_was_written_for_another_outcome_is_asked_about(admin, changes):
    row = shipped().codes[NUMBER_GONE]
    kept = row._asdict() | {"code": "30005", "verified": "on"} | changes

    asked = save(admin, **kept)

    assert asked.status_code == 422
    words = "This was written for “Undelivered, Permanent, Recipient”. Write what it means now"
    assert words in text(asked)
    assert drafts.open_draft() is None
    assert save(admin, **kept, fits="on").redirect_chain == [("/mappings/draft/", 302)]
    assert draft().brought.get().meaning == row.meaning


@pytest.mark.parametrize(
    "changes", [{"meaning": "Phone off"}, {"meaning": ""}, {"name": "Other"}, {"look": "1"}]
)
def test_nobody_is_asked_about_a_meaning_that_is_new_or_an_outcome_that_stays(admin, changes):
    row = shipped().codes[NUMBER_GONE]
    outcome = {} if "name" in changes else {"failure_class": "temporary"}

    page = save(admin, **(row._asdict() | {"code": "30005", "verified": "on"} | outcome | changes))

    assert "This was written for" not in text(page)
    assert page.status_code == 200


def test_a_code_stays_as_the_provider_writes_it_from_the_list_of_unknown_ones_to_the_draft(admin, account):
    one = seen(account, native_code="LK-207")
    place = {"table": "twilio", "channel": "sms", "kind": "error", "code": "lk-207"}

    unknown = admin.get(EDIT, {**place, "seen": one.pk})
    save(admin, code="LK-207")
    again = admin.get(EDIT, place)

    assert 'value="LK-207"' in unknown.content.decode()
    assert "Map LK-207" in text(unknown)
    assert 'value="LK-207"' in again.content.decode()
    assert "What LK-207 is to mean" in text(again)
    assert "Add a code" not in text(again)
    assert "lk-207" not in text(again)


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


def shown(client, **place) -> str:
    """The mark of the row that its form begins with."""
    where = {name: ROW[name] for name in ("table", "channel", "kind", "code")} | place
    return re.search(r'name="shown" value="(\w*)"', client.get(EDIT, where).content.decode())[1]


def test_the_second_of_two_editors_is_told_what_the_first_one_saved(admin):
    before = shown(admin)
    save(admin, shown=before, failure_class="content", fault="content", meaning="Filtered")

    refused = admin.post(EDIT, ROW | {"shown": before})

    assert refused.status_code == 422
    sentence = (
        "Somebody changed this row meanwhile. In the draft it says: Undelivered, Content, Content, Filtered."
    )
    assert sentence in text(refused)
    assert "Was ported" in refused.content.decode()  # what was typed is still there
    assert draft().brought.get().meaning == "Filtered"
    again = re.search(r'name="shown" value="(\w+)"', refused.content.decode())[1]
    save(admin, shown=again)
    assert draft().brought.get().meaning == "Was ported"


def test_a_row_that_was_taken_out_meanwhile_is_said(admin):
    save(admin, code="31999")
    before = shown(admin, code="31999")
    admin.post("/mappings/draft/discard/")

    page = admin.post(EDIT, ROW | {"code": "31999", "shown": before})

    assert "Somebody took this row out meanwhile." in text(page)
    assert drafts.open_draft() is None


def test_adding_a_code_that_is_listed_already_says_what_it_means(admin):
    page = admin.post(EDIT, ROW | {"shown": ""})

    assert "There is a row for it already. In force it says: Undelivered, Permanent, Recipient" in text(page)


def test_saving_twice_is_no_quarrel_with_oneself(admin):
    before = shown(admin)
    save(admin, shown=before)

    assert save(admin, shown=before).redirect_chain == [("/mappings/draft/", 302)]


def test_two_who_begin_a_draft_at_the_same_moment_are_told(admin, monkeypatch):
    from django.db import IntegrityError

    def fails(*_, **__):
        raise IntegrityError("one_draft_of_the_mapping")

    monkeypatch.setattr(drafts, "edit", fails)

    page = admin.post(EDIT, ROW)

    assert page.status_code == 422
    assert "at the same moment. Save once more." in text(page)
