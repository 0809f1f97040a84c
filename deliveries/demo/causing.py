"""Campaigns on simulated carriers on which one thing is wrong, to see whether that is what is named as the cause.

The demo's people, and what the simulated carriers report of a message to each of them, put in the ordinary words by the
code tables. The reports are not sent through the receiver but written to the messages at once, as recording would, so
that many seeds take minutes. Some healthy campaigns come first, so that it is known what is usual. Each try is undone.
What can be wrong stands in `faults.py`.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from django.db import transaction

from campaigns.models import Campaign
from contacts.channels import Channel
from contacts.models import Address
from deliveries.demo import making, stopping
from deliveries.demo.faults import DOMAIN, LOOKED_AT, STATE_OF, FaultyNetwork, fault_of, people_now
from deliveries.ledger import failure_rates, tallies
from deliveries.ledger.statements import rewrite
from deliveries.meaning import mappings
from deliveries.meaning.occurrences import add_to_days
from deliveries.models import MESSAGE_TALLIES, Account, Message
from deliveries.outcomes.causes import FailureCause
from deliveries.outcomes.causes_step import found_out
from deliveries.providers.facts import Report
from deliveries.providers.sandbox.attempt import Callback, Submission
from deliveries.providers.sandbox.network import Network
from deliveries.statuses import Disposition, Meaning, Status, disposition, precedence, shown_code

LINKED = f"{{first_name}}, lens week: 20 percent off at https://{DOMAIN}/lenses. Reply STOP to opt out."
PLAN = replace(stopping.BAD, name="Lens week", slug="tried", lists=stopping.LISTS, body=LINKED, also=())
BEFORE = (15, 13, 11)  # days before: healthy campaigns, four days of each
NOBODYS = (
    1_000_000_000  # ids of recipients above that: these campaigns have none, and nobody else's may be met
)
AGAIN = timedelta(hours=4)  # after a temporary failure


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


def prepare(seed: int, at: datetime, codes: Sequence[int] = making.AREA_CODES, share: float = 1.0) -> None:
    """Fill an empty database with the demo's people, or a share of them with numbers of these area codes, and with
    healthy campaigns of the days before `at`."""
    stopping.prepare(seed, at - timedelta(days=30), codes, share)
    phones = list(Address.objects.filter(kind="phone"))
    for one in phones:
        one.region = STATE_OF.get(one.value[2:5], "US")
    rewrite(phones, ["region"])
    for number, days in enumerate(BEFORE):
        began = at - timedelta(days=days)
        plan = replace(PLAN, slug=f"before-{number}", name=f"Reminder {number}", body=making.REMINDER)
        campaign = making.campaign(plan, began)
        network = FaultyNetwork(seed + number, None, {})
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
    people = people_now()
    fault = fault_of(kind, seed, people)
    campaign = making.campaign(PLAN, at)
    campaign.contents.get().keep()
    ends = at + (fault.looked_at if fault else LOOKED_AT)
    _written(campaign, FaultyNetwork(seed, fault, people), at, ends)
    findings = found_out(campaign, ends)
    first = findings.causes[0] if findings.causes else None
    wanted = fault.named if fault else frozenset()
    return CauseTrial(
        kind, seed, wanted, names_of(first), findings.sentence(first) if first else "Nothing stands out."
    )


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
                recipient_id=NOBODYS + address.contact_id, campaign=campaign, contact_id=address.contact_id,
                address=address, sender=content.sender, account=account, list_source_id=address.contact.source_id or 0,
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


def names_of(cause: FailureCause | None) -> frozenset[tuple[str, str]]:
    if cause is None:
        return frozenset()
    whole = frozenset({("whole", "")})
    return frozenset((part.dimension, part.label) for part in cause.parts) or whole
