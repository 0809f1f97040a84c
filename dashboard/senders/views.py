"""Senders: the list, one with its registrations and their history, and what is changed of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from itertools import groupby
from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.http import urlencode
from django.views.decorators.http import require_http_methods, require_POST, require_safe
from django.views.decorators.vary import vary_on_headers

from accounts.roles import requires
from campaigns import registering
from campaigns.models import Brand, Content, Registration, Sender
from campaigns.rate_words import keeps_to
from campaigns.rates import kind_of, today
from contacts.channels import Channel
from contacts.phones import country_of
from dashboard.senders.forms import COUNTRY, NewSenderForm, RegistrationForm, SenderSettingsForm, StateForm
from dashboard.senders.kinds import KINDS
from dashboard.senders.waiting import still_comes
from dashboard.shell.pages import fragment, who
from deliveries.models import DomainCheck, Route
from deliveries.outcomes.keyset import read_id
from deliveries.outcomes.sender_lines import sender_lines, state_shown
from deliveries.sending import mail_checks

SEE, CHANGE, ADD = "campaigns.view_sender", "campaigns.change_sender", "campaigns.add_sender"
ASK = "campaigns.request_registration"
CHANGES, CAMPAIGNS = 50, 20  # the newest, on the page
KEY = ("kind", "country", "carrier")  # of a registration of one sender
MOST_OF_A_NAME = 60  # letters of a carrier
PILLS = {
    Registration.State.NEEDED: "compliance",
    Registration.State.SUBMITTED: "pending",
    Registration.State.APPROVED: "success",
    Registration.State.REJECTED: "permanent",
    Registration.State.EXPIRED: "permanent",
    Registration.State.NOT_NEEDED: "unknown",
}
DNS_PILLS = {
    "ok": ("success", "In order"),
    "weak": ("retryable", "Could be better"),
    "missing": ("compliance", "Missing"),
    "wrong": ("permanent", "Wrong"),
    "unknown": ("unknown", "Not known"),
}
DEMANDS = {
    "must": "Without it nothing arrives",
    "some": "Some operators there ask for it",
    "should": "Messages arrive worse without it",
    "": "For the record",
}


@dataclass(frozen=True)
class ChecklistRow:
    """A line of the checklist as the page shows it."""

    line: registering.ChecklistLine
    ends_soon: bool
    query: str  # what names it in the address of its form

    @property
    def bucket(self) -> str:
        return PILLS[self.line.state]

    @property
    def demand(self) -> str:
        return DEMANDS[self.line.demand]

    @property
    def may_be_asked(self) -> bool:
        return self.line.state in registering.MAY_BE_ASKED and not self.is_read

    @property
    def is_read(self) -> bool:
        """Whether nobody enters it: it is read from the DNS."""
        return self.line.kind in (Registration.Kind.SPF, Registration.Kind.DKIM, Registration.Kind.DMARC)


@requires(SEE)
@require_safe
def index(request: HttpRequest) -> HttpResponse:
    brand = Brand.objects.filter(pk=read_id(request.GET.get("brand", "")) or 0).first()
    lines = sender_lines(today(timezone.now()), brand)
    return render(request, "senders/list.html", {"lines": lines, "section": "senders", "brand": brand})


@requires(SEE)
@require_safe
@vary_on_headers("HX-Request")
def show(request: HttpRequest, pk: int) -> HttpResponse:
    sender = get_object_or_404(Sender.objects.select_related("brand").prefetch_related("accounts"), pk=pk)
    now = timezone.now()
    day = today(now)
    rows = list(sender.registrations.all())
    lines = registering.checklist(sender, rows, day)
    bucket, words = state_shown(sender, lines)
    contents = Content.objects.filter(sender=sender).select_related("campaign").order_by("-campaign")
    dns = DomainCheck.objects.filter(pk=pk).first() if sender.channel == Channel.EMAIL else None
    context = {
        "sender": sender,
        "bucket": bucket,
        "state": words,
        "verdict": registering.verdict(sender, rows, day),
        "lacking": [] if sender.may_send else [one for one in lines if one.is_lacking],
        "countries": _by_country(sender, rows, day),
        "ending": registering.ends_soon(rows, day),
        "is_name": kind_of(sender.channel, sender.value) == "alphanumeric",
        "keeps_to": keeps_to(sender, now),
        "routes": Route.objects.filter(sender=sender).select_related("account"),
        "campaigns": [(one.campaign, one.campaign.state_words(now)) for one in contents[:CAMPAIGNS]],
        "content_count": contents.count(),
        "changes": sender.registration_changes.select_related("registration", "by")[:CHANGES],
        "dns": dns,
        "dns_comes": dns is not None and dns.asked_at is not None and still_comes(dns.asked_at, now),
        "dns_rows": [(one, *DNS_PILLS[one["state"]]) for one in dns.found] if dns else [],
    }
    return render(request, fragment(request, "senders/sender.html", "dns"), context)


def _by_country(sender: Sender, rows: list[Registration], day: date) -> list[tuple[str, list[ChecklistRow]]]:
    soon = {row.pk for row in registering.ends_soon(rows, day)}
    made = [
        ChecklistRow(
            line,
            line.registration is not None and line.registration.pk in soon,
            urlencode({"kind": line.kind, "country": line.country, "carrier": line.carrier}),
        )
        for line in registering.checklist(sender, rows, day)
    ]
    return [(country, list(those)) for country, those in groupby(made, key=lambda row: row.line.country)]


@requires(SEE, ADD)
@require_http_methods(["GET", "HEAD", "POST"])
def new(request: HttpRequest) -> HttpResponse:
    """First which kind, then what one of that kind has."""
    kind, back = KINDS.get(request.GET.get("kind", "")), reverse("senders:list")
    if kind is None:
        options = [(f"?{urlencode({'kind': one.key})}", one.title, one.note) for one in KINDS.values()]
        return _choices(request, "New sender", "What is it?", options, back)
    form = NewSenderForm(kind, request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        now = timezone.now()
        sender = form.save(commit=False)
        sender.state = Sender.State.NOT_REGISTERED
        sender.save()
        country = form.cleaned_data.get("country") or country_of(sender.value)
        registering.begin(sender, who(request), now, country)
        if sender.channel == Channel.EMAIL:
            mail_checks.ask(sender, now)
        messages.success(request, f"{sender.name} is added. It is {sender.get_state_display().lower()}.")
        return redirect("senders:sender", sender.pk)
    return _form(
        request, form, f"New sender: {kind.title[0].lower()}{kind.title[1:]}", back, "Add the sender"
    )


@requires(SEE, CHANGE)
@require_http_methods(["GET", "HEAD", "POST"])
def edit(request: HttpRequest, pk: int) -> HttpResponse:
    sender = get_object_or_404(Sender, pk=pk)
    form = SenderSettingsForm(request.POST if request.method == "POST" else None, instance=sender)
    if request.method == "POST" and form.is_valid():
        form.save()
        if "dkim_selectors" in form.changed_data:
            mail_checks.ask(sender, timezone.now())
        messages.success(request, f"{sender.name} is saved.")
        return redirect("senders:sender", pk)
    return _form(
        request, form, f"Settings of {sender.name}", reverse("senders:sender", args=[pk]), "Save", sender
    )


@requires(SEE, CHANGE)
@require_http_methods(["GET", "HEAD", "POST"])
def state(request: HttpRequest, pk: int) -> HttpResponse:
    sender = get_object_or_404(Sender, pk=pk)
    initial = {
        "state": sender.state if sender.state_reason else StateForm.follows,
        "reason": sender.state_reason,
    }
    form = StateForm(request.POST if request.method == "POST" else None, initial=initial)
    if request.method == "POST" and form.is_valid():
        wanted = form.cleaned_data["state"]
        reason = "" if wanted == StateForm.follows else form.cleaned_data["reason"].strip()
        registering.set_state(sender, wanted, reason, who(request), timezone.now())
        messages.success(request, f"{sender.name}: {sender.get_state_display().lower()}.")
        return redirect("senders:sender", pk)
    return _form(
        request, form, f"State of {sender.name}", reverse("senders:sender", args=[pk]), "Save", sender
    )


@requires(SEE, CHANGE)
@require_http_methods(["GET", "HEAD", "POST"])
def registration(request: HttpRequest, pk: int) -> HttpResponse:
    """What is known of one kind in one country. What the query names is not asked again; first it is chosen."""
    sender = get_object_or_404(Sender, pk=pk)
    back, now = reverse("senders:sender", args=[pk]), timezone.now()
    named = _named(request)
    if "kind" not in named:
        return _choices(request, "Add a registration", "Which one?", _addable(sender, now), back, sender)
    known = Registration.objects.filter(sender=sender, **named).first() if len(named) == len(KEY) else None
    home = registering.HOME.get(kind_of(sender.channel, sender.value), country_of(sender.value))
    form = RegistrationForm(
        named,
        request.POST if request.method == "POST" else None,
        instance=None if request.method == "POST" else known,
        initial={"country": home},
    )
    if request.method == "POST" and form.is_valid():
        values = form.save(commit=False)
        key = {name: getattr(values, name) for name in KEY}
        form.fill_dates(Registration.objects.filter(sender=sender, **key).first(), today(now))
        row = registering.change(sender, values, who(request), now)
        sender.refresh_from_db()
        said = f"{row.words}: {str(row.get_state_display()).lower()}. {sender.name} is"
        messages.success(request, f"{said} {sender.get_state_display().lower()}.")
        return redirect("senders:sender", pk)
    return _form(request, form, Registration(**named).words, back, "Save", sender)


def _named(request: HttpRequest) -> dict[str, str]:
    """What the query says of a registration, where it makes sense. Only a carrier's approval has a carrier."""
    given = {name: request.GET[name] for name in KEY if name in request.GET}
    if given.get("kind") not in Registration.Kind.values:
        return {}
    if not COUNTRY.fullmatch(given.get("country") or "US"):
        del given["country"]
    if given["kind"] != Registration.Kind.CARRIER:
        given["carrier"] = ""
    elif not 0 < len(given.get("carrier", "")) <= MOST_OF_A_NAME:
        given.pop("carrier", None)
    return given


def _addable(sender: Sender, now: datetime) -> list[tuple[str, str, str]]:
    """Links to the forms of what can be added: query, title, what it is about."""
    options = []
    for kind, country in registering.may_be_added(sender, list(sender.registrations.all()), today(now)):
        named = {"kind": kind.value} | ({"country": country} if country else {})
        note = "" if country else "For a country that you name."
        options.append((f"?{urlencode(named)}", Registration(kind=kind, country=country).words, note))
    return options


class ChecklistForm(forms.Form):
    """Which line of the checklist, and what to say with it."""

    kind = forms.ChoiceField(choices=Registration.Kind.choices)
    country = forms.CharField(max_length=2, required=False)
    carrier = forms.CharField(max_length=60, required=False)
    note = forms.CharField(max_length=300, required=False)


@requires(SEE, ASK)
@require_POST
def ask(request: HttpRequest, pk: int) -> HttpResponse:
    """Say that it was applied for; only an administrator enters that it is approved."""
    sender = get_object_or_404(Sender, pk=pk)
    form, now = ChecklistForm(request.POST), timezone.now()
    lines = (
        registering.checklist(sender, list(sender.registrations.all()), today(now)) if form.is_valid() else []
    )
    given = form.cleaned_data
    line = next(
        (
            one
            for one in lines
            if (one.kind, one.country, one.carrier)
            == tuple(given[name] for name in ("kind", "country", "carrier"))
        ),
        None,
    )
    try:
        if line is None:
            raise registering.CannotAsk("This sender has no such line: choose one of its checklist.")
        registering.ask(sender, line, given["note"], who(request), now)
    except registering.CannotAsk as problem:
        messages.error(request, str(problem))
    else:
        messages.success(request, f"{line.words} is submitted. An administrator enters what comes of it.")
    return redirect("senders:sender", pk)


@requires(SEE, ASK)
@require_POST
def look_at_dns(request: HttpRequest, pk: int) -> HttpResponse:
    sender = get_object_or_404(Sender, pk=pk, channel=Channel.EMAIL)
    mail_checks.ask(sender, timezone.now())
    messages.success(request, "The DNS is being asked.")
    return redirect(f"{reverse('senders:sender', args=[pk])}#dns")


def _choices(
    request: HttpRequest,
    title: str,
    question: str,
    options: Sequence[tuple[str, str, str]],
    back: str,
    sender: Sender | None = None,
) -> HttpResponse:
    """The first step of a form: links to what it goes on with. Whatever was posted here chose nothing."""
    context = {"title": title, "question": question, "options": options, "back": back, "sender": sender}
    return render(request, "senders/choose.html", context, status=422 if request.method == "POST" else 200)


def _form(
    request: HttpRequest, form: Any, title: str, back: str, action: str, sender: Sender | None = None
) -> HttpResponse:
    context = {"form": form, "title": title, "back": back, "action": action, "sender": sender}
    return render(request, "senders/form.html", context, status=422 if form.errors else 200)
