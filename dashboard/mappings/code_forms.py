"""The forms of the mapping pages: a row of a code table, a route's evidence, a note."""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Mapping as Fields
from typing import Any, NamedTuple

from django import forms

from contacts.channels import Channel
from dashboard.mappings.code_tables import table_choices
from deliveries.meaning.mappings import FIELDS
from deliveries.meaning.translation import Code, Key, Mapping
from deliveries.models import CodeMapping, RouteEvidence
from deliveries.outcomes.keyset import LARGEST_ID
from deliveries.providers import PROVIDERS, choices
from deliveries.statuses import OPEN, REACHING, SETTLED, Evidence, FailureClass, Fault, Status

# ---- What the words of our vocabulary mean, for somebody who has to choose one ------------------------------------

# Our own clock says timed_out; no provider does.
STATUS_GROUPS = {
    "Under way": {
        Status.QUEUED: "It waits at the provider.",
        Status.SENDING: "It is being handed to the carrier.",
        Status.SENT: "The carrier has it. That proves no arrival.",
        Status.DELAYED: "The carrier keeps trying.",
    },
    "Arrived": {
        Status.DELIVERED: "It reached the recipient's side.",
        Status.ANSWERED: "A person answered the call.",
        Status.VOICEMAIL: "An answering machine or a mailbox took it.",
    },
    "Failed": {
        Status.NO_ANSWER: "It rang and nobody picked up.",
        Status.BUSY: "The line was busy.",
        Status.UNDELIVERED: "The carrier had it and could not deliver it.",
        Status.FAILED: "It did not get as far as the carrier.",
        Status.REJECTED: "It was refused when it was handed over.",
        Status.EXPIRED: "The carrier gave up when its time was over.",
        Status.BOUNCED: "A mail server sent it back.",
        Status.BLOCKED: "A filter, a block list or a rule stopped it.",
    },
    "The recipient's wish": {
        Status.OPTED_OUT: "The recipient asked for no more.",
        Status.COMPLAINED: "The recipient reported it as unwanted.",
    },
    "Neither": {
        Status.CANCELED: "It was canceled before it left.",
        Status.UNKNOWN: "The word says nothing about what became of it. Choose this rather than guess.",
    },
}
CLASS_HELP = {
    FailureClass.NONE: "No failure: under way, arrived or canceled.",
    FailureClass.TEMPORARY: "May work later: phone off, mailbox full, line busy, network down.",
    FailureClass.PERMANENT: "Will fail again: no such number or mailbox, landline, channel not possible.",
    FailureClass.COMPLIANCE: "A registration, a policy or a reputation stands in the way.",
    FailureClass.CONTENT: "What the message says, links to or carries was refused.",
    FailureClass.OPT_OUT: "The recipient does not want it.",
    FailureClass.ACCOUNT: "Our account at the provider: balance, permissions, credentials, limits.",
    FailureClass.UNKNOWN: "It failed, and the word does not say why.",
}
FAULT_HELP = {
    Fault.NONE: "Nobody, or nobody knows.",
    Fault.RECIPIENT: "The number or mailbox itself. Only this may count against a contact.",
    Fault.SENDER: "Our number, address or registration.",
    Fault.CONTENT: "What we sent.",
    Fault.CARRIER: "A network or mail server on the way.",
    Fault.ACCOUNT: "Our account at the provider.",
}
KIND_HELP = {
    CodeMapping.Kind.STATUS: "A word for what became of the message, such as “delivered”.",
    CodeMapping.Kind.ERROR: "A code that says why, such as “30003”.",
}

# ---- What makes no sense together ---------------------------------------------------------------------------------

FAILURES = SETTLED - REACHING - {Status.CANCELED}
PASSING = frozenset({Status.NO_ANSWER, Status.BUSY, Status.EXPIRED})


class FieldRule(NamedTuple):
    """A combination that cannot be true: with one of these statuses and classes, and one of these at fault.

    Empty sets stand for any. `field` is what should be chosen otherwise.
    """

    statuses: frozenset[str]
    classes: frozenset[str]
    faults: frozenset[str]
    field: str
    why: str


def _rule(field: str, why: str, *, statuses: Any = (), classes: Any = (), faults: Any = ()) -> FieldRule:
    return FieldRule(frozenset(statuses), frozenset(classes), frozenset(faults), field, why)


C, F = FailureClass, Fault
RULES = [
    _rule("failure_class", "What arrived has not failed. Choose the class None.",
          statuses=REACHING, classes=set(C) - {C.NONE}),
    _rule("failure_class", "What is under way has not failed yet. Choose the class None, or the status Delayed.",
          statuses=OPEN - {Status.DELAYED}, classes=set(C) - {C.NONE}),
    _rule("failure_class", "A delay is no final failure. Choose Temporary, or a status that says that it failed.",
          statuses={Status.DELAYED}, classes={C.PERMANENT, C.OPT_OUT}),
    _rule("failure_class", "A failure has a class. If the word does not say why, choose Unknown.",
          statuses=FAILURES, classes={C.NONE}),
    _rule("failure_class", "This status passes by itself. Choose Temporary, or the status Undelivered.",
          statuses=PASSING, classes=set(C) - {C.TEMPORARY, C.UNKNOWN}),
    _rule("failure_class", "What was canceled has not failed. Choose the class None.",
          statuses={Status.CANCELED}, classes=set(C) - {C.NONE, C.UNKNOWN}),
    _rule("failure_class", "Somebody who opted out wants nothing more. Choose the class Opt-out.",
          statuses={Status.OPTED_OUT}, classes=set(C) - {C.OPT_OUT}),
    _rule("failure_class", "A complaint ends in an opt-out. Choose the class Opt-out, or Content for a false report.",
          statuses={Status.COMPLAINED}, classes=set(C) - {C.OPT_OUT, C.CONTENT}),
    _rule("status", "An opt-out says nothing about a message whose outcome is unknown. Choose the status Opted out.",
          statuses={Status.UNKNOWN}, classes={C.OPT_OUT}),
    _rule("fault", "An opt-out is the recipient's wish. Choose Recipient.",
          classes={C.OPT_OUT}, faults=set(F) - {F.RECIPIENT}),
    _rule("fault", "What is wrong with our account is never the recipient's fault, nor the carrier's. Choose Account"
          " or Sender, or another failure class.", classes={C.ACCOUNT}, faults={F.RECIPIENT, F.CARRIER}),
    _rule("fault", "Content that is refused is not the network's fault. Choose Content, or another failure class.",
          classes={C.CONTENT}, faults={F.CARRIER}),
]  # fmt: skip
ONLY_ON = {
    Status.ANSWERED: {Channel.VOICE, Channel.RVM},
    Status.VOICEMAIL: {Channel.VOICE, Channel.RVM},
    Status.NO_ANSWER: {Channel.VOICE, Channel.RVM},
    Status.BUSY: {Channel.VOICE, Channel.RVM},
    Status.BOUNCED: {Channel.EMAIL},
}


def objections(channel: str, status: str, failure_class: str, fault: str) -> Iterator[tuple[str, str]]:
    """(field, why) for everything that makes no sense together."""
    for rule in RULES:
        asked = ((status, rule.statuses), (failure_class, rule.classes), (fault, rule.faults))
        if all(not words or word in words for word, words in asked):
            yield rule.field, rule.why
    possible = ONLY_ON.get(Status(status))
    if possible and channel not in possible:
        where = " and ".join(sorted(Channel(one).label.lower() for one in possible))
        yield (
            "status",
            f"{Status(status).label} happens on {where} only. Choose another status, or the channel.",
        )


# ---- A row of a code table ----------------------------------------------------------------------------------------


class Explained(forms.RadioSelect):
    """Radio buttons, each with a sentence on what choosing it means."""

    def __init__(self, help_of: Fields[Any, str]) -> None:
        super().__init__()
        self.help_of = {str(getattr(value, "value", value)): text for value, text in help_of.items()}

    def create_option(self, name: str, value: Any, *args: Any, **kwargs: Any) -> dict[str, Any]:
        option = super().create_option(name, value, *args, **kwargs)
        option["help"] = self.help_of.get(str(value), "")
        if option["help"] and "id" in option["attrs"]:
            option["attrs"]["aria-describedby"] = f"{option['attrs']['id']}_help"
        return option


def _grouped_statuses() -> list[tuple[str, list[tuple[str, str]]]]:
    return [(group, [(s.value, str(s.label)) for s in members]) for group, members in STATUS_GROUPS.items()]


class CodeForm(forms.Form):
    """One row: where it stands, and what it means."""

    table = forms.ChoiceField(label="Provider")
    channel = forms.ChoiceField(
        label="Channel",
        choices=[("", "Choose a channel"), *Channel.choices],
        help_text="MMS uses what is written for SMS unless it has its own.",
    )
    kind = forms.ChoiceField(
        label="What it says", choices=CodeMapping.Kind.choices, widget=Explained(KIND_HELP)
    )
    code = forms.CharField(
        label="Code or word",
        max_length=64,
        help_text="As the provider writes it. Capitals make no difference.",
    )
    status = forms.ChoiceField(label="Status", choices=_grouped_statuses())
    failure_class = forms.ChoiceField(
        label="Failure class", choices=FailureClass.choices, widget=Explained(CLASS_HELP)
    )
    fault = forms.ChoiceField(label="Whose fault", choices=Fault.choices, widget=Explained(FAULT_HELP))
    verified = forms.BooleanField(
        label="I am certain", required=False,
        help_text="From the provider's documents, or proven by cases. Only then may it count against an address.",
    )  # fmt: skip
    name = forms.CharField(label="The provider's name for it", required=False, max_length=120)
    meaning = forms.CharField(
        label="What it means", required=False, max_length=400, widget=forms.Textarea(attrs={"rows": 3}),
        help_text="One plain sentence. It stands wherever the code is shown.",
    )  # fmt: skip

    fits = forms.BooleanField(label="What it means still fits", required=False)

    PLACE = ("table", "channel", "kind", "code")

    def __init__(self, *args: Any, tables: Mapping, current: Code | None = None, **kwargs: Any) -> None:
        """`current`: the row as it is, which the form changes."""
        super().__init__(*args, **kwargs)
        self.tables, self.current = tables, current
        self.outdated = (
            False  # whether the meaning was written for another outcome, and nobody said that it fits
        )
        offered = [("", "Choose a provider"), *table_choices(tables)]
        self.fields["table"].choices = offered  # type: ignore[attr-defined]

    def clean(self) -> dict[str, Any]:
        given = super().clean() or {}
        words = [given.get(name) for name in ("channel", "status", "failure_class", "fault")]
        if all(words):
            for field, why in objections(*map(str, words)):
                self.add_error(field, why)
        provider = PROVIDERS.get(given.get("table", ""))
        channel = given.get("channel", "")
        new = all(given.get(name) for name in self.PLACE) and self.key not in self.tables.codes
        if new and provider and channel not in provider.channels:
            self.add_error("channel", f"{provider.name} does not offer {Channel(channel).label}.")
        if self._keeps_the_meaning_of_another_outcome(given):
            self.outdated = True
            what_now = "Write what it means now, or say below that it still fits."
            self.add_error("meaning", f"This was written for {self._written_for()}. {what_now}")
        return given

    def _keeps_the_meaning_of_another_outcome(self, given: Fields[str, Any]) -> bool:
        """It stands wherever the code is shown, beside what the new outcome asks to do."""
        was, meaning = self.current, given.get("meaning")
        if was is None or not meaning or meaning != was.meaning or given.get("fits") or "look" in self.data:
            return False
        chosen = [given.get(name) for name in ("status", "failure_class", "fault")]
        return all(chosen) and chosen != [was.status, was.failure_class, was.fault]

    def _written_for(self) -> str:
        """ "Opted out, Opt-out, Recipient"."""
        was = self.current
        assert was is not None
        words = (
            Status(was.status).label, FailureClass(was.failure_class).label, Fault(was.fault).label,
        )  # fmt: skip
        return "“" + ", ".join(map(str, words)) + "”"

    @property
    def key(self) -> Key:
        given = self.cleaned_data
        return Key(given["table"], given["channel"], given["kind"], given["code"].lower())

    @property
    def values(self) -> dict[str, Any]:
        """What `drafts.edit` takes."""
        return {name: self.cleaned_data[name] for name in ("code", *FIELDS)}

    @property
    def status_help(self) -> list[tuple[str, list[tuple[str, str]]]]:
        return [
            (group, [(str(s.label), text) for s, text in members.items()])
            for group, members in STATUS_GROUPS.items()
        ]


class ConfirmForm(forms.Form):
    """How many people who opted out somebody accepts to have written to again; 0 for nothing that can be read."""

    confirmed = forms.CharField(label="Confirmation", required=False, max_length=20)

    def clean_confirmed(self) -> int:
        typed = self.cleaned_data["confirmed"].replace(",", "").strip()
        return int(typed) if typed.isascii() and typed.isdigit() else 0


class VersionNoteForm(ConfirmForm):
    note = forms.CharField(
        label="Why", max_length=300, help_text="It stays with the version, with your name.",
        error_messages={"required": "Say why: it stays with the version, and whoever reads it later wants to know."},
    )  # fmt: skip
    counted_at = forms.CharField(required=False, max_length=40, widget=forms.HiddenInput)


class RemoveForm(forms.Form):
    row = forms.IntegerField(min_value=1, max_value=LARGEST_ID)


class CloseForm(forms.Form):
    """One alarm, or all that were there when the page was read."""

    alarm = forms.IntegerField(required=False, min_value=1, max_value=LARGEST_ID)
    upto = forms.IntegerField(required=False, min_value=1, max_value=LARGEST_ID)


# ---- What a route proves ------------------------------------------------------------------------------------------


class RouteForm(forms.Form):
    channel = forms.ChoiceField(label="Channel", choices=[("", "Choose a channel"), *Channel.choices])
    provider = forms.ChoiceField(label="Provider", required=False, choices=lambda: [("", "Any"), *choices()])
    country = forms.RegexField(
        r"^[A-Za-z]{2}$", label="Country", required=False, help_text="Two letters, such as US. Empty: any.",
        error_messages={"invalid": "Give the country as two letters, such as US, or leave it empty."},
    )  # fmt: skip
    carrier = forms.CharField(
        label="Carrier", required=False, max_length=60, help_text="As it stands on reports. Empty: any.",
        widget=forms.TextInput(attrs={"list": "carriers", "autocomplete": "off"}),
    )  # fmt: skip
    evidence = forms.ChoiceField(
        label="What “delivered” proves there",
        choices=[(one.value, one.label) for one in (Evidence.HANDED_OVER, Evidence.ASSUMED)],
    )
    note = forms.CharField(label="Note", required=False, max_length=200, help_text="Where you know it from.")

    ROUTE = ("channel", "provider", "country", "carrier")

    def clean_country(self) -> str:
        return str(self.cleaned_data["country"]).upper()

    def clean(self) -> dict[str, Any]:
        given = super().clean() or {}
        route = {name: given.get(name) for name in self.ROUTE}
        if None not in route.values() and RouteEvidence.objects.filter(**route).exists():
            raise forms.ValidationError("There is a rule for exactly this route. Remove that one first.")
        return given
