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
    assert 'hx-trigger="load"' not in page
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
