"""From an audience to its recipients and first messages: set-based, in chunks that can stop and resume.

One row for every intended contact, also the skipped ones with the gate's reason, as `contacts/gate_sql.py` says it of
many at once. The gate itself still has the last word at handover.
"""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from typing import Any, NamedTuple

from django.db import connection, transaction
from django.db.backends.utils import CursorWrapper

from campaigns.gaps import ASKED
from campaigns.models import Campaign, Recipient
from contacts.channels import KIND_OF, Channel, LineType
from contacts.gate import NAME_THE_ZONE, Reason, line_detail, sentence
from contacts.gate_sql import SQL_JOINS, sql_detail, sql_gate_values, sql_reason
from contacts.hours import held_by, local_zones, next_close, next_open, spread_over
from contacts.jurisdictions import CODE_DIGITS, laws
from contacts.models import ListMembership
from deliveries.deciding.routes import CampaignRoute, country_of, routes
from deliveries.ledger.statements import backend
from deliveries.ledger.tallies import bump
from deliveries.models import RecipientTally
from deliveries.references import moment

OF_NUMBER = (
    ";"  # between the zone entered for the contact, those of the number, its region and its first digits
)
CHUNK = 50_000  # contacts; about half a second each, and at most that is done again after a crash


class CannotSend(Exception):
    """The campaign has no content or no active account for its channel; the text says which."""


# The contacts of this chunk with their preferred address and the first reason that stops them, in the gate's order.
# The range of the chunk is said of every table, so that each is read in one sweep instead of row by row; the ids
# rise with the contacts', so that the indexes filled afterwards grow at one end.
AUDIENCE = """
SELECT {recipient_id} AS recipient_id, {message_id} AS message_id, c.id AS contact_id, a.id AS address_id,
  coalesce(a.carrier, '') AS carrier, coalesce(a.region, '') AS region, coalesce(c.source_id, 0) AS list_source_id,
  c.time_zone || '{of_number}' || coalesce(a.time_zone, '') || '{of_number}' || coalesce(a.region, '')
    || '{of_number}' || CASE WHEN {by_number} THEN substr(a.match_key, 1, {code_digits}) ELSE '' END AS zone,
  {detail} AS detail,
  {reason} AS reason
FROM (SELECT DISTINCT contact_id FROM contacts_listmembership
      WHERE contact_list_id IN ({lists}) AND contact_id > %(low)s AND contact_id <= %(high)s) who
JOIN contacts_contact c ON c.id = who.contact_id AND c.id > %(low)s AND c.id <= %(high)s
LEFT JOIN contacts_address a ON a.contact_id = c.id AND a.kind = %(kind)s AND a.preferred
  AND a.contact_id > %(low)s AND a.contact_id <= %(high)s
{joins}
WHERE NOT EXISTS (SELECT 1 FROM campaigns_recipient r WHERE r.campaign_id = %(campaign)s AND r.contact_id = c.id
                    AND r.contact_id > %(low)s AND r.contact_id <= %(high)s)
ORDER BY c.id
"""

RECIPIENTS = """
INSERT INTO campaigns_recipient (id, campaign_id, contact_id, state, skip_reason, reached_by, next_step,
  next_step_reason, automatic)
SELECT recipient_id, %(campaign)s, contact_id, CASE WHEN reason = '' THEN 'planned' ELSE 'skipped' END, reason, '',
  CASE WHEN reason = '' THEN 'wait' ELSE 'none' END, '', {yes}
FROM audience
"""

# Every skip is a decision, as one at handover is: the trail says why. `why` has a sentence for each reason and detail.
DECISIONS = """
INSERT INTO deliveries_decision (message_id, recipient_id, contact_id, at, by, rule, rule_version, step, due_at, reason)
SELECT NULL, recipient_id, contact_id, %(now)s, 'gate', why.reason, 0, 'none', NULL, why.sentence
FROM audience JOIN why ON why.reason = audience.reason AND why.detail = audience.detail
"""


class RouteSql(NamedTuple):
    """How the statements below say by which account and sender each message leaves."""

    account: str
    sender: str
    join: str = ""
    grouped: str = ""


# All of the audience by the same: without a join, which makes an expansion take a third longer.
ONE = RouteSql("%(account_id)s", "%(sender_id)s")
# As `CampaignRoute.spans` shares recipients out.
MANY = RouteSql(
    "r.account_id",
    "r.sender_id",
    """JOIN route r ON r.to_region = region AND r.to_carrier = carrier
  AND recipient_id %% 100 >= r.low AND recipient_id %% 100 < r.high""",
    "r.account_id, ",
)

MESSAGES = """
INSERT INTO deliveries_message (id, uuid, recipient_id, campaign_id, contact_id, address_id, sender_id, account_id,
  list_source_id, channel, attempt, cause, cause_reason, rule_version, priority, goal, carrier, region,
  content_version, segments, provider_message_id, status, precedence, failure_class, fault, evidence, disposition,
  reason_code, parts, created_at, created_on, due_at, updated_at)
SELECT message_id, {uuid}, recipient_id, %(campaign)s, contact_id, address_id, {sender}, {account},
  list_source_id, %(channel)s, 1, 'campaign', '', %(rule_version)s, %(priority)s, %(goal)s, carrier, region,
  %(content_version)s, 1, '', 'queued', 0, 'none', 'none', 'clock', 'PENDING',
  '', 0, %(now)s, %(day)s, {due_at}, %(now)s
FROM audience JOIN opening o ON o.zone = audience.zone {join}
WHERE reason = ''
"""

OUTBOX = """
INSERT INTO deliveries_outbox (message_id, campaign_id, account_id, sender_id, urgent, due_at, attempts, held)
SELECT message_id, %(campaign)s, {account}, {sender}, %(urgent)s, {due_at}, 0, ''
FROM audience JOIN opening o ON o.zone = audience.zone {join}
WHERE reason = ''
"""

TALLY = """
INSERT INTO deliveries_tallydelta (campaign_id, day, channel, account_id, carrier, region, list_source_id,
  status, failure_class, disposition, reason_code, n)
SELECT %(campaign)s, %(day)s, %(channel)s, {account}, carrier, region, list_source_id,
  'queued', 'none', 'PENDING', '', count(*)
FROM audience {join}
WHERE reason = ''
GROUP BY {grouped}carrier, region, list_source_id
"""


def expand(campaign: Campaign, now: datetime, chunk: int = CHUNK) -> bool:
    """Expand the next chunk of the audience, committed as one; True while there is more to do.

    Raises CannotSend. Safe to call again after a crash, and by two processes at once: the campaign's row is the lock.
    """
    with transaction.atomic():
        campaign = Campaign.objects.select_for_update().get(pk=campaign.pk)
        if campaign.state != Campaign.State.LAUNCHING:
            return False
        high = _end_of_chunk(campaign, chunk)
        if high is None:
            campaign.state = Campaign.State.SENDING
            campaign.save(update_fields=["state"])
            return False
        route = routes([campaign]).get((campaign.pk, campaign.channel))
        if route is None:
            raise CannotSend(f"{campaign.name} has no content or no active account for {campaign.channel}.")
        counts = _insert(campaign, route, campaign.expanded_to, high, now)
        campaign.expanded_to = high
        campaign.expanded_count += sum(counts.values())
        campaign.save(update_fields=["expanded_to", "expanded_count"])
        bump(
            RecipientTally,
            {
                (campaign.pk, Recipient.State.SKIPPED if reason else Recipient.State.PLANNED, reason): n
                for reason, n in counts.items()
            },
        )
    return True


def audience_size(campaign: Campaign) -> int:
    """How many contacts the campaign's lists hold, each counted once."""
    members = ListMembership.objects.filter(contact_list__in=campaign.lists.all())
    return members.values("contact_id").distinct().count()


def _end_of_chunk(campaign: Campaign, chunk: int) -> int | None:
    """The last contact id of the next chunk; None when nobody is left."""
    rest = (
        ListMembership.objects.filter(
            contact_list__in=campaign.lists.all(), contact_id__gt=campaign.expanded_to
        )
        .order_by("contact_id")
        .values_list("contact_id", flat=True)
        .distinct()
    )
    full = rest[chunk - 1 : chunk].first()
    return full if full is not None else rest.last()


def _insert(campaign: Campaign, route: CampaignRoute, low: int, high: int, now: datetime) -> dict[str, int]:
    """Fill the tables for contacts in (low, high]; return how many there were for each reason ('' for planned)."""
    statements = backend()
    start = max(now, campaign.starts_at) if campaign.starts_at else now
    values = {
        **_bounds(campaign, low, high, route.content.sender.value, now), "day": start.astimezone(UTC).date(),
        "goal": campaign.goal, "rule_version": campaign.playbook.version, "priority": campaign.priority,
        "urgent": campaign.is_urgent, "content_version": route.content.version,
    }  # fmt: skip
    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE IF EXISTS audience")
        cursor.execute("DROP TABLE IF EXISTS opening")
        cursor.execute("DROP TABLE IF EXISTS why")
        cursor.execute("DROP TABLE IF EXISTS route")
        ids = {
            "recipient_id": statements.NEXT_ID.format(table="campaigns_recipient"),
            "message_id": statements.NEXT_ID.format(table="deliveries_message"),
        }
        cursor.execute(f"CREATE TEMPORARY TABLE audience AS {_audience(campaign, **ids)}", values)
        cursor.execute("SELECT DISTINCT zone FROM audience WHERE reason = ''")
        opening = {zone: _opening(campaign, zone, start) for (zone,) in cursor.fetchall()}
        cursor.executemany(
            "UPDATE audience SET reason = %s, detail = %s WHERE reason = '' AND zone = %s",
            [
                (found.reason, found.law, zone)
                for zone, found in opening.items()
                if isinstance(found, NoOpening)
            ],
        )
        cursor.execute(
            "CREATE TEMPORARY TABLE opening"
            " (zone text PRIMARY KEY, due_at timestamp with time zone, spread_over integer)"
        )
        cursor.executemany(
            "INSERT INTO opening VALUES (%s, %s, %s)",
            [
                (zone, _sql(found.at), found.spread_over)
                for zone, found in opening.items()
                if isinstance(found, Opening)
            ],
        )
        by = _lay_out_routes(cursor, campaign, route, values)._asdict()
        cursor.execute("SELECT DISTINCT reason, detail FROM audience WHERE reason <> ''")
        skips = [
            (reason, detail, _sentence(reason, detail, campaign)) for reason, detail in cursor.fetchall()
        ]
        cursor.execute(
            "CREATE TEMPORARY TABLE why (reason varchar(24), detail varchar(200), sentence varchar(300))"
        )
        cursor.executemany("INSERT INTO why VALUES (%s, %s, %s)", skips)
        cursor.execute(RECIPIENTS.format(yes=_true()), values)
        cursor.execute(DECISIONS, values)
        uuid, due_at = statements.new_reference(moment(now)), statements.SPREAD_DUE
        cursor.execute(MESSAGES.format(uuid=uuid, due_at=due_at, **by), values)
        cursor.execute(OUTBOX.format(due_at=due_at, **by), values)
        cursor.execute(TALLY.format(**by), values)
        cursor.execute("SELECT reason, count(*) FROM audience GROUP BY reason")
        counts = dict(cursor.fetchall())
        cursor.execute("DROP TABLE audience")
        cursor.execute("DROP TABLE opening")
        cursor.execute("DROP TABLE why")
        cursor.execute("DROP TABLE IF EXISTS route")
    return counts


def _lay_out_routes(
    cursor: CursorWrapper, campaign: Campaign, route: CampaignRoute, values: dict[str, Any]
) -> RouteSql:
    """By which account and sender messages to each region and carrier of the audience leave: in the table `route`, or,
    where it is the same for all, in `values`.

    Raises CannotSend.
    """
    where = [("", "")]
    if route.lists:
        cursor.execute("SELECT DISTINCT region, carrier FROM audience WHERE reason = ''")
        where = cursor.fetchall()
    rows = []
    for region, carrier in where:
        spans = route.spans(region, carrier)
        if not spans:
            to = f" to {country_of(region)}" if region else ""
            raise CannotSend(f"{campaign.name} has no active account for {campaign.channel}{to}.")
        rows += [(region, carrier, span.low, span.high, *span.option.key) for span in spans]
    used = {row[-2:] for row in rows}
    if len(used) <= 1:
        # None where nobody is written to: then they are used for nothing.
        values["account_id"], values["sender_id"] = next(iter(used), (0, 0))
        return ONE
    cursor.execute(
        "CREATE TEMPORARY TABLE route (to_region varchar(8), to_carrier varchar(60), low int, high int, "
        "account_id bigint, sender_id bigint)"
    )
    cursor.executemany("INSERT INTO route VALUES (%s, %s, %s, %s, %s, %s)", rows)
    if connection.vendor == "postgresql":
        cursor.execute("ANALYZE audience")  # else PostgreSQL believes that the join finds one row
    return MANY


def _sentence(reason: str, detail: str, campaign: Campaign) -> str:
    """Why somebody is skipped; `detail` is a kind of line, what was reported of the number, or which law leaves no
    hour, where that is why."""
    if reason == Reason.NO_COMMON_HOUR:
        detail = NAME_THE_ZONE
    elif reason == Reason.WRONG_LINE and detail in LineType.values:
        detail = line_detail(detail, campaign.channel)
    elif reason not in (Reason.WRONG_LINE, Reason.NOT_IN_SERVICE, Reason.NO_LAWFUL_HOUR):
        detail = ""
    return sentence(reason, detail)[:300]


def _bounds(campaign: Campaign, low: int, high: int, sender: str, now: datetime) -> dict[str, Any]:
    """What AUDIENCE asks for."""
    return {
        **sql_gate_values(campaign.channel, sender, campaign.playbook.strikes), "campaign": campaign.pk,
        "low": low, "high": high, "now": _sql(now), "kind": KIND_OF[Channel(campaign.channel)],
    }  # fmt: skip


def forecast(campaign: Campaign, sender: str, now: datetime) -> Counter[str]:
    """Reason -> how many of the campaign's audience would be skipped for it; '' for those who would be written to.

    Asks the first `ASKED` contacts only: of a million it would take seconds, for a page. Writes nothing.
    """
    high = _end_of_chunk(campaign, ASKED)
    if high is None:
        return Counter()
    audience = _audience(campaign, recipient_id="0", message_id="0")
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT reason, count(*) FROM ({audience}) audience GROUP BY reason",  # noqa: S608 - our own statement
            _bounds(campaign, 0, high, sender, now),
        )
        return Counter(dict(cursor.fetchall()))


def left_out(
    campaign: Campaign, sender: str, now: datetime, *, reason: str = "", after: int = 0, most: int
) -> list[tuple[int, str]]:
    """(contact, reason) of those whom `forecast` counts as skipped, for `reason` or for any, by the contact's id.

    `most` of them, beginning behind the contact `after`. Writes nothing.
    """
    high = _end_of_chunk(campaign, ASKED)
    if high is None:
        return []
    audience = _audience(campaign, recipient_id="0", message_id="0")
    wanted = "reason = %(reason)s" if reason else "reason <> ''"
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT contact_id, reason FROM ({audience}) audience WHERE {wanted} "  # noqa: S608 - our own statement
            "ORDER BY contact_id LIMIT %(most)s",
            {**_bounds(campaign, after, high, sender, now), "reason": reason, "most": most},
        )
        return cursor.fetchall()


def _audience(campaign: Campaign, *, recipient_id: str, message_id: str) -> str:
    """The statement AUDIENCE for this campaign; the ids are expressions for those of the rows to be made."""
    # The lists by number: of a sub-select the planner believes that it finds next to nobody.
    lists = sorted(campaign.lists.values_list("pk", flat=True))
    return AUDIENCE.format(
        recipient_id=recipient_id,
        message_id=message_id,
        lists=", ".join(map(str, lists)) or "NULL",
        of_number=OF_NUMBER,
        by_number="upper(a.region) IN ('', 'US')" if campaign.keeps_hours else "1 = 0",
        code_digits=CODE_DIGITS,
        detail=sql_detail(campaign.channel),
        reason=sql_reason(campaign.channel),
        joins=SQL_JOINS,
    )


class Opening(NamedTuple):
    """When people may first be written to, and over how many seconds that is spread: 1 where nobody has to wait."""

    at: datetime
    spread_over: int = 1


class NoOpening(NamedTuple):
    """They can never be written to; `law` says which rule leaves no hour, '' where it is none."""

    reason: str
    law: str = ""


def _opening(campaign: Campaign, zone: str, start: datetime) -> Opening | NoOpening:
    """The one of recipients in `zone`, as the audience holds it.

    Worked out once for each, daylight saving included.
    """
    if not campaign.keeps_hours:
        return Opening(start)
    contact, number, region, code = zone.rsplit(OF_NUMBER, 3)
    lawful = laws(region, code, campaign.channel, campaign.purpose)
    hours = local_zones(contact, number), campaign.window_start, campaign.window_end, lawful
    opens = next_open(start, *hours)
    if opens is None:
        law = held_by(start, *hours)
        return NoOpening(Reason.NO_LAWFUL_HOUR if law else Reason.NO_COMMON_HOUR, law)
    if opens <= start or campaign.is_urgent:
        return Opening(opens)
    closes = next_close(opens, *hours)
    return Opening(opens, spread_over(opens, min(filter(None, [closes, campaign.relevant_until]))))


def _sql(moment: datetime):
    return connection.ops.adapt_datetimefield_value(moment)


def _true() -> str:
    return "true" if connection.vendor == "postgresql" else "1"
