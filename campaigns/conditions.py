"""Whom a campaign means, beside its lists: what narrows them, who is left out, and how many are held out to compare.

One checked value, stored as JSON on a campaign or a saved segment. `KINDS` is the whole of what may narrow; what each
means in SQL stands in `deliveries/sending/who_sql.py`, and a test holds the two together. Pure: no database.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, NamedTuple

from django.core.exceptions import ValidationError

from contacts.channels import Channel
from contacts.models import Contact

MOST_CONDITIONS = 12
MOST_VALUES = 100  # of one condition: a longer statement is no faster to read for people either
LONGEST = 120  # characters of a word
LONGEST_DAYS = 3_650
MOST_HELD_OUT = 50  # per cent: of more than half, the campaign would be the exception

Value = int | str | tuple[int, ...] | tuple[str, ...]


class BadConditions(ValueError):
    """What cannot be used, in a sentence."""


# ---- The values ------------------------------------------------------------------------------------------------


def _many(values: Any, one: Callable[[Any], Any]) -> tuple[Any, ...]:
    if not isinstance(values, list | tuple) or not values:
        raise BadConditions("Choose at least one.")
    if len(values) > MOST_VALUES:
        raise BadConditions(f"Choose {MOST_VALUES} at most.")
    return tuple(dict.fromkeys(one(each) for each in values))


def _id(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 < value < 2**63:
        raise BadConditions("Choose one that exists.")
    return value


def _within(least: int, most: int) -> Callable[[Any], int]:
    def read(value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            raise BadConditions(f"Give a whole number from {least} to {most:,}.")
        return value

    return read


def _word(value: Any) -> str:
    if not isinstance(value, str) or not value.strip() or len(value) > LONGEST or "\x00" in value:
        raise BadConditions(f"Write a word of {LONGEST} characters at most.")
    return " ".join(value.split())


REGION = re.compile(r"[A-Z]{2}(-[A-Z0-9]{1,3})?")


def _region(value: Any) -> str:
    region = _word(value).upper()
    if not REGION.fullmatch(region):
        raise BadConditions(f"“{_word(value)}” is no country like US, nor a state like US-TX.")
    return region


def _among(words: Iterable[str]) -> Callable[[Any], str]:
    known = list(words)

    def read(value: Any) -> str:
        if not isinstance(value, str) or value not in known:
            raise BadConditions("Choose one of those offered.")
        return value

    return read


OUTCOMES = {"reached": "were reached by", "not_reached": "were not reached by", "not_in": "were not in"}


class Param(NamedTuple):
    """What a condition is asked with: how it is read, and what it begins as; None where it has to be chosen."""

    read: Callable[[Any], Any]
    begins: Value | None = None


PARAMS: dict[str, Param] = {
    "lists": Param(lambda given: _many(given, _id)),
    "imports": Param(lambda given: _many(given, _id)),
    "field": Param(_word, "tags"),
    "words": Param(lambda given: _many(given, _word)),
    "stages": Param(lambda given: _many(given, _among(Contact.Stage.values))),
    "tier": Param(_within(1, 32_767), 1),
    "regions": Param(lambda given: _many(given, _region)),
    "channel": Param(_among(Channel.values), Channel.SMS.value),
    "any_channel": Param(_among(["", *Channel.values]), ""),
    "days": Param(_within(1, LONGEST_DAYS), 90),
    "campaign": Param(_id),
    "outcome": Param(_among(OUTCOMES), "not_reached"),
    "percent": Param(_within(1, 99), 60),
    "share": Param(_within(1, 99), 10),
}


def _pieces(says: str) -> list[tuple[str, str]]:
    parts = re.split(r"\{(\w+)\}", says)
    return list(zip(parts[::2], [*parts[1::2], ""], strict=True))


class ConditionKind(NamedTuple):
    """`label` offers it; `says` completes "People who ..." with its values in braces, `says_not` the contrary, which
    reads the same from the first of them on; '' where it has none."""

    label: str
    says: str
    says_not: str = ""

    @property
    def params(self) -> list[str]:
        return [name for _, name in self.pieces if name]

    @property
    def pieces(self) -> list[tuple[str, str]]:
        """(words, parameter behind them) in order; '' for none behind the last words."""
        return [(words.strip(), name) for words, name in _pieces(self.says) if words or name]

    @property
    def begins(self) -> tuple[str, str]:
        """The words before the first parameter, and those of the contrary, '' where there is none."""
        first, second = (next(iter(_pieces(says)), ("", ""))[0] for says in (self.says, self.says_not))
        return first.strip(), second.strip()


KINDS: dict[str, ConditionKind] = {
    "source": ConditionKind("List source", "came from {lists}", "did not come from {lists}"),
    "import": ConditionKind(
        "Imported file", "were brought in by the file {imports}", "were not brought in by the file {imports}"
    ),
    "on": ConditionKind("Also on a list", "are also on {lists}", "are not on {lists}"),
    "field": ConditionKind(
        "Tag or other imported field", "have in the field {field} {words}", "do not have in the field {field} {words}"
    ),
    "stage": ConditionKind("Lifecycle stage", "are at the stage {stages}", "are not at the stage {stages}"),
    "tier": ConditionKind(
        "Value tier", "are at least of value tier {tier}", "are below value tier {tier}"
    ),
    "region": ConditionKind(
        "Country or state of the address", "have an address in {regions}", "have no address in {regions}"
    ),
    "reached": ConditionKind(
        "Reached lately", "were reached by {any_channel} in the last {days} days",
        "were not reached by {any_channel} in the last {days} days",
    ),
    "never": ConditionKind("Never reached", "were never reached", "were reached at least once"),
    "campaign": ConditionKind("Outcome of a campaign", "{outcome} the campaign {campaign}"),
    "engaged": ConditionKind(
        "Engaged lately", "replied, clicked or pressed a key in the last {days} days",
        "did not reply, click or press a key in the last {days} days",
    ),
    "likely": ConditionKind(
        "Likely to be reached", "have at least a chance of {percent}% to be reached by {channel}",
        "have less than a chance of {percent}% to be reached by {channel}",
    ),
    "consent": ConditionKind("Consent", "agreed to {channel}", "did not agree to {channel}"),
    "sample": ConditionKind("Random sample", "are in a random sample of {share}%"),
}  # fmt: skip


@dataclass(frozen=True)
class Condition:
    """One thing that narrows an audience: of `values`, a name and its value for each parameter of the kind."""

    kind: str
    values: tuple[tuple[str, Value], ...] = ()
    negated: bool = False

    def __getitem__(self, name: str) -> Any:
        return dict(self.values)[name]

    @classmethod
    def read(cls, value: object) -> Condition:
        """Raises BadConditions."""
        if not isinstance(value, dict):
            raise BadConditions("A condition names what it is.")
        kind = value.get("is")
        if not isinstance(kind, str) or kind not in KINDS:
            raise BadConditions("There is no such condition.")
        wanted = KINDS[kind].params
        if set(value) - {"is", "not", *wanted}:
            raise BadConditions(f"{KINDS[kind].label}: it holds what no such condition has.")
        negated = value.get("not", False)
        if not isinstance(negated, bool) or (negated and not KINDS[kind].says_not):
            raise BadConditions(f"{KINDS[kind].label}: it has no contrary.")
        found = []
        for name in wanted:
            try:
                found.append((name, PARAMS[name].read(value.get(name))))
            except BadConditions as problem:
                raise BadConditions(f"{KINDS[kind].label}: {problem}") from None
        return cls(kind, tuple(found), negated)

    @property
    def as_json(self) -> dict[str, Any]:
        values = {name: list(one) if isinstance(one, tuple) else one for name, one in self.values}
        return {"is": self.kind, **({"not": True} if self.negated else {}), **values}


@dataclass(frozen=True)
class Conditions:
    """All of `narrowed` hold of whoever is meant. `everybody`: of all contacts, not of the lists' alone. `excluded` are
    lists, whoever is on one of which is skipped; `hold_out` per cent of the people who could be written to are."""

    narrowed: tuple[Condition, ...] = ()
    excluded: tuple[int, ...] = ()
    hold_out: int = 0
    everybody: bool = False

    KEYS = ("all", "excluded", "hold_out", "everybody")

    @classmethod
    def read(cls, value: object) -> Conditions:
        """From what `as_json` gives; {} means whoever is on the lists. Raises BadConditions."""
        if not isinstance(value, dict) or set(value) - set(cls.KEYS):
            raise BadConditions("Whom it means holds what is not known here.")
        narrowed, excluded = value.get("all", []), value.get("excluded", [])
        if not isinstance(narrowed, list) or len(narrowed) > MOST_CONDITIONS:
            raise BadConditions(f"Give {MOST_CONDITIONS} conditions at most.")
        everybody = value.get("everybody", False)
        if not isinstance(everybody, bool):
            raise BadConditions("Say whether everybody is meant.")
        hold_out = _within(0, MOST_HELD_OUT)(value.get("hold_out", 0))
        found = tuple(Condition.read(one) for one in narrowed)
        return cls(found, _many(excluded, _id) if excluded else (), hold_out, everybody)

    @property
    def as_json(self) -> dict[str, Any]:
        found: dict[str, Any] = {
            "all": [one.as_json for one in self.narrowed], "excluded": list(self.excluded),
            "hold_out": self.hold_out, "everybody": self.everybody,
        }  # fmt: skip
        return {name: each for name, each in found.items() if each}

    def ids(self, *names: str) -> set[int]:
        """The ids that its conditions hold in these parameters."""
        given = (value for one in self.narrowed for name, value in one.values if name in names)
        return {pk for value in given for pk in (value if isinstance(value, tuple) else (value,))}  # type: ignore[misc]

    @property
    def lists(self) -> set[int]:
        """Every list that it names, for whatever."""
        return self.ids("lists") | set(self.excluded)


ALL_OF_THE_LISTS = Conditions()


def of(value: Mapping[str, Any]) -> Conditions:
    """The stored value, read. Raises BadConditions."""
    return _of(json.dumps(value, sort_keys=True)) if value else ALL_OF_THE_LISTS


@lru_cache(maxsize=256)
def _of(text: str) -> Conditions:
    return Conditions.read(json.loads(text))


def validate(value: object) -> None:
    """For a model's field. Raises ValidationError."""
    try:
        Conditions.read(value)
    except BadConditions as problem:
        raise ValidationError(str(problem)) from None


# ---- In words --------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Names:
    """What ids are called."""

    lists: Mapping[int, str] = field(default_factory=dict)
    imports: Mapping[int, str] = field(default_factory=dict)
    campaigns: Mapping[int, str] = field(default_factory=dict)

    def list_names(self, ids: Iterable[int]) -> str:
        return _or(_named(self.lists, one, "a list that is deleted") for one in ids)


def sentence(condition: Condition, names: Names) -> str:
    """What completes "People who ..."."""
    kind = KINDS[condition.kind]
    says = kind.says_not if condition.negated else kind.says
    return says.format(**{name: _value_words(name, value, names) for name, value in condition.values})


def _value_words(name: str, value: Any, names: Names) -> str:
    match name:
        case "lists":
            return names.list_names(value)
        case "imports":
            return _or(_named(names.imports, one, "a file that is deleted") for one in value)
        case "campaign":
            return _named(names.campaigns, value, "that is deleted")
        case "outcome":
            return OUTCOMES[value]
        case "stages":
            return _or(str(Contact.Stage(one).label).lower() for one in value)
        case "channel" | "any_channel":
            return Channel(value).in_sentence if value else "any channel"
        case "words":
            return _or(f"“{one}”" for one in value)
        case "field":
            return f"“{value}”"
        case "regions":
            return _or(value)
        case _:
            return f"{value:,}"


def _named(known: Mapping[int, str], pk: int, otherwise: str) -> str:
    return f"“{known[pk]}”" if pk in known else otherwise


def _or(words: Iterable[str]) -> str:
    *first, last = list(words) or [""]
    return f"{', '.join(first)} or {last}" if first else last
