"""Senders that keep to a rate, and three processes that send for them: the most that the provider got in any second.

The provider counts, for as long as `--duration` says. Every sender has more to send than its rate allows, all the time,
and one that keeps to no rate sends beside them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import time
from math import ceil
from time import sleep
from urllib.parse import quote

from django.utils import timezone

from benchmarks import rows, serving
from benchmarks.measuring import Figure, Options
from benchmarks.sending import ask, provider
from campaigns.models import Campaign, Content, Sender
from contacts.channels import Channel
from deliveries.models import Message
from deliveries.sending.expansion import expand

PROCESSES = 3
LATENCY = 50  # ms
PER_SECOND = (100, 25, 10, 3, 1.25)
FREE = 2_000  # messages of the sender without a rate


def run(options: Options) -> Iterator[Figure]:
    senders = _world(options.duration)
    with provider(LATENCY) as port, ExitStack() as stack:
        for _ in range(PROCESSES):
            command = ("manage.py", "drain", "--forever", "--role", "send")
            stack.enter_context(
                serving.running(*command, TWILIO_URL=f"http://127.0.0.1:{port}", LOG_LEVEL="ERROR")
            )
        seconds = _let_send(options.duration)
        rates, counts = ask(port, "rates"), ask(port, "counts")
        sent = Counter(Message.objects.exclude(handed_over_at=None).values_list("sender", flat=True))
    for sender, limit in senders.items():
        most = rates.get(quote(sender.value, safe=""), 0)
        name = f"rates: the most in any of {options.duration:g} seconds, limit {limit:g} a second"
        yield _at_most(options, name, "messages", most, ceil(limit))
        share = 100 * sent[sender.pk] / seconds / limit
        yield Figure(
            "rates", options.database, f"rates: sent of what {limit:g} a second allows", "%",
            share, None, share, share, share, 80,
        )  # fmt: skip
    yield _at_most(options, "rates: handed over twice", "messages", counts["twice"], 0)
    free = Message.objects.filter(sender__registered_as="no_limit")
    gone, all_of_them = free.exclude(handed_over_at=None).count(), free.count()
    share = gone / all_of_them
    yield Figure(
        "rates", options.database, "rates: sent of the sender without a limit", "messages",
        gone, all_of_them, share, share, share, 1,
    )  # fmt: skip


def _let_send(duration: float) -> float:
    """Seconds between the first handover and the end of so many."""
    sent = Message.objects.exclude(handed_over_at=None).order_by("handed_over_at")
    while (began := sent.values_list("handed_over_at", flat=True).first()) is None:
        sleep(0.2)
    while (past := (timezone.now() - began).total_seconds()) < duration:
        sleep(min(duration - past, 1.0))
    return past


def _world(seconds: float) -> dict[Sender, float]:
    """A campaign for each sender, its messages due; the senders with their limits."""
    of = rows.world()
    of.account.at_a_time = 200
    of.account.save()
    Campaign.objects.update(purpose="service", window_start=time(0), window_end=time.max)
    rows.contacts(of, max(FREE, int(PER_SECOND[0] * seconds * 1.2) + 50))
    senders = {}
    for number, limit in enumerate(PER_SECOND):
        sender = Sender.objects.create(
            name=f"{limit:g} a second", channel=Channel.SMS, value=f"+1210555010{number + 1}",
            state="approved", per_second=limit,
        )  # fmt: skip
        senders[sender] = limit
    for campaign, sender in zip(of.campaigns, [*senders, None], strict=False):
        if sender:
            Content.objects.filter(campaign=campaign).update(sender=sender)
        campaign.lists.set(of.sources[:1])
        Campaign.objects.filter(pk=campaign.pk).update(state=Campaign.State.LAUNCHING)
        # As many as it may send, and some more: so many contacts at once are one chunk.
        expand(
            campaign, timezone.now(), FREE if sender is None else int(senders[sender] * seconds * 1.2) + 50
        )
    return senders


def _at_most(options: Options, name: str, unit: str, count: float, limit: float) -> Figure:
    return Figure(
        "rates", options.database, name, unit, count, limit, count, count, count, limit, at_most=True
    )
