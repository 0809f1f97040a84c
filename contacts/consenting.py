"""What a person's own word changes: STOP and its like block the address, START lifts that again.

Both run inside the caller's transaction, and both may be given the same thing twice.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from django.db.models import Q
from django.utils import timezone

from accounts.models import User
from contacts.addresses import match_key
from contacts.channels import KIND_OF, Channel
from contacts.chunks import in_lists
from contacts.consent_ledger import FAMILIES, contacts_at, contacts_by_key, family_of, latest_consents, ledger
from contacts.erased_keys import erased_keys, named_by
from contacts.grounds import fact_named
from contacts.models import Address, Consent, Contact, Suppression
from contacts.phones import ERASED
from contacts.suppressing import (
    MAPPING_CORRECTED,
    lift,
    put_back,
    suppress,
    suppress_each,
)

OPTED_IN_AGAIN = "Opted in again"  # how the note of a block begins that the person lifted themselves
TAKEN_BACK = "Correction taken back"

# Who does not want it, where a colleague enters a suppression. Rather the person's own wish than one that is released.
PERSON, US = "person", "us"
WHO_ASKED = [(PERSON, "The person asked"), (US, "We decided so ourselves")]


class OptOut(NamedTuple):
    """Somebody's no, as `record_opt_out` takes it."""

    value: str
    channel: str
    how: str
    evidence: str
    at: datetime
    reason: str = Suppression.Reason.STOP
    fact: str = ""
    by: User | None = None
    again: str = ""  # why it counts once more, where it was withdrawn before, as part of a sentence
    since: datetime | None = (
        None  # when it began to be known, where that was later than said; `evidence` says how
    )


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
    record_opt_outs([OptOut(value, channel, how, evidence, at, reason, fact, by)])
    return contacts_at(value)


def record_opt_outs(opt_outs: Sequence[OptOut], now: datetime | None = None) -> None:
    """`record_opt_out` for many, in a number of queries that does not grow with them.

    One that was withdrawn because a code seemed to mean something else is put back, at `now`.
    """
    opt_outs, now = sorted(_everywhere(opt_outs), key=lambda one: one.at), now or timezone.now()
    again = {one.fact: one.again for one in opt_outs}
    keys = {one.value: match_key(one.value) for one in opt_outs}
    whose = contacts_by_key(set(keys.values()))
    _append_no(opt_outs, {one.value: whose[keys[one.value]] for one in opt_outs}, now)
    # What was recorded before the fact had a name is known by its moment: lifted since, it must not block again.
    unnamed: dict[tuple[str, str, datetime], Suppression] = {}
    for part in in_lists(set(keys.values())):
        rows = Suppression.objects.filter(match_key__in=part, fact="").exclude(value="")
        unnamed |= {(row.match_key, row.reason, row.created_at): row for row in rows}
    known = {one: unnamed.get((keys[one.value], one.reason, one.at)) for one in opt_outs}
    lifted = [row for row in known.values() if row and row.release_note.startswith(MAPPING_CORRECTED)]
    put_back(lifted, now, again)
    suppress_each(
        [
            Suppression(
                value=one.value,
                reason=one.reason,
                origin=Suppression.Origin.RECIPIENT,
                evidence=one.evidence,
                fact=one.fact or f"said {one.at.isoformat()}",
                created_at=one.since or one.at,
                created_by=one.by,
            )
            for one in opt_outs
            if known[one] is None
        ],
        now,
        again,
    )


def _everywhere(opt_outs: Sequence[OptOut]) -> Sequence[OptOut]:
    """These, and the same at the addresses that those of erased people are still somebody else's."""
    erased = {one.value for one in opt_outs if one.value.startswith(ERASED)}
    if not erased:
        return opt_outs
    also = named_by(erased)
    return [*opt_outs, *(one._replace(value=each) for one in opt_outs for each in also.get(one.value, ()))]


def _append_no(opt_outs: Sequence[OptOut], whose: Mapping[str, Sequence[int]], now: datetime) -> None:
    """One row for each contact and channel, but where it says nothing new: as the latest does, or word for word.

    Where this very opt-out was withdrawn, the withdrawal is withdrawn.
    """
    contacts = {contact for those in whose.values() for contact in those}
    known, withdrawals = ledger(contacts), _withdrawals(contacts)
    rows = []
    for one in opt_outs:
        for contact_id in whose[one.value]:
            for channel in family_of(one.channel):
                consents = known[contact_id, channel]
                mistake = withdrawals.pop((contact_id, channel, one.fact), None)
                if mistake and mistake.withdraws:
                    rows.append(_put_back(mistake, one, now))
                    consents.append(mistake.withdraws)
                elif new := _new_no(one, contact_id, channel, consents):
                    rows.append(new)
                    consents.append(new)
                consents.sort(key=lambda row: (row.decisive, row.at))
    Consent.objects.bulk_create(rows)


def _new_no(one: OptOut, contact_id: int, channel: str, ledger: Sequence[Consent]) -> Consent | None:
    latest = ledger[-1] if ledger else None
    word_for_word = any(not row.opted_in and row.at == one.at for row in ledger)
    if word_for_word or (latest and not latest.opted_in and latest.at <= one.at):
        return None
    return Consent(
        contact_id=contact_id, channel=channel, opted_in=False, at=one.at, how=one.how[:60], evidence=one.evidence,
        recorded_by=one.by,
    )  # fmt: skip


def _put_back(mistake: Consent, one: OptOut, now: datetime) -> Consent:
    return Consent(
        contact_id=mistake.contact_id,
        channel=mistake.channel,
        opted_in=False,
        at=now,
        how=TAKEN_BACK,
        evidence=one.again or f"the provider reports an opt-out again, {one.evidence}",
        withdraws=mistake,
    )


def _withdrawals(contact_ids: Iterable[int]) -> dict[tuple[int, str, str], Consent]:
    """The withdrawals that count, of opt-outs that a report stood for: by contact, channel and fact."""
    found: dict[tuple[int, str, str], Consent] = {}
    for part in in_lists(contact_ids):
        rows = Consent.objects.filter(contact_id__in=part, withdraws__withdraws=None, withdrawn_by=None)
        for row in rows.exclude(withdraws=None).select_related("withdraws"):
            if row.withdraws and (fact := fact_named(row.withdraws.evidence)):
                found[row.contact_id, row.channel, fact] = row
    return found


def record_opt_in(
    *, value: str, channel: str, how: str, evidence: str, at: datetime, wording: str = ""
) -> list[int]:
    """The person at `value` asked to hear from us again: opted in on the channel's family, their STOP lifted.

    Blocks of any other origin stay, and so does a STOP said after `at`, or one of other channels. What somebody asked
    for as a whole person is lifted too, but where several share the address: which of them writes is not known. Their
    other addresses stay blocked. Gives the ids of the contacts concerned.
    """
    contact_ids = contacts_at(value)
    _append(contact_ids, channel, opted_in=True, how=how, evidence=evidence, at=at, wording=wording)
    keys = [match_key(value), *erased_keys([match_key(value)])]  # what was kept when they were erased, too
    whose = Q(match_key__in=keys) | Q(follows__match_key__in=keys)
    if len(contact_ids) == 1:
        whose |= Q(value="", contact__in=contact_ids)
    _lift(whose, channel, how=how, at=at)
    return contact_ids


def record_own_opt_in(
    address: Address,
    channel: str,
    own: Collection[str],
    *,
    how: str,
    evidence: str,
    at: datetime,
    wording: str = "",
) -> None:
    """The person agreed by something that reached them alone at `address`, such as a signed link: `record_opt_in`, for
    nobody else who has the address. Where others have it, of the blocks there only those are lifted that this person
    asked for: as a whole person, or as one of the facts `own`."""
    if contacts_at(address.value) == [address.contact_id]:
        record_opt_in(
            value=address.value, channel=channel, how=how, evidence=evidence, at=at, wording=wording
        )
        return
    _append([address.contact_id], channel, opted_in=True, how=how, evidence=evidence, at=at, wording=wording)
    key, person = address.match_key, address.contact_id
    theirs = Q(value="", contact=person) | Q(match_key=key, follows__value="", follows__contact=person)
    said = Q(match_key=key, fact__in=own) | Q(follows__match_key=key, follows__fact__in=own)
    _lift(theirs | said, channel, how=how, at=at)


def _lift(whose: Q, channel: str, *, how: str, at: datetime) -> None:
    """End what people asked for up to `at`, since they opted in again on the channel."""
    asked = Suppression.objects.filter(
        whose,
        channel__in=["", *family_of(channel)],
        reason__in=Suppression.BY_WORD,
        origin=Suppression.Origin.RECIPIENT,
        released_at=None,
        created_at__lte=at,
    )
    lift(asked, by=None, note=f"{OPTED_IN_AGAIN}: {how}", now=at)


def record_request(
    *,
    contact: Contact,
    value: str = "",
    channel: str = "",
    evidence: str,
    by: User | None,
    now: datetime,
    expires_at: datetime | None = None,
    alone: bool = False,
    how: str = "Asked a colleague",
) -> Suppression:
    """The person asked a colleague to stop, on the phone or in person: their own wish, as a STOP is. Or themselves, on
    a page of ours: `how`.

    For `value` alone, an address of theirs, or with '' for the whole person: then they are opted out of the channel's
    family as well, or of every channel. `alone` is as in `suppress`.
    """
    if not value:
        contact = contact.stays
        channels = [channel] if channel else [min(family) for family in FAMILIES]
        for each in channels:
            _append([contact.pk], each, opted_in=False, how=how, evidence=evidence, at=now, by=by)
    return suppress(
        contact=contact,
        value=value,
        channel=channel,
        reason=Suppression.Reason.ASKED,
        origin=Suppression.Origin.RECIPIENT,
        evidence=evidence,
        by=by,
        now=now,
        expires_at=expires_at,
        alone=alone,
    )


def record_entered(consent: Consent) -> None:
    """A colleague entered what a person chose: their own word holds as if they had said it to us. `consent` is saved.

    A no blocks them on the channel's family. A yes of theirs lifts what they asked for, but at addresses that others
    have as well.
    """
    if not consent.opted_in:
        record_request(
            contact=consent.contact, channel=consent.channel, evidence=consent.evidence, by=consent.recorded_by,
            now=consent.at,
        )  # fmt: skip
    elif consent.origin == Consent.Origin.RECIPIENT:
        _lift(
            _theirs_alone(consent.contact, consent.channel), consent.channel, how=consent.how, at=consent.at
        )


def record_own_choice(
    contact: Contact,
    channel: str,
    *,
    opted_in: bool,
    how: str,
    evidence: str,
    at: datetime,
    wording: str = "",
) -> None:
    """The person said themselves what they want on the channel's family, and not from an address for it. A yes lifts
    what they asked for as a whole person, but at addresses that others have as well, and no STOP that one of these
    said; a no blocks nothing by itself: `record_request` does."""
    _append([contact.pk], channel, opted_in=opted_in, how=how, evidence=evidence, at=at, wording=wording)
    if opted_in:
        whole = Q(value="") | Q(follows__value="")
        _lift(_theirs_alone(contact, channel) & whole, channel, how=how, at=at)


def _theirs_alone(contact: Contact, channel: str) -> Q:
    """Blocks of the whole person, and of the addresses for the channel that nobody else has."""
    theirs = contact.addresses.filter(kind=KIND_OF[Channel(channel)]).exclude(value="")
    whose = contacts_by_key(theirs.values_list("match_key", flat=True))
    alone = [key for key, contacts in whose.items() if len(contacts) == 1]
    return Q(match_key__in=alone) | Q(value="", contact=contact)


def _append(
    contact_ids: list[int],
    channel: str,
    *,
    opted_in: bool,
    how: str,
    evidence: str,
    at: datetime,
    by: User | None = None,
    wording: str = "",
) -> None:
    """One row for each contact and channel, but where it says nothing new: as the latest does, or word for word."""
    latest = latest_consents(contact_ids)
    counting = Consent.objects.filter(contact_id__in=contact_ids, opted_in=opted_in, at=at).counting()
    same = set(counting.values_list("contact_id", "channel"))
    same |= {key for key, each in latest.items() if each.opted_in == opted_in and each.at <= at}
    Consent.objects.bulk_create(
        Consent(
            contact_id=contact_id,
            channel=each,
            opted_in=opted_in,
            at=at,
            how=how[:60],
            wording=wording,
            evidence=evidence,
            recorded_by=by,
        )
        for contact_id in contact_ids
        for each in family_of(channel)
        if (contact_id, each) not in same
    )
