"""Correcting a code never frees anybody who said no themselves, and nobody at all without somebody knowing."""

from __future__ import annotations

from datetime import time, timedelta

import pytest
from django.db import transaction

from campaigns.models import Recipient
from contacts import gate
from contacts.consenting import record_opt_in, record_opt_out
from contacts.models import Consent, Suppression
from contacts.suppressing import suppress
from deliveries import mappings
from deliveries.mappings import drafts, rereading
from deliveries.mappings.drafts import NotConfirmed
from deliveries.models import MappingVersion, Message
from deliveries.providers.facts import Report
from deliveries.receiving.recording import apply, event
from deliveries.receiving.translation import Key
from tests import factories
from tests.pages_mappings.steps import text
from tests.test_mappings import HOUR, receive, reread, sent, work

pytestmark = pytest.mark.django_db

REFUSED = Key("twilio", "sms", "error", "21610")  # "the recipient unsubscribed", an opt-out by the tables
TEMPORARY = {
    "name": "x", "meaning": "x", "status": "undelivered", "failure_class": "temporary", "fault": "carrier",
    "verified": True,
}  # fmt: skip
OPTED_OUT = {**TEMPORARY, "status": "opted_out", "failure_class": "opt_out", "fault": "recipient"}


@pytest.fixture
def tables():
    mappings.ship()
    return MappingVersion.objects.get()


@pytest.fixture
def account():
    return factories.account("twilio", credentials={"account_sid": "AC1", "auth_token": "t"})


@pytest.fixture
def refused(tables, account, now):
    """`refused()`: somebody with consent to SMS whom the provider refused as unsubscribed; their message."""

    def make(status="failed", code="21610", phone=None):
        phone = phone or factories.phone()
        for channel in ("sms", "mms"):
            Consent.objects.create(
                contact=phone.contact, channel=channel, opted_in=True, at=now - 9 * HOUR, how="Form"
            )
        recipient = factories.recipient(factories.campaign(state="sending"), phone.contact)
        message = sent(account, recipient=recipient, address=phone, created_at=now)
        receive(message, now, status, code)
        work(now)
        message.refresh_from_db()
        return message

    return make


def written_to(message, now):
    """Whether the gate would let a text to this person pass."""
    ask = gate.Ask(
        1,
        message.contact_id,
        message.address_id,
        "sms",
        "x",
        time(0),
        time(23, 59),
        "sending",
        "approved",
        None,
    )
    return gate.check([ask], now)[1].allowed


def draft(key=REFUSED, changes=TEMPORARY, now=None):
    """The draft that reads this code otherwise, counted."""
    drafts.edit(key, {**changes, **({} if drafts.in_force(key) else {"code": key.code})}, None)
    rereading.start_preview(drafts.open_draft(), now)
    reread(now)
    return drafts.open_draft()


def publish(found, now, confirmed=0):
    drafts.publish(found, note="", by=None, now=now, confirmed=confirmed)
    mappings.forget()
    found.refresh_from_db()
    reread(now + HOUR)


def freed(found):
    return rereading.Difference.read(found.preview).freed


def test_twelve_people_are_counted_confirmed_freed_and_silenced_again(refused, now):
    messages = [refused() for _ in range(12)]
    assert not any(written_to(message, now) for message in messages)
    found = draft(now=now)

    assert freed(found) == 12
    with pytest.raises(NotConfirmed, match="12 people who opted out would be written to again"):
        drafts.publish(found, note="", by=None, now=now)
    publish(found, now, confirmed=12)
    assert all(written_to(message, now + HOUR) for message in messages)

    drafts.undo(found, by=None, now=now + 2 * HOUR)
    mappings.forget()
    while rereading.run(now + 3 * HOUR):
        pass  # nothing is decided in between: the blocks stand again at once

    assert not any(written_to(message, now + 3 * HOUR) for message in messages)
    assert set(Message.objects.values_list("disposition", flat=True)) == {"OPTOUT"}
    latest = [
        Consent.objects.filter(contact=m.contact, channel="sms").order_by("at", "id").last().opted_in
        for m in messages
    ]
    assert not any(latest)


def test_a_code_may_be_corrected_back_and_forth(refused, now):
    message = refused()
    for round_ in range(3):
        found = draft(now=now)
        publish(found, now, confirmed=1)
        assert written_to(message, now + HOUR), round_
        drafts.undo(found, by=None, now=now + 2 * HOUR)
        mappings.forget()
        reread(now + 3 * HOUR)
        assert not written_to(message, now + 3 * HOUR), round_
        now += 4 * HOUR

    assert Suppression.objects.count() == 1


@pytest.mark.parametrize("confirmed", [0, 1, 3, 12, -2])
def test_no_other_number_confirms_it(refused, now, confirmed):
    refused(), refused()
    found = draft(now=now)

    with pytest.raises(NotConfirmed):
        drafts.publish(found, note="", by=None, now=now, confirmed=confirmed)

    assert drafts.open_draft() == found


def says(how, **fields):
    def act(message, now):
        record_opt_out(value=message.address.value, channel="sms", how=how, evidence=how, at=now, **fields)

    return act


OWN_WORDS = {
    "replied at that very moment": says("Reply"),
    "replied before": lambda message, now: says("Reply")(message, now - HOUR),
    "replied afterwards": lambda message, now: says("Reply")(message, now + HOUR / 2),
    "pressed a key": says("Key press"),
    "complained": says("Complaint", reason="complaint"),
    "unsubscribed by mail": says("Unsubscribed", fact="receipt 12"),
    "asked as a whole person": lambda message, now: suppress(
        contact=message.contact, reason="staff", origin="recipient", evidence="By phone", now=now
    ),
    "told a colleague": lambda message, now: suppress(
        value=message.address.value, reason="staff", origin="recipient", evidence="By phone", now=now
    ),
}


@pytest.mark.parametrize("act", OWN_WORDS.values(), ids=OWN_WORDS)
def test_what_a_person_said_themselves_is_never_lifted(refused, now, act):
    message = refused()
    act(message, now)
    found = draft(now=now)

    assert freed(found) == 0
    publish(found, now)

    assert not written_to(message, now + HOUR)
    assert not Consent.objects.filter(contact=message.contact, how="Correction").exists()
    assert Suppression.objects.filter(released_at=None).exists()


@pytest.mark.parametrize("origin", ["staff", "import", "provider"])
def test_a_block_of_somebody_else_stays(refused, now, origin):
    message = refused()
    suppress(value=message.address.value, reason="staff", origin=origin, evidence="x", now=now)
    found = draft(now=now)

    publish(found, now, confirmed=freed(found))

    assert not written_to(message, now + HOUR)


def test_a_block_recorded_before_facts_had_names_is_found_by_its_message(refused, now):
    message = refused()
    Suppression.objects.update(fact="")
    found = draft(now=now)

    assert freed(found) == 1
    publish(found, now, confirmed=1)
    assert written_to(message, now + HOUR)
    drafts.undo(found, by=None, now=now + 2 * HOUR)
    mappings.forget()
    reread(now + 3 * HOUR)

    assert not written_to(message, now + 3 * HOUR)
    assert Suppression.objects.count() == 1


def test_a_person_of_several_messages_counts_once(refused, now):
    first = refused()
    for _ in range(3):
        refused(phone=first.address)

    assert freed(draft(now=now)) == 1


def test_a_person_of_several_messages_counts_once_over_many_slices(refused, now, monkeypatch):
    monkeypatch.setattr(rereading, "TOGETHER", 2)
    for _ in range(2):
        first = refused()
        for _ in range(3):
            refused(phone=first.address)

    found = draft(now=now)

    assert (freed(found), rereading.Difference.read(found.preview).messages) == (2, 8)


def test_somebody_who_opted_in_again_is_not_counted(refused, now):
    message = refused()
    record_opt_in(value=message.address.value, channel="sms", how="Reply", evidence="START", at=now + HOUR)

    assert freed(draft(now=now + 2 * HOUR)) == 0


@pytest.mark.parametrize("word", ["unsubscribe", "group_unsubscribe", "spamreport"])
def test_leaving_and_complaining_stay_though_the_word_is_read_otherwise(tables, now, word):
    """By the tables as they came these are what a person did, not why something was refused."""
    account = factories.account("sendgrid")
    contact = factories.contact()
    email = factories.email(contact)
    Consent.objects.create(contact=contact, channel="email", opted_in=True, at=now - HOUR, how="Form")
    campaign = factories.campaign(state="sending", channel="email")
    message = factories.message(
        factories.recipient(campaign, contact), account=account, address=email, status="sending"
    )
    meaning = mappings.latest().translate("sendgrid", Report("", "", "email", word, "")).meaning
    with transaction.atomic():
        apply([event(message.pk, message.goal, meaning, at=now, native=(word, "", ""))], now)
    work(now)
    found = draft(Key("sendgrid", "email", "status", word), TEMPORARY, now=now)

    assert freed(found) == 0
    publish(found, now)

    message.refresh_from_db()
    assert message.disposition == "PENDING_RETRY"
    assert Suppression.objects.filter(match_key=email.match_key, released_at=None).exists()


def test_a_word_taken_for_an_opt_out_by_mistake_is_taken_back_by_undo(refused, now):
    """Nobody is silenced by a colleague's slip: the table as it came does not call it an opt-out."""
    key = Key("twilio", "sms", "error", "30003")
    message = refused("undelivered", "30003")
    assert written_to(message, now)
    found = draft(key, OPTED_OUT, now=now)
    publish(found, now)
    assert not written_to(message, now + HOUR)

    with pytest.raises(NotConfirmed, match="1 person who opted out"):
        drafts.undo(found, by=None, now=now + 2 * HOUR)
    drafts.undo(found, by=None, now=now + 2 * HOUR, confirmed=1)
    mappings.forget()
    reread(now + 3 * HOUR)

    assert written_to(message, now + 3 * HOUR)


@pytest.mark.parametrize(
    ("provider", "channel", "key", "reported"),
    [
        ("smtp", "email", Key("smtp", "email", "error", "5.7.x"), ("failed", "5.7.99")),
        ("twilio", "sms", Key("twilio", "sms", "error", "x9a"), ("undelivered", "X9A")),
        ("twilio", "sms", Key("twilio", "sms", "status", "gone"), ("Gone", "")),
    ],
)
def test_undo_asks_about_whoever_the_row_stands_for(tables, now, provider, channel, key, reported):
    account = factories.account(provider)
    contact = factories.contact()
    address = factories.email(contact) if channel == "email" else factories.phone(contact)
    campaign = factories.campaign(state="sending", channel=channel)
    message = factories.message(
        factories.recipient(campaign, contact), account=account, address=address, status="sending"
    )
    found = draft(key, OPTED_OUT, now=now)
    publish(found, now)
    meaning = mappings.latest().translate(provider, Report("", "", channel, *reported)).meaning
    with transaction.atomic():
        apply([event(message.pk, message.goal, meaning, at=now, native=(*reported, ""))], now)
    work(now)
    message.refresh_from_db()
    assert message.disposition == "OPTOUT"

    with pytest.raises(NotConfirmed, match="1 person who opted out"):
        drafts.undo(found, by=None, now=now + HOUR)


def test_a_message_that_cannot_be_read_anew_holds_up_no_other(refused, now, monkeypatch):
    messages = [refused() for _ in range(4)]
    found = draft(now=now)
    honest = rereading._bring_in_line

    def bring_in_line(read, *args):
        if messages[1].pk in read.messages:
            raise RuntimeError("a receipt of another time")
        return honest(read, *args)

    with monkeypatch.context() as broken:
        broken.setattr(rereading, "_bring_in_line", bring_in_line)
        publish(found, now, confirmed=4)
    free = [written_to(message, now + HOUR) for message in messages]

    assert rereading.run_failed(now + 2 * HOUR) == 1
    assert free == [True, False, True, True]
    assert written_to(messages[1], now + 2 * HOUR)


# ---- Pages -----------------------------------------------------------------------------------------------------


@pytest.fixture
def admin(login, tables):
    return login("admin")


def test_the_draft_says_first_who_would_be_written_to_and_asks_to_type_it(admin, refused, now):
    for _ in range(3):
        refused()
    found = draft(now=now)

    page = admin.get("/mappings/draft/")

    words = text(page)
    assert "3 people who opted out would be written to again." in words
    assert words.index("3 people who opted out") < words.index("3 messages change")
    assert 'name="confirmed"' in page.content.decode()
    given = {"note": "Why", "counted_at": found.previewed_at.isoformat()}
    for typed in ("", "2", "three", "3.0", "\N{SUPERSCRIPT THREE}", "9" * 19):
        refusal = admin.post("/mappings/draft/publish/", {**given, "confirmed": typed})
        assert refusal.status_code == 422
        assert "Type 3 to confirm that" in text(refusal)
        assert drafts.open_draft() == found
    done = admin.post("/mappings/draft/publish/", {**given, "confirmed": " 3 "}, follow=True)
    assert "is in force" in text(done)


def test_a_draft_that_frees_nobody_asks_for_nothing(admin, refused, now):
    found = draft(now=now)

    page = admin.get("/mappings/draft/").content.decode()
    given = {"note": "Why", "counted_at": found.previewed_at.isoformat()}
    done = admin.post("/mappings/draft/publish/", given, follow=True)

    assert 'name="confirmed"' not in page
    assert "is in force" in text(done)


def test_undoing_asks_as_well(admin, refused, now):
    refused("undelivered", "30003")
    found = draft(Key("twilio", "sms", "error", "30003"), OPTED_OUT, now=now)
    publish(found, now)
    url = f"/mappings/versions/{found.pk}/undo/"

    page = admin.get(url)
    refusal = admin.post(url)
    done = admin.post(url, {"confirmed": "1"}, follow=True)

    assert "Up to 1 person who opted out would be written to again." in text(page)
    assert refusal.status_code == 422
    assert "Type 1 to confirm that" in text(refusal)
    assert "is undone" in text(done)


def test_reading_anew_is_no_colleagues_stop(refused, now):
    refused()
    later = now + timedelta(days=4)
    found = draft(now=later)
    publish(found, later, confirmed=1)

    recipient = Recipient.objects.get()
    assert recipient.automatic
    assert Message.objects.count() == 1
