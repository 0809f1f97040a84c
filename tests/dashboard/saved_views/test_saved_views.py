import re
from html import unescape
from urllib.parse import urlencode

import pytest

from accounts.models import User
from deliveries.models import QueueEntry, SavedView
from tests import factories, reporting_rows

pytestmark = pytest.mark.django_db


@pytest.fixture
def marketer(login):
    return login("marketer")


@pytest.fixture
def campaign():
    return reporting_rows.campaign([0, 1, 1, 2])


def new_url(address: str) -> str:
    return f"/views/new/?{urlencode({'from': address})}"


def save(client, address: str, name: str = "Mine", **given):
    return client.post(new_url(address), {"name": name, **given})


def menu(client, address: str) -> str:
    headers = {"HX-Request": "true", "HX-Current-URL": f"http://testserver{address}"}
    return client.get("/views/", headers=headers).content.decode()


def listed(page: str) -> dict[str, tuple[str, str]]:
    """Name -> (rows, address), of the menu."""
    named = r'class="views-one" href="([^"]+)">\s*<span>([^<]+?)\s*(?:<small.*?</small>)?</span>'
    found = re.findall(named + r'\s*<span class="badge">([^<]+)<', page, re.DOTALL)
    return {name: (n, unescape(url)) for url, name, n in found}


def count(page: str) -> str:
    return re.search(r'id="count"[^>]*>\s*([\d,]+\+?)', page)[1]


@pytest.mark.parametrize(
    ("address", "rows"),
    [
        ("{report}?status=retryable", "2"),
        ("{report}?queue=retry&channel=sms", "2"),
        ("{report}?person=failed", "3"),
        ("/queues/retry/?channel=sms&owner=nobody", "2"),
        ("/messages/?status=permanent", "1"),
    ],
)
def test_a_view_of_each_list_opens_the_rows_that_it_counts(marketer, campaign, address, rows):
    address = address.format(report=campaign.get_absolute_url())
    assert marketer.get(new_url(address)).status_code == 200

    answer = save(marketer, address)
    (found,) = listed(menu(marketer, address)).items()

    name, (n, url) = found
    assert answer.status_code == 302
    assert (name, n) == ("Mine", rows)
    assert count(marketer.get(url).content.decode()) == rows
    assert rows in marketer.get("/views/").content.decode()


def test_a_menu_has_the_views_of_its_list_alone(marketer, campaign):
    other = reporting_rows.campaign([0])
    save(marketer, f"{campaign.get_absolute_url()}?channel=sms", "This one")
    save(marketer, f"{other.get_absolute_url()}?channel=sms", "Another")
    save(marketer, "/queues/retry/?channel=sms", "Of queues")

    assert set(listed(menu(marketer, campaign.get_absolute_url()))) == {"This one"}
    assert set(listed(menu(marketer, "/queues/correct/"))) == {"Of queues"}
    assert listed(menu(marketer, "/contacts/")) == {}


def test_a_private_view_is_its_owners_and_a_shared_one_everybodys(marketer, login, campaign):
    address = campaign.get_absolute_url()
    save(marketer, f"{address}?channel=sms", "Private")
    save(marketer, f"{address}?channel=sms", "Shared", shared="on")
    support = login("support")

    assert set(listed(menu(support, address))) == {"Shared"}
    private, shared = (SavedView.objects.get(name=name) for name in ("Private", "Shared"))
    for view in (private, shared):
        assert support.get(f"/views/{view.pk}/").status_code == 404
        assert support.post(f"/views/{view.pk}/", {"name": "Taken"}).status_code == 404
        assert support.post(f"/views/{view.pk}/delete/").status_code == 404
    assert SavedView.objects.filter(name__in=["Private", "Shared"]).count() == 2


def test_who_may_not_share_makes_private_views_only(login, campaign):
    support = login("support")

    page = support.get(new_url(f"{campaign.get_absolute_url()}?channel=sms")).content.decode()
    save(support, f"{campaign.get_absolute_url()}?channel=sms", shared="on")

    assert 'name="shared"' not in page
    assert SavedView.objects.get().shared is False


def test_me_is_whoever_looks(marketer, login, campaign):
    address = "/queues/retry/?owner=me"
    save(marketer, address, "To me", shared="on")
    QueueEntry.objects.filter(queue="retry").update(owner=SavedView.objects.get().owner)

    assert listed(menu(marketer, address))["To me"][0] == "2"
    assert listed(menu(login("support"), address))["To me"][0] == "0"


def test_its_owner_renames_unshares_and_deletes_it(marketer, campaign):
    save(marketer, f"{campaign.get_absolute_url()}?channel=sms", shared="on")
    view = SavedView.objects.get()

    assert marketer.post(f"/views/{view.pk}/", {"name": "  Other   name "}).status_code == 302
    view.refresh_from_db()
    assert (view.name, view.shared, view.filters) == ("Other name", False, {"channel": "sms"})

    assert marketer.get(f"/views/{view.pk}/delete/").status_code == 405
    assert marketer.post(f"/views/{view.pk}/delete/").status_code == 302
    assert not SavedView.objects.exists()


def test_one_person_has_one_view_of_a_name(marketer, campaign):
    address = f"{campaign.get_absolute_url()}?channel=sms"
    save(marketer, address, "Twice")

    answer = save(marketer, address, "twice")

    assert answer.status_code == 422
    assert "You have a view called so already" in answer.content.decode()


@pytest.mark.parametrize(
    "address",
    ["", "/contacts/", "//evil.example/", "/messages/?channel=fax", "/queues/nothing/", "/campaigns/none/"],
)
def test_what_is_no_list_or_has_filters_that_do_not_work_is_not_saved(marketer, address):
    answer = save(marketer, address)

    assert answer.status_code == 302
    assert not SavedView.objects.exists()


def test_what_is_no_address_at_all_is_no_list(marketer):
    for address in ("http://[", "//[", "http://[::1", "/messages/[?s=[", "?", "%", "%00"):
        headers = {"HX-Request": "true", "HX-Current-URL": address}
        assert marketer.get("/views/", {"from": address}).status_code == 200
        assert marketer.get("/views/", headers=headers).status_code == 200
        assert save(marketer, address).status_code == 302

    assert not SavedView.objects.exists()


NUMBERS = ("source", "sender", "account", "campaign", "segment", "owner", "version", "attempt", "segments")


@pytest.mark.parametrize("value", ["9999999999999999999", "²"])  # as many digits as the largest id, and no id
def test_a_number_that_is_no_rows_breaks_no_list_and_is_not_saved(marketer, campaign, value):
    owner = User.objects.get()
    for name in NUMBERS:
        SavedView.objects.create(name=f"{name} of a queue", queue="retry", owner=owner, filters={name: value})
        SavedView.objects.create(name=f"{name} of all", owner=owner, filters={name: value})

    for page in ("/views/", f"/messages/?account={value}", f"/queues/retry/?campaign={value}"):
        assert marketer.get(page).status_code in (200, 422)
    menus = [menu(marketer, address) for address in ("/messages/", "/queues/retry/")]
    for name in NUMBERS:
        save(marketer, f"/queues/retry/?{urlencode({name: value})}", "Kept")

    assert all("views-one" in page for page in menus)
    assert not SavedView.objects.filter(name="Kept").exists()


def test_a_view_whose_filters_no_longer_work_is_listed_without_a_count(marketer):
    owner = User.objects.get()
    SavedView.objects.create(name="Old", owner=owner, filters={"channel": "fax"})

    page = marketer.get("/views/").content.decode()

    assert "Its filters can no longer be used." in page


def test_the_page_costs_more_for_each_view_by_its_count_alone(marketer, campaign, django_assert_num_queries):
    address = campaign.get_absolute_url()
    for name in ("One", "Two"):
        save(marketer, f"{address}?channel=sms", name)
    menu(marketer, address)
    headers = {"HX-Request": "true", "HX-Current-URL": address}
    with django_assert_num_queries(8) as made:
        marketer.get("/views/", headers=headers)

    assert sum("LIMIT 10001" in one["sql"] for one in made.captured_queries) == 2


def test_a_search_is_not_shared_and_stands_whole_only_for_who_sees_whole_addresses(login, campaign):
    admin = login("admin")
    address = f"{campaign.get_absolute_url()}?s=32123456"

    assert "may be somebody" in save(admin, address, shared="on").content.decode()
    assert save(admin, address).status_code == 302
    view = SavedView.objects.get()
    assert "32123456" in admin.get("/views/").content.decode()

    marketer = login("marketer")
    SavedView.objects.filter(pk=view.pk).update(shared=True)  # by whatever way
    assert listed(menu(marketer, address)) == {}
    assert "No saved views yet" in marketer.get("/views/").content.decode()

    save(marketer, address, "Own")
    page = marketer.get("/views/").content.decode()
    assert "Search …" in page
    assert "32123456" not in re.sub(r'href="[^"]*"', "", page)


def test_a_draft_has_no_views(marketer):
    draft = factories.campaign(state="draft")

    assert save(marketer, f"{draft.get_absolute_url()}?channel=sms").status_code == 302
    assert not SavedView.objects.exists()


def test_the_list_offers_its_views_and_no_list_asks_for_them_before_they_are_opened(marketer, campaign):
    page = marketer.get(campaign.get_absolute_url()).content.decode()

    assert 'hx-get="/views/" hx-trigger="toggle once"' in page
    assert f'href="/views/?{urlencode({"from": campaign.get_absolute_url()})}"' in page
