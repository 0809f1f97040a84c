"""What stands above the figures of the overview: what is wrong with the machinery, campaigns that stopped."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.urls import reverse

from deliveries.alerting import boxes
from deliveries.credentials import CredentialsUnreadable
from deliveries.models import Account, CodeAlarm, Heartbeat, PendingReceipt, Quarantined, RouteAlarm
from deliveries.outcomes import route_status
from deliveries.outcomes.counting import counted
from deliveries.outcomes.stop_words import open_stops, seen, top_cause
from deliveries.running import heartbeat
from deliveries.running.heartbeat import Role
from deliveries.sending.standing_still import PASSED_ON
from deliveries.wording import zoned

RECENT = timedelta(days=30)  # a forged callback is shown that long
SHOWN = 6  # of one kind
NOT_DONE = {
    Role.RECORD: "Receipts are not being read",
    Role.DECIDE: "Retries and queues are not being worked out",
    Role.SEND: "Messages are not being sent",
    Role.REST: "Campaigns and bulk actions are not being prepared",
}
DOES = {
    Role.RECORD: "reads receipts",
    Role.DECIDE: "works out retries and queues",
    Role.SEND: "sends messages",
    Role.REST: "prepares campaigns and bulk actions",
}
STARTING = timedelta(minutes=1)  # processes start one after another


@dataclass(frozen=True)
class AttentionLine:
    """Something that people should look at: what, how much, and where."""

    bucket: str
    what: str
    why: str
    url: str = ""
    action: str = ""
    needs: str = "deliveries.view_pendingreceipt"  # whoever may open the link


def banners(now: datetime) -> list[AttentionLine]:
    """What is wrong with the machinery, and campaigns that stopped by themselves; the worst first."""
    return [
        *_worker(now),
        *_opened(now),
        *_stopped(),
        *_set_aside(),
        *_routes(now),
        *_receipts(),
        *_codes(),
        *_accounts(now),
    ]


def _worker(now: datetime) -> list[AttentionLine]:
    rows = heartbeat.signs(now)
    age = heartbeat.age(rows, now)
    if age is None:
        return [
            AttentionLine(
                "unknown", "No worker has reported yet", "Receipts are kept, and read once one runs."
            )
        ]
    if age > settings.READY_HEARTBEAT_SECONDS:
        what = f"The worker has not run for {int(age // 60):,} min"
        words = "Receipts are stored, but statuses and retries wait until it runs again."
        return [AttentionLine("permanent", what, words, *_processes())]
    return [*_roles_missing(rows, now), *_silent(rows, now)]


def _opened(now: datetime) -> list[AttentionLine]:
    """How many alerts are open, and the most urgent of them."""
    first = next(iter(boxes.urgent_first(now)), None)
    if first is None:
        return []
    n = boxes.count_open()
    what = f"{n:,} alert{' is' if n == 1 else 's are'} open"
    bucket = "permanent" if first.severity == first.Severity.URGENT else "retryable"
    return [
        AttentionLine(
            bucket, what, first.sentence, reverse("alerts:list"), "All alerts", "deliveries.view_alert"
        )
    ]


def _roles_missing(rows: list[Heartbeat], now: datetime) -> list[AttentionLine]:
    """One for each kind of work that nobody does."""
    found = []
    for role, those in heartbeat.by_role(rows).items():
        age = heartbeat.age(those, now)
        if age is None or age > settings.READY_HEARTBEAT_SECONDS:
            if age is None and rows and min(row.started_at for row in rows) > now - STARTING:
                continue  # the others have only just begun
            part = f"The part of Waybill that {DOES[role]}"
            since = "has not started" if age is None else f"has said nothing for {int(age // 60):,} min"
            words = f"{part} {since}. Nothing is lost; it waits until it runs."
            found.append(AttentionLine("permanent", NOT_DONE[role], words, *_processes()))
    return found


def _stopped() -> list[AttentionLine]:
    """Campaigns that stopped by themselves, and that nobody has resumed or canceled."""
    found = [
        AttentionLine(
            "permanent", f"{stop.campaign.name} stopped by itself: {seen(stop)}",
            f"{top_cause(stop)} {stop.waiting:,} message{'' if stop.waiting == 1 else 's'} not sent.".strip(),
            stop.campaign.get_absolute_url(), "Open its report", "campaigns.view_report",
        )
        for stop in open_stops().values()
    ]  # fmt: skip
    if len(found) > SHOWN:
        more = f"{len(found) - SHOWN} more campaigns stopped by themselves"
        url = reverse("campaigns:list")
        found[SHOWN:] = [AttentionLine("permanent", more, "", url, "All campaigns", "campaigns.view_report")]
    return found


def _silent(rows: list[Heartbeat], now: datetime) -> list[AttentionLine]:
    """Processes that hang behind others that go on."""
    hung = [row for row in rows if row.is_silent(now)]
    if not hung:
        return []
    what = f"{len(hung)} worker process{'' if len(hung) == 1 else 'es'} stopped responding"
    names = [
        f"{row.roles or row.step} on {row.host} (process {row.pid}), silent for {_minutes(row, now)} min"
        for row in hung[:SHOWN]
    ]
    more = f"; and {len(hung) - SHOWN} more" if len(hung) > SHOWN else ""
    return [AttentionLine("retryable", what, f"{'; '.join(names)}{more}. The others go on.", *_processes())]


def _processes() -> tuple[str, str, str]:
    """Where the processes are listed, what the link there says, and who may follow it."""
    return reverse("admin:deliveries_heartbeat_changelist"), "Open", "deliveries.view_heartbeat"


def _minutes(row: Heartbeat, now: datetime) -> str:
    return f"{int((now - row.at).total_seconds() // 60):,}"


def _set_aside() -> list[AttentionLine]:
    """Work that failed again and again, and is not tried any more."""
    aside = counted(Quarantined.objects.filter(not_before=None))
    if not aside.n:
        return []
    what = f"{aside} task{'' if aside.n == 1 else 's'} set aside after failing"
    words = "Everything else goes on. Each keeps its reason and can be tried again."
    url = reverse("admin:deliveries_quarantined_changelist")
    return [AttentionLine("permanent", what, words, url, "Open", "deliveries.view_quarantined")]


def _receipts() -> list[AttentionLine]:
    state = PendingReceipt.State
    dead = counted(PendingReceipt.objects.filter(state=state.DEAD))
    parked = counted(PendingReceipt.objects.filter(state=state.PARKED))
    url = reverse("admin:deliveries_pendingreceipt_changelist")
    found = []
    if dead.n:
        words = (
            "They could not be read, or belong to no message. Each keeps its reason and can be tried again."
        )
        what = f"{dead} receipt{'' if dead.n == 1 else 's'} could not be processed"
        found.append(AttentionLine("permanent", what, words, f"{url}?state__exact=dead", "Open"))
    if parked.n:
        words = "They belong to no message we know yet, and are tried again automatically."
        what = f"{parked} receipt{' waits' if parked.n == 1 else 's wait'} for a message"
        found.append(AttentionLine("pending", what, words, f"{url}?state__exact=parked", "Open"))
    return found


def _codes() -> list[AttentionLine]:
    alarms = counted(CodeAlarm.objects.filter(closed_at=None))
    if not alarms.n:
        return []
    what = f"{alarms} alarm{'' if alarms.n == 1 else 's'} about provider codes"
    words = "Codes that are not known, or no longer mean what they did. No contacts were affected."
    return [
        AttentionLine(
            "retryable", what, words, reverse("mappings:overview"), "View", "deliveries.view_codemapping"
        )
    ]


def _routes(now: datetime) -> list[AttentionLine]:
    """What is wrong with accounts and senders, also where another route works. A pause is shown with its account."""
    found = []
    for line in route_status.open_alarms(now):
        alarm = line.alarm
        if alarm.kind == RouteAlarm.Kind.RESTS and line.resting:
            continue
        assert alarm.raised_at is not None
        what = alarm.sentence.rstrip(".")
        words = f"Since {zoned(alarm.raised_at)}."
        if alarm.kind == RouteAlarm.Kind.RESTS:
            what, words = (
                f"{what.partition(':')[0]} no more, and has taken no message since",
                f"{words} The next one shows.",
            )
        found.append(
            AttentionLine(line.bucket, what, words, reverse("routes:page"), "View", "deliveries.view_route")
        )
    more = len(found) - SHOWN
    if more > 0:
        what = f"{more} more alarm{'' if more == 1 else 's'} about routes"
        found[SHOWN:] = [
            AttentionLine("retryable", what, "", reverse("routes:page"), "View", "deliveries.view_route")
        ]
    return found


def _accounts(now: datetime) -> list[AttentionLine]:
    found = []
    for account in _all_accounts():
        if account.active:
            found += _not_set_up(account)
        if account.paused_until and account.paused_until > now:
            words = f"Its messages wait until {zoned(account.paused_until)}, then they are tried again; {PASSED_ON}."
            found.append(AttentionLine("retryable", f"{account.name} is paused", words, *_at(account)))
        if account.forged_at and account.forged_at > now - RECENT:
            words = f"The last on {zoned(account.forged_at)}. Nothing was changed by them."
            what = f"{account.forged:,} callbacks for {account.name} had a bad signature"
            found.append(AttentionLine("compliance", what, words))
    return found


def _at(account: Account) -> tuple[str, str, str]:
    """Where an account is looked at, what the link there says, and who may follow it."""
    url = reverse("admin:deliveries_account_change", args=[account.pk])
    return url, "Open the account", "deliveries.view_account"


def _all_accounts() -> list[Account]:
    """Without their credentials where those were encrypted with another key."""
    try:
        return list(Account.objects.all())
    except CredentialsUnreadable:
        return list(Account.objects.defer("credentials"))


def _not_set_up(account: Account) -> list[AttentionLine]:
    try:
        lacking = account.lacking
    except CredentialsUnreadable as problem:
        words = str(problem)
    else:
        words = f"It lacks its credentials: {', '.join(lacking)}. Messages go by other accounts meanwhile."
        if not lacking:
            return []
    url = reverse("admin:deliveries_account_change", args=[account.pk])
    what = f"{account.name} cannot send"
    return [AttentionLine("compliance", what, words, url, "Enter them", "deliveries.change_account")]
