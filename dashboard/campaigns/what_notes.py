"""What stands below each text of the composer: how long it is, what is remarked about it, and what one click does."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple

from django.conf import settings

from campaigns import counting, uploads
from campaigns.checked_text import Remark
from campaigns.content_checks import remarks
from campaigns.content_rules import opt_out_lines
from campaigns.costs import seconds_aloud
from campaigns.counting import CountedText
from campaigns.countries import countries
from campaigns.links import CODE_LENGTH, address_of
from campaigns.look_alikes import tables
from campaigns.models import Campaign, Content
from contacts.channels import Channel
from dashboard.campaigns.looking import contacts_looked_at
from deliveries.sending.checks_of_content import facts, is_local

SPOKEN = (Channel.VOICE, Channel.RVM)
AROUND = 24  # characters shown beside what a remark is about


class TextNote(NamedTuple):
    """A remark with the place in the text, and the button that does something about it; '' where there is none."""

    remark: Remark
    before: str
    excerpt: str
    after: str
    fix: str


class ChannelNotes(NamedTuple):
    channel: str
    counted: CountedText | None  # of a text message
    data: dict[str, str]  # what the counter in the browser goes by
    notes: list[TextNote]
    seconds: int  # to read it aloud; 0 for what is not spoken
    links: str  # what counting clicks adds to its length, in a sentence; '' where that is nothing
    media: list[str]  # what its picture or recording is, and what may be wrong with it
    has_html: bool

    @property
    def replaces(self) -> bool:
        """Whether a click on all at once replaces more than a click on one."""
        specials = self.counted.specials if self.counted else ()
        return sum(one.sure and one.times > 0 for one in specials) > 1


class TextFacts(NamedTuple):
    """What all texts of a campaign are judged by; `people`: country -> how many have their phone there."""

    campaign: Campaign
    samples: counting.Samples
    people: Counter[str]


def channel_notes(campaign: Campaign, contents: Iterable[Content], now: datetime) -> dict[str, ChannelNotes]:
    """By channel. Two queries: the first people's details, and the countries of their phones."""
    contents = list(contents)
    people = contacts_looked_at(campaign, now)
    texts = [one for one in contents if one.channel == Channel.SMS]
    some = people.only("name", "attributes").order_by("pk")[: counting.LOOKED_AT] if texts else []
    samples = counting.samples(some)
    by_phone = any(one.channel != Channel.EMAIL for one in contents)
    about = TextFacts(campaign, samples, countries(people) if by_phone else Counter())
    return {one.channel: _notes(one, about) for one in contents}


def _notes(content: Content, known: TextFacts) -> ChannelNotes:
    counted, data, each, where = None, {}, (1, 1), list(known.people)
    if content.channel == Channel.SMS:
        counted = counting.counted(content.counted_body, known.samples)
        each = (counted.least, counted.most)
        data = {
            "tables": json.dumps(tables()),
            "samples": json.dumps(known.samples),
            "links": json.dumps(content.counted_links),
        }
    found = remarks(facts(content, known.campaign.purpose, where, real=False, most_segments=each[1]))
    if counted:
        found = [one for one in found if one.check != "characters"]  # the counter says it, beside the buttons
    seconds = seconds_aloud(content.body) if content.channel in SPOKEN else 0
    notes = [_note(one, content, where) for one in found]
    return ChannelNotes(
        content.channel,
        counted,
        data,
        notes,
        seconds,
        _links(content, known.samples, each[1]),
        _media(content.media_url),
        bool(content.html),
    )


def _links(content: Content, samples: counting.Samples, most: int) -> str:
    if content.channel != Channel.SMS or not content.counted_links:
        return ""
    without = counting.counted(content.body, samples).most
    if most <= without:
        return ""
    takes = f"{len(address_of('x' * CODE_LENGTH))} characters"
    many = len(content.counted_links) > 1
    says = f"Short links take {takes} each" if many else f"The short link takes {takes}"
    return f"{says}: {most} segments instead of {without} without counting clicks."


def _media(url: str) -> list[str]:
    """Sentences about an upload of ours; of a file elsewhere nothing is known."""
    path = uploads.stored(url)
    if path is None:
        return []
    facts = uploads.facts_of(path)
    said = [f"Uploaded: {facts.words}.", *facts.remarks]
    if is_local(settings.PUBLIC_URL):
        said.append(
            f"Providers fetch it from {settings.PUBLIC_URL}, which nobody outside can open: an administrator sets"
            " PUBLIC_URL to the address of this server."
        )
    return said


def _note(remark: Remark, content: Content, where: list[str]) -> TextNote:
    text = getattr(content, remark.where, "")
    before = text[max(remark.start - AROUND, 0) : remark.start]
    after = text[remark.end : remark.end + AROUND]
    if remark.start == remark.end:
        before = after = ""
    return TextNote(
        remark, re.sub(r"\s+", " ", before), text[remark.start : remark.end], re.sub(r"\s+", " ", after),
        _button(remark, where),
    )  # fmt: skip


def opt_out_country(where: Iterable[str]) -> str:
    """The first of these countries that asks for a way out; the USA where none does."""
    return next((one for one in where if one in opt_out_lines()), "US")


def _button(remark: Remark, where: list[str]) -> str:
    if remark.fix == "opt_out_line":
        return f"Add “{opt_out_lines()[opt_out_country(where)].line}”"
    return {"https": "Write https://", "replace_all": "Replace all"}.get(remark.fix, "")
