import html
import re
from datetime import UTC, datetime, timedelta

import pytest
from django.contrib.auth.models import Permission
from django.utils import timezone

from deliveries.bulk.selections import Selection
from deliveries.deciding import assignment
from deliveries.models import Batch, Message, QueueEntry
from deliveries.outcomes import rows as outcomes
from deliveries.outcomes.filters import QueueFilter
from deliveries.outcomes.narrowing import OutcomeView, entries, matching
from tests import reporting_rows

pytestmark = pytest.mark.django_db
HTMX = {"HX-Request": "true", "HX-Trigger": "assign"}
RETRY = "/queues/retry/"


def rows(response) -> int:
    return len(re.findall(r'<tr tabindex="-1">', response.content.decode()))


def shown_count(response) -> int:
    return int(re.search(r'id="count"[^>]*>([\d,]+)', response.content.decode()).group(1).replace(",", ""))


def snoozed_link(response) -> tuple[int, str]:
    found = re.search(r'([\d,]+) snoozed.</span> <a[^>]* href="([^"]+)"', response.content.decode())
    return int(found.group(1).replace(",", "")), html.unescape(found.group(2))


def snooze(many: int, until=timedelta(hours=3)) -> list[int]:
    """Snooze that many rows of the retry queue; return their ids."""
    ids = list(
        QueueEntry.objects.filter(queue="retry").order_by("pk").values_list("message_id", flat=True)[:many]
    )
    QueueEntry.objects.filter(pk__in=ids).update(snoozed_until=timezone.now() + until)
    return ids


@pytest.fixture
def marketer(login):
    return login("marketer")


@pytest.fixture
def entry():
    return reporting_rows.campaign([1]).messages.get().queue_entry


# ---- Rows ----


def test_a_row_says_what_comes_next_why_and_when(marketer, entry):
    due = datetime(2026, 11, 30, 18, 47, tzinfo=UTC)
    QueueEntry.objects.update(reason="Phone off or no signal. Retry 1 of 2.", due_at=due)

    page = marketer.get(RETRY).content.decode()

    plan = re.search(r"t-what.*?<small>(.*?)</small>", page, re.S).group(1)
    assert re.sub(r"<[^>]+>", "", plan).endswith("Retry 1 of 2. Automatic, on 30 Nov, 18:47.")


@pytest.mark.parametrize(
    ("reason", "what", "plan"),
    [
        ("Line busy. Retry 2 of 2.", "Line busy", "Retry 2 of 2."),
        ("Line busy: moving to Voice.", "Line busy.", "Moving to Voice."),
        ("Line busy, and the retries are used up: moving to email.", "Line busy",
         "The retries are used up: moving to email."),
        ("Urgent: moving to Voice meanwhile.", "Line busy", "Urgent: moving to Voice meanwhile."),
        ("Line busy", "Line busy", ""),
        ("", "Line busy", ""),
    ],
)  # fmt: skip
def test_what_a_row_has_said_is_not_said_again(reason, what, plan):
    assert outcomes._plan(reason, what) == plan


# ---- Owners ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("role", ["marketer", "admin", "support"])
def test_whoever_looks_after_deliveries_takes_a_row_and_gives_it_back(login, role, entry):
    client = login(role)

    client.post(RETRY, {"one": f"take:{entry.pk}:0"})
    entry.refresh_from_db()
    taken = entry.owner
    client.post(RETRY, {"one": f"back:{entry.pk}"})
    entry.refresh_from_db()

    assert (taken, entry.owner) == (client.user, None)


def test_taking_needs_a_permission_that_readers_lack(login, make_user, entry):
    reader = make_user("")
    reader.user_permissions.add(Permission.objects.get(codename="view_report"))
    client = login(user=reader)

    page = client.get(RETRY)
    refused = client.post(RETRY, {"one": f"take:{entry.pk}:0"})

    assert 'form="assign"' not in page.content.decode()
    assert refused.status_code == 403
    assert not QueueEntry.objects.filter(owner__isnull=False).exists()


def test_of_two_who_take_the_same_row_the_first_has_it(login, entry):
    first, second = login("marketer"), login("support")

    first.post(RETRY, {"one": f"take:{entry.pk}:0"})
    answer = second.post(RETRY, {"one": f"take:{entry.pk}:0"}, follow=True)
    entry.refresh_from_db()

    assert entry.owner == first.user
    assert b"somebody was faster" in answer.content


def test_a_row_is_taken_over_from_the_owner_that_was_seen(login, entry):
    first, second = login("marketer"), login("support")
    assignment.take(entry.pk, "retry", first.user, None)

    second.post(RETRY, {"one": f"take:{entry.pk}:{first.user.pk}"})
    entry.refresh_from_db()

    assert entry.owner == second.user


def test_nobody_gives_back_what_is_not_theirs(login, entry):
    first, second = login("marketer"), login("support")
    assignment.take(entry.pk, "retry", first.user, None)

    second.post(RETRY, {"one": f"back:{entry.pk}"})
    entry.refresh_from_db()

    assert entry.owner == first.user


def test_the_owner_filter_shows_mine_and_nobody_s(login):
    reporting_rows.campaign([1, 1, 1])
    client, other = login("marketer"), login("support")
    one, two, _ = QueueEntry.objects.all()
    assignment.take(one.pk, "retry", client.user, None)
    assignment.take(two.pk, "retry", other.user, None)

    mine, nobody = client.get(RETRY + "?owner=me"), client.get(RETRY + "?owner=nobody")

    assert [shown_count(mine), shown_count(nobody)] == [1, 1]
    assert f'value="back:{one.pk}"' in mine.content.decode()
    assert shown_count(other.get(f"{RETRY}?owner={client.user.pk}")) == 1
    assert client.get(RETRY + "?owner=everybody").status_code == 422


def test_a_selection_keeps_whose_rows_were_meant(login):
    reporting_rows.campaign([1, 1, 1])
    client = login("marketer")
    assignment.take(QueueEntry.objects.first().pk, "retry", client.user, None)
    page = client.get(RETRY + "?owner=me").content.decode()
    filters = html.unescape(re.search(r'name="filters" value="([^"]*)"', page).group(1))

    client.post("/batches/", {"action": "retry", "queue": "retry", "filters": filters, "all": "1"})

    assert filters == f"owner={client.user.pk}"
    assert Batch.objects.get().total == 1


def test_me_means_nobody_in_a_kept_selection():
    assert not QueueFilter({"owner": "me"}).is_valid()


# ---- Snoozing --------------------------------------------------------------------------------------------------


def test_a_snoozed_row_leaves_the_list_until_its_time(marketer, entry, time_machine):
    marketer.post(RETRY, {"one": f"tomorrow:{entry.pk}"})
    entry.refresh_from_db()

    hidden = marketer.get(RETRY)
    time_machine.move_to(entry.snoozed_until)
    back = marketer.get(RETRY)

    assert (rows(hidden), rows(back)) == (0, 1)
    assert b"Every message of this queue is snoozed" in hidden.content


@pytest.mark.parametrize(
    ("now", "zone", "tomorrow", "days", "monday"),
    [
        # A Sunday afternoon in New York, the night before in which the clocks changed.
        ("2026-03-08 20:00", "America/New_York", "2026-03-09 13:00", "2026-03-11 20:00", "2026-03-09 13:00"),
        # A Friday there, the clocks change on Sunday: nine stays nine.
        ("2026-03-06 20:00", "America/New_York", "2026-03-07 14:00", "2026-03-09 19:00", "2026-03-09 13:00"),
        # Monday already in Auckland while it is Sunday in London: the next Monday is a week away.
        ("2026-06-07 20:00", "Pacific/Auckland", "2026-06-08 21:00", "2026-06-10 20:00", "2026-06-14 21:00"),
    ],
)
def test_a_snooze_ends_by_the_clock_where_the_reader_is(now, zone, tomorrow, days, monday):
    with timezone.override(zone):
        found = assignment.snooze_choices(datetime.fromisoformat(now).replace(tzinfo=UTC))

    ends = {key: choice.until.astimezone(UTC).strftime("%Y-%m-%d %H:%M") for key, choice in found.items()}
    assert ends == {"tomorrow": tomorrow, "days": days, "monday": monday}


def test_every_count_of_a_queue_with_snoozed_rows_leads_to_that_many(marketer):
    reporting_rows.campaign([1] * 70)
    snooze(12)

    first = marketer.get(RETRY)
    n, url = snoozed_link(first)
    asleep = marketer.get(url)
    onward = html.unescape(re.search(r'id="next-page" href="([^"]+)"', first.content.decode()).group(1))
    second = marketer.get(onward)

    assert 'badge">70<' in first.content.decode()
    assert (shown_count(first), rows(first), rows(second), shown_count(second)) == (58, 30, 28, 58)
    assert (n, shown_count(asleep), rows(asleep)) == (12, 12, 12)


def test_the_snoozed_are_counted_within_the_filters(marketer):
    reporting_rows.campaign([1] * 5)
    mine = snooze(3)
    assignment.take(mine[0], "retry", marketer.user, None)

    n, url = snoozed_link(marketer.get(RETRY + "?owner=nobody"))

    assert (n, url) == (2, RETRY + "?owner=nobody&snoozed=1")
    assert shown_count(marketer.get(url)) == 2


def test_all_matching_is_what_is_shown_also_with_snoozed_rows(marketer):
    reporting_rows.campaign([1] * 5)
    snooze(2)
    now = timezone.now()

    for filters, n in (({}, 3), ({"snoozed": "1"}, 2)):
        view = OutcomeView(None, "retry", filters)
        shown = set(entries(view, now).values_list("message_id", flat=True))
        chosen = {m.pk for m in matching(view, now)}
        selected = {m.pk for m in Selection(view, (), now).messages()}
        assert shown == chosen == selected
        assert len(shown) == n


def test_a_row_that_is_woken_or_snoozed_later_is_not_slipped_into_a_selection(marketer):
    reporting_rows.campaign([1] * 4)
    woken = snooze(1)[0]
    now = timezone.now()
    selection = Selection(OutcomeView(None, "retry"), (), now)
    shown = {m.pk for m in selection.messages()}

    assignment.wake(woken, "retry", now + timedelta(seconds=1))
    later = Message.objects.filter(pk__in=shown).latest("pk")
    assignment.snooze(later.pk, "retry", now + timedelta(days=1))

    assert {m.pk for m in selection.messages()} == shown - {later.pk}


def test_a_report_counts_snoozed_rows_like_all_others(marketer):
    campaign = reporting_rows.campaign([1] * 4)
    snooze(3)

    report = marketer.get(f"{campaign.get_absolute_url()}?queue=retry")
    selection = Selection(OutcomeView(campaign.pk, "retry"), (), timezone.now())

    assert (shown_count(report), rows(report), selection.messages().count()) == (4, 4, 4)
    assert shown_count(marketer.get(f"{campaign.get_absolute_url()}?queue=retry&snoozed=1")) == 4


def test_snoozing_without_a_script_asks_on_a_page_of_its_own_and_comes_back(marketer, entry):
    link = html.unescape(
        re.search(
            r'href="([^"]+)" data-snooze', marketer.get(RETRY + "?owner=nobody").content.decode()
        ).group(1)
    )

    page = marketer.get(RETRY + link).content.decode()
    action = html.unescape(re.search(r'<form class="btn-row" method="post" action="([^"]+)"', page).group(1))
    done = marketer.post(action, {"one": re.search(r'value="(days:\d+)"', page).group(1)}, follow=True)
    entry.refresh_from_db()

    assert link == f"?owner=nobody&snooze={entry.pk}"
    assert str(entry.message.contact) in page
    assert done.redirect_chain == [(RETRY + "?owner=nobody", 302)]
    assert entry.snoozed_until > timezone.now() + timedelta(days=2)


@pytest.mark.parametrize("pk", ["", "x", "0", "-1", "9" * 30, "9" * 5_000, "٣"])
def test_nobody_is_asked_about_a_row_that_is_not_there(marketer, pk):
    assert marketer.get(RETRY, {"snooze": pk}).status_code == 404


def test_readers_are_not_asked_until_when(login, make_user, entry):
    reader = make_user("")
    reader.user_permissions.add(Permission.objects.get(codename="view_report"))

    assert login(user=reader).get(f"{RETRY}?snooze={entry.pk}").status_code == 403


def test_waking_brings_a_row_back_and_says_so(marketer, entry):
    snooze(1)

    answer = marketer.post(RETRY + "?snoozed=1", {"one": f"wake:{entry.pk}"}, headers=HTMX)

    assert b"<html" not in answer.content
    assert "Awake" in answer["HX-Trigger"]
    assert b'id="filters"' not in answer.content
    assert (shown_count(answer), shown_count(marketer.get(RETRY))) == (0, 1)


def test_without_script_one_is_sent_back_to_the_same_view(marketer, entry):
    answer = marketer.post(RETRY + "?owner=nobody", {"one": f"days:{entry.pk}"})

    assert (answer.status_code, answer["Location"]) == (302, RETRY + "?owner=nobody")


@pytest.mark.parametrize(
    "one",
    ["", "take", "take:x:0", "take:1", "drop:1", "take:9999999999999999999:0", "back:0", "wake:-1", "days:٣"],
)
def test_nonsense_changes_nothing(marketer, entry, one):
    answer = marketer.post(RETRY, {"one": one}, follow=True)

    assert answer.status_code == 200
    assert b'class="toast is-error"' in answer.content
    assert not QueueEntry.objects.exclude(owner=None, snoozed_until=None).exists()


def test_a_row_of_another_queue_is_not_touched(marketer, entry):
    marketer.post("/queues/watch/", {"one": f"tomorrow:{entry.pk}"})
    entry.refresh_from_db()

    assert entry.snoozed_until is None


def test_a_queue_costs_the_same_with_owners_and_snoozed_rows(marketer, django_assert_num_queries):
    reporting_rows.campaign([1] * 120)
    marketer.get(RETRY)
    with django_assert_num_queries(21):
        marketer.get(RETRY)
    snooze(20)
    QueueEntry.objects.update(owner=marketer.user)

    with django_assert_num_queries(21):
        marketer.get(RETRY)


def test_the_export_has_the_rows_of_the_screen_and_their_owners(marketer):
    reporting_rows.campaign([1] * 4)
    snooze(1)
    assignment.take(QueueEntry.objects.filter(snoozed_until=None).first().pk, "retry", marketer.user, None)

    lines = b"".join(marketer.get(RETRY + "export/?owner=me").streaming_content).decode().splitlines()
    every = b"".join(marketer.get(RETRY + "export/").streaming_content).decode().splitlines()

    assert (len(lines), len(every)) == (2, 4)
    assert marketer.user.display_name in lines[1]


def test_the_rail_names_the_role(login):
    assert "<small>Support</small>" in login("support").get("/queues/").content.decode()


def test_taking_a_row_leaves_the_ticks_of_the_list(login):
    reporting_rows.campaign([1, 1, 1])
    first, second, third = QueueEntry.objects.order_by("pk")
    client = login("marketer")

    given = {"one": f"take:{first.pk}:0", "messages": [second.pk, third.pk, "x"], "all": ""}
    page = client.post("/queues/retry/", given, headers={"HX-Request": "true"}).content.decode()

    assert sorted(re.findall(r'name="messages" value="(\d+)"[^>]* checked', page)) == sorted(
        [str(second.pk), str(third.pk)]
    )
