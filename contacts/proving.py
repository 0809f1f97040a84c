"""An address of somebody who works here: tests go there once they entered the code that was sent to it.

Until then it gets nothing but codes, whoever has it: few a day, through the gate as those of people who correct their
own address (`changing`), which no opt-out and no block lets pass.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import uuid4

from django.db import connection, transaction
from django.db.models import F

from accounts.models import User
from contacts.answering import wording_for
from contacts.changing import (
    A_DAY,
    KEPT,
    MOST_FOR_A_PERSON,
    TOO_OFTEN,
    Way,
    asked_too_often,
    hash_of,
    is_code,
    new_code,
    takes_code,
)
from contacts.models import AnswerWording, AutomaticAnswer, OwnAddress


def lock(user: User) -> None:
    """Whatever is counted for this person stays so until the caller's transaction ends."""
    no_key = connection.features.has_select_for_no_key_update
    User.objects.select_for_update(no_key=no_key).get(pk=user.pk)


def ask(own: OwnAddress, way: Way, now: datetime) -> bool:
    """Have a code sent to the address, with its user locked. False where they asked too often within a day, also for
    addresses that they removed since."""
    codes = AutomaticAnswer.objects.filter(kind=AutomaticAnswer.Kind.CODE, written_by=own.user_id)
    codes = codes.exclude(own_value="")
    codes.filter(asked_at__lt=now - KEPT).delete()
    unproven = OwnAddress.objects.filter(user=own.user_id, proven_at=None)
    unproven.filter(at__lt=now - KEPT).exclude(pk=own.pk).delete()
    if codes.filter(asked_at__gt=now - A_DAY).count() >= MOST_FOR_A_PERSON:
        return False
    wording = wording_for(AnswerWording.objects.all(), way.sender_value, "")
    made = AutomaticAnswer(
        kind=AutomaticAnswer.Kind.CODE, match_key=own.match_key, own_value=own.value, fact=f"own {uuid4().hex}",
        channel=way.channel, sender_value=way.sender_value, account_id=way.account_id, text=wording.code_text,
        written_by=own.user, asked_at=now,
    )  # fmt: skip
    if asked_too_often(own.match_key, now):
        made.state, made.why = AutomaticAnswer.State.DROPPED, TOO_OFTEN
    made.save()
    return True


def not_wanted(codes: Sequence[AutomaticAnswer]) -> dict[int, str]:
    """Of these codes that wait to be sent, why some need not be any more, by id."""
    if not codes:
        return {}
    rows = OwnAddress.objects.filter(user__in={one.written_by_id for one in codes}, proven_at=None)
    known = set(rows.values_list("user", "match_key"))
    why = "Not sent: the address was removed, or proved, meanwhile."
    return {one.pk: why for one in codes if (one.written_by_id, one.match_key) not in known}


def make_code(row: AutomaticAnswer, now: datetime) -> str:
    """A new code for the address that `row` goes to. Only its hash is kept; an earlier one ends."""
    code = new_code()
    for own in OwnAddress.objects.filter(user=row.written_by_id, match_key=row.match_key, proven_at=None):
        OwnAddress.objects.filter(pk=own.pk).update(code_hash=hash_of(_name(own), code), code_at=now, tries=0)
    return code


@transaction.atomic
def prove(own: OwnAddress, typed: str, now: datetime) -> bool:
    """Whether this is the code that was sent there; then it is theirs."""
    found = OwnAddress.objects.select_for_update().filter(pk=own.pk, proven_at=None).first()
    if found is None or not takes_code(found, now):
        return False
    mine = OwnAddress.objects.filter(pk=own.pk)
    if not is_code(_name(found), typed, found.code_hash):
        mine.update(tries=F("tries") + 1)
        return False
    mine.update(proven_at=now, code_hash="")
    return True


def _name(own: OwnAddress) -> str:
    return f"own {own.pk}"
