"""Reading the environment: every value is checked here, and refused by its name.

Used by `settings.py` alone, so that a typing error in an environment variable stops the start with one
sentence instead of surfacing later as a puzzle.
"""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import urlsplit

import environ
from django.core.exceptions import ImproperlyConfigured

TRUE = {"1", "true", "yes", "on"}
FALSE = {"0", "false", "no", "off", ""}


def refuse(name: str, value: str, wanted: str) -> ImproperlyConfigured:
    return ImproperlyConfigured(f"{name}={value!r} is not valid: expected {wanted}.")


def text(name: str, default: str = "") -> str:
    return os.environ.get(name, default).strip()


def flag(name: str, default: bool) -> bool:
    """A yes/no value. Raises ImproperlyConfigured for any other word."""
    value = os.environ.get(name)
    if value is None:
        return default
    if value.strip().lower() in TRUE:
        return True
    if value.strip().lower() in FALSE:
        return False
    raise refuse(name, value, "one of 1, 0, true, false, yes, no, on, off")


def number(name: str, default: int, *, low: int, high: int) -> int:
    """A whole number from `low` to `high`, both included."""
    value = text(name, str(default))
    try:
        parsed = int(value)
    except ValueError:
        parsed = low - 1
    if not low <= parsed <= high:
        raise refuse(name, value, f"a whole number from {low} to {high}")
    return parsed


def words(name: str, default: str = "") -> list[str]:
    """A comma separated list, blanks dropped."""
    return [word.strip() for word in text(name, default).split(",") if word.strip()]


def url(name: str, default: str, *, schemes: tuple[str, ...]) -> str:
    """An absolute URL without its last slash; '' when unset and without default."""
    value = text(name, default).rstrip("/")
    parts = urlsplit(value)
    if value and (parts.scheme not in schemes or not parts.hostname):
        raise refuse(name, value, f"an address that starts with {' or '.join(s + '://' for s in schemes)}")
    return value


def database(name: str, default: Path) -> dict:
    """Django's settings for the database at `DATABASE_URL`; SQLite at `default` when unset."""
    value = text(name) or f"sqlite:///{default}"
    if value.split(":", 1)[0] not in {"sqlite", "postgres", "postgresql", "psql"}:
        raise refuse(
            name, value.split("@")[-1], "sqlite:///FILE or postgresql://USER:PASSWORD@HOST:PORT/NAME"
        )
    try:
        parsed = environ.Env.db_url_config(value)
    except (ValueError, ImproperlyConfigured) as problem:
        raise refuse(name, value.split("@")[-1], "a database address") from problem
    if not parsed.get("NAME"):
        raise refuse(
            name, value.split("@")[-1], "a database address that ends in the database's name or file"
        )
    return dict(parsed)
