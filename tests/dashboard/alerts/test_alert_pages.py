"""The pages about alerts: what is read there, and who may do what."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.utils import timezone

from deliveries.models import Alert, AlertSetting
from tests import factories

pytestmark = pytest.mark.django_db


def alert(**fields):
    now = timezone.now()
    values = {
        "cause": f"route:{Alert.objects.count()}", "kind": "route", "severity": "warning",
        "sentence": "Acme refuses SMS.", "url": "/routes/", "seen_at": now, "last_seen_at": now, "raised_at": now,
    }  # fmt: skip
    return Alert.objects.create(**values | fields)


def text(client, path):
    response = client.get(path)
    assert response.status_code == 200
    return " ".join(re.sub(r"<[^>]+>", " ", response.content.decode()).split())


@pytest.mark.parametrize("role", ["marketer", "support", "admin"])
def test_everybody_sees_what_is_wrong_and_the_rail_counts_it(login, role):
    client = login(role)
    alert()
    alert(severity="notice", kind="finished", sentence="Spring sale is finished.")
    alert(raised_at=None, sentence="Not for long enough.")

    page = text(client, "/alerts/")

    assert "Acme refuses SMS." in page
    assert "Spring sale is finished." in page
    assert "Not for long enough." not in page
    assert "Alerts 1 Campaigns" in page
    assert "1 alert is open. Acme refuses SMS." in text(client, "/")


def test_whoever_may_do_nothing_sees_nothing(login):
    made = alert()
    client = login("")

    assert client.get("/alerts/").status_code == 403
    assert client.get(f"/alerts/{made.pk}/").status_code == 403
    assert client.post(f"/alerts/{made.pk}/act/", {"what": "take"}).status_code == 403
    assert client.get("/alerts/thresholds/").status_code == 403


def test_a_link_that_the_reader_may_not_follow_is_not_shown(login):
    made = alert(numbers=[["refusals", 3, "/routes/"]])

    assert 'href="/routes/"' in login("admin").get(f"/alerts/{made.pk}/").content.decode()
    marketers = login("marketer")
    assert 'href="/routes/"' not in marketers.get(f"/alerts/{made.pk}/").content.decode()
    assert "Ask an administrator" in text(marketers, f"/alerts/{made.pk}/")


def test_it_is_taken_once_by_whoever_saw_it_free(login):
    made = alert()
    first, second = login("support"), login("marketer")

    first.post(f"/alerts/{made.pk}/act/", {"what": "take", "seen": 0, "next": "/alerts/"})
    answer = second.post(f"/alerts/{made.pk}/act/", {"what": "take", "seen": 0}, follow=True)

    assert "somebody was faster" in answer.content.decode()
    made.refresh_from_db()
    assert made.owner == first.user


def test_a_snoozed_one_stands_aside_until_its_time(login):
    made, client = alert(), login("marketer")

    client.post(f"/alerts/{made.pk}/act/", {"what": "days"})

    assert "Nothing is wrong" in text(client, "/alerts/")
    assert "Acme refuses SMS." in text(client, "/alerts/snoozed/")
    Alert.objects.update(snoozed_until=timezone.now() - timedelta(minutes=1))
    assert "Acme refuses SMS." in text(client, "/alerts/")


def test_a_note_is_kept_with_who_wrote_it(login):
    made, client = alert(), login("support")

    client.post(f"/alerts/{made.pk}/act/", {"what": "note", "note": "Asked <them>."})

    made.refresh_from_db()
    assert (made.note, made.noted_by) == ("Asked <them>.", client.user)
    assert "Asked &lt;them&gt;." in client.get("/alerts/").content.decode()


def test_nonsense_changes_nothing(login):
    made, client = alert(), login("marketer")

    client.post(f"/alerts/{made.pk}/act/", {"what": "close"})

    made.refresh_from_db()
    assert (made.owner, made.snoozed_until, made.closed_at) == (None, None, None)


def test_closed_ones_are_read_page_by_page(login):
    now = timezone.now()
    for n in range(51):
        alert(cause=f"route:{n}", sentence=f"Number {n}.", closed_at=now - timedelta(minutes=n))
    client = login("support")

    page = client.get("/alerts/closed/").content.decode()

    assert "Number 0." in page
    assert "Number 50." not in page
    older = re.search(r'href="(\?after=[^"]+)"', page)
    assert "Number 50." in client.get("/alerts/closed/" + older[1]).content.decode()


def test_a_report_shows_the_alerts_of_its_campaign(login):
    campaign = factories.campaign(state="sending")
    alert(campaign=campaign, sentence="Of this one.")
    alert(sentence="Of another.")

    page = text(login("marketer"), campaign.get_absolute_url())

    assert "Of this one." in page
    assert "Of another." not in page


def test_the_list_costs_the_same_for_one_and_for_many(login, django_assert_num_queries):
    client = login("marketer")
    alert(owner=client.user, campaign=factories.campaign())
    client.get("/alerts/")
    with django_assert_num_queries(11):
        client.get("/alerts/")
    for _ in range(20):
        alert(owner=factories.user(), campaign=factories.campaign())

    with django_assert_num_queries(11):
        client.get("/alerts/")


def test_administrators_say_what_is_looked_for_and_from_where_on(login):
    client = login("admin")
    page = client.get("/alerts/thresholds/")
    given = {
        field.html_name: field.initial for row in page.context["rows"] for field in row.form if field.initial
    }
    given["rejected-threshold"] = "25"
    del given["codes-active"]

    assert client.post("/alerts/thresholds/", given).status_code == 302

    kept = dict(AlertSetting.objects.values_list("kind", "active"))
    assert kept == {"rejected": True, "codes": False}
    assert AlertSetting.objects.get(kind="rejected").threshold == 25
    assert client.post("/alerts/thresholds/", given | {"rejected-threshold": "many"}).status_code == 422


def test_nobody_else_does(login):
    assert login("marketer").post("/alerts/thresholds/", {}).status_code == 403
