"""A million suppressions: what blocks one address, beside a read by primary key; and the gate, beside a small table."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, time
from functools import partial
from random import Random
from statistics import median

from django.utils import timezone

from benchmarks import rows
from benchmarks.measuring import Figure, Options, Rounds, timed
from contacts.blocking import Target, blocks
from contacts.gate import check
from contacts.gate_facts import Ask
from contacts.models import Suppression
from contacts.states import CampaignState

PEOPLE = 100_000  # contacts; the suppressions beyond name addresses of nobody
SMALL = 1_000  # suppressions
CALLS = 300
BATCH = 100  # asks at a time, as one claim has them


def run(options: Options) -> Iterator[Figure]:
    of = rows.world()
    rows.contacts(of, min(PEOPLE, options.rows))
    taken: dict[str, Rounds] = {
        name: Rounds("suppressing", options, "ms") for name in ("one", "batch", "gate")
    }
    for size in (SMALL, options.rows):
        first = _suppress(of, size)
        name = f"{size:,}"
        for _ in range(options.rounds):
            now = timezone.now()
            numbers = Random(1).sample(range(1, min(PEOPLE, size) + 1), CALLS)
            taken["one"].add(
                f"look-up, {name}", _milliseconds(partial(_look_up, now), [[n] for n in numbers])
            )
            taken["one"].add(f"read, {name}", _milliseconds(partial(_read, first), [[n] for n in numbers]))
            batches = [numbers[at : at + BATCH] for at in range(0, CALLS, BATCH)]
            taken["batch"].add(f"look-up, {name}", _milliseconds(partial(_look_up, now), batches))
            taken["batch"].add(f"read, {name}", _milliseconds(partial(_read, first), batches))
            taken["gate"].add(name, _milliseconds(partial(_ask, now), batches))
    large = f"{options.rows:,}"
    for title, key, target in (("one address", "one", 3), (f"{BATCH} addresses", "batch", 3)):
        line = f"what blocks {title} of {large} / as many rows by primary key"
        yield taken[key].against(line, f"look-up, {large}", f"read, {large}", target, at_most=True)
    line = f"the gate, {BATCH} asks, {large} suppressions / {SMALL:,}"
    yield taken["gate"].against(line, large, f"{SMALL:,}", 1.2, at_most=True)


def _suppress(of: rows.World, size: int) -> int:
    """As many suppressions as that, of the first addresses; the id of the first one."""
    rows.execute("DELETE FROM contacts_suppression")
    rows.suppressions(of, size, of_each=1)
    rows.settle_down()
    return Suppression.objects.order_by("pk").values_list("pk", flat=True)[0]


def _milliseconds(act: Callable[[Sequence[int]], object], calls: Sequence[Sequence[int]]) -> float:
    """The median of the calls, after one that warms up."""
    act(calls[0])
    spent = []
    for each in calls:
        with timed() as clock:
            act(each)
        spent.append(clock.seconds)
    return 1_000 * median(spent)


def _look_up(now: datetime, numbers: Sequence[int]) -> object:
    return blocks([Target(f"+999{100_000_000 + n}", n, "sms", "+12105550100") for n in numbers], now)


def _read(first: int, numbers: Sequence[int]) -> object:
    return list(Suppression.objects.filter(pk__in=[first + n - 1 for n in numbers]).values_list())


def _ask(now: datetime, numbers: Sequence[int]) -> object:
    return check(
        [
            Ask(
                key=n, contact_id=n, address_id=n, channel="sms", sender_value="+12105550100",
                window_start=time(0), window_end=time(23, 59), campaign_state=CampaignState.SENDING,
                sender_state="approved", relevant_until=None, purpose="service",
            )
            for n in numbers
        ],
        now,
    )  # fmt: skip
