"""Which report decides a message's status, and why the others do not."""

from __future__ import annotations

from datetime import timedelta

import pytest

from deliveries.ledger.statements import reproject
from deliveries.models import StatusEvent
from deliveries.outcomes.message_details import attempts
from deliveries.statuses import Meaning, Status, precedence
from tests import factories

pytestmark = pytest.mark.django_db


def reported(message, now, *facts):
    """The verdicts on these (status, evidence, part) in their order."""
    for number, (status, evidence, part) in enumerate(facts, start=1):
        meaning = Meaning(status, "none", "none", evidence)
        StatusEvent.objects.create(
            message_id=message.pk, fact=number, status=status, precedence=precedence(meaning, number),
            failure_class="none", fault="none", evidence=evidence, occurred_at=now, recorded_at=now,
            part=part, parts=2 if part else 0,
        )  # fmt: skip
    reproject([message.pk], now)
    message.refresh_from_db()
    (attempt,) = attempts([message])
    return [fact.verdict for fact in sorted(attempt.facts, key=lambda fact: fact.event.fact)]


@pytest.mark.parametrize(
    ("facts", "winner", "words"),
    [
        ([("sent", "carrier", 0), ("delivered", "carrier", 0)], 1, "An earlier step"),
        ([("delivered", "carrier", 0), ("delivered", "assumed", 0)], 0, "with stronger evidence"),
        ([("delivered", "assumed", 0), ("failed", "carrier", 0)], 1, "more than an assumed delivery"),
        ([("delivered", "carrier", 0), ("unknown", "carrier", 0)], 0, "more than a code that is not"),
        ([("delivered", "carrier", 0), ("undelivered", "carrier", 0)], 0, "more than a reported failure"),
        ([("delivered", "carrier", 0), ("bounced", "carrier", 0)], 1, "bounced or was reported"),
        (
            [("timed_out", "clock", 0), ("sent", "carrier", 0), ("delivered", "carrier", 0)],
            2,
            "time-out by Waybill",
        ),
        ([("delivered", "carrier", 0), ("delivered", "handset", 0)], 1, "with stronger evidence"),
        ([("sending", "carrier", 0), ("sent", "carrier", 0)], 1, "An earlier step"),
        ([("failed", "carrier", 0), ("blocked", "carrier", 0)], 1, "says more"),
        ([("delivered", "carrier", 1), ("undelivered", "carrier", 2)], 1, "Another part decides"),
    ],
)
def test_one_report_decides_and_the_others_say_why_they_do_not(now, facts, winner, words):
    verdicts = reported(factories.message(status=Status.SENDING), now, *facts)

    assert verdicts[winner] == "This decides the status."
    assert words in verdicts[0 if winner else 1]
    assert sum(verdict.startswith("This decides") for verdict in verdicts) == 1


def test_parts_that_are_silent_decide_together(now):
    (verdict,) = reported(factories.message(status=Status.SENDING), now, ("delivered", "carrier", 1))

    assert "the others have no receipt" in verdict


@pytest.mark.parametrize(
    ("channel", "first", "words"),
    [
        ("rvm", ("delivered", "carrier", 0), "Another report says more about how it arrived."),
        (
            "voice",
            ("answered", "carrier", 0),
            "Replaced by “Voicemail”: that report is surer whether a person or a machine",
        ),
        ("rvm", ("failed", "carrier", 0), "Replaced by “Voicemail left”: proof of delivery counts more"),
        ("voice", ("no_answer", "carrier", 0), "Replaced by “Voicemail”: proof of delivery counts more"),
        (
            "voice",
            ("timed_out", "clock", 0),
            "Replaced by “Voicemail”: any report counts more than a time-out by Waybill.",
        ),
    ],
)
def test_what_gives_way_to_a_voicemail_names_the_voicemail(now, channel, first, words):
    message = factories.message(status=Status.SENDING, channel=channel)

    verdicts = reported(message, now, first, ("voicemail", "carrier", 0))

    assert verdicts[1] == "This decides the status."
    assert verdicts[0].startswith(words)


def test_progress_that_is_reported_after_the_outcome_is_no_earlier_step(now):
    message = factories.message(status=Status.SENDING)
    reported(message, now, ("delivered", "carrier", 0))
    StatusEvent.objects.create(
        message_id=message.pk, fact=9, status="sent", precedence=1, failure_class="none", fault="none",
        evidence="carrier", occurred_at=now + timedelta(hours=1), recorded_at=now + timedelta(hours=1),
    )  # fmt: skip

    (attempt,) = attempts([message])

    assert [fact.verdict for fact in attempt.facts] == [
        "This decides the status.",
        "Replaced by “Delivered”: the final result counts more than a step, even one that is reported later.",
    ]


def test_reports_stand_in_the_order_in_which_it_happened_and_not_in_which_they_came_in(now):
    message = factories.message(status=Status.SENDING, channel="voice")
    # (status, minute it happened, minute it came in)
    for fact, (status, at, came) in enumerate(
        [("voicemail", 5, 6), ("sending", 1, 8), ("answered", 5, 7), ("sent", 1, 9), ("queued", 0, 10)]
    ):
        meaning = Meaning(status, "none", "none", "carrier")
        StatusEvent.objects.create(
            message_id=message.pk, fact=fact, status=status, precedence=precedence(meaning, fact), failure_class="none",
            fault="none", evidence="carrier", occurred_at=now + timedelta(minutes=at),
            recorded_at=now + timedelta(minutes=came),
        )  # fmt: skip
    reproject([message.pk], now)
    message.refresh_from_db()

    (attempt,) = attempts([message])

    assert [fact.event.status for fact in attempt.facts] == [
        "queued", "sending", "sent", "answered", "voicemail"
    ]  # fmt: skip
    assert [fact.decides for fact in attempt.facts] == [False, False, False, False, True]


def test_progress_that_did_not_get_as_far_is_no_earlier_step_when_it_came_later(now):
    message = factories.message(status=Status.SENDING)
    reported(message, now, ("delayed", "carrier", 0))
    StatusEvent.objects.create(
        message_id=message.pk, fact=9, status="sent", precedence=1, failure_class="none", fault="none",
        evidence="carrier", occurred_at=now + timedelta(hours=1), recorded_at=now + timedelta(hours=1),
    )  # fmt: skip

    (attempt,) = attempts([message])

    assert attempt.facts[1].verdict == (
        "Replaced by “Pending”: that is a later step, although it was reported earlier."
    )
