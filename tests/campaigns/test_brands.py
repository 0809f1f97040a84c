"""Brands: every sender has one, and it knows its own domains."""

from __future__ import annotations

import importlib
from types import SimpleNamespace

import pytest
from django.apps import apps
from django.core.exceptions import ValidationError
from django.db import IntegrityError, connection, transaction
from django.urls import reverse

from campaigns.models import Brand, Sender
from campaigns.models.brands import domains_only
from contacts.channels import Channel
from tests import factories

pytestmark = pytest.mark.django_db


def test_a_sender_that_names_no_brand_is_of_the_default_one():
    other = Brand.objects.create(name="Other")

    before = factories.sender()
    other.make_default()
    after = factories.sender()

    assert before.brand.name == "Our brand"
    assert after.brand == other
    assert Brand.objects.filter(is_default=True).get() == other


def test_two_defaults_cannot_be():
    with pytest.raises(IntegrityError), transaction.atomic():
        Brand.objects.create(name="Other", is_default=True)


@pytest.mark.parametrize(
    ("host", "owned"),
    [
        ("example.com", True),
        ("WWW.Example.com.", True),
        ("xn--mnchen-3ya.example", True),
        ("notexample.com", False),
        ("example.com.evil.test", False),
        ("com", False),
        ("", False),
        ("user@example.com", False),
    ],
)
def test_a_brand_owns_its_domains_and_the_names_below_them(host, owned):
    assert Brand(domains=["example.com", "münchen.example"]).owns(host) is owned


@pytest.mark.parametrize(
    "value", ["example.com", [1], ["https://example.com/"], ["Example.com"], ["a b"], ["me@x.test"]]
)
def test_what_is_no_list_of_domains_is_refused(value):
    with pytest.raises(ValidationError):
        domains_only(value)


def test_the_first_brand_has_the_domains_of_the_addresses_that_there_are():
    migration = importlib.import_module("campaigns.migrations.0019_brands")
    factories.sender(Channel.EMAIL, value="hello@shop.example.com")
    Brand.objects.update(name="Old", is_default=False)

    migration.make_brand(apps, SimpleNamespace(connection=connection))

    assert Brand.objects.default().domains == ["shop.example.com"]


def test_a_form_of_the_admin_without_a_brand_takes_the_default(login):
    client = login(user=factories.user(is_staff=True, is_superuser=True))
    fields = {"name": "Texts", "channel": "sms", "value": "20100", "state": "in_review", "registered_as": ""}

    answer = client.post(reverse("admin:campaigns_sender_add"), fields)

    assert answer.status_code == 302
    assert Sender.objects.get().brand == Brand.objects.default()
