"""What an import of some lines would change. Making the plan only reads; `write` changes.

An import adds and fills in. It never empties a field, never lifts a suppression and never undoes an opt-out.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from accounts.models import User
from contacts.addresses import match_key
from contacts.carrying import carry
from contacts.channels import KIND_OF, Channel
from contacts.chunks import chunks, in_lists
from contacts.consent_ledger import family_of
from contacts.folding import words
from contacts.grounds import day
from contacts.import_matches import KnownPeople
from contacts.models import Address, Consent, Contact, ContactImport, ContactList, ListMembership
from contacts.row_writing import Blank, insert, refer
from contacts.sheet_lines import Refusal, SheetLine

WRITTEN_AT_ONCE = 2_000  # rows of one INSERT; Django makes it fewer where SQLite takes fewer parameters
_contact, _consent = Blank(Contact), Blank(Consent)
DETAIL_FIELDS = ("name", "external_id", "time_zone", "locale", "stage", "value_tier", "attributes")


@dataclass
class ImportResult:
    """What became of the file's lines: lines = added + updated + unchanged + refused lines.

    `refused` may name a line several times, once for each fault. `without_consent` lists lines that were imported
    while the consent they claim was not. `notes` are sentences about the file as a whole, such as columns that were
    left out. `written` is False for a test run, and when nothing was imported.
    """

    lines: int = 0
    added: int = 0
    updated: int = 0
    unchanged: int = 0
    consents: int = 0
    refused: list[Refusal] = field(default_factory=list)
    without_consent: list[Refusal] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    written: bool = False

    @property
    def accepted(self) -> int:
        return self.added + self.updated + self.unchanged

    @property
    def refused_lines(self) -> int:
        return len({each.line for each in self.refused})


class EarlierLine(NamedTuple):
    """An earlier line of the same file, and whether it added its person."""

    line: int
    added: bool


def _nobody(contact_ids: Collection[int]) -> dict[int, EarlierLine]:
    return {}


@dataclass(frozen=True)
class PlanOptions:
    """How the lines are to be imported.

    `fill_in`: whether the details and addresses of people already here change. `source`: where new people come from,
    None for the list itself, and `brought_by` the import that they are kept to come from. `join`: whether people are
    put on the list at once. `name` stands in the evidence of consents, and `wording` beside it. `earlier` finds which
    of these contacts an earlier line of the file was about.
    """

    fill_in: bool = True
    source: ContactList | None = None
    brought_by: ContactImport | None = None
    join: bool = True
    name: str = "Import"
    wording: str = ""
    earlier: Callable[[Collection[int]], Mapping[int, EarlierLine]] = _nobody


def are_two_names(one: str, other: str) -> bool:
    """Whether they are those of two people: "Rob Lee" and "Lee, Robert" are not, "Rob Lee" and "Dana Lee" are."""
    if not one or not other or one == other:  # as nearly all are, and reading words takes time
        return False
    shorter, longer = sorted((words(one).split(), words(other).split()), key=len)
    return not all(any(a.startswith(b) or b.startswith(a) for b in longer) for a in shorter)


@dataclass
class PlannedPerson:
    """What an accepted line changes: the old and the new value of each field by name, and the rows it makes. `agreed`
    are channels that it says yes to and they had agreed to before. `names_another`: it is about somebody else by name.
    """

    contact: Contact
    line: int
    added: bool
    joins: bool = False
    differs: bool = False
    names_another: bool = False
    fields: dict[str, tuple[Any, Any]] = field(default_factory=dict)
    addresses: list[Address] = field(default_factory=list)
    replaced: list[int] = field(default_factory=list)
    consents: list[Consent] = field(default_factory=list)
    agreed: list[str] = field(default_factory=list)


class ImportPlan:
    """What an import would change. Making it only reads; `write` changes, inside the caller's transaction.

    `people` are the accepted lines, in order.
    """

    def __init__(
        self,
        lines: list[SheetLine],
        contact_list: ContactList | str,
        result: ImportResult,
        now: datetime,
        by: User | None,
        options: PlanOptions | None = None,
    ) -> None:
        self.options = options or PlanOptions()
        self.people: list[PlannedPerson] = []
        self.contact_list = contact_list
        self.result = result
        self.now = now
        self.by = by
        self.known = KnownPeople(lines, contact_list, now)
        self._earlier = self.options.earlier(self.known.contacts.keys())
        self.new: list[Contact] = []
        self.changed: defaultdict[tuple[str, ...], list[Contact]] = defaultdict(list)
        self.addresses: list[tuple[Contact, Address]] = []
        self.replaced: list[int] = []
        self.joining: list[Contact] = []
        self.consents: list[tuple[Contact, Consent]] = []
        self._line_of_contact: dict[int, int] = {}
        self._lines_of_key: defaultdict[str, list[SheetLine]] = defaultdict(list)
        for line in lines:
            self._consider(line)

    # ---- One line -------------------------------------------------------------------------------------------

    def _consider(self, line: SheetLine) -> None:
        match = self._match(line)
        if isinstance(match, Refusal):
            self.result.refused.append(match)
            return
        again = self._seen_before(line, match)
        if again:
            self.result.refused.append(again)
            return
        if match is None and not line.addresses:
            why = f"nobody has the external_id {line.external_id}, and there is no phone or email to add them with"
            self.result.refused.append(
                Refusal(line.number, "external_id", line.external_id, why, "Add a phone or an email.")
            )
            return
        self._remember(line, match)
        self._accept(line, match)

    def _accept(self, line: SheetLine, match: Contact | None) -> None:
        contact = match or _contact(created_at=self.now)
        person = PlannedPerson(contact, line.number, added=match is None)
        person.names_another = are_two_names(contact.name, line.details.get("name", ""))
        if match is None or self.options.fill_in:
            self._fill_in(person, line)
            self._add_addresses(person, line)
        self._add_consents(person, line)
        person.joins = match is None or contact.pk not in self.known.members
        person.differs = bool(person.fields or person.addresses or person.consents)
        self.people.append(person)
        if match is None:
            self.new.append(contact)
            self.result.added += 1
        elif person.differs or person.joins:
            self.result.updated += 1
        else:
            self.result.unchanged += 1
        if person.joins:
            self.joining.append(contact)

    def _match(self, line: SheetLine) -> Contact | Refusal | None:
        """The contact this line is about; None for somebody new; a Refusal when it could be several."""
        by_id = self.known.by_external_id.get(line.external_id, set()) if line.external_id else set()
        if len(by_id) > 1:
            return self._several(line, "external_id", line.external_id, by_id)
        if by_id:
            return self.known.contacts[min(by_id)]
        candidates = [self._candidates(line, address) for address in line.addresses]
        for address, found in zip(line.addresses, candidates, strict=True):
            narrowed = set.intersection(*(each for each in candidates if each)) if len(found) > 1 else found
            if len(narrowed) == 1:
                return self.known.contacts[min(narrowed)]
            if found:
                return self._several(line, address.kind, address.value, found)
        return None

    def _candidates(self, line: SheetLine, address: Address) -> set[int]:
        """Contacts with this address, but for those that another external_id tells apart from the line."""
        found = self.known.by_key.get(match_key(address.value), set())
        if not line.external_id:
            return found
        return {pk for pk in found if self.known.contacts[pk].external_id in ("", line.external_id)}

    def _several(self, line: SheetLine, column: str, value: str, found: set[int]) -> Refusal:
        why = f"{len(found)} contacts have it, so it is not clear who is meant"
        return Refusal(line.number, column, value, why, "Give the external_id of the one you mean.")

    def _seen_before(self, line: SheetLine, match: Contact | None) -> Refusal | None:
        """Whether an earlier line of the file is about the same person."""
        earlier = self._line_of_contact.get(match.pk) if match else None
        earlier = earlier or self._line_before(line, match)
        keys = [match_key(address.value) for address in line.addresses]
        for other in (other for key in keys for other in self._lines_of_key[key]):
            apart = line.external_id and other.external_id and line.external_id != other.external_id
            earlier = earlier or (None if apart else other.number)
        if line.external_id and not earlier:
            earlier = next((other.number for other in self._lines_of_key["id " + line.external_id]), None)
        if not earlier:
            return None
        why = f"it is the same person as line {earlier}"
        remedy = "Remove one of the two, or give them different external_ids if they are two people."
        return Refusal(line.number, "", "", why, remedy)

    def _line_before(self, line: SheetLine, match: Contact | None) -> int | None:
        """The line about the same person in a part of the file that is imported already."""
        if match and match.pk in self._earlier:
            return self._earlier[match.pk].line
        for pk in (pk for each in line.addresses for pk in self.known.by_key.get(match_key(each.value), ())):
            theirs = self.known.contacts[pk].external_id
            apart = line.external_id and theirs and line.external_id != theirs
            if not apart and pk in self._earlier and self._earlier[pk].added:
                return self._earlier[pk].line
        return None

    def _remember(self, line: SheetLine, match: Contact | None) -> None:
        if match:
            self._line_of_contact[match.pk] = line.number
        for address in line.addresses:
            self._lines_of_key[match_key(address.value)].append(line)
        if line.external_id:
            self._lines_of_key["id " + line.external_id].append(line)

    def _fill_in(self, person: PlannedPerson, line: SheetLine) -> None:
        contact, wanted = person.contact, dict(line.details)
        if line.external_id:
            wanted["external_id"] = line.external_id
        if line.attributes:
            wanted["attributes"] = {**contact.attributes, **line.attributes}
        for name in DETAIL_FIELDS:
            if name in wanted and wanted[name] != getattr(contact, name):
                person.fields[name] = (getattr(contact, name), wanted[name])
                setattr(contact, name, wanted[name])
        if person.fields and not person.added:
            self.changed[tuple(person.fields)].append(contact)

    def _add_addresses(self, person: PlannedPerson, line: SheetLine) -> None:
        """New addresses become the preferred ones. One that is known stays as staff or its failures left it."""
        own = [] if person.added else self.known.addresses[person.contact.pk]
        theirs = {known.match_key for known in own}
        person.addresses = [each for each in line.addresses if match_key(each.value) not in theirs]
        kinds = {each.kind for each in person.addresses}
        person.replaced = [known.pk for known in own if known.preferred and known.kind in kinds]
        self.replaced += person.replaced
        self.addresses += [(person.contact, each) for each in person.addresses]

    def _add_consents(self, person: PlannedPerson, line: SheetLine) -> None:
        contact = person.contact
        self.result.without_consent += line.without_consent
        for channel in line.consent:
            latest = self.known.consents.get((contact.pk, channel)) if contact.pk else None
            renamed = person.names_another and self.options.fill_in
            if (
                latest and latest.opted_in and not renamed
            ):  # what somebody else agreed to is none of whom it becomes
                person.agreed.append(channel)
                continue
            if person.names_another and not renamed:
                why = f"your file names {line.details['name']}, and it belongs to somebody else here"
                remedy = "Update the details of people already here as well where they are one person."
                self.result.without_consent.append(Refusal(line.number, "consent", channel, why, remedy))
                continue
            if self._is_for_another_address(person, line, channel):
                why = "it was given with an address that they do not have here"
                remedy = "Update the details of people already here as well to record it."
                self.result.without_consent.append(Refusal(line.number, "consent", channel, why, remedy))
                continue
            yes = latest is not None and latest.opted_in
            out_since = latest.at if latest and not yes else None
            out_since = out_since or (None if yes else self._no_to_sibling(contact, channel))
            out_since = out_since or self._opted_out_at(line, channel)
            if out_since:
                why = f"opted out on {day(out_since)}; only the person can opt back in"
                remedy = "The line was imported without this consent."
                self.result.without_consent.append(Refusal(line.number, "consent", channel, why, remedy))
                continue
            person.consents.append(self._consent(line, channel))
        self.consents += [(contact, each) for each in person.consents]
        self.result.consents = len(self.consents)

    def _is_for_another_address(self, person: PlannedPerson, line: SheetLine, channel: str) -> bool:
        """Where their addresses stay as they are, messages would go to one that nobody agreed to."""
        if person.added or self.options.fill_in:
            return False
        theirs = {known.match_key for known in self.known.addresses[person.contact.pk]}
        kind = KIND_OF[Channel(channel)]
        return any(each.kind == kind and match_key(each.value) not in theirs for each in line.addresses)

    def _no_to_sibling(self, contact: Contact, channel: str) -> datetime | None:
        """A no to texts is one to picture messages, as long as those have no word of their own."""
        siblings = (
            [self.known.consents.get((contact.pk, each)) for each in family_of(channel)] if contact.pk else []
        )
        return next((each.at for each in siblings if each and not each.opted_in), None)

    def _opted_out_at(self, line: SheetLine, channel: str) -> datetime | None:
        kind = KIND_OF[Channel(channel)]
        keys = [match_key(address.value) for address in line.addresses if address.kind == kind]
        return next((self.known.opted_out[key] for key in keys if key in self.known.opted_out), None)

    def _consent(self, line: SheetLine, channel: str) -> Consent:
        return _consent(
            channel=channel,
            opted_in=True,
            at=line.consent_at or self.now,
            how=line.consent_how,
            origin=Consent.Origin.IMPORT,
            wording=self.options.wording,
            evidence=f"{self.options.name} into {self.contact_list}, line {line.number}",
            recorded_by_id=self.by.pk if self.by else None,
        )

    # ---- All of them ----------------------------------------------------------------------------------------

    def write(self, into: ContactList) -> None:
        source, brought_by = self.options.source or into, self.options.brought_by
        for contact in self.new:
            refer(contact, "source", source)
            if brought_by:
                refer(contact, "first_import", brought_by)
        insert(Contact, self.new)
        for fields, contacts in self.changed.items():
            _update(contacts, fields)
        for part in in_lists(self.replaced):  # first: one address of a kind is preferred at most
            Address.objects.filter(pk__in=part).update(preferred=False)
        for contact, address in self.addresses:
            refer(address, "contact", contact)
        here = {contact.pk for contact, _ in self.addresses if contact.pk in self.known.contacts}
        Address.objects.insert([each for _, each in self.addresses])
        carry([each for pk in here for each in self.known.addresses[pk]], here, self.now)
        if self.options.join:
            joins = (
                ListMembership(contact=each, contact_list=into, added_at=self.now) for each in self.joining
            )
            ListMembership.objects.bulk_create(joins, batch_size=WRITTEN_AT_ONCE, ignore_conflicts=True)
        for contact, consent in self.consents:
            refer(consent, "contact", contact)
        insert(Consent, [each for _, each in self.consents])


def _update(contacts: list[Contact], fields: tuple[str, ...]) -> None:
    """One upsert on the primary key for each portion: far cheaper than `bulk_update`'s CASE for every field."""
    derived = ["search_name", "updated_at"]
    for part in chunks(contacts, WRITTEN_AT_ONCE):
        Contact.objects.bulk_create(
            part, update_conflicts=True, unique_fields=["id"], update_fields=[*fields, *derived]
        )
