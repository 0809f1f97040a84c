"""The table of the hours that the law permits, as everybody may read it."""

from __future__ import annotations

import pytest
from django.urls import reverse

from contacts.holidays import regional
from contacts.jurisdictions import table

pytestmark = pytest.mark.django_db

URL = "/contacts/permitted-hours/"


@pytest.mark.parametrize("role", ["marketer", "admin", "support"])
def test_everybody_reads_each_row_with_its_source(login, role, django_assert_max_num_queries):
    client = login(role)

    with django_assert_max_num_queries(11):
        page = client.get(URL).content.decode()

    assert reverse("contacts:permitted_hours") == URL
    assert page.count('<th scope="row">') == len(table()) + sum(len(those) for those in regional().values())
    for text in (
        "Alabama",
        "Where no rule is known",
        "47 CFR 64.1200(c)(1)",
        "Monday to Saturday",
        "as Sundays",
    ):
        assert text in page


def test_a_row_without_a_source_says_so_and_the_page_leads_back(login):
    page = login("admin").get(URL).content.decode()

    assert "No source on record: check before relying on it." in page
    assert "in this pass" not in page
    assert f'href="{reverse("routes:page")}">Routes</a>' in page


def test_it_only_reads(login):
    assert login("admin").post(URL).status_code == 405


def test_nobody_reads_it_without_logging_in(client):
    assert client.get(URL).status_code == 302
