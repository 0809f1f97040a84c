"""The roles: who may do what, and how views ask for it."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import AnonymousUser, Group, Permission
from django.core.exceptions import PermissionDenied
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpResponse
from django.views.decorators.http import require_GET

from accounts.roles import (
    ADMINISTRATOR,
    MARKETER,
    ROLES,
    SUPPORT,
    check_names,
    remove_roles,
    requires,
    sync_roles,
)
from tests import factories

pytestmark = pytest.mark.django_db


def person(role):
    user = factories.user()
    user.groups.add(Group.objects.get(name=role))
    return user


def held_by(role):
    found = Permission.objects.filter(group__name=role).select_related("content_type")
    return {f"{each.content_type.app_label}.{each.codename}" for each in found}


@pytest.mark.parametrize("role", ROLES)
def test_a_migrated_database_has_every_role_with_exactly_its_permissions(role):
    assert held_by(role) == ROLES[role]


def test_every_name_in_the_table_is_a_permission_of_a_model():
    assert check_names() == []


def test_a_name_that_no_model_declares_is_an_error(monkeypatch):
    monkeypatch.setitem(ROLES, SUPPORT, {"contacts.view_contact", "contacts.veiw_contact"})

    found = check_names()

    assert [problem.msg for problem in found] == [
        "The role Support holds contacts.veiw_contact, which no model declares."
    ]


def test_the_migration_makes_the_roles_where_no_permission_exists_yet():
    Group.objects.all().delete()
    Permission.objects.all().delete()
    historical = MigrationExecutor(connection).loader.project_state().apps

    sync_roles(historical)

    assert held_by(SUPPORT) == ROLES[SUPPORT]


def test_syncing_takes_away_what_a_role_no_longer_holds():
    group = Group.objects.get(name=SUPPORT)
    group.permissions.add(Permission.objects.get(codename="export_report"))

    sync_roles()

    assert held_by(SUPPORT) == ROLES[SUPPORT]


def test_removing_the_roles_leaves_other_groups():
    Group.objects.create(name="Book club")

    remove_roles()

    assert list(Group.objects.values_list("name", flat=True)) == ["Book club"]


@pytest.mark.parametrize(
    ("role", "permission", "expected"),
    [
        (MARKETER, "campaigns.launch_campaign", True),
        (MARKETER, "campaigns.export_report", True),
        (MARKETER, "deliveries.act_in_bulk", True),
        (MARKETER, "contacts.suppress_contact", True),
        (MARKETER, "contacts.view_full_address", False),
        (MARKETER, "contacts.correct_contact", True),
        (MARKETER, "deliveries.view_account", False),
        (ADMINISTRATOR, "deliveries.view_account", True),
        (ADMINISTRATOR, "deliveries.change_pendingreceipt", True),
        (ADMINISTRATOR, "deliveries.change_receipt", False),
        (ADMINISTRATOR, "contacts.add_consent", True),
        (ADMINISTRATOR, "contacts.change_consent", False),
        (ADMINISTRATOR, "contacts.delete_suppression", False),
        (ADMINISTRATOR, "deliveries.act_in_bulk", True),
        (SUPPORT, "campaigns.view_report", True),
        (SUPPORT, "contacts.view_full_address", True),
        (SUPPORT, "contacts.correct_contact", True),
        (SUPPORT, "contacts.suppress_contact", True),
        (SUPPORT, "contacts.add_note", True),
        (SUPPORT, "deliveries.act_in_bulk", False),
        (SUPPORT, "campaigns.export_report", False),
        (SUPPORT, "campaigns.launch_campaign", False),
    ],
)
def test_a_role_may_do_what_its_work_needs_and_no_more(role, permission, expected):
    assert person(role).has_perm(permission) is expected


def test_every_view_permission_is_held_by_the_administrator():
    names = Permission.objects.filter(codename__startswith="view_", content_type__app_label="contacts")

    assert {f"contacts.{each.codename}" for each in names} <= ROLES[ADMINISTRATOR]


@requires("campaigns.view_report", "campaigns.export_report")
@require_GET
def page(request):
    return HttpResponse("in")


def test_whoever_is_logged_out_is_sent_to_the_log_in_page(rf):
    request = rf.get("/somewhere/?q=1")
    request.user = AnonymousUser()

    response = page(request)

    assert response.status_code == 302
    assert response["Location"].endswith("login/?next=/somewhere/%3Fq%3D1")


def test_whoever_lacks_one_of_the_permissions_is_refused(rf):
    request = rf.get("/")
    request.user = person(SUPPORT)

    with pytest.raises(PermissionDenied):
        page(request)


def test_whoever_holds_all_permissions_gets_the_page(rf):
    request = rf.get("/")
    request.user = person(MARKETER)

    assert page(request).content == b"in"
