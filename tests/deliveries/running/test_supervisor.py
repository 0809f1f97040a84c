"""The supervisor: what it starts, what it starts again, and that nothing outlives it."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from django.db import connection
from django_q.models import Schedule

from deliveries.management.commands.worker import briefly, ensure_schedule, named
from deliveries.running import supervisor as subject
from deliveries.running.supervisor import Command, PeriodicCheck, Supervisor, born, end_groups, members
from deliveries.wake import TASK

ROOT = Path(__file__).resolve().parents[3]

# A parent with two children that ignore SIGTERM, all of them in one group: the worst a cluster can do.
STUBBORN = """
import os, signal, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
for _ in range(2):
    if os.fork() == 0:
        break
print("up", flush=True)
time.sleep(60)
"""
# A supervisor as a process of its own; it writes the group it runs to the file named in argv.
SUPERVISING = """
import sys
from pathlib import Path
from deliveries.running.supervisor import Command, PeriodicCheck, Supervisor
var, pid_file, script = sys.argv[1:]
def note(supervisor):
    if supervisor._groups:
        Path(pid_file).write_text(str(supervisor._groups["it"].pgid))
Supervisor("test", [Command("it", [sys.executable, "-c", script])], var_dir=Path(var),
           checks=[PeriodicCheck(0.1, note)], grace=0.3).run()
"""


def python(name: str, script: str) -> Command:
    return Command(name, [sys.executable, "-c", script])


def eventually(true: Callable[[], object], seconds: float = 10.0) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if true():
            return True
        time.sleep(0.05)
    return False


def run_until(
    commands: list[Command], enough: Callable[[Supervisor, str], bool], var_dir: Path, **options
) -> str:
    """What a supervisor of `commands` says until `enough` (or ten seconds) is over."""
    out = io.StringIO()
    deadline = time.monotonic() + 10

    def look(supervisor: Supervisor) -> None:
        if enough(supervisor, out.getvalue()) or time.monotonic() > deadline:
            supervisor.stop()

    options = {"grace": 1.0, "prefix": True, "out": out} | options
    Supervisor("test", commands, var_dir=var_dir, checks=[PeriodicCheck(0.05, look)], **options).run()
    return out.getvalue()


def test_lines_carry_the_name_of_their_command(tmp_path):
    one, two = python("web", "print('hello')"), python("worker", "print('there', end='')")

    said = run_until([one, two], lambda _, text: "hello" in text and "there" in text, tmp_path)

    assert "web    | hello\n" in said
    assert "worker | there\n" in said


def test_a_command_that_ends_is_started_again_after_growing_pauses(tmp_path):
    said = run_until(
        [python("it", "raise SystemExit(3)")], lambda _, text: text.count("ended") == 2, tmp_path
    )

    assert "it ended (code 3); it starts again in 0.5 s." in said
    assert "it ended (code 3); it starts again in 1 s." in said


def test_children_of_a_killed_parent_are_ended_before_it_starts_again(tmp_path):
    groups: list[int] = []

    def kill_the_parent(supervisor: Supervisor, text: str) -> bool:
        group = supervisor._groups.get("it")
        if group and text.count("up") == 3 and not groups:
            groups.append(group.pgid)
            os.kill(group.pgid, signal.SIGKILL)
        return bool(groups) and group is None

    run_until([python("it", STUBBORN)], kill_the_parent, tmp_path, grace=0.2)

    assert groups
    assert members(groups[0]) == []


def test_stopping_ends_even_those_that_ignore_sigterm(tmp_path):
    groups: list[int] = []

    def all_up(supervisor: Supervisor, text: str) -> bool:
        groups[:] = [group.pgid for group in supervisor._groups.values()]
        return text.count("up") == 3

    run_until([python("it", STUBBORN)], all_up, tmp_path, grace=0.2)

    assert groups
    assert members(groups[0]) == []
    assert list((tmp_path / "run").iterdir()) == []


def test_much_output_while_ending_blocks_nobody(tmp_path):
    script = """
import signal, sys, time
def leave(*_):
    print("x" * 1_000_000, flush=True)
    sys.exit()
signal.signal(signal.SIGTERM, leave)
print("up", flush=True)
time.sleep(60)
"""
    said = run_until([python("it", script)], lambda _, text: "up" in text, tmp_path, grace=5.0)

    assert "x" * 1_000_000 in said


def test_a_check_can_restart_a_command(tmp_path):
    seen: list[int] = []

    def restart_once(supervisor: Supervisor, text: str) -> bool:
        group = supervisor._groups.get("it")
        if group and "up" in text and not seen:
            seen.append(group.pgid)
            supervisor.restart("it")
        return text.count("up") == 2

    said = run_until(
        [python("it", "import time; print('up', flush=True); time.sleep(60)")], restart_once, tmp_path
    )

    assert said.count("up") == 2
    assert members(seen[0]) == []


@pytest.fixture
def supervising(tmp_path):
    """Start a supervisor in a process of its own; gives it and the group it runs."""
    started: list[subprocess.Popen] = []
    groups: list[int] = []

    def start(script: str) -> tuple[subprocess.Popen, int]:
        pid_file = tmp_path / f"group{len(started)}"
        argv = [sys.executable, "-c", SUPERVISING, str(tmp_path), str(pid_file), script]
        process = subprocess.Popen(argv, cwd=ROOT)
        started.append(process)
        assert eventually(lambda: pid_file.exists() and pid_file.read_text())
        groups.append(int(pid_file.read_text()))
        return process, groups[-1]

    yield start
    for process in started:
        process.kill()
        process.wait()
    end_groups(groups, grace=0)


@pytest.mark.skipif(not subject.ON_LINUX, reason="needs the kernel to tell children that their parent died")
def test_a_killed_supervisor_leaves_no_obedient_child(supervising):
    process, group = supervising("import time; time.sleep(60)")

    process.kill()

    assert eventually(lambda: not members(group))


@pytest.mark.skipif(not subject.ON_LINUX, reason="reads /proc")
def test_the_next_start_ends_what_a_killed_supervisor_left_behind(supervising, tmp_path):
    process, group = supervising(STUBBORN)
    assert eventually(lambda: len(members(group)) == 3)
    process.kill()
    process.wait()
    assert members(group)

    run_until([], lambda *_: True, tmp_path, grace=0.2)

    assert members(group) == []


@pytest.mark.skipif(not subject.ON_LINUX, reason="reads /proc")
def test_the_groups_of_a_living_supervisor_are_left_alone(supervising, tmp_path):
    _, group = supervising("import time; time.sleep(60)")

    run_until([], lambda *_: True, tmp_path, grace=0.2)

    assert members(group) == [group]


@pytest.mark.skipif(not subject.ON_LINUX, reason="reads /proc")
def test_a_recorded_id_that_now_belongs_to_somebody_else_is_left_alone(supervising, tmp_path):
    process, group = supervising(STUBBORN)
    assert eventually(lambda: len(members(group)) == 3)
    process.kill()
    process.wait()
    (record,) = (tmp_path / "run").glob("*.json")
    record.write_text(record.read_text().replace("time.sleep(60)", "time.sleep(61)"))

    run_until([], lambda *_: True, tmp_path, grace=0.2)

    assert len(members(group)) == 3


def test_a_process_that_does_not_exist_was_never_born():
    assert born(2**22 + 1) == 0


@pytest.mark.django_db
def test_there_is_exactly_one_schedule_however_many_there_were():
    Schedule.objects.create(func=TASK, schedule_type=Schedule.DAILY)
    Schedule.objects.create(func=TASK, schedule_type=Schedule.MINUTES, minutes=5)
    Schedule.objects.create(func="other.task", schedule_type=Schedule.DAILY)
    Schedule.objects.create(func="former.task", name="drain", schedule_type=Schedule.MINUTES, minutes=1)

    ensure_schedule()
    ensure_schedule()

    assert list(Schedule.objects.filter(func=TASK).values_list("schedule_type", "minutes", "repeats")) == [
        (Schedule.MINUTES, 1, -1)
    ]
    assert set(Schedule.objects.values_list("func", flat=True)) == {TASK, "other.task"}


def test_each_role_that_is_named_has_a_process_and_one_named_twice_has_two():
    assert named(("send", "record", "send")) == [("send", "send"), ("record", "record"), ("send-2", "send")]


@pytest.mark.django_db(transaction=True)
def test_the_supervisors_queries_end_after_five_seconds_and_nobody_elses():
    if connection.vendor != "postgresql":
        pytest.skip("SQLite's time-out is set as it connects")

    def limit() -> str:
        with connection.cursor() as cursor:
            cursor.execute("SHOW statement_timeout")
            return cursor.fetchone()[0]

    with briefly():
        assert limit() == "5s"
    assert limit() == "0"
