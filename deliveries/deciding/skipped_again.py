"""People whom a campaign skipped, looked at once more: to whom it may be sent now that the reason is gone. The gate
says so, now and again at the handover: nobody who is suppressed or gave no consent is written to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from campaigns.models import Campaign, Recipient
from contacts.channels import KIND_OF, Channel
from contacts.gate import REASONS, Reason, judge
from contacts.gate_facts import gather
from deliveries.deciding.held_back import Ready, asks_of, is_in_time, preferred_addresses
from deliveries.deciding.routes import routes

TOO_OLD, NO_ROUTE, NOT_BY_THE_GATE = "too_old", "no_route", "not_by_the_gate"
WORDS = {
    TOO_OLD: "the campaign is over, or no longer relevant",
    NO_ROUTE: "it has no content for that channel, or no account sends it",
    NOT_BY_THE_GATE: "they were left out on purpose, which no correction changes",
}
# Left out by the campaign itself: that stands, whatever the gate would say.
ON_PURPOSE = frozenset({Reason.HOLD_OUT.value, Reason.LEFT_OUT.value})


@dataclass(frozen=True)
class SkippedAgain:
    """`ready` can be sent; `still`: why the others cannot, as the end of a sentence -> how many."""

    ready: list[Ready] = field(default_factory=list)
    still: dict[str, int] = field(default_factory=dict)


def look_again(
    campaign: Campaign, recipients: Sequence[Recipient], channel: str, now: datetime
) -> SkippedAgain:
    """What the gate says of them by that channel now. Reads only, in a fixed number of queries; `contact` is loaded."""
    still: Counter[str] = Counter()
    those = [one for one in recipients if one.state == Recipient.State.SKIPPED]
    if not is_in_time(campaign, now):
        return SkippedAgain([], {WORDS[TOO_OLD]: len(those)} if those else {})
    addresses = preferred_addresses({one.contact_id for one in those})
    route = routes({campaign}).get((campaign.pk, channel))
    asked = {}
    for one in those:
        address = addresses.get((one.contact_id, KIND_OF[Channel(channel)]))
        option = route.pick(address.region, address.carrier, one.pk) if route and address else None
        if one.skip_reason not in Reason.values or one.skip_reason in ON_PURPOSE:
            still[WORDS[NOT_BY_THE_GATE]] += 1
        elif address is None:
            still[REASONS[Reason.NO_ADDRESS].sentence] += 1
        elif route is None or option is None:
            still[WORDS[NO_ROUTE]] += 1
        else:
            one.campaign = campaign
            asked[one.pk] = (one, address, option, route.content.version)
    asks, ready = asks_of(asked, channel), []
    for ask, facts in zip(asks, gather(asks, now), strict=True):
        verdict = judge(facts, ask, now)
        if verdict.allowed or REASONS[Reason(verdict.reason)].holds:
            ready.append(Ready(*asked[ask.key], verdict, channel))
        else:
            still[REASONS[Reason(verdict.reason)].sentence] += 1
    return SkippedAgain(ready, dict(still.most_common()))
