"""What messages cost before they are sent: units by country, at the prices that somebody entered (`Price`).

What has no price is named, and counts for nothing: an unknown price is not 0.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from campaigns.models import Price
from contacts.channels import Channel

UNITS = {Channel.SMS: "segment", Channel.VOICE: "minute"}


@dataclass(frozen=True)
class Cost:
    """From `least` to `most` by currency, for `units` of them at most; `unknown`: people by country without a price."""

    unit: str
    units: int
    least: Mapping[str, Decimal] = field(default_factory=dict)
    most: Mapping[str, Decimal] = field(default_factory=dict)
    amounts: tuple[Decimal, ...] = ()
    unknown: Mapping[str, int] = field(default_factory=dict)
    is_example: bool = False

    @property
    def sentence(self) -> str:
        """In words: "About 96.40 USD: 4,820 segments at 0.02."; '' where there is nobody."""
        if not (self.units or self.unknown):
            return ""
        where = ", ".join(f"{country or 'an unknown country'} ({n:,})" for country, n in self.unknown.items())
        if not self.most:
            return f"The price is not known: nobody has entered one for {where}."
        at = f" at {_short(self.amounts[0])}" if len(self.amounts) == 1 else ""
        said = f"About {self._sum()}: {self.units:,} {self.unit}{'' if self.units == 1 else 's'}{at}."
        if self.unknown:
            said += f" Without a price, and not counted: {where}."
        return f"{said} An example price: check your contract." if self.is_example else said

    def _sum(self) -> str:
        sums = []
        for currency, most in self.most.items():
            least = self.least[currency]
            few, many = (f"{amount.quantize(Decimal('0.01')):,}" for amount in (least, most))
            sums.append(f"{many} {currency}" if few == many else f"{few} to {many} {currency}")
        return " and ".join(sums)


def reckon(
    channel: str, kind: str, people: Mapping[str, int], each: tuple[int, int], prices: Iterable[Price]
) -> Cost:
    """What one message to each of `people` (country -> how many) costs, of from `each[0]` to `each[1]` units.

    `kind` is the sender's, as `campaigns.rates.kind_of` calls it.
    """
    known = {(one.country, one.sender_kind): one for one in prices if one.channel == channel}
    unknown = Counter[str]()
    used: list[Price] = []
    totals: dict[str, list[Decimal]] = {}
    for country, n in people.items():
        keys = [(country, kind), (country, ""), ("", kind), ("", "")]
        price = next((known[key] for key in keys if key in known), None)
        if price is None:
            unknown[country] += n
            continue
        used.append(price)
        sums = totals.setdefault(price.currency, [Decimal(0), Decimal(0)])
        for place, units in enumerate(each):
            sums[place] += price.amount * units * n
    return Cost(
        unit=UNITS.get(Channel(channel), "message"),
        units=(sum(people.values()) - unknown.total()) * each[1],
        least={currency: sums[0] for currency, sums in totals.items()},
        most={currency: sums[1] for currency, sums in totals.items()},
        amounts=tuple({price.amount for price in used}),
        unknown=unknown,
        is_example=any(price.is_example for price in used),
    )


def spread(total: int, people: Mapping[str, int]) -> dict[str, int]:
    """`total` people over the countries that some of them are in, by their shares; '' where none is known."""
    known = sum(people.values())
    if not known:
        return {"": total} if total else {}
    shares = {country: total * n // known for country, n in people.items()}
    first = next(iter(shares))
    shares[first] += total - sum(shares.values())
    return {country: n for country, n in shares.items() if n}


def minutes(body: str) -> int:
    """Begun minutes that a text takes when it is read aloud."""
    seconds = seconds_aloud(body)
    return max(-(-seconds // 60), 1)


def seconds_aloud(body: str) -> int:
    """At 150 words a minute, as machines and people read."""
    return round(len(body.split()) * 60 / 150)


def _short(amount: Decimal) -> str:
    return f"{amount.normalize():f}"
