"""Reading the environment: every value is checked here, and refused by its name.

Used by `settings.py` alone, so that a typing error in an environment variable stops the start with one
sentence instead of surfacing later as a puzzle. The sentence says what a right value looks like. What is set but
empty counts as unset.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from pathlib import Path
from urllib.parse import SplitResult, urlsplit
from zoneinfo import ZoneInfo

import environ
from django.core.exceptions import ImproperlyConfigured
from phonenumbers import SUPPORTED_REGIONS

TRUE = {"1", "true", "yes", "on"}
FALSE = {"0", "false", "no", "off"}
HOST_NAME = re.compile(r"\w([\w-]*\w)?(\.\w([\w-]*\w)?)*\.?")
KEY_LENGTH = 32  # characters
MAKE_A_KEY = "python -c 'import secrets; print(secrets.token_urlsafe(48))'"


def refuse(name: str, value: str, wanted: str, example: object) -> ImproperlyConfigured:
    return ImproperlyConfigured(f"{name}={value!r} is not valid: expected {wanted}, such as {example}.")


def refuse_unseen(name: str, problem: str, example: str) -> ImproperlyConfigured:
    """For what may hold a password: wherever a slip has put it, the value is not shown."""
    return ImproperlyConfigured(f"{name} is not valid: {problem}. Expected something like {example}")


def text(name: str, default: str = "") -> str:
    return os.environ.get(name, "").strip() or default


def flag(name: str, default: bool) -> bool:
    """A yes/no value. Raises ImproperlyConfigured for any other word."""
    value = text(name)
    if not value:
        return default
    if value.lower() in TRUE:
        return True
    if value.lower() in FALSE:
        return False
    raise refuse(name, value, "one of 1, 0, true, false, yes, no, on, off", "1")


def number(name: str, default: int, *, low: int, high: int) -> int:
    """A whole number from `low` to `high`, both included."""
    value = text(name, str(default))
    try:
        parsed = int(value)
    except ValueError:
        parsed = low - 1
    if not low <= parsed <= high:
        raise refuse(name, value, f"a whole number from {low} to {high}", default)
    return parsed


def days(name: str, *, low: int) -> int:
    """How many days something is kept, `low` at least; 0, as when unset, keeps it for ever."""
    value = number(name, 0, low=0, high=36_500)
    if 0 < value < low:
        raise refuse(name, str(value), f"0, or a number of days from {low} on", 400)
    return value


def choice(name: str, default: str, choices: Sequence[str]) -> str:
    """One of `choices`, as it is spelled there; written in small or capital letters alike."""
    value = text(name, default)
    found = next((one for one in choices if one.lower() == value.lower()), None)
    if found is None:
        raise refuse(name, value, f"one of {', '.join(choices)}", default)
    return found


def words(name: str, default: str = "") -> list[str]:
    """A comma separated list, blanks dropped."""
    return [word.strip() for word in text(name, default).split(",") if word.strip()]


def host(name: str, default: str) -> str:
    """The name or IP address of a machine."""
    value = text(name, default)
    if not _is_host(value):
        raise refuse(name, value, "a host name or IP address and nothing else", default)
    return value


def hosts(name: str, default: str = "") -> list[str]:
    """Host names for Django's ALLOWED_HOSTS: `.example.com` with all below it, `[::1]` in brackets, `*` for any."""
    found = words(name, default)
    for word in found:
        bare = word[1:-1] if word.startswith("[") and word.endswith("]") else word.removeprefix(".")
        if word != "*" and (not _is_host(bare) or (":" in bare and bare == word)):
            raise refuse(name, word, "host names without scheme and port", "waybill.example.com")
    return found


def networks(name: str, default: str = "") -> list[IPv4Network | IPv6Network]:
    """Addresses and networks, comma separated; `none` for no network at all."""
    found: list[IPv4Network | IPv6Network] = []
    given = words(name, default)
    for word in given if given != ["none"] else []:
        try:
            found.append(ip_network(word, strict=False))
        except ValueError:
            raise refuse(
                name, word, "addresses or networks, comma separated, or none", "10.0.0.5,192.168.7.0/24"
            ) from None
    return found


def secret(name: str, default: str, *, known: str, strict: bool) -> str:
    """A key, which no message shows. `strict` refuses a short one and `known`, which stands in the source."""
    value = text(name, default)
    if strict and (len(value) < KEY_LENGTH or value == known):
        raise ImproperlyConfigured(
            f"{name}: production needs a secret of its own, {KEY_LENGTH} characters or more, such as one made by "
            f"{MAKE_A_KEY}"
        )
    return value


def former_secrets(name: str, *, known: str, strict: bool) -> list[str]:
    """Keys that were in use once, comma separated; refused as `secret` does, since they still prove something."""
    found = words(name)
    if strict and any(len(value) < KEY_LENGTH or value == known for value in found):
        raise ImproperlyConfigured(
            f"{name}: each of these keys must have {KEY_LENGTH} characters or more, and none may be one that is known."
        )
    return found


def folder(name: str, default: Path) -> Path:
    value = Path(text(name, str(default)))
    if value.exists() and not value.is_dir():
        raise refuse(name, str(value), "a directory", "/var/lib/waybill")
    return value


def zone(name: str, default: str) -> str:
    """The name of a time zone."""
    value = text(name, default)
    try:
        ZoneInfo(value)
    except (KeyError, ValueError, OSError):  # unknown; a path; a directory such as America
        raise refuse(name, value, "a time zone's name in the IANA database", "America/Chicago") from None
    return value


def region(name: str, default: str) -> str:
    """A country that numbering plans are known of."""
    value = text(name, default)
    if value not in SUPPORTED_REGIONS:
        raise refuse(name, value, "a country's two capital letters (ISO 3166-1)", default)
    return value


def url(name: str, default: str, *, schemes: tuple[str, ...], example: str = "") -> str:
    """An absolute URL without its last slash; '' when unset and without default."""
    value = text(name, default).rstrip("/")
    problem = _wrong_with(value, schemes) if value else ""
    if problem:
        raise refuse_unseen(name, problem, example or f"{schemes[-1]}://host.example.com")
    return value


def public_url(name: str, default: str, *, strict: bool) -> str:
    """Where the world reaches us. `strict`: it has to be given, over https, and not lead back to this machine."""
    example = "https://waybill.example.com"
    value = url(name, default, schemes=("http", "https"), example=example)
    if strict and not text(name):
        raise ImproperlyConfigured(
            f"{name}: production needs the address that browsers and providers reach it at, such as {example}"
        )
    if strict and not value.startswith("https://"):
        raise refuse_unseen(name, "production is reached over https", example)
    if strict and _is_loopback(urlsplit(value).hostname or ""):
        raise refuse_unseen(name, "only this machine itself reaches it there", example)
    return value


def database(name: str, default: Path) -> dict:
    """Django's settings for the database at `DATABASE_URL`; SQLite at `default` when unset."""
    value = text(name, f"sqlite:///{default}")
    example = "sqlite:///FILE or postgresql://USER:PASSWORD@HOST:PORT/NAME"
    if value.partition("://")[0] not in {"sqlite", "postgres", "postgresql", "psql"}:
        raise refuse_unseen(name, "it has to start with sqlite:// or postgresql://", example)
    try:
        if not value.startswith("sqlite") and _port(urlsplit(value)) == 0:
            raise ValueError
        parsed = environ.Env.db_url_config(value)
    except (ValueError, ImproperlyConfigured):  # what they say holds parts of the address
        raise refuse_unseen(name, "its host or port cannot be read", example) from None
    if not parsed.get("NAME"):
        raise refuse_unseen(name, "it has to end in the database's name or file", example)
    return dict(parsed)


def _wrong_with(value: str, schemes: tuple[str, ...]) -> str:
    """What is wrong with this address, in words that hold nothing of it; '' when nothing is."""
    if not value.startswith(tuple(f"{scheme}://" for scheme in schemes)):
        return f"it has to start with {' or '.join(f'{scheme}://' for scheme in schemes)}"
    try:
        parts = urlsplit(value)
        named = _is_host(parts.hostname or "")
    except ValueError:
        named = False
    if not named or any(letter.isspace() for letter in value):
        return "it names no host that could be"
    if _port(parts) == 0:
        return "its port is not a number from 1 to 65535"
    if value.startswith("http") and (parts.query or parts.fragment):  # paths are put behind it
        return "there must be no ? and no # in it"
    return ""


def _port(parts: SplitResult) -> int | None:
    """None without one, 0 when it cannot be one."""
    try:
        return parts.port
    except ValueError:
        return 0


def _is_host(name: str) -> bool:
    if ":" in name:
        return _ip(name) is not None
    return bool(HOST_NAME.fullmatch(name))


def _is_loopback(name: str) -> bool:
    name = name.rstrip(".")
    found = _ip(name)
    if found is not None:
        return found.is_loopback or found.is_unspecified
    return name == "localhost" or name.endswith(".localhost")


def _ip(name: str):
    try:
        return ip_address(name)
    except ValueError:
        return None
