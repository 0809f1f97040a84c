"""Whom a draft with one first channel for all skips, and could write to on another that it has content for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from deliveries.sending.audience import forecast

if TYPE_CHECKING:
    from deliveries.sending.draft import Draft


def other_channels(draft: Draft) -> list[str]:
    """Those that have content and can leave, and that first messages may not take."""
    ready = [one for one in draft.contents if one in draft.routes and draft.contents[one].sender.may_send]
    return [one for one in ready if one not in draft.senders]


def gain_by_chance(draft: Draft) -> int:
    """How many more would be written to, were each person's channel chosen among all of these. One query, if any."""
    others = draft.other_channels
    if not draft.left_out or not others:
        return 0
    senders: Mapping[str, str] = draft.senders | {one: draft.contents[one].sender.value for one in others}
    return forecast(draft.campaign, senders, draft.now, draft.first)[""] - draft.written_to
