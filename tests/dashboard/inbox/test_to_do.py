"""Replies that ask something of a colleague: found as they come in, taken, done, and opened again."""

from __future__ import annotations

import re

import pytest
from django.utils import timezone

from contacts.models import Reply
from deliveries.receiving import inbox
from tests import factories
from tests.dashboard.inbox.test_all_replies import reply

pytestmark = pytest.mark.django_db
URL = "/inbox/to-do/"


def shown(client, query=""):
    page = client.get(f"{URL}?{query}").content.decode()
    return [int(found) for found in re.findall(r'id="reply-(\d+)"', page)]


def test_each_kind_has_its_filter_and_what_is_done_its_own(login):
    client = login("support")
    call, who = reply(asks="call"), reply(asks="who")
    done = reply(asks="wrong", done_at=timezone.now(), done_by=client.user)
    mine = reply(asks="call", owner=client.user)
    reply(text="Thanks")

    assert shown(client) == [mine.pk, who.pk, call.pk]
    assert shown(client, "asks=who") == [who.pk]
    assert shown(client, "work=mine") == [mine.pk]
    assert shown(client, "work=nobody") == [who.pk, call.pk]
    assert shown(client, "work=done") == [done.pk]
    assert client.get(f"{URL}?work=never").status_code == 422
    tabs = client.get("/inbox/").content.decode()
    assert re.search(r'href="/inbox/to-do/"[^>]*>\s*To do <span class="badge">3<', tabs)


def test_one_takes_it_another_cannot_and_whoever_did_it_says_so(login):
    ada, bob = login("support"), login(user=factories.user("marketer"))
    one = reply(asks="call")
    act = f"/inbox/{one.pk}/to-do/"

    ada.post(act, {"act": "take"})
    bob.post(act, {"act": "take"})
    one.refresh_from_db()
    assert one.owner == ada.user

    bob.post(act, {"act": "back"})
    one.refresh_from_db()
    assert one.owner == ada.user

    assert ada.post(act, {"act": "done", "next": f"{URL}?asks=call"}).url == f"{URL}?asks=call"
    one.refresh_from_db()
    assert one.done_by == ada.user
    assert inbox.count_to_do() == inbox.count_waiting() == 0
    ada.post(act, {"act": "reopen"})
    assert inbox.count_to_do() == inbox.count_waiting() == 1


@pytest.mark.parametrize("given", [{}, {"act": "fly"}, {"act": "done"}])
def test_what_asks_for_nothing_is_no_work(login, given):
    one = reply()
    client = login("support")

    answer = client.post(f"/inbox/{one.pk}/to-do/", given, follow=True)

    assert "Nothing was changed" in answer.content.decode()
    assert Reply.objects.get().done_at is None


def test_whoever_may_not_answer_reads_only(login):
    client = login()
    assert client.get(URL).status_code == 403
    assert client.post(f"/inbox/{reply(asks='call').pk}/to-do/", {"act": "done"}).status_code == 403


def test_an_opt_out_ends_what_was_asked_but_for_the_wrong_person(login):
    by = factories.user("admin")
    call, wrong = reply(asks="call", doubtful=True), reply("+12125550143", asks="wrong", doubtful=True)

    for one in (call, wrong):
        inbox.judge(one.pk, "opt_out", "", by=by, now=timezone.now())

    assert list(Reply.objects.to_do()) == [wrong]


def test_the_page_costs_the_same_however_many_there_are(login, django_assert_max_num_queries):
    client = login("support")
    for n in range(12):
        reply(f"+1212555{n:04}", asks="call", owner=client.user)

    with django_assert_max_num_queries(22):
        client.get(URL)
