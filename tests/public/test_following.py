"""The page behind short links: where it leads, what it never does, and what stays of a visit."""

from __future__ import annotations

import asyncio
import threading
from types import SimpleNamespace

import pytest
from django.db import OperationalError, connection
from django.utils import timezone

from campaigns.models import TrackedLink
from campaigns.models.links import digest_of
from deliveries import short_links
from deliveries.models import LinkVisit
from public import following
from public.following import Follower
from tests import factories

pytestmark = pytest.mark.django_db(transaction=True)
PHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 Safari/604.1"


@pytest.fixture(autouse=True)
def _threads_close_their_connections(monkeypatch):
    def closing(work):
        def closed(*args):
            try:
                return work(*args)
            finally:
                connection.close()

        return closed

    monkeypatch.setattr(following, "target", closing(following.target))
    monkeypatch.setattr(following, "keep", closing(following.keep))


def link(url="https://shop.example/sale?a=1"):
    campaign = factories.campaign()
    return TrackedLink.objects.create(campaign=campaign, url=url, digest=digest_of(url))


def ask(*paths, method="GET", agent=PHONE, follower=None, extra=()):
    """The answers of one process, in order, with their headers."""
    app = follower or Follower()

    async def one(path):
        sent = []

        async def send(event):
            sent.append(event)

        headers = [(b"user-agent", agent.encode()), *extra]
        path, _, query = path.partition("?")
        scope = {
            "method": method,
            "path": path,
            "query_string": query.encode(),
            "headers": headers,
            "client": None,
        }
        await app(scope, send)
        found = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
        return SimpleNamespace(status=sent[0]["status"], headers=found, body=sent[1]["body"].decode())

    async def talk():
        try:
            return [await one(path) for path in paths]
        finally:
            await app.close()

    return asyncio.run(talk())


def test_a_link_of_a_test_leads_there_as_well_and_counts_for_nobody():
    to = link()

    (answer,) = ask(f"/l/{short_links.code(short_links.OF_TEST, to.pk)}")

    assert (answer.status, answer.headers["location"]) == (302, to.url)
    assert not LinkVisit.objects.exists()


def test_a_link_leads_where_our_own_row_says_and_the_visit_is_kept():
    to = link()

    (answer,) = ask(f"/l/{short_links.code(41, to.pk)}")

    assert (answer.status, answer.headers["location"], answer.body) == (302, to.url, "")
    assert (answer.headers["cache-control"], answer.headers["referrer-policy"]) == ("no-store", "no-referrer")
    assert "set-cookie" not in answer.headers
    visit = LinkVisit.objects.get()
    assert (visit.message_id, visit.link_id, visit.why) == (41, to.pk, "")


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_head_is_answered_as_get_and_known_for_a_machine(method):
    to = link()

    (answer,) = ask(f"/l/{short_links.code(41, to.pk)}/", method=method)

    assert (answer.status, answer.headers["location"]) == (302, to.url)
    assert LinkVisit.objects.get().why == ("head" if method == "HEAD" else "")


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS"])
def test_nothing_can_be_sent_here(method):
    (answer,) = ask(f"/l/{short_links.code(41, link().pk)}", method=method)

    assert (answer.status, answer.headers["allow"]) == (405, "GET, HEAD")
    assert not LinkVisit.objects.exists()


@pytest.mark.parametrize(
    "path",
    [
        "/l/",
        "/l/x",
        "/l/" + "A" * 18,
        "/l/https://evil.example/",
        "/l//evil.example",
        "/l/{code}/../evil",
        "/l/{code}%0d%0aSet-Cookie: a=b",
        "/l/{code}\r\nLocation: https://evil.example",
        "/l/?url=https://evil.example",
        "/l/{forged}?to=https://evil.example",
        "/l/{nowhere}",
    ],
)
def test_what_is_no_link_of_ours_gets_a_plain_page_and_leads_nowhere(path):
    code = short_links.code(41, link().pk)
    forged = code[:-1] + ("A" if code[-1] != "A" else "B")
    nowhere = short_links.code(41, 999_999)

    (answer,) = ask(path.format(code=code, forged=forged, nowhere=nowhere))

    assert answer.status == 404
    assert "location" not in answer.headers
    assert "evil" not in answer.body
    assert "This link is not in use" in answer.body
    assert not LinkVisit.objects.exists()


def test_a_query_changes_nothing_of_where_it_leads():
    to = link()

    (answer,) = ask(f"/l/{short_links.code(41, to.pk)}?url=https://evil.example&next=//evil.example")

    assert answer.headers["location"] == to.url


@pytest.mark.parametrize(
    "url",
    [
        "javascript:alert(1)",
        "data:text/html,x",
        "https://a.example/\r\nSet-Cookie: a=b",
        "//evil.example",
        "/local",
    ],
)
def test_a_row_that_nothing_of_ours_could_have_written_leads_nowhere(url):
    (answer,) = ask(f"/l/{short_links.code(41, link(url).pk)}")

    assert answer.status == 404
    assert "location" not in answer.headers


def test_a_link_that_was_followed_lately_leads_on_while_the_database_is_away(monkeypatch):
    to, other = link(), link("https://other.example")
    codes = [short_links.code(41, one.pk) for one in (to, other)]
    follower = Follower()

    def away(*args):
        raise OperationalError("gone")

    async def talk():
        answers = []

        async def one(code):
            sent = []

            async def send(event):
                sent.append(event)

            scope = {"method": "GET", "path": f"/l/{code}", "headers": [(b"user-agent", PHONE.encode())]}
            await follower(scope, send)
            answers.append(sent[0]["status"])

        await one(codes[0])
        await follower.close()
        back = following.keep, following.target
        monkeypatch.setattr(following, "keep", away)
        monkeypatch.setattr(following, "target", away)
        monkeypatch.setattr(following, "WRITE_SECONDS", 0.01)
        await one(codes[0])
        await one(codes[1])
        await asyncio.sleep(0.05)
        monkeypatch.setattr(following, "keep", back[0])
        await follower.close()
        return answers

    assert asyncio.run(talk()) == [302, 302, 503]
    assert LinkVisit.objects.filter(message_id=41, link_id=to.pk).count() == 2


def test_what_fails_while_the_process_ends_is_written_once_more(monkeypatch):
    ending, keep, tried = threading.Event(), following.keep, []

    def slow_then_well(rows):
        tried.append(len(rows))
        if len(tried) == 1:
            ending.wait(5)
            raise OperationalError("gone")
        keep(rows)

    monkeypatch.setattr(following, "keep", slow_then_well)
    monkeypatch.setattr(following, "WRITE_SECONDS", 0.01)
    visits, named = following.Visits(), short_links.Named(41, link().pk)

    async def end_in_the_middle():
        visits.add(named, "", timezone.now())
        while not tried:
            await asyncio.sleep(0.01)
        closing = asyncio.create_task(visits.close())
        await asyncio.sleep(0)
        ending.set()
        await closing

    asyncio.run(end_in_the_middle())

    assert tried == [1, 1]
    assert LinkVisit.objects.count() == 1


def test_the_same_asked_for_many_times_at_once_is_written_once():
    path = f"/l/{short_links.code(41, link().pk)}"

    ask(*[path] * 20)

    assert LinkVisit.objects.count() == 1
