"""Merge fields: `{first_name}` in a text becomes the recipient's own.

A field is a contact's name or one of the attributes that came with a list. `{{ first_name }}`, as other tools write
it, is the same.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from difflib import get_close_matches
from typing import NamedTuple

from django.db.models import Count, Q, QuerySet, TextField, Value
from django.db.models.functions import Coalesce
from django.utils.html import escape

from contacts.attributes import AttributeText
from contacts.models import Contact

FIELD = re.compile(r"\{{1,2}([^{}]*)\}{1,2}")
# Braces in HTML are those of style sheets as well: only what looks like a field is one.
HTML_FIELD = re.compile(r"\{{1,2}\s*([a-z][a-z0-9_]{0,39})\s*\}{1,2}")
USABLE = re.compile(r"[a-z][a-z0-9_]{0,39}")
EVERYBODYS = ("first_name", "name")
ASKED = 1_000  # contacts whose attributes are looked at to say which there are
NAMED = 12  # merge fields that a sentence lists


def fields(text: str) -> list[str]:
    """The names between braces, each once, in order."""
    return list(dict.fromkeys(name.strip() for name in FIELD.findall(text)))


def merge(text: str, values: Mapping[str, str]) -> str:
    """`text` with each field replaced; a field the recipient lacks becomes nothing.

    >>> merge("Hello {first_name}!", {"first_name": "Omar"})
    'Hello Omar!'
    """
    return "".join(piece.text for piece in pieces(text, values))


class MergedPiece(NamedTuple):
    """A part of a merged text; `field` is the merge field that it came from, '' for what the author wrote."""

    text: str
    field: str = ""

    @property
    def is_missing(self) -> bool:
        """The recipient has nothing to put here."""
        return bool(self.field) and not self.text


def pieces(text: str, values: Mapping[str, str]) -> Iterator[MergedPiece]:
    """What `merge` puts together, part by part."""
    end = 0
    for match in FIELD.finditer(text):
        if match.start() > end:
            yield MergedPiece(text[end : match.start()])
        name = match.group(1).strip()
        yield MergedPiece(str(values.get(name, "")), name or match.group())
        end = match.end()
    if end < len(text):
        yield MergedPiece(text[end:])


def html_fields(html: str) -> list[str]:
    """The same of HTML."""
    return list(dict.fromkeys(HTML_FIELD.findall(html)))


def merge_html(html: str, values: Mapping[str, str]) -> str:
    """`html` with each field replaced by its value, which cannot bring markup along."""
    return HTML_FIELD.sub(lambda match: escape(str(values.get(match.group(1), ""))), html)


def values_of(contact: Contact) -> dict[str, str]:
    """What the fields mean for this contact."""
    return {**contact.attributes, "name": contact.name, "first_name": contact.first_name}


def faults(text: str) -> list[str]:
    """A sentence for each field in `text` that no contact has."""
    unknown = [name for name in fields(text) if not _known(name)]
    return [_fault(name, _named()) for name in unknown]


def _known(name: str) -> bool:
    if name in EVERYBODYS:
        return True
    return bool(USABLE.fullmatch(name)) and Contact.objects.filter(attributes__has_key=name).exists()


def _named() -> list[str]:
    """Everybody's fields, and the attributes of the newest contacts that have any."""
    having = Contact.objects.exclude(attributes={}).order_by("-pk").values_list("attributes", flat=True)
    return [*EVERYBODYS, *sorted({name for attributes in having[:ASKED] for name in attributes})]


def _fault(name: str, known: list[str]) -> str:
    like = get_close_matches(re.sub(r"\W+", "_", name.lower()), known, n=1, cutoff=0.8)
    meant = f" Did you mean {{{like[0]}}}?" if like else ""
    more = " and others" if len(known) > NAMED else ""
    there_are = ", ".join(f"{{{each}}}" for each in known[:NAMED]) + more
    return f"No contact has the merge field {{{name}}}.{meant} There are {there_are}."


def usual_fields(contacts: QuerySet[Contact]) -> list[str]:
    """The fields that can be put into a text for these contacts: everybody's, then the attributes of the first of
    them, those that most have first."""
    having = contacts.order_by("pk").values_list("attributes", flat=True)[:ASKED]
    counted = Counter(name for attributes in having for name in attributes if USABLE.fullmatch(name))
    return [*EVERYBODYS, *(name for name, _ in counted.most_common() if name not in EVERYBODYS)]


def lacking(contacts: QuerySet[Contact], names: Collection[str]) -> dict[str, int]:
    """How many of `contacts` have nothing to put in place of each field."""
    values = {f"value_{n}": _value(name) for n, name in enumerate(names)}
    counts = {f"lack_{n}": Count("pk", filter=Q(**{f"value_{n}": ""})) for n in range(len(names))}
    found = contacts.alias(**values).aggregate(**counts)
    return {name: found[f"lack_{n}"] for n, name in enumerate(names)}


def _value(name: str) -> Coalesce:
    own = "name" if name in EVERYBODYS else AttributeText(name)
    return Coalesce(own, Value(""), output_field=TextField())
