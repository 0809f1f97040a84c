"""The people whom a campaign or a saved segment means: how many they are, the first of them, and portions of them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from django.db import connection
from django.db.models import Max, Min, QuerySet
from django.db.models.expressions import RawSQL

from campaigns.follow_ups import FollowWhen
from campaigns.gaps import ASKED
from campaigns.models import Campaign, Recipient, Segment
from contacts.models import Contact, ListMembership
from deliveries.sending.who_sql import Follow, Who, sql_who

# Ranges of contacts, as far from each other as they can be, that a large audience is reckoned from.
SPOTS = 25
LAST = 2**62  # beyond every id
CANDIDATE_KEY = {
    False: "contact_id",
    True: "id",
}  # of those whom conditions are asked of: whether they are everybody


def who_of(meant: Campaign | Segment) -> Who:
    """One query. Of a segment no sample is drawn yet: each campaign draws its own."""
    lists = meant.lists.order_by("pk").values_list("pk", flat=True)
    if not isinstance(meant, Campaign):
        return Who(tuple(lists), meant.meant)
    return Who(tuple(lists), meant.meant, meant.pk, follow_of(meant))


def newly_of(campaign: Campaign, since: datetime | None = None) -> Who:
    """Of a follow-up only those who are no recipients of it yet: nearly all are, after its first round. `since`: only
    of whom it came to be so after that, where that can be said."""
    who = who_of(campaign)
    return who._replace(follow=who.follow._replace(but=campaign.pk, since=since)) if who.follow else who


def next_of(who: Who, after: int, most: int, now: datetime) -> tuple[int, int] | None:
    """The first and the last contact of the next people who are meant, at most so many; None where there is nobody."""
    sql, values = sql_who(who, now)
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT min(contact_id), max(contact_id) FROM (SELECT contact_id FROM ({sql}) people "  # noqa: S608 - our own statement
            f"ORDER BY contact_id LIMIT {most:d}) those",
            {**values, "low": after, "high": LAST},
        )
        first, last = cursor.fetchone()
    return None if first is None else (first, last)


def follow_of(campaign: Campaign) -> Follow | None:
    """None where it follows no other. A draft is judged by all to whom the earlier campaign wrote. Three queries at
    most: of those who were not reached, whether its playbook takes another channel."""
    if campaign.follows_id is None:
        return None
    draft = campaign.state == Campaign.State.DRAFT
    follow = Follow(campaign.follows_id, "" if draft else campaign.follow_when, campaign.follow_hours)
    earlier = campaign.follows if follow.when == FollowWhen.NOT_REACHED else None
    if earlier and len(earlier.channels) > 1:
        return follow._replace(moves_after=earlier.playbook.switch_after_hours)
    return follow


def key_of(who: Who) -> str:
    """The contact's id, in the rows of `candidates`."""
    return CANDIDATE_KEY[who.conditions.everybody and who.follow is None]


def end_of_chunk(campaign: Campaign, chunk: int) -> int | None:
    """The last contact id of the next chunk of those who are looked at; None when nobody is left. How many of them are
    meant, the conditions decide."""
    return end_of(who_of(campaign), chunk, campaign.expanded_to)


def end_of(who: Who, chunk: int, after: int = 0) -> int | None:
    key = key_of(who)
    rest = candidates(who).filter(**{f"{key}__gt": after})
    ids = rest.order_by(key).values_list(key, flat=True).distinct()
    full = ids[chunk - 1 : chunk].first()
    return full if full is not None else ids.last()


def find(who: Who, low: int, high: int, now: datetime) -> Who:
    """With all of them in (low, high] `found`, where conditions decide who they are: for all that is asked of these
    people at once. One query, if any."""
    if not (who.conditions.narrowed or (who.follow and who.follow.but)):
        return who
    sql, values = sql_who(who, now)
    with connection.cursor() as cursor:
        cursor.execute(sql, {**values, "low": low, "high": high})
        return who._replace(found=tuple(contact for (contact,) in cursor.fetchall()))


class FirstPeople(NamedTuple):
    """Those by whom a draft is judged: with an id up to `high`. `partly`: there are more than a page can look at. Whom
    its conditions mean is `found`, once for all that is asked of them."""

    who: Who
    high: int
    partly: bool


def first_people(meant: Campaign | Segment, now: datetime) -> FirstPeople:
    """Three queries at most."""
    first = _first(who_of(meant))
    return first._replace(who=find(first.who, 0, first.high, now))


def _first(who: Who) -> FirstPeople:
    key = key_of(who)
    ids = candidates(who).order_by(key).values_list(key, flat=True).distinct()
    last = list(ids[ASKED - 1 : ASKED + 1])
    return FirstPeople(who, last[0], partly=True) if len(last) == 2 else FirstPeople(who, LAST, partly=False)


def candidates(who: Who) -> QuerySet[Any]:
    """Those whom its conditions are asked of; on several lists, several times."""
    if who.follow:
        return Recipient.objects.filter(campaign=who.follow.campaign).exclude(state=Recipient.State.SKIPPED)
    if who.conditions.everybody:
        return Contact.objects.filter(merged_into=None, erased_at=None)
    return ListMembership.objects.filter(contact_list__in=who.lists)


class AudienceSize(NamedTuple):
    """How many people; `about`: reckoned from some of them."""

    n: int
    about: bool = False


def audience_size(campaign: Campaign, now: datetime) -> AudienceSize:
    """How many people the campaign means, each counted once."""
    return size_of(who_of(campaign), now)


def size_of(who: Who, now: datetime) -> AudienceSize:
    """Exact where nothing narrows the lists, or ASKED people at most are looked at; else reckoned from as many, taken
    from all over: in a moment, however many there are."""
    who = who._replace(found=None)
    key = key_of(who)
    people = candidates(who)
    if not who.conditions.narrowed:
        return AudienceSize(people.values(key).distinct().count())
    if not _first(who).partly:
        return AudienceSize(_count(who, [(0, LAST)], now))
    ends = people.aggregate(first=Min(key), last=Max(key))
    span = ends["last"] - ends["first"] + 1
    step = span // SPOTS
    width = min(step, span * ASKED // (people.count() * SPOTS) + 1)
    spots = [(low, low + width) for low in range(ends["first"] - 1, ends["first"] - 1 + SPOTS * step, step)]
    return AudienceSize(round(_count(who, spots, now) * span / (SPOTS * width)), about=True)


def size_by(first: FirstPeople, now: datetime) -> AudienceSize:
    """The same as `size_of`, where the first people are known: without another query if they are all."""
    found = first.who.found
    return size_of(first.who, now) if first.partly or found is None else AudienceSize(len(found))


def _count(who: Who, ranges: Sequence[tuple[int, int]], now: datetime) -> int:
    sql, values = sql_who(who, now)
    n = 0
    with connection.cursor() as cursor:
        for low, high in ranges:
            cursor.execute(f"SELECT count(*) FROM ({sql}) people", {**values, "low": low, "high": high})  # noqa: S608 - our own statement
            n += cursor.fetchone()[0]
    return n


def first_contacts(
    meant: Campaign | Segment, now: datetime, first: FirstPeople | None = None
) -> QuerySet[Contact]:
    """Those by whom a draft is judged: all whom it means, or those among as many as are looked at in a moment."""
    who, high, _ = first or first_people(meant, now)
    sql, values = sql_who(who, now)
    values = {**values, "low": 0, "high": high}
    named = re.compile(r"%\((\w+)\)s")  # a queryset takes values by their place
    ids = RawSQL(named.sub("%s", sql), [values[name] for name in named.findall(sql)])  # noqa: S611 - our own statement
    return Contact.objects.filter(pk__in=ids)
