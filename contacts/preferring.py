"""What a person chose to get from us, by the kinds they know: texts, calls, email. Shown, and changed by themselves.

Who holds a link that went to one address of a person speaks for the person, with two exceptions: a no that was said at
another address, such as a STOP, is taken back there alone; and so is one that somebody else said who has the address.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from contacts.blocking import Block, Target, blocks
from contacts.channels import KIND_OF, Channel
from contacts.consent_ledger import LatestConsent, counting_on, family_of, latest_consents
from contacts.consenting import record_own_choice, record_own_opt_in, record_request
from contacts.models import Address, Consent, Suppression

HOW = "Preference page"
KEPT_OFF = "Kept off when"  # how a no begins that nobody said anew: it was off, and goes on being so
MOST_A_DAY = 10  # times that a person may turn something on; off they may turn it as often as they like


@dataclass(frozen=True)
class Sort:
    """What people choose between: the first channel of a family, its name, and the words by which they turn it on."""

    channel: str
    name: str
    wording: str

    @property
    def kept_off(self) -> str:
        """How it came that something else stays off while this is turned on."""
        were = "were" if "messages" in self.name or " and " in self.name else "was"
        return f"{KEPT_OFF} {self.name.lower()} {were} turned on"


SORTS = [
    Sort(
        Channel.SMS,
        "Text messages",
        "I agree to get text messages from you at this number, also such that advertise. My provider may charge me for "
        "them. I can end it at any time, here or by answering STOP.",
    ),
    Sort(
        Channel.VOICE,
        "Calls and voicemail",
        "I agree to get calls and voicemail from you at this number, also with recorded voices and such that advertise."
        " I need not agree to buy anything. I can end it at any time, here or by pressing 9.",
    ),
    Sort(
        Channel.EMAIL,
        "Email",
        "I agree to get email from you at this address, also such that advertises. I can end it at any time, here or by"
        " the link in each email.",
    ),
]


@dataclass(frozen=True)
class Preference:
    """How it stands with one sort. `agreed`: they did, and would get it if nothing were blocked. `fixed`: it is off by
    what was said elsewhere, and cannot be turned on here; `carried`: that was at an earlier address. `ended`: they want
    nothing at all."""

    sort: Sort
    address: Address
    on: bool
    agreed: bool
    fixed: bool
    carried: bool
    ended: bool


class Turned(StrEnum):
    """What became of a wish to turn something on."""

    SAVED = "saved"
    UNCHANGED = "unchanged"  # it is on, or not to be turned on here
    SHARED = "shared"  # they agreed; somebody who has the address too has said no
    TOO_OFTEN = "tomorrow"  # as often today as anybody may mean it


def is_theirs(address: Address) -> bool:
    """Whether it still is the address of its contact that counts: one that was replaced may be a stranger's by now."""
    return bool(address.value) and address.preferred and address.validity != Address.Validity.INVALID


def preferences(address: Address, now: datetime) -> list[Preference]:
    """Of the person whose address this is, in the order of `SORTS`, where they have an address for it. Five queries."""
    theirs = {one.kind: one for one in Address.objects.filter(contact=address.contact_id) if is_theirs(one)}
    shown = [(sort, theirs[kind]) for sort in SORTS if (kind := KIND_OF[Channel(sort.channel)]) in theirs]
    targets = {
        (sort.channel, one): Target.at(at, at.contact_id, one)
        for sort, at in shown
        for one in family_of(sort.channel)
    }
    met = blocks(set(targets.values()), now)
    asked = {
        key: [block for block in met[target] if block.origin == Suppression.Origin.RECIPIENT]
        for key, target in targets.items()
    }
    consents = latest_consents([address.contact_id])
    of_the_person = _of_the_whole_person(asked.values())
    found = []
    for sort, at in shown:
        family = family_of(sort.channel)
        on = any(not asked[sort.channel, one] and _agreed(consents, at, one) for one in family)
        own = at.pk == address.pk
        met_here = [block for one in family for block in asked[sort.channel, one]]
        fixing = [
            block
            for block in met_here
            if block.reason not in Suppression.BY_WORD or not (own or block.id in of_the_person)
        ]
        agreed = any(_agreed(consents, at, one) for one in family)
        carried = all(block.fact.startswith("follows ") for block in fixing)
        ended = any(not block.match_key and not block.channel for block in met_here)
        found.append(Preference(sort, at, on, agreed, bool(fixing) and not on, carried, ended))
    return found


def _agreed(consents: dict[tuple[int, str], LatestConsent], address: Address, channel: str) -> bool:
    known = [consents.get((address.contact_id, one)) for one in counting_on(channel)]
    first = next(filter(None, known), None)
    return first is not None and first.opted_in


def _of_the_whole_person(asked: Collection[list[Block]]) -> set[int]:
    """Those of these blocks that were asked for as a person, or follow one that was."""
    all_of_them = {block.id: block for those in asked for block in those}
    whole = {pk for pk, block in all_of_them.items() if not block.match_key}
    following = Suppression.objects.filter(pk__in=all_of_them.keys() - whole, follows__value="")
    return whole | set(following.values_list("pk", flat=True))


def turn_off(address: Address, channel: str, evidence: str, now: datetime) -> None:
    """The person at the address wants nothing on the channel's family any more; with '' on none at all."""
    contact = address.contact
    record_request(contact=contact, channel=channel, evidence=evidence, by=None, now=now, how=HOW)


def turn_on(
    address: Address, channel: str, evidence: str, now: datetime, own: Collection[str] = ()
) -> Turned:
    """The person agrees anew, and for themselves alone. `own` names the facts of what they said by their own links.

    What is off and was not turned on stays off, whatever is lifted with it: that is written down first, as what it is.
    """
    known = preferences(address, now)
    wanted = next((one for one in known if one.sort.channel == channel), None)
    if wanted is None or wanted.on or wanted.fixed:
        return Turned.UNCHANGED
    if _times_today(address.contact_id, now) >= MOST_A_DAY:
        return Turned.TOO_OFTEN
    for other in known:
        if other.agreed and not other.on and other is not wanted:
            kept = wanted.sort.kept_off
            record_own_choice(
                address.contact, other.sort.channel, opted_in=False, how=kept,
                evidence=f"{evidence}; {kept[0].lower()}{kept[1:]}", at=now,
            )  # fmt: skip
    wording = wanted.sort.wording
    if wanted.address.pk == address.pk:
        record_own_opt_in(address, channel, own, how=HOW, evidence=evidence, at=now, wording=wording)
    else:
        record_own_choice(
            address.contact, channel, opted_in=True, how=HOW, evidence=evidence, at=now, wording=wording
        )
    after = next(one for one in preferences(address, now) if one.sort == wanted.sort)
    return Turned.SAVED if after.on else Turned.SHARED


def _times_today(contact_id: int, now: datetime) -> int:
    since = now - timedelta(days=1)
    mine = Consent.objects.filter(contact=contact_id, how=HOW, opted_in=True, at__gt=since)
    return mine.values("at").distinct().count()
