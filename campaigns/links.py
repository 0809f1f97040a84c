"""The links in what a campaign says that leave as short ones on our own domain, so that a click is known. Pure.

A link with a merge field in it leads each person elsewhere and stays what it is; so does one to our own pages, on which
people say what they no longer want, and whatever is no plain http or https address.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from ipaddress import ip_address
from urllib.parse import urlsplit

from django.conf import settings
from django.utils.encoding import iri_to_uri

from campaigns.html_links import html_addresses, with_links
from campaigns.media import is_web_address

PATH = "l"  # short: it stands in every text
CODE_LENGTH = 18  # characters of what follows it (deliveries/short_links.py)
LONGEST = 2_000  # characters of an address; what is longer stays what it is
# Up to a blank, a quotation mark or an angle bracket; braces belong to it, so that merge fields are seen.
ADDRESS = re.compile(r"""https?://[^\s<>"'`|\\^\u200b]+""", re.IGNORECASE)
ENDS = ".,;:!?…*_~"  # behind an address, these belong to the sentence
PAIRS = {")": "(", "]": "["}


def trackable(text: str) -> list[str]:
    """The addresses in `text` that are made short, each once, in order."""
    found = (_address(match.group()) for match in ADDRESS.finditer(text))
    return list(dict.fromkeys(address for address in found if can_be_short(address)))


def trackable_in_html(html: str) -> list[str]:
    """The same of HTML: where its links lead. Not what stands around them, nor pictures."""
    return [address for address in html_addresses(html) if can_be_short(address)]


def hosts_of(text: str, html: str = "") -> set[str]:
    """The hosts that links in a text or its HTML lead to, of whatever kind; without those that hold a merge field."""
    found = [_address(match.group()) for match in ADDRESS.finditer(text)] + html_addresses(html)
    return {host for address in found if "{" not in address and (host := _host(address))}


def _host(address: str) -> str:
    try:
        return urlsplit(address).hostname or ""
    except ValueError:
        return ""


def replaced_in_html(html: str, short: Mapping[str, str]) -> str:
    """`html` with each of its links that `short` knows as that one."""
    return with_links(html, short.get) if short else html


def replaced(text: str, short: Mapping[str, str]) -> str:
    """`text` with each address that `short` knows as that one."""

    def one(match: re.Match[str]) -> str:
        address = _address(match.group())
        new = short.get(address)
        return new + match.group()[len(address) :] if new else match.group()

    return ADDRESS.sub(one, text) if short else text


def placeholders(text: str) -> dict[str, str]:
    """Each address that is made short, with something as long as what it leaves as: what segments are counted by."""
    return dict.fromkeys(trackable(text), address_of("x" * CODE_LENGTH))


def address_of(code: str) -> str:
    return f"{settings.LINK_URL}/{PATH}/{code}"


def can_be_short(address: str) -> bool:
    """Whether it leads to the same page for everybody, by http or https, and away from our own."""
    if len(address) > LONGEST or "{" in address or "}" in address:
        return False
    found = location(address)
    own = {urlsplit(each).hostname for each in (settings.PUBLIC_URL, settings.LINK_URL)}
    return bool(found) and urlsplit(found).hostname not in own


def location(address: str) -> str:
    """The address in ASCII, as it stands in a header; '' where that cannot be said, or it is no web address."""
    if not is_web_address(address):
        return ""
    try:
        parts = urlsplit(address)
        host = (parts.hostname or "").encode("idna").decode("ascii")
        at = f"{host}:{parts.port}" if parts.port else host
    except ValueError:  # UnicodeError is one: no name that DNS could hold
        return ""
    if "[" in parts.netloc:  # an IPv6 address
        at = parts.netloc
    return iri_to_uri(parts._replace(netloc=at).geturl()) or ""


def tracked_by_default() -> bool:
    """Whether a new campaign's links leave as ours: where people can open those, which is a public https address."""
    parts = urlsplit(settings.LINK_URL)
    host = parts.hostname or ""
    return parts.scheme == "https" and "." in host and not _is_number(host) and not host.endswith(".local")


def _is_number(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def _address(found: str) -> str:
    """Without what belongs to the sentence around it."""
    while found and (found[-1] in ENDS or (found[-1] in PAIRS and _is_open(found, found[-1]))):
        found = found[:-1]
    return found


def _is_open(found: str, closing: str) -> bool:
    return found.count(closing) > found.count(PAIRS[closing])
