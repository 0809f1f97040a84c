"""Tests of a campaign: its real text, with a real person's details, to an own address of whoever asks for it.

A test is sent beside the outbox, as answers are (`answering.py`): the gate is asked, the sender's account hands it
over, and what the provider reports is kept. So it counts in no figure of any report. It needs no consent, since its
reader asks for it just then, which is also why it goes at any hour; whatever else stands against the address stops it:
an opt-out, a suppression, somebody else's no at the same address. That the address is theirs they have proved by a
code (`contacts/proving.py`); until then it gets nothing else.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import uuid4

from django.conf import settings
from django.db import transaction

from accounts.models import User
from campaigns.models import Campaign, Content
from campaigns.texts import html_for, worded
from contacts import proving
from contacts.addresses import match_key
from contacts.channels import KIND_OF, Channel, Kind
from contacts.emails import NotAnEmail, parse_email
from contacts.models import AutomaticAnswer, Contact, OwnAddress
from contacts.phones import NotAPhone, parse_phone
from deliveries import short_links
from deliveries.receiving.address_changes import any_way
from deliveries.wake import wake

MOST_ADDRESSES = 4  # of one person
MOST_A_DAY = 30  # tests of one person


class CannotTry(Exception):
    """Why no test is sent, or an address is not kept, in a sentence that says the way out."""


def keep(user: User, text: str, now: datetime) -> OwnAddress:
    """Their own number or email, in its normal form, and a code owed to it, unless it is proven. Raises CannotTry."""
    value = _normal(text.strip())
    with transaction.atomic():
        proving.lock(user)
        kept = OwnAddress.objects.filter(user=user)
        own = kept.filter(match_key=match_key(value)).first()
        if own and own.proven_at:
            return own
        if own is None and kept.count() >= MOST_ADDRESSES:
            raise CannotTry(f"You have {MOST_ADDRESSES} test addresses already. Remove one first.")
        way = any_way(Channel.EMAIL if "@" in value else Channel.SMS)
        if way is None:
            raise CannotTry("No account can send a code there at the moment. Nothing was kept.")
        own = own or OwnAddress.objects.create(user=user, value=value, match_key=match_key(value), at=now)
        if not proving.ask(own, way, now):
            raise CannotTry("You asked for codes too often today. Try again tomorrow.")
        transaction.on_commit(wake)
    return own


def _normal(text: str) -> str:
    try:
        return parse_email(text) if "@" in text else parse_phone(text, settings.DEFAULT_REGION).value
    except (NotAPhone, NotAnEmail):
        raise CannotTry(
            "That is neither a phone number nor an email: write it like +1 212 555 0199."
        ) from None


def fits(own: OwnAddress, channel: str) -> bool:
    """Whether that channel goes to such an address."""
    return (KIND_OF[Channel(channel)] == Kind.EMAIL) == own.is_email


def try_out(
    campaign: Campaign, channel: str, person: Contact | None, own: OwnAddress, now: datetime
) -> AutomaticAnswer:
    """Have the text of that channel sent to an own address, with the details of `person`. Raises CannotTry."""
    content = campaign.contents.select_related("sender", "campaign").filter(channel=channel).first()
    if content is None or not fits(own, channel):
        raise CannotTry("Choose a text of this campaign and an address that takes it.")
    if person is None:
        raise CannotTry(
            "Nobody is on its lists: choose a list first, so that the test has a real person's details."
        )
    short = _short(content)
    words = worded(content, person, short)
    if not (words.body or content.media_url):
        raise CannotTry("Its text is empty: write it first.")
    with transaction.atomic():
        proving.lock(own.user)  # two at once are counted one after the other
        if not OwnAddress.objects.filter(pk=own.pk, proven_at__isnull=False).exists():
            raise CannotTry(f"Enter the code that was sent to {own.value} first.")
        today = AutomaticAnswer.objects.filter(
            kind=AutomaticAnswer.Kind.TEST, written_by=own.user, asked_at__gt=now - timedelta(days=1)
        )
        if today.count() >= MOST_A_DAY:
            raise CannotTry(f"You have sent {MOST_A_DAY} tests within a day. Try again tomorrow.")
        made = AutomaticAnswer.objects.create(
            kind=AutomaticAnswer.Kind.TEST, match_key=own.match_key, own_value=own.value, channel=channel,
            fact=f"campaign {campaign.pk} {uuid4().hex}", sender_value=content.sender.value, account_id=0,
            subject=words.subject[:200], text=words.body,
            html=html_for(content, person, short) if channel == Channel.EMAIL else "", media_url=content.media_url,
            campaign_id=campaign.pk, person_id=person.pk or 0,
            written_by=own.user, asked_at=now,
        )  # fmt: skip
        transaction.on_commit(wake)
    return made


def _short(content: Content) -> dict[str, str]:
    """The short links of a test: they leave as those of the campaign would, and lead to the same pages."""
    numbers = short_links.numbers([content]).get(content.campaign_id, {})
    return short_links.of_message(short_links.OF_TEST, numbers)
