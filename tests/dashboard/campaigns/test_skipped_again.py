"""People whom a campaign skipped get its message after all once the reason is gone, and nobody else does."""

import re

import pytest
from django.utils import timezone

from campaigns.models import Recipient
from contacts.consenting import record_opt_out
from contacts.models import Address
from dashboard.campaigns import skipped_again
from deliveries.models import Canary, Message, Outbox
from deliveries.models.work import CANARY, NOT_NOW
from deliveries.sending import canary, launching
from tests import factories
from tests.engine import consent

pytestmark = pytest.mark.django_db


@pytest.fixture
def marketer(login):
    return login("marketer")


@pytest.fixture
def campaign():
    """It is sending by SMS."""
    made = factories.campaign(state="sending", launched_at=timezone.now())
    factories.account().senders.add(factories.content(made, "sms").sender)
    return made


def skipped(campaign, reason, *, consents=True, number=True):
    contact = factories.contact()
    if number:
        factories.phone(contact)
    if consents:
        consent(contact, "sms", at=timezone.now())
    recipient = factories.recipient(campaign, contact)
    Recipient.objects.filter(pk=recipient.pk).update(state="skipped", skip_reason=reason)
    return contact


def ask(client, campaign, **given):
    return client.post(f"/campaigns/{campaign.slug}/skipped/again/", given)


def ready(page: str) -> int:
    return int(re.search(r"May get it by [^<]*</dt><dd>(\d+)<", page)[1])


def test_those_whose_reason_is_gone_are_shown_and_then_sent_to(marketer, campaign):
    now_fine = skipped(campaign, "no_address")
    ids = [now_fine.pk, skipped(campaign, "no_address", number=False).pk]

    page = ask(marketer, campaign, contacts=ids).content.decode()
    assert ready(page) == 1
    assert not Message.objects.exists()
    answer = ask(marketer, campaign, contacts=ids, send="1")

    assert answer.status_code == 302
    (message,) = Message.objects.all()
    assert (message.contact_id, message.channel) == (now_fine.pk, "sms")
    assert Outbox.objects.filter(message_id=message.pk).exists()
    assert Recipient.objects.get(contact=now_fine).state == "planned"  # until it leaves


def test_nobody_suppressed_or_without_consent_or_left_out_on_purpose_is_sent_to(marketer, campaign):
    opted_out = skipped(campaign, "opted_out")
    number = opted_out.addresses.get().value
    record_opt_out(value=number, channel="sms", how="reply", evidence="STOP", at=timezone.now())
    skipped(campaign, "no_consent", consents=False)
    skipped(campaign, "hold_out")
    skipped(campaign, "left_out")
    marked = skipped(campaign, "needs_correction")
    Address.objects.filter(contact=marked).update(validity="needs_correction")

    page = ask(marketer, campaign, all="1").content.decode()
    ask(marketer, campaign, all="1", send="1")

    assert ready(page) == 0
    assert "Send to " not in page.replace("Send to people who were skipped", "")
    assert not Message.objects.exists()


def test_all_that_match_are_narrowed_by_the_filters_of_the_list(marketer, campaign):
    skipped(campaign, "no_address")
    wanted = skipped(campaign, "suppressed")

    ask(marketer, campaign, all="1", filters="skip=suppressed", send="1")

    assert list(Message.objects.values_list("contact_id", flat=True)) == [wanted.pk]


def test_sending_twice_makes_one_message(marketer, campaign):
    skipped(campaign, "no_address")

    for _ in range(2):
        ask(marketer, campaign, all="1", send="1")

    assert Message.objects.count() == 1


def hidden(page: str) -> dict[str, str]:
    return dict(re.findall(r'name="(below|last)" value="(\d*)"', page))


def test_who_still_may_not_get_it_stands_in_nobodys_way(marketer, campaign, monkeypatch):
    monkeypatch.setattr(skipped_again, "MOST", 2)
    oldest = [skipped(campaign, "no_address") for _ in range(3)]
    for _ in range(2):
        skipped(campaign, "no_address", number=False)

    first = ask(marketer, campaign, all="1").content.decode()
    second = ask(marketer, campaign, all="1", following="1", **hidden(first)).content.decode()
    third = ask(marketer, campaign, all="1", send="1", **hidden(second)).content.decode()
    ask(
        marketer, campaign, all="1", send="1", **hidden(second)
    )  # sent once more: nobody whom it did not show
    made = set(Message.objects.values_list("contact_id", flat=True))
    answer = ask(marketer, campaign, all="1", send="1", **hidden(third))

    assert [ready(page) for page in (first, second, third)] == [0, 2, 1]
    assert "Look at the next ones" in first
    assert "Look at the next ones" not in third
    assert made == {oldest[1].pk, oldest[2].pk}
    assert answer.status_code == 302
    assert Message.objects.count() == 3


def test_they_wait_for_the_first_slice_as_everybody_else(marketer, campaign):
    one = Canary.objects.create(campaign=campaign, share=500, wanted=10)
    contact = skipped(campaign, "no_address")

    ask(marketer, campaign, all="1", send="1")
    held = Outbox.objects.get(message__contact=contact)
    assert (held.held, held.due_at) == (CANARY, NOT_NOW)

    assert canary.end(campaign, Canary.Ending.PERSON, timezone.now())
    launching.hold_or_let_go(timezone.now())
    held.refresh_from_db()
    one.refresh_from_db()
    assert (held.held, held.due_at, one.waits) == ("", held.message.due_at, False)


def test_another_channel_that_the_campaign_has_content_for_can_be_chosen(marketer, campaign):
    factories.account().senders.add(factories.content(campaign, "email").sender)
    contact = skipped(campaign, "no_address", number=False)
    factories.email(contact)
    consent(contact, "email", at=timezone.now())

    assert ready(ask(marketer, campaign, contacts=[contact.pk]).content.decode()) == 0
    ask(marketer, campaign, contacts=[contact.pk], channel="email", send="1")

    assert Message.objects.get().channel == "email"
    assert ask(marketer, campaign, contacts=[contact.pk], channel="fax").status_code == 302


def test_a_campaign_that_is_over_sends_to_nobody(marketer, campaign):
    skipped(campaign, "no_address")
    type(campaign).objects.filter(pk=campaign.pk).update(state="canceled")

    assert ready(ask(marketer, campaign, all="1", send="1").content.decode()) == 0
    assert not Message.objects.exists()


def test_who_may_not_act_on_many_is_refused_and_sees_no_boxes(login, campaign):
    skipped(campaign, "no_address")
    support = login("support")

    page = support.get(f"{campaign.get_absolute_url()}?person=skipped").content.decode()

    assert ask(support, campaign, all="1", send="1").status_code == 403
    assert 'name="contacts"' not in page


def test_the_tab_offers_a_tick_and_a_correction_where_the_address_is_the_reason(marketer, campaign):
    one, other = skipped(campaign, "invalid_address"), skipped(campaign, "no_consent")

    page = marketer.get(f"{campaign.get_absolute_url()}?person=skipped").content.decode()

    assert page.count('name="contacts"') == 2
    assert f"/contacts/{one.pk}/correct/" in page
    assert f"/contacts/{other.pk}/correct/" not in page
