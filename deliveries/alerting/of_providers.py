"""What is wrong with accounts, senders, codes and receipts. What other steps have noticed is taken over from their
tables (`RouteAlarm`, `CodeAlarm`); a fixed number of queries."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from django.db.models import Count, Max
from django.urls import reverse
from django.utils.formats import date_format

from campaigns import registering
from campaigns.models import Registration
from campaigns.rates import today
from contacts.phones import concealed
from deliveries.alerting.findings import Finder, Finding, Number
from deliveries.alerting.kinds import AlertSettings
from deliveries.models import Account, CodeAlarm, PendingReceipt, Quarantined, ReceiptGap, RouteAlarm
from deliveries.outcomes import route_status
from deliveries.outcomes.counting import counted
from deliveries.wording import zoned

MOST = 50  # single alarms of one sort: nobody reads more, and the pages behind them list all
REASONS_SHOWN = 3


def routes(now: datetime, settings: AlertSettings) -> Iterator[Finding]:
    """Accounts and senders that rest, refuse, are slow or deliver nothing, also where another route works."""
    for line in route_status.open_alarms(now)[:MOST]:
        slow = line.alarm.kind == RouteAlarm.Kind.SLOW
        sentence = f"{line.alarm.sentence.rstrip('.')}."
        yield Finding(
            "latency" if slow else "route", str(line.alarm.pk), sentence, url=reverse("routes:page")
        )


def codes(now: datetime, settings: AlertSettings) -> Iterator[Finding]:
    """Words that no table lists, one alert for each account; and each code that changed."""
    opened = CodeAlarm.objects.filter(closed_at=None)
    names = Account.objects.names()
    unknown = opened.filter(kind=CodeAlarm.Kind.UNKNOWN).order_by().values_list("account_id")
    for account, n, last in unknown.annotate(n=Count("pk"), last=Max("code")):
        name, more = names.get(account, "An account that is gone"), f" and {n - 1:,} more" if n > 1 else ""
        yield Finding(
            "codes",
            str(account),
            f"{name} reported “{concealed(last)}”{more}, which no code table lists.",
            [Number("unknown", n, reverse("mappings:overview"))],
            reverse("mappings:overview"),
        )
    for alarm in opened.exclude(kind=CodeAlarm.Kind.UNKNOWN).order_by("-pk")[:MOST]:
        yield Finding("code_changes", str(alarm.pk), alarm.sentence, url=reverse("mappings:overview"))


def receivers(now: datetime, settings: AlertSettings) -> Iterator[Finding]:
    """Accounts from which no receipt comes although messages leave by them."""
    gaps = ReceiptGap.objects.filter(ended_at=None).select_related("account").defer("account__credentials")
    for gap in gaps:
        held = "their next steps are held" if gap.holds else "their next steps were let go"
        yield Finding(
            "receiver_silent",
            str(gap.pk),
            f"{gap.account.name}: expected about {gap.per_hour:,.0f} receipts an hour, got 0 since "
            f"{zoned(gap.began_at)}. Evidence is missing of {gap.handed_over:,} messages; {held}.",
            [Number("messages without evidence", gap.handed_over)],
            reverse("receivers:page"),
            accounts=frozenset([gap.account_id]),
        )


def dead_letters(now: datetime, settings: AlertSettings) -> Iterator[Finding]:
    dead = PendingReceipt.objects.filter(state=PendingReceipt.State.DEAD)
    n = counted(dead)
    if not n.n:
        return
    reasons = dead.order_by().values_list("reason").annotate(n=Count("pk")).order_by("-n", "reason")
    why = "; ".join(f"{concealed(reason).rstrip('.')} ({many:,})" for reason, many in reasons[:REASONS_SHOWN])
    url = f"{reverse('receivers:letters')}?state=dead"
    what = f"{n} receipt{' is' if n.n == 1 else 's are'} not processed"
    yield Finding("dead_letters", "all", f"{what}: {why}.", [Number("receipts", n.n, url)], url)


def set_aside(now: datetime, settings: AlertSettings) -> Iterator[Finding]:
    n = counted(Quarantined.objects.filter(not_before=None))
    if n.n:
        url = f"{reverse('admin:deliveries_quarantined_changelist')}"
        what = f"{n} task{'' if n.n == 1 else 's'} failed again and again, and {'is' if n.n == 1 else 'are'} not tried"
        yield Finding("set_aside", "all", f"{what} any more.", [Number("tasks", n.n, url)], url)


def registrations(now: datetime, settings: AlertSettings) -> Iterator[Finding]:
    """Approvals that end within the days that are set, at most those of `registering.WARN_BEFORE`."""
    day = today(now)
    until = day + timedelta(days=settings.threshold("registration"))
    rows = Registration.objects.filter(expires_on__gte=day, expires_on__lte=until).select_related("sender")
    for row in registering.ends_soon(rows, day)[:MOST]:
        assert row.expires_on is not None
        ends = date_format(row.expires_on, "j M Y")
        yield Finding(
            "registration",
            str(row.pk),
            f"{row.words} of {row.sender.value} ends on {ends}; after that it sends nothing.",
            url=reverse("senders:sender", args=[row.sender_id]),
        )


FINDERS = (
    Finder(("latency", "route"), routes),
    Finder(("codes", "code_changes"), codes),
    Finder(("receiver_silent",), receivers),
    Finder(("dead_letters",), dead_letters),
    Finder(("set_aside",), set_aside),
    Finder(("registration",), registrations),
)
