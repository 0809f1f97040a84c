"""The versions of the code tables: what each changed, in words, and what a draft would change."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from django.db.models import Count, Exists, OuterRef

from dashboard.mappings.code_tables import CodeOutcome, outcome
from deliveries.meaning import mappings
from deliveries.meaning.drafts import Change
from deliveries.meaning.translation import Key
from deliveries.models import CodeMapping, MappingVersion, Message
from deliveries.outcomes.code_usage import edit_url, table_name
from deliveries.outcomes.keyset import Page, page
from deliveries.outcomes.rows import bucket_of
from deliveries.receiving.replay_preview import PEOPLE, Difference

LIST_SIZE = 12
Origin, State = MappingVersion.Origin, MappingVersion.State


def count_of(n: int, one: str, many: str = "") -> str:
    """1,234 messages; 1 message."""
    return f"{n:,} {one if n == 1 else many or one + 's'}"


# ---- What a version changed ------------------------------------------------------------------------------------


class Step(NamedTuple):
    """One field of a row that differs."""

    label: str
    before: str
    after: str


@dataclass(frozen=True)
class Changed:
    """One row of a version beside what it replaced; `before` is None for a new row, `after` for one taken out."""

    key: Key
    code: str
    table: str
    channel: str
    kind: str
    before: CodeOutcome | None
    after: CodeOutcome | None
    steps: list[Step]
    row: int = 0  # of the draft, to take out again

    @property
    def edit_url(self) -> str:
        return edit_url(self.key)


def changed(changes: Iterable[Change]) -> list[Changed]:
    return [_changed(change) for change in changes]


def _changed(change: Change) -> Changed:
    row = change.after or change.before
    assert row is not None  # a change has one side at least
    sides = [outcome(change.key, mappings.code_of(side)) if side else None for side in change[1:]]
    return Changed(
        key=change.key,
        code=row.code,
        table=table_name(row.table),
        channel=row.get_channel_display(),
        kind=row.get_kind_display(),
        before=sides[0],
        after=sides[1],
        steps=list(_steps(change.before, change.after)),
        row=change.after.pk if change.after else 0,
    )


def _steps(before: CodeMapping | None, after: CodeMapping | None) -> Iterator[Step]:
    """The fields that differ; of a new row or one taken out those that are filled."""
    for label, old, new in zip(LABELS, _words(before), _words(after), strict=True):
        if old != new:
            yield Step(label, old, new)


LABELS = ("Status", "Class", "Fault", "Certain", "Name", "Meaning")


def _words(row: CodeMapping | None) -> tuple[str, ...]:
    if row is None:
        return ("",) * len(LABELS)
    certain = "Yes" if row.verified else "No"
    status, why, fault = row.get_status_display(), row.get_failure_class_display(), row.get_fault_display()
    return status, why, fault, certain, row.name, row.meaning


# ---- The versions so far ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class VersionLine:
    """A published version in the history. `obstacle` says why it cannot be undone, '' when it can."""

    version: MappingVersion
    changes: int
    obstacle: str

    @property
    def who(self) -> str:
        by = self.version.created_by
        return by.display_name if by else "Waybill" if self.version.origin == Origin.SHIPPED else "Somebody"


def history(mark: str, draft: MappingVersion | None) -> tuple[list[VersionLine], Page]:
    """A page of the published versions, newest first. Four queries."""
    versions = MappingVersion.objects.filter(state=State.PUBLISHED)
    found = page(versions.select_related("created_by", "undoes", "undone_by"), LIST_SIZE, mark, pk="number")
    counts, again = _counts([one.pk for one in found.rows]), _changed_again([one.pk for one in found.rows])
    return [VersionLine(one, counts[one.pk], obstacle(one, draft, again)) for one in found.rows], found


def obstacle(
    version: MappingVersion, draft: MappingVersion | None, again: Collection[int] | None = None
) -> str:
    """Why a published version cannot be undone; '' when it can, as far as a look can tell."""
    again = _changed_again([version.pk]) if again is None else again
    if version.origin == Origin.SHIPPED:
        return "It came with the product. Only what was edited here can be undone."
    if hasattr(version, "undone_by"):
        return f"It was undone by {version.undone_by}."
    if draft:
        return "There is a draft. Publish or discard it first."
    if version.pk in again:
        return "Some of its rows were changed again by a later version. Undo that one first."
    return ""


def _counts(numbers: Collection[int]) -> Counter[int]:
    """How many rows each version wrote or took out."""
    counts: Counter[int] = Counter(
        dict(
            CodeMapping.objects.filter(since__in=numbers)
            .order_by()
            .values_list("since")
            .annotate(n=Count("pk"))
        )
    )
    written = CodeMapping.objects.filter(
        table=OuterRef("table"),
        channel=OuterRef("channel"),
        kind=OuterRef("kind"),
        key=OuterRef("key"),
        since=OuterRef("until"),
    )
    gone = CodeMapping.objects.filter(~Exists(written), until__in=numbers).order_by().values_list("until")
    counts.update(dict(gone.annotate(n=Count("pk"))))
    return counts


def _changed_again(numbers: Collection[int]) -> set[int]:
    """Those of which a row is no longer in force."""
    replaced = CodeMapping.objects.filter(since__in=numbers, until__isnull=False)
    return set(replaced.order_by().values_list("since", flat=True).distinct())


def percent(version: MappingVersion) -> int:
    """How far reading anew has come, 0 to 100."""
    return 100 * version.replayed_to // version.replay_to if version.replay_to else 100


# ---- What a draft would change ---------------------------------------------------------------------------------


def counted(draft: MappingVersion) -> bool:
    """Whether what publishing would change has been counted for the rows as they are."""
    return draft.previewed_at is not None and not draft.replaying


@dataclass(frozen=True)
class Move:
    """Messages that would go from one bucket to another, or stay and be somebody else's fault; a bucket is '' for
    what is withdrawn. `width` is their share of the largest move, in percent; `examples` are the newest of them."""

    before: str
    after: str
    n: int
    width: str
    examples: list[Message]


def moves(difference: Difference) -> list[Move]:
    """The most first. One query."""
    named = {pk for ids in difference.examples.values() for pk in ids}
    messages = Message.objects.select_related("contact", "campaign").in_bulk(named)
    most = max(difference.moves.values(), default=1)
    return [
        Move(
            before=bucket_of(before),
            after=bucket_of(after),
            n=n,
            width=f"{max(n * 100 / most, 0.5):.1f}",
            examples=[
                messages[pk]
                for pk in reversed(difference.examples.get((before, after), []))
                if pk in messages
            ],
        )
        for (before, after), n in difference.moves.most_common()
    ]


def freed(n: int, about: str = "") -> str:
    """The first thing to know about a change: who said no and would be written to all the same; '' for nobody."""
    return f"{about}{count_of(n, 'person', 'people')} who opted out would be written to again." if n else ""


def headline(difference: Difference) -> str:
    """The whole of it in one sentence."""
    if not difference.messages:
        return "No message that came in before changes. The draft only matters for what comes in from now on."
    return f"{count_of(difference.messages, 'message changes', 'messages change')}."


def aftermath(difference: Difference) -> list[str]:
    """What follows for people and their addresses."""
    sentences = []
    if people := len(difference.blocked):
        whom = count_of(people, "person", "people") if people < PEOPLE else f"{people:,} people or more"
        sentences.append(f"{whom} would be blocked, as if they had opted out.")
    if difference.crossing:
        words = count_of(difference.crossing, "address would cross", "addresses would cross")
        sentences.append(f"{words} the limit of permanent failures in a row, and be blocked on that channel.")
    if difference.lifting:
        words = count_of(difference.lifting, "block would lift", "blocks would lift")
        sentences.append(f"{words}: the failures it stood for no longer count." if difference.lifting == 1
                    else f"{words}: the failures they stood for no longer count.")  # fmt: skip
    return sentences
