"""The admin's lists answer what they offer, whatever stands in their address."""

from __future__ import annotations

import io
import logging

import pytest
from django.contrib import admin
from django.contrib.admin.sites import site
from django.contrib.auth.models import Group
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts.site import Declared, SortedAsShown
from contacts.channels import Channel
from contacts.models import Address, Contact, Suppression
from tests import factories

pytestmark = pytest.mark.django_db

EVERY = list(site._registry)
LOOKUPS = ("", "__exact", "__startswith", "__istartswith", "__contains", "__regex", "__iregex", "__in", "__gt", "__lt",
           "__range", "__isnull", "__pk", "__date", "__year", "__length")  # fmt: skip


def label(model):
    return model._meta.label_lower


def list_of(model):
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")


@pytest.fixture
def root(client):
    client.force_login(factories.user(is_staff=True, is_superuser=True))
    return client


def offered(model, rf):
    """What the filters of the list beside its rows set."""
    request = rf.get("/")
    request.user = factories.user(is_staff=True, is_superuser=True)
    changelist = site._registry[model].get_changelist_instance(request)
    return {name for one in changelist.filter_specs for name in one.expected_parameters()}


@pytest.mark.parametrize("model", EVERY, ids=label)
def test_every_admin_class_is_bounded(model):
    found = site._registry[model]

    assert isinstance(found, Declared)
    assert issubclass(found.get_changelist(None), SortedAsShown)


@pytest.mark.parametrize("model", EVERY, ids=label)
def test_only_what_a_filter_offers_is_looked_up(model, rf):
    found, request = site._registry[model], rf.get("/")
    columns = [field.name for field in model._meta.get_fields()]
    related = [
        f"{field.name}__{other.name}"
        for field in model._meta.get_fields()
        if field.related_model
        for other in field.related_model._meta.fields
    ]
    filters = offered(model, rf)
    allowed = {
        f"{name}{lookup}"
        for name in ["id", "pk", *columns, *related]
        for lookup in LOOKUPS
        if found.lookup_allowed(f"{name}{lookup}", "1", request)
    }

    declared = {getattr(one, "parameter_name", one) for one in found.list_filter}
    assert {name.partition("__")[0] for name in allowed} <= declared
    assert {name.partition("__")[2] for name in allowed - filters} <= {"", "exact", "isnull"}
    assert all(found.lookup_allowed(name, "1", request) for name in filters)


GUESSES = [
    (Address, "value__startswith", "+1216"),
    (Address, "value", "+12165550100"),
    (Address, "contact__addresses__value__startswith", "+1216"),
    (Contact, "addresses__value__startswith", "+1216"),
    (Contact, "name__regex", "^(a+)+$"),
    (Contact, "id__in", "9" * 40),
]


@pytest.mark.parametrize(("model", "name", "value"), GUESSES)
@pytest.mark.parametrize("role", ["support", "marketer", "admin"])
def test_a_masked_address_cannot_be_guessed_by_looking_it_up(login, role, model, name, value):
    client = login(role)
    client.user.is_staff = True
    client.user.save()
    factories.phone(value="+12165550100")

    with CaptureQueriesContext(
        connection,
    ) as queries:
        answer = client.get(list_of(model), {name: value})

    assert answer.status_code == 403 or answer.url == list_of(model)
    assert not [one for one in queries if "+1216" in one["sql"] or "(a+)" in one["sql"]]


BAD = [
    {"q": "x"}, {"q": "٣"}, {"q": "9" * 5_000}, {"q": "\x00"}, {"q": "%'\"", "all": ""},
    {"o": "1.-1.99.--1.x.٣"}, {"o": "9" * 5_000}, {"p": "9" * 30}, {"p": "-1"}, {"id__in": "9" * 40}, {"pk": ""},
    {"_to_field": ""}, {"_to_field": "x"}, {"state__exact": "\x00"}, {"_changelist_filters": "%ff", "_popup": "1"},
]  # fmt: skip


@pytest.mark.parametrize("model", EVERY, ids=label)
def test_no_parameter_of_a_list_is_an_error_of_ours(root, model):
    root.raise_request_exception = False

    answers = [(data, root.get(list_of(model), data).status_code) for data in BAD]

    assert [data for data, status in answers if status >= 500] == []


@pytest.mark.parametrize(
    "query", ["value__startswith=%2B1216", "_to_field=x", "origin__exact=staff", "reason__exact=%00"]
)
def test_what_a_list_does_not_offer_is_left_out_of_it_and_said_so(root, caplog, query):
    kept = "q=%2B12165550100&state=blocking"
    answer = root.get(f"{list_of(Suppression)}?{query}&{kept}")
    page = root.get(answer.url)

    assert (answer.status_code, answer.url) == (302, f"{list_of(Suppression)}?{kept}")
    assert "That filter is not known; it was left out." in page.content.decode()
    assert [(record.levelname, record.exc_info) for record in caplog.records] == [("WARNING", None)]


def test_a_value_that_a_filter_cannot_read_is_left_out_as_well(root):
    page = root.get("/admin/accounts/user/", {"groups__id__exact": "x"}, follow=True)

    assert "That filter is not known; it was left out." in page.content.decode()


def blocked(n, reason="staff"):
    """`n` blocks of email addresses, for this reason."""
    return [
        Suppression.objects.create(value=f"{reason}{k}@example.com", reason=reason, origin="staff")
        for k in range(n)
    ]


NO_SUCH_PAGE = "This list has no such page; here is its first one."


@pytest.mark.parametrize("page", ["9999", "-1", "0", "9" * 30])
@pytest.mark.parametrize(("rows", "shown"), [(60, 50), (2, 2)])
def test_a_page_that_a_list_does_not_have_is_no_filter(root, page, rows, shown):
    blocked(rows), blocked(1, "asked")

    answer = root.get(list_of(Suppression), {"reason__exact": "staff", "p": page})

    messages = [str(one) for one in answer.context["messages"]]
    assert (answer.status_code, messages) == (200, [NO_SUCH_PAGE])
    assert len(answer.context["cl"].result_list) == shown
    assert {one.reason for one in answer.context["cl"].result_list} == {"staff"}


@pytest.mark.parametrize("page", [{}, {"p": "1"}, {"p": "2"}, {"p": "x"}])
def test_a_page_that_a_list_has_is_shown_without_a_word(root, page):
    blocked(60)

    answer = root.get(list_of(Suppression), page)

    assert NO_SUCH_PAGE not in answer.content.decode()


@pytest.mark.parametrize("query", ["value__startswith=%2B1216", "reason__exact=%00"])
def test_an_action_beside_a_filter_that_is_not_known_says_that_it_was_not_done(root, query):
    [held] = blocked(1)
    given = {"action": "release_selected", "_selected_action": [held.pk], "note": "Asked", "index": "0"}

    page = root.post(f"{list_of(Suppression)}?{query}", given, follow=True).content.decode()

    held.refresh_from_db()
    assert held.released_at is None
    assert "That filter is not known; it was left out." in page
    assert "Nothing was done. Choose the rows and the action again." in page


def test_a_refused_request_has_a_page_of_ours_and_one_line_in_the_log(root, monkeypatch):
    console, lines = next(h for h in logging.root.handlers if h.name == "console"), io.StringIO()
    monkeypatch.setattr(console, "stream", lines)

    refused = root.post(
        "/admin/contacts/suppression/",
        {"action": "delete_selected", "_selected_action": ["x"], "index": "0"},
    )
    field = root.get("/admin/contacts/contact/add/?_to_field=x&_popup=1")

    assert (refused.status_code, field.status_code) == (400, 400)
    assert "This request could not be read" in refused.content.decode()
    assert [line.split()[2] for line in lines.getvalue().splitlines()] == ["WARNING"] * 2


@pytest.mark.parametrize("model", EVERY, ids=label)
def test_no_row_has_an_address_that_none_can_have(root, model):
    root.raise_request_exception = False
    keys = ("9" * 40, "9" * 5_000, "x", "-1", "_00", "%00", "٣")
    pages = [f"{list_of(model)}{key}/change/?_to_field=" for key in keys]
    pages += [f"{list_of(model)}{'9' * 40}/{page}/" for page in ("history", "delete", "change")]

    broken = [page[:120] for page in pages if root.get(page).status_code >= 500]

    assert broken == []


NO_KEYS = ["AAAA", "", "9" * 40, "9" * 5_000, "0001-01-01", "٣x", "\x00", "1,2", "ß"]


@pytest.mark.parametrize("key", NO_KEYS)
@pytest.mark.parametrize("path", ["campaigns/playbook", "contacts/suppression", "deliveries/pendingreceipt"])
def test_an_action_on_what_is_no_row_is_refused(root, path, key):
    answer = root.post(
        f"/admin/{path}/", {"action": "delete_selected", "_selected_action": ["1", key], "index": "0"}
    )

    assert answer.status_code == 400


@pytest.mark.parametrize("key", NO_KEYS)
def test_a_form_with_a_choice_that_is_no_row_says_so(root, key):
    list_field = root.post(
        "/admin/contacts/listmembership/add/", {"contact_list": key, "contact": key, "_popup": "1"}
    )
    source = root.post(
        "/admin/contacts/contact/add/",
        {"name": "A", "source": key, "addresses-TOTAL_FORMS": "0", "addresses-INITIAL_FORMS": "0"},
    )

    assert (list_field.status_code, source.status_code) == (200, 200)
    assert "errorlist" in list_field.content.decode()


@pytest.mark.parametrize("key", [one for one in NO_KEYS if one] + [str(2**63), str(-(2**63) - 1)])
def test_several_choices_of_which_one_is_no_row_are_refused(root, key):
    role = root.post("/admin/auth/group/add/", {"name": "Role", "permissions": ["1", key]})
    draft = root.post("/admin/campaigns/campaign/add/", {"name": "A", "lists": [key]})

    assert (role.status_code, draft.status_code) == (200, 200)
    assert not Group.objects.filter(name="Role").exists()


@pytest.mark.parametrize(
    "path", ["campaigns/campaign", "contacts/contactlist", "accounts/user", "contacts/contact"]
)
def test_a_search_for_a_book_is_answered(root, path):
    assert root.get(f"/admin/{path}/", {"q": "a" * 70_000}).status_code == 200


@pytest.mark.parametrize(("path", "prefix", "most"), [
    ("campaigns/campaign", "contents", len(Channel)), ("contacts/contact", "addresses", 50),
])  # fmt: skip
@pytest.mark.parametrize("asked", ["2000", "9" * 40])
def test_nobody_can_ask_for_thousands_of_forms(root, path, prefix, most, asked):
    page = root.post(f"/admin/{path}/add/", {f"{prefix}-TOTAL_FORMS": asked, f"{prefix}-INITIAL_FORMS": "0"})

    assert page.status_code == 200
    assert page.content.decode().count(f'id="{prefix}-') <= most + 3  # the group, its end, and one to copy


def test_a_choice_that_was_made_is_shown_again(root):
    chosen = factories.contact_list(name="Spring fair")

    page = root.post("/admin/contacts/listmembership/add/", {"contact_list": chosen.pk}).content.decode()

    assert "Spring fair" in page


def test_a_row_opens_with_an_empty_to_field(root):
    address = factories.phone()

    assert root.get(f"{list_of(Address)}{address.pk}/change/?_to_field=").status_code == 200


def test_a_list_is_not_sorted_by_what_it_does_not_offer(root):
    factories.phone()

    with CaptureQueriesContext(connection) as queries:
        root.get(list_of(Address), {"o": "1"})

    ordered = [one["sql"].partition("ORDER BY")[2] for one in queries if "contacts_address" in one["sql"]]
    assert not [sql for sql in ordered if '"value"' in sql]


def test_suggestions_are_for_the_fields_that_offer_them(root):
    suggest = reverse("admin:autocomplete")
    named = {"app_label": "contacts", "model_name": "listmembership", "term": "a"}

    assert root.get(suggest, {**named, "field_name": "contact_list"}).status_code == 200
    for field in ("contact", "id", "x", ""):
        assert root.get(suggest, {**named, "field_name": field}).status_code == 403
    for model in ("addresshealth", "address", "x", ""):
        assert (
            root.get(suggest, {**named, "model_name": model, "field_name": "contact_list"}).status_code == 403
        )
    assert root.get(suggest).status_code == 403


@pytest.mark.parametrize("kind", ["choices", "relation", "boolean", "date", "plain", "own"])
def test_whatever_a_filter_sets_is_allowed(rf, kind):
    """The names that our lists do not use today, so that a filter that is added tomorrow works."""

    class OwnFilter(admin.SimpleListFilter):
        title = parameter_name = "own"

        def lookups(self, request, model_admin):
            return [("1", "One")]

        def queryset(self, request, queryset):
            return queryset

    declared = {"choices": "stage", "relation": "source", "boolean": "is_active", "date": "created_at",
                "plain": "locale", "own": OwnFilter}[kind]  # fmt: skip
    model = type(factories.user()) if kind == "boolean" else Contact

    class Listing(Declared, admin.ModelAdmin):
        list_filter = (declared,)

    factories.contact(source=factories.contact_list(), locale="en")
    factories.contact(source=factories.contact_list(), locale="de")
    found = Listing(model, site)
    request = rf.get("/")
    request.user = factories.user(is_staff=True, is_superuser=True)
    filters = found.get_changelist_instance(request).filter_specs

    assert filters
    assert all(
        found.lookup_allowed(name, "1", request) for one in filters for name in one.expected_parameters()
    )
