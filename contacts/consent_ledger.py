"""The ledger of consent as it is read: what each person said that counts, what holds now, and who has an address."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple

from contacts.addresses import match_key
from contacts.among import Among
from contacts.channels import Channel
from contacts.models import Address, Consent

# What a word on one channel says about its siblings.
FAMILIES = (
    frozenset({Channel.SMS, Channel.MMS}),
    frozenset({Channel.VOICE, Channel.RVM}),
    frozenset({Channel.EMAIL}),
)


class LatestConsent(NamedTuple):
    """What holds now on one channel, and since when."""

    opted_in: bool
    at: datetime


def family_of(channel: str) -> list[str]:
    """The channels that consent on this one covers, itself included, in the order of `Channel`."""
    family = next(each for each in FAMILIES if channel in each)
    return [each.value for each in Channel if each in family]


def counting_on(channel: str) -> list[str]:
    """The channels whose word counts on this one: the first of them on which anything was said."""
    return [Channel.MMS.value, Channel.SMS.value] if channel == Channel.MMS else [channel]


def latest_consents(
    contact_ids: Iterable[int], until: datetime | None = None
) -> dict[tuple[int, str], LatestConsent]:
    """By contact id and channel, for those that have said anything; `until` a moment that is over, or by now."""
    latest: dict[tuple[int, str], LatestConsent] = {}
    rows = Consent.objects.filter(Among("contact_id", contact_ids)).in_order(until)
    for contact_id, channel, opted_in, at in rows.values_list("contact_id", "channel", "opted_in", "at"):
        latest[contact_id, channel] = LatestConsent(opted_in, at)
    return latest


# The same of one channel for a statement about many people, where a contact is `c`: whether they are opted in, NULL
# where they said nothing. The order is that of `Consent.objects.in_order`, from its end.
_LATEST = """(SELECT k.opted_in FROM contacts_consent k WHERE k.contact_id = {contact} AND k.channel = '{channel}'
  AND k.withdraws_id IS NULL AND NOT EXISTS (SELECT 1 FROM contacts_consent w WHERE w.withdraws_id = k.id
    AND NOT EXISTS (SELECT 1 FROM contacts_consent b WHERE b.withdraws_id = w.id))
  ORDER BY CASE WHEN k.opted_in AND k.origin <> 'recipient' THEN 0 ELSE 1 END DESC, k.at DESC, k.id DESC LIMIT 1)"""


def sql_latest(channel: str, contact: str = "c.id") -> str:
    """An expression: the consent that counts on the channel. `contact` names the column of the contact's id."""
    words = [_LATEST.format(channel=each, contact=contact) for each in counting_on(channel)]
    return f"coalesce({', '.join(words)}, NULL)"


def ledger(contact_ids: Iterable[int]) -> dict[tuple[int, str], list[Consent]]:
    """Everything each of them said that counts, by contact and channel, in its order."""
    found: dict[tuple[int, str], list[Consent]] = defaultdict(list)
    for row in Consent.objects.filter(Among("contact_id", contact_ids)).in_order():
        found[row.contact_id, row.channel].append(row)
    return found


def contacts_at(value: str) -> list[int]:
    """Everybody who has the address, however it is written there. In order of id."""
    found = Address.objects.filter(match_key=match_key(value)).exclude(value="")
    return list(found.order_by("contact_id").values_list("contact_id", flat=True).distinct())


def contacts_by_key(keys: Iterable[str]) -> dict[str, list[int]]:
    """Everybody who has an address with one of these keys, in order of id."""
    found: dict[str, set[int]] = {key: set() for key in keys}
    rows = Address.objects.filter(Among("match_key", found)).exclude(value="")
    for key, contact in rows.values_list("match_key", "contact_id"):
        found[key].add(contact)
    return {key: sorted(those) for key, those in found.items()}
