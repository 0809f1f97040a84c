"""Which messages a number about causes counts, as filters of a list."""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import urlencode

from deliveries.outcomes.causes import CODE, FAILED, SOURCE, WORDING, CommonPart
from deliveries.outcomes.filters import OutcomeFilter
from deliveries.outcomes.narrowing import NOBODY

LEFT = "left"  # all that has left, whatever became of it


def filters_of(parts: Iterable[CommonPart], outcome: str = FAILED) -> dict[str, str]:
    """The first attempts with all of these in common; `outcome`: those of which that is true (a measure, or LEFT). A
    code narrows nothing: what failed without it has the same cause."""
    found: dict[str, str] = {}
    for part in parts:
        if part.dimension == WORDING:
            found["channel"], found["version"] = part.value.split(" ")
        elif part.dimension == SOURCE:
            found[SOURCE] = NOBODY if part.value == "0" else part.value
        elif part.dimension != CODE:
            found[part.dimension] = part.value or NOBODY
    return {**found, "attempt": "1", "outcome": outcome}


def address_of(base: str, parts: Iterable[CommonPart], outcome: str = FAILED, **more: str) -> str:
    """The list at `base` of just these; '' where it cannot be narrowed to them."""
    found = {**filters_of(parts, outcome), **more}
    return f"{base}?{urlencode(found)}" if found.keys() <= OutcomeFilter.base_fields.keys() else ""
