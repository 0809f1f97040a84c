"""Who was shown whole addresses, and who took out a file, is on record; no address is."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.utils import timezone

from contacts.models import AccessRecord, ContactImport, Reply, Suppression
from contacts.suppressing import suppress
from dashboard import urls
from tests import factories, reporting_rows
from tests.lint import ROOT

pytestmark = pytest.mark.django_db
NUMBER, EMAIL = "+12125550142", "robin@example.com"
WHERE = "/contacts/access/"


@pytest.fixture
def robin():
    made = factories.contact(name="Robin")
    factories.phone(made, value=NUMBER)
    factories.email(made, value=EMAIL)
    suppress(value=NUMBER, reason="staff", origin="staff", evidence="x", now=timezone.now())
    return made


def records(**fields):
    return list(AccessRecord.objects.filter(**fields).order_by("pk"))


def read(answer):
    return b"".join(answer.streaming_content) if answer.streaming else answer.content


def test_a_page_with_whole_addresses_leaves_a_row(login, robin):
    client = login("support")

    for path in (f"/contacts/{robin.pk}/", "/contacts/?q=%2B12125550142", "/suppressions/?channel=sms"):
        assert client.get(path).status_code == 200

    assert [(one.page, one.path, one.filter, one.contact_number) for one in records()] == [
        ("contacts:trail", f"/contacts/{robin.pk}/", "", robin.pk),
        ("contacts:search", "/contacts/", "q: …", None),
        ("suppressions:list", "/suppressions/", "channel: sms", None),
    ]
    assert {(one.by, one.kind, one.whole) for one in records()} == {(client.user, "shown", True)}


@pytest.mark.parametrize("name", ["x", "chan\0nel", NUMBER, f"x {EMAIL}"])
def test_whatever_stands_in_the_address_of_a_page_neither_fails_nor_is_an_address(login, robin, name):
    answer = login("support").get("/suppressions/", {name: f"\0{NUMBER} a\0b {EMAIL}"})

    assert answer.status_code == 200
    [row] = records()
    assert "a" in row.filter
    for secret in ("\0", NUMBER[2:], EMAIL):
        assert secret not in row.filter


def test_the_same_page_again_is_the_same_row_for_a_while(login, robin):
    client, other = login("support"), login("support")
    path = f"/contacts/{robin.pk}/"

    for each in (client, client, other):
        each.get(path)
    AccessRecord.objects.filter(by=client.user).update(at=timezone.now() - timedelta(minutes=11))
    client.get(path)

    assert [one.by for one in records()] == [client.user, other.user, client.user]


def test_a_day_in_a_filter_stays_and_a_number_does_not(login, robin):
    login("support").get("/suppressions/", {"week": "2026-11-02", "state": "212-555-0142"})

    assert "week: 2026-11-02" in records()[0].filter
    assert "0142" in records()[0].filter
    assert "212-555" not in records()[0].filter


def a_reply(text):
    return Reply.objects.create(value=NUMBER, match_key=NUMBER, channel="sms", text=text, at=timezone.now())


def test_replies_are_on_record_where_one_contains_an_address(login, robin):
    client = login("support")
    reply = a_reply("Please stop by")

    client.get("/inbox/all/"), client.get(f"/inbox/{reply.pk}/answer/")
    assert records() == []

    Reply.objects.update(text=f"Write to {EMAIL}")
    client.get("/inbox/all/"), client.get(f"/inbox/{reply.pk}/answer/")
    assert [one.page for one in records()] == ["inbox:all", "inbox:answer"]


def test_who_sees_masked_addresses_leaves_none(login, robin):
    client = login("marketer")

    for path in (f"/contacts/{robin.pk}/", "/contacts/", "/suppressions/", "/queues/"):
        assert client.get(path).status_code == 200
    login("admin").head(f"/contacts/{robin.pk}/")

    assert records() == []


def test_the_admin_s_lists_and_records_count_as_well(login, robin):
    client = login(user=factories.user("admin", is_staff=True))
    address = robin.addresses.get(kind="phone")

    client.get("/admin/contacts/address/")
    client.get(f"/admin/contacts/address/{address.pk}/change/")
    client.get("/admin/contacts/contactlist/")

    assert [one.path for one in records()] == [
        "/admin/contacts/address/", f"/admin/contacts/address/{address.pk}/change/",
    ]  # fmt: skip


# ---- Files -------------------------------------------------------------------------------------------------------


def an_import(by):
    return ContactImport.objects.create(file_name="people.csv", created_by=by, titles=["phone"], state="done")


EXPORTS = {
    "campaigns:export": lambda robin, by: f"/campaigns/{reporting_rows.campaign([3]).slug}/export/",
    "contacts:export": lambda robin, by: f"/contacts/{robin.pk}/export/",
    "contacts:export_data": lambda robin, by: f"/contacts/{robin.pk}/privacy/export/",
    "contacts:import_refused": lambda robin, by: f"/contacts/import/{an_import(by).pk}/refused/",
    "deliveries:export": lambda robin, by: "/queues/retry/export/",
    "suppressions:export": lambda robin, by: "/suppressions/export/?s=%2B12125550142",
}


@pytest.mark.parametrize("name", EXPORTS)
def test_each_file_leaves_a_row_with_its_size(login, robin, name):
    client = login("admin")
    path = EXPORTS[name](robin, client.user)
    post = name == "contacts:export_data"

    body = read(client.post(path) if post else client.get(path))

    [row] = records(kind="exported")
    assert (row.page, row.by, row.whole) == (name, client.user, True)
    assert row.rows == (None if post else body.count(b"\r\n") - 1)
    assert EMAIL not in row.filter
    assert NUMBER[2:] not in row.filter


def test_a_file_with_masked_addresses_is_on_record_too(login, robin):
    client = login("marketer")

    body = read(client.get("/suppressions/export/"))

    [row] = records()
    assert (row.kind, row.whole, row.rows) == ("exported", False, Suppression.objects.count())
    assert NUMBER.encode() not in body


def test_who_breaks_off_is_on_record(login, robin):
    answer = login("admin").get("/suppressions/export/")
    next(iter(answer.streaming_content))

    assert [one.kind for one in records()] == ["exported"]


def test_every_page_that_hands_out_a_file_is_tried_above():
    """A new one: add it to EXPORTS. It is on record by its header, whatever its view does."""
    makers = {
        path.relative_to(ROOT).as_posix()
        for room in ("accounts", "campaigns", "config", "contacts", "dashboard", "deliveries", "public")
        for path in (ROOT / room).rglob("*.py")
        if re.search(r"Content-Disposition|FileResponse|as_attachment", path.read_text())
    }
    named = {
        f"{space}:{path.name}"
        for space, pages in (
            ("campaigns", urls.campaign_pages), ("contacts", urls.contact_pages), ("deliveries", urls.delivery_pages),
            ("suppressions", urls.suppression_pages), ("inbox", urls.inbox_pages), ("mappings", urls.mapping_pages),
        )
        for path in pages
        if re.search(r"export|refused|download|file", path.name)
    }  # fmt: skip

    # Pictures and recordings of campaigns are what everybody gets, and say nothing of a person.
    assert makers - {"contacts/access_log.py", "public/media.py"} == {
        "dashboard/exports.py", "dashboard/contacts/imports.py", "dashboard/contacts/privacy.py",
        "dashboard/contacts/views.py", "dashboard/suppressions/views.py",
    }  # fmt: skip
    assert named == set(EXPORTS)


def test_whether_addresses_are_whole_is_asked_in_one_place():
    """Where the permission is asked otherwise, whoever sees the addresses leaves no row."""
    asking = {
        path.relative_to(ROOT).as_posix(): len(found)
        for room in ("campaigns", "config", "contacts", "dashboard", "deliveries", "public")
        for path in (ROOT / room).rglob("*.py")
        if "migrations" not in path.parts and (found := re.findall(r'view_full_address"', path.read_text()))
    }

    # The permission itself, the one place, and two views that are for nobody else and say so.
    assert asking == {
        "contacts/models/people.py": 1, "contacts/access_log.py": 1, "dashboard/contacts/privacy.py": 1,
        "dashboard/contacts/views.py": 1,
    }  # fmt: skip


# ---- The page ----------------------------------------------------------------------------------------------------


def a_record(by, **fields):
    given = {
        "kind": "shown",
        "page": "contacts:trail",
        "path": "/contacts/7/",
        "whole": True,
        "at": timezone.now(),
    }
    return AccessRecord.objects.create(**{**given, "by": by, **fields})


def test_pages_and_filters_are_named_in_words(login):
    client = login("admin")
    for page, narrowed in (
        ("suppressions:list", "reason: hard_fails, s: …"), ("contacts:search", "first_import: 7"),
        ("inbox:list", ""),
        ("suppressions:release_mistakes", ""), ("admin:contacts_address_changelist", "is_current__exact: 1"),
        ("admin:nothing_such_change", "a"),
    ):  # fmt: skip
        a_record(client.user, page=page, path="/x/", filter=narrowed)

    shown = client.get(f"{WHERE}?kind=shown").content.decode()

    for words in (f"Reason: {Suppression.Reason.HARD_FAILS.label}, Search: …", "First import: 7", "Replies to read",
                  "Releasing suppressions by mistake", "Admin: addresses"):  # fmt: skip
        assert words in shown, words
    assert "hard_fails" not in shown
    assert "a look-up is on record without whose" in client.get(f"{WHERE}?contact=7").content.decode()


def test_the_filters_unfold_on_a_phone(login):
    page = login("admin").get(WHERE).content.decode()

    form = page.split('<form class="filters"')[1].split("</form>")[0]
    assert "data-fold" in form


def test_administrators_alone_see_the_records(login):
    assert login("admin").get(WHERE).status_code == 200
    assert [login(role).get(WHERE).status_code for role in ("marketer", "support")] == [403, 403]


def test_the_records_are_narrowed_and_paged(login):
    client, ada = login("admin"), factories.user("support", first_name="Ada", last_name="Byron")
    now = timezone.now()
    for n in range(60):
        a_record(client.user, path=f"/campaigns/c{n}/", at=now - timedelta(minutes=n))
    a_record(ada, kind="exported", path="/suppressions/export/", rows=1234, at=now - timedelta(days=40))
    day = timezone.localdate(now - timedelta(days=40)).isoformat()

    def shown(query):
        page = client.get(WHERE + query).content.decode()
        return re.findall(r"/(?:campaigns/c\d+|suppressions/export)/", page), page

    first, page = shown("")
    older, _ = shown("?" + re.search(r"after=[\w-]+", page)[0])
    assert (len(first), len(older)) == (50, 11)
    assert "61 records" in page
    for query in (f"?by={ada.pk}", "?kind=exported", f"?until={day}", f"?since={day}&until={day}"):
        found, page = shown(query)
        assert found == ["/suppressions/export/"], query
        assert "Ada Byron" in page
        assert "1,234" in page
    assert shown("?contact=7")[0] == []


@pytest.mark.parametrize(
    "query",
    ["by=x", "kind=x", "since=x", "since=0001-01-01", "until=9999-12-31", "contact=x", "contact=0", f"contact={2**63}",
     "since=2026-02-02&until=2026-01-01", "by=99999999999999999999"],
    ids=str,
)  # fmt: skip
def test_bad_filters_are_refused_in_words(login, query):
    answer = login("admin").get(f"{WHERE}?{query}")

    assert answer.status_code == 422
    assert "These filters do not work" in answer.content.decode()


def test_the_page_asks_as_many_queries_for_one_record_as_for_fifty(login, django_assert_num_queries):
    client = login("admin")
    client.get(WHERE)

    def queries():
        with django_assert_num_queries(12):
            client.get(WHERE)

    a_record(client.user)
    queries()
    for _ in range(49):
        a_record(factories.user())
    queries()


def test_records_are_neither_added_nor_changed_nor_deleted_in_the_admin(client):
    root = factories.user(is_staff=True, is_superuser=True)
    client.force_login(root)
    row = a_record(root)

    answers = [client.get(f"/admin/contacts/accessrecord/{each}") for each in ("", f"{row.pk}/change/")]
    refused = [
        client.post(f"/admin/contacts/accessrecord/{each}")
        for each in ("add/", f"{row.pk}/change/", f"{row.pk}/delete/")
    ]

    assert [each.status_code for each in answers] == [200, 200]
    assert [each.status_code for each in refused] == [403, 403, 403]


def test_the_page_is_reached_from_the_contacts_and_from_somebody_s_privacy_page(login, robin):
    client = login("admin")

    assert f'href="{WHERE}"' in client.get("/contacts/").content.decode()
    assert (
        f'href="{WHERE}?contact={robin.pk}"' in client.get(f"/contacts/{robin.pk}/privacy/").content.decode()
    )
    assert WHERE not in login("support").get("/contacts/").content.decode()
