"""From a link that was asked for to a click: whose it is, and whether a person made it."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command

from campaigns.models import Campaign, TrackedLink
from campaigns.models.links import digest_of
from contacts.models import Contact
from deliveries.deciding.followup import follow_status_changes
from deliveries.ledger import engagement
from deliveries.models import EngagedPerson, Engagement, EngagementTally, LinkVisit, MachineWhy
from deliveries.receiving import clicks, machines
from tests import factories
from tests.engine import DELIVERED, agree, rebuild, report

IPHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 Safari/604.1"
SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)


@pytest.mark.parametrize(
    ("method", "agent", "address", "why"),
    [
        ("GET", IPHONE, "203.0.113.7", ""),
        ("GET", "Mozilla/5.0 (Linux; Android 15) Chrome/130.0 Mobile Safari/537.36", "2001:db8::1", ""),
        ("GET", "Mozilla/5.0 (Linux; Android 8.0.0; CUBOT_P20) Chrome/70.0 Mobile Safari/537.36", "", ""),
        ("HEAD", IPHONE, "203.0.113.7", MachineWhy.HEAD),
        ("GET", "WhatsApp/2.24.1 A", "203.0.113.7", MachineWhy.AGENT),
        ("GET", f"{IPHONE} facebookexternalhit/1.1 Facebot Twitterbot/1.0", "", MachineWhy.AGENT),
        ("GET", "Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)", "", MachineWhy.AGENT),
        ("GET", "curl/8.5.0", "", MachineWhy.AGENT),
        ("GET", "", "203.0.113.7", MachineWhy.AGENT),
        ("GET", IPHONE, "104.47.12.1", MachineWhy.NETWORK),
        ("GET", IPHONE, "no address", ""),
    ],
)
def test_previews_and_filters_are_known_by_what_they_say_and_where_they_are(method, agent, address, why):
    assert machines.by_request(method, agent, address) == why


@pytest.mark.parametrize(
    ("channel", "clicked", "delivered", "why"),
    [
        ("sms", 2 * MINUTE, MINUTE, ""),
        ("sms", 20 * SECOND, None, ""),  # reports come late, and people are fast
        ("sms", -SECOND, None, MachineWhy.EARLY),
        ("sms", 5 * SECOND, 9 * SECOND, MachineWhy.EARLY),
        ("sms", 3 * MINUTE, 3_600 * SECOND, ""),  # it was there: only the report came later
        ("sms", 10 * SECOND, 9 * SECOND, ""),
        ("email", 10 * SECOND, 9 * SECOND, MachineWhy.FAST),
        ("email", MINUTE, 9 * SECOND, ""),
    ],
)
def test_filters_are_known_by_when_they_look(now, channel, clicked, delivered, why):
    assert machines.by_time(channel, now + clicked, now, now + delivered if delivered else None) == why


@pytest.mark.parametrize(
    ("links", "visits", "together"),
    [
        (1, [(0, 1)], False),
        (2, [(0, 1), (3, 2)], True),
        (2, [(0, 1), (3, 1)], False),
        (2, [(0, 1), (60, 2)], False),
        (3, [(0, 1), (3, 2)], False),
        (2, [(0, 1), (60, 1), (61, 2)], True),
    ],
)
def test_nobody_opens_all_links_of_a_message_within_seconds(now, links, visits, together):
    assert machines.all_at_once(links, [(now + at * SECOND, link) for at, link in visits]) is together


class World:
    """A campaign with two links, and people to whom it was delivered ten minutes ago."""

    def __init__(self, now, channel="sms"):
        self.now = now
        self.campaign = factories.campaign(state="sending", channel=channel, track_links=True)
        factories.content(self.campaign, body="https://shop.example/a https://shop.example/b")
        urls = ["https://shop.example/a", "https://shop.example/b"]
        self.links = [
            TrackedLink.objects.create(campaign=self.campaign, url=url, digest=digest_of(url)) for url in urls
        ]

    def reached(self, by="sms", **fields):
        whole = {"state": "reached", "reached_by": by, "reached_at": self.now, **fields}
        recipient = factories.recipient(self.campaign, **whole)
        made = factories.message(
            recipient,
            status="delivered",
            created_at=self.now - 10 * MINUTE,
            delivered_at=self.now - 9 * MINUTE,
        )
        rebuild()
        return made

    def waits(self):
        recipient = factories.recipient(self.campaign, state="open")
        made = factories.message(recipient, status="sent", created_at=self.now - 10 * MINUTE)
        rebuild()
        return made

    def visits(self, message, link=0, why="", ago=60):
        at = self.now - ago * SECOND
        LinkVisit.objects.create(message_id=message.pk, link_id=self.links[link].pk, why=why, at=at)

    def counts(self):
        while clicks.count(self.now):
            pass
        assert agree()
        rows = EngagementTally.objects.filter(campaign_id=self.campaign.pk, n__gt=0)
        return {(row.deed, row.reached_by): row.n for row in rows}


@pytest.mark.django_db
def test_a_person_who_clicks_twice_counts_once_and_a_machine_never(now):
    world = World(now)
    one, other = world.reached(), world.reached()
    world.visits(one)
    world.visits(one, ago=50)
    world.visits(one, link=1, ago=30)
    world.visits(other, why="agent")

    counted = world.counts()

    assert counted == {
        ("reached", "sms"): 2,
        ("clicked", "sms"): 1,
        ("any", "sms"): 1,
        ("bot_click", "sms"): 1,
    }
    rows = Engagement.objects.filter(message_id=one.pk).order_by("at")
    assert [row.text for row in rows] == ["https://shop.example/a", "https://shop.example/b"]
    assert not LinkVisit.objects.exists()
    world.visits(one)
    assert world.counts() == counted
    assert Engagement.objects.count() == 3


@pytest.mark.django_db
def test_all_links_within_seconds_are_a_machines_and_a_click_by_a_person_later_still_counts(now):
    world = World(now)
    message = world.reached()
    world.visits(message, link=0, ago=200)
    world.visits(message, link=1, ago=199)

    assert world.counts() == {("reached", "sms"): 1, ("bot_click", "sms"): 1}
    assert {row.machine_why for row in Engagement.objects.all()} == {"all"}

    world.visits(message, ago=60)
    assert world.counts() == {("reached", "sms"): 1, ("clicked", "sms"): 1, ("any", "sms"): 1}


@pytest.mark.django_db
def test_what_came_just_now_waits_for_what_may_come_with_it(now):
    world = World(now)
    world.visits(world.reached(), ago=3)

    assert clicks.count(now) == 0
    assert clicks.count(now + machines.TOGETHER) == 1


@pytest.mark.django_db
def test_visits_of_what_is_not_known_are_dropped(now):
    LinkVisit.objects.create(message_id=1, link_id=1, at=now - MINUTE)

    assert clicks.count(now) == 1
    assert not Engagement.objects.exists()
    assert not LinkVisit.objects.exists()


@pytest.mark.django_db
def test_nothing_more_is_kept_of_whoever_was_erased(now):
    world = World(now)
    message = world.reached()
    type(message.contact).objects.filter(pk=message.contact_id).update(erased_at=now - MINUTE)
    world.visits(message)

    clicks.count(now + machines.TOGETHER)

    assert not Engagement.objects.exists()
    assert not LinkVisit.objects.exists()


@pytest.mark.django_db
def test_who_clicked_before_the_report_came_counts_among_those_reached_once_it_does(now):
    world = World(now)
    message = world.waits()
    world.visits(message)
    assert world.counts() == {("clicked", ""): 1, ("any", ""): 1}

    report(message, DELIVERED, now)
    follow_status_changes(now)

    assert world.counts() == {("reached", "sms"): 1, ("clicked", "sms"): 1, ("any", "sms"): 1}


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("kind", "fields", "deeds"),
    [
        ("auto_reply", {"machine": True}, set()),
        ("key_press", {"text": "1"}, {"pressed", "any"}),
        ("key_press", {"text": "9"}, set()),
        ("key_press", {"text": ""}, set()),
        ("open", {}, {"opened"}),
        ("open", {"machine": True}, {"bot_open"}),
        ("click", {"machine": True}, {"bot_click"}),
    ],
)
def test_a_no_and_a_machine_are_no_engagement_and_an_open_proves_little(now, kind, fields, deeds):
    message = World(now).reached()
    Engagement.objects.create(
        contact=message.contact, message_id=message.pk, channel="sms", kind=kind, at=now, **fields
    )
    engagement.note({message.pk})

    assert agree()
    assert set(EngagedPerson.objects.values_list("deed", flat=True)) == deeds


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("readings", "deeds"),
    [
        (["other"], {"replied", "any"}),
        (["help"], {"replied", "any"}),
        (["stop"], {"replied", "opted_out"}),
        (["unsure", "stop"], {"replied", "opted_out", "any"}),
    ],
)
def test_who_replied_counts_by_the_message_answered_and_a_no_as_nothing_else(now, readings, deeds):
    message = World(now).reached()
    for reading in readings:
        factories.reply(message, reading)
    engagement.note({message.pk})

    assert agree()
    assert set(EngagedPerson.objects.values_list("deed", flat=True)) == deeds
    assert not engagement.miscounted()


@pytest.mark.django_db
def test_the_check_finds_who_is_not_counted_by_their_replies_and_counts_them_anew(now):
    message = World(now).reached()
    Campaign.objects.filter(pk=message.campaign_id).update(audience_size=1, expanded_count=1)
    factories.reply(message, "stop")

    with pytest.raises(CommandError, match="do not equal"):
        call_command("check_tallies")
    call_command("check_tallies", repair=True)
    call_command("check_tallies")
    assert EngagedPerson.objects.filter(deed="opted_out", recipient_id=message.recipient_id).exists()


@pytest.mark.django_db
def test_who_replied_and_was_erased_since_counts_on(now):
    message = World(now).reached()
    reply = factories.reply(message)
    engagement.note({message.pk})
    assert agree()

    reply.delete()
    Contact.objects.filter(pk=message.contact_id).update(erased_at=now)
    engagement.note({message.pk})

    assert agree()
    assert set(EngagedPerson.objects.values_list("deed", flat=True)) == {"replied", "any"}
    assert not engagement.miscounted()


@pytest.mark.django_db
def test_the_work_asks_as_many_queries_for_many_as_for_one(now, django_assert_max_num_queries):
    world = World(now)
    for _ in range(12):
        world.visits(world.reached())

    with django_assert_max_num_queries(11):
        clicks.count(now)
    with django_assert_max_num_queries(15):
        engagement.fold()
