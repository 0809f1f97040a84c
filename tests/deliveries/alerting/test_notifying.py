"""Alerts go out once to each channel and person, at once or once a day; a channel that fails stops nothing."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from django.contrib.auth.models import Permission

from deliveries.alerting import apprise_sending, notifying
from deliveries.models import Alert, AlertChannel, AlertNotice, AlertPreference
from tests import factories

pytestmark = pytest.mark.django_db
MINUTE = timedelta(minutes=1)


class Chat:
    """A web address that takes what is posted there, or refuses it."""

    def __init__(self) -> None:
        self.got: list[dict] = []
        self.answer = 200
        chat = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if chat.answer == 200:
                    chat.got.append(json.loads(body))
                self.send_response(chat.answer)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *given: object) -> None:
                pass

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"json://127.0.0.1:{self.server.server_port}/alerts"


@pytest.fixture
def chat() -> Iterator[Chat]:
    made = Chat()
    yield made
    made.server.shutdown()
    made.server.server_close()


def alert(now, severity="urgent", sentence="Spring sale stopped by itself.", kind="stopped"):
    return Alert.objects.create(
        cause=f"{kind}:{Alert.objects.count()}", kind=kind, severity=severity, sentence=sentence, seen_at=now,
        last_seen_at=now, raised_at=now,
    )  # fmt: skip


def channel(url, **fields):
    return AlertChannel.objects.create(
        name=f"Channel {AlertChannel.objects.count()}", secret={"url": url}, **fields
    )


def test_each_alert_is_sent_once(chat, now):
    channel(chat.url)
    made = alert(now)

    for minute in range(4):
        notifying.run(now + minute * MINUTE)

    [sent] = chat.got
    assert sent["title"] == "Waybill: Campaign stopped by itself"
    assert sent["message"].startswith("Spring sale stopped by itself.\nLook at what failed")
    assert sent["message"].endswith(f"/alerts/{made.pk}/")
    assert AlertChannel.objects.get().sent_at == now


def test_a_channel_gets_what_it_asked_for(chat, now):
    channel(chat.url, least="urgent")
    alert(now, "warning", "Acme is slow.", "latency")
    alert(now, "notice", "Spring sale is finished.", "finished")

    notifying.run(now)

    assert not chat.got


def test_once_a_day_all_come_in_one_text_the_most_urgent_first(chat, now, settings):
    channel(chat.url, when="daily")
    alert(now, "warning", "Acme is slow.", "latency")
    alert(now + MINUTE)
    notifying.run(now + MINUTE)
    assert not chat.got

    notifying.run(now + timedelta(hours=24))

    [sent] = chat.got
    assert sent["title"] == "Waybill: 2 alerts"
    assert sent["message"].index("Spring sale") < sent["message"].index("Acme is slow.")


def test_a_channel_that_fails_shows_it_and_is_tried_again(chat, now):
    channel(chat.url)
    alert(now)
    chat.answer = 500

    notifying.run(now)

    failing = AlertChannel.objects.get()
    assert failing.trouble.startswith("json did not take it")
    assert chat.url not in failing.trouble
    chat.answer = 200
    notifying.run(now + timedelta(seconds=30))  # not yet
    assert not chat.got
    notifying.run(now + 2 * MINUTE)
    assert len(chat.got) == 1
    assert AlertChannel.objects.get().trouble == ""


def test_one_that_fails_keeps_no_other_from_being_told(chat, now):
    channel("json://127.0.0.1:9/nobody-listens")
    channel(chat.url)
    alert(now)

    notifying.run(now)

    assert len(chat.got) == 1


def test_services_that_take_long_leave_time_for_other_work(chat, now, monkeypatch):
    monkeypatch.setattr(notifying, "SECONDS_AT_ONCE", 0)
    channel(chat.url)
    channel(chat.url)
    alert(now)

    notifying.run(now)
    assert len(chat.got) == 1
    notifying.run(now)
    assert len(chat.got) == 2


def test_only_who_may_see_alerts_is_sent_any(now, monkeypatch):
    sent = []
    monkeypatch.setattr(apprise_sending, "send", lambda url, title, text: sent.append(url))
    channel("mailtos://user:secret@smtp.example.com", kind="mail")
    by_group = factories.user("support", email="group@example.com")
    by_themselves = factories.user(email="own@example.com")
    by_themselves.user_permissions.add(Permission.objects.get(codename="view_alert"))
    superuser = factories.user(email="super@example.com", is_superuser=True)
    never = factories.user(email="never@example.com")
    no_more = factories.user("support", email="no.more@example.com")
    for person in (by_group, by_themselves, superuser, never, no_more):
        AlertPreference.objects.create(user=person, when="daily", least="urgent")
    alert(now)
    notifying.run(now)
    no_more.groups.clear()

    notifying.run(now + timedelta(days=1))

    to = {url.rpartition("to=")[2] for url in sent}
    assert to == {"group%40example.com", "own%40example.com", "super%40example.com"}


def test_who_has_left_since_is_sent_nothing(now, monkeypatch):
    sent = []
    monkeypatch.setattr(apprise_sending, "send", lambda *given: sent.append(given))
    channel("mailtos://user:secret@smtp.example.com", kind="mail")
    person = factories.user("marketer", email="ann@example.com")
    AlertPreference.objects.create(user=person, when="daily", least="urgent")
    alert(now)
    notifying.run(now)
    type(person).objects.filter(pk=person.pk).update(is_active=False)

    notifying.run(now + timedelta(days=1))

    assert not sent


def test_who_may_see_alerts_again_gets_none_that_came_meanwhile(now, monkeypatch):
    sent = []
    monkeypatch.setattr(apprise_sending, "send", lambda *given: sent.append(given))
    channel("mailtos://user:secret@smtp.example.com", kind="mail")
    person = factories.user("marketer", email="ann@example.com")
    AlertPreference.objects.create(user=person, when="daily", least="urgent")
    alert(now)
    notifying.run(now)
    groups = list(person.groups.all())
    person.groups.clear()
    notifying.run(now + timedelta(days=1))
    person.groups.set(groups)

    notifying.run(now + timedelta(days=2))

    assert not sent
    assert AlertNotice.objects.get().trouble == notifying.NOT_THEIRS


def test_in_the_end_it_is_given_up(now):
    channel("json://127.0.0.1:9/nobody-listens")
    alert(now)

    for day in range(20):
        notifying.run(now + timedelta(days=day))

    assert AlertNotice.objects.get().attempts == len(notifying.PAUSES) + 1


def test_a_person_gets_theirs_by_the_mail_server(now, monkeypatch):
    sent = []
    monkeypatch.setattr(apprise_sending, "send", lambda url, title, text: sent.append((url, title)))
    channel("mailtos://user:secret@smtp.example.com", kind="mail")
    wants = factories.user("marketer", email="ann+alerts@example.com")
    AlertPreference.objects.create(user=wants, when="at_once", least="urgent")
    AlertPreference.objects.create(user=factories.user("support", email="b@example.com"), when="never")
    left = factories.user("support", email="c@example.com", is_active=False)
    AlertPreference.objects.create(user=left, when="at_once", least="urgent")
    alert(now)

    notifying.run(now)

    address = "mailtos://user:secret@smtp.example.com?to=ann%2Balerts%40example.com"
    assert sent == [(address, "Waybill: Campaign stopped by itself")]


def test_without_a_mail_server_it_is_said_with_the_notice(now):
    person = factories.user("marketer", email="ann@example.com")
    AlertPreference.objects.create(user=person, when="at_once", least="urgent")
    alert(now)

    notifying.run(now)

    assert AlertNotice.objects.get().trouble == "No mail server is set for alerts."


def test_what_is_stored_of_a_channel_does_not_hold_its_secret_in_the_open(now, django_assert_num_queries):
    from django.db import connection

    channel("slack://tokenA/tokenB/tokenC")

    with connection.cursor() as cursor:
        cursor.execute("SELECT secret FROM deliveries_alertchannel")
        assert "tokenB" not in cursor.fetchone()[0]


@pytest.mark.parametrize(
    "url",
    [
        "syslog://", "dbus://", "file:///etc/passwd", "exec://ls", "nonsense", "json://",
        # What apprise would read, and send there.
        "workflows://chat.example.com/workflow/signature/?template=/etc/hostname",
        "slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ/?%74emplate=http://10.0.0.1/",
        "mailtos://user:secret@smtp.example.com?to=a@example.com&PGPPRV=/etc/hostname",
    ],
)  # fmt: skip
def test_only_services_are_written_to(url):
    with pytest.raises(apprise_sending.BadAddress):
        apprise_sending.check(url)
    with pytest.raises(apprise_sending.BadAddress):
        apprise_sending.send(url, "Title", "Text")
