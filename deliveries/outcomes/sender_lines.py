"""Senders in a list: what each lacks, what uses it, and how its last campaign did."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from django.db.models import Count, Sum

from campaigns import registering
from campaigns.models import Brand, Campaign, Content, Registration, Sender
from campaigns.rate_words import limits_in_short
from deliveries.models import CarrierTally
from deliveries.outcomes.delivery_rate import Outcomes
from deliveries.outcomes.rounding import percent
from deliveries.outcomes.thresholds import FEWEST_TO_JUDGE

LOOKED_AT = 8  # campaigns of a sender, for the newest that has sent anything
SPAM = "Mail may be refused or go to spam"
MOST_CONTENTS = 2_000  # the newest of all
BUCKETS = {
    Sender.State.APPROVED: "success",
    Sender.State.NOT_NEEDED: "success",
    Sender.State.IN_REVIEW: "pending",
    Sender.State.NOT_REGISTERED: "compliance",
    Sender.State.ACTION_REQUIRED: "permanent",
    Sender.State.SUSPENDED: "permanent",
    Sender.State.EXPIRED: "permanent",
}


@dataclass(frozen=True)
class SenderLine:
    sender: Sender
    lacking: list[registering.ChecklistLine]
    why: str  # it stands where it does by its registrations
    ending: list[Registration]
    limits: str
    campaigns: int
    last: Campaign | None  # the newest one launched that it was used in
    outcomes: Outcomes  # of that one, on the sender's channel

    @property
    def bucket(self) -> str:
        return state_shown(self.sender, self.lacking)[0]

    @property
    def state(self) -> str:
        return state_shown(self.sender, self.lacking)[1]

    @property
    def rate(self) -> str:
        return percent(self.outcomes.rate)

    @property
    def lacks(self) -> str:
        """In words; '' where nothing is missing."""
        named = "; ".join(f"{line.words}: {str(line.state.label).lower()}" for line in self.lacking)
        return named or ("" if self.sender.may_send else self.why)


def sender_lines(day: date, brand: Brand | None = None) -> list[SenderLine]:
    """All of them, or those of one brand, by channel and name. Six queries."""
    asked = Sender.objects.filter(brand=brand) if brand else Sender.objects.all()
    senders = list(
        asked.select_related("brand")
        .prefetch_related("registrations", "accounts")
        .order_by("channel", "name", "pk")
    )
    used = dict(
        Content.objects.order_by()
        .values_list("sender")
        .annotate(n=Count("campaign"))
        .values_list("sender", "n")
    )
    newest = _newest_launched()
    counts = outcomes_of(list({campaign.pk for those in newest.values() for campaign in those}))
    lines = []
    for sender in senders:
        rows = list(sender.registrations.all())
        last = _last([(one, counts.get((one.pk, sender.channel))) for one in newest.get(sender.pk, ())])
        lines.append(
            SenderLine(
                sender=sender,
                lacking=[
                    line
                    for line in registering.checklist(sender, rows, day)
                    if line.is_lacking or was_looked_for(line)
                ],
                why=registering.verdict(sender, rows, day).why,
                ending=registering.ends_soon(rows, day),
                limits=limits_in_short(sender),
                campaigns=used.get(sender.pk, 0),
                last=last,
                outcomes=counts[last.pk, sender.channel] if last else Outcomes(),
            )
        )
    return lines


def _last(used: Sequence[tuple[Campaign, Outcomes | None]]) -> Campaign | None:
    """The newest begun that has outcomes enough to judge; where none has, the newest that sent anything."""
    sent = [(one, found) for one, found in used if found and found.sent]
    sent.sort(key=lambda pair: (pair[0].begins_at, pair[0].pk), reverse=True)
    judged = (one for one, found in sent if found.sent >= FEWEST_TO_JUDGE and not found.is_early)
    return next(judged, sent[0][0] if sent else None)


def state_shown(sender: Sender, lacking: Sequence[registering.ChecklistLine]) -> tuple[str, str]:
    """The bucket and the words of its state. One that may send without what receivers look for is not simply fine."""
    if sender.may_send and any(was_looked_for(line) for line in lacking):
        return "retryable", SPAM
    return BUCKETS[Sender.State(sender.state)], str(Sender.State(sender.state).label)


def was_looked_for(line: registering.ChecklistLine) -> bool:
    """Whether the DNS was asked for it, and has none."""
    return line.demand == "should" and line.registration is not None and not line.is_satisfied


def _newest_launched() -> dict[int, list[Campaign]]:
    """Sender -> its newest launched campaigns, at most LOOKED_AT of each. One query."""
    contents = Content.objects.filter(campaign__launched_at__isnull=False).select_related("campaign")
    found: dict[int, list[Campaign]] = defaultdict(list)
    for content in contents.order_by("-campaign__launched_at", "-campaign")[:MOST_CONTENTS]:
        if len(found[content.sender_id]) < LOOKED_AT:
            found[content.sender_id].append(content.campaign)
    return found


def outcomes_of(campaigns: Sequence[int]) -> dict[tuple[int, str], Outcomes]:
    """By campaign and channel. One query."""
    found: dict[tuple[int, str], dict[str, int]] = defaultdict(dict)
    rows = CarrierTally.objects.filter(campaign_id__in=campaigns).order_by()
    for campaign, channel, disposition, n in rows.values_list(
        "campaign_id", "channel", "disposition"
    ).annotate(total=Sum("n")):
        found[campaign, channel][disposition] = n
    return {key: Outcomes(counts) for key, counts in found.items()}
