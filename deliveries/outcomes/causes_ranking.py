"""Which parts of a campaign surely fail more than usual, and what to call them.

**The search.** Candidates are the whole, each value of each dimension, and each pair of values. That one is taken whose
own share, instead of the usual one, makes the failures most likely, less the logarithm of how many such candidates
there were: a pair has to explain more than one of its values does, and a part more than the whole. Its messages are
taken away, and the rest is searched again. So the excesses of all causes and of the rest add up to that of the whole.

**What counts.** Of all candidates of a round together at most one in a hundred may be there by chance (`FALSE`, by
Benjamini and Hochberg), and what counts also has to matter: `MATTERS`, and `TIMES` as often as everything else.

**What it is called.** Several dimensions may hold the same messages: every message of a campaign has its one sender.
What the codes say is at fault decides between them. Where failures are the recipients' own, the list is named; else
what it says comes before the list.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from math import log
from typing import NamedTuple

from deliveries.ledger.excess import Margin, chance, sure_below, surprise
from deliveries.ledger.failure_rates import SILENT
from deliveries.outcomes.causes import (
    ACCOUNT,
    CARRIER,
    CHANNEL,
    FAILED,
    HOUR,
    LINK,
    MEASURES,
    REGION,
    SEGMENTS,
    SENDER,
    SOURCE,
    WORDING,
)
from deliveries.outcomes.causes_counting import Candidate, Cells
from deliveries.statuses import Fault

FALSE = 0.01  # of the candidates that count, so many may be chance
FEWEST = 5  # failures
# Above the usual share. Some arrive hours later on every route: a little that is silent after an hour is no cause.
MATTERS = {FAILED: Margin(0.03, 0.5), SILENT: Margin(0.15, 0.5)}
TIMES = 1.5  # so many times the failures that are expected of it, beside those of everything else
FEWEST_BESIDE = 20  # messages, for that comparison
MOST = 5  # causes of one measure
SAME = 0.98  # of the messages of both: then two names mean the same part
ALMOST = 0.95  # of all messages of a name: then the name alone says it

# What a part is called first, by what its codes say is at fault.
FIRST: dict[str, tuple[str, ...]] = {
    Fault.CONTENT: (LINK, WORDING, CARRIER, SEGMENTS, SENDER),
    Fault.SENDER: (SENDER, CARRIER),
    Fault.ACCOUNT: (ACCOUNT, SENDER),
    Fault.CARRIER: (CARRIER, REGION, ACCOUNT),
    Fault.RECIPIENT: (SOURCE, REGION, CARRIER),
    SILENT: (ACCOUNT, CARRIER, REGION),
}
OTHERWISE = (CARRIER, LINK, WORDING, SENDER, ACCOUNT, REGION, CHANNEL, SOURCE, SEGMENTS, HOUR)
# What all messages of a part have in common, that is named with it, or in its place.
BESIDE: dict[str, tuple[str, ...]] = {
    Fault.CONTENT: (LINK, WORDING), Fault.SENDER: (SENDER,), Fault.ACCOUNT: (ACCOUNT,),
}  # fmt: skip
OF_THE_WHOLE: dict[str, tuple[str, ...]] = {
    Fault.RECIPIENT: (SOURCE,), Fault.CARRIER: (ACCOUNT,), SILENT: (ACCOUNT,),
}  # fmt: skip
Named = tuple[tuple[str, str], ...]


class FoundPart(NamedTuple):
    """A part that counts. `parts` are its messages, `named` what it is called by."""

    measure: str
    parts: Named
    named: Named
    fault: str
    contribution: float


def search(cells: Cells, suspects: Sequence[str] = ()) -> tuple[list[FoundPart], int]:
    """The causes of both measures, the most excess first, and how many candidates were looked at. `suspects`: domains
    that are named before others, as no wording that arrived has led there."""
    found: list[FoundPart] = []
    tested = 0
    for measure in MEASURES:
        for number in range(1, MOST + 1):
            candidates = cells.candidates(measure)
            tested += len(candidates)
            chosen = strongest(candidates, MATTERS[measure])
            if chosen is None:
                break
            fault = SILENT if measure == SILENT else _fault(cells, measure, chosen)
            named = _named(cells, measure, chosen, candidates, fault, suspects)
            found.append(FoundPart(measure, chosen.parts, named, fault, chosen.failed - chosen.expected))
            cells.take(measure, chosen.parts, number)
            if not chosen.parts:
                break
    return sorted(found, key=lambda one: -one.contribution), tested


def strongest(candidates: Sequence[Candidate], margin: Margin) -> Candidate | None:
    """The one that explains most of what is beyond the usual; None where none counts."""
    whole = next((one for one in candidates if not one.parts), None)
    if whole is None:
        return None
    alike = Counter(one.dimensions for one in candidates)
    sorts = Counter(len(dimensions) for dimensions in alike)
    surprises = [surprise(one.n, one.failed, one.expected) for one in candidates]
    limit = sure_below(map(chance, surprises), FALSE)
    best, most = None, 0.0
    for one, found in zip(candidates, surprises, strict=True):
        # Of how many candidates of its sort it is the best.
        score = found - (log(alike[one.dimensions]) + log(sorts[len(one.parts)]) if one.parts else 0.0)
        if score > most and chance(found) <= limit and matters(one, whole, margin):
            best, most = one, score
    return best


def matters(one: Candidate, whole: Candidate, margin: Margin) -> bool:
    """Whether so much fails above what is usual, and above everything else, that something can be done about it."""
    if one.failed < FEWEST or one.failed < one.expected + margin.beyond(one.expected / one.n) * one.n:
        return False
    n, failed, expected = whole.n - one.n, whole.failed - one.failed, whole.expected - one.expected
    if n < FEWEST_BESIDE or expected <= 0:
        return True
    return one.failed / max(one.expected, 1e-9) >= TIMES * failed / expected


# ---- What it is called -------------------------------------------------------------------------------------------


def _fault(cells: Cells, measure: str, chosen: Candidate) -> str:
    """Whose fault most of the excess is by the codes; those that are usual are the recipients'."""
    counts = Counter(dict(cells.common(measure, chosen.parts, "fault")))
    counts[Fault.RECIPIENT] -= round(chosen.expected)
    (fault, n), *_ = counts.most_common(1)
    return fault if n > 0 and fault != Fault.NONE else ""


def _named(
    cells: Cells, measure: str, chosen: Candidate, candidates: Sequence[Candidate], fault: str, suspects: Sequence[str]
) -> Named:  # fmt: skip
    parts = chosen.parts
    if len(parts) == 1:
        order = (*FIRST.get(fault, ()), *OTHERWISE)
        parts = (min(_same(chosen, candidates), key=lambda part: order.index(part[0])),)
    if len(parts) == 2 or {dimension for dimension, _ in parts} & set(BESIDE.get(fault, ())):
        return parts
    wanted = BESIDE.get(fault, ()) or (() if parts else (*OF_THE_WHOLE.get(fault, ()), LINK, WORDING, SOURCE))
    for dimension in wanted:
        beside = _in_common(cells, measure, chosen, dimension, suspects)
        if beside is not None:
            held = _of(candidates, beside)
            return (beside,) if not parts or chosen.n >= ALMOST * held.n else (*parts, beside)
    return parts


def _same(chosen: Candidate, candidates: Sequence[Candidate]) -> Iterator[tuple[str, str]]:
    """The names of the same messages."""
    (part,) = chosen.parts
    yield part
    for one in candidates:
        if len(one.parts) == 2 and part in one.parts and one.n >= SAME * chosen.n:
            other = one.parts[1 - one.parts.index(part)]
            if one.n >= SAME * _of(candidates, other).n:
                yield other


def _of(candidates: Sequence[Candidate], part: tuple[str, str]) -> Candidate:
    """All messages with this value; the whole where it parts nothing."""
    whole = candidates[0]
    for one in candidates:
        if one.parts == (part,):
            return one
        if not one.parts:
            whole = one
    return whole


def _in_common(
    cells: Cells, measure: str, chosen: Candidate, dimension: str, suspects: Sequence[str]
) -> tuple[str, str] | None:
    """The value that all failures of a part have in common; None where there is none."""
    values = cells.common(measure, chosen.parts, WORDING if dimension == LINK else dimension)
    if dimension != LINK:
        return (
            (dimension, values[0][0])
            if values and values[0][1] >= SAME * chosen.failed and values[0][0]
            else None
        )
    domains: Counter[str] = Counter()
    for wording, n in values:
        for domain in cells.domains.get(wording, ()):
            domains[domain] += n
    shared = [domain for domain, n in domains.items() if n >= SAME * chosen.failed]
    shared.sort(key=lambda domain: domain not in suspects)
    return (LINK, shared[0]) if shared else None
