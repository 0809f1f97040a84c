"""Who wrote what came in: by the message that it answers, else by the address that it came from."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import timedelta

from django.conf import settings

from contacts import searching
from contacts.addresses import match_key, normal_form, region_of
from contacts.channels import Kind
from contacts.consent_ledger import contacts_at, family_of
from contacts.models import Address, Contact, Suppression
from contacts.phones import country_of
from deliveries.ledger import statements
from deliveries.models import Message
from deliveries.providers.facts import Inbound

FEWEST_DIGITS = 7  # of a national number; fewer are a short code
# Who was written to so shortly before the last message to a shared number may as well be the one who answers.
NEARBY = timedelta(days=3)


@dataclass(frozen=True)
class Writer:
    """Whoever wrote a text.

    An opt-out holds for all of `values`: the writer's own address, and before it that of the message answered, which
    may be another one (mail is forwarded). `contacts` are all who go by them. `contact` is the one who wrote, None
    where several may have. With `guessed`, `values` are only what the sender may stand for.
    """

    values: tuple[str, ...]
    contacts: tuple[int, ...]
    contact: int | None
    message: int | None = None
    campaign: int | None = None  # of that message
    guessed: bool = False

    @property
    def one_or_all(self) -> tuple[int, ...]:
        """Whom it counts for if it is no opt-out."""
        return self.contacts if self.contact is None else (self.contact,)

    @property
    def opted_out(self) -> bool:
        """Whether they have asked us to stop at one of these addresses."""
        keys = {match_key(value) for value in self.values}
        theirs = Suppression.objects.filter(match_key__in=keys, origin=Suppression.Origin.RECIPIENT)
        return theirs.filter(reason__in=Suppression.BY_WORD, released_at=None).exists()


def writer_of(text: Inbound, account_id: int) -> Writer:
    """`account_id` is that of the account it came in for: references of another one are not believed."""
    # In the notation of the country that was written to.
    sender = normal_form(text.sender, region_of(text.recipient, settings.DEFAULT_REGION))
    answered = _answered(text.ref, account_id)
    values = [sender] if sender else []
    guesses = [] if answered or country_of(text.recipient) or contacts_at(sender) else _national(text.sender)
    if answered:
        values.insert(0, answered.address.value)
    elif guesses:
        values = guesses
    contacts = list(dict.fromkeys(pk for value in values for pk in contacts_at(value)))
    if answered and answered.contact_id not in contacts:
        contacts.insert(0, answered.contact_id)
    return Writer(
        values=tuple(dict.fromkeys(values)),
        contacts=tuple(contacts),
        contact=answered.contact_id if answered else _the_one(contacts, values, text.channel),
        message=answered.pk if answered else None,
        campaign=answered.campaign_id if answered else None,
        guessed=len(guesses) > 1,
    )


def _answered(ref: str, account_id: int) -> Message | None:
    """The message of ours that is named in the text: what we wrote ourselves says more than a sender."""
    known = statements.messages_by_ref({ref}).get((ref, account_id)) if ref else None
    return Message.objects.select_related("address").get(pk=known[0]) if known else None


def _national(sender: str) -> list[str]:
    """Numbers of contacts that `sender` may be without its country, where the number written to does not tell it."""
    digits = "".join(each for each in sender if each.isdigit()).lstrip("0")
    if "@" in sender or sender.startswith(("+", "00")) or len(digits) < FEWEST_DIGITS:
        return []
    theirs = Address.objects.filter(
        kind=Kind.PHONE, contact__in=Contact.objects.filter(searching.partly(digits))
    )
    numbers = sorted(set(theirs.values_list("value", flat=True)[: searching.LIMIT]))
    return [
        one for one in numbers if match_key(normal_form(sender, country_of(one) or "ZZ")) == match_key(one)
    ]


def _the_one(contacts: Sequence[int], values: Collection[str], channel: str) -> int | None:
    """Of several who share an address, the one whom we wrote to there last; None when it may be any of them."""
    if len(contacts) <= 1:
        return next(iter(contacts), None)
    keys = {match_key(value) for value in values}
    sent = Message.objects.filter(
        contact__in=contacts,
        address__in=Address.objects.filter(match_key__in=keys).values("pk"),
        channel__in=family_of(channel),
        handed_over_at__isnull=False,
    )
    last = sent.order_by("-handed_over_at").first()
    if last is None or last.handed_over_at is None:
        return None
    near = sent.filter(handed_over_at__gt=last.handed_over_at - NEARBY)
    return last.contact_id if near.values("contact_id").distinct().count() == 1 else None
