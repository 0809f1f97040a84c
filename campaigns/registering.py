"""What a sender has to be registered as, where that stands, and whether it may send by that.

`registrations.csv` says what a sender of a kind needs in a country, with its source. `must`: without it nothing gets
there; `some`: operators of some countries ask for it, and nobody lists them all, so somebody has to say for each
country; `should`: it is sent without, and arrives worse. What no line names needs nothing.

`Sender.state` is what the gate judges by. It follows from the registrations (`verdict`), unless an administrator has
set it with a reason; every change of either is kept in `RegistrationChange`.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cache
from pathlib import Path

from django.db import transaction

from accounts.models import User
from campaigns.models import Registration, RegistrationChange, Sender
from campaigns.rates import kind_of, today
from campaigns.sender_values import TEXTS
from contacts.states import SenderState

HOME = {
    "long_code_us": "US",
    "toll_free": "US",
}  # where a sender of that kind has to be registered before it may send
EVERYWHERE = "*"
WARN_BEFORE = timedelta(days=30)
SATISFIED = frozenset({Registration.State.APPROVED, Registration.State.NOT_NEEDED})
MAY_BE_ASKED = frozenset({Registration.State.NEEDED, Registration.State.REJECTED, Registration.State.EXPIRED})

# The states of a sender that follow from the worst of what it must have, the worst first.
_FOLLOWS = {
    Registration.State.REJECTED: Sender.State.ACTION_REQUIRED,
    Registration.State.EXPIRED: Sender.State.EXPIRED,
    Registration.State.NEEDED: Sender.State.NOT_REGISTERED,
    Registration.State.SUBMITTED: Sender.State.IN_REVIEW,
}
# Of several countries the best counts, for the sender as a whole: where it may not send, its page and a launch say.
_BEST_FIRST = (
    Sender.State.APPROVED,
    Sender.State.IN_REVIEW,
    Sender.State.EXPIRED,
    Sender.State.ACTION_REQUIRED,
    Sender.State.NOT_REGISTERED,
)


class CannotAsk(Exception):
    """What was asked for stands already, or is under way; the message is a sentence."""


@dataclass(frozen=True)
class Requirement:
    kind: Registration.Kind
    country: str  # '' of what holds everywhere
    demand: str  # must, some or should
    words: str
    source: str


@dataclass(frozen=True)
class ChecklistLine:
    """One line of a sender's checklist: what is asked, and what there is."""

    kind: Registration.Kind
    country: str
    carrier: str
    asked: Requirement | None  # None: nobody asks for it, and it is kept all the same
    registration: Registration | None
    state: Registration.State  # today

    @property
    def demand(self) -> str:
        return self.asked.demand if self.asked else ""

    @property
    def is_satisfied(self) -> bool:
        return self.state in SATISFIED

    @property
    def is_lacking(self) -> bool:
        """Whether it keeps messages from arriving, or may do so."""
        return not self.is_satisfied and self.demand in ("must", "some")

    @property
    def words(self) -> str:
        where = ", ".join(filter(None, [self.country, self.carrier]))
        return f"{self.kind.label} ({where})" if where else str(self.kind.label)


@dataclass(frozen=True)
class SenderVerdict:
    """The state that follows from the registrations, and why, in a sentence."""

    state: SenderState
    why: str


def requirements(channel: str, value: str, country: str) -> list[Requirement]:
    """What a sender of this value needs to send there."""
    kind = kind_of(channel, value)
    return [
        Requirement(Registration.Kind(line["registration"]), _place(line, country), line["demand"], line["words"],
                    line["source"])
        for line in _lines()
        if channel in line["channels"].split(";")
        and line["sender"] in (kind, EVERYWHERE)
        and line["country"] in (country, EVERYWHERE, "")
    ]  # fmt: skip


def _place(line: dict[str, str], country: str) -> str:
    return country if line["country"] == EVERYWHERE else line["country"]


def in_country(sender: Sender, rows: Iterable[Registration], country: str, day: date) -> list[ChecklistLine]:
    """What it needs to send there, and what else is kept of that country. `rows`: its registrations."""
    there = [row for row in rows if row.country in (country, "")]
    found = []
    for asked in requirements(sender.channel, sender.value, country):
        row = next((row for row in there if row.kind == asked.kind and not row.carrier), None)
        found.append(_line(asked.kind, asked.country, "", asked, row, day))
    known = {(line.kind, line.carrier) for line in found}
    for row in there:
        if (row.kind, row.carrier) not in known:
            found.append(_line(Registration.Kind(row.kind), row.country, row.carrier, None, row, day))
    return found


def _line(
    kind: Registration.Kind,
    country: str,
    carrier: str,
    asked: Requirement | None,
    row: Registration | None,
    day: date,
) -> ChecklistLine:
    state = Registration.State(row.state_on(day)) if row else Registration.State.NEEDED
    return ChecklistLine(kind, country, carrier, asked, row, state)


def countries(sender: Sender, rows: Iterable[Registration]) -> list[str]:
    """Where it is registered or has to be, its home first; '' where it needs the same wherever it sends."""
    home = HOME.get(kind_of(sender.channel, sender.value), "")
    named = sorted({row.country for row in rows if row.country} - {home})
    own = [home] if home else []
    if not own and any(
        not line["country"] and sender.channel in line["channels"].split(";") for line in _lines()
    ):
        own = [""]
    return [*own, *named]


def checklist(sender: Sender, rows: Sequence[Registration], day: date) -> list[ChecklistLine]:
    """All countries together."""
    return [line for country in countries(sender, rows) for line in in_country(sender, rows, country, day)]


def verdict(sender: Sender, rows: Sequence[Registration], day: date) -> SenderVerdict:
    """What follows from the registrations. A sender of texts of which nobody has said anything is not approved."""
    if sender.channel not in TEXTS:
        return SenderVerdict(
            Sender.State.NOT_NEEDED, f"{sender.get_channel_display()} needs no registration to be sent."
        )
    kind = kind_of(sender.channel, sender.value)
    where = [HOME[kind]] if kind in HOME else countries(sender, rows)
    found = [_verdict_in(country, in_country(sender, rows, country, day)) for country in where]
    if not found:
        return SenderVerdict(
            Sender.State.NOT_REGISTERED, "Say for at least one country how it is registered there."
        )
    return min(found, key=lambda one: _BEST_FIRST.index(one.state))


def _verdict_in(country: str, lines: Sequence[ChecklistLine]) -> SenderVerdict:
    asked = [line for line in lines if line.demand in ("must", "some")]
    for state, follows in _FOLLOWS.items():
        if there := [str(line.kind.label) for line in asked if line.state == state]:
            return SenderVerdict(follows, f"{' and '.join(there)} for {country}: {str(state.label).lower()}.")
    names = " and ".join(str(line.kind.label) for line in asked) or "Nothing that is asked for"
    return SenderVerdict(Sender.State.APPROVED, f"{names} for {country}: in order.")


def ends_soon(rows: Iterable[Registration], day: date) -> list[Registration]:
    """Approvals that end within `WARN_BEFORE`, the next first."""
    ending = [
        row
        for row in rows
        if row.state == Registration.State.APPROVED
        and row.expires_on is not None
        and day <= row.expires_on <= day + WARN_BEFORE
    ]
    return sorted(ending, key=lambda row: row.expires_on or day)


# ---- Changes ---------------------------------------------------------------------------------------------------


def change(sender: Sender, values: Registration, by: User | None, now: datetime) -> Registration:
    """Store what `values`, an unsaved row, says of one kind, country and carrier; the sender's state follows.

    Nothing is written where it says the same as before.
    """
    with transaction.atomic():
        _lock(sender)
        key = {"kind": values.kind, "country": values.country, "carrier": values.carrier}
        row = Registration.objects.filter(sender=sender, **key).first()
        before = row.state if row else ""
        row = row or Registration(sender=sender, **key)
        if row.pk and all(getattr(row, name) == getattr(values, name) for name in _KEPT):
            return row
        for name in _KEPT:
            setattr(row, name, getattr(values, name))
        row.changed_at = now
        row.save()
        kept = {name: getattr(row, name) for name in _KEPT}
        RegistrationChange.objects.create(
            sender=sender, registration=row, at=now, by=by, state_before=before, **kept
        )
        follow(sender, now)
    return row


_KEPT = ("state", "reference", "submitted_on", "decided_on", "expires_on", "note")


def ask(sender: Sender, line: ChecklistLine, note: str, by: User, now: datetime) -> Registration:
    """Note that somebody has applied for it, or asks a colleague to. It approves nothing. Raises CannotAsk."""
    if line.state not in MAY_BE_ASKED:
        raise CannotAsk(f"{line.words} is {str(line.state.label).lower()}: there is nothing to ask for.")
    was = line.registration
    values = Registration(
        kind=line.kind,
        country=line.country,
        carrier=line.carrier,
        state=Registration.State.SUBMITTED,
        reference=was.reference if was else "",
        submitted_on=today(now),
        note=note,
    )
    return change(sender, values, by, now)


def set_state(sender: Sender, state: str, reason: str, by: User | None, now: datetime) -> None:
    """Let the sender stand at `state` for `reason`, whatever its registrations say; without a reason it follows them
    from now on."""
    with transaction.atomic():
        _lock(sender)
        if not reason:
            sender.state_reason = ""
            sender.save(update_fields=["state_reason"])
            _move(sender, verdict(sender, list(sender.registrations.all()), today(now)), by, now)
            return
        sender.state_reason = reason
        sender.save(update_fields=["state_reason"])
        _move(sender, SenderVerdict(Sender.State(state), reason), by, now, always=True)


def follow(sender: Sender, now: datetime) -> None:
    """Let the sender's state follow its registrations, unless somebody has set it."""
    if not sender.state_reason:
        _move(sender, verdict(sender, list(sender.registrations.all()), today(now)), None, now)


def _move(sender: Sender, to: SenderVerdict, by: User | None, now: datetime, *, always: bool = False) -> None:
    before = sender.state
    if before == to.state and not always:
        return
    sender.state = to.state
    sender.save(update_fields=["state"])
    RegistrationChange.objects.create(
        sender=sender, at=now, by=by, state_before=before, state=to.state, note=to.why[:300]
    )


def expire(now: datetime) -> list[Sender]:
    """Write down which approvals have run out; the senders that may not send any more for it."""
    stopped = []
    over = Registration.objects.filter(state=Registration.State.APPROVED, expires_on__lt=today(now))
    for sender in Sender.objects.filter(pk__in=over.values("sender")).order_by("pk"):
        with transaction.atomic():
            _lock(sender)
            could = sender.may_send
            for row in sender.registrations.filter(pk__in=over):
                row.state = Registration.State.EXPIRED
                change(sender, row, None, now)
            if could and not sender.may_send:
                stopped.append(sender)
    return stopped


def begin(sender: Sender, by: User, now: datetime, country: str = "") -> None:
    """What is written of a new sender, which is saved already: what it needs, and the state that follows. `country`:
    where it is to send first; '' where its kind says it."""
    day = today(now)
    lines = [line for line in checklist(sender, [], day) if line.demand == "must"]
    lines += [line for line in in_country(sender, [], country, day) if country and line.is_lacking]
    with transaction.atomic():
        for kind, where in dict.fromkeys((line.kind, line.country) for line in lines):
            change(sender, Registration(kind=kind, country=where), by, now)
        follow(sender, now)


def may_be_added(
    sender: Sender, rows: Sequence[Registration], day: date
) -> list[tuple[Registration.Kind, str]]:
    """What can be said of it beside its checklist: (kind, country), '' where somebody has to say which country."""
    listed = {(line.kind, line.country) for line in checklist(sender, rows, day)}
    kind = kind_of(sender.channel, sender.value)
    found = [
        (Registration.Kind(line["registration"]), "" if line["country"] == EVERYWHERE else line["country"])
        for line in _lines()
        if sender.channel in line["channels"].split(";")
        and line["sender"] in (kind, EVERYWHERE)
        and line["country"]
    ]
    if sender.channel in TEXTS:
        found.append((Registration.Kind.CARRIER, ""))
    return [one for one in dict.fromkeys(found) if one not in listed]


def _lock(sender: Sender) -> None:
    """Two who change it at once do so one after the other; what it says is read anew."""
    locked = Sender.objects.select_for_update().get(pk=sender.pk)
    sender.state, sender.state_reason = locked.state, locked.state_reason


@cache
def _lines() -> list[dict[str, str]]:
    with Path(__file__).with_name("registrations.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))
