"""Bulk actions on their pages: started, listed, undone, and only by those who may."""

import re
from datetime import timedelta

import pytest
from django.utils import timezone

from contacts.models import Suppression
from deliveries.bulk import actions
from deliveries.models import Batch, QueueEntry
from tests import factories
from tests.dashboard.bulk.forms import chosen, ticked

pytestmark = pytest.mark.django_db


def test_all_matching_means_the_rows_of_that_moment(marketer, campaign):
    given = chosen(marketer, campaign, action="suppress", all="1", note="Asked")
    QueueEntry.objects.filter(message=campaign.messages.first()).update(
        at=timezone.now() + timedelta(minutes=5)
    )

    page = marketer.post("/batches/preview/", given).content

    assert b"Suppress the addresses of 2 messages" in page


def test_a_started_batch_is_recorded_with_each_row_and_can_be_undone(marketer, campaign):
    given = chosen(marketer, campaign, action="suppress", note="Asked by phone")
    given["messages"] = [str(pk) for pk in campaign.messages.values_list("pk", flat=True)[:2]]

    record = marketer.post("/batches/", given, follow=True).content.decode()
    batch = Batch.objects.get()
    undone = marketer.post(f"/batches/{batch.pk}/undo/", follow=True).content.decode()

    assert batch.created_by == marketer.user
    assert batch.acted == 2
    assert "Undo" in record
    assert "“Asked by phone”" in record
    assert not Suppression.objects.in_force(timezone.now()).exists()
    assert "2 released" in undone


@pytest.mark.parametrize(
    ("by_another", "words"), [(False, "Undone by you: 2"), (True, "Undone by Dana Okafor: 2")]
)
def test_an_undone_batch_names_who_undid_it(marketer, login, make_user, campaign, by_another, words):
    dana = login(user=make_user("marketer", first_name="Dana", last_name="Okafor"))
    given = chosen(marketer, campaign, action="suppress", note="Asked by phone")
    given["messages"] = [str(pk) for pk in campaign.messages.values_list("pk", flat=True)[:2]]
    marketer.post("/batches/", given)
    pk = Batch.objects.get().pk

    (dana if by_another else marketer).post(f"/batches/{pk}/undo/")

    assert f"{words} released." in marketer.get(f"/batches/{pk}/").content.decode()


@pytest.mark.parametrize("undo", [False, True])
def test_the_list_and_the_page_of_a_batch_count_the_same(marketer, campaign, undo):
    marketer.post("/batches/", chosen(marketer, campaign, action="suppress", all="1", note="Asked"))
    pk = Batch.objects.get().pk
    if undo:
        marketer.post(f"/batches/{pk}/undo/")

    listed = re.findall(r'data-label="([^"]+)">(\d+)</td>', marketer.get("/batches/").content.decode())
    page = marketer.get(f"/batches/{pk}/").content.decode()
    tabs = re.findall(r'"\?outcome=\w+">([^<]+) <span class="badge">(\d+)<', page)

    assert listed == tabs
    assert dict(tabs)["Undone" if undo else "Done"] == "3"
    assert sum(int(n) for _, n in tabs) == 3


def test_suppressing_without_a_reason_asks_for_it_and_does_nothing(marketer, campaign):
    page = marketer.post("/batches/", chosen(marketer, campaign, action="suppress", all="1"))

    assert page.status_code == 422
    assert b"Say why these addresses are suppressed." in page.content
    assert not Batch.objects.exists()


def test_one_row_acts_at_once_and_offers_undo(marketer, campaign):
    message = campaign.messages.filter(reason_code="30003").first()
    given = chosen(marketer, campaign, one=f"retry:{message.pk}")

    page = marketer.post("/batches/preview/", given, follow=True)

    batch = Batch.objects.get()
    assert batch.selection == {"messages": [message.pk]}
    assert batch.acted == 1
    assert page.redirect_chain[-1][0] == f"/campaigns/{campaign.slug}/?queue=retry"
    assert f'action="/batches/{batch.pk}/undo/"' in page.content.decode()


@pytest.mark.parametrize("everything", ["", "1"])
def test_one_row_leaves_the_ticks_of_the_others_as_they_were(marketer, campaign, everything):
    first, second, third = campaign.messages.filter(reason_code="30003").order_by("pk")
    given = chosen(
        marketer, campaign, one=f"retry:{first.pk}", messages=[first.pk, second.pk], all=everything
    )

    page = marketer.post("/batches/preview/", given, follow=True).content.decode()
    again = marketer.get(f"/campaigns/{campaign.slug}/?queue=retry").content.decode()

    assert Batch.objects.get().selection == {"messages": [first.pk]}
    assert ticked(page) == [str(second.pk)]
    assert f'name="all" value="{everything}"' in page
    assert f'value="{third.pk}"' in page
    assert ticked(again) == []


def test_what_was_acted_on_is_ticked_no_more(marketer, campaign):
    first, second, _ = campaign.messages.filter(reason_code="30003").order_by("pk")
    given = chosen(marketer, campaign, action="retry", messages=[first.pk, second.pk])

    marketer.post("/batches/preview/", given)
    marketer.post("/batches/", given)
    page = marketer.get(f"/campaigns/{campaign.slug}/?queue=retry").content.decode()

    assert Batch.objects.get().acted == 2
    assert ticked(page) == []


def test_undo_leaves_the_ticks_of_the_others_and_is_offered_while_it_is_certain(marketer, campaign):
    first, second, third = campaign.messages.filter(reason_code="30003").order_by("pk")
    given = chosen(marketer, campaign, one=f"retry:{first.pk}", messages=[second.pk])
    said = marketer.post("/batches/preview/", given, follow=True).content.decode()
    back = f"/campaigns/{campaign.slug}/?queue=retry"

    undo = {"next": back, "messages": [second.pk, third.pk]}
    page = marketer.post(f"/batches/{Batch.objects.get().pk}/undo/", undo, follow=True).content.decode()

    assert f'data-toast="{actions.GRACE.seconds}"' in said
    assert "1 canceled" in page
    assert sorted(ticked(page)) == sorted([str(second.pk), str(third.pk)])


@pytest.mark.parametrize("leads_to", ["", "/batches/"])
def test_all_of_one_list_is_not_all_of_another(marketer, campaign, leads_to):
    first, second, _ = campaign.messages.filter(reason_code="30003").order_by("pk")
    given = chosen(marketer, campaign, one=f"retry:{first.pk}", messages=[first.pk, second.pk], all="1")

    marketer.post("/batches/preview/", given | {"next": leads_to}, follow=True)
    page = marketer.get("/queues/retry/").content.decode()

    assert f'value="{second.pk}"' in page
    assert ticked(page) == []
    assert 'name="all" value=""' in page


def test_ticks_that_cannot_be_read_are_left_out(marketer, campaign):
    message = campaign.messages.filter(reason_code="30003").first()
    given = chosen(marketer, campaign, one=f"retry:{message.pk}", messages=["x", "9" * 40])

    page = marketer.post("/batches/preview/", given, follow=True)

    assert page.status_code == 200
    assert ticked(page.content.decode()) == []


def test_one_row_that_needs_a_reason_asks_first(marketer, campaign):
    message = campaign.messages.first()

    page = marketer.post("/batches/preview/", chosen(marketer, campaign, one=f"suppress:{message.pk}"))

    assert b"Reason, in your words" in page.content
    assert not Batch.objects.exists()


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"action": "explode", "messages": "1"},
        {"action": "retry"},
        {"action": "retry", "messages": "x"},
        {"action": "retry", "messages": "9" * 40},
        {"action": "retry", "messages": "9" * 5_000},
        {"action": "retry", "all": "1"},
        {"action": "retry", "all": "1", "queue": "nowhere"},
        {"action": "retry", "all": "1", "queue": "retry", "filters": "channel=fax"},
        {"one": "retry:x"},
        {"one": "::::"},
    ],
)
@pytest.mark.parametrize("path", ["/batches/preview/", "/batches/"])
def test_a_selection_that_cannot_be_read_is_refused_in_words(marketer, path, given):
    response = marketer.post(path, given)

    assert response.status_code == 422
    assert b"Nothing was done" in response.content
    assert not Batch.objects.exists()


@pytest.mark.parametrize(
    "away", ["https://example.com/", "//example.com/", "javascript:alert(1)", "/\\example.com"]
)
def test_nobody_is_sent_to_another_site_afterwards(marketer, campaign, away):
    message = campaign.messages.first()

    response = marketer.post("/batches/", chosen(marketer, campaign, one=f"retry:{message.pk}", next=away))

    assert response.status_code == 302
    assert re.fullmatch(r"/batches/\d+/", response["Location"])


def test_bulk_actions_so_far_are_listed(marketer, campaign):
    marketer.post("/batches/", chosen(marketer, campaign, action="correct", all="1"))

    page = marketer.get("/batches/").content.decode()

    assert "Mark the addresses of 3 messages for correction" in page
    assert marketer.user.display_name in page


def test_acting_is_by_post_only(marketer):
    assert marketer.get("/batches/1/undo/").status_code == 405


@pytest.mark.parametrize(
    ("given", "leads_to"), [("/queues/retry/", "/queues/retry/"), ("//elsewhere.example/", None)]
)
def test_undo_leads_back_to_where_it_was_offered(marketer, campaign, given, leads_to):
    ids = [str(campaign.messages.values_list("pk", flat=True)[0])]
    marketer.post(
        "/batches/", chosen(marketer, campaign, action="suppress", note="Asked") | {"messages": ids}
    )
    batch = Batch.objects.get()

    response = marketer.post(f"/batches/{batch.pk}/undo/", {"next": given})

    assert response.url == (leads_to or f"/batches/{batch.pk}/")


# ---- Who may suppress, and where the reason stands -----------------------------------------------------------------


@pytest.fixture
def without_suppression(login):
    """Somebody who may act in bulk, and may suppress nobody."""
    client = login("marketer")
    group = client.user.groups.get()
    group.permissions.remove(group.permissions.get(codename="suppress_contact"))
    return client


@pytest.mark.parametrize("url", ["/batches/preview/", "/batches/"])
@pytest.mark.parametrize("how", ["ticked", "all", "one"])
def test_suppressing_in_bulk_asks_for_the_permission_to_suppress(without_suppression, campaign, url, how):
    first = str(campaign.messages.values_list("pk", flat=True)[0])
    given = chosen(without_suppression, campaign, action="suppress", note="Asked")
    given |= {"ticked": {"messages": [first]}, "all": {"all": "1"}, "one": {"one": f"suppress:{first}"}}[how]

    assert without_suppression.post(url, given).status_code == 403
    assert not Suppression.objects.exists()
    assert not Batch.objects.exists()


def test_lifting_a_suppression_by_undo_asks_for_it_too(without_suppression, login, campaign):
    colleague = login(user=factories.user("admin"))
    data = {"action": "suppress", "messages": [campaign.messages.first().pk], "note": "Asked"}
    colleague.post("/batches/", data)
    batch = Batch.objects.get()

    page = without_suppression.get(f"/batches/{batch.pk}/").content.decode()

    assert without_suppression.post(f"/batches/{batch.pk}/undo/").status_code == 403
    assert Suppression.objects.filter(released_at=None).exists()
    assert f"/batches/{batch.pk}/undo/" not in page


def test_who_may_not_suppress_finds_no_button_for_it(without_suppression, marketer, campaign):
    page = without_suppression.get(f"/campaigns/{campaign.slug}/?queue=retry").content.decode()

    assert 'name="action" value="retry"' in page
    assert 'value="suppress"' not in page


@pytest.mark.parametrize("role", ["marketer", "support", "admin"])
def test_the_reason_of_a_bulk_suppression_stands_where_people_look(login, campaign, role):
    message = campaign.messages.first()
    login("marketer").post(
        "/batches/",
        {"action": "suppress", "messages": [message.pk], "note": "Asked by phone, call 504 555 0181"},
    )
    reader = login(role)

    page = reader.get(f"/contacts/{message.contact_id}/").content.decode()

    assert page.count("Asked by phone") == 4  # banner, panel, suppression and bulk action on the trail
    assert ("504 555 0181" in page) is (role == "support" or role == "admin")


def test_the_page_of_the_batch_says_the_reason(marketer, campaign):
    ids = list(campaign.messages.values_list("pk", flat=True)[:1])
    marketer.post("/batches/", {"action": "suppress", "messages": ids, "note": "Asked by phone"})

    page = marketer.get(f"/batches/{Batch.objects.get().pk}/").content.decode()

    assert "Reason: “Asked by phone”" in page
