"""Accounts that rest."""

from __future__ import annotations

from datetime import timedelta

from deliveries.models import Account

LATER = timedelta(minutes=5)  # PASS_ON_AFTER_MINUTES, unless set


def rest(account, now, until=timedelta(hours=1)):
    Account.objects.filter(pk=account.pk).update(paused_until=now + until)
