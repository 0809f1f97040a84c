"""The words that replies are read by: those that are built in, and what administrators changed of them.

They add words, and have a person read what was acted on at once or the other way round. What the law and the carriers
demand to stop messages always does, and what is built in stays known: no change silences a person, or lets a no pass.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

from django.conf.locale import LANG_INFO
from django.db.models import Max

from accounts.models import User
from contacts.folding import words
from contacts.formulas import is_formula, key_of
from contacts.keywords import YES, Keyword, KeywordRow, KeywordTable, built_in, classify, keywords
from contacts.models import KeywordChange

Meaning = KeywordChange.Meaning
MOST_CHANGED = 500  # words; each is compared with every reply
FEWEST = 2  # letters of a word: fewer are a slip of the finger
# 47 CFR 64.1200(a)(10), and what carriers and providers treat so in the United States and Canada.
ALWAYS_STOP = frozenset(
    key_of(word)
    for word in (
        "stop", "quit", "end", "revoke", "opt out", "cancel", "unsubscribe", "stopall", "stop all", "optout", "remove",
        "arret", "unsub", "stop sms",
    )
)  # fmt: skip
EVERY_LANGUAGE = "*"
# Those that Django has no name for.
_NAMES = {
    "am": "Amharic", "hmn": "Hmong", "ht": "Haitian Creole", "lo": "Lao", "so": "Somali", "tl": "Tagalog",
    "zh": "Chinese", EVERY_LANGUAGE: "Every language",
}  # fmt: skip
# How a changed word is read alone, and within a longer text: there it is rather for a person.
_ROWS = {
    Meaning.STOP: ("stop", "act", "review"),
    Meaning.UNSURE: ("stop", "review", "review"),
    Meaning.START: ("start", "act", ""),
    Meaning.HELP: ("help", "act", ""),
}


class KeywordRefused(Exception):
    """Why a word cannot be changed so, in a sentence."""


def language_name(code: str) -> str:
    return _NAMES.get(code) or str(LANG_INFO.get(code, {}).get("name", code))


def languages() -> list[tuple[str, str]]:
    """(code, name) of the languages of the table, by name."""
    return sorted(
        ((code, language_name(code)) for code in {row.language for row in built_in()} - {EVERY_LANGUAGE}),
        key=lambda one: one[1],
    )


def changes_in_force() -> list[KeywordChange]:
    """The last change of each word, but of those that are as they were built in again. One query."""
    last = KeywordChange.objects.order_by().values("key").annotate(last=Max("pk")).values("last")
    found = KeywordChange.objects.filter(pk__in=last).exclude(meaning=Meaning.BUILT_IN)
    return list(found.select_related("by").order_by("pk"))


def table_in_force() -> KeywordTable:
    """What replies are read by now. One query."""
    return table_with((one.language, one.text, one.meaning) for one in changes_in_force())


def table_with(changes: Iterable[tuple[str, str, str]]) -> KeywordTable:
    """The table with these changes: (language, text, meaning)."""
    found = tuple(changes)
    return _made(found) if found else keywords()


@lru_cache(maxsize=4)
def _made(changes: tuple[tuple[str, str, str], ...]) -> KeywordTable:
    known = {key_of(text) for _, text, _ in changes}
    rows = [
        row
        for row in built_in()
        if is_formula(row.text) or not (row.kind != "courtesy" and key_of(row.text) in known)
    ]
    return KeywordTable([*rows, *(_row(*change) for change in changes)])


def _row(language: str, text: str, meaning: str) -> KeywordRow:
    kind, whole, inside = _ROWS[Meaning(meaning)]
    # A word that says nothing within a longer text, such as one that has another meaning there, still does not.
    if kind == "stop" and (theirs := keywords().rows_of(text)) and not any(row.inside for row in theirs):
        inside = ""
    return KeywordRow(language, text, kind, whole, inside)


def change_keyword(language: str, text: str, meaning: str, *, by: User, now: datetime) -> KeywordChange:
    """Have replies of this word read so from now on. Raises KeywordRefused."""
    text = " ".join(text.split())
    key = key_of(text)
    _refuse_no_word(language, text, key)
    _refuse_other_meaning(text, key, meaning)
    changed = {one.key: one for one in changes_in_force()}
    if key not in changed and len(changed) >= MOST_CHANGED:
        raise KeywordRefused(f"{MOST_CHANGED} words are changed already. Take one back first.")
    last = changed[key].meaning if key in changed else Meaning.BUILT_IN
    if last == meaning:
        raise KeywordRefused(f"“{text}” is read so already.")
    return KeywordChange.objects.create(language=language, text=text, key=key, meaning=meaning, at=now, by=by)


def _refuse_no_word(language: str, text: str, key: str) -> None:
    if language not in dict(languages()):
        raise KeywordRefused("Choose a language of the table.")
    if is_formula(text):
        raise KeywordRefused("Only letters, digits and blanks: the table's own patterns cannot be changed.")
    if len(key) < FEWEST and key.isascii():
        raise KeywordRefused(f"A word has at least {FEWEST} letters.")
    if not key:
        raise KeywordRefused("There is no letter in it.")


def _refuse_other_meaning(text: str, key: str, meaning: str) -> None:
    """What is built in keeps its kind: an opt-out stays one, at least for a person to read."""
    if key in ALWAYS_STOP:
        raise KeywordRefused(f"“{text}” always stops messages: the law and the carriers demand it.")
    if key == YES or keywords().is_courtesy(words(text)):
        raise KeywordRefused(f"“{text}” is a courtesy that people write beside other words.")
    kinds, read = {row.kind for row in keywords().rows_of(text)}, classify(text)
    if (kinds - {"stop"} or read.kind in ("start", "help")) and meaning != Meaning.BUILT_IN:
        raise KeywordRefused(f"“{text}” has another meaning that is built in.")
    if "stop" in kinds and meaning not in (Meaning.STOP, Meaning.UNSURE, Meaning.BUILT_IN):
        raise KeywordRefused(f"“{text}” is an opt-out that is built in. It may be unsure, and nothing else.")
    if meaning in (Meaning.START, Meaning.HELP) and (read.kind == "stop" or read.review):
        raise KeywordRefused(f"“{text}” is, or may be, an opt-out by a pattern of the table. It stays one.")
    if not kinds and meaning == Meaning.UNSURE and read.kind == "stop":
        raise KeywordRefused(f"“{text}” is understood as an opt-out by a pattern of the table.")


# ---- Trying it --------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Explanation:
    """What a text would be read as, and because of what; both in words."""

    keyword: Keyword
    what: str
    because: str


def explain(text: str, table: KeywordTable) -> Explanation:
    """What a reply with this text would be read as, of somebody whom we wrote nothing that it quotes."""
    keyword = classify(text, table=table)
    return Explanation(keyword, _what(keyword), _because(keyword, table))


def _what(keyword: Keyword) -> str:
    if keyword.kind == "stop":
        return (
            "Opt-out, acted on at once; a person looks it over"
            if keyword.review
            else "Opt-out, acted on at once"
        )
    if keyword.review:
        return "Unsure: a person reads it, and nothing is sent to them until then"
    return {"start": "Opt-in", "help": "Asks for help"}.get(
        keyword.kind, "An ordinary reply: nothing is done"
    )


def _because(keyword: Keyword, table: KeywordTable) -> str:
    if not keyword.found:
        return "No word or phrase of the table is in it."
    rows = [row for row in table.rows_of(keyword.found) if row.kind != "reply" or keyword.kind == "reply"]
    spoken = ", ".join(dict.fromkeys(language_name(row.language) for row in rows))
    if spoken:
        return f"Because of “{keyword.found}” ({spoken})."
    return f"Because of “{keyword.found}”, by a pattern of the table."
