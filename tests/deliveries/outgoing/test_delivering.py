"""Deliveries as a receiver sees them: signed, in order, at least once, and for a day."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from datetime import timedelta
from itertools import pairwise

import pytest
from django.db import transaction
from django.utils import timezone
from standardwebhooks import Webhook, WebhookVerificationError

from deliveries.alerting.of_providers import webhooks
from deliveries.models import EventKind, WebhookDelivery, WebhookEndpoint, WebhookEvent
from deliveries.outgoing import delivering, events, payloads, secrets
from tests import engine, factories
from tests.deliveries.outgoing.receiver import deliver, endpoint, row, wait_for

pytestmark = pytest.mark.django_db(transaction=True)
STATUS = [EventKind.MESSAGE_STATUS]


def reported(message, meaning, now, code=""):
    engine.report(message, meaning, now, code)


def test_every_delivery_is_verified_and_each_altered_one_refused(receiver, now):
    there = endpoint(receiver.url, STATUS)
    message = factories.message(status="queued", precedence=0)
    reported(message, engine.DELIVERED, now)

    deliver(now)

    [(_, headers, body)] = receiver.got
    by = Webhook(there.secret["now"])
    assert by.verify(body, headers)["data"]["message_id"] == message.pk
    altered = [
        (body.replace("delivered", "failed"), headers),
        (body, {**headers, "webhook-id": "msg_other"}),
        (body, {**headers, "webhook-timestamp": str(int(headers["webhook-timestamp"]) + 1)}),
        (body, {**headers, "webhook-signature": headers["webhook-signature"][:-4] + "AAA="}),
    ]
    for changed, with_headers in altered:
        with pytest.raises(WebhookVerificationError):
            by.verify(changed, with_headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(secrets.new_secret()).verify(body, headers)
    assert row().state == "delivered"
    assert row().webhook_id == headers["webhook-id"]
    assert row().tries[0]["answer"].startswith("understood")
    assert len(row().tries[0]["answer"]) <= 2_000


def test_while_a_secret_is_replaced_both_verify(receiver, now):
    there = endpoint(receiver.url)
    former = there.secret["now"]
    fresh = secrets.rotate(there, now)
    payloads.ping(there, now)

    deliver(now)
    payloads.ping(there, now + timedelta(days=2))
    deliver(now + timedelta(days=2))

    (_, first, body), (_, second, later) = receiver.got
    for secret in (former, fresh):
        assert Webhook(secret).verify(body, first)["type"] == "ping"
    assert Webhook(fresh).verify(later, second)
    with pytest.raises(WebhookVerificationError):
        Webhook(former).verify(later, second)


def test_what_is_rolled_back_is_told_to_nobody(receiver, now):
    endpoint(receiver.url)
    message = factories.message(status="queued", precedence=0)
    WebhookEvent.objects.all().delete()

    with transaction.atomic():
        reported(message, engine.DELIVERED, now)
        assert WebhookEvent.objects.exists()
        transaction.set_rollback(True)

    assert deliver(now) == 0
    assert receiver.got == []


def test_without_an_endpoint_that_asks_nothing_is_written(now):
    endpoint("https://crm.example.com/", [EventKind.FINISHED])
    reported(factories.message(status="queued", precedence=0), engine.DELIVERED, now)

    assert not WebhookEvent.objects.exists()


def test_the_next_event_of_a_message_waits_for_the_earlier_one(receiver, now):
    endpoint(receiver.url, STATUS)
    one, other = (factories.message(status="queued", precedence=0) for _ in range(2))
    reported(one, engine.SENT, now)
    reported(one, engine.DELIVERED, now)
    reported(other, engine.SENT, now)
    receiver.answer = lambda path, body: 500 if json.loads(body)["data"]["message_id"] == one.pk else 200

    deliver(now)

    tried = [(data["message_id"], data["status"]) for data in map(data_of, receiver.got)]
    assert sorted(tried) == sorted([(one.pk, "sent"), (other.pk, "sent")])
    receiver.answer = lambda path, body: 200
    receiver.got.clear()
    deliver(now + timedelta(minutes=1))
    assert [data["status"] for data in map(data_of, receiver.got)] == ["sent", "delivered"]


def data_of(call):
    return json.loads(call[2])["data"]


def test_it_is_tried_for_a_day_by_one_id_then_the_endpoint_is_off_and_an_alert_says_so(receiver, now):
    there = endpoint(receiver.url, STATUS)
    reported(factories.message(status="queued", precedence=0), engine.SENT, now)
    receiver.answer = lambda path, body: 503

    deliver(now)
    moments = [now]
    while row().state == "waiting":
        at = max(row().next_at, WebhookEndpoint.objects.get().rests_until or now)
        moments.append(at)
        deliver(at)

    gaps = [round((later - earlier).total_seconds()) for earlier, later in pairwise(moments)]
    assert len(receiver.got) == len(moments) >= 8
    assert gaps[:-1] == sorted(gaps[:-1])
    assert timedelta(days=1) <= moments[-1] - now < timedelta(days=1, hours=1)
    assert len({headers["webhook-id"] for _, headers, _ in receiver.got}) == 1
    there.refresh_from_db()
    assert (row().state, bool(there.disabled_at)) == ("failed", True)
    assert [one.sentence for one in webhooks(now, None)] == [
        f"{there.name} gets no events any more. It took nothing for a day."
    ]


def test_one_event_that_is_never_taken_does_not_switch_off_an_endpoint_that_takes_others(receiver, now):
    there = endpoint(receiver.url, STATUS)
    bad = factories.message(status="queued", precedence=0)
    reported(bad, engine.SENT, now)
    receiver.answer = lambda path, body: 400 if data_of((0, 0, body))["message_id"] == bad.pk else 200
    at = now
    deliver(at)

    while WebhookDelivery.objects.get(subject=f"message {bad.pk}").state == "waiting":
        at = WebhookDelivery.objects.get(subject=f"message {bad.pk}").next_at
        reported(factories.message(status="queued", precedence=0), engine.SENT, at)
        deliver(at)

    there.refresh_from_db()
    assert there.disabled_at is None


def test_gone_switches_it_off_at_once(receiver, now):
    there = endpoint(receiver.url, STATUS)
    reported(factories.message(status="queued", precedence=0), engine.SENT, now)
    receiver.answer = lambda path, body: 410

    deliver(now)

    there.refresh_from_db()
    assert "410" in there.disabled_why
    reported(factories.message(status="queued", precedence=0), engine.SENT, now)
    assert deliver(now + timedelta(days=1)) == 0


def test_a_redirect_is_not_followed(receiver, now):
    there = endpoint(receiver.url, STATUS)
    payloads.ping(there, now)
    receiver.answer = lambda path, body: 302
    receiver.headers = {"location": f"{receiver.url}/elsewhere"}

    deliver(now)

    assert [path for path, *_ in receiver.got] == ["/hook"]
    assert "redirect" in row().tries[0]["trouble"]


def test_a_slow_endpoint_holds_up_no_other(receiver, now):
    slow = endpoint(receiver.url + "/slow", STATUS)
    endpoint(receiver.url + "/fast", STATUS)
    let_go = []

    def answer(path, body):
        if path.endswith("slow"):
            wait_for(lambda: let_go)
        return 200

    receiver.answer = answer
    for _ in range(3):
        reported(factories.message(status="queued", precedence=0), engine.SENT, now)

    delivering.run(now)
    try:
        wait_for(lambda: WebhookDelivery.objects.filter(state="delivered").count() == 3, 5)
        assert not WebhookDelivery.objects.filter(endpoint=slow, state="delivered").exists()
    finally:
        let_go.append(True)
        assert delivering.caller().finish(15)
    assert WebhookDelivery.objects.filter(state="delivered").count() == 6


def test_what_was_given_up_is_replayed_by_the_same_id(receiver, now):
    there = endpoint(receiver.url, STATUS)
    reported(factories.message(status="queued", precedence=0), engine.SENT, now)
    receiver.answer = lambda path, body: 410
    deliver(now)

    there.refresh_from_db()
    delivering.enable(there, now)
    assert delivering.replay(WebhookDelivery.objects.filter(state="failed"), now) == 1
    receiver.answer = lambda path, body: 200
    deliver(now)

    assert row().state == "delivered"
    assert len({headers["webhook-id"] for _, headers, _ in receiver.got}) == 1
    assert [one["status"] for one in row().tries] == [410, 200]


def test_addresses_are_masked_unless_the_endpoint_shows_them_and_its_maker_may_see_them(receiver, now):
    endpoint(receiver.url + "/masked", STATUS)
    endpoint(receiver.url + "/whole", STATUS, whole=True, created_by=factories.user("admin"))
    endpoint(receiver.url + "/not", STATUS, whole=True, created_by=factories.user("marketer"))
    message = factories.message(status="queued", precedence=0)
    reported(message, engine.SENT, now)

    deliver(now)

    shown = {path: data_of((0, 0, body))["address"] for path, _, body in receiver.got}
    assert shown["/hook/whole"] == message.address.value
    assert shown["/hook/masked"] == shown["/hook/not"] != message.address.value


@pytest.mark.processes
def test_a_worker_killed_before_it_stored_the_answer_delivers_again_by_the_same_id(
    receiver, process_env
):
    there = endpoint(receiver.url, STATUS)
    payloads.ping(there, timezone.now())
    environment = {**process_env, "WEBHOOK_NETWORKS": "127.0.0.0/8", "WEBHOOK_HTTP": "1"}
    worker = subprocess.Popen(
        [sys.executable, "manage.py", "drain", "--forever"],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )

    def killed(path, body):
        os.kill(worker.pid, signal.SIGKILL)
        return 200

    receiver.answer = killed
    try:
        wait_for(lambda: receiver.got, 60)
    finally:
        worker.kill()
        worker.wait()
    receiver.answer = lambda path, body: 200
    assert row().state == "waiting"
    deliver(row().next_at)

    assert row().state == "delivered"
    assert len(receiver.got) == 2
    assert len({headers["webhook-id"] for _, headers, _ in receiver.got}) == 1


def test_the_kinds_that_are_noted_one_by_one(now):
    endpoint("https://crm.example.com/")
    message = factories.message()
    events.note_statuses([message], now)

    assert payloads.hand_out(now) == WebhookDelivery.objects.count() == 1
