"""From an audience to its recipients and first messages: set-based, in chunks that can stop and resume.

One row for every intended contact, also the skipped ones with the gate's reason, as `contacts/gate_sql.py` says it of
many at once. The gate itself still has the last word at handover.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

from django.db import connection, transaction
from django.db.backends.utils import CursorWrapper

from campaigns.models import Campaign, Recipient
from contacts.channels import LineType
from contacts.gate import NAME_THE_ZONE, NOT_SENT, NOT_SENT_BY, REASONS, Reason, line_detail, sentence
from deliveries.deciding.routes import CampaignRoute, country_of, routes
from deliveries.ledger.statements import backend
from deliveries.ledger.tallies import bump
from deliveries.models import RecipientTally
from deliveries.references import moment
from deliveries.sending import canary, first_channel
from deliveries.sending.audience import (
    NoOpening,
    Opening,
    bounds,
    leave_out,
    opening_of,
    sql_audience,
    sql_moment,
)
from deliveries.sending.meant import end_of_chunk, find, newly_of

CHUNK = 50_000  # contacts; about half a second each, and at most that is done again after a crash


class CannotSend(Exception):
    """The campaign has no content or no active account for its channel; the text says which."""


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
  AND why.others = audience.others
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
  list_source_id, %(channel)s, 1, 'campaign', cause_reason, %(rule_version)s, %(priority)s, %(goal)s, carrier, region,
  %(content_version)s, 1, '', 'queued', 0, 'none', 'none', 'clock', 'PENDING',
  '', 0, %(now)s, %(day)s, {due_at}, %(now)s
FROM audience JOIN opening o ON o.zone = audience.zone {join}
WHERE reason = ''
"""

OUTBOX = """
INSERT INTO deliveries_outbox (message_id, campaign_id, account_id, sender_id, urgent, due_at, attempts, held)
SELECT message_id, %(campaign)s, {account}, {sender}, %(urgent)s, {due_at}, 0, {held}
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
        high = end_of_chunk(campaign, chunk)
        if high is None:
            # As counted now: since the launch people may have joined or left, or come to meet its conditions.
            campaign.state, campaign.audience_size = Campaign.State.SENDING, campaign.expanded_count
            campaign.save(update_fields=["state", "audience_size"])
            return False
        fill(campaign, high, now)
        if campaign.expanded_count >= campaign.audience_size and end_of_chunk(campaign, 1) is not None:
            campaign.audience_size = campaign.expanded_count + 1  # there are more: it is not complete yet
            campaign.save(update_fields=["audience_size"])
    return True


def fill(campaign: Campaign, high: int, now: datetime) -> None:
    """Make recipients of those who are meant up to the contact `high`, beginning where the last chunk ended. Call it
    with the campaign's row locked. Raises CannotSend."""
    found = {channel: route for (_, channel), route in routes([campaign]).items()}
    if campaign.channel not in found:
        raise CannotSend(f"{campaign.name} has no content or no active account for {campaign.channel}.")
    counts = _insert_all(campaign, found, campaign.expanded_to, high, now)
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


class Pass(NamedTuple):
    """A round over a chunk: first messages on `channel`, for those who are `kept` of its audience, as a condition."""

    channel: str
    route: CampaignRoute
    kept: str = ""


def _passes(
    campaign: Campaign, first: Mapping[str, CampaignRoute], found: Mapping[str, CampaignRoute]
) -> list[Pass]:
    """One for each channel that first messages may take. Whom the campaign goes on without on its only one takes the
    next of the playbook that may be used; a last round writes down the others, with the reason."""
    rounds = [Pass(channel, route) for channel, route in first.items()]
    out = {channel for channel, *_ in campaign.slices_out}
    if len(first) > 1 or campaign.channel not in out:
        return rounds
    nexts = [
        Pass(channel, route, "reason = ''")
        for channel in campaign.moves_to
        if channel not in first and (route := found.get(channel)) and route.content.sender.may_send
    ]
    own = Pass(campaign.channel, first[campaign.channel], f"reason <> '{Reason.LEFT_OUT}'")
    return [own, *nexts, own._replace(kept="")] if nexts else rounds


def _insert_all(
    campaign: Campaign, found: Mapping[str, CampaignRoute], low: int, high: int, now: datetime
) -> Counter[str]:
    """Fill the tables for contacts in (low, high]; return how many there were for each reason ('' for planned).

    `found`: how messages may leave, by channel.
    """
    first = first_channel.first_routes(campaign, found)
    start = max(now, campaign.starts_at) if campaign.starts_at else now
    who = find(newly_of(campaign), low, high, now)
    counts: Counter[str] = Counter()
    with connection.cursor() as cursor:
        if len(first) > 1:
            first_channel.choose(cursor, campaign, who, first, low, high, start, now)
        for place, one in enumerate(_passes(campaign, first, found)):
            channel, route = one.channel, one.route
            values = {
                **bounds(campaign, who, channel, low, high, route.content.sender.value, now),
                "day": start.astimezone(UTC).date(), "goal": campaign.goal, "rule_version": campaign.playbook.version,
                "priority": campaign.priority, "urgent": campaign.is_urgent, "content_version": route.content.version,
            }  # fmt: skip
            audience = (
                first_channel.sql_chosen(place, **_ids())
                if len(first) > 1
                else sql_audience(campaign, who, channel, now, **_ids())
            )
            counts.update(_insert(cursor, campaign, one, audience, values, start, now))
        first_channel.drop(cursor)
    return counts


def _ids() -> dict[str, str]:
    next_id = backend().NEXT_ID
    return {
        "recipient_id": next_id.format(table="campaigns_recipient"),
        "message_id": next_id.format(table="deliveries_message"),
    }


def _insert(
    cursor: CursorWrapper, campaign: Campaign, one: Pass, audience: str, values: dict[str, Any], start: datetime,
    now: datetime,
) -> dict[str, int]:  # fmt: skip
    """Those whose first message takes this channel: what the statement `audience` gives."""
    channel, route, kept = one
    statements = backend()
    for table in ("audience", "opening", "why", "route"):
        cursor.execute(f"DROP TABLE IF EXISTS {table}")
    cursor.execute(f"CREATE TEMPORARY TABLE audience AS {audience}", values)
    leave_out(cursor, campaign, channel, "audience")
    if kept:
        cursor.execute(f"DELETE FROM audience WHERE NOT ({kept})")  # noqa: S608 - our own condition
    cursor.execute("SELECT DISTINCT zone FROM audience WHERE reason = ''")
    opening = {zone: opening_of(campaign, channel, zone, start) for (zone,) in cursor.fetchall()}
    cursor.executemany(
        "UPDATE audience SET reason = %s, detail = %s WHERE reason = '' AND zone = %s",
        [(found.reason, found.law, zone) for zone, found in opening.items() if isinstance(found, NoOpening)],
    )
    cursor.execute(
        "CREATE TEMPORARY TABLE opening"
        " (zone text PRIMARY KEY, due_at timestamp with time zone, spread_over integer, step bigint)"
    )
    cursor.executemany(
        "INSERT INTO opening VALUES (%s, %s, %s, %s)",
        [
            (zone, sql_moment(found.at), found.spread_over, found.step)
            for zone, found in opening.items()
            if isinstance(found, Opening)
        ],
    )
    by = _lay_out_routes(cursor, campaign, channel, route, values)._asdict()
    cursor.execute("SELECT DISTINCT reason, detail, others FROM audience WHERE reason <> ''")
    skips = [
        (reason, detail, others, _sentence(reason, detail, others, campaign))
        for reason, detail, others in cursor.fetchall()
    ]
    cursor.execute(
        "CREATE TEMPORARY TABLE why (reason varchar(24), detail varchar(200), others text, sentence varchar(300))"
    )
    cursor.executemany("INSERT INTO why VALUES (%s, %s, %s, %s)", skips)
    cursor.execute(RECIPIENTS.format(yes=_true()), values)
    cursor.execute(DECISIONS, values)
    uuid, due_at = statements.new_reference(moment(now)), statements.SPREAD_DUE
    cursor.execute(MESSAGES.format(uuid=uuid, due_at=due_at, **by), values)
    waits = canary.hold(campaign, due_at, sql_moment)
    cursor.execute(OUTBOX.format(due_at=waits.due_at, held=waits.held, **by), {**values, **waits.values})
    cursor.execute(TALLY.format(**by), values)
    cursor.execute("SELECT reason, count(*) FROM audience GROUP BY reason")
    counts = dict(cursor.fetchall())
    cursor.execute("DROP TABLE audience")
    cursor.execute("DROP TABLE opening")
    cursor.execute("DROP TABLE why")
    cursor.execute("DROP TABLE IF EXISTS route")
    return counts


def _lay_out_routes(
    cursor: CursorWrapper, campaign: Campaign, channel: str, route: CampaignRoute, values: dict[str, Any]
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
            raise CannotSend(f"{campaign.name} has no active account for {channel}{to}.")
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


def _sentence(reason: str, detail: str, others: str, campaign: Campaign) -> str:
    """Why somebody is skipped; `detail` is a kind of line, what was reported of the number, or which law leaves no
    hour, where that is why. `others`: what stops the other channels that the first message could take."""
    if reason == Reason.NO_COMMON_HOUR:
        detail = NAME_THE_ZONE
    elif reason == Reason.WRONG_LINE and detail in LineType.values:
        detail = line_detail(detail, campaign.channel)
    elif reason not in (Reason.WRONG_LINE, Reason.NOT_IN_SERVICE, Reason.NO_LAWFUL_HOUR):
        detail = ""
    said = sentence(reason, detail)
    if others:
        whys = {campaign.channel: said.removeprefix(NOT_SENT).removesuffix(".")}
        whys |= {
            channel: REASONS[Reason(why)].sentence
            for channel, why in first_channel.read_others(others).items()
        }
        said = f"{NOT_SENT_BY}{first_channel.in_words(whys)}."
    return said[:300]


def _true() -> str:
    return "true" if connection.vendor == "postgresql" else "1"
