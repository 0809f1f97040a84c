"""When a source is far worse than the others, and when there is too little to say."""

import pytest
from django.utils import timezone

from deliveries.models import SourceFigures
from deliveries.outcomes.shares import Share
from deliveries.outcomes.sources import compared, page_of

OTHERS = {
    "valid": 980,
    "with_result": 900,
    "delivered": 850,
    "hard_fails": 30,
    "complaints": 1,
    "opt_outs": 9,
}
LITTLE = {"people": 30, "valid": 30, "with_result": 25, "hard_fails": 2, "complaints": 0, "opt_outs": 0}


def figures(pk, people=1_000, **counts):
    return SourceFigures(contact_list_id=pk, people=people, counted_at=timezone.now(), **{**OTHERS, **counts})


@pytest.mark.parametrize(
    ("counts", "far"),
    [
        ({}, []),
        ({"delivered": 700}, ["delivered"]),
        ({"delivered": 815}, []),  # beyond chance, and less than a step of the marks
        ({"valid": 800}, ["valid"]),
        ({"hard_fails": 120}, ["hard_fails"]),
        ({"hard_fails": 50}, []),
        ({"complaints": 20}, ["complaints"]),
        ({"opt_outs": 40, "complaints": 9}, ["complaints", "opt_outs"]),
        ({"people": 15, "valid": 2, "with_result": 10, "delivered": 0, "hard_fails": 10}, []),
        ({"people": 60, "valid": 20, "with_result": 10, "delivered": 0, "hard_fails": 10}, ["valid"]),
        ({**LITTLE, "delivered": 22}, []),
        ({**LITTLE, "delivered": 10}, ["delivered"]),
    ],
)
def test_a_source_is_far_worse_only_beyond_chance_and_by_much(counts, far):
    found = {one.pk: one for one in compared([figures(1, **counts), figures(2), figures(3)])}

    assert [one.measure.ever for one in found[1].far] == far
    assert found[2].far == []


def test_too_few_are_not_judged_and_say_so():
    few = {"people": 30, "valid": 30, "with_result": 3, "delivered": 0, "hard_fails": 3}

    found = {one.pk: one for one in compared([figures(1, **few), figures(2)])}

    assert found[1].verdict[0] == "Too few to judge"
    assert found[1].shares[1].beside == ["too few to judge"]
    assert found[1].shares[0].beside[1] == "others 98.0%"


def test_one_source_alone_has_no_others_to_be_worse_than():
    (alone,) = compared([figures(1, delivered=0, hard_fails=900)])

    assert (alone.far, alone.too_few) == ([], True)


def test_the_worst_stand_first_and_those_with_little_to_say_last():
    few = {**LITTLE, "with_result": 3, "delivered": 0}
    found = compared(
        [figures(1), figures(2, **few), figures(3, delivered=600), figures(4, delivered=300), figures(5)]
    )

    assert [one.pk for one in found] == [4, 3, 5, 1, 2]


def test_pages_follow_each_other_whatever_the_mark_says(monkeypatch):
    monkeypatch.setattr("deliveries.outcomes.sources.PAGE_SIZE", 2)
    found = compared([figures(pk, delivered=800 - pk) for pk in range(1, 6)])

    pages = [page_of(found, "")]
    while pages[-1].after:
        pages.append(page_of(found, pages[-1].after))

    assert [one.pk for each in pages for one in each.rows] == [one.pk for one in found]
    assert [each.first for each in pages] == [True, False, False]
    assert page_of(found, "nonsense").first


def test_a_share_of_nothing_may_be_anything():
    assert (Share(0, 0).rate, Share(0, 0).range) == (0.0, (0.0, 1.0))
