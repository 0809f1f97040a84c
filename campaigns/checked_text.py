"""A text as it is looked at before it is sent, and the remarks that the checks make about it. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from campaigns.html_links import html_links
from campaigns.segments import size
from campaigns.web_links import WebLink, web_links
from contacts.channels import Channel

Severity = Literal["blocks", "warns"]
TEXTS = (Channel.SMS, Channel.MMS)
WRITTEN = (*TEXTS, Channel.EMAIL)


@dataclass(frozen=True)
class Remark:
    """`where` is the field (`body`, `subject`, `html`), `start` to `end` the place in it; equal where it is about all.

    `fix` names what one click can do about it, '' for nothing: `opt_out_line`, `replace_all`, `https`.
    """

    check: str
    severity: Severity
    says: str
    way_out: str
    where: str = "body"
    start: int = 0
    end: int = 0
    fix: str = ""
    source: str = ""


class PlacedLink(NamedTuple):
    """A link in the field `where`, `body` or `html`."""

    where: str
    link: WebLink

    @property
    def words(self) -> str:
        """For behind what it is called in a sentence."""
        return " in the HTML" if self.where == "html" else ""


@dataclass(frozen=True)
class Text:
    """What is said on one channel, and what is known of who says it to whom.

    `names` are what people know the sender as, `domains` its own; empty where nobody entered any. `countries` are those
    of the people it goes to. `most_segments`: of the longest text that somebody gets; 0: as it stands.
    """

    channel: str
    body: str
    subject: str = ""
    html: str = ""
    sender: str = ""
    names: tuple[str, ...] = ()
    domains: tuple[str, ...] = ()
    countries: tuple[str, ...] = ("US",)
    marketing: bool = True
    most_segments: int = 0
    unsubscribe: bool = True  # whether the link below a mail can be opened from outside
    links: list[PlacedLink] = field(default_factory=list)

    def __post_init__(self) -> None:
        object.__setattr__(self, "links", list(_links(self.body, self.html)))

    @property
    def segments(self) -> int:
        return self.most_segments or size(self.body).segments


def _links(body: str, html: str) -> Iterator[PlacedLink]:
    """Those of the text, and those of the HTML that lead to a web page."""
    for link in web_links(body):
        yield PlacedLink("body", link)
    for one in html_links(html):
        first = next(web_links(one.address), None)
        if first and first.scheme and first.start == 0:
            yield PlacedLink("html", first._replace(start=one.start, end=one.end))
