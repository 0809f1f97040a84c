"""Whom a campaign or a saved segment means, as one statement: the only place where its conditions become SQL.

Everything that counts, forecasts, lists or expands an audience is built upon `sql_who`, so that nobody can disagree
about who is meant. Words of people are bound; numbers and words of ours are written out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.db import connection

from campaigns.conditions import Condition, Conditions
from campaigns.follow_ups import FollowWhen
from contacts import drawing
from contacts.attributes import sql_attribute
from contacts.channels import KIND_OF, Channel
from contacts.consent_ledger import sql_latest
from deliveries.ledger import base_rates
from deliveries.ledger.base_rates import NOTHING_KNOWN
from deliveries.models import Deed, Engagement
from deliveries.outcomes.chance_sql import AT_LEAST, sql_records, sql_values

# Of a table with a row for each contact or several: those of the range that is asked about, read in one sweep.
RANGE = "{column} > %(low)s AND {column} <= %(high)s"
ENGAGED = (Engagement.Kind.REPLY, Engagement.Kind.CLICK, Engagement.Kind.KEY_PRESS, Engagement.Kind.START)


class Follow(NamedTuple):
    """The people of an earlier campaign of whom `when` is so since `hours`; of a draft '': all whom it wrote to. `but`:
    the campaign of which they are no recipients yet; 0 for whoever they are. `moves_after`: so many hours without an
    outcome let the earlier campaign's playbook take another channel; 0: it takes none. `since`: only those who were
    reached, or did it, after that moment; None for all."""

    campaign: int
    when: str = ""
    hours: int = 0
    but: int = 0
    moves_after: int = 0
    since: datetime | None = None


class Who(NamedTuple):
    """The people on any of `lists`, or all there are where it is everybody, of whom the conditions hold. `key`: the
    campaign whose samples are drawn; 0 for none yet. `follow`: instead of lists, the people of an earlier campaign.
    `found`: all of them within the range that is asked about, once somebody has looked; None before."""

    lists: tuple[int, ...]
    conditions: Conditions
    key: int = 0
    follow: Follow | None = None
    found: tuple[int, ...] | None = None


# Of several conditions in a larger statement PostgreSQL believes that they leave a few people, and reads all
# suppressions anew for each of many thousand: whom they mean is found first, and given to it as a list.
FOUND = {
    "postgresql": "SELECT unnest(%(meant)s::bigint[]) AS contact_id",
    "sqlite": "SELECT value AS contact_id FROM json_each(%(meant)s)",
}


@dataclass
class Bound:
    """The values of a statement, by names that no other part of it has."""

    now: datetime
    key: int
    values: dict[str, Any] = field(default_factory=dict)

    def __call__(self, value: Any) -> str:
        name = f"who_{len(self.values)}"
        self.values[name] = value
        return f"%({name})s"

    def since(self, days: int) -> str:
        return self(connection.ops.adapt_datetimefield_value(self.now - timedelta(days=days)))


def sql_who(who: Who, now: datetime) -> tuple[str, dict[str, Any]]:
    """A statement that gives each `contact_id` once of those in (low, high], and what it asks for beside these two; of
    a `who` whose people were `found`, all of these."""
    if who.found is not None:
        ids = ",".join(map(str, who.found))
        return FOUND[connection.vendor], {
            "meant": f"{{{ids}}}" if connection.vendor == "postgresql" else f"[{ids}]"
        }
    bound = Bound(now, who.key)
    of = _followed(who.follow, bound) if who.follow else _candidates(who)
    if not who.conditions.narrowed:
        return of, bound.values
    these = " AND ".join(_sql_condition(one, bound) for one in who.conditions.narrowed)
    inside = RANGE.format(column="c.id")
    return (
        f"SELECT c.id AS contact_id FROM ({of}) candidate "  # noqa: S608 - our own words, values are bound
        f"JOIN contacts_contact c ON c.id = candidate.contact_id AND {inside} WHERE {these}"
    ), bound.values


def _candidates(who: Who) -> str:
    if who.conditions.everybody:
        inside = RANGE.format(column="id")
        return (
            f"SELECT id AS contact_id FROM contacts_contact WHERE {inside} "  # noqa: S608 - our own words
            "AND merged_into_id IS NULL AND erased_at IS NULL"
        )
    # The lists by number: of a sub-select the planner believes that it finds next to nobody.
    lists, inside = _numbers(who.lists), RANGE.format(column="contact_id")
    return f"SELECT DISTINCT contact_id FROM contacts_listmembership WHERE contact_list_id IN ({lists}) AND {inside}"  # noqa: S608 - our own words


REACHED = "r.state = 'reached' AND r.reached_at <= {before}"
DID = (
    "EXISTS (SELECT 1 FROM deliveries_engagedperson e WHERE e.recipient_id = r.id AND e.deed = '{deed}'{at})"
)
SAID_NO = DID.format(
    deed=Deed.OPTED_OUT, at=""
)  # whoever said no on one channel is not to be asked on another
# Of a recipient `r` of the earlier campaign. Whom a colleague took out of the automatic steps stays out.
FOLLOWS = {
    "": "r.state <> 'skipped'",
    FollowWhen.REACHED: REACHED,
    FollowWhen.CLICKED: DID.format(deed=Deed.CLICKED, at=" AND e.at <= {before}"),
    FollowWhen.REPLIED: f"{DID.format(deed=Deed.REPLIED, at=' AND e.at <= {before}')} AND NOT {SAID_NO}",
    FollowWhen.NOT_CLICKED: f"{REACHED} AND NOT {DID.format(deed=Deed.CLICKED, at='')}",
    FollowWhen.QUIET: f"{REACHED} AND NOT {DID.format(deed=Deed.ANY, at='')} AND NOT {SAID_NO}",
    FollowWhen.NOT_REACHED: "r.state NOT IN ('reached', 'skipped', 'planned') AND EXISTS (SELECT 1 FROM"
    " deliveries_message m WHERE m.recipient_id = r.id AND m.handed_over_at <= {before})",
}


def sql_follows(follow: Follow, now: datetime) -> tuple[str, dict[str, Any]]:
    """Whether a recipient `r` of the earlier campaign is meant by now, and what the condition asks for."""
    before = now - timedelta(hours=follow.hours)
    condition = f"r.automatic AND {FOLLOWS[follow.when].format(before='%(follow_before)s')}"
    return condition, {"follow_before": connection.ops.adapt_datetimefield_value(before)}


# Whatever the playbook of the earlier campaign still has for a recipient `r`: a step with a time that it takes by
# itself, a message that waits, or another channel for one without an outcome, for which it gets some time beyond that.
GOES_ON = """(r.state <> 'failed' AND r.next_step IN ('retry', 'switch') AND r.next_step_at IS NOT NULL
  OR EXISTS (SELECT 1 FROM deliveries_message w JOIN deliveries_outbox o ON o.message_id = w.id
             WHERE w.recipient_id = r.id){moves})"""
MOVES = """
  OR r.state = 'open' AND EXISTS (SELECT 1 FROM deliveries_message w WHERE w.recipient_id = r.id
                                  AND w.handed_over_at > {moved})"""
MOMENT_TO_MOVE = timedelta(hours=1)


def sql_goes_on(follow: Follow, now: datetime) -> tuple[str, dict[str, Any]]:
    """Whether the earlier campaign goes on by itself to try to reach a recipient `r`, and what the condition asks
    for."""
    if not follow.moves_after:
        return GOES_ON.format(moves=""), {}
    moved = now - timedelta(hours=follow.moves_after) - MOMENT_TO_MOVE
    moves = MOVES.format(moved="%(follow_moved)s")
    return GOES_ON.format(moves=moves), {"follow_moved": connection.ops.adapt_datetimefield_value(moved)}


# What came to be so after a moment. Of somebody who was not reached no time says since when.
REACHED_SINCE = "r.reached_at > {since}"
DID_SINCE = (
    "r.id IN (SELECT e.recipient_id FROM deliveries_engagedperson e WHERE e.campaign_id = {campaign:d}"
    " AND e.deed = '{deed}' AND e.at > {since})"
)
SINCE = {
    FollowWhen.REACHED: REACHED_SINCE,
    FollowWhen.NOT_CLICKED: REACHED_SINCE,
    FollowWhen.QUIET: REACHED_SINCE,
    FollowWhen.CLICKED: DID_SINCE.replace("{deed}", Deed.CLICKED),
    FollowWhen.REPLIED: DID_SINCE.replace("{deed}", Deed.REPLIED),
}

# Without the range: where PostgreSQL knows nothing of them yet, it would go through all of it for each.
BUT = (
    " AND NOT EXISTS (SELECT 1 FROM campaigns_recipient mine WHERE mine.campaign_id = {but:d}"
    " AND mine.contact_id = r.contact_id)"
)


def _followed(follow: Follow, bound: Bound) -> str:
    condition, values = sql_follows(follow, bound.now)
    bound.values |= values
    inside = RANGE.format(column="r.contact_id")
    if follow.when == FollowWhen.NOT_REACHED:
        goes_on, more = sql_goes_on(follow, bound.now)
        bound.values |= more
        condition += f" AND NOT {goes_on}"
    if follow.since and follow.when in SINCE:
        bound.values["follow_since"] = connection.ops.adapt_datetimefield_value(follow.since)
        since = SINCE[FollowWhen(follow.when)]
        condition += f" AND {since.format(campaign=follow.campaign, since='%(follow_since)s')}"
    if follow.but:
        condition += BUT.format(but=follow.but)
    return (
        f"SELECT r.contact_id FROM campaigns_recipient r "  # noqa: S608 - our own words, values are bound
        f"WHERE r.campaign_id = {follow.campaign:d} AND {inside} AND {condition}"
    )


def _sql_condition(condition: Condition, bound: Bound) -> str:
    sql = SQL[condition.kind](condition, bound)
    return f"NOT ({sql})" if condition.negated else f"({sql})"


def _numbers(ids: Iterable[int]) -> str:
    return ", ".join(map(str, sorted(ids))) or "NULL"


def _of_range(table: str, where: str, column: str = "t.contact_id") -> str:
    """Looked up for each contact, or read once where the database finds that cheaper. "IS TRUE" keeps PostgreSQL from
    making it a join: of several it believes that they leave one row, and goes through the next table for each of ten
    thousand. No "IN": a list too long for its memory it would go through anew for each contact."""
    inside = RANGE.format(column=column)
    return f"(EXISTS (SELECT 1 FROM {table} t WHERE {column} = c.id AND {where} AND {inside})) IS TRUE"  # noqa: S608 - our own words


# ---- One condition each: never NULL, so that its contrary is the rest ------------------------------------------


def _source(one: Condition, bound: Bound) -> str:
    return f"coalesce(c.source_id, 0) IN ({_numbers(one['lists'])})"


def _import(one: Condition, bound: Bound) -> str:
    return f"coalesce(c.first_import_id, 0) IN ({_numbers(one['imports'])})"


def _on(one: Condition, bound: Bound) -> str:
    return _of_range("contacts_listmembership", f"t.contact_list_id IN ({_numbers(one['lists'])})")


def _field(one: Condition, bound: Bound) -> str:
    """Its whole text, or one of the words between commas or semicolons; of capitals only A to Z are taken for small
    ones, as both databases know those."""
    small = 'lower(({}) COLLATE "C")' if connection.vendor == "postgresql" else "lower({})"
    text = small.format(f"coalesce({sql_attribute('c.attributes', bound(one['field']))}, '')")
    parts = f"',' || replace(replace(replace({text}, ';', ','), ', ', ','), ' ,', ',') || ','"
    asked = (bound(_small(word)) for word in one["words"])
    tests = (f"{text} = {word} OR {_inside(parts, word)}" for word in asked)
    return " OR ".join(tests)


def _inside(text: str, word: str) -> str:
    """Whether the text holds the word between commas: no pattern, so that % and _ are letters like others."""
    find = "strpos({}, {})" if connection.vendor == "postgresql" else "instr({}, {})"
    return find.format(text, f"',' || {word} || ','") + " > 0"


def _small(word: str) -> str:
    return "".join(letter.lower() if letter.isascii() else letter for letter in word)


def _stage(one: Condition, bound: Bound) -> str:
    return f"c.stage IN ({', '.join(bound(each) for each in one['stages'])})"


def _tier(one: Condition, bound: Bound) -> str:
    return f"c.value_tier >= {one['tier']:d}"


def _region(one: Condition, bound: Bound) -> str:
    tests = []
    for region in one["regions"]:
        tests.append(f"upper(t.region) = {bound(region)}")
        if "-" not in region:
            tests.append(f"substr(upper(t.region), 1, 3) = {bound(f'{region}-')}")
    return _of_range("contacts_address", f"t.preferred AND ({' OR '.join(tests)})")


def _reached(one: Condition, bound: Bound) -> str:
    by = f" AND t.reached_by = {bound(one['any_channel'])}" if one["any_channel"] else ""
    return _of_range("campaigns_recipient", f"t.reached_at >= {bound.since(one['days'])}{by}")


def _never(one: Condition, bound: Bound) -> str:
    return f"NOT ({_of_range('campaigns_recipient', 't.reached_at IS NOT NULL')})"


def _campaign(one: Condition, bound: Bound) -> str:
    meant = f"t.campaign_id = {one['campaign']:d}"
    if one["outcome"] == "not_in":
        return f"NOT ({_of_range('campaigns_recipient', meant)})"
    reached = "NOT NULL" if one["outcome"] == "reached" else "NULL"
    return _of_range("campaigns_recipient", f"{meant} AND t.reached_at IS {reached}")


def _engaged(one: Condition, bound: Bound) -> str:
    """What is surely theirs: no machine's doing, nor anybody's who goes by the same address."""
    kinds = ", ".join(f"'{kind}'" for kind in ENGAGED)
    where = f"t.kind IN ({kinds}) AND NOT t.machine AND NOT t.shared AND t.at >= {bound.since(one['days'])}"
    return _of_range("deliveries_engagement", where)


def _consent(one: Condition, bound: Bound) -> str:
    return f"coalesce({sql_latest(one['channel'])}, FALSE)"


def _sample(one: Condition, bound: Bound) -> str:
    return f"{drawing.sql_place(bound.key, drawing.SAMPLE)} < {one['share']:d}"


USUAL = """SELECT a.id AS address_id, a.contact_id, {rate} AS rate, {strength} AS strength
  FROM contacts_address a JOIN contacts_contact p ON p.id = a.contact_id
  LEFT JOIN (VALUES {carriers}) by_carrier ON by_carrier.column1 = a.carrier
  LEFT JOIN (VALUES {sources}) by_source ON by_source.column1 = coalesce(p.source_id, 0)
  WHERE a.preferred AND a.kind = '{kind}' AND {inside}"""


def _likely(one: Condition, bound: Bound) -> str:
    """As `deliveries/outcomes/chance.py` has it, of their preferred address; by no chance where they have none."""
    channel = one["channel"]
    known = sql_values(bound.now)
    records = sql_records(RANGE.format(column="contact_id")).replace("%(now)s", bound(known["now"]))
    records = records.replace("%(oldest)s", bound(known["oldest"]))
    chance = AT_LEAST
    return f"""(c.id IN (SELECT u.contact_id FROM ({_usual(channel, bound)}) u
      LEFT JOIN ({records}) r ON r.address_id = u.address_id AND r.channel = '{Channel(channel).value}'
      WHERE {chance} >= {one["percent"] / 100})) IS TRUE"""  # noqa: S608 - our own words, values are bound


def _usual(channel: str, bound: Bound) -> str:
    rates, strength = base_rates.load(), NOTHING_KNOWN.strength
    carriers, sources, rate = [], [], str(NOTHING_KNOWN.rate)
    if channel in rates.odds:
        strength = rates.strengths[channel]
        carriers = [(bound(name), x) for (of, name), x in rates.carriers.items() if of == channel]
        sources = [(str(pk), x) for (of, pk), x in rates.sources.items() if of == channel]
        odds = (
            f"({rates.odds[channel]} * coalesce(by_carrier.column2, 1.0) * coalesce(by_source.column2, 1.0))"
        )
        rate = f"({odds} / (1.0 + {odds}))"
    return USUAL.format(
        rate=rate,
        strength=strength,
        carriers=_rows(carriers, "''"),
        sources=_rows(sources, "-1"),
        kind=KIND_OF[Channel(channel)].value,
        inside=RANGE.format(column="a.contact_id"),
    )


def _rows(pairs: list[tuple[str, float]], nobody: str) -> str:
    return ", ".join(f"({key}, {factor})" for key, factor in pairs) or f"({nobody}, 1.0)"


SQL: dict[str, Callable[[Condition, Bound], str]] = {
    "source": _source,
    "import": _import,
    "on": _on,
    "field": _field,
    "stage": _stage,
    "tier": _tier,
    "region": _region,
    "reached": _reached,
    "never": _never,
    "campaign": _campaign,
    "engaged": _engaged,
    "likely": _likely,
    "consent": _consent,
    "sample": _sample,
}
