"""What a person's own word changes: STOP and its like block the address, START lifts that again.

Both run inside the caller's transaction, and both may be told the same thing twice.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple

from accounts.models import User
from contacts.addresses import match_key
from contacts.channels import Channel
from contacts.chunks import in_lists
from contacts.models import Address, Consent, Suppression
from contacts.suppressing import LONGEST_NOTE, lift_mistaken, suppress

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


def record_opt_out(
    *,
    value: str,
    channel: str,
    how: str,
    evidence: str,
    at: datetime,
    reason: str = Suppression.Reason.STOP,
    fact: str = "",
    by: User | None = None,
) -> list[int]:
    """The person at `value` said stop (or complained): everything to that address is blocked, whoever's contact it is.

    `value` is normalised (E.164 or lower-case email), `at` the moment of the person's word. Every contact with the
    address is opted out of the channel's family. Gives their ids. The block holds too when no contact has the
    address yet. One that arrives late, after a newer START, blocks all the same: rather one text too few.
    `fact` names the one thing that says so, such as a message; without it what was said at `at` counts once.
    `by`: the colleague who read it so.
    """
    contact_ids = contacts_at(value)
    _append(contact_ids, channel, opted_in=False, how=how, evidence=evidence, at=at, by=by)
    # What was told before the fact had a name is known by its moment: lifted since, it must not block again.
    known = Suppression.objects.filter(match_key=match_key(value), reason=reason, created_at=at, fact="")
    if not known.exists():
        suppress(
            value=value,
            reason=reason,
            origin=Suppression.Origin.RECIPIENT,
            evidence=evidence,
            by=by,
            now=at,
            fact=fact or f"said {at.isoformat()}",
        )
    return contact_ids


def record_opt_in(*, value: str, channel: str, how: str, evidence: str, at: datetime) -> list[int]:
    """The person at `value` asked to hear from us again: opted in on the channel's family, their STOP lifted.

    Blocks of any other origin stay, and so does a STOP said after `at`. Gives the ids of the contacts concerned.
    """
    contact_ids = contacts_at(value)
    _append(contact_ids, channel, opted_in=True, how=how, evidence=evidence, at=at)
    Suppression.objects.filter(
        match_key=match_key(value),
        reason__in=Suppression.BY_WORD,
        origin=Suppression.Origin.RECIPIENT,
        released_at=None,
        created_at__lte=at,
    ).update(released_at=at, release_note=f"Opted in again: {how}"[:300])
    return contact_ids


def take_back_opt_out(*, value: str, at: datetime, note: str, now: datetime) -> int:
    """An opt-out recorded for `at` was never said: a provider's word had been misread. Return the blocks lifted.

    The ledger keeps it, followed by what held before; where the person never opted in, nothing holds.
    """
    _restore(value, at, note, now)
    reasons = [Suppression.Reason.STOP, Suppression.Reason.COMPLAINT]
    blocks = Suppression.objects.filter(match_key=match_key(value), reason__in=reasons, created_at=at)
    return lift_mistaken(blocks, note=note, now=now)


def withdraw_opt_out(*, value: str, fact: str, at: datetime, by: User, note: str, now: datetime) -> int:
    """A colleague read what was taken for an opt-out, and it was none. Return the blocks lifted.

    Only those that were recorded for `fact` are: what the person said besides stays. In the ledger follows what held
    before `at`, where they have said nothing since.
    """
    _restore(value, at, note, now, by=by)
    theirs = Suppression.objects.filter(match_key=match_key(value), fact=fact, released_at=None)
    return theirs.exclude(value="").update(released_at=now, released_by=by, release_note=note[:LONGEST_NOTE])


def _restore(value: str, at: datetime, note: str, now: datetime, by: User | None = None) -> None:
    """Where the opt-out of `at` is the latest word of somebody who had opted in before, they are opted in again."""
    mistaken = Consent.objects.filter(contact_id__in=contacts_at(value), opted_in=False, at=at)
    for said in mistaken:
        before = Consent.objects.filter(contact=said.contact, channel=said.channel, at__lt=at).order_by(
            "at", "id"
        )
        latest = latest_consents([said.contact_id]).get((said.contact_id, said.channel))
        last = before.last()
        if last and last.opted_in and latest and not latest.opted_in and latest.at == at:
            Consent.objects.create(
                contact=said.contact, channel=said.channel, opted_in=True, at=now,
                how="Correction", evidence=note, recorded_by=by,
            )  # fmt: skip


def latest_consents(contact_ids: Iterable[int]) -> dict[tuple[int, str], LatestConsent]:
    """By contact id and channel, for those that have said anything."""
    latest: dict[tuple[int, str], LatestConsent] = {}
    for part in in_lists(contact_ids):
        rows = Consent.objects.filter(contact_id__in=part).order_by("at", "id")
        for contact_id, channel, opted_in, at in rows.values_list("contact_id", "channel", "opted_in", "at"):
            latest[contact_id, channel] = LatestConsent(opted_in, at)
    return latest


def contacts_at(value: str) -> list[int]:
    """Everybody who has the address, however it is written there. In order of id."""
    found = Address.objects.filter(match_key=match_key(value)).exclude(value="")
    return list(found.order_by("contact_id").values_list("contact_id", flat=True).distinct())


def _append(
    contact_ids: list[int],
    channel: str,
    *,
    opted_in: bool,
    how: str,
    evidence: str,
    at: datetime,
    by: User | None = None,
) -> None:
    """One row for each contact and channel, but where it says nothing new: as the latest does, or word for word."""
    latest = latest_consents(contact_ids)
    said = Consent.objects.filter(contact_id__in=contact_ids, opted_in=opted_in, at=at)
    same = set(said.values_list("contact_id", "channel"))
    same |= {key for key, each in latest.items() if each.opted_in == opted_in and each.at <= at}
    Consent.objects.bulk_create(
        Consent(
            contact_id=contact_id,
            channel=each,
            opted_in=opted_in,
            at=at,
            how=how[:60],
            evidence=evidence,
            recorded_by=by,
        )
        for contact_id in contact_ids
        for each in family_of(channel)
        if (contact_id, each) not in same
    )
