"""What senders keep to: the table of carriers and providers, what a sender says itself, and how it is worded."""

from __future__ import annotations

import csv
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from django.urls import reverse

from campaigns import rates
from campaigns.models import Pace, Sender
from campaigns.rate_words import keeps_to
from campaigns.rates import Paced, kind_of, limits, rate_of, registered_kinds, warm_up
from deliveries.providers import PROVIDERS
from tests import factories

NOW = datetime(2026, 3, 4, 17, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("channel", "value", "kind"),
    [
        ("sms", "12345", "short_code"),
        ("sms", "WAYBILL", "alphanumeric"),
        ("sms", "+18335550100", "toll_free"),
        ("mms", "+12125550100", "long_code_us"),
        ("sms", "+441632960000", "long_code"),
        ("email", "news@example.com", "email"),
    ],
)
def test_the_kind_of_a_sender_follows_from_its_value(channel, value, kind):
    assert kind_of(channel, value) == kind


@pytest.mark.parametrize(
    ("sender", "provider", "per_second", "per_day"),
    [
        (Paced(1, "sms", "+18335550100"), "twilio", 3, 0),
        (Paced(1, "sms", "12345"), "twilio", 100, 0),
        (Paced(1, "sms", "+12125550100"), "bandwidth", 0, 0),  # nobody states any
        (Paced(1, "sms", "+12125550100", "10dlc_c_d"), "twilio", 40, 40_000),
        (Paced(1, "sms", "+12125550100", "10dlc_c_d", per_second=12), "twilio", 12, 40_000),
        (Paced(1, "sms", "+12125550100", "no_limit"), "twilio", 0, 0),
        (Paced(1, "sms", "+12125550100", "as_it_was_called_once"), "twilio", 0, 0),
        (Paced(1, "rvm", "+12125550100"), "slybroadcast", 0, 0),
    ],
)
def test_a_limit_is_the_senders_own_or_that_of_its_kind(sender, provider, per_second, per_day):
    rate = rate_of(sender, provider)

    assert (rate.per_second, rate.per_day) == (per_second, per_day)


def test_an_account_has_its_providers_limit_or_its_own():
    caller = Paced(1, "voice", "+12125550100")

    (stated,) = limits(caller, 5, "vonage", None, NOW)
    (own,) = limits(caller, 5, "vonage", 12.0, NOW)

    assert (stated.key, stated.rate.per_second) == ("account:5:voice", 3)
    assert own.rate.per_second == 12


def test_every_line_of_the_table_has_a_source_and_a_provider_that_we_know():
    with Path(rates.__file__).with_name("rates.csv").open() as file:
        lines = list(csv.DictReader(file))

    assert all(line["source"] for line in lines)
    assert {line["provider"] for line in lines if line["provider"]} <= set(PROVIDERS)
    assert all(line["who"] in ("sender", "account") for line in lines)
    assert len({(x["who"], x["kind"], x["provider"], x["channel"]) for x in lines}) == len(lines)
    assert dict(registered_kinds())["10dlc_t"] == "10DLC, AT&T class T (low volume mixed)"


def test_a_domain_warms_up_day_by_day_and_is_warm_after_the_last():
    begins = date(2026, 3, 1)

    assert [warm_up(begins, date(2026, 3, day)) for day in (1, 4, 16, 17)] == [50, 500, 100_000, 0]
    assert warm_up(begins, date(2026, 2, 20)) == 50  # it has not begun


@pytest.mark.parametrize(("count", "days"), [(50, 0), (150, 1), (151, 2), (900, 3), (10_000_000, 16)])
def test_what_a_domain_sends_during_its_warm_up_is_reckoned_day_by_day(count, days):
    mail = Paced(1, "email", "news@new.example.com", warm_up_from=date(2026, 3, 4))

    (limit,) = limits(mail, 5, "", None, NOW)

    assert limit.days_for(count) == days


@pytest.mark.django_db
def test_a_sender_says_what_it_keeps_to_and_what_is_left_of_its_day():
    sender = factories.sender(value="+12125550100", registered_as="10dlc_t")
    mail = factories.sender("email", value="news@new.example.com", warm_up_from=date(2026, 3, 1))
    Pace.objects.create(key=f"sender:{sender.pk}", next_at=NOW, day=date(2026, 3, 4), used=588)
    Pace.objects.create(key="domain:new.example.com", next_at=NOW, day=date(2026, 3, 4), used=88)

    assert keeps_to(sender, NOW) == (
        "1.25 a second and 2,000 a day (10DLC, AT&T class T (low volume mixed)), 1,412 left today."
    )
    assert keeps_to(mail, NOW) == "Day 4 of its warm-up: 500 today, 412 left."
    assert keeps_to(factories.sender("rvm"), NOW) == "No limit is known."


@pytest.mark.django_db
def test_limits_are_shown_and_edited_where_senders_are(client):
    sender = factories.sender(value="+18335550100")
    factories.account("twilio").senders.add(sender)
    client.force_login(factories.user("admin", is_staff=True))
    form = {"name": "Toll-free", "channel": "sms", "value": sender.value, "state": sender.state}

    listed = client.get(reverse("admin:campaigns_sender_changelist")).content.decode()
    answer = client.post(
        reverse("admin:campaigns_sender_change", args=[sender.pk]),
        {
            **form,
            "registered_as": "toll_free_unverified",
            "per_second": "2.5",
            "per_day": "",
            "warm_up_from": "",
        },
    )

    assert "3 a second (Toll-free number)." in listed
    assert answer.status_code == 302
    found = Sender.objects.get()
    assert (found.registered_as, found.per_second, found.per_day) == ("toll_free_unverified", 2.5, None)


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("channel", "field", "value", "problem"),
    [
        ("sms", "warm_up_from", "2026-03-04", "Only senders of email warm up: leave it empty."),
        ("email", "registered_as", "10dlc_t", "Only senders of texts are registered so: choose another."),
        ("email", "registered_as", "no_limit", ""),
        ("email", "warm_up_from", "2026-03-04", ""),
        ("mms", "registered_as", "10dlc_t", ""),
    ],
)
def test_what_a_sender_cannot_be_limited_by_is_refused(client, channel, field, value, problem):
    sender = factories.sender(channel)
    client.force_login(factories.user("admin", is_staff=True))
    form = {"name": "Mine", "channel": channel, "value": sender.value, "state": sender.state, field: value}

    answer = client.post(reverse("admin:campaigns_sender_change", args=[sender.pk]), form)

    assert answer.status_code == (200 if problem else 302)
    assert problem in answer.content.decode()
