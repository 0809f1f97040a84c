"""Which queue each code of every table leads to: whose fault it is, and what can be done about it, have to fit."""

from __future__ import annotations

import pytest

from contacts.channels import Channel
from deliveries.deciding.decide import CORRECT_IT, decide
from deliveries.deciding.facts import Rules
from deliveries.meaning.ruling_out import ruled_out
from deliveries.meaning.translation import shipped
from deliveries.statuses import Disposition, FailureClass, Fault, Queue, Status, disposition
from tests.deliveries.deciding.test_decide import NOON, facts

SETTLED = {Disposition.BOUNCED_HARD, Disposition.BLOCKED_COMPLIANCE}
CODES = {
    key: code
    for key, code in shipped().codes.items()
    if disposition(code.status, code.failure_class, code.fault, "exposure") in SETTLED
}


def planned(key, code, **known):
    """What is decided about a first failure with this code, where the playbook names no other channel."""
    closed = ruled_out(key.table, key.channel, key.code) or ""
    blamed = code.fault == Fault.RECIPIENT and code.failure_class == FailureClass.PERMANENT
    return decide(
        facts(
            Status(code.status), FailureClass(code.failure_class), Fault(code.fault), channel=key.channel,
            closed=closed, hard_fails=int(blamed), **known,
        ),
        Rules(),
        NOON,
    )  # fmt: skip


@pytest.mark.parametrize("table", sorted({key.table for key in CODES}))
def test_the_queue_of_a_code_fits_whose_fault_it_is(table):
    plans = {key: planned(key, code) for key, code in CODES.items() if key.table == table}

    assert {key: plan for key, plan in plans.items() if not fits(CODES[key], plan)} == {}


def fits(code, plan):
    ours = code.fault in (Fault.SENDER, Fault.CONTENT, Fault.ACCOUNT)
    record = code.fault == Fault.RECIPIENT and code.status != Status.BLOCKED
    carriers = plan.queue == Queue.SWITCH and "itself is fine" in plan.reason
    return (
        ours <= (plan.queue == Queue.REVIEW)
        and (plan.queue == Queue.CORRECT) <= record
        and (CORRECT_IT in plan.reason) <= record
        and (code.fault == Fault.CARRIER) <= carriers
    )


@pytest.mark.parametrize(
    ("table", "channel", "kind", "code", "advice"),
    [
        ("sandbox", "rvm", "error", "carrier_unsupported", "The number itself is fine: use another channel."),
        ("generic", "rvm", "status", "drop.carrier_unsupported", "The number itself is fine: use another channel."),
        ("plivo", "sms", "error", "100", "The number itself is fine: use another channel."),
        ("sip", "voice", "error", "sip:488", "The number itself is fine: use another channel."),
        ("sinch", "mms", "error", "416", "The number itself is fine: send it as a text message."),
        ("mailjet", "email", "error", "relay/access denied", "The address itself is fine: use another channel."),
        ("twilio", "sms", "error", "30004", "The number itself is fine: use another channel."),
        ("twilio", "voice", "error", "21216", "The number itself is fine: use another channel."),
        ("infobip", "sms", "status", "14", "The number itself is fine: use another channel."),
        ("bandwidth", "sms", "error", "4754", "The number itself is fine: use another channel."),
        ("bandwidth", "sms", "error", "4434", "The number itself is fine: call it, or write an email."),
        ("vonage", "sms", "error", "1310", "The number itself is fine: use another channel."),
    ],
)  # fmt: skip
def test_what_the_carrier_cannot_do_or_somebody_blocks_asks_for_another_channel(
    table, channel, kind, code, advice
):
    key = next(one for one in CODES if one == (table, channel, kind, code))

    plan = planned(key, CODES[key])

    assert plan.queue == Queue.SWITCH
    assert plan.reason.endswith(advice)


@pytest.mark.parametrize(
    ("table", "channel", "kind", "code"),
    [
        ("infobip", "sms", "status", "51"),  # we named no destination
        ("infobip", "voice", "status", "51"),
        ("postmark", "email", "error", "100002"),  # deactivated by hand in our account
        ("vonage", "sms", "error", "1470"),  # a rule of our account
        ("vonage", "sms", "error", "submit:22"),  # a parameter of ours
        ("vonage", "sms", "error", "1340"),  # sent outside of the window
    ],
)
def test_what_we_did_is_for_review_and_blames_nobody_else(table, channel, kind, code):
    found = shipped().codes[next(one for one in CODES if one == (table, channel, kind, code))]

    assert found.fault in (Fault.SENDER, Fault.ACCOUNT)


@pytest.mark.parametrize(
    ("table", "channel", "kind", "code"),
    [("drop_cowboy", "rvm", "error", "4017"), ("infobip", "sms", "status", "10")],
)
def test_a_rule_that_is_about_the_person_does_not_ask_to_fix_anything_of_ours(table, channel, kind, code):
    key = next(one for one in CODES if one == (table, channel, kind, code))

    plan = planned(key, CODES[key])

    assert plan.queue == Queue.REVIEW
    assert "It is about the person: suppress them" in plan.reason


@pytest.mark.parametrize("channel", [Channel.RVM, Channel.SMS])
def test_of_a_canceled_campaign_nobody_is_asked_to_use_another_channel(channel):
    failed = facts(Status.UNDELIVERED, FailureClass.PERMANENT, Fault.CARRIER, channel=channel, ended=True)

    plan = decide(failed, Rules(), NOON)

    assert (plan.step, plan.queue) == ("none", "")
