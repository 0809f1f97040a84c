"""A colleague answers a reply: through the gate as any message, from the number that was written to, once."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
import time_machine
from django.urls import reverse

from contacts.answering import PERSON_WITHIN
from contacts.consenting import record_opt_out
from contacts.models import AutomaticAnswer, Reply
from contacts.suppressing import suppress
from deliveries.models import Account
from deliveries.providers import PROVIDERS
from deliveries.providers.facts import LostAnswer, SendResult
from deliveries.receiving.recording import record_all
from deliveries.receiving.storing import Incoming, store
from deliveries.sending import answering
from tests import factories
from tests.engine import person

pytestmark = pytest.mark.django_db

OURS = "+12125550199"
MINUTE = timedelta(minutes=1)
NIGHT = timedelta(hours=12)  # after noon in Chicago


@pytest.fixture
def account():
    return factories.account()


@pytest.fixture(autouse=True)
def our_number(request):
    request.getfixturevalue("db")
    return factories.sender("sms", value=OURS)


@pytest.fixture(autouse=True)
def travel(now):
    with time_machine.travel(now, tick=False):
        yield


@pytest.fixture
def robin(now):
    return person("sms", at=now, name="Robin Doe")


@pytest.fixture
def carrier(monkeypatch):
    sent = []

    async def send(message, credentials, client):
        sent.append(message)
        return SendResult(True, provider_message_id=f"id-{len(sent)}")

    monkeypatch.setattr(PROVIDERS["sandbox"], "send", send, raising=False)
    return sent


@pytest.fixture
def wrote(account, now):
    """`wrote(contact, text)`: that this came in from their phone, recorded."""

    def write(contact, text="Shall I bring the form?", at=now, **more):
        payload = {"channel": "sms", "from": contact.addresses.get(kind="phone").value, "to": OURS, "text": text,
                   "occurred_at": at.isoformat(), **more}  # fmt: skip
        store([Incoming(account.pk, "inbound", at, "POST", "", {}, json.dumps(payload).encode())])
        record_all(at)
        return Reply.objects.latest("pk")

    return write


@pytest.fixture
def answers(login):
    """`answers(reply, text)`: that somebody of support answers; what the page says then."""

    def answer(reply, text="Yes, please do.", seen=None, role="support"):
        data = {"text": text, "seen": reply.answers.count() if seen is None else seen}
        return login(role).post(reverse("inbox:answer", args=[reply.pk]), data, follow=True).content.decode()

    return answer


def state():
    return list(AutomaticAnswer.objects.filter(kind="person").order_by("pk").values_list("state", flat=True))


@pytest.mark.parametrize("role", ["marketer", "support", "admin"])
def test_an_answer_goes_out_from_the_number_that_was_written_to(wrote, answers, robin, carrier, now, role):
    page = answers(wrote(robin), role=role)
    answering.run(now + MINUTE)

    (sent,) = carrier
    assert "The answer leaves in 30 seconds." in page
    assert (sent.to, sent.sender, sent.body, sent.channel) == (
        robin.addresses.get().value, OURS, "Yes, please do.", "sms",
    )  # fmt: skip
    assert state() == ["sent"]


def test_the_page_shows_what_was_answered_by_whom_and_what_became_of_it(
    wrote, answers, login, robin, carrier, account, now
):
    reply = wrote(robin)
    answers(reply)
    answering.run(now + MINUTE)
    payload = {"channel": "sms", "id": "id-1", "status": "delivered", "at": now.isoformat()}
    store([Incoming(account.pk, "status", now, "POST", "", {}, json.dumps(payload).encode())])
    record_all(now)

    page = login("support").get(reverse("inbox:answer", args=[reply.pk])).content.decode()

    answer = AutomaticAnswer.objects.get()
    assert "Yes, please do." in page
    assert answer.written_by.display_name in page
    assert "Handed over" in page


def test_the_trail_and_its_export_show_the_answer(wrote, answers, login, robin, carrier, now):
    answers(wrote(robin), role="admin")
    answering.run(now + MINUTE)
    client = login("admin")

    page = client.get(f"/contacts/{robin.pk}/").content.decode()
    lines = b"".join(client.get(f"/contacts/{robin.pk}/export/").streaming_content).decode()

    for told in (page, lines):
        assert "Answer of a colleague: handed over" in told
        assert "Yes, please do." in told


def block(contact, now):
    suppress(contact=contact, reason="staff", origin="staff", now=now)


def opt_out(contact, now):
    record_opt_out(value=contact.addresses.get().value, channel="sms", how="Reply", evidence="STOP", at=now)


@pytest.mark.parametrize("forbid", [block, opt_out], ids=["blocked", "opted out"])
def test_nobody_who_said_no_is_answered(wrote, answers, robin, carrier, now, forbid):
    reply = wrote(robin)
    forbid(robin, now)

    page = answers(reply)
    answering.run(now + MINUTE)

    assert "Nothing was sent. Not sent:" in page
    assert (carrier, state()) == ([], [])


@pytest.mark.parametrize("forbid", [block, opt_out], ids=["blocked", "opted out"])
def test_a_no_after_it_was_written_wins(wrote, answers, robin, carrier, now, forbid):
    answers(wrote(robin))
    forbid(robin, now)

    answering.run(now + MINUTE)

    assert (carrier, state()) == ([], ["dropped"])


def test_a_stop_is_not_answered_by_hand(wrote, answers, robin, carrier, now):
    page = answers(wrote(robin, "STOP"))
    answering.run(now + MINUTE)

    assert "Nothing was sent. Not sent: the person opted out" in page
    assert state() == []
    assert [one.body for one in carrier] == [AutomaticAnswer.objects.get().text]  # of the confirmation alone


def test_nobody_is_texted_at_night(wrote, answers, robin, carrier, now):
    at = now + NIGHT
    with time_machine.travel(at, tick=False):
        page = answers(wrote(robin, at=at))
        answering.run(at + MINUTE)

        assert "An answer waits: it is outside the permitted hours" in page
        assert (carrier, state()) == ([], ["waiting"])

    answer = AutomaticAnswer.objects.get()
    assert answer.until > at
    answering.run(answer.until - MINUTE)
    assert carrier == []
    answering.run(answer.until + MINUTE)
    assert (len(carrier), state()) == (1, ["sent"])


def test_what_waited_too_long_answers_nothing_any_more(wrote, answers, robin, carrier, now):
    answers(wrote(robin))

    answering.run(now + PERSON_WITHIN + MINUTE)

    assert (carrier, state()) == ([], ["dropped"])


def test_what_may_be_an_opt_out_is_read_before_it_is_answered(wrote, answers, robin, carrier):
    page = answers(wrote(robin, "bus stop"))

    assert "Say first whether it is an opt-out" in page
    assert state() == []


def test_another_reply_that_waits_to_be_read_holds_an_answer(wrote, answers, robin, carrier, now):
    reply = wrote(robin)
    wrote(robin, "bus stop")

    page = answers(reply)
    answering.run(now + MINUTE)

    assert "An answer waits: a reply of the person waits to be read" in page
    assert (carrier, state()) == ([], ["waiting"])


def test_two_colleagues_at_once_send_one_answer(wrote, answers, robin, carrier, now):
    reply = wrote(robin)
    answers(reply, "Yes", seen=0)
    page = answers(reply, "No", seen=0)
    answering.run(now + MINUTE)

    assert "somebody answered meanwhile" in page
    assert [one.body for one in carrier] == ["Yes"]


def test_a_second_answer_may_follow(wrote, answers, robin, carrier, now):
    reply = wrote(robin)
    answers(reply, "Yes")
    answers(reply, "And bring a pen")
    answering.run(now + MINUTE)

    assert sorted(one.body for one in carrier) == ["And bring a pen", "Yes"]


def test_mail_is_not_answered_here(login, now):
    reply = Reply.objects.create(value="a@example.com", channel="email", text="Hi", fact="f", at=now)

    assert (
        "Only texts are answered here" in login("support").get(f"/inbox/{reply.pk}/answer/").content.decode()
    )


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"sender_value": ""}, "to which number of ours"),
        ({"account_id": None}, "to which number of ours"),
        ({"value": "+12125550777"}, "No contact has the address"),
        ({"sender_value": "+12125550198"}, "is not registered"),
    ],
)
def test_where_it_cannot_be_answered_the_page_says_why(wrote, login, robin, change, words):
    reply = wrote(robin)
    for name, value in change.items():
        setattr(reply, name, value)
    reply.save()

    page = login("support").get(reverse("inbox:answer", args=[reply.pk])).content.decode()

    assert words in page
    assert "Send answer" not in page


def test_an_account_that_cannot_send_sends_nothing(wrote, answers, robin, carrier, account, now):
    reply = wrote(robin)
    answers(reply)
    Account.objects.filter(pk=account.pk).update(provider="gone")

    answering.run(now + MINUTE)

    assert (carrier, state()) == ([], ["dropped"])


def test_what_may_have_left_is_not_sent_again(wrote, answers, robin, monkeypatch, now):
    async def lose(message, credentials, client):
        raise LostAnswer("timed out")

    answers(wrote(robin))
    monkeypatch.setattr(PROVIDERS["sandbox"], "send", lose, raising=False)
    answering.run(now + MINUTE)
    answering.run(now + 2 * MINUTE)

    assert state() == ["in_doubt"]


def test_a_limit_reached_is_waited_for(wrote, answers, robin, monkeypatch, now):
    async def busy(message, credentials, client):
        return SendResult(False, retry_after=30)

    answers(wrote(robin))
    monkeypatch.setattr(PROVIDERS["sandbox"], "send", busy, raising=False)
    answering.run(now + MINUTE)

    answer = AutomaticAnswer.objects.get()
    assert (answer.state, answer.until) == ("waiting", now + timedelta(seconds=30))


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"text": "", "seen": 0},
        {"text": "a" * 321, "seen": 0},
        {"text": "a", "seen": "x"},
        {"text": "a", "seen": "9" * 40},
        {"text": "a\x00", "seen": 0},
    ],
)
def test_a_bad_answer_is_refused_in_words(wrote, login, robin, data):
    reply = wrote(robin)

    answer = login("support").post(reverse("inbox:answer", args=[reply.pk]), data)

    assert answer.status_code == 422
    assert "Nothing was sent yet" in answer.content.decode()
    assert state() == []


def test_who_may_only_read_answers_nothing(client, wrote, robin):
    from django.contrib.auth.models import Permission

    reply, reader = wrote(robin), factories.user()
    reader.user_permissions.add(Permission.objects.get(codename="view_reply"))
    client.force_login(reader)

    assert client.post(reverse("inbox:answer", args=[reply.pk]), {"text": "a", "seen": 0}).status_code == 403
    assert state() == []
