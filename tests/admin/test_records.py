"""The admin: every list opens with few queries, the record cannot be touched, credentials never come out."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from importlib import import_module

import pytest
from django.apps import apps
from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission
from django.contrib.messages import get_messages
from django.core.exceptions import ValidationError
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from campaigns.models import Campaign, Content, Pace, Playbook
from campaigns.rates import account_key
from contacts.admin import CappedPaginator
from contacts.models import ListMembership, Suppression
from deliveries.models import Account, Heartbeat, Message, PendingReceipt, Receipt, StatusEvent
from deliveries.providers import PROVIDERS
from deliveries.statuses import Status
from tests import factories

pytestmark = pytest.mark.django_db

OURS = [model for model in admin.site._registry if model._meta.app_label in ("campaigns", "deliveries")]
CHANGEABLE = {"campaign", "sender", "playbook", "account", "route"}
RECORD = [model for model in OURS if model._meta.model_name not in CHANGEABLE]


def url(model, page, *args):
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_{page}", args=args)


@pytest.fixture
def root(client):
    user = factories.user(is_staff=True, is_superuser=True)
    client.force_login(user)
    return user


def by_id(model):
    return model._meta.model_name


@pytest.mark.parametrize("model", OURS, ids=by_id)
def test_every_list_opens(model, client, root):
    factories.message()

    assert client.get(url(model, "changelist")).status_code == 200


def test_times_are_written_as_on_other_pages_with_their_zone(client, root):
    Account.objects.filter(pk=factories.account().pk).update(
        paused_until=datetime(2026, 12, 1, 9, 5, tzinfo=UTC)
    )

    assert "1 Dec 2026, 09:05 UTC" in client.get(url(Account, "changelist")).content.decode()


def test_records_are_named_in_plain_words(client, root):
    page = client.get(reverse("admin:index")).content.decode()

    for name in ("Unprocessed messages", "Outbox", "Counts by carrier", "At-risk addresses", "Worker status"):
        assert f">{name}</a>" in page
    for name in ("Status changes", "tallies", "Heartbeat", "Tally"):
        assert name not in page


@pytest.mark.parametrize("model", [Message, Receipt, PendingReceipt, Campaign, Account], ids=by_id)
def test_a_list_takes_as_many_queries_for_many_rows_as_for_one(model, client, root):
    def make():
        factories.receipt()
        return factories.message()

    def queries():
        with CaptureQueriesContext(connection) as asked:
            client.get(url(model, "changelist"))
        return len(asked)

    make()
    queries()  # content types are looked up once and kept
    with_one = queries()
    for _ in range(5):
        make()

    assert queries() == with_one


def test_each_error_of_a_form_leads_to_its_field(client, root):
    given = {
        "name": "", "lists": [], "starts_at_0": "never", "window_start": "x",
        "contents-TOTAL_FORMS": "1", "contents-INITIAL_FORMS": "0",
        "contents-0-channel": "nothing", "contents-0-body": "Hello",
    }  # fmt: skip

    page = client.post("/admin/campaigns/campaign/add/", given).content.decode()

    summary = page.partition('class="errors-summary"')[2].partition("</ul>")[0]
    led_to = re.findall(r'href="#([^"]+)"', summary)
    assert {"id_name", "id_starts_at_0", "id_window_start", "id_contents-0-channel"} <= set(led_to)
    assert [one for one in led_to if f'id="{one}"' not in page] == []


def test_a_list_counts_no_further_than_its_cap(monkeypatch):
    monkeypatch.setattr(CappedPaginator, "CAP", 2)
    for _ in range(3):
        factories.receipt()

    paginator = CappedPaginator(Receipt.objects.order_by("-pk"), 50)

    assert paginator.count == 2


@pytest.mark.parametrize(
    ("rows", "says"),
    [(1, "1 suppression "), (999, "999 suppressions "), (1_000, "1,000 or more suppressions ")],
)
@pytest.mark.parametrize("query", [{}, {"reason__exact": "staff"}])
def test_a_list_that_counted_no_further_says_so_wherever_it_tells_how_many(
    client, root, monkeypatch, rows, says, query
):
    monkeypatch.setattr(CappedPaginator, "CAP", 1_000)
    Suppression.objects.bulk_create(
        Suppression(value=f"a{n}@example.com", reason="staff", origin="staff") for n in range(rows)
    )

    page = " ".join(client.get(url(Suppression, "changelist"), query).content.decode().split())

    assert f"{says}</p>" in page
    assert ("1,000 or more results" in page) == (rows == 1_000)
    assert ("Select all 1,000 or more suppressions" in page) == (rows == 1_000)
    assert "1000 " not in page


@pytest.mark.parametrize("model", RECORD, ids=by_id)
@pytest.mark.parametrize("page", ["changelist", "add"])
def test_nothing_is_added_to_the_record(page, model, client, root):
    response = client.post(url(model, "add"), {}) if page == "add" else client.get(url(model, page))

    if page == "add":
        assert response.status_code == 403
    else:
        assert url(model, "add") not in response.content.decode()


@pytest.mark.parametrize("model", [Message, Receipt, PendingReceipt], ids=by_id)
def test_the_record_is_neither_changed_nor_deleted(model, client, root):
    factories.message()
    factories.receipt()
    row = model.objects.get()

    shown = client.get(url(model, "change", row.pk))
    changed = client.post(url(model, "change", row.pk), {"state": "dead", "status": "delivered"})
    deleted = client.post(url(model, "delete", row.pk), {"post": "yes"})

    assert shown.status_code == 200
    assert 'name="_save"' not in shown.content.decode()
    assert changed.status_code == deleted.status_code == 403
    assert model.objects.filter(pk=row.pk).exists()


def test_a_message_is_found_by_each_of_its_names(client, root):
    message = factories.message(provider_message_id="SM1234")
    factories.message()

    for name in (str(message.uuid), "SM1234", str(message.pk)):
        page = client.get(url(Message, "changelist"), {"q": name})
        assert message in page.context["cl"].result_list, name
    assert not client.get(url(Message, "changelist"), {"q": "nobody"}).context["cl"].result_list


@pytest.mark.parametrize("term", ["", "12", "abc", "9" * 30, "9" * 5_000, "\x00"])
def test_a_search_for_anything_gets_an_answer(term, client, root):
    for model in (Message, Receipt, PendingReceipt):
        assert client.get(url(model, "changelist"), {"q": term}).status_code == 200


@pytest.mark.parametrize("mark", ["x", "9" * 30, "9" * 5_000])
def test_a_filter_by_a_campaign_that_cannot_be_gets_an_answer(mark, client, root):
    factories.campaign()

    assert client.get(url(Message, "changelist"), {"campaign": mark}).status_code == 200


def test_a_message_shows_what_was_said_about_it(client, root):
    message = factories.message()
    receipt = factories.receipt()
    StatusEvent.objects.create(
        message_id=message.pk,
        fact=1,
        receipt_id=receipt.pk,
        status=Status.UNDELIVERED,
        precedence=1,
        failure_class="temporary",
        fault="carrier",
        evidence="carrier",
        native_code="30003",
        native_text="<b>unreachable</b>",
        occurred_at=message.created_at,
        recorded_at=message.created_at,
    )

    html = client.get(url(Message, "change", message.pk)).content.decode()

    assert "30003" in html
    assert "&lt;b&gt;unreachable" in html
    assert url(Receipt, "change", receipt.pk) in html


def test_messages_and_receipts_keep_addresses_from_those_who_may_not_see_them(client):
    message = factories.message(address=factories.phone(value="+15125550142"))
    receipt = factories.receipt(body=b"to=+15125550142", query="to=15125550142", headers={"x": "5125550142"})
    StatusEvent.objects.create(
        message_id=message.pk,
        fact=1,
        receipt_id=receipt.pk,
        status=Status.UNDELIVERED,
        precedence=1,
        failure_class="temporary",
        fault="carrier",
        evidence="carrier",
        native_code="30003",
        native_text="+15125550142 is away",
        occurred_at=message.created_at,
        recorded_at=message.created_at,
    )
    reader = factories.user(is_staff=True)
    reader.user_permissions.add(
        *Permission.objects.filter(codename__in=["view_message", "view_receipt", "view_address"])
    )
    client.force_login(reader)

    pages = [client.get(url(type(row), "change", row.pk)).content.decode() for row in (message, receipt)]

    assert "+1 ••• ••• 0142" in pages[0]
    assert "30003" in pages[0]
    assert not any("5125550142" in page for page in pages)


def test_a_receipt_shows_its_body_as_text_whatever_is_in_it(client, root):
    receipt = factories.receipt(
        body=b'<script>alert("x")</script>\xff', headers={"content-type": "text/plain"}
    )

    html = client.get(url(Receipt, "change", receipt.pk)).content.decode()

    assert "<script>alert" not in html
    assert "&lt;script&gt;" in html
    assert "\\xff" in html


def test_dead_letters_are_tried_again_and_others_left_alone(client, root):
    dead = factories.receipt(state="dead")
    parked = factories.receipt(state="parked")
    PendingReceipt.objects.update(attempts=7, reason="No such message.")
    chosen = {"action": "try_again", "_selected_action": [dead.pk, parked.pk]}

    response = client.post(url(PendingReceipt, "changelist"), chosen)

    again = PendingReceipt.objects.get(pk=dead.pk)
    assert (again.state, again.attempts, again.not_before, again.reason) == ("new", 0, None, "")
    assert PendingReceipt.objects.get(pk=parked.pk).state == "parked"
    assert [str(message) for message in get_messages(response.wsgi_request)] == [
        "1 dead letter will be tried again."
    ]


def test_an_administrator_tries_dead_letters_again_and_changes_nothing_else(login):
    administrator = login(user=factories.user("admin", is_staff=True))
    dead, other = factories.receipt(state="dead"), factories.receipt(state="dead")

    administrator.post(
        url(PendingReceipt, "changelist"), {"action": "try_again", "_selected_action": [dead.pk]}
    )
    changed = administrator.post(url(PendingReceipt, "change", other.pk), {"state": "new"})

    assert PendingReceipt.objects.get(pk=dead.pk).state == "new"
    assert changed.status_code == 403
    assert PendingReceipt.objects.get(pk=other.pk).state == "dead"


def test_who_may_only_look_cannot_try_dead_letters_again(login):
    reader = factories.user(is_staff=True)
    reader.user_permissions.add(Permission.objects.get(codename="view_pendingreceipt"))
    viewer = login(user=reader)
    dead = factories.receipt(state="dead")

    viewer.post(url(PendingReceipt, "changelist"), {"action": "try_again", "_selected_action": [dead.pk]})

    assert PendingReceipt.objects.get(pk=dead.pk).state == "dead"


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


# ---- Campaigns -------------------------------------------------------------------------------------------


def campaign_form(campaign, **fields):
    inline = {f"contents-{name}": 0 for name in ("TOTAL_FORMS", "INITIAL_FORMS", "MIN_NUM_FORMS")}
    return (
        inline
        | {"contents-MAX_NUM_FORMS": 1000}
        | {
            "name": campaign.name,
            "slug": campaign.slug,
            "goal": campaign.goal,
            "purpose": campaign.purpose,
            "priority": campaign.priority,
            "channel": campaign.channel,
            "playbook": campaign.playbook_id,
            "window_start": "09:00",
            "window_end": "21:00",
            "lists": [one.pk for one in campaign.lists.all()] if campaign.pk else [],
        }
        | fields
    )


def test_a_draft_takes_other_lists(client, root):
    campaign, other = factories.campaign(lists=[factories.contact_list()]), factories.contact_list()

    client.post(url(Campaign, "change", campaign.pk), campaign_form(campaign, lists=[other.pk]))

    assert list(campaign.lists.all()) == [other]


@pytest.mark.parametrize(
    ("name", "typed", "kept"),
    [
        ("Spring Sale", "", "spring-sale-2"),
        ("Spring Sale", "sale", "sale"),
        ("Été à Paris", "", "ete-a-paris"),
        ("春", "", "campaign"),
    ],
)
def test_a_campaign_needs_no_short_name_typed(client, root, name, typed, kept):
    factories.campaign(slug="spring-sale")
    draft = Campaign(name=name, slug=typed, playbook=factories.playbook())
    form = campaign_form(draft, lists=[factories.contact_list().pk])

    client.post(url(Campaign, "add"), form)

    assert Campaign.objects.get(name=name).slug == kept


def test_a_draft_keeps_its_short_name_when_that_is_emptied(client, root):
    draft = factories.campaign(name="Spring Sale", slug="spring-sale", lists=[factories.contact_list()])

    client.post(url(Campaign, "change", draft.pk), campaign_form(draft, slug=""))

    draft.refresh_from_db()
    assert draft.slug == "spring-sale"


def test_a_launched_campaign_keeps_its_lists_and_what_else_its_messages_were_made_from(client, root, now):
    first, other = factories.contact_list(), factories.contact_list()
    campaign = factories.campaign(lists=[first], launched_at=now, state=Campaign.State.SENDING)
    form = campaign_form(campaign, lists=[other.pk], goal="conversation", channel="email", name="New name")

    client.post(url(Campaign, "change", campaign.pk), form)

    campaign.refresh_from_db()
    assert campaign.name == "New name"
    assert list(campaign.lists.all()) == [first]
    assert (campaign.goal, campaign.channel) == ("exposure", "sms")


def test_a_launched_campaign_cannot_be_deleted(client, root, now):
    campaign = factories.campaign(launched_at=now)

    assert client.post(url(Campaign, "delete", campaign.pk), {"post": "yes"}).status_code == 403


def test_a_changed_text_is_a_new_version(client, root):
    campaign = factories.campaign(lists=[factories.contact_list()])
    content = factories.content(campaign)
    inline = {
        "contents-TOTAL_FORMS": 1,
        "contents-INITIAL_FORMS": 1,
        "contents-0-id": content.pk,
        "contents-0-campaign": campaign.pk,
        "contents-0-channel": content.channel,
        "contents-0-sender": content.sender_id,
        "contents-0-body": "Something else.",
    }

    client.post(url(Campaign, "change", campaign.pk), campaign_form(campaign, **inline))

    changed = Content.objects.get()
    assert (changed.body, changed.version) == ("Something else.", 2)


def playbook_form(playbook, **fields):
    columns = [field.name for field in Playbook._meta.fields if field.editable]
    return {name: getattr(playbook, name) for name in columns} | fields


def test_a_changed_playbook_is_a_new_version(client, root):
    playbook = factories.playbook()

    client.post(url(Playbook, "change", playbook.pk), playbook_form(playbook, retries=5))

    playbook.refresh_from_db()
    assert (playbook.retries, playbook.version) == (5, 2)


def test_a_playbook_that_was_only_looked_at_keeps_its_version(client, root):
    playbook = factories.playbook()

    client.post(url(Playbook, "change", playbook.pk), playbook_form(playbook))

    playbook.refresh_from_db()
    assert playbook.version == 1


def test_channels_are_kept_in_the_order_they_were_chosen_in(client, root):
    playbook = factories.playbook(switch_to=["voice", "email"])
    chosen = ["email", "", "voice", "email", ""]

    client.post(url(Playbook, "change", playbook.pk), playbook_form(playbook, switch_to=chosen))

    playbook.refresh_from_db()
    assert (playbook.switch_to, playbook.version) == (["email", "voice"], 2)


def test_the_form_shows_the_channels_in_their_order(client, root):
    playbook = factories.playbook(switch_to=["voice", "sms"])

    html = client.get(url(Playbook, "change", playbook.pk)).content.decode()

    places = re.findall(r'<select name="switch_to".*?</select>', html, re.DOTALL)
    shown = [re.search(r'value="(\w*)" selected', place) for place in places]
    assert [each[1] if each else None for each in shown] == ["voice", "sms", "", "", ""]


@pytest.mark.parametrize("name", ["switch_to", "urgent_switch_to"])
def test_a_playbook_may_never_change_channel(name, client, root):
    playbook = factories.playbook()

    response = client.post(url(Playbook, "change", playbook.pk), playbook_form(playbook, **{name: []}))

    assert response.status_code == 302
    playbook.refresh_from_db()
    assert getattr(playbook, name) == []


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("switch_to", "5"),
        ("switch_to", "true"),
        ("urgent_switch_to", "fax"),
        ("strikes", "0"),
        ("retry_window_hours", "0"),
        ("retry_after_hours", "337"),
        ("at_risk_hours", "-1"),
        ("switch_after_hours", "9" * 5_000),
        ("give_up_hours", "337"),
    ],
)
def test_what_a_playbook_cannot_be_is_said_by_its_form(name, value, client, root):
    playbook = factories.playbook()

    response = client.post(url(Playbook, "change", playbook.pk), playbook_form(playbook, **{name: value}))

    assert response.status_code == 200
    assert list(response.context["adminform"].form.errors) == [name]


@pytest.mark.parametrize("value", [5, True, "email", [["email"]], ["fax"], {"email": 1}])
def test_a_playbook_knows_only_lists_of_channels(value):
    with pytest.raises(ValidationError, match="Not a list of channels"):
        factories.playbook(switch_to=value).full_clean()


def test_playbooks_from_before_are_brought_within_bounds():
    kept = factories.playbook()
    odd = factories.playbook(strikes=0, give_up_hours=1_000, retry_after_hours=0)

    import_module("campaigns.migrations.0005_keep_playbooks_in_bounds").bring_in(
        apps, connection.schema_editor()
    )

    kept.refresh_from_db()
    odd.refresh_from_db()
    assert (odd.strikes, odd.give_up_hours, odd.retry_after_hours, odd.version) == (1, 336, 1, 2)
    assert kept.version == 1


# ---- The shell -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("page", ["admin:index", "admin:password_change"])
def test_admin_pages_have_our_navigation_and_theme(page, client, root):
    html = client.get(reverse(page)).content.decode()

    assert 'class="rail"' in html
    assert "css/tokens.css" in html
    assert "css/admin.css" in html


def test_the_log_in_page_is_themed_and_shows_no_navigation(client):
    html = client.get(reverse("admin:login")).content.decode()

    assert "css/admin.css" in html
    assert 'class="rail"' not in html


@pytest.mark.parametrize("model", [Campaign, Account, Message, ListMembership], ids=by_id)
def test_lists_have_no_inline_script_or_style(model, client, root):
    html = client.get(url(model, "changelist")).content.decode()

    assert "<style" not in html
    assert " style=" not in html


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


@pytest.mark.parametrize("state", ["draft", "sending"])
def test_a_campaigns_short_name_is_called_so_before_and_after_its_launch(admin_client, state):
    campaign = factories.campaign(state=state)

    page = admin_client.get(f"/admin/campaigns/campaign/{campaign.pk}/change/").content.decode()

    assert "Link name" in page
    assert "Slug" not in page


def test_each_process_is_listed_with_what_it_did_last_and_whether_it_hangs(login):
    now = timezone.now()
    factories.heartbeat("send", host="mail-2", pid=4711, step="send", at=now - timedelta(minutes=9))
    factories.heartbeat("record", host="mail-1", pid=4712, step="fold", at=now)
    factories.heartbeat("rest", host="mail-1", pid=4713, step="", at=now - timedelta(hours=2))

    administrator = login(user=factories.user("admin", is_staff=True))
    page = administrator.get(url(Heartbeat, "changelist")).content.decode()

    rows = [row for row in page.split("<tr") if "mail-" in row]
    states = {pid: next(row for row in rows if pid in row) for pid in ("4711", "4712", "4713")}
    assert "mail-2" in states["4711"]
    assert "Silent for 9" in states["4711"]
    assert "At work" in states["4712"]
    assert "Waits for a task" in states["4713"]
