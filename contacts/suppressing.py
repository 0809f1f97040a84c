"""Suppress and release. Each act has its own row, which stands and is lifted on its own."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime

from django.db import transaction
from django.db.models import Q, QuerySet
from django.dispatch import Signal
from django.utils import timezone

from accounts.models import User
from contacts.addresses import match_key
from contacts.blocking import closes
from contacts.channels import KIND_OF, Channel, Kind, reported_by, takes
from contacts.chunks import in_lists
from contacts.models import Address, AddressHealth, Contact, Suppression, SuppressionLapse
from contacts.phones import mask
from contacts.strength import Lifter, liftable_by, lifter, of

LONGEST_NOTE = 300  # characters, as the columns of notes in contacts/models
# How the note of a block begins that was lifted because a provider's word turned out to mean something else.
MAPPING_CORRECTED = "Mapping corrected"
# The same of one that was lifted because its evidence does not bear it any more; and of one that ended by itself.
MISTAKEN = "Suppressed by mistake"
PAUSE_OVER = "The pause is over"
# Sent in the same transaction when a block begins or ends: the `keys` of the addresses, and the ids of `contacts`
# that were blocked as a whole.
blocks_changed = Signal()


class CannotRelease(Exception):
    """Something stronger stands behind it: the person's own word, or what only an administrator may lift."""

    def __init__(self, suppression: Suppression) -> None:
        why = {
            Lifter.PERSON: "asked for by the person. Only new consent from them can lift it.",
            Lifter.NOBODY: "the person was erased. It stays, so that nobody writes to them again.",
        }.get(lifter(suppression), "your role may not release this.")
        whom = mask(suppression.value) if suppression.value else suppression.contact
        super().__init__(f"{whom}, {closes(suppression)}: {suppression.ground}. Not released: {why}")
        self.suppression = suppression


class BlocksNothing(ValueError):
    """The address cannot take the channel anyway: a suppression there would block nothing."""


def refuse_idle(value: str, channel: str) -> None:
    """Raise BlocksNothing, with the way out, where nothing is ever sent to such an address on such a channel."""
    if not value or not channel or takes(value, channel):
        return
    name = Channel(channel).in_sentence
    if "@" in value:
        way_out = "Choose email or every channel, or choose the phone number instead."
        raise BlocksNothing(f"An email address takes no {name}: this would block nothing. {way_out}")
    way_out = "Choose a phone channel or every channel, or choose the email address instead."
    raise BlocksNothing(f"A phone number takes no {name}: this would block nothing. {way_out}")


@transaction.atomic
def suppress(
    *,
    contact: Contact | None = None,
    value: str = "",
    channel: str = "",
    reason: str,
    origin: str,
    evidence: str = "",
    by: User | None = None,
    now: datetime,
    expires_at: datetime | None = None,
    fact: str = "",
    alone: bool = False,
) -> Suppression:
    """Block an address wherever it stands, or with an empty `value` the whole contact; everything we send.

    Every act stands on its own, whatever else blocks the address: who, why, until when. `fact` names what it is
    recorded for, such as a message or a batch: given again, the row that there is comes back, lifted or not. The same
    without a fact is what the same colleague said in the same words, and still holds. A whole contact's block is
    extended to each of their addresses: it holds there too when somebody else has it. What a colleague says of an
    address that was replaced holds at the one in its place, unless they chose it `alone`. Raises ValueError when
    neither contact nor value is given, BlocksNothing where the address cannot take the channel.
    """
    if not value and contact is None:
        raise ValueError("A suppression needs a contact or an address.")
    contact = contact and contact.stays  # of a contact that was merged it would block nobody
    refuse_idle(value, channel)
    made = Suppression(
        contact=contact,
        value=value,
        channel=channel,
        reason=reason,
        origin=origin,
        evidence=evidence,
        fact=fact,
        created_by=by,
        created_at=now,
        expires_at=expires_at,
    )
    if fact and value:
        return suppress_each([made])[0]
    same = _same_words(made, now).first()
    if same is not None:
        return same
    made.save()
    _announce([made])
    if contact is not None and not value:
        addresses = Address.objects.filter(contact=contact).exclude(validity=Address.Validity.INVALID)
        extend((made, address) for address in addresses)
    if by is not None and not alone:
        # A colleague speaks of a person. What comes late from a number that was replaced may be somebody else's word.
        _reach_whoever_left([made])
    return made


def suppress_each(
    wanted: Sequence[Suppression], now: datetime | None = None, again: Mapping[str, str] | None = None
) -> list[Suppression]:
    """Block many addresses at once, each row with its `value` and its `fact`; in a number of queries that does not
    grow with them. Gives the row that stands for each: where the fact was recorded before, that one, lifted or not.

    What was lifted because a provider's word seemed to mean something else is put back at `now`: it means it after
    all. `again` says by the fact why.
    """
    first = {_fact_of(one): one for one in reversed(wanted)}
    found = _recorded(first)
    fresh = [one for fact, one in first.items() if fact not in found]
    if fresh:
        Suppression.objects.bulk_create(fresh, batch_size=300, ignore_conflicts=True)
        found = _recorded(first)
        _announce(fresh)
    lifted = [row for row in found.values() if row.release_note.startswith(MAPPING_CORRECTED)]
    put_back(lifted, now or timezone.now(), again)
    return [found[_fact_of(one)] for one in wanted]


def _recorded(facts: Mapping[tuple[str, ...], Suppression]) -> dict[tuple[str, ...], Suppression]:
    """The rows that there are for these facts."""
    found: dict[tuple[str, ...], Suppression] = {}
    for part in in_lists({match_key(one.value) for one in facts.values()}):
        rows = Suppression.objects.filter(match_key__in=part).exclude(fact="").exclude(value="")
        found |= {key: row for row in rows if (key := _fact_of(row)) in facts}
    return found


def _announce(rows: Collection[Suppression]) -> None:
    """Send `blocks_changed` for these rows, which begin to hold or hold no more."""
    keys = {match_key(row.value) for row in rows if row.value}
    contacts = {row.contact_id for row in rows if not row.value and row.contact_id}
    if keys or contacts:
        blocks_changed.send(Suppression, keys=keys, contacts=contacts)


def _fact_of(row: Suppression) -> tuple[str, ...]:
    """What makes two rows the same one."""
    return (match_key(row.value), row.channel, row.scope, row.scope_value, row.reason, row.fact)


def put_back(lifted: Sequence[Suppression], now: datetime, again: Mapping[str, str] | None = None) -> None:
    """These were lifted because a provider's word seemed to mean something else, and stand again. That they did not
    hold for a while stays on record; `again` says by the fact why they do."""
    why = {row.pk: (again or {}).get(row.fact, "") for row in lifted}
    for part in in_lists(why):
        rows = Suppression.objects.filter(Q(pk__in=part) | Q(follows__in=part))
        rows = rows.filter(release_note__startswith=MAPPING_CORRECTED)
        SuppressionLapse.objects.bulk_create(
            [
                SuppressionLapse(
                    suppression=row,
                    released_at=row.released_at,
                    release_note=row.release_note,
                    restored_at=now,
                    restore_note=why.get(row.pk, why.get(row.follows_id or 0, ""))[:LONGEST_NOTE],
                )
                for row in rows
                if row.released_at
            ],
            batch_size=300,
        )
        rows.update(released_at=None, released_by=None, release_note="")
    for row in lifted:
        row.released_at, row.released_by, row.release_note = None, None, ""
    _announce(lifted)
    _reach_whoever_left(lifted)


def _same_words(made: Suppression, now: datetime) -> QuerySet[Suppression]:
    whom = Q(match_key=match_key(made.value)) if made.value else Q(contact=made.contact)
    return Suppression.objects.in_force(now).filter(
        whom & (~Q(value="") if made.value else Q(value="")),
        channel=made.channel,
        scope=made.scope,
        reason=made.reason,
        origin=made.origin,
        evidence=made.evidence,
        fact=made.fact,
        created_by=made.created_by,
        expires_at=made.expires_at,
    )


def carry_over(
    addresses: Collection[Address], now: datetime, former: Mapping[int, Collection[str]] | None = None
) -> None:
    """These addresses, saved, are new to their contacts: what the persons asked for at others of the kind, or the law
    asks for about them, holds there.

    So does what blocks a whole contact. `former` names addresses that contacts (by id) had until now: no row tells.
    """
    theirs: defaultdict[int, list[Address]] = defaultdict(list)
    for address in addresses:
        theirs[address.contact_id].append(address)
    held_by: defaultdict[str, list[int]] = defaultdict(list)
    whole: list[Suppression] = []
    for part in in_lists(theirs):
        in_force = Suppression.objects.in_force(now)
        whole += in_force.filter(value="", contact__in=part)
        for key, contact in Address.objects.filter(contact__in=part).values_list("match_key", "contact_id"):
            held_by[key].append(contact)
    for contact, values in (former or {}).items():
        for value in values:
            held_by[match_key(value)].append(contact)
    asked: list[Suppression] = []
    theirs_alone = Q(origin=Suppression.Origin.RECIPIENT) | Q(reason__in=Suppression.OF_PERSON)
    for part_of_keys in in_lists(held_by):
        in_force = Suppression.objects.in_force(now).exclude(value="")
        asked += in_force.filter(theirs_alone, match_key__in=part_of_keys)
    extend((block, address) for block in whole for address in theirs[block.contact_id or 0])
    extend(
        (block, address)
        for block in asked
        for contact in held_by[block.match_key]
        for address in theirs[contact]
        if ("@" in block.value) == (address.kind == Kind.EMAIL)
        and match_key(address.value) != block.match_key
    )


def carry_to_others(addresses: Collection[Address], **_: object) -> None:
    """These addresses are about to be deleted: what their persons asked for there holds at the others they have. A
    signal's receiver."""
    for part in in_lists({address.contact_id for address in addresses}):
        others = Address.objects.filter(contact__in=part).exclude(value="")
        carry_over(list(others.exclude(pk__in=[address.pk for address in addresses])), timezone.now())


def _reach_whoever_left(blocks: Collection[Suppression]) -> None:
    """What is about a person, recorded at an address that has been replaced, holds at the one that took its place."""
    asked: defaultdict[str, list[Suppression]] = defaultdict(list)
    for block in blocks:
        if block.value and block.of_person:
            asked[match_key(block.value)].append(block)
    left: defaultdict[tuple[int, str], list[Suppression]] = defaultdict(list)
    for part in in_lists(asked):
        former = Address.objects.filter(match_key__in=part, preferred=False)
        for key, contact, kind in former.values_list("match_key", "contact_id", "kind"):
            left[contact, kind] += asked[key]
    for contacts in in_lists({contact for contact, _ in left}):
        current = Address.objects.filter(contact__in=contacts, preferred=True)
        extend((block, address) for address in current for block in left[address.contact_id, address.kind])


def extend(pairs: Iterable[tuple[Suppression, Address]]) -> None:
    """The same block for another address of the person, once, unless its channel needs an address of another kind."""
    made = [
        Suppression(
            value=address.value,
            contact_id=address.contact_id,
            follows_id=block.follows_id or block.pk,
            fact=f"follows {block.follows_id or block.pk}",
            **{name: getattr(block, name) for name in _TAKEN_OVER},
        )
        for block, address in pairs
        if not block.channel or KIND_OF[Channel(block.channel)] == address.kind
    ]
    Suppression.objects.bulk_create(made, ignore_conflicts=True, batch_size=500)
    _announce(made)


_TAKEN_OVER = (
    "channel", "scope", "scope_value", "reason", "origin", "evidence", "created_at", "created_by_id", "expires_at",
)  # fmt: skip


@transaction.atomic
def keep_for_good(suppressions: QuerySet[Suppression], now: datetime) -> int:
    """Those of these in force that would end by themselves end no more, nor what extends them; return how many."""
    ending = Suppression.objects.in_force(now).exclude(expires_at=None)
    ids = list(ending.filter(pk__in=suppressions.values("pk")).values_list("pk", flat=True))
    for part in in_lists(ids):
        rows = list(ending.filter(Q(pk__in=part) | Q(follows__in=part)))
        Suppression.objects.filter(pk__in=[row.pk for row in rows]).update(expires_at=None)
        _announce(rows)
    return len(ids)


@transaction.atomic
def release(suppression: Suppression, *, by: User | None, note: str, now: datetime) -> None:
    """Lift a suppression, and what extends it; one that is lifted already stays as it is.

    One that stood for failures also takes back the failures counted, else the gate would go on refusing the
    address for them. Raises CannotRelease for what the person asked for, and for what `by` may not lift.
    """
    mine = Suppression.objects.filter(Q(pk=suppression.pk) | Q(follows=suppression), released_at=None)
    lifted = lift(mine.filter(liftable_by(by)), by=by, note=note, now=now)
    suppression.refresh_from_db()
    if suppression.released_at is None:
        raise CannotRelease(suppression)
    if lifted and suppression.counts_failures:
        _forgive([suppression], now)


def release_each(
    suppressions: QuerySet[Suppression], *, by: User | None, note: str, now: datetime
) -> set[int]:
    """`release` for many of staff's own at once: the keys of those lifted. Whatever is stronger stays."""
    mine = suppressions.filter(of([Lifter.STAFF]), released_at=None)
    rows = list(mine.only("value", "match_key", "channel", "reason", "contact_id"))
    lift(mine.filter(pk__in=[row.pk for row in rows]), by=by, note=note, now=now)
    _forgive([row for row in rows if row.counts_failures], now)
    return {row.pk for row in rows}


def lift_mistaken(suppressions: QuerySet[Suppression], *, note: str, now: datetime) -> int:
    """Lift blocks that stood for a misread word of a provider; return how many there were.

    Also those that passed for the person's own wish, since they never said so.
    """
    ids = list(suppressions.filter(released_at=None).values_list("pk", flat=True))
    unreleased = Suppression.objects.filter(Q(pk__in=ids) | Q(follows__in=ids), released_at=None)
    return lift(unreleased, by=None, note=f"{MAPPING_CORRECTED}: {note}", now=now)


def lift(unreleased: QuerySet[Suppression], *, by: User | None, note: str, now: datetime) -> int:
    """End these, whoever asked for them; return how many there were."""
    rows = list(unreleased.only("value", "contact_id"))
    done = unreleased.update(released_at=now, released_by=by, release_note=note[:LONGEST_NOTE])
    _announce(rows)
    return done


def end_pauses(now: datetime, limit: int) -> int:
    """Release what a rule made of failures and what has ended by itself: what failed there is forgotten, and the people
    are looked at again. Return how many there were. Call in a transaction."""
    over = Suppression.objects.filter(
        released_at=None,
        expires_at__isnull=False,
        expires_at__lte=now,
        origin=Suppression.Origin.RULE,
        reason__in=Suppression.OF_FAILURES,
    )
    rows = list(over.order_by("expires_at")[:limit])
    lift(over.filter(pk__in=[row.pk for row in rows]), by=None, note=PAUSE_OVER, now=now)
    _forgive(rows, now)
    return len(rows)


def lift_failures(address: Address, *, by: User | None, note: str, now: datetime) -> int:
    """Lift what rules made of failures of this address, which is right after all; return how many there were."""
    mine = Suppression.objects.in_force(now).filter(
        match_key=address.match_key, origin=Suppression.Origin.RULE, reason__in=Suppression.OF_FAILURES
    )
    return lift(mine.exclude(value=""), by=by, note=note, now=now)


def _forgive(lifted: Collection[Suppression], now: datetime) -> None:
    """What failed at these addresses and contacts does not count any more, nor what it said of their other channels."""
    keys: defaultdict[str, set[str]] = defaultdict(set)
    contacts: defaultdict[str, set[int]] = defaultdict(set)
    for one in lifted:
        if one.value:
            keys[one.channel].add(one.match_key)
        elif one.contact_id:
            contacts[one.channel].add(one.contact_id)
    for channel, those in keys.items():
        for part in in_lists(those):
            _forget(AddressHealth.objects.filter(address__match_key__in=part), channel, now)
    for channel, people in contacts.items():
        for ids in in_lists(people):
            _forget(AddressHealth.objects.filter(address__contact__in=ids), channel, now)


def _forget(health: QuerySet[AddressHealth], channel: str, now: datetime) -> None:
    if channel:
        # What failed there may have closed others of the number; what failed elsewhere still closes them.
        closed_by_it = Q(hard_fails=0, closed_why__endswith=reported_by(channel)) & ~Q(closed="")
        health = health.filter(Q(channel=channel) | closed_by_it)
    health.update(hard_fails=0, enough=0, closed="", closed_why="", cleared_at=now, updated_at=now)
