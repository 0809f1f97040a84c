"""Campaigns and playbooks in the admin: what of them can be changed, and when."""

from __future__ import annotations

import re
from importlib import import_module

import pytest
from django.apps import apps
from django.core.exceptions import ValidationError
from django.db import connection
from django.utils import timezone

from campaigns.models import Campaign, Content, Playbook
from tests import factories
from tests.admin.forms import url

pytestmark = pytest.mark.django_db


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


def test_a_text_that_is_changed_after_the_launch_is_a_new_version(client, root):
    campaign = factories.campaign(
        lists=[factories.contact_list()], state="sending", launched_at=timezone.now()
    )
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
    kept = changed.versions.values_list("number", "body", "made_by")
    assert list(kept) == [(1, content.body, None), (2, "Something else.", root.pk)]


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


@pytest.mark.parametrize("state", ["draft", "sending"])
def test_a_campaigns_short_name_is_called_so_before_and_after_its_launch(admin_client, state):
    campaign = factories.campaign(state=state)

    page = admin_client.get(f"/admin/campaigns/campaign/{campaign.pk}/change/").content.decode()

    assert "Link name" in page
    assert "Slug" not in page
