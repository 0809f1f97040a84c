"""Lists that ask whoever joins them to confirm: who is asked, how they confirm, and what waits for it."""

from __future__ import annotations

import io
import json
import re
from datetime import timedelta
from urllib.parse import urlsplit

import pytest
import time_machine
from django.test import Client

from contacts import asking_members, gate, opt_ins
from contacts.consenting import record_opt_in, record_opt_out, record_request
from contacts.importing import import_contacts
from contacts.lists import add_member, delete_empty, remove_member
from contacts.models import (
    Address,
    AnswerWording,
    AutomaticAnswer,
    Consent,
    ContactList,
    DoubleOptIn,
)
from deliveries import links
from deliveries.deciding.duplicates import merge
from deliveries.deciding.erasing import erase_person
from deliveries.models import Decision, Message
from deliveries.providers import PROVIDERS
from deliveries.providers.facts import SendResult
from deliveries.receiving.recording import record_all
from deliveries.receiving.storing import Incoming, store
from deliveries.sending import answering
from deliveries.sending.audience import forecast
from deliveries.sending.dispatch import dispatch
from tests import factories
from tests.deliveries.sending.test_answering import Carrier
from tests.engine import Fake, consent, sending, waiting

pytestmark = pytest.mark.django_db
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
OURS, FROM = "+12125550199", "news@example.com"
State = AutomaticAnswer.State


@pytest.fixture
def carrier(monkeypatch):
    made = Carrier()
    monkeypatch.setattr(PROVIDERS["sandbox"], "send", made.send, raising=False)
    return made


@pytest.fixture
def account():
    made = factories.account()
    made.senders.add(factories.sender("sms", value=OURS), factories.sender("email", value=FROM))
    return made


@pytest.fixture
def club(now, account):
    """A list that asks by both ways since an hour."""
    made = factories.contact_list(name="Club")
    opt_ins.change(made, "sms", OURS, now - HOUR)
    opt_ins.change(made, "email", FROM, now - HOUR)
    return made


def joins(contact_list, now, **fields):
    """Somebody without any consent, on the list."""
    made = factories.contact(**fields)
    factories.phone(made)
    factories.email(made)
    add_member(contact_list, made, now)
    return made


def asks(at):
    while opt_ins.ask_some(at):
        pass
    for _ in range(3):
        answering.run(at)


def replies(contact, account, text, at):
    number = contact.addresses.get(kind="phone", preferred=True).value
    payload = {"channel": "sms", "from": number, "to": OURS, "text": text, "occurred_at": at.isoformat()}
    store([Incoming(account.pk, "inbound", at, "POST", "", {}, json.dumps(payload).encode())])
    record_all(at)


def link(carrier):
    mail = next(one for one in carrier.sent if one.channel == "email")
    return urlsplit(re.search(r"http\S+\?confirm", mail.body)[0])


def opens(where, at, post=True):
    client = Client(enforce_csrf_checks=True)
    with time_machine.travel(at, tick=False):
        return (client.post if post else client.get)(f"{where.path}?confirm")


def verdict(contact, contact_list, channel, at):
    campaign = sending(channel, lists=[contact_list])
    address = contact.addresses.get(kind="email" if channel == "email" else "phone", preferred=True)
    sender = campaign.contents.get(channel=channel).sender
    ask = campaign.ask(1, contact_id=contact.pk, address_id=address.pk, channel=channel, sender=sender)
    return gate.check([ask], at)[1]


def confirmed(contact):
    return set(Consent.objects.filter(contact=contact, opted_in=True).values_list("channel", flat=True))


# ---- Asking ----------------------------------------------------------------------------------------------------


def test_whoever_joins_is_asked_once_on_each_channel(club, now, carrier):
    robin = joins(club, now)

    for at in (now, now + HOUR, now + DAY, now + 30 * DAY):
        asks(at)

    assert sorted((one.channel, one.to) for one in carrier.sent) == sorted(
        (channel, robin.addresses.get(kind=kind).value)
        for channel, kind in (("sms", "phone"), ("email", "email"))
    )
    text, mail = sorted(carrier.sent, key=lambda one: one.channel, reverse=True)
    assert (text.sender, mail.sender, mail.subject) == (OURS, FROM, "Please confirm that you want our email")
    assert "reply YES" in text.body
    assert "7 days" in text.body
    assert re.search(r"/u/[\w-]{43}\?confirm", mail.body)


@pytest.mark.parametrize("door", ["import", "page", "merge"])
def test_by_whatever_way_they_join(club, now, carrier, make_user, door):
    if door == "import":
        file = io.BytesIO(b"phone,email\n+12125550123,ann@example.com\n")
        import_contacts(file, contact_list=club, region="US", now=now)
    else:
        made = joins(club if door == "page" else factories.contact_list(), now)
        if door == "merge":
            other = factories.contact()
            add_member(club, other, now)
            asks(now)
            merge(made.pk, other.pk, by=make_user("admin"), now=now)

    asks(now + DAY)
    asks(now + DAY)

    assert sorted(one.channel for one in carrier.sent) == ["email", "sms"]


def test_those_who_were_on_it_before_are_not_asked_and_go_on(now, account, carrier):
    club = factories.contact_list()
    robin = joins(club, now)
    consent(robin, "sms", at=now)
    opt_ins.change(club, "sms", OURS, now + HOUR)

    asks(now + 2 * HOUR)

    assert carrier.sent == []
    assert verdict(robin, club, "sms", now + HOUR).allowed


@pytest.mark.parametrize("no", ["reply", "ledger", "person", "link"])
def test_nobody_who_said_no_is_asked(club, now, carrier, no):
    robin = joins(club, now)
    for kind, channel in (("phone", "sms"), ("email", "email")):
        value = robin.addresses.get(kind=kind).value
        if no == "reply":
            record_opt_out(value=value, channel=channel, how="Reply", evidence="STOP", at=now)
        elif no == "ledger":
            consent(robin, channel, at=now, opted_in=False)
        elif no == "person":
            record_request(contact=robin, channel=channel, evidence="Called", by=None, now=now)
    if no == "link":
        record_request(contact=robin, evidence="Called", by=None, now=now)

    asks(now)

    assert carrier.sent == []


def test_a_no_that_comes_before_the_question_leaves_beats_it(club, now, carrier):
    robin = joins(club, now)
    opt_ins.ask_some(now)
    value = robin.addresses.get(kind="phone").value
    record_opt_out(value=value, channel="sms", how="Reply", evidence="STOP", at=now)

    answering.run(now)

    assert [one.channel for one in carrier.sent] == ["email"]
    assert AutomaticAnswer.objects.get(channel="sms").state == State.DROPPED


def test_whoever_confirmed_elsewhere_is_not_asked_again(club, now, carrier):
    robin = joins(club, now)
    value = robin.addresses.get(kind="phone").value
    record_opt_in(value=value, channel="sms", how="Reply", evidence="START", at=now)

    asks(now)

    assert [one.channel for one in carrier.sent] == ["email"]


@pytest.mark.parametrize("origin", ["import", "staff", "recipient"])
def test_consent_from_a_file_or_a_colleague_is_not_confirmed(club, now, carrier, origin, make_user):
    robin = joins(club, now)
    by = make_user("admin") if origin == "recipient" else None
    Consent.objects.create(
        contact=robin, channel="sms", opted_in=True, how="Reply", at=now, origin=origin, recorded_by=by
    )

    assert verdict(robin, club, "sms", now).reason == "not_confirmed"
    asks(now)
    assert "sms" in [one.channel for one in carrier.sent]


def test_it_waits_for_the_permitted_hours(club, now, carrier):
    robin = joins(club, now)
    Address.objects.filter(contact=robin).update(region="US-TX", time_zone="America/Chicago")
    night = now.replace(hour=6)  # midnight in Chicago

    asks(night)
    assert [one.channel for one in carrier.sent] == ["email"]
    assert AutomaticAnswer.objects.get(channel="sms").until == night.replace(hour=15)

    asks(night.replace(hour=15))
    assert len(carrier.sent) == 2


def test_what_is_ours_to_fix_silences_nobody(club, now, carrier, account):
    joins(club, now)
    account.senders.filter(value=OURS).update(state="pending")
    type(account).objects.update(active=False)
    asks(now)
    assert carrier.sent == []
    assert set(AutomaticAnswer.objects.values_list("state", flat=True)) == {State.WAITING}

    account.senders.filter(value=OURS).update(state="approved")
    type(account).objects.update(active=True)
    asks(now + HOUR)
    assert len(carrier.sent) == 2


def test_a_busy_provider_is_asked_again(club, now, carrier):
    joins(club, now)
    carrier.answer = lambda: SendResult(False, retry_after=30)
    with time_machine.travel(now, tick=False):
        opt_ins.ask_some(now)
        answering.run(now)
    carrier.sent.clear()
    carrier.answer = lambda: SendResult(True, provider_message_id="x")

    answering.run(now + timedelta(seconds=29))
    assert carrier.sent == []
    answering.run(now + timedelta(seconds=31))
    assert len(carrier.sent) == 2


def test_a_sender_asks_no_more_a_second_than_it_may(club, now, carrier, account):
    account.senders.filter(value=OURS).update(per_second=2)
    for _ in range(5):
        joins(club, now)
    opt_ins.ask_some(now)

    answering.run(now)

    assert [one.channel for one in carrier.sent].count("sms") == 2


def test_whoever_left_the_list_meanwhile_is_not_asked(club, now, carrier):
    robin = joins(club, now)
    opt_ins.ask_some(now)
    remove_member(club, robin, now)

    answering.run(now)

    assert carrier.sent == []
    assert set(AutomaticAnswer.objects.values_list("state", flat=True)) == {State.DROPPED}


def test_of_two_lists_that_ask_at_once_one_does(club, now, carrier):
    second = factories.contact_list()
    opt_ins.change(second, "sms", OURS, now - HOUR)
    robin = joins(club, now)
    add_member(second, robin, now)

    asks(now)

    assert sorted(one.channel for one in carrier.sent) == ["email", "sms"]


def test_people_who_share_a_number_get_one_text(club, now, carrier, account):
    one, other = joins(club, now), joins(club, now)
    shared = one.addresses.get(kind="phone").value
    other.addresses.filter(kind="phone").update(value=shared, match_key=shared)

    asks(now)
    assert [each.channel for each in carrier.sent].count("sms") == 1

    replies(one, account, "YES", now + HOUR)
    assert "sms" in confirmed(one) & confirmed(other)


def test_the_words_are_those_of_the_persons_language(club, now, carrier):
    joins(club, now, locale="de-AT")
    AnswerWording.objects.create(language="de", confirm_text="Antworten Sie JA.", confirm_mail="Hier: {link}")

    asks(now)

    assert {one.body[:5] for one in carrier.sent} == {"Antwo", "Hier:"}


# ---- Confirming ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["YES", "yes!", "Ja", "ja bitte", "Sí", "Oui.", "да", "はい"])
def test_a_yes_by_text_is_recorded_with_its_evidence(club, now, carrier, account, text):
    robin = joins(club, now)
    asks(now)

    replies(robin, account, text, now + HOUR)

    assert confirmed(robin) == {"sms", "mms"}
    row = Consent.objects.filter(contact=robin, channel="sms").get()
    question = AutomaticAnswer.objects.get(channel="sms")
    assert (row.how, row.origin, row.at, row.wording) == (
        "Confirmed by reply", "recipient", now + HOUR, question.text,
    )  # fmt: skip
    assert f"message {question.pk} to {robin.addresses.get(kind='phone')}" in row.evidence
    assert row.evidence.endswith(f"replied “{text}”")
    assert verdict(robin, club, "sms", now + 2 * HOUR).allowed


@pytest.mark.parametrize("text", ["no", "who is this?", "yes but not by text", "maybe", "👍?"])
def test_anything_else_confirms_nothing(club, now, carrier, account, text):
    robin = joins(club, now)
    asks(now)

    replies(robin, account, text, now + HOUR)

    assert confirmed(robin) == set()


def test_a_yes_to_something_we_wrote_later_confirms_nothing(club, now, carrier, account):
    robin = joins(club, now)
    asks(now)
    phone = robin.addresses.get(kind="phone")
    later = waiting(sending("sms"), account, now, robin, address=phone)
    Message.objects.filter(pk=later.pk).update(handed_over_at=now + HOUR)

    replies(robin, account, "yes", now + 2 * HOUR)

    assert confirmed(robin) == set()


def test_a_yes_without_a_question_or_after_a_week_confirms_nothing(club, now, carrier, account):
    robin, other = joins(club, now), joins(factories.contact_list(), now)
    asks(now)

    replies(other, account, "YES", now + HOUR)
    replies(robin, account, "YES", now + 7 * DAY + HOUR)

    assert confirmed(robin) == confirmed(other) == set()


def test_the_link_takes_a_button(club, now, carrier):
    robin = joins(club, now)
    asks(now)
    where = link(carrier)

    page = opens(where, now + HOUR, post=False)
    assert confirmed(robin) == set()
    assert page.status_code == 200
    assert "<script" not in page.content.decode()
    assert not page.cookies

    assert "Thank you" in opens(where, now + HOUR).content.decode()

    assert confirmed(robin) == {"email"}
    row = Consent.objects.get(contact=robin)
    assert (row.how, row.wording) == ("Confirmed by link", AutomaticAnswer.objects.get(channel="email").text)
    assert "confirmed on the page" in row.evidence
    assert verdict(robin, club, "email", now + 2 * HOUR).allowed
    assert opens(where, now + 2 * HOUR).status_code == 200
    assert Consent.objects.count() == 1


@pytest.mark.parametrize("why", ["late", "opted out", "replaced", "erased", "made up", "of a message"])
def test_a_link_that_is_over_confirms_nothing(club, now, carrier, make_user, why):
    robin = joins(club, now)
    asks(now)
    where, at = link(carrier), now + HOUR
    address = robin.addresses.get(kind="email")
    if why == "late":
        at = now + 7 * DAY + HOUR
    elif why == "opted out":
        record_opt_out(
            value=address.value, channel="email", how="Unsubscribe link", evidence="x", at=now + HOUR
        )
    elif why == "replaced":
        Address.objects.filter(pk=address.pk).update(preferred=False)
    elif why == "erased":
        erase_person(robin.pk, by=make_user("admin"), reason="Asked", now=now)
    elif why == "made up":
        where = urlsplit("/u/" + "A" * 43)
    else:
        message = waiting(sending("email"), factories.account(), now)
        where = urlsplit(f"/u/{links.token(str(message.uuid))}")

    answer = opens(where, at)

    assert answer.status_code == 404
    assert "confirms nothing" in answer.content.decode()
    assert not Consent.objects.filter(contact=robin, opted_in=True).exists()


def test_the_link_speaks_for_nobody_else_at_the_mailbox(club, now, carrier):
    one, other = joins(club, now), joins(club, now)
    shared = one.addresses.get(kind="email").value
    other.addresses.filter(kind="email").update(value=shared, match_key=shared)
    asks(now)

    opens(link(carrier), now + HOUR)

    assert {bool(confirmed(one)), bool(confirmed(other))} == {True, False}


# ---- What waits for it -----------------------------------------------------------------------------------------


def test_until_then_the_campaigns_of_the_list_leave_them_out(club, now, carrier, account):
    robin = joins(club, now)
    consent(robin, "sms", at=now)
    other = factories.contact_list()

    found = verdict(robin, club, "sms", now)
    assert (found.allowed, found.reason) == (False, "not_confirmed")
    assert "have not confirmed yet" in gate.sentence(found.reason)
    add_member(other, robin, now)
    assert verdict(robin, other, "sms", now).allowed
    assert verdict(robin, factories.contact_list(), "sms", now).allowed


def test_of_a_campaign_to_two_lists_the_one_that_does_not_ask_counts(club, now, carrier):
    robin, other = joins(club, now), factories.contact_list()
    consent(robin, "sms", at=now)
    campaign = sending("sms", lists=[club, other])
    sender = campaign.contents.get().sender
    assert forecast(campaign, {campaign.channel: sender.value}, now)["not_confirmed"] == 1

    add_member(other, robin, now)

    address = robin.addresses.get(kind="phone")
    ask = campaign.ask(1, contact_id=robin.pk, address_id=address.pk, channel="sms", sender=sender)
    assert gate.check([ask], now)[1].allowed
    assert forecast(campaign, {campaign.channel: sender.value}, now)[""] == 1


@pytest.mark.parametrize("channel", ["sms", "mms", "email", "voice"])
@pytest.mark.parametrize("said", ["nothing", "file", "confirmed", "no"])
def test_the_gate_and_its_twin_agree(club, now, channel, said):
    robin = joins(club, now)
    kind = "email" if channel == "email" else "phone"
    value = robin.addresses.get(kind=kind).value
    if said == "file":
        Consent.objects.create(
            contact=robin, channel=channel, opted_in=True, how="File", at=now, origin="import"
        )
    elif said == "confirmed":
        record_opt_in(value=value, channel=channel, how="Reply", evidence="START", at=now)
    elif said == "no":
        consent(robin, channel, at=now, opted_in=False)
    campaign = sending(channel, lists=[club])
    sender = campaign.contents.get().sender
    address = robin.addresses.get(kind=kind)
    ask = campaign.ask(1, contact_id=robin.pk, address_id=address.pk, channel=channel, sender=sender)

    found = gate.check([ask], now)[1].reason

    assert forecast(campaign, {campaign.channel: sender.value}, now) == {found: 1}
    waits = channel != "voice" and said in ("nothing", "file")
    assert (found == "not_confirmed") == waits


def test_a_message_that_waits_already_is_stopped_at_handover(club, now, carrier, account):
    robin = joins(club, now)
    consent(robin, "sms", at=now)
    campaign = sending("sms", lists=[club])
    message = waiting(campaign, account, now, robin, address=robin.addresses.get(kind="phone"))
    fake = Fake()

    dispatch(now, fake)

    assert fake.left == []
    message.refresh_from_db()
    assert message.status == "canceled"
    assert "have not confirmed yet" in Decision.objects.get(contact=robin, by="gate").reason


# ---- The list's page -------------------------------------------------------------------------------------------


def test_a_marketer_has_a_list_ask(login, now, account):
    club, client = factories.contact_list(), login("marketer")
    where = f"/contacts/lists/{club.pk}/"
    assert f"{where}confirmation/" in client.get(where).content.decode()

    assert client.post(f"{where}confirmation/", {"sms": OURS, "email": ""}).status_code == 302

    made = DoubleOptIn.objects.get()
    assert (made.contact_list, made.channel, made.sender_value) == (club, "sms", OURS)
    assert "Asks to confirm by SMS" in client.get(where).content.decode()
    client.post(f"{where}confirmation/", {"sms": OURS, "email": FROM})
    assert DoubleOptIn.objects.get(channel="sms").since == made.since
    client.post(f"{where}confirmation/", {"sms": "", "email": ""})
    assert not DoubleOptIn.objects.exists()


def test_what_many_answered_is_counted_by_the_worker_and_the_page_says_when(
    club, now, carrier, account, login, monkeypatch
):
    monkeypatch.setattr(asking_members, "AT_ONCE", 1)
    people = [joins(club, now, name=name) for name in ("Robin", "Kim", "Lu")]
    asks(now)
    client, where = login("marketer"), f"/contacts/lists/{club.pk}/"
    asking = club.double_opt_ins.get(channel="sms")

    assert asking_members.answered(asking) is None
    assert "The answers are being counted" in client.get(where).content.decode()

    assert [asking_members.count_answers(now) for _ in range(3)] == [1, 1, 0]
    replies(people[0], account, "YES", now + HOUR)
    asking.refresh_from_db()
    assert asking_members.answered(asking) == (3, 0, 0, now)
    page = client.get(where).content.decode()
    assert "Counted" in page
    assert "The answers are being counted" not in page

    later = now + asking_members.EVERY + HOUR
    asking_members.count_answers(later)
    asking_members.count_answers(later)
    asking.refresh_from_db()
    assert asking_members.answered(asking) == (3, 1, 0, later)


def test_what_a_few_answered_is_counted_as_the_page_is_opened(club, now, carrier, account, login):
    robin = joins(club, now)
    asks(now)
    asking = club.double_opt_ins.get(channel="sms")
    asking_members.count_answers(now)
    replies(robin, account, "YES", now + HOUR)

    assert asking_members.answered(asking) == (1, 1, 0, None)
    assert "Counted" not in login("marketer").get(f"/contacts/lists/{club.pk}/").content.decode()


def test_a_sender_that_there_is_not_is_refused(login, now, account):
    club = factories.contact_list()

    answer = login("marketer").post(f"/contacts/lists/{club.pk}/confirmation/", {"sms": "+1", "email": ""})

    assert answer.status_code == 422
    assert not DoubleOptIn.objects.exists()


def test_an_empty_list_that_asked_can_be_deleted(club, now, carrier):
    robin = joins(club, now)
    asks(now)
    remove_member(club, robin, now)

    delete_empty(club)

    assert not ContactList.objects.exists()
    assert AutomaticAnswer.objects.count() == 2


def test_asking_takes_a_fixed_number_of_queries(club, now, django_assert_max_num_queries):
    for _ in range(30):
        joins(club, now)

    with django_assert_max_num_queries(26):
        assert opt_ins.ask_some(now) == 60


def test_nobody_is_left_out_by_a_list_that_stopped_asking(club, now):
    robin = joins(club, now)
    consent(robin, "sms", at=now)
    opt_ins.change(club, "sms", "", now)

    assert verdict(robin, club, "sms", now).allowed
