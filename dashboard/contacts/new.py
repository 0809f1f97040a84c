"""Add one person by a form."""

from __future__ import annotations

from typing import Any

from django import forms
from django.conf import settings
from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods

from accounts.roles import requires
from accounts.site import Chosen
from contacts.adding import Agreed, add_person
from contacts.channels import Channel
from contacts.correcting import AlreadyTheirs, Details
from contacts.models import ContactList
from contacts.sheet_lines import LONGEST_HOW
from dashboard.contacts.forms import CorrectForm
from dashboard.shell.pages import may_see, who
from deliveries.outcomes.keyset import read_id


class NewPersonForm(CorrectForm):
    lists = Chosen(
        label="Lists",
        queryset=ContactList.objects.all(),
        required=False,
        help_text="The first one is their list source. Hold Ctrl or Cmd to choose several.",
    )
    agreed = forms.MultipleChoiceField(
        label="They agreed to",
        required=False,
        choices=Channel.choices,
        widget=forms.CheckboxSelectMultiple,
        help_text="Tick only what they said. Without consent nothing is sent on a channel.",
    )
    how = forms.CharField(
        label="How they agreed", required=False, max_length=LONGEST_HOW, help_text="Such as “Paper form”."
    )
    evidence = forms.CharField(
        label="What proves it",
        required=False,
        max_length=300,
        help_text="Where the form is kept, or who was asked.",
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["name"].required = True
        self.fields["phone"].help_text = "In any format. Give this, or an email."

    @property
    def details(self) -> Details:
        return Details(**{name: self.cleaned_data[name] for name in Details._fields})

    @property
    def consent(self) -> Agreed:
        given = self.cleaned_data
        return Agreed(given["agreed"], given["how"].strip(), given["evidence"].strip())


@requires("contacts.view_contact", "contacts.add_contact")
@require_http_methods(["GET", "HEAD", "POST"])
def new(request: HttpRequest) -> HttpResponse:
    initial = {"lists": [pk] if read_id(pk := request.GET.get("list", "")) is not None else []}
    form = NewPersonForm(
        request.POST if request.method == "POST" else None, full=may_see(request), initial=initial
    )
    if request.method == "POST" and form.is_valid():
        try:
            made = add_person(
                form.details,
                lists=list(form.cleaned_data["lists"]),
                agreed=form.consent,
                region=settings.DEFAULT_REGION,
                by=who(request),
                now=timezone.now(),
                shared=request.POST.getlist("shared"),
            )
        except ValidationError as problem:
            for field, errors in problem.message_dict.items():
                form.add_error(field if field in form.fields else None, errors)
            if isinstance(problem, AlreadyTheirs):
                form.offer_to_share(form.cleaned_data["name"] or "this person", problem.values)
        else:
            messages.success(request, f"{made} is added.")
            return redirect("contacts:trail", made.pk)
    context = {"form": form, "title": "Add a person", "back": reverse("contacts:search")}
    return render(request, "contacts/new.html", context, status=422 if form.errors else 200)
