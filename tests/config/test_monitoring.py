"""/healthz and /readyz: what they say, and to whom."""

from __future__ import annotations

import errno
import os
from datetime import timedelta
from types import SimpleNamespace

import pytest
from django.db import DatabaseError
from django.utils import timezone

from deliveries.models import Heartbeat, Outbox, PendingReceipt
from deliveries.running import heartbeat, probes, waiting
from tests import factories

pytestmark = pytest.mark.django_db


@pytest.fixture
def beat():
    """The worker was at work just now."""
    return factories.heartbeat()


def test_healthz_needs_no_database(client, django_assert_num_queries):
    with django_assert_num_queries(0):
        response = client.get("/healthz")

    assert (response.status_code, response.content) == (200, b"ok")


def test_ready_when_every_check_passes(client, beat):
    response = client.get("/readyz")

    assert response.status_code == 200
    assert response.json()["ready"] is True
    assert set(response.json()["checks"]) == {"database", "broker", "worker", "receipts", "disk"}


def test_not_ready_before_a_worker_was_ever_seen(client):
    response = client.get("/readyz")

    assert response.status_code == 503
    assert response.json()["checks"]["worker"] == {"ok": False, "problem": "No worker has been at work yet."}


def test_not_ready_when_the_worker_has_gone_quiet(client, beat, settings):
    Heartbeat.objects.update(at=timezone.now() - timedelta(seconds=settings.READY_HEARTBEAT_SECONDS + 5))

    response = client.get("/readyz")

    assert response.status_code == 503
    assert response.json()["checks"]["worker"]["ok"] is False
    assert response.json()["checks"]["receipts"]["ok"] is True


@pytest.mark.parametrize("ahead", [timedelta(minutes=2), timedelta(hours=1), timedelta(days=400)])
def test_a_sign_of_life_from_the_future_is_none(client, beat, ahead):
    Heartbeat.objects.update(at=timezone.now() + ahead)

    response = client.get("/readyz")

    assert response.status_code == 503
    assert "ahead of the clock" in response.json()["checks"]["worker"]["problem"]


def test_clocks_of_two_machines_may_differ_a_little(client, beat):
    Heartbeat.objects.update(at=timezone.now() + timedelta(seconds=20))

    check = client.get("/readyz").json()["checks"]["worker"]
    assert (check["ok"], check["age_seconds"]) == (True, 0.0)


def test_a_worker_leaves_a_sign_again_after_its_clock_was_set_back(beat):
    Heartbeat.objects.update(at=timezone.now() + timedelta(days=1))

    heartbeat.Reporter().begin("record", [])

    now = timezone.now()
    assert heartbeat.age(heartbeat.signs(now), now) < 5


def test_not_ready_when_the_disk_is_nearly_full(client, beat, monkeypatch):
    monkeypatch.setattr(probes.shutil, "disk_usage", lambda folder: SimpleNamespace(free=5_000_000))

    response = client.get("/readyz")

    assert response.status_code == 503
    assert response.json()["checks"]["disk"]["problem"] == "Only 5 MB are free where the data is kept."


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EDQUOT, errno.EIO, errno.EACCES])
def test_not_ready_when_nothing_can_be_written(client, beat, monkeypatch, number):
    def refuse(dir):
        raise OSError(number, "no", "/srv/secret/place")

    monkeypatch.setattr(probes.tempfile, "TemporaryFile", refuse)

    response = client.get("/readyz")

    assert response.status_code == 503
    assert os.strerror(number) in response.json()["checks"]["disk"]["problem"]
    assert b"secret" not in response.content


def test_not_ready_when_the_folder_of_the_data_is_gone(client, beat, settings, tmp_path):
    settings.VAR_DIR = tmp_path / "gone"

    assert client.get("/readyz").json()["checks"]["disk"]["ok"] is False


def test_looking_at_the_disk_leaves_nothing_behind(client, beat, settings, tmp_path):
    settings.VAR_DIR = tmp_path

    assert client.get("/readyz").status_code == 200
    assert not list(tmp_path.iterdir())


def test_not_ready_when_receipts_pile_up(client, beat, settings):
    factories.receipt(received_at=timezone.now() - timedelta(seconds=settings.READY_RECEIPT_SECONDS + 5))

    response = client.get("/readyz")

    assert response.status_code == 503
    assert "receipt" in response.json()["checks"]["receipts"]["problem"]


def test_parked_receipts_do_not_count_as_waiting(client, beat):
    factories.receipt(state="parked", received_at=timezone.now() - timedelta(days=2))

    assert client.get("/readyz").status_code == 200


def test_a_parked_receipt_that_is_tried_once_more_does_not_count_as_waiting(client, beat):
    factories.receipt(received_at=timezone.now() - timedelta(hours=2))
    PendingReceipt.objects.update(attempts=3)

    assert client.get("/readyz").status_code == 200


def test_a_database_that_is_away_is_said_plainly(client, beat, monkeypatch):
    def broken(now):
        raise DatabaseError("could not connect to postgresql://waybill:hunter2@db.example.com")

    monkeypatch.setitem(probes.CHECKS, "database", broken)

    response = client.get("/readyz")

    assert response.status_code == 503
    assert response.json()["checks"]["database"] == {"ok": False, "problem": "The database does not answer."}
    assert b"hunter2" not in response.content


def test_redis_is_asked_where_it_is_the_broker(client, beat, settings, redis_url):
    settings.REDIS_URL = redis_url

    assert client.get("/readyz").json()["checks"]["broker"] == {"ok": True, "kind": "redis"}


def test_a_redis_that_is_away_is_said_plainly(client, beat, settings):
    settings.REDIS_URL = "redis://:hunter2@127.0.0.1:1/0"

    response = client.get("/readyz")

    assert response.status_code == 503
    assert response.json()["checks"]["broker"] == {"ok": False, "problem": "Redis does not answer."}


def test_only_reading_is_allowed(client):
    assert client.post("/readyz").status_code == 405


def test_monitors_are_not_sent_to_https(client, beat, settings):
    settings.SECURE_SSL_REDIRECT = True

    assert client.get("/healthz").status_code == 200
    assert client.get("/readyz").status_code == 200


def test_the_oldest_due_message_is_found_among_urgent_and_ordinary_ones():
    now = timezone.now()
    for hours, urgent, claimed in ((-3, False, None), (-2, True, None), (-9, False, now), (5, True, None)):
        message = factories.message(status="queued")
        Outbox.objects.create(
            message=message,
            campaign_id=message.campaign_id,
            account_id=message.account_id,
            sender_id=message.sender_id or 0,
            urgent=urgent,
            due_at=now + timedelta(hours=hours),
            claimed_until=claimed,
        )

    assert waiting.oldest_due(now) == now - timedelta(hours=3)


def test_not_ready_when_nobody_is_at_work_on_one_of_the_roles(client):
    factories.heartbeat("record", "decide", "rest")

    response = client.get("/readyz")

    assert response.status_code == 503
    problem = response.json()["checks"]["worker"]["problem"]
    assert problem == "No process is at work on: send."

    factories.heartbeat("send")
    assert client.get("/readyz").status_code == 200


def test_a_process_that_hangs_behind_others_is_counted(client, beat):
    factories.heartbeat("send", at=timezone.now() - timedelta(minutes=10))

    response = client.get("/readyz")

    assert response.status_code == 200
    assert response.json()["checks"]["worker"]["silent_processes"] == 1


def test_what_waits_for_an_account_that_rests_is_not_overdue():
    now = timezone.now()
    account = factories.account(paused_until=now + timedelta(minutes=5))
    message = factories.message(account=account)
    Outbox.objects.create(
        message=message, campaign_id=1, account_id=account.pk, sender_id=1, due_at=now - timedelta(hours=1)
    )

    assert waiting.overdue(["send"], now) is None

    account.paused_until = None
    account.save()
    assert waiting.overdue(["send"], now) == now - timedelta(hours=1)
