"""The first line of a file of contacts: what each column is taken for, and what is to be said about it. Pure."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from enum import Enum
from functools import lru_cache
from typing import NamedTuple

from contacts.channels import Channel
from contacts.denials import channels_named, denied_in

# The columns that are known, and what stands in their cells.
COLUMNS = {
    "name": "the whole name",
    "first_name": "the first name, where the name stands in two columns",
    "last_name": "the last name",
    "phone": "one phone number, in any usual notation",
    "email": "one email address",
    "external_id": "the person's id in your other systems",
    "time_zone": "where they are, such as America/Chicago",
    "locale": "their language, such as en or en-US",
    "stage": "lead, customer or lapsed",
    "value_tier": "a whole number: 0 for ordinary, higher for more valuable contacts",
    "consent": "the channels they agreed to: sms, mms, voice, rvm, email, several of them separated by ;",
    "consent_at": "when they agreed, such as 2026-03-04",
    "consent_how": "how they agreed, such as Web form",
}
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
    r"opt(ed|s)?_?out|unsub|(do_?not|don_?t)_?(contact|call|text|sms|e?_?mail|market|disturb)|\bdnc\b|"
    r"\bdnd\b|no_(sms|texts?|calls?|e?_?mails?|marketing|contact)(?![a-z])|"
    r"suppress|blacklist|blocklist|abgemeldet|abmeldung|widerspr|\bbaja\b|d[eé]sabonn|d[eé]sinscri|"
    r"disiscri|uitgeschreven|"
    r"^((is|has|was|date|sms|e?mail|user|spam|list)_)*(removed|removal|complain(ed|ts?)|spam|blocked|"
    r"stop(ped)?|exclu(ded?|sion)|do_not)"
    r"(_(at|on|by|date|time|list|yn|y_n|flag|from_list))*$"
)
_NO_CONSENT = (
    "{who} gets no consent from this file, and the import blocks nobody: to block them before you send, put their "
    "numbers and emails into a file for “manage.py suppress”, or add them in the admin under Suppressions > Add, or "
    "ask an administrator."
)
_CHANNEL = (
    r"(sms|mms|rvm|voice|voicemails?|text(_message)?s?|texting|calls?|calling|phone|e?_?mails?|marketing|"
    r"promos?|promotions?|contact)"
)
_OPT_IN = re.compile(
    r"opt(ed|s)?_?in(?![a-z])|consent|\bsubscribed?\b|subscri(ber|ption)_status|permission|gdpr|dsgvo|rgpd|lgpd|tcpa|"
    r"\bnewsletters?\b|accepts_|marketing_(ok|allowed|sms|texts?|e?_?mails?)|(may|can|"
    r"ok_to)_(we_)?(contact|text|call|e?mail)|"
    r"einwillig|zustimm|einverst|consentimiento|consentement|consenso|consentimento|toestemming|zgoda|согласие|"
    r"^(sms|mms|rvm|voice|voicemails?|texts?|texting|text_messages|calls?|calling|e?_?mails|e?_?mailings?|"
    r"marketing|promos?|promotions?)$|"
    rf"^{_CHANNEL}_(ok(ay)?|allow(ed|s)?|yes_no|yn|y_n|active|enabled|permitted|agreed|accepted|"
    r"marketing)$|"
    r"^(ok(ay)?|allows?|accepts?|receives?|wants?|agree[sd]?|send|gets?|is_ok|happy)_(to_|for_)?(receive_|"
    rf"get_)?{_CHANNEL}(_(ok|marketing))?$|"
    rf"^(is_)?(contactable|textable|mailable|emailable|callable|agreed|agrees)$"
)
_STATUS = re.compile(
    rf"^(({_CHANNEL}|list|mailing(_list)?|mobile|member|audience|profile|delivery|opt|person|recipient|"
    r"user)_)*(status|statut|statuses|pref(erence)?s?|choice)$|"
    rf"^status_(of_)?({_CHANNEL}|list)$"
)
_FREE_TEXT = re.compile(
    r"(?:^|_)(notes?|comments?|remarks?|tags?|labels?|memos?|descriptions?|segments?|groups?|lists?|flags?|"
    r"bemerkung(en)?|notiz(en)?|kommentare?|notas?|comentarios?|etiquetas?|observa(ciones|coes)|"
    r"commentaires?|remarques?|"
    r"opmerking(en)?|commenti?|uwagi)(?:_|$)|notizen$"
)
_DATE = re.compile(
    r"(?:^|_)(at|on|dates?|times?|timestamp|datum|fecha|data|since|when)(?:_|$)|date$|datum$|zeit$"
)
_NO = re.compile(
    r"no|n|nope|false|f|0|off|none|never|nein|non|nej|nee|n[aã]o|nie|нет|[-–—✗✘❌]|"
    r"(not|non|un)[ _-]?(subscri|consent|agre|allow|opt).*|opt(ed)?[ _-]?out.*|declin.*|den(y|ied).*|refus.*|revok.*|"
    r"withdr.*|out",
    re.IGNORECASE,
)
# Of a list somebody may have been on: they have not said no, but neither yes.
_NO_YES = re.compile(
    r"inactive|unconfirmed|pending|never[ _-]?(subscri|opted[ _-]?in|confirm).*|"
    r"deleted|archived|cancell?ed|cleaned|junk|inaktiv|inactivo|inactif",
    re.IGNORECASE,
)


class UnreadableFile(Exception):
    """The file as a whole cannot be imported; the text says why and what to do."""


class Use(Enum):
    """What is made of a column."""

    READ = "read"
    LEFT_OUT = "left out"
    OPT_IN = "opt-in, not read"
    OPT_OUT = "opt-out, not read"
    STATUS = "status, not read"


class Denial(NamedTuple):
    """A cell that says that the person did not agree to some channels.

    `plain`: it says so by itself, whatever its column is about. `use` is its column's.
    """

    column: int
    title: str
    cell: str
    channels: tuple[str, ...]
    use: Use
    plain: bool

    @property
    def outweighs_consent(self) -> bool:
        """Whether it holds beside a consent column, which is more exact than an opt-in that we cannot read."""
        return self.plain or self.use is Use.OPT_OUT


class Column(NamedTuple):
    """A column of the file: its number from 1, its title as written, and our name for it, '' where it is not read."""

    number: int
    title: str
    name: str
    use: Use

    def denial(self, cell: str) -> Denial | None:
        """What `cell` denies, None where it denies nothing or the column is one we know.

        An empty opt-in says no as well: nobody has agreed there. In any column but those we know, a cell says no by
        words of its own.
        """
        if self.name in COLUMNS:
            return None
        plain = plain_title(self.title)
        refused = denied_in(cell, free_text=_FREE_TEXT.search(plain) is not None) if cell else None
        if refused is not None:
            return self._denial(cell, _denied_channels(plain, cell, refused), plain=True)
        says_no = _NO.fullmatch(cell) is not None
        denied = {
            Use.OPT_IN: not cell or says_no or _NO_YES.fullmatch(cell) is not None,
            Use.STATUS: says_no or _NO_YES.fullmatch(cell) is not None,
            Use.OPT_OUT: bool(cell) and not says_no,
        }
        if not denied.get(self.use):
            return None
        return self._denial(cell, channels_named(plain) or tuple(Channel.values), plain=False)

    def _denial(self, cell: str, channels: tuple[str, ...], *, plain: bool) -> Denial:
        return Denial(self.number, self.title or f"column {self.number}", cell, channels, self.use, plain)


WHOM = ("phone", "email", "external_id")  # columns that say whom a line is about


def read_header(titles: Sequence[str], whom: Sequence[str] = WHOM) -> list[Column]:
    """Every column of the first line. Raises UnreadableFile, also where it has none of `whom`."""
    if not any(title.strip() for title in titles):
        raise UnreadableFile(
            "The file is empty. Its first line must name the columns, such as name,phone,email."
        )
    columns = columns_of(titles)
    _check(columns, whom)
    return columns


def columns_of(titles: Sequence[str]) -> list[Column]:
    """What each column is taken for by its title alone."""
    columns: list[Column] = []
    for number, title in enumerate(titles, start=1):
        columns.append(_column(number, title.strip(), {each.name for each in columns}))
    return columns


def known_columns(titles: Sequence[str]) -> int:
    """How many of these titles name something that we know."""
    plain = (plain_title(title) for title in titles)
    return sum(ALSO_CALLED.get(each, each) in COLUMNS for each in plain)


def remarks(columns: Sequence[Column]) -> list[str]:
    """What to say about columns that were not taken as they stand, a sentence or two each."""
    return [text for each in columns if (text := _remark(each, columns))] + _merge_fields(columns)


def remarks_on_denials(denials: Iterable[tuple[int, Denial]]) -> list[str]:
    """What to say about columns in which people plainly say no, each denial with the number of its line.

    Columns about opt-outs have a sentence of their own.
    """
    by_column: dict[int, list[tuple[int, Denial]]] = {}
    for line, denial in denials:
        if denial.plain and denial.use is not Use.OPT_OUT:
            by_column.setdefault(denial.column, []).append((line, denial))
    return [_remark_on_denials(found) for _, found in sorted(by_column.items())]


def _remark_on_denials(found: Sequence[tuple[int, Denial]]) -> str:
    line, first = found[0]
    lines = "1 line" if len(found) == 1 else f"{len(found)} lines"
    cell = first.cell if len(first.cell) <= 60 else first.cell[:60] + "…"
    named = "" if first.title == f"column {first.column}" else f", “{first.title}”,"
    return (
        f"Column {first.column}{named} says no on {lines}, the first one line {line} (“{cell}”). "
        f"{_NO_CONSENT.format(who='Whoever it is said of')}"
    )


@lru_cache(maxsize=1_024)  # every cell of a column asks for its own
def plain_title(title: str) -> str:
    return re.sub(r"[\W_]+", "_", title.strip().lower()).strip("_")


def _column(number: int, title: str, taken: set[str]) -> Column:
    plain = plain_title(title)
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
    if _STATUS.search(plain):
        return Column(number, title, "", Use.STATUS)
    if not ATTRIBUTE.fullmatch(name) or name in taken:
        return Column(number, title, "", Use.LEFT_OUT)
    return Column(number, title, name, Use.READ)


def _found(pattern: re.Pattern[str], plain: str, words: str) -> bool:
    """With words parted by _ for what is put together of several, and by blanks for whole ones."""
    return bool(pattern.search(plain) or pattern.search(words))


def _check(columns: Sequence[Column], whom: Sequence[str]) -> None:
    names = Counter(each.name for each in columns if each.name)
    twice = next((name for name, count in names.items() if count > 1), None)
    if twice:
        titles = " and ".join(f"“{each.title}”" for each in columns if each.name == twice)
        raise UnreadableFile(f"Two columns are named {twice}: {titles}. Rename or remove one of them.")
    if not set(whom) & set(names):
        line = ", ".join(each.title for each in columns)[:200]
        wanted = f"{', '.join(whom[:-1])} or {whom[-1]}"
        raise UnreadableFile(f"No column is named {wanted}; the first line reads “{line}”.")


def _remark(column: Column, columns: Sequence[Column]) -> str:
    where = f"Column {column.number}, “{column.title}”,"
    if column.use in (Use.OPT_IN, Use.STATUS):
        when = (
            " If it says when they agreed, name it consent_at."
            if _DATE.search(plain_title(column.title))
            else ""
        )
        return (
            f"{where} looks like consent and was not read. To record it, name a column consent and write into it "
            f"the channels that each person agreed to, such as sms;email.{when}"
        )
    if column.use is Use.OPT_OUT:
        return (
            f"{where} looks like people who said no and was not read. "
            f"{_NO_CONSENT.format(who='Whoever is marked there')}"
        )
    if column.use is Use.READ:
        return ""
    if not column.title:
        after = any(each.title for each in columns[column.number :])
        return f"Column {column.number} has no name and was left out." if after else ""
    if any(
        plain_title(each.title) == plain_title(column.title)
        for each in columns
        if each.number < column.number
    ):
        return f"{where} was left out: an earlier column has that name. Rename it to bring it in as a merge field."
    return (
        f"{where} was left out. To bring it in as a merge field, name it with letters a to z, digits and _, "
        f"a letter first, 40 at most."
    )


def _merge_fields(columns: Sequence[Column]) -> list[str]:
    fields = [each.name for each in columns if each.name and each.name not in COLUMNS]
    return [f"Taken as merge fields: {', '.join(fields)}."] if fields else []


def _denied_channels(title: str, cell: str, refused: tuple[str, ...]) -> tuple[str, ...]:
    """What a plain no in a column of that title is about: what the cell or the title names, else every channel.

    "Do not contact" means everything, wherever it stands. A phone's column is about texts as much as about calls.
    """
    by_title = channels_named(f"{title}_sms" if "phone" in title else title)
    if refused:
        return tuple(dict.fromkeys([*refused, *by_title]))
    everything = "contact" in cell.lower() or not by_title
    return tuple(Channel.values) if everything else by_title
