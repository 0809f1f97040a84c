"""What a finder says: one cause that is there now."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from deliveries.alerting.kinds import AlertSettings


class Number(NamedTuple):
    """What an alert rests on; `url` opens exactly these rows, '' where no page lists them."""

    label: str
    n: int
    url: str = ""


@dataclass(frozen=True)
class Finding:
    """One cause. `about` says what of its kind; the two together are the key of its alert. `accounts`: the ids of those
    it is about; empty where it is about no accounts in particular."""

    kind: str
    about: str
    sentence: str
    numbers: list[Number] = field(default_factory=list)
    url: str = ""
    campaign_id: int | None = None
    accounts: frozenset[int] = frozenset()

    @property
    def cause(self) -> str:
        return f"{self.kind}:{self.about}"[:120]


class Finder(NamedTuple):
    """Looks for these kinds. It only reads, in a fixed number of queries."""

    kinds: tuple[str, ...]
    find: Callable[[datetime, AlertSettings], Iterable[Finding]]
