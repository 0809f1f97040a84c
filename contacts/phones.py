"""Phone numbers: from what people type to E.164, and to what may be shown."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import NamedTuple

import phonenumbers
from phonenumbers import PhoneNumberType, ValidationResult, carrier
from phonenumbers.tzdata import TIMEZONE_DATA, TIMEZONE_LONGEST_PREFIX

from contacts.channels import LineType
from contacts.number_text import NoNumber, number_text

# Whose prefixes are given to a carrier, as `carrier.name_for_number` has it.
_WITH_CARRIER = (PhoneNumberType.MOBILE, PhoneNumberType.FIXED_LINE_OR_MOBILE, PhoneNumberType.PAGER)
_LINE_TYPES = {
    PhoneNumberType.MOBILE: LineType.MOBILE,
    PhoneNumberType.FIXED_LINE: LineType.LANDLINE,
    PhoneNumberType.FIXED_LINE_OR_MOBILE: LineType.FIXED_OR_MOBILE,
    PhoneNumberType.VOIP: LineType.VOIP,
    PhoneNumberType.TOLL_FREE: LineType.TOLL_FREE,
    PhoneNumberType.UNKNOWN: LineType.UNKNOWN,
}
_NOWHERE = {LineType.TOLL_FREE, LineType.OTHER}  # the same number rings anywhere in its country
_BY_OPERATOR = {
    62
}  # Indonesia: a mobile's first digits name the operator; all the same they pass for a place
_WHY = {
    ValidationResult.TOO_SHORT: "it is too short",
    ValidationResult.TOO_LONG: "it is too long",
    ValidationResult.IS_POSSIBLE_LOCAL_ONLY: "the area code is missing",
    ValidationResult.INVALID_COUNTRY_CODE: "it starts with a country code that does not exist",
    ValidationResult.INVALID_LENGTH: "it has a wrong number of digits",
}
_UNREADABLE = {
    phonenumbers.NumberParseException.INVALID_COUNTRY_CODE: "it starts with a country code that does not exist",
    phonenumbers.NumberParseException.TOO_SHORT_AFTER_IDD: "it is too short",
    phonenumbers.NumberParseException.TOO_SHORT_NSN: "it is too short",
    phonenumbers.NumberParseException.TOO_LONG: "it is too long",
}
_EMAIL_WITHIN = re.compile(r"[^\s<>@\"'(),;:]+@[\w.-]*\w")
_NUMBER_WITHIN = re.compile(r"(?<!\w)\+?\d(?:[\s().-]{0,3}\d){6,14}(?!\w)")
_ABROAD = re.compile(r"[ (\[]*(?:\+[ (]*(?:00|011)|00|011(?!\d))[ )\].-]*(?=\d)")
_TYPED_NUMBER = re.compile(r"[\d\s+().\-–/·]+")
# +1 512 555 0142 and the like, with the same mark between the groups or none: nothing that `number_text` refuses.
_AMERICAN = re.compile(
    r"(?:(\+)?1[ -]?)?(?:\(([2-9]\d\d)\) ?(\d{3})[ .-]?|([2-9]\d\d)([ .-]?)(\d{3})\5)(\d{4})",
    re.ASCII,
)
_AMERICAN_BLOCK = 6  # digits: numbers of the United States and Canada are given out by ten thousand
SHORTEST_ENDING = 4  # digits by which a number is found from its end, as people quote one
_MEXICO, _BRAZIL = 52, 55  # calling codes (ITU-T E.164)
# Mobiles until 2019: 1 before the number from abroad, 044 or 045 at home; and 01 before others.
_OLD_MEXICAN = re.compile(r"(?:1|0?1|0?4[45])(\d{10})")
_OLD_BRAZILIAN = re.compile(r"(\d\d)([6-9]\d{7})")  # mobiles until 2016, without the 9 before them


@dataclass(frozen=True, slots=True)
class Phone:
    """A number that exists as far as its numbering plan tells; whether anybody answers is another matter.

    `region` is a country (US), `time_zone` the IANA names of every zone it may lie in, separated by blanks, `carrier` a
    name; '' when the number does not tell.
    """

    value: str  # E.164
    region: str
    time_zone: str
    line_type: LineType
    carrier: str


class NotAPhone(ValueError):
    """`text` is no phone number; `why` is the half of a sentence that follows "because", `remedy` a sentence or ''."""

    def __init__(self, text: str, why: str, remedy: str = "") -> None:
        super().__init__(f"“{text}” is not a phone number: {why}. {remedy}".rstrip())
        self.text = text
        self.why = why
        self.remedy = remedy


def parse_phone(text: str, region: str) -> Phone:
    """Read a number in any usual notation; one without a country code belongs to `region`, such as US.

    Raises NotAPhone.
    """
    if (digits := _american(text, region)) and (block := _american_block(digits[:_AMERICAN_BLOCK])):
        return replace(block, value=f"+1{digits}")
    return _read(text, region)


def _read(text: str, region: str) -> Phone:
    number, kind = _parse(text, region)
    country = phonenumbers.region_code_for_number(number) or ""
    line_type = _LINE_TYPES.get(kind, LineType.OTHER)
    return Phone(
        value=phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164),
        region=country,
        time_zone="" if line_type in _NOWHERE else " ".join(_zones(number, kind, country)),
        line_type=line_type,
        carrier=carrier.name_for_valid_number(number, "en") if kind in _WITH_CARRIER else "",
    )


def _american(text: str, region: str) -> str:
    """The ten digits of a number with the calling code 1 in the usual notations; '' for any other text."""
    found = _AMERICAN.fullmatch(text)
    if not found or not (found[1] or phonenumbers.country_code_for_region(region) == 1):
        return ""
    return "".join(filter(None, found.group(2, 3, 4, 6, 7)))


@lru_cache(maxsize=65_536)  # an import asks for each of them again and again
def _american_block(beginning: str) -> Phone | None:
    """What all numbers that begin with these digits have in common; None where none is given out, or where a country
    that shares the calling code gives them out by fewer."""
    try:
        found = _read(f"+1{beginning}".ljust(12, "0"), "US")
    except NotAPhone:
        return None
    return found if found.region in ("US", "CA") else None


def _zones(number: phonenumbers.PhoneNumber, kind: int, country: str) -> Sequence[str]:
    """Every zone in which numbers that begin like this one are given out; none where nothing is known."""
    # A mobile tells no more than its calling code. But where a country has only its own part of the code (Barbados,
    # Kazakhstan), the first digits tell which, and not everywhere between Guam and Newfoundland is meant.
    main = phonenumbers.region_code_for_country_code(number.country_code or 0)
    a_part = country not in ("", main)
    whole = f"{number.country_code}{phonenumbers.national_significant_number(number)}"
    known = str(number.country_code)
    mobile = kind == PhoneNumberType.MOBILE
    if a_part or (
        phonenumbers.is_number_type_geographical(kind, number.country_code or 0)
        and not (mobile and number.country_code in _BY_OPERATOR)
    ):
        lengths = range(TIMEZONE_LONGEST_PREFIX, len(known), -1)
        known = next((whole[:length] for length in lengths if whole[:length] in TIMEZONE_DATA), known)
    return _zones_of(known)


@lru_cache(maxsize=4096)
def _zones_of(beginning: str) -> list[str]:
    """Also those of longer beginnings: where only the area code is known, the number may be in any part of it."""
    lists = (zones for prefix, zones in TIMEZONE_DATA.items() if prefix.startswith(beginning))
    return sorted({zone for zones in lists for zone in zones})


def e164(text: str, region: str) -> str:
    """Only the number that `parse_phone` reads. Raises NotAPhone."""
    return phonenumbers.format_number(_parse(text, region).number, phonenumbers.PhoneNumberFormat.E164)


def type_of(value: str) -> LineType:
    """What kind of line an E.164 number is."""
    return _LINE_TYPES.get(phonenumbers.number_type(phonenumbers.parse(value)), LineType.OTHER)


def possible(text: str, region: str) -> str:
    """The number, given out or not, in E.164 if it is as long as those of its country are; else ''."""
    try:
        number = _as_today(phonenumbers.parse(text, region))
    except phonenumbers.NumberParseException:
        return ""
    if phonenumbers.is_possible_number_with_reason(number) != ValidationResult.IS_POSSIBLE:
        return ""
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def country_of(value: str) -> str:
    """The country of an E.164 number, such as US; '' for what is none."""
    try:
        number = phonenumbers.parse(value)
    except phonenumbers.NumberParseException:
        return ""
    # Of several countries that share a code the number tells which, else the main one is taken.
    found = phonenumbers.region_code_for_number(number)
    found = found or phonenumbers.region_code_for_country_code(number.country_code or 0)
    return found if found in phonenumbers.SUPPORTED_REGIONS else ""


class _Typed(NamedTuple):
    """A number that is given out, with its kind of `PhoneNumberType`: asking for that is most of the work."""

    number: phonenumbers.PhoneNumber
    kind: int


def _parse(text: str, region: str) -> _Typed:
    """The number that `text` as a whole is: an extension makes it another one and is refused. Raises NotAPhone."""
    try:
        plain = number_text(text)
    except NoNumber as problem:
        raise NotAPhone(text, problem.why, problem.remedy) from None
    reasons = []
    for reading in _readings(plain, region):
        number = _dialled(reading, region)
        if isinstance(number, _Typed):
            return number
        reasons.append(number)
    raise NotAPhone(text, reasons[-1])


def _readings(plain: str, region: str) -> list[str]:
    """The number as it is dialled in `region`, and with a plus where 00 or 011 stands; the likelier first."""
    found = _ABROAD.match(plain)
    if not found:
        return [plain]
    abroad = "+" + plain[found.end() :]
    own = str(phonenumbers.country_code_for_region(region))
    return [abroad, plain] if abroad.lstrip("+ (-.)").startswith(own) else [plain, abroad]


def _dialled(text: str, region: str) -> _Typed | str:
    """The number, or why it is none."""
    try:
        number = _as_today(phonenumbers.parse(text, region))
    except phonenumbers.NumberParseException as problem:
        return _UNREADABLE.get(problem.error_type, "there are no digits to dial in it")
    if number.extension:
        return f"an extension ({number.extension}) cannot be dialled; give the direct number"
    possible = phonenumbers.is_possible_number_with_reason(number)
    if possible != ValidationResult.IS_POSSIBLE:
        return _WHY.get(possible, "it has a wrong number of digits")
    kind = phonenumbers.number_type(number)
    if kind == PhoneNumberType.UNKNOWN:  # that is what `is_valid_number` asks, too
        return "no country has given out numbers that start like this"
    return _Typed(number, kind)


def _as_today(number: phonenumbers.PhoneNumber) -> phonenumbers.PhoneNumber:
    """As the country writes it now where people go on writing it as it was."""
    digits = str(number.national_number)
    if number.country_code == _MEXICO and (old := _OLD_MEXICAN.fullmatch(digits)):
        number.national_number, number.italian_leading_zero = int(old[1]), False
    elif number.country_code == _BRAZIL and (old := _OLD_BRAZILIAN.fullmatch(digits)):
        number.national_number = int(f"{old[1]}9{old[2]}")
    return number


@dataclass(frozen=True, slots=True)
class SearchForms:
    """What a typed text can mean as a number: the `whole` one in E.164, or the digits that it ends in.

    Both are '' when the text is not a number at all, or fewer than four digits of one.
    """

    whole: str = ""
    ending: str = ""


def search_forms(text: str, region: str) -> SearchForms:
    """Read what somebody types into a search box: a number in any notation, or the last four digits and more."""
    text = text.strip()
    if not _TYPED_NUMBER.fullmatch(text):
        return SearchForms()
    digits = "".join(str(int(each)) for each in text if each.isdecimal())
    if len(digits) < SHORTEST_ENDING:
        return SearchForms()
    try:
        whole = parse_phone(text, region).value
    except NotAPhone:
        return SearchForms(ending=digits)
    return SearchForms(whole=whole, ending=whole.removeprefix("+"))


ERASED = (
    "erased:"  # how the value of an address begins that was erased, or the hash by which its block is kept
)


def mask(value: str) -> str:
    """What everybody may see of an address: +1 ••• ••• 1869, or r•••@example.com."""
    if value.startswith(ERASED):
        return "Erased address"
    if "@" in value:
        local, _, domain = value.rpartition("@")
        return f"{local[:1]}•••@{domain}"
    code = _country_code(value)
    national = value[len(code) + 1 :] if code else ""
    if not national:
        return "•••"
    shown = national[-4:] if len(national) >= 7 else national[-2:]
    return f"+{code} ••• ••• {shown}"


def concealed(text: str) -> str:
    """Free text, such as a provider's sentence, with every email and every run of digits like a number masked."""
    text = _EMAIL_WITHIN.sub(lambda found: mask(found[0]), text)
    return _NUMBER_WITHIN.sub(lambda found: f"•••{found[0][-4:]}", text)


def grouped(value: str) -> str:
    """A number as people write it, +1 504-555-0181; an email, a masked number and anything else as it is."""
    if not _country_code(value):
        return "Erased address" if value.startswith(ERASED) else value
    try:
        number = phonenumbers.parse(value)
    except phonenumbers.NumberParseException:
        return value
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.INTERNATIONAL)


def _country_code(value: str) -> str:
    """The country code of an E.164 number, '' for anything else. No code is the beginning of another."""
    digits = value.removeprefix("+")
    if digits == value or not digits.isdecimal():
        return ""
    codes = (digits[:length] for length in (1, 2, 3))
    return next((code for code in codes if int(code or 0) in phonenumbers.COUNTRY_CODE_TO_REGION_CODE), "")
