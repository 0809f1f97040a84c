"""What a sender keeps to, in words."""

from __future__ import annotations

from datetime import datetime

from campaigns.models import Pace, Sender
from campaigns.rates import (
    Limit,
    Paced,
    Rate,
    domain_key,
    limits,
    rate_of,
    sender_key,
    today,
    warm_up,
    warm_up_day,
)
from contacts.channels import Channel


def keeps_to(sender: Sender, now: datetime) -> str:
    """As "1 a second (US or Canadian number). Day 4 of its warm-up: 500 today, 88 left." Two queries at most.

    Its warm-up is that of its own row; another sender of the same mail domain may say another day.
    """
    paced = Paced(*(getattr(sender, name) for name in Paced.fields()))
    providers = sorted({account.provider for account in sender.accounts.all()}) or [""]
    texts = []
    for provider in providers:
        rate = rate_of(paced, provider)
        limit = next(
            (one for one in limits(paced, 0, provider, None, now) if one.key == sender_key(sender.pk)), None
        )
        if limit is None:
            continue
        kind = f" ({rate.words})" if rate.words else ""
        where = f" at {provider}" if len(providers) > 1 else ""
        texts.append(f"{_numbers(rate)}{where}{kind}{_left_today(limit, now)}.")
    if sender.warm_up_from and sender.channel == Channel.EMAIL:
        texts.append(_warming_up(sender, now))
    return " ".join(dict.fromkeys(texts)) or "No limit is known."


def limits_in_short(sender: Sender) -> str:
    """As "1 a second"; '' where none is known. No query where its accounts are at hand."""
    paced = Paced(*(getattr(sender, name) for name in Paced.fields()))
    providers = sorted({account.provider for account in sender.accounts.all()}) or [""]
    return " or ".join(dict.fromkeys(filter(None, (_numbers(rate_of(paced, one)) for one in providers))))


def limit_words(limit: Limit) -> str:
    """As "its sender keeps to 1 a second"."""
    who = {"sender": "its sender", "account": "its account", "domain": "the mail domain of its sender"}
    return f"{who[limit.key.partition(':')[0]]} keeps to {_numbers(limit.rate)}"


def _numbers(rate: Rate) -> str:
    parts = [f"{rate.per_second:,g} a second"] if rate.per_second else []
    return " and ".join([*parts, f"{rate.per_day:,} a day"] if rate.per_day else parts)


def _left_today(limit: Limit, now: datetime) -> str:
    if not limit.rate.per_day:
        return ""
    return f", {max(limit.rate.per_day - _used(limit, now), 0):,} left today"


def _warming_up(sender: Sender, now: datetime) -> str:
    begins = sender.warm_up_from
    assert begins is not None
    per_day = warm_up(begins, today(now))
    if not per_day:
        return f"Its warm-up, begun on {begins:%-d %b %Y}, is over."
    paced = Paced(sender.pk, sender.channel, sender.value, warm_up_from=begins)
    (limit,) = (one for one in limits(paced, 0, "", None, now) if one.key == domain_key(sender.value))
    left = max(per_day - _used(limit, now), 0)
    return f"Day {warm_up_day(begins, today(now))} of its warm-up: {per_day:,} today, {left:,} left."


def _used(limit: Limit, now: datetime) -> int:
    pace = Pace.objects.filter(pk=limit.key).first()
    return pace.used_on(limit.day(now)) if pace else 0
