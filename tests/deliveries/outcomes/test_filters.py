from datetime import date, timedelta
from itertools import product

import pytest
from django.utils import timezone

from campaigns.models import ContentVersion
from contacts.models import Contact
from deliveries.models import Message
from deliveries.outcomes.figures import CampaignFigures
from deliveries.outcomes.filters import BadFilter, OutcomeFilter, read_view
from deliveries.outcomes.narrowing import OutcomeView, entries, matching
from deliveries.statuses import Queue
from tests import factories, reporting_rows


def test_unknown_parameters_are_ignored():
    form = OutcomeFilter({"status": "retryable", "utm_source": "x", "after": "y"})

    assert form.is_valid()
    assert form.given == {"status": "retryable"}


def test_equal_views_have_equal_query_strings():
    one = OutcomeFilter({"channel": "sms", "status": "retryable", "s": ""})
    other = OutcomeFilter({"status": "retryable", "channel": "sms", "carrier": ""})

    assert one.is_valid()
    assert other.is_valid()
    assert one.querystring() == other.querystring() == "status=retryable&channel=sms"


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"status": "lost"}, "status"),
        ({"channel": "fax"}, "channel"),
        ({"source": "x"}, "source"),
        ({"s": "ab"}, "s"),
    ],
)
def test_a_bad_value_is_named_with_its_field(given, field):
    form = OutcomeFilter(given)

    assert not form.is_valid()
    assert list(form.errors) == [field]


def test_a_chip_says_what_is_set_and_leads_to_the_view_without_it():
    form = OutcomeFilter({"status": "permanent", "channel": "rvm"})
    assert form.is_valid()

    chips = form.chips()

    assert [(chip.label, chip.words, chip.without) for chip in chips] == [
        ("Status", "Can't be delivered", "channel=rvm"),
        ("Channel", "Ringless voicemail", "status=permanent"),
    ]


def test_bad_filters_of_a_selection_are_refused():
    with pytest.raises(BadFilter, match="channel"):
        read_view(1, "", {"channel": "fax"})
    with pytest.raises(BadFilter, match="queue"):
        read_view(1, "nowhere", {})


@pytest.mark.django_db
def test_a_queue_and_its_messages_are_the_same_rows():
    campaign = reporting_rows.campaign([1, 1, 2, 0, 6])
    reporting_rows.campaign([1])

    view = OutcomeView(campaign.pk, Queue.RETRY, {"code": "30003"})
    messages = matching(view, timezone.now())

    assert {entry.pk for entry in entries(view, timezone.now())} == {message.pk for message in messages}
    assert messages.count() == 2


@pytest.mark.django_db
def test_a_bucket_takes_every_status_in_it():
    campaign = reporting_rows.campaign([1, 2, 6, 6, 0])

    found = matching(read_view(campaign.pk, "", {"status": "unknown"}), timezone.now())

    assert [message.status for message in found] == ["timed_out", "timed_out"]


@pytest.mark.django_db
def test_search_finds_names_and_last_digits_within_the_campaign():
    campaign = reporting_rows.campaign([0, 0, 0])
    message = campaign.messages.first()
    other = factories.message()
    other.contact.name = message.contact.name = "Robin Quartermaine"
    other.contact.save()
    message.contact.save()

    by_name = matching(read_view(campaign.pk, "", {"s": "quarter"}), timezone.now())
    by_digits = matching(read_view(campaign.pk, "", {"s": message.address.value[-4:]}), timezone.now())

    assert list(by_name) == [message]
    assert message in by_digits


@pytest.mark.django_db
def test_a_period_counts_back_from_the_moment_of_the_selection():
    at = timezone.now()
    campaign = reporting_rows.campaign([1, 1, 1], at=at - timedelta(minutes=58))

    view = read_view(campaign.pk, "retry", {"updated": "1h"})

    assert matching(view, at).count() == 3
    assert matching(view, at + timedelta(minutes=1)).count() == 2


@pytest.mark.django_db
def test_counts_from_tallies_equal_the_rows_behind_them():
    lists = [factories.contact_list(), factories.contact_list()]
    campaign = reporting_rows.campaign([0, 1, 2, 3, 4, 5, 6, 1, 1, 0], lists=lists)
    figures = CampaignFigures(campaign)
    choices = {
        "status": ["", "retryable", "undelivered", "unknown"],
        "channel": ["", "sms", "email"],
        "carrier": ["", "Carrier A", "-"],
        "source": ["", str(lists[0].pk), "0", "-", "00", "99999999999999999"],
        "code": ["", "30003", "-"],
    }

    for values in product(*choices.values()):
        filters = {name: value for name, value in zip(choices, values, strict=True) if value}
        view = read_view(campaign.pk, "", filters)
        known = figures.count(view)
        if known is not None:
            assert known == matching(view, timezone.now()).count(), filters


@pytest.mark.parametrize("queue", ["", "retry"])
def test_a_source_beyond_what_a_database_holds_is_refused_by_name(queue):
    with pytest.raises(BadFilter, match="source"):
        read_view(1, queue, {"source": "9" * 19})


@pytest.mark.django_db
@pytest.mark.parametrize("queue", ["", "retry"])
def test_each_filter_lets_through_just_the_messages_that_have_it(queue):
    """Also where a list reads the index of failures, or the entries of a queue."""
    campaign = reporting_rows.campaign([1, 1])
    one, other = Message.objects.order_by("pk")
    content = factories.content(campaign, "sms")
    version = ContentVersion.objects.create(
        content=content, number=3, sender=content.sender, body="Look at https://c.example.com/sale"
    )
    sender, account = factories.sender(), factories.account("sandbox", name="second")
    Message.objects.filter(pk=one.pk).update(
        failure_class="account", region="US-CA", sender=sender, account=account, content_version=version.number,
        attempt=2, evidence="handset", priority="urgent", created_on=date(2026, 3, 4),
    )  # fmt: skip
    Contact.objects.filter(pk=one.contact_id).update(stage="customer")
    now = timezone.now()

    for name, value in {
        "failure": "account", "region": "US-CA", "sender": str(sender.pk), "account": str(account.pk), "version": "3",
        "link": "c.example.com", "attempt": "2", "evidence": "handset", "priority": "urgent", "stage": "customer",
        "until": "2026-03-04",
    }.items():  # fmt: skip
        for more in ({}, {"status": "retryable"}):
            view = read_view(campaign.pk, queue, {name: value, **more})
            assert set(matching(view, now).values_list("pk", flat=True)) == {one.pk}, (name, more)
            if queue:
                assert set(entries(view, now).values_list("pk", flat=True)) == {one.pk}, name
    since = read_view(campaign.pk, queue, {"since": "2026-03-05"})
    assert set(matching(since, now).values_list("pk", flat=True)) == {other.pk}


@pytest.mark.parametrize(
    "given", [{"sender": "x"}, {"attempt": "99999999"}, {"version": "-1"}, {"since": "2026-02-30"},
              {"since": "2026-03-04", "until": "2026-03-03"}, {"failure": "bad"}],
)  # fmt: skip
def test_values_that_no_filter_has_are_refused(given):
    assert not OutcomeFilter(given).is_valid()
