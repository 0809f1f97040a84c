"""The codes that providers reported: the recorder's notes counted into one row for each pair of words and day.

New words raise an alarm at once: words no table lists, words an account never used before, and a status and a code
that contradict each other.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from django.db import connection, transaction
from django.db.models import Min

from deliveries.meaning.translation import Mapping
from deliveries.models import Account, CodeAlarm, CodeDay, CodeOccurrence, SeenCode
from deliveries.providers.facts import Report

LIMIT = 20_000
LOCK = 0x57_42_02  # PostgreSQL advisory lock: one process counts at a time
# An account that began with a channel yesterday says everything for the first time.
SETTLED_IN = timedelta(days=7)

Kind = CodeAlarm.Kind
Words = tuple[int, str, str, str]  # account, channel, status, code


def count(now: datetime, limit: int = LIMIT) -> int:
    """Count the notes that wait; return how many there were (0 also when another process is at it)."""
    if not CodeOccurrence.objects.exists():
        return 0  # without taking SQLite's only write lock
    with transaction.atomic():
        if connection.vendor == "postgresql":
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [LOCK])
                if not cursor.fetchone()[0]:
                    return 0
        notes = list(CodeOccurrence.objects.order_by("pk")[:limit])
        if not notes:
            return 0
        new = _count_words(notes)
        _count_days(notes)
        _raise_for(new, now)
        CodeOccurrence.objects.filter(pk__in=[note.pk for note in notes]).delete()
    return len(notes)


def _count_words(notes: Sequence[CodeOccurrence]) -> list[SeenCode]:
    """Add the notes to what has been seen; return the rows that are new."""
    by_words: dict[Words, list[CodeOccurrence]] = defaultdict(list)
    for note in notes:
        by_words[note.account_id, note.channel, note.native_status, note.native_code].append(note)
    held = {
        (row.account_id, row.channel, row.native_status, row.native_code): row
        for row in SeenCode.objects.filter(account_id__in={words[0] for words in by_words})
    }
    new = []
    for words, notes in by_words.items():
        row = held.get(words)
        if row is None:
            account, channel, status, code = words
            row = SeenCode(
                account_id=account, channel=channel, native_status=status, native_code=code, n=0,
                first_seen_at=notes[0].at, receipt_id=notes[0].receipt_id,
            )  # fmt: skip
            new.append(row)
        row.n += sum(note.n for note in notes)
        row.first_seen_at = min(row.first_seen_at, *(note.at for note in notes))
        row.last_seen_at = max(note.at for note in notes)
        row.known, row.contradicts = notes[-1].known, notes[-1].contradicts
    old = [held[words] for words in by_words if words in held]
    SeenCode.objects.bulk_update(
        old, ["n", "first_seen_at", "last_seen_at", "known", "contradicts"], batch_size=300
    )
    SeenCode.objects.bulk_create(new, batch_size=300)
    return new


def _count_days(notes: Iterable[CodeOccurrence]) -> None:
    counts: dict[tuple, int] = defaultdict(int)
    for note in notes:
        word = note.native_code if note.native_code.strip("0") else note.native_status
        counts[note.at.date(), note.account_id, note.channel, word] += note.n
    add_to_days({key: (n, 0, 0) for key, n in counts.items()})


def add_to_days(counts: dict[tuple, tuple[int, int, int]]) -> None:
    """Add (n, followed, then_delivered) to the rows of CodeDay by (day, account, channel, code)."""
    table = CodeDay._meta.db_table
    sql = (
        f"INSERT INTO {table} (day, account_id, channel, code, n, followed, then_delivered) "  # noqa: S608
        "VALUES (%s, %s, %s, %s, %s, %s, %s) ON CONFLICT (day, account_id, channel, code) DO UPDATE SET "
        f"n = {table}.n + excluded.n, followed = {table}.followed + excluded.followed, "
        f"then_delivered = {table}.then_delivered + excluded.then_delivered"
    )
    with connection.cursor() as cursor:
        cursor.executemany(sql, [(*key, *values) for key, values in sorted(counts.items())])


# ---- Alarms ------------------------------------------------------------------------------------------------


def _raise_for(new: Sequence[SeenCode], now: datetime) -> None:
    names = Account.objects.names()
    firsts = SeenCode.objects.order_by().values_list("account_id", "channel").annotate(Min("first_seen_at"))
    since = {(account, channel): first for account, channel, first in firsts}
    alarms = []
    for row in new:
        account = names.get(row.account_id, "An account")
        if not row.known or row.contradicts:
            alarms.append(_alarm_of(row, account, now))
        elif since[row.account_id, row.channel] < row.first_seen_at - SETTLED_IN:
            alarms.append(alarm(Kind.NEW, row, f"{account} said “{_words(row)}” for the first time.", now))
    sound(alarms)


def _alarm_of(row: SeenCode, account: str, now: datetime) -> CodeAlarm:
    """For words that no table lists, or that contradict each other."""
    if not row.known:
        return alarm(Kind.UNKNOWN, row, f"{account} said “{_words(row)}”, which no code table lists.", now)
    sentence = f"{account} said “{_words(row)}”: status and code contradict each other."
    return alarm(Kind.CONTRADICTION, row, sentence, now)


def _words(row: SeenCode) -> str:
    return str(row) or "no word at all"


def alarm(kind: str, row: SeenCode, sentence: str, now: datetime) -> CodeAlarm:
    return CodeAlarm(
        kind=kind, account_id=row.account_id, channel=row.channel, code=row.native_code or row.native_status,
        sentence=sentence[:300], raised_at=now,
    )  # fmt: skip


def sound(alarms: Sequence[CodeAlarm]) -> None:
    """Raise these; one that is open already stays as it is."""
    CodeAlarm.objects.bulk_create(alarms, ignore_conflicts=True, batch_size=300)


def mark_known(mapping: Mapping, now: datetime) -> None:
    """Words that these tables list leave the queue of unknown ones, and the other way round. Alarms end and begin."""
    accounts = Account.objects.in_bulk()
    changed, alarms = [], []
    for seen in SeenCode.objects.all():
        account = accounts.get(seen.account_id)
        report = Report("", "", seen.channel, seen.native_status, seen.native_code)
        translated = mapping.translate(account.provider if account else "", report)
        if (seen.known, seen.contradicts) != (translated.known, translated.contradicts):
            worse = (seen.known and not translated.known) or (translated.contradicts and not seen.contradicts)
            seen.known, seen.contradicts = translated.known, translated.contradicts
            changed.append(seen)
            if worse:
                alarms.append(_alarm_of(seen, account.name if account else "An account", now))
    SeenCode.objects.bulk_update(changed, ["known", "contradicts"], batch_size=300)
    for seen in changed:
        over = [*([Kind.UNKNOWN] if seen.known else []), *([] if seen.contradicts else [Kind.CONTRADICTION])]
        CodeAlarm.objects.filter(
            kind__in=over, account_id=seen.account_id, channel=seen.channel,
            code=seen.native_code or seen.native_status, closed_at=None,
        ).update(closed_at=now)  # fmt: skip
    sound(alarms)
