"""What is known of how an opt-out came about, in words: a reply, a colleague's reading of one, a provider's report."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Protocol

from django.utils import timezone
from django.utils.formats import date_format

from contacts.folding import words

REPLIED = "Replied STOP"
UNSUBSCRIBED = "Unsubscribed by email"
ANSWERED = "Asked by reply to stop"
READ = "Reply read as an opt-out"
REPORTED = "Opted out, reported by the provider"
PRESSED = "Pressed a key to opt out"
BY_LINK = "Unsubscribed by the link in an email"
LISTED = "Opted out elsewhere, on an imported list"
# How consent ended by a file: what was said or reported to others, and no answer to anything we sent.
OUT_ELSEWHERE, COMPLAINED_ELSEWHERE = "Opted out elsewhere", "Complained elsewhere"
ELSEWHERE = (OUT_ELSEWHERE, COMPLAINED_ELSEWHERE)
BY_REPLY = (REPLIED, UNSUBSCRIBED, ANSWERED, READ)  # what was written is the evidence

# How the fact of an opt-out by a link in a message begins, before the message; and its evidence.
LINK, LINK_IN = "link", "Link in message"
# The same of an answer, a question or a test of ours. Not "answer", which names a provider's report: a person's own
# word is not withdrawn when codes are corrected.
ANSWER_LINK, LINK_IN_ANSWER = "answer-link", "Link in answer"
_READ_LATER = "read as an opt-out on "
_LINE = re.compile(r", line \d+$")
_MOMENT = re.compile(r"\d{4}-\d{2}-\d{2}T[\d:.]+(?:Z|[+-]\d{2}:\d{2})")
_OCCASIONS = {"reply": "Reply of", "said": "Word of", "batch": "Bulk action", "message": "Message", "answer": "Answer",
              "follows": "Follows suppression", LINK: LINK_IN, ANSWER_LINK: LINK_IN_ANSWER}  # fmt: skip


# The words by which a reply is known; a reply in any other is quoted, and not called one of these.
_STOP = frozenset({"", "stop", "stop all", "stopall"})
_LEAVING = _STOP | {"unsubscribe", "unsub", "unsubscribe me", "remove", "remove me", "opt out", "optout"}


class Grounded(Protocol):
    """A suppression, or as much of one as tells its grounds."""

    @property
    def reason(self) -> str: ...
    @property
    def match_key(self) -> str: ...
    @property
    def fact(self) -> str: ...
    @property
    def evidence(self) -> str: ...
    @property
    def created_by_id(self) -> int | None: ...


def opt_out(row: Grounded) -> str:
    """The ground of an opt-out that was not asked of a colleague; '' for any other suppression."""
    if row.reason in ("stop", "asked") and is_listed(row):
        return LISTED
    if row.reason != "stop":
        return ""
    extends = _extends(row)
    if is_report(row.fact or row.evidence) or (extends and is_report(row.evidence)):
        return REPORTED
    by_link = row.fact.startswith((f"{LINK} ", f"{ANSWER_LINK} "))
    if by_link or (extends and row.evidence.startswith((LINK_IN, LINK_IN_ANSWER))):
        return BY_LINK
    if row.created_by_id is not None:
        return READ
    pressed = row.evidence.startswith("Pressed ") and (extends or row.fact.startswith("said "))
    return PRESSED if pressed else reply(row.evidence, by_mail="@" in row.match_key)


def reply(text: str, *, by_mail: bool) -> str:
    """What a reply that asks to stop is called: a STOP where it says no more than that."""
    if by_mail:
        return UNSUBSCRIBED if words(text) in _LEAVING else ANSWERED
    return REPLIED if words(text) in _STOP else ANSWERED


def is_listed(row: Grounded) -> bool:
    """Whether it came with a list of those who are not to be written to: nobody said it to us."""
    return row.fact.startswith("file ") or bool(_extends(row) and _LINE.search(row.evidence))


def _extends(row: Grounded) -> bool:
    """Whether it extends another one, whose evidence it has, to one more address."""
    return row.fact.startswith("follows ")


def reported_fact(row: Grounded) -> str:
    """What the report was about that it was recorded for, such as "message 12" or "answer 3"; '' for what was said in
    any other way."""
    # What was recorded before the fact had a name says the message in its evidence.
    return fact_named(row.fact or row.evidence)


def fact_named(evidence: str) -> str:
    """The message or the answer of ours whose report is the evidence of an opt-out, as a fact; '' for none."""
    fact = evidence.partition(":")[0].lower()
    name, _, number = fact.partition(" ")
    return fact if name in ("message", "answer") and number.isascii() and number.isdigit() else ""


def is_report(evidence: str) -> bool:
    """Whether it is a provider's report, of a message or of an answer of ours."""
    return bool(fact_named(evidence))


def read_as_opt_out(evidence: str, reading: str, at: datetime) -> str:
    """The evidence of an opt-out that was reported before, and read so at `at`; `reading` says by what."""
    return f"{evidence}, {_READ_LATER}{day(at)} by {reading}"


def reading(evidence: str) -> str:
    """How an opt-out came to be read out of an earlier report, as part of a sentence; '' where it was known at once."""
    _, found, rest = evidence.partition(_READ_LATER)
    return f"{found}{rest}"


def occasion(fact: str) -> str:
    """What `Suppression.fact` names, for people: "Batch 12", "Reply of 3 Nov 2026, 10:00"; a foreign id as it is.

    Times are in the current time zone.
    """
    name, _, rest = fact.partition(" #")[0].partition(" ")
    if name == "file":
        return "Imported file"
    found = _MOMENT.match(rest)
    if name not in _OCCASIONS or not (found or rest.isdigit()):
        return fact
    return f"{_OCCASIONS[name]} {moment(datetime.fromisoformat(found[0])) if found else rest}"


def dated(words: str, at: datetime) -> str:
    """A ground, with its reader or without, and its day. What a colleague read counts from the day of the reply."""
    if words.startswith(READ):
        return words.replace("Reply", f"Reply of {day(at)}", 1)
    return f"{words} on {day(at)}"


def moment(at: datetime) -> str:
    """A day of the current time zone with its time, such as "3 Nov 2026, 10:00"."""
    return f"{day(at)}, {timezone.localtime(at):%H:%M}"


def day(at: datetime) -> str:
    """A day of the current time zone, such as "3 Nov 2026"."""
    return date_format(timezone.localtime(at), "j M Y")
