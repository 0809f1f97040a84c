"""One open alert for each cause: it opens when the cause is there, closes when it is gone, and never twice."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import IntegrityError, transaction

from deliveries.alerting import evaluating
from deliveries.alerting.findings import Finder, Finding
from deliveries.models import Alert, AlertSetting

pytestmark = pytest.mark.django_db
MINUTE = timedelta(minutes=1)


def look(now, *causes, kind="dead_letters"):
    """One round in which exactly these causes are there."""
    found = [Finding(kind, about, f"Something is wrong with {about}.") for about in causes]
    return evaluating.run(now, [Finder((kind,), lambda now, settings: found)])


def test_a_cause_opens_one_alert_however_long_it_lasts(now):
    for minute in range(30):
        look(now + minute * MINUTE, "a")

    alert = Alert.objects.get()
    assert (alert.raised_at, alert.closed_at) == (now, None)
    assert alert.last_seen_at == now + 29 * MINUTE


def test_it_closes_when_the_cause_is_gone_and_one_that_comes_back_is_a_new_one(now):
    look(now, "a")
    look(now + 5 * MINUTE)
    assert Alert.objects.get().closed_at is None  # gone for a moment is not gone

    look(now + 12 * MINUTE)
    look(now + 20 * MINUTE, "a")

    first, second = Alert.objects.order_by("pk")
    assert first.closed_at == now + 12 * MINUTE
    assert (second.raised_at, second.closed_at) == (now + 20 * MINUTE, None)


def test_a_kind_with_patience_is_raised_once_its_cause_has_lasted(now):
    look(now, "a", kind="reconciliation")
    assert Alert.objects.get().raised_at is None

    look(now + 10 * MINUTE, "a", kind="reconciliation")

    assert Alert.objects.get().raised_at == now + 10 * MINUTE


def test_what_never_lasted_leaves_nothing_behind(now):
    look(now, "a", kind="reconciliation")

    look(now + 20 * MINUTE, kind="reconciliation")

    assert not Alert.objects.exists()


def test_a_finder_that_fails_closes_nothing_and_stops_no_other(now):
    look(now, "a")

    def fails(now, settings):
        raise RuntimeError("broken")

    other = Finding("codes", "1", "A code that no table lists.")
    evaluating.run(
        now + 30 * MINUTE,
        [Finder(("dead_letters",), fails), Finder(("codes",), lambda now, settings: [other])],
    )

    assert set(Alert.objects.filter(closed_at=None).values_list("kind", flat=True)) == {
        "dead_letters",
        "codes",
    }


def test_a_kind_that_is_switched_off_opens_nothing(now):
    AlertSetting.objects.create(kind="dead_letters", active=False, changed_at=now)

    look(now, "a")

    assert not Alert.objects.exists()


def test_a_second_process_finds_it_done(now):
    look(now, "a")

    assert look(now + timedelta(seconds=5), "a", "b") == 0
    assert Alert.objects.count() == 1


def test_the_database_holds_one_open_alert_for_a_cause(now):
    look(now, "a")
    alert = Alert.objects.get()
    alert.pk = None

    with pytest.raises(IntegrityError), transaction.atomic():
        alert.save(force_insert=True)


def test_an_address_that_is_too_long_to_be_kept_is_left_out(now):
    long = Finding("dead_letters", "a", "Something is wrong.", url=f"/campaigns/{'a' * 300}/")

    evaluating.run(now, [Finder(("dead_letters",), lambda now, settings: [long])])

    assert Alert.objects.get().url == ""
