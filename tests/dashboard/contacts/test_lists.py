"""The pages of lists."""

import re
from datetime import timedelta

import pytest
from django.utils import timezone

from contacts import lists
from contacts.models import AnswerWording, Consent, Contact, ContactList, ListCount, ListMembership
from tests import factories

pytestmark = pytest.mark.django_db


@pytest.fixture
def clinic():
    return factories.contact_list(name="Clinic")


def person(name, *those, **consents):
    made = factories.contact(name=name, lists=list(those))
    factories.phone(made)
    for channel, opted_in in consents.items():
        Consent.objects.create(contact=made, channel=channel, opted_in=opted_in, how="Web form")
    return made


def counted():
    now = timezone.now()
    while lists.count_some(now):
        pass


def test_a_list_says_how_many_people_it_has_and_who_agreed_to_what(login, clinic):
    person("Ada", clinic, sms=True, email=True)
    person("Ben", clinic, sms=False)
    factories.contact(name="Cem", lists=[clinic])
    counted()

    page = re.sub(r"\s+", " ", login("marketer").get("/contacts/lists/").content.decode())
    own = re.sub(r"\s+", " ", login("support").get(f"/contacts/lists/{clinic.pk}/").content.decode())

    assert '<td class="num" data-label="People">3</td>' in page
    assert '<td class="num" data-label="With a valid address">2</td>' in page
    assert '<td class="num" data-label="SMS, opted in">1</td>' in page
    assert '<td class="num" data-label="Voice, opted in">0</td>' in page
    assert "3 people" in own
    assert "Email: 1 opted in" in own


def test_a_long_list_is_counted_a_portion_at_a_time(monkeypatch, clinic):
    monkeypatch.setattr(lists, "PORTION", 2)
    for n in range(5):
        person(f"Robin {n}", clinic, sms=n != 3)
    now = timezone.now()

    steps = [lists.count_some(now) for _ in range(4)]

    figures = ListCount.objects.get()
    assert steps == [1, 1, 1, 0]
    assert (figures.people, figures.valid, figures.opted_in["sms"], figures.opted_in["mms"]) == (5, 5, 4, 4)
    assert lists.count_some(now + lists.EVERY + timedelta(seconds=1)) == 1


def test_a_list_is_made_renamed_filled_and_emptied(login, clinic):
    client = login("marketer")
    ada = person("Ada", clinic, sms=True)
    number = "+12125550142"
    ada.addresses.update(value=number, match_key=number)

    client.post("/contacts/lists/new/", {"name": "  Web   sign-up ", "description": "The form"})
    web = ContactList.objects.get(name="Web sign-up")
    client.post(f"/contacts/lists/{web.pk}/rename/", {"name": "web sign-up", "description": ""})
    added = client.post(
        f"/contacts/lists/{web.pk}/add/", {"who": f"({number[2:5]}) {number[5:8]}-{number[8:]}"}
    )
    web.refresh_from_db()

    assert (web.name, web.slug) == ("web sign-up", "web-sign-up")
    assert added.status_code == 302
    assert web.contacts.get() == ada
    assert web.figures.people == web.figures.opted_in["sms"] == 1

    client.post(f"/contacts/lists/{web.pk}/remove/{ada.pk}/")
    assert not web.contacts.exists()
    assert Consent.objects.filter(contact=ada).exists()

    client.post(f"/contacts/lists/{web.pk}/delete/")
    assert not ContactList.objects.filter(pk=web.pk).exists()


@pytest.mark.parametrize("name", ["clinic", "CLINIC ", "", "x" * 121, "a\x00b"])
def test_a_name_that_cannot_be_is_refused_in_words(login, clinic, name):
    answer = login("marketer").post("/contacts/lists/new/", {"name": name})

    assert answer.status_code == 422
    assert ContactList.objects.count() == 1


@pytest.mark.parametrize("who", ["", "nobody@example.com", "#999", "#99999999999999999999", "\x00", "0142"])
def test_whoever_is_not_spelled_out_is_not_added(login, clinic, who):
    answer = login("marketer").post(f"/contacts/lists/{clinic.pk}/add/", {"who": who})

    assert answer.status_code == 422
    assert not ListMembership.objects.exists()


def test_of_two_who_share_a_number_the_one_that_is_meant_has_to_be_named(login, clinic):
    one, other = person("Ada"), factories.contact(name="Ben")
    factories.phone(other, value=one.addresses.get().value)
    client, url = login("marketer"), f"/contacts/lists/{clinic.pk}/add/"

    refused = client.post(url, {"who": one.addresses.get().value})
    client.post(url, {"who": f"#{other.pk}"})

    assert refused.status_code == 422
    assert f"Ben (#{other.pk})" in refused.content.decode()
    assert list(clinic.contacts.all()) == [other]


@pytest.mark.parametrize("needed_by", ["member", "source", "campaign", "reports"])
def test_a_list_that_is_needed_stays(login, clinic, needed_by):
    from deliveries.models import SourceTally

    if needed_by == "member":
        ListMembership.objects.create(contact=factories.contact(), contact_list=clinic)
    elif needed_by == "source":
        factories.contact(source=clinic)
    elif needed_by == "campaign":
        factories.campaign(lists=[clinic])
    else:
        SourceTally.objects.create(campaign_id=1, list_source_id=clinic.pk, region="US", n=1)

    answer = login("marketer").post(f"/contacts/lists/{clinic.pk}/delete/", follow=True)

    assert ContactList.objects.filter(pk=clinic.pk).exists()
    assert "stays" in answer.content.decode()


@pytest.mark.parametrize(
    ("path", "posts"),
    [
        ("", False), ("new/", False), ("new/", True), ("{list}/", False), ("{list}/rename/", True),
        ("{list}/confirmation/", True),
        ("{list}/add/", True), ("{list}/remove/{who}/", True), ("{list}/delete/", True),
    ],
)  # fmt: skip
def test_lists_are_changed_by_those_who_may(login, clinic, path, posts):
    ada = person("Ada", clinic)
    url = "/contacts/lists/" + path.format(list=clinic.pk, who=ada.pk)
    given = {"name": "Other", "who": f"#{ada.pk}"}

    support, nobody = login("support"), login()
    answer = support.post(url, given) if posts else support.get(url)

    assert answer.status_code == (403 if posts or "new" in path else 200)
    assert (nobody.post(url, given) if posts else nobody.get(url)).status_code == 403
    assert Contact.objects.get(pk=ada.pk).lists.get().name == "Clinic"


def test_the_number_of_queries_does_not_grow(login, clinic, django_assert_max_num_queries):
    client = login("marketer")

    def made(path):
        client.get(path)
        with django_assert_max_num_queries(40) as queries:
            client.get(path)
        return len(queries)

    before = [made(path) for path in ("/contacts/lists/", f"/contacts/lists/{clinic.pk}/")]
    for n in range(8):
        person(f"Robin {n}", clinic, factories.contact_list(), sms=True)
    counted()
    after = [made(path) for path in ("/contacts/lists/", f"/contacts/lists/{clinic.pk}/")]

    assert after[0] <= before[0]
    assert after[1] <= before[1] + 6  # nobody was on it before


def test_an_administrator_s_list_of_lists_deletes_none_with_its_people(login, clinic):
    person("Ada", clinic)

    admin = factories.user("admin", is_staff=True)
    answer = login(user=admin).post(f"/admin/contacts/contactlist/{clinic.pk}/delete/", {"post": "yes"})

    assert answer.status_code == 403
    assert clinic.contacts.count() == 1


@pytest.mark.parametrize(("role", "may"), [("marketer", False), ("admin", True)])
def test_the_words_that_ask_to_confirm_stand_there_and_lead_on_those_who_may_change_them(
    login, clinic, role, may
):
    AnswerWording.objects.create(language="de", confirm_text="Bitte antworten Sie JA.")

    page = login(role).get(f"/contacts/lists/{clinic.pk}/confirmation/").content.decode()

    assert "Please reply YES to confirm" in page
    assert "In “de”: “Bitte antworten Sie JA.”" in page
    assert "[link]" in page
    assert "{link}" not in page
    assert ("/contacts/answerwording/" in page) == may
