"""The links in the HTML of a mail: what the `href` of each `<a>` says. Pure.

Pictures, style sheets and what stands in comments are none: what programs fetch by themselves is no click.
"""

from __future__ import annotations

import html as entities
import re
from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from typing import NamedTuple

ATTRIBUTE = re.compile(r"""([^\s=>"'/]+)(?:\s*=\s*("[^"]*"|'[^']*'|[^\s>]+))?""")
A_TAG = "<a"


class HtmlLink(NamedTuple):
    """`address` is what a program opens; what stands for it in the HTML goes from `start` to `end`, without quotation
    marks."""

    start: int
    end: int
    address: str


def html_links(html: str) -> Iterator[HtmlLink]:
    """In order."""
    if A_TAG not in html.lower():
        return
    parser = _Anchors(html)
    for begins, tag in parser.found:
        for match in ATTRIBUTE.finditer(tag, len(A_TAG)):
            if match[1].lower() == "href" and match[2]:
                quoted = match[2][0] in "\"'"
                start, end = match.start(2) + quoted, match.end(2) - quoted
                yield HtmlLink(begins + start, begins + end, entities.unescape(tag[start:end]).strip())
                break


def html_addresses(html: str) -> list[str]:
    """What they lead to, each once."""
    return list(dict.fromkeys(link.address for link in html_links(html)))


def with_links(html: str, new: Callable[[str], str | None]) -> str:
    """`html` with another address in each link for which `new` has one; everything else as it is, to the letter."""
    parts, done = [], 0
    for link in html_links(html):
        if (address := new(link.address)) is not None:
            parts += [html[done : link.start], entities.escape(address)]
            done = link.end
    return "".join([*parts, html[done:]]) if parts else html


class _Anchors(HTMLParser):
    """(where it begins, the whole of it) of each opening `<a>`, in `found`."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[tuple[int, str]] = []
        self._lines = [0, *(match.end() for match in re.finditer("\n", html))]
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "a":
            line, column = self.getpos()
            self.found.append((self._lines[line - 1] + column, self.get_starttag_text() or ""))
