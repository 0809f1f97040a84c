"""Whether people are asked about an address that was suppressed in doubt, and by which senders."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods

from accounts.roles import requires
from campaigns.models import Sender
from contacts import verifying
from contacts.models import VerifyingSender
from contacts.states import SENDER_MAY_SEND
from dashboard.shell.pages import who
from dashboard.suppressions.limits import MAY_CHANGE
from dashboard.suppressions.views import SEE


class VerifyingForm(forms.Form):
    """For each channel the sender that asks, or nobody."""

    email = forms.ChoiceField(
        label="Ask by email, where a number fails",
        required=False,
        help_text="Whoever agreed to email gets one email with a link to the page on which they correct their number.",
    )
    sms = forms.ChoiceField(
        label="Ask by SMS, where an email address fails",
        required=False,
        help_text="Whoever agreed to texts gets one text with a link to the page on which they correct their email.",
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name, _ in VerifyingSender.CHANNELS:
            senders = Sender.objects.filter(channel=name, state__in=SENDER_MAY_SEND).order_by("name", "pk")
            chosen = str(self.initial.get(name, ""))
            known = {"": "Do not ask", **({chosen: chosen} if chosen else {})}
            known |= {one.value: f"From {one.value} ({one.name})" for one in senders}
            self.fields[name].choices = list(known.items())  # type: ignore[attr-defined]


@requires(SEE, MAY_CHANGE)
@require_http_methods(["GET", "HEAD", "POST"])
def page(request: HttpRequest) -> HttpResponse:
    asking = verifying.senders()
    chosen = {channel: one.sender_value for channel, one in asking.items()}
    form = VerifyingForm(request.POST if request.method == "POST" else None, initial=chosen)
    if form.is_bound and form.is_valid():
        for channel, _ in VerifyingSender.CHANNELS:
            if form.cleaned_data[channel] != chosen.get(channel, ""):
                verifying.choose(channel, form.cleaned_data[channel], by=who(request), now=timezone.now())
        messages.success(request, "Saved. It holds for what is suppressed from now on.")
        return redirect("suppressions:automatic")
    context = {"form": form, "section": "automatic", "days": verifying.AGAIN_AFTER.days}
    return render(request, "suppressions/verifying.html", context, status=422 if form.errors else 200)
