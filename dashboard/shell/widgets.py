"""How forms write their fields: as Django does, but for choices and inputs, which are written without templates."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from django.forms.renderers import DjangoTemplates
from django.http import HttpRequest
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

Widget = Mapping[str, Any]  # what Django gives the template of a widget


class LeanWidgets(DjangoTemplates):
    """Django includes two templates for each choice of a `<select>`: for three hundred in the filters of a list they
    took a third of the whole page's time."""

    def render(self, template_name: str, context: dict[str, Any], request: HttpRequest | None = None) -> str:
        lean = LEAN.get(template_name)
        return lean(context["widget"]) if lean else super().render(template_name, context, request)


def select(widget: Widget) -> SafeString:
    groups = (_group(name, options) for name, options, _ in widget["optgroups"])
    return format_html(
        '<select name="{}"{}>{}</select>',
        widget["name"],
        attributes(widget),
        format_html_join("", "{}", groups),
    )


def _group(name: str | None, options: Iterable[Widget]) -> tuple[SafeString]:
    choices = format_html_join(
        "",
        '<option value="{}"{}>{}</option>',
        ((str(one["value"]), attributes(one), one["label"]) for one in options),
    )
    return (format_html('<optgroup label="{}">{}</optgroup>', name, choices) if name else choices,)


def written(widget: Widget) -> SafeString:
    """An `<input>` of a type that needs no more than its name and value."""
    value = widget["value"]
    given = "" if value is None else format_html(' value="{}"', str(value))
    return format_html(
        '<input type="{}" name="{}"{}{}>', widget["type"], widget["name"], given, attributes(widget)
    )


def attributes(widget: Widget) -> SafeString:
    """Without those that are False; of those that are True the name alone."""
    return format_html_join(
        "",
        "{}",
        (
            (format_html(" {}", name) if value is True else format_html(' {}="{}"', name, str(value)),)
            for name, value in widget["attrs"].items()
            if value is not False
        ),
    )


LEAN: dict[str, Callable[[Widget], SafeString]] = {
    "django/forms/widgets/select.html": select,
    **dict.fromkeys(
        (f"django/forms/widgets/{name}.html" for name in ("text", "hidden", "number", "date")), written
    ),
}
