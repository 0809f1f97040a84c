"""An audience into recipients, messages and outbox: ours beside INSERT ... SELECT and COPY of the same rows, and ORM
chunks. Whoever is on a list; whom conditions mean, somebody excluded and some held out; and each by the likeliest
channel."""

from __future__ import annotations

import resource
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from itertools import count
from statistics import median

from django.db import connection, transaction
from django.utils import timezone

from benchmarks import references, rows
from benchmarks.measuring import Figure, Options, Rounds, tell, timed
from campaigns.follow_ups import FollowWhen
from campaigns.models import Campaign, ChannelOrder, Content, Playbook, Recipient, Sender
from contacts.channels import Channel
from deliveries.models import Message, Outbox
from deliveries.references import new_reference
from deliveries.sending import sequences
from deliveries.sending.expansion import CHUNK, expand

CHUNKS = 4  # in each round
COPIED, ORM = 100_000, 20_000  # contacts
THIRD = 1 / 3  # of the plain statement's speed
AWAY = 1_000_000_000  # ids of copied rows start here
FLAT = 1.2  # times the memory that the first chunk took
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
    aways = (AWAY * number for number in count(1))
    assert expand(next(campaigns), now, chunk)
    first, after = _peak(), 0.0
    _remember(of, now)
    for _ in range(options.rounds):
        for kind, prepare in KINDS.items():
            campaign = next(campaigns)
            prepare(of, campaign)
            with timed() as clock:
                for _ in range(CHUNKS):
                    assert expand(campaign, now, chunk)
            after = after or _peak()  # before COPY, whose rows lie here in memory
            rounds.add(f"ours{kind}", Message.objects.filter(campaign=campaign).count() / clock.seconds)
            rounds.add(f"INSERT ... SELECT{kind}", _select(campaign, next(campaigns), next(aways)))
            if options.on_postgresql and not kind:
                rounds.add("COPY", _copy(campaign, next(campaigns), next(aways), min(COPIED, CHUNKS * chunk)))
        other = next(campaigns)
        with timed() as clock:
            made = references.expand_in_chunks(other, now, 0, min(ORM, options.rows))
        rounds.add("ORM chunks", made / clock.seconds)
    for kind in KINDS:
        name = f"expansion{kind} / INSERT ... SELECT of the same rows"
        yield rounds.against(name, f"ours{kind}", f"INSERT ... SELECT{kind}", THIRD)
    if options.on_postgresql:
        yield rounds.against("expansion / COPY of the same rows from Python", "ours", "COPY", 1)
    target = 5 if options.on_postgresql else 10
    yield rounds.against("expansion / ORM in chunks of 5,000", "ours", "ORM chunks", target)
    yield from _again(options, of.campaigns[0], now)
    yield from _follow_ups(options, of.campaigns[1], list(campaigns), now)
    name = f"expansion: peak memory after {CHUNKS + 1} chunks / after the first"
    grown = after / first
    yield Figure(
        "expansion", options.database, name, "MB", after, first, grown, grown, grown, FLAT, at_most=True
    )


def _peak() -> float:
    """The most that this process has held so far, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


# ---- Follow-ups ------------------------------------------------------------------------------------------------

LATER = timedelta(hours=50)  # after they were reached
CLICKED, FAILED = 20, 10  # one in so many
ROUND = 0.2  # seconds
LOOKS = 5


def _follow_ups(
    options: Options, earlier: Campaign, campaigns: list[Campaign], now: datetime
) -> Iterator[Figure]:
    """Rounds in which nobody is new, of follow-ups whose people all have it: of those of whom it came to be so since
    the last one, and of all as once in ten minutes."""
    at, mine = rows.moment(now, "0"), f"WHERE campaign_id = {earlier.pk}"
    rows.execute(
        f"UPDATE campaigns_recipient SET reached_at = {at}, reached_by = 'sms', next_step = 'none', "
        f"state = CASE contact_id % {FAILED} WHEN 0 THEN 'failed' ELSE 'reached' END {mine} AND state = 'planned'"
    )
    rows.execute(f"UPDATE deliveries_message SET handed_over_at = {at} {mine}")
    rows.execute(f"DELETE FROM deliveries_outbox {mine}")
    rows.execute(
        f"INSERT INTO deliveries_engagedperson (recipient_id, deed, campaign_id, reached_by, at) "
        f"SELECT id, 'clicked', campaign_id, 'sms', {at} FROM campaigns_recipient {mine} "
        f"AND contact_id % {CLICKED} = 1 AND state = 'reached'"
    )
    rows.settle_down()
    people, later = Recipient.objects.filter(campaign=earlier).count(), now + LATER
    whens = (FollowWhen.REACHED, FollowWhen.CLICKED, FollowWhen.NOT_CLICKED, FollowWhen.NOT_REACHED)
    for when, campaign in zip(whens, campaigns, strict=False):
        fields = {
            "follows": earlier,
            "follow_when": when,
            "follow_hours": 48,
            "state": Campaign.State.SENDING,
        }
        Campaign.objects.filter(pk=campaign.pk).update(**fields)
        while sequences._step(campaign.pk, later):
            pass
        sequences._step(campaign.pk, later)  # from the first of them
        rows.settle_down()
        for kind in ("", ", of all"):
            seconds = []
            for look in range(LOOKS):
                if kind:
                    sequences.forget()
                with timed() as clock:
                    assert not sequences._step(campaign.pk, later + timedelta(seconds=look))
                seconds.append(clock.seconds)
            name = f"follow-up, {when}: a round with nobody new{kind}, {people:,} people"
            target = None if kind else ROUND
            yield Figure(
                "expansion", options.database, name, "s", median(seconds), None, median(seconds), min(seconds),
                max(seconds), target, at_most=True,
            )  # fmt: skip


# ---- Whom it means ---------------------------------------------------------------------------------------------

REACHED = 3  # one in so many of the first chunk was reached by the first campaign
EXCLUDED, SPEAKS = 20, 2  # one in so many is on the list that is left out; agreed to calls


def _remember(of: rows.World, now: datetime) -> None:
    """What the first campaign came to, who is on the list that others leave out, and who agreed to calls."""
    first, many = of.campaigns[0].pk, f"{rows.moment(now, '0')}"
    rows.execute(
        f"UPDATE campaigns_recipient SET state = 'reached', reached_by = 'sms', reached_at = {many} "
        f"WHERE campaign_id = {first} AND contact_id % {REACHED} = 0 AND state = 'planned'"
    )
    rows.execute(
        f"UPDATE deliveries_message SET status = 'delivered', disposition = 'DELIVERED', evidence = 'handset', "
        f"handed_over_at = {many}, delivered_at = {many}, settled_at = {many} "
        f"WHERE campaign_id = {first} AND contact_id % {REACHED} = 0"
    )
    rows.execute(
        f"INSERT INTO contacts_listmembership (contact_list_id, contact_id, added_at) "
        f"SELECT {of.sources[1].pk}, id, {many} FROM contacts_contact WHERE id % {EXCLUDED} = 0"
    )
    rows.execute(
        f"INSERT INTO contacts_consent (contact_id, channel, opted_in, at, how, origin, wording, evidence) "
        f"SELECT id, 'voice', {rows.yes()}, {many}, 'import', 'import', '', '' FROM contacts_contact "
        f"WHERE id % {SPEAKS} = 0"
    )
    rows.settle_down()


def _all_of_the_list(of: rows.World, campaign: Campaign) -> None:
    pass


def _narrowed(of: rows.World, campaign: Campaign) -> None:
    """Four of five regions, who agreed to texts and was never reached; some excluded, a tenth held out."""
    regions = [f"US-{number}" for number in range(rows.REGIONS * 4 // 5)]
    campaign.conditions = {
        "all": [{"is": "region", "regions": regions}, {"is": "consent", "channel": "sms"}, {"is": "never"}],
        "excluded": [of.sources[1].pk],
        "hold_out": 10,
    }
    campaign.save(update_fields=["conditions"])


def _by_chance(of: rows.World, campaign: Campaign) -> None:
    """By text or by a call, whatever is likelier to arrive."""
    campaign.playbook, _ = Playbook.objects.get_or_create(
        name="Best chance", defaults={"channel_order": ChannelOrder.BEST_CHANCE, "switch_to": [Channel.VOICE]}
    )
    campaign.save(update_fields=["playbook"])
    sender, _ = Sender.objects.get_or_create(
        channel=Channel.VOICE, value="+12105550101",
        defaults={"name": "Benchmark", "state": "approved", "registered_as": "no_limit"},
    )  # fmt: skip
    Content.objects.create(campaign=campaign, channel=Channel.VOICE, sender=sender, body="Hello {first_name}")


KINDS: dict[str, Callable[[rows.World, Campaign], None]] = {
    "": _all_of_the_list,
    " with conditions": _narrowed,
    " by best chance": _by_chance,
}


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
