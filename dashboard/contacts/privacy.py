"""What a person may ask of us: all that is known of them as a file, and to be erased."""

from __future__ import annotations

import json
import logging
from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST

from accounts.roles import requires
from contacts.access_log import note_whole
from contacts.erased_files import WITHIN
from contacts.models import Contact, FileErasure, PrivacyRecord
from dashboard.contacts.addresses import shown_addresses
from dashboard.shell.pages import may_see, who
from deliveries.deciding.erasing import erase_person
from deliveries.outcomes.person_data import person_data

logger = logging.getLogger(__name__)


class EraseForm(forms.Form):
    reason = forms.CharField(
        label="Why",
        max_length=300,
        help_text="Such as “Asked by email on 3 November”. It is kept, so do not name the person.",
    )
    typed = forms.CharField(label="Confirm", max_length=40)

    def __init__(self, *args: Any, contact: Contact, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.expected = f"erase {contact.pk}"
        self.fields["typed"].help_text = f"Type “{self.expected}”."
        self.fields["typed"].widget.attrs["autocomplete"] = "off"

    def clean_typed(self) -> str:
        typed = " ".join(self.cleaned_data["typed"].lower().split())
        if typed != self.expected:
            raise ValidationError(f"Type “{self.expected}”, and nothing else.")
        return typed


@requires("contacts.view_contact", "contacts.view_full_address", "contacts.export_contact")
@require_POST
def export(request: HttpRequest, pk: int) -> HttpResponse:
    """All data of one person as a file of JSON. That it was taken is on record."""
    contact = get_object_or_404(Contact.objects.select_related("source"), pk=pk, merged_into=None)
    now = timezone.now()
    note_whole(request)
    body = json.dumps(person_data(contact), ensure_ascii=False, indent=1)
    PrivacyRecord.objects.create(act=PrivacyRecord.Act.EXPORT, contact_number=pk, at=now, by=who(request))
    logger.warning("%s exports all data of contact %s", request.user, pk)
    answer = HttpResponse(body, content_type="application/json; charset=utf-8")
    answer["Content-Disposition"] = (
        f'attachment; filename="waybill-contact-{pk}-{timezone.localtime(now):%Y%m%d-%H%M}.json"'
    )
    answer["Cache-Control"] = "no-store"
    return answer


@requires("contacts.view_contact")
@require_http_methods(["GET", "HEAD", "POST"])
def page(request: HttpRequest, pk: int) -> HttpResponse:
    """The file, and the form that erases."""
    user = who(request)
    if not (user.has_perm("contacts.erase_contact") or user.has_perm("contacts.export_contact")):
        raise PermissionDenied
    contact = get_object_or_404(Contact.objects.prefetch_related("addresses"), pk=pk, merged_into=None)
    form = EraseForm(request.POST if request.method == "POST" else None, contact=contact)
    if request.method == "POST":
        if not user.has_perm("contacts.erase_contact"):
            raise PermissionDenied
        if form.is_valid():
            return _erase(request, pk, form.cleaned_data["reason"])
    files = FileErasure.objects.filter(contact_number=pk).order_by("-at").first()
    context = {
        "contact": contact,
        "files": files,
        "files_until": files.at + WITHIN if files else None,
        "late": files is not None and not files.finished_at and timezone.now() > files.at + WITHIN,
        "form": form,
        "addresses": shown_addresses(contact.addresses.all(), full=may_see(request)),
        "records": PrivacyRecord.objects.filter(contact_number=pk).select_related("by").order_by("-at")[:20],
    }
    return render(request, "contacts/privacy.html", context, status=422 if form.errors else 200)


def _erase(request: HttpRequest, pk: int, reason: str) -> HttpResponse:
    if erase_person(pk, by=who(request), reason=reason, now=timezone.now()):
        logger.warning("%s erases contact %s", request.user, pk)
        messages.success(request, "Erased. What happened stays on record without who it was.")
    else:
        messages.warning(request, "There is nobody to erase any more.")
    return redirect("contacts:privacy", pk)
