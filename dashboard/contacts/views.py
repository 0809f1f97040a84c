"""The trail of a contact, and what may be done for one person."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import date, datetime
from typing import Any
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from django.conf import settings
from django.contrib import messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import transaction
from django.db.models import Q
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts.roles import requires
from campaigns.models import Recipient
from campaigns.texts import PersonalText, worded
from contacts.access_log import note_whole
from contacts.blocking import blocks_in_force, closes
from contacts.carrying import ours_at
from contacts.channels import Channel, Kind
from contacts.consenting import PERSON, record_request
from contacts.correcting import AlreadyTheirs
from contacts.correcting import correct as correct_details
from contacts.gate import REASONS, Reason
from contacts.grounds import day
from contacts.hours import clocks, local_zones, place
from contacts.models import Address, AddressHealth, Contact, Note, Suppression
from contacts.strength import RELEASE, may_lift
from contacts.suppressing import CannotRelease
from contacts.suppressing import release as release_suppression
from contacts.suppressing import suppress as suppress_address
from dashboard.charts import SHORT
from dashboard.contacts.addresses import shown_addresses
from dashboard.contacts.banner import acts, banner, blocked, named
from dashboard.contacts.explaining import explanation, zone_of
from dashboard.contacts.forms import ContactNoteForm, CorrectForm, ReleaseForm, SuppressForm
from dashboard.contacts.trail_export import lines
from dashboard.exports import file_name
from dashboard.shell.pages import may_assign, may_see, next_url, who
from deliveries.deciding.decide import HISTORY
from deliveries.deciding.followup import settle
from deliveries.deciding.staff import Planned, cancel_next_step, run_next_step_now, would_send
from deliveries.outcomes.reachability import SidePanel, side_panel
from deliveries.outcomes.trail import Narrowing, trail
from deliveries.outcomes.upcoming import Upcoming, upcoming

logger = logging.getLogger(__name__)
SETTLED_AT_MOST = 200  # recipients of one person decided anew within a request, the newest first
CHANNELS = [("", "All channels"), *((one.value, SHORT.get(one, str(one.label))) for one in Channel)]


@requires("contacts.view_contact")
@require_safe
def page(request: HttpRequest, pk: int) -> HttpResponse:
    stays = Contact.objects.filter(pk=pk).values_list("merged_into", flat=True).first()
    if stays:
        return redirect("contacts:trail", stays)
    contact = _contact(pk)
    own_clock = request.GET.get("clock") == "own"
    theirs = zone_of(contact, list(contact.addresses.all()))
    zone = timezone.get_current_timezone() if own_clock or theirs is None else theirs
    readers_day = timezone.localdate()
    with timezone.override(zone):
        return _trail_page(request, contact, theirs, own_clock=own_clock, readers_day=readers_day)


def _trail_page(
    request: HttpRequest, contact: Contact, theirs: ZoneInfo | None, *, own_clock: bool, readers_day: date
) -> HttpResponse:
    """`theirs`: the zone of the person, where it is known to be one. `readers_day`: the day where the reader is."""
    now = timezone.now()
    addresses = list(contact.addresses.all())
    narrowing = _narrowing(request)
    shown = trail(contact, addresses, request.GET.get("after", ""), narrowing)
    url = _trail_url(contact, narrowing, own_clock=own_clock)
    context: dict[str, Any] = {
        "contact": contact,
        "trail": shown,
        "now": now,
        "today": timezone.localtime(now).date(),
        "full": may_see(request),
        "narrowing": narrowing,
        "channels": [(key, label, url(channel=key)) for key, label in CHANNELS],
        "problems_url": url(problems="" if narrowing.problems else "1"),
        "first_url": url(),
        "next_url": url(after=shown.after) if shown.after else "",
        "whole_url": reverse("contacts:trail", args=[contact.pk]),
        "theirs": theirs and place(theirs),
        "own_clock": own_clock,
        "clock_url": url(clock="" if own_clock else "own"),
        "export_query": url().partition("?")[2],
    }
    context |= _beside(request, contact, addresses, now, readers_day)
    context["explanation"] = explanation(contact, context["reach"], own_clock=own_clock)
    return render(request, "contacts/trail.html", context)


def _narrowing(request: HttpRequest) -> Narrowing:
    """What the query string narrows the timeline to; what it does not know is ignored."""
    channel = request.GET.get("channel", "")
    return Narrowing(channel if channel in Channel.values else "", request.GET.get("problems") == "1")


def _trail_url(contact: Contact, narrowing: Narrowing, *, own_clock: bool) -> Callable[..., str]:
    """`url(channel="sms")` is this timeline, narrowed as it is but for that."""
    base = reverse("contacts:trail", args=[contact.pk])
    given = {
        "channel": narrowing.channel,
        "problems": "1" if narrowing.problems else "",
        "clock": "own" if own_clock else "",
    }

    def url(**changed: str) -> str:
        query = urlencode({name: value for name, value in (given | changed).items() if value})
        return f"{base}?{query}" if query else base

    return url


@requires("contacts.view_contact", "contacts.view_full_address", "campaigns.export_report")
@require_safe
def export(request: HttpRequest, pk: int) -> StreamingHttpResponse:
    """The whole timeline as CSV, narrowed as on the page."""
    contact, narrowing = _contact(pk), _narrowing(request)
    note_whole(request)
    # A warning, so that it is on record at the level logs are usually kept at.
    logger.warning("%s exports the trail of contact %s: %s", request.user, contact.pk, narrowing)
    answer = StreamingHttpResponse(lines(contact, narrowing), content_type="text/csv; charset=utf-8")
    shown = (narrowing.channel, "problems" if narrowing.problems else "")
    named = file_name("contact", str(contact.pk), *shown, now=timezone.now())
    answer["Content-Disposition"] = f'attachment; filename="{named}"'
    answer["Cache-Control"] = "no-store"
    return answer


def _contact(pk: int) -> Contact:
    known = Contact.objects.select_related("source").prefetch_related("addresses")
    return get_object_or_404(known, pk=pk, merged_into=None)


def _beside(
    request: HttpRequest, contact: Contact, addresses: list[Address], now: datetime, readers_day: date
) -> dict[str, Any]:
    """The header, the banner, the steps to come and the right column."""
    user = who(request)
    reach, full = side_panel(contact, now), may_see(request)
    phone = next((one for one in reach.addresses if one.kind == Kind.PHONE and one.preferred), None)
    zones = local_zones(contact.time_zone, phone.time_zone if phone else "")
    alive = contact.erased_at is None
    return {
        "addresses": shown_addresses(addresses, full=full),
        "clocks": clocks(now, zones, readers_day),
        "reach": reach,
        "contactable": contactable(reach) if alive else (False, erased_words(contact)),
        "erased": "" if alive else erased_words(contact),
        "banner": banner(reach, full=full),
        "unread": reach.held_since is not None,
        "upcoming": _coming(contact, zones, now, acts=alive and may_assign(user)),
        "suppressions": [
            (act, closes(act), blocked(act, extended, full=full), may_lift(user, act))
            for act, extended in acts(reach.suppressions)
        ],
        "may_step": alive and may_assign(user),
        "note_form": ContactNoteForm(),
    }


def _coming(
    contact: Contact, zones: tuple[ZoneInfo, ...], now: datetime, *, acts: bool
) -> list[tuple[Upcoming, Planned | None, PersonalText | None]]:
    """The steps to come, each with what it would send were it made now, and in which words, for whoever `acts`."""
    steps = upcoming(contact, zones, now)
    planned = would_send([step.recipient for step in steps if step.automatic], now) if acts else {}
    sends = [(step, planned.get(step.recipient.pk) if step.automatic else None) for step in steps]
    return [(step, one, worded(one.content, contact) if one else None) for step, one in sends]


def erased_words(contact: Contact) -> str:
    return f"This person was erased on {day(contact.erased_at)}" if contact.erased_at else ""


def contactable(reach: SidePanel) -> tuple[bool, str]:
    """Whether we may contact this person now, and on what or why not."""
    now = [one for one in reach.channels if one.verdict and one.verdict.allowed]
    if now:
        return True, f"May be contacted now by {named(now)}"
    held = [one for one in reach.channels if one.verdict and one.verdict.until]
    if held:
        return False, f"Not now: {held[0].verdict.detail}" if held[0].verdict else ""
    asked = [one.verdict for one in reach.channels if one.verdict]
    if not asked:
        return False, "No address to contact"
    rule = REASONS[Reason(asked[0].reason)]
    return False, f"May not be contacted: {asked[0].detail or rule.sentence}"


# ---- For one person --------------------------------------------------------------------------------------------


def _refused(request: HttpRequest, contact: Contact) -> HttpResponse:
    messages.error(request, f"{erased_words(contact)}. Nothing can be done for them any more.")
    return redirect("contacts:trail", contact.pk)


@requires("contacts.view_contact", "contacts.correct_contact")
@require_http_methods(["GET", "HEAD", "POST"])
def correct(request: HttpRequest, pk: int) -> HttpResponse:
    contact = _contact(pk)
    if contact.erased_at:
        return _refused(request, contact)
    full = may_see(request)
    before = _details(contact, full=full)
    back = next_url(request, reverse("contacts:trail", args=[pk]))
    form = CorrectForm(
        request.POST if request.method == "POST" else None,
        initial=before,
        doubted=_doubted(contact),
        blocked=ours_at([one.value for one in contact.addresses.all() if one.preferred], timezone.now()),
        full=full,
    )
    if request.method == "POST" and form.is_valid():
        # Only what differs from what the form showed: a masked address that was left alone is not a new one.
        wanted = {name: form.cleaned_data[name] for name in before if form.cleaned_data[name] != before[name]}
        shared = request.POST.getlist("shared")
        confirmed = [int(one) for one in form.cleaned_data.get("confirmed", ())]
        try:
            with transaction.atomic():
                changes = correct_details(
                    contact, **wanted, region=settings.DEFAULT_REGION, by=who(request), shared=shared,
                    confirmed=confirmed, leave=form.unblocked,
                )  # fmt: skip
                _settle(contact)
        except ValidationError as problem:
            for field, errors in problem.message_dict.items():
                form.add_error(field if field in form.fields else None, errors)
            if isinstance(problem, AlreadyTheirs):
                form.offer_to_share(contact, problem.values)
        else:
            messages.success(request, " ".join(changes) or "Nothing was changed.")
            return redirect(back)
    context = {"contact": contact, "form": form, "title": "Correct details", "next": back}
    return render(request, "contacts/correct.html", context, status=422 if form.errors else 200)


def _doubted(contact: Contact) -> list[tuple[Address, str]]:
    """The current addresses that are not used, or not everywhere, for failures or a colleague's mark; and why."""
    current = {one.pk: one for one in contact.addresses.all() if one.preferred}
    why: dict[int, list[str]] = {}
    for one in current.values():
        if one.validity in (Address.Validity.NEEDS_CORRECTION, Address.Validity.INVALID):
            why.setdefault(one.pk, []).append(f"{one.get_validity_display()}.")
    bad = Q(marked_at__isnull=False) | ~Q(closed="") | Q(hard_fails__gt=0)
    for health in AddressHealth.objects.filter(bad, address__in=current).order_by("id"):
        sentence = health.closed_why or f"{health.get_channel_display()} failed permanently"
        if health.marked_at and not health.hard_fails and not health.closed:
            sentence = f"Marked for correction on {health.get_channel_display()}"
        why.setdefault(health.address_id, []).append(f"{sentence}.")
    return [(current[pk], " ".join(dict.fromkeys(sentences))) for pk, sentences in why.items()]


def _details(contact: Contact, *, full: bool) -> dict[str, str]:
    used = [one for one in contact.addresses.all() if one.preferred]
    shown = {one["address"].kind: one["shown"] for one in shown_addresses(used, full=full)}
    return {
        "name": contact.name,
        "phone": shown.get(Kind.PHONE, ""),
        "email": shown.get(Kind.EMAIL, ""),
        "time_zone": contact.time_zone,
        "external_id": contact.external_id,
        "stage": contact.stage,
    }


@requires("contacts.view_contact", "contacts.suppress_contact")
@require_http_methods(["GET", "HEAD", "POST"])
def suppress(request: HttpRequest, pk: int) -> HttpResponse:
    contact = _contact(pk)
    if contact.erased_at:
        return _refused(request, contact)
    addresses = shown_addresses(contact.addresses.all(), full=may_see(request))
    form = SuppressForm(
        request.POST if request.method == "POST" else None, addresses=addresses, initial={"what": "contact"}
    )
    if request.method == "POST" and form.is_valid():
        with transaction.atomic():
            wanted: dict[str, Any] = {
                "contact": contact, "value": form.value, "channel": form.cleaned_data["channel"],
                "evidence": form.cleaned_data["reason"], "by": who(request), "now": timezone.now(), "alone": True,
            }  # fmt: skip
            if form.cleaned_data["asked"] == PERSON:
                record_request(**wanted)
            else:
                reason, origin = Suppression.Reason.STAFF, Suppression.Origin.STAFF
                suppress_address(**wanted, reason=reason, origin=origin)
            _settle(contact)
        messages.success(request, "Suppressed. Nothing more is sent there.")
        return redirect("contacts:trail", contact.pk)
    context = {"contact": contact, "form": form, "title": "Suppress"}
    return render(request, "contacts/suppress.html", context, status=422 if form.errors else 200)


@requires("contacts.view_contact", RELEASE)
@require_http_methods(["GET", "HEAD", "POST"])
def release(request: HttpRequest, pk: int, suppression: int) -> HttpResponse:
    """Lift one suppression that meets the contact, as the action in the list of all suppressions does."""
    contact, now = _contact(pk), timezone.now()
    found = acts(blocks_in_force(contact, list(contact.addresses.all()), now))
    act, extended = next((one for one in found if one[0].pk == suppression), (None, []))
    if act is None:
        messages.warning(request, "That suppression does not hold any more.")
        return redirect("contacts:trail", pk)
    if not may_lift(who(request), act):
        messages.error(request, str(CannotRelease(act)))
        return redirect("contacts:trail", pk)
    form = ReleaseForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        with transaction.atomic():
            release_suppression(act, by=who(request), note=form.cleaned_data["note"], now=now)
            _settle(contact)
        messages.success(request, "Released.")
        return redirect("contacts:trail", pk)
    context = {
        "contact": contact,
        "form": form,
        "title": "Release",
        "act": act,
        "where": closes(act),
        "what": blocked(act, extended, full=may_see(request)),
        "others": len(found) - 1,
    }
    return render(request, "contacts/release.html", context, status=422 if form.errors else 200)


@requires("contacts.view_contact", "contacts.add_note")
@require_POST
def note(request: HttpRequest, pk: int) -> HttpResponse:
    contact = get_object_or_404(Contact, pk=pk)
    if contact.erased_at:
        return _refused(request, contact)
    form = ContactNoteForm(request.POST)
    if form.is_valid():
        Note.objects.create(contact=contact, author=who(request), text=form.cleaned_data["text"])
        messages.success(request, "Note added.")
    else:
        messages.error(
            request, "The note was not added: " + " ".join(str(one) for one in form.errors["text"])
        )
    return redirect("contacts:trail", contact.pk)


@requires("contacts.view_contact")
@require_POST
def step(request: HttpRequest, pk: int, recipient: int, act: str) -> HttpResponse:
    """Run the planned step of one recipient now, or cancel it."""
    if not may_assign(who(request)):
        raise PermissionDenied
    found = get_object_or_404(Recipient.objects.select_related("campaign"), pk=recipient, contact_id=pk)
    done = (run_next_step_now if act == "run" else cancel_next_step)(found, who(request), timezone.now())
    if not done:
        messages.error(request, "There is no such step any more. Something else happened meanwhile.")
    elif act == "run":
        messages.success(request, "On its way, as soon as the recipient's hours allow it.")
    else:
        messages.success(request, f"No more automatic steps for {found.campaign.name}.")
    return redirect(reverse("contacts:trail", args=[pk]))


def _settle(contact: Contact) -> None:
    """What changed for the person may change what is planned for them, and what may be sent to them once more."""
    recent = Q(messages__created_at__gt=timezone.now() - HISTORY)
    waits = Q(next_step_at__isnull=False) | Q(messages__queue_entry__isnull=False) | recent
    asked = Recipient.objects.filter(waits, contact=contact).order_by("-pk").distinct()
    settle(list(asked.values_list("pk", flat=True)[:SETTLED_AT_MOST]), timezone.now())
