"""The simulated network: the same seed gives the same outcomes, and its odds are those of life."""

from collections import Counter
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contacts.channels import LineType
from deliveries.meaning.translation import shipped
from deliveries.providers.facts import (
    Report,
)
from deliveries.providers.sandbox.attempt import Submission
from deliveries.providers.sandbox.carriers import MAIL_CARRIERS, PHONE_CARRIERS
from deliveries.providers.sandbox.channel_outcomes import FATES, UNLISTED_CODE
from deliveries.providers.sandbox.network import Network, plan
from deliveries.statuses import precedence
from tests.deliveries.providers.sandbox.submitting import (
    CALLBACK,
    FOREVER,
    MANY,
    NOON,
    REF,
    SANDBOX,
    addresses,
    call_of,
    numbers,
    run,
    submit,
    told,
)

TABLE = {
    (key.channel, key.kind, key.code): code for key, code in shipped().codes.items() if key.table == "sandbox"
}


def outcomes(channel, body="See you at ten."):
    """The final (status, class, code) of MANY messages, by what the callbacks say; and the network."""
    network, finals = Network(7), {}
    for to in addresses(channel):
        submit(network, to, ref=to, channel=channel, body=body)
    for each in told(network.due(FOREVER)):
        report = Report("", "", channel, each["status"], each["code"])
        meaning = shipped().translate("sandbox", report).meaning
        found = (precedence(meaning, 0), meaning.status, meaning.failure_class, each["code"])
        finals[each["to"]] = max(finals.get(each["to"], found), found)
    return Counter(found[1:] for found in finals.values()), network


# ---- determinism -----------------------------------------------------------------------------------------

SUBMISSIONS = st.lists(
    st.tuples(
        st.sampled_from(sorted(FATES)),
        st.integers(0, 40),
        st.sampled_from(["Hello", "x" * 400, "act now bit.ly/1"]),
        st.integers(0, 90_000),
    ),
    max_size=30,
)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 1 << 40), submissions=SUBMISSIONS)
def test_the_same_submissions_give_the_same_bytes(seed, submissions):
    refs = [str(n) for n in range(len(submissions))]

    assert run(seed, submissions, refs) == run(seed, submissions, refs)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 1 << 40), submissions=SUBMISSIONS)
def test_references_change_nothing_but_the_address(seed, submissions):
    ones = run(seed, submissions, [f"a{n}" for n in range(len(submissions))])
    others = run(seed, submissions, [f"b{n}" for n in range(len(submissions))])

    assert ones[0] == others[0]
    assert [(c.at, c.kind, c.body) for c in ones[1]] == [(c.at, c.kind, c.body) for c in others[1]]


def test_another_seed_is_another_network():
    first, second = Network(1), Network(2)

    assert [first.carrier_of(to) for to in numbers(50)] != [second.carrier_of(to) for to in numbers(50)]


def test_callbacks_come_in_time_order_and_once():
    network = Network(7)
    for to in numbers(200):
        submit(network, to)
    first_due = network.next_at()

    early = network.due(NOON + timedelta(minutes=1))
    late = network.due(FOREVER)

    assert early[0].at == first_due
    assert [each.at for each in early + late] == sorted(each.at for each in early + late)
    assert max(each.at for each in early) <= NOON + timedelta(minutes=1) < min(each.at for each in late)
    assert network.next_at() is None
    assert network.due(FOREVER) == []


def test_ids_differ_between_attempts_and_between_runs():
    first, again = Network(7), Network(7)
    to = numbers(1)[0]

    ids = [
        submit(first, to).id,
        submit(first, to).id,
        submit(again, to, at=NOON + timedelta(days=1)).id,
    ]

    assert len(set(ids)) == 3


def test_speed_divides_every_delay():
    slow, fast = Network(7), Network(7, speed=10)
    for network in (slow, fast):
        submit(network, numbers(1)[0])

    for one, other in zip(slow.due(FOREVER), fast.due(FOREVER), strict=True):
        assert abs((one.at - NOON) - (other.at - NOON) * 10) < timedelta(milliseconds=50)


# ---- odds ------------------------------------------------------------------------------------------------


def share(counts, *words):
    """Share of MANY whose outcome contains all of `words`."""
    return sum(n for outcome, n in counts.items() if set(words) <= set(outcome)) / MANY


def test_nine_of_ten_texts_arrive_and_the_rest_fail_in_every_way():
    counts, network = outcomes("sms")

    assert 0.87 < share(counts, "delivered") < 0.93
    assert 0.01 < share(counts, "LANDLINE") < 0.04
    assert 0.005 < share(counts, "UNKNOWN_SUBSCRIBER") < 0.03
    assert 0.005 < share(counts, "ABSENT") < 0.04
    assert share(counts, "EXPIRED") > 0
    assert share(counts, "OPTED_OUT") > 0
    assert share(counts, "CONGESTION") > 0
    assert share(counts, UNLISTED_CODE) > 0
    # Silence: the carrier without receipts, and receipts that got lost. Most of them did arrive.
    assert 0.015 < share(counts, "sent") < 0.06
    reached = sum(network.truth(to).reached for to in numbers()) / MANY
    assert reached > share(counts, "delivered")


@pytest.mark.parametrize(
    ("channel", "bounds"),
    [
        ("mms", {"delivered": (0.82, 0.92), "MMS_UNSUPPORTED": (0.01, 0.05)}),
        (
            "voice",
            {
                "answered": (0.30, 0.42),
                "voicemail": (0.30, 0.42),
                "no_answer": (0.15, 0.27),
                "busy": (0.03, 0.08),
                "failed": (0.01, 0.05),
            },
        ),
        (
            "rvm",
            {
                "delivered": (0.78, 0.88),
                "MNF": (0.03, 0.10),
                "MAILBOX_FULL": (0.01, 0.05),
                "undelivered": (0.05, 0.13),
                "rejected": (0.04, 0.11),
            },
        ),
        ("email", {"delivered": (0.93, 0.98), "5.1.1": (0.01, 0.04), "5.2.2": (0.005, 0.03)}),
    ],
)
def test_every_channel_keeps_its_odds(channel, bounds):
    counts, _ = outcomes(channel)

    for word, (low, high) in bounds.items():
        assert low < share(counts, word) < high, word


def test_links_of_public_shorteners_are_filtered_by_some_carriers_more_than_by_others():
    network = Network(7)
    filtered, all_of = Counter(), Counter()
    for to in numbers():
        submit(network, to, body="Your code: https://bit.ly/abc")
        all_of[network.carrier_of(to)] += 1
    for each in told(network.due(FOREVER)):
        filtered[network.carrier_of(each["to"])] += each["code"] == "FILTERED"

    assert filtered["BlueRiver"] / all_of["BlueRiver"] > 0.7
    assert filtered["Lakeland Cellular"] / all_of["Lakeland Cellular"] < 0.15


def test_most_texts_take_seconds_some_minutes_and_a_few_hours():
    network = Network(7)
    for to in numbers():
        submit(network, to, ref=to)

    truths = [network.truth(to) for to in numbers()]
    delays = sorted((truth.at - NOON).total_seconds() for truth in truths if truth.reached)
    assert 1 < delays[len(delays) // 2] < 12
    assert delays[len(delays) * 8 // 10] < 24
    assert 0.01 < sum(delay > 3600 for delay in delays) / len(delays) < 0.05
    assert delays[-1] < 42 * 3600


def test_receipts_come_twice_late_and_in_the_wrong_order():
    network = Network(7)
    for to in numbers():
        submit(network, to, ref=to)
    callbacks = network.due(FOREVER)
    stories = {}
    for each in told(callbacks):
        stories.setdefault(each["to"], []).append(each["status"])

    repeated = sum(n - 1 for n in Counter((c.url, c.body) for c in callbacks).values())
    assert 0.01 < repeated / len(callbacks) < 0.04
    assert any(story.index("sent") > 0 for story in stories.values() if "sent" in story)
    after_all = [s for s in stories.values() if "undelivered" in s and {"delivered", "handset"} & set(s)]
    assert len(after_all) >= 3


def test_a_landline_and_a_dead_number_fail_every_time():
    network = Network(7)
    for to in numbers(600):
        for day in range(4):
            submit(network, to, at=NOON + timedelta(days=day))
    codes = {}
    for each in told(network.due(FOREVER)):
        codes.setdefault(each["to"], set()).add(each["code"])

    hopeless = [found for found in codes.values() if found & {"LANDLINE", "UNKNOWN_SUBSCRIBER"}]
    assert len(hopeless) > 10
    assert all(len(found - {""}) == 1 for found in hopeless)
    assert any({"ABSENT", ""} <= found for found in codes.values())


def test_an_outage_takes_one_carrier_down_for_the_day_it_was_given():
    day = date(2026, 11, 4)
    network = Network(7, outages={("Northwind Mobile", day)})
    for to in numbers(1000):
        submit(network, to, at=datetime(2026, 11, 4, 8, tzinfo=UTC))
    down = {each["to"] for each in told(network.due(FOREVER)) if each["code"] == "OUTAGE"}

    assert len(down) > 200
    assert {network.carrier_of(to) for to in down} == {"Northwind Mobile"}


def test_the_seed_has_outages_of_its_own_for_some_hours_of_some_days():
    network, at = Network(7), datetime(2026, 1, 1, 15, tzinfo=UTC)
    to = next(
        n for n in numbers() if network.carrier_of(n) == "Summit Wireless" and mobile_and_alive(network, n)
    )
    for day in range(200):
        submit(network, to, at=at + timedelta(days=day))
    outages = {each["occurred_at"][:10] for each in told(network.due(FOREVER)) if each["code"] == "OUTAGE"}

    assert 2 <= len(outages) <= 25


def mobile_and_alive(network, to):
    probe = Network(network.seed)
    submit(probe, to, ref="probe")
    return probe.truth("probe").reached


def test_one_carrier_tells_of_long_texts_part_by_part():
    network = Network(7)
    for to in numbers(1000):
        submit(network, to, body="x" * 320)
    parts = [each for each in told(network.due(FOREVER)) if each["part"]]

    assert {network.carrier_of(each["to"]) for each in parts} == {"BlueRiver"}
    assert {each["parts"] for each in parts} == {3}
    assert {each["part"] for each in parts} == {1, 2, 3}
    assert {each["status"] for each in parts} == {"delivered", "undelivered"}


def test_now_and_then_somebody_answers_stop():
    network = Network(7)
    for to in numbers():
        submit(network, to)
    replies = [each for each in network.due(FOREVER) if each.kind == "inbound"]

    assert {each.url for each in replies} == {"http://127.0.0.1:8000/hooks/tok/inbound"}
    found = [item for each in replies for item in SANDBOX.parse("inbound", call_of(each))]
    stops = [item for item in found if item.opt_out_type == "STOP"]
    assert 10 < len(stops) < 60
    assert len(found) > len(stops)
    assert all(item.recipient == "+13125550100" and item.occurred_at > NOON for item in found)


def test_truth_tells_what_the_receipts_do_not():
    network = Network(7)
    silent = [
        n for n in numbers(3000) if network.carrier_of(n) == "Prairie Tel" and mobile_and_alive(network, n)
    ]
    to = silent[0]

    submit(network, to)

    assert {each["status"] for each in told(network.due(FOREVER))} == {"sent"}
    assert network.truth(REF).by_what == "handset"
    assert not network.truth("never submitted").reached


def test_a_message_handed_over_twice_is_counted_twice():
    network = Network(7)
    for _ in range(2):
        submit(network, numbers(1)[0])

    assert network.lookup(REF).submissions == 2
    assert network.lookup("never submitted").submissions == 0


@pytest.mark.parametrize(
    ("channel", "to", "sender", "body", "code"),
    [
        ("sms", "3125550142", "+13125550100", "Hi", "INVALID_NUMBER"),
        ("voice", "+1312555O142", "+13125550100", "Hi", "INVALID_NUMBER"),
        ("email", "nobody", "us@example.com", "Hi", "INVALID_ADDRESS"),
        ("sms", "+13125550142", "", "Hi", "NO_SENDER"),
        ("rvm", "+13125550142", "+13125550100", "", "NO_CONTENT"),
    ],
)
def test_what_cannot_be_tried_is_refused_with_a_code_of_the_table(channel, to, sender, body, code):
    answer = Network(7).submit(REF, channel, to, sender, body, CALLBACK, NOON)

    assert (answer.id, answer.code) == ("", code)
    assert (channel, "error", code.lower()) in TABLE


def test_the_shares_of_the_carriers_add_up():
    for carriers in (PHONE_CARRIERS, MAIL_CARRIERS):
        assert sum(carrier.share for carrier in carriers) == pytest.approx(1)


def test_a_number_look_up_speaks_our_words():
    network = Network(7)

    assert {network.line_type_of(to) for to in numbers(1000)} == {"mobile", "landline", "voip"}
    assert {"mobile", "landline", "voip"} <= set(LineType.values)
    assert network.line_type_of("person@example.com") == ""
    assert {network.carrier_of(to) for to in addresses("email", 50)} == {"Mailbox A", "Mailbox B"}


@pytest.mark.parametrize("channel", sorted(FATES))
def test_every_word_of_the_network_is_in_the_table_but_the_one_that_is_not(channel):
    counts = Counter()
    for body in ("See you at ten.", "act now https://bit.ly/x"):
        counts += outcomes(channel, body)[0]
    codes = {code for _, _, code in counts if code and code != UNLISTED_CODE}

    assert all(status != "unknown" for status, _, _ in counts)
    known = {code for table_channel, _, code in TABLE if table_channel in (channel, "sms")}
    assert {code.lower() for code in codes} <= known
    assert (channel, "error", UNLISTED_CODE.lower()) not in TABLE


def test_an_unknown_channel_is_an_error_of_the_caller():
    with pytest.raises(ValueError, match="pigeon"):
        plan(7, Submission(REF, "pigeon", "a", "b", "c", CALLBACK, NOON), 1)
