import csv
import re
from itertools import product
from pathlib import Path

import pytest

from campaigns.models import Goal
from contacts.channels import Channel
from contacts.gate import Reason
from deliveries.statuses import FailureClass, Status
from deliveries.wording import (
    ANY,
    RULES,
    SKIPS,
    WEAK,
    WITHDRAWN,
    WORDS,
    decided_by,
    listed,
    rows,
    rule_words,
    withdrawal,
    wording,
)

# Labels that a failure class changes on purpose; everywhere else the class only changes the sentences.
OWN_LABELS = {"Mobile not found", "Opted out"}


@pytest.mark.parametrize(("channel", "status"), list(product(Channel.values, Status.values)))
def test_every_channel_and_status_has_words(channel, status):
    for failure_class, goal in product(["", *FailureClass.values], Goal.values):
        words = wording(channel, status, failure_class, goal)

        assert all(words)
        assert words.label == wording(channel, status).label or words.label in OWN_LABELS


@pytest.mark.parametrize(
    ("channel", "status", "label", "next_step"),
    [
        ("mms", "rejected", "Rejected by carrier", "Inspect content, sender set-up, registration."),
        ("sms", "delayed", "Pending", "at risk"),
        ("email", "delivered", "Accepted", "watch engagement separately"),
        ("email", "delayed", "Delayed", "not a failure"),
        ("email", "bounced", "Bounced", "address"),
        ("email", "blocked", "Blocked", "content and the sending domain"),
        ("email", "complained", "Complained", "Stop sending"),
        ("email", "opted_out", "Unsubscribed", "suppressed"),
        ("email", "timed_out", "Timed out", "verify"),
    ],
)
def test_a_status_reads_as_its_channel_says_it(channel, status, label, next_step):
    words = wording(channel, status)

    assert words.label == label
    assert next_step in words.next_step


@pytest.mark.parametrize(
    ("channel", "status", "words"),
    [
        (
            "sms",
            "delivered",
            ("Delivered", "Reached the recipient side.", "Count as success, watch engagement separately."),
        ),
        ("sms", "queued", ("Queued", "Waiting.", "Watch for backlog before changing content.")),
        (
            "sms",
            "undelivered",
            (
                "Undelivered",
                "Did not reach the recipient.",
                "Review number quality, content, carrier acceptance.",
            ),
        ),
        (
            "sms",
            "expired",
            ("Expired", "The window passed.", "Retry only if still relevant, in business hours."),
        ),
        (
            "sms",
            "rejected",
            ("Rejected by carrier", "Not accepted.", "Inspect content, sender set-up, registration."),
        ),
        (
            "sms",
            "failed",
            ("Failed", "Never got through.", "Check sending number, account and format before any retry."),
        ),
        (
            "sms",
            "sent",
            ("Pending", "Accepted, being attempted.", "Watch. Past 24 h at risk; up to 72 h is ordinary."),
        ),
        ("voice", "delivered", ("Answered", "Connected.", "Judge against the goal.")),
        ("voice", "no_answer", ("No answer", "Rang out.", "Retry later or move to SMS or voicemail.")),
        ("voice", "busy", ("Busy", "Occupied.", "Retry later.")),
        ("voice", "voicemail", ("Voicemail", "Reached a mailbox.", "Keep: exposure fits the plan.")),
        ("voice", "failed", ("Failed", "Not completed.", "Check number and call set-up.")),
        ("rvm", "undelivered", ("Failed drop", "Not completed.", "Review eligibility and retry rules.")),
        (
            "rvm",
            "rejected",
            ("Rejected", "Not accepted.", "Take it off ringless voicemail or use another channel."),
        ),
    ],
)
def test_the_status_table_reads_just_so(channel, status, words):
    assert wording(channel, status) == words


def test_a_voicemail_drop_says_that_it_was_not_necessarily_heard():
    assert wording("rvm", "delivered").label == "Voicemail left"
    assert "Landed in the mailbox." in wording("rvm", "delivered").meaning
    assert "successful exposure" in wording("rvm", "delivered").next_step


@pytest.mark.parametrize("evidence", ["handed_over", "assumed"])
@pytest.mark.parametrize("channel", ["sms", "mms"])
def test_a_delivery_without_proof_is_called_handed_over(channel, evidence):
    assert wording(channel, "delivered", "none", "exposure", evidence).label == "Handed over"
    assert wording(channel, "delivered", "none", "exposure", "carrier").label == "Delivered"


def test_a_number_that_is_no_mobile_is_named_so_on_voicemail_drops():
    assert wording("rvm", "rejected", "permanent").label == "Mobile not found"


def test_a_voicemail_is_worth_less_when_a_conversation_was_the_goal():
    assert wording("voice", "voicemail", goal="conversation").next_step.startswith("Call again")


def test_a_word_outside_the_vocabulary_is_refused():
    with pytest.raises(KeyError, match="teleported"):
        wording("sms", "teleported")


def test_the_table_is_plain_sentences_in_our_vocabulary():
    known = {
        "channel": {ANY, *Channel.values},
        "status": set(Status.values),
        "failure_class": {ANY, *FailureClass.values, *WEAK},
        "goal": {ANY, *Goal.values},
    }
    with WORDS.open(newline="", encoding="utf-8") as file:
        table = list(csv.DictReader(file))

    assert len({tuple(row[field] for field in known) for row in table}) == len(table)
    for row in table:
        assert all(row[field] in words for field, words in known.items()), row
        assert len(row["label"]) <= 24
        for sentence in (row["meaning"], row["next_step"]):
            assert "!" not in sentence
            assert sentence[0].isupper(), sentence
            assert sentence.endswith("."), sentence


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        ("undone", "was undone"),
        ("superseded", "another attempt"),
        ("suppressed", "Canceled"),
        ("odd", "Canceled"),
    ],
)
def test_what_we_withdrew_says_why(reason, words):
    assert words in withdrawal(reason)
    assert withdrawal(reason).startswith("Canceled before it was sent")


DECIDING = Path(__file__).resolve().parents[2] / "deliveries/deciding"
SOURCE = "\n".join(path.read_text() for path in sorted(DECIDING.glob("*.py")))
DECIDED = {
    *re.findall(r'Decided\(\s*"([a-z-]+)"', SOURCE),
    *(f"{rule}-switch" for rule in re.findall(r'_switch\("([a-z-]+)"', SOURCE)),
    *re.findall(r'rule="([a-z-]+)"', SOURCE),
    "withdrawn",
}


@pytest.mark.parametrize("rule", sorted(DECIDED | {*WITHDRAWN, *Reason.values}))
def test_every_rule_has_a_plain_name(rule):
    words = rule_words(rule)

    assert words[0].isupper()
    assert "_" not in words
    assert words.casefold() != rule
    assert words != rule_words("never heard of")


def test_no_rule_is_named_that_decides_nothing():
    assert len(DECIDED) > 20
    assert RULES.keys() == DECIDED | WITHDRAWN.keys()


@pytest.mark.parametrize("reason", sorted({*Reason.values, *WITHDRAWN, *SKIPS}))
def test_every_skip_and_withdrawal_has_a_plain_sentence(reason):
    assert "_" not in SKIPS.get(reason, "")
    assert "_" not in withdrawal(reason)


@pytest.mark.parametrize(
    ("by", "rule", "version", "words"),
    [
        ("gate", "wrong_line", 0, "Checked before sending"),
        ("staff", "staff", 0, "A colleague"),
        ("playbook", "retry", 3, "Playbook rule “Retry after a temporary failure”, version 3"),
        ("playbook", "stopped", 0, "Playbook rule “A colleague stopped it”"),
    ],
)
def test_a_decision_names_who_made_it(by, rule, version, words):
    assert decided_by(by, rule, version) == words


def test_a_list_reads_as_a_sentence():
    assert listed(["SMS"]) == "SMS"
    assert listed(["SMS", "MMS", "voice"]) == "SMS, MMS and voice"
    assert listed(["calls", "emails"], "or") == "calls or emails"


def test_faults_are_fixed_and_nothing_is_mended_or_put_right():
    said = [*SKIPS.values(), *RULES.values(), *WITHDRAWN.values()]
    said += [text for words in rows().values() for text in words]

    assert not [text for text in said if re.search(r"\bmend|\bput\b.*\bright\b", text, re.IGNORECASE)]
