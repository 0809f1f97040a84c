"""The field of the composer that says how large a slice of the audience is written to first."""

from __future__ import annotations

from django import forms

from deliveries.sending.canary import FEWEST, FROM

SHARES = (0, 1, 2, 5, 10, 20)
HELP = (
    f"Chosen at random from {FROM:,} people or more, {FEWEST} at least. The rest goes on by itself once their outcomes "
    "are in, unless too many fail."
)


def canary_field(percent: int) -> forms.TypedChoiceField:
    """`percent` is what the campaign has now, and stays a choice whatever it is. Left out of a form, it stays."""
    return forms.TypedChoiceField(
        label="First slice",
        choices=[(one, _words(one)) for one in sorted({*SHARES, percent})],
        coerce=int,
        empty_value=None,
        required=False,
        initial=percent,
        help_text=HELP,
    )


def _words(percent: int) -> str:
    return f"{percent}% of a large audience goes first" if percent else "Everybody at once"
