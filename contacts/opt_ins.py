"""Double opt-in: a list may ask whoever joins it, by whatever way, to confirm that they agreed. Per channel.

Who joins without a confirmed consent is asked once, at the permitted hours, and never reminded. Until they confirm, the
campaigns of the list do not go to them, unless they are on another of a campaign's lists that does not ask. Confirmed
is what they said themselves by an answer, a link of theirs, the preference page or START; it counts for every list. An
opt-out beats all of it: whoever said no is not asked, and confirms nothing.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.db import transaction
from django.db.models import Q, Value

from contacts.addresses import match_key
from contacts.among import Among
from contacts.answering import CONFIRM_WITHIN, wording_for
from contacts.channels import KIND_OF, Channel
from contacts.consent_ledger import counting_on, family_of, latest_consents
from contacts.folding import words
from contacts.models import (
    Address,
    AnswerWording,
    AutomaticAnswer,
    Consent,
    ContactList,
    DoubleOptIn,
    ListMembership,
    Suppression,
)
from contacts.models.answers import LINK_PLACE
from contacts.phones import mask
from contacts.preferring import HOW as ON_PAGE
from contacts.preferring import is_theirs

BY_REPLY, BY_LINK = "Confirmed by reply", "Confirmed by link"
CONFIRMED = (BY_REPLY, BY_LINK, ON_PAGE, "Reply")  # ways of consent that came from the address itself
PORTION = 1_000  # memberships looked at together
# Everybody is looked at again so often: who got an address only later, or came by a merge.
AGAIN = timedelta(hours=6)
# What the gate would not let go is tried anew so much later: what stood against it may be gone.
DROPPED_FOR = timedelta(days=1)
# Answers that mean yes, each alone in its text; folded.
YES_WORDS = frozenset(
    words(each)
    for each in (
        "yes", "y", "yes please", "yeah", "yep", "ok", "okay", "confirm", "i confirm", "i agree", "agree",
        "ja", "ja bitte", "jawohl", "ja graag", "jep", "si", "sí", "si por favor", "claro", "oui", "d'accord", "sim",
        "tak", "ano", "áno", "da", "да", "так", "kyllä", "igen", "evet", "ναι", "نعم", "כן", "はい", "是", "好", "예",
        "네", "oo", "có", "hai",
    )
)  # fmt: skip

Kind, State = AutomaticAnswer.Kind, AutomaticAnswer.State


class Sent(NamedTuple):
    """To whom a campaign means to send, and on which channel."""

    campaign_id: int  # ANY_LIST: of one without lists, for which all of a person's lists count
    contact_id: int
    channel: str


ANY_LIST = -1


# ---- Who waits to confirm --------------------------------------------------------------------------------------


def awaited(sends: Collection[Sent]) -> set[Sent]:
    """Those of these whose campaign has them by lists alone that wait for their confirmation. One query where no list
    of these campaigns asks, else three; as many again where some have no lists."""
    anyhow = [one for one in sends if one.campaign_id == ANY_LIST]
    named = [one for one in sends if one.campaign_id != ANY_LIST]
    return _awaited(named) | _awaited(anyhow)


def _awaited(sends: Collection[Sent]) -> set[Sent]:
    """The same of campaigns with lists alone, or of those without alone."""
    demands: defaultdict[tuple[int, str], dict[int, datetime]] = defaultdict(dict)
    campaigns = {one.campaign_id for one in sends}
    whose: Any = "contact_list__campaigns"
    rows, members = DoubleOptIn.objects.all(), ListMembership.objects.all()
    if ANY_LIST in campaigns:
        whose = Value(ANY_LIST)
    else:
        rows = rows.filter(contact_list__campaigns__in=campaigns)
        members = members.filter(contact_list__campaigns__in=campaigns)
    for campaign, at, channel, since in rows.values_list(whose, "contact_list", "channel", "since"):
        for each in family_of(channel):
            demands[campaign, each][at] = since
    asked = [one for one in sends if (one.campaign_id, one.channel) in demands]
    if not asked:
        return set()
    contacts = {one.contact_id for one in asked}
    sure = confirmed(contacts)
    joined: defaultdict[tuple[int, int], list[tuple[int, datetime]]] = defaultdict(list)
    members = members.filter(Among("contact_id", contacts))
    for campaign, contact, at, added in members.values_list(
        whose, "contact_id", "contact_list_id", "added_at"
    ):
        joined[campaign, contact].append((at, added))
    found = set()
    for one in asked:
        theirs, demand = joined[one.campaign_id, one.contact_id], demands[one.campaign_id, one.channel]
        waits = theirs and all(at in demand and added >= demand[at] for at, added in theirs)
        if waits and (one.contact_id, one.channel) not in sure:
            found.add(one)
    return found


def confirmed(contact_ids: Iterable[int]) -> set[tuple[int, str]]:
    """(contact, channel) where a yes came from the address itself."""
    rows = Consent.objects.filter(Among("contact_id", contact_ids), _CONFIRMED)
    return set(rows.values_list("contact_id", "channel"))


_CONFIRMED = Q(opted_in=True, origin=Consent.Origin.RECIPIENT, recorded_by=None, how__in=CONFIRMED)


def sql_awaited(lists: Collection[int] | None, channel: str) -> str:
    """The same of one campaign with these lists, None for one without any, as an expression about a contact `c`; ''
    where none of them asks."""
    channels = "', '".join(family_of(channel))
    asking = DoubleOptIn.objects.filter(channel__in=family_of(channel))
    if lists is not None:
        asking = asking.filter(contact_list__in=lists)
    if not asking.exists():
        return ""
    of_these = "" if lists is None else f"AND m.contact_list_id IN ({', '.join(map(str, lists))})"
    joined = f"EXISTS (SELECT 1 FROM contacts_listmembership m WHERE m.contact_id = c.id {of_these})"  # noqa: S608 - our own numbers
    joined = f"AND {joined}" if lists is None else ""  # of those with lists everybody is on one
    hows = "', '".join(CONFIRMED)
    return f"""(NOT EXISTS (SELECT 1 FROM contacts_consent k WHERE k.contact_id = c.id AND k.channel = '{channel}'
      AND k.opted_in AND k.origin = 'recipient' AND k.recorded_by_id IS NULL AND k.how IN ('{hows}'))
    {joined} AND NOT EXISTS (SELECT 1 FROM contacts_listmembership m WHERE m.contact_id = c.id {of_these}
      AND NOT EXISTS (SELECT 1 FROM contacts_doubleoptin d WHERE d.contact_list_id = m.contact_list_id
        AND d.channel IN ('{channels}') AND m.added_at >= d.since)))"""  # noqa: S608 - our own words and numbers


# ---- Asking ----------------------------------------------------------------------------------------------------


def change(contact_list: ContactList, channel: str, sender_value: str, now: datetime) -> None:
    """Have the list ask on this channel by this sender from now on, or with '' no more. Who asks may be changed
    without beginning anew."""
    with transaction.atomic():
        if not sender_value:
            DoubleOptIn.objects.filter(contact_list=contact_list, channel=channel).delete()
            return
        DoubleOptIn.objects.update_or_create(
            contact_list=contact_list, channel=channel, defaults={"sender_value": sender_value},
            create_defaults={"sender_value": sender_value, "since": now, "begun_at": now},
        )  # fmt: skip


def questions(senders: Mapping[str, str]) -> dict[str, list[tuple[str, str]]]:
    """What each channel's question says by this sender, '' for any: (language, text), first in every other one ('')."""
    wordings = list(AnswerWording.objects.all())
    languages = sorted({"", *(one.language for one in wordings)})
    found = {}
    for channel, _ in DoubleOptIn.CHANNELS:
        said = [(each, wording_for(wordings, senders.get(channel, ""), each)) for each in languages]
        texts = [
            (
                each,
                one.confirm_text if channel == Channel.SMS else f"{one.confirm_subject}: {one.confirm_mail}",
            )
            for each, one in said
        ]
        found[str(Channel(channel).label)] = [
            (each, text.replace(LINK_PLACE, "[link]"))
            for each, text in texts
            if not each or text != texts[0][1]
        ]
    return found


def ask_some(now: datetime) -> int:
    """Owe some of those who joined their question; return how many were looked at. A step of the worker."""
    return sum(_ask_portion(one, now) for one in DoubleOptIn.objects.order_by("pk"))


@transaction.atomic
def _ask_portion(asking: DoubleOptIn, now: datetime) -> int:
    joined = ListMembership.objects.filter(
        contact_list=asking.contact_list_id, pk__gt=asking.looked_until
    ).order_by("pk")
    rows = list(joined.values_list("pk", "contact_id", "added_at")[:PORTION])
    if rows:
        first = asking.asks_from or asking.since
        _owe({contact: (pk, added) for pk, contact, added in rows if added >= first}, asking, now)
        asking.looked_until = rows[-1][0]
        asking.save(update_fields=["looked_until"])
    elif now - asking.begun_at >= AGAIN:
        asking.looked_until, asking.begun_at = 0, now
        asking.save(update_fields=["looked_until", "begun_at"])
    return len(rows)


def _owe(joined: Mapping[int, tuple[int, datetime]], asking: DoubleOptIn, now: datetime) -> None:
    """Whoever has not confirmed, said no or been asked gets a question. By contact the membership, and since when it
    is. Seven queries, nine where some are tried again."""
    contacts = joined.keys()
    latest, sure = latest_consents(contacts), confirmed(contacts)
    refused = {
        pk for (pk, on), one in latest.items() if on in counting_on(asking.channel) and not one.opted_in
    }
    left = set(contacts) - refused - {pk for pk, on in sure if on == asking.channel}
    addresses = Address.objects.filter(
        Among("contact_id", left), kind=KIND_OF[Channel(asking.channel)], preferred=True
    ).exclude(value="")
    rows = list(addresses.values_list("pk", "contact_id", "match_key", "contact__locale"))
    asked = AutomaticAnswer.objects.filter(kind=Kind.CONFIRM, channel=asking.channel)
    here, keys = asked.filter(contact_list=asking.contact_list_id), {key for _, _, key, _ in rows}
    # What was dropped or refused was not sent: they may have another address now.
    before = here.filter(Among("address__contact_id", left)).exclude(state__in=[State.DROPPED, State.REFUSED])
    known = set(before.values_list("address__contact_id", flat=True))
    under_way = asked.filter(
        Among("match_key", keys),
        state__in=[State.WAITING, State.SENDING, State.SENT, State.IN_DOUBT],
        asked_at__gt=now - CONFIRM_WITHIN,
    )
    by_sms = asking.channel == Channel.SMS
    held = set(under_way.values_list("match_key", "address__contact_id"))
    waiting = {(key, 0 if by_sms else contact) for key, contact in held}
    theirs = list(here.filter(Among("match_key", keys)).select_related("address").order_by("asked_at"))
    dropped = {(one.match_key, one.fact): one for one in theirs if one.state == State.DROPPED}
    # Whoever was at an address when it was asked, or refused, has been asked with it.
    last = {
        (one.match_key, 0 if by_sms or one.address is None else one.address.contact_id): one.asked_at
        for one in theirs
        if one.state != State.DROPPED
    }
    wordings = list(AnswerWording.objects.all())
    wanted: dict[tuple[str, int], AutomaticAnswer] = {}
    for address, contact, key, locale in sorted(rows, key=lambda row: joined[row[1]]):
        place, (member, added) = (key, 0 if by_sms else contact), joined[contact]
        if contact in known or place in waiting or (place in last and last[place] >= added):
            continue
        wording = wording_for(wordings, asking.sender_value, locale)
        question = _question(asking, address, member, key, wording, now)
        if old := dropped.get((key, question.fact)):
            question.pk = old.pk
        if old is None or old.begun_at is None or now - old.begun_at >= DROPPED_FOR:
            wanted.setdefault(place, question)
    _save(wanted.values())


def _save(questions: Collection[AutomaticAnswer]) -> None:
    """The new ones, and those among the dropped that are to wait again: unless another process was quicker."""
    AutomaticAnswer.objects.bulk_create([one for one in questions if not one.pk], ignore_conflicts=True)
    again = {one.pk: one for one in questions if one.pk}
    if not again:
        return
    dropped = AutomaticAnswer.objects.filter(Among("pk", again), state=State.DROPPED).select_for_update()
    AutomaticAnswer.objects.bulk_update(
        [again[pk] for pk in dropped.order_by("pk").values_list("pk", flat=True)],
        ["state", "why", "address", "sender_value", "account_id", "subject", "text", "asked_at", "until"],
    )


def _question(
    asking: DoubleOptIn, address: int, member: int, key: str, wording: AnswerWording, now: datetime
) -> AutomaticAnswer:
    """One text to a number, however many have it; a mail to each of those who share a mailbox, with their own link."""
    by_sms = asking.channel == Channel.SMS
    return AutomaticAnswer(
        kind=Kind.CONFIRM, match_key=key, address_id=address, contact_list_id=asking.contact_list_id,
        fact=f"list {asking.contact_list_id} member {member}", channel=asking.channel,
        sender_value=asking.sender_value, account_id=0, subject="" if by_sms else wording.confirm_subject,
        text=wording.confirm_text if by_sms else wording.confirm_mail, asked_at=now, until=now,
    )  # fmt: skip


def not_wanted(questions: Sequence[AutomaticAnswer]) -> dict[int, str]:
    """Of these that wait to be sent, why some need not be any more, by id."""
    whose = {one.pk: one.address.contact_id for one in questions if one.address}
    members = ListMembership.objects.filter(
        contact__in=set(whose.values()), contact_list__in={one.contact_list_id for one in questions}
    )
    on_it, sure = set(members.values_list("contact_id", "contact_list_id")), confirmed(whose.values())
    asking = set(DoubleOptIn.objects.values_list("contact_list_id", "channel"))
    found = {}
    for one in questions:
        if (one.contact_list_id, one.channel) not in asking:
            found[one.pk] = "Not sent: the list does not ask any more."
        elif (whose.get(one.pk), one.contact_list_id) not in on_it:
            found[one.pk] = "Not sent: they are not on the list any more."
        elif (whose[one.pk], one.channel) in sure:
            found[one.pk] = "Not sent: they have confirmed meanwhile."
    return found


# ---- Confirming ------------------------------------------------------------------------------------------------


def says_yes(text: str) -> bool:
    """Whether the text says yes and nothing else."""
    return words(text[:80]) in YES_WORDS


def open_question(keys: Collection[str], sender: str, now: datetime) -> AutomaticAnswer | None:
    """The last text that asked at one of these addresses, by key, from our number `sender` ('': any), and can still be
    answered; None where a colleague wrote there since, whom a yes would answer."""
    asked = AutomaticAnswer.objects.filter(match_key__in=keys, kind=Kind.CONFIRM, channel=Channel.SMS)
    rows = asked.filter(_open(now)).select_related("address").order_by("-begun_at", "-pk")
    ours = match_key(sender)
    question = next((one for one in rows if not ours or match_key(one.sender_value) == ours), None)
    theirs = AutomaticAnswer.objects.filter(match_key__in=keys, kind=Kind.PERSON)
    return None if question and theirs.filter(begun_at__gt=question.begun_at).exists() else question


def _open(now: datetime) -> Q:
    handed_over = Q(state__in=[State.SENDING, State.SENT, State.IN_DOUBT])
    return handed_over & Q(begun_at__gt=now - CONFIRM_WITHIN, begun_at__lte=now)


@transaction.atomic
def confirm_by_reply(question: AutomaticAnswer, text: str, at: datetime) -> list[int]:
    """Whoever has the number and is on the list that asked has confirmed. Gives their ids."""
    theirs = Address.objects.filter(match_key=question.match_key, preferred=True).exclude(value="")
    members = ListMembership.objects.filter(contact_list=question.contact_list_id)
    asked = theirs.filter(contact__in=members.values("contact_id")).order_by("contact_id")
    contacts = list(asked.values_list("contact_id", flat=True).distinct())
    return _confirm(question, contacts, BY_REPLY, f"replied “{text}”", at)


@transaction.atomic
def confirm_by_link(question: AutomaticAnswer, at: datetime) -> bool:
    """Whether whoever the mail was sent to has confirmed by it, now or before; nobody else who has the mailbox."""
    still = AutomaticAnswer.objects.filter(_open(at), pk=question.pk, kind=Kind.CONFIRM).exists()
    if not still or question.address is None or not is_theirs(question.address):
        return False
    contact = question.address.contact_id
    if (contact, question.channel) in confirmed([contact]) and not _refused([contact], question, at):
        return True
    return bool(_confirm(question, [contact], BY_LINK, "confirmed on the page", at))


def _confirm(
    question: AutomaticAnswer, contacts: Sequence[int], how: str, what: str, at: datetime
) -> list[int]:
    """Their consent with its evidence, for those who have not said no; nothing that blocks them is lifted."""
    known = {pk for pk, on in confirmed(contacts) if on == question.channel}
    yes = sorted(set(contacts) - known - _refused(contacts, question, at))
    where = f"message {question.pk} to {mask(question.address.value) if question.address else 'an erased address'}"
    begun = question.begun_at or question.asked_at
    Consent.objects.bulk_create(
        Consent(
            contact_id=pk, channel=each, opted_in=True, at=at, how=how, wording=question.text,
            evidence=f"Asked by {where} on {begun:%Y-%m-%d %H:%M} UTC; {what}",
        )
        for pk in yes
        for each in family_of(question.channel)
    )  # fmt: skip
    return yes


def _refused(contacts: Collection[int], question: AutomaticAnswer, at: datetime) -> set[int]:
    """Those who said no, in the ledger or by a block that holds."""
    latest = latest_consents(contacts)
    said = {
        pk for (pk, on), one in latest.items() if on in counting_on(question.channel) and not one.opted_in
    }
    asked = Suppression.objects.in_force(at).filter(origin=Suppression.Origin.RECIPIENT)
    asked = asked.filter(channel__in=["", *family_of(question.channel)])
    if asked.filter(match_key=question.match_key).exclude(value="").exists():
        return set(contacts)
    return said | set(asked.filter(value="", contact__in=contacts).values_list("contact_id", flat=True))
