"""Follow-ups: who is sent one, when, and that nobody gets it twice or for nothing."""

from __future__ import annotations

from datetime import timedelta

import pytest

from campaigns.drafting import make_follow_up
from campaigns.follow_ups import OPEN_DAYS, FollowWhen, sentence
from campaigns.models import Campaign, Recipient
from contacts.consenting import record_opt_out
from deliveries.ledger import engagement
from deliveries.models import Engagement, Message, Outbox
from deliveries.models.work import EARLIER_GOES_ON
from deliveries.sending import launching, sequences
from deliveries.sending.dispatch import dispatch
from tests import factories
from tests.engine import (
    ABSENT,
    DEAD,
    DELIVERED,
    Fake,
    agree,
    person,
    report,
    sending,
    waiting,
    work,
)

pytestmark = pytest.mark.django_db
DAY, HOUR = timedelta(days=1), timedelta(hours=1)


class World:
    """A campaign by text to some people, and what they did with it; and one that follows it."""

    def __init__(self, now, when=FollowWhen.REACHED, hours=48, people=1):
        self.account = factories.account()
        self.earlier = sending(
            "sms", lists=[factories.contact_list()], window_start="00:00", window_end="23:59"
        )
        self.people = [person("sms", "email", at=now) for _ in range(people)]
        self.messages = [waiting(self.earlier, self.account, now, one) for one in self.people]
        work(now)
        self.campaign = make_follow_up(self.earlier, when, hours, factories.user())
        launching.launch(self.campaign, None, now)
        self.campaign.refresh_from_db()

    def delivered(self, at, *which):
        for number in which or range(len(self.messages)):
            report(self.messages[number], DELIVERED, at)
        work(at)

    def did(self, at, number=0, kind="click", **fields):
        message = self.messages[number]
        if kind in ("other", "stop"):
            factories.reply(message, kind, at=at)
        else:
            Engagement.objects.create(
                contact=message.contact, message_id=message.pk, channel="sms", kind=kind, at=at, **fields
            )
        engagement.note({message.pk})
        engagement.fold()

    def run(self, at):
        for _ in range(20):
            if not sequences.run(at):
                break
        assert agree()

    @property
    def meant(self):
        """The people who became recipients of the follow-up, by their place."""
        ids = set(self.campaign.recipients.values_list("contact_id", flat=True))
        return [number for number, one in enumerate(self.people) if one.pk in ids]


def test_each_is_sent_it_so_long_after_it_is_so_of_them_and_once(now):
    world = World(now, FollowWhen.REACHED, hours=48, people=3)
    world.delivered(now, 0)
    world.delivered(now + 10 * HOUR, 1)

    world.run(now + 47 * HOUR)
    assert world.meant == []
    world.run(now + 49 * HOUR)
    assert world.meant == [0]
    world.run(now + 49 * HOUR)
    world.run(now + 59 * HOUR)
    assert world.meant == [0, 1]

    fake = Fake()
    work(now + 59 * HOUR, fake)
    world.run(now + 70 * HOUR)
    work(now + 70 * HOUR, fake)
    assert len(fake.left) == 2
    world.campaign.refresh_from_db()
    assert (world.campaign.state, world.campaign.expanded_count, world.campaign.audience_size) == (
        "sending",
        2,
        2,
    )


@pytest.mark.parametrize(
    ("when", "meant"),
    [
        (FollowWhen.REACHED, [0, 1, 2, 3, 6]),
        (FollowWhen.CLICKED, [1]),
        (FollowWhen.REPLIED, [2]),
        (FollowWhen.NOT_CLICKED, [0, 2, 3, 6]),
        (FollowWhen.QUIET, [0, 3]),
        (FollowWhen.NOT_REACHED, [4, 5]),
    ],
)
def test_who_is_meant_follows_from_what_they_did(now, when, meant):
    """Delivered and silent, clicked, replied, clicked by a machine, failed, silent for us as well, said no."""
    world = World(now, when, hours=24, people=7)
    world.delivered(now, 0, 1, 2, 3, 6)
    world.did(now + HOUR, 1)
    world.did(now + HOUR, 2, kind="other")
    world.did(now + HOUR, 6, kind="stop")
    world.did(now + HOUR, 3, machine=True)
    report(world.messages[4], DEAD, now)
    work(now)

    world.run(now + 26 * HOUR)

    assert world.meant == meant


def test_who_opted_out_is_skipped_with_the_reason_and_sent_nothing(now):
    world = World(now, people=2)
    world.delivered(now)
    record_opt_out(
        value=world.messages[0].address.value, channel="sms", how="Reply", evidence="STOP", at=now + HOUR
    )

    world.run(now + 50 * HOUR)
    fake = Fake()
    work(now + 50 * HOUR, fake)

    assert len(fake.left) == 1
    skipped = world.campaign.recipients.get(contact=world.people[0])
    assert (skipped.state, bool(skipped.skip_reason)) == ("skipped", True)


def test_a_colleague_who_stopped_the_automatic_steps_of_somebody_stopped_this_as_well(now):
    world = World(now)
    world.delivered(now)
    Recipient.objects.filter(campaign=world.earlier).update(automatic=False)

    world.run(now + 50 * HOUR)

    assert world.meant == []


def test_a_reminder_that_waits_is_withdrawn_once_they_clicked(now):
    world = World(now, FollowWhen.NOT_CLICKED, hours=24, people=2)
    world.delivered(now)
    world.run(now + 25 * HOUR)
    assert Outbox.objects.count() == 2

    world.did(now + 26 * HOUR, 0)
    world.run(now + 26 * HOUR)
    fake = Fake()
    work(now + 27 * HOUR, fake)

    assert [one.to for one in fake.left] == [world.messages[1].address.value]
    withdrawn = Message.objects.get(campaign=world.campaign, contact=world.people[0])
    assert (withdrawn.status, withdrawn.reason_code) == ("canceled", "no_longer_meant")
    assert agree()


@pytest.mark.parametrize(
    ("when", "then"),
    [
        (FollowWhen.NOT_CLICKED, lambda world, at: world.did(at, 0)),
        (FollowWhen.QUIET, lambda world, at: world.did(at, 0, kind="other")),
        (FollowWhen.NOT_REACHED, lambda world, at: world.delivered(at, 0)),
        (FollowWhen.REACHED, lambda world, at: world.earlier.recipients.filter(contact=world.people[0]).update(
            automatic=False
        )),
    ],
)  # fmt: skip
def test_after_a_pause_nothing_goes_to_whom_it_is_meant_for_no_more(now, when, then):
    """Before any round has looked: the claim asks."""
    world = World(now, when, hours=24, people=3)
    if when != FollowWhen.NOT_REACHED:
        world.delivered(now)
    world.run(now + 25 * HOUR)
    assert Outbox.objects.filter(campaign_id=world.campaign.pk).count() == 3

    launching.pause(world.campaign)
    then(world, now + 26 * HOUR)
    launching.resume(world.campaign)
    fake = Fake()
    work(now + 27 * HOUR, fake)

    assert sorted(one.to for one in fake.left) == sorted(m.address.value for m in world.messages[1:])
    withdrawn = Message.objects.get(campaign=world.campaign, contact=world.people[0])
    assert (withdrawn.status, withdrawn.reason_code) == ("canceled", "no_longer_meant")
    assert agree()


def test_a_round_withdraws_all_whom_it_is_meant_for_no_more(now, monkeypatch):
    world = World(now, FollowWhen.NOT_CLICKED, hours=24, people=5)
    world.delivered(now)
    world.run(now + 25 * HOUR)
    monkeypatch.setattr(sequences, "WITHDRAWN_AT_ONCE", 2)
    for number in range(4):
        world.did(now + 26 * HOUR, number)

    world.run(now + 26 * HOUR)

    assert list(Outbox.objects.values_list("message__contact", flat=True)) == [world.people[4].pk]


def test_a_follow_up_that_is_paused_or_canceled_takes_nobody(now):
    world = World(now)
    world.delivered(now)
    launching.pause(world.campaign)
    world.run(now + 50 * HOUR)
    assert world.meant == []

    launching.resume(world.campaign)
    world.campaign.refresh_from_db()
    assert world.campaign.state == "sending"
    launching.cancel(world.campaign, now + 50 * HOUR)
    world.run(now + 51 * HOUR)
    assert world.meant == []


def test_it_stays_open_while_people_may_still_come_and_then_completes(now):
    world = World(now)
    world.delivered(now)
    world.run(now + 50 * HOUR)
    work(now + 50 * HOUR)
    for message in Message.objects.filter(campaign=world.campaign):
        report(message, DELIVERED, now + 50 * HOUR)
    work(now + 51 * HOUR)

    launching.complete(now + 51 * HOUR)
    states = dict(Campaign.objects.values_list("pk", "state"))
    assert (states[world.earlier.pk], states[world.campaign.pk]) == ("completed", "sending")

    launching.complete(now + 52 * HOUR + OPEN_DAYS * DAY)
    world.campaign.refresh_from_db()
    assert world.campaign.state == "completed"


def test_a_follow_up_keeps_to_the_lists_and_drops_what_narrowed_the_earlier_campaign(now):
    world = World(now)

    assert list(world.campaign.lists.all()) == list(world.earlier.lists.all())
    assert world.campaign.meant.narrowed == ()
    assert world.campaign.contents.get().body == world.earlier.contents.get().body
    assert world.campaign.follows_whom == "people who were reached, 2 days after it was delivered"


@pytest.mark.parametrize(
    ("when", "hours", "words"),
    [
        ("clicked", 48, "people who clicked a link, 2 days after their first click"),
        ("not_reached", 36, "people who were not reached, 36 hours after it was first sent"),
        ("quiet", 0, "people who were reached and did nothing, 0 hours after it was delivered"),
    ],
)
def test_it_is_said_in_one_sentence(when, hours, words):
    assert sentence(when, hours) == words


def test_by_another_channel_for_whom_the_first_did_not_reach(now):
    world = World(now, FollowWhen.NOT_REACHED, hours=48, people=2)
    Campaign.objects.filter(pk=world.campaign.pk).update(channel="email")
    factories.content(world.campaign, "email")
    world.delivered(now, 0)

    world.run(now + 49 * HOUR)

    made = Message.objects.get(campaign=world.campaign)
    assert (made.channel, made.contact) == ("email", world.people[1])


def test_it_waits_while_the_playbook_of_the_earlier_campaign_has_something_left(now):
    """A retry that is planned, and one that waits to leave; then nothing but what a colleague may do."""
    world = World(now, FollowWhen.NOT_REACHED, hours=1)
    playbook = world.earlier.playbook
    playbook.retries, playbook.retry_after_hours, playbook.retry_window_hours = 1, 4, 24
    playbook.save()
    report(world.messages[0], ABSENT, now)
    work(now)
    assert world.earlier.recipients.get().next_step == "retry"

    world.run(now + 2 * HOUR)
    assert world.meant == []
    work(now + 5 * HOUR)
    again = world.earlier.messages.order_by("pk").last()
    assert again.attempt == 2
    report(again, ABSENT, now + 5 * HOUR)
    work(now + 5 * HOUR)
    world.run(now + 6 * HOUR)

    assert world.meant == [0]


@pytest.mark.parametrize("moves", [True, False])
def test_of_one_without_a_report_it_waits_where_the_playbook_may_take_another_channel(now, moves):
    world = World(now, FollowWhen.NOT_REACHED, hours=24)
    playbook = world.earlier.playbook
    playbook.switch_to, playbook.switch_after_hours = ["email"], 48
    playbook.save()
    if moves:
        factories.content(world.earlier, "email")

    world.run(now + 26 * HOUR)
    assert world.meant == ([] if moves else [0])
    world.run(now + 50 * HOUR)
    assert world.meant == [0]


def test_what_waits_lets_a_late_retry_of_the_earlier_campaign_go_first(now):
    world = World(now, FollowWhen.NOT_REACHED, hours=24)
    world.run(now + 25 * HOUR)
    world.earlier.recipients.update(next_step="retry", next_step_at=now + 27 * HOUR)
    fake = Fake()

    dispatch(now + 26 * HOUR, fake)
    row = Outbox.objects.get()
    assert (fake.left, row.held, row.due_at) == ([], EARLIER_GOES_ON, now + 27 * HOUR)
    world.earlier.recipients.update(state="failed", next_step="none", next_step_at=None)
    dispatch(now + 27 * HOUR, fake)

    assert len(fake.left) == 1


def test_what_may_not_leave_any_more_is_withdrawn_whatever_the_earlier_campaign_does(now):
    """Else a follow-up would never be over behind a campaign that is paused for good."""
    world = World(now, FollowWhen.NOT_REACHED, hours=24)
    world.run(now + 25 * HOUR)
    world.earlier.recipients.update(next_step="retry", next_step_at=now + 27 * HOUR)
    Campaign.objects.filter(pk=world.campaign.pk).update(relevant_until=now + 26 * HOUR)

    assert dispatch(now + 26 * HOUR, Fake()).stopped == 1

    assert world.campaign.messages.get().reason_code == "not_relevant"
    assert not Outbox.objects.exists()


def test_a_round_looks_at_those_of_whom_it_came_to_be_so_since_the_last(now):
    world = World(now, FollowWhen.REACHED, hours=48, people=4)
    for number, minutes in enumerate((0, 30, 31)):
        world.delivered(now + timedelta(minutes=minutes), *([number] if number else [0]))
    begins = now + 48 * HOUR + timedelta(minutes=29)
    world.run(begins)
    world.run(begins)
    assert world.meant == [0]

    report(world.messages[3], DELIVERED, now)  # days late
    work(begins)
    world.run(begins + timedelta(minutes=1))
    world.run(begins + timedelta(minutes=2))
    assert world.meant == [0, 1, 2]
    world.run(begins + sequences.ALL_AGAIN)
    assert world.meant == [0, 1, 2, 3]


@pytest.mark.parametrize(("when", "kind"), [(FollowWhen.CLICKED, "click"), (FollowWhen.REPLIED, "other")])
def test_who_does_it_after_a_round_is_found_by_the_next(now, when, kind):
    world = World(now, when, hours=1, people=2)
    world.delivered(now)
    world.run(now + 3 * HOUR)

    world.did(now + 2 * HOUR, 1, kind=kind)
    world.run(now + 3 * HOUR + timedelta(minutes=1))

    assert world.meant == [1]


def test_a_round_asks_as_many_queries_for_many_as_for_few(
    now, django_assert_num_queries, django_assert_max_num_queries
):
    few, many = World(now, people=1), World(now, people=9)
    few.delivered(now)
    many.delivered(now)
    steps = [lambda one=one: sequences._step(one.campaign.pk, now + 50 * HOUR) for one in (few, many)]

    with django_assert_max_num_queries(50) as asked:
        steps[0]()
    with django_assert_num_queries(len(asked.captured_queries)):
        steps[1]()
    assert len(many.meant) == 9


def test_a_round_in_which_nobody_is_new_writes_nothing(now, django_assert_max_num_queries):
    world = World(now, people=3)
    world.delivered(now)
    world.run(now + 50 * HOUR)

    with django_assert_max_num_queries(4) as asked:
        done = sequences._step(world.campaign.pk, now + 50 * HOUR)

    assert done == 0
    assert {query["sql"].split()[0] for query in asked.captured_queries} == {"SELECT"}


def test_whose_report_comes_late_is_sent_it_beside_those_who_have_it(now):
    """Its time is days ago: rounds have long been beyond it."""
    world = World(now, people=3)
    world.delivered(now, 0, 2)
    world.run(now + 50 * HOUR)
    assert world.meant == [0, 2]

    report(world.messages[1], DELIVERED, now + HOUR)
    work(now + 80 * HOUR)
    world.run(now + 80 * HOUR)

    assert world.meant == [0, 1, 2]
    assert Message.objects.filter(campaign=world.campaign).count() == 3
