"""Playbooks in the admin: whom a change is about, and which of them are listed."""

from __future__ import annotations

import pytest
from django.urls import reverse

from campaigns.models.playbooks import RULES
from campaigns.own_playbooks import follow
from deliveries.models import CarrierTally
from tests import factories

pytestmark = pytest.mark.django_db


@pytest.fixture
def shared():
    return factories.playbook(name="House rules")


@pytest.fixture
def admin(client):
    client.force_login(factories.user("admin", is_staff=True))
    return client


def tally(campaign, n):
    CarrierTally.objects.create(
        campaign_id=campaign.pk, channel="sms", carrier="", status="sent", failure_class="none",
        disposition="PENDING", n=n,
    )  # fmt: skip


def test_a_shared_playbook_says_which_running_campaigns_a_change_is_about(admin, shared):
    going = factories.campaign(name="Winter offer", playbook=shared, state="sending")
    factories.campaign(name="Old offer", playbook=shared, state="completed")
    tally(going, 1_203)

    page = admin.get(reverse("admin:campaigns_playbook_change", args=[shared.pk])).content.decode()

    assert "1 running campaign with 1,203 open messages" in page
    assert f'<a href="{going.get_absolute_url()}?status=pending">1,203 open</a>' in page
    assert "Old offer" not in page


def test_a_playbook_of_one_campaign_is_listed_neither_among_the_shared_nor_for_another(admin, shared):
    mine, other = factories.campaign(playbook=shared), factories.campaign(playbook=shared)
    own = follow(mine, shared, {"retries": 9})

    listed = admin.get(reverse("admin:campaigns_playbook_changelist")).context["cl"].queryset
    forms = [
        admin.get(reverse("admin:campaigns_campaign_change", args=[one.pk])).context["adminform"].form
        for one in (mine, other)
    ]

    assert own not in listed
    assert [own in form.fields["playbook"].queryset for form in forms] == [True, False]


def test_two_shared_playbooks_cannot_have_one_name(admin, shared):
    other = factories.playbook(name="Other rules")
    typed = {name: getattr(other, name) for name in RULES} | {"name": "House rules"}

    answer = admin.post(reverse("admin:campaigns_playbook_change", args=[other.pk]), typed)

    assert "Another playbook has this name: choose another." in answer.content.decode()
