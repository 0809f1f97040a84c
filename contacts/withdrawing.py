"""What passed for an opt-out and was none: its blocks are lifted, and the ledger says that it is withdrawn."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import NamedTuple

from django.db.models import Q

from accounts.models import User
from contacts.addresses import match_key
from contacts.channels import KIND_OF, Channel, takes
from contacts.chunks import in_lists
from contacts.consent_ledger import contacts_at, contacts_by_key, ledger
from contacts.grounds import fact_named, reported_fact
from contacts.models import Address, Consent, Suppression
from contacts.suppressing import MAPPING_CORRECTED, lift, lift_mistaken

CORRECTION = "Correction"


class Mistaken(NamedTuple):
    """An opt-out that a provider was understood to report and did not: of which fact, such as "message 12" or "answer
    3", and why it is none, as part of a sentence."""

    value: str
    fact: str
    why: str


def own_blocks(keys: Iterable[str]) -> dict[str, list[Suppression]]:
    """By the key of the address, the blocks in force that pass for the person's own word: there, or as a whole on what
    the address can take."""
    found: dict[str, list[Suppression]] = defaultdict(list)
    theirs = Suppression.objects.filter(origin=Suppression.Origin.RECIPIENT, released_at=None)
    whose = contacts_by_key(keys)
    for part in in_lists(whose):
        for row in theirs.filter(match_key__in=part).exclude(value=""):
            found[row.match_key].append(row)
    whole: dict[int, list[Suppression]] = defaultdict(list)
    for people in in_lists({contact for those in whose.values() for contact in those}):
        for row in theirs.filter(contact__in=people, value=""):
            whole[row.contact_id or 0].append(row)
    for key, contacts in whose.items():
        for contact in contacts:
            if mine := [row for row in whole[contact] if not row.channel or takes(key, row.channel)]:
                found[key] += mine
    return found


def take_back_opt_outs(mistaken: Sequence[Mistaken], *, note: str, now: datetime) -> int:
    """These opt-outs were never said: a provider's word had been misread. Return the blocks lifted.

    Nothing else that the person said is touched. The ledger keeps the opt-out, and says that it is withdrawn, where
    they said no in no other way: what held before holds again, be it that nothing is known. `note` names the mapping.
    """
    whys = {one.fact: one.why for one in mistaken}
    keys = {match_key(one.value) for one in mistaken}
    lifting: dict[str, list[int]] = defaultdict(list)
    for rows in own_blocks(keys).values():
        for row in rows:
            if why := whys.get(reported_fact(row)):
                lifting[why].append(row.pk)
    lifted = sum(
        lift_mistaken(Suppression.objects.filter(pk__in=part), note=f"{note}, {why}", now=now)
        for why, ids in lifting.items()
        for part in in_lists(ids)
    )
    _withdraw({contact for those in contacts_by_key(keys).values() for contact in those}, now)
    return lifted


def withdraw_opt_out(*, value: str, fact: str, by: User, note: str, now: datetime) -> int:
    """A colleague read what was taken for an opt-out, and it was none. Return the blocks lifted.

    Only those that were recorded for `fact` are: what the person said besides stays. In the ledger it is withdrawn
    where they said no in no other way.
    """
    theirs = Suppression.objects.filter(match_key=match_key(value), fact=fact, released_at=None)
    ids = list(theirs.exclude(value="").values_list("pk", flat=True))
    unreleased = Suppression.objects.filter(Q(pk__in=ids) | Q(follows__in=ids), released_at=None)
    lifted = lift(unreleased, by=by, note=note, now=now)
    _withdraw(contacts_at(value), now, by)
    return lifted


def _withdraw(contact_ids: Iterable[int], now: datetime, by: User | None = None) -> None:
    """Withdraw the opt-outs that hold for these people and were none, back to the first that was one.

    Also those that turned out to be none before the last: until now something else stood, which may have no row of its
    own, as it said nothing new.
    """
    free = _without_own_blocks(contact_ids)
    mistakes = _mistakes({key for keys in free.values() for key in keys})
    rows = []
    for (contact, channel), consents in ledger({contact for contact, _ in free}).items():
        reasons: dict[str | datetime, str] = {}
        for key in free.get((contact, KIND_OF[Channel(channel)]), ()):
            reasons |= mistakes[key]
        for row in reversed(consents):
            reason = reasons.get(fact_named(row.evidence) or row.at) or reasons.get(row.at)
            if row.opted_in or reason is None:
                break
            rows.append(
                Consent(
                    contact_id=contact,
                    channel=channel,
                    opted_in=False,
                    at=now,
                    how=CORRECTION,
                    evidence=reason,
                    recorded_by=by,
                    withdraws=row,
                )
            )
    Consent.objects.bulk_create(rows)


def _without_own_blocks(contacts: Iterable[int]) -> dict[tuple[int, str], set[str]]:
    """Those of these people who have asked for nothing that still holds at any of their addresses of a kind: by person
    and kind, the keys of these addresses. What they said of email says nothing of calls and texts."""
    keys: dict[tuple[int, str], set[str]] = defaultdict(set)
    for part in in_lists(contacts):
        rows = Address.objects.filter(contact__in=part).exclude(value="")
        for contact, kind, key in rows.values_list("contact_id", "kind", "match_key"):
            keys[contact, kind].add(key)
    blocked = own_blocks({key for those in keys.values() for key in those})
    return {pair: those for pair, those in keys.items() if not any(blocked.get(key) for key in those)}


def _mistakes(keys: Collection[str]) -> dict[str, dict[str | datetime, str]]:
    """By the key of the address, why its opt-outs that are lifted were none: by the fact that was said to report
    one, or the moment of the reply that a colleague read. What the person lifted by opting in again was one."""
    found: dict[str, dict[str | datetime, str]] = defaultdict(dict)
    for part in in_lists(keys):
        lifted = Suppression.objects.filter(match_key__in=part, released_at__isnull=False).exclude(value="")
        for row in lifted.filter(origin=Suppression.Origin.RECIPIENT).select_related("released_by"):
            fact = reported_fact(row)
            if fact and row.release_note.startswith(MAPPING_CORRECTED):
                found[row.match_key][fact] = row.release_note.partition(", ")[2] or row.release_note
            elif row.released_by and row.fact.startswith("reply "):
                why = f"{row.released_by.display_name} read the reply and found no opt-out in it"
                found[row.match_key][row.created_at] = why
    return found
