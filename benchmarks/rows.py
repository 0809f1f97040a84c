"""Rows by the million, made inside the database. All of a row follows from its number.

There are too few fictitious phone numbers for a million contacts: these have a country code that no country has.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import md5
from uuid import UUID

from django.db import connection, transaction
from django.utils import timezone

from campaigns.models import Campaign, Content, Playbook, Recipient, Sender
from contacts import search_index
from contacts.channels import Channel
from contacts.models import ContactList
from deliveries.ledger.tallies import ALL_TALLIES, rebuild
from deliveries.models import Account, EngagementTally, Message, QueueEntry, QueueTally, RecipientTally
from deliveries.statuses import Evidence, FailureClass, Fault, Meaning, Status, precedence

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
    sender = Sender.objects.create(
        name="Benchmark",
        channel=Channel.SMS,
        value="+12105550100",
        state="approved",
        registered_as="no_limit",
    )
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


CONSTRAINTS = """
SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint
WHERE conrelid = '{table}'::regclass AND contype IN ('u', 'f')
"""
INDEXES = """
SELECT indexname, indexdef FROM pg_indexes
WHERE tablename = '{table}' AND indexname NOT IN (SELECT conname FROM pg_constraint)
"""


@contextmanager
def unindexed(table: str) -> Iterator[None]:
    """On PostgreSQL without indexes and constraints but the primary key while it is filled: many times faster."""
    if connection.vendor != "postgresql":
        yield
        return
    with connection.cursor() as cursor:
        cursor.execute(CONSTRAINTS.format(table=table))
        constraints = cursor.fetchall()
        for name, _ in constraints:
            cursor.execute(f'ALTER TABLE {table} DROP CONSTRAINT "{name}"')
        cursor.execute(INDEXES.format(table=table))
        indexes = cursor.fetchall()
        for name, _ in indexes:
            cursor.execute(f'DROP INDEX "{name}"')
    yield
    with connection.cursor() as cursor:
        cursor.execute("SET maintenance_work_mem = '512MB'")
        for _, definition in indexes:
            cursor.execute(definition)
        for name, definition in constraints:
            cursor.execute(f'ALTER TABLE {table} ADD CONSTRAINT "{name}" {definition}')


def next_ids(*tables: str) -> None:
    """After rows with ids of their own: let the sequences go on behind them."""
    if connection.vendor != "postgresql":
        return
    for table in tables:
        execute(f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), (SELECT max(id) FROM {table}))")


# ---- Contacts ----------------------------------------------------------------------------------------------------

ZONES = (
    "America/New_York", "America/Chicago", "America/Denver", "America/Los_Angeles", "America/Phoenix",
    "America/Anchorage", "Pacific/Honolulu", "America/Halifax",
)  # fmt: skip
FIRST = (
    "Ada",
    "Ben",
    "Cleo",
    "Dan",
    "Eve",
    "Finn",
    "Gia",
    "Hal",
    "Ivy",
    "Jon",
    "Kai",
    "Lea",
    "Max",
    "Nia",
    "Oto",
)
LAST = (
    "Abbot",
    "Birch",
    "Cedar",
    "Dune",
    "Elm",
    "Fern",
    "Grove",
    "Hazel",
    "Iris",
    "Juniper",
    "Kelp",
    "Laurel",
    "Moss",
)
SUPPRESSED = 20  # one contact in so many

CONTACTS = """
INSERT INTO contacts_contact (id, name, search_name, external_id, time_zone, locale, stage, value_tier, attributes,
  created_at, updated_at, source_id)
SELECT n, {name}, lower({name}), '', '', 'en', 'customer', 0, '{{}}', {at}, {at}, {source} FROM {series}
"""
ADDRESSES = """
INSERT INTO contacts_address (id, contact_id, kind, value, match_key, line_type, carrier, region, time_zone, validity,
  preferred, created_at)
SELECT n, n, 'phone', '+999' || (100000000 + n), '+999' || (100000000 + n), 'mobile', {carrier}, {region}, {zone},
  'valid', {yes}, {at}
FROM {series}
"""
MEMBERSHIPS = """
INSERT INTO contacts_listmembership (contact_list_id, contact_id, added_at) SELECT {list}, n, {at} FROM {series}
"""
CONSENTS = """
INSERT INTO contacts_consent (contact_id, channel, opted_in, at, how, origin, wording, evidence)
SELECT n, 'sms', {yes}, {at}, 'import', 'import', '', '' FROM {series}
"""
SUPPRESSIONS = """
INSERT INTO contacts_suppression (value, match_key, channel, scope, scope_value, reason, origin, evidence, fact,
  created_at, release_note)
SELECT '+999' || (100000000 + n), '+999' || (100000000 + n), '', 'everything', '', 'staff', 'staff', '', '', {at}, ''
FROM {series}
WHERE n % {suppressed} = 0
"""


def contacts(of: World, rows: int, *, searchable: bool = False) -> None:
    """`rows` contacts with ids from 1, each with a phone number, consent to SMS and a place in the first list.

    One in twenty numbers is suppressed. Without the search index unless asked for: filling it takes the longest.
    """
    search_index.unmake()
    first = one_of(FIRST, scattered("n", 5, len(FIRST)))
    last = one_of(LAST, scattered("n", 6, len(LAST)))
    values = {
        "at": moment(of.start, "n % 86400"), "yes": yes(), "list": of.sources[0].pk,
        "source": f"{of.sources[0].pk} + {scattered('n', 3, SOURCES)}",
        "carrier": f"'Carrier ' || {scattered('n', 1, CARRIERS)}",
        "region": f"'US-' || {scattered('n', 2, REGIONS)}",
        "zone": one_of(ZONES, scattered("n", 4, len(ZONES))),
        "name": f"{first} || ' ' || {last} || ' ' || n",
    }  # fmt: skip
    filled = {
        "contacts_contact": CONTACTS, "contacts_address": ADDRESSES, "contacts_listmembership": MEMBERSHIPS,
        "contacts_consent": CONSENTS,
    }  # fmt: skip
    for table, sql in filled.items():
        with unindexed(table):
            for low, high in steps(rows):
                execute(sql.format(series=series(low, high), **values))
    suppressions(of, rows, of_each=SUPPRESSED)
    next_ids("contacts_contact", "contacts_address")
    if searchable:
        search_index.make()


def suppressions(of: World, rows: int, *, of_each: int) -> None:
    """Of one in so many of the first `rows` numbers, whether anybody has them or not."""
    with unindexed("contacts_suppression"):
        for low, high in steps(rows):
            at = moment(of.start, "n % 86400")
            execute(SUPPRESSIONS.format(series=series(low, high), suppressed=of_each, at=at))


def one_of(words: Sequence[str], number: str) -> str:
    cases = " ".join(f"WHEN {at} THEN '{word}'" for at, word in enumerate(words))
    return f"CASE {number} {cases} END"


# ---- Messages ----------------------------------------------------------------------------------------------------

MESSAGES = """
INSERT INTO deliveries_message (id, uuid, recipient_id, campaign_id, contact_id, address_id, sender_id, account_id,
  list_source_id, channel, attempt, cause, cause_reason, rule_version, priority, goal, carrier, region,
  content_version, segments, provider_message_id, status, precedence, failure_class, fault, evidence, disposition,
  reason_code, parts, created_at, created_on, due_at, handed_over_at, updated_at)
SELECT n, {uuid}, {recipient}, {campaign}, {contact}, {contact}, {sender}, {account}, {source}, {channel}, 1,
  'campaign', '', 1, 'normal', 'exposure', {carrier}, {region}, 1, 1, {provider_id}, {status}, {precedence},
  {failure_class}, {fault}, {evidence}, {disposition}, {reason_code}, 0, {at}, {on}, {at}, {at}, {at}
FROM {series} ORDER BY n
"""

SENDING = Meaning(Status.SENDING, FailureClass.NONE, Fault.NONE, Evidence.HANDED_OVER)


def columns(of: World, rows: int) -> dict[str, str]:
    """Every column of message `n`, in SQL: handed over, and nothing reported of it yet."""
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
        "precedence": str(precedence(SENDING, 1)),
        "failure_class": f"'{SENDING.failure_class}'",
        "fault": f"'{SENDING.fault}'",
        "evidence": f"'{SENDING.evidence}'",
        "disposition": "'PENDING'",
        "reason_code": "''",
        "at": moment(of.start, seconds),
        "on": day(of.start, f"(n - 1) / {per_day}"),
    }


def messages(of: World, rows: int, **other: str) -> None:
    """`rows` messages with ids from 1; `other` replaces columns."""
    values = columns(of, rows) | other
    with unindexed("deliveries_message"):
        for low, high in steps(rows):
            execute(MESSAGES.format(series=series(low, high), **values))
    next_ids("deliveries_message")


# ---- Tallies -----------------------------------------------------------------------------------------------------


def tallies() -> None:
    """Every tally counted anew from the rows, in one statement each."""
    execute("DELETE FROM deliveries_tallydelta")
    for each in ALL_TALLIES:
        if each is EngagementTally:
            rebuild(each)
            continue
        source = {RecipientTally: Recipient, QueueTally: QueueEntry}.get(each, Message)
        names = ", ".join(each.KEY)
        counted = ", ".join("created_on" if name == "day" else name for name in each.KEY)
        table = each._meta.db_table
        execute(f"DELETE FROM {table}")
        grouped = f"SELECT {counted}, count(*) FROM {source._meta.db_table} GROUP BY {counted}"
        execute(f"INSERT INTO {table} ({names}, n) {grouped}")
