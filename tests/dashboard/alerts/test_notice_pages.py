"""What people say of which alerts they get, and the channels of administrators."""

from __future__ import annotations

import pytest

from deliveries.alerting import apprise_sending
from deliveries.models import AlertChannel, AlertPreference

pytestmark = pytest.mark.django_db
SECRET = "slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ"


@pytest.fixture
def admin(login):
    return login("admin")


def given(**fields):
    return {"name": "Ops", "kind": "shared", "when": "at_once", "least": "warning", "url": SECRET, **fields}


@pytest.mark.parametrize("role", ["marketer", "support", "admin"])
def test_everybody_says_what_they_get(login, role):
    client = login(role)

    client.post("/alerts/notices/", {"when": "daily", "least": "warning"})

    kept = AlertPreference.objects.get()
    assert (kept.user, kept.when, kept.least) == (client.user, "daily", "warning")
    assert 'value="daily" selected' in client.get("/alerts/notices/").content.decode()
    assert client.post("/alerts/notices/", {"when": "always", "least": "x"}).status_code == 422


def test_a_channel_is_added_and_its_secret_never_shown_again(admin):
    assert admin.post("/alerts/channels/new/", given()).status_code == 302

    made = AlertChannel.objects.get()
    assert made.secret == {"url": SECRET}
    for page in ("/alerts/notices/", f"/alerts/channels/{made.pk}/"):
        assert "TIiajkdnlazkcOXrIdevi7FQ" not in admin.get(page).content.decode()

    admin.post(f"/alerts/channels/{made.pk}/", given(name="Operations", url=""))
    made = AlertChannel.objects.get()
    assert (made.name, made.secret) == ("Operations", {"url": SECRET})


@pytest.mark.parametrize(
    "wrong", [{"url": ""}, {"url": "syslog://"}, {"url": "slack://x"}, {"kind": "mail"}, {"name": ""}]
)
def test_what_cannot_be_sent_to_is_refused(admin, wrong):
    assert admin.post("/alerts/channels/new/", given(**wrong)).status_code == 422
    assert not AlertChannel.objects.exists()


def test_a_second_mail_server_is_refused(admin):
    mail = given(kind="mail", url="mailtos://user:secret@smtp.example.com")
    admin.post("/alerts/channels/new/", mail)

    assert admin.post("/alerts/channels/new/", {**mail, "name": "Another"}).status_code == 422


def test_a_test_says_what_came_of_it(admin, monkeypatch):
    admin.post("/alerts/channels/new/", given())
    made = AlertChannel.objects.get()

    def refuses(url, title, text):
        raise apprise_sending.NotTaken("slack did not take it: its address or token is wrong.")

    monkeypatch.setattr(apprise_sending, "send", refuses)
    assert "did not take it" in admin.post(f"/alerts/channels/{made.pk}/test/", follow=True).content.decode()
    assert AlertChannel.objects.get().trouble

    monkeypatch.setattr(apprise_sending, "send", lambda url, title, text: None)
    assert "Ops took it." in admin.post(f"/alerts/channels/{made.pk}/test/", follow=True).content.decode()
    assert not AlertChannel.objects.get().trouble


def test_channels_are_for_administrators(login, admin):
    admin.post("/alerts/channels/new/", given())
    made = AlertChannel.objects.get()
    marketer = login("marketer")

    assert "Ops" not in marketer.get("/alerts/notices/").content.decode()
    for address in ("new/", f"{made.pk}/", f"{made.pk}/test/", f"{made.pk}/delete/"):
        assert marketer.post(f"/alerts/channels/{address}", given()).status_code == 403
    assert AlertChannel.objects.exists()

    admin.post(f"/alerts/channels/{made.pk}/delete/")
    assert not AlertChannel.objects.exists()
