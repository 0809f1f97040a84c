"""The links in a text, as phones and mail programs find them. Pure.

Phones also make links of what only looks like an address ("example.com/book"); of words that a missing blank joins
("tomorrow.Please") they make none, nor does this: without `https://` or `www.` the ending has to be one in use.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

# Endings that stand without https:// in texts. Others count once a path follows.
ENDINGS = re.compile(
    "com|org|net|edu|gov|info|biz|io|co|us|ca|uk|au|nz|ie|de|ch|fr|es|nl|se|dk|fi|pl|pt|eu|mx|br|za|ly|gl|gd|app|dev|shop"
    "|store|online|xyz"
)
LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
LINK = re.compile(
    rf"(?<![\w@.+-])(?:(?P<scheme>https?)://)?(?P<host>(?:{LABEL}\.)+(?P<ending>[a-z]{{2,24}}))(?::\d+)?"
    r"(?P<path>/[^\s<>\"”»]*)?(?![\w@])",
    re.IGNORECASE,
)
TRAILING = ".,;:!?)]}'’"
SHARED = {
    "co",
    "com",
    "org",
    "net",
    "ac",
    "gov",
    "edu",
    "or",
    "ne",
    "gob",
    "nhs",
}  # second labels below countries


class WebLink(NamedTuple):
    """`scheme` is '' where the text has none; `host` is in lower case."""

    start: int
    end: int
    scheme: str
    host: str


def web_links(text: str) -> Iterator[WebLink]:
    """The links in `text`, in order; email addresses are none."""
    for match in LINK.finditer(text):
        host, scheme = match["host"].lower(), (match["scheme"] or "").lower()
        path = (match["path"] or "").rstrip(TRAILING)
        meant = scheme or path or host.startswith("www.") or _in_use(match["ending"])
        if meant:
            end = match.end("host") if not path else match.start("path") + len(path)
            yield WebLink(match.start(), end, scheme, host)


def same_owner(host: str, domain: str) -> bool:
    """Whether both lie below one name that somebody registered: mail.example.com and www.example.com do."""
    return registered(host) == registered(domain)


def registered(host: str) -> str:
    """The part of a host that somebody registered: of www.example.co.uk, example.co.uk."""
    labels = host.lower().rstrip(".").split(".")
    kept = 3 if len(labels) > 2 and len(labels[-1]) == 2 and labels[-2] in SHARED else 2
    return ".".join(labels[-kept:])


def _in_use(ending: str) -> bool:
    """As it is written in addresses: a capital begins the next sentence."""
    return bool(ENDINGS.fullmatch(ending))
