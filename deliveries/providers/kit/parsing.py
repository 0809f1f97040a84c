"""Reading callbacks: forms, JSON and their fields, checked so that whatever passes can be stored."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, tzinfo
from typing import Any
from urllib.parse import unquote_to_bytes

from deliveries.providers.facts import Act, Call, Fact, Report, Unreadable

logger = logging.getLogger(__name__)

UUID = re.compile(r"[0-9a-f]{8}-?(?:[0-9a-f]{4}-?){3}[0-9a-f]{12}", re.IGNORECASE)
# What the columns of models/events.py and contacts hold, in characters. No field of a provider's is longer.
LONGEST_ID, LONGEST_WORD, LONGEST_ADDRESS = 80, 64, 254


class FieldReader(dict[str, Any]):
    """The fields of a callback, or of an answer to a call of ours.

    Each method returns the first of the named fields that has a value, in a form that can be stored. A required field
    that is missing, or cannot be stored as it came, raises Unreadable with its name. An optional field never costs the
    others: it is cut to what the column holds, and is '' when it is missing or no text.
    """

    def required_str(self, *names: str) -> str:
        """A text that has to be there, or a whole number as text: codes come as both. Raises Unreadable."""
        return self._text(names, LONGEST_WORD, required=True)

    def optional_str(self, *names: str) -> str:
        """The same for a field that may be missing: then ''."""
        return self._text(names, LONGEST_WORD, required=False)

    def error_code(self, *names: str) -> str:
        """A code that may be missing. Zeros ("0", "000") say that there was no error: ''."""
        found = self.optional_str(*names)
        return found if found.strip("0") else ""

    def prefixed_str(self, prefix: str, *names: str, required: bool = False) -> str:
        """A text behind a prefix of ours, such as `amd:` before what answering-machine detection found; or ''."""
        found = self._text(names, LONGEST_WORD - len(prefix), required)
        return found and prefix + found

    def id(self, *names: str, required: bool = True) -> str:
        """The provider's id of a message."""
        return self._text(names, LONGEST_ID, required)

    def address(self, *names: str, required: bool = False) -> str:
        """An address as they write it."""
        return self._text(names, LONGEST_ADDRESS, required)

    def phone_number(self, *names: str, required: bool = False) -> str:
        """A phone number with its plus, which many leave out."""
        return with_plus(self.address(*names, required=required))

    def text(self, *names: str) -> str:
        """Free text; '' when there is none."""
        return clean(str(next(filter(None, map(self.get, names)), "")))

    def time(self, *names: str) -> datetime | None:
        """The first ISO 8601 time among these fields, in UTC; None when there is none."""
        return next((at for name in names if (at := iso(self.get(name)))), None)

    def object_at(self, *path: str) -> FieldReader:
        """The object at the end of this path; empty when it, or one on the way, is missing or none."""
        found: Any = self
        for name in path:
            found = found.get(name)
            if not isinstance(found, dict):
                return FieldReader()
        return FieldReader(found)

    def objects(self, name: str) -> list[FieldReader]:
        """The objects of a list; none when it is missing."""
        found = self.get(name)
        if found is None:
            return []
        if not isinstance(found, list) or not all(isinstance(item, dict) for item in found):
            raise Unreadable(f"{name}: not a list of objects.")
        return [FieldReader(item) for item in found]

    def first_object(self, name: str) -> FieldReader:
        """The first object of a list; empty when there is none."""
        return next(iter(self.objects(name)), FieldReader())

    def _text(self, names: tuple[str, ...], longest: int, required: bool) -> str:
        name = next((name for name in names if self.get(name) not in (None, "")), names[0])
        value = self.get(name)
        if value is None or value == "":
            if required:
                raise Unreadable(f"{name}: missing.")
            return ""
        if isinstance(value, int) and not isinstance(value, bool):
            value = str(value)
        if not required:
            return printable(value)[:longest] if isinstance(value, str) else ""
        if not isinstance(value, str):
            raise Unreadable(f"{name}: not a text.")
        if len(value) > longest:
            raise Unreadable(f"{name}: longer than {longest} characters.")
        if not value.isprintable():
            raise Unreadable(f"{name}: contains an unprintable character.")
        return value


def pairs(form_body: bytes) -> list[tuple[bytes, bytes]]:
    """Names and values of a form, in order, blanks included.

    Splitting by hand takes half the time of urllib's parser, and bytes keep what is not UTF-8 as it came.
    """
    found = []
    for field in form_body.replace(b"+", b" ").split(b"&"):
        if not field:
            continue
        name, _, value = field.partition(b"=")
        if b"%" in field:
            # Nearly every escape is the plus of a phone number.
            if field.count(b"%") == value.count(b"%2B"):
                value = value.replace(b"%2B", b"+")
            else:
                name, value = unquote_to_bytes(name), unquote_to_bytes(value)
        found.append((name, value))
    return found


def form(form_body: bytes) -> FieldReader:
    """Fields as text; of a repeated name the first value."""
    return FieldReader(
        {
            name.decode("utf-8", "replace"): value.decode("utf-8", "replace")
            for name, value in reversed(pairs(form_body))
        }
    )


def fields_of(call: Call) -> FieldReader:
    """The fields of a GET, a form or a flat JSON body, whichever it is, as text. Raises Unreadable.

    What a JSON body nests is left out: an adapter that needs it reads `json_object`.
    """
    if call.method == "GET":
        return query_of(call)
    if not is_json(call):
        return form(call.body)
    body = json_object(call.body)
    return FieldReader(
        (name, str(value)) for name, value in body.items() if isinstance(value, str | int | float)
    )


def query_of(call: Call) -> FieldReader:
    """The fields of the callback's address: those we put there ourselves and, in a GET, the provider's."""
    return form(call.query.encode("utf-8", "replace"))


def is_json(call: Call) -> bool:
    return call.headers.get("content-type", "").lower().startswith("application/json")


def json_value(body: bytes) -> Any:
    """Whatever stands in a JSON body. Raises Unreadable."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as problem:
        raise Unreadable("body: not JSON.") from problem


def json_object(body: bytes) -> FieldReader:
    """The object in a JSON body. Raises Unreadable."""
    value = json_value(body)
    if not isinstance(value, dict):
        raise Unreadable("body: not a JSON object.")
    return FieldReader(value)


def json_objects(body: bytes) -> list[FieldReader]:
    """The objects of a JSON body that is a list of them, or one. Raises Unreadable."""
    value = json_value(body)
    return FieldReader(body=value if isinstance(value, list) else [value]).objects("body")


def each(value: Any, name: str, read: Callable[[FieldReader], Iterable[Fact]]) -> list[Fact]:
    """The facts that `read` finds in the objects of a list, or in one alone, as they stand in field `name`.

    An object that cannot be read does not cost its neighbours their facts; Unreadable only when nothing is left.
    """
    facts: list[Fact] = []
    problem: Unreadable | None = None
    for item in value if isinstance(value, list) else [value]:
        try:
            facts.extend(read(FieldReader({name: [item]}).first_object(name)))
        except Unreadable as this:
            problem = problem or this
    if problem and not facts:
        raise problem
    if problem:
        logger.warning("Left out what cannot be read of %s: %s", name, problem)
    return facts


def keys_pressed(during: Report, digits: str) -> Act:
    """Keys that were pressed in the call of this report; '' when the time for them ran out."""
    return Act("key_press", *during[:3], address=during.address, text=digits, occurred_at=during.occurred_at)


def iso(text: Any) -> datetime | None:
    """An ISO 8601 time in UTC, without a zone taken as UTC; None for anything else: the fact counts without it."""
    try:
        at = datetime.fromisoformat(str(text).strip())
        return at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None


def epoch(seconds: Any) -> datetime | None:
    """Unix seconds (or milliseconds, when so large) as a time in UTC; None for anything else."""
    try:
        number = float(seconds)
        return datetime.fromtimestamp(number / 1000 if number > 1e11 else number, UTC)
    except (TypeError, ValueError, OverflowError, OSError):
        return None


def stamp(text: Any, *layouts: str, zone: tzinfo = UTC) -> datetime | None:
    """A time in one of these `strptime` layouts, taken in `zone` unless it names its own; None for anything else."""
    for layout in layouts:
        try:
            at = datetime.strptime(str(text).strip(), layout)  # noqa: DTZ007 - the zone is set in the next line
            return (at if at.tzinfo else at.replace(tzinfo=zone)).astimezone(UTC)
        except (ValueError, OverflowError):
            continue
    return None


def reference(*given: Any) -> str:
    """The first of these that is a uuid, as ours are; '' when none is."""
    return next((each.lower() for each in given if isinstance(each, str) and UUID.fullmatch(each)), "")


def bare(address: str) -> str:
    """An address without what providers write in different ways: the digits of a number, lower-case email."""
    if "@" in address:
        return address.strip().lower()
    return "".join(each for each in address if each.isascii() and each.isdigit())


def with_plus(number: str) -> str:
    """A phone number in E.164 where the provider leaves the plus out.

    What cannot be one stays as it is: a national number with its zero, a short code, a word.
    """
    international = number.isascii() and number.isdigit() and 7 <= len(number) <= 15 and number[0] != "0"
    return f"+{number}" if international else number


def north_american(number: str) -> str:
    """The same where the provider writes numbers as people there do: (555) 010-0199 is +15550100199."""
    digits = bare(number)
    if not digits or any(letter.isalpha() for letter in number):
        return number
    return f"+1{digits}" if len(digits) == 10 else f"+{digits}"


def printable(text: str) -> str:
    """The same text without what no word or address has in it: line ends, marks that nobody sees, lone surrogates."""
    return text if text.isprintable() else "".join(filter(str.isprintable, text))


def clean(text: str) -> str:
    """Free text without what no database stores: NUL characters and lone surrogates."""
    return text.replace("\x00", "").encode("utf-8", "replace").decode()
