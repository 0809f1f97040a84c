"""Whether what stands at the end of a mail's HTML would be seen: there the link to unsubscribe is added. Pure.

The link says itself how it looks, and what is said at an element wins over a style sheet. What hides an element around
it hides it all the same: the body, or one that is never closed. Those are looked for here, in their own style and in
the sheets of the mail.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from html.parser import HTMLParser
from typing import NamedTuple

EMPTY = frozenset(
    [
        "area",
        "base",
        "br",
        "col",
        "embed",
        "hr",
        "img",
        "input",
        "link",
        "meta",
        "param",
        "source",
        "track",
        "wbr",
    ]
)
PRINTED = re.compile(r"@media\s+print\b", re.I)
SIMPLE = re.compile(r"(?P<tag>\*|[a-z][a-z0-9]*)?(?P<rest>(?:[.#][\w-]+)*)", re.I)
HIDES = re.compile(
    r"(?:^|;)(?:display:none|opacity:0?\.?0*|mso-hide:all|transform:scale\(0\)|zoom:0|"
    r"(?:left|top|right|bottom|margin-left|margin-top):-\d{3,}\w*|(?:max-)?height:0(?:px)?(?=.*overflow:hidden)"
    r")(?:!important)?(?:;|$)"
)


class Element(NamedTuple):
    tag: str
    name: str  # its id
    classes: frozenset[str]
    style: str


# Programs put them around what lacks them.
WRAPPED = [Element("html", "", frozenset(), ""), Element("body", "", frozenset(), "")]


def what_hides_the_end(html: str) -> str:
    """What hides an element that is open where the body ends, as it stands there; '' where nothing does."""
    if not html:
        return ""
    page = _Page()
    page.feed(html)
    page.close()
    around = page.at_the_end if page.at_the_end is not None else page.open
    tags = {one.tag for one in around}
    around = [*(one for one in WRAPPED if one.tag not in tags), *around]
    for element in around:
        if _hides(element.style):
            return f"<{element.tag} style=“{element.style[:60]}”>"
    for selector, said in _rules("".join(page.sheets)):
        if _hides(said) and any(_meets(selector, around[: n + 1]) for n in range(len(around))):
            return f"{selector} {{{said.strip()[:60]}}}"
    return ""


def _hides(said: str) -> bool:
    return HIDES.search(re.sub(r"\s+", "", said.lower())) is not None


def _rules(sheet: str) -> Iterator[tuple[str, str]]:
    """(selector, what it says): each of several apart. Those for print are left out."""
    before, *parts = sheet.split("/*")
    plain = before + "".join(part.partition("*/")[2] for part in parts)
    around: list[str] = []
    start = 0
    for mark in re.finditer("[{}]", plain):
        words, start = plain[start : mark.start()], mark.end()
        if mark[0] == "{":
            around.append(words.rpartition(";")[2].strip())
        elif around:
            selectors = around.pop()
            if not selectors.startswith("@") and not any(PRINTED.match(one) for one in around):
                yield from ((one.strip(), words) for one in selectors.split(","))


def _meets(selector: str, path: Sequence[Element]) -> bool:
    """Whether it means the last of these, each in the one before. Of what cannot be judged so: no."""
    words = re.split(r"\s*>\s*|\s+", selector)
    matched = [SIMPLE.fullmatch(word) for word in words]
    if not all(matched) or not _is(matched[-1], path[-1]):
        return False
    rest = iter(path[-2::-1])
    return all(any(_is(one, element) for element in rest) for one in matched[-2::-1])


def _is(match: re.Match[str] | None, element: Element) -> bool:
    if match is None or not match[0]:
        return False
    tag, rest = (match["tag"] or "*").lower(), re.findall(r"([.#])([\w-]+)", match["rest"])
    return tag in ("*", element.tag) and all(
        name in element.classes if sign == "." else name == element.name for sign, name in rest
    )


class _Page(HTMLParser):
    """`open`: the elements around the place that was read last; `at_the_end`: those where the body is closed."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[Element] = []
        self.at_the_end: list[Element] | None = None
        self.sheets: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in EMPTY:
            return
        said = {name: value or "" for name, value in attrs}
        style = said.get("style", "") + (";display:none" if "hidden" in said else "")
        classes = frozenset(said.get("class", "").split())
        self.open.append(Element(tag, said.get("id", ""), classes, style.strip(";")))

    def handle_endtag(self, tag: str) -> None:
        if tag == "body":
            self.at_the_end = [
                one for one in self.open if one.tag != "p"
            ]  # the line is one, and ends another
        for place in range(len(self.open) - 1, -1, -1):
            if self.open[place].tag == tag:
                del self.open[place:]
                return

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1].tag == "style":
            self.sheets.append(data)
