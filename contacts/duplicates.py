"""Contacts that are one person: who may be, what becomes of them when they are merged, and merging them.

The one that stays gets all that the other has: addresses, lists, notes, consent, suppressions. The stricter consent
wins, and what either asked us to stop holds at every address of its kind; what colleagues blocked at one that gives way
holds at the one that is used, unless whoever merges leaves it in place. The other one stays as an empty contact that
leads there. It cannot be undone. What was sent is none of this app's: `deliveries.deciding.duplicates` does the whole.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Count

from accounts.models import User
from contacts import carrying
from contacts.carrying import addresses_change, would_carry
from contacts.channels import Channel
from contacts.consent_ledger import LatestConsent, counting_on, latest_consents
from contacts.lists import count_at_once
from contacts.models import (
    Address,
    AddressChange,
    AddressHealth,
    AutomaticAnswer,
    Consent,
    Contact,
    ContactList,
    ImportedContact,
    ListMembership,
    Note,
    Suppression,
)
from contacts.phones import mask
from contacts.suppressing import blocks_changed

MOST_KEYS = 50_000  # addresses that one page of candidates looks at
GROUPS = 50  # on a page
FILLED_IN = ("name", "external_id", "source_id", "time_zone", "locale", "stage")
STRICT = (
    Address.Validity.INVALID,
    Address.Validity.NEEDS_CORRECTION,
    Address.Validity.UNVERIFIED,
    Address.Validity.VALID,
)


@dataclass(frozen=True)
class SameAddress:
    """Contacts that have one address, however each of them writes it; the oldest first."""

    address: Address
    contacts: list[Contact]


@dataclass(frozen=True)
class Candidates:
    """`after` is the id of an address after which to go on; None at the end."""

    groups: list[SameAddress]
    after: int | None


def candidates(after: int | None) -> Candidates:
    """Who shares an address, in order of its key, a page of them. Four queries, whatever there is."""
    begins = Address.objects.filter(pk=after).values_list("match_key", flat=True).first() if after else ""
    keys = Address.objects.filter(match_key__gt=begins or "").order_by("match_key")
    last = next(iter(keys.values_list("match_key", flat=True)[MOST_KEYS : MOST_KEYS + 1]), None)
    if last is not None:
        keys = keys.filter(match_key__lte=last)
    several = keys.values("match_key").annotate(n=Count("pk")).filter(n__gt=1).order_by("match_key")
    found = [row["match_key"] for row in several[: GROUPS + 1]]
    groups = _groups(found[:GROUPS])
    ends = found[GROUPS - 1] if len(found) > GROUPS else last
    going_on = Address.objects.filter(match_key=ends).values_list("pk", flat=True).first() if ends else None
    return Candidates(groups, going_on)


def sharing(contact: Contact) -> list[SameAddress]:
    """Who shares an address with this contact."""
    return _groups(list(contact.addresses.exclude(value="").values_list("match_key", flat=True)))


def _groups(keys: Sequence[str]) -> list[SameAddress]:
    found: dict[str, list[Address]] = {key: [] for key in keys}
    rows = Address.objects.filter(match_key__in=keys, contact__erased_at=None).exclude(value="")
    rows = rows.select_related("contact__source")
    for one in rows.order_by("contact_id", "pk"):
        found[one.match_key].append(one)
    groups = []
    for those in found.values():
        people = list({one.contact_id: one.contact for one in those}.values())
        if len(people) > 1:
            groups.append(SameAddress(those[0], people))
    return groups


@dataclass(frozen=True)
class ConsentBeside:
    """What counts on a channel: for the one that stays, for the other, and for both once they are one."""

    channel: Channel
    kept: LatestConsent | None
    gone: LatestConsent | None

    @property
    def merged(self) -> LatestConsent | None:
        """The stricter: a no of either, else a yes of either."""
        said = [one for one in (self.kept, self.gone) if one]
        refusals = [one for one in said if not one.opted_in]
        return max(refusals or said, key=lambda one: one.at, default=None)


def words(kept: int, gone: int) -> list[ConsentBeside]:
    """Channel by channel, where either has said anything. One query."""
    latest = latest_consents([kept, gone])

    def counts(contact: int, channel: Channel) -> LatestConsent | None:
        return next(filter(None, (latest.get((contact, each)) for each in counting_on(channel))), None)

    found = [ConsentBeside(channel, counts(kept, channel), counts(gone, channel)) for channel in Channel]
    return [one for one in found if one.kept or one.gone]


def same_addresses(kept: Contact, gone: Contact) -> dict[int, int]:
    """The addresses that both have, written alike: that of the one who goes -> that of the one who stays."""
    theirs = dict(kept.addresses.values_list("value", "pk"))
    both = gone.addresses.filter(value__in=theirs)
    return {pk: theirs[value] for pk, value in both.values_list("pk", "value")}


def join(
    kept: Contact, gone: Contact, *, by: User | None, now: datetime, leave: Collection[int] = ()
) -> None:
    """Give `kept` what is `gone`'s. In the caller's transaction, with both locked, and no message at an address that
    both have (`same_addresses`): those of `gone` are deleted. `leave`: blocks of colleagues, by id, that go on holding
    where they stand and nowhere else."""
    before = words(kept.pk, gone.pk)
    left = [block for block in would_carry(kept.pk, gone.pk, now) if block.pk in leave] if leave else []
    with addresses_change(kept.pk, gone.pk, now=now, into=kept.pk, leave=leave):
        _join_addresses(kept, gone)
        Suppression.objects.filter(contact=gone).update(contact=kept)
    Consent.objects.filter(contact=gone).update(contact=kept)
    _keep_the_stricter(kept, gone, before, by, now)
    Note.objects.filter(contact=gone).update(contact=kept)
    AddressChange.objects.filter(contact=gone).update(contact=kept)
    tests = AutomaticAnswer.objects.filter(kind=AutomaticAnswer.Kind.TEST, person_id=gone.pk)
    tests.update(person_id=kept.pk)
    _join_lists(kept, gone, now)
    # Undoing an import takes nothing back of either: it would not know whose it is now.
    ImportedContact.objects.filter(contact__in=[kept, gone]).update(kept=ImportedContact.Kept.CHANGED)
    Contact.objects.filter(merged_into=gone).update(merged_into=kept)
    said = [_what_was_done(gone), *(f"Left in place: {carrying.words(block)}" for block in left)]
    Note.objects.create(contact=kept, author=by, text=" ".join(said), at=now)
    _fill_in(kept, gone)
    keys = set(kept.addresses.values_list("match_key", flat=True)) - {""}
    blocks_changed.send(Suppression, keys=keys, contacts={kept.pk})


def _join_addresses(kept: Contact, gone: Contact) -> None:
    for own, other in same_addresses(kept, gone).items():
        _join_address(Address.objects.get(pk=other), Address.objects.get(pk=own))
    preferred = set(kept.addresses.filter(preferred=True).values_list("kind", flat=True))
    gone.addresses.filter(kind__in=preferred).update(preferred=False)
    gone.addresses.update(contact=kept)


def _join_address(stays: Address, goes: Address) -> None:
    """Both are one address: what is known against either counts."""
    stays.validity = min(stays.validity, goes.validity, key=lambda one: STRICT.index(Address.Validity(one)))
    stays.save(update_fields=["validity"])
    theirs = {one.channel: one for one in stays.health.all()}
    for one in goes.health.all():
        known = theirs.get(one.channel)
        if known is None:
            AddressHealth.objects.filter(pk=one.pk).update(address=stays)
            continue
        known.hard_fails = max(known.hard_fails, one.hard_fails)
        known.enough = min(filter(None, (known.enough, one.enough)), default=0)
        if not known.closed:
            known.closed, known.closed_why = one.closed, one.closed_why
        known.marked_at = known.marked_at or one.marked_at
        confirmed = [at for at in (known.cleared_at, one.cleared_at) if at]
        known.cleared_at = min(confirmed) if len(confirmed) > 1 else None
        known.save()
    AutomaticAnswer.objects.filter(address=goes).update(address=stays)
    goes.delete()


def _keep_the_stricter(
    kept: Contact, gone: Contact, before: Sequence[ConsentBeside], by: User | None, now: datetime
) -> None:
    """The later word would count by itself: where that is a yes, and one of the two said no, the no is said again."""
    after = latest_consents([kept.pk])
    Consent.objects.bulk_create(
        Consent(
            contact=kept,
            channel=one.channel,
            opted_in=False,
            at=now,
            how="Merged: the stricter consent holds",
            origin=Consent.Origin.STAFF,
            evidence=f"Contact {gone.pk} was merged into this one, and one of the two had opted out.",
            recorded_by=by,
        )
        for one in before
        if one.merged and not one.merged.opted_in and _counts(after, kept.pk, one.channel)
    )


def _counts(latest: Mapping[tuple[int, str], LatestConsent], contact: int, channel: Channel) -> bool:
    """Whether a yes counts on the channel."""
    said = next(filter(None, (latest.get((contact, each)) for each in counting_on(channel))), None)
    return said is not None and said.opted_in


def _join_lists(kept: Contact, gone: Contact, now: datetime) -> None:
    on = set(kept.memberships.values_list("contact_list_id", flat=True))
    changed = list(ContactList.objects.filter(memberships__contact=gone))
    ListMembership.objects.filter(contact=gone, contact_list__in=on).delete()
    ListMembership.objects.filter(contact=gone).update(contact=kept)
    for each in changed:
        count_at_once(each, now)


def filled_in(kept: Contact, gone: Contact) -> dict[str, object]:
    """The details that `kept` lacks and gets, by field."""
    found = {
        name: getattr(gone, name) for name in FILLED_IN if not getattr(kept, name) and getattr(gone, name)
    }
    extra = {name: value for name, value in gone.attributes.items() if name not in kept.attributes}
    return {**found, **({"attributes": {**kept.attributes, **extra}} if extra else {})}


def _fill_in(kept: Contact, gone: Contact) -> None:
    for name, value in filled_in(kept, gone).items():
        setattr(kept, name, value)
    kept.value_tier = max(kept.value_tier, gone.value_tier)
    kept.created_at = min(kept.created_at, gone.created_at)
    gone.name = gone.external_id = gone.time_zone = gone.locale = gone.stage = ""
    gone.source, gone.attributes, gone.value_tier, gone.merged_into = None, {}, 0, kept
    gone.save()
    kept.save()


def _what_was_done(gone: Contact) -> str:
    known = [f"“{gone.name}”" if gone.name else "without a name"]
    if gone.external_id:
        known.append(f"customer ID {gone.external_id}")
    known += [mask(one.value) for one in gone.addresses.order_by("pk") if one.value]
    return f"Contact {gone.pk} ({', '.join(known)}) was merged into this one. The stricter consent of the two holds."
