"""From a short link that was asked for to a click: whose, and whether a person's. A step of the worker.

A visit is looked at a few seconds after it came, so that those of the same message are seen together. What was followed
again by the same kind of visitor counts once.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

from django.db import connection, transaction

from campaigns.models import TrackedLink
from campaigns.texts import contents_of
from contacts.among import Among
from deliveries import short_links
from deliveries.ledger import engagement
from deliveries.models import Engagement, LinkVisit, Message
from deliveries.receiving import machines

LIMIT = 1_000
SETTLED = machines.TOGETHER  # how old a visit is when it is looked at


def count(now: datetime, limit: int = LIMIT) -> int:
    """Make clicks of the visits that are old enough; return how many there were."""
    due = LinkVisit.objects.filter(at__lte=now - SETTLED).order_by("pk")
    if not due.exists():
        return 0  # without taking SQLite's only write lock
    with transaction.atomic():
        skip = connection.features.has_select_for_update_skip_locked
        visits = list(due.select_for_update(skip_locked=skip)[:limit])
        clicks = _new(_clicks(visits))
        Engagement.objects.bulk_create(clicks)
        engagement.note([click.message_id for click in clicks])
        LinkVisit.objects.filter(Among("pk", [visit.pk for visit in visits])).delete()
    return len(visits)


def _clicks(visits: Sequence[LinkVisit]) -> list[Engagement]:
    """Those of messages and links that are known, in order of time, each judged."""
    messages = _messages({visit.message_id for visit in visits})
    urls = dict(
        TrackedLink.objects.filter(Among("pk", {visit.link_id for visit in visits})).values_list("pk", "url")
    )
    ours = [visit for visit in visits if visit.message_id in messages and visit.link_id in urls]
    at_once = _all_at_once(ours, messages)
    found = []
    for visit in sorted(ours, key=lambda each: (each.at, each.pk)):
        message = messages[visit.message_id]
        times = message.channel, visit.at, message.handed_over_at, message.delivered_at
        everything = machines.MachineWhy.ALL if visit.message_id in at_once else ""
        why = visit.why or machines.by_time(*times) or everything
        found.append(
            Engagement(
                contact_id=message.contact_id, message_id=message.pk, link_id=visit.link_id, text=urls[visit.link_id],
                channel=message.channel, kind=Engagement.Kind.CLICK, machine=bool(why), machine_why=why, at=visit.at,
            )
        )  # fmt: skip
    return found


def _messages(ids: Collection[int]) -> dict[int, Message]:
    """Of people who were erased nothing more is kept: their links lead on, and count nowhere."""
    columns = ("campaign_id", "contact_id", "channel", "handed_over_at", "delivered_at")
    kept = Message.objects.filter(Among("pk", ids), contact__erased_at=None)
    return {each.pk: each for each in kept.only(*columns)}


def _all_at_once(visits: Sequence[LinkVisit], messages: Mapping[int, Message]) -> set[int]:
    """The messages of which every link was opened within seconds."""
    by_message: dict[int, list[tuple[datetime, int]]] = defaultdict(list)
    for visit in visits:
        by_message[visit.message_id].append((visit.at, visit.link_id))
    several = {pk: theirs for pk, theirs in by_message.items() if len({link for _, link in theirs}) > 1}
    if not several:
        return set()
    contents = contents_of(messages[pk].campaign_id for pk in several)
    numbers = short_links.numbers(contents.values())
    found = set()
    for pk, theirs in several.items():
        message = messages[pk]
        content = contents.get((message.campaign_id, message.channel))
        theirs_too = numbers.get(message.campaign_id, {})
        links = [url for url in (content.tracked_addresses if content else []) if url in theirs_too]
        if machines.all_at_once(len(links), theirs):
            found.add(pk)
    return found


def _new(clicks: Sequence[Engagement]) -> list[Engagement]:
    """Without those that are on record: of each message and link one click by a person, and one by a machine."""
    held = Engagement.objects.filter(
        Among("message_id", {click.message_id or 0 for click in clicks}),
        message_id__isnull=False,
        link_id__isnull=False,
    )
    seen = set(held.values_list("message_id", "link_id", "machine"))
    found = []
    for click in clicks:
        key = (click.message_id, click.link_id, click.machine)
        if key not in seen:
            seen.add(key)
            found.append(click)
    return found
