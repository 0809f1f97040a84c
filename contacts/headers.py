"""The first line of a file of contacts: what each column is taken for, and what is to be said about it. Pure."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from enum import Enum
from typing import NamedTuple

from contacts.channels import Channel

COLUMNS = (
    "name",
    "first_name",
    "last_name",
    "phone",
    "email",
    "external_id",
    "time_zone",
    "locale",
    "stage",
    "value_tier",
    "consent",
    "consent_at",
    "consent_how",
)
ALSO_CALLED = {
    "full_name": "name",
    "phone_number": "phone",
    "mobile": "phone",
    "e_mail": "email",
    "email_address": "email",
    "timezone": "time_zone",
}
ATTRIBUTE = re.compile(r"[a-z][a-z0-9_]{0,39}")  # what campaigns can merge into a text
_OPT_OUT = re.compile(
    r"opt(ed|s)?_?out|unsub|do_?not_?(contact|call|text|sms|e?_?mail|market|disturb)|\bdnc\b|\bdnd\b|no_(sms|texts?|calls?|e?_?mails?|marketing|contact)\b|"
    r"suppress|blacklist|blocklist|abgemeldet|abmeldung|widerspr|\bbaja\b|d[eé]sabonn|d[eé]sinscri|disiscri|uitgeschreven"
)
_OPT_IN = re.compile(
    r"opt(ed|s)?_?in\b|consent|\bsubscribed?\b|subscri(ber|ption)_status|permission|gdpr|dsgvo|rgpd|lgpd|tcpa|"
    r"\bnewsletters?\b|accepts_|marketing_(ok|allowed|sms|texts?|e?_?mails?)|(may|can|ok_to)_(we_)?(contact|text|call|e?mail)|"
    r"einwillig|zustimm|einverst|consentimiento|consentement|consenso|consentimento|toestemming|zgoda|согласие"
)
_NO = re.compile(
    r"no|n|nope|false|f|0|off|none|never|nein|non|nej|nee|n[aã]o|nie|нет|[-–—✗✘❌]|"
    r"(not|non|un)[ _-]?(subscri|consent|agre|allow|opt).*|opt(ed)?[ _-]?out.*|declin.*|den(y|ied).*|refus.*|revok.*|"
    r"withdr.*|out",
    re.IGNORECASE,
)
# What stands in a column about anything, such as "status", for whom said no.
_SAID_NO = re.compile(
    r"(user |contact |recipient |globally )?(un[ _-]?subscrib(ed|e)|opt(ed|s)?[ _-]?out"
    r"|do[ _-]?not[ _-]?(contact|call|text|sms|e?-?mail|disturb)"
    r"|dnc|dnd|stop(ped)?|black ?list(ed)?|block ?list(ed)?|suppressed|complained|spam (complaint|report)"
    r"|marked as spam|abgemeldet|d[ée]sabonn[ée]|d[ée]sinscrit|(dado de )?baja|disiscritto|uitgeschreven)",
    re.IGNORECASE,
)
_CHANNEL_WORDS = {
    Channel.SMS: r"sms|texts?|texting|messages?",
    Channel.MMS: r"sms|mms|texts?|texting|messages?",
    Channel.EMAIL: r"e?_?mails?|e_mails?|newsletters?",
    Channel.VOICE: r"voice|calls?|phone|calling",
    Channel.RVM: r"voice|voicemails?|rvm|calls?|phone",
}


class UnreadableFile(Exception):
    """The file as a whole cannot be imported; the text says why and what to do."""


class Use(Enum):
    """What is made of a column."""

    READ = "read"
    LEFT_OUT = "left out"
    OPT_IN = "opt-in, not read"
    OPT_OUT = "opt-out, not read"


class Column(NamedTuple):
    """A column of the file: its number from 1, its title as written, and our name for it, '' where it is not read."""

    number: int
    title: str
    name: str
    use: Use

    def denies(self, cell: str) -> tuple[str, ...]:
        """The channels that `cell` denies; () where it denies nothing, as most columns do.

        An empty opt-in says no as well: nobody has agreed there. In any column but those we know, such as "status", a
        cell says no by words of its own.
        """
        says_no = not cell or _NO.fullmatch(cell) is not None
        denied = (
            (self.use is Use.OPT_IN and says_no)
            or (self.use is Use.OPT_OUT and not says_no)
            or (
                self.name not in COLUMNS
                and _SAID_NO.fullmatch(cell) is not None
                and self.use is not Use.OPT_OUT
            )
        )
        return _channels_named(_plain(self.title)) if denied else ()


def read_header(titles: Sequence[str]) -> list[Column]:
    """Every column of the first line. Raises UnreadableFile."""
    if not any(title.strip() for title in titles):
        raise UnreadableFile(
            "The file is empty. Its first line must name the columns, such as name,phone,email."
        )
    columns: list[Column] = []
    for number, title in enumerate(titles, start=1):
        columns.append(_column(number, title.strip(), {each.name for each in columns}))
    _check(columns)
    return columns


def known_columns(titles: Sequence[str]) -> int:
    """How many of these titles name something that we know."""
    plain = (_plain(title) for title in titles)
    return sum(ALSO_CALLED.get(each, each) in COLUMNS for each in plain)


def remarks(columns: Sequence[Column]) -> list[str]:
    """What to say about columns that were not taken as they stand, a sentence or two each."""
    return [text for each in columns if (text := _remark(each, columns))] + _merge_fields(columns)


def _plain(title: str) -> str:
    return re.sub(r"[\W_]+", "_", title.strip().lower()).strip("_")


def _column(number: int, title: str, taken: set[str]) -> Column:
    plain = _plain(title)
    name = ALSO_CALLED.get(plain, plain)
    if not plain:
        return Column(number, title, "", Use.LEFT_OUT)
    if name in COLUMNS:
        return Column(number, title, name, Use.READ)
    words = plain.replace("_", " ")
    if _found(_OPT_OUT, plain, words):
        return Column(number, title, "", Use.OPT_OUT)
    if _found(_OPT_IN, plain, words):
        return Column(number, title, "", Use.OPT_IN)
    if not ATTRIBUTE.fullmatch(name) or name in taken:
        return Column(number, title, "", Use.LEFT_OUT)
    return Column(number, title, name, Use.READ)


def _found(pattern: re.Pattern[str], plain: str, words: str) -> bool:
    """With words parted by _ for what is put together of several, and by blanks for whole ones."""
    return bool(pattern.search(plain) or pattern.search(words))


def _check(columns: Sequence[Column]) -> None:
    names = Counter(each.name for each in columns if each.name)
    twice = next((name for name, count in names.items() if count > 1), None)
    if twice:
        titles = " and ".join(f"“{each.title}”" for each in columns if each.name == twice)
        raise UnreadableFile(f"Two columns are named {twice}: {titles}. Rename or remove one of them.")
    if not {"phone", "email", "external_id"} & set(names):
        line = ", ".join(each.title for each in columns)[:200]
        raise UnreadableFile(
            f"No column is named phone, email or external_id; the first line reads “{line}”."
        )


def _remark(column: Column, columns: Sequence[Column]) -> str:
    where = f"Column {column.number}, “{column.title}”,"
    if column.use is Use.OPT_IN:
        return (
            f"{where} looks like consent and was not read. To record it, name a column consent and write into it "
            f"the channels that each person agreed to, such as sms;email."
        )
    if column.use is Use.OPT_OUT:
        return (
            f"{where} looks like people who said no and was not read. Whoever is marked there gets no consent "
            f"from this file; suppress them before you send."
        )
    if column.use is Use.READ:
        return ""
    if not column.title:
        after = any(each.title for each in columns[column.number :])
        return f"Column {column.number} has no name and was left out." if after else ""
    if any(_plain(each.title) == _plain(column.title) for each in columns if each.number < column.number):
        return f"{where} was left out: an earlier column has that name. Rename it to bring it in as a merge field."
    return (
        f"{where} was left out. To bring it in as a merge field, name it with letters a to z, digits and _, "
        f"a letter first, 40 at most."
    )


def _merge_fields(columns: Sequence[Column]) -> list[str]:
    fields = [each.name for each in columns if each.name and each.name not in COLUMNS]
    return [f"Taken as merge fields: {', '.join(fields)}."] if fields else []


def _channels_named(plain: str) -> tuple[str, ...]:
    """The channels that a title names, all of them where it names none."""
    named = [
        channel.value
        for channel, words in _CHANNEL_WORDS.items()
        if re.search(rf"(?:^|_)(?:{words})(?:_|$)", plain)
    ]
    return tuple(named or Channel.values)
