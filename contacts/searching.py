"""Finding a contact by whatever somebody has in hand: a number in any format, an email, part of a name; and a reply.

Parts are looked up in trigram indexes that migrations make: pg_trgm on PostgreSQL, FTS5 tables kept by triggers on
SQLite. Where an index could not be made the same queries work, slowly. Names are compared as `names.folded` has them:
without accents and capitals.
"""

from __future__ import annotations

import re
import unicodedata
from difflib import SequenceMatcher
from functools import cache

from django.conf import settings
from django.db import ProgrammingError, connection, transaction
from django.db.models import Q, QuerySet
from django.db.models.expressions import RawSQL
from django.db.models.functions import Coalesce

from contacts.addresses import match_key
from contacts.channels import Kind
from contacts.models import Address, Contact, Reply
from contacts.names import folded
from contacts.phones import search_forms

LIMIT = 50  # contacts that a page of results shows; whoever finds more narrows the search
LARGEST_ID = 2**63 - 1  # what a bigint holds; the database refuses to compare a larger one
FEWEST = 3  # a trigram index knows nothing of shorter parts, and they would match half of everybody
LONGEST = 254  # characters: no address is longer (RFC 5321 leaves 254 to an email)
NUMBER_AS_WRITTEN = re.compile(
    r"(?:tel:\s*)?(?P<abroad>00\s?(?=[1-9]))?(?P<whole>[+(]?\d[\d\s().+/-]*?)(?:[\s,;]*(?:ext\.?|extension|x|#)\s*\d{1,6})?",
    re.IGNORECASE,
)
SEPARATORS = re.compile(r"[\s().+/-]")
SEPARATED = re.compile(r"\s+")
CANDIDATES = 300  # names that are compared letter by letter
LIKE_ENOUGH = 0.7  # of difflib's ratio: one letter wrong, missing or doubled in a word of five
NAME_INDEX, ADDRESS_INDEX = "contacts_folded_search", "contacts_address_search"
REPLY_INDEX = "contacts_reply_search"


def search(text: str, limit: int = LIMIT) -> list[Contact]:
    """At most `limit` contacts: those that match exactly first, then those of whom `text` is a part.

    Last comes the one whose number of ours it is: four digits are rather the end of a telephone number.

    Fewer than three characters find exact matches only, and a number of ours behind a # only.
    """
    text = clean(text)
    if not text:
        return []
    ways = [*exactly(text), *(in_part(text) if len(text) >= FEWEST else [])]
    if number := numbered(text):
        ways.append(
            Contact.objects.filter(pk=number).values_list(Coalesce("merged_into_id", "pk"), flat=True)
        )
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
        Address.objects.filter(match_key__in=keys(text))
        .order_by("contact_id")
        .values_list("contact_id", flat=True),
        Contact.objects.filter(external_id__in={text, text.lower(), text.upper()})
        .exclude(external_id="")
        .order_by("pk")
        .values_list("pk", flat=True),
    ]


def numbered(text: str) -> int | None:
    """The number of ours that `text` names, such as 157 or #7; None when it is none.

    Fewer digits need the #: they are rather a part of a telephone number, which is too short to be looked for.
    """
    digits = text.removeprefix("#")
    if digits == text and len(digits) < FEWEST:
        return None
    known = digits.isascii() and digits.isdigit() and len(digits) <= len(str(LARGEST_ID))
    return int(digits) if known and 0 < int(digits) <= LARGEST_ID else None


def keys(text: str) -> set[str]:
    """The keys of the addresses that `text` may spell out."""
    number = search_forms(text, settings.DEFAULT_REGION).whole
    return {match_key(each) for each in (text, number) if each}


def wholly(text: str, key: str = "pk") -> Q:
    """A condition on contacts, or on rows that name theirs in `key`: `text` is an address or the foreign id."""
    first, *others = (way.order_by() for way in exactly(clean(text)))
    return Q(**{f"{key}__in": first.union(*others)})


def in_part(text: str) -> list[QuerySet]:
    """Ids of contacts of whom `text` is a part, in order of id: by digits of a number, by name, by both, by email."""
    words, groups = _taken_apart(text)
    if groups and not words:
        ways = [_ending_in("".join(groups)), *([_with_groups(groups)] if len(groups) > 1 else [])]
        return [way.order_by("contact_id").values_list("contact_id", flat=True) for way in ways]
    ways = [_named(text).order_by("pk").values_list("pk", flat=True)]
    if groups:
        both = _named(" ".join(words)).filter(pk__in=_ending_in("".join(groups)))
        return [*ways, both.order_by("pk").values_list("pk", flat=True)]
    return [*ways, _written(text).order_by("contact_id").values_list("contact_id", flat=True)]


def partly(text: str, key: str = "pk") -> Q:
    """A condition on contacts, or on rows that name theirs in `key`: `text` is part of the name or of an address.

    Digits are read as those of a number, anything else as part of a name or an email, or as a name and the last digits.
    """
    first, *others = (way.order_by() for way in in_part(clean(text)))
    # One list of ids: with OR both databases would look at every contact.
    return Q(**{f"{key}__in": first.union(*others)})


def replies_saying(text: str) -> QuerySet[Reply]:
    """Replies that contain `text`, as it is written but for capitals."""
    if len(text) >= FEWEST and indexed():
        return Reply.objects.filter(pk__in=_matching(REPLY_INDEX, text))
    return Reply.objects.filter(text__icontains=text)


def alike(text: str, limit: int = 10) -> list[Contact]:
    """Contacts whose name is written much like `text`, the likest first: for when nobody is called that."""
    words = [word for word in folded(clean(text)).split() if len(word) >= FEWEST and not word.isdigit()]
    if not words:
        return []
    likeness = {pk: _likeness(words, name.split()) for pk, name in _sharing_letters(words)}
    likest = sorted((pk for pk in likeness if likeness[pk]), key=lambda pk: (-likeness[pk], pk))[:limit]
    known = Contact.objects.select_related("source").prefetch_related("addresses").in_bulk(likest)
    return [known[pk] for pk in likest if pk in known]


def _likeness(words: list[str], name: list[str]) -> float:
    """How well each of `words` is met by one of the name's, 0..1; 0 as soon as one of them is met by none."""
    best = [max((SequenceMatcher(None, word, each).ratio() for each in name), default=0.0) for word in words]
    return sum(best) / len(best) if min(best) >= LIKE_ENOUGH else 0.0


def _sharing_letters(words: list[str]) -> list[tuple[int, str]]:
    """(id, folded name) of contacts that share three letters in a row with `words`, those with most of them first."""
    if indexed():
        return [*_sharing_trigrams(words), *_beginning_alike(words)]
    if connection.vendor != "postgresql":
        return []
    sql = """SELECT id, search_name FROM contacts_contact WHERE search_name %%> %s
             ORDER BY word_similarity(%s, search_name) DESC, id LIMIT %s"""
    typed = " ".join(words)
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SET LOCAL pg_trgm.word_similarity_threshold = 0.3")
            cursor.execute(sql, [typed, typed, CANDIDATES])
            return cursor.fetchall()
    except ProgrammingError:  # a database without pg_trgm
        return []


def _sharing_trigrams(words: list[str]) -> list[tuple[int, str]]:
    parts = sorted({word[at : at + FEWEST] for word in words for at in range(len(word) - FEWEST + 1)})
    phrase = " OR ".join('"' + part.replace('"', '""') + '"' for part in parts)
    sql = f"SELECT rowid, search_name FROM {NAME_INDEX} WHERE {NAME_INDEX} MATCH %s ORDER BY rank LIMIT %s"  # noqa: S608
    with connection.cursor() as cursor:
        cursor.execute(sql, [phrase, CANDIDATES])
        return cursor.fetchall()


def _beginning_alike(words: list[str]) -> QuerySet:
    """What SQLite's index does not see: beginnings of words, which pg_trgm counts. Looks at every name."""
    wanted = Q()
    for word in words:
        wanted |= Q(search_name__startswith=word[:2]) | Q(search_name__contains=f" {word[:2]}")
    return Contact.objects.filter(wanted).order_by().values_list("pk", "search_name")[:CANDIDATES]


def _taken_apart(text: str) -> tuple[list[str], list[str]]:
    """Words, and groups of digits: "Carla 0157", "310 0157". A word with both, such as an email, is a word."""
    words, groups = [], []
    for part in SEPARATED.split(text):
        digits = SEPARATORS.sub(" ", part).split()
        if digits and all(each.isascii() and each.isdigit() for each in digits):
            groups += digits
        elif part:
            words.append(part)
    return words, groups


def _named(text: str) -> QuerySet:
    """By every word of `text`, in any order, without accents and capitals. By accents alone nobody is named."""
    words = folded(text).split()
    contacts = Contact.objects.order_by() if words else Contact.objects.none()
    for word in words:
        if len(word) >= FEWEST and indexed():
            contacts = contacts.filter(pk__in=_matching(NAME_INDEX, word))
        else:
            contacts = contacts.filter(search_name__contains=word)
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


def _with_groups(groups: list[str]) -> QuerySet:
    """Contacts with a number that ends in the last group and has the others before it, in their order."""
    *before, last = groups
    pattern = ".*".join(before) + ".*" + last + "$"
    addresses = Address.objects.filter(kind=Kind.PHONE, value__endswith=last)
    for group in groups:
        if len(group) >= FEWEST and indexed():
            addresses = addresses.filter(pk__in=_matching(ADDRESS_INDEX, group))
        else:
            addresses = addresses.filter(value__icontains=group)
    return addresses.filter(value__regex=pattern).values("contact_id")


def _matching(index: str, text: str) -> RawSQL:
    """Ids of the rows whose text contains `text`, from SQLite's trigram table; quotes make it one phrase."""
    phrase = '"' + text.replace('"', '""') + '"'
    sql = f"SELECT rowid FROM {index} WHERE {index} MATCH %s"  # noqa: S608 - one of our names
    return RawSQL(sql, [phrase])  # noqa: S611 - the text travels as a parameter


def indexed() -> bool:
    """Whether SQLite's trigram tables are there. On PostgreSQL the planner knows by itself: always False."""
    return connection.vendor == "sqlite" and _has_tables(str(connection.settings_dict["NAME"]))


@cache
def _has_tables(database: str) -> bool:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM sqlite_master WHERE name IN (%s, %s, %s)",
            [NAME_INDEX, ADDRESS_INDEX, REPLY_INDEX],
        )
        return cursor.fetchone()[0] == 3
