"""What a form that was kept says, for whoever typed it: by its labels, and what they chose by its name.

The admin's forms tell both, and so does a view that carries `describe_typed`, a function of the request, the QueryDict
that was sent and the arguments of its address, to a Typed or None. Of the other pages, whose forms are small, the names
of the fields are taken as words.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.http import HttpRequest, QueryDict
from django.urls import Resolver404, ResolverMatch, resolve
from django.utils.text import capfirst

Line = tuple[str, str]
# What a page adds to a form for itself.
OF_THE_PAGE = re.compile(
    r"_(?!selected_action$).*|.*-(TOTAL|INITIAL|MIN_NUM|MAX_NUM)_FORMS|.*-__prefix__-.*"
    r"|next|act|edited|person|over|seen|shown|look|filters|selected_at|counted_at|index|select_across"
)
AREAS = {"deliveries": "Messages", "mappings": "Code mappings", "inbox": "Replies"}


@dataclass(frozen=True)
class Typed:
    """`lines` are (label, text); `saves`: it only saves a record, and does nothing to anybody. `lead`: what was kept
    and where it goes, in the words of its page. Not `usable`: to send it would change nothing."""

    about: str
    lines: list[Line]
    saves: bool
    lead: str = ""
    usable: bool = True


def typed(request: HttpRequest, path: str, fields: Iterable[Sequence[str]]) -> Typed:
    """What `fields`, pairs of (name, value), say that were sent to `path`."""
    data = QueryDict(mutable=True)
    for name, value in fields:
        data.appendlist(name, value)
    try:
        match = resolve(path.partition("?")[0])
    except Resolver404:
        return Typed("What you typed", list(by_name(data)), saves=False)
    describe = getattr(match.func, "describe_typed", None)
    described = describe(request, data, **match.kwargs) if describe else _in_admin(request, match, data)
    return described or Typed(_about(match), list(by_name(data)), saves=False)


# ---- Any page ----------------------------------------------------------------------------------------------


def _about(match: ResolverMatch) -> str:
    """ "Contacts: note"."""
    if model_admin := getattr(match.func, "model_admin", None):
        return capfirst(model_admin.opts.verbose_name_plural)
    area = AREAS.get(match.namespace, match.namespace.capitalize())
    return ": ".join(filter(None, [area, (match.url_name or "").replace("_", " ")])) or "What you typed"


def by_name(data: QueryDict) -> Iterator[Line]:
    """By the names of the fields; of a choice of many only how many."""
    for name, values in data.lists():
        given = [str(value) for value in values if str(value).strip()]
        if given and not OF_THE_PAGE.fullmatch(name):
            label = capfirst(re.sub("[-_]+", " ", name).strip())
            yield label, f"{len(given)} chosen" if len(given) > 1 else given[0]


# ---- A form of the admin ----------------------------------------------------------------------------------------


def _in_admin(request: HttpRequest, match: ResolverMatch, data: QueryDict) -> Typed | None:
    """None for what is no such form, or none of theirs: what an id stands for is for those who may see it."""
    model_admin, name = getattr(match.func, "model_admin", None), match.url_name or ""
    if model_admin is None or not name.endswith(("_add", "_change")):
        return None
    obj = None
    if name.endswith("_change"):
        obj = model_admin.get_object(request, match.kwargs["object_id"])
        if obj is None or not model_admin.has_change_permission(request, obj):
            return None
        about = f"{capfirst(model_admin.opts.verbose_name)}: {obj}"
    elif model_admin.has_add_permission(request):
        about = f"New {model_admin.opts.verbose_name}"
    else:
        return None
    form = model_admin.get_form(request, obj, change=obj is not None)(data, instance=obj)
    lines = [*_by_label(form), *_inline(request, model_admin, obj, data)]
    return Typed(about, lines, saves=True)


def _inline(request: HttpRequest, model_admin: Any, obj: Any, data: QueryDict) -> Iterator[Line]:
    """The rows below the form in which something was typed."""
    for kind, inline in model_admin.get_formsets_with_inlines(request, obj):
        rows = kind(data, instance=obj or model_admin.model(), queryset=inline.get_queryset(request))
        changed = [form for form in rows.forms if form.has_changed()]
        for number, form in enumerate(changed, 1):
            of = f"{capfirst(inline.opts.verbose_name)}{f' {number}' if len(changed) > 1 else ''}"
            for label, text in _by_label(form):
                yield f"{of}: {label}", text


def _by_label(form: forms.BaseForm) -> Iterator[Line]:
    zone = form.data.get("_zone", "")
    for bound in form:
        if not bound.is_hidden and (text := in_words(bound.field, bound.data, zone)):
            yield str(bound.label), text


def in_words(field: forms.Field, value: Any, zone: str) -> str:
    """What was chosen or typed, as it stands on the form; '' for nothing."""
    if value in (None, "", [], False) or not any(value if isinstance(value, list) else [value]):
        return ""
    if isinstance(field, forms.BooleanField):
        return "Yes"
    if isinstance(field, forms.SplitDateTimeField):
        return f"{' '.join(filter(None, value))}{f' ({zone})' if zone else ''}"
    if isinstance(field, forms.ModelChoiceField):
        return _chosen(field, value)
    if isinstance(field, forms.ChoiceField):
        names = {str(key): str(label) for key, label in _flat(field.choices)}
        return ", ".join(names.get(str(one), str(one)) for one in _several(value))
    return ", ".join(str(one) for one in _several(value))


def _chosen(field: forms.ModelChoiceField, value: Any) -> str:
    try:
        found = field.clean(value)
    except ValidationError:
        return ", ".join(str(one) for one in _several(value))
    several = found if isinstance(field, forms.ModelMultipleChoiceField) else [found]
    return ", ".join(field.label_from_instance(one) for one in several)


def _several(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) else [value]


def _flat(choices: Any) -> Iterator[tuple[Any, Any]]:
    """The choices, also those that stand in groups."""
    for key, label in choices:
        if isinstance(label, list | tuple):
            yield from label
        else:
            yield key, label
