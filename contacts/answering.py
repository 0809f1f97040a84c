"""Answers to what a person asks for: which are owed, in which words, and for how long; and what a colleague
answers to a reply.

A sure STOP is confirmed once: a second STOP of somebody who is opted out already asks for nothing new. HELP is answered
once an hour, so that two machines cannot go on answering each other. Whether one may go is the gate's to judge.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from accounts.models import User
from contacts.addresses import match_key
from contacts.among import Among
from contacts.channels import Channel
from contacts.consent_ledger import family_of
from contacts.models import Address, AnswerWording, AutomaticAnswer, Reply, Suppression
from contacts.models.answers import HELP_TEXT, STOP_TEXT

Kind, State = AutomaticAnswer.Kind, AutomaticAnswer.State
# The FCC presumes a confirmation to be one that comes so soon (47 CFR 64.1200(a)(12)).
WITHIN = timedelta(minutes=5)
HELP_APART = timedelta(hours=1)
# What a colleague wrote waits so long for the hours that are permitted there; later it answers nothing any more.
PERSON_WITHIN = timedelta(days=3)
# It leaves no sooner: whoever wrote it sees it once more on the page, and can still take it back.
PERSON_RECONSIDERS = timedelta(seconds=30)
# A question whether they agreed waits so long for its hours, and then for its answer; its text says so.
CONFIRM_WITHIN = timedelta(days=7)


class NotAnswerable(Exception):
    """Why a reply cannot be answered here, in a sentence."""


class NotWithdrawn(Exception):
    """Why an answer cannot be taken back, in a sentence."""


class Asked(NamedTuple):
    """A word that wants an answer: what was written from `value` to `sender_value`.

    `by_provider`: the provider answers such words itself, unless somebody turned that off there.
    """

    kind: str
    value: str
    channel: str
    sender_value: str
    account_id: int
    at: datetime
    by_provider: bool


def owe(asked: Sequence[Asked]) -> None:
    """Note down the answers that are owed. To be called before the opt-outs themselves are recorded.

    Four queries, however many there are.
    """
    asked = [one for one in asked if one.channel in family_of(Channel.SMS)]
    if not asked:
        return
    wordings = list(AnswerWording.objects.all())
    keys = {one.value: match_key(one.value) for one in asked}
    addresses = _addresses(set(keys.values()))
    said = _opt_outs(set(keys.values()))
    owed = []
    for one in asked:
        key = keys[one.value]
        address, locale = addresses.get(key, (0, ""))
        text, fact = (
            _text(one, wording_for(wordings, one.sender_value, locale)),
            _fact(one, said.get(key, ())),
        )
        if text and fact and address:
            owed.append(
                AutomaticAnswer(
                    kind=one.kind, match_key=key, fact=fact, address_id=address, channel=Channel.SMS,
                    sender_value=one.sender_value, account_id=one.account_id, text=text, asked_at=one.at,
                )
            )  # fmt: skip
    AutomaticAnswer.objects.bulk_create(owed, ignore_conflicts=True)  # asked for once more: it is there


def _addresses(keys: set[str]) -> dict[str, tuple[int, str]]:
    """By key the first address with it, and the locale of whose it is."""
    rows = Address.objects.filter(Among("match_key", keys)).exclude(value="").order_by("-pk")
    return {key: (pk, locale) for key, pk, locale in rows.values_list("match_key", "pk", "contact__locale")}


def _opt_outs(keys: set[str]) -> dict[str, list[datetime | None]]:
    """By key, of each opt-out that the person said, when it was released; None where it holds."""
    rows = Suppression.objects.filter(Among("match_key", keys), origin=Suppression.Origin.RECIPIENT)
    found: dict[str, list[datetime | None]] = {}
    for key, released in rows.exclude(value="").values_list("match_key", "released_at"):
        found.setdefault(key, []).append(released)
    return found


def wording_for(wordings: Iterable[AnswerWording], sender_value: str, locale: str) -> AnswerWording:
    """The texts of this sender in the language of this locale, such as de-AT; of what there is, the most exact."""
    language = re.split("[-_]", locale.lower())[0]
    known = {(each.sender_value, each.language): each for each in wordings}
    usual = AnswerWording(stop_text=STOP_TEXT, help_text=HELP_TEXT)
    exact = [(sender_value, language), (sender_value, ""), ("", language), ("", "")]
    return next((known[each] for each in exact if each in known), usual)


def _text(asked: Asked, wording: AnswerWording) -> str:
    """What is answered; '' for nothing."""
    if wording.who == wording.Who.NOBODY or (wording.who == wording.Who.AUTO and asked.by_provider):
        return ""
    return wording.stop_text if asked.kind == Kind.STOP else wording.help_text


def _fact(asked: Asked, said: Sequence[datetime | None]) -> str:
    """What it answers. A STOP counts from one opt-in to the next: '' where they are opted out already."""
    if asked.kind == Kind.HELP:
        return f"hour {int(asked.at.timestamp() // HELP_APART.total_seconds())}"
    return "" if None in said else f"opt-out {len(said) + 1}"


def answer_reply(reply: Reply, text: str, *, seen: int, by: User, now: datetime) -> AutomaticAnswer | None:
    """Have what a colleague wrote sent; None where the reply has other answers than the `seen` ones by now.

    Raises NotAnswerable.
    """
    address = answerable(reply)
    assert reply.account_id is not None  # as `answerable` said
    fact = f"reply {reply.pk} answer {seen + 1}"
    if reply.answers.count() != seen:
        return None
    made, is_new = AutomaticAnswer.objects.get_or_create(
        kind=Kind.PERSON,
        match_key=address.match_key,
        fact=fact,
        defaults={
            "address": address, "channel": Channel.SMS, "sender_value": reply.sender_value,
            "account_id": reply.account_id, "text": text, "asked_at": now, "reply": reply, "written_by": by,
            "until": now + PERSON_RECONSIDERS,
        },
    )  # fmt: skip
    return made if is_new else None


def withdraw_answer(answer: int, *, by: User, now: datetime) -> None:
    """Take back what a colleague wrote, as long as it waits. Raises NotWithdrawn."""
    mine = AutomaticAnswer.objects.filter(pk=answer, kind=Kind.PERSON, state=State.WAITING, written_by=by)
    why = f"Withdrawn by {by.display_name} before it left."
    if mine.update(state=State.DROPPED, why=why[:200], begun_at=now):
        return
    row = AutomaticAnswer.objects.select_related("written_by").get(pk=answer)
    if row.written_by_id != by.pk:
        author = row.written_by.display_name if row.written_by else "somebody who left"
        raise NotWithdrawn(f"It cannot be withdrawn by you: {author} wrote it.")
    if row.state == State.DROPPED:
        raise NotWithdrawn(f"It was not sent, so there is nothing to withdraw. {row.why}".strip())
    raise NotWithdrawn(_TOO_LATE.get(State(row.state), "It cannot be withdrawn: it has left already."))


_TOO_LATE = {
    State.SENDING: "It cannot be withdrawn: it is being handed over at this moment.",
    State.REFUSED: "It cannot be withdrawn: the provider has refused it, so it reached nobody.",
    State.IN_DOUBT: "It cannot be withdrawn: it may have left.",
}


def answerable(reply: Reply) -> Address:
    """The address that an answer goes to. Raises NotAnswerable where none can be given, whatever the gate says."""
    if reply.channel not in family_of(Channel.SMS):
        raise NotAnswerable("Only texts are answered here. Answer mail from your own mail program.")
    if reply.doubtful and not (reply.acted or reply.read_at):
        raise NotAnswerable("Say first whether it is an opt-out: until then nothing is sent to them.")
    if not reply.sender_value or reply.account_id is None:
        raise NotAnswerable("It is not known to which number of ours it was written.")
    address = Address.objects.filter(match_key=reply.match_key).exclude(value="").order_by("pk").first()
    if address is None:
        raise NotAnswerable("No contact has the address that it came from. Add the person first.")
    return address


def is_owed(answer: AutomaticAnswer | None, key: str, channel: str, now: datetime) -> bool:
    """Whether this answer may still go to the address with this key, on this channel, past what their word forbids.

    Never what a colleague wrote.
    """
    return (
        answer is not None
        and answer.kind not in (Kind.PERSON, Kind.VERIFY)
        and answer.state == State.WAITING
        and answer.match_key == key
        and answer.channel == channel
        and now - answer.asked_at <= (CONFIRM_WITHIN if answer.kind == Kind.CONFIRM else WITHIN)
    )
