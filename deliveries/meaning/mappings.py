"""The code tables in force: loaded into the database from the product's files, read from there into memory."""

from __future__ import annotations

import time
from collections.abc import Iterable
from hashlib import sha256
from typing import NamedTuple

from django.db import transaction
from django.db.models import Max, Q
from django.utils import timezone

from deliveries.meaning.translation import Code, Described, Key, Mapping, shipped
from deliveries.models import CodeMapping, MappingVersion

CHECK_SECONDS = 5.0
FIELDS = ("name", "meaning", "status", "failure_class", "fault", "verified")

_held: tuple[tuple, Mapping] | None = None
_checked_at = float("-inf")


def current() -> Mapping:
    """The published mapping, from memory. What another process publishes is seen within five seconds."""
    if _held is None or time.monotonic() - _checked_at > CHECK_SECONDS:
        return latest()
    return _held[1]


def latest() -> Mapping:
    """The published mapping as of this moment: one small query, and the tables only when they changed."""
    global _held, _checked_at
    published = MappingVersion.objects.filter(state=MappingVersion.State.PUBLISHED).order_by("-number")
    found = published.values_list("number", "published_at").first()
    if found is None:
        return shipped()
    if _held is None or _held[0] != found:
        _held = (found, Mapping(found[0], dict(rows(found[0]))))
    _checked_at = time.monotonic()
    return _held[1]


def forget() -> None:
    """Look again at the next call: this process has published."""
    global _checked_at
    _checked_at = float("-inf")


def describe(provider: str, channel: str, code: str, status: str = "") -> Described:
    """The provider's code in words, by the mapping in force. See `Mapping.describe`."""
    return current().describe(provider, channel, code, status)


def in_force(number: int) -> Q:
    """Which rows of CodeMapping make up version `number`."""
    return Q(since__lte=number) & (Q(until=None) | Q(until__gt=number))


def rows(number: int) -> Iterable[tuple[Key, Code]]:
    """The rows of one version, as `Mapping` wants them."""
    for row in CodeMapping.objects.filter(in_force(number)):
        yield key_of(row), code_of(row)


def key_of(row: CodeMapping) -> Key:
    return Key(row.table, row.channel, row.kind, row.key)


def code_of(row: CodeMapping) -> Code:
    return Code(row.code, *(getattr(row, name) for name in FIELDS))


def next_number() -> int:
    return (MappingVersion.objects.aggregate(last=Max("number"))["last"] or 0) + 1


# ---- What comes with the product ---------------------------------------------------------------------------


class SeedResult(NamedTuple):
    """What the product's files changed: rows new or different, rows gone, and rows left alone as edited here."""

    written: int
    ended: int
    kept: int


def seed() -> SeedResult:
    """Bring the code tables up to what this release brings, as a version of their own; nothing when nothing changed.

    Rows that were edited here stay as they are: somebody had a reason.
    """
    codes = shipped().codes
    digest = sha256(repr(sorted(codes.items())).encode()).hexdigest()
    loads = MappingVersion.objects.filter(origin=MappingVersion.Origin.SHIPPED).order_by("-number")
    if loads.values_list("digest", flat=True).first() == digest:
        return SeedResult(0, 0, 0)
    with transaction.atomic():
        held = {
            key_of(row): row
            for row in CodeMapping.objects.filter(
                until=None, since__state=MappingVersion.State.PUBLISHED
            ).select_related("since")
        }
        version = MappingVersion.objects.create(
            number=_number_before_the_draft(), state=MappingVersion.State.PUBLISHED,
            origin=MappingVersion.Origin.SHIPPED, digest=digest, note="The tables of this release.",
            published_at=timezone.now(),
        )  # fmt: skip
        ours = {key for key, row in held.items() if row.since.origin != MappingVersion.Origin.SHIPPED}
        changed = {
            key: code
            for key, code in codes.items()
            if key not in ours and (key not in held or code_of(held[key]) != code)
        }
        gone = [
            row.pk for key, row in held.items() if key not in ours and (key in changed or key not in codes)
        ]
        for at in range(0, len(gone), 500):
            CodeMapping.objects.filter(pk__in=gone[at : at + 500]).update(until=version)
        CodeMapping.objects.bulk_create(
            [row_of(key, code, version) for key, code in changed.items()], batch_size=500
        )
    forget()
    return SeedResult(len(changed), len(gone), len(ours))


def _number_before_the_draft() -> int:
    """The next number; a draft that has it already gives way, since it is published later."""
    number = next_number()
    draft = MappingVersion.objects.filter(state=MappingVersion.State.DRAFT).first()
    if draft is None:
        return number
    MappingVersion.objects.filter(pk=draft.number).update(number=number)
    CodeMapping.objects.filter(since=draft.number).update(since=number)
    return draft.number


def row_of(key: Key, code: Code, version: MappingVersion) -> CodeMapping:
    return CodeMapping(
        table=key.table, channel=key.channel, kind=key.kind, code=code.code, key=key.code, since=version,
        **{name: getattr(code, name) for name in FIELDS},
    )  # fmt: skip
