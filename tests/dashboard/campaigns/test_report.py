import random
import re
from datetime import time

import pytest
from django.contrib.admin.models import LogEntry
from django.urls import reverse
from django.utils import timezone

from campaigns.models import Campaign, Recipient
from contacts.models import Contact
from deliveries.models import Message
from deliveries.statuses import Queue
from tests import factories, reporting_rows
from tests.engine import consent

pytestmark = pytest.mark.django_db
HTMX = {"HX-Request": "true"}
BUCKETS = ("success", "pending", "retryable", "permanent", "compliance", "optout", "unknown")


def url(campaign, query=""):
    return campaign.get_absolute_url() + (f"?{query}" if query else "")


def rows(response) -> int:
    return len(re.findall(r'<tr tabindex="-1">', response.content.decode()))


def shown_count(response) -> int:
    found = re.search(r'id="count"[^>]*>([\d,]+)', response.content.decode())
    return int(found.group(1).replace(",", ""))


@pytest.fixture
def marketer(login):
    return login("marketer")


@pytest.mark.parametrize("query", ["", "queue=retry", "queue=watch", "status=undelivered", "s=robin"])
def test_a_report_costs_the_same_number_of_queries_for_few_and_many_rows(
    marketer, query, django_assert_num_queries, django_assert_max_num_queries
):
    small = reporting_rows.campaign([0, 1, 2, 6] * 3)
    large = reporting_rows.campaign([0, 1, 2, 6] * 50)
    marketer.get(url(small, query))
    with django_assert_max_num_queries(35) as few:
        marketer.get(url(small, query))

    with django_assert_num_queries(len(few.captured_queries)):
        marketer.get(url(large, query))


def test_a_fragment_comes_without_the_page(marketer):
    campaign = reporting_rows.campaign([0, 1, 1])

    page = marketer.get(url(campaign))
    fragment = marketer.get(url(campaign), headers=HTMX)

    assert b"<html" in page.content
    assert b"<html" not in fragment.content
    assert b'<section id="results"' in fragment.content
    assert "HX-Request" in page["Vary"]
    assert "HX-Request" in fragment["Vary"]


def test_a_fragment_asks_only_for_what_it_shows(marketer, django_assert_max_num_queries):
    campaign = reporting_rows.campaign([0, 1, 2, 6] * 3)
    Campaign.objects.filter(pk=campaign.pk).update(state="completed")
    by_form = HTMX | {"HX-Trigger": "filters"}
    marketer.get(url(campaign))

    # A session, a person, their rights; the campaign, its tallies of messages and people, the rows.
    with django_assert_max_num_queries(12):
        marketer.get(url(campaign), headers=by_form)


def test_a_history_restore_gets_the_page(marketer):
    campaign = reporting_rows.campaign([0])

    restored = marketer.get(url(campaign), headers=HTMX | {"HX-History-Restore-Request": "true"})

    assert b"<html" in restored.content


def test_the_form_comes_along_only_when_it_was_not_the_trigger(marketer):
    campaign = reporting_rows.campaign([0, 1])

    by_form = marketer.get(url(campaign, "status=retryable"), headers=HTMX | {"HX-Trigger": "filters"})
    by_tab = marketer.get(url(campaign, "queue=retry"), headers=HTMX | {"HX-Trigger": "tab-2"})

    assert b'id="filters"' not in by_form.content
    assert re.search(rb'id="filters"[^>]*hx-swap-oob="true"', by_tab.content, re.DOTALL)


def test_every_number_leads_to_exactly_that_many_rows(marketer):
    campaign = reporting_rows.campaign([0, 1, 1, 2, 3, 4, 5, 6, 6])
    page = marketer.get(url(campaign)).content.decode()
    links = re.findall(r'<a class="kpi" data-b="(\w+)" href="([^"]+)".*?kpi-n">([\d,]+)<', page, re.DOTALL)
    tabs = re.findall(r'id="tab-\d" href="([^"]+)".*?badge">([\d,]+)<', page, re.DOTALL)
    causes = re.findall(
        r'<li><a href="([^"]+)"><span class="pill".*?<span>([\d,]+)</span></a></li>', page, re.DOTALL
    )

    checked = [(href, n) for _, href, n in links] + tabs + causes

    assert {bucket for bucket, _, _ in links} == set(BUCKETS) - {"success"}
    assert len(tabs) == 7
    assert causes
    for href, n in checked:
        response = marketer.get(href.replace("&amp;", "&"))
        assert (shown_count(response), rows(response)) == (int(n), int(n)), href


def test_people_reached_in_the_end_stand_beside_the_rate_of_attempts(marketer):
    campaign = reporting_rows.campaign([0, 1, 1, 2])
    retried = Message.objects.filter(reason_code="30003").first()
    factories.message(retried.recipient, address=retried.address, status="delivered", follows=retried)
    Recipient.objects.filter(pk=retried.recipient_id).update(state="reached")
    Recipient.objects.filter(pk=factories.recipient(campaign).pk).update(state="skipped")
    reporting_rows.count()

    page, listed = marketer.get(url(campaign)).content.decode(), marketer.get("/campaigns/").content.decode()

    text = " ".join(re.sub("<[^>]*>", "", page).split())
    assert "2 of 5 with a final result" in text
    assert "40.0% of 5 sent" in text
    assert "</a> of 4 people reached, 50.0%" in page
    assert re.search(r"50.0%\s*<small>\s*<a [^>]*>2</a> of 4\s*</small>", listed)


def test_paging_goes_through_every_row_once_and_back_to_the_first(marketer):
    campaign = reporting_rows.campaign([1] * 70)
    first = marketer.get(url(campaign, "queue=retry"))
    onward = (
        re.search(r'id="next-page" href="([^"]+)"', first.content.decode()).group(1).replace("&amp;", "&")
    )

    second = marketer.get(onward)

    assert (rows(first), rows(second)) == (50, 20)
    assert shown_count(second) == 70
    assert f'id="first-page" href="{url(campaign, "queue=retry")}"' in second.content.decode()


def test_bad_filters_are_said_in_words_and_never_break(marketer):
    campaign = reporting_rows.campaign([0])

    response = marketer.get(url(campaign, "channel=fax"))

    assert response.status_code == 422
    assert b"These filters do not work" in response.content


@pytest.mark.parametrize("headers", [{}, HTMX | {"HX-Trigger": "s"}])
def test_a_search_that_is_too_short_keeps_the_list_and_says_what_it_needs(marketer, headers):
    campaign = reporting_rows.campaign([0, 1, 1])

    response = marketer.get(url(campaign, "s=Ro&channel=sms"), headers=headers)

    assert (response.status_code, shown_count(response), rows(response)) == (200, 3, 3)
    assert b"Search for at least 3 letters or digits." in response.content
    assert b"These filters do not work" not in response.content


def test_a_search_that_is_too_short_is_no_selection_and_no_export(marketer):
    """What acts on rows or leaves the house must not mean all of them by mistake."""
    campaign = reporting_rows.campaign([1, 1])
    given = {"action": "correct", "campaign": campaign.pk, "filters": "s=Ro", "all": "1"}

    assert marketer.post("/batches/", given).status_code == 422
    assert marketer.get(f"/campaigns/{campaign.slug}/export/?s=Ro").status_code == 422


def test_random_query_strings_never_break_a_page(marketer):
    campaign = reporting_rows.campaign([0, 1, 2])
    contact = Contact.objects.first()
    dice = random.Random(7)
    words = ["", "x", "\x00", "-1", "9" * 30, "%", "'", '"', "ş", "\ufffd", "()", "a" * 300]
    words += ["sms", "retryable", "today", "OTk5OTk5LjEuMQ", "*", "2026-01-01", "NEAR(", 'a" OR', "٣٣٣٣"]
    names = [
        "queue",
        "s",
        "status",
        "channel",
        "carrier",
        "source",
        "code",
        "updated",
        "after",
        "show",
        "days",
        "q",
        "outcome",
    ]
    paths = [
        url(campaign),
        "/",
        "/campaigns/",
        "/queues/",
        "/queues/retry/",
        "/contacts/",
        f"/contacts/{contact.pk}/",
    ]
    paths += ["/batches/", f"/campaigns/{campaign.slug}/export/", "/queues/watch/export/"]

    for _ in range(50):  # tests/dashboard/test_fuzz.py asks far more of every page
        query = {dice.choice(names): dice.choice(words) for _ in range(dice.randint(1, 4))}
        for path in dice.sample(paths, 3):
            response = marketer.get(path, query)
            if response.streaming:
                b"".join(response.streaming_content)
            assert response.status_code in (200, 400, 422), (path, query)


@pytest.mark.parametrize(
    "path", ["/deliveries/99999999999999999999/", "/contacts/99999999999999999999/", "/batches/0/"]
)
def test_a_number_that_is_nobodys_is_not_found(marketer, path):
    assert marketer.get(path).status_code == 404


@pytest.mark.parametrize(
    "path", ["/", "/campaigns/", "/queues/", "/queues/retry/", "/contacts/", "/batches/"]
)
def test_pages_ask_for_a_log_in_and_for_the_permission(client, login, path):
    stranger = login("")

    assert client.get(path).status_code == 302
    assert stranger.get(path).status_code == 403


def test_a_lost_log_in_sends_the_whole_page_there(client):
    response = client.get("/campaigns/", headers=HTMX)

    assert response.status_code == 204
    assert response["HX-Redirect"].startswith(reverse("admin:login"))


def test_support_reads_reports_but_has_no_bulk_actions(login):
    campaign = reporting_rows.campaign([1])

    page = login("support").get(url(campaign, "queue=retry")).content.decode()

    assert "data-tick" not in page
    assert "Export CSV" not in page
    assert login("support").get(f"/campaigns/{campaign.slug}/export/").status_code == 403
    assert login("support").post("/batches/preview/", {}).status_code == 403


def test_a_report_shows_red_when_the_numbers_do_not_add_up(marketer):
    campaign = reporting_rows.campaign([0, 1])
    Campaign.objects.filter(pk=campaign.pk).update(expanded_count=5)

    page = marketer.get(url(campaign)).content.decode()

    assert 'class="recon is-off"' in page
    assert "Off by <b>3</b>" in page


def test_numbers_in_lists_show_their_last_four_digits_only(login):
    campaign = reporting_rows.campaign([1])
    message = Message.objects.get(campaign=campaign)

    page = login("admin").get(url(campaign)).content.decode()

    assert message.address.value not in page
    assert f"••• {message.address.value[-4:]}" in page


def test_a_draft_shows_its_audience_and_what_stands_in_the_way(login):
    lists = [factories.contact_list(name="Front desk"), factories.contact_list(name="Web form")]
    factories.contact(lists=lists)
    factories.contact(lists=lists[:1])
    campaign = factories.campaign(lists=lists)

    page = login("support").get(url(campaign)).content.decode()

    assert "Launch to" not in page
    assert "Not ready to launch" in page


def test_a_draft_says_how_many_segments_its_text_costs_and_why(login):
    people = factories.contact_list()
    factories.contact(lists=[people], name="Jo")
    factories.contact(lists=[people], name="Bartholomew")
    campaign = factories.campaign(lists=[people])
    factories.content(campaign, "sms", body="a" * 66 + "’{first_name}")
    factories.content(campaign, "email", body="’" * 500)

    page = " ".join(login("support").get(url(campaign)).content.decode().split())

    assert "1 to 2 SMS segments for each person." in page
    assert "Not in the plain SMS alphabet: <code>’</code>." in page
    assert page.count("SMS segment") == 1


def test_who_stopped_a_campaign_stands_in_its_history_and_what_is_over_cannot_be_canceled(marketer):
    campaign = reporting_rows.campaign([0])
    over = reporting_rows.campaign([0], state="completed")

    marketer.post(f"{url(campaign)}cancel/")
    refused = marketer.post(f"{url(over)}cancel/", follow=True).content.decode()

    [entry] = LogEntry.objects.all()
    assert (entry.user, entry.object_id, entry.change_message) == (marketer.user, str(campaign.pk), "Cancel.")
    assert "is completed: nothing to cancel." in refused


def test_launching_says_what_it_does_before_it_does_it(marketer):
    people = factories.contact_list()
    contact = factories.contact(lists=[people])
    factories.phone(contact)
    consent(contact, "sms", at=timezone.now())
    campaign = factories.campaign(lists=[people])
    factories.account().senders.add(factories.content(campaign, "sms").sender)

    page = marketer.get(url(campaign), follow=True).content.decode()

    assert "Launch to 1 contact" in " ".join(page.split())
    assert "Sent messages can't be recalled" in page


@pytest.mark.parametrize(
    ("opens", "closes", "says"),
    [
        (time(9), time(21), "Sends 09:00-21:00, recipient&#x27;s time"),
        (time(0), time(23, 59), "Sends at any hour"),
    ],
)
def test_a_report_says_at_which_hours_it_sends(marketer, opens, closes, says):
    campaign = reporting_rows.campaign([0], window_start=opens, window_end=closes)

    assert says in marketer.get(url(campaign)).content.decode()


def test_a_campaign_that_was_canceled_before_it_began_says_so(marketer):
    campaign = reporting_rows.campaign([0, 0], state="canceled")
    Message.objects.update(status="canceled", disposition="", reason_code="campaign_not_sending")
    reporting_rows.count()

    page = marketer.get(url(campaign)).content.decode()

    text = " ".join(re.sub(r"<[^>]+>", "", page).split())
    assert "canceled before anything was sent: 2 messages canceled, and nobody was contacted" in text
    assert shown_count(marketer.get(url(campaign, "status=canceled"))) == 2
    assert f'href="{url(campaign, "status=canceled")}"' in page
    assert "Delivery rate" not in page
    assert "campaign_not_sending" not in page


def test_launching_needs_its_permission_and_says_why_it_cannot(marketer, login):
    campaign = factories.campaign()

    refused = marketer.post(f"/campaigns/{campaign.slug}/launch/", follow=True)

    assert b"The campaign has no list" in refused.content
    assert login("support").post(f"/campaigns/{campaign.slug}/launch/").status_code == 403
    assert marketer.get(f"/campaigns/{campaign.slug}/launch/").status_code == 405


def test_a_sending_campaign_can_be_paused_and_resumed(marketer):
    campaign = reporting_rows.campaign([3])

    marketer.post(f"/campaigns/{campaign.slug}/pause/")
    campaign.refresh_from_db()
    paused = campaign.state
    marketer.post(f"/campaigns/{campaign.slug}/resume/")
    campaign.refresh_from_db()

    assert (paused, campaign.state) == ("paused", "sending")


def test_an_empty_queue_is_good_news(marketer):
    page = marketer.get("/queues/retry/").content.decode()

    assert "Nothing to retry" in page


def test_every_queue_has_its_page_over_all_campaigns(marketer):
    reporting_rows.campaign([1, 2])
    reporting_rows.campaign([1])

    counts = {queue: shown_count(marketer.get(f"/queues/{queue}/")) for queue in Queue.values}

    assert counts == {"retry": 2, "switch": 0, "correct": 1, "review": 0, "suppress": 0, "watch": 0}
    assert marketer.get("/queues/elsewhere/").status_code == 404


def test_a_queue_page_costs_the_same_for_few_and_many_rows(
    marketer, django_assert_num_queries, django_assert_max_num_queries
):
    campaign = reporting_rows.campaign([1] * 10)
    marketer.get("/queues/retry/")
    with django_assert_max_num_queries(21) as few:
        marketer.get("/queues/retry/")
    reporting_rows.campaign([1] * 190, slug=f"{campaign.slug}-more")

    with django_assert_num_queries(len(few.captured_queries)):
        marketer.get("/queues/retry/")


def test_one_message_shows_its_attempts_and_says_when_nothing_came(marketer):
    campaign = reporting_rows.campaign([3])
    message = campaign.messages.get()

    page = marketer.get(f"/deliveries/{message.pk}/").content.decode()

    assert "No receipt yet, so we do not know whether it arrived" in page
    assert str(message.uuid) in page


def test_a_page_that_speaks_of_another_state_is_loaded_anew(login):
    campaign = factories.campaign(state=Campaign.State.SENDING)
    asked = {"HX-Request": "true", "HX-Target": "results"}

    client = login("marketer")
    assert "HX-Refresh" not in client.get(
        campaign.get_absolute_url(), headers={**asked, "X-State": "sending empty"}
    )
    assert (
        client.get(campaign.get_absolute_url(), headers={**asked, "X-State": "launching"})["HX-Refresh"]
        == "true"
    )


def test_messages_canceled_before_they_left_are_counted_and_listed_nowhere_but_apart(marketer):
    campaign = reporting_rows.campaign([0, 0, 1, 3, 3])
    mine = campaign.messages.order_by("pk")
    for message in mine.filter(status="sent"):
        mine.filter(pk=message.pk).update(status="canceled", disposition="", reason_code="undone")
    reporting_rows.count()

    page = marketer.get(url(campaign))
    text = " ".join(re.sub(r"<[^>]+>", "", page.content.decode()).split())

    assert (shown_count(page), rows(page)) == (3, 3)
    assert "3 messages" in text
    assert "All outcomes 3" in text
    assert "Messages 3 = 2 delivered" in text
    assert "2 more canceled before they were sent" in text
    assert b"".join(marketer.get(f"{url(campaign)}export/").streaming_content).count(b"\n") == 1 + 3
    apart = marketer.get(url(campaign, "status=canceled"))
    assert (shown_count(apart), rows(apart)) == (2, 2)
    assert ">Canceled<" in apart.content.decode()
    for query in ("channel=sms", "source=-", "carrier=Carrier+A", "updated=7d"):
        assert (
            shown_count(marketer.get(url(campaign, query))) == rows(marketer.get(url(campaign, query))) <= 3
        )


def test_the_filter_offers_what_pills_say_each_word_once(marketer):
    campaign = reporting_rows.campaign([0, 1, 2, 3, 4, 5, 6])
    page = marketer.get(url(campaign)).content.decode()
    select = re.search(r'<select name="status".*?</select>', page, re.DOTALL).group()
    offered = dict(re.findall(r'<option value="(\w+)"[^>]*>([^<]+)<', select))

    pills = set(re.findall(r'<span class="pill" data-b="\w+"><svg.*?</svg>([^<]+)</span></td>', page))

    assert len(pills) == 7
    assert sorted(offered.values()) == sorted(set(offered.values()))
    for label in pills:
        value = next(key for key, words in offered.items() if words == label)
        found = marketer.get(url(campaign, f"status={value}")).content.decode()
        assert set(
            re.findall(r'<span class="pill" data-b="\w+"><svg.*?</svg>([^<]+)</span></td>', found)
        ) == {label}


def test_a_link_to_a_status_with_the_name_of_a_pill_still_counts(marketer):
    campaign = reporting_rows.campaign([0, 5, 5])

    page = marketer.get(url(campaign, "status=opted_out"))

    assert shown_count(page) == 2
    assert b'<option value="opted_out" selected>Opted out' in page.content
