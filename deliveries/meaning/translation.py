"""What a provider's words mean in ours. Pure: a mapping in, meanings out.

A mapping holds every code table of one version: rows by (table, channel, kind, code), where the kind is `status`
for what became of the message and `error` for the reason. A provider's adapter names the tables that are asked
in turn; a mailbox provider's table comes before them. Words are compared without regard to case; MMS looks in its
own rows, then in those of SMS; an enhanced status code (5.1.1) falls back to its classes (5.1.X, 5.X.X).

The first version of every table is the CSV file of its name in `providers/codes/`. Later ones stand in the
database (`deliveries.meaning.mappings`).
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator
from collections.abc import Mapping as Rows
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from deliveries.providers import PROVIDERS
from deliveries.providers.facts import Report
from deliveries.statuses import OPEN, REACHING, SETTLED, Evidence, FailureClass, Fault, Meaning, Status

CODES = Path(__file__).resolve().parent.parent / "providers" / "codes"
FALLBACK_CHANNEL = {"mms": "sms"}  # a table may list a code of MMS once, with SMS
ENHANCED = re.compile(r"([245])\.(\d{1,3})\.\d{1,3}")  # RFC 3463
# A failure's reason may name the status better than these words, which say little by themselves ...
VAGUE = frozenset({Status.FAILED, Status.UNDELIVERED, Status.REJECTED, Status.BOUNCED, Status.UNKNOWN})
# ... but it cannot make a failure an arrival, or take back that it is final.
NAMEABLE = (SETTLED - REACHING) | {Status.UNKNOWN}
PERSONAL = frozenset({Status.OPTED_OUT, Status.COMPLAINED})
LASTING = frozenset({FailureClass.TEMPORARY, FailureClass.PERMANENT, FailureClass.UNKNOWN})
REMEMBERED = 16_384  # translations kept in memory, far more than the codes in use
SHORT = 60  # characters of a meaning that a table on a page can show

# Plain strings: meanings travel into database drivers, which know nothing of our enumerations.
UNMAPPED = Meaning(Status.UNKNOWN.value, FailureClass.UNKNOWN.value, Fault.NONE.value, Evidence.CARRIER.value)
NOT_A_FAILURE = (FailureClass.NONE.value, Fault.NONE.value)
UNEXPLAINED = (FailureClass.UNKNOWN.value, Fault.NONE.value)


class Key(NamedTuple):
    """Where a row stands. `code` is lower case."""

    table: str
    channel: str
    kind: str
    code: str


class Code(NamedTuple):
    """One row of a code table, in the words of its source."""

    code: str
    name: str
    meaning: str
    status: str
    failure_class: str
    fault: str
    verified: bool


class Translated(NamedTuple):
    """`known`: every word stands in a table. `contradicts`: the status says one thing and the code another."""

    meaning: Meaning
    known: bool
    contradicts: bool


class Described(NamedTuple):
    """A native code in words. `known` is False when no table lists it."""

    code: str
    name: str
    meaning: str
    known: bool

    @property
    def short(self) -> str:
        """The meaning, else its first clause, else the provider's name for it, in at most 60 characters; '' where the
        table has neither."""
        for words in (self.meaning, self.meaning.partition(";")[0], self.name):
            if words and len(words) <= SHORT:
                return words
        longest = self.meaning or self.name
        return longest[: SHORT - 1].rpartition(" ")[0] + "…" if longest else ""


class Mapping:
    """The code tables of one version."""

    def __init__(self, version: int, codes: Rows[Key, Code]) -> None:
        self.version = version
        self.codes = codes
        # The words are few; remembering the answers makes translation the cheapest step of recording.
        self._remembered: dict[tuple, Translated] = {}

    def translate(self, provider: str, report: Report) -> Translated:
        """What `report` means. Never fails: what no table lists is Status.UNKNOWN or of unknown class."""
        words = (
            provider, report.channel, report.native_status, report.native_code,
            report.mailbox, report.lasting, report.evidence,
        )  # fmt: skip
        found = self._remembered.get(words)
        if found is None:
            if len(self._remembered) >= REMEMBERED:
                self._remembered.clear()
            found = self._remembered[words] = self._translate(*words)
        return found

    def find(self, provider: str, channel: str, kind: str, code: str, mailbox: str = "") -> Code | None:
        """The row for a provider's word, from the first table that lists it."""
        for spelling in spellings(code):
            for table in tables_of(provider, mailbox):
                for where in (channel, FALLBACK_CHANNEL.get(channel, "")):
                    found = self.codes.get(Key(table, where, kind, spelling))
                    if found is not None:
                        return found
        return None

    def describe(self, provider: str, channel: str, code: str, status: str = "") -> Described:
        """The provider's code in words, for pages; without a code, its status word.

        A code that no table lists is returned as it came, with `known` False.
        """
        word = code or status
        if not word:
            return Described("", "", "", known=True)
        found = self.find(provider, channel, "error", word) or self.find(provider, channel, "status", word)
        if found is None:
            return Described(word, "", "Not in the code table; shown as the provider sent it", known=False)
        meaning = found.meaning[:1].upper() + found.meaning[1:]
        return Described(word, found.name, meaning, known=True)

    def _translate(
        self, provider: str, channel: str, status: str, code: str, mailbox: str, lasting: str, evidence: str
    ) -> Translated:
        outcome = self.find(provider, channel, "status", status, mailbox) if status else None
        reason = self.find(provider, channel, "error", code, mailbox) if code else None
        unlisted = reason is None and code.strip("0") != ""  # "0" and "000" say "no error"
        if status and outcome is None:
            # A word nobody has looked at moves nothing, whatever code came with it.
            return Translated(UNMAPPED, known=False, contradicts=False)
        word = outcome.status if outcome else Status.UNKNOWN.value
        failure_class, fault = UNEXPLAINED if unlisted else _class_and_fault(outcome, reason)
        if unlisted and outcome and word in OPEN and outcome.failure_class == FailureClass.NONE:
            failure_class, fault = NOT_A_FAILURE  # it is under way, whatever the code says
        if lasting and failure_class in LASTING:
            failure_class = lasting
        if reason and word in VAGUE and reason.status in NAMEABLE:
            word = reason.status
        if word in PERSONAL and not _certain(outcome, reason):
            word, failure_class, fault = Status.UNKNOWN.value, *UNEXPLAINED
        if word in REACHING:
            failure_class, fault = NOT_A_FAILURE
        strength = evidence or _evidence(provider, status)
        meaning = Meaning(word, failure_class, fault, strength)
        return Translated(meaning, known=not unlisted, contradicts=_contradicts(outcome, reason))


def spellings(code: str) -> Iterator[str]:
    """A code as tables may list it: by itself, then by its classes when it is an enhanced status code."""
    code = code.lower()
    yield code
    enhanced = ENHANCED.fullmatch(code)
    if enhanced:
        yield f"{enhanced[1]}.{enhanced[2]}.x"
        yield f"{enhanced[1]}.x.x"


@lru_cache(maxsize=1_024)
def tables_of(provider: str, mailbox: str = "") -> tuple[str, ...]:
    """The tables asked for a provider's words, in order."""
    adapter = PROVIDERS.get(provider)
    own = (adapter.tables or (provider,)) if adapter else (provider,)
    return (mailbox, *own) if mailbox else own


def _class_and_fault(outcome: Code | None, reason: Code | None) -> tuple[str, str]:
    """The reason says more than the outcome; unless it names no fault, beside an outcome that speaks for itself."""
    mute = reason is None or (
        outcome is not None and outcome.status not in VAGUE and reason.failure_class == FailureClass.NONE
    )
    if outcome and reason and outcome.status == Status.CANCELED and reason.status == Status.NO_ANSWER:
        mute = True  # a call that was withdrawn while it rang had no answer either
    decisive = outcome if mute else reason
    if decisive is None:
        return UNEXPLAINED
    if decisive.fault == Fault.RECIPIENT and not decisive.verified:
        return UNEXPLAINED  # a guess may be shown, but may not take an address out of use
    return decisive.failure_class, decisive.fault


def _certain(outcome: Code | None, reason: Code | None) -> bool:
    """Whether a documented row says that the person does not want to hear from us: a guess may not block them."""
    return any(row.verified for row in (outcome, reason) if row and row.status in PERSONAL)


def _contradicts(outcome: Code | None, reason: Code | None) -> bool:
    if outcome is None or reason is None:
        return False
    failed = reason.status in NAMEABLE and reason.failure_class != FailureClass.NONE
    if outcome.status in REACHING:
        return failed
    return outcome.status in NAMEABLE and reason.status in REACHING


def _evidence(provider: str, native_status: str) -> str:
    adapter = PROVIDERS.get(provider)
    if adapter and native_status.lower() in adapter.handset_words:
        return Evidence.HANDSET.value
    return Evidence.CARRIER.value


# ---- The tables that come with the product -----------------------------------------------------------------


class BadTable(ValueError):
    """A code table that cannot be used; the text names the file, the row and the field."""


type_of = {"status": Status, "failure_class": FailureClass, "scope": Fault}


@lru_cache(maxsize=1)
def shipped() -> Mapping:
    """The tables of `providers/codes/`, as version 1. Raises BadTable."""
    codes: dict[Key, Code] = {}
    for path in sorted(CODES.glob("*.csv")):
        for key, code in read(path.name, path.read_text(encoding="utf-8").splitlines()):
            if key in codes:
                raise BadTable(f"{path.name}: native_code {code.code!r} stands twice.")
            codes[key] = code
    return Mapping(1, codes)


def read(name: str, lines: Iterable[str]) -> Iterator[tuple[Key, Code]]:
    """The rows of one CSV file. Its columns: provider (the table), channel, native_kind, native_code, native_name,
    meaning, status, failure_class, scope, source. Raises BadTable."""
    for line, row in enumerate(csv.DictReader(lines), start=2):
        for field, words in type_of.items():
            if row[field] not in words.values:
                raise BadTable(f"{name}, line {line}: {field} is {row[field]!r}.")
        source = row["source"].lower()
        yield (
            Key(row["provider"], row["channel"], row["native_kind"], row["native_code"].lower()),
            Code(
                row["native_code"],
                row["native_name"],
                row["meaning"],
                row["status"],
                row["failure_class"],
                row["scope"],
                verified=not ("uncertain" in source or "unverified" in source),
            ),
        )
