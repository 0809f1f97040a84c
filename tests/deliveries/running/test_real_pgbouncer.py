"""Web and worker through a real PgBouncer that pools transactions: nothing they do depends on keeping a connection."""

from __future__ import annotations

import getpass
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from django.db import connection

from deliveries.models import Heartbeat, PendingReceipt, Receipt
from tests import factories
from tests.deliveries.management.test_processes import Running, post_receipts, start  # noqa: F401 - a fixture
from tests.ports import free_ports

pytestmark = pytest.mark.processes

# Fewer connections to the server than processes, so that they take turns on each.
CONFIGURATION = """
[databases]
* = {server}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = 2
logfile = {folder}/log
pidfile = {folder}/pid
"""


@pytest.fixture
def pooled(process_env: dict[str, str], unavailable: Callable) -> Iterator[dict[str, str]]:
    """What the environment of processes has to say, for the test database behind a PgBouncer."""
    if connection.vendor != "postgresql":
        pytest.skip("SQLite has no connections to share")
    pgbouncer = shutil.which("pgbouncer", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin")
    if not pgbouncer:
        unavailable("no PgBouncer was found (install pgbouncer)")
    (port,) = free_ports()
    known = connection.settings_dict
    server = " ".join(
        f"{word}={known[name]}"
        for word, name in (("host", "HOST"), ("port", "PORT"), ("user", "USER"), ("password", "PASSWORD"))
        if known[name]
    )
    as_whom = ["-u", "nobody"] if getpass.getuser() == "root" else []  # it refuses to run as root
    user = known["USER"] or getpass.getuser()
    with tempfile.TemporaryDirectory(prefix="waybill-") as folder:
        Path(folder).chmod(0o777)
        file = Path(folder) / "pgbouncer.ini"
        file.write_text(CONFIGURATION.format(server=server, port=port, folder=folder))
        bouncer = subprocess.Popen([pgbouncer, "-q", *as_whom, str(file)])
        yield {"DATABASE_URL": f"postgresql://{user}@127.0.0.1:{port}/{known['NAME']}", "PGBOUNCER": "1"}
        bouncer.terminate()
        bouncer.wait(timeout=10)


def test_receipts_are_taken_recorded_and_decided_about_through_it(start, pooled):  # noqa: F811
    account = factories.account("sandbox")
    web = start("web", "--processes", "2", **pooled)
    worker = start("worker", **pooled)
    more = start("worker", "--roles", "record,decide,send,rest", **pooled)
    web.wait_for(web.answers)
    worker.wait_for(lambda: Heartbeat.objects.count() >= 6)

    with ThreadPoolExecutor(max_workers=8) as pool:
        taken = sum(pool.map(lambda _: post_receipts(web, account, 40), range(8)))
    worker.wait_for(lambda: not PendingReceipt.objects.filter(state=PendingReceipt.State.NEW).exists())
    for each in (worker, more, web):
        each.end()

    assert taken == Receipt.objects.count() == 320
    assert not Heartbeat.objects.exists()
    for each in (web, worker, more):
        assert complaints(each) == []


def complaints(running: Running) -> list[str]:
    """What went wrong, but for the receipts, which are empty."""
    wrong = re.compile(
        r"Traceback|ERROR|prepared statement|startup parameter|does not answer|could not|Could not"
    )
    return [line for line in running.output.splitlines() if wrong.search(line) and "Receipt" not in line]
