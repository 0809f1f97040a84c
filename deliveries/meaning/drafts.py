"""Correcting what a provider's words mean: a draft, publishing it, and taking that back.

There is one draft at a time. Publishing puts it in force for whatever comes in from then on; stored receipts are
read anew in the background (`receiving.replay`). A version that was published never changes: undoing it is a
version of its own that restores what held before.
"""

from __future__ import annotations

from collections.abc import Mapping as Fields
from datetime import datetime
from hashlib import sha256
from typing import Any, NamedTuple

from django.db import transaction
from django.db.models import Max, Q
from django.db.models.functions import Lower

from accounts.models import User
from deliveries.meaning import mappings
from deliveries.meaning.occurrences import mark_known
from deliveries.meaning.translation import Code, Key, Mapping
from deliveries.models import CodeMapping, FailureIndex, MappingVersion, Message
from deliveries.statuses import Disposition, FailureClass, Status

State, Origin = MappingVersion.State, MappingVersion.Origin


class CannotChange(ValueError):
    """The draft cannot be edited, published or undone like this; the text says why and what to do."""


class NotConfirmed(CannotChange):
    """People who opted out would be written to again, and nobody has typed how many; `freed` says it."""

    def __init__(self, freed: int) -> None:
        self.freed = freed
        who = "1 person who opted out" if freed == 1 else f"{freed:,} people who opted out"
        super().__init__(f"{who} would be written to again. Type {freed} to confirm that, or leave it.")


class ChangedMeanwhile(CannotChange):
    """The row is no longer as it was when somebody began to edit it; `row` is what stands there now."""

    def __init__(self, row: CodeMapping | None, *, new: bool) -> None:
        self.row = row
        super().__init__(_changed_meanwhile(row, new=new))


class Change(NamedTuple):
    """One row of a version beside what it replaces; `before` is None for a code that no table listed,
    `after` for one that is taken out again."""

    key: Key
    before: CodeMapping | None
    after: CodeMapping | None


def open_draft() -> MappingVersion | None:
    return MappingVersion.objects.filter(state=State.DRAFT).first()


def locked_draft() -> MappingVersion | None:
    """The draft, held until the transaction ends: nobody publishes it or adds to it meanwhile."""
    return MappingVersion.objects.select_for_update().filter(state=State.DRAFT).first()


@transaction.atomic
def edit(
    key: Key, values: Fields[str, Any], by: User | None, *, shown: str | None = None
) -> CodeMapping | None:
    """Put a row into the draft, which is made if there is none; `values` as `mappings.FIELDS`, checked already.

    A row that means just what is in force has no place there: it is taken out, and None returned. With `shown`, the
    `mark` of the row as it was when editing began, raises ChangedMeanwhile if it is another by now.
    """
    version, before = locked_draft(), in_force(key)
    drafted = version.brought.filter(**_place(key)).first() if version else None
    code, stands = Code(**{"code": key.code, **values}), drafted or before
    if shown is not None and mark(stands) not in (shown, mark(code)):
        raise ChangedMeanwhile(stands, new=not shown)
    if mark(before) == mark(code):
        if drafted:
            drop(drafted)
        return None
    version = version or MappingVersion.objects.create(number=mappings.next_number(), created_by=by)
    row, _ = CodeMapping.objects.update_or_create(
        **_place(key), since=version, defaults={**values, "code": before.code if before else code.code}
    )
    _forget_preview(version)
    return row


def mark(row: CodeMapping | Code | None) -> str:
    """Tells whether a row still says what it said; '' for none."""
    code = mappings.code_of(row) if isinstance(row, CodeMapping) else row
    return sha256(repr([str(word) for word in code[1:]]).encode()).hexdigest()[:16] if code else ""


def _changed_meanwhile(row: CodeMapping | None, *, new: bool) -> str:
    if row is None:
        return "Somebody took this row out meanwhile. Save once more to put it in again, or cancel."
    where = "In the draft" if row.since.state == State.DRAFT else "In force"
    words = [row.get_status_display(), row.get_failure_class_display(), row.get_fault_display(), row.meaning]
    return (
        f"{'There is a row for it already' if new else 'Somebody changed this row meanwhile'}. {where} it says: "
        f"{', '.join(filter(None, words))}. Save once more to replace that, or cancel."
    )


@transaction.atomic
def drop(row: CodeMapping) -> None:
    """Take one row out of the draft again; an empty draft goes."""
    version = MappingVersion.objects.select_for_update().get(pk=row.since_id)
    if version.state != State.DRAFT:
        raise CannotChange(f"{version} is published. Undo it as a whole instead.")
    row.delete()
    if version.brought.exists():
        _forget_preview(version)
    else:
        version.delete()


def discard(version: MappingVersion) -> None:
    if version.state != State.DRAFT:
        raise CannotChange(f"{version} is published. Undo it instead.")
    version.brought.all().delete()
    version.delete()


def in_force(key: Key) -> CodeMapping | None:
    """The published row for this key."""
    rows = CodeMapping.objects.filter(**_place(key), until=None, since__state=State.PUBLISHED)
    return rows.order_by("-since").first()


def _place(key: Key) -> dict[str, Any]:
    return {"table": key.table, "channel": key.channel, "kind": key.kind, "key": key.code}


def changes(version: MappingVersion) -> list[Change]:
    """What this version changed, or would change."""
    brought = {mappings.key_of(row): row for row in version.brought.all()}
    if version.state == State.DRAFT:
        ended = {key: row for key in brought if (row := in_force(key))}
    else:
        ended = {mappings.key_of(row): row for row in version.ended.all()}
    return [Change(key, ended.get(key), brought.get(key)) for key in sorted(brought.keys() | ended.keys())]


def _forget_preview(version: MappingVersion) -> None:
    MappingVersion.objects.filter(pk=version.pk).update(
        preview={}, previewed_at=None, replayed_to=0, replay_to=0, changed=0
    )


# ---- Publishing and undoing ----------------------------------------------------------------------------------


@transaction.atomic
def publish(
    version: MappingVersion, *, note: str, by: User | None, now: datetime, confirmed: int = 0
) -> None:
    """Put the draft in force for whatever comes in from now on; what came in before is read anew soon.

    Raises NotConfirmed where the count found people who opted out and would be written to again, unless `confirmed`
    is how many.
    """
    version = MappingVersion.objects.select_for_update().get(pk=version.pk)
    if version.state != State.DRAFT:
        raise CannotChange(f"{version} is published already.")
    if not version.brought.exists():
        raise CannotChange("The draft changes nothing.")
    if (freed := version.preview.get("freed", 0)) and confirmed != freed:
        raise NotConfirmed(freed)
    for change in changes(version):
        if change.before:
            CodeMapping.objects.filter(pk=change.before.pk).update(until=version)
    version.created_by = version.created_by or by
    _put_in_force(version, note, now)


@transaction.atomic
def undo(version: MappingVersion, *, by: User | None, now: datetime, confirmed: int = 0) -> MappingVersion:
    """A new version that restores what held before this one. Raises CannotChange, naming the code in the way.

    Raises NotConfirmed where people count as opted out by this version alone, unless `confirmed` is how many.
    """
    version = MappingVersion.objects.select_for_update().get(pk=version.pk)
    if version.state != State.PUBLISHED or version.origin == Origin.SHIPPED:
        raise CannotChange(f"{version} cannot be undone: only what was edited here can.")
    if MappingVersion.objects.filter(undoes=version).exists():
        raise CannotChange(f"{version} has been undone already.")
    if open_draft():
        raise CannotChange("There is a draft. Publish or discard it first.")
    changed = changes(version)
    for change in changed:
        current = in_force(change.key)
        if (current and current.pk) != (change.after and change.after.pk):
            later = f" by {current.since}" if current else ""
            raise CannotChange(
                f"{change.key.table} {change.key.code} was changed again{later}. Undo that first."
            )
    if (freed := freed_by_undoing(version)) and confirmed != freed:
        raise NotConfirmed(freed)
    back = MappingVersion.objects.create(
        number=mappings.next_number(), origin=Origin.UNDO, undoes=version, created_by=by
    )
    for change in changed:
        if change.after:
            CodeMapping.objects.filter(pk=change.after.pk).update(until=back)
        if change.before:
            mappings.row_of(change.key, mappings.code_of(change.before), back).save()
    _put_in_force(back, f"Undoes {version}.", now)
    return back


def freed_by_undoing(version: MappingVersion) -> int:
    """How many people count as opted out by codes that this version made opt-outs. At most these are written to again:
    of some something else may stand in the way as well."""
    codes = {
        change.key.code
        for change in changes(version)
        if change.after and _opts_out(change.after) and not (change.before and _opts_out(change.before))
    }
    if not codes:
        return 0
    # As codes are looked up: in whatever case they came, and a row for 5.7.x stands for each that begins like it.
    where = Q(word__in=codes)
    for code in codes:
        if code.endswith(".x"):
            where |= Q(word__startswith=code.removesuffix("x"))
    opted_out = FailureIndex.objects.filter(disposition=Disposition.OPTOUT).alias(word=Lower("reason_code"))
    return opted_out.filter(where).order_by().values("contact_id").distinct().count()


def _opts_out(row: CodeMapping) -> bool:
    return row.failure_class == FailureClass.OPT_OUT or row.status in (Status.OPTED_OUT, Status.COMPLAINED)


def _put_in_force(version: MappingVersion, note: str, now: datetime) -> None:
    version.state, version.note, version.published_at = State.PUBLISHED, note[:300], now
    version.replayed_to, version.replay_to, version.changed, version.replayed_at = 0, last_message(), 0, None
    version.save()
    transaction.on_commit(mappings.forget)
    mapping = Mapping(version.number, dict(mappings.rows(version.number)))
    mark_known(mapping, now)


def last_message() -> int:
    """The id of the newest message; 0 without any."""
    return Message.objects.aggregate(last=Max("pk"))["last"] or 0
