"""`make test` itself: what did not run is not reported as passed."""

from __future__ import annotations

from collections import Counter

import pytest

from tests import run

pytestmark = pytest.mark.once

INTERRUPTED = """
def test_that_passes(): pass
def test_that_is_interrupted(): raise KeyboardInterrupt
def test_that_is_not_begun(): pass
"""


def test_what_a_part_did_not_come_to_has_failed(tmp_path):
    module = tmp_path / "test_interrupted.py"
    module.write_text(INTERRUPTED)
    (tmp_path / "conftest.py").write_text("from tests.conftest import *")
    part = run.Part("A part that was ended", "", ["-n0", str(module)])

    (code, counts, _), said = run.run(part, [], aside=True)

    assert code == 2
    assert counts == {"passed": 1, "failure": 2, run.NOT_RUN: 2}
    assert "KeyboardInterrupt" in said


def test_a_part_that_ended_before_it_knew_its_tests_has_failed(tmp_path):
    counts, _ = run.read(tmp_path / "none.xml", run.expected(tmp_path, run.OUT_OF_TIME))

    assert counts == {"failure": 1, run.NOT_RUN: 1}


def test_a_part_without_tests_for_it_is_no_failure(tmp_path):
    counts, _ = run.read(tmp_path / "none.xml", run.expected(tmp_path, run.NO_TESTS))

    assert counts == Counter()
