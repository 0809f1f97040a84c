"""Reading callbacks: forms, JSON and the words in them, checked so that whatever passes can be stored."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote_to_bytes

from deliveries.providers.facts import Call, Fact, Unreadable

UUID = re.compile(r"[0-9a-f]{8}-?(?:[0-9a-f]{4}-?){3}[0-9a-f]{12}", re.IGNORECASE)
# What the columns hold. No provider's own words are longer.
LONGEST_ID, LONGEST_WORD, LONGEST_ADDRESS = 80, 64, 254


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


def form(form_body: bytes) -> dict[str, str]:
    """Fields as text; of a repeated name the first value."""
    return {
        name.decode("utf-8", "replace"): value.decode("utf-8", "replace")
        for name, value in reversed(pairs(form_body))
    }


def fields_of(call: Call) -> dict[str, str]:
    """The fields of a GET, a form or a flat JSON body, whichever it is, as text. Raises Unreadable.

    What a JSON body nests is left out: an adapter that needs it reads `json_object`.
    """
    if call.method == "GET":
        return query_of(call)
    if not is_json(call):
        return form(call.body)
    told = json_object(call.body)
    return {name: str(value) for name, value in told.items() if isinstance(value, str | int | float)}


def query_of(call: Call) -> dict[str, str]:
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


def json_object(body: bytes) -> dict[str, Any]:
    """The object in a JSON body. Raises Unreadable."""
    told = json_value(body)
    if not isinstance(told, dict):
        raise Unreadable("body: not a JSON object.")
    return told


def json_objects(body: bytes) -> list[dict[str, Any]]:
    """The objects of a JSON body that is a list of them, or one. Raises Unreadable."""
    told = json_value(body)
    return objects(told if isinstance(told, list) else [told], "body")


def objects(told: Any, name: str) -> list[dict[str, Any]]:
    """A list of objects as it stands in field `name`; none when it is missing. Raises Unreadable."""
    if told is None:
        return []
    if not isinstance(told, list) or not all(isinstance(each, dict) for each in told):
        raise Unreadable(f"{name}: not a list of objects.")
    return told


def each(told: Any, name: str, read: Callable[[dict[str, Any]], Iterable[Fact]]) -> list[Fact]:
    """The facts that `read` finds in the objects of a list, as it stands in field `name`.

    An object that cannot be read does not cost its neighbours their facts; Unreadable only when nothing is left.
    """
    if not isinstance(told, list):
        raise Unreadable(f"{name}: not a list of objects.")
    facts: list[Fact] = []
    problem: Unreadable | None = None
    for item in told:
        try:
            facts.extend(read(objects([item], name)[0]))
        except Unreadable as this:
            problem = problem or this
    if problem and not facts:
        raise problem
    return facts


def inside(told: Mapping[str, Any], *names: str) -> dict[str, Any]:
    """The object at the end of this path of names; empty when it, or one on the way, is missing.

    Raises Unreadable when something else stands there.
    """
    found: Any = told
    for name in names:
        found = found.get(name)
        if found is None:
            return {}
        if not isinstance(found, dict):
            raise Unreadable(f"{name}: not an object.")
    return found


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


def stamp(text: Any, *layouts: str) -> datetime | None:
    """A time in one of these `strptime` layouts, taken as UTC unless it names a zone; None for anything else."""
    for layout in layouts:
        try:
            at = datetime.strptime(str(text).strip(), layout)  # noqa: DTZ007 - the zone is set in the next line
            return at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)
        except (ValueError, OverflowError):
            continue
    return None


def reference(query: Mapping[str, str]) -> str:
    """Our uuid from the callback address; empty when it is missing or no uuid."""
    given = query.get("m", "")
    return given.lower() if UUID.fullmatch(given) else ""


def word(fields: Mapping[str, Any], *names: str, longest: int = LONGEST_WORD, required: bool = True) -> str:
    """The first of `names` that has a value, as text (a whole number too); empty if none has and it is not required.

    Raises Unreadable when it is missing, is no text, or could not be stored as it came.
    """
    name = next((name for name in names if fields.get(name) not in (None, "")), names[0])
    value = fields.get(name)
    value = "" if value is None else value
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)  # codes come as numbers and as texts
    if not isinstance(value, str):
        raise Unreadable(f"{name}: not a text.")
    if required and not value:
        raise Unreadable(f"{name}: missing.")
    if len(value) > longest:
        raise Unreadable(f"{name}: longer than {longest} characters.")
    if not value.isprintable():
        raise Unreadable(f"{name}: contains an unprintable character.")
    return value


def bare(address: str) -> str:
    """An address without what providers write in different ways: the digits of a number, lower-case email."""
    if "@" in address:
        return address.strip().lower()
    return "".join(each for each in address if each.isascii() and each.isdigit())


def with_plus(number: str) -> str:
    """A phone number in E.164 where the provider leaves the plus out; what is no number stays as it is."""
    digits = number.isascii() and number.isdigit()
    return f"+{number}" if digits else number


def north_american(number: str) -> str:
    """The same where the provider writes numbers as people there do: (555) 010-0199 is +15550100199."""
    digits = bare(number)
    if not digits or any(letter.isalpha() for letter in number):
        return number
    return f"+1{digits}" if len(digits) == 10 else f"+{digits}"


def clean(text: str) -> str:
    """Free text without what no database stores: NUL characters and lone surrogates."""
    return text.replace("\x00", "").encode("utf-8", "replace").decode()
