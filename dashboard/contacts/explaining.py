"""What can be read to the customer on the phone: what we sent and what became of it, and what they asked of us.

In their words: no codes, no names of providers or rules, and nothing of what is planned. Times are those of the trail
beside it: in their own zone where it is known to be one (`zone_of`), unless the reader wants their own; the last line
says which.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from itertools import pairwise
from zoneinfo import ZoneInfo

from django.db.models import Exists, F, Max, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.utils import timezone

from accounts.zones import zone_name
from campaigns.models import Campaign, Recipient
from contacts.channels import Channel, Kind
from contacts.hours import place, zones_and_source
from contacts.models import Address, AutomaticAnswer, Contact
from dashboard.contacts.explaining_now import what_holds
from dashboard.contacts.explaining_words import (
    ANSWERED,
    CAME_OF_IT,
    DID,
    ENDED,
    LEFT_OUT,
    NOUN,
    OURS,
    SURE,
    SURE_OF_MAIL,
    SURE_OF_VOICEMAIL,
    kind_word,
    when_words,
    where,
)
from deliveries.models import Decision, Message
from deliveries.outcomes.reachability import SidePanel
from deliveries.statuses import OPEN, Disposition, Evidence, Status

SHOWN = 5  # campaigns


def explanation(contact: Contact, reach: SidePanel, *, own_clock: bool = False) -> str:
    """Lines to read aloud, the newest first, SHOWN of what happened at most. Four queries, whatever happened.
    `own_clock`: times of whoever reads it to them."""
    theirs = None if own_clock else zone_of(contact, reach.addresses)
    with timezone.override(theirs or timezone.get_current_timezone()):
        return _explained(contact, reach, _zone_words(theirs))


def zone_of(contact: Contact, addresses: Sequence[Address]) -> ZoneInfo | None:
    """The zone the person lives in, by what they told or their number; None where it may be one of several."""
    phone = next((one for one in addresses if one.kind == Kind.PHONE and one.preferred), None)
    zones, source = zones_and_source(contact.time_zone, phone.time_zone if phone else "")
    return zones[0] if source < 2 and len(zones) == 1 else None


def _zone_words(theirs: ZoneInfo | None) -> str:
    """Whose clock the times are of, to be read aloud: by a city, else by how far it is from UTC."""
    if theirs:
        return f"All times are your local time ({place(theirs)})."
    name = zone_name()
    if "/" in name and not name.startswith("Etc/"):
        return f"All times are {place(ZoneInfo(name))} time."
    offset = f"{timezone.localtime():%z}"
    return f"All times are UTC{'' if offset == '+0000' else f'{offset[:3]}:{offset[3:]}'}."


def _explained(contact: Contact, reach: SidePanel, zone: str) -> str:
    found = _happened(contact)
    attempted = _with_attempts(list(found[:SHOWN]))
    lines = [_sent(one, attempts) if attempts else _left_out(one) for one, attempts in attempted]
    answers, shown = _answers(contact), len(lines)
    if not lines and not answers:
        return "\n".join(["We have not sent you anything so far.", *what_holds(contact, reach)])
    earlier = found.count() - shown
    if earlier > 0:
        lines.append(f"And {earlier:,} earlier {'one' if earlier == 1 else 'ones'}.")
    return "\n".join([*lines, *answers, *what_holds(contact, reach), zone])


# ---- What was sent, and what was not ---------------------------------------------------------------------------


def _happened(contact: Contact) -> QuerySet[Recipient]:
    """The campaigns that something was sent for, or that left the person out, with when (`moment`).

    Whom a scheduled campaign leaves out is known before it begins; until then it is only planned. Of one that was
    canceled nobody hears whom it did not reach: there is nothing for them to have missed.
    """
    left = Message.objects.filter(recipient=OuterRef("pk"), handed_over_at__isnull=False).exclude(
        disposition=""
    )
    skipped = Decision.objects.filter(recipient=OuterRef("pk"), by="gate").order_by("-at").values("at")[:1]
    begun = ~Q(campaign__in=Campaign.objects.not_begun(timezone.now()).order_by().values("pk"))
    canceled = Q(campaign__state=Campaign.State.CANCELED)
    left_out = Q(state=Recipient.State.SKIPPED) & begun & ~canceled
    mine = Recipient.objects.filter(contact=contact).filter(left_out | Exists(left))
    latest = Max("messages__handed_over_at")
    mine = mine.annotate(moment=Coalesce(latest, Subquery(skipped), Max("messages__canceled_at")))
    return mine.select_related("campaign").order_by(F("moment").desc(nulls_last=True), "-pk")


def _answers(contact: Contact) -> list[str]:
    """What left beside the campaigns, the last of each kind, the newest first. One query."""
    states = AutomaticAnswer.State.SENT, AutomaticAnswer.State.IN_DOUBT
    rows = AutomaticAnswer.objects.filter(
        address__contact=contact, state__in=states, begun_at__isnull=False, kind__in=ANSWERED
    ).order_by("kind", "channel", "state")
    latest = rows.values_list("kind", "channel", "state").annotate(at=Max("begun_at"))
    found = sorted(latest, key=lambda row: row[3], reverse=True)
    unsure = "; it is not known whether that left"
    return [
        f"On {when_words(at)} {ANSWERED[AutomaticAnswer.Kind(kind)]}, by {NOUN[Channel(channel)]}"
        f"{unsure if state == AutomaticAnswer.State.IN_DOUBT else ''}."
        for kind, channel, state, at in found
    ]


def _with_attempts(recipients: Sequence[Recipient]) -> list[tuple[Recipient, list[Message]]]:
    """Each with the messages that left, in their order."""
    left = Message.objects.filter(recipient__in=recipients, handed_over_at__isnull=False).exclude(
        disposition=""
    )
    attempts: defaultdict[int, list[Message]] = defaultdict(list)
    for message in left.select_related("address").order_by("handed_over_at", "pk"):
        attempts[message.recipient_id].append(message)
    return [(one, attempts[one.pk]) for one in recipients]


def _sent(recipient: Recipient, attempts: Sequence[Message]) -> str:
    """One sentence for all attempts, with what became of the one that arrived, else of the last."""
    runs = _runs(attempts)
    first = runs[0]
    words = f"On {_when(first[0])} we {_did(first[0])} for “{recipient.campaign.name}”{_again(first)}"
    for before, run in pairwise(runs):
        words += f"; as {_went_on(before[-1], run[0])}, we {_did(run[0])} on {_when(run[0])}{_again(run)}"
    best = next((m for m in reversed(attempts) if m.disposition == Disposition.DELIVERED), attempts[-1])
    about = "" if best == attempts[-1] else f" of the {NOUN[Channel(best.channel)]} of {_when(best)},"
    return f"{words}:{about} {came_of(best)}."


def _went_on(message: Message, following: Message) -> str:
    """Why we did not leave it at this message, as far as that was known when the following one was made."""
    silent = message.status in (*OPEN, Status.TIMED_OUT, Status.UNKNOWN)
    silent = silent or message.disposition == Disposition.DELIVERED
    if silent or (message.settled_at and message.settled_at > following.created_at):
        return "we had no word that it arrived"
    if message.status in ENDED:
        return ENDED[Status(message.status)]
    if message.disposition == Disposition.BLOCKED_COMPLIANCE:
        return "it was not accepted for delivery"
    return "it could not be delivered"


def _runs(attempts: Sequence[Message]) -> list[list[Message]]:
    """The attempts in groups that follow each other to the same address on the same channel."""
    runs: list[list[Message]] = []
    for message in attempts:
        last = runs[-1][-1] if runs else None
        if last and (last.channel, last.address_id) == (message.channel, message.address_id):
            runs[-1].append(message)
        else:
            runs.append([message])
    return runs


def _again(run: Sequence[Message]) -> str:
    if len(run) == 1:
        return ""
    times = f" {len(run) - 1} times, last" if len(run) > 2 else ""
    return f", and tried again{times} on {_when(run[-1])}"


def _did(message: Message) -> str:
    return f"{DID[Channel(message.channel)]} {where(message.address.value)}"


def came_of(message: Message) -> str:
    """What became of it, as sure as we are of that."""
    channel, status = Channel(message.channel), Status(message.status)
    if channel == Channel.RVM and status in (Status.DELIVERED, Status.VOICEMAIL):
        return SURE_OF_VOICEMAIL[Evidence(message.evidence)]
    if channel == Channel.VOICE and status == Status.DELIVERED:
        return "the call was connected"
    if status in ENDED:
        return ENDED[status]
    if status == Status.DELIVERED:
        return (SURE_OF_MAIL if channel == Channel.EMAIL else SURE)[Evidence(message.evidence)]
    found = Disposition.PENDING if status in OPEN else Disposition(message.disposition)
    if found == Disposition.UNKNOWN and status not in (Status.TIMED_OUT, Status.UNKNOWN):
        return "it could not be delivered"
    return CAME_OF_IT[found].format(kind=kind_word(channel))


def _left_out(recipient: Recipient) -> str:
    channel = Channel(recipient.campaign.channel)
    why = LEFT_OUT.get(recipient.skip_reason, OURS).format(kind=kind_word(channel), noun=NOUN[channel])
    at = getattr(recipient, "moment", None)
    when = f"On {when_words(at)} we" if at else "We"
    return f"{when} did not send you the {NOUN[channel]} for “{recipient.campaign.name}”, because {why}."


def _when(message: Message) -> str:
    return when_words(message.handed_over_at or message.created_at)
