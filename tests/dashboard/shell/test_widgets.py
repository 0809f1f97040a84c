"""Fields are written as Django writes them."""

from __future__ import annotations

from datetime import date

import pytest
from django import forms
from django.conf import settings
from django.forms.renderers import DjangoTemplates
from django.test.html import parse_html
from django.utils.safestring import mark_safe

from dashboard.shell.widgets import LeanWidgets

GROUPED = [
    ("", "Any"),
    ("Carriers", [("A", "Carrier <A>"), (3, 'The "third"')]),
    ("-", mark_safe("None&nbsp;known")),
]
CASES = [
    (forms.Select(choices=GROUPED), "A"),
    (forms.Select(choices=GROUPED), ""),
    (forms.Select(choices=GROUPED), None),
    (
        forms.Select(
            attrs={"required": True, "disabled": False, "data-x": "<1>", "size": 3}, choices=GROUPED
        ),
        3,
    ),
    (forms.SelectMultiple(choices=GROUPED), ["A", "-"]),
    (forms.NullBooleanSelect(), True),
    (forms.TextInput(attrs={"class": "wide", "autofocus": True}), 'Ann & "Bob" <b>'),
    (forms.TextInput(), ""),
    (forms.TextInput(), None),
    (forms.NumberInput(attrs={"min": 0}), 0),
    (forms.HiddenInput(), 7),
    (forms.DateInput(), date(2026, 12, 1)),
]


@pytest.mark.once
@pytest.mark.parametrize(("widget", "value"), CASES)
def test_a_field_is_the_one_that_django_would_write(widget, value):
    ours, theirs = (
        widget.render("one", value, {"id": "id_one"}, made()) for made in (LeanWidgets, DjangoTemplates)
    )

    assert parse_html(ours) == parse_html(theirs)


@pytest.mark.once
def test_whatever_is_no_plain_field_is_written_by_django():
    widget = forms.RadioSelect(choices=GROUPED)

    assert widget.render("one", "A", renderer=LeanWidgets()) == widget.render(
        "one", "A", renderer=DjangoTemplates()
    )


@pytest.mark.once
def test_all_forms_are_written_so():
    assert f"{LeanWidgets.__module__}.{LeanWidgets.__name__}" == settings.FORM_RENDERER
