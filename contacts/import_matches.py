"""Whom the lines of a file may be about: what the database holds about them."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime

from contacts.addresses import match_key
from contacts.among import Among
from contacts.consent_ledger import LatestConsent, latest_consents
from contacts.erased_keys import BETWEEN, erased_keys
from contacts.models import Address, Contact, ContactList, ListMembership, Suppression
from contacts.sheet_lines import SheetLine


class KnownPeople:
    """What the database holds about the people on some lines, fetched in a fixed number of queries."""

    def __init__(self, lines: list[SheetLine], contact_list: ContactList | str, now: datetime) -> None:
        keys = {match_key(address.value) for line in lines for address in line.addresses}
        self.by_external_id = self._external_ids({line.external_id for line in lines if line.external_id})
        self.by_key: defaultdict[str, set[int]] = defaultdict(set)
        found = Address.objects.filter(Among("match_key", keys))
        for key, contact_id in found.values_list("match_key", "contact_id"):
            self.by_key[key].add(contact_id)
        ids = set().union(*self.by_external_id.values(), *self.by_key.values())
        self.contacts = {one.pk: one for one in Contact.objects.filter(Among("id", ids))}
        self.addresses: defaultdict[int, list[Address]] = defaultdict(list)
        for address in Address.objects.filter(Among("contact_id", ids)):
            self.addresses[address.contact_id].append(address)
        self.members = _members(contact_list, ids)
        self.consents: dict[tuple[int, str], LatestConsent] = latest_consents(ids)
        self.opted_out = opted_out(keys, now)

    def _external_ids(self, wanted: set[str]) -> defaultdict[str, set[int]]:
        found: defaultdict[str, set[int]] = defaultdict(set)
        rows = Contact.objects.filter(Among("external_id", wanted)).exclude(external_id="")
        for external_id, pk in rows.values_list("external_id", "pk"):
            found[external_id].add(pk)
        return found


def _members(contact_list: ContactList | str, contact_ids: set[int]) -> set[int]:
    found = ListMembership.objects.filter(Among("contact_id", contact_ids))
    if isinstance(contact_list, str):
        found = found.filter(contact_list__name=contact_list.strip())
    else:
        found = found.filter(contact_list=contact_list)
    return set(found.values_list("contact_id", flat=True))


def opted_out(keys: set[str], now: datetime) -> dict[str, datetime]:
    """Keys of addresses whose owner asked us to stop, and since when; also where no contact of ours has them."""
    said = Suppression.objects.in_force(now).filter(origin=Suppression.Origin.RECIPIENT)
    rows = said.filter(Among("match_key", keys)).exclude(value="")
    found = dict(rows.values_list("match_key", "created_at"))
    hashed = erased_keys(keys) if Suppression.objects.filter(BETWEEN).exists() else {}
    rows = said.filter(Among("match_key", hashed))
    return found | {hashed[key]: at for key, at in rows.values_list("match_key", "created_at")}
