"""What can be read to the customer on the phone: what we sent and what became of it, and what they asked of us.

In their words: no codes, no names of providers or rules, and nothing of what is planned. Times are in their own zone
where it is known to be one, else in that of whoever reads it to them, and the last line says which.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from itertools import pairwise
from zoneinfo import ZoneInfo

from django.db.models import Exists, F, Max, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.text import Truncator

from accounts.zones import zone_name
from campaigns.models import Campaign, Recipient
from contacts import grounds
from contacts.channels import KIND_OF, Channel, Kind
from contacts.gate import Reason
from contacts.hours import place, zones_and_source
from contacts.models import AutomaticAnswer, Contact, Suppression
from contacts.phones import ERASED, concealed, mask
from contacts.preferring import KEPT_OFF
from dashboard.contacts.banner import acts
from deliveries.models import Decision, Message
from deliveries.outcomes.reachability import Reach, SidePanel
from deliveries.statuses import OPEN, Disposition, Evidence, Status
from deliveries.wording import listed

SHOWN = 5  # campaigns
QUOTED = 80  # characters of what somebody wrote

NOUN = {
    Channel.SMS: "text message",
    Channel.MMS: "picture message",
    Channel.VOICE: "call",
    Channel.RVM: "voicemail",
    Channel.EMAIL: "email",
}
DID = {
    Channel.SMS: "sent a text message to",
    Channel.MMS: "sent a picture message to",
    Channel.VOICE: "called",
    Channel.RVM: "sent a voicemail to",
    Channel.EMAIL: "sent an email to",
}
# How sure we are of what arrived: by evidence, for a message to a phone, a voicemail and an email.
SURE = {
    Evidence.HANDSET: "we know that it reached your phone",
    Evidence.CARRIER: "your phone company reports that it was delivered",
    Evidence.HANDED_OVER: "your phone company accepted it, and nobody confirmed that it reached your phone",
    Evidence.ASSUMED: "no failure was reported, and nobody confirmed that it reached your phone",
    Evidence.CLOCK: "no failure was reported, and nobody confirmed that it reached your phone",
}
SURE_OF_VOICEMAIL = {
    **SURE,
    Evidence.HANDSET: "we know that it was left in your voicemail box",
    Evidence.CARRIER: "it is reported as left in your voicemail box",
    Evidence.HANDED_OVER: "your phone company accepted it, and nobody confirmed that it was left in your voicemail box",
}
SURE_OF_MAIL = {
    **dict.fromkeys(Evidence, "your mail provider accepted it; it may still be in spam"),
    Evidence.ASSUMED: "no failure came back, and nobody confirmed that it arrived",
    Evidence.CLOCK: "no failure came back, and nobody confirmed that it arrived",
}
ENDED = {
    Status.ANSWERED: "the call was answered",
    Status.VOICEMAIL: "the call went to voicemail",
    Status.NO_ANSWER: "nobody picked up",
    Status.BUSY: "the line was busy",
    Status.COMPLAINED: "it was reported to us as unwanted",
    Status.CANCELED: "it was canceled on its way",
}
CAME_OF_IT = {
    Disposition.PENDING: "it is on its way, and we have no confirmation yet",
    Disposition.PENDING_RETRY: "it could not be delivered at that moment",
    Disposition.BOUNCED_HARD: "it could not be delivered: the report says that it cannot be reached there",
    Disposition.BLOCKED_COMPLIANCE: "it was not accepted for delivery, which has nothing to do with your {kind}",
    Disposition.OPTOUT: "it was not delivered, because messages there are opted out",
    Disposition.UNKNOWN: "we received no confirmation either way",
}
# Why somebody was left out, to be read to them; {kind} is "number" or "email address", {noun} as in NOUN.
OURS = "of a reason on our side, which has nothing to do with you"
LEFT_OUT = {
    Reason.EXCLUDED: "it was not meant for all people on our lists",
    Reason.HOLD_OUT: "it went to a part of the people on our lists only",
    Reason.NO_ADDRESS: "we had no {kind} of yours for it",
    Reason.OPTED_OUT: "we knew that you do not want it",
    Reason.NEEDS_CORRECTION: "the {kind} we had seemed to be wrong",
    Reason.INVALID_ADDRESS: "the {kind} we had was not a valid one",
    Reason.NOT_IN_SERVICE: "the number we had was reported as not in service",
    Reason.WRONG_LINE: "the number we had cannot take a {noun}",
    Reason.SUPPRESSED: "we had stopped writing to you there",
    Reason.NOT_CONFIRMED: "we had asked you to confirm that you want a {noun} from us, and had no answer",
    Reason.NO_CONSENT: "we had no agreement of yours to a {noun} from us",
    Reason.HARD_FAILS: "earlier messages there had failed several times",
    Reason.NO_COMMON_HOUR: "we found no hour at which we may reach you",
    Reason.NO_LAWFUL_HOUR: "we found no hour at which we may reach you",
    Reason.NOT_RELEVANT: "it would have come too late",
    "superseded": "another message had reached you first",
}

# What we answered or asked beside the campaigns, by its kind.
ANSWERED = {
    AutomaticAnswer.Kind.CONFIRM: "we asked you to confirm that you want messages from us",
    AutomaticAnswer.Kind.VERIFY: "we asked you whether your number or address is still right",
    AutomaticAnswer.Kind.STOP: "we confirmed that you get no more messages from us",
    AutomaticAnswer.Kind.HELP: "we answered your question for help",
    AutomaticAnswer.Kind.TEST: "we sent you a test that was asked for from this address",
    AutomaticAnswer.Kind.PERSON: "a colleague answered what you had written",
}

HOW_THEY_ASKED = {
    grounds.REPLIED: "You replied STOP on {day}",
    grounds.UNSUBSCRIBED: "You unsubscribed by email on {day}",
    grounds.ANSWERED: "You answered “{words}” on {day}",
    grounds.READ: "You wrote to us on {day} that you do not want to hear from us",
    grounds.REPORTED: "It was reported to us on {day} that you opted out",
    grounds.LISTED: "We learnt on {day} that you do not want to hear from us",
    grounds.BY_LINK: "You used the unsubscribe link in our email on {day}",
    grounds.PRESSED: "You pressed a key on {day} to opt out",
    Suppression.Reason.COMPLAINT: "A message of ours was reported as unwanted on {day}",
}


def explanation(contact: Contact, reach: SidePanel) -> str:
    """Lines to read aloud, the newest first, SHOWN of what happened at most. Four queries, whatever happened."""
    theirs = _zone_of(contact, reach)
    with timezone.override(theirs or timezone.get_current_timezone()):
        return _explained(contact, reach, _zone_words(theirs))


def _zone_of(contact: Contact, reach: SidePanel) -> ZoneInfo | None:
    """The zone the person lives in, by what they told or their number; None where it may be one of several."""
    phone = next((one for one in reach.addresses if one.kind == Kind.PHONE and one.preferred), None)
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
        return "\n".join(["We have not sent you anything so far.", *_now(contact, reach)])
    earlier = found.count() - shown
    if earlier > 0:
        lines.append(f"And {earlier:,} earlier {'one' if earlier == 1 else 'ones'}.")
    return "\n".join([*lines, *answers, *_now(contact, reach), zone])


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
    return f"{DID[Channel(message.channel)]} {_where(message.address.value)}"


def _where(value: str) -> str:
    """To be read aloud; of an address no more than everybody may see."""
    if value.startswith(ERASED):
        return "an address that was erased"
    if "@" in value:
        return f"your address at {value.rpartition('@')[2]}"
    ending = mask(value).rpartition("•")[2].strip()
    return f"the number ending in {ending}" if ending else "your number"


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
    return CAME_OF_IT[found].format(kind=_kind(channel))


def _left_out(recipient: Recipient) -> str:
    channel = Channel(recipient.campaign.channel)
    why = LEFT_OUT.get(recipient.skip_reason, OURS).format(kind=_kind(channel), noun=NOUN[channel])
    at = getattr(recipient, "moment", None)
    when = f"On {when_words(at)} we" if at else "We"
    return f"{when} did not send you the {NOUN[channel]} for “{recipient.campaign.name}”, because {why}."


def _kind(channel: Channel) -> str:
    return "number" if KIND_OF[channel] == Kind.PHONE else "email address"


def _when(message: Message) -> str:
    return when_words(message.handed_over_at or message.created_at)


def when_words(at: datetime) -> str:
    return f"{day_words(at)} at {timezone.localtime(at):%H:%M}"


def day_words(at: datetime) -> str:
    """To be read aloud: "3 November", with its year only when that is not this year."""
    local = timezone.localtime(at)
    return date_format(local, "j F" if local.year == timezone.localtime().year else "j F Y")


def _now(contact: Contact, reach: SidePanel) -> list[str]:
    """What holds now: what waits for a reply to be read, what they asked for, and what is left."""
    if contact.erased_at:
        return [f"We erased your details on {day_words(contact.erased_at)}; you get nothing at all from us."]
    return [*_held(reach), *_asked(reach), *_reached(reach)]


def _held(reach: SidePanel) -> list[str]:
    if reach.held_since is None:
        return []
    return [f"You wrote to us on {day_words(reach.held_since)}; we hold everything until it is read."]


# ---- What they asked of us -------------------------------------------------------------------------------------


def _asked(reach: SidePanel) -> list[str]:
    """What they said themselves, the newest first, and what it closes; a no without a block names its channel."""
    facts = []
    for act, extended in acts(reach.suppressions):
        if line := _act(act, extended, reach):
            facts.append((act.created_at, line))
    noes: defaultdict[datetime, list[Reach]] = defaultdict(list)
    for one in reach.channels:
        if one.consent and one.opted_out and not any(each.by_recipient for each in one.suppressions):
            noes[one.consent.at].append(one)
    for at, those in noes.items():
        facts.append((at, _no(those, at)))
    return [line for _, line in sorted(facts, reverse=True)]


def _no(those: Sequence[Reach], at: datetime) -> str:
    if all(one.consent and one.consent.how.startswith(KEPT_OFF) for one in those):
        return f"When you chose on {day_words(at)} what you get, this stayed off: {_nothing(those)} from us."
    return f"You opted out on {day_words(at)}; since then {_nothing(those)} from us."


def _act(act: Suppression, extended: Sequence[Suppression], reach: SidePanel) -> str:
    """'' for what the person did not ask for, and for what closes nothing of theirs any more."""
    rows = {act.pk, *(one.pk for one in extended)}
    closed = [one for one in reach.channels if rows & {each.pk for each in one.suppressions}]
    indirect = grounds.is_listed(act) or act.reading
    ground = grounds.LISTED if indirect else grounds.opt_out(act) or act.reason
    if not act.by_recipient or not closed:
        return ""
    used = {one.address.value for one in closed if one.address}
    met = [one.value for one in (act, *extended) if one.value in used] or [act.value]
    where = f" at {listed(map(_where, met))}" if act.value else ""
    how = HOW_THEY_ASKED.get(ground, "You asked us to stop on {day}")
    how = how.format(day=day_words(act.created_at), words=_quoted(act.evidence))
    if act.value and (act.carried or act.value not in met):
        which = "another" if act.carried else "your earlier"
        kind = "email address" if "@" in act.value else "number"
        return f"{how}, with {which} {kind}. It still holds: {_nothing(closed)} from us{where}."
    return f"{how}; since then {_nothing(closed)} from us{where}."


def _quoted(text: str) -> str:
    """What somebody wrote, on one line, and no more of an address than everybody may see."""
    return Truncator(concealed(" ".join(text.split()))).chars(QUOTED)


def _nothing(closed: Sequence[Reach]) -> str:
    if len(closed) == len(Channel):
        return "you get nothing at all"
    return f"you get no {listed([f'{NOUN[Channel(one.channel)]}s' for one in closed], 'or')}"


def _reached(reach: SidePanel) -> list[str]:
    """What is off for other reasons than their word, and what is left."""
    ours = [
        one
        for one in reach.off
        if not one.opted_out and not any(each.by_recipient for each in one.suppressions)
    ]
    lines = []
    if ours:
        lines.append(
            f"We no longer use {listed([f'{NOUN[Channel(one.channel)]}s' for one in ours])} to reach you."
        )
    if reach.best and reach.off:
        lines.append(f"We can still reach you by {NOUN[Channel(reach.best.channel)]}.")
    return lines
