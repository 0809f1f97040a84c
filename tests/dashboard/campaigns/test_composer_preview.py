"""The preview beside the composer: what one person gets, on each channel, and the way to the next one."""

import html

import pytest
from django.urls import reverse
from django.utils import timezone

from campaigns.merging import merge, pieces, usual_fields
from contacts.models import Contact
from tests import factories
from tests.engine import consent

pytestmark = pytest.mark.django_db


@pytest.fixture
def people():
    return factories.contact_list()


@pytest.fixture
def draft(people):
    made = factories.campaign(lists=[people])
    factories.content(made, "sms", body="Hello {first_name}, see you in {city} <3")
    return made


@pytest.fixture
def robin(people):
    made = factories.contact(name="Robin Lee", lists=[people], attributes={"city": "Austin"})
    factories.phone(made, value="+12125550142")
    consent(made, "sms", at=timezone.now())
    return made


def preview(client, draft, **query):
    response = client.get(
        reverse("campaigns:edit", args=[draft.slug]), query or {"person": ""}, HTTP_HX_REQUEST="true"
    )
    assert response.status_code == 200
    return html.unescape(response.content.decode())


def test_it_shows_what_the_person_gets_and_tells_their_own_words_from_the_authors(login, draft, robin):
    page = preview(login("marketer"), draft)

    assert 'Hello <span class="own">Robin</span>, see you in <span class="own">Austin</span> <3' in page
    assert "<html" not in page


def test_what_a_person_lacks_is_marked(login, draft, robin):
    Contact.objects.update(attributes={})

    page = preview(login("marketer"), draft)

    assert '<mark class="gap" data-b="retryable">{city}</mark>' in page
    assert "Nothing is known for" in page


def test_it_steps_through_the_people_that_the_campaign_means_and_no_others(login, people, draft, robin):
    second, third = (factories.contact(name=name, lists=[people]) for name in ("Kim Day", "Alex Roe"))
    stranger = factories.contact(name="A Stranger")
    client = login("marketer")

    page = preview(client, draft, person=second.pk)

    assert "Kim Day" in page
    assert f"?person={robin.pk}" in page
    assert f"?person={third.pk}" in page
    assert "2 of 3" in page
    for other in (stranger.pk, "x", 10**30):
        assert "Robin Lee" in preview(client, draft, person=other)


@pytest.mark.parametrize(("role", "shown", "hidden"), [
    ("marketer", "+1 ••• ••• 0142", "+12125550142"),
    ("admin", "+12125550142", "+1 ••• ••• 0142"),
])  # fmt: skip
def test_addresses_are_whole_for_those_who_may_see_them(login, draft, robin, role, shown, hidden):
    page = preview(login(role), draft)

    assert shown in page
    assert hidden not in page


def test_whoever_gets_nothing_is_shown_with_the_reason(login, draft, robin):
    assert "Gets nothing" not in preview(login("marketer"), draft)
    robin.consents.all().delete()

    assert "Gets nothing" in preview(login("marketer"), draft)


def test_markup_in_a_text_or_a_name_is_text(login, draft, robin):
    Contact.objects.update(name="<b>Robin</b> Lee")
    draft.contents.update(body="<script>alert(1)</script> {first_name}")

    response = login("marketer").get(reverse("campaigns:edit", args=[draft.slug]))

    assert b"<script>alert" not in response.content
    assert b"<b>Robin</b>" not in response.content


@pytest.mark.parametrize("text", ["", "{a}", "x{a}y{b}z", "{{ a }} {}", "{ }", "a { b", "{a}{b}"])
def test_the_parts_of_a_text_are_what_is_sent(text):
    values = {"a": "1"}

    assert "".join(one.text for one in pieces(text, values)) == merge(text, values)


def test_the_fields_that_most_of_them_have_are_offered_first(people):
    factories.contact(lists=[people], attributes={"city": "Austin", "Bad Name": "x"})
    factories.contact(lists=[people], attributes={"city": "Dallas", "plan": "gold"})
    factories.contact(lists=[people], attributes={"city": "Waco", "plan": "basic", "age": "40"})

    assert usual_fields(Contact.objects.all()) == ["first_name", "name", "city", "plan", "age"]
