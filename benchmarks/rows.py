"""Rows by the million, made inside the database. All of a row follows from its number.

Phone numbers come from the range kept for fiction; with a million contacts they repeat.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import md5
from uuid import UUID

from django.db import connection, transaction
from django.utils import timezone

from campaigns.models import Campaign, Content, Playbook, Sender
from contacts.channels import Channel
from contacts.models import ContactList
from deliveries.models import Account
from deliveries.statuses import Evidence, FailureClass, Fault, Meaning, Status, standing

CAMPAIGNS, DAYS, CARRIERS, REGIONS, SOURCES = 200, 50, 9, 52, 6
STEP = 1_000_000  # rows to a statement
TOKEN, SECRET = "benchmark-account", "benchmark-auth-token"
ACCOUNT_SID = "AC" + "5" * 32


@dataclass(frozen=True)
class World:
    """The few rows that the many refer to."""

    account: Account
    sender: Sender
    campaigns: list[Campaign]
    sources: list[ContactList]
    start: datetime  # of the first day


def world() -> World:
    now = timezone.now()
    start = (
        (now - timedelta(days=DAYS - 1)).astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    )
    account = Account.objects.create(
        name="Benchmark", provider="twilio", token=TOKEN, channels=list(Channel.values),
        credentials={"account_sid": ACCOUNT_SID, "auth_token": SECRET},
    )  # fmt: skip
    sender = Sender.objects.create(name="Benchmark", channel=Channel.SMS, value="+12105550100")
    playbook = Playbook.objects.first() or Playbook.objects.create(name="Benchmark")
    Campaign.objects.bulk_create(
        Campaign(
            name=f"Campaign {n}", slug=f"campaign-{n}", playbook=playbook, state=Campaign.State.SENDING,
            launched_at=start + timedelta(days=n * DAYS // CAMPAIGNS),
        )
        for n in range(CAMPAIGNS)
    )  # fmt: skip
    campaigns = list(Campaign.objects.order_by("pk"))
    Content.objects.bulk_create(
        Content(campaign=campaign, channel=Channel.SMS, sender=sender, body="Hello {first_name}")
        for campaign in campaigns
    )
    ContactList.objects.bulk_create(
        ContactList(name=f"Source {n}", slug=f"source-{n}") for n in range(SOURCES)
    )
    return World(account, sender, campaigns, list(ContactList.objects.order_by("pk")), start)


def reference(n: int) -> UUID:
    """The uuid of message `n`."""
    return UUID(md5(str(n).encode()).hexdigest())


def provider_id(n: int) -> str:
    return "SM" + md5(f"sid{n}".encode()).hexdigest()


# ---- The same words in both databases ----------------------------------------------------------------------------


def execute(sql: str, *parameters: object) -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(sql, parameters or None)


def series(low: int, high: int) -> str:
    """A table `s` of numbers `n` from low to high, both included."""
    if connection.vendor == "postgresql":
        return f"(SELECT n::bigint AS n FROM generate_series({low}, {high}) n) s"
    counted = f"WITH RECURSIVE c(n) AS (SELECT {low} UNION ALL SELECT n + 1 FROM c WHERE n < {high})"
    return f"({counted} SELECT n FROM c) s"


def steps(rows: int) -> list[tuple[int, int]]:
    return [(low, min(low + STEP - 1, rows)) for low in range(1, rows + 1, STEP)]


def moment(start: datetime, seconds: str) -> str:
    """`start` and that many seconds."""
    text = start.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")
    if connection.vendor == "postgresql":
        return f"(timestamptz '{text}+00' + ({seconds}) * interval '1 second')"
    return f"datetime('{text}', '+' || ({seconds}) || ' seconds')"


def day(start: datetime, days: str) -> str:
    text = start.astimezone(UTC).strftime("%Y-%m-%d")
    if connection.vendor == "postgresql":
        return f"(date '{text}' + ({days})::int)"
    return f"date('{text}', '+' || ({days}) || ' days')"


def uuid_of(n: str) -> str:
    digest = f"md5(CAST({n} AS text))"
    return f"{digest}::uuid" if connection.vendor == "postgresql" else digest


def scattered(n: str, salt: int, among: int) -> str:
    """A number below `among` that follows from `n` without looking so."""
    return f"(({n} * {2_654_435_761 + 2 * salt}) % 1000003 % {among})"


def yes() -> str:
    return "true" if connection.vendor == "postgresql" else "1"


def settle_down() -> None:
    """Statistics and, on PostgreSQL, the visibility map, as a table has them that was not filled a moment ago."""
    if connection.vendor == "postgresql":
        connection.close()  # VACUUM wants no transaction
        with connection.cursor() as cursor:
            cursor.execute("VACUUM ANALYZE")
            cursor.execute("CHECKPOINT")
    else:
        execute("ANALYZE")


def next_ids(*tables: str) -> None:
    """After rows with ids of their own: let the sequences go on behind them."""
    if connection.vendor != "postgresql":
        return
    for table in tables:
        execute(f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), (SELECT max(id) FROM {table}))")


# ---- Messages ----------------------------------------------------------------------------------------------------

MESSAGES = """
INSERT INTO deliveries_message (id, uuid, recipient_id, campaign_id, contact_id, address_id, sender_id, account_id,
  list_source_id, channel, attempt, cause, cause_reason, rule_version, priority, goal, carrier, region,
  content_version, segments, provider_message_id, status, standing, failure_class, fault, evidence, disposition,
  reason_code, parts, created_at, created_on, due_at, handed_over_at, confirm_by, updated_at)
SELECT n, {uuid}, {recipient}, {campaign}, {contact}, {contact}, {sender}, {account}, {source}, {channel}, 1,
  'campaign', '', 1, 'normal', 'exposure', {carrier}, {region}, 1, 1, {provider_id}, {status}, {standing},
  {failure_class}, {fault}, {evidence}, {disposition}, {reason_code}, 0, {at}, {on}, {at}, {at}, {confirm_by}, {at}
FROM {series} ORDER BY n
"""

SENDING = Meaning(Status.SENDING, FailureClass.NONE, Fault.NONE, Evidence.HANDED_OVER)


def columns(of: World, rows: int) -> dict[str, str]:
    """Every column of message `n`, in SQL: handed over, and nothing heard of it yet."""
    per_day = max(1, -(-rows // DAYS))
    seconds = f"(n - 1) / {per_day} * 86400 + (n - 1) % {per_day} * 60000 / {per_day}"
    digest = "md5('sid' || CAST(n AS text))"
    return {
        "uuid": uuid_of("n"),
        "recipient": "n",
        "campaign": f"{of.campaigns[0].pk} + n % {CAMPAIGNS}",
        "contact": "n",
        "sender": str(of.sender.pk),
        "account": str(of.account.pk),
        "source": f"{of.sources[0].pk} + {scattered('n', 3, SOURCES)}",
        "channel": "'sms'",
        "carrier": f"'Carrier ' || {scattered('n', 1, CARRIERS)}",
        "region": f"'US-' || {scattered('n', 2, REGIONS)}",
        "provider_id": f"'SM' || {digest}",
        "status": f"'{SENDING.status}'",
        "standing": str(standing(SENDING, 1)),
        "failure_class": f"'{SENDING.failure_class}'",
        "fault": f"'{SENDING.fault}'",
        "evidence": f"'{SENDING.evidence}'",
        "disposition": "'PENDING'",
        "reason_code": "''",
        "at": moment(of.start, seconds),
        "on": day(of.start, f"(n - 1) / {per_day}"),
        "confirm_by": moment(of.start + timedelta(days=3), seconds),
    }


def messages(of: World, rows: int, **other: str) -> None:
    """`rows` messages with ids from 1; `other` replaces columns."""
    values = columns(of, rows) | other
    for low, high in steps(rows):
        execute(MESSAGES.format(series=series(low, high), **values))
    next_ids("deliveries_message")


# ---- Tallies -----------------------------------------------------------------------------------------------------


def tally(table: str, key: dict[str, str], source: str) -> None:
    """Count `source` into a tally; `key` maps its columns to those counted."""
    names, counted = ", ".join(key), ", ".join(key.values())
    execute(f"DELETE FROM {table}")
    execute(f"INSERT INTO {table} ({names}, n) SELECT {counted}, count(*) FROM {source} GROUP BY {counted}")
