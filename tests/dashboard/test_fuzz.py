"""A sample of the requests that nobody means: no page answers one with an error of ours. See tests/fuzzing.py."""

from __future__ import annotations

import logging

import pytest

from deliveries.models import Batch
from tests import fuzzing


@pytest.fixture
def fuzz(db, monkeypatch):
    """`fuzz(7)`: requests from this seed, against a row of nearly everything. What they log is not shown."""
    monkeypatch.setattr(logging.root.manager, "disable", logging.CRITICAL)
    fill = fuzzing.rows()
    return lambda seed: fuzzing.Fuzz(seed, fill)


def test_no_page_breaks_over_a_request_that_nobody_means(fuzz):
    outcome = fuzz(29).run(500)

    assert outcome.requests == 500
    assert not outcome.broken, fuzzing.told(outcome, 0)
    assert len(outcome.statuses) > 5  # they get further than the log-in page


def test_every_page_is_among_them():
    routes = {page.route for page in fuzzing.pages()}

    assert {"contacts/<id:pk>/", "queues/<slug:queue>/", "admin/contacts/address/", "healthz"} <= routes


def test_a_page_that_breaks_is_told_with_its_place_and_its_request(fuzz, monkeypatch):
    monkeypatch.setattr(Batch, "title", property(lambda batch: 1 / 0))
    runner = fuzz(1)
    runner.pages = [page for page in runner.pages if page.route == "batches/<id:pk>/"]

    outcome = runner.run(30)

    (broken,) = outcome.broken.values()
    assert broken.where.startswith("ZeroDivisionError")
    assert "test_fuzz.py" in broken.where
    assert "/batches/" in broken.request
    assert outcome.count_broken == outcome.statuses[500] > 0


def test_the_same_seed_gives_the_same_requests(fuzz):
    def sent(seed):
        runner, noted = fuzz(seed), []
        runner._send = lambda page, role, method, address, told: noted.append((role, method, address, told))
        runner.run(50)
        return noted

    assert sent(3) == sent(3) != sent(4)
