"""What a text message from a person asks of us: to stop, to start again, for help, or nothing we act on.

The words stand in `keywords.csv`, in every language at once: a person answers in their own; what administrators changed
stands in `keyword_changes.py`; what makes a wish doubtful, in `keyword_limits.csv`. Its columns:

- `text`: words, compared as `contacts.folding` folds them, or a formula of `contacts.formulas`.
- `kind`: stop, start, help; reply (it only looks like another); courtesy (says nothing by itself).
- `whole`: what it means when it is all the message says, courtesies aside; `inside`: when it is a part of a longer
  one. `act`: we do it. `both`: we do it, and a person looks at it. `review`: a person decides, and sends wait.
"""

from __future__ import annotations

import csv
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache, lru_cache
from pathlib import Path
from typing import Literal, NamedTuple, cast

from contacts.folding import SPACELESS, accented, clauses, undisguised, words
from contacts.formulas import finder, is_formula, key, key_of, pattern_of
from contacts.keyword_limits import is_about_the_channel, is_limited
from contacts.quoting import own_words

Kind = Literal["stop", "start", "help", "reply"]
KINDS: tuple[Kind, ...] = ("stop", "start", "help", "reply")

YES = "yes"
# On a call: 9 ends calls to this number, as our own announcements say; every other key answers a question.
KEY_FOR_STOP = "9"
LONGEST = (
    2_000  # characters read: no text message is longer, and whoever writes a letter says it at its beginning
)
FOUND_AT_MOST = 80  # characters of the words that a message was understood by
LONG_WORD = 7  # letters from which on one wrong letter leaves no doubt

# How a wish is introduced that then is all the message says.
_POLITE = "(?:i|we|can you|could you|would you|you need to|u need to|i said|i told you|i asked you)"
# Directly before a wish, these turn it round: "I don't want to unsubscribe". With `dont` and its like it is no wish.
_NOT = (
    "dont|do not|didnt|did not|not|never|wont|will not|cant|cannot|wouldnt|no need to|no quiero|no deseo|no voy a|"
    "ne|pas|nao|nicht|niet|nie|non|не|inte|ikke|en|ei|hindi|khong|لا|bukan|jangan|nu|ne"
)
_BETWEEN = (
    "want|wish|like|need|mean|plan|have|going|ever|you|to|a|me|mich|voglio|desidero|quero|will|хочу|chce"
)
_TURNED = re.compile(rf"(?:^|.* )(?:{_NOT})(?: (?:{_BETWEEN}))*$")
_PLAINLY_NOT = re.compile(r"(?:^|.* )(?:dont|do not|please dont|please do not)$")
_I_WANT = frozenset({"quiero", "deseo", "solicito", "pido", "necesito"})
_NOT_SPACELESS = re.compile("(?:不要|不想|别|別|不|안|อย่า|ไม่|ない)$")


@dataclass(frozen=True)
class Keyword:
    """What a message asks for. `review`: a person should look at it, whatever was done about it already.

    `found`: the words it was found by; '' where nothing was.
    """

    kind: Kind
    review: bool = False
    found: str = field(default="", compare=False)


REPLY = Keyword("reply")
_REPORTED_BY_PROVIDER: dict[str, Kind] = {"stop": "stop", "start": "start", "help": "help"}


class KeywordRow(NamedTuple):
    """A line of the table."""

    language: str
    text: str
    kind: str
    whole: str
    inside: str


def classify(
    text: str,
    opt_out_type: str = "",
    *,
    opted_out: bool = False,
    sent: Sequence[str] = (),
    table: KeywordTable | None = None,
) -> Keyword:
    """Read one inbound message. `opt_out_type` is the provider's own finding (STOP, START, HELP) and wins.

    `sent`: the texts of ours that it may answer; what it quotes of them is none of the person's words.

    `opted_out`: the person has opted out by keyword. Only then does a bare YES mean "start again"; at any other
    time it answers a question.

    `table`: the words in force, of `contacts.keyword_changes`; those that are built in, unless it is given.
    """
    table = table or keywords()
    reported = _REPORTED_BY_PROVIDER.get(opt_out_type.strip().casefold())
    if reported:
        return Keyword(reported)
    if opted_out and words(text[:LONGEST]) == YES:
        return Keyword("start", found=YES)
    own = own_words(text[:LONGEST], sent)
    found = _read(own.text, table)
    if own.sure or found.kind == "stop":
        return found
    # Only the place of the marks says that it is quoted: what would have been an opt-out is for a person to read.
    whole = _read(text[:LONGEST], table)
    return doubted(whole) if _weight(whole) > _weight(found) else found


@lru_cache(maxsize=4_096)
def _read(text: str, table: KeywordTable) -> Keyword:
    found = _understand(text, table)
    if found.kind != "stop" and (bare := undisguised(text)) != text:
        other = _understand(bare, table)
        if other != REPLY:
            return other
    return found


def _understand(text: str, table: KeywordTable) -> Keyword:
    parts = clauses(text)
    if not parts:
        return REPLY
    plain = " ".join(parts)
    whole = _as_a_whole(plain, text, table)
    if whole is not None and not (whole.kind == "stop" and is_limited(whole.found, 0, whole.found)):
        return whole
    found = max((_inside(clause, table, alone=len(parts) > 1) for clause in parts), key=_weight)
    if found.kind == "stop":
        return doubted(found) if is_about_the_channel(plain) else found
    return max(found, doubted(whole), key=_weight) if whole else found


def doubted(found: Keyword) -> Keyword:
    """The same words, which only a person can tell the meaning of."""
    return Keyword("reply", review=True, found=found.found)


def _weight(found: Keyword) -> tuple[bool, bool]:
    return found.kind == "stop", found.review


# ---- All that is said ------------------------------------------------------------------------------------------


def _as_a_whole(plain: str, text: str, table: KeywordTable) -> Keyword | None:
    """What the message means if a keyword or phrase is all it says, courtesies aside; None if it is not."""
    cores = table.cores(plain)
    for ask in (lambda core: table.exactly(core, text), table.wholly):
        for core in cores:
            if found := ask(core):
                return found
    for core in cores:
        if table.only_stops(core):
            return Keyword("stop", found=core)
    for core in cores:
        if word := table.slip(core):
            return Keyword("stop", review=True, found=word)
    return None


# ---- Within what is said ---------------------------------------------------------------------------------------


def _inside(clause: str, table: KeywordTable, *, alone: bool) -> Keyword:
    """What a wish in the middle of other words means. `alone`: the clause is one of several."""
    if alone and (found := table.clause(clause)):
        return found
    doubtful = ""
    for at, phrase in table.wishes(clause):
        before = clause[:at].rstrip()
        if _PLAINLY_NOT.match(before):
            continue
        if not is_turned(before, phrase) and not is_limited(clause, at, phrase):
            return Keyword("stop", review=True, found=phrase)
        doubtful = phrase
    for at, phrase in table.doubts(clause):
        if not _PLAINLY_NOT.match(clause[:at].rstrip()):
            doubtful = doubtful or phrase
    return Keyword("reply", review=bool(doubtful), found=doubtful)


def is_turned(before: str, phrase: str) -> bool:
    """Whether the words before a wish turn it round."""
    spanish = phrase.split()[0] in _I_WANT and before.endswith("no")
    return spanish or bool(_TURNED.match(before) or _NOT_SPACELESS.search(before))


# ---- The table -------------------------------------------------------------------------------------------------


class KeywordTable:
    """Rows as in `keywords.csv`, ready to be asked."""

    def __init__(self, rows: Iterable[KeywordRow]) -> None:
        rows = list(rows)
        meaning = [row for row in rows if row.kind in KINDS]
        self._exact: dict[str, list[KeywordRow]] = defaultdict(list)
        for row in meaning:
            if not is_formula(row.text):
                self._exact[key_of(row.text)].append(row)
        self._whole = [
            ("reply" if how == "review" else kind, how != "act", pattern)
            for kind in ("reply", "stop", "start", "help")
            for how in ("act", "both", "review")
            if (pattern := _formulas(r for r in meaning if (r.kind, r.whole) == (kind, how)))
        ]
        stops = [row for row in meaning if row.kind == "stop"]
        self._wishes = finder(row.text for row in stops if row.inside == "both")
        self._doubts = finder(row.text for row in stops if row.inside == "review")
        self._long = [
            word
            for word, found in self._exact.items()
            if len(word) >= LONG_WORD
            and " " not in word
            and any(r.kind == "stop" and r.whole == "act" for r in found)
        ]
        self._courtesies = _courtesies(row for row in rows if row.kind == "courtesy")

    def cores(self, plain: str) -> list[str]:
        """The text as it stands, and without the courtesies of each language that has some in it."""
        found = [plain]
        for pattern in self._courtesies:
            core = " ".join(pattern.sub(" ", plain).split())
            if core and core not in found:
                found.append(core)
        return found

    def rows_of(self, word: str) -> list[KeywordRow]:
        """Its rows of the word, in every language that has it."""
        return list(self._exact.get(key_of(word), ()))

    def is_courtesy(self, plain: str) -> bool:
        """Whether plain words say nothing by themselves, such as yes, please and thanks."""
        return any(not pattern.sub(" ", plain).strip() for pattern in self._courtesies)

    def exactly(self, core: str, text: str) -> Keyword | None:
        rows = self._exact.get(key(core))
        if not rows:
            return None
        row = _nearest(rows, accented(text))
        review = row.whole != "act"
        kind = "reply" if row.whole == "review" else row.kind
        return Keyword(cast(Kind, kind), review, row.text)

    def wholly(self, core: str) -> Keyword | None:
        for kind, review, pattern in self._whole:
            if pattern.fullmatch(core):
                return Keyword(cast(Kind, kind), review, core[:FOUND_AT_MOST])
        return None

    def only_stops(self, core: str) -> bool:
        """Whether it says nothing but one or several words that stop."""
        return all(
            any(row.kind == "stop" and row.whole == "act" for row in self._exact.get(word, ()))
            for word in core.split()
        )

    def slip(self, core: str) -> str:
        """The long keyword that this is with one letter wrong; '' for none."""
        if " " in core or len(core) < LONG_WORD:
            return ""
        return next((word for word in self._long if _one_apart(word, core)), "")

    def clause(self, clause: str) -> Keyword | None:
        """A clause that says nothing but a keyword: "I moved away. Stop." """
        for core in self.cores(clause):
            for row in self._exact.get(key(core), ()):
                if row.kind == "stop" and row.whole == "act":
                    return Keyword("stop" if row.inside else "reply", review=True, found=row.text)
        return None

    def wishes(self, clause: str) -> Iterator[tuple[int, str]]:
        """Where in the clause it is clearly asked for, and in which words."""
        return self._wishes(clause)

    def doubts(self, clause: str) -> Iterator[tuple[int, str]]:
        """Where in the clause stands what may mean it."""
        return self._doubts(clause)


@cache
def built_in() -> tuple[KeywordRow, ...]:
    """The rows of `keywords.csv`, read once."""
    with Path(__file__).with_suffix(".csv").open(encoding="utf-8", newline="") as file:
        return tuple(KeywordRow(**line) for line in csv.DictReader(file))


@cache
def keywords() -> KeywordTable:
    """The table of those."""
    return KeywordTable(built_in())


def _nearest(rows: list[KeywordRow], text: str) -> KeywordRow:
    """Of words that differ in their accents alone the one that was written; else the one that has none."""
    for wanted in (lambda row: f" {accented(row.text)} " in f" {text} ", lambda row: row.text.isascii()):
        for row in rows:
            if wanted(row):
                return row
    return rows[0]


def _formulas(rows: Iterable[KeywordRow]) -> re.Pattern[str] | None:
    made = [pattern_of(row.text) for row in rows if is_formula(row.text)]
    return re.compile(f"(?:{_POLITE} )?(?:{'|'.join(made)})") if made else None


def _courtesies(rows: Iterable[KeywordRow]) -> list[re.Pattern[str]]:
    """What takes the courtesies out of a text, by language; those of every language are in each."""
    spoken: dict[str, list[str]] = defaultdict(list)
    for row in rows:
        made = pattern_of(row.text)
        spoken[row.language].append(made if SPACELESS.search(row.text) else rf"(?<!\S)(?:{made})(?!\S)")
    everywhere = spoken.pop("*")
    return [
        re.compile("|".join(sorted([*own, *everywhere], key=len, reverse=True))) for own in spoken.values()
    ]


def _one_apart(one: str, other: str) -> bool:
    """Whether one letter too many, too few, wrong, or swapped with the next makes the one the other."""
    if abs(len(one) - len(other)) > 1 or one == other:
        return False
    at = next(
        (n for n, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other))
    )
    mine, theirs = one[at:], other[at:]
    swapped = mine[:2] == theirs[1::-1] and len(theirs) > 1
    return (
        mine[1:] == theirs
        or mine == theirs[1:]
        or mine[1:] == theirs[1:]
        or (swapped and mine[2:] == theirs[2:])
    )


def pressed(digits: str) -> Kind:
    """What keys pressed during a call ask for."""
    return "stop" if digits.strip("#* ") == KEY_FOR_STOP else "reply"
