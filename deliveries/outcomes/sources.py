"""List sources and imports compared: how the people each brought have done beside those of all others."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from contacts.models import ContactImport, ContactList
from deliveries.ledger.source_figures import Ever
from deliveries.models import ImportFigures, PeopleFigures, SourceFigures
from deliveries.outcomes.keyset import Cursor, Page
from deliveries.outcomes.rounding import percent
from deliveries.outcomes.shares import Share
from deliveries.outcomes.thresholds import FAR_ABOVE, FAR_BELOW, FEWEST_TO_JUDGE
from deliveries.statuses import BUCKETS, Disposition

PAGE_SIZE = 50
PEOPLE = "people"


class Measure(NamedTuple):
    """A share that is compared: which people, of which, and whether more of them is better."""

    ever: Ever
    of: str  # a column of PeopleFigures
    label: str
    more_is_better: bool


MEASURES = (
    Measure(Ever.VALID, PEOPLE, "Valid address", True),
    Measure(Ever.DELIVERED, Ever.WITH_RESULT.value, "Delivered", True),
    Measure(Ever.HARD_FAILS, Ever.WITH_RESULT.value, "Failed permanently", False),
    Measure(Ever.COMPLAINTS, Ever.WITH_RESULT.value, "Complained", False),
    Measure(Ever.OPT_OUTS, Ever.WITH_RESULT.value, "Opted out", False),
)


@dataclass(frozen=True)
class ComparedShare:
    """A share of one source's people, beside that of the people of all others."""

    measure: Measure
    own: Share
    rest: Share

    @property
    def too_few(self) -> bool:
        return min(self.own.n, self.rest.n) < FEWEST_TO_JUDGE

    @property
    def is_worse(self) -> bool:
        """Beyond what chance does: the ranges of the two do not meet."""
        if self.too_few:
            return False
        (low, high), (rest_low, rest_high) = self.own.range, self.rest.range
        return high < rest_low if self.measure.more_is_better else low > rest_high

    @property
    def is_far(self) -> bool:
        """Worse by so much that it matters."""
        if self.measure.more_is_better:
            return self.is_worse and self.rest.rate - self.own.rate >= FAR_BELOW
        return self.is_worse and self.own.rate >= FAR_ABOVE * self.rest.rate

    @property
    def words(self) -> str:
        return percent(self.own.rate) if self.own.n else ""

    @property
    def beside(self) -> list[str]:
        """The range, and the others: ["57.1% to 64.9%", "others 93.2%"]; or why there is nothing to say."""
        if not self.own.n:
            return ["nobody yet"]
        if self.too_few:
            return ["too few to judge"]
        low, high = self.own.range
        return [f"{percent(low)} to {percent(high)}", f"others {percent(self.rest.rate)}"]


@dataclass(frozen=True)
class ComparedSource:
    """How the people of one source or import have done. `pk` is that of the list or the import."""

    pk: int
    figures: PeopleFigures
    shares: list[ComparedShare]

    @property
    def far(self) -> list[ComparedShare]:
        return [one for one in self.shares if one.is_far]

    @property
    def too_few(self) -> bool:
        """Whether so little came of messages to these people that nothing can be said."""
        return all(one.too_few for one in self.shares if one.measure.of != PEOPLE)

    @property
    def verdict(self) -> tuple[str, str]:
        """In words, and the bucket of its colour."""
        if self.far:
            return "Far worse than the others", BUCKETS[Disposition.BOUNCED_HARD]
        if self.too_few:
            return "Too few to judge", BUCKETS[Disposition.UNKNOWN]
        if any(one.is_worse for one in self.shares):
            return "Somewhat worse", BUCKETS[Disposition.PENDING_RETRY]
        return "Not worse than the others", BUCKETS[Disposition.DELIVERED]

    @property
    def why(self) -> str:
        """What is far worse, or else what is worse: "delivered 61.2%, others 93.1%; complained 0.9%, others 0.1%"."""
        named = self.far or [one for one in self.shares if one.is_worse]
        return "; ".join(
            f"{one.measure.label.lower()} {one.words}, others {percent(one.rest.rate)}" for one in named
        )

    @property
    def rank(self) -> tuple[bool, bool, bool, float, int]:
        """The worst first: those far worse, those worse, then by how many may have been delivered to at best; unknown
        ones last."""
        delivered = next(one for one in self.shares if one.measure.ever == Ever.DELIVERED)
        worse = any(one.is_worse for one in self.shares)
        return not self.far, not worse, self.too_few, delivered.own.range[1], -self.pk


def compared(figures: Iterable[PeopleFigures]) -> list[ComparedSource]:
    """Each beside all others together, the worst first."""
    figures = list(figures)
    columns = (PEOPLE, *Ever.values)
    totals = {name: sum(getattr(one, name) for one in figures) for name in columns}

    def share(one: PeopleFigures, measure: Measure) -> ComparedShare:
        hits, n = getattr(one, measure.ever.value), getattr(one, measure.of)
        rest = Share(totals[measure.ever.value] - hits, totals[measure.of] - n)
        return ComparedShare(measure, Share(hits, n), rest)

    found = [ComparedSource(one.pk, one, [share(one, measure) for measure in MEASURES]) for one in figures]
    return sorted(found, key=lambda one: one.rank)


def sources() -> list[ComparedSource]:
    """All list sources that brought anybody, as they were counted last. One query."""
    counted = SourceFigures.objects.filter(people__gt=0).select_related("contact_list")
    return compared(counted)


def imports() -> list[ComparedSource]:
    """All imports that added anybody and were not undone. One query."""
    done = ImportFigures.objects.filter(people__gt=0, contact_import__state=ContactImport.State.DONE)
    return compared(done.select_related("contact_import__contact_list", "contact_import__source"))


def poor_sources() -> dict[int, ComparedSource]:
    """The list sources far worse than the others, by the list's id. One query."""
    return {one.pk: one for one in sources() if one.far}


def source_of(one: ContactImport) -> ContactList | None:
    """The list that people whom this import adds are reported by; None for one that is yet to be made."""
    return one.source or one.contact_list


def page_of(found: Sequence[ComparedSource], mark: str) -> Page:
    """PAGE_SIZE of them, those after the one that `mark` names."""
    cursor = Cursor.read(mark)
    places = {one.pk: place for place, one in enumerate(found, start=1)}
    begin = places.get(cursor.pk, 0) if cursor else 0
    rows = found[begin : begin + PAGE_SIZE]
    more = len(found) > begin + PAGE_SIZE
    return Page(rows, str(Cursor(None, rows[-1].pk)) if more else "", first=not begin)


def oldest_count(found: Iterable[ComparedSource]) -> datetime | None:
    """Since when nothing shown is older; None where nothing was counted."""
    return min((one.figures.counted_at for one in found if one.figures.counted_at), default=None)
