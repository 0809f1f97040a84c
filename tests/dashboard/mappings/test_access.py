"""Who may open the mapping pages, and act on them."""

from __future__ import annotations

import re

import pytest
from django.contrib.auth.models import Permission

from deliveries.meaning import drafts
from tests.dashboard.mappings.steps import EDIT, NUMBER_GONE, ROW, alarm, seen
from tests.deliveries.meaning.tables import values

pytestmark = pytest.mark.django_db


PAGES = [
    "/mappings/", "/mappings/codes/", EDIT, "/mappings/draft/", "/mappings/versions/1/", "/mappings/versions/1/undo/",
    "/mappings/try/", "/mappings/routes/", "/mappings/backscatter/",
]  # fmt: skip
ACTS = [
    "/mappings/alarms/close/", EDIT, "/mappings/draft/remove/", "/mappings/draft/discard/", "/mappings/draft/count/",
    "/mappings/draft/publish/", "/mappings/versions/1/undo/", "/mappings/try/", "/mappings/routes/",
    "/mappings/routes/1/remove/",
]  # fmt: skip


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
    drafts.edit(NUMBER_GONE, values(failure_class="temporary"), None)

    assert b"Give it a meaning" not in client.get("/mappings/").content
    assert b'<form method="post" action="/mappings' not in client.get("/mappings/").content
    assert b"Publish</button>" not in client.get("/mappings/draft/").content
    assert client.post(EDIT, ROW).status_code == 403
    assert client.post("/mappings/draft/publish/", {"note": "x"}).status_code == 403
