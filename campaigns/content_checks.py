"""What is looked at in a text before it is sent, in one table. Pure: a text and what is known of it in, remarks out.

Each check gives remarks: how grave, a sentence, the way out, and where in the text. What blocks would surely harm the
campaign or its readers; everything else is a person's to decide. The words stand in `content_rules.csv`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from campaigns.checked_text import TEXTS, WRITTEN, Remark, Text
from campaigns.content_fixes import WAYS_OUT
from campaigns.content_rules import PHRASE, SHAFT, SHORTENER, found, opt_out_lines, rules
from campaigns.look_alikes import plain, saving
from campaigns.mail_checks import MAIL_CHECKS
from campaigns.merging import FIELD
from campaigns.segments import size
from campaigns.web_links import same_owner, web_links
from contacts.channels import Channel

MANY_SEGMENTS = 3  # more of them cost and arrive in pieces
MOST_SEGMENTS = 10  # platforms cap texts at 10 parts or 1,600 characters
LETTERS_ENOUGH = 20  # to judge a text by its share of capitals

ALLOWED_CAPITALS = {
    "STOP",
    "STOPALL",
    "HELP",
    "INFO",
    "START",
    "ARRET",
    "AIDE",
    "BAJA",
    "HTTP",
    "HTTPS",
    "COVID",
    "ASAP",
}
OTHER_FIELDS = re.compile(
    r"\[\[?[a-z_ ]*name[a-z_ ]*\]\]?|%+[a-z_]*name[a-z_]*%+|<<?[a-z_ ]*name[a-z_ ]*>>?|\*\|\w+\|\*", re.I
)


def remarks(text: Text) -> list[Remark]:
    """Everything that was found, what blocks first, then as it stands in the text."""
    every = [one for each in CHECKS for one in each(text)]
    return sorted(every, key=lambda one: (one.severity != "blocks", one.where, one.start))


# ---- Links ---------------------------------------------------------------------------------------------------


def no_public_shorteners(text: Text) -> Iterator[Remark]:
    if text.channel not in WRITTEN:
        return
    known = rules(SHORTENER)
    for place in text.links:
        host = place.link.host.removeprefix("www.")
        if host in known:
            yield Remark(
                "shortener", "warns",
                f"{host}{place.words} is a public address shortener.",
                "Carriers block its links, since fraud hides behind them: write the address itself, or one on your own"
                " domain.",
                place.where, place.link.start, place.link.end, source=known[host].source,
            )  # fmt: skip


def links_of_the_brand(text: Text) -> Iterator[Remark]:
    if text.channel not in WRITTEN or not text.domains:
        return
    known = rules(SHORTENER)
    for place in text.links:
        link = place.link
        if link.host.removeprefix("www.") in known or any(same_owner(link.host, own) for own in text.domains):
            continue
        yield Remark(
            "foreign link", "warns",
            f"The link{place.words} leads to {link.host}, which is not among your own domains"
            f" ({', '.join(text.domains)}).",
            "People and carriers trust a sender's own address: link to it, or add the domain to the brand.",
            place.where, link.start, link.end,
        )  # fmt: skip


def links_are_encrypted(text: Text) -> Iterator[Remark]:
    for place in text.links if text.channel in WRITTEN else ():
        link = place.link
        if link.scheme == "http":
            yield Remark(
                "http link", "warns",
                f"The link{place.words} to {link.host} is not encrypted.",
                "Browsers warn before they open it: write https:// where the site has it.",
                place.where, link.start, link.end, fix="https" if place.where == "body" else "",
            )  # fmt: skip


# ---- Words ---------------------------------------------------------------------------------------------------


def no_trigger_phrases(text: Text) -> Iterator[Remark]:
    for where, words in _written(text):
        for start, end, rule in found(PHRASE, words):
            yield Remark(
                "trigger phrase", "warns",
                f"“{words[start:end]}” is a phrase that filters look for.",
                f"{rule.why}: say it in other words.",
                where, start, end, source=rule.source,
            )  # fmt: skip


def no_shaft_topics(text: Text) -> Iterator[Remark]:
    for where, words in _written(text):
        if where == "subject" or text.channel == Channel.EMAIL:
            continue  # a rule of the carriers of texts
        for start, end, rule in found(SHAFT, words):
            yield Remark(
                "SHAFT", "warns",
                f"“{words[start:end]}” belongs to a topic that carriers restrict: {rule.why}.",
                "Without a registration that allows it (age-gated where the law asks) such texts are blocked: leave it"
                " out, or ask your provider.",
                where, start, end, source=rule.source,
            )  # fmt: skip


def no_shouting(text: Text) -> Iterator[Remark]:
    for where, words in _written(text):
        plain = _without_links_and_fields(words)
        letters = [one for one in plain if one.isalpha()]
        capitals = re.findall(r"\b[^\W\d_]{4,}\b", plain)
        loud = [one for one in capitals if one.isupper() and one not in ALLOWED_CAPITALS]
        enough = LETTERS_ENOUGH if where == "body" else 8
        share = sum(one.isupper() for one in letters) / max(len(letters), 1)
        if len(loud) >= 3 or (loud and len(letters) >= enough and share > 1 / 3):
            start = words.find(loud[0])
            yield Remark(
                "capitals", "warns",
                f"{'The subject' if where == 'subject' else 'Much of the text'} is in capitals (“{loud[0]}”).",
                "Filters and people take it for shouting: write as in a letter.",
                where, start, start + len(loud[0]),
            )  # fmt: skip
        if match := re.search(r"[!?]{2,}|\$\$+|\*{3,}|!(?:[^!]*!){2}", plain):
            marks = re.search(r"[!?]{2,}|\$\$+|\*{3,}|!", words)
            start, end = marks.span() if marks else (0, 0)
            yield Remark(
                "special characters", "warns",
                f"{'The subject' if where == 'subject' else 'The text'} has “{_marks(match.group())}”.",
                "Rows of such marks are typical of spam: one is enough.",
                where, start, end,
            )  # fmt: skip


def fields_are_whole(text: Text) -> Iterator[Remark]:
    for where, words in (("subject", text.subject), ("body", text.body), ("html", _shown(text.html))):
        hidden = FIELD.sub(lambda match: " " * len(match.group()), words)
        if match := re.search(r"\{\s?\w[^{}\n]{0,40}|\w[^\s{}]{0,40}\}", hidden):
            yield Remark(
                "raw braces", "blocks",
                f"“{match.group().strip()[:30]}” has only one of its braces.",
                "People would read it as it stands: write {first_name}, or take the brace out.",
                where, match.start(), match.end(),
            )  # fmt: skip
        for other in OTHER_FIELDS.finditer(hidden):
            yield Remark(
                "foreign merge field", "warns",
                f"“{other.group()}” looks like a merge field of another program.",
                "People would read it as it stands: write {first_name} or {name}.",
                where, other.start(), other.end(),
            )  # fmt: skip


# ---- What has to be said -------------------------------------------------------------------------------------


def has_a_way_out(text: Text) -> Iterator[Remark]:
    if text.channel not in TEXTS or not text.marketing or not text.body.strip():
        return
    asked = [country for country in text.countries if country in opt_out_lines()]
    if asked and not WAYS_OUT.search(text.body):
        line = opt_out_lines()[asked[0]]
        yield Remark(
            "opt-out line", "warns",
            f"The text does not say how to get no more of them, which {_countries(asked)}.",
            f"Add a line such as “{line.line}”",
            start=len(text.body), end=len(text.body), fix="opt_out_line", source=line.source,
        )  # fmt: skip


def can_be_answered(text: Text) -> Iterator[Remark]:
    """A sender that is a name takes no replies."""
    named = text.sender and not text.sender.lstrip("+").isdigit()
    match = re.search(r"\b(?:reply|text|send)\W+stop\b", text.body, re.I)
    if text.channel in TEXTS and named and match:
        yield Remark(
            "reply to a name", "blocks",
            f"Nobody can reply to {text.sender}: a sender that is a name takes no texts.",
            "Give a link or a number to opt out at, or send from a number.",
            start=match.start(), end=match.end(),
        )  # fmt: skip


def names_who_writes(text: Text) -> Iterator[Remark]:
    if text.channel not in TEXTS or not text.names or not text.body.strip():
        return
    said = _letters(text.body)
    if text.sender and not text.sender.lstrip("+").isdigit():
        return  # the sender itself is the name
    if not any(_letters(name) in said for name in text.names):
        yield Remark(
            "identity", "warns",
            f"The text does not say who writes: {text.names[0]} is not in it.",
            "Carriers ask for the name in what is sent to many, and people delete what they cannot place: begin with"
            f" “{text.names[0]}:”.",
        )  # fmt: skip


# ---- Length and characters -----------------------------------------------------------------------------------


def is_not_too_long(text: Text) -> Iterator[Remark]:
    if text.channel != Channel.SMS or text.segments <= MANY_SEGMENTS:
        return
    if text.segments > MOST_SEGMENTS:
        yield Remark(
            "length", "blocks", f"The text takes {text.segments} segments.",
            f"Providers refuse more than {MOST_SEGMENTS}: shorten it, or link to a page.",
        )  # fmt: skip
    else:
        yield Remark(
            "length", "warns", f"The text takes {text.segments} segments, each billed as a message.",
            "Parts of long texts get lost more often: shorten it, or link to a page.",
        )  # fmt: skip


def characters_are_plain(text: Text) -> Iterator[Remark]:
    words = FIELD.sub("", text.body)
    if text.channel == Channel.SMS and size(words).segments > size(plain(words)).segments:
        yield Remark(
            "characters", "warns", saving(words), "Replace what has a plain equal, and leave out what has none.",
            fix="replace_all",
        )  # fmt: skip


CHECKS: tuple[Callable[[Text], Iterator[Remark]], ...] = (
    fields_are_whole,
    no_public_shorteners,
    links_of_the_brand,
    links_are_encrypted,
    has_a_way_out,
    can_be_answered,
    names_who_writes,
    is_not_too_long,
    characters_are_plain,
    no_trigger_phrases,
    no_shaft_topics,
    no_shouting,
    *MAIL_CHECKS,
)


def _written(text: Text) -> list[tuple[str, str]]:
    """The fields that people read."""
    if text.channel not in WRITTEN:
        return []
    return [("subject", text.subject), ("body", text.body)]


def _without_links_and_fields(words: str) -> str:
    for link in web_links(words):
        words = words[: link.start] + " " * (link.end - link.start) + words[link.end :]
    return FIELD.sub(" ", words)


def _marks(found: str) -> str:
    return found if len(found) < 6 else "!"


def _letters(text: str) -> str:
    return re.sub(r"\W+", "", text.casefold())


def _shown(html: str) -> str:
    """HTML without its style sheets, whose braces are no merge fields."""
    return re.sub(r"<(style|script)\b.*?</\1\s*>", "", html, flags=re.I | re.S)


def _countries(codes: list[str]) -> str:
    if len(codes) == 1:
        return f"{codes[0]} asks for in marketing"
    return f"{', '.join(codes[:-1])} and {codes[-1]} ask for in marketing"
