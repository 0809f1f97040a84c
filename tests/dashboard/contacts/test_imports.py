"""The pages that bring people in: who may, every step, and what bad input gets."""

from __future__ import annotations

import csv
import io
import re

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.utils import timezone

from accounts.models import User
from campaigns import drafting
from contacts import import_runs
from contacts.models import Address, Consent, Contact, ContactImport
from tests import factories

pytestmark = pytest.mark.django_db

FILE = (
    "Full name,Mobile number,Email,SMS opt-in,Opted out\n"
    "Robin Lee,(512) 555-0142,robin@example.com,yes,\n"
    "Kim Day,555,,no,\n"
    "=1+1,+1 512 555 0143,nobody@,,\n"
)
COLUMNS = {
    "use_1": "name",
    "use_2": "phone",
    "use_3": "email",
    "use_4": "",
    "use_5": "opt_out",
    "list_name": "Fair",
    "region": "us",
}
EVIDENCE = {"use_4": "agreed:sms", "how": "Web form", "when": "2026-01-02", "wording": "Text me."}


@pytest.fixture
def marketer(login):
    return login("marketer")


def upload(client, text=FILE, name="people.csv"):
    file = SimpleUploadedFile(name, text.encode() if isinstance(text, str) else text)
    return client.post("/contacts/import/", {"file": file})


def words(response):
    return " ".join(re.sub(r"<[^>]+>", " ", response.content.decode()).split())


def imported(client, text=FILE, **more):
    address = upload(client, text).url
    assert client.post(address, COLUMNS | more).status_code == 302
    one = ContactImport.objects.latest("pk")
    client.post(f"/contacts/import/{one.pk}/start/")
    import_runs.run(timezone.now())
    one.refresh_from_db()
    return one


def test_a_file_goes_all_the_way(marketer):
    answer = upload(marketer)
    page = marketer.get(answer.url)
    assert page.status_code == 200
    assert '<option value="phone" selected>' in page.content.decode()
    assert "Looks like consent, and is not used unless you say so." in words(page)

    answer = marketer.post(answer.url, COLUMNS | EVIDENCE)
    preview = words(marketer.get(answer.url))
    assert "+15125550142" in preview
    assert "New, agreed to SMS" in preview
    assert not Contact.objects.exists()

    one = ContactImport.objects.get()
    answer = marketer.post(f"/contacts/import/{one.pk}/start/")
    assert "0 of 3 lines are done" in words(marketer.get(answer.url))
    import_runs.run(timezone.now())
    page = words(marketer.get(answer.url))
    assert "Refused lines 2" in page
    assert "Consents recorded 1" in page
    assert [each.name for each in Contact.objects.all()] == ["Robin Lee"]
    assert "people.csv" in words(marketer.get("/contacts/import/"))

    answer = marketer.post(f"/contacts/import/{one.pk}/undo/")
    import_runs.run(timezone.now())
    assert "1 person as before the import" in words(marketer.get(answer.url))
    assert not Contact.objects.exists()


def test_the_file_of_refused_lines_says_why_and_can_be_uploaded_again(marketer):
    one = imported(marketer)

    answer = marketer.get(f"/contacts/import/{one.pk}/refused/")
    text = b"".join(answer.streaming_content).decode("utf-8-sig")

    rows = list(csv.reader(io.StringIO(text)))
    assert [row[0] for row in rows] == ["Full name", "Kim Day", "'=1+1"]
    assert rows[2][1] == "'+1 512 555 0143"
    assert "Correct it" in rows[2][5]
    fixed = imported(
        marketer, text.replace("nobody@", "kim@example.com"), use_6="", list_name="Fair, corrected"
    )
    assert fixed.added == 1
    assert Address.objects.filter(value="+15125550143").exists()


@pytest.mark.parametrize("missing", ["how", "when", "wording"])
def test_consent_is_not_recorded_without_its_evidence(marketer, missing):
    address = upload(marketer).url

    answer = marketer.post(address, COLUMNS | EVIDENCE | {missing: ""})

    assert answer.status_code == 422
    assert ContactImport.objects.get().options == {}


def test_nothing_is_recorded_as_consent_unasked(marketer):
    imported(marketer)

    assert not Consent.objects.exists()


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"use_3": "phone"}, "Only one column can be the phone"),
        ({"use_2": "", "use_3": ""}, "Say which column is the phone"),
        ({"region": "zz"}, "is no country"),
        ({"list_name": " "}, "Name the new list"),
        ({"list_name": "old FAIR"}, "There is a list called"),
        ({"use_1": "nonsense"}, "Select a valid choice"),
        ({"when": "2999-01-01"}, "in the future"),
        ({"when": "0001-01-01"}, "lies before 1970"),
        ({"when": "1969-12-31"}, "lies before 1970"),
        ({"contact_list": "999999"}, "Select a valid choice"),
    ],
)
def test_a_choice_that_cannot_be_is_refused_with_its_reason(marketer, changed, sentence):
    factories.contact_list(name="Old fair")
    address = upload(marketer).url

    answer = marketer.post(address, COLUMNS | changed)

    assert answer.status_code == 422
    assert sentence in words(answer)


@pytest.mark.parametrize("content", [b"", b"\xff\xfe\x00", b"PK\x03\x04junk", b"name\n", b"a,b\n\x00,\x00\n"])
def test_a_file_that_cannot_be_read_is_refused_on_the_page(marketer, content):
    answer = upload(marketer, content)

    assert answer.status_code == 422
    assert not ContactImport.objects.exists()


def test_columns_are_remembered_but_for_consent(marketer):
    imported(marketer, **EVIDENCE, use_1="external_id")

    page = marketer.get(upload(marketer).url).content.decode()

    assert '<option value="external_id" selected>' in page
    assert '<option value="agreed:sms" selected>' not in page


@pytest.mark.parametrize("page", ["", "{pk}/", "{pk}/columns/", "{pk}/preview/", "{pk}/refused/"])
def test_support_may_not_import(login, marketer, page):
    one = imported(marketer)

    assert login("support").get(f"/contacts/import/{page.format(pk=one.pk)}").status_code == 403


def test_another_marketer_sees_counts_but_not_the_lines_of_a_file(login, marketer):
    one = imported(marketer)
    other = login("marketer")

    assert other.get(f"/contacts/import/{one.pk}/").status_code == 200
    assert other.get(f"/contacts/import/{one.pk}/refused/").status_code == 403
    assert login("admin").get(f"/contacts/import/{one.pk}/refused/").status_code == 200


def test_a_new_list_that_was_made_meanwhile_is_the_one_that_is_chosen(marketer):
    draft = upload(marketer).url
    marketer.post(draft, COLUMNS)
    factories.contact_list(name="fair")

    page = marketer.get(draft).content.decode()

    assert re.search(r'<option value="[0-9]+" selected>fair', page)
    assert 'value="Fair"' not in page


def test_what_faults_quote_of_a_file_is_for_those_who_may_read_it(login, marketer):
    """A cell may hold a number or an address, wherever it stands."""
    text = FILE.replace("com,yes,", "com,yes if robin@example.com,")
    one = imported(marketer, text, **EVIDENCE)

    def page(client):
        return words(client.get(f"/contacts/import/{one.pk}/"))

    assert "“yes if robin@example.com”" in page(marketer)
    assert "“yes if robin@example.com”" in page(login("admin"))
    assert "robin@example.com" not in page(login("marketer"))
    assert "which is no plain yes" in page(login("marketer"))


def test_a_draft_can_be_discarded(marketer):
    upload(marketer)
    one = ContactImport.objects.get()

    marketer.post(f"/contacts/import/{one.pk}/discard/")

    assert not ContactImport.objects.exists()


def test_pages_ask_the_same_number_of_questions_however_long_the_history(
    marketer, django_assert_max_num_queries
):
    for n in range(5):
        imported(marketer, list_name=f"List {n}")

    with django_assert_max_num_queries(15):
        marketer.get("/contacts/import/")
    with django_assert_max_num_queries(15):
        marketer.get(f"/contacts/import/{ContactImport.objects.latest('pk').pk}/")


def test_an_existing_list_is_filled_and_a_source_is_kept(marketer):
    fair, web = factories.contact_list(name="Old fair"), factories.contact_list(name="Web")

    imported(marketer, list_name="", contact_list=str(fair.pk), source=str(web.pk))

    contact = Contact.objects.get()
    assert (contact.source, list(contact.lists.all())) == (web, [fair])


@pytest.mark.parametrize(
    ("more", "comes"),
    [
        ({"fill_in": "on"}, "Amber Roy is renamed to Jack Dean, and jack@example.com becomes theirs."),
        ({}, "Only Amber Roy comes onto the list; Jack Dean and jack@example.com are not stored."),
    ],
)
def test_the_preview_says_whose_number_a_line_of_another_name_has(marketer, more, comes):
    factories.phone(factories.contact(name="Amber Roy"), value="+15125550142")
    address = upload(marketer, FILE.replace("Robin Lee", "Jack Dean").replace("robin@", "jack@")).url

    preview = words(marketer.get(marketer.post(address, COLUMNS | more).url))

    assert f"Your file says Jack Dean; this number belongs to Amber Roy. {comes}" in preview


def test_the_preview_says_who_had_agreed_before(marketer):
    imported(marketer, **EVIDENCE)

    given = COLUMNS | EVIDENCE | {"list_name": "Another"}
    preview = words(marketer.get(marketer.post(upload(marketer).url, given).url))

    assert "Consents recorded 0 1 more had agreed before" in preview
    assert "They had agreed to SMS before" in preview


@pytest.mark.parametrize(
    ("more", "says", "never"),
    [
        ({}, "Robin Lee had agreed to SMS before", "They had agreed"),
        ({"fill_in": "on"}, "Updated, agreed to SMS", "had agreed to SMS before"),
    ],
)
def test_what_somebody_else_agreed_to_is_said_of_nobody_but_them(marketer, more, says, never):
    imported(marketer, **EVIDENCE)
    given = COLUMNS | EVIDENCE | {"list_name": "Another", "fill_in": ""} | more

    address = upload(marketer, FILE.replace("Robin Lee", "Jack Dean")).url
    preview = words(marketer.get(marketer.post(address, given).url))

    assert "Your file says Jack Dean; this number belongs to Robin Lee." in preview
    assert says in preview
    assert never not in preview


def test_an_import_leads_back_to_the_draft_that_waits_for_people(marketer):
    draft = drafting.make_draft("Spring recall", User.objects.latest("pk"))
    edit = f"/campaigns/{draft.slug}/edit/"
    assert "There is no list yet: a file of people becomes one." in words(marketer.get(edit))

    one = imported(marketer)
    page = marketer.get(f"/contacts/import/{one.pk}/")

    assert f'href="{edit}#who">Go on with Spring recall</a>' in page.content.decode()
    assert f'href="/contacts/lists/{one.contact_list_id}/"' in page.content.decode()
    assert "There is no list yet" not in words(marketer.get(edit))
    draft.lists.add(one.contact_list)
    assert "New campaign" in words(marketer.get(f"/contacts/import/{one.pk}/"))
