"""Sending a text to a chat, a mailbox or an address on the web, by apprise. Nothing here knows of alerts."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

logger = logging.getLogger(__name__)

# What may be written to. Apprise knows others, which act on the machine itself: none of those.
SCHEMES = frozenset(
    {
        *("json", "jsons", "form", "forms", "xml", "xmls", "mailto", "mailtos"),
        *("slack", "msteams", "workflow", "workflows", "discord", "gchat", "webexteams", "zulip", "tgram"),
        *("mmost", "mmosts", "rocket", "rockets", "matrix", "matrixs"),
        *("ntfy", "ntfys", "gotify", "gotifys", "pover", "pagerduty", "opsgenie", "signl4"),
    }
)
MAIL = frozenset({"mailto", "mailtos"})
# Parts of an address for which apprise opens files of this machine, or asks other addresses, and sends what they hold.
READS = frozenset({"template", "pgp", "pgppub", "pgpprv", "wkd"})
SECONDS = 8  # for an answer, and as long to connect


class BadAddress(ValueError):
    """What cannot be written to. The text says why, without the address."""


class NotTaken(Exception):
    """The service did not take it. The text says what to look at, without secrets."""


def check(url: str, *, mail: bool = False) -> None:
    """Raises BadAddress for what apprise cannot send to, or may not; where `mail`, for all but a mail server."""
    import apprise  # it loads a hundred services: only where one is needed

    scheme = url.partition("://")[0].lower()
    if scheme not in (MAIL if mail else SCHEMES):
        known = (
            "mailtos://user:password@smtp.example.com"
            if mail
            else "slack://, msteams://, mailtos:// or jsons://"
        )
        raise BadAddress(f"It begins with none of the services that can be used, such as {known}.")
    _check_parts(apprise.plugins.url_to_dict(url))
    if apprise.Apprise.instantiate(url, suppress_exceptions=True) is None:
        raise BadAddress("The service would not understand it: a part is missing or wrong.")


def _check_parts(parsed: Mapping[str, Any] | None) -> None:
    """Raises BadAddress where a part of the address would have something read; `parsed`: as apprise reads it."""
    for part in sorted(READS & set((parsed or {}).get("qsd", {}))):
        raise BadAddress(
            f"The part “{part}” cannot be used: nothing is read from files or from other addresses."
        )


def to_person(url: str, email: str) -> str:
    """The address of a mail server, for one recipient."""
    return f"{url}{'&' if '?' in url else '?'}to={quote(email, safe='')}"


def send(url: str, title: str, text: str) -> None:
    """Raises BadAddress or NotTaken. Takes some seconds at most."""
    import apprise

    scheme = url.partition("://")[0].lower()
    if scheme not in SCHEMES:
        raise BadAddress("It begins with none of the services that can be used.")
    bounded = f"{url}{'&' if '?' in url else '?'}rto={SECONDS}&cto={SECONDS}&redirect=no"
    _check_parts(apprise.plugins.url_to_dict(bounded))
    one = apprise.Apprise.instantiate(bounded, suppress_exceptions=True)
    if one is None:
        raise BadAddress("The service would not understand it: a part is missing or wrong.")
    try:
        taken = one.notify(title=title, body=text)
    except Exception as problem:  # whatever a service's client raises concerns this channel alone
        logger.warning("A service raised %s", type(problem).__name__)
        raise NotTaken(f"Sending by {scheme} failed ({type(problem).__name__}).") from problem
    if not taken:
        raise NotTaken(f"{scheme} did not take it: its address or token is wrong, or it does not answer.")
