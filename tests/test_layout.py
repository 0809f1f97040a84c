"""Where tests stand, and what none of them does."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.lint import ROOT

pytestmark = pytest.mark.once

TESTS = ROOT / "tests"
NO_ROOMS = {"admin", "browser", "rights"}  # all of the admin; what people see; what they may count on
WALL_CLOCKS = {"time.monotonic", "time.perf_counter", "time.time"}


def modules() -> list[Path]:
    return sorted(TESTS.rglob("test_*.py"))


def functions(path: Path) -> list[ast.FunctionDef]:
    found = ast.walk(ast.parse(path.read_text()))
    return [one for one in found if isinstance(one, ast.FunctionDef) and one.name.startswith("test_")]


def test_tests_stand_in_the_rooms_of_the_code():
    folders = {path.parent.relative_to(TESTS) for path in modules()} - {Path()}

    rooms = {folder for folder in folders if folder.parts[0] not in NO_ROOMS}
    assert sorted(str(room) for room in rooms if not (ROOT / room).is_dir()) == []


def test_no_test_looks_at_the_clock_to_see_how_long_something_took():
    """A machine may be busy. What has to end says so by a time-out, what has to be fast is measured by benchmarks/."""
    looking = [
        f"{path.relative_to(ROOT)}: {test.name}"
        for path in modules()
        for test in functions(path)
        for node in ast.walk(test)
        if isinstance(node, ast.Call) and ast.unparse(node.func) in WALL_CLOCKS
    ]

    assert looking == []
