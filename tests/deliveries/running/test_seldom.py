"""A step that looks now and then."""

from __future__ import annotations

import pytest

from deliveries.running.seldom import Seldom


def counted(*results):
    """A step that returns or raises these one after the other, and the list of its calls."""
    calls = []

    def step(now):
        calls.append(now)
        result = results[len(calls) - 1]
        if isinstance(result, Exception):
            raise result
        return result

    return step, calls


def test_it_looks_once_and_then_not_before_its_time(now):
    step, calls = counted(0, 0)
    seldom = Seldom(60, step)

    assert [seldom(now), seldom(now)] == [0, 0]
    assert len(calls) == 1

    seldom.next = 0  # its time has come
    seldom(now)
    assert len(calls) == 2


def test_it_goes_on_at_once_as_long_as_there_is_something_to_do(now):
    step, calls = counted(2, 1, 0)
    seldom = Seldom(60, step)

    assert [seldom(now) for _ in range(5)] == [2, 1, 0, 0, 0]
    assert len(calls) == 3


def test_what_fails_is_not_tried_at_every_round(now):
    step, calls = counted(ValueError("No"), 0)
    seldom = Seldom(60, step)

    with pytest.raises(ValueError, match="No"):
        seldom(now)

    assert seldom(now) == 0
    assert len(calls) == 1
