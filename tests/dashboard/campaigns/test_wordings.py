"""The wordings of a campaign: kept, compared, and beside the last one that arrived."""

from copy import copy

import pytest
from django.urls import reverse

from campaigns.models import Content, ContentVersion, Sender
from dashboard.campaigns.wordings import compared
from deliveries.models import CarrierTally, Message
from deliveries.outcomes.normal_versions import last_normal
from deliveries.references import new_reference
from tests import factories

pytestmark = pytest.mark.django_db


def said(body):
    return ContentVersion(content=Content(channel="sms"), body=body, sender=Sender(value="1"))


def test_blanks_between_changed_words_stay_and_texts_are_escaped():
    [one] = [
        each for each in compared(said("on Monday morning"), said("on <b> evening")) if each.label == "Text"
    ]

    assert one.marked == (
        "<span>on </span><del>Monday</del><ins>&lt;b&gt;</ins><span> </span><del>morning</del><ins>evening</ins>"
    )


@pytest.fixture
def content():
    made = factories.content(factories.campaign(state="sending"), body="Come on Monday, {first_name}.")
    made.body = "Come on Friday, {first_name}."
    made.save()
    return made


def page(client, content, query=""):
    path = reverse("campaigns:wordings", args=[content.campaign.slug, content.channel])
    return client.get(f"{path}?{query}")


def arrived(content, delivered, failed=0):
    for disposition, n in (("DELIVERED", delivered), ("BOUNCED_HARD", failed)):
        CarrierTally.objects.create(
            campaign_id=content.campaign_id, channel=content.channel, carrier="", status="x", failure_class="none",
            disposition=disposition, n=n,
        )  # fmt: skip


def test_the_last_two_are_compared_word_by_word(login, content, django_assert_max_num_queries):
    client = login("marketer")

    with django_assert_max_num_queries(15):
        shown = page(client, content).content.decode()

    assert "<del>Monday</del>" in shown
    assert "<ins>Friday</ins>" in shown
    assert "From version 1 to version 2" in shown


@pytest.mark.parametrize(
    "query", ["from=2&to=1", "from=9&to=x", "from=normal", "from=99999999999999999999", "to=%00"]
)
def test_any_question_has_an_answer(login, content, query):
    assert page(login("marketer"), content, query).status_code == 200


def test_a_channel_without_content_has_no_page(login, content):
    path = reverse("campaigns:wordings", args=[content.campaign.slug, "email"])

    assert login("marketer").get(path).status_code == 404


def test_whoever_may_not_see_campaigns_sees_no_wording(login, make_user, content):
    assert page(login(user=make_user("")), content).status_code == 403


@pytest.mark.parametrize(
    ("delivered", "failed", "is_normal"), [(95, 5, True), (94, 6, False), (99, 0, False), (400, 20, True)]
)
def test_normal_is_what_arrived_as_it_should(delivered, failed, is_normal):
    old = factories.content(factories.campaign(state="completed"))
    arrived(old, delivered, failed)

    found = last_normal(old.sender_id, "sms")

    assert (found is not None) == is_normal
    assert found is None or found.version.content == old


def test_of_a_campaign_with_several_wordings_the_messages_are_counted(content):
    for disposition, version, n in (("BOUNCED_HARD", 2, 100), ("DELIVERED", 1, 100)):
        first = factories.message(factories.recipient(content.campaign), content_version=version)
        Message.objects.filter(pk=first.pk).update(disposition=disposition)
        first.refresh_from_db()
        copies = [copy(first) for _ in range(n - 1)]
        for one in copies:
            one.pk, one.uuid = None, new_reference()
            one.provider_message_id = ""
        Message.objects.bulk_create(copies)

    found = last_normal(content.sender_id, "sms")

    assert found.version.number == 1
    assert found.outcomes.delivered == 100
    assert last_normal(content.sender_id, "sms", without=content.campaign_id) is None


def test_a_wording_is_compared_with_the_last_that_arrived_normally(login, content):
    campaign = factories.campaign(state="completed")
    old = factories.content(campaign, sender=content.sender, body="Come on Tuesday, {first_name}.")
    arrived(old, 200)

    shown = page(login("marketer"), content, "from=normal").content.decode()

    assert "<del>Tuesday</del>" in shown
    assert old.campaign.name in shown
    assert "100% of 200 settled messages arrived" in shown


@pytest.mark.parametrize("sent", [True, False])
def test_the_last_wording_of_a_sender_is_offered_where_it_sent_one(login, content, sent):
    if sent:
        factories.content(factories.campaign(state="completed"), sender=content.sender)

    shown = page(login("marketer"), content).content.decode()

    assert ("arrived normally" in shown) == sent


def test_a_message_shows_the_wording_that_it_left_with(login, content):
    old = factories.message(factories.recipient(content.campaign), content_version=1)
    new = factories.message(factories.recipient(content.campaign), content_version=2)
    client = login("marketer")

    before, after = (client.get(f"/deliveries/{one.pk}/").content.decode() for one in (old, new))

    assert "Come on Monday" in before
    assert "/wordings/sms/?from=1&amp;to=2" in before
    assert "Come on Friday" in after
    assert "wordings" not in after
    assert Content.objects.get().version == 2
