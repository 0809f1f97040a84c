"""The report of list sources and imports, the people it counts, and the warning before the next import."""

import re
from datetime import timedelta
from html import unescape

import pytest
from django.utils import timezone

from contacts.models import Address, Consent, Contact, ContactImport
from deliveries.ledger import source_figures
from deliveries.ledger.source_figures import Ever
from deliveries.models import ImportFigures, SourceFigures
from deliveries.statuses import FailureClass, Fault, Status
from tests import factories
from tests.dashboard.contacts.test_imports import COLUMNS, imported, upload, words

pytestmark = pytest.mark.django_db

HARD = {"status": Status.UNDELIVERED, "failure_class": FailureClass.PERMANENT, "fault": Fault.RECIPIENT}
NOBODY = dict.fromkeys(("people", *Ever.values), 0)


def person(source, *messages, **fields):
    """Somebody of that source, with messages of these statuses or fields, the oldest first."""
    made = factories.contact(lists=[source], **fields)
    address = factories.phone(made)
    for each in messages:
        given = each if isinstance(each, dict) else {"status": each}
        factories.message(factories.recipient(contact=made), address=address, **given)
    return made


def says_no(contact, how="Replied STOP", **fields):
    return Consent.objects.create(contact=contact, channel="sms", opted_in=False, how=how, **fields)


def count(now=None):
    while source_figures.count_some(now or timezone.now()):
        pass


def counted(source):
    count()
    figures = SourceFigures.objects.get(contact_list=source)
    return {name: getattr(figures, name) for name in NOBODY}


def compared(poor, good, **counts):
    """Figures as if they were counted: those of `poor` with these counts, beside 1,000 people of `good`."""
    at = timezone.now()
    fine = {"valid": 990, "with_result": 900, "delivered": 860, "hard_fails": 30, "opt_outs": 9}
    for source, given in ((good, fine), (poor, {"valid": 990, **fine, **counts})):
        SourceFigures.objects.create(contact_list=source, people=1_000, counted_at=at, **given)


@pytest.fixture
def sources():
    return factories.contact_list(name="Bought list"), factories.contact_list(name="Web sign-up")


# ---- What is counted ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("messages", "expected"),
    [
        ([], []),
        ([Status.SENT], []),
        ([Status.TIMED_OUT], []),
        ([Status.DELIVERED], ["with_result", "delivered"]),
        ([HARD], ["with_result", "hard_fails"]),
        ([{**HARD, "fault": Fault.SENDER}], []),
        ([{"status": Status.REJECTED, "failure_class": FailureClass.CONTENT, "fault": Fault.CONTENT}], []),
        ([{**HARD, "failure_class": FailureClass.TEMPORARY}], ["with_result"]),
        ([{**HARD, "failure_class": FailureClass.TEMPORARY, "fault": Fault.CARRIER}], []),
        ([HARD, HARD, Status.DELIVERED, Status.DELIVERED], ["with_result", "delivered", "hard_fails"]),
        ([Status.COMPLAINED], ["with_result", "delivered", "complaints"]),
        ([Status.OPTED_OUT], ["with_result"]),
    ],
)
def test_a_person_counts_once_and_only_what_says_something_of_them(sources, messages, expected):
    person(sources[0], *messages)

    assert counted(sources[0]) == {**NOBODY, "people": 1, "valid": 1, **dict.fromkeys(expected, 1)}


def test_an_opt_out_counts_when_it_answers_what_we_sent_and_was_not_withdrawn(sources):
    answered, listed, withdrawn, unsent = (
        person(sources[0], *messages) for messages in ([Status.DELIVERED],) * 3 + ([],)
    )
    says_no(answered)
    says_no(listed, how="Opted out elsewhere")
    mistake = says_no(withdrawn)
    says_no(withdrawn, how="Correction", withdraws=mistake)
    says_no(unsent)

    assert counted(sources[0])["opt_outs"] == 1


def test_who_was_merged_or_erased_and_whose_address_is_wrong_does_not_count(sources):
    stays = person(sources[0])
    person(sources[0], merged_into=stays)
    person(sources[0], erased_at=timezone.now())
    wrong = person(sources[0])
    wrong.addresses.update(validity=Address.Validity.INVALID)

    assert counted(sources[0]) == {**NOBODY, "people": 2, "valid": 1}


def test_many_are_counted_a_portion_at_a_time_and_again_when_it_is_due(sources, monkeypatch):
    monkeypatch.setattr(source_figures, "PORTION", 2)
    for _ in range(5):
        person(sources[0], Status.DELIVERED)
    now = timezone.now()

    steps = [source_figures.count_some(now) for _ in range(5)]

    figures = SourceFigures.objects.get(contact_list=sources[0])
    assert steps == [1, 1, 1, 1, 0]  # three portions, and the other source
    assert (figures.people, figures.delivered) == (5, 5)
    assert source_figures.count_some(now + source_figures.EVERY + timedelta(seconds=1)) == 1


def test_an_import_counts_the_people_it_added_until_it_is_undone(login):
    known = factories.contact(external_id="CRM-1")
    one = imported(login("marketer"), "name,phone,id\nRobin,5125550142,\nKim,5125550143,CRM-1\n",
                   use_3="external_id", use_4="", use_5="")  # fmt: skip
    count()

    assert Contact.objects.get(name="Robin").first_import == one
    assert Contact.objects.get(pk=known.pk).first_import is None
    assert ImportFigures.objects.get().people == 1

    ContactImport.objects.update(state=ContactImport.State.UNDONE)
    page = login("marketer").get("/contacts/sources/imports/")
    assert "Nothing to compare yet" in words(page)


# ---- The pages ----------------------------------------------------------------------------------------------


def test_every_number_opens_the_people_it_counts(login, sources):
    for messages in (
        [Status.DELIVERED],
        [Status.DELIVERED, HARD],
        [HARD],
        [Status.COMPLAINED],
        [Status.SENT],
        [],
    ):
        says_no(person(sources[0], *messages))
    person(sources[1], Status.DELIVERED)
    one = ContactImport.objects.create(
        state=ContactImport.State.DONE, file_name="bought.csv", contact_list=sources[0]
    )
    Contact.objects.filter(source=sources[0]).exclude(messages=None).update(first_import=one)
    count()
    client = login("marketer")

    for path, most in (("sources/", 6), ("sources/imports/", 5)):
        page = client.get(f"/contacts/{path}").content.decode()
        links = re.findall(r'<td class="num"[^>]*>\s*<a href="([^"]+)">([\d,]+)</a>', page)
        opened = [
            len(re.findall("data-open", client.get(unescape(url)).content.decode())) for url, _ in links
        ]
        assert opened == [int(n) for _, n in links]
        assert max(opened) == most


def test_the_worst_source_stands_first_with_the_reason_and_says_that_its_next_import_is_warned(
    login, sources
):
    poor, good = sources
    compared(poor, good, delivered=600, complaints=12)

    page = words(login("support").get("/contacts/sources/"))

    assert page.index("Bought list") < page.index("Web sign-up")
    assert "Far worse than the others Delivered 66.7%, others 95.6%; complained 1.3%, others 0%." in page
    assert "The next import from it is warned about." in page
    assert "600 , 66.7% 63.5% to 69.7% others 95.6%" in page
    assert page.count("Not worse than the others") == 1


def test_a_source_that_is_worse_beyond_chance_and_not_far_is_called_neither_far_worse_nor_no_worse(
    login, sources
):
    poor, good = sources
    compared(poor, good, delivered=830)

    page = words(login("support").get("/contacts/sources/"))

    assert page.index("Bought list") < page.index("Web sign-up")
    assert "Somewhat worse Delivered 92.2%, others 95.6%." in page
    assert "The next import from it is warned about." not in page


def test_whoever_may_see_no_contacts_sees_no_sources(login):
    for path in ("/contacts/sources/", "/contacts/sources/imports/"):
        assert login().get(path).status_code == 403
        assert "Nothing to compare yet" in words(login("support").get(path))


@pytest.mark.parametrize("query", ["after=nonsense", "after=%00", "after=OjoyMjI", "unknown=1"])
def test_a_mark_that_means_nothing_is_the_first_page(login, sources, query):
    compared(*sources)

    assert "Bought list" in words(login("support").get(f"/contacts/sources/?{query}"))


@pytest.mark.parametrize(
    "query", ["ever=nonsense", "first_import=x", "first_import=99999999999999999999", "ever=%00"]
)
def test_a_filter_that_means_nothing_is_said_in_words(login, query):
    assert "These filters cannot be read" in words(login("support").get(f"/contacts/?{query}"))


def test_the_table_says_which_file_its_people_came_by(login, sources):
    one = ContactImport.objects.create(state=ContactImport.State.DONE, file_name="bought.csv")
    person(sources[0], Status.DELIVERED, name="Ada", first_import=one)
    person(sources[0], Status.DELIVERED, name="Ben")

    page = login("support").get(f"/contacts/?first_import={one.pk}&ever=delivered&list={sources[0].pk}")

    assert re.findall(r"data-open>(\w+)</a>", page.content.decode()) == ["Ada"]
    assert "Brought in by bought.csv" in words(page)
    assert f'name="first_import" value="{one.pk}"' in page.content.decode()


@pytest.mark.parametrize("path", ["/contacts/sources/", "/contacts/sources/imports/"])
def test_the_number_of_queries_does_not_grow_with_the_sources(login, path, django_assert_max_num_queries):
    client = login("marketer")

    def made(n):
        for _ in range(n):
            source = factories.contact_list()
            one = ContactImport.objects.create(
                state=ContactImport.State.DONE, file_name="a.csv", contact_list=source
            )
            SourceFigures.objects.create(contact_list=source, people=50, counted_at=timezone.now())
            ImportFigures.objects.create(contact_import=one, people=50, counted_at=timezone.now())
        client.get(path)
        with django_assert_max_num_queries(20) as queries:
            client.get(path)
        return len(queries)

    assert made(1) == made(12)


# ---- The warning --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("chosen", "warned"), [("list", True), ("source", True), ("new", False), ("good", False)]
)
def test_the_next_import_from_a_poor_source_is_warned(login, sources, chosen, warned):
    poor, good = sources
    compared(poor, good, delivered=600)
    client = login("marketer")
    given = {
        "list": {"contact_list": poor.pk, "list_name": ""},
        "source": {"source": poor.pk},
        "new": {},
        "good": {"contact_list": good.pk, "list_name": ""},
    }[chosen]

    preview = client.post(upload(client).url, COLUMNS | given).url
    page, imports = words(client.get(preview)), words(client.get("/contacts/import/"))

    warning = (
        "People from “Bought list” have done far worse than those from all other sources: delivered 66.7%"
    )
    assert (warning in page) == warned
    assert ("Bought list has done far worse than the others." in imports) == warned
