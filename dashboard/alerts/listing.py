"""An alert as a page shows it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from accounts.models import User
from deliveries.alerting.kinds import AlertKind, kinds
from deliveries.models import Alert

SEVERITY_BUCKETS = {
    Alert.Severity.URGENT: "permanent",
    Alert.Severity.WARNING: "retryable",
    Alert.Severity.NOTICE: "pending",
}
GONE = AlertKind("gone", "A kind that no longer exists", Alert.Severity.NOTICE, *([None] * 5))  # type: ignore[arg-type]


@dataclass(frozen=True)
class AlertLine:
    """`may_open`: whether the reader may see where it leads."""

    alert: Alert
    kind: AlertKind
    bucket: str
    may_open: bool


def lines(alerts: Iterable[Alert], user: User) -> list[AlertLine]:
    return [line(alert, user) for alert in alerts]


def line(alert: Alert, user: User) -> AlertLine:
    kind = kinds().get(alert.kind, GONE)
    into_admin = alert.url.startswith("/admin/") and not user.is_staff
    may_open = bool(alert.url) and not into_admin and bool(kind.needs) and user.has_perm(kind.needs)
    return AlertLine(alert, kind, SEVERITY_BUCKETS[Alert.Severity(alert.severity)], may_open)
