"""Addresses that were suppressed in doubt: the person is asked by another channel whether they are right.

Off until an administrator chooses a sender. Only who agreed to the other channel is asked, through the same gate as by
a campaign, at the permitted hours, and once in 90 days. The link leads to the page on which people correct an address
by a code; a right one ends what waits for it, as one that a colleague enters does.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from django.db.models import Q

from accounts.models import User
from contacts.among import Among
from contacts.answering import wording_for
from contacts.channels import KIND_OF, Channel
from contacts.consent_ledger import latest_consents
from contacts.models import Address, AnswerWording, AutomaticAnswer, Suppression, VerifyingSender

AGAIN_AFTER = timedelta(days=90)
WITHIN = timedelta(days=7)  # that a question waits for its hours
FACT = "suppression "  # how the fact of a question begins, before the suppression
Kind, State = AutomaticAnswer.Kind, AutomaticAnswer.State


def senders() -> dict[str, VerifyingSender]:
    """By the channel on which people are asked. One query."""
    return {one.channel: one for one in VerifyingSender.objects.select_related("chosen_by")}


def choose(channel: str, sender_value: str, *, by: User, now: datetime) -> None:
    """Have people asked on this channel by this sender from now on, or with '' no more."""
    if not sender_value:
        VerifyingSender.objects.filter(channel=channel).delete()
        return
    VerifyingSender.objects.update_or_create(
        channel=channel, defaults={"sender_value": sender_value, "since": now, "chosen_by": by}
    )


def ask(made: Iterable[Suppression], now: datetime) -> int:
    """Owe a question to those who agreed to another channel; how many. `made`: new suppressions of a rule. Those that
    do not end by themselves leave no doubt. One query where nobody is asked, else five."""
    asking = senders()
    wanted: dict[tuple[int, str], Suppression] = {}
    for one in made:
        channel = Channel.SMS if "@" in one.value else Channel.EMAIL
        if one.expires_at and one.contact_id and channel in asking:
            wanted.setdefault((one.contact_id, channel), one)
    if not wanted:
        return 0
    contacts = {contact for contact, _ in wanted}
    agreed = {key for key, latest in latest_consents(contacts).items() if latest.opted_in}
    kinds: dict[str, str] = {KIND_OF[Channel(channel)].value: channel for channel in asking}
    rows = Address.objects.filter(Among("contact_id", contacts), kind__in=kinds, preferred=True)
    usable = [Address.Validity.VALID, Address.Validity.UNVERIFIED]
    addresses = list(rows.filter(validity__in=usable).exclude(value="").select_related("contact"))
    asked = AutomaticAnswer.objects.filter(
        Among("match_key", {one.match_key for one in addresses}),
        kind=Kind.VERIFY,
        asked_at__gt=now - AGAIN_AFTER,
    )
    lately = set(asked.exclude(state__in=[State.DROPPED, State.REFUSED]).values_list("match_key", flat=True))
    wordings = list(AnswerWording.objects.all())
    owed: dict[str, AutomaticAnswer] = {}
    for address in addresses:
        by = kinds[address.kind]
        about = wanted.get((address.contact_id, by))
        if about and (address.contact_id, by) in agreed and address.match_key not in lately:
            sender = asking[by].sender_value
            wording = wording_for(wordings, sender, address.contact.locale)
            owed.setdefault(address.match_key, _question(about, address, by, sender, wording, now))
    AutomaticAnswer.objects.bulk_create(owed.values(), ignore_conflicts=True)
    return len(owed)


def _question(
    about: Suppression, address: Address, channel: str, sender: str, wording: AnswerWording, now: datetime
) -> AutomaticAnswer:
    by_sms = channel == Channel.SMS
    return AutomaticAnswer(
        kind=Kind.VERIFY, match_key=address.match_key, address=address, fact=f"{FACT}{about.pk}", channel=channel,
        sender_value=sender, account_id=0, subject="" if by_sms else wording.verify_subject,
        text=wording.verify_text if by_sms else wording.verify_mail, asked_at=now, until=now,
    )  # fmt: skip


def not_wanted(questions: Sequence[AutomaticAnswer], now: datetime) -> dict[int, str]:
    """Of these that wait to be sent, why some need not be any more, by id."""
    if not questions:
        return {}
    asking, about = senders(), {one.pk: int(one.fact.removeprefix(FACT)) for one in questions}
    stand = set(Suppression.objects.in_force(now).filter(pk__in=about.values()).values_list("pk", flat=True))
    found = {}
    for one in questions:
        if one.channel not in asking:
            found[one.pk] = "Not sent: nobody is asked about their address any more."
        elif about[one.pk] not in stand:
            found[one.pk] = "Not sent: what was suppressed has been lifted or corrected meanwhile."
    return found


def question_of(ref: str) -> AutomaticAnswer | None:
    """The question that a link stood in, with its address; None for any other link."""
    handed_over = Q(state__in=[State.SENDING, State.SENT, State.IN_DOUBT])
    found = AutomaticAnswer.objects.select_related("address__contact").filter(handed_over, kind=Kind.VERIFY)
    return found.exclude(address=None).filter(uuid=ref).first() if ref else None
