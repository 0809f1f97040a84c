"""What a provider's words mean in ours. Pure: the code tables in `providers/codes/` and nothing else.

A code table has one row per (channel, kind, code), where the kind is `status` for what became of the message and
`error` for the reason. Words are compared without regard to case; MMS looks in its own rows, then in those of SMS.
"""

from __future__ import annotations

import csv
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from deliveries.providers import PROVIDERS
from deliveries.providers.base import Report
from deliveries.statuses import REACHING, Evidence, FailureClass, Fault, Meaning, Status

MAPPING_VERSION = 1

CODES = Path(__file__).resolve().parent.parent / "providers" / "codes"
FALLBACK_CHANNEL = {"mms": "sms"}
# A failure's reason may name the status better than these words, which say little by themselves.
VAGUE = frozenset(
    {Status.FAILED.value, Status.UNDELIVERED.value, Status.REJECTED.value, Status.UNKNOWN.value}
)
SHORT = 60

# Plain strings: meanings travel into database drivers, which know nothing of our enumerations.
UNMAPPED = Meaning(Status.UNKNOWN.value, FailureClass.UNKNOWN.value, Fault.NONE.value, Evidence.CARRIER.value)
NOT_A_FAILURE = (FailureClass.NONE.value, Fault.NONE.value)
UNEXPLAINED = (FailureClass.UNKNOWN.value, Fault.NONE.value)


class Code(NamedTuple):
    """One row of a code table."""

    code: str
    name: str
    meaning: str
    status: str
    failure_class: str
    fault: str
    verified: bool


class Described(NamedTuple):
    """A native code in words. `known` is False when no table lists it."""

    code: str
    name: str
    meaning: str
    known: bool

    @property
    def short(self) -> str:
        """The meaning, else its first clause, else the provider's name for it, in at most 60 characters."""
        for words in (self.meaning, self.meaning.partition(";")[0], self.name):
            if words and len(words) <= SHORT:
                return words
        return self.meaning[: SHORT - 1].rpartition(" ")[0] + "…"


class BadTable(ValueError):
    """A code table that cannot be used; the text names the file, the row and the field."""


type_of = {"status": Status, "failure_class": FailureClass, "scope": Fault}


def _checked(path: Path, line: int, row: dict[str, str]) -> Code:
    for field, words in type_of.items():
        if row[field] not in words.values:
            raise BadTable(f"{path.name}, line {line}: {field} is {row[field]!r}.")
    source = row["source"].lower()
    return Code(
        row["native_code"],
        row["native_name"],
        row["meaning"],
        row["status"],
        row["failure_class"],
        row["scope"],
        verified=not ("uncertain" in source or "unverified" in source),
    )


@lru_cache(maxsize=64)
def table(provider_slug: str) -> dict[tuple[str, str, str], Code]:
    """The code table of a provider by (channel, kind, lower-case code); empty for a provider without one.

    Raises BadTable.
    """
    path = CODES / f"{provider_slug}.csv"
    if provider_slug not in PROVIDERS or not path.exists():
        return {}
    found: dict[tuple[str, str, str], Code] = {}
    with path.open(newline="", encoding="utf-8") as file:
        for line, row in enumerate(csv.DictReader(file), start=2):
            key = (row["channel"], row["native_kind"], row["native_code"].lower())
            if key in found:
                raise BadTable(f"{path.name}, line {line}: native_code {row['native_code']!r} stands twice.")
            found[key] = _checked(path, line, row)
    return found


def _find(provider_slug: str, channel: str, kind: str, code: str) -> Code | None:
    codes, word = table(provider_slug), code.lower()
    found = codes.get((channel, kind, word))
    if found is None and channel in FALLBACK_CHANNEL:
        found = codes.get((FALLBACK_CHANNEL[channel], kind, word))
    return found


def translate(provider_slug: str, report: Report) -> Meaning:
    """What `report` means. Never fails: what no table lists is Status.UNKNOWN or of unknown class."""
    return _translate(provider_slug, report.channel, report.native_status, report.native_code)


# The words are few; remembering the answers makes translation the cheapest step of recording.
@lru_cache(maxsize=16_384)
def _translate(provider_slug: str, channel: str, native_status: str, native_code: str) -> Meaning:
    outcome = _find(provider_slug, channel, "status", native_status)
    reason = _find(provider_slug, channel, "error", native_code) if native_code else None
    if native_status and outcome is None:
        return UNMAPPED  # a word nobody has looked at moves nothing, whatever code came with it
    status = outcome.status if outcome else Status.UNKNOWN.value
    failure_class, fault = _class_and_fault(outcome, reason, native_code)
    if reason and status in VAGUE:
        status = reason.status
    if status in REACHING:
        failure_class, fault = NOT_A_FAILURE
    return Meaning(status, failure_class, fault, _evidence(provider_slug, native_status))


def _class_and_fault(outcome: Code | None, reason: Code | None, native_code: str) -> tuple[str, str]:
    told = reason or outcome
    unlisted = reason is None and native_code.strip("0") != ""  # "0" and "000" say "no error"
    if told is None or unlisted:
        return UNEXPLAINED
    if told.fault == Fault.RECIPIENT and not told.verified:
        return UNEXPLAINED  # a guess may be shown, but may not take an address out of use
    return told.failure_class, told.fault


def _evidence(provider_slug: str, native_status: str) -> str:
    provider = PROVIDERS.get(provider_slug)
    if provider and native_status.lower() in provider.handset_words:
        return Evidence.HANDSET.value
    return Evidence.CARRIER.value


@lru_cache(maxsize=4_096)
def describe(provider_slug: str, channel: str, code: str, status: str = "") -> Described:
    """The provider's code in words, for pages; without a code, its status word.

    A code that no table lists is returned as it came, with `known` False.
    """
    word = code or status
    if not word:
        return Described("", "", "", known=True)
    found = _find(provider_slug, channel, "error", word) or _find(provider_slug, channel, "status", word)
    if found is None:
        return Described(word, "", "Not in the code table; shown as the provider sent it", known=False)
    meaning = found.meaning[:1].upper() + found.meaning[1:]
    return Described(word, found.name, meaning, known=True)
