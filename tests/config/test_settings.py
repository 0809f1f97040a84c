"""Settings: what the environment may say, and what production refuses."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from datetime import time
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured, ValidationError
from django.forms import TimeField

from config import environment as env
from tests.run import settings_names

ROOT = Path(__file__).resolve().parents[2]
PRODUCTION = {
    "WAYBILL_ENV": "production",
    "SECRET_KEY": "a-secret-of-its-own-with-more-than-32-characters",
    "ALLOWED_HOSTS": "waybill.example.com",
    "PUBLIC_URL": "https://waybill.example.com",
}


def load(tmp_path: Path, show: str = "''", **environment: str) -> subprocess.CompletedProcess:
    """Read the settings in a process of its own, with nothing but `environment`, and print `show`."""
    script = f"from config import settings; print(({show}))"
    env = {"PATH": os.environ["PATH"], "WAYBILL_VAR": str(tmp_path), **environment}
    return subprocess.run([sys.executable, "-c", script], cwd=ROOT, env=env, capture_output=True, text=True)


def test_a_fresh_checkout_needs_no_environment(tmp_path):
    done = load(tmp_path, "settings.DATABASES['default']['ENGINE'], settings.PRODUCTION")

    assert done.stdout.strip() == "('django.db.backends.sqlite3', False)", done.stderr


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("WAYBILL_ENV", "staging"),
        ("DEBUG", "maybe"),
        ("BEHIND_PROXY", "2"),
        ("PORT", "eighty"),
        ("PORT", "0"),
        ("PORT", "65535"),  # the carriers need the next one
        ("WORKERS", "-1"),
        ("PUBLIC_URL", "waybill.example.com"),
        ("REDIS_URL", "http://127.0.0.1"),
        ("SANDBOX_URL", "ftp://127.0.0.1"),
        ("DATABASE_URL", "mysql://root@127.0.0.1/waybill"),
        ("DATABASE_URL", "postgresql://root@127.0.0.1"),
        ("DATABASE_URL", "postgresql://root@127.0.0.1:port/waybill"),
        ("RECEIPT_MAX_BYTES", "1e6"),
        ("WORKER_STALL_SECONDS", "1"),
        ("PUBLIC_URL", "http://[::1"),
        ("PUBLIC_URL", "http://waybill.example.com:abc"),
        ("PUBLIC_URL", "http://waybill.example.com:0"),
        ("PUBLIC_URL", "http://way bill.example.com"),
        ("PUBLIC_URL", "https://waybill.example.com/?k=1"),
        ("PUBLIC_URL", "HTTPS://waybill.example.com"),  # would pass for http
        ("DATABASE_URL", "postgresql://[::1/waybill"),
        ("TIME_ZONE", "Mars/Olympus"),
        ("TIME_ZONE", "America"),
        ("TIME_ZONE", "../etc/passwd"),
        ("LOG_LEVEL", "LOUD"),
        ("DEFAULT_REGION", "us"),
        ("DEFAULT_REGION", "Texas"),
        ("HOST", "http://0.0.0.0"),
        ("ALLOWED_HOSTS", "https://waybill.example.com"),
        ("ALLOWED_HOSTS", "waybill.example.com:8000"),
        ("WAYBILL_VAR", __file__),
        ("TRUSTED_PROXIES", "10.0.0.0/33"),
        ("TRUSTED_PROXIES", "proxy.example.com"),
        ("TRUSTED_PROXIES", "10.0.0.5,none"),
        ("PROXY_HEADER", "X-Real-IP"),
        ("REQUEST_MAX_BYTES", "0"),
        ("UPLOAD_MAX_BYTES", "0"),
        ("REQUEST_SECONDS", "0"),
        ("RECEIPT_RETENTION_DAYS", "29"),  # a slip must not cost the evidence of last week
        ("EVENT_RETENTION_DAYS", "-1"),
        ("PARTITION_ROWS", "10"),
    ],
)
def test_a_malformed_value_is_refused_by_its_name(tmp_path, name, value):
    done = load(tmp_path, **{name: value})

    assert done.returncode != 0
    last = done.stderr.strip().splitlines()[-1]
    assert re.search(rf"ImproperlyConfigured: {name}\b.*(such as|something like) \S", last)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DATABASE_URL", "postgresql://waybill:hunter2@db.example.com:none/waybill"),
        ("DATABASE_URL", "postgresql://waybill:hunter2"),
        ("DATABASE_URL", "waybill:hunter2@db.example.com/waybill"),
        ("DATABASE_URL", "postgresql://db.example.com:none/waybill?password=hunter2"),
        ("REDIS_URL", "http://:hunter2@127.0.0.1"),
        ("REDIS_URL", "redis://:hunter2@127.0.0.1:none"),
        ("REDIS_URL", "redis://:#hunter2@127.0.0.1"),
    ],
)
def test_a_refused_address_shows_no_password(tmp_path, name, value):
    done = load(tmp_path, **{name: value})

    assert f"ImproperlyConfigured: {name} is not valid" in done.stderr
    assert "hunter2" not in done.stderr


def test_what_is_set_but_empty_counts_as_unset(tmp_path):
    names = sorted(settings_names())
    show = ", ".join(
        f"settings.{name}"
        for name in ("PUBLIC_URL", "TIME_ZONE", "PORT", "DEBUG", "ALLOWED_HOSTS", "REDIS_URL")
    )

    done = load(tmp_path, show, **dict.fromkeys(names, "") | {"WAYBILL_VAR": str(tmp_path)})

    expected = ("http://127.0.0.1:8000", "UTC", 8000, False, ["127.0.0.1", "localhost", "[::1]"], "")
    assert done.stdout.strip() == str(expected), done.stderr


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PUBLIC_URL", "http://[::1]:8000/"),
        ("PUBLIC_URL", "https://example.com/waybill"),
        ("REDIS_URL", "rediss://user:p%40ss@redis.example.com:6380/1?ssl_cert_reqs=none"),
        ("DATABASE_URL", "postgresql:///waybill"),
        ("ALLOWED_HOSTS", "waybill.example.com, .example.org, 192.0.2.7, [::1], *"),
        ("HOST", "::"),
        ("LOG_LEVEL", "info"),
        ("TIME_ZONE", "America/Argentina/Buenos_Aires"),
        ("DEFAULT_REGION", "GB"),
        ("RECEIPT_RETENTION_DAYS", "30"),
    ],
)
def test_an_unusual_value_that_is_right_is_taken(tmp_path, name, value):
    done = load(tmp_path, **{name: value})

    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"SECRET_KEY": ""}, "SECRET_KEY"),
        ({"SECRET_KEY": "short"}, "SECRET_KEY"),
        ({"SECRET_KEY": "development-only-secret-not-for-any-real-data"}, "SECRET_KEY"),
        ({"ALLOWED_HOSTS": ""}, "ALLOWED_HOSTS"),
        ({"ALLOWED_HOSTS": " , "}, "ALLOWED_HOSTS"),
        ({"DEBUG": "1"}, "DEBUG"),
        ({"CREDENTIALS_KEY": "x"}, "CREDENTIALS_KEY"),
        ({"CREDENTIALS_KEY": "development-only-secret-not-for-any-real-data"}, "CREDENTIALS_KEY"),
        ({"FORMER_CREDENTIALS_KEYS": f"{'x' * 40},short"}, "FORMER_CREDENTIALS_KEYS"),
        (
            {"FORMER_CREDENTIALS_KEYS": "development-only-secret-not-for-any-real-data"},
            "FORMER_CREDENTIALS_KEYS",
        ),
        ({"PUBLIC_URL": ""}, "PUBLIC_URL"),
        ({"PUBLIC_URL": "http://waybill.example.com"}, "PUBLIC_URL"),
        ({"PUBLIC_URL": "https://127.0.0.1:8000"}, "PUBLIC_URL"),
        ({"PUBLIC_URL": "https://localhost"}, "PUBLIC_URL"),
        ({"PUBLIC_URL": "https://[::1]"}, "PUBLIC_URL"),
        ({"PUBLIC_URL": "https://0.0.0.0"}, "PUBLIC_URL"),
    ],
)
def test_production_refuses_what_is_unsafe(tmp_path, change, complaint):
    done = load(tmp_path, **PRODUCTION | change)

    assert done.returncode != 0
    assert f"ImproperlyConfigured: {complaint}" in done.stderr


def test_production_over_https_is_strict(tmp_path):
    show = "settings.SESSION_COOKIE_SECURE, settings.SECURE_SSL_REDIRECT, settings.SECURE_HSTS_SECONDS > 0"

    done = load(tmp_path, show, **PRODUCTION)

    assert done.stdout.strip() == "(True, True, True)", done.stderr


def test_postgresql_keeps_its_connections(tmp_path):
    show = "[settings.DATABASES['default'][k] for k in ('ENGINE', 'NAME', 'USER', 'HOST', 'PORT', 'CONN_MAX_AGE')]"

    done = load(tmp_path, show, DATABASE_URL="postgresql://waybill:pa%40ss@db.example.com:5433/waybill")

    assert (
        done.stdout.strip()
        == "['django.db.backends.postgresql', 'waybill', 'waybill', 'db.example.com', 5433, 600]"
    )


def test_behind_pgbouncer_no_cursor_is_kept_at_the_server(tmp_path):
    show = "settings.DATABASES['default'].get('DISABLE_SERVER_SIDE_CURSORS')"
    url = "postgresql://waybill@db.example.com/waybill"

    assert load(tmp_path, show, DATABASE_URL=url).stdout.strip() == "None"
    assert load(tmp_path, show, DATABASE_URL=url, PGBOUNCER="1").stdout.strip() == "True"


def test_a_slow_task_is_never_started_twice(tmp_path):
    done = load(tmp_path, "settings.Q_CLUSTER['retry'] > 3 * settings.Q_CLUSTER['timeout']")

    assert done.stdout.strip() == "True"


@pytest.mark.django_db
def test_a_refused_page_is_one_line_in_the_log(login, caplog):
    login("support").get("/mappings/")

    refused = next(record for record in caplog.records if record.name == "django.request")
    assert refused.getMessage() == "Forbidden (Permission denied): /mappings/"
    assert refused.exc_info is None


@pytest.mark.parametrize(
    ("word", "meant"), [("yes", True), ("ON", True), (" 1 ", True), ("false", False), ("0", False)]
)
def test_flags_are_plain_words(monkeypatch, word, meant):
    monkeypatch.setenv("SOME_FLAG", word)

    assert env.flag("SOME_FLAG", default=not meant) is meant


@pytest.mark.parametrize(
    ("environment", "trusted"),
    [
        ({}, "[]"),
        ({"BEHIND_PROXY": "1"}, "['127.0.0.0/8', '::1/128']"),
        ({"TRUSTED_PROXIES": "none"}, "[]"),
        (
            {"BEHIND_PROXY": "1", "TRUSTED_PROXIES": "10.0.0.5, 192.168.7.1/24"},
            "['10.0.0.5/32', '192.168.7.0/24']",
        ),
    ],
)
def test_behind_a_proxy_the_one_on_this_machine_is_believed_unless_others_are_named(
    tmp_path, environment, trusted
):
    done = load(tmp_path, "[str(one) for one in settings.TRUSTED_PROXIES]", **environment)

    assert done.stdout.strip() == trusted, done.stderr


def test_a_proxy_that_nobody_may_believe_is_refused_at_the_start(tmp_path):
    done = load(tmp_path, BEHIND_PROXY="1", TRUSTED_PROXIES="none")

    assert done.returncode != 0
    assert "ImproperlyConfigured: TRUSTED_PROXIES='none' is not valid" in done.stderr


def test_words_drop_blanks(monkeypatch):
    monkeypatch.setenv("SOME_WORDS", "a.example.com, ,b.example.com,")

    assert env.words("SOME_WORDS") == ["a.example.com", "b.example.com"]


def test_an_address_without_a_host_is_refused(monkeypatch):
    monkeypatch.setenv("SOME_URL", "https:///path")

    with pytest.raises(ImproperlyConfigured, match="SOME_URL"):
        env.url("SOME_URL", "", schemes=("https",))


def test_every_environment_variable_is_documented():
    documented = set(
        re.findall(r"^\| `([A-Z_]+)` \|", (ROOT / "docs/operating.md").read_text(), re.MULTILINE)
    )

    assert documented == settings_names()


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("9:30 am", time(9, 30)), ("9:30 PM", time(21, 30)), ("09:30am", time(9, 30)), ("9 pm", time(21)),
        ("12 am", time(0)), ("12:15 pm", time(12, 15)), ("9.30", time(9, 30)), ("21:30", time(21, 30)),
    ],
)  # fmt: skip
def test_a_time_is_read_as_people_type_it(typed, meant):
    assert TimeField().clean(typed) == meant


@pytest.mark.parametrize("typed", ["13:30 pm", "9:60 am", "noonish", "25"])
def test_what_is_no_time_is_refused(typed):
    with pytest.raises(ValidationError):
        TimeField().clean(typed)
