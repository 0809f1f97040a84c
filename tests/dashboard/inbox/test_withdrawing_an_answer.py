"""An answer that waits for its hours can be taken back by whoever wrote it, and then never leaves."""

from __future__ import annotations

from datetime import timedelta

import pytest
import time_machine

from contacts.answering import PERSON_RECONSIDERS
from contacts.models import AutomaticAnswer, Reply
from deliveries.providers import PROVIDERS
from deliveries.providers.facts import SendResult
from deliveries.sending import answering
from tests import factories
from tests.engine import person

pytestmark = pytest.mark.django_db
OURS = "+12125550199"
NIGHT = timedelta(hours=12)  # after noon in Chicago


@pytest.fixture
def reply(now):
    factories.sender("sms", value=OURS)
    robin = person("sms", at=now, name="Robin Doe")
    return Reply.objects.create(
        value=robin.addresses.get(kind="phone").value, channel="sms", text="Open?", fact="x", at=now,
        sender_value=OURS, account_id=factories.account().pk,
    )  # fmt: skip


@pytest.fixture
def sent(monkeypatch):
    made = []

    async def send(message, credentials, client):
        made.append(message.body)
        return SendResult(True, provider_message_id=f"id-{len(made)}")

    monkeypatch.setattr(PROVIDERS["sandbox"], "send", send, raising=False)
    return made


def write(client, reply):
    client.post(f"/inbox/{reply.pk}/answer/", {"text": "Until six.", "seen": 0})
    return AutomaticAnswer.objects.get()


def test_it_is_withdrawn_by_whoever_wrote_it_and_never_sent(reply, sent, login, now):
    client = login("support")
    with time_machine.travel(now + NIGHT, tick=False):
        row = write(client, reply)
        answering.run(now + NIGHT)
        assert "Withdraw this answer" in client.get(f"/inbox/{reply.pk}/answer/").content.decode()

        page = client.post(f"/inbox/{reply.pk}/answer/{row.pk}/withdraw/", follow=True).content.decode()

    assert "The answer is withdrawn" in page
    assert "before it left" in page
    assert "Withdraw this answer" not in page
    answering.run(now + 2 * NIGHT)
    assert sent == []
    row.refresh_from_db()
    assert row.state == AutomaticAnswer.State.DROPPED


def test_nobody_else_withdraws_it_and_nobody_what_has_left(reply, sent, login, now):
    author, other = login("support"), login("marketer")
    with time_machine.travel(now, tick=False):
        row = write(author, reply)
        place = f"/inbox/{reply.pk}/answer/{row.pk}/withdraw/"
        refused = other.post(place, follow=True).content.decode()
    with time_machine.travel(now + PERSON_RECONSIDERS, tick=False):
        answering.run(now + PERSON_RECONSIDERS)
        late = author.post(place, follow=True).content.decode()

    assert f"It cannot be withdrawn by you: {author.user.display_name} wrote it." in refused
    assert "It cannot be withdrawn: it has left already." in late
    assert sent == ["Until six."]
    row.refresh_from_db()
    assert row.state == AutomaticAnswer.State.SENT


def test_it_waits_half_a_minute_so_that_it_can_be_withdrawn(reply, sent, login, now):
    client = login("support")
    with time_machine.travel(now, tick=False):
        row = write(client, reply)
    with time_machine.travel(now + timedelta(seconds=29), tick=False):
        answering.run(now + timedelta(seconds=29))
        assert "Leaves in 1 second." in client.get(f"/inbox/{reply.pk}/answer/").content.decode()
        page = client.post(f"/inbox/{reply.pk}/answer/{row.pk}/withdraw/", follow=True).content.decode()
        again = client.post(f"/inbox/{reply.pk}/answer/{row.pk}/withdraw/", follow=True).content.decode()
    answering.run(now + timedelta(seconds=31))

    assert "The answer is withdrawn" in page
    assert "there is nothing to withdraw" in again
    assert sent == []


def test_an_answer_to_another_reply_is_not_found(reply, login, now):
    client = login("support")
    with time_machine.travel(now, tick=False):
        row = write(client, reply)

    assert client.post(f"/inbox/{reply.pk + 1}/answer/{row.pk}/withdraw/").status_code == 404
