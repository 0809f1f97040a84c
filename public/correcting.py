"""The page on which people give us their right number or email, and show by a code that it is theirs."""

from __future__ import annotations

from typing import Any

from django import forms
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils import timezone

from contacts.changing import WORDING, new_address
from contacts.emails import NotAnEmail
from contacts.models import Address, Contact
from contacts.phones import NotAPhone
from contacts.preferring import is_theirs
from deliveries import links
from deliveries.models import Message
from deliveries.receiving.address_changes import NoWay, Sent, ask, confirm, sent_with
from public.answers import answer

FIELD = "correct"  # in the address: these pages of the link's; its value says which
CODE, DONE = "code", "done"
TOO_OFTEN = "You asked for codes too often today. Try again tomorrow."
NO_WAY = "We cannot send a code there at the moment. Try again later."
WRONG = "This is not the code, or it is no longer valid. Look again, or ask for a new one."


class NewAddressForm(forms.Form):
    """The address as typed; once valid, `cleaned_data["address"]` is an unsaved address."""

    address = forms.CharField(
        label="Your right number or email",
        max_length=254,
        help_text="A number that can get text messages, in any format, or an email. We send a code there.",
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )

    def __init__(self, *args: Any, contact: Contact, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.contact = contact

    def clean_address(self) -> Address:
        try:
            return new_address(self.cleaned_data["address"], self.contact)
        except (NotAPhone, NotAnEmail) as problem:
            raise forms.ValidationError(str(problem)) from problem


class EnteredCodeForm(forms.Form):
    code = forms.CharField(
        label="Code",
        max_length=20,
        help_text="Six digits, valid for 15 minutes.",
        widget=forms.TextInput(attrs={"inputmode": "numeric", "autocomplete": "one-time-code"}),
    )


def page(request: HttpRequest, token: str) -> HttpResponse:
    """As `choosing.page`: only for whoever the address of the message still belongs to. That it is done says nothing of
    anybody, and can be read when the link's own address was just replaced."""
    step, sent = request.GET[FIELD], sent_with(links.read(token))
    speaks = sent is not None and sent.address is not None and is_theirs(sent.address)
    if step == DONE:
        return answer("public/corrected.html", {"leads_on": speaks and isinstance(sent, Message)})
    if sent is None or not speaks:
        return answer("public/no_choices.html", status=404)
    return _code(request, sent) if step == CODE else _address(request, sent)


def _address(request: HttpRequest, sent: Sent) -> HttpResponse:
    """The answer is the same whether the address is known, blocked, or was asked for too often."""
    given = request.POST if request.method == "POST" else None
    assert sent.address is not None
    form = NewAddressForm(given, contact=sent.address.contact)
    if form.is_valid():
        try:
            asked = ask(sent, form.cleaned_data["address"], timezone.now())
        except NoWay:
            form.add_error("address", NO_WAY)
        else:
            if asked:
                return HttpResponseRedirect(f"?{FIELD}={CODE}")
            form.add_error(None, TOO_OFTEN)
    return answer(
        "public/correct.html",
        {"form": form, "chooses": isinstance(sent, Message)},
        422 if form.errors else 200,
    )


def _code(request: HttpRequest, sent: Sent) -> HttpResponse:
    form = EnteredCodeForm(request.POST if request.method == "POST" else None)
    if form.is_valid():
        if confirm(sent, form.cleaned_data["code"], timezone.now()):
            return HttpResponseRedirect(f"?{FIELD}={DONE}")
        form.add_error("code", WRONG)
    return answer("public/correct_code.html", {"form": form, "wording": WORDING}, 422 if form.errors else 200)
