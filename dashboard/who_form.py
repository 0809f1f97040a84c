"""The form that says whom a campaign or a saved segment means: lists, conditions, and whom it leaves out."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any, NamedTuple

from django import forms

from campaigns.conditions import (
    KINDS,
    MOST_CONDITIONS,
    MOST_HELD_OUT,
    OUTCOMES,
    PARAMS,
    BadConditions,
    Condition,
    ConditionKind,
    Conditions,
)
from campaigns.models import Campaign
from contacts.channels import Channel
from contacts.models import Contact, ContactImport, ContactList
from deliveries.outcomes.keyset import read_id

NEWEST = 50  # campaigns and files that a condition offers, beside those that it names already
MANY = ("lists", "imports", "stages")
WORDS = ("words", "regions")  # several, between commas
NUMBERS = {"days": "Days", "percent": "Per cent", "share": "Per cent", "tier": "Value tier"}
LABELS = {
    "lists": "Lists", "imports": "Files", "stages": "Stages", "words": "Words, between commas", "field": "Field",
    "regions": "Countries or states, between commas", "channel": "Channel", "any_channel": "Channel",
    "campaign": "Campaign", "outcome": "Outcome", **NUMBERS,
}  # fmt: skip


class ListChoice(forms.ModelMultipleChoiceField):
    """Each list with how many people it has, as they were last counted."""

    widget = forms.CheckboxSelectMultiple

    def label_from_instance(self, obj: ContactList) -> str:
        figures = getattr(obj, "figures", None)
        if figures is None or figures.counted_at is None:
            return obj.name
        return f"{obj.name} ({figures.people:,})"


class ConditionPiece(NamedTuple):
    """Some words of a condition, and the control behind them."""

    words: str
    field: forms.BoundField | None


class ConditionRow(NamedTuple):
    """A condition as it is written: `way` chooses between it and its contrary, None where it has none."""

    place: int
    label: str
    way: forms.BoundField | None
    pieces: list[ConditionPiece]
    kind: forms.BoundField
    errors: list[str]


class WhoForm(forms.Form):
    """`meant` and `chosen_lists` are what it says, once it is valid; `rewrote`: its conditions are others."""

    lists = ListChoice(
        ContactList.objects.none(),
        label="Lists",
        required=False,
        help_text="Whoever is on several of them is written to once.",
    )
    everybody = forms.BooleanField(
        label="All contacts, whether on a list or not", required=False, help_text="With a condition at least."
    )
    add = forms.ChoiceField(
        label="Add a condition",
        required=False,
        choices=[("", "Choose"), *((key, kind.label) for key, kind in KINDS.items())],
    )
    excluded = ListChoice(
        ContactList.objects.none(),
        label="Leave out whoever is on",
        required=False,
        help_text="They are counted as skipped, by name.",
    )
    hold_out = forms.IntegerField(
        label="Hold out, per cent",
        required=False,
        min_value=0,
        max_value=MOST_HELD_OUT,
        help_text="So many, drawn at random from those who could be written to, get nothing: to compare with.",
    )

    def __init__(
        self, meant: Conditions, lists: Collection[int], data: Any = None, prefix: str | None = "who"
    ) -> None:
        super().__init__(data, prefix=prefix)
        self.rewrote = False
        every = ContactList.objects.select_related("figures")
        for name in ("lists", "excluded"):
            self.fields[name].queryset = every  # type: ignore[attr-defined]
        self.initial.update({
            "lists": list(lists), "everybody": meant.everybody, "excluded": list(meant.excluded),
            "hold_out": meant.hold_out or None,
        })  # fmt: skip
        self.kinds = self._kinds(meant)
        for place, kind in self.kinds.items():
            known = meant.narrowed[place] if place < len(meant.narrowed) else None
            self._add_fields(place, kind, known if known and known.kind == kind else None)

    def _kinds(self, meant: Conditions) -> dict[int, str]:
        """Place -> kind of the conditions that are written, but for the one that is to go."""
        if not self.is_bound:
            return {place: one.kind for place, one in enumerate(meant.narrowed)}
        goes = self.data.get(self.add_prefix("remove"), "")
        found = {}
        for place in range(MOST_CONDITIONS + 1):
            kind = self.data.get(self.add_prefix(f"c{place}-is"), "")
            if kind in KINDS and str(place) != goes:
                found[place] = kind
        self.rewrote = bool(goes)
        return found

    def _add_fields(self, place: int, kind: str, known: Condition | None) -> None:
        of = f"c{place}-"
        self.fields[of + "is"] = forms.CharField(widget=forms.HiddenInput, initial=kind)
        begins, contrary = KINDS[kind].begins
        if contrary:
            self.fields[of + "not"] = forms.ChoiceField(
                label=KINDS[kind].label,
                choices=[("", begins), ("1", contrary)],
                required=False,
                initial="1" if known and known.negated else "",
                widget=forms.Select(attrs={"aria-label": f"{KINDS[kind].label}: people who"}),
            )
        for name in KINDS[kind].params:
            self.fields[of + name] = field_for(name, known[name] if known else None, KINDS[kind])

    # ---- Read --------------------------------------------------------------------------------------------------

    def clean(self) -> dict[str, Any]:
        data = super().clean() or self.cleaned_data
        narrowed: list[Condition] = []
        for place, kind in self.kinds.items():
            found = self._condition(place, kind)
            if found in narrowed:
                self.add_error(
                    f"c{place}-{KINDS[kind].params[-1] if KINDS[kind].params else 'is'}",
                    "The same condition stands above: change one, or take one out.",
                )
            elif found:
                narrowed.append(found)
        if data.get("add"):
            if len(narrowed) >= MOST_CONDITIONS:
                self.add_error(
                    "add", f"There are {MOST_CONDITIONS} already, which is as many as there may be."
                )
            elif (new := fresh(data["add"])) in narrowed:
                self.add_error(
                    "add",
                    f"{KINDS[new.kind].label}: that condition is there already. Change it first, then add another.",
                )
            else:
                narrowed.append(new)
                self.rewrote = True
        everybody = bool(data.get("everybody"))
        self.chosen_lists = [] if everybody else [one.pk for one in data.get("lists") or []]
        excluded = tuple(sorted(one.pk for one in data.get("excluded") or []))
        both = {one.name for one in data.get("excluded") or [] if one.pk in self.chosen_lists}
        if both:
            self.add_error(
                "excluded", f"{', '.join(sorted(both))}: it is chosen above. Take it out of one of the two."
            )
        self.meant = Conditions(tuple(narrowed), excluded, data.get("hold_out") or 0, everybody)
        return data

    def _condition(self, place: int, kind: str) -> Condition | None:
        value: dict[str, Any] = {"is": kind}
        if self.cleaned_data.get(f"c{place}-not"):
            value["not"] = True
        for name in KINDS[kind].params:
            if f"c{place}-{name}" not in self.cleaned_data:
                return None  # refused, and said so
            value[name] = self.cleaned_data[f"c{place}-{name}"]
        try:
            return Condition.read(value)
        except BadConditions as problem:
            self.add_error(
                f"c{place}-{KINDS[kind].params[-1]}", str(problem).partition(": ")[2] or str(problem)
            )
            return None

    # ---- Shown -------------------------------------------------------------------------------------------------

    @property
    def rows(self) -> list[ConditionRow]:
        return list(self._rows())

    def _rows(self) -> Iterator[ConditionRow]:
        for place, kind in self.kinds.items():
            has_way = f"c{place}-not" in self.fields
            pieces = [
                ConditionPiece(
                    "" if has_way and n == 0 else words, self[f"c{place}-{name}"] if name else None
                )
                for n, (words, name) in enumerate(KINDS[kind].pieces)
            ]
            fields = [one.field for one in pieces if one.field is not None] or [self[f"c{place}-is"]]
            yield ConditionRow(
                place,
                KINDS[kind].label,
                self[f"c{place}-not"] if has_way else None,
                [one for one in pieces if one.words or one.field is not None],
                self[f"c{place}-is"],
                [str(error) for field in fields for error in field.errors],
            )


def field_for(name: str, value: Any, kind: ConditionKind) -> forms.Field:
    """The control of one parameter, with its value so far."""
    label = LABELS[name]
    attrs = {"aria-label": f"{kind.label}: {label.lower()}"}
    if name in NUMBERS:
        return forms.IntegerField(
            label=label, initial=value, min_value=1, widget=forms.NumberInput(attrs=attrs)
        )
    if name in WORDS:
        return Words(
            label=label, initial=", ".join(value or ()), max_length=2_000, widget=forms.TextInput(attrs=attrs)
        )
    if name == "field":
        return forms.CharField(
            label=label, initial=value, max_length=120, widget=forms.TextInput(attrs=attrs)
        )
    choices = choices_of(name, value)
    if name in MANY:
        return Several(
            label=label, initial=list(value or ()), choices=choices, coerce=_number_or_word,
            widget=forms.CheckboxSelectMultiple,
        )  # fmt: skip
    coerce = int if name == "campaign" else str
    return forms.TypedChoiceField(
        label=label, initial=value, choices=choices, coerce=coerce, empty_value="",
        required=name != "any_channel", widget=forms.Select(attrs=attrs),
    )  # fmt: skip


class Words(forms.CharField):
    """Several, between commas or semicolons."""

    def clean(self, value: Any) -> Any:
        text = super().clean(value).replace(";", ",")
        return [word.strip() for word in text.split(",") if word.strip()]


class Several(forms.TypedMultipleChoiceField):
    """Boxes."""


def _number_or_word(value: str) -> int | str:
    number = read_id(value)
    return value if number is None else number


def choices_of(name: str, value: Any) -> list[tuple[Any, str]]:
    """What may be chosen, with what is chosen already."""
    match name:
        case "lists":
            return list(ContactList.objects.values_list("pk", "name"))
        case "imports":
            done = ContactImport.objects.filter(state=ContactImport.State.DONE).order_by("-pk")
            newest = list(done.values_list("pk", flat=True)[:NEWEST])
            found = ContactImport.objects.filter(pk__in={*newest, *(value or ())}).order_by("-pk")
            return [(one.pk, one.file_name) for one in found.only("pk", "file_name")]
        case "campaign":
            sent = Campaign.objects.exclude(state=Campaign.State.DRAFT).order_by("-pk")
            newest = list(sent.values_list("pk", flat=True)[:NEWEST])
            return list(
                Campaign.objects.filter(pk__in={*newest, *([value] if value else [])})
                .order_by("-pk")
                .values_list("pk", "name")
            )
        case "stages":
            return list(Contact.Stage.choices)
        case "outcome":
            return list(OUTCOMES.items())
        case _:
            any_channel = [("", "any channel")] if name == "any_channel" else []
            return [*any_channel, *((one.value, one.in_sentence) for one in Channel)]


def fresh(kind: str) -> Condition:
    """A condition as it begins when it is added, with what is nearest at hand. Raises ValidationError where there is
    nothing to choose among."""
    value: dict[str, Any] = {"is": kind}
    for name in KINDS[kind].params:
        begins: Any = PARAMS[name].begins
        if begins is None:
            begins = _at_hand(name)
        value[name] = begins
    if kind == "field":
        value["field"], value["words"] = _known_field()
    try:
        return Condition.read(value)
    except BadConditions:
        raise forms.ValidationError(
            {"add": f"{KINDS[kind].label}: there is nothing to choose among yet."}
        ) from None


def _at_hand(name: str) -> Any:
    if name == "regions":
        return ["US"]
    if name == "words":
        return ["vip"]
    known = choices_of(name, None)
    first = known[0][0] if known else None
    return [first] if name in MANY and first is not None else first


def _known_field() -> tuple[str, list[str]]:
    """A field that contacts have, tags first, with a word of it."""
    newest = Contact.objects.exclude(attributes={}).order_by("-pk").values_list("attributes", flat=True)[:200]
    found = {
        name: str(value) for attributes in newest for name, value in attributes.items() if str(value).strip()
    }
    name = "tags" if "tags" in found else next(iter(sorted(found)), "tags")
    return name, [found.get(name, "vip").replace(";", ",").split(",")[0].strip()[:120] or "vip"]
