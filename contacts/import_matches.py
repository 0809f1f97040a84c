"""Whom the lines of a file may be about: what the database holds about them."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime

from contacts.addresses import match_key
from contacts.chunks import in_lists
from contacts.consent_ledger import LatestConsent, latest_consents
from contacts.erased_keys import BETWEEN, erased_keys
from contacts.models import Address, Contact, ContactList, ListMembership, Suppression
from contacts.sheet_lines import SheetLine


class Known:
    """What the database holds about the people on some lines, fetched in as few queries as lists allow."""

    def __init__(self, lines: list[SheetLine], contact_list: ContactList | str, now: datetime) -> None:
        keys = {match_key(address.value) for line in lines for address in line.addresses}
        self.by_external_id = self._external_ids({line.external_id for line in lines if line.external_id})
        self.by_key: defaultdict[str, set[int]] = defaultdict(set)
        for part in in_lists(keys):
            found = Address.objects.filter(match_key__in=part)
            for key, contact_id in found.values_list("match_key", "contact_id"):
                self.by_key[key].add(contact_id)
        ids = set().union(*self.by_external_id.values(), *self.by_key.values())
        self.contacts: dict[int, Contact] = {}
        self.addresses: defaultdict[int, list[Address]] = defaultdict(list)
        self.members: set[int] = set()
        for part_of_ids in in_lists(ids):
            self.contacts |= Contact.objects.in_bulk(part_of_ids)
            for address in Address.objects.filter(contact_id__in=part_of_ids):
                self.addresses[address.contact_id].append(address)
            self.members |= _members(contact_list, part_of_ids)
        self.consents: dict[tuple[int, str], LatestConsent] = latest_consents(ids)
        self.opted_out = opted_out(keys, now)

    def _external_ids(self, wanted: set[str]) -> defaultdict[str, set[int]]:
        found: defaultdict[str, set[int]] = defaultdict(set)
        for part in in_lists(wanted):
            rows = Contact.objects.filter(external_id__in=part).exclude(external_id="")
            for external_id, pk in rows.values_list("external_id", "pk"):
                found[external_id].add(pk)
        return found


def _members(contact_list: ContactList | str, contact_ids: list[int]) -> set[int]:
    found = ListMembership.objects.filter(contact_id__in=contact_ids)
    if isinstance(contact_list, str):
        found = found.filter(contact_list__name=contact_list.strip())
    else:
        found = found.filter(contact_list=contact_list)
    return set(found.values_list("contact_id", flat=True))


def opted_out(keys: set[str], now: datetime) -> dict[str, datetime]:
    """Keys of addresses whose owner asked us to stop, and since when; also where no contact of ours has them."""
    found: dict[str, datetime] = {}
    for part in in_lists(keys):
        rows = Suppression.objects.in_force(now).filter(
            origin=Suppression.Origin.RECIPIENT, match_key__in=part
        )
        found |= dict(rows.exclude(value="").values_list("match_key", "created_at"))
    hashed = erased_keys(keys) if Suppression.objects.filter(BETWEEN).exists() else {}
    for part in in_lists(hashed):
        rows = Suppression.objects.in_force(now).filter(
            origin=Suppression.Origin.RECIPIENT, match_key__in=part
        )
        found |= {hashed[key]: at for key, at in rows.values_list("match_key", "created_at")}
    return found
