"""The replay of stored receipts with other code tables: first to count what would change, then to change it.

Both work in slices of messages, in the background. After publishing, the events, the messages and all that follows
from them are brought in line. Nothing is sent for it: messages whose time is over are corrected in the records
and nothing more.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from django.db import connection, transaction
from django.db.models import F, Q, QuerySet

from campaigns.models import Recipient
from contacts.chunks import in_lists
from contacts.suppressing import lift_mistaken
from contacts.withdrawing import take_back_opt_outs
from deliveries.deciding.decide import STILL_WORTH_IT
from deliveries.deciding.health import refresh
from deliveries.deciding.stopping import apply_opt_outs
from deliveries.ledger import quarantine
from deliveries.ledger.quarantine import Kind
from deliveries.ledger.statements import reproject
from deliveries.meaning import mappings
from deliveries.meaning.drafts import CannotChange, changes, last_message
from deliveries.meaning.translation import Key, Mapping
from deliveries.models import MappingVersion, Message
from deliveries.receiving.answer_replay import bring_answers_in_line
from deliveries.receiving.replay_preview import Difference, compare, rule_blocks, strikes_of
from deliveries.receiving.retranslation import TOGETHER, Affected, Read
from deliveries.statuses import Disposition

SLICE = 20_000  # messages looked at in one step, unless it takes longer than
STEP_SECONDS = 2.0
FAILED_LIMIT = 20
# A batch that began with the old tables may still be under way when the new ones are published.
SETTLING = timedelta(seconds=5)

State = MappingVersion.State


def start_preview(version: MappingVersion, now: datetime) -> None:
    """Count, from the beginning, what publishing the draft would change. The workers do it. Raises CannotChange."""
    if version.state != State.DRAFT:
        raise CannotChange(f"{version} is published already.")
    MappingVersion.objects.filter(pk=version.pk).update(
        preview=Difference().stored(), previewed_at=now, replayed_to=0, replay_to=last_message()
    )


def run(now: datetime) -> int:
    """Some of whatever is to be read anew, for a preview or for good; return how many messages it covered.

    Many short transactions, so that nobody waits for long behind it.
    """
    covered, ends = 0, time.monotonic() + STEP_SECONDS
    while covered < SLICE and time.monotonic() < ends:
        version = _due(now)  # without taking SQLite's only write lock
        if version is None:
            break
        done = quarantine.run(Kind.REPLAY, version.pk, partial(_go_on, version, now), now)
        if not done:
            break
        covered += done
    return covered


def _due(now: datetime) -> MappingVersion | None:
    """The version to work on: publications in their order, the draft's preview last."""
    due = _behind().filter(Q(state=State.DRAFT) | Q(published_at__lte=now - SETTLING))
    found = due.order_by("-state", "number").first()
    earlier = _behind().filter(state=State.PUBLISHED)
    if found and found.state == State.DRAFT and earlier.exists():
        return None  # it counts what would change of what is in force by then
    return None if found and earlier.filter(number__lt=found.number).exists() else found


def _go_on(version: MappingVersion, now: datetime) -> int:
    """The next messages of a version, in one transaction; how many were covered. 0: another process is at it."""
    with transaction.atomic():
        skip = connection.features.has_select_for_update_skip_locked
        found = (
            _behind().select_for_update(skip_locked=skip).filter(pk=version.pk, state=version.state).first()
        )
        if found is None:
            return 0
        return _read_some(found, now)


def _read_some(version: MappingVersion, now: datetime) -> int:
    upto = min(version.replayed_to + SLICE, version.replay_to)
    affected = Affected.of(changes(version))
    ids = affected.messages(version.replayed_to, upto)
    if len(ids) > TOGETHER:
        ids = ids[:TOGETHER]
        upto = ids[-1]
    mapping = Mapping(version.number, _codes(version))
    difference = Difference.read(version.preview)
    if version.state == State.DRAFT:
        quarantine.isolated(
            ids,
            lambda some: difference.merge(compare(some, affected, mapping)),
            lambda pk, problem: None,  # not counted: it will be set aside when it is read anew for good
        )
        version.preview = difference.stored()
    else:
        quarantine.isolated(
            ids,
            lambda some: _count_changed(
                version, _bring_in_line(Read.of(some, affected, mapping), version, now)
            ),
            lambda pk, problem: quarantine.failed(Kind.REPLAY_MESSAGE, pk, problem, now),
        )
    if version.state == State.PUBLISHED and upto == version.replay_to:
        bring_answers_in_line(affected, mapping, f"version {version.number}", _who(version), now)
    covered = upto - version.replayed_to
    version.replayed_to = upto
    version.replayed_at = None if version.replaying else now
    version.save(update_fields=["preview", "replayed_to", "changed", "replayed_at"])
    return covered


def _count_changed(version: MappingVersion, changed: int) -> None:
    version.changed += changed


def run_failed(now: datetime) -> int:
    """Try the messages once more, each alone, that could not be read anew; return how many came to an end."""
    return sum(
        quarantine.run(Kind.REPLAY_MESSAGE, pk, partial(_once_more, pk, now), now)
        for pk in quarantine.due(Kind.REPLAY_MESSAGE, now, FAILED_LIMIT)
    )


@transaction.atomic
def _once_more(message: int, now: datetime) -> int:
    """Bring one message in line with what is in force by now."""
    version = MappingVersion.objects.filter(state=State.PUBLISHED).latest("number")
    _bring_in_line(Read.of([message], Affected.everything(), mappings.latest()), version, now)
    return 1


def _behind() -> QuerySet[MappingVersion]:
    """Versions with messages still to be looked at."""
    return MappingVersion.objects.filter(replayed_to__lt=F("replay_to"))


def _codes(version: MappingVersion) -> dict[Key, Any]:
    """The tables as they are, or for a draft would be, with this version."""
    if version.state == State.PUBLISHED:
        return dict(mappings.rows(version.number))
    edited = {mappings.key_of(row): mappings.code_of(row) for row in version.brought.all()}
    return {**mappings.latest().codes, **edited}


# ---- Bringing in line --------------------------------------------------------------------------------------

SHOWN = """
UPDATE deliveries_statusevent SET status = %s, precedence = %s, failure_class = %s, fault = %s, evidence = %s,
  mapping_version = %s WHERE message_id = %s AND fact = %s
"""


def _bring_in_line(read: Read, version: MappingVersion, now: datetime) -> int:
    """Write what these messages' events mean now, and let all that follows from it follow; return how many moved."""
    # Recipients are locked before messages, as everywhere.
    recipients = {message.recipient_id for message in read.messages.values()}
    list(Recipient.objects.select_for_update().filter(pk__in=recipients).order_by("pk").values_list("pk"))
    with connection.cursor() as cursor:
        cursor.executemany(
            SHOWN,
            [
                (
                    e.status,
                    e.precedence,
                    e.failure_class,
                    e.fault,
                    e.evidence,
                    version.number,
                    e.message_id,
                    e.fact,
                )
                for e in read.concerned
            ],
        )
    moved = reproject(sorted(read.messages), now)
    _leave_in_peace(moved, now)
    who = _who(version)
    _lift(read, moved, f"version {version.number}", who, now)
    # What is an opt-out now holds at once: also what an earlier version had lifted.
    opted_out = [message for message in moved if message.disposition == Disposition.OPTOUT]
    again = {m.pk: f"code {read.code_of(m)} was mapped as an opt-out again{who}" for m in opted_out}
    apply_opt_outs(opted_out, now, again, _named(version))
    return len(moved)


def _who(version: MappingVersion) -> str:
    """By whom, as the end of a sentence."""
    if version.origin == MappingVersion.Origin.SHIPPED:
        return " by a new release of Waybill"
    return f" by {version.created_by.display_name}" if version.created_by else ""


def _named(version: MappingVersion) -> str:
    """The version, and whose it is."""
    if version.origin == MappingVersion.Origin.SHIPPED:
        whose = ", which came with a new release of Waybill"
    else:
        whose = f", published by {version.created_by.display_name}" if version.created_by else ""
    return f"version {version.number} of the code tables{whose}"


def _leave_in_peace(moved: Sequence[Message], now: datetime) -> None:
    """Nothing is sent by itself any more on behalf of attempts this old; what a colleague sends on later is."""
    old = [m.recipient_id for m in moved if not m.handed_over_at or m.handed_over_at < now - STILL_WORTH_IT]
    for part in in_lists(set(old)):
        Recipient.objects.filter(pk__in=part).update(read_anew_at=now)


def _lift(read: Read, moved: Sequence[Message], note: str, who: str, now: datetime) -> None:
    """Blocks that stood for what these messages no longer say are lifted. New ones come by the ordinary rules.

    What a person said themselves stays, whatever the provider's words are taken for.
    """
    before = [read.messages[message.pk] for message in moved]
    failed = [message for message in before if message.disposition == Disposition.BOUNCED_HARD]
    health = refresh({(m.contact_id, m.address_id, m.channel) for m in failed})
    strikes = strikes_of(failed)
    well = {pair for pair, found in health.items() if not found.too_many(pair[1], strikes[pair])}
    lift_mistaken(rule_blocks(failed, well), note=note, now=now)
    none_any_more = [message.pk for message in moved if message.disposition != Disposition.OPTOUT]
    take_back_opt_outs(read.mistaken(none_any_more, who), note=note, now=now)
