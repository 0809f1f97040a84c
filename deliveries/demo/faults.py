"""What can be wrong on the simulated carriers: one thing at a time, chosen and measured by a seed.

The seed gives which carrier, list or region it is, how many messages it meets, and everything else. What becomes of the
others is what the simulated carriers always do.
"""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import NamedTuple

from contacts.models import Address, ContactList
from deliveries.demo import stopping
from deliveries.outcomes.causes import ACCOUNT, CARRIER, CODE, LINK, REGION, SENDER, SOURCE
from deliveries.providers.sandbox.attempt import NOT_REACHED, CarrierAttempt, Submission
from deliveries.providers.sandbox.carriers import PHONE_CARRIERS
from deliveries.providers.sandbox.network import CarrierPlan, Network
from deliveries.statuses import Queue

DOMAIN = "c.example"
LOOKED_AT = timedelta(hours=3)
ODDS = (0.35, 0.9)
LEAST_SHARE = 0.054  # of all people: a region that something happens to


class Person(NamedTuple):
    region: str
    source: str


@dataclass(frozen=True)
class CarrierFault:
    """One thing that is wrong. `meets`: whether it may meet a submission, by its person; `odds` of those it does.

    `status` and `code` are reported then, nothing where both are empty. `for_good`: an address that it meets once it
    meets always. `named`: (dimension, value) of what is to be named, an account and a sender by what they are called.
    `queue`: where the messages are to stand then.
    """

    kind: str
    named: frozenset[tuple[str, str]]
    meets: Callable[[CarrierAttempt, Person], bool]
    odds: float
    queue: str
    status: str = ""
    code: str = ""
    for_good: bool = False
    looked_at: timedelta = LOOKED_AT


class FaultyNetwork(Network):
    """The simulated carriers, with one thing wrong; nothing where `fault` is None. `codes`: the last that was planned
    to be reported, by reference; '' where that is success, None where nothing is reported."""

    def __init__(self, seed: int, fault: CarrierFault | None, people: Mapping[str, Person]) -> None:
        super().__init__(seed, secret="")
        self.fault, self.people = fault, people
        self.codes: dict[str, str | None] = {}

    def planned(self, submission: Submission, nth: int) -> CarrierPlan:
        planned = self._planned(submission, nth)
        reported = [json.loads(one.body)["code"] for one in planned.callbacks if one.kind == "status"]
        self.codes[submission.ref] = reported[-1] if reported else None
        return planned

    def _planned(self, submission: Submission, nth: int) -> CarrierPlan:
        usual, fault = super().planned(submission, nth), self.fault
        if fault is None or usual.answer.code:
            return usual
        attempt = CarrierAttempt(self.seed, self.speed, submission, nth)
        person = self.people.get(submission.to, Person("", ""))
        dice = attempt.address if fault.for_good else attempt.dice
        if not (fault.meets(attempt, person) and dice.chance(f"wrong {fault.kind}", fault.odds)):
            return usual
        if not fault.status:
            return usual._replace(callbacks=[one for one in usual.callbacks if one.kind != "status"])
        sent = attempt.dice.between("sent", 0.5, 3)
        attempt.say("sent", sent)
        attempt.say(fault.status, sent + attempt.dice.between("refused", 0.5, 8), fault.code)
        return CarrierPlan(usual.answer, NOT_REACHED, attempt.callbacks)


def fault_of(kind: str, seed: int, people: Mapping[str, Person]) -> CarrierFault | None:
    """Which one it is with this seed; None for the kind "nothing"."""
    dice = random.Random(f"{kind} {seed}")  # noqa: S311 - the same one every time
    carrier = dice.choice([one.name for one in PHONE_CARRIERS if one.share > 0.1])
    source = dice.choice(stopping.LISTS)
    sizes = Counter(one.region for one in people.values() if one.source in stopping.LISTS)
    enough = LEAST_SHARE * sizes.total()
    region = dice.choice(sorted(name for name, n in sizes.items() if name and n >= enough))
    odds = dice.uniform(*ODDS)

    def of_carrier(attempt: CarrierAttempt, person: Person) -> bool:
        return attempt.carrier.name == carrier

    def everybody(attempt: CarrierAttempt, person: Person) -> bool:
        return True

    kinds = {
        "a carrier filters a link": lambda: CarrierFault(
            kind, frozenset({(CARRIER, carrier), (LINK, DOMAIN)}), of_carrier, odds, Queue.REVIEW,
            "undelivered", "FILTERED",
        ),
        "a list of dead numbers": lambda: CarrierFault(
            kind, frozenset({(SOURCE, source)}), lambda attempt, person: person.source == source, odds / 2,
            Queue.CORRECT, "undelivered", "UNKNOWN_SUBSCRIBER", for_good=True,
        ),
        "an outage in a region": lambda: CarrierFault(
            kind, frozenset({(REGION, region)}), lambda attempt, person: person.region == region, odds,
            Queue.RETRY, "failed", "OUTAGE",
        ),
        "an unregistered sender": lambda: CarrierFault(
            kind, frozenset({(SENDER, "+12125550199")}), everybody, odds, Queue.REVIEW,
            "rejected", "UNREGISTERED_SENDER",
        ),
        "a silent provider": lambda: CarrierFault(kind, frozenset({(ACCOUNT, "Sandbox")}), everybody, 1.0, Queue.WATCH),
        "a code that changed": lambda: CarrierFault(
            kind, frozenset({(CODE, "ABSENT"), (CARRIER, carrier)}), of_carrier, odds, Queue.RETRY,
            "undelivered", "ABSENT", for_good=True, looked_at=timedelta(hours=30),
        ),
        "nothing": lambda: None,
    }  # fmt: skip
    return kinds[kind]()


KINDS = (
    "a carrier filters a link", "a list of dead numbers", "an outage in a region", "an unregistered sender",
    "a silent provider", "a code that changed", "nothing",
)  # fmt: skip

# Area codes by state, as a look-up of numbers would tell it.
STATES = {
    "US-NY": (212, 646, 518, 585, 716), "US-CA": (213, 310, 415, 510, 619, 916), "US-TX": (214, 512, 713, 210),
    "US-PA": (215, 412), "US-NC": (704, 919), "US-IL": (312, 773), "US-WA": (206, 253, 509), "US-TN": (615, 901),
}  # fmt: skip
STATE_OF = {str(code): state for state, codes in STATES.items() for code in codes}


def people_now() -> dict[str, Person]:
    sources = dict(ContactList.objects.values_list("pk", "name"))
    rows = Address.objects.filter(kind="phone").values_list("value", "region", "contact__source_id")
    return {value: Person(region, sources.get(source, "")) for value, region, source in rows}
