"""Double opt-in for those who were on a list before it asked: whom a question would go to, and what came of it.

They are asked as whoever joins is (`opt_ins.py`): once, at the permitted hours, nobody who said no. Until then they go
on as before, unless a colleague has them left out until they confirm.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from django.db import connection
from django.db.models import BooleanField, F, Q
from django.db.models.expressions import RawSQL

from contacts.channels import KIND_OF, Channel
from contacts.consent_ledger import sql_latest
from contacts.models import AutomaticAnswer, DoubleOptIn
from contacts.opt_ins import CONFIRMED

ALWAYS = datetime(1970, 1, 1, tzinfo=UTC)  # before whichever membership
AT_ONCE = 5_000  # questions whose answers a page counts itself; of more it shows what the worker counted last
EVERY = timedelta(minutes=5)
ASKED, SAID_YES, SAID_NO, SILENT = "asked", "confirmed", "refused", "silent"
ANSWERS = {ASKED: "asked", SAID_YES: "confirmed", SAID_NO: "said no", SILENT: "not answered"}


class Members(NamedTuple):
    """The people of a list, each counted once, by the first that is so: those who `refused` are asked by nothing."""

    people: int
    refused: int
    confirmed: int
    unreachable: int  # without an address for it
    asked: int  # before, by this list
    left: int  # who would be asked


class AnswersSoFar(NamedTuple):
    """People whom a list has asked on a channel, and what they said until `at`; None: until now."""

    asked: int
    confirmed: int
    refused: int
    at: datetime | None = None

    @property
    def silent(self) -> int:
        return self.asked - self.confirmed - self.refused


def members(asking: DoubleOptIn, now: datetime) -> Members:
    """One query, as long as the list."""
    with connection.cursor() as cursor:
        cursor.execute(
            _MEMBERS.format(**_sql(asking.channel, "m.contact_id")), _values(asking) | {"now": now}
        )
        people, refused, confirmed, unreachable, asked = (int(n or 0) for n in cursor.fetchone())
    return Members(
        people, refused, confirmed, unreachable, asked, people - refused - confirmed - unreachable - asked
    )


def ask_members(asking: DoubleOptIn, now: datetime, *, leave_out: bool) -> None:
    """Have all of the list asked who have no proof. `leave_out`: campaigns of the list leave them out until they
    confirm."""
    changed: dict[str, Any] = {"asks_from": ALWAYS, "looked_until": 0, "begun_at": now}
    DoubleOptIn.objects.filter(pk=asking.pk).update(**changed, **({"since": ALWAYS} if leave_out else {}))


def answered(asking: DoubleOptIn) -> AnswersSoFar | None:
    """What became of its questions: of up to `AT_ONCE` as it stands, of more as it was counted last; None where they
    were never counted. Two queries at most, neither over more questions than that."""
    if not _are_many(asking):
        return _counted(asking)
    return AnswersSoFar(**asking.answers, at=asking.counted_at) if asking.answers else None


def count_answers(now: datetime) -> int:
    """Count the answers of the list whose turn it is; return how many lists were looked at. A step of the worker."""
    due = DoubleOptIn.objects.filter(Q(counted_at=None) | Q(counted_at__lt=now - EVERY))
    asking = due.order_by(F("counted_at").asc(nulls_first=True), "pk").first()
    if asking is None:
        return 0
    answers = {}
    if _are_many(asking):
        found = _counted(asking)
        answers = {"asked": found.asked, "confirmed": found.confirmed, "refused": found.refused}
    DoubleOptIn.objects.filter(pk=asking.pk).update(answers=answers, counted_at=now)
    return 1


def _are_many(asking: DoubleOptIn) -> bool:
    questions = AutomaticAnswer.objects.filter(
        kind=AutomaticAnswer.Kind.CONFIRM, contact_list=asking.contact_list_id, channel=asking.channel
    )
    return questions.order_by()[AT_ONCE : AT_ONCE + 1].exists()


def _counted(asking: DoubleOptIn) -> AnswersSoFar:
    with connection.cursor() as cursor:
        cursor.execute(_ANSWERED.format(**_sql(asking.channel, "x.contact_id")), _values(asking))
        asked, confirmed, refused = (int(n or 0) for n in cursor.fetchone())
    return AnswersSoFar(asked, confirmed, refused)


def answered_how(asking: DoubleOptIn, answer: str, contact: str) -> Q:
    """A condition on rows with a contact each, in the column `contact`: what they answered, as `answered` counts."""
    sql = _sql(asking.channel, contact)
    asked = _ASKED.format(contact=contact)
    said = {
        ASKED: asked,
        SAID_YES: f"{asked} AND {sql['confirmed']} AND NOT {sql['no']}",
        SAID_NO: f"{asked} AND {sql['no']}",
        SILENT: f"{asked} AND NOT {sql['confirmed']} AND NOT {sql['no']}",
    }[answer]
    values = _values(asking)
    names = [part.partition(")s")[0] for part in said.split("%(")[1:]]
    positional = said
    for name in set(names):
        positional = positional.replace(f"%({name})s", "%s")
    return Q(RawSQL(f"({positional})", [values[name] for name in names], output_field=BooleanField()))  # noqa: S611 - our own statement


def _values(asking: DoubleOptIn) -> dict[str, Any]:
    return {
        "list": asking.contact_list_id, "channel": asking.channel, "kind": KIND_OF[Channel(asking.channel)].value,
    }  # fmt: skip


def _sql(channel: str, contact: str) -> dict[str, str]:
    hows = "', '".join(CONFIRMED)
    return {
        "no": f"(coalesce({sql_latest(channel, contact)}, TRUE) = FALSE)",
        "confirmed": f"""EXISTS (SELECT 1 FROM contacts_consent k WHERE k.contact_id = {contact}
          AND k.channel = '{channel}' AND k.opted_in AND k.origin = 'recipient' AND k.recorded_by_id IS NULL
          AND k.how IN ('{hows}'))""",  # noqa: S608 - our own words
    }


_ASKED = """EXISTS (SELECT 1 FROM contacts_automaticanswer q JOIN contacts_address b ON b.id = q.address_id
  WHERE b.contact_id = {contact} AND q.kind = 'confirm' AND q.contact_list_id = %(list)s AND q.channel = %(channel)s
    AND q.state IN ('sent', 'in_doubt'))"""
# What waits, or was sent, is asked; what was dropped or refused may be asked again.
_MEMBERS = """
SELECT count(*), sum(CASE WHEN refused THEN 1 ELSE 0 END),
  sum(CASE WHEN confirmed AND NOT refused THEN 1 ELSE 0 END),
  sum(CASE WHEN key = '' AND NOT confirmed AND NOT refused THEN 1 ELSE 0 END),
  sum(CASE WHEN key <> '' AND asked AND NOT confirmed AND NOT refused THEN 1 ELSE 0 END)
FROM (
  SELECT coalesce(a.match_key, '') AS key, {confirmed} AS confirmed,
    ({no} OR EXISTS (SELECT 1 FROM contacts_suppression s WHERE s.match_key = a.match_key AND s.value <> ''
      AND s.origin = 'recipient' AND s.channel IN ('', %(channel)s) AND s.released_at IS NULL
      AND (s.expires_at IS NULL OR s.expires_at > %(now)s))) AS refused,
    EXISTS (SELECT 1 FROM contacts_automaticanswer q WHERE q.kind = 'confirm' AND q.match_key = a.match_key
      AND q.contact_list_id = %(list)s AND q.channel = %(channel)s
      AND q.state NOT IN ('dropped', 'refused')) AS asked
  FROM contacts_listmembership m
  LEFT JOIN contacts_address a ON a.contact_id = m.contact_id AND a.kind = %(kind)s AND a.preferred AND a.value <> ''
  WHERE m.contact_list_id = %(list)s
) each_member"""
_ANSWERED = """
SELECT count(*), sum(CASE WHEN confirmed AND NOT refused THEN 1 ELSE 0 END), sum(CASE WHEN refused THEN 1 ELSE 0 END)
FROM (
  SELECT {confirmed} AS confirmed, {no} AS refused
  FROM (
    SELECT DISTINCT b.contact_id FROM contacts_automaticanswer q JOIN contacts_address b ON b.id = q.address_id
      JOIN contacts_listmembership m ON m.contact_id = b.contact_id AND m.contact_list_id = q.contact_list_id
    WHERE q.kind = 'confirm' AND q.contact_list_id = %(list)s AND q.channel = %(channel)s
      AND q.state IN ('sent', 'in_doubt')
  ) x
) each_person"""
