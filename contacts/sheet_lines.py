"""A row of a file as a contact: each cell is understood, or refused with the way out. No database."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from django.utils import timezone

from contacts.channels import Channel
from contacts.correcting import LONGEST_NAME, email_address, phone_address
from contacts.dates import EARLIEST, parse_date
from contacts.emails import NotAnEmail
from contacts.headers import (
    COLUMNS,
)
from contacts.hours import known_zone
from contacts.models import Address, Contact
from contacts.number_text import without_decimals
from contacts.phones import NotAPhone
from contacts.sheets import SheetRow

LOCALE = re.compile(r"[A-Za-z]{2,3}([-_][A-Za-z0-9]{2,8})*")
HIGHEST_TIER = 32_767  # what PostgreSQL's smallint holds
LONGEST_ID, LONGEST_HOW = 120, 60  # characters, as the columns in contacts/models
SHOWN = 60  # characters of a refused cell, so that a refusal stays a line


class Refusal(NamedTuple):
    """Why a line, or the consent on it, was left out. `column` is '' when it is about the line as a whole."""

    line: int
    column: str
    value: str
    why: str
    remedy: str

    def __str__(self) -> str:
        value = self.value if len(self.value) <= SHOWN else self.value[:SHOWN] + "…"
        where = f", {self.column}" + (f" “{value}”" if value else "") if self.column else ""
        return f"Line {self.line}{where}: {self.why}. {self.remedy}"


@dataclass(slots=True)
class SheetLine:
    """One line that is understood. Addresses are unsaved; `details` holds the contact's fields that are given."""

    number: int
    external_id: str = ""
    phone: Address | None = None
    email: Address | None = None
    details: dict[str, Any] = field(default_factory=dict)
    attributes: dict[str, str] = field(default_factory=dict)
    consent: tuple[str, ...] = ()
    consent_at: datetime | None = None
    consent_how: str = ""
    without_consent: list[Refusal] = field(default_factory=list)

    @property
    def addresses(self) -> list[Address]:
        return [each for each in (self.phone, self.email) if each]


class Bad(Exception):
    """A cell that cannot be taken: why, and the way out."""

    def __init__(self, why: str, remedy: str) -> None:
        super().__init__(why)
        self.why = why
        self.remedy = remedy


def understand(
    row: SheetRow, *, region: str, consent: tuple[str, ...], how: str, now: datetime, day_first: bool = False
) -> SheetLine | list[Refusal]:
    """One line, or everything that is wrong with it.

    `consent` and `how` hold for lines of a file that has no such column; `region` for numbers without a country.
    """
    line = SheetLine(row.line, consent=consent, consent_how=how)
    faults = []
    if row.surplus:
        more = "it has more cells than the first line has names"
        faults.append(
            Refusal(row.line, "", "", more, "Put quotation marks around cells that contain the delimiter.")
        )
    for column, text in row.cells.items():
        try:
            _take(line, column, text, region, now, day_first)
        except Bad as bad:
            faults.append(Refusal(row.line, column, text, bad.why, bad.remedy))
    _put_name_together(line, row)
    _withhold(line, row)
    if not (line.external_id or line.addresses or faults):
        nobody = "it has no phone, email or external_id"
        faults.append(Refusal(row.line, "", "", nobody, "Fill in one of them."))
    if line.consent and not line.consent_how and not faults:
        unproven = "it does not say how consent was given"
        faults.append(
            Refusal(
                row.line, "consent_how", "", unproven, "Fill in consent_how, or say it for the whole file."
            )
        )
    return faults or line


def _take(line: SheetLine, column: str, text: str, region: str, now: datetime, day_first: bool) -> None:
    """Put one cell where it belongs. Raises Bad."""
    if column == "consent":  # the column alone decides, also where it is empty
        line.consent = _channels(text)
    elif not text:
        return
    elif column == "phone":
        line.phone = phone_in(text, region)
    elif column == "email":
        line.email = email_in(text)
    elif column == "external_id":
        line.external_id = _short(text, LONGEST_ID)
    elif column == "consent_at":
        line.consent_at = _moment(text, now, day_first)
    elif column == "consent_how":
        line.consent_how = _short(text, LONGEST_HOW)
    elif column in DETAILS:
        line.details[column] = DETAILS[column](text)
    elif column not in COLUMNS:
        line.attributes[column] = text


def _put_name_together(line: SheetLine, row: SheetRow) -> None:
    """The name, or first and last name, which campaigns may merge on their own as well."""
    parts = [row.cells.get("first_name", ""), row.cells.get("last_name", "")]
    whole = " ".join(part for part in parts if part)
    if whole and not row.cells.get("name"):
        line.details["name"] = whole[:LONGEST_NAME]
    if row.cells.get("last_name"):
        line.attributes["last_name"] = row.cells["last_name"]


def _withhold(line: SheetLine, row: SheetRow) -> None:
    """Take away the consent that another column of the file speaks against.

    A consent column is more exact than an opt-in that we cannot read; an opt-out or a plain no holds beside it.
    """
    for denial in row.denials:
        denied = [each for each in line.consent if each in denial.channels]
        if "consent" in row.cells and not denial.outweighs_consent:
            continue
        line.consent = tuple(each for each in line.consent if each not in denied)
        why = f"“{denial.title}” says “{denial.cell}”" if denial.cell else f"“{denial.title}” is empty"
        remedy = "The line was imported without this consent."
        line.without_consent += [Refusal(row.line, "consent", each, why, remedy) for each in denied]


def phone_in(text: str, region: str) -> Address:
    try:
        return phone_address(without_decimals(text), region)
    except NotAPhone as problem:
        raise Bad(
            problem.why, problem.remedy or "Write it with country code, such as +1 512 555 0142."
        ) from None


def email_in(text: str) -> Address:
    try:
        return email_address(text)
    except NotAnEmail as problem:
        raise Bad(problem.why.rstrip("."), "Correct it, or leave it empty.") from None


def _short(text: str, longest: int) -> str:
    if len(text) > longest:
        raise Bad(f"it has {len(text)} characters", f"Shorten it to {longest}.")
    return text


def _name(text: str) -> str:
    return _short(text, LONGEST_NAME)


def _time_zone(text: str) -> str:
    if len(text) > 64 or not known_zone(text):
        raise Bad(
            "there is no such time zone", "Use an IANA name such as America/Chicago, or leave it empty."
        )
    return text


def _locale(text: str) -> str:
    if len(text) > 16 or not LOCALE.fullmatch(text):
        raise Bad("it is no locale", "Write it like en or en-US, or leave it empty.")
    return text


def _stage(text: str) -> str:
    stage = text.lower()
    if stage not in Contact.Stage.values:
        raise Bad("there is no such stage", f"Use one of {', '.join(Contact.Stage.values)}.")
    return stage


def _value_tier(text: str) -> int:
    if not text.isascii() or not text.isdecimal() or len(text) > 5 or int(text) > HIGHEST_TIER:
        raise Bad("it is no whole number from 0 up", "Use 0 for ordinary, higher for more valuable contacts.")
    return int(text)


DETAILS: dict[str, Callable[[str], Any]] = {
    "name": _name,
    "time_zone": _time_zone,
    "locale": _locale,
    "stage": _stage,
    "value_tier": _value_tier,
}


def _channels(text: str) -> tuple[str, ...]:
    try:
        return parse_channels(text)
    except ValueError as problem:
        raise Bad(str(problem), f"Use {', '.join(Channel.values)}, with a semicolon between two.") from None


def parse_channels(text: str) -> tuple[str, ...]:
    """Channel names between commas, semicolons or blanks. Raises ValueError naming the first unknown one."""
    words = [word for word in re.split(r"[\s,;|+]+", text.lower()) if word]
    for word in words:
        if word not in Channel.values:
            raise ValueError(f"“{word}” is no channel")
    return tuple(dict.fromkeys(words))


def _moment(text: str, now: datetime, day_first: bool) -> datetime:
    """A date or date and time; without an offset in the time zone of this installation."""
    try:
        moment = parse_date(text, day_first=day_first)
        aware = timezone.make_aware(moment) if timezone.is_naive(moment) else moment
        future = aware > now
    except (ValueError, OverflowError):
        raise Bad("it is no date", "Write it like 2026-03-04 or 2026-03-04T17:00:00Z.") from None
    if future:
        raise Bad("it lies in the future", "Give the day on which consent was given.")
    if aware.year < EARLIEST:
        raise Bad(
            f"it lies before {EARLIEST}", "Give the day on which consent was given, or leave the cell empty."
        )
    return aware
