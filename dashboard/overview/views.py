"""The overview: how delivery goes over all campaigns, and what wants attention."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import NamedTuple

from django.conf import settings
from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_safe
from django.views.decorators.vary import vary_on_headers

from accounts.roles import requires
from campaigns.models import Campaign
from dashboard.charts import chart_context, rate_context
from dashboard.overview import messages
from dashboard.shell.empty import Empty
from dashboard.shell.listing import SHOW_ALL
from dashboard.shell.pages import fragment
from deliveries.alerting import boxes
from deliveries.credentials import CredentialsUnreadable
from deliveries.models import Account, CodeAlarm, Heartbeat, PendingReceipt, Quarantined, RouteAlarm
from deliveries.outcomes import route_status
from deliveries.outcomes.campaign_lines import CampaignLine, lines
from deliveries.outcomes.counting import counted
from deliveries.outcomes.day_figures import SPAN_OF, CarrierDays, overview
from deliveries.outcomes.delivery_rate import Outcomes
from deliveries.outcomes.figures import queue_counts
from deliveries.outcomes.rounding import percent, percent_of
from deliveries.outcomes.stop_words import open_stops, seen, top_cause
from deliveries.outcomes.thresholds import FEWEST_TO_JUDGE, POOR_BELOW, WATCH_BELOW
from deliveries.running import heartbeat
from deliveries.running.heartbeat import Role
from deliveries.sending.standing_still import PASSED_ON
from deliveries.statuses import BUCKETS, Disposition, Queue
from deliveries.wording import zoned

PERIODS = {"7": 7, "30": 30, "90": 90}
RECENT = timedelta(days=30)  # a forged callback is shown that long
LOOKED_AT = 100  # campaigns judged for attention
SHOWN = 6  # campaigns, before "all" is asked for
SPAN_WORDS = {1: "day", 3: "3 days", 7: "week"}
# What the tints of the table of carriers mean: (bucket, depth, words).
NOTHING_SENT = Empty("Nothing sent in this time", "Choose a longer period.")
HEATMAP_KEY = [
    (BUCKETS[Disposition.DELIVERED], 2, f"{WATCH_BELOW:.0%} or more"),
    (BUCKETS[Disposition.PENDING_RETRY], 2, f"{POOR_BELOW:.0%} to {WATCH_BELOW:.0%}"),
    (BUCKETS[Disposition.BOUNCED_HARD], 4, f"Below {POOR_BELOW:.0%}, the darker the lower"),
    (BUCKETS[Disposition.PENDING], 3, "Too early to judge"),
    ("", 0, f"Fewer than {FEWEST_TO_JUDGE} sent"),
]

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


@requires("campaigns.view_report")
@require_safe
@vary_on_headers("HX-Request")
def page(request: HttpRequest) -> HttpResponse:
    days = PERIODS.get(request.GET.get("days", ""), 7)
    now = timezone.now()
    today = now.astimezone(UTC).date()
    figures = overview(days, now)
    counts, carriers = queue_counts(), figures.carriers.filled
    recent = _recent(today - timedelta(days=days - 1), now)
    wanting = [line for line in recent if line.needs_attention]
    most = None if request.GET.get("campaigns") == SHOW_ALL else SHOWN
    attention = wanting[:most]
    others = [line for line in recent if not line.needs_attention]
    others = others[: None if most is None else most - len(attention)]
    everything = request.GET.get("show") == SHOW_ALL
    context = {
        "days": days,
        "periods": [(count, f"{count} days", f"?days={key}") for key, count in PERIODS.items()],
        "now": now,
        "figures": figures,
        **rate_context(figures.outcomes, figures.outcomes.verdict),
        "before": percent(figures.before.settled_rate) if figures.before.sent else "",
        "kpis": [
            (
                one.label,
                BUCKETS[one],
                figures.outcomes.of(one),
                _before(figures.before, one, days),
                messages.url(days=days, status=BUCKETS[one]),
            )
            for one in Disposition
            if one != Disposition.DELIVERED
        ],
        **chart_context(
            figures.by_channel,
            everything=everything,
            link=lambda bucket: messages.url(days=days, status=bucket),
        ),
        "nothing": NOTHING_SENT,
        "delivered_url": messages.url(days=days, status=BUCKETS[Disposition.DELIVERED]),
        "sent_url": messages.url(days=days),
        "toggle_url": f"?days={days}" + ("" if everything else f"&show={SHOW_ALL}"),
        "attention": attention,
        "recent": recent,
        "others": others,
        "more": len(recent) - len(attention) - len(others),
        "more_wanting": len(wanting) - len(attention),
        "more_url": f"?days={days}&campaigns={SHOW_ALL}#attention-title",
        "carriers": carriers,
        "heatmap": _heatmap(carriers, days),
        "heatmap_key": HEATMAP_KEY,
        "span": SPAN_WORDS[SPAN_OF[days]],
        "ever": bool(recent) or Campaign.objects.exclude(state=Campaign.State.DRAFT).exists(),
        "alerts": [(alert, request.user.has_perm(alert.needs)) for alert in alerts(now)],
        "queues": [(key, key.label, counts.get(key, 0)) for key in Queue],
        "waiting": sum(counts.values()),
    }
    return render(request, fragment(request, "overview/overview.html", "results"), context)


def _before(outcomes: Outcomes, disposition: str, days: int) -> str:
    """The same share in the period before; '' when nothing was sent then, and for what only a young period has."""
    if not outcomes.sent or disposition == Disposition.PENDING:
        return ""
    return f"{percent_of(outcomes.of(disposition), outcomes.sent)} in the {days} days before"


class HeatmapCell(NamedTuple):
    """Tinted by `bucket`, as deep as `depth` (1..5) says; `url` lists the messages `sent`."""

    bucket: str
    depth: int
    rate: str
    sent: int
    url: str


def _heatmap(carriers: CarrierDays, days: int) -> list[tuple[str, str, list[HeatmapCell], str]]:
    """Carrier, its rate over all days, a cell for each span, and where its messages are listed.

    The newest span first: a narrow screen shows what happened last.
    """
    return [
        (
            carrier,
            percent(whole.settled_rate),
            [
                HeatmapCell(
                    cell.tint,
                    _depth(cell.rate),
                    "" if cell.rate is None else percent(cell.rate),
                    cell.outcomes.sent,
                    messages.url(days=days, carrier=carrier, since=first, until=last),
                )
                for (first, last), cell in reversed(list(zip(carriers.spans, cells, strict=True)))
            ],
            messages.url(days=days, carrier=carrier),
        )
        for carrier, whole, cells in carriers.rows
    ]


def _depth(rate: float | None) -> int:
    """The lower the rate, the deeper: one step for each 5 points. From WATCH_BELOW on it is tinted lightly."""
    return 2 if rate is None or rate >= WATCH_BELOW else min(5, 2 + int((WATCH_BELOW - rate) * 20))


def _recent(since: date, now: datetime) -> list[CampaignLine]:
    """Campaigns launched or begun on `since` (UTC) or later, or that still run; the furthest below the mark first."""
    begin = datetime.combine(since, time.min, UTC)
    late = Campaign.objects.exclude(state=Campaign.State.DRAFT).filter(
        Q(launched_at__gte=begin)
        | Q(starts_at__gte=begin)
        | Q(state__in=[Campaign.State.SENDING, Campaign.State.PAUSED])
    )
    shown = lines(list(late.order_by("-id")[:LOOKED_AT]), now)
    return sorted(shown, key=lambda line: (not line.needs_attention, line.outcomes.settled_rate or 0))


def alerts(now: datetime) -> list[AttentionLine]:
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
