"""`make test`: every test on SQLite, then on PostgreSQL where one answers, and what could not run here.

Two run at a time. Tests that start real processes mostly wait: they run one after the other, beside all the others.
No part may take longer than PART_MINUTES: what it was at is named then, and the next one begins. What a part did not
come to has failed.
REQUIRE_ALL=1 turns everything that could not run into a failure.
"""

from __future__ import annotations

import getpass
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from subprocess import PIPE
from xml.etree import ElementTree

import psycopg
from psycopg.conninfo import conninfo_to_dict

from tests.databases import template_name

ROOT = Path(__file__).resolve().parent.parent
SOME_FAILED, NO_TESTS = 1, 5  # pytest's exit codes
OUT_OF_TIME = -1
NOT_RUN = "not run"  # an outcome beside those of pytest's report: not begun, or not at its end
PART_MINUTES = 40  # a part takes about ten, the browser twenty; a CI service has a limit for all together
TO_END = 15  # seconds that a part has to end by itself once it was asked to
TOGETHER = ["-n", os.environ.get("TEST_PROCESSES", "2")]
BROWSER = [*TOGETHER, "tests/browser", "-m", "browser"]
# Not even collected where none of them would run: there are thousands.
LEAN = ["--ignore=tests/browser", "--ignore=tests/deliveries/meaning/test_payloads.py"]
FAST = [*TOGETHER, "-m", "not processes and not browser"]
# On another database: what says nothing about databases would only repeat itself.
AGAIN = [*LEAN, *FAST[:-1], f"{FAST[-1]} and not once"]


@dataclass(frozen=True)
class Part:
    """One run of pytest: on which database, which tests."""

    title: str
    database: str  # a DATABASE_URL; empty for SQLite
    selection: list[str]


def main(arguments: list[str]) -> int:
    started = time.monotonic()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    postgresql, missing = find_postgresql()
    counts: Counter[str] = Counter()
    broken: list[str] = []
    with tempfile.TemporaryDirectory(prefix="waybill-tests-") as templates:
        os.environ["TEST_TEMPLATES"] = templates
        try:
            results = run_lanes(parts(postgresql), arguments)
        finally:
            drop_template(postgresql, Path(templates))
    for part, (code, found, skipped) in results:
        counts += found
        missing |= skipped
        if code not in (0, NO_TESTS) or found[NOT_RUN]:
            broken.append(part.title + (f" ({found[NOT_RUN]} did not run)" if found[NOT_RUN] else ""))
    return conclude(counts, broken, missing, time.monotonic() - started)


def parts(postgresql: str) -> list[list[Part]]:
    """Lanes that run at the same time: in each of them the parts run one after the other."""
    there = modules_with("processes")
    lane = [Part("SQLite", "", FAST), Part("SQLite, browser", "", BROWSER)]
    beside = [Part("SQLite, real processes", "", [*there, "-m", "processes"])]
    if postgresql:
        lane.append(Part("PostgreSQL", postgresql, AGAIN))
        again = [*there, "-m", "processes and not once"]
        # First here, so that both databases are migrated at the same time, which takes half a minute of a core each.
        beside.insert(0, Part("PostgreSQL, real processes", f"{postgresql}_processes", again))
    return [lane, beside]


def modules_with(mark: str) -> list[str]:
    """Where tests have this mark: the other modules are not even collected."""
    found = (path for path in (ROOT / "tests").rglob("test_*.py") if f"mark.{mark}" in path.read_text())
    return sorted(str(path.relative_to(ROOT)) for path in found)


# (pytest's exit code, counts by outcome, reasons of tests that could not run here)
Result = tuple[int, Counter[str], set[str]]


def run_lanes(lanes: list[list[Part]], arguments: list[str]) -> list[tuple[Part, Result]]:
    """Run these lanes at the same time. The first speaks on the screen, the others once it is done."""
    first, *others = lanes
    with ThreadPoolExecutor() as pool:
        beside = [pool.submit(run_lane, lane, arguments, aside=True) for lane in others]
        try:
            results, said = run_lane(first, arguments, aside=False)
            for each in beside:
                found, said = each.result()
                results += found
                print(said, flush=True)
        except KeyboardInterrupt:
            for process in tuple(RUNNING):
                end(process)
            raise
    return results


def run_lane(lane: list[Part], arguments: list[str], *, aside: bool) -> tuple[list[tuple[Part, Result]], str]:
    """What became of each part, and what was said where that is kept (`aside`)."""
    results, said = [], []
    for part in lane:
        result, words = run(part, arguments, aside=aside)
        if result[0] == SOME_FAILED and part.selection == BROWSER:
            result = once_more(part, arguments, result)
        results.append((part, result))
        said.append(words)
    return results, "\n".join(said)


def run(part: Part, arguments: list[str], *, aside: bool = False) -> tuple[Result, str]:
    """Run pytest for `part`. What it says goes to the screen, or comes back where it runs `aside`."""
    with tempfile.TemporaryDirectory(prefix="waybill-tests-") as scratch:
        env = {name: value for name, value in os.environ.items() if name not in settings_names()}
        env |= {"WAYBILL_VAR": scratch, "DATABASE_URL": part.database}
        report, notes = Path(scratch) / "report.xml", Path(scratch) / "notes"
        notes.mkdir()
        # A test that was only made ready when it was interrupted would be reported like one that passed.
        reporting = [f"--junitxml={report}", "-o", "junit_duration_report=call"]
        command = [sys.executable, "-m", "pytest", "-q", *reporting, *part.selection, *arguments]
        if aside:  # what failed there is remembered apart: two at a time would overwrite each other's notes
            command += ["-o", f"cache_dir={scratch}/cache"]
        title = f"\n──── {part.title} ────"
        if not aside:
            print(title, flush=True)
        code, said = watched(command, env | {"TESTS_AT_WORK": str(notes)}, part.title, aside=aside)
        return (code, *read(report, expected(notes, code))), f"{title}\n{said}" if aside else ""


RUNNING: set[subprocess.Popen[str]] = set()


def watched(command: list[str], env: dict[str, str], title: str, *, aside: bool) -> tuple[int, str]:
    """(exit code, what was said where that is kept) of a part, which is ended when its time is over."""
    process = subprocess.Popen(
        command, cwd=ROOT, env=env, stdout=PIPE if aside else None, text=True,
        start_new_session=True,  # so that it can be ended with all that it started
    )  # fmt: skip
    RUNNING.add(process)
    try:
        said, _ = process.communicate(timeout=60 * PART_MINUTES)
    except subprocess.TimeoutExpired:
        at = ", ".join(sorted(path.read_text() for path in Path(env["TESTS_AT_WORK"]).glob("at-*")))
        print(f"\n{title}: not done after {PART_MINUTES} minutes, and ended. It was at: {at}", flush=True)
        return OUT_OF_TIME, end(process)
    finally:
        RUNNING.discard(process)
    return process.returncode, said or ""


def end(process: subprocess.Popen[str]) -> str:
    """End it and what it started; what it had said, where that is kept."""
    for how in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError):
            os.killpg(process.pid, how)
        with suppress(subprocess.TimeoutExpired):
            return process.communicate(timeout=TO_END)[0] or ""
    return ""


def once_more(part: Part, arguments: list[str], result: Result) -> Result:
    """Run what failed in the browser a second time, in the open: a browser waits in real time, and this machine may
    have been busy. One by one this time; what fails twice has failed."""
    _, first, skipped = result
    failed = first["failure"] + first["error"]
    print(f"\n──── {part.title}: {failed} failed, once more ────", flush=True)
    (code, again, _), _ = run(part, [*arguments, "-n1", "--last-failed", "--last-failed-no-failures=none"])
    if code == NO_TESTS:
        return result
    stays = {"passed": first["passed"], "skipped": first["skipped"], "failure": first[NOT_RUN]}
    return code, Counter({**stays, NOT_RUN: first[NOT_RUN]}) + again, skipped


def settings_names() -> set[str]:
    """What `config/settings.py` reads. Set on a developer's machine they would change what the tests see."""
    return set(re.findall(r'\benv\.\w+\(\s*"([A-Z_]+)"', (ROOT / "config/settings.py").read_text()))


def expected(notes: Path, code: int) -> int:
    """How many tests a part that ended with this exit code had to run; one at least, where it never came to know."""
    found = [int(path.read_text()) for path in notes.glob("collected-*")]
    return max(found, default=int(code not in (0, NO_TESTS)))


def read(report: Path, expected: int) -> tuple[Counter[str], set[str]]:
    """(tests by outcome, reasons of those that could not run here). Of those expected, what is not reported failed."""
    counts: Counter[str] = Counter()
    missing: set[str] = set()
    cases = list(ElementTree.parse(report).iter("testcase")) if report.exists() else []
    for case in cases:
        outcome = next((child for child in case if child.tag in ("failure", "error", "skipped")), None)
        counts[outcome.tag if outcome is not None else "passed"] += 1
        if outcome is not None and outcome.tag == "skipped":
            reason = (outcome.get("message") or "").partition("could not run here: ")[2]
            missing |= {reason} - {""}
    # One that failed, and again when it was cleared up behind, is two cases.
    if (left := expected - len({(case.get("classname"), case.get("name")) for case in cases})) > 0:
        counts += Counter({"failure": left, NOT_RUN: left})
    return counts, missing


def conclude(counts: Counter[str], broken: list[str], missing: set[str], seconds: float) -> int:
    """Say what failed and what could not run; the last line is the sum, in pytest's words."""
    required = os.environ.get("REQUIRE_ALL") == "1"
    print("\n──── All together ────")
    for title in broken:
        print(f"failed: {title}")
    for reason in sorted(missing):
        print(f"could not run here: {reason}")
    if not missing:
        print("Everything could run here.")
    if missing and required:
        print("REQUIRE_ALL=1: what could not run counts as failed.")
        counts["failure"] += len(missing)
    words = {"failure": "failed", "passed": "passed", "skipped": "skipped", "error": "errors"}
    said = ", ".join(f"{counts[key]} {word}" for key, word in words.items() if counts[key]) or "no tests ran"
    print(f"{f' {said} in {seconds:.2f}s ':=^80}")
    return 1 if broken or not counts["passed"] or (missing and required) else 0


def find_postgresql() -> tuple[str, set[str]]:
    """The DATABASE_URL of a database to make beside the tests' own, and why there is none if there is none."""
    given = os.environ.get("TEST_DATABASE_URL")
    here = ("postgres@127.0.0.1:5432", f"{getpass.getuser()}@127.0.0.1:5432", "")
    tried = [given] if given else [f"postgresql://{server}/postgres" for server in here]
    problem = ""
    for url in tried:
        problem = why_not(url)
        if not problem:
            return f"{url.rpartition('/')[0]}/waybill_{os.getpid()}", set()
    where = "at TEST_DATABASE_URL" if given else "on this machine (name another by TEST_DATABASE_URL)"
    return "", {f"PostgreSQL {where}: {problem}"}


def drop_template(postgresql: str, folder: Path) -> None:
    """The migrated database that this run's processes copied."""
    if postgresql:
        server = f"{postgresql.rpartition('/')[0]}/postgres"
        with psycopg.connect(server, autocommit=True) as connection:
            connection.execute(f'DROP DATABASE IF EXISTS "{template_name(folder)}"')


def why_not(url: str) -> str:
    """Why the tests cannot use the PostgreSQL at `url`; empty when they can."""
    try:
        with psycopg.connect(**conninfo_to_dict(url, connect_timeout=3)) as connection:
            row = connection.execute(
                "SELECT rolcreatedb OR rolsuper FROM pg_roles WHERE rolname = current_user"
            ).fetchone()
    except psycopg.Error as error:
        return str(error).strip().splitlines()[-1]
    return "" if row and row[0] else "its user may not create databases"


if __name__ == "__main__":
    if sys.argv[1:] == ["--postgresql"]:
        print(find_postgresql()[0])
    else:
        sys.exit(main(sys.argv[1:]))
