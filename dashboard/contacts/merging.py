"""Contacts that may be one person: a list of them, the preview of merging two, and merging them."""

from __future__ import annotations

from typing import Any, NamedTuple
from urllib.parse import urlencode

from django import forms
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_safe

from accounts.roles import requires
from contacts.blocking import blocks_in_force
from contacts.carrying import would_carry
from contacts.consent_ledger import LatestConsent
from contacts.duplicates import SameAddress, candidates, filled_in, sharing, words
from contacts.grounds import day
from contacts.lists import found_for
from contacts.models import Contact, ContactList
from dashboard.contacts.addresses import shown_addresses
from dashboard.contacts.banner import whole_or_masked
from dashboard.contacts.forms import MergeForm
from dashboard.contacts.people import NAMED
from dashboard.shell.pages import may_see, who
from deliveries.deciding.duplicates import CannotMerge, in_both, merge
from deliveries.models import Message
from deliveries.outcomes.keyset import read_id

FIELDS = {
    "name": "Name",
    "external_id": "Customer ID",
    "time_zone": "Time zone",
    "locale": "Language",
    "stage": "Stage",
    "attributes": "Further fields",
}


class OtherForm(forms.Form):
    other = forms.CharField(label="Phone number, email, customer ID, or # and contact id", max_length=100)


class DuplicateGroup(NamedTuple):
    """Contacts that share an address, and where merging each of the others into the first is previewed."""

    address: str
    first: Contact
    others: list[tuple[Contact, str]]


def _groups(found: list[SameAddress], *, full: bool) -> list[DuplicateGroup]:
    show = whole_or_masked(full)
    return [
        DuplicateGroup(
            show(one.address.value),
            one.contacts[0],
            [(other, _preview_url(one.contacts[0].pk, other.pk)) for other in one.contacts[1:]],
        )
        for one in found
    ]


def _preview_url(keep: int, gone: int) -> str:
    return f"{reverse('contacts:merge')}?{urlencode({'keep': keep, 'gone': gone})}"


@requires("contacts.view_contact", "contacts.merge_contact")
@require_safe
def duplicates(request: HttpRequest) -> HttpResponse:
    """Who shares an address with whom."""
    found = candidates(read_id(request.GET.get("after", "")))
    context = {
        "groups": _groups(found.groups, full=may_see(request)),
        "older_url": f"{request.path}?after={found.after}" if found.after else "",
        "first": "after" not in request.GET,
        "first_url": request.path,
    }
    return render(request, "contacts/duplicates.html", context)


@requires("contacts.view_contact", "contacts.merge_contact")
@require_safe
def of_one(request: HttpRequest, pk: int) -> HttpResponse:
    """Who shares an address with this contact, and a box for somebody who does not."""
    contact = get_object_or_404(Contact, pk=pk, merged_into=None)
    form = OtherForm(request.GET if "other" in request.GET else None)
    if form.is_bound and form.is_valid():
        theirs = [one for one in found_for(form.cleaned_data["other"]) if one != contact]
        if len(theirs) == 1:
            return redirect(_preview_url(pk, theirs[0].pk))
        many = "Several contacts have it; give the # and number of the one you mean."
        form.add_error(
            "other", many if theirs else "Nobody else has this whole number, email or customer ID."
        )
    context = {
        "contact": contact,
        "form": form,
        "groups": _groups(sharing(contact), full=may_see(request)),
        "first": True,
    }
    return render(request, "contacts/duplicates.html", context, status=422 if form.errors else 200)


@requires("contacts.view_contact", "contacts.merge_contact")
@require_http_methods(["GET", "HEAD", "POST"])
def preview(request: HttpRequest) -> HttpResponse:
    """What merging two contacts would make; posted, it is done."""
    given = request.POST if request.method == "POST" else request.GET
    kept, gone = _chosen(given.get("keep", "")), _chosen(given.get("gone", ""))
    if kept == gone:
        raise Http404
    now, full = timezone.now(), may_see(request)
    blocked = would_carry(kept.pk, gone.pk, now)
    form = MergeForm(request.POST if request.method == "POST" else None, blocked=blocked, full=full)
    if request.method == "POST" and form.is_valid():
        try:
            merge(kept.pk, gone.pk, by=who(request), now=now, leave=form.unblocked)
        except CannotMerge as problem:
            messages.error(request, f"Nothing was merged. {problem}")
            return redirect(_preview_url(kept.pk, gone.pk))
        messages.success(request, f"Contact {gone.pk} was merged into this one.")
        return redirect("contacts:trail", kept.pk)
    context = _previewed(kept, gone, full=full) | {"form": form}
    return render(request, "contacts/merge.html", context, status=422 if form.errors else 200)


def _chosen(text: str) -> Contact:
    pk = read_id(text)
    if pk is None:
        raise Http404
    known = Contact.objects.select_related("source").prefetch_related("addresses", "lists")
    return get_object_or_404(known, pk=pk, merged_into=None)


def _previewed(kept: Contact, gone: Contact, *, full: bool) -> dict[str, Any]:
    """A fixed number of queries."""
    now = timezone.now()
    own, theirs = list(kept.addresses.all()), list(gone.addresses.all())
    both = {one.match_key for one in own} & {one.match_key for one in theirs} - {""}
    sides = [
        {
            "contact": one,
            "addresses": shown_addresses(addresses, full=full),
            "lists": sorted(each.name for each in one.lists.all()),
            "messages": Message.objects.filter(contact=one).count(),
            "blocks": len(blocks_in_force(one, addresses, now)),
        }
        for one, addresses in ((kept, own), (gone, theirs))
    ]
    return {
        "kept": kept,
        "gone": gone,
        "sides": sides,
        "share": bool(both),
        "consent": [
            (NAMED[one.channel], _said(one.kept), _said(one.gone), _said(one.merged))
            for one in words(kept.pk, gone.pk)
        ],
        "filled": [
            (FIELDS[name], _written(value)) for name, value in filled_in(kept, gone).items() if name in FIELDS
        ],
        "lost": [
            (FIELDS[name], getattr(gone, name))
            for name in ("name", "external_id", "time_zone")
            if getattr(gone, name) and getattr(kept, name) and getattr(gone, name) != getattr(kept, name)
        ],
        "both": in_both(kept, gone),
        "lists": sorted(
            {each.name for one in (kept, gone) for each in ContactList.objects.filter(contacts=one)}
        ),
        "swap_url": _preview_url(gone.pk, kept.pk),
    }


def _said(word: LatestConsent | None) -> str:
    if word is None:
        return "Nothing said"
    return f"{'Opted in' if word.opted_in else 'Opted out'}, {day(word.at)}"


def _written(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, dict) else str(value)
