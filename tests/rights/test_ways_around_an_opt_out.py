"""Whoever said no is written to by no way around it: every way after every no, and the same end."""

from __future__ import annotations

from datetime import UTC, datetime
from inspect import isgeneratorfunction

import pytest

from tests.rights import person, ways
from tests.rights.person import EVERY, NOES, Robin, Way
from tests.rights.spellings import EMAILS, NUMBERS, spelt
from tests.rights.ways import WAYS

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 3, 4, 17, 0, tzinfo=UTC)
# Where it matters what kind of no it was: a complaint is taken back by nobody, also not by the person's own word.
BY_REASON = [
    ways.released_by_an_administrator, ways.on_an_uploaded_list_that_is_released, ways.links_opened_by_anybody,
    ways.a_yes_said_before_that_comes_late, ways.a_code_that_is_read_otherwise, ways.merged_into_another,
    ways.erased_and_imported_anew, ways.a_code_that_was_taken_for_a_no_before,
]  # fmt: skip
CASES: dict[str, tuple[Way, person.No]] = {
    f"{way.__name__}-{no.__name__}": (way, no) for way in WAYS for no in NOES
}
CASES |= {f"{way.__name__}-complained": (way, person.complained) for way in BY_REASON}
CASES |= {f"number-{name}": (spelt(number=text), person.stop) for name, text in NUMBERS.items()}
CASES |= {f"email-{name}": (spelt(email=text), person.unsubscribed) for name, text in EMAILS.items()}


@pytest.mark.parametrize("case", CASES)
def test_nothing_is_handed_over_to_whoever_said_no(case):
    robin = Robin(NOW)
    way, no = CASES[case]
    before = way(robin) if isgeneratorfunction(way) else iter(())
    next(before, None)
    closed = no(robin)

    next(before, None) if isgeneratorfunction(way) else way(robin)

    assert robin.leaves(closed) == []


@pytest.mark.parametrize("way", [*WAYS, spelt(number=NUMBERS["00"])], ids=lambda way: way.__name__)
def test_without_a_no_the_same_is_handed_over(way):
    """Else the test above would prove nothing."""
    robin = Robin(NOW)

    for _ in way(robin) or ():
        robin.later()

    assert robin.leaves(EVERY)
