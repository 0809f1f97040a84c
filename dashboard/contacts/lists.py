"""Lists of contacts: their figures; made, renamed, filled by hand, and deleted when empty."""

from __future__ import annotations

from datetime import datetime
from typing import Any, NamedTuple
from urllib.parse import urlencode

from django import forms
from django.contrib import messages
from django.core.exceptions import ValidationError
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts.roles import requires
from campaigns.condition_words import is_named
from campaigns.models import Sender
from contacts import opt_ins
from contacts.asking_members import ANSWERS, answered, ask_members, members
from contacts.channels import Channel
from contacts.lists import NotEmpty, add_member, delete_empty, found_for, make_list, name_fault, remove_member
from contacts.models import Contact, ContactList, DoubleOptIn, ListCount
from contacts.states import SENDER_MAY_SEND
from dashboard.contacts.people import NAMED, line
from dashboard.shell.pages import may_see
from deliveries.models import SourceTally
from deliveries.outcomes.keyset import page
from deliveries.outcomes.people import PeopleFilter, people
from deliveries.wake import wake

SIZE = 50


class ListForm(forms.Form):
    name = forms.CharField(label="Name", max_length=120)
    description = forms.CharField(
        label="Description", max_length=300, required=False, help_text="Where these people come from."
    )

    def __init__(self, *args: Any, own: ContactList | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.own = own

    def clean_name(self) -> str:
        name = " ".join(self.cleaned_data["name"].split())
        fault = name_fault(name, self.own)
        if fault:
            raise ValidationError(fault)
        return name


class ConfirmationForm(forms.Form):
    """For each channel the sender that asks, or nobody."""

    sms = forms.ChoiceField(
        label="Ask by SMS",
        required=False,
        help_text="Whoever joins without a confirmed consent to texts gets one text, and confirms by answering YES.",
    )
    email = forms.ChoiceField(
        label="Ask by email",
        required=False,
        help_text="Whoever joins without a confirmed consent to email gets one email, and confirms by its link.",
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name, _ in DoubleOptIn.CHANNELS:
            senders = Sender.objects.filter(channel=name, state__in=SENDER_MAY_SEND).order_by("name", "pk")
            chosen = str(self.initial.get(name, ""))
            known = {"": "Do not ask", **({chosen: chosen} if chosen else {})}
            known |= {one.value: f"From {one.value} ({one.name})" for one in senders}
            self.fields[name].choices = list(known.items())  # type: ignore[attr-defined]


class MemberForm(forms.Form):
    who = forms.CharField(label="Phone number, email, customer ID, or # and contact id", max_length=100)


def consent_counts(figures: ListCount | None) -> list[tuple[str, int]]:
    """(channel, how many opted in) in the order of the channels; nothing before they were counted."""
    if figures is None or figures.counted_at is None:
        return []
    return [(NAMED[channel], figures.opted_in.get(channel.value, 0)) for channel in Channel]


@requires("contacts.view_contact", "contacts.view_contactlist")
@require_safe
def index(request: HttpRequest) -> HttpResponse:
    """All lists, the newest first. A fixed number of queries."""
    found = page(ContactList.objects.select_related("figures"), SIZE, request.GET.get("after", ""))
    context = {
        "lists": [(one, figures := _figures(one), consent_counts(figures)) for one in found.rows],
        "channels": list(NAMED.values()),
        "page": found,
        "first_url": request.path,
    }
    return render(request, "contacts/lists.html", context)


def _figures(contact_list: ContactList) -> ListCount | None:
    """What was counted of it; None before it was for the first time."""
    figures = getattr(contact_list, "figures", None)
    return figures if figures and figures.counted_at else None


@requires("contacts.view_contact", "contacts.view_contactlist")
@require_safe
def show(request: HttpRequest, pk: int) -> HttpResponse:
    """One list: its figures, and the people on it."""
    found = get_object_or_404(ContactList.objects.select_related("figures"), pk=pk)
    return _shown(request, found, MemberForm())


def _shown(request: HttpRequest, found: ContactList, form: MemberForm) -> HttpResponse:
    shown, full = (
        people(PeopleFilter(contact_list=found.pk), request.GET.get("after", "")),
        may_see(request),
    )
    figures = _figures(found)
    context = {
        "list": found,
        "asks": [_asks(one) for one in found.double_opt_ins.order_by("-channel")],
        "figures": figures,
        "opted_in": consent_counts(figures),
        "form": form,
        "people": [line(row, full=full) for row in shown.rows],
        "count": shown.count,
        "page": shown.page,
        "first_url": reverse("contacts:list", args=[found.pk]),
        "table_url": f"{reverse('contacts:search')}?{urlencode({'list': found.pk})}",
        "removes": request.user.has_perm("contacts.delete_listmembership"),
    }
    return render(request, "contacts/list.html", context, status=422 if form.errors else 200)


class ListAsks(NamedTuple):
    """On which channel the list asks, how many were asked and said what, with where these people are listed, and when
    that was counted, where it was not just now. None were counted yet: no numbers."""

    channel: str
    numbers: list[tuple[str, int, str]]
    at: datetime | None


def _asks(asking: DoubleOptIn) -> ListAsks:
    counts = answered(asking)

    def url(answer: str) -> str:
        given = {"list": asking.contact_list_id, "answer": f"{asking.channel}-{answer}"}
        return f"{reverse('contacts:search')}?{urlencode(given)}"

    numbers = [(words, getattr(counts, key), url(key)) for key, words in ANSWERS.items()] if counts else []
    return ListAsks(NAMED[Channel(asking.channel)], numbers, counts.at if counts else None)


class ListAskForm(forms.Form):
    channel = forms.ChoiceField(choices=DoubleOptIn.CHANNELS)
    seen = forms.IntegerField(min_value=0)
    leave_out = forms.BooleanField(
        label="Leave them out of campaigns to this list until they confirm", required=False
    )


@requires("contacts.view_contact", "contacts.change_contactlist", "campaigns.launch_campaign")
@require_http_methods(["GET", "HEAD", "POST"])
def ask(request: HttpRequest, pk: int) -> HttpResponse:
    """How many on the list have no proof that they agreed, on each channel that it asks on; posted, they are asked."""
    found, now = get_object_or_404(ContactList, pk=pk), timezone.now()
    asking = {one.channel: one for one in found.double_opt_ins.order_by("-channel")}
    form = ListAskForm(request.POST if request.method == "POST" else None)
    counts = {channel: members(one, now) for channel, one in asking.items()}
    if request.method == "POST":
        given = form.cleaned_data if form.is_valid() else {}
        chosen = asking.get(given.get("channel", ""))
        if chosen is None or given["seen"] != counts[chosen.channel].left:
            messages.error(request, "Nobody was asked: the list has changed meanwhile. The numbers are new.")
            return redirect("contacts:ask_members", pk)
        ask_members(chosen, now, leave_out=given["leave_out"])
        transaction.on_commit(wake)
        people = f"{given['seen']:,} {'person is' if given['seen'] == 1 else 'people are'}"
        messages.success(request, f"{people} asked at the permitted hours, once.")
        return redirect("contacts:list", pk)
    texts = opt_ins.questions({one.channel: one.sender_value for one in asking.values()})
    context = {
        "list": found,
        "form": form,
        "channels": [
            (NAMED[Channel(channel)], one, counts[channel], texts[str(Channel(channel).label)])
            for channel, one in asking.items()
        ],
    }
    return render(request, "contacts/list_ask.html", context)


@requires("contacts.view_contact", "contacts.add_contactlist")
@require_http_methods(["GET", "HEAD", "POST"])
def new(request: HttpRequest) -> HttpResponse:
    form = ListForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        try:
            made = make_list(**form.cleaned_data, now=timezone.now())
        except ValidationError as problem:
            form.add_error("name", problem.message_dict["name"])
        else:
            messages.success(request, f"“{made}” is made. Add people to it here, or import a file into it.")
            return redirect("contacts:list", made.pk)
    context = {"form": form, "title": "New list", "back": reverse("contacts:lists")}
    return render(request, "contacts/list_form.html", context, status=422 if form.errors else 200)


@requires("contacts.view_contact", "contacts.change_contactlist")
@require_http_methods(["GET", "HEAD", "POST"])
def rename(request: HttpRequest, pk: int) -> HttpResponse:
    """Another name and description. Its short name, which stands in addresses of pages, stays."""
    found = get_object_or_404(ContactList, pk=pk)
    form = ListForm(
        request.POST if request.method == "POST" else None,
        own=found,
        initial={"name": found.name, "description": found.description},
    )
    if request.method == "POST" and form.is_valid():
        ContactList.objects.filter(pk=pk).update(**form.cleaned_data)
        messages.success(request, "Saved.")
        return redirect("contacts:list", pk)
    context = {
        "form": form,
        "title": f"Rename {found}",
        "list": found,
        "back": reverse("contacts:list", args=[pk]),
    }
    return render(request, "contacts/list_form.html", context, status=422 if form.errors else 200)


@requires("contacts.view_contact", "contacts.change_contactlist")
@require_http_methods(["GET", "HEAD", "POST"])
def confirmation(request: HttpRequest, pk: int) -> HttpResponse:
    """Whether whoever joins the list is asked to confirm, and by which senders."""
    found = get_object_or_404(ContactList, pk=pk)
    asks = dict(found.double_opt_ins.values_list("channel", "sender_value"))
    form = ConfirmationForm(request.POST if request.method == "POST" else None, initial=asks)
    if request.method == "POST" and form.is_valid():
        for channel, _ in DoubleOptIn.CHANNELS:
            if form.cleaned_data[channel] != asks.get(channel, ""):
                opt_ins.change(found, channel, form.cleaned_data[channel], timezone.now())
        messages.success(request, "Saved.")
        return redirect("contacts:list", pk)
    context = {
        "form": form,
        "title": "Confirmation",
        "questions": opt_ins.questions(asks),
        "list": found,
        "back": reverse("contacts:list", args=[pk]),
    }
    return render(request, "contacts/list_confirmation.html", context, status=422 if form.errors else 200)


@requires("contacts.view_contact", "contacts.add_listmembership")
@require_POST
def add(request: HttpRequest, pk: int) -> HttpResponse:
    """Put one person on the list, by whatever spells them out."""
    found = get_object_or_404(ContactList.objects.select_related("figures"), pk=pk)
    form = MemberForm(request.POST)
    if form.is_valid():
        theirs = found_for(form.cleaned_data["who"])
        if len(theirs) == 1:
            added = add_member(found, theirs[0], timezone.now())
            words = "is on the list now" if added else "was on the list already"
            messages.success(request, f"{theirs[0]} {words}.")
            return redirect("contacts:list", pk)
        form.add_error("who", _why_not_one(theirs))
    return _shown(request, found, form)


def _why_not_one(theirs: list[Contact]) -> str:
    if not theirs:
        return "Nobody has this whole number, email or customer ID. Add the person first, or search for them."
    named = ", ".join(f"{one} (#{one.pk})" for one in theirs[:5])
    return f"{len(theirs)} contacts have it: {named}. Give the # and number of the one you mean."


@requires("contacts.view_contact", "contacts.delete_listmembership")
@require_POST
def remove(request: HttpRequest, pk: int, contact: int) -> HttpResponse:
    found, whose = get_object_or_404(ContactList, pk=pk), get_object_or_404(Contact, pk=contact)
    removed = remove_member(found, whose, timezone.now())
    words = "is not on the list any more" if removed else "was not on the list"
    messages.success(request, f"{whose} {words}. Everything else about them stays.")
    return redirect("contacts:list", pk)


@requires("contacts.view_contact", "contacts.delete_contactlist")
@require_POST
def delete(request: HttpRequest, pk: int) -> HttpResponse:
    found = get_object_or_404(ContactList, pk=pk)
    try:
        if SourceTally.objects.filter(list_source_id=pk).exists():
            raise NotEmpty("Reports count messages by it.")
        if is_named(pk):
            raise NotEmpty("A condition of a campaign or a segment names it.")
        delete_empty(found)
    except NotEmpty as problem:
        messages.error(request, f"“{found}” stays. {problem}")
        return redirect("contacts:list", pk)
    messages.success(request, f"“{found}” is deleted.")
    return redirect("contacts:lists")
