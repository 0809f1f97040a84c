"""A file of addresses that nothing may be sent to, such as the opt-outs of another system. It only adds blocks."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from typing import BinaryIO, NamedTuple

import phonenumbers
from django.db import models, transaction

from contacts.addresses import match_key
from contacts.channels import KIND_OF, Channel, Kind
from contacts.chunks import in_lists
from contacts.consent_ledger import FAMILIES
from contacts.consenting import OptOut, record_opt_outs
from contacts.grounds import COMPLAINED_ELSEWHERE, OUT_ELSEWHERE
from contacts.headers import UnreadableFile
from contacts.models import Suppression
from contacts.sheet_lines import Bad, Refusal, email_in, phone_in
from contacts.sheets import SheetRow, read_sheet
from contacts.suppressing import suppress_each

Reason, Origin = Suppression.Reason, Suppression.Origin
# Why such a list was kept. The first two are the persons' own word: only a yes of theirs lifts them.
REASONS = {
    Reason.ASKED: "they asked to hear no more: opt-outs, unsubscribes, STOP",
    Reason.COMPLAINT: "they complained of spam",
    Reason.HARD_BOUNCE: "the address does not exist",
    Reason.REGISTER: "they are on a do-not-call register; an administrator can release it",
    Reason.LITIGATOR: "they are known to sue; an administrator can release it",
    Reason.LEGAL: "the law or a court demands it; an administrator can release it",
    Reason.IMPORTED: "anything else; an administrator can release it",
}
OWN_WORD = (Reason.ASKED, Reason.COMPLAINT)
COLUMNS = ("phone", "email")


class Entry(NamedTuple):
    """One address of the file."""

    line: int
    value: str  # in normal form

    @property
    def key(self) -> str:
        return match_key(self.value)


class Fate(models.TextChoices):
    """What became of one address of the file."""

    ADDED = "added", "Added"
    ALREADY = "already", "Blocked for that reason before"
    TWICE = "twice", "In an earlier line as well"


@dataclass
class Blocked:
    """What became of the file: addresses = len(added) + already. `refused` names each cell left out.

    `added` are in normal form. `already`: blocked for that reason before, or by this very file. `written` is False for
    a test run, and when there was nothing to add. `fates` says it of each address by its line.
    """

    lines: int = 0
    added: list[str] = field(default_factory=list)
    already: int = 0
    refused: list[Refusal] = field(default_factory=list)
    written: bool = False
    fates: list[tuple[Entry, Fate]] = field(default_factory=list)


def block_listed(
    file: BinaryIO, *, reason: str, source: str, region: str, now: datetime, dry_run: bool = False
) -> Blocked:
    """Block every address of a CSV file with a column phone or email, or both, for everything that we send.

    Cells that are no address are left out and named; nothing is ever released. The same file once more adds nothing,
    also where somebody opted in again since. `source` is kept as the evidence, with the line. Raises UnreadableFile,
    also for a list of opt-outs that says of some people that they did not opt out.
    """
    if region not in phonenumbers.SUPPORTED_REGIONS:
        raise UnreadableFile(f"“{region}” is no country. Use two capital letters, such as US.")
    content = file.read()
    rows = read_sheet(io.BytesIO(content), dates=False, whom=COLUMNS).rows
    if reason in OWN_WORD:
        _require_all_alike(rows)
    result = Blocked(lines=len(rows))
    entries = _entries(rows, region, result)
    fact = f"file {sha256(content).hexdigest()[:16]}"
    with transaction.atomic():
        known = _known(entries, reason, fact, now)
        new = [entry for key, entry in entries.items() if key not in known]
        result.added, result.already = [entry.value for entry in new], len(entries) - len(new)
        result.fates += [
            (entry, Fate.ALREADY if key in known else Fate.ADDED) for key, entry in entries.items()
        ]
        result.fates.sort(key=lambda pair: pair[0].line)
        if new and not dry_run:
            _block(new, reason, source, fact, now)
            result.written = True
    return result


def _require_all_alike(rows: Sequence[SheetRow]) -> None:
    """A list of everybody, with a column that says who opted out, would block the others for good as well. Raises
    UnreadableFile."""
    denied = next((row for row in rows if row.denials), None)
    other = next((row for row in rows if not row.denials), None)
    if denied and other:
        title = denied.denials[0].title
        raise UnreadableFile(
            f"By the column “{title}” the person on line {denied.line} opted out, and the one on line {other.line} did "
            "not. Every line would be blocked: leave only those who opted out in the file, or remove that column."
        )


def _entries(rows: Sequence[SheetRow], region: str, result: Blocked) -> dict[str, Entry]:
    """Every address once, by its key; what is none goes to the refusals."""
    found: dict[str, Entry] = {}
    for row in rows:
        texts = {column: text for column in COLUMNS if (text := row.cells.get(column, ""))}
        if not texts:
            result.refused.append(
                Refusal(row.line, "", "", "it has no phone or email", "Fill in one of them.")
            )
        for column, text in texts.items():
            try:
                address = phone_in(text, region) if column == "phone" else email_in(text)
            except Bad as bad:
                result.refused.append(Refusal(row.line, column, text, bad.why, bad.remedy))
                continue
            entry = Entry(row.line, address.value)
            if found.setdefault(entry.key, entry) != entry:
                result.fates.append((entry, Fate.TWICE))
    return found


def _known(entries: dict[str, Entry], reason: str, fact: str, now: datetime) -> set[str]:
    """The keys that are blocked for this reason as it is, or were by this very file."""
    known: set[str] = set()
    for part in in_lists(entries):
        rows = Suppression.objects.filter(match_key__in=part, reason=reason, channel="").exclude(value="")
        in_force = rows.in_force(now).filter(expires_at=None, scope=Suppression.Scope.EVERYTHING)
        known |= set(in_force.values_list("match_key", flat=True))
        known |= set(rows.filter(fact=fact).values_list("match_key", flat=True))
    return known


def _block(new: Sequence[Entry], reason: str, source: str, fact: str, now: datetime) -> None:
    evidence = {entry.value: f"{source}, line {entry.line}" for entry in new}
    if reason in OWN_WORD:
        how = COMPLAINED_ELSEWHERE if reason == Reason.COMPLAINT else OUT_ELSEWHERE
        record_opt_outs(
            [
                OptOut(entry.value, channel, how, evidence[entry.value], now, reason, fact)
                for entry in new
                for channel in _channels(entry.value)
            ],
            now,
        )
    else:
        suppress_each(
            [
                Suppression(
                    value=entry.value, reason=reason, origin=Origin.IMPORT, evidence=evidence[entry.value], fact=fact,
                    created_at=now,
                )
                for entry in new
            ]
        )  # fmt: skip


def _channels(value: str) -> list[str]:
    """One of each family of channels that the address can take."""
    kind = Kind.EMAIL if "@" in value else Kind.PHONE
    return [min(family) for family in FAMILIES if KIND_OF[Channel(min(family))] == kind]
