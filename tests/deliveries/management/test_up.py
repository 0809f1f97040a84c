"""The first start of `manage.py up`: demo data once, and again when they were broken off."""

from __future__ import annotations

import os
import subprocess
import sys
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from accounts.models import User
from deliveries.demo.making import LOGINS
from deliveries.management.commands import up
from tests import factories

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def prepare(db, settings, tmp_path, monkeypatch):
    """`prepare()` with a demo that makes one person; gives the calls of demo and start_over in order."""
    calls: list[str] = []

    def call_command(name: str, **options) -> None:
        calls.append(name)
        factories.user(username=LOGINS[0][0])

    def start_over() -> None:
        calls.append("start over")
        User.objects.all().delete()

    settings.VAR_DIR = tmp_path
    monkeypatch.setattr(up, "call_command", call_command)
    monkeypatch.setattr(up, "start_over", start_over)
    monkeypatch.setattr(up, "migrate", lambda: None)

    def run() -> list[str]:
        up.Command(stdout=StringIO()).prepare()
        return calls

    return run


def test_an_empty_database_gets_the_demo_once(prepare):
    prepare()

    assert prepare() == ["demo"]
    assert not up.unfinished_mark().exists()


def test_a_database_with_somebody_in_it_is_left_alone(prepare):
    factories.user()

    assert prepare() == []


def test_a_database_with_campaigns_is_left_alone(prepare):
    factories.campaign()

    assert prepare() == []


def test_a_demo_that_was_broken_off_is_made_anew(prepare, monkeypatch):
    def broken_off(name: str, **options) -> None:
        factories.user(username=LOGINS[0][0])
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(up, "call_command", broken_off)
        with pytest.raises(KeyboardInterrupt):
            prepare()

    assert prepare() == ["start over", "demo"]
    assert not up.unfinished_mark().exists()


def test_production_gets_no_demo(prepare, settings):
    settings.PRODUCTION = True

    with pytest.raises(CommandError, match="createsuperuser"):
        prepare()

    assert not User.objects.exists()
    assert not up.unfinished_mark().exists()


def test_production_starts_no_demo_over(prepare, settings):
    settings.PRODUCTION = True
    up.unfinished_mark().parent.mkdir(parents=True)
    up.unfinished_mark().touch()
    factories.user()

    with pytest.raises(CommandError, match="createsuperuser"):
        prepare()

    assert User.objects.exists()


def test_production_with_somebody_in_it_starts_without_the_demo(prepare, settings):
    settings.PRODUCTION = True
    factories.user()

    assert prepare() == []


@pytest.mark.django_db
def test_the_demo_command_refuses_production(settings):
    settings.PRODUCTION = True

    with pytest.raises(CommandError, match=r"migrate.*createsuperuser.*web.*worker"):
        call_command("demo")

    assert not User.objects.exists()


@pytest.mark.django_db
def test_starting_over_refuses_a_database_that_somebody_uses():
    factories.user(username="somebody.real")

    with pytest.raises(CommandError, match="nothing was touched"):
        up.start_over()

    assert User.objects.filter(username="somebody.real").exists()


def test_starting_over_leaves_the_tables_of_a_fresh_database(tmp_path):
    script = """
import django
django.setup()
from accounts.models import User
from django.contrib.auth.models import Group
from deliveries.management.commands import up
up.migrate()
before = Group.objects.count()
User.objects.create(username="marketer")
up.start_over()
print(User.objects.count(), Group.objects.count() == before)
"""
    env = {
        "PATH": os.environ["PATH"],
        "WAYBILL_VAR": str(tmp_path),
        "DJANGO_SETTINGS_MODULE": "config.settings",
    }

    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, env=env, capture_output=True, text=True)

    assert done.stdout.split() == ["0", "True"], done.stderr


@pytest.mark.parametrize("taken", [0, 1, 3])
def test_the_carriers_get_the_first_free_port_behind_ours(settings, monkeypatch, taken):
    settings.PORT = 8_000
    monkeypatch.delenv("SANDBOX_URL", raising=False)
    monkeypatch.setattr(up, "why_closed", lambda host, port: "is in use" if port <= 8_000 + taken else "")

    assert up.carriers_url() == f"http://127.0.0.1:{8_001 + taken}"


def test_without_a_free_port_for_the_carriers_nothing_starts(settings, monkeypatch):
    settings.PORT = 65_530
    monkeypatch.delenv("SANDBOX_URL", raising=False)
    monkeypatch.setattr(up, "why_closed", lambda host, port: "is in use")

    with pytest.raises(CommandError, match="65531 to 65535 are all in use"):
        up.carriers_url()


def test_carriers_that_the_environment_names_stay_where_they_are(settings, monkeypatch):
    settings.SANDBOX_URL = "http://127.0.0.1:9999"
    monkeypatch.setenv("SANDBOX_URL", settings.SANDBOX_URL)
    monkeypatch.setattr(up, "why_closed", lambda host, port: "")

    assert up.carriers_url() == "http://127.0.0.1:9999"


def test_a_taken_port_that_the_environment_names_is_refused(settings, monkeypatch):
    settings.SANDBOX_URL = "http://127.0.0.1:9999"
    monkeypatch.setenv("SANDBOX_URL", settings.SANDBOX_URL)
    monkeypatch.setattr(up, "why_closed", lambda host, port: "is already in use")

    with pytest.raises(CommandError, match="Port 9999 of SANDBOX_URL is already in use"):
        up.carriers_url()


def test_the_readme_names_the_demos_people_and_their_passwords():
    readme = (ROOT / "README.md").read_text()

    assert all(f"| `{username}` | `{password}` |" in readme for username, password in LOGINS)
