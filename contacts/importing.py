"""Import contacts from a file: every line is checked before anything is written, and then all is written at once.

An import adds and fills in. It never empties a field, never lifts a suppression and never undoes an opt-out.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import BinaryIO

import phonenumbers
from django.db import connection, transaction

from accounts.models import User
from contacts.addresses import match_key
from contacts.channels import KIND_OF, Channel
from contacts.chunks import chunks, in_lists
from contacts.consent_ledger import family_of
from contacts.grounds import day
from contacts.headers import UnreadableFile
from contacts.import_matches import Known
from contacts.models import Address, Consent, Contact, ContactList, ListMembership
from contacts.sheet_lines import LONGEST_HOW, Refusal, SheetLine, understand
from contacts.sheets import SheetRow, read_sheet
from contacts.slugs import free_slug
from contacts.suppressing import carry_over

WRITTEN_AT_ONCE = 2_000  # rows of one INSERT; Django makes it fewer where SQLite takes fewer parameters
MANY = 1_000  # lines from which on the database has to count its rows anew
DETAIL_FIELDS = ("name", "external_id", "time_zone", "locale", "stage", "value_tier", "attributes")

Progress = Callable[[Sequence[SheetRow]], Iterable[SheetRow]]


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


def import_contacts(
    file: BinaryIO,
    *,
    contact_list: ContactList | str,
    region: str,
    consent: Sequence[str] = (),
    how: str = "",
    now: datetime,
    by: User | None = None,
    strict: bool = False,
    dry_run: bool = False,
    day_first: bool | None = None,
    progress: Progress = iter,
) -> ImportResult:
    """Import a CSV file into a list, which is made when only its name is given and it does not exist.

    Refused lines are left out and listed; with `strict` a single one keeps the whole file out. `consent` and `how`
    hold for files without such columns. `day_first` says how dates such as 03/04/2026 are meant; None takes it from
    the file. `dry_run` tells what would happen. `progress` wraps the rows as they are checked. Raises
    UnreadableFile; a database error leaves nothing behind.
    """
    _check_options(contact_list, region, consent, how)
    sheet = read_sheet(file, day_first=day_first)
    result = ImportResult(lines=len(sheet.rows), notes=sheet.notes)
    lines = []
    for row in progress(sheet.rows):
        found = understand(
            row, region=region, consent=tuple(consent), how=how, now=now, day_first=sheet.day_first
        )
        if isinstance(found, SheetLine):
            lines.append(found)
        else:
            result.refused += found
    with transaction.atomic():
        plan = _Plan(lines, contact_list, result, now, by)
        result.refused.sort(key=lambda each: each.line)
        held_back = dry_run or (strict and result.refused)
        if result.accepted and not held_back:
            plan.write()
            result.written = True
    if result.written and result.accepted >= MANY:
        _count_rows()
    return result


def _count_rows() -> None:
    """Have PostgreSQL see at once how many contacts there are.

    By itself it does within a minute or two. A campaign launched before that is expanded as if there were none: one
    loop inside the other, for hours.
    """
    if connection.vendor == "postgresql":
        tables = ", ".join(model._meta.db_table for model in (Contact, Address, ListMembership, Consent))
        with connection.cursor() as cursor:
            cursor.execute(f"ANALYZE {tables}")


def _check_options(contact_list: ContactList | str, region: str, consent: Sequence[str], how: str) -> None:
    if region not in phonenumbers.SUPPORTED_REGIONS:
        raise UnreadableFile(f"“{region}” is no country. Use two capital letters, such as US.")
    unknown = [channel for channel in consent if channel not in Channel.values]
    if unknown:
        raise UnreadableFile(f"“{unknown[0]}” is no channel. Use {', '.join(Channel.values)}.")
    if consent and not how.strip():
        raise UnreadableFile("Say how consent was given, such as “Web form”.")
    if len(how) > LONGEST_HOW:
        raise UnreadableFile(f"How consent was given is kept in {LONGEST_HOW} characters at most.")
    if isinstance(contact_list, str) and not 0 < len(contact_list.strip()) <= 120:
        raise UnreadableFile("The list needs a name of 120 characters at most.")


class _Plan:
    """What an import would change. Making it only reads; `write` changes, inside the caller's transaction."""

    def __init__(
        self,
        lines: list[SheetLine],
        contact_list: ContactList | str,
        result: ImportResult,
        now: datetime,
        by: User | None,
    ) -> None:
        self.contact_list = contact_list
        self.result = result
        self.now = now
        self.by = by
        self.known = Known(lines, contact_list, now)
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
        contact = match or Contact(source_id=None, created_at=self.now)
        differs = self._fill_in(contact, line)
        differs |= self._add_addresses(contact, line)
        differs |= self._add_consents(contact, line)
        if match is None:
            self.new.append(contact)
            self.result.added += 1
        elif differs or contact.pk not in self.known.members:
            self.result.updated += 1
        else:
            self.result.unchanged += 1
        if match is None or contact.pk not in self.known.members:
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

    def _remember(self, line: SheetLine, match: Contact | None) -> None:
        if match:
            self._line_of_contact[match.pk] = line.number
        for address in line.addresses:
            self._lines_of_key[match_key(address.value)].append(line)
        if line.external_id:
            self._lines_of_key["id " + line.external_id].append(line)

    def _fill_in(self, contact: Contact, line: SheetLine) -> bool:
        wanted = dict(line.details)
        if line.external_id:
            wanted["external_id"] = line.external_id
        if line.attributes:
            wanted["attributes"] = {**contact.attributes, **line.attributes}
        changed = tuple(
            name for name in DETAIL_FIELDS if name in wanted and wanted[name] != getattr(contact, name)
        )
        for name in changed:
            setattr(contact, name, wanted[name])
        if changed and contact.pk:
            self.changed[changed].append(contact)
        return bool(changed)

    def _add_addresses(self, contact: Contact, line: SheetLine) -> bool:
        """New addresses become the preferred ones. One that is known stays as staff or its failures left it."""
        own = self.known.addresses[contact.pk] if contact.pk else []
        theirs = {known.match_key for known in own}
        new = [each for each in line.addresses if match_key(each.value) not in theirs]
        kinds = {each.kind for each in new}
        self.replaced += [known.pk for known in own if known.preferred and known.kind in kinds]
        self.addresses += [(contact, each) for each in new]
        return bool(new)

    def _add_consents(self, contact: Contact, line: SheetLine) -> bool:
        count = len(self.consents)
        self.result.without_consent += line.without_consent
        for channel in line.consent:
            latest = self.known.consents.get((contact.pk, channel)) if contact.pk else None
            if latest and latest.opted_in:
                continue
            out_since = latest.at if latest else self._no_to_sibling(contact, channel)
            out_since = out_since or self._opted_out_at(line, channel)
            if out_since:
                why = f"opted out on {day(out_since)}; only the person can opt back in"
                remedy = "The line was imported without this consent."
                self.result.without_consent.append(Refusal(line.number, "consent", channel, why, remedy))
                continue
            self.consents.append((contact, self._consent(line, channel)))
        self.result.consents = len(self.consents)
        return len(self.consents) > count

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
        return Consent(
            channel=channel,
            opted_in=True,
            at=line.consent_at or self.now,
            how=line.consent_how,
            origin=Consent.Origin.IMPORT,
            evidence=f"Import into {self.contact_list}, line {line.number}",
            recorded_by=self.by,
        )

    # ---- All of them ----------------------------------------------------------------------------------------

    def write(self) -> None:
        into = (
            _list_named(self.contact_list.strip())
            if isinstance(self.contact_list, str)
            else self.contact_list
        )
        for contact in self.new:
            contact.source = into
        Contact.objects.bulk_create(self.new, batch_size=WRITTEN_AT_ONCE)
        for fields, contacts in self.changed.items():
            _update(contacts, fields)
        for part in in_lists(self.replaced):  # first: one address of a kind is preferred at most
            Address.objects.filter(pk__in=part).update(preferred=False)
        for contact, address in self.addresses:
            address.contact = contact
        known = [each for contact, each in self.addresses if contact.pk in self.known.contacts]
        Address.objects.bulk_create([each for _, each in self.addresses], batch_size=WRITTEN_AT_ONCE)
        carry_over(known, self.now)
        joins = (ListMembership(contact=each, contact_list=into, added_at=self.now) for each in self.joining)
        ListMembership.objects.bulk_create(joins, batch_size=WRITTEN_AT_ONCE, ignore_conflicts=True)
        for contact, consent in self.consents:
            consent.contact = contact
        Consent.objects.bulk_create([each for _, each in self.consents], batch_size=WRITTEN_AT_ONCE)


def _update(contacts: list[Contact], fields: tuple[str, ...]) -> None:
    """One upsert on the primary key for each portion: far cheaper than `bulk_update`'s CASE for every field."""
    derived = ["search_name", "updated_at"]
    for part in chunks(contacts, WRITTEN_AT_ONCE):
        Contact.objects.bulk_create(
            part, update_conflicts=True, unique_fields=["id"], update_fields=[*fields, *derived]
        )


def _list_named(name: str) -> ContactList:
    found = ContactList.objects.filter(name=name).first()
    if found:
        return found
    return ContactList.objects.create(name=name, slug=free_slug(name, ContactList.objects.all(), "list"))
