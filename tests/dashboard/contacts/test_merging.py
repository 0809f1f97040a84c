"""The pages on which contacts that are one person are found and merged."""

import re

import pytest
from django.utils import timezone

from contacts import duplicates
from contacts.consenting import record_opt_out
from contacts.models import Consent, Contact
from tests import factories

pytestmark = pytest.mark.django_db
NUMBER = "+12125550142"


@pytest.fixture
def two():
    kept, gone = factories.contact(name="Ada"), factories.contact(name="Ada Lovelace", external_id="CRM-2")
    for one in (kept, gone):
        factories.phone(one, value=NUMBER)
    return kept, gone


def read(answer):
    return re.sub(r"\s+", " ", answer.content.decode())


def test_contacts_with_one_address_in_any_spelling_are_found(login, two):
    one, other = factories.contact(name="Ben"), factories.contact(name="Ben B.")
    factories.email(one, value="b.en@gmail.com")
    factories.email(one, value="ben@gmail.com", preferred=False)
    factories.email(other, value="ben+news@googlemail.com")
    mexican, same = factories.contact(name="Cem"), factories.contact(name="Cem C.")
    factories.phone(mexican, value="+5215512345678")
    factories.phone(same, value="+525512345678")
    factories.phone(factories.contact(name="Nobody Else"))

    page = read(login("support").get("/contacts/duplicates/"))

    for name in ("Ada Lovelace", "Ben B.", "Cem C."):
        assert name in page
    assert "Nobody Else" not in page
    assert page.count("Compare<") == 3


def test_the_list_goes_on_where_it_ended(login, two, monkeypatch):
    monkeypatch.setattr(duplicates, "GROUPS", 1)
    monkeypatch.setattr(duplicates, "MOST_KEYS", 2)
    for name in ("Ben", "Cem"):
        number = factories.phone_number()
        for _ in range(2):
            factories.phone(factories.contact(name=name), value=number)
    client, path, found = login("support"), "/contacts/duplicates/", []

    for _ in range(12):
        page = read(client.get(path))
        found += re.findall(r"with (\w+)</span>", page)
        further = re.search(r'href="([^"]*after=\d+)"', page)
        if not further:
            break
        path = further[1]

    assert sorted(found) == ["Ada", "Ben", "Cem"]
    assert "555" not in path


def test_the_preview_says_what_merging_makes_and_changes_nothing(login, two):
    kept, gone = two
    Consent.objects.create(contact=kept, channel="sms", opted_in=True, how="Form")
    Consent.objects.create(contact=gone, channel="sms", opted_in=False, how="Form")

    page = read(login("support").get(f"/contacts/merge/?keep={kept.pk}&gone={gone.pk}"))

    assert "This cannot be undone." in page
    assert re.search(r"<strong>Opted out, [^<]*</strong>", page)
    assert "CRM-2, taken over" in page
    assert "“Ada Lovelace” stays in a note only" in page
    assert Contact.objects.filter(merged_into=None).count() == 2


def test_two_are_merged_and_the_page_of_the_other_leads_on(login, two):
    kept, gone = two
    record_opt_out(value=NUMBER, channel="sms", how="Reply", evidence="STOP", at=timezone.now())
    client = login("support")

    client.post("/contacts/merge/", {"keep": kept.pk, "gone": gone.pk})

    assert client.get(f"/contacts/{gone.pk}/").headers["location"] == f"/contacts/{kept.pk}/"
    assert client.get(f"/contacts/{gone.pk}/correct/").status_code == 404
    assert client.get(f"/contacts/{kept.pk}/").status_code == 200
    table = client.get("/contacts/")
    assert re.findall(r"data-open>([\w ]+)</a>", table.content.decode()) == ["Ada"]
    assert re.findall(
        r"data-open>([\w ]+)</a>", client.get(f"/contacts/?q=%23{gone.pk}").content.decode()
    ) == ["Ada"]
    assert "No duplicates" in client.get("/contacts/duplicates/").content.decode()
    assert client.post("/contacts/merge/", {"keep": kept.pk, "gone": gone.pk}).status_code == 404


@pytest.mark.parametrize(
    "query",
    [
        "",
        "keep=1",
        "keep={a}&gone={a}",
        "keep={a}&gone=999",
        "keep=x&gone={b}",
        "keep={a}&gone=99999999999999999999",
    ],
)
def test_what_names_no_two_contacts_is_no_page(login, two, query):
    given = query.format(a=two[0].pk, b=two[1].pk)

    assert login("support").get(f"/contacts/merge/?{given}").status_code == 404


@pytest.mark.parametrize("typed", ["#{b}", "CRM-2", "ada@example.com"])
def test_somebody_who_shares_no_address_is_named_by_hand(login, two, typed):
    kept, gone = two
    factories.email(gone, value="ada@example.com")

    answer = login("support").get(f"/contacts/{kept.pk}/duplicates/", {"other": typed.format(b=gone.pk)})

    assert answer.headers["location"] == f"/contacts/merge/?keep={kept.pk}&gone={gone.pk}"


@pytest.mark.parametrize("typed", ["", "nobody@example.com", "#{a}", "\x00"])
def test_nobody_else_is_said_so(login, two, typed):
    kept = two[0]
    answer = login("support").get(f"/contacts/{kept.pk}/duplicates/", {"other": typed.format(a=kept.pk)})

    assert answer.status_code == 422


@pytest.mark.parametrize("role", ["marketer", ""])
def test_merging_is_for_those_who_may(login, two, role):
    kept, gone = two
    client = login(role)

    assert client.get("/contacts/duplicates/").status_code == 403
    assert client.get(f"/contacts/{kept.pk}/duplicates/").status_code == 403
    assert client.get(f"/contacts/merge/?keep={kept.pk}&gone={gone.pk}").status_code == 403
    assert client.post("/contacts/merge/", {"keep": kept.pk, "gone": gone.pk}).status_code == 403
    assert Contact.objects.filter(merged_into=None).count() == 2


def test_the_number_of_queries_does_not_grow(login, two, django_assert_max_num_queries):
    client = login("support")

    def made():
        client.get("/contacts/duplicates/")
        with django_assert_max_num_queries(30) as queries:
            client.get("/contacts/duplicates/")
        return len(queries)

    before = made()
    for _ in range(8):
        number = factories.phone_number()
        for _ in range(3):
            factories.phone(value=number)

    assert made() == before
