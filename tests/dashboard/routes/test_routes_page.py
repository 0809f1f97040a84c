"""The page about routes, and what the overview says of them."""

from __future__ import annotations

import html
import re
from datetime import timedelta

import pytest
from django.utils import timezone

from campaigns.models import Sender
from deliveries.deciding import route_moves
from deliveries.ledger.latency import Latencies
from deliveries.models import Account, Route, RouteAlarm, RouteMove
from deliveries.outcomes.route_status import MOVES_SHOWN
from deliveries.sending.failover import watch
from tests import factories

pytestmark = pytest.mark.django_db


@pytest.fixture
def support(login):
    return login("support")


def shown(client, path="/routes/"):
    response = client.get(path)
    assert response.status_code == 200
    return " ".join(html.unescape(response.content.decode()).split())


def text_of(page):
    """What is read there, without its markup and what only screen readers say."""
    page = re.sub(r'<span\s+class="sr">[^<]*</span>', "", page)
    return " ".join(re.sub(r"<[^>]+>", " ", page).replace("\xa0", " ").split())


def text(client):
    return text_of(shown(client))


def arrived(account, seconds, n=40, carrier="Carrier A"):
    now = timezone.now()
    made = Latencies(now)
    for _ in range(n):
        made.add(account.pk, "sms", "US-TX", carrier, now - timedelta(seconds=seconds), now)
    made.save()


@pytest.fixture
def accounts():
    return factories.account(name="Primary"), factories.account(name="Second")


@pytest.fixture
def listed(accounts):
    return [
        Route.objects.create(channel="sms", position=position, account=account)
        for position, account in enumerate(accounts, 1)
    ]


@pytest.mark.parametrize(("role", "status"), [("admin", 200), ("support", 200), ("marketer", 403)])
def test_administrators_and_support_see_it(login, role, status):
    client = login(role)

    assert client.get("/routes/").status_code == status
    assert ('href="/routes/"' in client.get("/").content.decode()) == (status == 200)


def test_it_only_reads(support):
    assert support.post("/routes/").status_code == 405


def test_with_nothing_there_it_says_what_will_be(support):
    page = text(support)

    assert "No alarms." in page
    assert "No message has arrived in the last 15 minutes." in page
    assert "None: there is no list of routes yet, which would name another account." in page
    assert "No lists yet" in page


def test_a_slow_route_stands_above_the_line_with_its_move_and_its_alarm(support, accounts, listed):
    arrived(accounts[0], 41)
    arrived(accounts[1], 4)
    route_moves.run(timezone.now())

    page = text(support)

    assert "Primary SMS US Carrier A 40 38 s Slow" in page
    assert "Second SMS US Carrier A 40 4 s In time" in page
    assert "SMS US Carrier A 10 % Second" in page
    assert "Primary Second 0 to 10 % Primary: a median of 38 s (40 messages in 15 minutes)" in page
    assert "Primary is slow by SMS to Carrier A in US" in page
    assert "1 Primary The content's own Slow" in page
    assert "2 Second The content's own Works" in page
    assert "Above 30 seconds: Primary, SMS to US, Carrier A with 38 seconds." in shown(support)


def test_each_count_opens_the_messages_that_it_counts(support, accounts):
    now = timezone.now()
    left = now - timedelta(seconds=41)
    given = {
        "channel": "sms",
        "account": accounts[0],
        "carrier": "Carrier A",
        "region": "US-TX",
        "status": "delivered",
    }
    times = {"handed_over_at": left, "delivered_at": now, "updated_at": now}
    campaign = factories.campaign(name="Lens week", state="sending", launched_at=left)
    made = factories.message(campaign=campaign, **given, **times)
    for other in ({"carrier": "Carrier B"}, {"region": "GB"}, {"account": accounts[1]}, {"status": "sent"}):
        factories.message(campaign=campaign, **given | other, **times)
    factories.message(campaign=campaign, **given, **times | {"updated_at": now - timedelta(minutes=16)})
    arrived(accounts[0], 41, n=1)

    address = re.search(r'href="(/routes/arrivals/[^"]+)"', shown(support)).group(1)
    page = shown(support, address)

    assert re.findall(r'href="/deliveries/(\d+)/"', page) == [str(made.pk)]
    assert "41 s" in page
    assert support.get("/routes/arrivals/?account_id=x").status_code == 404


def test_it_is_narrowed_to_what_a_sender_leaves_by(support, accounts, listed):
    arrived(accounts[0], 41)
    arrived(accounts[1], 4)
    RouteMove.objects.create(
        channel="sms", share=0, was=0, account=accounts[1], away_from=accounts[0], at=timezone.now(), messages=1,
        reason="Primary rests.",
    )  # fmt: skip

    whole, one, mail = (text_of(shown(support, f"/routes/?{query}")) for query in (
        "", f"account={accounts[1].pk}&channel=sms", f"account={accounts[1].pk}&channel=email",
    ))  # fmt: skip

    assert ["Primary SMS US Carrier A" in page for page in (whole, one, mail)] == [True, False, False]
    assert "Of Second, SMS alone." in one
    assert "Primary Second 1 message Primary rests." in one
    assert "Primary rests." not in mail


def test_few_messages_are_not_judged(support, accounts):
    arrived(accounts[0], 300, n=3)

    assert re.search(r"Carrier A 3 \d+ s Too few to judge", text(support))


def test_the_lists_are_sorted_and_say_how_each_route_does(support, accounts, listed):
    suspended = factories.sender(state=Sender.State.SUSPENDED, value="+15005550006")
    Route.objects.create(channel="sms", country="GB", priority="urgent", position=1, account=accounts[0])
    Route.objects.create(
        channel="sms", country="GB", priority="urgent", position=2, account=accounts[0], sender=suspended
    )
    Account.objects.filter(pk=accounts[1].pk).update(active=False)

    page = text(support)

    assert page.index("every country without a list") < page.index("SMS, GB, urgent")
    assert "2 Second The content's own Switched off" in page
    assert "2 Primary +1 500-555-0006 Sender not approved" in page


def test_an_account_that_rests_says_until_when(support, accounts, listed):
    now = timezone.now()
    Account.objects.filter(pk=accounts[0].pk).update(paused_until=now + timedelta(hours=1))
    watch(now, [])
    assert "Primary rests: nothing is handed over there." in text(support)
    assert "1 Primary The content's own Rests" in text(support)

    RouteAlarm.objects.update(until=now - timedelta(seconds=1))
    assert "Over; the next message shows" in text(support)


def test_with_a_list_it_says_when_urgent_messages_leave_by_another_account(support, listed):
    assert "None: all leave by the first route of their list." in text(support)


def test_those_who_may_open_an_account_are_led_to_it(login, make_user, accounts, listed):
    now = timezone.now()
    Account.objects.filter(pk=accounts[0].pk).update(paused_until=now + timedelta(hours=1))
    watch(now, [])
    first, second = (
        f'<a class="link" href="/admin/deliveries/account/{one.pk}/change/">' for one in accounts
    )

    page = shown(login(user=make_user("admin", is_staff=True)))

    assert f"{first}Open the account</a>" in page
    assert f"{first}Primary</a>" in page
    assert f"{second}Second</a>" in page
    for reader in make_user("support", is_staff=True), make_user("admin"):
        assert "/admin/deliveries/account/" not in shown(login(user=reader))


def test_only_administrators_are_led_to_the_lists(login, make_user):
    assert "Edit the lists" in shown(login(user=make_user("admin", is_staff=True)))
    assert "Edit the lists" not in shown(login("support"))


def test_it_costs_the_same_however_much_there_is(
    support, accounts, listed, django_assert_num_queries, django_assert_max_num_queries
):
    arrived(accounts[0], 41)
    route_moves.run(timezone.now())
    with django_assert_max_num_queries(17) as few:
        support.get("/routes/")
    for n in range(MOVES_SHOWN + 10):
        other = factories.account()
        Route.objects.create(channel="sms", position=10 + n, account=other, sender=factories.sender())
        arrived(other, 50, carrier=f"Carrier {n}")
        RouteMove.objects.create(
            channel="sms",
            share=10,
            was=0,
            account=other,
            away_from=accounts[0],
            at=timezone.now(),
            reason="Slow.",
        )
    route_moves.run(timezone.now())

    with django_assert_num_queries(len(few.captured_queries)):
        support.get("/routes/")


# ---- The overview ---------------------------------------------------------------------------------------------


def test_the_overview_names_each_alarm_and_leads_to_the_page(login, accounts, listed):
    arrived(accounts[0], 41)
    route_moves.run(timezone.now())

    page = shown(login("support"), "/")

    assert "Primary is slow by SMS to Carrier A in US: a median of 38 s" in page
    assert '<a href="/routes/">View</a>' in page


def test_the_overview_goes_on_to_name_what_rested_until_it_takes_a_message(login, accounts):
    now = timezone.now()
    Account.objects.filter(pk=accounts[0].pk).update(paused_until=now + timedelta(minutes=1))
    watch(now, [])
    client = login("marketer")
    assert shown(client, "/").count("Primary is paused") == 1
    assert "has taken no message since" not in shown(client, "/")

    Account.objects.update(paused_until=None)
    watch(now + timedelta(seconds=1), [])
    RouteAlarm.objects.update(until=now)

    assert "Primary rests no more, and has taken no message since" in shown(client, "/")


def test_of_many_alarms_the_overview_shows_a_few(login):
    for _ in range(9):
        arrived(factories.account(), 41)
    route_moves.run(timezone.now())

    page = shown(login("support"), "/")

    assert page.count(" is slow by SMS") == 6
    assert "3 more alarms about routes" in page
