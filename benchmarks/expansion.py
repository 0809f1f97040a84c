"""An audience into recipients, messages and outbox: ours beside INSERT ... SELECT and COPY of the same rows, and ORM
chunks."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from django.db import connection, transaction
from django.utils import timezone

from benchmarks import references, rows
from benchmarks.measuring import Figure, Options, Rounds, tell, timed
from campaigns.models import Campaign, Recipient
from deliveries.models import Message, Outbox
from deliveries.references import new_reference
from deliveries.sending.expansion import CHUNK, expand

CHUNKS = 4  # in each round
COPIED, ORM = 100_000, 20_000  # contacts
THIRD = 1 / 3  # of the plain statement's speed
AWAY = 1_000_000_000  # ids of copied rows start here
TABLES = ("campaigns_recipient", "deliveries_message", "deliveries_outbox")


def run(options: Options) -> Iterator[Figure]:
    of = rows.world()
    with timed() as clock:
        rows.contacts(of, options.rows)
        rows.settle_down()
    tell(f"  {options.rows:,} contacts made in {clock.seconds:.0f} s")
    Campaign.objects.update(state=Campaign.State.LAUNCHING)
    for campaign in of.campaigns:
        campaign.lists.set(of.sources[:1])
    campaigns = iter(of.campaigns)
    rounds = Rounds("expansion", options, "messages/s")
    now = timezone.now()
    chunk = min(CHUNK, options.rows // 10)
    for number in range(options.rounds):
        campaign = next(campaigns)
        with timed() as clock:
            for _ in range(CHUNKS):
                assert expand(campaign, now, chunk)
        rounds.add("ours", Message.objects.filter(campaign=campaign).count() / clock.seconds)
        contacts = CHUNKS * chunk
        rounds.add("INSERT ... SELECT", _select(campaign, next(campaigns), AWAY * (number + 1)))
        if options.on_postgresql:
            rounds.add(
                "COPY",
                _copy(
                    campaign, next(campaigns), AWAY * (10 * options.rounds + number), min(COPIED, contacts)
                ),
            )
        other = next(campaigns)
        with timed() as clock:
            made = references.expand_in_chunks(other, now, 0, min(ORM, options.rows))
        rounds.add("ORM chunks", made / clock.seconds)
    plain = "INSERT ... SELECT"
    yield rounds.against("expansion / INSERT ... SELECT of the same rows", "ours", plain, THIRD)
    if options.on_postgresql:
        yield rounds.against("expansion / COPY of the same rows from Python", "ours", "COPY", 1)
    target = 5 if options.on_postgresql else 10
    yield rounds.against("expansion / ORM in chunks of 5,000", "ours", "ORM chunks", target)
    yield from _again(options, of.campaigns[0], now)


def _select(campaign: Campaign, to: Campaign, away: int) -> float:
    """Messages a second of INSERT ... SELECT for the rows of `campaign`, as rows of another one, in one commit."""
    uuid = "gen_random_uuid()" if connection.vendor == "postgresql" else "lower(hex(randomblob(16)))"
    changes = {
        "id": f"id + {away}", "message_id": f"message_id + {away}", "recipient_id": f"recipient_id + {away}",
        "campaign_id": str(to.pk), "uuid": uuid,
    }  # fmt: skip
    with connection.cursor() as cursor:
        names = {
            table: [one.name for one in connection.introspection.get_table_description(cursor, table)]
            for table in TABLES
        }
        with timed() as clock, transaction.atomic():
            for table, columns in names.items():
                given = ", ".join(changes.get(name, name) for name in columns)
                cursor.execute(
                    f"INSERT INTO {table} ({', '.join(columns)}) SELECT {given} FROM {table} "
                    f"WHERE campaign_id = {campaign.pk}"
                )
    return Message.objects.filter(campaign=to).count() / clock.seconds


def _copy(campaign: Campaign, to: Campaign, away: int, contacts: int) -> float:
    """Messages a second of COPY for the rows of `campaign`, as rows of another one, in one commit."""
    mine = f"SELECT id FROM deliveries_message WHERE campaign_id = {campaign.pk} AND contact_id <= {contacts}"
    where = {
        "campaigns_recipient": f"campaign_id = {campaign.pk} AND contact_id <= {contacts}",
        "deliveries_message": f"campaign_id = {campaign.pk} AND contact_id <= {contacts}",
        "deliveries_outbox": f"message_id IN ({mine})",
    }
    changes = {
        "id": lambda id: id + away,
        "message_id": lambda id: id + away,
        "recipient_id": lambda id: id + away,
        "campaign_id": lambda id: to.pk,
        "uuid": lambda uuid: new_reference(),
    }
    ready = {}
    with connection.cursor() as cursor:
        for table in TABLES:
            cursor.execute(f"SELECT * FROM {table} WHERE {where[table]}")
            columns = [column.name for column in cursor.description]
            change = [(at, changes[name]) for at, name in enumerate(columns) if name in changes]
            ready[table] = [_changed(row, change) for row in cursor.fetchall()]
        with timed() as clock, transaction.atomic():
            for table, found in ready.items():
                with cursor.copy(f"COPY {table} FROM STDIN") as copy:
                    for row in found:
                        copy.write_row(row)
    return len(ready["deliveries_message"]) / clock.seconds


def _changed(row: tuple, changes: list) -> list:
    values = list(row)
    for at, change in changes:
        values[at] = change(values[at])
    return values


def _again(options: Options, campaign: Campaign, now: datetime) -> Iterator[Figure]:
    """Finish the first campaign, then expand it once more from the beginning."""
    while expand(campaign, now):
        pass
    before = _rows(campaign)
    Campaign.objects.filter(pk=campaign.pk).update(state=Campaign.State.LAUNCHING, expanded_to=0)
    with timed() as clock:
        while expand(campaign, now):
            pass
    added = float(_rows(campaign) - before)
    name = "expansion: rows added by expanding again"
    yield Figure(
        "expansion", options.database, name, "rows", added, None, added, added, added, 0, at_most=True
    )
    yield Figure("expansion", options.database, "expansion: seconds to expand again", "s", clock.seconds)


def _rows(campaign: Campaign) -> int:
    mine = (model.objects.filter(campaign_id=campaign.pk).count() for model in (Recipient, Message, Outbox))
    return sum(mine)
