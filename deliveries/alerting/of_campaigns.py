"""What is wrong with single campaigns, from tallies: a fixed number of queries, however many and large they are.

Nothing is said of too few messages: a rate has to be below its mark, or above its line, with 95 % certainty, and
failures are judged as the circuit breaker judges them (`surely_above`).
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping
from datetime import datetime, timedelta
from functools import cached_property, partial
from typing import NamedTuple
from urllib.parse import urlencode

from django.db.models import Q, Sum
from django.urls import reverse

from campaigns.models import Campaign
from campaigns.steps import RecipientState
from deliveries.alerting.findings import Finder, Finding, Number
from deliveries.alerting.kinds import AlertSettings
from deliveries.ledger.failure_counts import counts_of
from deliveries.ledger.failure_rates import load
from deliveries.meaning.mappings import describe
from deliveries.models import Account, CampaignStop, CarrierTally, CodeTally, RecipientTally
from deliveries.outcomes.causes import ACCOUNT, FAILED, SILENT, WORDS, FailureCause, WorstCause, worst_causes
from deliveries.outcomes.causes_rows import address_of
from deliveries.outcomes.complaints import complaint_share, surely_reaches
from deliveries.outcomes.delivery_rate import Outcomes
from deliveries.outcomes.filters import NOBODY
from deliveries.outcomes.reconciling import differences
from deliveries.outcomes.rounding import percent
from deliveries.outcomes.shares import Share
from deliveries.outcomes.stop_words import open_stops, seen, top_cause
from deliveries.outcomes.thresholds import POOR_BELOW, WATCH_BELOW
from deliveries.sending.breaker import JudgedKind, surely_above
from deliveries.statuses import BUCKETS, Disposition, Status

State = Campaign.State
WATCHED = timedelta(days=3)  # after its end: later receipts change little, and nothing more can be done
REFUSED_LEAST = 0.02  # of what was sent, surely: a few refusals are single addresses
KINDS_OF_FAILURES = {
    CampaignStop.Kind.LASTING: (Disposition.BOUNCED_HARD, Disposition.BLOCKED_COMPLIANCE),
    CampaignStop.Kind.ANY: (
        Disposition.BOUNCED_HARD,
        Disposition.BLOCKED_COMPLIANCE,
        Disposition.PENDING_RETRY,
    ),
    CampaignStop.Kind.OPT_OUT: (Disposition.OPTOUT,),
}


def watched(now: datetime) -> list[Campaign]:
    """Those that are being sent or paused, and those that ended of late; none that somebody canceled. One query."""
    going = Q(state__in=[State.LAUNCHING, State.SENDING, State.PAUSED])
    ended = Q(state=State.COMPLETED, completed_at__gt=now - WATCHED)
    return list(Campaign.objects.filter(going | ended))


class CampaignLook:
    """What the finders of one look share: read by the first that asks, once."""

    def __init__(self, now: datetime) -> None:
        self.now = now

    @cached_property
    def campaigns(self) -> dict[int, Campaign]:
        return {one.pk: one for one in watched(self.now)}

    @cached_property
    def _causes(self) -> Mapping[str, dict[int, WorstCause]]:
        return worst_causes(self.campaigns)

    def worst(self, measure: str = FAILED) -> dict[int, WorstCause]:
        """By campaign, the worst cause that was found last; of both measures together one query."""
        return self._causes[measure]


def rows_of(campaign: Campaign, **narrowed: str) -> str:
    """Its report, narrowed to these rows."""
    query = urlencode(narrowed)
    return campaign.get_absolute_url() + (f"?{query}" if query else "")


def named(worst: WorstCause | None) -> str:
    """What to add to the sentence of an alert: the worst cause, and how the meaning of its code seems to have changed;
    '' where none was found."""
    return " ".join(["", f"{worst.sentence}.", worst.cause.changed]).rstrip() if worst else ""


# ---- Rates -----------------------------------------------------------------------------------------------------


class CountedCampaign(NamedTuple):
    outcomes: Outcomes
    statuses: Mapping[str, int]


def _counted(campaigns: list[Campaign]) -> dict[int, CountedCampaign]:
    tally = CarrierTally.objects.filter(campaign_id__in=[one.pk for one in campaigns]).order_by()
    outcomes: dict[int, Counter[str]] = defaultdict(Counter)
    statuses: dict[int, Counter[str]] = defaultdict(Counter)
    rows = tally.values_list("campaign_id", "status", "disposition").annotate(total=Sum("n"))
    for campaign_id, status, disposition, n in rows:
        outcomes[campaign_id][disposition] += n
        statuses[campaign_id][status] += n
    return {one.pk: CountedCampaign(Outcomes(outcomes[one.pk]), statuses[one.pk]) for one in campaigns}


def rates(look: CampaignLook, now: datetime, settings: AlertSettings) -> Iterator[Finding]:
    campaigns = list(look.campaigns.values())
    counted = _counted(campaigns)
    worst, people = look.worst(), _reached(list(look.campaigns), counted)
    for campaign in campaigns:
        outcomes, statuses = counted[campaign.pk]
        yield from _poor(campaign, outcomes, people.get(campaign.pk, NOBODY_YET), worst.get(campaign.pk))
        yield from _complaints(campaign, outcomes, statuses, settings)
        yield from _finished(campaign, outcomes, now, settings)


class ReachedPeople(NamedTuple):
    """The people of a campaign whom it did not skip: reached, or with a message on its way; of whom the last message
    failed and another one is due later; and all, those of whom nothing is known and who failed included."""

    reached: int
    waiting: int
    n: int

    def are_surely_below(self, mark: float) -> bool:
        """Who waits counts as not reached below `POOR_BELOW`: in an outage that may last for hours. Not below
        `WATCH_BELOW`: before the second attempts of a healthy campaign about as few are reached."""
        reached = self.reached if mark == POOR_BELOW else self.reached + self.waiting
        return Share(reached, self.n).range[1] < mark


NOBODY_YET = ReachedPeople(0, 0, 0)


def _reached(campaign_ids: list[int], counted: Mapping[int, CountedCampaign]) -> dict[int, ReachedPeople]:
    """By campaign. An attempt that is due later has no message yet, so of the open ones no more than there are pending
    messages have one on its way. One query."""
    tally = RecipientTally.objects.filter(campaign_id__in=campaign_ids).order_by()
    states: dict[int, Counter[str]] = defaultdict(Counter)
    for pk, state, n in tally.values_list("campaign_id", "state").annotate(total=Sum("n")):
        states[pk][state] += n if state != RecipientState.SKIPPED else 0
    found = {}
    for pk, people in states.items():
        begun = people[RecipientState.OPEN] + people[RecipientState.PLANNED]
        on_its_way = min(begun, counted[pk].outcomes.of(Disposition.PENDING))
        found[pk] = ReachedPeople(
            people[RecipientState.REACHED] + on_its_way, begun - on_its_way, people.total()
        )
    return found


def _poor(
    campaign: Campaign, outcomes: Outcomes, people: ReachedPeople, worst: WorstCause | None
) -> Iterator[Finding]:
    """While much is on its way, only below a mark that cannot be met any more. A failure that the next attempt made
    good is nothing to look at: hence `people`."""
    if not outcomes.needs_attention:
        return
    share, early = Share(outcomes.delivered, outcomes.settled), outcomes.is_early
    below = [mark for mark in (POOR_BELOW, WATCH_BELOW) if not early or outcomes.highest_rate < mark]
    mark = next((mark for mark in below if share.range[1] < mark and people.are_surely_below(mark)), None)
    if mark is None:
        return
    yield Finding(
        "rate_poor" if mark == POOR_BELOW else "rate_watch",
        str(campaign.pk),
        f"{campaign.name}: {percent(share.rate)} of {share.n:,} messages with a result were delivered, "
        f"surely less than {mark:.0%}.{named(worst)}",
        [
            _bucket(campaign, one, outcomes.of(one))
            for one in Disposition
            if one not in (Disposition.DELIVERED, Disposition.PENDING) and outcomes.of(one)
        ],
        rows_of(campaign),
        campaign.pk,
    )


def _bucket(campaign: Campaign, disposition: Disposition, n: int) -> Number:
    return Number(str(disposition.label), n, rows_of(campaign, status=BUCKETS[disposition]))


def _complaints(
    campaign: Campaign, outcomes: Outcomes, statuses: Mapping[str, int], settings: AlertSettings
) -> Iterator[Finding]:
    share = complaint_share(statuses)
    for kind in ("complaints_poor", "complaints_watch"):
        line = settings.threshold(kind) / 100
        if surely_reaches(share, line):
            yield Finding(
                kind,
                str(campaign.pk),
                f"{campaign.name}: {share.hits:,} of {share.n:,} people reached complained ({share.rate:.2%}), "
                f"surely {line:.1%} or more.",
                [Number("complaints", share.hits, rows_of(campaign, status=Status.COMPLAINED.value))],
                rows_of(campaign),
                campaign.pk,
            )
            return


def _finished(
    campaign: Campaign, outcomes: Outcomes, now: datetime, settings: AlertSettings
) -> Iterator[Finding]:
    shown = timedelta(hours=settings.threshold("finished"))
    if campaign.state != State.COMPLETED or not campaign.completed_at or campaign.completed_at < now - shown:
        return
    yield Finding(
        "finished",
        str(campaign.pk),
        f"{campaign.name} is finished: {percent(outcomes.settled_rate)} of {outcomes.settled:,} messages with a "
        "result were delivered.",
        [_bucket(campaign, one, n) for one in Disposition if (n := outcomes.of(one))],
        rows_of(campaign),
        campaign.pk,
    )


# ---- Failures --------------------------------------------------------------------------------------------------


def failures(look: CampaignLook, now: datetime, settings: AlertSettings) -> Iterator[Finding]:
    """Campaigns that stopped by themselves, and others that do surely worse than usual."""
    campaigns = look.campaigns
    stops = open_stops(campaigns)
    for stop in stops.values():
        waiting = f"{stop.waiting:,} message{' waits' if stop.waiting == 1 else 's wait'}."
        yield Finding(
            "stopped",
            str(stop.pk),
            " ".join(
                filter(
                    None, [f"{stop.campaign.name} stopped by itself: {seen(stop)}.", top_cause(stop), waiting]
                )
            ),
            url=rows_of(stop.campaign),
            campaign_id=stop.campaign_id,
        )
    going = {pk: one for pk, one in campaigns.items() if pk not in stops}
    counts, usual = counts_of(going), load()
    last = {stop.campaign_id: stop for stop in CampaignStop.objects.filter(campaign__in=going).order_by("pk")}
    counted, worst = _counted(list(going.values())), look.worst()
    for pk, campaign in going.items():
        for judged in surely_above(campaign, counts.get(pk, {}), usual, last.get(pk)):
            yield _above(campaign, judged, counted[pk].outcomes, worst.get(pk))


def _above(campaign: Campaign, judged: JudgedKind, outcomes: Outcomes, worst: WorstCause | None) -> Finding:
    kind = CampaignStop.Kind(judged.kind)
    cause = "" if kind == CampaignStop.Kind.OPT_OUT else named(worst)
    failed = f"{judged.failed:,} of {judged.sent:,} messages {CampaignStop.WORDS[kind]}"
    return Finding(
        "opt_outs" if kind == CampaignStop.Kind.OPT_OUT else "failures",
        f"{campaign.pk}:{kind}",
        f"{campaign.name}: {failed} ({percent(judged.failed / judged.sent)}); {percent(judged.usual)} is usual.{cause}",
        [_bucket(campaign, one, n) for one in KINDS_OF_FAILURES[kind] if (n := outcomes.of(one))],
        rows_of(campaign),
        campaign.pk,
    )


def refused(look: CampaignLook, now: datetime, settings: AlertSettings) -> Iterator[Finding]:
    """Codes by which many messages of one campaign were refused."""
    campaigns = look.campaigns
    tally = CodeTally.objects.filter(campaign_id__in=campaigns).exclude(disposition="").order_by()
    sent = dict(tally.values_list("campaign_id").annotate(total=Sum("n")))
    rows = tally.filter(disposition=Disposition.BLOCKED_COMPLIANCE).values_list(
        "campaign_id", "reason_code", "channel", "account_id", "status"
    )
    clusters: dict[tuple[int, str], Counter[tuple]] = defaultdict(Counter)
    for campaign_id, code, *where, n in rows.annotate(total=Sum("n")):
        clusters[campaign_id, code][tuple(where)] += n
    providers, worst = Account.objects.providers(), look.worst()
    for (campaign_id, code), counted in clusters.items():
        n, campaign = counted.total(), campaigns[campaign_id]
        if n < settings.threshold("rejected") or Share(n, max(sent[campaign_id], n)).range[0] < REFUSED_LEAST:
            continue
        channel, account, status = counted.most_common(1)[0][0]
        meant = describe(providers.get(account, ""), channel, code, status).short if code else "no code given"
        narrowed = {"status": BUCKETS[Disposition.BLOCKED_COMPLIANCE], "code": code or NOBODY}
        cause = worst.get(campaign_id)
        is_it = cause is not None and any(one.code == code for one in cause.cause.codes[:1])
        yield Finding(
            "rejected",
            f"{campaign_id}:{code}",
            f"{campaign.name}: {n:,} of {sent[campaign_id]:,} messages were refused ({meant})."
            f"{named(cause) if is_it else ''}",
            [Number("refused", n, rows_of(campaign, **narrowed))],
            rows_of(campaign, **narrowed),
            campaign_id,
        )


def parts(look: CampaignLook, now: datetime, settings: AlertSettings) -> Iterator[Finding]:
    """Parts that surely fail more than usual, or are silent, also where the whole of their campaign does well."""
    campaigns = look.campaigns
    used = _accounts_used(campaigns)
    for kind, measure in (("part_fails", FAILED), ("part_silent", SILENT)):
        for pk, worst in look.worst(measure).items():
            cause, campaign = worst.cause, campaigns[pk]
            base = campaign.get_absolute_url()
            url = address_of(base, cause.parts, cause.measure)
            yield Finding(
                kind,
                str(pk),
                f"{campaign.name}:{named(worst)} {cause.failed:,} of {cause.n:,} {WORDS[cause.measure]} "
                f"({cause.rate}); {cause.usual} is usual.",
                [Number(WORDS[cause.measure], cause.failed, url)],
                reverse("campaigns:causes", args=[campaign.slug]),
                pk,
                _accounts_of(cause, used[pk]),
            )


def _accounts_of(cause: FailureCause, used: frozenset[int]) -> frozenset[int]:
    """Those by which its messages left: that which it names, or any that its campaign has used."""
    named = cause.part(ACCOUNT)
    return frozenset([int(named.value)]) if named else used


def _accounts_used(campaign_ids: Collection[int]) -> dict[int, frozenset[int]]:
    """By campaign. One query."""
    tally = CodeTally.objects.filter(campaign_id__in=campaign_ids, n__gt=0).exclude(disposition="").order_by()
    found: dict[int, set[int]] = defaultdict(set)
    for pk, account in tally.values_list("campaign_id", "account_id").distinct():
        found[pk].add(account)
    return defaultdict(frozenset, {pk: frozenset(accounts) for pk, accounts in found.items()})


def unreconciled(look: CampaignLook, now: datetime, settings: AlertSettings) -> Iterator[Finding]:
    """Campaigns whose people do not add up; of those that are being prepared they need not yet."""
    prepared = [one for one in look.campaigns.values() if one.state != State.LAUNCHING]
    for campaign, difference in differences(prepared):
        what = (
            f"{difference:,} are missing"
            if difference > 0
            else f"{-difference:,} are counted that are not there"
        )
        yield Finding(
            "reconciliation",
            str(campaign.pk),
            f"{campaign.name}: its people do not add up to its audience of {campaign.expanded_count:,}: {what}.",
            url=rows_of(campaign),
            campaign_id=campaign.pk,
        )


def finders(now: datetime) -> tuple[Finder, ...]:
    """Those of one look."""
    look = CampaignLook(now)
    return (
        Finder(
            ("rate_poor", "rate_watch", "complaints_poor", "complaints_watch", "finished"),
            partial(rates, look),
        ),
        Finder(("stopped", "failures", "opt_outs"), partial(failures, look)),
        Finder(("rejected",), partial(refused, look)),
        Finder(("part_fails", "part_silent"), partial(parts, look)),
        Finder(("reconciliation",), partial(unreconciled, look)),
    )
