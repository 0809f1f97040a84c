"""`make test`: every test on SQLite, then on PostgreSQL where one answers, and what could not run here.

Two run at a time. Tests that start real processes mostly wait: those of one database run one after the other, beside
those of the other database and beside all that asks PostgreSQL.
REQUIRE_ALL=1 turns everything that could not run into a failure.
"""

from __future__ import annotations

import getpass
import os
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from subprocess import PIPE
from xml.etree import ElementTree

import psycopg
from psycopg.conninfo import conninfo_to_dict

ROOT = Path(__file__).resolve().parent.parent
SOME_FAILED, NO_TESTS = 1, 5  # pytest's exit codes
TOGETHER = ["-n", os.environ.get("TEST_PROCESSES", "2")]
BROWSER = [*TOGETHER, "tests/browser", "-m", "browser"]
# Not even collected where none of them would run: there are thousands.
LEAN = ["--ignore=tests/browser", "--ignore=tests/deliveries/meaning/test_payloads.py"]
PROCESSES = [*LEAN, "-m", "processes"]
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
    postgresql, missing = find_postgresql()
    counts: Counter[str] = Counter()
    broken: list[str] = []
    for together in parts(postgresql):
        for part, (code, found, skipped) in zip(together, run_together(together, arguments), strict=True):
            if code == SOME_FAILED and part.selection == BROWSER:
                code, found = once_more(part, arguments, found)
            counts += found
            missing |= skipped
            if code not in (0, NO_TESTS):
                broken.append(part.title)
    return conclude(counts, broken, missing, time.monotonic() - started)


def parts(postgresql: str) -> list[list[Part]]:
    """What runs one after the other; the parts of an inner list run at the same time."""
    last = [Part("SQLite, real processes", "", PROCESSES)]
    if postgresql:
        again = [*PROCESSES[:-1], "processes and not once"]
        last.insert(0, Part("PostgreSQL", postgresql, AGAIN))
        last.append(Part("PostgreSQL, real processes", f"{postgresql}_processes", again))
    return [[Part("SQLite", "", FAST)], [Part("SQLite, browser", "", BROWSER)], last]


# (pytest's exit code, counts by outcome, reasons of tests that could not run here)
Result = tuple[int, Counter[str], set[str]]


def run_together(together: list[Part], arguments: list[str]) -> list[Result]:
    """Run these parts at the same time. The first speaks on the screen, the others when they are done."""
    first, *others = together
    with ThreadPoolExecutor() as pool:
        kept = [pool.submit(run, part, arguments, aside=True) for part in others]
        return [run(first, arguments), *(each.result() for each in kept)]


def run(part: Part, arguments: list[str], *, aside: bool = False) -> Result:
    """Run pytest for `part`; `aside` keeps what it prints until it has ended."""
    with tempfile.TemporaryDirectory(prefix="waybill-tests-") as scratch:
        env = {name: value for name, value in os.environ.items() if name not in settings_names()}
        env |= {"WAYBILL_VAR": scratch, "DATABASE_URL": part.database}
        report = Path(scratch) / "report.xml"
        command = [sys.executable, "-m", "pytest", "-q", f"--junitxml={report}", *part.selection, *arguments]
        title = f"\n──── {part.title} ────"
        if not aside:
            print(title, flush=True)
        done = subprocess.run(
            command, cwd=ROOT, env=env, check=False, stdout=PIPE if aside else None, text=True
        )
        if aside:
            print(title, done.stdout, sep="\n", flush=True)
        return done.returncode, *read(report)


def once_more(part: Part, arguments: list[str], first: Counter[str]) -> tuple[int, Counter[str]]:
    """Run what failed in the browser a second time, in the open: a browser waits in real time, and this machine may
    have been busy. One by one this time; what fails twice has failed."""
    failed = first["failure"] + first["error"]
    print(f"\n──── {part.title}: {failed} failed, once more ────", flush=True)
    code, again, _ = run(part, [*arguments, "-n0", "--last-failed", "--last-failed-no-failures=none"])
    return code, Counter(passed=first["passed"], skipped=first["skipped"]) + again


def settings_names() -> set[str]:
    """What `config/settings.py` reads. Set on a developer's machine they would change what the tests see."""
    return set(re.findall(r'\benv\.\w+\(\s*"([A-Z_]+)"', (ROOT / "config/settings.py").read_text()))


def read(report: Path) -> tuple[Counter[str], set[str]]:
    counts: Counter[str] = Counter()
    missing: set[str] = set()
    if not report.exists():
        return counts, missing
    for case in ElementTree.parse(report).iter("testcase"):
        outcome = next((child for child in case if child.tag in ("failure", "error", "skipped")), None)
        counts[outcome.tag if outcome is not None else "passed"] += 1
        if outcome is not None and outcome.tag == "skipped":
            reason = (outcome.get("message") or "").partition("could not run here: ")[2]
            missing |= {reason} - {""}
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
