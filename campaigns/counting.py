"""How long a text with merge fields is for the people it goes to, as the counter below it says. Pure but `samples`.

The counter in the browser (`static/js/segments.js`) says the same from the same samples while somebody types.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from campaigns.look_alikes import Special, label, saving, specials
from campaigns.merging import FIELD, values_of
from campaigns.segments import outside, segments, size
from contacts.models import Contact

LOOKED_AT = 1_000  # people whose details are the samples

Samples = Mapping[
    str, tuple[str, str]
]  # field -> what makes a text least and most long; a person's lack is ''


class CountedText(NamedTuple):
    """`label` is the length in words, `saving` what special characters cost ('' for nothing), `specials` those of the
    text itself, `theirs` a sentence where people's own details bring some."""

    label: str
    saving: str
    specials: list[Special]
    theirs: str
    least: int  # segments
    most: int


def samples(people: Iterable[Contact]) -> dict[str, tuple[str, str]]:
    """Of every merge field, the value that takes least room and the one that takes most."""
    found: dict[str, tuple[str, str]] = {}
    for person in people:
        for name, value in values_of(person).items():
            text = str(value)
            least, most = found.get(name, (text, text))
            found[name] = (min(least, text, key=_room), max(most, text, key=_room))
    return found


def counted(text: str, values: Samples) -> CountedText:
    """What the counter says of `text`."""
    least, most = (filled(text, values, n) for n in (0, 1))
    words = label(most)
    if segments(least) != segments(most):
        words = f"Up to {words}; {segments(least)} for the shortest details"
    own = filled(text, {}, 0)
    theirs = "".join(one for one in outside(most) if one not in outside(own))
    said = f"Somebody's details have {theirs[0]}, which no text of yours can change." if theirs else ""
    dear = saving(own if theirs else most)
    return CountedText(words, dear, specials(text), said, segments(least), segments(most))


def filled(text: str, values: Samples, n: int) -> str:
    """`text` with the shortest (0) or longest (1) value of each field in it."""
    return FIELD.sub(lambda match: values.get(match.group(1).strip(), ("", ""))[n], text)


def _room(text: str) -> tuple[bool, int]:
    return bool(outside(text)), size(text).units
