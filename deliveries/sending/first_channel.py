"""Which channel each person's first message takes, where the playbook chooses by chance: of those that may be used, the
likeliest to arrive. Who may be sent nothing at all is skipped for what stops the campaign's own channel.

For a chunk of an audience at once, in temporary tables. What a chance is, `deliveries/outcomes/chance.py` says.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from django.db import connection
from django.db.backends.utils import CursorWrapper

from campaigns.models import Campaign
from contacts.channels import Channel
from deliveries.deciding.routes import CampaignRoute
from deliveries.ledger import base_rates
from deliveries.outcomes.chance_sql import AT_LEAST, sql_records, sql_values
from deliveries.sending.audience import NoOpening, leave_out, opening_of, sql_options
from deliveries.sending.who_sql import Who

TABLES = ("options", "usual", "record", "choice", "stopped")

# What is usual for each kind of person. An option that no account can carry is not among them.
USUAL = """
CREATE TEMPORARY TABLE usual (place int, to_region varchar(8), to_carrier varchar(60), source bigint,
  rate double precision, strength double precision, PRIMARY KEY (place, to_region, to_carrier, source))
"""

# The channels that may be used of each person, the likeliest first; of equals the one that stands first.
CHOICE = """
CREATE TEMPORARY TABLE choice AS
SELECT contact_id, place, chance, results, row_number() OVER likeliest AS nth,
  lead(channel) OVER likeliest AS then_channel, lead(chance) OVER likeliest AS then_chance
FROM (SELECT o.contact_id, o.place, o.channel, {at_least} AS chance, coalesce(r.results, 0) AS results
      FROM options o
      JOIN usual u ON u.place = o.place AND u.to_region = o.region AND u.to_carrier = o.carrier
        AND u.source = o.list_source_id
      LEFT JOIN record r ON r.address_id = o.address_id AND r.channel = o.channel
      WHERE o.reason = '') one
WINDOW likeliest AS (PARTITION BY contact_id ORDER BY chance DESC, place)
"""

# Of those who may be sent nothing, what stops the channels behind the first: ";voice no_consent;email no_address".
STOPPED = """
CREATE TEMPORARY TABLE stopped AS
SELECT contact_id, {stops} AS stops FROM options GROUP BY contact_id
HAVING min(reason) <> '' AND max(CASE reason WHEN 'hold_out' THEN 1 ELSE 0 END) = 0
"""
ONE_OTHER = "max(CASE place WHEN {place} THEN ';{channel} ' || reason ELSE '' END)"

# Those whose channel this is, as AUDIENCE gives them.
CHOSEN = """
SELECT {recipient_id} AS recipient_id, {message_id} AS message_id, c.id AS contact_id, c.address_id, c.carrier,
  c.region, c.list_source_id, c.zone, c.detail, c.reason, {why} AS cause_reason, c.stops AS others
FROM (SELECT o.contact_id AS id, o.*, h.nth, h.chance, h.results, h.then_channel, h.then_chance,
        coalesce(s.stops, '') AS stops
      FROM options o LEFT JOIN choice h ON h.contact_id = o.contact_id AND h.nth = 1
      LEFT JOIN stopped s ON s.contact_id = o.contact_id
      WHERE o.place = {place} AND coalesce(h.place, 0) = {place}) c
ORDER BY c.id
"""

# "Best chance to arrive: 92% by 6 results; next best email, 61%"
WHY = """CASE WHEN c.nth IS NULL OR (c.then_channel IS NULL AND c.place = 0) THEN ''
  WHEN c.then_channel IS NULL THEN 'The only channel that they may be sent this on'
  ELSE 'Best chance to arrive: ' || {chance} || '% by ' || c.results || CASE c.results WHEN 1 THEN ' result' ELSE
    ' results' END || '; next best ' || {then_name} || ', ' || {then_chance} || '%' END"""


def first_routes(campaign: Campaign, routes: Mapping[str, CampaignRoute]) -> dict[str, CampaignRoute]:
    """How first messages may leave, by channel, the campaign's own before others, of which the sender may send."""
    return {
        channel: route
        for channel in campaign.first_channels
        if (route := routes.get(channel)) and (channel == campaign.channel or route.content.sender.may_send)
    }


def choose(
    cursor: CursorWrapper,
    campaign: Campaign,
    who: Who,
    routes: Mapping[str, CampaignRoute],
    low: int,
    high: int,
    start: datetime,
    now: datetime,
) -> None:
    """Choose for the contacts in (low, high] among the channels of `routes`, the campaign's own first."""
    senders = {channel: route.content.sender.value for channel, route in routes.items()}
    drop(cursor)
    sql, values = sql_options(campaign, who, senders, low, high, now)
    cursor.execute(f"CREATE TEMPORARY TABLE options AS {sql}", values)
    _hold_out(cursor, campaign)
    for place, channel in enumerate(routes):
        leave_out(cursor, campaign, channel, "options", f" AND place = {place}")
    _close_without_hours(cursor, campaign, list(routes), start)
    _lay_out_usual(cursor, routes)
    if connection.vendor == "postgresql":
        cursor.execute("ANALYZE options")  # else PostgreSQL believes that it is nearly empty
    of_them = "contact_id IN (SELECT contact_id FROM options WHERE reason = '')"
    cursor.execute(f"CREATE TEMPORARY TABLE record AS {sql_records(of_them)}", sql_values(now))
    # Of the joins of CHOICE PostgreSQL believes that they find one row, and would go through all records for each.
    cursor.execute("CREATE INDEX record_of_address ON record (address_id, channel)")
    if connection.vendor == "postgresql":
        cursor.execute("ANALYZE usual")
        cursor.execute("ANALYZE record")
    cursor.execute(CHOICE.format(at_least=AT_LEAST))
    stops = [ONE_OTHER.format(place=place, channel=channel) for place, channel in enumerate(routes) if place]
    cursor.execute(STOPPED.format(stops=" || ".join(stops)))


def in_words(whys: Mapping[str, str]) -> str:
    """Why somebody may be sent nothing, by channel: "SMS: the person opted out. By email: there is no address"."""
    return ". By ".join(f"{Channel(channel).in_sentence}: {why}" for channel, why in whys.items())


def read_others(others: str) -> dict[str, str]:
    """Channel -> the reason that stops it, as STOPPED writes them."""
    pairs = (each.split(" ") for each in others.split(";") if each)
    return {channel: reason for channel, reason in pairs if reason}


def _hold_out(cursor: CursorWrapper, campaign: Campaign) -> None:
    """Whoever is held out is on every channel that is open to them: skipped for that, also where the first is not."""
    if campaign.meant.hold_out:
        cursor.execute(
            "UPDATE options SET reason = 'hold_out', detail = '' WHERE place = 0 AND contact_id IN "
            "(SELECT contact_id FROM options WHERE reason = 'hold_out')"
        )


def _close_without_hours(
    cursor: CursorWrapper, campaign: Campaign, channels: list[str], start: datetime
) -> None:
    """A channel on which somebody can never be written to, as no hour is permitted, is not open to them."""
    cursor.execute("SELECT DISTINCT place, zone FROM options WHERE reason = ''")
    closed = [
        (found.reason, found.law, place, zone)
        for place, zone in cursor.fetchall()
        if isinstance(found := opening_of(campaign, channels[place], zone, start), NoOpening)
    ]
    cursor.executemany(
        "UPDATE options SET reason = %s, detail = %s WHERE reason = '' AND place = %s AND zone = %s", closed
    )


def _lay_out_usual(cursor: CursorWrapper, routes: Mapping[str, CampaignRoute]) -> None:
    rates, found = base_rates.load(), list(routes.items())
    cursor.execute("SELECT DISTINCT place, region, carrier, list_source_id FROM options WHERE reason = ''")
    kinds = cursor.fetchall()
    cursor.execute(USUAL)
    rows = [
        (place, region, carrier, source, *rates.of(found[place][0], carrier, source))
        for place, region, carrier, source in kinds
        if found[place][1].spans(region, carrier)
    ]
    cursor.executemany("INSERT INTO usual VALUES (%s, %s, %s, %s, %s, %s)", rows)


def sql_chosen(place: int, *, recipient_id: str, message_id: str) -> str:
    """The statement CHOSEN for one of the channels; the ids are expressions for those of the rows to be made."""
    names = " ".join(f"WHEN '{channel.value}' THEN '{channel.in_sentence}'" for channel in Channel)
    why = WHY.format(
        chance=_hundredths("c.chance"),
        then_chance=_hundredths("c.then_chance"),
        then_name=f"CASE c.then_channel {names} END",
    )
    return CHOSEN.format(
        recipient_id=recipient_id, message_id=message_id, why=why.replace("%", "%%"), place=place
    )


def drop(cursor: CursorWrapper) -> None:
    for table in TABLES:
        cursor.execute(f"DROP TABLE IF EXISTS {table}")


def _hundredths(share: str) -> str:
    return f"CAST(round({share} * 100) AS integer)"
