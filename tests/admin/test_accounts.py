"""Accounts in the admin: their credentials, settings and pauses."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.contrib.admin.models import LogEntry
from django.urls import reverse
from django.utils import timezone

from campaigns.models import Pace
from campaigns.rates import account_key
from deliveries.models import Account
from deliveries.providers import PROVIDERS
from tests import factories
from tests.admin.forms import url

pytestmark = pytest.mark.django_db


# ---- Accounts --------------------------------------------------------------------------------------------


def account_form(account, **fields):
    return {
        "name": account.name,
        "provider": account.provider,
        "channels": account.channels,
        "rank": account.rank,
        "active": "on",
    } | fields


def test_stored_credentials_are_never_shown(client, root):
    account = factories.account(credentials={"secret": "very-secret-word"})

    html = client.get(url(Account, "change", account.pk)).content.decode()

    assert "very-secret-word" not in html
    assert 'name="credential_secret"' in html
    assert 'type="password"' in html


def test_an_empty_credential_keeps_what_is_stored(client, root):
    account = factories.account(credentials={"secret": "very-secret-word"})

    response = client.post(url(Account, "change", account.pk), account_form(account, rank=3))

    assert response.status_code == 302
    account.refresh_from_db()
    assert account.rank == 3
    assert account.credentials == {"secret": "very-secret-word"}


def test_a_new_credential_replaces_the_old_one(client, root):
    account = factories.account(credentials={"secret": "old"})

    client.post(url(Account, "change", account.pk), account_form(account, credential_secret="new"))

    assert Account.objects.get().credentials == {"secret": "new"}


def test_credentials_of_another_key_can_be_entered_anew(client, root, settings):
    account = factories.account(credentials={"secret": "old"})
    settings.CREDENTIALS_KEY = "another key than before"

    shown = client.get(url(Account, "changelist")), client.get(url(Account, "change", account.pk))
    client.post(url(Account, "change", account.pk), account_form(account, credential_secret="new"))

    assert [page.status_code for page in shown] == [200, 200]
    assert Account.objects.get().credentials == {"secret": "new"}


def test_an_account_shows_the_addresses_for_its_receipts(client, root, settings):
    settings.PUBLIC_URL = "https://waybill.example.com"
    account = factories.account()

    html = client.get(url(Account, "change", account.pk)).content.decode()

    assert f"https://waybill.example.com/hooks/{account.token}/status" in html


def in_the_list(client, *accounts):
    form = {"action": "resume_selected", "_selected_action": [one.pk for one in accounts]}
    return client.post(url(Account, "changelist"), form, follow=True)


def on_its_page(client, account):
    form = account_form(account, _resume="Save and resume now")
    return client.post(url(Account, "change", account.pk), form, follow=True)


def test_an_account_that_its_provider_asked_to_wait_says_until_when(client):
    account, soon = factories.account(), timezone.now() + timedelta(hours=1)
    Pace.objects.create(key=account_key(account.pk, ""), next_at=soon)
    client.force_login(factories.user("admin", is_staff=True))

    listed = client.get(reverse("admin:deliveries_account_changelist"))

    assert [each.waits_until for each in listed.context["cl"].result_list] == [soon]
    assert "Asked to wait until" in listed.content.decode()


@pytest.mark.parametrize("resume", [in_the_list, on_its_page])
def test_an_account_that_is_paused_is_resumed_at_once_and_that_is_on_record(client, root, resume):
    account = factories.account(paused_until=timezone.now() + timedelta(days=1), failures=3)

    told = [str(one) for one in resume(client, account).context["messages"]]

    account.refresh_from_db()
    assert (account.paused_until, account.failures) == (None, 0)
    assert told == [f"{account} is resumed: its messages leave now."]
    assert "Resumed." in LogEntry.objects.filter(object_id=account.pk).values_list(
        "change_message", flat=True
    )


def test_an_account_that_is_not_paused_is_said_to_be_and_offers_nothing(client, root):
    waiting = factories.account(paused_until=timezone.now() + timedelta(days=1))
    over = factories.account(paused_until=timezone.now() - timedelta(days=1))

    told = [str(one) for one in in_the_list(client, over).context["messages"]]

    assert told == [f"{over} is not paused."]
    shown = [client.get(url(Account, "change", one.pk)).content.decode() for one in (waiting, over)]
    assert ["Save and resume now" in page for page in shown] == [True, False]


def test_an_account_offers_only_what_its_provider_does(client, root, monkeypatch):
    monkeypatch.setattr(type(PROVIDERS["twilio"]), "channels", frozenset({"sms"}))
    account = factories.account("twilio", channels=["sms"])

    response = client.post(url(Account, "change", account.pk), account_form(account, channels=["sms", "rvm"]))

    assert "does not offer Ringless voicemail" in response.content.decode()
    account.refresh_from_db()
    assert account.channels == ["sms"]


def test_plain_settings_of_an_account_are_shown_and_can_be_emptied(client, root):
    stored = {"base_url": "http://127.0.0.1:13013", "username": "u", "password": "hidden-word", "url_secret": "s",
              "allowed_addresses": "192.0.2.0/24"}  # fmt: skip
    account = factories.account("kannel", credentials=stored, channels=["sms"])

    html = client.get(url(Account, "change", account.pk)).content.decode()
    assert 'value="http://127.0.0.1:13013"' in html
    assert "hidden-word" not in html
    assert f"/hooks/{account.token}/inbound?k=YOUR-SECRET" in html

    client.post(
        url(Account, "change", account.pk),
        account_form(account, credential_base_url="http://127.0.0.1:14000", credential_allowed_addresses=""),
    )
    kept = Account.objects.get(pk=account.pk).credentials
    assert kept == {**stored, "base_url": "http://127.0.0.1:14000", "allowed_addresses": ""}


def test_networks_that_cannot_be_read_are_refused(client, root):
    account = factories.account("kannel", channels=["sms"])

    page = client.post(
        url(Account, "change", account.pk), account_form(account, credential_allowed_addresses="300.1.2.3")
    )

    assert "300.1.2.3 is no address or network" in page.content.decode()


def test_a_new_account_leads_on_to_its_credentials(client, root):
    answer = client.post(
        url(Account, "add"), {"name": "New", "provider": "telnyx", "channels": ["sms"], "rank": 3}
    )

    assert answer.status_code == 302
    assert answer.url == url(Account, "change", Account.objects.get(name="New").pk)
