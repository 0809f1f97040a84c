"""What a decision about one recipient depends on, and what it says: frozen values, without a database or a clock."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import NamedTuple

from campaigns.steps import GIVE_UP_HOURS, Hindrance
from contacts.channels import STRIKES
from contacts.jurisdictions import Law


class Retrying(NamedTuple):
    """How often something is tried again, and after what pause each time."""

    retries: int
    after: timedelta


BUSY = Retrying(2, timedelta(minutes=30))
NO_ANSWER = Retrying(2, timedelta(hours=4))
MAILBOX_FULL = Retrying(2, timedelta(hours=8))


@dataclass(frozen=True)
class Rules:
    """A playbook's numbers. Durations are timedeltas; channels in order of preference."""

    retries: int = 2
    retry_window: timedelta = timedelta(hours=24)
    retry_after: timedelta = timedelta(hours=4)
    busy: Retrying = BUSY
    no_answer: Retrying = NO_ANSWER
    mailbox_full: Retrying = MAILBOX_FULL
    at_risk: timedelta = timedelta(hours=24)
    switch_after: timedelta = timedelta(hours=48)
    give_up: timedelta = timedelta(hours=GIVE_UP_HOURS)
    strikes: int = STRIKES
    version: int = 0

    def retrying(self, hindrance: str) -> Retrying:
        """Of a temporary failure; `hindrance` is a `Hindrance`, or ''."""
        lines: dict[str, Retrying] = {
            Hindrance.BUSY: self.busy,
            Hindrance.NO_ANSWER: self.no_answer,
            Hindrance.MAILBOX_FULL: self.mailbox_full,
        }
        return lines.get(hindrance, Retrying(self.retries, self.retry_after))

    def times_out_at(self, handed_over_at: datetime) -> datetime:
        """The moment from which a message that is silent, or still under way, has timed out: unknown, not failed."""
        return handed_over_at + self.give_up

    def next_look(self, age: timedelta) -> timedelta:
        """The age, beyond this one, at which a silent message next asks for a decision; give_up is the last."""
        return min(
            (t for t in (self.at_risk, self.switch_after) if age < t < self.give_up), default=self.give_up
        )


@dataclass(frozen=True)
class Facts:
    """Everything a decision about one recipient may depend on. Moments are aware."""

    # The attempt the decision is about: the recipient's latest one that was not withdrawn.
    channel: str
    status: str
    failure_class: str
    fault: str
    disposition: str
    reason: str  # the code's meaning in words, '' when there is none
    handed_over_at: datetime | None
    settled_at: datetime | None  # when it failed; None while it is open
    # The recipient's attempts together.
    attempts: int  # on this channel, this one included
    first_attempt_at: datetime
    channel_since: datetime  # the first attempt on this channel
    reached_by: str = ""  # channel of an attempt that arrived
    hindrance: str = ""  # a `Hindrance`, where the failure is one
    evidence_missing: bool = False  # no receipts come from the attempt's account: its silence says nothing
    # The contact and the address.
    opted_out_here: bool = False  # of this channel
    opted_out_since: bool = False  # of any channel since the first attempt
    blocked: str = ""  # why the gate would stop another attempt on this channel, in words
    suppressed: bool = False  # the address may not be written to on this channel
    suppressed_everywhere: bool = False  # nor on any other
    asks_for_address: bool = (
        False  # it is suppressed for nothing but failures, this attempt's the last of them
    )
    suppressed_until: datetime | None = None  # None while nobody lifts it
    needs_correction: bool = False
    replaced: bool = False  # the contact has another address of this kind by now, or this one was confirmed
    hard_fails: int = 0  # permanent failures of this address on this channel in a row, this one included
    enough: int = 0  # as many of them are enough, by their codes; 0: as many as the playbook says
    unreachable: bool = (
        False  # nobody was reached there for too often or too long, though for no permanent failure
    )
    valuable: bool = False  # the contact is worth the effort of a colleague even where another channel works
    closed: str = ""  # AddressHealth.Closed: how far the failure reaches, where its code says so
    zone: str = ""  # where the recipient may be: IANA names, separated by blanks
    # The campaign.
    window: tuple[time, time] = (time(9), time(21))  # in each of those zones; email has none
    laws: tuple[Law, ...] = ()  # what has to permit it there as well
    urgent: bool = False
    ended: bool = False  # canceled: nothing more is sent
    relevant_until: datetime | None = None
    # What could be used instead, best first: content, address, consent and health are all there.
    alternatives: tuple[str, ...] = ()
    compared: str = ""  # their chances, where they are ordered by those: "email 92%, voice 40%"
    next_route: str = ""  # the account that may take what another has refused; '' for none
    pass_on_after: timedelta = timedelta(0)  # how long it waits before that


class Decided(NamedTuple):
    """What to do, when and why. `due_at` not later than now means: do it now.

    `queue` is the action queue the attempt stands in meanwhile ('' for none); `state` the recipient's; `look_at`
    when to decide anew though nothing is due.
    """

    rule: str
    step: str
    state: str
    reason: str
    due_at: datetime | None = None
    look_at: datetime | None = None
    queue: str = ""
    switch_to: str = ""
    suppress: bool = False
    give_up: bool = False  # our clock says timed out
