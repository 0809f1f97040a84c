"""From an unknown code to messages changed, and back."""

from __future__ import annotations

import html
import re
from datetime import timedelta

import pytest
from django.utils import timezone

from contacts.models import Suppression
from deliveries.meaning import mappings
from deliveries.models import Message
from tests import factories
from tests.dashboard.mappings.steps import HTMX, codes_on, counted_at, publish, save, text
from tests.deliveries.meaning.tables import HOUR, receive, replay_all, sent, work

pytestmark = pytest.mark.django_db


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


def count(admin, now):
    """The form of a row is saved, and what it would change is counted."""
    save(admin)
    started = admin.post("/mappings/draft/count/", follow=True)
    replay_all(now)
    return started


def publish_counted(admin):
    return admin.post(
        "/mappings/draft/publish/", {"note": "Numbers are ported", "counted_at": counted_at()}, follow=True
    )


def dispositions():
    return set(Message.objects.values_list("disposition", flat=True))


def test_a_draft_says_how_far_it_is_counted_and_asks_again(admin, three):
    save(admin)

    counting = admin.post("/mappings/draft/count/", follow=True)

    assert "0 % done" in text(counting)
    assert 'hx-trigger="refresh, load delay:2s"' in counting.content.decode()


def test_a_counted_draft_says_what_changes_and_asks_no_more(admin, three, now):
    count(admin, now)

    page, polled = admin.get("/mappings/draft/"), admin.get("/mappings/draft/", headers=HTMX)

    assert "3 messages change. Can't be delivered to → Temporary failure 3" in text(page)
    assert "1 block would lift" in text(page)
    assert polled.content.count(b'id="publish-button" hx-swap-oob="true"') == 1
    assert b"hx-trigger" not in polled.content


def test_a_published_draft_brings_its_messages_in_line_and_says_so(admin, three, now):
    count(admin, now)

    published = publish_counted(admin)
    replay_all(timezone.now() + HOUR)

    assert published.redirect_chain == [("/mappings/versions/2/", 302)]
    assert "will be read again" in text(published)
    page = text(admin.get("/mappings/versions/2/"))
    assert "3 messages changed. 3 were expected" in page
    assert "“Numbers are ported”" in page
    assert "Numbers are ported" in text(admin.get("/mappings/"))
    assert dispositions() == {"PENDING_RETRY"}
    assert not Suppression.objects.filter(released_at=None).exists()


def test_undoing_shows_what_it_does_and_brings_the_messages_back(admin, three, now):
    count(admin, now)
    publish_counted(admin)
    replay_all(timezone.now() + HOUR)

    confirm = text(admin.get("/mappings/versions/2/undo/"))
    undone = admin.post("/mappings/versions/2/undo/", follow=True)
    replay_all(timezone.now() + HOUR)

    assert "Class Temporary becomes → Permanent" in confirm
    assert undone.redirect_chain == [("/mappings/versions/3/", 302)]
    assert dispositions() == {"BOUNCED_HARD"}
    page = text(admin.get("/mappings/versions/2/"))
    assert "Undone by version 3" in page
    assert "cannot be undone" not in page
    assert "What was counted before it was published Can't be delivered to → Temporary failure 3" in page


def test_counting_publishing_and_undoing_each_wake_the_workers(
    admin, three, now, woken, django_capture_on_commit_callbacks
):
    with django_capture_on_commit_callbacks(execute=True):
        count(admin, now)
    with django_capture_on_commit_callbacks(execute=True):
        publish_counted(admin)
    replay_all(timezone.now() + HOUR)
    with django_capture_on_commit_callbacks(execute=True):
        admin.post("/mappings/versions/2/undo/", follow=True)

    assert [module for module in woken if module != "sections"] == ["draft", "draft", "versions"]


def test_whoever_watches_wakes_the_workers_until_all_is_read_anew(
    admin, three, now, woken, django_capture_on_commit_callbacks
):
    def watch(address: str) -> int:
        woken.clear()
        with django_capture_on_commit_callbacks(execute=True):
            admin.get(address)
        return len(woken)

    save(admin)
    assert watch("/mappings/draft/") == 0
    admin.post("/mappings/draft/count/")
    assert watch("/mappings/draft/") == 1
    replay_all(now)
    admin.post("/mappings/draft/publish/", {"note": "Why", "counted_at": counted_at()})
    assert watch("/mappings/versions/2/") == 1
    replay_all(timezone.now() + HOUR)
    assert watch("/mappings/versions/2/") == 0


def test_mapping_an_unknown_code_gives_its_messages_their_meaning(admin, account, now):
    message = sent(account)
    receive(message, now, "undelivered", "31999")
    work(now)
    link = re.search(r'href="(/mappings/codes/edit/[^"]+)"', admin.get("/mappings/").content.decode())
    assert "Map 31999" in text(admin.get(html.unescape(link[1])))

    save(admin, code="31999", failure_class="permanent")
    admin.post("/mappings/draft/count/")
    replay_all(now)
    assert "1 message changes. Unknown to → Can't be delivered 1" in text(admin.get("/mappings/draft/"))
    admin.post("/mappings/draft/publish/", {"note": "Asked Twilio", "counted_at": counted_at()})
    mappings.forget()
    replay_all(timezone.now() + HOUR)

    message.refresh_from_db()
    assert message.disposition == "BOUNCED_HARD"
    assert "Every code is known" in text(admin.get("/mappings/"))


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
