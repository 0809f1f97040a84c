"""What a returned mail says of each recipient: in fields for machines (RFC 3464), or in words alone.

Bounces in words come from qmail, Exim, sendmail, Postfix, Exchange, Domino, Gmail and many more, each in a form of
its own. Libraries that know every form by name answer only which addresses failed; what is needed here is the reason,
and that stands in the words of the server which refused, whatever form surrounds them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from functools import cached_property
from itertools import zip_longest
from typing import NamedTuple

from deliveries.providers.kit.parsing import LONGEST_ADDRESS, LONGEST_WORD, clean
from deliveries.providers.mail.bounce_words import COPY, FAILED, FINAL, LATER, evened
from deliveries.providers.mail.bounces import (
    WORDS_MAX,
    enhanced_code,
    mailbox_in,
    mailbox_of,
    reason_code,
    says_little,
    smtp_code,
    text_reason,
    unexplained,
)
from deliveries.providers.mail.mail_reading import REPORT_FIELDS, Fields, Mail, address_in, blocks, moment

RECIPIENTS_MAX = 100
TEXT_SHOWN = 300
EXPLANATION_MAX = 20_000


class Original(NamedTuple):
    """The mail that came back. `to` is its recipient, '' when unknown; `senders` are the addresses that it was sent
    from, with that which the report was sent to. All lower case.
    """

    to: str = ""
    senders: frozenset[str] = frozenset()


_SENT_FROM = re.compile(
    r"^(?:x-postfix-sender|original-mail-from):[ \t]*(?:rfc822;)?[ \t]*<?([^\s<>;]{3,254})",
    re.IGNORECASE | re.MULTILINE,
)


def original_of(mail: Mail, ours: str = "") -> Original:
    """What is known of the returned mail, from the copy of its headers: a part, or the end of the text.

    `ours` is the address that the report was sent to.
    """
    headers = next(iter(blocks(mail.returned or copy_in(mail.words))), {})
    sent_from = _SENT_FROM.search(status_text(mail))
    named = (
        ours,
        address_in(mail.headers.get("to", "")),
        sent_from[1] if sent_from else "",
        *(address_in(headers.get(name, "")) for name in ("from", "sender", "return-path", "reply-to")),
    )
    senders = frozenset(address.lower() for address in named if address)
    to = address_in(headers.get("to", "")).lower()
    return Original("" if to in senders else to, senders)


# ---- Reports for machines (RFC 3464, RFC 6533) ---------------------------------------------------------------


class MailOutcome(NamedTuple):
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
    text = mail.text_of(*REPORT_FIELDS)
    others = (part.text for part in mail.parts if part.text != mail.returned and _FIELDS.search(part.text))
    return text or next(others, "")


# Where servers write what another one answered, the most reliable first; "x-notes" stands for all of Domino's.
_ANSWERS = ("diagnostic-code", "x-supplementary-info", "x-smtp-response", "smtp-response", "x-notes")


def outcomes(
    groups: list[Fields], explanation: str = "", original: Original | None = None
) -> list[MailOutcome]:
    """What the field groups of a report say, a recipient each."""
    original = original or Original()
    reporter = next((group["reporting-mta"] for group in groups if "reporting-mta" in group), "")
    about = [group for group in groups if {"final-recipient", "original-recipient", "action"} & set(group)]
    explained = _Explanation(explanation, original, alone=len(about) == 1)
    return [_outcome(group, reporter, explained, original) for group in about[:RECIPIENTS_MAX]]


class _Explanation:
    """The words above the fields, asked only where the fields say little."""

    def __init__(self, text: str, original: Original, *, alone: bool) -> None:
        """`alone`: the report is about one recipient."""
        self.text, self.original, self.alone = text, original, alone

    @cached_property
    def by_address(self) -> dict[str, str]:
        return {address.lower(): words for address, words in _items(self.text, self.original)}

    def about(self, *addresses: str, vague: bool) -> str:
        """The words on one recipient; '' without. Of a single one it is all, where the status is `vague`."""
        words = next(filter(None, (self.by_address.get(each.lower()) for each in addresses)), "")
        return words or (self.text if vague and self.alone and len(self.by_address) <= 1 else "")


def _outcome(fields: Fields, reporter: str, explained: _Explanation, original: Original) -> MailOutcome:
    status = enhanced_code(fields.get("status", ""))
    action = re.split(r"[\s;(]", fields.get("action", "").strip().lower(), maxsplit=1)[0].strip(".,:")
    final = address_of(fields.get("final-recipient", "") or fields.get("x-actual-recipient", ""))
    address = address_of(fields.get("original-recipient", "")) or final
    if not address or address.lower() in original.senders:
        address = original.to
    answers = list(filter(None, _answers(fields)))
    mailbox = mailbox_of(_after_type(fields.get("remote-mta", "")).partition(" ")[0])
    if not fields.get("remote-mta"):
        mailbox = mailbox_in(answers[0] if answers else "") or mailbox_of(_after_type(reporter))
    code, words, telling = _most_telling(status, answers or [""], mailbox, original)
    # What a report of an arrival says to people is of no refusal.
    if action not in ARRIVED and (not telling or not answers):
        piece = explained.about(final, address, vague=not status or says_little(status, ""))
        by_piece, _, telling = _most_telling(status, [piece], mailbox, original)
        if piece and (telling or not words):
            code, words = by_piece, piece
    action = action or _BY_CLASS.get((status or smtp_code(words))[:1], "")
    if code.startswith("2") and action not in ARRIVED:
        code = ""  # "failed, 2.0.0": no reason at all
    return MailOutcome(
        action[:LONGEST_WORD],
        code,
        " ".join(words.split())[:TEXT_SHOWN] if words in answers else excerpt(words or explained.text),
        address,
        final,
        mailbox,
        moment(fields.get("last-attempt-date", "")),
    )


def _answers(fields: Fields) -> Iterator[str]:
    """What the server that refused is quoted with, in the fields of a report."""
    yield _after_type(fields.get("diagnostic-code", ""))
    yield fields.get("status", "").partition("(")[2].rstrip(") ")
    for name, value in fields.items():
        if name != "diagnostic-code" and name.startswith(_ANSWERS):
            yield _after_type(value)


def _most_telling(status: str, texts: list[str], mailbox: str, original: Original) -> tuple[str, str, bool]:
    """The code of the first text that gives a reason, that text, and True; else those of the first text, and False."""
    first = ""
    for text in texts:
        code = reason_code(status, text, mailbox, senders=original.senders)
        if not says_little(code, text):
            return code, text, True
        first = first or code
    return first, texts[0], False


def address_of(field: str) -> str:
    """The address in `rfc822; somebody@example.com`, or in `utf-8; ...` as RFC 6533 writes it."""
    address = _after_type(field).strip().strip("<>").partition(" ")[0]
    if field.lower().startswith("utf-8"):
        address = re.sub(r"\\x\{([0-9A-Fa-f]{1,6})\}", _character, address)
    # Left over from ORCPT (RFC 3461), where these two must be written so.
    address = address.replace("+2B", "+").replace("+3D", "=")
    return "" if _PIPE_OR_FILE.match(address) else clean(address[:LONGEST_ADDRESS])


# What an alias of the recipient leads to: a program, a file, or the including of one.
_PIPE_OR_FILE = re.compile(r"[\"'\\]*[|/]|[\"']*:include:", re.IGNORECASE)


def _character(escaped: re.Match[str]) -> str:
    number = int(escaped[1], 16)
    return chr(number) if number < 0x110000 else ""


def _after_type(field: str) -> str:
    """A field without the type that stands before its first semicolon: `dns; `, `smtp; `, `rfc822; `."""
    kind, separator, rest = field.partition(";")
    return rest.strip() if separator and re.fullmatch(r"\s*[\w-]{1,20}\s*", kind) else field.strip()


# ---- Bounces in plain words ----------------------------------------------------------------------------------

_ADDRESS = r"(?P<address>[^\s<>()\[\]\",;:@'|]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){0,8})"
# A line that begins with an address, however it is dressed: `<a@b>:`, `"a@b":`, `a@b [reason]`, `554 <a@b>... reason`,
# `* a@b`, `>>> a@b <a@b>`, `Unknown user: a@b`. Its groups: what stands before it, the address, what follows.
_LINE = re.compile(
    r"^[ \t]*(?P<before>(?:>>>[ \t]*)?(?:[*•·-][ \t]+)?(?:[45]\d\d[ -](?:[45]\.\d\.\d{1,3}[ \t]+)?)?"
    r"(?:[^\n:@<>]{1,60}(?::[ \t]{0,8}|[ \t]<))?)"
    rf"[\"'\[(<]{{0,3}}(?:mailto:)?{_ADDRESS}[\"'\])>]{{0,3}}(?P<after>[^\n]*)$",
    re.IGNORECASE | re.MULTILINE,
)
# Behind the address, in a line that is about it: nothing, a colon, dots, brackets, the address again, or a time.
_ABOUT_IT = re.compile(r"[ \t\r]*(?:$|:|\.\.\.|\[|\(|<[^<>\s]{3,300}>[ \t\r:]*$|on\b)", re.IGNORECASE)
_TO_LABEL = re.compile(r"\W*(?:to|cc|an|à|a|para|aan|do|till|til)\W*", re.IGNORECASE)
_RECIPIENT_LABEL = re.compile(
    r"recip|rcpt|address|adress|user|mailbox|empf|destinat|ontvanger|odbiorc|fail|undeliver", re.IGNORECASE
)
_SENDER_BEFORE = re.compile(
    r"(?:\bsent by|\bsender(?: address)?|\bfrom|\breply-to|\breturn-path|\babsender|\bexp[ée]diteur|\bremitente"
    r"|\bmittente|\bremetente|\bafzender|\bnadawca|\b(?:von|de|da)[ \t]?:)[\s:<\"'(\[]*$",
    re.IGNORECASE,
)
_INLINE = re.compile(
    rf"\b(?:to|reach|recipients?|address(?:es)?|for|of|user|mailbox|an|à|para|aan|do|a)"
    rf"[ \t]*:?\s{{1,4}}[\"'(<]?{_ADDRESS}",
    re.IGNORECASE,
)
_DAEMON = re.compile(r"(?:mailer-?daemon|mail-?daemon|maildaemon|mdaemon)(?:[+-].*)?@", re.IGNORECASE)
# Recipients like others, but also whom a bounce tells to write to.
_ROLES = re.compile(r"(?:postmaster|abuse|bounces?|support|help|admin)(?:[+-].*)?@", re.IGNORECASE)


def from_prose(
    text: str, subject: str, failed: str = "", original: Original | None = None, *, proof: bool = False
) -> list[MailOutcome]:
    """What a bounce without fields for machines says, a recipient each; nothing when it does not read like a bounce.

    `failed` is Exim's header X-Failed-Recipients. `proof`: nothing else says that a mail server wrote this, so that
    words alone are not enough: an address must stand beside a refusal, or above a copy of the mail.
    """
    original = original or Original()
    explanation = before_returned(text)
    pieces = _pieces(explanation, failed, original)
    refused = [words for address, words in pieces if address and _refuses(words)]
    if proof and not refused and not (original.to and pieces[0][0]):
        return []
    action = _action(evened(f"{subject}\n{explanation}"), failed, refused, original)
    return [_in_words(action, address, words, original) for address, words in pieces] if action else []


def _action(even: str, failed: str, refused: list[str], original: Original) -> str:
    """failed or delayed: by the words in any language we know, else by the codes or a copy; '' when nothing says."""
    if LATER.search(even) and not FINAL.search(even):
        return "delayed"
    if failed or FAILED.search(even):
        return "failed"
    classes = {_code(words)[:1] for words in refused}
    if classes & {"4", "5"}:
        return "failed" if "5" in classes else "delayed"
    return "failed" if refused and original.to else ""


def _refuses(words: str) -> bool:
    return _code(words)[:1] in ("4", "5") or bool(text_reason(words))


def before_returned(text: str) -> str:
    """The explanation at the top, without the copy of the mail below it."""
    text = text[:EXPLANATION_MAX]
    copy = COPY.search(text)
    return text[: copy.start()] if copy else text


def copy_in(text: str) -> str:
    """The headers of the returned mail at the end of an explanation; '' without."""
    text = text[:EXPLANATION_MAX]
    copy = COPY.search(text)
    if not copy:
        return ""
    lines = text[copy.start() :].splitlines()
    start = 0 if _HEADER.match(lines[0]) else 1
    while start < len(lines) and not lines[start].strip():
        start += 1
    return "\n".join(lines[start : start + 60])


_HEADER = re.compile(r"(?:return-path|received)[ \t]*:", re.IGNORECASE)


def _pieces(text: str, failed: str, original: Original) -> list[tuple[str, str]]:
    """Who is concerned, with the words on each: whom Exim's header lists, else the lines that begin with an address,
    else the To of the returned copy, an address in a sentence, the To of the details. At least one, '' for nobody.
    """
    items = _items(text, original)
    listed = [address for address in re.split(r"[\s,]+", failed) if "@" in address]
    if listed:
        words = {address.lower(): words for address, words in items}
        return [(address, words.get(address.lower(), text)) for address in listed][:RECIPIENTS_MAX]
    if items:
        return items[:RECIPIENTS_MAX]
    details = (line for line in _LINE.finditer(text) if _TO_LABEL.fullmatch(line["before"]))
    named = (found for found in (*_INLINE.finditer(text), *details) if _possible(found, text, original))
    return [(original.to or next((found["address"] for found in named), ""), text)]


def _items(text: str, original: Original) -> list[tuple[str, str]]:
    """Addresses that stand at the beginning of a line, each with the words up to the next one."""
    lines = [line for line in _LINE.finditer(text) if _is_item(line, text, original)][: 2 * RECIPIENTS_MAX]
    found: dict[str, tuple[str, str]] = {}
    for line, following in zip_longest(lines, lines[1:]):
        address = line["address"]
        words = text[line.end("address") : following.start() if following else len(text)]
        _, before = found.get(address.lower(), ("", ""))
        found[address.lower()] = (address, f"{before}{line['before'].strip()} {words}\n")
    items = [
        (address, words)
        for address, words in found.values()
        if _code(words) or address.lower() == original.to or not _ROLES.match(address)
    ]
    if not any(_refuses(words) for _, words in items):
        return [(address, text) for address, _ in items]  # the reason stands above, as Domino has it
    return items


def _is_item(line: re.Match[str], text: str, original: Original) -> bool:
    """Whether the line is about the recipient that it begins with, and not about somebody else."""
    label = line["before"].strip(" \t*•·->:<")
    about_somebody = not label or label[:1].isdigit() or _RECIPIENT_LABEL.search(label) or text_reason(label)
    after = line["after"]
    return bool(
        about_somebody and (_ABOUT_IT.match(after) or _refuses(after)) and _possible(line, text, original)
    )


def _possible(found: re.Match[str], text: str, original: Original) -> bool:
    """Whether an address can be the recipient's: it is no daemon's, none of ours, and not named as the sender's."""
    at = found.start("address")
    return (
        found["address"].lower() not in original.senders
        and not _DAEMON.match(found["address"])
        and not _SENDER_BEFORE.search(text[max(0, at - 40) : at])
    )


def _code(words: str) -> str:
    return enhanced_code(words) or smtp_code(words)


def _in_words(action: str, address: str, words: str, original: Original) -> MailOutcome:
    words = words[:WORDS_MAX]
    mailbox = mailbox_in(words)
    code = reason_code("", words, mailbox, senders=original.senders)
    return MailOutcome(
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
