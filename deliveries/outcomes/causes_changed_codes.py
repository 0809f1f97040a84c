"""Whether a code that a campaign fails with still means what it did: by what became of the next attempt."""

from __future__ import annotations

from datetime import datetime

from django.db.models import Count, F, Q, Sum

from campaigns.models import Campaign
from deliveries.meaning.drift import BEFORE, DriftShare, matters
from deliveries.models import CodeAlarm, CodeDay, Message
from deliveries.statuses import Disposition


def changed(campaign: Campaign, account_id: int, code: str, now: datetime) -> str:
    """In a sentence, from the alarms that are open, else from the campaign's own later attempts beside those of four
    weeks; '' where nothing says so. Three queries at most."""
    alarms = CodeAlarm.objects.filter(kind=CodeAlarm.Kind.CONSEQUENCE, code=code, closed_at=None)
    alarm = alarms.filter(**({"account_id": account_id} if account_id else {})).first()
    if alarm is not None:
        return alarm.sentence
    share = _next_attempts(campaign, account_id, code, now)
    if not matters(CodeAlarm.Kind.CONSEQUENCE, share) or share.now > share.before:
        return ""
    return (
        f"After “{code}” the next attempt was delivered in {share.now:.0%} of {share.n:,} cases here; before, it was"
        f" {share.before:.0%} of {share.n_before:,}. The code may not mean what it did."
    )


def _next_attempts(campaign: Campaign, account_id: int, code: str, now: datetime) -> DriftShare:
    later = Message.objects.filter(
        campaign=campaign, follows__reason_code=code, channel=F("follows__channel"), canceled_at=None
    ).exclude(disposition__in=("", Disposition.PENDING))
    here = later.aggregate(n=Count("pk"), arrived=Count("pk", filter=Q(disposition=Disposition.DELIVERED)))
    days = CodeDay.objects.filter(code=code, day__gte=(now - BEFORE).date(), day__lte=now.date())
    if account_id:
        days = days.filter(account_id=account_id)
    before = days.aggregate(n=Sum("followed"), arrived=Sum("then_delivered"))
    return DriftShare(here["arrived"], here["n"], before["arrived"] or 0, before["n"] or 0)
