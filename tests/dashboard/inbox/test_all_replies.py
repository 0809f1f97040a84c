"""The page of all replies: narrowing, paging, what stands in a row, and who sees it."""

from __future__ import annotations

import json
import re
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from contacts.models import AutomaticAnswer, Reply
from dashboard.inbox.listing import ReplyFilter
from tests import factories

pytestmark = pytest.mark.django_db
URL = "/inbox/all/"
NUMBER = "+12125550142"


def reply(value=NUMBER, **fields):
    n = Reply.objects.count()
    defaults = {
        "values": [value],
        "channel": "sms",
        "text": f"Words {n}",
        "fact": f"reply {n}",
        "at": timezone.now(),
    }
    return Reply.objects.create(value=value, **{**defaults, **fields})


def answered(one, **fields):
    address = factories.phone(value=one.value)
    return AutomaticAnswer.objects.create(
        **{"kind": "person", "reply": one, "address": address, "match_key": one.match_key, "fact": f"reply {one.pk}",
           "channel": "sms", "sender_value": "+12125550199", "account_id": 1, "text": "Yes", "state": "sent", **fields}
    )  # fmt: skip


def shown(client, **query):
    """The ids of the replies on the page."""
    page = client.get(URL, query).content.decode()
    return [int(found) for found in re.findall(r'id="reply-(\d+)"', page)]


@pytest.mark.parametrize("role", ["marketer", "support", "admin"])
def test_the_replies_to_read_lead_to_all(login, role):
    client = login(role)
    reply(text="Shall I bring the form?")

    assert f'href="{URL}"' in client.get("/inbox/").content.decode()
    assert "Shall I bring the form?" in client.get(URL).content.decode()


def test_without_the_permission_there_is_no_page(login):
    client = login()
    one = reply()

    assert client.get(URL).status_code == 403
    assert client.get(f"/inbox/{one.pk}/answer/").status_code == 403


def test_nothing_is_there_yet(login):
    assert "Nobody has written yet" in login("support").get(URL).content.decode()


@pytest.mark.parametrize("reading", Reply.Reading.values)
def test_they_are_narrowed_by_what_they_were_read_as(login, reading):
    ids = {one: reply(reading=one).pk for one in Reply.Reading.values}

    assert shown(login("support"), reading=reading) == [ids[reading]]


def test_they_are_narrowed_by_channel_and_campaign(login):
    message = factories.message()
    text = reply(message_id=message.pk, campaign_id=message.campaign_id)
    mail = reply("robin@example.com", channel="email")
    client = login("support")

    assert shown(client, channel="email") == [mail.pk]
    assert shown(client, campaign=str(message.campaign_id)) == [text.pk]
    assert shown(client) == [mail.pk, text.pk]


def test_they_are_narrowed_by_whether_a_colleague_answered(login):
    plain, sent, dropped = reply(), reply("+12125550143"), reply("+12125550144")
    answered(sent)
    answered(dropped, state="dropped")
    client = login("support")

    assert shown(client, answered="yes") == [sent.pk]
    assert shown(client, answered="no") == [dropped.pk, plain.pk]


@pytest.mark.parametrize(
    "typed", ["+12125550142", "(212) 555-0142", "212.555.0142", "tel:+1-212-555-0142", "0012125550142"]
)
def test_a_writer_is_found_in_any_spelling(login, typed):
    found = reply()
    reply("+12125550143")

    assert shown(login("support"), s=typed) == [found.pk]


@pytest.mark.parametrize("typed", ["the FORM", "form", "bring the form", "m?"])
def test_words_are_found_whatever_their_capitals(login, typed):
    found = reply(text="Shall I bring the form?")
    reply(text="See you")

    assert shown(login("support"), s=typed) == [found.pk]


def test_a_wild_card_is_only_a_character(login):
    reply(text="See you")

    assert shown(login("support"), s="%") == []
    assert shown(login("support"), s='"*') == []


@pytest.mark.parametrize(
    "query",
    [{"reading": "x"}, {"channel": "x"}, {"campaign": "x"}, {"campaign": "9" * 30}, {"answered": "x"}, {"s": "a" * 300},
     {"reading": "stop\x00"}],
)  # fmt: skip
def test_a_filter_that_cannot_be_is_said(login, query):
    answer = login("support").get(URL, query)

    assert answer.status_code == 422
    assert "These filters do not work" in answer.content.decode()


def test_a_row_names_the_writer_the_campaign_and_what_it_was_read_by(login):
    message = factories.message()
    number = message.address.value
    one = reply(number, message_id=message.pk, campaign_id=message.campaign_id, reading="stop", found="quit")
    client = login("marketer")

    page = client.get(URL).content.decode()

    assert f'href="/contacts/{message.contact_id}/"' in page
    assert f'href="/deliveries/{message.pk}/"' in client.get(f"/inbox/{one.pk}/answer/").content.decode()
    assert f'href="/deliveries/{message.pk}/"' in page
    assert message.campaign.name in page
    assert "“quit”" in page
    assert number not in page


def test_numbers_in_what_was_written_are_masked_for_who_may_not_see_them(login):
    one = reply(text="Call my sister at +1 202 555 0143")

    for path in (URL, f"/inbox/{one.pk}/answer/"):
        assert "202 555 0143" not in login("marketer").get(path).content.decode()
        assert "202 555 0143" in login("support").get(path).content.decode()


def test_pages_follow_each_other_and_ask_the_same_number_of_queries(login, django_assert_max_num_queries):
    for n in range(70):
        one = reply(factories.phone().value, campaign_id=None)
        if n % 2:
            answered(one)
    client = login("support")
    client.get(URL)
    seen, query = [], {"channel": "sms"}

    with django_assert_max_num_queries(3 * 17):
        while True:
            answer = client.get(URL, query)
            seen += [row.reply.pk for row in answer.context["rows"]]
            query["after"] = answer.context["page"].after
            if not query["after"]:
                break

    assert seen == sorted(seen, reverse=True)
    assert len(set(seen)) == len(seen) == 70


def test_only_the_list_is_sent_where_only_that_is_asked_for(login):
    reply()

    part = login("support").get(URL, {"channel": "sms"}, headers={"HX-Request": "true"}).content.decode()

    assert part.lstrip().startswith('<section id="results"')
    assert "<html" not in part


# ---- However many there are --------------------------------------------------------------------------------------

MANY = 20_000


@pytest.fixture
def many():
    """Many of one kind, and a few of each other."""
    kinds = [{}] * MANY
    kinds += [
        {"reading": "stop"},
        {"channel": "email"},
        {"campaign_id": 7},
        {"text": "Shall I bring the form?"},
    ] * 20
    Reply.objects.bulk_create(
        (
            Reply(
                **{"value": factories.phone_number(n), "values": [], "channel": "sms", "text": "Yes, see you",
                   "fact": f"reply {n}", "at": timezone.now(), **kind}
            )
            for n, kind in enumerate(kinds)
        ),
        batch_size=1_000,
    )  # fmt: skip
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")


def test_a_page_of_many_is_found_by_an_index(many):
    slow = []
    for given in ({"reading": "stop"}, {"channel": "email"}, {"s": factories.phone_number(17)}):
        form = ReplyFilter(given)
        assert form.is_valid()
        slow += [f"{given}: {step}" for step in reads_all(form.rows().order_by("-pk")[:31])]
    words = Reply.objects.filter(pk__in=[1])
    assert not [*slow, *reads_all(words)]


def reads_all(rows):
    """Steps that go through the whole table."""
    if connection.vendor == "sqlite":
        lines = rows.explain().splitlines()
        return [one for one in lines if "SCAN contacts_reply" in one and "INDEX" not in one]
    plans, found = [json.loads(rows.explain(format="json"))[0]["Plan"]], []
    while plans:
        plan = plans.pop()
        plans += plan.get("Plans", [])
        if plan["Node Type"] == "Seq Scan" and plan.get("Relation Name") == "contacts_reply":
            found.append(str(plan))
    return found


def test_words_among_many_are_found_by_an_index(many):
    from contacts.searching import replies_saying

    assert reads_all(replies_saying("bring the form").order_by("-pk")[:500]) == []
    assert replies_saying("bring the form").count() == 20


def test_a_day_later_the_page_is_the_same(login):
    old = reply(at=timezone.now() - timedelta(days=400))

    assert shown(login("support")) == [old.pk]
