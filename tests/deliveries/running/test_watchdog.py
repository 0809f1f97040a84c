"""Watching over processes by their progress: what they say, who hears it, and what becomes of one that hangs."""

from __future__ import annotations

import sys

from deliveries.running import supervisor as subject
from deliveries.running import watchdog
from deliveries.running.supervisor import Command, Supervisor
from tests.deliveries.running.test_supervisor import ROOT, python, run_until

# It says twice that it makes progress, and then hangs.
HANGING = """
import time
from deliveries.running import watchdog
print("starting", flush=True)
watchdog.ready()
time.sleep(0.2)
watchdog.alive()
time.sleep(60)
"""
# It says nothing; its lines tell how the time goes by.
TICKING = """
import time
while True:
    print("tick", flush=True)
    time.sleep(0.2)
"""
DILIGENT = """
import time
from deliveries.running import watchdog
watchdog.EVERY = 0.1
print("diligent", flush=True)
while True:
    watchdog.alive()
    time.sleep(0.1)
"""


def watched(name: str, script: str) -> Command:
    return Command(name, [sys.executable, "-c", script], {"PYTHONPATH": str(ROOT)}, patience=1.0)


def test_what_makes_no_progress_is_started_anew_alone(tmp_path):
    commands = [watched("hanging", HANGING), watched("diligent", DILIGENT)]

    said = run_until(commands, lambda _, text: text.count("starting") == 2, tmp_path)

    assert "hanging shows no progress: it is started anew." in said
    assert said.count("diligent | diligent") == 1


def test_what_has_nothing_to_do_can_be_spoken_for(tmp_path):
    def speak(supervisor: Supervisor, text: str) -> bool:
        supervisor.made_progress("idle")
        return text.count("tick") == 12

    said = run_until([watched("idle", TICKING)], speak, tmp_path)

    assert "no progress" not in said


def test_until_its_first_sign_a_command_has_time_to_start(tmp_path, monkeypatch):
    monkeypatch.setattr(subject, "START_SECONDS", 4.0)

    said = run_until([watched("slow", TICKING)], lambda _, text: "anew" in text, tmp_path)

    assert said.count("tick") > 6  # more than the second of its patience


def test_whoever_watches_over_the_supervisor_hears_of_it_only_while_all_make_progress(tmp_path, heard):
    def enough(supervisor: Supervisor, text: str) -> bool:
        return "anew" in text

    run_until([watched("diligent", DILIGENT), watched("hanging", HANGING)], enough, tmp_path)

    words = heard()
    assert words[0] == "READY=1"
    assert words.count("WATCHDOG=1") in (1, 2)  # one a second, and none once the other had hung
    assert words[-1] == "STOPPING=1"


def test_what_is_not_watched_over_says_nothing_to_systemd_in_our_name(tmp_path, heard):
    script = "import os; print(os.environ.get('NOTIFY_SOCKET'), flush=True)"

    said = run_until([python("it", script)], lambda _, text: "it |" in text, tmp_path)

    assert "it | None" in said
    assert "READY=1" in heard()


def test_progress_is_said_once_a_second_however_much_is_made(heard):
    watchdog.ready()
    for _ in range(1_000):
        watchdog.alive()

    assert heard() == ["READY=1", "WATCHDOG=1"]


def test_a_watchdog_that_cannot_be_reached_stops_nobody(monkeypatch, tmp_path):
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "nobody"))
    watchdog.ready()

    monkeypatch.delenv("NOTIFY_SOCKET")
    watchdog.ready()
