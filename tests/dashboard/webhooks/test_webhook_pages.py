"""The pages of endpoints: for administrators, the secret shown once, the log and its replays."""

from __future__ import annotations

import re

import pytest
from django.utils import timezone

from deliveries.models import WebhookDelivery, WebhookEndpoint
from deliveries.outgoing import payloads, subscriptions

pytestmark = pytest.mark.django_db
GIVEN = {"name": "CRM", "url": "https://crm.example.com/hook", "kinds": ["message.status", "decision"]}


@pytest.fixture
def admin(login):
    return login("admin")


@pytest.fixture
def there(admin):
    admin.post("/webhooks/new/", GIVEN)
    return WebhookEndpoint.objects.get()


def deliveries(there, *states):
    now = timezone.now()
    return [
        WebhookDelivery.objects.create(
            endpoint=there,
            kind="decision",
            subject="message 1",
            created_at=now,
            next_at=now,
            state=state,
            body=payloads.body("decision", now, {"reason": "Write to ada@example.com"}),
            tries=[
                {"at": now.isoformat(), "seconds": 0.1, "status": 500, "answer": "Not today", "trouble": ""}
            ],
        )
        for state in states
    ]


def test_the_secret_is_shown_once_and_another_one_when_it_is_replaced(admin):
    first = admin.post("/webhooks/new/", GIVEN)
    made = WebhookEndpoint.objects.get()

    [shown] = re.findall(r"whsec_[A-Za-z0-9+/=]+", first.content.decode())
    assert made.secret == {"now": shown}
    assert made.created_by == admin.user
    assert subscriptions.wanted("decision")
    assert not subscriptions.wanted("alert.opened")
    for page in ("/webhooks/", f"/webhooks/{made.pk}/", f"/webhooks/{made.pk}/edit/"):
        assert "whsec_" not in admin.get(page).content.decode()
    [second] = re.findall(
        r"whsec_[A-Za-z0-9+/=]+", admin.post(f"/webhooks/{made.pk}/secret/").content.decode()
    )
    made.refresh_from_db()
    assert made.secrets(timezone.now()) == [second, shown]


@pytest.mark.parametrize(
    "wrong",
    [
        {"url": "http://crm.example.com/"},
        {"url": "https://127.0.0.1/"},
        {"url": "x"},
        {"kinds": []},
        {"kinds": ["all"]},
        {"name": ""},
    ],
)
def test_what_cannot_be_is_refused(admin, wrong):
    assert admin.post("/webhooks/new/", {**GIVEN, **wrong}).status_code == 422
    assert not WebhookEndpoint.objects.exists()


def test_an_endpoint_is_changed_switched_off_and_on_and_removed(admin, there):
    page = f"/webhooks/{there.pk}/"
    admin.post(f"{page}edit/", {**GIVEN, "name": "Sales", "kinds": ["alert.opened"]})
    there.refresh_from_db()
    assert (there.name, there.kinds, bool(there.secret)) == ("Sales", ["alert.opened"], True)

    assert "Switch on" in admin.post(f"{page}switch/", {"on": "0"}, follow=True).content.decode()
    assert not subscriptions.wanted("alert.opened")
    assert "Switch off" in admin.post(f"{page}switch/", {"on": "1"}, follow=True).content.decode()

    admin.post(f"{page}delete/")
    assert not WebhookEndpoint.objects.exists()


def test_the_log_is_narrowed_and_what_was_given_up_sent_again(admin, there):
    failed, done, _ = deliveries(there, "failed", "delivered", "waiting")
    page = f"/webhooks/{there.pk}/"

    assert [row.pk for row in admin.get(f"{page}?state=failed").context["rows"]] == [failed.pk]
    assert admin.get(f"{page}?since=0001-01-01").status_code == 422
    assert admin.get(f"{page}?state=other").status_code == 422
    admin.post(f"{page}replay/", {"until": "2020-01-01"})
    failed.refresh_from_db()
    assert failed.state == "failed"
    admin.post(f"{page}replay/", {})
    failed.refresh_from_db()
    done.refresh_from_db()
    assert (failed.state, done.state) == ("waiting", "delivered")


def test_one_delivery_shows_what_was_sent_and_answered_and_is_sent_again(admin, there):
    [failed] = deliveries(there, "failed")
    page = f"/webhooks/deliveries/{failed.pk}/"

    shown = admin.get(page).content.decode()
    assert failed.webhook_id in shown
    assert "Not today" in shown
    admin.post(f"{page}replay/")
    failed.refresh_from_db()
    assert failed.state == "waiting"


def test_a_test_is_sent(admin, there):
    shown = admin.post(f"/webhooks/{there.pk}/test/", follow=True).content.decode()

    assert WebhookDelivery.objects.get().kind == "ping"
    assert "on its way" in shown


@pytest.mark.parametrize("role", ["marketer", "support"])
def test_they_are_for_administrators(login, there, role):
    [failed] = deliveries(there, "failed")
    client = login(role)

    for page in ("", "new/", f"{there.pk}/", f"{there.pk}/edit/", f"deliveries/{failed.pk}/"):
        assert client.get(f"/webhooks/{page}").status_code == 403
    for act in ("secret", "switch", "test", "delete", "replay"):
        assert client.post(f"/webhooks/{there.pk}/{act}/").status_code == 403
    assert client.post(f"/webhooks/deliveries/{failed.pk}/replay/").status_code == 403
    assert WebhookEndpoint.objects.exists()


def test_pages_ask_as_often_however_long_the_log(admin, there):
    def queries():
        from django.db import connection
        from django.test.utils import CaptureQueriesContext

        with CaptureQueriesContext(connection) as seen:
            admin.get(f"/webhooks/{there.pk}/")
            admin.get("/webhooks/")
        return len(seen)

    deliveries(there, "failed")
    few = queries()
    deliveries(there, *["waiting"] * 60)

    assert queries() == few
    assert "?before=" in admin.get(f"/webhooks/{there.pk}/").content.decode()
