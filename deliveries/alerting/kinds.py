"""The kinds of alerts, and what of them an administrator has changed. The rows stand in `kinds.csv`."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from pathlib import Path

from accounts.models import User
from deliveries.models import Alert, AlertSetting

ROWS = Path(__file__).resolve().parent / "kinds.csv"


@dataclass(frozen=True)
class AlertKind:
    """`patience`: how long its cause has to last. `threshold`, in `unit`: None where another place decides. `needs`:
    the permission of the page that its alerts lead to. `unless`: kinds that say the same, and more; beside one of them,
    of the same campaign or of none, there is none of this; where both are about accounts, if they are the same."""

    key: str
    label: str
    severity: str
    patience: timedelta
    threshold: float | None
    unit: str
    needs: str
    what_to_do: str
    unless: frozenset[str] = frozenset()


@lru_cache(maxsize=1)
def kinds() -> dict[str, AlertKind]:
    """By their key, in the order of the table."""
    with ROWS.open(newline="", encoding="utf-8") as file:
        return {row["kind"]: _kind(row) for row in csv.DictReader(file)}


def _kind(row: Mapping[str, str]) -> AlertKind:
    return AlertKind(
        row["kind"],
        row["label"],
        Alert.Severity(row["severity"]),
        timedelta(minutes=float(row["minutes"])),
        float(row["threshold"]) if row["threshold"] else None,
        row["unit"],
        row["needs"],
        row["what_to_do"],
        frozenset(row["unless"].split()),
    )


@dataclass(frozen=True)
class AlertSettings:
    """What is looked for, and from where on."""

    rows: Mapping[str, AlertSetting]

    def is_on(self, kind: str) -> bool:
        return kind not in self.rows or self.rows[kind].active

    def threshold(self, kind: str) -> float:
        """In the unit of its kind. Raises ValueError for a kind without one."""
        set_to = self.rows[kind].threshold if kind in self.rows else None
        value = kinds()[kind].threshold if set_to is None else set_to
        if value is None:
            raise ValueError(f"{kind} has no threshold")
        return value


def load_settings() -> AlertSettings:
    """One query."""
    return AlertSettings({row.kind: row for row in AlertSetting.objects.all()})


def change_setting(kind: str, *, active: bool, threshold: float | None, by: User, now: datetime) -> None:
    """Raises KeyError for what is no kind."""
    usual = kinds()[kind].threshold
    kept = None if usual is None or threshold == usual else threshold
    AlertSetting.objects.update_or_create(
        kind=kind, defaults={"active": active, "threshold": kept, "changed_at": now, "changed_by": by}
    )
