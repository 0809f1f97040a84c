import csv
from itertools import product

import pytest

from campaigns.models import Goal
from contacts.channels import Channel
from deliveries.statuses import FailureClass, Status
from deliveries.wording import ANY, WORDS, wording

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
        ("sms", "delivered", "Delivered", "watch engagement separately"),
        ("sms", "queued", "Queued", "backlog before changing the content"),
        ("sms", "undelivered", "Undelivered", "number quality, content and carrier acceptance"),
        ("sms", "expired", "Expired", "only if it is still relevant, in business hours"),
        ("sms", "rejected", "Rejected by carrier", "content, sender set-up and registration"),
        ("sms", "failed", "Failed", "before any retry"),
        ("sms", "sent", "Pending", "Past 24 hours it is at risk; up to 72 hours is ordinary"),
        ("sms", "delayed", "Pending", "at risk"),
        ("mms", "rejected", "Rejected by carrier", "content, sender set-up and registration"),
        ("voice", "answered", "Answered", "success"),
        ("voice", "no_answer", "No answer", "SMS or voicemail"),
        ("voice", "busy", "Busy", "later schedule"),
        ("voice", "voicemail", "Voicemail", "exposure"),
        ("voice", "failed", "Failed", "number is valid and the call set-up"),
        ("rvm", "delivered", "Voicemail dropped", "successful exposure"),
        ("rvm", "undelivered", "Failed drop", "eligibility and the retry rules"),
        ("rvm", "rejected", "Rejected", "use another channel"),
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
        "failure_class": {ANY, *FailureClass.values},
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
