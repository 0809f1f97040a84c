"""Why what a campaign has not sent yet waits, where that is not its own doing: in words, for its report."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db.models import Q

from campaigns.models import Campaign, Pace, Sender
from campaigns.rates import campaign_key
from contacts.states import SENDER_MAY_SEND
from deliveries.deciding.context import PASS_ON_AFTER
from deliveries.models import Account, Outbox
from deliveries.sending.lanes import Lane
from deliveries.sending.next_day import left_today
from deliveries.sending.pacing import limits_of
from deliveries.wording import zoned

MINUTES = int(PASS_ON_AFTER.total_seconds() // 60)
WORTH_SAYING = timedelta(minutes=1)
# What becomes of messages whose account hands nothing over.
PASSED_ON = (
    "where a list of routes names another account, they leave by that one: urgent messages at once, others "
    f"after {MINUTES} minute{'' if MINUTES == 1 else 's'}"
)


def why_it_waits(campaign: Campaign, now: datetime) -> list[str]:
    """Sentences: that its account rests, that its sender's day is used up. Of where the first and the last message
    that wait would leave by, which are all for nearly every campaign. At most ten queries."""
    if campaign.state == Campaign.State.PAUSED:
        return _registration_ended(campaign)
    if campaign.state not in (Campaign.State.LAUNCHING, Campaign.State.SENDING):
        return []
    waiting = Outbox.objects.filter(campaign_id=campaign.pk, claimed_until=None).order_by("pk")
    lanes = {Lane(row.account_id, row.sender_id) for row in (waiting.first(), waiting.last()) if row}
    if not lanes:
        return []
    accounts = Account.objects.defer("credentials").filter(pk__in={lane.account_id for lane in lanes})
    return [
        *_at_its_pace(campaign, now),
        *_senders_stopped(campaign, lanes),
        *filter(None, (_rests(account, now) for account in accounts)),
        *sorted(_days_used_up(lanes, now)),
    ]


def _registration_ended(campaign: Campaign) -> list[str]:
    """It was paused then, see `registrations_ended.py`; a renewal lets it be resumed."""
    ended = Sender.objects.filter(
        contents__campaign=campaign, contents__channel=campaign.channel, state=Sender.State.EXPIRED
    )
    return [
        f"The registration of its sender {sender.value} has run out, so nothing of it is sent. Once an administrator "
        "has entered the renewal, resume it."
        for sender in ended
    ]


def _senders_stopped(campaign: Campaign, lanes: set[Lane]) -> list[str]:
    """Of any of its channels, or by which what waits would leave: the gate holds what they would send."""
    theirs = Q(contents__campaign=campaign) | Q(pk__in={lane.sender_id for lane in lanes})
    stopped = Sender.objects.filter(theirs).exclude(state__in=SENDER_MAY_SEND).distinct().order_by("value")
    return [
        f"Its sender {sender.value} may not send ({sender.get_state_display().lower()}). Messages by it wait, and "
        "leave once an administrator has set that right."
        for sender in stopped
    ]


def _at_its_pace(campaign: Campaign, now: datetime) -> list[str]:
    """That it sends only so many a minute, while something waits for its turn. A query where it does."""
    if not campaign.per_minute:
        return []
    pace = Pace.objects.filter(pk=campaign_key(campaign.pk), next_at__gt=now + WORTH_SAYING).first()
    if pace is None:
        return []
    return [
        f"It sends {campaign.per_minute:,} a minute at most. What waits has its turn by {zoned(pace.next_at)}."
    ]


def _rests(account: Account, now: datetime) -> str:
    if not account.active:
        return f"{account} is switched off. Messages wait there until it is on again; {PASSED_ON}."
    if account.paused_until and account.paused_until > now:
        return f"{account} is paused. Messages wait there until {zoned(account.paused_until)}; {PASSED_ON}."
    return ""


def _days_used_up(lanes: set[Lane], now: datetime) -> set[str]:
    limits = limits_of(lanes, now)
    values = dict(
        Sender.objects.filter(pk__in={lane.sender_id for lane in limits}).values_list("pk", "value")
    )
    return {
        f"{'The mail domain of ' if limit.warm_up_day else ''}{values[lane.sender_id]} has sent as much today "
        f"as it may ({limit.rate.per_day:,}). Messages beyond that leave from {zoned(limit.next_day(now))}."
        for lane, those in limits.items()
        for limit in those
        if limit.rate.per_day and left_today([limit], now) <= 0
    }
