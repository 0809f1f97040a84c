"""How many failures suppress an address by themselves, and for how long: what is in force, and changing it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django import forms
from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_safe

from accounts.roles import requires
from contacts.channels import STRIKES, Channel
from contacts.verifying import senders
from dashboard.shell.pages import who
from dashboard.suppressions.views import SEE
from deliveries.meaning.failure_limits import (
    FEWEST_UNREACHABLE,
    LONGEST_PAUSE,
    PAUSES_GROW_BY,
    UNREACHABLE_FOR,
    BlockLimit,
    certainty_of,
    defaults,
    load_limits,
)
from deliveries.meaning.mappings import latest
from deliveries.models import Certainty, FailureLimit
from deliveries.models.limits import LONGEST_PAUSE_DAYS, MOST_FAILURES
from deliveries.providers import PROVIDERS
from deliveries.statuses import FailureClass, Fault

MAY_SEE, MAY_CHANGE = "deliveries.view_failurelimit", "deliveries.add_failurelimit"
CHANGES = 50  # the newest, on the page


@dataclass(frozen=True)
class KindRow:
    """One kind of failure, as it is and as Waybill brings it."""

    kind: Certainty
    limit: BlockLimit
    default: BlockLimit
    source: str

    @property
    def words(self) -> str:
        return words(self.limit)

    @property
    def default_words(self) -> str:
        return words(self.default)

    @property
    def changed(self) -> bool:
        return self.limit != self.default


@dataclass(frozen=True)
class CodeLimitRow:
    table: str
    channel: str
    code: str
    meaning: str
    kind: Certainty
    limit: BlockLimit

    @property
    def words(self) -> str:
        return words(self.limit)

    @property
    def query(self) -> str:
        """What names it in the address of its form."""
        return urlencode({"table": self.table, "channel": self.channel, "code": self.code})

    @property
    def channel_label(self) -> str:
        return str(Channel(self.channel).label)


def words(limit: BlockLimit) -> str:
    """ "After 3 in a row, for 30 days"."""
    if not limit.failures:
        count = f"As the playbook says, {STRIKES} in a row if it says nothing"
    elif limit.failures == 1:
        count = "At once"
    else:
        count = f"After {limit.failures} in a row"
    days = "day" if limit.pause_days == 1 else "days"
    return f"{count}, {f'for {limit.pause_days} {days}' if limit.pause_days else 'until somebody lifts it'}"


def change_words(row: FailureLimit) -> str:
    """What a change made of it."""
    if row.failures is None and row.pause_days is None:
        return "As Waybill brings it"
    return words(BlockLimit(row.failures or 0, row.pause_days or 0))


@requires(SEE, MAY_SEE)
@require_safe
def page(request: HttpRequest) -> HttpResponse:
    limits, brought = load_limits(), defaults()
    changes = FailureLimit.objects.select_related("made_by").order_by("-pk")[:CHANGES]
    context = {
        "kinds": [
            KindRow(kind, limits.kinds[kind], brought[kind].limit, brought[kind].source) for kind in Certainty
        ],
        "codes": [_code_row(*key, limit) for key, limit in sorted(limits.codes.items())],
        "changes": [(row, change_words(row)) for row in changes],
        "grow": PAUSES_GROW_BY,
        "longest": LONGEST_PAUSE.days,
        "fewest": FEWEST_UNREACHABLE,
        "unreachable_days": UNREACHABLE_FOR.days,
        "asking": list(senders().values()),
        "section": "automatic",
    }
    return render(request, "suppressions/automatic.html", context)


def _code_row(table: str, channel: str, code: str, limit: BlockLimit) -> CodeLimitRow:
    found = latest().describe(table, channel, code)
    return CodeLimitRow(table, channel, found.code, found.short, certainty_of(table, channel, code), limit)


class LimitForm(forms.Form):
    """How many, for how long, and why."""

    failures = forms.IntegerField(
        label="Failures in a row",
        min_value=1,
        max_value=MOST_FAILURES,
        help_text="1 suppresses at the first failure.",
    )
    pause_days = forms.IntegerField(
        label="Days of the first suppression",
        min_value=0,
        max_value=LONGEST_PAUSE_DAYS,
        help_text="0: until somebody lifts it. A further suppression of the same address lasts longer.",
    )
    note = forms.CharField(
        label="Why",
        max_length=300,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text="In your words. It stays on record with your name.",
    )


class KindForm(LimitForm):
    """Of what the playbook counts, only the pause."""

    def __init__(self, *args: Any, kind: Certainty, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if kind == Certainty.OTHER:
            del self.fields["failures"]


class CodeLimitForm(LimitForm):
    """Of one code, which has to be a permanent failure of the recipient: nothing else counts against an address."""

    table = forms.ChoiceField(label="Code table")
    channel = forms.ChoiceField(label="Channel", choices=Channel.choices)
    code = forms.CharField(
        label="Code", max_length=64, widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"})
    )  # fmt: skip
    field_order = ("table", "channel", "code", "failures", "pause_days", "note")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["table"].choices = [(one, one) for one in _tables()]  # type: ignore[attr-defined]

    def clean(self) -> dict[str, Any]:
        given = super().clean() or {}
        if {"table", "channel", "code"} <= given.keys():
            found = latest().find(given["table"], given["channel"], "error", given["code"].strip())
            found = found or latest().find(given["table"], given["channel"], "status", given["code"].strip())
            if found is None:
                problem = "No such code in that table: look it up on the page of code mappings."
                self.add_error("code", ValidationError(problem))
            elif (found.failure_class, found.fault) != (FailureClass.PERMANENT, Fault.RECIPIENT):
                problem = (
                    "It is no permanent failure of the recipient, so it never counts against an address."
                )
                self.add_error("code", ValidationError(problem))
            else:
                given["code"] = found.code
        return given


def _tables() -> Iterable[str]:
    return sorted({key.table for key in latest().codes} & _own_tables())


def _own_tables() -> set[str]:
    """The tables that a provider's words are looked up in under its own name."""
    return {table for slug, adapter in PROVIDERS.items() for table in (adapter.tables or (slug,))}


@requires(SEE, MAY_SEE, MAY_CHANGE)
@require_http_methods(["GET", "HEAD", "POST"])
def change(request: HttpRequest, kind: str) -> HttpResponse:
    """One kind of failure. With the button `default` it is as Waybill brings it again."""
    if kind not in Certainty.values:
        raise Http404(kind)
    certainty = Certainty(kind)
    brought, now_in_force = defaults()[kind], load_limits().kinds[kind]
    form = KindForm(
        request.POST if request.method == "POST" else None,
        kind=certainty,
        initial={"failures": now_in_force.failures, "pause_days": now_in_force.pause_days},
    )
    if request.method == "POST" and form.is_valid():
        given = form.cleaned_data
        reset = "default" in request.POST
        _record(
            request,
            certainty=kind,
            failures=None if reset else given.get("failures"),
            pause_days=None if reset else given["pause_days"],
            note=given["note"],
        )
        messages.success(request, f"{certainty.label}: changed. It counts for what is reported from now on.")
        return redirect("suppressions:automatic")
    context = {
        "form": form,
        "title": certainty.label,
        "default": words(brought.limit),
        "source": brought.source,
        "may_reset": now_in_force != brought.limit,
        "section": "automatic",
    }
    return render(request, "suppressions/limit.html", context, status=422 if form.errors else 200)


@requires(SEE, MAY_SEE, MAY_CHANGE)
@require_http_methods(["GET", "HEAD", "POST"])
def change_code(request: HttpRequest) -> HttpResponse:
    """One code. With the button `default` it counts as its kind does again."""
    start = {name: request.GET.get(name, "") for name in ("table", "channel", "code")}
    form = CodeLimitForm(request.POST if request.method == "POST" else None, initial=start)
    if request.method == "POST" and form.is_valid():
        given = form.cleaned_data
        reset = "default" in request.POST
        _record(
            request,
            table=given["table"],
            channel=given["channel"],
            code=given["code"],
            failures=None if reset else given["failures"],
            pause_days=None if reset else given["pause_days"],
            note=given["note"],
        )
        messages.success(
            request, f"Code {given['code']}: changed. It counts for what is reported from now on."
        )
        return redirect("suppressions:automatic")
    context = {
        "form": form,
        "title": "A code of its own",
        "may_reset": bool(start["code"]),
        "section": "automatic",
    }
    return render(request, "suppressions/limit.html", context, status=422 if form.errors else 200)


def _record(request: HttpRequest, **change: Any) -> None:
    FailureLimit.objects.create(made_by=who(request), made_at=timezone.now(), **change)
