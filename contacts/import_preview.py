"""What an uploaded file would become, before anything is written."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from contacts.addresses import match_key
from contacts.channels import Channel, Kind
from contacts.erased_files import part_of
from contacts.import_columns import AGREEMENTS, guessed_uses
from contacts.import_options import ImportOptions
from contacts.import_plan import ImportPlan, PlannedPerson
from contacts.import_runs import PartPlan, add_faults
from contacts.models import ContactImport
from contacts.sheet_lines import Refusal, SheetLine

SHOWN = 20  # lines
CHECKED = 3  # parts of the file that are checked at once; the others are checked as they are imported
SAMPLES = 3  # cells of a column


@dataclass
class PreviewLine:
    """A line as it would be stored. `becomes` says in a word what it does; `faults` why it is refused, or why the
    consent on it is; `differs` that the file names somebody else than `on_record`, and what comes of it. `agreed` are
    channels that whoever is on record had agreed to before."""

    line: int
    becomes: str
    name: str = ""
    addresses: list[str] = field(default_factory=list)
    details: list[str] = field(default_factory=list)
    consent: list[str] = field(default_factory=list)
    agreed: list[str] = field(default_factory=list)
    differs: str = ""
    on_record: str = ""
    opted_out: list[str] = field(default_factory=list)
    faults: list[Refusal] = field(default_factory=list)


def samples(draft: ContactImport) -> list[list[str]]:
    first = draft.chunks.order_by("number").first()
    return [row.cells for row in part_of(first).rows[:SAMPLES]] if first else []


def check(draft: ContactImport, now: datetime) -> dict[str, Any]:
    """Counts and faults of the first lines: {"lines", "added", "updated", "unchanged", "refused", "consents",
    "agreed", "without", "opt_outs", "saying_no", "says_no", "faults"}. `agreed` are consents that were here before, and
    `without` those that are not recorded. `saying_no` are lines that plainly say no where nobody looks for it,
    and `says_no` the words on the first of them."""
    found: dict[str, Any] = dict.fromkeys(
        ("lines", "added", "updated", "unchanged", "refused", "consents", "agreed", "without", "opt_outs"), 0
    )
    found |= {"faults": [], "saying_no": 0, "says_no": ""}
    for chunk in draft.chunks.order_by("number")[:CHECKED]:
        part = PartPlan(draft, chunk, now)
        for name in ("lines", "added", "updated", "unchanged", "consents"):
            found[name] += getattr(part.result, name)
        found["refused"] += part.result.refused_lines
        found["agreed"] += sum(len(person.agreed) for person in part.plan.people)
        found["without"] += len(part.result.without_consent)
        found["opt_outs"] += sum(1 for read in part.read if read.opted_out)
        no = [read.says_no for read in part.read if read.says_no and not read.opted_out]
        found["saying_no"] += len(no)
        found["says_no"] = found["says_no"] or (no[0] if no else "")
        found["faults"] = add_faults(found["faults"], part.result)
    return found


def first_lines(draft: ContactImport, now: datetime) -> list[PreviewLine]:
    chunk = draft.chunks.order_by("number").first()
    if chunk is None:
        return []
    part = PartPlan(draft, chunk, now, most=SHOWN)
    people = {each.line: each for each in part.plan.people}
    lines = {each.number: each for each in part.lines}
    faults: defaultdict[int, list[Refusal]] = defaultdict(list)
    for fault in (*part.result.refused, *part.result.without_consent):
        faults[fault.line].append(fault)
    shown = []
    for read in part.read:
        number = read.row.line
        made = PreviewLine(number, "Refused")
        if number in people:
            made = _line(people[number], lines[number])
            made.differs = _differs(people[number], lines[number], part.plan)
            made.on_record = _on_record(people[number]) if made.differs else ""
        made.opted_out = [Channel(each).label for each in read.opted_out]
        made.faults = faults[number]
        if made.becomes == "Refused":
            made.name = read.row.cells.get("name", "")
        shown.append(made)
    return shown


def _line(person: PlannedPerson, line: SheetLine) -> PreviewLine:
    if person.added:
        becomes = "New"
    elif person.fields or person.addresses:
        becomes = "Updated"
    else:
        becomes = "Already here"
    contact = person.contact
    given = {
        **line.details,
        **line.attributes,
        **({"external id": line.external_id} if line.external_id else {}),
    }
    details = [f"{name.replace('_', ' ')}: {value}" for name, value in given.items() if name != "name"]
    return PreviewLine(
        person.line,
        becomes,
        contact.name,
        [each.value for each in line.addresses],
        details,
        [Channel(each.channel).label for each in person.consents],
        [Channel(each).label for each in person.agreed],
    )


def _on_record(person: PlannedPerson) -> str:
    return person.fields.get("name", (person.contact.name, ""))[0]


def _differs(person: PlannedPerson, line: SheetLine, plan: ImportPlan) -> str:
    """What the line would do to somebody of another name; '' where it names nobody, or the person themselves."""
    contact, given, name = person.contact, line.details.get("name", ""), _on_record(person)
    if person.added or not given or not name or given.casefold() == name.casefold():
        return ""
    says = f"Your file says {given}; {_found_by(person, line, plan)} belongs to {name}."
    own = {each.match_key for each in plan.known.addresses[contact.pk]}
    new = [each.value for each in line.addresses if match_key(each.value) not in own]
    if not plan.options.fill_in:
        kept = f"{' and '.join([given, *new])} {'are' if new else 'is'} not stored"
        return f"{says} Only {name} comes onto the list; {kept}."
    gets = f", and {' and '.join(new)} {'becomes' if len(new) == 1 else 'become'} theirs" if new else ""
    return f"{says} {name} is renamed to {given}{gets}."


def _found_by(person: PlannedPerson, line: SheetLine, plan: ImportPlan) -> str:
    """What the person was recognised by, as "this number"."""
    if line.external_id and person.contact.pk in plan.known.by_external_id.get(line.external_id, ()):
        return "this external id"
    own = {each.match_key for each in plan.known.addresses[person.contact.pk]}
    kind = next((each.kind for each in line.addresses if match_key(each.value) in own), "")
    return "this number" if kind == Kind.PHONE else "this address"


def uses_to_begin_with(draft: ContactImport) -> tuple[list[str], ImportOptions | None]:
    """What the columns are shown as at first: as in the last import of a file with the same columns, else guesses.

    Consent is never taken over: every file needs its own yes. Also gives that import's options, None where there is
    none.
    """
    earlier = ContactImport.objects.filter(titles=draft.titles, created_by=draft.created_by).exclude(
        pk=draft.pk
    )
    last = earlier.exclude(started_at=None).order_by("-pk").first()
    if last is None:
        return guessed_uses(draft.titles), None
    options = ImportOptions.of(last)
    without = [use if use not in (*AGREEMENTS, "consent") else "" for use in options.uses]
    return without, options
