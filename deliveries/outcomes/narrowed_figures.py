"""What became of the messages that the filters of a list let through: the one value that all parts of a report read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

from django.db.models import Count as DatabaseCount

from deliveries.outcomes.delivery_rate import Outcomes
from deliveries.outcomes.figures import CampaignFigures
from deliveries.outcomes.narrowing import OutcomeView, matching
from deliveries.outcomes.tally_cells import (
    CODE_COLUMNS,
    CauseCount,
    CodeCell,
    causes,
    cells,
    outcomes_by_channel,
)


@dataclass(frozen=True)
class NarrowedFigures:
    """None: no tally holds that combination, so it is still to be counted."""

    by_channel: Mapping[str, Outcomes] | None = None
    causes: list[CauseCount] | None = None

    @cached_property
    def outcomes(self) -> Outcomes | None:
        if self.by_channel is None:
            return None
        sums: Counter[str] = Counter()
        for one in self.by_channel.values():
            sums.update(one.counts)
        return Outcomes(dict(sums))

    @property
    def is_counted(self) -> bool:
        return self.by_channel is not None and self.causes is not None


def tallied_figures(figures: CampaignFigures, filters: Mapping[str, str]) -> NarrowedFigures:
    """As far as the tallies of the campaign know. One query for each tally that is read, if it was not read yet."""
    if not filters:
        return NarrowedFigures(figures.by_channel, figures.all_causes)
    found, codes = figures.narrowed(filters), figures.narrowed_codes(filters)
    return NarrowedFigures(
        None if found is None else outcomes_by_channel(found),
        None if codes is None else causes(codes),
    )


def counted_figures(view: OutcomeView, now: datetime) -> NarrowedFigures:
    """The same, counted one by one: its cost grows with the messages. One query."""
    columns = matching(view, now).order_by().values_list(*CODE_COLUMNS)
    codes = cells(CodeCell, columns.annotate(n=DatabaseCount("pk")))
    return NarrowedFigures(outcomes_by_channel(codes), causes(codes))
