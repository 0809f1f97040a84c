"""The first attempts of a campaign counted by what they have in common: its messages are read once, everything else is
sums over the cells that came of it.

A first attempt is the first on its channel: what is sent again to those who failed says nothing new of why they did. Of
failures all that have left count, silent ones included; of silence those that were waited for long enough.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from itertools import combinations
from typing import Any, NamedTuple

from django.db import connection, transaction

from campaigns.models import Campaign
from deliveries.ledger.failure_rates import LASTING, SILENT, WAITED, FailureRates, Kind
from deliveries.outcomes.causes import (
    ACCOUNT,
    CARRIER,
    CHANNEL,
    FAILED,
    HOUR,
    LINK,
    REGION,
    SEGMENTS,
    SENDER,
    SOURCE,
    WORDING,
    Totals,
)
from deliveries.statuses import RINGS, Disposition, Status

COUNTED = (CHANNEL, ACCOUNT, SENDER, WORDING, CARRIER, REGION, SOURCE, SEGMENTS, HOUR)  # columns of the cells
ALL = (*COUNTED, LINK)  # links follow from wordings
MANY_CELLS = 300_000  # of more, hours are looked at alone and not in pairs

HOUR_OF = {
    "postgresql": "to_char(date_trunc('hour', coalesce(handed_over_at, created_at) AT TIME ZONE 'UTC'), "
    "'YYYY-MM-DD HH24')",
    "sqlite": "substr(coalesce(handed_over_at, created_at), 1, 13)",
}
IS_FAILED = "(disposition IN %(lasting)s OR (disposition = %(retry)s AND status NOT IN %(rings)s))"
IS_SILENT = "(status = %(timed_out)s OR (disposition = %(pending)s AND status IN %(handed_over)s AND handed_over_at < %(before)s))"  # noqa: E501
CELLS = """
CREATE TEMPORARY TABLE cause_cells AS
SELECT channel, CAST(account_id AS TEXT) AS account, CAST(sender_id AS TEXT) AS sender,
  channel || ' ' || CAST(content_version AS TEXT) AS wording, carrier, region, CAST(list_source_id AS TEXT) AS source,
  CAST(segments AS TEXT) AS segments, hour, fault, code, n, failed, delivered, settled, waited, silent,
  0 AS taken_failed, 0 AS taken_silent
FROM (
  SELECT channel, account_id, sender_id, content_version, carrier, region, list_source_id, segments, {hour} AS hour,
    CASE WHEN {failed} THEN fault ELSE '' END AS fault, CASE WHEN {failed} THEN reason_code ELSE '' END AS code,
    count(*) AS n,
    sum(CASE WHEN {failed} THEN 1 ELSE 0 END) AS failed,
    sum(CASE WHEN disposition = %(delivered)s THEN 1 ELSE 0 END) AS delivered,
    sum(CASE WHEN disposition <> %(pending)s THEN 1 ELSE 0 END) AS settled,
    sum(CASE WHEN disposition <> %(pending)s OR {silent} THEN 1 ELSE 0 END) AS waited,
    sum(CASE WHEN {silent} THEN 1 ELSE 0 END) AS silent
  FROM deliveries_message
  WHERE campaign_id = %(campaign)s AND attempt = 1 AND disposition <> '' AND status <> %(queued)s
  GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11) one
"""


class Columns(NamedTuple):
    """Of a measure: whom it can be said of, of whom it is true, and which cause has taken a cell."""

    n: str
    failed: str
    taken: str


COLUMNS = {
    FAILED: Columns("n", "failed", "taken_failed"),
    SILENT: Columns("waited", "silent", "taken_silent"),
}


class Candidate(NamedTuple):
    """Messages that no cause has taken yet, and what they have in common: (dimension, value) of none, one or two."""

    parts: tuple[tuple[str, str], ...]
    n: int
    failed: int
    expected: float

    @property
    def dimensions(self) -> tuple[str, ...]:
        return tuple(dimension for dimension, _ in self.parts)


class Cells:
    """The counted messages of one campaign, while its causes are looked for. `domains`: wording -> where it leads."""

    def __init__(self, cursor: Any, domains: Mapping[str, Sequence[str]]) -> None:
        self.cursor = cursor
        self.domains = domains
        distinct = ", ".join(f"count(DISTINCT {name}), min({name})" for name in COUNTED)
        row = self._rows(f"SELECT {distinct}, count(*) FROM cause_cells")[0]  # noqa: S608 - our own names
        found = {name: (row[2 * at], row[2 * at + 1]) for at, name in enumerate(COUNTED)}
        self.varying = tuple(name for name, (values, _) in found.items() if values > 1)
        self.constant = {name: value for name, (values, value) in found.items() if values == 1}
        self.paired = tuple(name for name in self.varying if name != HOUR or row[-1] <= MANY_CELLS)

    def _rows(self, sql: str, values: Sequence[Any] = ()) -> list[tuple]:
        self.cursor.execute(sql, list(values))
        return self.cursor.fetchall()

    def totals(self, measure: str) -> Totals:
        """Of everything, whatever was taken."""
        n, failed, _ = COLUMNS[measure]
        sql = f"SELECT sum({n}), sum({failed}), sum({n} * usual.usual_{measure}) FROM cause_cells {JOINED}"  # noqa: S608
        (row,) = self._rows(sql)
        return Totals(int(row[0] or 0), int(row[1] or 0), float(row[2] or 0.0))

    def candidates(self, measure: str) -> list[Candidate]:
        """The whole of what no cause has taken, its parts by each dimension, and by each two. One statement."""
        alone = [(name,) for name in self.varying]
        pairs = list(combinations(self.paired, 2))
        sql = " UNION ALL ".join(self._summed(measure, names) for names in [(), *alone, *pairs])
        found = []
        for names, first, second, n, failed, expected in self._rows(sql):
            values = [value for value in (first, second) if value is not None]
            parts = tuple(zip(names.split(), values, strict=True))
            found.append(Candidate(parts, int(n), int(failed), float(expected)))
        return found + self._by_link(found)

    def _summed(self, measure: str, names: Sequence[str]) -> str:
        n, failed, taken = COLUMNS[measure]
        first, second = [f"cause_cells.{name}" for name in names] + ["NULL"] * (2 - len(names))
        grouped = f"GROUP BY {', '.join(f'cause_cells.{name}' for name in names)}" if names else ""
        return (
            f"SELECT '{' '.join(names)}', CAST({first} AS TEXT), CAST({second} AS TEXT), "  # noqa: S608 - our own names
            f"sum({n}), sum({failed}), sum({n} * usual.usual_{measure}) FROM cause_cells {JOINED} "
            f"WHERE {taken} = 0 {grouped} HAVING sum({n}) > 0"
        )

    def _by_link(self, found: Sequence[Candidate]) -> list[Candidate]:
        """By domain, from the wordings that lead there; where all of them do, a domain parts nothing."""
        wordings = {dict(one.parts)[WORDING] for one in found if one.dimensions == (WORDING,)}
        sums: dict[tuple, list[float]] = defaultdict(lambda: [0, 0, 0.0])
        for one in found:
            wording = dict(one.parts).get(WORDING)
            for domain in self.domains.get(wording, ()) if wording else ():
                if all(domain in self.domains.get(each, ()) for each in wordings):
                    continue
                rest = tuple(part for part in one.parts if part[0] != WORDING)
                sums[*rest, (LINK, domain)][0] += one.n
                sums[*rest, (LINK, domain)][1] += one.failed
                sums[*rest, (LINK, domain)][2] += one.expected
        return [
            Candidate(parts, int(n), int(failed), expected) for parts, (n, failed, expected) in sums.items()
        ]

    def _where(self, parts: Sequence[tuple[str, str]]) -> tuple[str, list[Any]]:
        conditions, values = ["1 = 1"], []
        for dimension, value in parts:
            if dimension == LINK:
                wordings = [wording for wording, domains in self.domains.items() if value in domains]
                conditions.append(f"wording IN ({', '.join(['%s'] * len(wordings))})")
                values += wordings
            else:
                conditions.append(f"cause_cells.{dimension} = %s")
                values.append(value)
        return " AND ".join(conditions), values

    def common(self, measure: str, parts: Sequence[tuple[str, str]], name: str) -> list[tuple[str, int]]:
        """What of these messages failed, by another column, most first: (value, how many)."""
        _, failed, taken = COLUMNS[measure]
        where, values = self._where(parts)
        sql = (
            f"SELECT {name}, sum({failed}) FROM cause_cells WHERE {where} AND {taken} = 0 "  # noqa: S608 - our own names
            f"GROUP BY {name} HAVING sum({failed}) > 0 ORDER BY 2 DESC, 1"
        )
        return [(value, int(n)) for value, n in self._rows(sql, values)]

    def codes(self, parts: Sequence[tuple[str, str]]) -> list[tuple[str, str, str, int]]:
        """What was reported of these failures: (channel, account, code, how many), most first."""
        where, values = self._where(parts)
        sql = (
            f"SELECT channel, account, code, sum(failed) FROM cause_cells WHERE {where} "  # noqa: S608 - our own names
            "GROUP BY channel, account, code HAVING sum(failed) > 0 ORDER BY 4 DESC, 1, 2, 3"
        )
        return [(*row, int(n)) for *row, n in self._rows(sql, values)]

    def whole(self, measure: str, parts: Sequence[tuple[str, str]]) -> Totals:
        """Of these messages, those that an earlier cause has taken included."""
        n, failed, _ = COLUMNS[measure]
        where, values = self._where(parts)
        sums = f"SELECT sum({n}), sum({failed}), sum({n} * usual.usual_{measure})"
        (row,) = self._rows(f"{sums} FROM cause_cells {JOINED} WHERE {where}", values)
        return Totals(int(row[0] or 0), int(row[1] or 0), float(row[2] or 0.0))

    def take(self, measure: str, parts: Sequence[tuple[str, str]], number: int) -> None:
        """From now on these belong to a cause."""
        taken = COLUMNS[measure].taken
        where, values = self._where(parts)
        self.cursor.execute(
            f"UPDATE cause_cells SET {taken} = %s WHERE {taken} = 0 AND {where}",  # noqa: S608 - our own names
            [number, *values],
        )

    def rates(self) -> tuple[int, int, int, int]:
        """(delivered, settled) of all, and without what causes have taken."""
        free = "taken_failed = 0 AND taken_silent = 0"
        (row,) = self._rows(
            "SELECT sum(delivered), sum(settled), "  # noqa: S608 - our own names
            f"sum(CASE WHEN {free} THEN delivered ELSE 0 END), sum(CASE WHEN {free} THEN settled ELSE 0 END) "
            "FROM cause_cells"
        )
        return tuple(int(n or 0) for n in row)  # type: ignore[return-value]

    def singles(self) -> Iterator[tuple[str, str, list[float]]]:
        """(dimension, value, [n, failed, expected, delivered, settled, silent]) of every value of every dimension."""
        sums = (
            f"sum(n), sum(failed), sum(n * usual.usual_{FAILED}), sum(delivered), sum(settled), sum(silent)"
        )
        sql = " UNION ALL ".join(
            f"SELECT '{name}', CAST(cause_cells.{name} AS TEXT), {sums} FROM cause_cells {JOINED} "  # noqa: S608
            f"GROUP BY cause_cells.{name}"
            for name in COUNTED
        )
        links: dict[str, list[float]] = {}
        for name, value, *numbers in self._rows(sql):
            counts = [float(n or 0) for n in numbers]
            yield name, value, counts
            for domain in self.domains.get(value, ()) if name == WORDING else ():
                links[domain] = [a + b for a, b in zip(links.get(domain, [0.0] * 6), counts, strict=True)]
        for domain, counts in links.items():
            yield LINK, domain, counts


JOINED = (
    "JOIN cause_usual usual ON usual.channel = cause_cells.channel AND usual.carrier = cause_cells.carrier"
)


@contextmanager
def counted(
    campaign: Campaign, rates: FailureRates, domains: Mapping[str, Sequence[str]], now: datetime
) -> Iterator[Cells]:
    """The cells of a campaign as of `now`, in tables that only this connection sees."""
    values = {
        "campaign": campaign.pk, "lasting": LASTING, "retry": Disposition.PENDING_RETRY, "rings": tuple(RINGS),
        "delivered": Disposition.DELIVERED, "pending": Disposition.PENDING, "queued": Status.QUEUED,
        "timed_out": Status.TIMED_OUT, "handed_over": (Status.SENDING, Status.SENT), "before": now - WAITED,
    }  # fmt: skip
    sql = CELLS.format(hour=HOUR_OF[connection.vendor], failed=IS_FAILED, silent=IS_SILENT)
    with _together(), connection.cursor() as cursor:
        _drop(cursor)
        try:
            cursor.execute(*_bound(sql, values))
            _note_usual(cursor, rates.usual)
            yield Cells(cursor, domains)
        finally:
            _drop(cursor)


@contextmanager
def _together() -> Iterator[None]:
    """One transaction where a pool may lend the connection to others between two. On SQLite it would keep everybody
    else from writing."""
    if connection.vendor == "postgresql":
        with transaction.atomic():
            yield
    else:
        yield


def _drop(cursor: Any) -> None:
    for table in ("cause_cells", "cause_usual"):
        cursor.execute(f"DROP TABLE IF EXISTS {table}")


def _bound(sql: str, values: Mapping[str, Any]) -> tuple[str, list[Any]]:
    """Each value in its place, in the order of the text; of several, so many places."""
    parts = sql.split("%(")
    bound: list[Any] = []
    text = parts[0]
    for part in parts[1:]:
        name, rest = part.split(")s", 1)
        value = values[name]
        if isinstance(value, tuple):
            text += f"({', '.join(['%s'] * len(value))}){rest}"
            bound += [str(one) for one in value]
        else:
            text += f"%s{rest}"
            bound.append(value if isinstance(value, int | datetime) else str(value))
    return text, bound


def _note_usual(cursor: Any, usual: Callable[[str, str, str], float]) -> None:
    """What is usual of each carrier that this campaign has written to."""
    cursor.execute("SELECT DISTINCT channel, carrier FROM cause_cells")
    places = cursor.fetchall()
    cursor.execute(
        "CREATE TEMPORARY TABLE cause_usual "
        "(channel text, carrier text, usual_failed double precision, usual_silent double precision)"
    )
    cursor.executemany(
        "INSERT INTO cause_usual VALUES (%s, %s, %s, %s)",
        [(*place, usual(Kind.ANY, *place), usual(SILENT, *place)) for place in places],
    )
