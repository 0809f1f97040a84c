"""The table of contacts."""

import re
from datetime import timedelta
from html import unescape

import pytest
from django.utils import timezone

from contacts.models import Consent
from deliveries.outcomes import people as table
from deliveries.statuses import FailureClass, Fault, Status
from tests import factories

pytestmark = pytest.mark.django_db


def says(contact, channel, opted_in, origin="recipient", days=1):
    at = timezone.now() - timedelta(days=days)
    return Consent.objects.create(
        contact=contact, channel=channel, opted_in=opted_in, at=at, how="Web form", origin=origin
    )


def written(contact, **fields):
    return factories.message(factories.recipient(contact=contact), address=contact.addresses.get(), **fields)


def failed(contact):
    return written(
        contact,
        status=Status.UNDELIVERED,
        failure_class=FailureClass.PERMANENT,
        fault=Fault.RECIPIENT,
    )


@pytest.fixture
def world():
    """Ada is on a list, opted in to texts, and her last message failed; Ben opted out; Cem said nothing."""
    clinic, web = factories.contact_list(name="Clinic"), factories.contact_list(name="Web sign-up")
    ada = factories.contact(name="Ada", lists=[clinic, web], external_id="CRM-1")
    ben, cem = factories.contact(name="Ben", lists=[web]), factories.contact(name="Cem")
    for one in (ada, ben, cem):
        factories.phone(one)
    says(ada, "sms", True)
    says(ben, "sms", True, days=2)
    says(ben, "sms", False)
    written(ada, status=Status.DELIVERED)
    failed(ada)
    written(ben, status=Status.DELIVERED)
    return {"ada": ada, "ben": ben, "cem": cem, "clinic": clinic, "web": web}


def names(answer):
    return re.findall(r"data-open>(\w+)</a>", answer.content.decode())


def test_everybody_stands_in_the_table_the_newest_first_with_what_is_known_of_them(login, world):
    answer = login("marketer").get("/contacts/")
    page = re.sub(r"\s+", " ", answer.content.decode())

    assert names(answer) == ["Cem", "Ben", "Ada"]
    assert "3 contacts" in page
    for words in (
        "Opted in</span> SMS and MMS",
        "Opted out</span> SMS and MMS",
        "Nothing said",
        "Clinic, Web sign-up",
        "CRM-1",
    ):
        assert words in page
    assert "No message yet" in page
    assert world["ada"].addresses.get().value not in page


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"list": "web"}, ["Ben", "Ada"]),
        ({"list": "clinic"}, ["Ada"]),
        ({"source": "clinic"}, ["Ada"]),
        ({"list": "web", "source": "clinic"}, ["Ada"]),
        ({"consent": "sms-in"}, ["Ada"]),
        ({"consent": "sms-out"}, ["Ben"]),
        ({"consent": "sms-nothing"}, ["Cem"]),
        ({"consent": "mms-out"}, ["Ben"]),
        ({"consent": "email-nothing"}, ["Cem", "Ben", "Ada"]),
        ({"result": "permanent"}, ["Ada"]),
        ({"result": "success"}, ["Ben"]),
        ({"result": "none"}, ["Cem"]),
        ({"list": "web", "consent": "sms-in", "result": "permanent"}, ["Ada"]),
        ({"q": "Ada"}, ["Ada"]),
        ({"q": "Ada", "list": "clinic"}, ["Ada"]),
        ({"q": "Ada", "result": "success"}, []),
    ],
)
def test_it_is_narrowed_by_list_source_consent_and_last_result(login, world, query, expected):
    given = {name: world[value].pk if name in ("list", "source") else value for name, value in query.items()}

    assert names(login("support").get("/contacts/", given)) == expected


@pytest.mark.parametrize(
    "query",
    ["list=99999999999999999999", "list=x", "consent=sms-perhaps", "result=fine", "list=%00", "source=-1"],
)
def test_a_filter_that_means_nothing_is_said_in_words(login, world, query):
    answer = login("support").get(f"/contacts/?{query}")

    assert answer.status_code == 200
    assert "These filters cannot be read" in answer.content.decode()
    assert names(answer) == []


@pytest.mark.parametrize("query", ["after=nonsense", "after=%00", "after=OjoyMjI", "unknown=1"])
def test_a_mark_that_means_nothing_is_the_first_page(login, world, query):
    assert names(login("support").get(f"/contacts/?{query}")) == ["Cem", "Ben", "Ada"]


def test_pages_follow_each_other_by_key(login, world, monkeypatch):
    monkeypatch.setattr(table, "PAGE_SIZE", 2)
    client = login("support")
    first = client.get("/contacts/")
    older = re.search(r'href="(\?[^"]*after=[^"]+)"', first.content.decode())[1]

    assert names(first) == ["Cem", "Ben"]
    assert names(client.get(f"/contacts/{older}")) == ["Ada"]


@pytest.mark.parametrize("query", ["", "?consent=email-nothing"])
def test_every_page_says_how_many_there_are_in_all(login, world, monkeypatch, query):
    monkeypatch.setattr(table, "PAGE_SIZE", 2)
    client = login("support")
    first = client.get(f"/contacts/{query}").content.decode()
    older = unescape(re.search(r'href="(\?[^"]*after=[^"]+)"', first)[1])

    pages = [first, client.get(f"/contacts/{older}").content.decode()]

    assert ["3 contacts" in re.sub(r"\s+", " ", page) for page in pages] == [True, True]


def test_a_rare_result_is_looked_for_a_portion_at_a_time(login, world, monkeypatch):
    monkeypatch.setattr(table, "LOOKED_AT", 2)
    client = login("support")
    first = client.get("/contacts/?result=permanent")
    further = re.search(r'href="(\?[^"]*after=[^"]+)"', first.content.decode())[1].replace("&amp;", "&")

    assert names(first) == []
    assert "Nobody among these" in first.content.decode()
    assert "None so far" in first.content.decode()
    assert names(client.get(f"/contacts/{further}")) == ["Ada"]


@pytest.mark.parametrize("query", ["", "?list={web}", "?consent=sms-in&result=permanent", "?q=Robin"])
def test_the_number_of_queries_does_not_grow_with_the_people(
    login, world, query, django_assert_max_num_queries
):
    client = login("support")
    path = "/contacts/" + query.format(web=world["web"].pk)
    client.get(path)

    def counted():
        with django_assert_max_num_queries(60) as made:
            client.get(path)
        return len(made)

    before = counted()
    for n in range(12):
        one = factories.contact(name=f"Robin {n}", lists=[world["web"]])
        factories.phone(one)
        says(one, "sms", True)
        failed(one)
    few = counted()

    assert few <= before + (6 if "?q=" in query else 0)  # nobody was found before
    assert few <= 23


def test_the_page_is_not_for_whoever_may_see_no_contacts(login):
    assert login().get("/contacts/").status_code == 403
