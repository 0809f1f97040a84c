"""Folding: changes that wait become counts, each once, on both databases alike."""

from __future__ import annotations

import random
from collections import Counter
from datetime import date

import pytest
from django.db import connection, connections, transaction

from deliveries.ledger import tallies
from deliveries.models import MESSAGE_TALLIES, CarrierTally, TallyDelta

pytestmark = pytest.mark.django_db


def changes(count: int, seed: int = 7) -> Counter[tuple]:
    """Changes as recorders append them; many meet in a cell, and some of those cancel each other out."""
    rng = random.Random(seed)
    found: Counter[tuple] = Counter()
    for _ in range(count):
        key = (
            rng.randint(1, 3), date(2026, 3, rng.randint(1, 2)), "sms", rng.randint(1, 2), rng.choice(["Aster", ""]),
            rng.choice(["US-TX", ""]), 0, rng.choice(["sent", "delivered"]), "",
            rng.choice(["PENDING", "DELIVERED"]), "",
        )  # fmt: skip
        found[key] += rng.choice([1, 1, -1])
    return found


def cells() -> dict[str, Counter]:
    return {
        tally.__name__: Counter(
            {tuple(row[:-1]): row[-1] for row in tally.objects.values_list(*tally.KEY, "n")}
        )
        for tally in MESSAGE_TALLIES
    }


def summed(of: Counter[tuple]) -> dict[str, Counter]:
    """What the cells have to hold, added up one by one."""
    found = {}
    for tally in MESSAGE_TALLIES:
        places = [tallies.DIMENSIONS.index(name) for name in tally.KEY]
        found[tally.__name__] = cell = Counter()
        for key, n in of.items():
            cell[tuple(key[place] for place in places)] += n
    return found


def test_every_change_is_counted_once_however_many_are_folded_at_a_time():
    first, second = changes(300), changes(300, seed=8)
    tallies.append(first)
    waiting = TallyDelta.objects.count()

    assert tallies.fold(limit=10) == 10
    assert TallyDelta.objects.count() == waiting - 10
    tallies.append(second)
    tallies.fold_all()

    expected = summed(Counter({key: first[key] + second[key] for key in first.keys() | second.keys()}))
    found = cells()
    for name, counts in expected.items():
        assert {key: n for key, n in found[name].items() if n} == {key: n for key, n in counts.items() if n}
    assert not TallyDelta.objects.exists()


def test_changes_that_cancel_each_other_out_make_no_cell():
    key = (1, date(2026, 3, 4), "sms", 1, "", "", 0, "sent", "", "PENDING", "")
    tallies.append({key: 1})
    tallies.append({key: -1})

    assert tallies.fold() == 2
    assert not any(tally.objects.exists() for tally in MESSAGE_TALLIES)


def test_nothing_that_waits_is_nothing_folded():
    assert tallies.fold() == 0


@pytest.mark.django_db(transaction=True)
def test_one_process_folds_at_a_time():
    if connection.vendor != "postgresql":
        pytest.skip("SQLite lets one process write at a time")
    tallies.append(changes(50))
    other = connections.create_connection("default")
    try:
        other.set_autocommit(False)
        with other.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [tallies.FOLD_LOCK])
        assert tallies.fold() == 0
        assert not CarrierTally.objects.exists()
        other.rollback()
    finally:
        other.close()

    with transaction.atomic():
        assert tallies.fold() > 0
