"""The automatic texts in the admin: a language of the list, and what is sent without any."""

from __future__ import annotations

import pytest

from contacts.models import AnswerWording
from contacts.models.answers import (
    CODE_TEXT,
    CONFIRM_MAIL,
    CONFIRM_SUBJECT,
    CONFIRM_TEXT,
    STOP_TEXT,
    VERIFY_MAIL,
    VERIFY_SUBJECT,
    VERIFY_TEXT,
)
from tests import factories

pytestmark = pytest.mark.django_db
URL = "/admin/contacts/answerwording/"
GIVEN = {"who": "auto", "stop_text": "Ende.", "code_text": CODE_TEXT, "confirm_text": CONFIRM_TEXT,
         "confirm_subject": CONFIRM_SUBJECT, "confirm_mail": CONFIRM_MAIL, "verify_text": VERIFY_TEXT,
         "verify_subject": VERIFY_SUBJECT, "verify_mail": VERIFY_MAIL, "_zone": "UTC"}  # fmt: skip


@pytest.fixture
def root(client):
    client.force_login(factories.user(is_staff=True, is_superuser=True))
    return client


@pytest.mark.parametrize("language", ["deutsch", "deu", "xx", "DE"])
def test_what_is_no_language_of_the_list_is_refused_in_words(root, language):
    page = root.post(f"{URL}add/", {**GIVEN, "language": language}).content.decode()

    assert f"Choose a language of the list: “{language}” is none of it." in page
    assert not AnswerWording.objects.exists()


def test_a_language_is_chosen_and_texts_have_room(root):
    page = root.get(f"{URL}add/").content.decode()
    root.post(f"{URL}add/", {**GIVEN, "language": "de"})

    assert '<option value="de">German</option>' in page
    assert page.count("<textarea") == 7
    assert AnswerWording.objects.get().language == "de"


def test_the_empty_list_says_what_is_sent(root):
    assert STOP_TEXT in root.get(URL).content.decode()

    AnswerWording.objects.create(stop_text="Ende.")
    assert "Until you add texts" not in root.get(URL).content.decode()
