"""Links that name the message they stood in."""

import pytest

from deliveries import links
from deliveries.references import new_reference

REF = "019ad3c5-7a10-7b1e-9c0d-5f2e8a41c9d7"


def test_a_link_names_its_message_and_nothing_else(settings):
    settings.PUBLIC_URL = "https://waybill.example.com"
    page = links.page(REF)

    assert page.startswith("https://waybill.example.com/u/")
    assert links.read(page.rpartition("/")[2]) == REF
    assert len(links.token(REF)) == 43


@pytest.mark.parametrize("at", [0, 12, 21, 22, 30, 41])
def test_a_link_that_was_changed_names_nothing(at):
    token = links.token(REF)
    other = "A" if token[at] != "A" else "B"

    assert links.read(token[:at] + other + token[at + 1 :]) == ""


@pytest.mark.parametrize("token", ["", "x", "é" * 43, "A" * 43, "A" * 5_000, "%00", REF])
def test_what_is_no_link_of_ours_names_nothing(token):
    assert links.read(token) == ""


def test_a_link_that_lacks_its_end_names_nothing():
    assert links.read(links.token(REF)[:-1]) == ""


def test_a_link_outlives_the_key_it_was_made_with(settings):
    token = links.token(REF)
    former, settings.CREDENTIALS_KEY = settings.CREDENTIALS_KEY, "another key than before, and long enough"

    assert links.read(token) == ""
    settings.FORMER_CREDENTIALS_KEYS = ["one in between, which is long enough too", former]
    assert links.read(token) == REF


def test_every_link_is_another():
    assert len({links.token(str(new_reference())) for _ in range(100)}) == 100
