"""Erase a person: who they were is gone, what happened stays without it, and whoever said no stays blocked.

A block that stood at an address is kept under a keyed hash of it (`erased_keys`). When the address comes back, by an
import or a form, in whatever spelling, the block is made for it anew, in the same transaction. The hash stands in the
place of every address, for a no may come later: by the link in a mail, or as a complaint that names a message. Where
somebody else has the address too, it stays theirs, so do the blocks there, and a later no reaches them. What was sent
is none of this app's: `deliveries.deciding.erasing` does the whole.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from django.db.models import Q

from accounts.models import User
from contacts import erased_files
from contacts.channels import KIND_OF, Channel, Kind
from contacts.chunks import in_lists
from contacts.consent_ledger import counting_on, latest_consents
from contacts.erased_keys import BETWEEN, erased_key, erased_keys
from contacts.erased_words import GONE, redact_notes, redact_words
from contacts.grounds import REPLIED, is_report, reply
from contacts.lists import count_at_once
from contacts.models import (
    Address,
    AddressChange,
    Contact,
    ContactList,
    ListMembership,
    PrivacyRecord,
    Reply,
    Suppression,
)
from contacts.phones import ERASED
from contacts.suppressing import extend, suppress


def erase(contact: Contact, *, by: User, reason: str, now: datetime) -> None:
    """In the caller's transaction, with the contact locked."""
    theirs = list(contact.addresses.exclude(value=""))
    own = _theirs_alone(contact, theirs)
    _keep_refusals(contact, own, now)
    _keep_doubtful_replies(own, now)
    _hash_blocks(contact, own)
    redact_words(contact, theirs)
    erased_files.note(contact, theirs, now)
    for one, value in _erased_values(theirs):
        Address.objects.filter(pk=one.pk).update(
            value=value, match_key=erased_key(one.match_key), carrier="", region="", time_zone="", network="",
            preferred=False, validity=Address.Validity.INVALID, line_type="unknown",
        )  # fmt: skip
    AddressChange.objects.filter(contact=contact).delete()
    lists = list(ContactList.objects.filter(memberships__contact=contact))
    ListMembership.objects.filter(contact=contact).delete()
    for each in lists:
        count_at_once(each, now)
    contact.name = contact.external_id = contact.time_zone = contact.locale = contact.stage = ""
    contact.attributes, contact.value_tier, contact.erased_at = {}, 0, now
    contact.save()
    suppress(
        contact=contact, reason=Suppression.Reason.STAFF, origin=Suppression.Origin.STAFF, evidence=GONE, by=by,
        now=now, alone=True,
    )  # fmt: skip
    PrivacyRecord.objects.create(
        act=PrivacyRecord.Act.ERASE, contact_number=contact.pk, at=now, by=by, reason=reason
    )


def _erased_values(theirs: Sequence[Address]) -> list[tuple[Address, str]]:
    """What stands in the place of each. Of two spellings of one address the second gets a value of its own."""
    found: dict[str, Address] = {}
    for one in theirs:
        key = erased_key(one.match_key)
        own = f"{ERASED}{one.pk}@erased" if one.kind == Kind.EMAIL else f"{ERASED}{one.pk}"
        found[own if key in found else key] = one
    return [(one, value) for value, one in found.items()]


def _theirs_alone(contact: Contact, theirs: Sequence[Address]) -> dict[str, str]:
    """Key -> kind of the addresses that nobody else has."""
    keys = {one.match_key: str(one.kind) for one in theirs}
    others = Address.objects.filter(match_key__in=list(keys)).exclude(contact=contact)
    shared = set(others.values_list("match_key", flat=True))
    return {key: kind for key, kind in keys.items() if key not in shared}


def _keep_refusals(contact: Contact, own: dict[str, str], now: datetime) -> None:
    """A no that stands in the ledger of consent alone becomes a block, as the ledger leads to nobody any more."""
    latest = latest_consents([contact.pk])
    for channel in Channel:
        said = next(filter(None, (latest.get((contact.pk, one)) for one in counting_on(channel))), None)
        if said is None or said.opted_in:
            continue
        for key, kind in own.items():
            if KIND_OF[channel] == kind:
                _keep(key, channel.value, f"erased {contact.pk}", said.at)


def _keep_doubtful_replies(own: dict[str, str], now: datetime) -> None:
    """What they wrote and nobody has read yet may be a no, and nobody can read it any more: taken for one."""
    replies = Reply.objects.filter(match_key__in=list(own))
    for key, channel, pk in replies.holding().values_list("match_key", "channel", "pk"):
        _keep(key, channel, f"erased reply {pk}", now)
    replies.delete()


def _keep(key: str, channel: str, fact: str, at: datetime) -> None:
    values = {"value": erased_key(key), "channel": channel, "fact": fact, "reason": Suppression.Reason.ASKED}
    known = {"scope": Suppression.Scope.EVERYTHING, "scope_value": ""}
    Suppression.objects.get_or_create(
        match_key=erased_key(key),
        **{name: value for name, value in values.items() if name != "value"},
        **known,
        defaults={
            "value": values["value"],
            "origin": Suppression.Origin.RECIPIENT,
            "created_at": at,
            "evidence": GONE,
        },
    )


def _hash_blocks(contact: Contact, own: dict[str, str]) -> None:
    """Blocks of their addresses stand under a hash from here on; at addresses that others have they stay."""
    every = Suppression.objects.filter(Q(match_key__in=list(own)) | Q(contact=contact))
    redact_notes(list(every.values_list("pk", flat=True)))
    named = every.exclude(value="")
    for row in named:
        changed: dict[str, Any] = {"contact": None, "evidence": _without_identity(row.evidence)}
        if row.match_key in own or not Address.objects.filter(match_key=row.match_key).exists():
            changed |= {"value": erased_key(row.match_key), "match_key": erased_key(row.match_key)}
        Suppression.objects.filter(pk=row.pk).update(**changed)
    Suppression.objects.filter(contact=contact, value="").update(evidence=GONE)


def _without_identity(evidence: str) -> str:
    """A bare STOP and the number of a message tell nobody who it was."""
    harmless = is_report(evidence) or reply(evidence, by_mail=False) == REPLIED
    return evidence if harmless else GONE


# ---- When an erased address comes back -------------------------------------------------------------------------


def block_again(addresses: Collection[Address], **_: object) -> None:
    """These addresses were just saved: what was kept under the hash of one holds there. A signal's receiver."""
    keys = {one.match_key for one in addresses if one.value and not one.value.startswith(ERASED)}
    if not keys or not Suppression.objects.filter(BETWEEN, released_at=None).exists():
        return
    by_key: dict[str, list[Address]] = {key: [] for key in keys}
    for one in addresses:
        if one.match_key in by_key:
            by_key[one.match_key].append(one)
    whose = erased_keys(keys)
    for part in in_lists(whose):
        blocks = Suppression.objects.filter(match_key__in=part, released_at=None)
        extend((block, one) for block in blocks for one in by_key[whose[block.match_key]])
