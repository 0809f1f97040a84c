"""The domains that a wording leads to: what carriers filter by. Pure."""

from __future__ import annotations

import re

from campaigns.html_links import html_addresses

DOMAIN = re.compile(r"\b((?:[a-z0-9-]+\.)+[a-z]{2,})(?:/|\b)", re.IGNORECASE)


def link_domains(body: str, html: str = "") -> list[str]:
    """In lower case and in order, each once.

    >>> link_domains("Book at https://Example.com/book or bit.ly/a.")
    ['example.com', 'bit.ly']
    """
    said = " ".join([body, *html_addresses(html)])
    return list(dict.fromkeys(found.lower() for found in DOMAIN.findall(said)))
