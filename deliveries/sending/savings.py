"""What a campaign that stops spares: what its messages that wait would have cost.

By what others of it did cost, where providers said so; else by the table of prices. A price that nobody entered is not
0: then nothing is said.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from decimal import Decimal
from typing import NamedTuple

from django.db.models import Avg

from campaigns.costs import minutes, reckon
from campaigns.counting import filled
from campaigns.models import Campaign, Content, Price
from campaigns.rates import kind_of
from campaigns.segments import segments
from contacts.channels import Channel
from deliveries.models import Message, Outbox

# Messages that are looked through for what some cost. Those that left are spread over all of a campaign's, also where
# only its first slice did.
LOOKED_THROUGH = 20_000
LOOKED_AT = 1_000  # messages that wait
AT_EXAMPLES = "at example prices"


class Saved(NamedTuple):
    """`amount` is None where no price is known. `unit`: its currency, and what prices it rests on; '' where that is not
    known."""

    amount: Decimal | None = None
    unit: str = ""


def saved(campaign: Campaign, waiting: int) -> Saved:
    """What `waiting` messages of it would have cost. A fixed number of queries."""
    first = Message.objects.filter(campaign=campaign).order_by("pk")[:LOOKED_THROUGH]
    mean = first.aggregate(mean=Avg("cost"))["mean"]
    return Saved(round(mean * waiting, 2)) if mean is not None else _by_table(campaign, waiting)


def _by_table(campaign: Campaign, waiting: int) -> Saved:
    held = Outbox.objects.filter(campaign_id=campaign.pk).order_by("-pk")[:LOOKED_AT]
    people: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    named = ("message__channel", "message__sender__value", "message__address__region")
    for channel, sender, region in held.values_list(*named):
        people[channel, sender][(region or "")[:2]] += 1
    contents = {one.channel: one for one in campaign.contents.select_related("campaign")}
    prices = list(Price.objects.all())
    sums: Counter[str] = Counter()
    is_example = False
    for (channel, sender), by_country in people.items():
        if channel not in contents:
            return Saved()
        units = _units(contents[channel])
        cost = reckon(channel, kind_of(channel, sender), by_country, (units, units), prices)
        if cost.unknown:
            return Saved()
        sums.update(cost.most)
        is_example = is_example or cost.is_example
    if len(sums) != 1:  # nothing waits, or in several currencies
        return Saved()
    [(currency, total)] = sums.items()
    n = sum(one.total() for one in people.values())
    unit = f"{currency} {AT_EXAMPLES}" if is_example else currency
    return Saved(round(Decimal(total) * waiting / n, 2), unit)


def _units(content: Content) -> int:
    """At least: people's own details make a text longer, and nobody knows how long a recording is listened to."""
    if content.channel == Channel.SMS:
        return segments(filled(content.counted_body, {}, 0))
    return minutes(content.body) if content.channel == Channel.VOICE else 1
