"""Who gets alerts: what each person gets by email, and the channels that administrators manage."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST

from accounts.roles import requires
from dashboard.alerts.views import SEE
from dashboard.shell.pages import who
from deliveries.alerting import apprise_sending
from deliveries.credentials import CredentialsUnreadable
from deliveries.models import Alert, AlertChannel, AlertNotice, AlertPreference
from deliveries.models.notices import NoticeTiming

CHANGE, DELETE = "deliveries.change_alertchannel", "deliveries.delete_alertchannel"
LONGEST_URL = 1_000
LEAST = [
    (Alert.Severity.URGENT.value, "Urgent ones only"),
    (Alert.Severity.WARNING.value, "Urgent ones and warnings"),
    (Alert.Severity.NOTICE.value, "All, also campaigns that finished"),
]


class PreferenceForm(forms.Form):
    when = forms.ChoiceField(label="By email", choices=NoticeTiming.choices)
    least = forms.ChoiceField(label="Which alerts", choices=LEAST)


@requires(SEE)
@require_http_methods(["GET", "HEAD", "POST"])
def page(request: HttpRequest) -> HttpResponse:
    """What the reader gets, and, for administrators, the channels."""
    user = who(request)
    held = AlertPreference.objects.filter(user=user).first() or AlertPreference(user=user)
    form = PreferenceForm(request.POST or None, initial={"when": held.when, "least": held.least})
    if request.method == "POST" and form.is_valid():
        AlertPreference.objects.update_or_create(user=user, defaults=form.cleaned_data)
        messages.success(request, "Kept.")
        return redirect("alerts:notices")
    may_change = user.has_perm(CHANGE)
    channels = AlertChannel.objects.defer("secret")
    context: dict[str, Any] = {
        "form": form,
        "email": user.email,
        "mail": channels.filter(kind=AlertChannel.Kind.MAIL).first(),
        "may_change": may_change,
        "channels": list(channels) if may_change else [],
    }
    return render(request, "alerts/notices.html", context, status=422 if form.errors else 200)


class ChannelForm(forms.ModelForm):
    """A channel. Its address holds secrets: it is never shown again, and empty leaves it as it is."""

    url = forms.CharField(
        label="Address with its secrets",
        required=False,
        max_length=LONGEST_URL,
        widget=forms.PasswordInput(attrs={"autocomplete": "off"}),
        help_text="As apprise writes it: slack://token/…, msteams://…, mailtos://user:password@smtp.example.com?to=…, "
        "jsons://host/path. Of the mail server by which people get theirs without the part “to”. "
        "Kept encrypted, and never shown again.",
    )

    class Meta:
        model = AlertChannel
        fields = ("name", "kind", "when", "least")

    def __init__(self, *given: Any, **more: Any) -> None:
        super().__init__(*given, **more)
        self.fields["least"] = forms.ChoiceField(label="Which alerts", choices=LEAST)
        self.fields["when"].label = "When"

    def clean(self) -> dict[str, Any]:
        given = super().clean() or {}
        url = given.get("url", "")
        if not url and self.instance.pk is None:
            self.add_error("url", "Enter where it is sent to.")
        if url:
            try:
                apprise_sending.check(url, mail=given.get("kind") == AlertChannel.Kind.MAIL)
            except apprise_sending.BadAddress as problem:
                self.add_error("url", str(problem))
        elif self.instance.pk and "kind" in self.changed_data:
            self.add_error("url", "Enter the address anew where the kind changes.")
        return given

    def save(self, commit: bool = True) -> AlertChannel:
        channel: AlertChannel = super().save(commit=False)
        fields = [name for name in self.Meta.fields if channel.pk]
        if url := self.cleaned_data["url"]:
            channel.secret, channel.trouble, channel.trouble_at = {"url": url}, "", None
            fields += ["secret", "trouble", "trouble_at"] if channel.pk else []
        channel.save(update_fields=fields or None)
        return channel


@requires(SEE, CHANGE)
@require_http_methods(["GET", "HEAD", "POST"])
def channel(request: HttpRequest, pk: int | None = None) -> HttpResponse:
    found = get_object_or_404(AlertChannel.objects.defer("secret"), pk=pk) if pk else None
    form = ChannelForm(request.POST or None, instance=found)
    if request.method == "POST" and form.is_valid():
        kept = form.save()
        messages.success(request, f"{kept.name} is kept. Send it a test.")
        return redirect("alerts:notices")
    return render(
        request, "alerts/channel.html", {"form": form, "channel": found}, status=422 if form.errors else 200
    )


@requires(SEE, CHANGE)
@require_POST
def test(request: HttpRequest, pk: int) -> HttpResponse:
    """Send one text at once, and say what came of it."""
    rows = AlertChannel.objects.filter(pk=pk)
    found = get_object_or_404(rows.defer("secret"))
    now = timezone.now()
    try:
        url = rows.get().secret.get("url", "")
        if found.kind == AlertChannel.Kind.MAIL:
            if not who(request).email:
                raise apprise_sending.BadAddress("There is no email address on record for you.")
            url = apprise_sending.to_person(url, who(request).email)
        apprise_sending.send(url, "Waybill: a test", "Alerts will arrive here. Nothing has to be done.")
    except (apprise_sending.BadAddress, apprise_sending.NotTaken, CredentialsUnreadable) as problem:
        rows.update(trouble=str(problem)[:300], trouble_at=now)
        messages.error(request, f"{found.name}: {problem}")
    else:
        rows.update(sent_at=now, trouble="", trouble_at=None)
        # What failed before is tried again now that it works.
        AlertNotice.objects.filter(channel=found, sent_at=None).update(not_before=now, attempts=0)
        messages.success(request, f"{found.name} took it.")
    return redirect("alerts:notices")


@requires(SEE, DELETE)
@require_POST
def delete(request: HttpRequest, pk: int) -> HttpResponse:
    found = get_object_or_404(AlertChannel.objects.defer("secret"), pk=pk)
    found.delete()
    messages.success(request, f"{found.name} gets nothing any more.")
    return redirect("alerts:notices")
