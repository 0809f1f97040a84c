"""The figures above a report follow the filters of its list; what no tally knows is counted once the page stands."""

import re
from html import unescape

import pytest

from deliveries.models import Message
from tests import reporting_rows

pytestmark = pytest.mark.django_db
HTMX = {"HX-Request": "true", "HX-Trigger": "filters"}


@pytest.fixture
def marketer(login):
    return login("marketer")


def figures(page: str) -> dict[str, str]:
    return dict(re.findall(r'class="kpi" data-b="(\w+)".*?kpi-n">([^<]+)<', page, re.DOTALL))


def count(page: str) -> str:
    return re.search(r'id="count"[^>]*>\s*([\d,]+\+?)', page)[1]


@pytest.mark.parametrize("headers", [{}, HTMX])
def test_the_figures_follow_a_filter_that_a_tally_knows(marketer, headers):
    campaign = reporting_rows.campaign([0, 1, 1, 2, 2, 2])
    Message.objects.filter(pk__in=Message.objects.filter(reason_code="30005").values("pk")[:2]).update(
        carrier="One"
    )
    reporting_rows.count()

    page = marketer.get(f"{campaign.get_absolute_url()}?carrier=One", headers=headers).content.decode()

    assert figures(page)["permanent"] == "2"
    assert figures(page)["retryable"] == "0"
    assert "Being counted" in page[page.index('<div id="causes"') :]  # no tally has codes by carrier
    (link,) = re.findall(r'data-b="permanent" href="([^"]+)"', page)
    assert count(marketer.get(unescape(link)).content.decode()) == "2"


def test_what_no_tally_knows_comes_once_the_page_stands(marketer, django_assert_num_queries):
    campaign = reporting_rows.campaign([0] * 40 + [1] * 20)
    Message.objects.filter(attempt=1).update(attempt=2)
    reporting_rows.count()
    address = f"{campaign.get_absolute_url()}?attempt=2"

    page = marketer.get(address).content.decode()
    later = re.findall(r'hx-get="([^"]*/counts/[^"]*)"', page)

    assert count(page) == "50+"
    assert set(figures(page).values()) == {"…"}
    assert len(later) == 1
    answer = marketer.get(unescape(later[0])).content.decode()
    assert count(answer) == "60"
    assert figures(answer)["retryable"] == "20"
    assert 'data-total="60"' in answer
    assert re.search(r'id="export-count"[^>]*>60<', answer)
    assert count(marketer.get(f"{address}&count=1").content.decode()) == "60"


def test_a_list_that_fits_the_page_is_counted_with_it_and_its_figures_later(marketer):
    campaign = reporting_rows.campaign([0, 1, 1])

    page = marketer.get(f"{campaign.get_absolute_url()}?attempt=1&status=retryable").content.decode()
    (later,) = re.findall(r'hx-get="([^"]*/counts/[^"]*)"', page)
    answer = marketer.get(unescape(later)).content.decode()

    assert (count(page), count(answer)) == ("2", "2")
    assert figures(answer)["retryable"] == "2"
    assert "select-all" not in answer


def test_counting_needs_the_permission_and_filters_that_work(client, marketer):
    campaign = reporting_rows.campaign([0])
    address = f"/campaigns/{campaign.slug}/counts/"

    assert client.__class__().get(address).status_code == 302
    assert marketer.get(f"{address}?channel=fax").status_code == 422


def sums(page: str) -> list[str]:
    part = page[page.index('<div id="recon"') :]
    return [
        " ".join(re.sub(r"<[^>]+>", " ", one).split())
        for one in re.findall(r'<p class="recon[^>]*>(.*?)</p>', part[: part.index("</div>")], re.DOTALL)
    ]


def drawn(page: str) -> list[list[str]]:
    """The rows of the chart as its table has them."""
    part = page[page.index('id="data-table"') :]
    body = part[part.index("<tbody>") : part.index("</tbody>")]
    return [re.findall(r"<t[hd][^>]*>([^<]*)<", row) for row in body.split("<tr>")[1:]]


def two_channels():
    """60 messages: by SMS 30 delivered and 20 retryable, by voice 10 permanent."""
    campaign = reporting_rows.campaign([0] * 30 + [1] * 20 + [2] * 10)
    Message.objects.filter(reason_code="30005").update(channel="voice")
    reporting_rows.count()
    return campaign


@pytest.mark.parametrize("headers", [{}, HTMX])
def test_the_chart_the_sums_and_the_causes_follow_a_filter_that_a_tally_knows(marketer, headers):
    campaign = two_channels()

    page = marketer.get(f"{campaign.get_absolute_url()}?channel=voice", headers=headers).content.decode()

    assert [row[0:2] for row in drawn(page)] == [["Voice", "10"]]
    assert sums(page)[1].startswith("Messages with these filters 10 = 0 delivered + 0 pending")
    assert "30005" in page[page.index('<div id="causes"') :]
    assert "of the whole campaign: filters narrow messages, not people" in page
    assert "Outcome by channel, with these filters" in page
    assert f'href="/campaigns/{campaign.slug}/causes/">Causes</a>' in page[page.index('<div id="causes"') :]


def test_every_number_of_a_narrowed_report_opens_its_rows(marketer):
    campaign = two_channels()
    page = marketer.get(f"{campaign.get_absolute_url()}?channel=sms&region=").content.decode()

    part = page[page.index('<div id="recon"') : page.index('id="results"')]
    links = [
        (unescape(url), n) for url, n in re.findall(r'<a href="([^"]*channel=sms[^"]*)">([\d,]+)</a>', part)
    ]

    assert len(links) >= 3
    for url, n in links:
        assert count(marketer.get(url).content.decode()) == n


def test_what_no_tally_knows_of_chart_sums_and_causes_comes_with_the_count(marketer):
    campaign = two_channels()
    Message.objects.filter(channel="voice").update(attempt=2)
    address = f"{campaign.get_absolute_url()}?attempt=2"

    page = marketer.get(address).content.decode()
    (later,) = re.findall(r'hx-get="([^"]*/counts/[^"]*)"', page)
    answer = marketer.get(unescape(later)).content.decode()
    at_once = marketer.get(f"{address}&count=1").content.decode()

    assert "being counted" in sums(page)[1]
    assert "Count them now" in page
    for found in (answer, at_once):
        assert [row[0:2] for row in drawn(found)] == [["Voice", "10"]]
        assert sums(found)[1].startswith("Messages with these filters 10 = 0 delivered")
        assert "30005" in found[found.index('<div id="causes"') :]
    assert 'hx-trigger="load"' not in at_once


def test_a_refresh_keeps_the_figures_that_stand_there_until_they_are_counted(marketer):
    campaign = two_channels()
    headers = {"HX-Request": "true", "HX-Trigger": "results"}

    answer = marketer.get(f"{campaign.get_absolute_url()}?attempt=1", headers=headers).content.decode()

    assert 'id="later"' in answer
    assert 'id="kpis"' not in answer


def test_a_fragment_that_takes_the_filter_off_brings_the_whole_campaign_back(marketer):
    campaign = two_channels()
    address = campaign.get_absolute_url()
    headers = HTMX | {"HX-Current-URL": f"http://testserver{address}?channel=voice"}

    answer = marketer.get(address, headers=headers).content.decode()

    assert [row[0:2] for row in drawn(answer)] == [["SMS", "50"], ["Voice", "10"]]
    assert "filters narrow messages, not people" not in answer
    assert re.search(r'id="of-all"[^>]* hidden', answer)


def test_a_fragment_of_a_page_whose_address_is_none_is_answered(marketer):
    campaign = two_channels()

    answer = marketer.get(campaign.get_absolute_url(), headers=HTMX | {"HX-Current-URL": "http://["})

    assert answer.status_code == 200


@pytest.mark.parametrize("query", ["channel=sms", "carrier=One", "attempt=1", "source=-&channel=sms"])
def test_a_narrowed_report_costs_the_same_for_few_and_many_rows(
    marketer, query, django_assert_num_queries, django_assert_max_num_queries
):
    small, large = reporting_rows.campaign([0, 1, 2] * 3), reporting_rows.campaign([0, 1, 2] * 40)
    marketer.get(f"{small.get_absolute_url()}?{query}")
    with django_assert_max_num_queries(36) as few:
        marketer.get(f"{small.get_absolute_url()}?{query}")

    with django_assert_num_queries(len(few.captured_queries)):
        marketer.get(f"{large.get_absolute_url()}?{query}")


def test_where_everything_was_delivered_the_chart_says_so(marketer):
    campaign = reporting_rows.campaign([0, 0])

    page = marketer.get(f"{campaign.get_absolute_url()}?channel=sms").content.decode()

    assert "Every one of these messages was delivered." in page
