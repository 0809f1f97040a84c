"""The rules: what `decide` says about one recipient, sentence by sentence of the built-in playbook."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, time, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from campaigns.steps import LONGEST_WINDOW
from contacts.channels import Channel
from contacts.jurisdictions import laws
from deliveries.deciding.decide import HISTORY, State, Step, decide
from deliveries.deciding.facts import Facts, Rules
from deliveries.statuses import (
    OPEN,
    Disposition,
    FailureClass,
    Fault,
    Queue,
    Status,
    disposition,
)

HOUR = timedelta(hours=1)
NOON = datetime(2026, 3, 4, 18, 0, tzinfo=UTC)  # in Chicago
RULES = Rules()


def facts(status=Status.SENT, failure_class=FailureClass.NONE, fault=Fault.NONE, **known) -> Facts:
    """A text handed over at noon; failed at once when its status says so."""
    goal = known.pop("goal", "exposure")
    bucket = disposition(status, failure_class, fault, goal)
    known.setdefault("settled_at", None if status in OPEN else NOON)
    return Facts(
        **{
            "channel": "sms", "status": status, "failure_class": failure_class, "fault": fault,
            "disposition": bucket, "reason": "", "handed_over_at": NOON, "attempts": 1,
            "first_attempt_at": NOON, "channel_since": NOON, "zone": "America/Chicago",
            "reached_by": "sms" if bucket == Disposition.DELIVERED else "", **known,
        }
    )  # fmt: skip


def absent(**known) -> Facts:
    return facts(Status.UNDELIVERED, FailureClass.TEMPORARY, Fault.RECIPIENT, **known)


def dead(**known) -> Facts:
    return facts(Status.UNDELIVERED, FailureClass.PERMANENT, Fault.RECIPIENT, **known)


MAIL = {"alternatives": ("email",)}
URGENT = {"alternatives": ("voice", "rvm", "email"), "urgent": True}

# What is known, how many hours after noon it is asked, and: step, state, queue, due after how many hours, to where.
SENTENCES = {
    "not handed over": (facts(Status.QUEUED, handed_over_at=None), 0, "wait planned - - -"),
    "under way": (facts(), 1, "wait open - 24 -"),
    "delayed is timing": (facts(Status.DELAYED), 1, "wait open - 24 -"),
    "silent for a day": (facts(), 24, "wait open watch 48 -"),
    "delayed for a day": (facts(Status.DELAYED), 24, "wait open watch 48 -"),
    "silent for two days, email": (facts(**MAIL), 48, "switch open switch 48 email"),
    "silent for two days, nothing else": (facts(), 48, "wait open watch 72 -"),
    "silent for three days": (facts(), 72, "verify unknown watch - -"),
    "arrived": (facts(Status.DELIVERED), 1, "none reached - - -"),
    "arrived by another attempt": (absent(reached_by="email"), 1, "none reached - - -"),
    "urgent, silent for an hour": (facts(**URGENT), 1, "wait open - 24 -"),
    "urgent and delayed": (facts(Status.DELAYED, **URGENT), 1, "switch open switch 1 voice"),
    "urgent, silent for a day": (facts(**URGENT), 24, "switch open switch 24 voice"),
    "absent": (absent(), 0, "retry open retry 4 -"),
    "absent, looked at later": (absent(), 2, "retry open retry 4 -"),
    "absent, looked at much later": (absent(), 6, "retry open retry 6 -"),
    "absent twice": (absent(attempts=2, settled_at=NOON + 4 * HOUR), 4, "retry open retry 8 -"),
    "absent three times": (absent(attempts=3), 8, "retry failed retry - -"),
    "absent three times, email": (absent(attempts=3, **MAIL), 8, "switch open switch 48 email"),
    "absent three times, urgent": (absent(attempts=3, **URGENT), 8, "switch open switch 8 voice"),
    "absent, out of the window": (absent(settled_at=NOON + 21 * HOUR), 21, "retry failed retry - -"),
    "absent, but suppressed": (absent(blocked="suppressed", suppressed=True), 0, "none failed - - -"),
    "absent, to be corrected": (
        absent(blocked="the address waits", needs_correction=True), 0, "correct failed correct - -",
    ),
    "blocked, email": (absent(blocked="suppressed", **MAIL), 0, "switch open switch 48 email"),
    "busy": (facts(Status.BUSY, channel="voice", hindrance="busy"), 0, "retry open retry 0.5 -"),
    "no answer": (facts(Status.NO_ANSWER, channel="voice", hindrance="no_answer"), 0, "retry open retry 4 -"),
    "mailbox full": (absent(hindrance="mailbox_full"), 0, "retry open retry 8 -"),
    "busy three times": (
        facts(Status.BUSY, channel="voice", hindrance="busy", attempts=3), 0, "retry failed retry - -",
    ),
    "voicemail for a conversation": (
        facts(Status.VOICEMAIL, channel="voice", goal="conversation"), 0, "retry open retry 4 -",
    ),
    "voicemail for exposure": (facts(Status.VOICEMAIL, channel="voice"), 0, "none reached - - -"),
    "dead": (dead(hard_fails=1), 0, "correct failed correct - -"),
    "dead, email": (dead(hard_fails=1, **MAIL), 0, "switch open correct 0 email"),
    "dead, once more suppresses": (dead(hard_fails=2), 0, "correct failed suppress - -"),
    "dead for the third time": (dead(hard_fails=3), 0, "correct failed correct - -"),
    "blocked by them for the third time": (
        facts(Status.BLOCKED, FailureClass.PERMANENT, Fault.RECIPIENT, hard_fails=3), 0, "suppress failed - - -",
    ),
    "dead for the third time, email": (dead(hard_fails=3, **MAIL), 0, "switch open - 0 email"),
    "dead for the third time, email, worth the effort": (
        dead(hard_fails=3, valuable=True, **MAIL), 0, "switch open correct 0 email",
    ),
    "dead for certain, email": (
        dead(hard_fails=1, enough=1, closed="number", **MAIL), 0, "switch open correct 0 email",
    ),
    "dead for certain, and suppressed for it": (
        dead(hard_fails=1, enough=1, closed="number", suppressed=True, asks_for_address=True), 0,
        "correct failed correct - -",
    ),
    "dead for certain, and suppressed for something else": (
        dead(hard_fails=1, enough=1, closed="number", suppressed=True), 0, "none failed - - -",
    ),
    "absent for too long": (absent(unreachable=True), 0, "correct failed correct - -"),
    "absent for too long, and suppressed for it": (
        absent(unreachable=True, suppressed=True, asks_for_address=True), 0, "correct failed correct - -",
    ),
    "absent for too long, email": (absent(unreachable=True, **MAIL), 0, "switch open switch 48 email"),
    "dead, corrected since": (dead(hard_fails=1, replaced=True), 0, "retry failed retry - -"),
    "no picture messages": (
        dead(hard_fails=1, closed="channel", channel="mms"), 0, "switch failed switch - -",
    ),
    "no picture messages, two weeks ago": (
        dead(hard_fails=1, closed="channel", channel="mms"), 14 * 24, "none failed - - -",
    ),
    "no picture messages, email": (
        dead(hard_fails=1, closed="channel", **MAIL, channel="mms"), 0, "switch open switch 0 email",
    ),
    "a landline": (dead(hard_fails=1, closed="texting"), 0, "switch failed switch - -"),
    "a dead number": (dead(hard_fails=1, closed="number"), 0, "correct failed correct - -"),
    "dead at the carrier": (
        facts(Status.UNDELIVERED, FailureClass.PERMANENT, Fault.CARRIER, hard_fails=0), 0,
        "switch failed switch - -",
    ),
    "compliance": (facts(Status.BLOCKED, FailureClass.COMPLIANCE, Fault.SENDER), 0, "review failed review - -"),
    "compliance, email": (
        facts(Status.BLOCKED, FailureClass.COMPLIANCE, Fault.SENDER, **MAIL), 0, "review failed review - -",
    ),
    "content": (facts(Status.BLOCKED, FailureClass.CONTENT, Fault.CONTENT, **MAIL), 90, "review failed review - -"),
    "account": (facts(Status.FAILED, FailureClass.ACCOUNT, Fault.ACCOUNT), 0, "review failed review - -"),
    "permanent at the sender": (
        facts(Status.FAILED, FailureClass.PERMANENT, Fault.SENDER), 0, "review failed review - -",
    ),
    "opted out": (facts(Status.OPTED_OUT, FailureClass.OPT_OUT, Fault.RECIPIENT, **MAIL), 0, "none failed - - -"),
    "opted out since": (absent(opted_out_since=True, **MAIL), 0, "none failed - - -"),
    "complained": (facts(Status.COMPLAINED, **MAIL), 0, "none failed - - -"),
    "a word nobody has mapped": (facts(Status.UNKNOWN, FailureClass.UNKNOWN), 0, "verify unknown watch - -"),
    "a bare failure": (facts(Status.FAILED, FailureClass.UNKNOWN), 0, "verify unknown watch - -"),
    "a bare failure, email": (
        facts(Status.FAILED, FailureClass.UNKNOWN, **MAIL), 0, "switch unknown switch 48 email",
    ),
    "timed out": (facts(Status.TIMED_OUT), 72, "verify unknown watch - -"),
    "canceled campaign": (absent(ended=True, **MAIL), 0, "none failed - - -"),
    "canceled campaign, dead": (dead(hard_fails=1, ended=True, **MAIL), 0, "correct failed correct - -"),
    "canceled campaign, silent": (facts(ended=True, **MAIL), 48, "wait open watch 72 -"),
    "absent three times, two weeks ago": (absent(attempts=3), 14 * 24, "none failed - - -"),
    "timed out, two weeks ago": (facts(Status.TIMED_OUT), 14 * 24, "none unknown - - -"),
    "content, two weeks ago": (
        facts(Status.BLOCKED, FailureClass.CONTENT, Fault.CONTENT), 14 * 24, "none failed - - -",
    ),
    "dead, two weeks ago": (dead(hard_fails=1), 14 * 24, "correct failed correct - -"),
    "dead, corrected since, two weeks ago": (dead(hard_fails=1, replaced=True), 14 * 24, "none failed - - -"),
    "retry too late": (absent(relevant_until=NOON + 3 * HOUR), 0, "none failed - - -"),
    "retry in time": (absent(relevant_until=NOON + 5 * HOUR), 0, "retry open retry 4 -"),
    "switch too late": (absent(attempts=3, relevant_until=NOON + 40 * HOUR, **MAIL), 8, "retry failed retry - -"),
    "switch in time": (
        absent(attempts=3, relevant_until=NOON + 50 * HOUR, **MAIL), 8, "switch open switch 48 email",
    ),
    "silent and no longer relevant": (facts(relevant_until=NOON, **MAIL), 48, "wait open watch 72 -"),
}  # fmt: skip


@pytest.mark.parametrize(("known", "hours", "said"), SENTENCES.values(), ids=SENTENCES)
def test_the_built_in_playbook(known, hours, said):
    decided = decide(known, RULES, NOON + hours * HOUR)

    after = "-" if decided.due_at is None else f"{(decided.due_at - NOON) / HOUR:g}"
    outcome = (decided.step, decided.state, decided.queue or "-", after, decided.switch_to or "-")
    assert " ".join(map(str, outcome)) == said
    assert decided.reason


def test_no_window_of_a_playbook_outlasts_what_is_followed():
    assert timedelta(hours=LONGEST_WINDOW) <= HISTORY


def test_the_reason_says_the_codes_meaning_and_which_retry_it_is():
    decided = decide(absent(reason="Handset off"), RULES, NOON)

    assert decided.reason == "Handset off. Retry 1 of 2."


def test_three_strikes_suppress_but_not_what_is_suppressed_already():
    assert decide(dead(hard_fails=3), RULES, NOON).suppress
    assert decide(dead(hard_fails=3, **MAIL), RULES, NOON).suppress
    assert not decide(dead(hard_fails=2), RULES, NOON).suppress
    assert not decide(dead(hard_fails=3, suppressed=True), RULES, NOON).suppress
    assert decide(dead(hard_fails=1, enough=1), RULES, NOON).suppress
    assert decide(dead(hard_fails=1, enough=1, closed="texting"), RULES, NOON).suppress
    assert not decide(dead(hard_fails=3, enough=5), RULES, NOON).suppress
    assert decide(absent(unreachable=True), RULES, NOON).suppress
    assert not decide(absent(unreachable=True, suppressed=True), RULES, NOON).suppress
    carrier = facts(Status.UNDELIVERED, FailureClass.PERMANENT, Fault.CARRIER, hard_fails=9)
    assert not decide(carrier, RULES, NOON).suppress


def test_silence_for_three_days_is_called_timed_out_by_our_clock():
    assert decide(facts(), RULES, NOON + 72 * HOUR).give_up
    assert not decide(facts(), RULES, NOON + 71 * HOUR).give_up


# ---- The recipient's hours --------------------------------------------------------------------------------------

LATE = {  # failed at (UTC), zone, retried at (UTC)
    "in the evening it waits for the morning": ("2026-03-04T23:30", "America/Chicago", "2026-03-05T15:00"),
    "at the window's very end it waits": ("2026-03-04T23:00", "America/Chicago", "2026-03-05T15:00"),
    "just before the end it goes": ("2026-03-04T22:59", "America/Chicago", "2026-03-05T02:59"),
    "clocks go forward in the night": ("2026-03-07T23:30", "America/Chicago", "2026-03-08T14:00"),
    "clocks go back in the night": ("2026-10-31T23:30", "America/Chicago", "2026-11-01T15:00"),
    "another zone": ("2026-03-04T23:30", "America/Los_Angeles", "2026-03-05T03:30"),
    "two zones": ("2026-03-04T22:30", "America/Los_Angeles America/New_York", "2026-03-05T17:00"),
    "a zone that nobody knows counts as UTC": ("2026-03-04T18:00", "Mars/Base", "2026-03-05T09:00"),
}


FAR_APART = "America/Bogota Asia/Bangkok"


def test_where_no_hour_fits_nothing_is_retried():
    plan = decide(absent(zone=FAR_APART), Rules(), NOON)

    assert (plan.rule, plan.step, plan.due_at) == ("blocked", Step.NONE, None)
    assert "time zones" in plan.reason


@pytest.mark.parametrize(("failed", "zone", "due"), LATE.values(), ids=LATE)
def test_a_retry_comes_at_the_recipients_hours(failed, zone, due):
    failed_at = datetime.fromisoformat(failed).replace(tzinfo=UTC)
    at = dict.fromkeys(("handed_over_at", "settled_at", "first_attempt_at", "channel_since"), failed_at)
    known = absent(**at, zone=zone)

    decided = decide(known, RULES, failed_at)

    assert (decided.step, decided.due_at) == (Step.RETRY, datetime.fromisoformat(due).replace(tzinfo=UTC))


def test_a_retry_waits_for_a_day_on_which_the_law_permits_it():
    saturday = datetime(2026, 3, 7, 23, 30, tzinfo=UTC)  # 17:30 in Alabama, and Sundays are closed there
    at = dict.fromkeys(("handed_over_at", "settled_at", "first_attempt_at", "channel_since"), saturday)
    known = absent(**at, laws=laws("US-AL", "", "sms", "marketing"))

    decided = decide(known, Rules(retry_window=timedelta(hours=48)), saturday)

    assert (decided.step, decided.due_at) == (Step.RETRY, datetime(2026, 3, 9, 14, tzinfo=UTC))
    assert decide(known, RULES, saturday).rule == "exhausted"  # too late for a retry within a day


def test_a_retry_that_is_overdue_in_the_night_waits_for_the_morning():
    night = NOON + 10 * HOUR  # 22:00 in Chicago

    decided = decide(absent(), RULES, night)

    assert (decided.step, decided.due_at) == (Step.RETRY, NOON + 21 * HOUR)


def test_email_has_no_hours():
    failed_at = NOON + 10 * HOUR
    known = absent(channel="email", settled_at=failed_at, first_attempt_at=failed_at, channel_since=failed_at)

    assert decide(known, RULES, failed_at).due_at == failed_at + 4 * HOUR


def test_a_retry_whose_hours_open_after_the_window_is_left_to_a_person():
    known = absent(window=(time(9), time(9, 30)), settled_at=NOON)

    decided = decide(known, replace(RULES, retry_window=20 * HOUR), NOON)

    assert (decided.step, decided.due_at, decided.queue) == (Step.RETRY, None, Queue.RETRY)


def test_each_look_comes_when_the_rules_have_something_to_say():
    hasty = replace(RULES, at_risk=10 * HOUR, switch_after=6 * HOUR, give_up=30 * HOUR)

    looks = [decide(facts(), hasty, NOON + hours * HOUR).due_at for hours in (0, 6, 10)]

    assert looks == [NOON + 6 * HOUR, NOON + 10 * HOUR, NOON + 30 * HOUR]


# ---- Whatever the facts -----------------------------------------------------------------------------------------

moments = st.integers(-200, 400).map(lambda quarter: NOON + quarter * HOUR / 4)
hours = st.integers(0, 100).map(lambda n: n * HOUR)


@st.composite
def anything(draw):
    status, klass, fault = (draw(st.sampled_from(list(words))) for words in (Status, FailureClass, Fault))
    bucket = disposition(status, klass, fault, draw(st.sampled_from(["exposure", "conversation"])))
    known = Facts(
        channel=draw(st.sampled_from(Channel.values)),
        status=status.value,
        failure_class=klass.value,
        fault=fault.value,
        disposition=bucket,
        reason=draw(st.sampled_from(["", "Handset off"])),
        handed_over_at=draw(st.none() | moments),
        settled_at=draw(st.none() | moments),
        attempts=draw(st.integers(1, 5)),
        first_attempt_at=draw(moments),
        channel_since=draw(moments),
        reached_by="sms" if bucket == Disposition.DELIVERED else draw(st.sampled_from(["", "", "email"])),
        opted_out_here=draw(st.booleans()),
        opted_out_since=draw(st.booleans()),
        blocked=draw(st.sampled_from(["", "the address is suppressed"])),
        suppressed=draw(st.booleans()),
        needs_correction=draw(st.booleans()),
        closed=draw(st.sampled_from(["", "number", "texting", "channel"])),
        replaced=draw(st.booleans()),
        hard_fails=draw(st.integers(0, 5)),
        zone=draw(
            st.sampled_from(
                ["", "America/Chicago", "Asia/Kolkata", "no/zone", "Atlantic/Canary Europe/Madrid", FAR_APART]
            )
        ),
        urgent=draw(st.booleans()),
        ended=draw(st.booleans()),
        relevant_until=draw(st.none() | moments),
        alternatives=tuple(draw(st.lists(st.sampled_from(Channel.values), unique=True, max_size=3))),
    )
    rules = Rules(
        retries=draw(st.integers(0, 4)), retry_window=draw(hours), retry_after=draw(hours), at_risk=draw(hours),
        switch_after=draw(hours), give_up=draw(hours), strikes=draw(st.integers(1, 5)),
    )  # fmt: skip
    return known, rules, draw(moments)


def acts(decided):
    return decided.step in (Step.RETRY, Step.SWITCH)


def silenced(known):
    return known.opted_out_here or known.opted_out_since or known.disposition == Disposition.OPTOUT


def by_hand(decided):
    """The playbook names no other channel: a person chooses."""
    return decided.rule == "other-channel"


# What no decision may be, whatever the facts and the rules: (facts, decision, now) -> whether it is.
NEVER = {
    "a word that is none of ours": lambda known, decided, now: (
        decided.step not in Step.values
        or decided.state not in State.values
        or decided.queue not in {"", *Queue.values}
    ),
    "without its reason and its rule": lambda known, decided, now: not (decided.reason and decided.rule),
    "due though there is nothing to do": lambda known, decided, now: (
        decided.due_at is not None and not acts(decided) and decided.step != Step.WAIT
    ),
    "a switch to nowhere, or a channel without a switch": lambda known, decided, now: (
        (decided.step == Step.SWITCH and not by_hand(decided)) != bool(decided.switch_to)
    ),
    "a choice by hand that is made by itself": lambda known, decided, now: (
        by_hand(decided)
        and (decided.step, decided.due_at, decided.queue) != (Step.SWITCH, None, Queue.SWITCH)
    ),
    "a switch without a time, or to a channel that is not open": lambda known, decided, now: (
        decided.step == Step.SWITCH
        and not by_hand(decided)
        and (decided.due_at is None or decided.switch_to not in known.alternatives)
    ),
    "asked again at once, for ever": lambda known, decided, now: (
        decided.step == Step.WAIT and decided.due_at is not None and decided.due_at <= now
    ),
    "an act after a no": lambda known, decided, now: silenced(known) and acts(decided),
    "an act towards somebody reached": lambda known, decided, now: (
        known.reached_by and (decided.step, decided.state) != (Step.NONE, State.REACHED)
    ),
    "an act by itself after the end": lambda known, decided, now: (
        known.ended and decided.due_at is not None and acts(decided)
    ),
    "an act too late to matter": lambda known, decided, now: (
        acts(decided)
        and None not in (decided.due_at, known.relevant_until)
        and decided.due_at >= known.relevant_until
    ),
    "a retry of a dead address": lambda known, decided, now: (
        known.disposition == Disposition.BOUNCED_HARD
        and known.fault == Fault.RECIPIENT
        and not known.replaced
        and decided.step == Step.RETRY
    ),
    "a block by a carrier that no person looks at": lambda known, decided, now: (
        known.disposition == Disposition.BLOCKED_COMPLIANCE
        and not (known.reached_by or known.opted_out_here or known.opted_out_since)
        and (decided.step, decided.queue, decided.suppress) != (Step.REVIEW, Queue.REVIEW, False)
    ),
    "a suppression for what was not the recipient's permanent failure": lambda known, decided, now: (
        decided.suppress and (known.failure_class, known.fault) != (FailureClass.PERMANENT, Fault.RECIPIENT)
    ),
    "giving up what is not pending": lambda known, decided, now: (
        decided.give_up and known.disposition != Disposition.PENDING
    ),
}


@settings(max_examples=1_500, deadline=None)
@given(case=anything())
def test_whatever_the_facts_no_rule_bends(case):
    known, rules, now = case

    decided = decide(known, rules, now)

    assert [what for what, is_so in NEVER.items() if is_so(known, decided, now)] == []


@given(case=anything())
def test_the_same_facts_have_the_same_decision(case):
    assert decide(*case) == decide(*case)


def test_a_canceled_attempt_is_never_decided_upon_but_harms_nobody():
    decided = decide(facts(Status.CANCELED), RULES, NOON)

    assert decided.step not in (Step.RETRY, Step.SWITCH)


def test_a_channel_that_was_moved_to_has_a_retry_window_of_its_own():
    moved_at = NOON + timedelta(hours=48)
    known = absent(channel="email", first_attempt_at=NOON, channel_since=moved_at, settled_at=moved_at)

    decided = decide(known, Rules(), moved_at)

    assert (decided.step, decided.due_at) == ("retry", moved_at + timedelta(hours=4))


def test_what_is_learnt_later_sends_nothing_on_behalf_of_an_old_attempt():
    """An email address added in autumn must not bring summer's sale to it."""
    long_ago = NOON - timedelta(days=70)
    old = {
        "handed_over_at": long_ago,
        "settled_at": long_ago,
        "first_attempt_at": long_ago,
        "channel_since": long_ago,
    }

    for known in (absent(alternatives=("email",), **old), dead(alternatives=("email",), **old)):
        decided = decide(known, RULES, NOON)
        assert decided.step not in ("switch",)
        assert not decided.switch_to


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (Status.VOICEMAIL, "It reached a mailbox, so nobody was spoken to. Retry 1 of 2."),
        (Status.NO_ANSWER, "Nobody answered. Retry 1 of 2."),
        (Status.BUSY, "The line was busy. Retry 1 of 2."),
        (Status.EXPIRED, "The failure is temporary. Retry 1 of 2."),
    ],
)
def test_a_call_is_made_again_for_what_became_of_it_and_not_for_a_failure(status, words):
    assert decide(facts(status, channel="voice", goal="conversation"), RULES, NOON).reason == words


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"opted_out_here": True}, "The recipient opted out: nothing more is sent."),
        (
            {"opted_out_since": True},
            "The recipient opted out of another channel since: nothing more is sent for this campaign.",
        ),
        ({"opted_out_here": True, "opted_out_since": True}, "The recipient opted out: nothing more is sent."),
    ],
)
def test_a_no_to_another_channel_is_not_told_as_one_to_this(fields, said):
    assert decide(facts(**fields), Rules(), NOON).reason == said


@pytest.mark.parametrize(
    ("known", "rules", "why"),
    [
        ({"attempts": 3}, RULES, "the retries are used up"),
        ({"attempts": 1}, replace(RULES, retries=0), "nothing is retried"),
        (
            {"attempts": 1, "channel_since": NOON - 9 * timedelta(days=1)},
            RULES,
            "a retry would come too late",
        ),
        ({"attempts": 1, "blocked": "the number is closed"}, RULES, "a retry is not allowed"),
    ],
)
def test_a_change_of_channel_says_why_there_is_no_retry_before(known, rules, why):
    plan = decide(absent(**MAIL, **known), rules, NOON + HOUR)

    assert plan.switch_to == "email"
    assert plan.reason.endswith(f", and {why}: moving to email.")


@pytest.mark.parametrize(
    ("status", "reason", "words"),
    [
        (Status.FAILED, "", "The provider gave no usable reason. Whether it would fail again is not known."),
        (
            Status.UNDELIVERED,
            "No voicemail set up",
            "No voicemail set up. Whether it would fail again is not known.",
        ),
        (Status.TIMED_OUT, "", "No word from the provider. Whether it arrived is not known."),
        (Status.UNKNOWN, "", "The provider gave no usable reason. Whether it arrived is not known."),
    ],
)
def test_a_failure_of_unknown_kind_is_a_failure(status, reason, words):
    failure_class = FailureClass.NONE if status == Status.TIMED_OUT else FailureClass.UNKNOWN

    decided = decide(facts(status, failure_class, channel="rvm", reason=reason), RULES, NOON)

    assert (decided.reason, decided.state, decided.queue) == (words, State.UNKNOWN, Queue.WATCH)
