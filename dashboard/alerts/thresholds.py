"""Which kinds of alerts are looked for, and from where on: for administrators."""

from __future__ import annotations

from dataclasses import dataclass

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods

from accounts.roles import requires
from dashboard.alerts.listing import SEVERITY_BUCKETS
from dashboard.shell.pages import who
from deliveries.alerting.kinds import AlertKind, AlertSettings, change_setting, kinds, load_settings
from deliveries.models import Alert

CHANGE = "deliveries.change_alertsetting"
MOST = 100_000


class AlertKindForm(forms.Form):
    """One kind; its threshold only where it has one of its own."""

    active = forms.BooleanField(required=False)
    threshold = forms.FloatField(min_value=0, max_value=MOST)

    def __init__(self, kind: AlertKind, settings: AlertSettings, data: QueryDict | None = None) -> None:
        super().__init__(data, prefix=kind.key)
        self.fields["active"].initial = settings.is_on(kind.key)
        self.fields["active"].label = f"{kind.label}: look for it"
        if kind.threshold is None:
            del self.fields["threshold"]
        else:
            self.fields["threshold"].initial = settings.threshold(kind.key)
            self.fields["threshold"].label = f"{kind.label}, {kind.unit}"
        for field in self.fields.values():
            field.widget.attrs["aria-label"] = field.label


@dataclass(frozen=True)
class AlertKindRow:
    kind: AlertKind
    form: AlertKindForm

    @property
    def severity(self) -> tuple[str, str]:
        """Bucket and word."""
        severity = Alert.Severity(self.kind.severity)
        return SEVERITY_BUCKETS[severity], str(severity.label)


@requires("deliveries.view_alert", CHANGE)
@require_http_methods(["GET", "HEAD", "POST"])
def page(request: HttpRequest) -> HttpResponse:
    settings = load_settings()
    given = request.POST if request.method == "POST" else None
    rows = [AlertKindRow(kind, AlertKindForm(kind, settings, given)) for kind in kinds().values()]
    invalid = any(row.form.errors for row in rows)
    if given is not None and not invalid:
        for row in rows:
            _keep(row, settings, request)
        messages.success(request, "Kept. The worker goes by it within a minute.")
        return redirect("alerts:thresholds")
    return render(request, "alerts/thresholds.html", {"rows": rows}, status=422 if invalid else 200)


def _keep(row: AlertKindRow, settings: AlertSettings, request: HttpRequest) -> None:
    """Only what differs from what holds."""
    key, given = row.kind.key, row.form.cleaned_data
    threshold = given.get("threshold")
    held = settings.threshold(key) if row.kind.threshold is not None else None
    if (given["active"], threshold) != (settings.is_on(key), held):
        change_setting(key, active=given["active"], threshold=threshold, by=who(request), now=timezone.now())
