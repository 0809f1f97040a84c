"""The report says how many opted out by a reply to its messages, and the number opens exactly those replies."""

from __future__ import annotations

import re
from html import unescape

import pytest
from django.utils import timezone

from contacts.models import Reply
from tests import reporting_rows

pytestmark = pytest.mark.django_db


def replied(campaign, text, reading):
    return Reply.objects.create(
        value=f"+1512555{Reply.objects.count():04d}", channel="sms", text=text, reading=reading, fact=text,
        campaign_id=campaign.pk, at=timezone.now(),
    )  # fmt: skip


def test_opt_outs_by_reply_stand_beside_the_outcomes_and_open_their_replies(login):
    campaign, other = reporting_rows.campaign([0, 1]), reporting_rows.campaign([0])
    for number in range(3):
        replied(campaign, f"STOP {number}", "stop")
    replied(campaign, "Thanks", "other")
    replied(other, "STOP elsewhere", "stop")
    client = login("marketer")

    page = client.get(campaign.get_absolute_url()).content.decode()

    found = re.search(
        r'id="by-reply"[^>]*>\s*<span>\s*<a class="link" href="([^"]+)">3\s+of 4 replies\s+were opt-outs</a>',
        page,
    )
    listed = client.get(unescape(found[1])).content.decode()
    assert [f"STOP {number}" in listed for number in range(3)] == [True] * 3
    assert "Thanks" not in listed
    assert "STOP elsewhere" not in listed


def test_without_such_replies_nothing_is_said(login):
    page = login("marketer").get(reporting_rows.campaign([0, 1]).get_absolute_url()).content.decode()

    assert re.search(r'id="by-reply"[^>]* hidden>', page)
