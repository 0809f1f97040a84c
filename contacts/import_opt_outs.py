"""The no of a line of a file: recorded where the line is imported, refused, or emptied because somebody was erased."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

from django.conf import settings

from contacts.addresses import match_key
from contacts.channels import KIND_OF, Channel
from contacts.chunks import in_lists
from contacts.consent_ledger import FAMILIES
from contacts.consenting import OptOut, record_opt_outs
from contacts.erased_keys import erased_key
from contacts.erased_words import GONE
from contacts.grounds import OUT_ELSEWHERE
from contacts.import_columns import ReadLine, guessed_uses
from contacts.import_options import ImportOptions, LineReader
from contacts.models import Address, ContactImport, FileRow, Suppression
from contacts.sheet_lines import Bad, email_in, phone_in

_Wanted = Mapping[str, Sequence[tuple[Address, ReadLine]]]  # by key of the address


def record_file_opt_outs(one: ContactImport, lines: Sequence[ReadLine], region: str, now: datetime) -> int:
    """Block the addresses of lines that say no, also of lines that are refused; return how many were new.

    The same file once more blocks nobody again who opted in since.
    """
    return _block(one, _wanted(lines, region), now)


def record_opt_outs_of_erased(one: ContactImport, rows: Sequence[FileRow], now: datetime) -> int:
    """The same for lines that are emptied, as somebody else with the same number may have said it.

    An address that nobody has by now is kept as that of an erased person is: a block holds when it comes back.
    Before anybody said how the columns are read, they are read by their titles.
    """
    options = ImportOptions.of(one) if one.options else ImportOptions(uses=guessed_uses(one.titles))
    reader = LineReader(one.titles, options, now)
    wanted = _wanted([reader.read(row) for row in rows], options.region or settings.DEFAULT_REGION)
    held: set[str] = set()
    for part in in_lists(wanted):
        held |= set(Address.objects.filter(match_key__in=part).values_list("match_key", flat=True))
    kept = sum(
        _keep_under_hash(key, _fact(one), now)
        for key, found in wanted.items()
        if key not in held and any(_families(address, read.opted_out) for address, read in found)
    )
    return kept + _block(one, {key: found for key, found in wanted.items() if key in held}, now)


def _wanted(lines: Sequence[ReadLine], region: str) -> _Wanted:
    wanted: defaultdict[str, list[tuple[Address, ReadLine]]] = defaultdict(list)
    for read in lines:
        if read.opted_out:
            for each in _addresses(read, region):
                wanted[match_key(each.value)].append((each, read))
    return wanted


def _block(one: ContactImport, wanted: _Wanted, now: datetime) -> int:
    fact = _fact(one)
    this_import = (
        f"Import {one.pk},"  # several of its lines may say no of one address, each to another channel
    )
    known, blocked = set[str](), set[str]()
    for part in in_lists(wanted):
        rows = Suppression.objects.filter(match_key__in=part, fact=fact).exclude(value="")
        blocked |= set(rows.values_list("match_key", flat=True))
        known |= set(rows.exclude(evidence__startswith=this_import).values_list("match_key", flat=True))
    fresh = [found for key, those in wanted.items() if key not in known for found in those]
    opt_outs = [
        OptOut(
            address.value,
            channel,
            OUT_ELSEWHERE,
            f"{this_import} “{one.file_name}”, line {read.row.line}",
            now,
            Suppression.Reason.ASKED,
            fact,
            one.created_by,
        )
        for address, read in fresh
        for channel in _families(address, read.opted_out)
    ]
    if opt_outs:
        record_opt_outs(opt_outs, now)
    return len({match_key(each.value) for each in opt_outs} - blocked)


def _keep_under_hash(key: str, fact: str, now: datetime) -> bool:
    """A block of every channel, as `record_opt_outs` makes; whether it is new."""
    hashed = erased_key(key)
    return Suppression.objects.get_or_create(
        match_key=hashed,
        channel="",
        fact=fact,
        reason=Suppression.Reason.ASKED,
        scope=Suppression.Scope.EVERYTHING,
        scope_value="",
        defaults={
            "value": hashed,
            "origin": Suppression.Origin.RECIPIENT,
            "created_at": now,
            "evidence": GONE,
        },
    )[1]


def _fact(one: ContactImport) -> str:
    return f"file {one.file_hash[:16]}"


def _addresses(read: ReadLine, region: str) -> list[Address]:
    found = []
    for column, normal in (("phone", lambda text: phone_in(text, region)), ("email", email_in)):
        text = read.row.cells.get(column, "")
        try:
            found += [normal(text)] if text else []
        except Bad:
            continue
    return found


def _families(address: Address, channels: Collection[str]) -> list[str]:
    """One channel of each family that was refused and that the address takes."""
    return [
        min(family)
        for family in FAMILIES
        if KIND_OF[Channel(min(family))] == address.kind and family & set(channels)
    ]
