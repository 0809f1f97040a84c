"""Saved segments: made, counted, changed, used in campaigns, deleted when unused."""

from __future__ import annotations

import pytest

from campaigns.models import Campaign, Segment
from contacts.models import Contact, ContactList
from tests import factories

pytestmark = pytest.mark.django_db
VIP = {"is": "field", "field": "tags", "words": ["vip"]}


@pytest.fixture
def marketer(login):
    return login("marketer")


@pytest.fixture
def people():
    made = factories.contact_list(name="Clinic")
    for n in range(5):
        factories.contact(lists=[made], attributes={"tags": "vip"} if n < 2 else {})
    return made


@pytest.fixture
def segment(people):
    made = Segment.objects.create(name="Best of the clinic", conditions={"all": [VIP]})
    made.lists.set([people])
    return made


def typed(**fields):
    return {f"who-{name}": value for name, value in fields.items()}


def test_a_segment_is_made_and_listed_with_how_many_people_it_means_now(marketer, people):
    data = typed(name="Vips", shared="on", lists=[people.pk], **{
        "c0-is": "field", "c0-field": "tags", "c0-words": "vip"}) | {"save": "1"}  # fmt: skip

    assert marketer.post("/contacts/segments/new/", data).url == "/contacts/segments/"

    made = Segment.objects.get()
    assert (made.name, made.conditions, made.created_by.is_authenticated) == ("Vips", {"all": [VIP]}, True)
    page = marketer.get("/contacts/segments/").content.decode()
    assert "People on “Clinic” who have in the field “tags” “vip”." in page
    assert 'data-label="People now">2</td>' in page


def test_the_count_follows_what_is_chosen_and_nothing_is_saved_before_the_button(marketer, people):
    data = typed(name="", lists=[people.pk])

    response = marketer.post("/contacts/segments/new/", data, headers={"HX-Request": "true"})

    page = response.content.decode()
    assert response.status_code == 200
    assert "<b>5</b> people now." in page
    assert "<html" not in page
    assert not Segment.objects.exists()


@pytest.mark.parametrize("more", [typed(add="never"), typed(**{"c0-is": "never"}, remove="0")])
def test_adding_and_taking_out_show_the_form_again(marketer, people, more):
    response = marketer.post("/contacts/segments/new/", typed(name="Vips", lists=[people.pk]) | more)

    assert response.status_code == 200
    assert ('name="who-c0-is" value="never"' in response.content.decode()) == ("who-add" in more)
    assert 'value="Vips"' in response.content.decode()
    assert not Segment.objects.exists()


@pytest.mark.parametrize(("fields", "words"), [
    ({"name": ""}, "This field is required."),
    ({"name": "best OF the clinic"}, "There is a segment called so already"),
    ({"lists": []}, "Choose one, or all contacts with a condition."),
    ({"lists": [], "everybody": "on"}, "Choose one, or all contacts with a condition."),
    ({"c0-is": "tier", "c0-tier": "-1"}, "greater than or equal to 1"),
])  # fmt: skip
def test_what_cannot_be_saved_is_said(marketer, people, segment, fields, words):
    data = typed(**({"name": "Other", "lists": [people.pk]} | fields)) | {"save": "1"}

    response = marketer.post("/contacts/segments/new/", data)

    assert response.status_code == 422
    assert words in response.content.decode()
    assert Segment.objects.count() == 1


def test_a_change_reaches_no_campaign_that_has_a_copy(marketer, people, segment):
    draft = factories.campaign()
    response = marketer.post(f"/contacts/segments/{segment.pk}/use/", {"campaign": draft.pk})
    assert response.url == f"/campaigns/{draft.slug}/edit/#who"

    data = typed(name="Best", shared="on", lists=[people.pk]) | {"save": "1"}
    marketer.post(f"/contacts/segments/{segment.pk}/", data)

    segment.refresh_from_db()
    draft.refresh_from_db()
    assert (segment.name, segment.conditions) == ("Best", {})
    assert (draft.conditions, draft.segment, list(draft.lists.all())) == ({"all": [VIP]}, segment, [people])


def test_what_was_launched_takes_no_segment(marketer, segment):
    sent = factories.campaign(state=Campaign.State.SENDING)

    marketer.post(f"/contacts/segments/{segment.pk}/use/", {"campaign": sent.pk})

    sent.refresh_from_db()
    assert (sent.conditions, sent.segment) == ({}, None)


def test_it_is_deleted_while_no_campaign_used_it(marketer, segment):
    draft = factories.campaign()
    Campaign.objects.update(segment=segment)
    page = marketer.post(f"/contacts/segments/{segment.pk}/delete/", follow=True).content.decode()
    assert "stays: a campaign used it" in page

    Campaign.objects.filter(pk=draft.pk).update(segment=None)
    marketer.post(f"/contacts/segments/{segment.pk}/delete/")
    assert not Segment.objects.exists()


def test_what_is_somebodys_own_nobody_else_sees(marketer, segment):
    Segment.objects.update(shared=False, created_by=factories.user("marketer"))

    assert "Best of the clinic" not in marketer.get("/contacts/segments/").content.decode()
    for path in ("", "use/", "delete/"):
        assert marketer.post(f"/contacts/segments/{segment.pk}/{path}").status_code == 404
    assert Segment.objects.filter(conditions={"all": [VIP]}).exists()


@pytest.mark.parametrize("path", ["new/", "{pk}/", "{pk}/use/", "{pk}/delete/"])
def test_support_reads_segments_and_changes_none(login, segment, path):
    support = login("support")

    assert support.get("/contacts/segments/").status_code == 200
    assert support.post(f"/contacts/segments/{path}".format(pk=segment.pk)).status_code == 403


def test_a_new_one_begins_with_the_people_of_a_campaign(marketer, people):
    draft = factories.campaign(lists=[people], conditions={"all": [VIP]})

    page = marketer.get(f"/contacts/segments/new/?campaign={draft.pk}").content.decode()

    assert "People on “Clinic” who have in the field “tags” “vip”." in page


def test_a_list_that_a_segment_leaves_out_is_not_deleted(marketer, segment):
    staff = factories.contact_list()
    Segment.objects.update(conditions={"excluded": [staff.pk]})

    page = marketer.post(f"/contacts/lists/{staff.pk}/delete/", follow=True).content.decode()

    assert "A condition of a campaign or a segment names it." in page
    assert ContactList.objects.filter(pk=staff.pk).exists()
    assert Contact.objects.count() == 5


def test_the_page_costs_more_for_each_segment_only_by_its_count(marketer, people, django_assert_num_queries):
    for n in range(3):
        Segment.objects.create(name=f"S{n}", conditions={"all": [VIP]}).lists.set([people])
    marketer.get("/contacts/segments/")
    with django_assert_num_queries(7 + 3 * 3 + 4):
        marketer.get("/contacts/segments/")
