"""A person corrects their own number or email: the new one is theirs once they enter the code that was sent there.

Nobody is told whether an address is known, blocked, or asked for too often: the page says the same. The old address
stays on record as one that is not used any more, and what blocks it goes on doing so; nothing is lifted at the new one.
"""

from __future__ import annotations

import hmac
import secrets
import unicodedata
from datetime import datetime, timedelta
from functools import lru_cache
from typing import NamedTuple, Protocol

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings
from django.db import transaction
from django.db.models import F

from contacts.addresses import match_key
from contacts.answering import wording_for
from contacts.channels import KIND_OF, Channel, Kind
from contacts.consent_ledger import latest_consents
from contacts.correcting import correct, email_address, phone_address
from contacts.models import Address, AddressChange, AnswerWording, AutomaticAnswer, Consent, Contact
from contacts.phones import country_of, mask
from contacts.preferring import HOW

HOLDS = timedelta(minutes=15)  # a code, from its handover on
TRIES = 5  # wrong codes, before only a new one helps: one chance in 200,000 of guessing it
A_DAY = timedelta(days=1)
MOST_FOR_A_PERSON, MOST_TO_AN_ADDRESS = 5, 3  # codes a day
KEPT = timedelta(days=30)  # what was never confirmed, since the address may be a stranger's
TOO_OFTEN = "Codes were asked for there too often today."
WORDING = "This number or address is mine. What I agreed to get from you I agree to get there."


class Coded(Protocol):
    """What a code was sent for."""

    code_at: datetime | None
    tries: int


class Way(NamedTuple):
    """How the code gets there."""

    channel: str
    sender_value: str
    account_id: int


def new_address(typed: str, contact: Contact) -> Address:
    """What was typed as an unsaved address: an email where there is an @. Raises NotAPhone, NotAnEmail.

    A number without its country is taken for one of the country of theirs, else of DEFAULT_REGION.
    """
    if "@" in typed:
        return email_address(typed)
    phone = contact.addresses.filter(kind=Kind.PHONE, preferred=True).first()
    return phone_address(typed, (phone and country_of(phone.value)) or settings.DEFAULT_REGION)


@transaction.atomic
def ask(contact: Contact, new: Address, way: Way, *, evidence: str, now: datetime) -> bool:
    """Have a code sent to the new address. False where this person asked too often today."""
    locked = Contact.objects.select_for_update().get(pk=contact.pk)
    AddressChange.objects.filter(contact=locked, confirmed_at=None, asked_at__lt=now - KEPT).delete()
    today = AddressChange.objects.filter(asked_at__gt=now - A_DAY)
    if today.filter(contact=locked).count() >= MOST_FOR_A_PERSON:
        return False
    often = asked_too_often(match_key(new.value), now)
    change = AddressChange.objects.create(
        contact=locked, kind=new.kind, value=new.value, evidence=evidence, asked_at=now
    )
    wording = wording_for(AnswerWording.objects.all(), way.sender_value, locked.locale)
    made = AutomaticAnswer(
        kind=AutomaticAnswer.Kind.CODE, change=change, match_key=change.match_key, fact=f"change {change.pk}",
        channel=way.channel, sender_value=way.sender_value, account_id=way.account_id, text=wording.code_text,
        asked_at=now,
    )  # fmt: skip
    if often:
        made.state, made.why = AutomaticAnswer.State.DROPPED, TOO_OFTEN
    made.save()
    return True


def asked_too_often(key: str, now: datetime) -> bool:
    """Whether the address with this key was sent as many codes within a day as it may be, for whatever purpose."""
    codes = AutomaticAnswer.objects.filter(kind=AutomaticAnswer.Kind.CODE, match_key=key)
    return codes.filter(asked_at__gt=now - A_DAY).count() >= MOST_TO_AN_ADDRESS


def make_code(change: AddressChange, now: datetime) -> str:
    """A new code of six digits for whoever has the new address. Only its hash is kept; an earlier one ends."""
    code = new_code()
    AddressChange.objects.filter(pk=change.pk).update(code_hash=hash_of(str(change.pk), code), code_at=now)
    return code


def new_code() -> str:
    """Six digits."""
    return f"{secrets.randbelow(1_000_000):06}"


def takes_code(asked: Coded, now: datetime) -> bool:
    """Whether a code for it is out, still holds, and was not guessed at too often."""
    return asked.code_at is not None and now - asked.code_at <= HOLDS and asked.tries < TRIES


def is_code(name: str, typed: str, code_hash: str) -> bool:
    """Whether what was typed is the code for what `name` names."""
    return hmac.compare_digest(hash_of(name, _digits(typed)), code_hash)


@transaction.atomic
def confirm(contact: Contact, typed: str, now: datetime) -> bool:
    """Whether this is the code for what they asked for last; then the new address takes the place of the old one.

    Consent goes along, as the person's own act; a no stays one.
    """
    asked = AddressChange.objects.select_for_update().filter(contact=contact).order_by("-pk")
    change = asked.first()
    if change is None or change.confirmed_at or not takes_code(change, now):
        return False
    if not is_code(str(change.pk), typed, change.code_hash):
        AddressChange.objects.filter(pk=change.pk).update(tries=F("tries") + 1)
        return False
    phone, email = (change.value if change.kind == kind else None for kind in (Kind.PHONE, Kind.EMAIL))
    correct(
        contact, phone=phone, email=email, region=settings.DEFAULT_REGION, by=None, shared=[change.value]
    )  # fmt: skip
    Address.objects.filter(contact=contact, value=change.value).update(validity=Address.Validity.VALID)
    _take_consent_along(change, now)
    AddressChange.objects.filter(pk=change.pk).update(confirmed_at=now, code_hash="")
    return True


def _take_consent_along(change: AddressChange, now: datetime) -> None:
    """What they said yes to they say for the new address. Where they said no, or nothing, nothing is added."""
    latest = latest_consents([change.contact_id])
    said = {channel for (_, channel), one in latest.items() if one.opted_in}
    evidence = f"{change.evidence}; confirmed by a code sent to {mask(change.value)}"
    Consent.objects.bulk_create(
        Consent(
            contact_id=change.contact_id, channel=channel, opted_in=True, at=now, how=HOW, wording=WORDING,
            evidence=evidence,
        )
        for channel in Channel
        if channel in said and KIND_OF[channel] == change.kind
    )  # fmt: skip


def _digits(typed: str) -> str:
    return "".join(each for each in unicodedata.normalize("NFKC", typed) if each in "0123456789")


def hash_of(name: str, code: str) -> str:
    """What is kept of a code for what `name` names, with a key of ours."""
    return hmac.digest(_key(settings.CREDENTIALS_KEY), f"{name} {code}".encode(), "sha256").hex()


@lru_cache(maxsize=8)
def _key(secret: str) -> bytes:
    derived = HKDF(algorithm=SHA256(), length=32, salt=None, info=b"waybill codes for new addresses")
    return derived.derive(secret.encode())
