"""The people whom a campaign means, and what stops each of them, as `contacts/gate_sql.py` says it of many at once.

Who is meant, `who_sql.py` says.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from math import gcd
from typing import Any, NamedTuple

from django.db import connection
from django.db.backends.utils import CursorWrapper

from campaigns.models import Campaign
from campaigns.models.campaigns import EARLIEST
from contacts.channels import KIND_OF, Channel
from contacts.gate import Reason
from contacts.gate_facts import Dimension
from contacts.gate_sql import SQL_JOINS, Choice, sql_detail, sql_gate_values, sql_reason
from contacts.hours import held_by, local_zones, next_close, next_open, spread_over
from contacts.jurisdictions import CODE_DIGITS, laws
from deliveries.outcomes.keyset import read_id
from deliveries.sending.meant import FirstPeople, candidates, first_people, key_of, who_of
from deliveries.sending.who_sql import Who, sql_who

OF_NUMBER = (
    ";"  # between the zone entered for the contact, those of the number, its region and its first digits
)

GOLDEN = 0.6180339887  # of any number of steps so long, none falls near another
FAR_BACK = datetime(1970, 1, 1, tzinfo=UTC)

# The contacts of this chunk with their preferred address and the first reason that stops them, in the gate's order.
# The range of the chunk is said of every table, so that each is read in one sweep instead of row by row; the ids
# rise with the contacts', so that the indexes filled afterwards grow at one end.
AUDIENCE = """
SELECT {recipient_id} AS recipient_id, {message_id} AS message_id, c.id AS contact_id, a.id AS address_id,
  coalesce(a.carrier, '') AS carrier, coalesce(a.region, '') AS region, coalesce(c.source_id, 0) AS list_source_id,
  c.time_zone || '{of_number}' || coalesce(a.time_zone, '') || '{of_number}' || coalesce(a.region, '')
    || '{of_number}' || CASE WHEN {by_number} THEN substr(a.match_key, 1, {code_digits}) ELSE '' END AS zone,
  {detail} AS detail,
  {reason} AS reason,
  '' AS cause_reason,
  '' AS others
FROM ({who}) who
JOIN contacts_contact c ON c.id = who.contact_id AND c.id > %(low)s AND c.id <= %(high)s
LEFT JOIN contacts_address a ON a.contact_id = c.id AND a.kind = %(kind)s AND a.preferred
  AND a.contact_id > %(low)s AND a.contact_id <= %(high)s
{joins}
WHERE NOT EXISTS (SELECT 1 FROM campaigns_recipient r WHERE r.campaign_id = %(campaign)s AND r.contact_id = c.id
                    AND r.contact_id > %(low)s AND r.contact_id <= %(high)s)
ORDER BY c.id
"""


def bounds(
    campaign: Campaign, who: Who, channel: str, low: int, high: int, sender: str, now: datetime
) -> dict[str, Any]:
    """What AUDIENCE asks for."""
    return {
        **sql_who(who, now)[1], **sql_gate_values(channel, sender, campaign.playbook.strikes), "campaign": campaign.pk,
        "low": low, "high": high, "now": sql_moment(now), "kind": KIND_OF[Channel(channel)],
    }  # fmt: skip


def forecast(
    campaign: Campaign, senders: Mapping[str, str], now: datetime, first: FirstPeople | None = None
) -> Counter[str]:
    """Reason -> how many of the campaign's audience would be skipped for it; '' for those who would be written to.

    `senders`: channel -> the value of its sender, for each that first messages may take, the campaign's own first.
    Asks the first contacts only: of a million it would take seconds, for a page. Writes nothing.
    """
    people, values = _sql_people(campaign, first or first_people(campaign, now), senders, 0, now)
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT reason, count(*) FROM ({people}) people GROUP BY reason", values)  # noqa: S608 - our own statement
        return Counter(dict(cursor.fetchall()))


def left_out(
    campaign: Campaign,
    senders: Mapping[str, str],
    now: datetime,
    *,
    reason: str = "",
    after: int = 0,
    most: int,
    first: FirstPeople | None = None,
) -> list[tuple[int, str]]:
    """(contact, reason) of those whom `forecast` counts as skipped, for `reason` or for any, by the contact's id.

    `most` of them, beginning behind the contact `after`. Writes nothing.
    """
    people, values = _sql_people(campaign, first or first_people(campaign, now), senders, after, now)
    wanted = "reason = %(reason)s" if reason else "reason <> ''"
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT contact_id, reason FROM ({people}) people WHERE {wanted} "  # noqa: S608 - our own statement
            "ORDER BY contact_id LIMIT %(most)s",
            {**values, "reason": reason, "most": most},
        )
        return cursor.fetchall()


# Who may be written to on any of the channels is, but for those held out; the others are skipped for what stops the
# first.
PEOPLE = """
SELECT contact_id, CASE WHEN min(reason) = '' THEN ''
  WHEN max(CASE reason WHEN 'hold_out' THEN 1 ELSE 0 END) = 1 THEN 'hold_out'
  ELSE max(CASE place WHEN 0 THEN reason ELSE '' END) END AS reason
FROM ({options}) option GROUP BY contact_id
"""


def reasons_by_channel(
    campaign: Campaign, who: Who, senders: Mapping[str, str], contacts: Collection[int], now: datetime
) -> dict[int, dict[str, str]]:
    """Contact -> channel -> why it would be skipped there, of those of `senders`, in their order; one query."""
    these = who._replace(found=tuple(contacts))
    sql, values = sql_options(campaign, these, senders, min(contacts) - 1, max(contacts), now)
    found: dict[int, dict[str, str]] = defaultdict(dict)
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT contact_id, channel, reason FROM ({sql}) option ORDER BY contact_id, place",  # noqa: S608 - our own statement
            values,
        )
        for contact, channel, reason in cursor.fetchall():
            found[contact][channel] = reason
    return found


def _sql_people(
    campaign: Campaign, first: FirstPeople, senders: Mapping[str, str], low: int, now: datetime
) -> tuple[str, dict[str, Any]]:
    """A statement that gives (contact_id, reason) of the first people, and what it asks for."""
    who, high, _ = first
    if len(senders) > 1:
        options, values = sql_options(campaign, who, senders, low, high, now)
        return PEOPLE.format(options=options), values
    (channel, sender), *_ = senders.items()
    return sql_audience(campaign, who, channel, now), bounds(campaign, who, channel, low, high, sender, now)


def sql_options(
    campaign: Campaign, who: Who, senders: Mapping[str, str], low: int, high: int, now: datetime
) -> tuple[str, dict[str, Any]]:
    """AUDIENCE on each of these channels, with `place`, where that stands among them, and `channel`; and what it asks
    for."""
    parts: list[str] = []
    values: dict[str, Any] = {}
    for place, (channel, sender) in enumerate(senders.items()):
        audience = re.sub(r"%\((\w+)\)s", rf"%(\1_{place})s", sql_audience(campaign, who, channel, now))
        parts.append(f"SELECT {place} AS place, '{channel}' AS channel, one.* FROM ({audience}) one")  # noqa: S608 - our own statement
        asked = bounds(campaign, who, channel, low, high, sender, now)
        values |= {f"{name}_{place}": value for name, value in asked.items()}
    return " UNION ALL ".join(parts), values


def sql_audience(
    campaign: Campaign,
    who: Who,
    channel: str,
    now: datetime,
    *,
    recipient_id: str = "0",
    message_id: str = "0",
) -> str:
    """The statement AUDIENCE for this campaign; the ids are expressions for those of the rows to be made."""
    meant = who.conditions
    lists = None if meant.everybody else who.lists
    return AUDIENCE.format(
        recipient_id=recipient_id,
        message_id=message_id,
        who=sql_who(who, now)[0],
        of_number=OF_NUMBER,
        by_number="upper(a.region) IN ('', 'US')" if Channel(channel).keeps_hours else "1 = 0",
        code_digits=CODE_DIGITS,
        detail=sql_detail(channel),
        reason=sql_reason(channel, Choice(campaign.pk, lists, meant.excluded, meant.hold_out)),
        joins=SQL_JOINS,
    )


def source_of(value: str) -> int | None:
    """The list that a part which is left out names, 0 for those of none; None for what names nobody, to the gate
    either."""
    number = read_id(value)
    return number if str(number) == value else None


def leave_out(cursor: CursorWrapper, campaign: Campaign, channel: str, table: str, also: str = "") -> None:
    """In a temporary table of an audience, or of options that `also` is a condition of: whom the campaign goes on
    without on this channel is skipped for it, unless something else stops them."""
    for on, dimension, value in campaign.slices_out:
        if on == channel:
            column = {Dimension.CARRIER: "carrier", Dimension.REGION: "region"}.get(Dimension(dimension))
            where = f"{column} = %s" if column else "list_source_id = %s"
            given = value if column else source_of(value)
            if given is None:
                continue
            cursor.execute(
                f"UPDATE {table} SET reason = %s WHERE reason = '' AND {where}{also}",  # noqa: S608 - our own words
                [Reason.LEFT_OUT.value, given],
            )


class Opening(NamedTuple):
    """When people may first be written to, and over how many seconds that is spread: 1 where nobody has to wait."""

    at: datetime
    spread_over: int = 1
    step: int = (
        1  # seconds between one message and the next: a golden share of them, where few fill many hours
    )


class NoOpening(NamedTuple):
    """They can never be written to; `law` says which rule leaves no hour, '' where it is none."""

    reason: str
    law: str = ""


def opening_of(campaign: Campaign, channel: str, zone: str, start: datetime) -> Opening | NoOpening:
    """The one of recipients in `zone`, as the audience holds it.

    Worked out once for each, daylight saving included.
    """
    contact, number, region, code = zone.rsplit(OF_NUMBER, 3)
    zones = local_zones(contact, number)
    start = campaign.start_in(zones, start)
    if not Channel(channel).keeps_hours:
        return _spread_out(campaign, start) if campaign.spread_hours else Opening(start)
    lawful = laws(region, code, channel, campaign.purpose)
    hours = zones, campaign.window_start, campaign.window_end, lawful
    opens = next_open(start, *hours)
    if opens is None:
        law = held_by(start, *hours)
        return NoOpening(Reason.NO_LAWFUL_HOUR if law else Reason.NO_COMMON_HOUR, law)
    if campaign.spread_hours:
        return _spread_out(campaign, opens)
    if opens <= start or campaign.is_urgent:
        return Opening(opens)
    closes = next_close(opens, *hours)
    return Opening(opens, spread_over(opens, min(filter(None, [closes, campaign.relevant_until]))))


def _spread_out(campaign: Campaign, opens: datetime) -> Opening:
    """Evenly over the hours that the campaign says, but not beyond its end. Whoever's hours close before gets it when
    they open again."""
    seconds = int((campaign.spread_hours or 0) * 3_600)
    if campaign.relevant_until:
        seconds = min(seconds, int((campaign.relevant_until - opens).total_seconds()))
    seconds = max(seconds, 1)
    step = max(round(seconds * GOLDEN), 1)
    while gcd(step, seconds) > 1:
        step += 1
    return Opening(opens, seconds, step)


def earliest_start(campaign: Campaign) -> datetime | None:
    """Of a campaign that starts at local times, when it starts for the first of the people it may mean, in UTC; for
    nobody, where it is that time first on Earth. None for any other campaign. One query."""
    if campaign.local_start is None:
        return None
    who = who_of(campaign)
    to = "" if key_of(who) == "id" else "contact__"
    zones = candidates(who).order_by().values_list(f"{to}time_zone", f"{to}addresses__time_zone")
    starts = [
        campaign.start_in(local_zones(contact, number or ""), FAR_BACK)
        for contact, number in zones.distinct().iterator()
    ]
    return min(starts, default=campaign.local_start.replace(tzinfo=EARLIEST)).astimezone(UTC)


def sql_moment(moment: datetime):
    return connection.ops.adapt_datetimefield_value(moment)
