"""The draft, and publishing it."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import pytest
from django.utils import timezone

from deliveries.meaning import drafts
from deliveries.models import CodeMapping, MappingVersion
from tests import factories
from tests.dashboard.mappings.steps import counted_at, draft, save, text

pytestmark = pytest.mark.django_db


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
    assert "Possible once the changes have been counted" in text(page)
    refused = admin.post("/mappings/draft/publish/", {"note": "Why", "counted_at": ""}, follow=True)
    assert "Look again, then publish." in text(refused)
    assert draft()


def test_a_count_says_on_which_day_it_was_made(admin, time_machine):
    time_machine.move_to(datetime(2026, 11, 28, 9, 15, tzinfo=UTC), tick=False)
    save(admin)
    admin.post("/mappings/draft/count/")
    time_machine.move_to(datetime(2026, 11, 30, 10, tzinfo=UTC), tick=False)

    assert "Counted 28 Nov, 09:15" in text(admin.get("/mappings/draft/"))


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

    with django_assert_max_num_queries(31):
        admin.get("/mappings/draft/")


def counted(moves: list) -> None:
    MappingVersion.objects.filter(pk=draft().pk).update(
        preview={"messages": sum(n for _, _, n, _ in moves), "moves": moves}, previewed_at=timezone.now()
    )


def test_the_count_names_messages_of_each_move_the_newest_first(admin):
    save(admin)
    first, second, gone = factories.message(), factories.message(), 987_654
    counted([["UNKNOWN", "PENDING_RETRY", 900, [first.pk, gone, second.pk]]])

    page = admin.get("/mappings/draft/")

    links = re.findall(r'href="/deliveries/(\d+)/"', page.content.decode())
    assert links == [str(second.pk), str(first.pk)]
    assert "Show the newest 2" in text(page)
    assert admin.get(f"/deliveries/{second.pk}/").status_code == 200


def test_a_move_within_a_bucket_says_what_changes(admin):
    save(admin)
    counted([["BOUNCED_HARD", "BOUNCED_HARD", 2, []], ["", "UNKNOWN", 1, []]])

    page = text(admin.get("/mappings/draft/"))

    assert "Can't be delivered fault changes 2" in page
    assert "Canceled to → Unknown 1" in page
