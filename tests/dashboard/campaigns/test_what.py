"""The section What of the composer: what is said below a text, and what its buttons do."""

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from campaigns.models import Brand, Content
from dashboard.campaigns.composer import SECTIONS
from tests import factories

pytestmark = pytest.mark.django_db


@pytest.fixture
def people():
    made = factories.contact_list()
    for name in ("Jo Lee", "Bartholomew Featherstonehaugh"):
        factories.phone(factories.contact(name=name, lists=[made]), region="US-TX")
    return made


@pytest.fixture
def draft(people):
    made = factories.campaign(lists=[people], purpose="marketing")
    factories.content(made, "sms")
    return made


@pytest.fixture
def marketer(login):
    return login("marketer")


def save(client, draft, body, **more):
    form = SECTIONS["what"].form(draft, None)
    given = {
        form[name].html_name: form[name].value() for name in form.fields if form[name].value() is not None
    }
    draft.refresh_from_db()
    data = {"edited": draft.edited, **given, "what-sms_body": body, **more}
    return client.post(reverse("campaigns:edit_what", args=[draft.slug]), data, HTTP_HX_REQUEST="true")


def test_the_length_is_said_for_the_shortest_and_the_longest_details(marketer, draft):
    page = save(marketer, draft, "a" * 150 + "{first_name}").content.decode()

    assert "Up to 161 of 306 characters, 2 segments; 1 for the shortest details" in page


def test_a_name_that_makes_a_text_dear_is_not_laid_to_the_text(marketer, draft, people):
    factories.contact(name="Łukasz Nowak", lists=[people])

    page = save(marketer, draft, "Hello {first_name}").content.decode()

    assert "Somebody&#x27;s details have Ł, which no text of yours can change." in page
    assert "doubles your cost" not in page


@pytest.mark.parametrize(
    ("fix", "expected"),
    [
        ("sms:2019", "It's “now” at http://a.example"),
        ("sms:replace_all", 'It\'s "now" at http://a.example'),
        ("sms:https", "It’s “now” at https://a.example"),
        ("sms:opt_out_line", "It’s “now” at http://a.example Reply STOP to opt out."),
        ("email:replace_all", "It’s “now” at http://a.example"),
        ("sms:FFFFF", "It’s “now” at http://a.example"),
        ("sms:110000", "It’s “now” at http://a.example"),
        ("nonsense", "It’s “now” at http://a.example"),
    ],
)
def test_a_button_changes_the_text_and_nothing_else_does(marketer, draft, fix, expected):
    response = save(marketer, draft, "It’s “now” at http://a.example", **{"what-fix": fix})

    assert (response.status_code, Content.objects.get().body) == (200, expected)
    changed = expected != "It’s “now” at http://a.example"
    assert response.has_header("X-Rewrote") == changed  # or the old text would stay on the page


def test_lines_end_as_they_are_sent(marketer, draft):
    save(marketer, draft, "One\r\ntwo")

    assert Content.objects.get().body == "One\ntwo"


def test_a_brand_that_somebody_named_has_to_be_in_the_text_and_its_links_may(marketer, draft):
    save(
        marketer,
        draft,
        "Sale at https://www.example.com/x and https://other.example.net. Reply STOP to opt out.",
    )
    brand = Brand.objects.get()
    brand.name, brand.domains = "Example Clinic", ["example.com"]
    brand.save()

    page = save(marketer, draft, Content.objects.get().body).content.decode()

    assert "The text does not say who writes: Example Clinic is not in it." in page
    assert "The link leads to other.example.net" in page
    assert "The link leads to www.example.com" not in page


def test_senders_that_may_not_send_yet_stand_apart(marketer, draft):
    factories.sender("sms", name="New number", state="not_registered")

    page = marketer.get(reverse("campaigns:edit", args=[draft.slug])).content.decode()

    assert page.index("Ready to send") < page.index("May not send yet") < page.index("New number")


def test_a_recording_is_as_long_as_it_takes_to_read_aloud(marketer):
    draft = factories.campaign(channel="voice")
    factories.content(draft, "voice", body="word " * 50)

    page = marketer.get(reverse("campaigns:edit", args=[draft.slug])).content.decode()

    assert "About 20 seconds read aloud." in page


def test_below_a_text_it_takes_as_many_queries_for_many_people_as_for_few(marketer, draft, people):
    address = reverse("campaigns:edit", args=[draft.slug])
    marketer.get(address)
    with CaptureQueriesContext(connection) as few:
        marketer.get(address)
    for _ in range(5):
        factories.phone(factories.contact(name="More People", lists=[people]))

    with CaptureQueriesContext(connection) as many:
        marketer.get(address)

    assert len(many) == len(few)


@pytest.fixture
def folder(settings, tmp_path):
    settings.MEDIA_FOLDER = tmp_path
    return tmp_path


def upload(client, draft, octets):
    given = {
        "edited": draft.edited,
        "what-channel": "mms",
        "what-mms_body": "Hello",
        "what-mms_media_url": "",
    }
    sender = draft.contents.get().sender_id
    file = SimpleUploadedFile("picture.html", octets)
    return client.post(
        reverse("campaigns:edit_what", args=[draft.slug]),
        {**given, "what-mms_sender": sender, "what-mms_file": file},
        HTTP_HX_REQUEST="true",
    )


def test_an_uploaded_picture_is_kept_and_has_an_address(marketer, folder):
    draft = factories.campaign(channel="mms")
    factories.content(draft, "mms")

    page = upload(marketer, draft, b"\xff\xd8\xff" + b"0" * 2000).content.decode()

    [file] = folder.iterdir()
    assert Content.objects.get().media_url.endswith(f"/media/{file.name}")
    assert file.suffix == ".jpg"
    assert "Uploaded: JPG, 1 KB." in page
    assert "which nobody outside can open" in page


def test_an_upload_that_carriers_refuse_changes_nothing(marketer, folder):
    draft = factories.campaign(channel="mms")
    factories.content(draft, "mms", body="As it was")

    response = upload(marketer, draft, b"<script>alert(1)</script>")

    assert response.status_code == 422
    assert "This is no JPEG, PNG or GIF file" in response.content.decode()
    assert (list(folder.iterdir()), Content.objects.get().body) == ([], "As it was")
