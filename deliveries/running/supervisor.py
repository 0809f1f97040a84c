"""Keeps processes running: starts them, starts them again when they end, ends them with all their children.

Each command leads a process group of its own, and the whole group is ended together: a task cluster whose parent
was killed otherwise lives on as orphans that keep executing. A command may be watched over: it says so when it makes
progress (`watchdog.py`), and one that does not is started anew. One thread, no pipes left unread, no database.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import selectors
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO

from deliveries.running import watchdog

ON_LINUX = sys.platform.startswith("linux")
_libc = ctypes.CDLL(None, use_errno=True) if ON_LINUX else None
PR_SET_PDEATHSIG = 1

FIRST_PAUSE = 0.5
LONGEST_PAUSE = 30.0
STEADY_SECONDS = 60.0  # a command that lived this long starts with the first pause again
START_SECONDS = 30.0  # a command that is watched over has this long, or its patience, until its first sign
ORPHANS_GRACE = 1.0  # for children whose parent died: nobody is left to end them in good order
STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclass(frozen=True)
class Command:
    """A program to keep running. `env` is added to our own environment, the open files `fds` are left open for it.

    With `patience` it is watched over: without a sign of progress for so many seconds it is started anew.
    """

    name: str
    argv: Sequence[str]
    env: Mapping[str, str] = field(default_factory=dict)
    fds: Sequence[int] = ()
    patience: float = 0.0


@dataclass(frozen=True)
class PeriodicCheck:
    """Something to do every `seconds` while the commands run, quickly: the supervisor waits for it."""

    seconds: float
    run: Callable[[Supervisor], None]


class ProcessGroup:
    """A running command: its process group and the lines it writes."""

    def __init__(self, command: Command, capture: bool, notify: str = "") -> None:
        """`notify`: where it says that it makes progress; empty where nobody listens."""
        self.command = command
        self.started_at = time.monotonic()
        self.next_sign_by = self.started_at + max(command.patience, START_SECONDS)
        self.partial = b""
        self.silent = not capture  # nothing to read, or nothing any more
        self.process = subprocess.Popen(
            command.argv,
            env={**_environment(notify), **command.env},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE if capture else None,
            stderr=subprocess.STDOUT if capture else None,
            pass_fds=command.fds,
            start_new_session=True,
            preexec_fn=_end_with_parent,
        )
        if self.process.stdout is not None:
            os.set_blocking(self.process.stdout.fileno(), False)

    @property
    def pgid(self) -> int:
        return self.process.pid

    def lines(self) -> list[str]:
        """The lines written since the last call; one that is still being written waits."""
        if self.silent or self.process.stdout is None:
            return []
        with contextlib.suppress(BlockingIOError):
            while chunk := os.read(self.process.stdout.fileno(), 65_536):
                self.partial += chunk
            self.silent = True
        *whole, self.partial = self.partial.split(b"\n")
        if self.silent and self.partial:
            whole, self.partial = [*whole, self.partial], b""
        return [line.decode("utf-8", "replace").rstrip() for line in whole]


class Supervisor:
    """Runs `commands` until `stop()`, a signal, or for ever.

    `title` names the record of the running groups under `var_dir`, by which the next start finds and ends what
    a killed supervisor left behind. `grace` is how many seconds a group has between SIGTERM and SIGKILL.
    With `prefix` every line of output goes to `out` behind the name of its command.
    """

    def __init__(
        self,
        title: str,
        commands: Sequence[Command],
        *,
        var_dir: Path,
        checks: Sequence[PeriodicCheck] = (),
        grace: float = 8.0,
        prefix: bool = False,
        out: TextIO | None = None,
    ) -> None:
        self.commands = list(commands)
        self.grace = grace
        self.prefix = prefix
        self.out = out or sys.stdout
        self.record = ProcessRecord(var_dir / "run", title)
        self._checks = [(check, 0.0) for check in checks]
        self._groups: dict[str, ProcessGroup] = {}
        self._notify = watchdog.NotifySocket()
        self._silent = {command.name for command in commands if command.patience}  # since their last start
        self._ready = False
        self._start_at: dict[str, float] = {command.name: 0.0 for command in commands}
        self._pause: dict[str, float] = {}
        self._stopping = False
        self._signals = 0
        self._width = max((len(command.name) for command in commands), default=0)

    # ---- Asked from outside ----

    def stop(self) -> None:
        """End everything; `run()` returns when that is done."""
        self._stopping = True

    def restart(self, name: str) -> None:
        """End the group of `name` for good and start it anew at once."""
        if group := self._groups.pop(name, None):
            self._end([group], self.grace)
        self._start_at[name] = 0.0

    def made_progress(self, name: str) -> None:
        """Say for `name` what it does not say itself, for example because it has nothing to do."""
        if group := self._groups.get(name):
            group.next_sign_by = time.monotonic() + group.command.patience
            self._silent.discard(name)

    def say(self, text: str, name: str = "") -> None:
        mark = f"{name:<{self._width}} | " if self.prefix and name else ""
        with contextlib.suppress(OSError, ValueError):  # nobody reads us any more: no reason to end
            self.out.write(f"{mark}{text}\n")
            self.out.flush()

    def run(self) -> None:
        self.record.end_stale(self.grace)
        before = {sig: signal.signal(sig, self._on_signal) for sig in STOPPING}
        try:
            while not self._stopping:
                self._turn()
        finally:
            watchdog.stopping()
            self._end(list(self._groups.values()), self.grace)
            self._groups.clear()
            self._notify.close()
            self.record.remove()
            for sig, handler in before.items():
                signal.signal(sig, handler)

    # ---- One turn of the loop ----

    def _turn(self) -> None:
        now = time.monotonic()
        self._start_due(now)
        self._relay(timeout=0.2)
        self._notice_ended(now)
        for place, (check, last) in enumerate(self._checks):
            if now - last >= check.seconds and not self._stopping:
                self._checks[place] = (check, now)
                check.run(self)
        self._watch()

    def _start_due(self, now: float) -> None:
        for command in self.commands:
            if (
                command.name not in self._groups
                and self._start_at[command.name] <= now
                and not self._stopping
            ):
                notify = self._notify.address(command.name) if command.patience else ""
                self._groups[command.name] = ProcessGroup(command, capture=self.prefix, notify=notify)
                self.record.write(self._groups.values())

    def _watch(self) -> None:
        """Start anew what makes no progress. Whoever watches over us hears of ours while all of them make some."""
        for name, group in list(self._groups.items()):
            patience = group.command.patience
            if not patience or self._stopping:
                continue
            if self._notify.has_reported(name):
                self.made_progress(name)
            elif time.monotonic() > group.next_sign_by:
                self.say(f"{name} shows no progress: it is started anew.", name)
                self._silent.add(name)
                self.restart(name)
        if not self._silent:
            if not self._ready:
                watchdog.ready()
            self._ready = True
            watchdog.alive()

    def _relay(self, timeout: float) -> None:
        """Wait for output, at most `timeout` seconds, and pass it on."""
        with selectors.DefaultSelector() as selector:
            for group in self._groups.values():
                if group.process.stdout is not None and not group.silent:
                    selector.register(group.process.stdout, selectors.EVENT_READ)
            if not selector.get_map():
                time.sleep(timeout)
            selector.select(timeout if selector.get_map() else 0)
        self._pass_on(self._groups.values())

    def _pass_on(self, groups: Iterable[ProcessGroup]) -> None:
        for group in groups:
            for line in group.lines():
                self.say(line, group.command.name)

    def _notice_ended(self, now: float) -> None:
        for name, group in list(self._groups.items()):
            code = group.process.poll()
            if code is None:
                continue
            del self._groups[name]
            self._end([group], min(self.grace, ORPHANS_GRACE))
            steady = now - group.started_at >= STEADY_SECONDS
            pause = FIRST_PAUSE if steady else self._pause.get(name, FIRST_PAUSE)
            self._pause[name] = min(pause * 2, LONGEST_PAUSE)
            self._start_at[name] = now + pause
            if not self._stopping:
                how = f"signal {-code}" if code < 0 else f"code {code}"
                self.say(f"{name} ended ({how}); it starts again in {pause:g} s.", name)

    def _end(self, groups: Sequence[ProcessGroup], grace: float) -> None:
        def hurry() -> bool:
            self._pass_on(groups)  # a full pipe must not keep anybody from ending
            return self._signals > 1

        end_groups([group.pgid for group in groups], grace, hurry)
        for group in groups:
            with contextlib.suppress(subprocess.TimeoutExpired):
                group.process.wait(timeout=1)
            self._pass_on([group])
            if group.process.stdout is not None:
                group.process.stdout.close()

    def _on_signal(self, signum: int, frame: object) -> None:
        self._signals += 1
        self._stopping = True


class ProcessRecord:
    """Which groups a supervisor runs, on disk, so that the next one can end those of a killed one."""

    def __init__(self, directory: Path, title: str) -> None:
        self.directory = directory
        self.title = title
        self.path = directory / f"{title}-{os.getpid()}.json"

    def write(self, groups: Iterable[ProcessGroup]) -> None:
        running = [{"pgid": group.pgid, "argv": list(group.command.argv)} for group in groups]
        us = {"host": socket.gethostname(), "supervisor": os.getpid(), "born": born(os.getpid())}
        text = json.dumps({**us, "groups": running})
        self.directory.mkdir(parents=True, exist_ok=True)
        draft = self.path.with_suffix(".new")
        draft.write_text(text)
        draft.replace(self.path)

    def remove(self) -> None:
        self.path.unlink(missing_ok=True)

    def end_stale(self, grace: float) -> None:
        """End the groups of supervisors of this title that no longer live. Spares whatever is not ours."""
        for path in self.directory.glob(f"{self.title}-*.json"):
            try:
                known = json.loads(path.read_text())
                if known["host"] != socket.gethostname() or born(known["supervisor"]) == known["born"]:
                    continue  # it lives, or may: several supervisors share a machine or a directory
                ours = [g["pgid"] for g in known["groups"] if is_ours(g["pgid"], g["argv"])]
            except (ValueError, KeyError, TypeError, OSError):
                ours = []
            end_groups(ours, grace)
            path.unlink(missing_ok=True)


def end_groups(pgids: Sequence[int], grace: float, hurry: Callable[[], bool] = lambda: False) -> None:
    """SIGTERM to the leaders, who may end their children in good order; to the children of those that are gone;
    and SIGKILL to whatever lives after `grace` seconds, or as soon as `hurry`."""
    deadline = time.monotonic() + grace
    asked: set[tuple[int, bool]] = set()
    while (
        living := {pgid: members(pgid) for pgid in pgids if members(pgid)}
    ) and time.monotonic() < deadline:
        for pgid, pids in living.items():
            led = pgid in pids
            if (pgid, led) not in asked:
                asked.add((pgid, led))
                _signal(os.kill if led else os.killpg, pgid, signal.SIGTERM)
        if hurry():
            break
        time.sleep(0.05)
    for pgid in living:
        _signal(os.killpg, pgid, signal.SIGKILL)
    deadline = time.monotonic() + 1
    while any(members(pgid) for pgid in living) and time.monotonic() < deadline:
        time.sleep(0.02)


def members(pgid: int) -> list[int]:
    """The processes of a group that still run; ended ones nobody has collected yet don't count."""
    if not ON_LINUX:
        try:
            os.killpg(pgid, 0)
        except (ProcessLookupError, PermissionError):
            return []
        return [pgid]
    found = []
    for entry in os.scandir("/proc"):
        if entry.name.isdigit():
            facts = _stat(int(entry.name))
            if facts and int(facts[2]) == pgid and facts[0] not in ("Z", "X"):
                found.append(int(entry.name))
    return found


def born(pid: int) -> int:
    """When a process started, in clock ticks since boot: with its id this names it for ever. 0: there is none."""
    facts = _stat(pid)
    return int(facts[19]) if facts and facts[0] not in ("Z", "X") else 0


def is_ours(pgid: int, argv: Sequence[str]) -> bool:
    """Does anybody in the group run exactly this command line? Ids are given again, so the id proves nothing."""
    for pid in members(pgid):
        with contextlib.suppress(OSError):
            words = Path(f"/proc/{pid}/cmdline").read_bytes().rstrip(b"\0").split(b"\0")
            if [os.fsdecode(word) for word in words] == list(argv):
                return True
    return False


def _stat(pid: int) -> list[str]:
    """The fields of /proc/PID/stat behind the name: state, parent, group, ...; empty when there is no such process."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


def _environment(notify: str) -> dict[str, str]:
    """Ours for a command, without what systemd says to us alone."""
    ours = {name: value for name, value in os.environ.items() if name not in watchdog.OF_SYSTEMD}
    return {**ours, watchdog.ADDRESS: notify} if notify else ours


def _signal(send: Callable[[int, int], None], target: int, signum: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        send(target, signum)


def _end_with_parent() -> None:
    """In the child, before it becomes the command: ask the kernel for SIGTERM when the supervisor dies."""
    if _libc is not None:
        _libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
