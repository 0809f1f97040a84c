"""The commands as real processes: they start, answer, refuse a taken port, and end quietly."""

from __future__ import annotations

import contextlib
import hmac
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from django.db import OperationalError, connection
from django.utils import timezone
from django_q.models import Schedule

from deliveries.models import Account, Heartbeat, Message, Receipt
from deliveries.running.supervisor import end_groups
from deliveries.statuses import Status
from tests import factories
from tests.engine import sending, waiting

ROOT = Path(__file__).resolve().parents[3]
pytestmark = pytest.mark.processes


class Running:
    """A command in a session of its own; what it printed so far is in `output`."""

    def __init__(self, env: dict[str, str], log: Path, *words: str) -> None:
        self.log = log
        self.port = env["PORT"]
        command = [sys.executable, "manage.py", *words]
        with log.open("wb") as out:
            self.process = subprocess.Popen(
                command,
                cwd=ROOT,
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                start_new_session=True,
            )

    @property
    def output(self) -> str:
        return self.log.read_text()

    def get(self, path: str, **options) -> httpx.Response:
        return httpx.get(f"http://127.0.0.1:{self.port}{path}", **options)

    def wait_for(self, true: Callable[[], object], seconds: float = 30.0) -> None:
        deadline = time.monotonic() + seconds
        while not true():
            assert time.monotonic() < deadline, f"nothing within {seconds} s; it said:\n{self.output}"
            assert self.process.poll() is None, f"it ended; it said:\n{self.output}"
            time.sleep(0.1)

    def answers(self, path: str = "/healthz") -> bool:
        with contextlib.suppress(httpx.HTTPError):
            return self.get(path).status_code == 200
        return False

    def end(self, signum: int = signal.SIGTERM) -> None:
        """Signal it, and wait until it has ended. Raises TimeoutExpired when it does not."""
        self.process.send_signal(signum)
        self.process.wait(timeout=15)


@pytest.fixture
def start(process_env: dict[str, str], tmp_path: Path) -> Iterator[Callable[..., Running]]:
    """`start("web", PORT="8001")`: a command with the test database, ended with everything it started."""
    started: list[Running] = []

    def begin(*words: str, **env: str) -> Running:
        started.append(Running(process_env | env, tmp_path / f"{words[0]}-{len(started)}.log", *words))
        return started[-1]

    yield begin
    for running in started:
        if running.process.poll() is None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                running.end()
        end_groups([running.process.pid], grace=0)


def test_web_serves_pages_and_knows_no_stranger(start):
    web = start("web")
    web.wait_for(web.answers)

    assert web.get("/admin/login/").status_code == 200
    assert httpx.post(f"http://127.0.0.1:{web.port}/hooks/no-such-account/status/").status_code == 404
    web.end()

    assert "Traceback" not in web.output


@pytest.mark.once
def test_bytes_that_are_no_text_in_a_query_are_no_error(start):
    web = start("web")
    web.wait_for(web.answers)

    with socket.create_connection(("127.0.0.1", int(web.port))) as raw:
        raw.sendall(b"GET /healthz?q=\xff\xfe HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        answer = raw.recv(100)

    assert answer.split(b"\r\n")[0].split()[1] in (b"200", b"400")
    assert "Traceback" not in web.output


BEHIND_A_PROXY = {
    "WAYBILL_ENV": "production",
    "SECRET_KEY": "a-secret-of-its-own-with-more-than-32-characters",
    "ALLOWED_HOSTS": "127.0.0.1",
    "PUBLIC_URL": "https://waybill.example.com",
    "BEHIND_PROXY": "1",
}


@pytest.mark.once
def test_whoever_is_no_proxy_of_ours_is_not_believed_to_call_by_https(start):
    web = start("web", **BEHIND_A_PROXY, TRUSTED_PROXIES="192.0.2.1")
    web.wait_for(web.answers)

    forged = web.get("/contacts/", headers={"X-Forwarded-Proto": "https"})

    assert forged.headers["location"] == f"https://127.0.0.1:{web.port}/contacts/"
    assert "strict-transport-security" not in forged.headers


@pytest.mark.once
def test_a_header_with_an_underscore_does_not_pass_for_the_proxys(start):
    web = start("web", **BEHIND_A_PROXY)
    web.wait_for(web.answers)

    forged = web.get("/contacts/", headers={"X_Forwarded_Proto": "https"})
    genuine = web.get("/contacts/", headers={"X-Forwarded-Proto": "https"})

    assert "strict-transport-security" not in forged.headers
    assert "strict-transport-security" in genuine.headers


@pytest.mark.once
@pytest.mark.parametrize("words", [("web",), ("web", "--processes", "2")])
def test_web_refuses_a_taken_port_in_one_sentence(start, process_env, words):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", int(process_env["PORT"])))
        taken.listen()
        web = start(*words)
        web.process.wait(timeout=20)

    assert web.process.returncode == 1
    assert web.output.strip().startswith(f"CommandError: Port {web.port} is already in use")
    assert len(web.output.strip().splitlines()) == 1


def test_several_web_processes_share_a_port_and_one_that_is_killed_comes_back(start):
    account = factories.account("sandbox")
    web = start("web", "--processes", "3")
    web.wait_for(lambda: len(serving(web)) == 3 and web.answers())
    before, taken = serving(web), 0

    for round_ in range(3):  # whichever of them answers
        os.kill(before[round_], signal.SIGSTOP)
        taken += post_receipts(web, account, 20)
        os.kill(before[round_], signal.SIGCONT)
    os.kill(before[0], signal.SIGKILL)
    web.wait_for(lambda: len(serving(web)) == 3 and before[0] not in serving(web))
    taken += post_receipts(web, account, 20)
    web.end()

    assert taken == 80
    assert Receipt.objects.count() == taken
    assert serving(web) == []
    assert "Traceback" not in web.output


def test_web_processes_that_are_told_to_end_store_what_they_took(start):
    account = factories.account("sandbox")
    web = start("web", "--processes", "2")
    web.wait_for(lambda: len(serving(web)) == 2 and web.answers())

    with ThreadPoolExecutor(max_workers=8) as pool:
        posting = [pool.submit(post_receipts, web, account, 50) for _ in range(8)]
        time.sleep(0.5)
        web.end()
        taken = sum(each.result() for each in posting)

    assert taken > 0
    assert Receipt.objects.count() >= taken
    assert serving(web) == []
    assert "Traceback" not in web.output


@pytest.mark.once
def test_a_web_process_that_hangs_is_replaced_alone(start):
    web = start("web", "--processes", "2", WORKER_STALL_SECONDS="5")
    web.wait_for(lambda: len(serving(web)) == 2 and web.answers())
    time.sleep(6)  # each has given signs: the time for its start is over
    hung, other = serving(web)

    os.kill(hung, signal.SIGSTOP)

    web.wait_for(lambda: len(serving(web)) == 2 and hung not in serving(web), seconds=45)
    assert other in serving(web)
    assert "shows no progress" in web.output


@pytest.mark.once
@pytest.mark.parametrize("number", ["0", "65", "-1"])
def test_so_many_web_processes_are_refused(start, number):
    web = start("web", f"--processes={number}")
    web.process.wait(timeout=20)

    assert web.output.strip() == "CommandError: --processes has to be between 1 and 64."


@pytest.mark.once
@pytest.mark.parametrize("words", [("web",), ("web", "--processes", "2")])
def test_web_says_to_systemd_that_it_is_ready_and_alive(start, heard, words):
    web = start(*words, NOTIFY_SOCKET=os.environ["NOTIFY_SOCKET"])
    said: list[str] = []

    web.wait_for(lambda: said.extend(heard()) or said.count("WATCHDOG=1") > 2)

    assert said[0] == "READY=1"
    assert web.answers()


def post_receipts(web: Running, account: Account, count: int) -> int:
    """How many of these were answered with 2xx; none after the server has ended."""
    url = f"http://127.0.0.1:{web.port}/hooks/{account.token}/status/"
    signature = hmac.digest(account.credentials["secret"].encode(), f".{url}.{{}}".encode(), "sha256").hex()
    taken = 0
    for _ in range(count):
        with contextlib.suppress(httpx.HTTPError):
            answer = httpx.post(url, content=b"{}", headers={"x-sandbox-signature": signature}, timeout=10)
            taken += answer.is_success
    return taken


def serving(web: Running) -> list[int]:
    return started_by(web, b"web\0--fd")


def test_the_worker_makes_progress_and_leaves_nobody_behind(start):
    worker = start("worker")
    worker.wait_for(
        lambda: {"record, decide, rest", "send"} <= {row.roles for row in Heartbeat.objects.all()}
    )
    assert Schedule.objects.filter(func="deliveries.running.drain.drain").count() == 1

    worker.end()

    assert clusters(worker) + senders(worker) == []
    assert not Heartbeat.objects.exists()
    assert "Traceback" not in worker.output


def test_messages_leave_by_the_process_that_sends_and_receipts_are_recorded_by_the_others(start, process_env):
    web, carriers = start("web"), start("carriers", "--speed", "100")
    web.wait_for(web.answers)
    carriers.wait_for(lambda: answers_at(f"http://127.0.0.1:{int(process_env['PORT']) + 1}"))
    campaign, account = sending("email"), factories.account("sandbox")
    messages = [waiting(campaign, account, timezone.now()) for _ in range(5)]  # email knows no night

    worker = start("worker")

    left = Message.objects.filter(pk__in=[message.pk for message in messages], handed_over_at__isnull=False)
    worker.wait_for(lambda: left.count() == 5)
    worker.wait_for(lambda: left.exclude(status__in=[Status.QUEUED, Status.SENDING]).count() == 5)
    worker.wait_for(lambda: Heartbeat.objects.filter(roles="send").exists())


def test_a_killed_cluster_is_replaced_whole(start):
    worker = start("worker")
    worker.wait_for(lambda: len(clusters(worker)) > 1)
    before = clusters(worker)

    os.kill(min(before), signal.SIGKILL)

    worker.wait_for(lambda: clusters(worker) and not set(clusters(worker)) & set(before))


@pytest.mark.once
def test_a_cluster_that_hangs_is_replaced(start, process_env):
    worker = start("worker", WORKER_STALL_SECONDS="5")
    worker.wait_for(lambda: len(clusters(worker)) > 1)
    hung = clusters(worker)
    group = os.getpgid(hung[0])
    account = factories.account()
    # Stopped in the middle of a write it would hold SQLite's only lock, and no receipt could wait for it: once more.
    if connection.vendor == "sqlite":
        connection.cursor().execute("PRAGMA busy_timeout = 300")
    for _ in range(20):
        os.killpg(group, signal.SIGSTOP)
        try:
            factories.receipt(account=account, received_at=timezone.now() - timedelta(minutes=5))
            break
        except OperationalError:
            os.killpg(group, signal.SIGCONT)
            time.sleep(0.2)

    worker.wait_for(lambda: clusters(worker) and not set(clusters(worker)) & set(hung), seconds=45)
    assert "shows no progress" in worker.output


@pytest.mark.once
@pytest.mark.parametrize("words", [("worker",), ("drain", "--forever", "--role", "send")])
def test_the_work_feeds_a_watchdog_of_systemd_until_it_hangs(start, heard, words):
    running = start(*words, NOTIFY_SOCKET=os.environ["NOTIFY_SOCKET"])
    said: list[str] = []
    running.wait_for(lambda: said.extend(heard()) or said.count("WATCHDOG=1") > 2)
    assert said[0] == "READY=1"

    running.process.send_signal(signal.SIGSTOP)
    heard()
    time.sleep(2.5)
    assert heard() == []

    running.process.send_signal(signal.SIGCONT)
    running.end()
    assert heard()[-1] == "STOPPING=1"


@pytest.mark.once
def test_a_sender_that_hangs_is_replaced_alone(start):
    worker = start("worker", WORKER_STALL_SECONDS="5")
    worker.wait_for(lambda: len(clusters(worker)) > 1 and Heartbeat.objects.filter(roles="send").exists())
    cluster, hung = clusters(worker), senders(worker)

    stop_between_writes(hung)

    worker.wait_for(lambda: senders(worker) and not set(senders(worker)) & set(hung), seconds=45)
    assert "send shows no progress" in worker.output
    assert "tasks shows no progress" not in worker.output
    assert clusters(worker)[0] == cluster[0]
    worker.wait_for(lambda: not Heartbeat.objects.filter(pid__in=hung).exists())


def stop_between_writes(pids: list[int]) -> None:
    """Stopped in the middle of a write they would hold SQLite's only lock, for everybody else as well."""
    connection.cursor().execute("PRAGMA busy_timeout = 300" if connection.vendor == "sqlite" else "SELECT 1")
    for _ in range(20):
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        try:
            Heartbeat.objects.filter(pid=0).delete()
            with connection.cursor() as cursor:
                cursor.execute("UPDATE deliveries_heartbeat SET pid = pid WHERE pid = 0")
        except OperationalError:
            for pid in pids:
                os.kill(pid, signal.SIGCONT)
            time.sleep(0.2)
        else:
            return


def test_a_machine_may_run_some_roles_alone(start):
    worker = start("worker", "--roles", "record,send,send")
    worker.wait_for(lambda: Heartbeat.objects.count() == 3)

    assert sorted(Heartbeat.objects.values_list("roles", flat=True)) == ["record", "send", "send"]
    assert clusters(worker) == []
    assert not Schedule.objects.exists()

    os.kill(senders(worker)[0], signal.SIGKILL)
    worker.wait_for(lambda: len(senders(worker)) == 2 and Heartbeat.objects.count() == 3)

    worker.end()
    assert senders(worker) == []
    assert not Heartbeat.objects.exists()


@pytest.mark.once
@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["worker", "--roles", "sned"], "--roles: no such role: sned. Roles are record, decide, send, rest."),
        (["drain", "--role", "send", "--only", "send"], "Give --role or --only, not both."),
    ],
)
def test_a_role_that_there_is_not_is_refused_in_one_sentence(start, words, problem):
    refused = start(*words)
    refused.process.wait(timeout=20)

    assert refused.process.returncode == 1
    assert refused.output.strip() == f"CommandError: {problem}"


def clusters(running: Running) -> list[int]:
    """The processes of the task cluster below a running worker."""
    return started_by(running, b"qcluster")


def senders(running: Running) -> list[int]:
    return started_by(running, b"--role\0send")


def started_by(running: Running, words: bytes) -> list[int]:
    """Processes with these words in their command line, found by the environment they were given."""
    wanted = f"PORT={running.port}".encode()
    found = []
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            is_one = entry.name.isdigit() and words in (entry / "cmdline").read_bytes()
            if is_one and wanted in (entry / "environ").read_bytes().split(b"\0"):
                found.append(int(entry.name))
    return sorted(found)


@pytest.mark.parametrize("signum", [pytest.param(signal.SIGINT, marks=pytest.mark.once), signal.SIGTERM])
def test_up_starts_everything_and_ends_quietly(start, make_user, signum):
    make_user()  # somebody is here already: no demo data
    up = start("up")
    up.wait_for(lambda: "Ctrl-C stops it." in up.output and up.answers())
    up.wait_for(lambda: up.answers("/readyz"))

    up.end(signum)

    assert up.process.returncode == 0
    assert f"Waybill is at http://127.0.0.1:{up.port}/" in up.output
    assert up.output.strip().endswith("Stopped.")
    assert "Traceback" not in up.output
    assert clusters(up) + senders(up) == []


@pytest.mark.once
def test_up_refuses_a_taken_port_in_one_sentence(start, process_env):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", int(process_env["PORT"])))
        taken.listen()
        up = start("up")
        up.process.wait(timeout=20)

    assert up.process.returncode == 1
    assert len(up.output.strip().splitlines()) == 1
    assert "is already in use" in up.output


@pytest.mark.once
def test_the_carriers_take_the_next_free_port_and_the_worker_sends_there(start, make_user, process_env):
    make_user()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", int(process_env["PORT"]) + 1))
        taken.listen()
        up = start("up")
        up.wait_for(lambda: up.answers() and "Simulated carriers on" in up.output)

        address = re.search(r"Simulated carriers on (\S+)", up.output)[1]
        up.wait_for(lambda: answers_at(address))
        environments = environments_of(up)

        assert address != f"http://127.0.0.1:{int(process_env['PORT']) + 1}"
        assert {"web", "worker", "carriers"} == {name for name, url in environments.items() if url == address}
        assert "starts again" not in up.output


def answers_at(address: str) -> bool:
    with contextlib.suppress(httpx.HTTPError):
        return bool(httpx.get(f"{address}/v1/messages").status_code)
    return False


def environments_of(running: Running) -> dict[str, str]:
    """By command that it started, the SANDBOX_URL of that one's environment."""
    found = {}
    parent = running.process.pid
    children = (Path(f"/proc/{parent}/task") / str(parent) / "children").read_text().split()
    for child in children:
        words = Path(f"/proc/{child}/cmdline").read_bytes().split(b"\0")
        env = dict(
            one.split(b"=", 1)
            for one in Path(f"/proc/{child}/environ").read_bytes().split(b"\0")
            if b"=" in one
        )
        found[words[2].decode()] = env.get(b"SANDBOX_URL", b"").decode()
    return found
