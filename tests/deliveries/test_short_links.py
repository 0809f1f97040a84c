"""Short links name a link and a message, and nobody can make one up."""

from __future__ import annotations

import re

import pytest

from campaigns.models import TrackedLink
from deliveries import short_links
from deliveries.sending.dispatch import dispatch
from tests import factories
from tests.engine import Fake, person, waiting

LARGEST = (2**40 - 1, 2**27 - 1)


@pytest.mark.parametrize("numbers", [(1, 1), (123_456_789, 4_321), LARGEST])
def test_a_code_names_its_link_and_its_message(numbers):
    code = short_links.code(*numbers)

    assert re.fullmatch(r"[0-9A-Za-z]{18}", code)
    assert short_links.read(code) == numbers


def test_a_code_that_was_changed_anywhere_names_nothing():
    code = short_links.code(7, 3)
    changed = [code[:at] + other + code[at + 1 :] for at in range(18) for other in "0Az" if other != code[at]]

    assert [one for one in changed if short_links.read(one)] == []


@pytest.mark.parametrize("code", ["", "x", "z" * 18, "0" * 18, "é" * 18, "٣" * 18, "A" * 5_000, "-" * 18])
def test_what_is_no_code_of_ours_names_nothing(code):
    assert short_links.read(code) is None


def test_neighbours_have_nothing_in_common():
    codes = [short_links.code(number, 1) for number in range(1, 200)]

    assert len({code[:4] for code in codes}) > 190
    assert len({code[-4:] for code in codes}) > 190


def test_a_number_that_no_code_can_hold_leaves_the_link_as_it_is():
    assert short_links.code(2**40, 1) == short_links.code(1, 2**27) == ""
    assert short_links.of_message(2**40, {"https://shop.example": 1}) == {}


def test_a_code_outlives_the_key_it_was_made_with(settings):
    code = short_links.code(7, 3)
    former, settings.CREDENTIALS_KEY = settings.CREDENTIALS_KEY, "another key than before, and long enough"

    assert short_links.read(code) is None
    settings.FORMER_CREDENTIALS_KEYS = [former]
    assert short_links.read(code) == (7, 3)


@pytest.mark.django_db
@pytest.mark.parametrize("channel", ["sms", "email"])
def test_a_message_leaves_with_short_links_of_its_own_and_the_page_to_unsubscribe_as_it_is(now, channel):
    campaign = factories.campaign(channel=channel, state="sending", track_links=True)
    factories.content(campaign, body="{first_name}: https://shop.example/sale, https://shop.example/{code}")
    contacts = [person(channel, at=now, attributes={"code": "https://shop.example/sale"}) for _ in "ab"]
    account, fake = factories.account(), Fake()
    messages = [waiting(campaign, account, now, one) for one in contacts]

    dispatch(now, fake)

    bodies = [one.body for one in fake.left]
    codes = [re.search(r"/l/(\w{18}),", body)[1] for body in bodies]
    link = TrackedLink.objects.get()
    assert (link.campaign, link.url) == (campaign, "https://shop.example/sale")
    assert {short_links.read(code) for code in codes} == {(message.pk, link.pk) for message in messages}
    # What a person's own details hold is theirs, and never becomes a place that we lead others to.
    assert all("https://shop.example/https://shop.example/sale" in body for body in bodies)
    assert all(("/u/" in body) is (channel == "email") for body in bodies)


@pytest.mark.django_db
def test_a_campaign_that_counts_no_clicks_leaves_its_links_alone(now):
    campaign = factories.campaign(state="sending", track_links=False)
    factories.content(campaign, body="See https://shop.example/sale")
    waiting(campaign, factories.account(), now, person("sms", at=now))
    fake = Fake()

    dispatch(now, fake)

    assert fake.left[0].body == "See https://shop.example/sale"
    assert not TrackedLink.objects.exists()


@pytest.mark.django_db
def test_segments_are_those_of_the_text_as_it_leaves(now, settings):
    settings.LINK_URL = "https://go.example.com"
    campaign = factories.campaign(state="sending", track_links=True)
    content = factories.content(campaign, body="x" * 100 + " https://shop.example/" + "y" * 60)
    message = waiting(campaign, factories.account(), now, person("sms", at=now))

    dispatch(now, Fake())

    message.refresh_from_db()
    assert (message.segments, len(content.counted_body)) == (1, 144)
