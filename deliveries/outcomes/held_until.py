"""Until when a send waited for the permitted hours, and in whose time zone."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

from django.conf import settings
from django.utils import timezone

from contacts.channels import Channel
from contacts.hours import (
    SECOND,
    clocks,
    held_by,
    is_open,
    local_zones_and_source,
    next_close,
    next_open,
    spread,
)
from contacts.jurisdictions import laws
from deliveries.models import Message
from deliveries.models.work import DAILY_LIMIT
from deliveries.wording import date_words

# Whose zones hours are kept in, of one zone and of several: the contact's own, their number's, or the installation's.
WHOSE_ZONES = (
    ("the contact's zone", "the contact's zones"),
    ("the number's zone", "all zones where the number may be"),
    ("our own zone, as theirs is not known", "our own zones, as theirs are not known"),
)


# Why it waits for another day, whatever hours are permitted then.
TOMORROW = "its sender has sent as much today as it may"


def waits_until(message: Message) -> str:
    """Until when a message waits, or waited for the permitted hours, and why; '' where it did not, or was withdrawn.

    Its row of the outbox is loaded with it, where there is one.
    """
    if message.canceled_at:
        return ""
    if outbox_reason(message) == DAILY_LIMIT:
        local = timezone.localtime(message.due_at)
        return f"Held until {date_words(local)}, {local:%H:%M} ({local.tzname()}): {TOMORROW}"
    return held_until(message, message.due_at, asked_at(message))


def outbox_reason(message: Message) -> str:
    """Why it waits, as its row of the outbox says; '' where there is none."""
    return message.outbox.held if hasattr(message, "outbox") else ""


def held_until(message: Message, due_at: datetime, since: datetime) -> str:
    """That a send asked for at `since` waited until `due_at` for the hours permitted where the person is, and whose
    zones those are; '' where it did not wait for them.

    By the zones and the window of today: where those have changed since, the answer is ''.
    """
    campaign = message.campaign
    zones, whose = zones_of(message)
    lawful = laws(message.address.region, message.address.match_key, message.channel, campaign.purpose)
    hours = zones, campaign.window_start, campaign.window_end, lawful
    if not Channel(message.channel).keeps_hours or due_at <= since or not is_open(due_at, *hours):
        return ""
    before = due_at - max(settings.OPENING_SPREAD_SECONDS, 1) * SECOND
    opens = next_open(before, *hours)
    if opens is None or opens == before:
        return ""  # at another moment than those in which the hours begin
    ends = min(filter(None, [next_close(opens, *hours), campaign.relevant_until]))
    if due_at not in (opens, spread(message.pk, opens, ends)):
        return ""
    local = due_at.astimezone(zones[0])
    law = held_by(since, *hours)
    why = f": {law}" if law else ""
    if len(zones) > 1:
        return f"Held until {date_words(local)}, {clocks(due_at, zones, local.date())} ({whose}){why}"
    return f"Held until {date_words(local)}, {local:%H:%M} ({zones[0].key.replace('_', ' ')}, {whose}){why}"


def asked_at(message: Message) -> datetime:
    """When it would have left, had it not to wait for anything: a campaign may begin later than it is launched."""
    begins = max(filter(None, (message.created_at, message.campaign.starts_at)))
    return message.campaign.start_in(zones_of(message)[0], begins) if message.campaign.local_start else begins


def zones_of(message: Message) -> tuple[tuple[ZoneInfo, ...], str]:
    """The zones in which hours are kept, as the gate finds them, and whose they are."""
    zones, source = local_zones_and_source(message.contact.time_zone, message.address.time_zone)
    one, several = WHOSE_ZONES[min(source, 2)]
    return zones, one if len(zones) == 1 else several
