"""People in the admin: administrators hand out roles, never the powers of a superuser."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import Group
from django.urls import reverse

from accounts.models import User
from accounts.roles import ADMINISTRATOR, SUPPORT
from tests import factories

pytestmark = pytest.mark.django_db


@pytest.fixture
def administrator(client):
    user = factories.user(is_staff=True)
    user.groups.add(Group.objects.get(name=ADMINISTRATOR))
    client.force_login(user)
    return user


def test_an_administrator_adds_a_person_with_a_role(client, administrator):
    password = "a long enough passphrase"
    role = Group.objects.get(name=SUPPORT)
    form = {"username": "sam", "usable_password": "true", "password1": password, "password2": password}

    response = client.post(
        reverse("admin:accounts_user_add"), form | {"groups": [role.pk], "is_staff": "on"}, follow=True
    )

    assert response.status_code == 200
    assert User.objects.get(username="sam").has_perm("contacts.correct_contact")


def test_who_is_given_a_role_can_log_in(client, administrator):
    password = "a long enough passphrase"
    role = Group.objects.get(name=SUPPORT)
    form = {"username": "sam", "usable_password": "true", "password1": password, "password2": password}

    client.post(reverse("admin:accounts_user_add"), form | {"groups": [role.pk]})
    client.logout()
    response = client.post(reverse("admin:login"), {"username": "sam", "password": password})

    assert response.status_code == 302


def test_who_is_given_a_role_later_can_log_in_from_then_on(client, administrator):
    person = factories.user()
    role = Group.objects.get(name=SUPPORT)
    form = {"username": person.username, "is_active": "on", "groups": [role.pk]}

    client.post(reverse("admin:accounts_user_change", args=[person.pk]), form)

    person.refresh_from_db()
    assert person.is_staff


def test_a_group_that_is_no_role_lets_nobody_in(client, administrator):
    person = factories.user()
    club = Group.objects.create(name="Book club")
    form = {"username": person.username, "is_active": "on", "groups": [club.pk]}

    client.post(reverse("admin:accounts_user_change", args=[person.pk]), form)

    person.refresh_from_db()
    assert list(person.groups.all()) == [club]
    assert not person.is_staff


@pytest.mark.parametrize("page", ["add", "change"])
def test_the_form_says_who_may_log_in(page, client, administrator):
    args = [administrator.pk] if page == "change" else []

    html = client.get(reverse(f"admin:accounts_user_{page}", args=args)).content.decode()

    assert "To keep somebody out, untick Active." in html


def test_an_administrator_cannot_make_themselves_a_superuser(client, administrator):
    form = {"username": administrator.username, "is_active": "on", "is_staff": "on", "is_superuser": "on"}

    client.post(reverse("admin:accounts_user_change", args=[administrator.pk]), form)

    administrator.refresh_from_db()
    assert not administrator.is_superuser


def test_an_administrator_cannot_change_a_superuser(client, administrator):
    root = factories.user(is_superuser=True)

    page = client.get(reverse("admin:accounts_user_change", args=[root.pk]))
    password = client.get(reverse("admin:auth_user_password_change", args=[root.pk]))

    assert "_save" not in page.content.decode()
    assert password.status_code == 403


# ---- Logging in and out --------------------------------------------------------------------------------------------


def test_logged_out_leads_to_the_log_in_in_words_of_ours(login):
    client = login(user=factories.user("marketer", is_staff=True))
    page = client.post(reverse("admin:logout")).content.decode()

    assert "You are logged out" in page
    assert "quality time" not in page
    assert f'href="{reverse("admin:login")}?next=/"' in page


def test_a_log_in_that_fails_says_what_to_do(client):
    page = client.post(reverse("admin:login"), {"username": "x", "password": "y"}).content.decode()
    empty = client.post(reverse("admin:login"), {}).content.decode()

    assert "No account that may log in has this username and password." in page
    assert "staff account" not in page
    assert "Fill in both fields." in empty


def test_who_is_logged_in_already_is_told_as_whom(login):
    client = login(user=factories.user(first_name="Ada"))

    page = client.get(reverse("admin:login"), {"next": "/admin/"}).content.decode()

    assert "You are logged in as Ada" in page
    assert "authenticated" not in page


def test_a_password_is_changed_in_words_of_ours(login):
    client, url = login(user=factories.user("marketer", is_staff=True)), reverse("admin:password_change")
    given = {"old_password": factories.PASSWORD, "new_password1": "Pelikan-7-Tinte"}

    asked = client.get(url).content.decode()
    refused = client.post(url, {**given, "new_password2": "other"}).content.decode()
    done = client.post(url, {**given, "new_password2": "Pelikan-7-Tinte"}, follow=True).content.decode()

    assert "Type your current password, and the new one twice." in asked
    assert "Your password was not changed" in refused
    assert "Your password is changed" in done
    assert "security’s sake" not in asked + refused + done
