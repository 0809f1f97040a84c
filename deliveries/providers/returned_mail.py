"""What a returned mail says of each recipient: in fields for machines (RFC 3464), or in words alone.

Bounces in words come from qmail, Exim, sendmail, Postfix, Exchange, Domino, Gmail and many more, each in a form of
its own. Libraries that know every form by name answer only which addresses failed; what is needed here is the reason,
and that stands in the words of the server which refused, whatever form surrounds them.
"""

from __future__ import annotations

import re
from datetime import datetime
from itertools import zip_longest
from typing import NamedTuple

from deliveries.providers.bounce_words import COPY, FAILED, FINAL, LATER, evened
from deliveries.providers.bounces import (
    WORDS_MAX,
    enhanced_code,
    mailbox_in,
    mailbox_of,
    reason_code,
    smtp_code,
    unexplained,
)
from deliveries.providers.mail_reading import Fields, Mail, moment
from deliveries.providers.reading import LONGEST_ADDRESS, LONGEST_WORD, clean

RECIPIENTS_MAX = 100
TEXT_SHOWN = 300
EXPLANATION_MAX = 20_000


# ---- Reports for machines (RFC 3464, RFC 6533) ---------------------------------------------------------------


class Outcome(NamedTuple):
    """What a report says of one recipient. `action` is its word, lower case; `final` the address that it failed at."""

    action: str
    code: str
    text: str
    address: str
    final: str = ""
    mailbox: str = ""
    at: datetime | None = None

    @property
    def pending(self) -> bool:
        return self.action in STILL_TRYING

    @property
    def unexplained(self) -> bool:
        return unexplained(self.code, self.text)


# As RFC 3464 has it, and as servers write it.
STILL_TRYING = frozenset({"delayed", "deferred", "expired"})
ARRIVED = frozenset({"delivered", "deliverable", "relayed", "expanded"})
_FIELDS = re.compile(r"^(?:final-recipient|original-recipient)\s*:", re.IGNORECASE | re.MULTILINE)
# Without an Action. A 4 may be over or not, so it is not over; a 2 may mean in the mailbox or passed on.
_BY_CLASS = {"5": "failed", "4": "delayed"}


def status_text(mail: Mail) -> str:
    """The part with the fields, also where a server gives it another type; '' without."""
    text = mail.text_of("message/delivery-status", "message/global-delivery-status")
    others = (part.text for part in mail.parts if part.text != mail.returned and _FIELDS.search(part.text))
    return text or next(others, "")


def outcomes(groups: list[Fields], explanation: str = "") -> list[Outcome]:
    """What the field groups of a report say, a recipient each."""
    reporter = next((group["reporting-mta"] for group in groups if "reporting-mta" in group), "")
    about = [group for group in groups if {"final-recipient", "original-recipient", "action"} & set(group)]
    return [_outcome(group, reporter, explanation) for group in about[:RECIPIENTS_MAX]]


def _outcome(fields: Fields, reporter: str, explanation: str) -> Outcome:
    status = enhanced_code(fields.get("status", ""))
    action = re.split(r"[\s;(]", fields.get("action", "").strip().lower(), maxsplit=1)[0].strip(".,:")
    words = _after_type(fields.get("diagnostic-code", ""))
    words = words or fields.get("status", "").partition("(")[2].rstrip(") ")
    mailbox = mailbox_of(_after_type(fields.get("remote-mta", "")).partition(" ")[0])
    if not fields.get("remote-mta"):
        mailbox = mailbox_in(words) or mailbox_of(_after_type(reporter))
    code = reason_code(status, words if words or status else explanation, mailbox)
    action = action or _BY_CLASS.get((status or smtp_code(words))[:1], "")
    if code.startswith("2") and action not in ARRIVED:
        code = ""  # "failed, 2.0.0": no reason at all
    final = address_of(fields.get("final-recipient", "") or fields.get("x-actual-recipient", ""))
    return Outcome(
        action[:LONGEST_WORD],
        code,
        " ".join(words.split())[:TEXT_SHOWN] or excerpt(explanation),
        address_of(fields.get("original-recipient", "")) or final,
        final,
        mailbox,
        moment(fields.get("last-attempt-date", "")),
    )


def address_of(field: str) -> str:
    """The address in `rfc822; somebody@example.com`, or in `utf-8; ...` as RFC 6533 writes it."""
    address = _after_type(field).strip().strip("<>").partition(" ")[0]
    if field.lower().startswith("utf-8"):
        address = re.sub(r"\\x\{([0-9A-Fa-f]{1,6})\}", _character, address)
    # Left over from ORCPT (RFC 3461), where these two must be written so.
    address = address.replace("+2B", "+").replace("+3D", "=")
    return clean(address[:LONGEST_ADDRESS])


def _character(escaped: re.Match[str]) -> str:
    number = int(escaped[1], 16)
    return chr(number) if number < 0x110000 else ""


def _after_type(field: str) -> str:
    """A field without the type that stands before its first semicolon: `dns; `, `smtp; `, `rfc822; `."""
    kind, separator, rest = field.partition(";")
    return rest.strip() if separator and re.fullmatch(r"\s*[\w-]{1,20}\s*", kind) else field.strip()


# ---- Bounces in plain words ----------------------------------------------------------------------------------

_ADDRESS = r"<?([^\s<>()\[\]\",;:@]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){0,8})>?"
# At the beginning of a line: `<somebody@example.com>:` with the words behind it, or alone with the words below.
_ITEM = re.compile(
    rf"^[ \t]*(?:(?:to|recipient|rcpt|failed address|address)\W{{1,3}})?{_ADDRESS}[ \t]*"
    r"(?::|(?:<mailto:[^<>\s]{1,300}>|\([^()\n]{0,300}\)|\bon\b[^\n]{0,100})?[ \t\r]*$)",
    re.IGNORECASE | re.MULTILINE,
)
_INLINE = re.compile(
    rf"(?:to|reach|recipients?|address(?:es)?|for|of|user|mailbox)[ \t]*:?\s{{1,4}}[\"'(]?{_ADDRESS}",
    re.IGNORECASE,
)
_OFFICIALS = re.compile(
    r"(?:mailer-daemon|postmaster|mail-?daemon|mdaemon|abuse|bounces?|support|help|admin)(?:[+-].*)?@",
    re.IGNORECASE,
)


def told_in_words(text: str, subject: str, failed: str = "", ours: str = "") -> list[Outcome]:
    """What a bounce without fields for machines says, a recipient each; nothing when it does not read like a bounce.

    `failed` is Exim's header X-Failed-Recipients, `ours` the address that the bounce was sent to.
    """
    text = before_returned(text)
    said = evened(f"{subject}\n{text}")
    if LATER.search(said) and not FINAL.search(said):
        action = "delayed"
    elif failed or FAILED.search(said):
        action = "failed"
    else:
        return []
    pieces = _items(text, ours)
    listed = [address for address in re.split(r"[\s,]+", failed) if "@" in address]
    if listed:
        pieces = [(address, dict(pieces).get(address, text)) for address in listed]
    if not pieces:
        inline = [address for address in _INLINE.findall(text) if _possible(address, ours)]
        pieces = [(inline[0] if inline else "", text)]
    return [_in_words(action, address, words) for address, words in pieces[:RECIPIENTS_MAX]]


def before_returned(text: str) -> str:
    """The explanation at the top, without the copy of the mail below it."""
    text = text[:EXPLANATION_MAX]
    copy = COPY.search(text)
    return text[: copy.start()] if copy else text


def _items(text: str, ours: str) -> list[tuple[str, str]]:
    """Addresses that stand at the beginning of a line, each with the words up to the next one."""
    marks = [mark for mark in _ITEM.finditer(text) if _possible(mark[1], ours)][: 2 * RECIPIENTS_MAX]
    found: dict[str, str] = {}
    for mark, following in zip_longest(marks, marks[1:]):
        words = text[mark.end() : following.start() if following else len(text)]
        found[mark[1]] = f"{found.get(mark[1], '')}{words}\n"
    if len(found) == 1 and not any(words.strip() for words in found.values()):
        return [(address, text) for address in found]  # Domino gives the reason first
    return list(found.items())


def _possible(address: str, ours: str) -> bool:
    return address.lower() != ours.lower() and not _OFFICIALS.match(address)


def _in_words(action: str, address: str, words: str) -> Outcome:
    words = words[:WORDS_MAX]
    mailbox = mailbox_in(words)
    code = reason_code("", words, mailbox)
    return Outcome(
        action,
        "" if code.startswith("2") else code,
        excerpt(words),
        clean(address[:LONGEST_ADDRESS]),
        mailbox=mailbox,
    )


def excerpt(words: str) -> str:
    """The piece of an explanation that quotes the server, else its beginning."""
    lines = [" ".join(line.split()) for line in words.splitlines()]
    lines = [line for line in lines if len(line) > 3]
    quoting = next((n for n, line in enumerate(lines) if enhanced_code(line) or smtp_code(line)), 0)
    return clean(" ".join(lines[quoting : quoting + 4]))[:TEXT_SHOWN]
