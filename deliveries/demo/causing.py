"""Campaigns on simulated carriers on which one thing is wrong, to see whether that is what is named as the cause.

The demo's people, and what the simulated carriers report of a message to each of them, put in the ordinary words by the
code tables. The reports are not sent through the receiver but written to the messages at once, as recording would, so
that many seeds take minutes. Some healthy campaigns come first, so that it is known what is usual. Each try is undone.
The seed gives which carrier, list or region it is, how many messages it meets, and everything else.
"""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import NamedTuple

from django.db import transaction

from campaigns.models import Campaign
from contacts.channels import Channel
from contacts.models import Address, ContactList
from deliveries.demo import making, stopping
from deliveries.ledger import failure_rates, tallies
from deliveries.ledger.statements import rewrite
from deliveries.meaning import mappings
from deliveries.meaning.occurrences import add_to_days
from deliveries.models import MESSAGE_TALLIES, Account, Message
from deliveries.outcomes.causes import ACCOUNT, CARRIER, CODE, LINK, REGION, SENDER, SOURCE, FailureCause
from deliveries.outcomes.causes_step import found_out
from deliveries.providers.facts import Report
from deliveries.providers.sandbox.attempt import NOT_REACHED, Callback, CarrierAttempt, Submission
from deliveries.providers.sandbox.carriers import PHONE_CARRIERS
from deliveries.providers.sandbox.network import CarrierPlan, Network
from deliveries.statuses import Disposition, Meaning, Status, disposition, precedence, shown_code

DOMAIN = "c.example"
LINKED = f"{{first_name}}, lens week: 20 percent off at https://{DOMAIN}/lenses. Reply STOP to opt out."
PLAN = replace(stopping.BAD, name="Lens week", slug="tried", lists=stopping.LISTS, body=LINKED, also=())
BEFORE = (10, 8, 6)  # days before: healthy campaigns
LOOKED_AT = timedelta(hours=3)
ODDS = (0.35, 0.9)
LEAST_PEOPLE = 80  # of a region that something happens to


class Person(NamedTuple):
    region: str
    source: str


@dataclass(frozen=True)
class Wrong:
    """One thing that is wrong. `meets`: whether it may meet a submission, by its person; `odds` of those it does.

    `status` and `code` are reported then, nothing where both are empty. `for_good`: an address that it meets once it
    meets always. `named`: (dimension, value) of what is to be named, an account and a sender by what they are called.
    """

    kind: str
    named: frozenset[tuple[str, str]]
    meets: Callable[[CarrierAttempt, Person], bool]
    odds: float
    status: str = ""
    code: str = ""
    for_good: bool = False
    looked_at: timedelta = LOOKED_AT


@dataclass(frozen=True)
class CauseTrial:
    """What was named first for one campaign: as (dimension, words); empty where nothing was. `right`: it is what was
    wrong, or nothing was."""

    kind: str
    seed: int
    wanted: frozenset[tuple[str, str]]
    named: frozenset[tuple[str, str]]
    sentence: str

    @property
    def right(self) -> bool:
        return self.wanted == self.named


class WrongNetwork(Network):
    """The simulated carriers, with one thing wrong."""

    def __init__(self, seed: int, wrong: Wrong | None, people: Mapping[str, Person]) -> None:
        super().__init__(seed, secret="")
        self.wrong, self.people = wrong, people

    def planned(self, submission: Submission, nth: int) -> CarrierPlan:
        usual, wrong = super().planned(submission, nth), self.wrong
        if wrong is None or usual.answer.code:
            return usual
        attempt = CarrierAttempt(self.seed, self.speed, submission, nth)
        person = self.people.get(submission.to, Person("", ""))
        dice = attempt.address if wrong.for_good else attempt.dice
        if not (wrong.meets(attempt, person) and dice.chance(f"wrong {wrong.kind}", wrong.odds)):
            return usual
        if not wrong.status:
            return usual._replace(callbacks=[one for one in usual.callbacks if one.kind != "status"])
        sent = attempt.dice.between("sent", 0.5, 3)
        attempt.say("sent", sent)
        attempt.say(wrong.status, sent + attempt.dice.between("refused", 0.5, 8), wrong.code)
        return CarrierPlan(usual.answer, NOT_REACHED, attempt.callbacks)


def whats_wrong(kind: str, seed: int, people: Mapping[str, Person]) -> Wrong | None:
    """Which one it is with this seed; None for the kind "nothing"."""
    dice = random.Random(f"{kind} {seed}")  # noqa: S311 - the same one every time
    carrier = dice.choice([one.name for one in PHONE_CARRIERS if one.share > 0.1])
    source = dice.choice(stopping.LISTS)
    sizes = Counter(one.region for one in people.values() if one.source in stopping.LISTS)
    region = dice.choice(sorted(name for name, n in sizes.items() if name and n >= LEAST_PEOPLE))
    odds = dice.uniform(*ODDS)

    def of_carrier(attempt: CarrierAttempt, person: Person) -> bool:
        return attempt.carrier.name == carrier

    def everybody(attempt: CarrierAttempt, person: Person) -> bool:
        return True

    kinds = {
        "a carrier filters a link": lambda: Wrong(
            kind, frozenset({(CARRIER, carrier), (LINK, DOMAIN)}), of_carrier, odds, "undelivered", "FILTERED"
        ),
        "a list of dead numbers": lambda: Wrong(
            kind, frozenset({(SOURCE, source)}), lambda attempt, person: person.source == source, odds / 2,
            "undelivered", "UNKNOWN_SUBSCRIBER", for_good=True,
        ),
        "an outage in a region": lambda: Wrong(
            kind, frozenset({(REGION, region)}), lambda attempt, person: person.region == region, odds, "failed",
            "OUTAGE",
        ),
        "an unregistered sender": lambda: Wrong(
            kind, frozenset({(SENDER, "+12125550199")}), everybody, odds, "rejected", "UNREGISTERED_SENDER"
        ),
        "a silent provider": lambda: Wrong(kind, frozenset({(ACCOUNT, "Sandbox")}), everybody, odds),
        "a code that changed": lambda: Wrong(
            kind, frozenset({(CODE, "ABSENT"), (CARRIER, carrier)}), of_carrier, odds, "undelivered", "ABSENT",
            for_good=True, looked_at=timedelta(hours=30),
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
AGAIN = timedelta(hours=4)  # after a temporary failure


def prepare(seed: int, at: datetime, before: tuple[int, ...] = BEFORE) -> None:
    """Fill an empty database with the demo's people and with healthy campaigns so many days before `at`."""
    stopping.prepare(seed, at - timedelta(days=30))
    phones = list(Address.objects.filter(kind="phone"))
    for one in phones:
        one.region = STATE_OF.get(one.value[2:5], "US")
    rewrite(phones, ["region"])
    for number, days in enumerate(before):
        began = at - timedelta(days=days)
        plan = replace(PLAN, slug=f"before-{number}", name=f"Reminder {number}", body=making.REMINDER)
        campaign = making.campaign(plan, began)
        network = WrongNetwork(seed + number, None, {})
        _note_codes(_written(campaign, network, began, began + timedelta(days=4)))
        Campaign.objects.filter(pk=campaign.pk).update(
            state=Campaign.State.COMPLETED, launched_at=began, completed_at=began + timedelta(days=4)
        )
    for tally in MESSAGE_TALLIES:
        tallies.rebuild(tally)
    failure_rates.refresh(at)


def tried(kind: str, seed: int, at: datetime) -> CauseTrial:
    """One campaign that left at `at` on carriers with this seed; nothing of it stays in the database."""
    with transaction.atomic():
        found = _try(kind, seed, at)
        transaction.set_rollback(True)
    return found


def _try(kind: str, seed: int, at: datetime) -> CauseTrial:
    people = _people()
    wrong = whats_wrong(kind, seed, people)
    campaign = making.campaign(PLAN, at)
    campaign.contents.get().keep()
    ends = at + (wrong.looked_at if wrong else LOOKED_AT)
    _written(campaign, WrongNetwork(seed, wrong, people), at, ends)
    findings = found_out(campaign, ends)
    first = findings.causes[0] if findings.causes else None
    wanted = wrong.named if wrong else frozenset()
    return CauseTrial(
        kind, seed, wanted, _names(first), findings.sentence(first) if first else "Nothing stands out."
    )


def _people() -> dict[str, Person]:
    sources = dict(ContactList.objects.values_list("pk", "name"))
    rows = Address.objects.filter(kind="phone").values_list("value", "region", "contact__source_id")
    return {value: Person(region, sources.get(source, "")) for value, region, source in rows}


# ---- What becomes of the messages --------------------------------------------------------------------------------


def _written(campaign: Campaign, network: Network, at: datetime, until: datetime) -> list[Message]:
    """A message to everybody on the lists, with what is reported of it until then, and another after a temporary
    failure."""
    content, account = (
        campaign.contents.select_related("sender").get(),
        Account.objects.get(provider="sandbox"),
    )
    phones = Address.objects.filter(
        kind="phone", contact__memberships__contact_list__in=campaign.lists.all()
    ).select_related("contact")
    first = []
    for number, address in enumerate(phones.distinct().order_by("pk")):
        left = at + timedelta(seconds=number // 10)
        first.append(
            Message(
                recipient_id=address.contact_id, campaign=campaign, contact_id=address.contact_id, address=address,
                sender=content.sender, account=account, list_source_id=address.contact.source_id or 0,
                channel=Channel.SMS, goal=campaign.goal, carrier=network.carrier_of(address.value),
                region=address.region, content_version=content.version, created_at=left, created_on=left.date(),
                due_at=left, handed_over_at=left,
            )
        )  # fmt: skip
    _report(first, network, content.body, until)
    Message.objects.bulk_create(first, batch_size=500)
    retried = [one for one in first if one.disposition == Disposition.PENDING_RETRY and at + AGAIN < until]
    second = [_again(one) for one in retried]
    _report(second, network, content.body, until)
    Message.objects.bulk_create(second, batch_size=500)
    return second


def _again(one: Message) -> Message:
    left = one.due_at + AGAIN
    copied = (
        "recipient_id", "campaign", "contact_id", "address", "sender", "account", "list_source_id", "channel", "goal",
        "carrier", "region", "content_version",
    )  # fmt: skip
    again = Message(**{name: getattr(one, name) for name in copied}, follows=one, attempt=2)
    again.created_at = again.due_at = again.handed_over_at = left
    again.created_on = left.date()
    return again


def _report(messages: Iterable[Message], network: Network, body: str, until: datetime) -> None:
    """Let each say what is known of it at that moment."""
    for one in messages:
        submission = Submission(
            str(one.uuid), Channel.SMS, one.address.value, one.sender.value, body, "https://waybill.example.com/hooks/t/",
            one.due_at, "secret",
        )  # fmt: skip
        planned = network.planned(submission, one.attempt)
        best, one.status = 0, Status.SENDING
        for callback in planned.callbacks:
            if callback.kind == "status" and callback.at <= until:
                best = max(best, _apply(one, callback, best))
        one.disposition = disposition(one.status, one.failure_class, one.fault, one.goal)


def _apply(message: Message, callback: Callback, best: int) -> int:
    said = json.loads(callback.body)
    report = Report("", said["id"], said["channel"], said["status"], said["code"])
    meaning: Meaning = mappings.current().translate("sandbox", report).meaning
    place = precedence(meaning, 0)
    if place > best:
        message.status, message.failure_class, message.fault = (
            meaning.status,
            meaning.failure_class,
            meaning.fault,
        )
        message.evidence = meaning.evidence
        message.reason_code = shown_code(meaning.status, said["status"], said["code"])
    return place


def _note_codes(second: Iterable[Message]) -> None:
    """Whether the attempt after a code arrived, as is counted each day."""
    counts: Counter[tuple] = Counter()
    arrived: Counter[tuple] = Counter()
    for one in second:
        key = (one.created_on, one.account_id, one.channel, one.follows.reason_code if one.follows else "")
        counts[key] += 1
        arrived[key] += one.disposition == Disposition.DELIVERED
    add_to_days({key: (0, n, arrived[key]) for key, n in counts.items()})


def _names(cause: FailureCause | None) -> frozenset[tuple[str, str]]:
    if cause is None:
        return frozenset()
    whole = frozenset({("whole", "")})
    return frozenset((part.dimension, part.label) for part in cause.parts) or whole
