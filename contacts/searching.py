"""Finding a contact by whatever somebody has in hand: a number in any format, an email, part of a name.

Parts are looked up in a trigram index that migration 0002 makes: pg_trgm on PostgreSQL, an FTS5 table kept by
triggers on SQLite. Where the index could not be made the same queries work, slowly.
"""

from __future__ import annotations

import re
import unicodedata
from functools import cache

from django.conf import settings
from django.db import connection
from django.db.models import Q, QuerySet
from django.db.models.expressions import RawSQL

from contacts.channels import Kind
from contacts.models import Address, Contact
from contacts.phones import search_forms

LIMIT = 50
FEWEST = 3  # a trigram index knows nothing of shorter parts, and they would match half of everybody
LONGEST = 254
NUMBER_AS_WRITTEN = re.compile(
    r"(?:tel:\s*)?(?P<abroad>00\s?(?=[1-9]))?(?P<whole>[+(]?\d[\d\s().+/-]*?)(?:[\s,;]*(?:ext\.?|extension|x|#)\s*\d{1,6})?",
    re.IGNORECASE,
)
SEPARATORS = re.compile(r"[\s().+/-]")
NAME_INDEX, ADDRESS_INDEX = "contacts_name_search", "contacts_address_search"


def search(text: str, limit: int = LIMIT) -> list[Contact]:
    """At most `limit` contacts: those that match exactly first, then those of whom `text` is a part.

    Fewer than three characters find exact matches only.
    """
    text = clean(text)
    if not text:
        return []
    ways = [*exactly(text), *(in_part(text) if len(text) >= FEWEST else [])]
    ids: list[int] = []
    for way in ways:
        if len(ids) < limit:
            ids = list(dict.fromkeys([*ids, *way[:limit]]))
    known = Contact.objects.select_related("source").prefetch_related("addresses").in_bulk(ids[:limit])
    return [known[pk] for pk in ids[:limit] if pk in known]


def clean(text: str) -> str:
    """`text` as both databases can take it: no NUL, no surplus space, no more than an address can hold.

    And as numbers are kept: full-width digits as plain ones, without `tel:`, an extension, or 00 in place of a plus.
    """
    text = " ".join(unicodedata.normalize("NFKC", text).replace("\x00", "").split())[:LONGEST]
    number = NUMBER_AS_WRITTEN.fullmatch(text)
    return (f"+{number['whole']}" if number["abroad"] else number["whole"]) if number else text


def exactly(text: str) -> list[QuerySet]:
    """Ids of contacts one of whose addresses or whose foreign id `text` spells out. Apart, as each has its index."""
    return [
        Address.objects.filter(value__in=spellings(text))
        .order_by("contact_id")
        .values_list("contact_id", flat=True),
        Contact.objects.filter(external_id=text)
        .exclude(external_id="")
        .order_by("pk")
        .values_list("pk", flat=True),
    ]


def spellings(text: str) -> set[str]:
    """How an address that `text` spells out may be kept."""
    number = search_forms(text, settings.DEFAULT_REGION).whole
    return {text, text.lower()} | ({number} if number else set())


def wholly(text: str, key: str = "pk") -> Q:
    """A condition on contacts, or on rows that name theirs in `key`: `text` is an address or the foreign id."""
    by_address, by_id = exactly(clean(text))
    return Q(**{f"{key}__in": by_address.order_by().union(by_id.order_by())})


def in_part(text: str) -> list[QuerySet]:
    """Ids of contacts of whom `text` is a part: by the last digits, or by name and then by email. In order of id."""
    digits = SEPARATORS.sub("", text)
    if digits.isascii() and digits.isdigit():
        return [_ending_in(digits).order_by("contact_id").values_list("contact_id", flat=True)]
    return [
        _named(text).order_by("pk").values_list("pk", flat=True),
        _written(text).order_by("contact_id").values_list("contact_id", flat=True),
    ]


def partly(text: str, key: str = "pk") -> Q:
    """A condition on contacts, or on rows that name theirs in `key`: `text` is part of the name or of an address.

    Digits are read as the last ones of a number, anything else as part of a name or an email.
    """
    text = clean(text)
    digits = SEPARATORS.sub("", text)
    if digits.isascii() and digits.isdigit():
        return Q(**{f"{key}__in": _ending_in(digits)})
    # One list of ids: with OR both databases would look at every contact.
    return Q(**{f"{key}__in": _named(text).union(_written(text))})


def _named(text: str) -> QuerySet:
    """By every word of `text`, in any order."""
    contacts = Contact.objects.order_by()
    for word in text.split():
        if len(word) >= FEWEST and indexed():
            contacts = contacts.filter(pk__in=_matching(NAME_INDEX, word))
        else:
            contacts = contacts.filter(name__icontains=word)
    return contacts.values("pk")


def _written(text: str) -> QuerySet:
    addresses = Address.objects.filter(kind=Kind.EMAIL)
    if len(text) >= FEWEST and indexed():
        return addresses.filter(pk__in=_matching(ADDRESS_INDEX, text)).values("contact_id")
    return addresses.filter(value__icontains=text).values("contact_id")


def _ending_in(digits: str) -> QuerySet:
    """Contacts with a number that ends so. The index finds those that contain the digits, the rest is quick."""
    addresses = Address.objects.filter(kind=Kind.PHONE, value__iendswith=digits)
    if len(digits) >= FEWEST and indexed():
        addresses = addresses.filter(pk__in=_matching(ADDRESS_INDEX, digits))
    return addresses.values("contact_id")


def _matching(index: str, text: str) -> RawSQL:
    """Ids of the rows whose text contains `text`, from SQLite's trigram table; quotes make it one phrase."""
    phrase = '"' + text.replace('"', '""') + '"'
    sql = f"SELECT rowid FROM {index} WHERE {index} MATCH %s"  # noqa: S608 - one of our two names
    return RawSQL(sql, [phrase])  # noqa: S611 - the text travels as a parameter


def indexed() -> bool:
    """Whether SQLite's trigram tables are there. On PostgreSQL the planner knows by itself: always False."""
    return connection.vendor == "sqlite" and _has_tables(str(connection.settings_dict["NAME"]))


@cache
def _has_tables(database: str) -> bool:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM sqlite_master WHERE name IN (%s, %s)", [NAME_INDEX, ADDRESS_INDEX]
        )
        return cursor.fetchone()[0] == 2
