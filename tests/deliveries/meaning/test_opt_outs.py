"""Correcting a code never frees anybody who said no themselves, and nobody at all without somebody knowing."""

from __future__ import annotations

from datetime import time, timedelta
from importlib import import_module
from types import SimpleNamespace

import pytest
from django.apps import apps
from django.db import connection, transaction

from campaigns.models import Recipient
from contacts import gate, grounds
from contacts.consent_ledger import latest_consents
from contacts.consenting import record_opt_in, record_opt_out, record_request
from contacts.models import Consent, ListMembership, Suppression
from contacts.suppressing import suppress
from contacts.withdrawing import withdraw_opt_out
from dashboard.contacts.explaining_words import day_words
from dashboard.mappings import history
from deliveries.ledger.events import apply, event
from deliveries.meaning import drafts, mappings
from deliveries.meaning.drafts import NotConfirmed
from deliveries.meaning.translation import Key
from deliveries.models import MappingVersion, Message
from deliveries.providers.facts import Report
from deliveries.receiving import replay, replay_preview
from deliveries.receiving.replay_preview import Difference
from deliveries.sending.audience import forecast
from tests import factories
from tests.dashboard.mappings.steps import text
from tests.deliveries.meaning.tables import HOUR, receive, replay_all, sent, work

pytestmark = pytest.mark.django_db

REFUSED = Key("twilio", "sms", "error", "21610")  # "the recipient unsubscribed", an opt-out by the tables
TEMPORARY = {
    "name": "x", "meaning": "x", "status": "undelivered", "failure_class": "temporary", "fault": "carrier",
    "verified": True,
}  # fmt: skip
OPTED_OUT = {**TEMPORARY, "status": "opted_out", "failure_class": "opt_out", "fault": "recipient"}


@pytest.fixture
def tables():
    mappings.seed()
    return MappingVersion.objects.get()


@pytest.fixture
def account():
    return factories.account("twilio", credentials={"account_sid": "AC1", "auth_token": "t"})


@pytest.fixture
def refused_each(tables, account, now):
    """`refused_each(phones)`: people, with consent to SMS unless told otherwise, whom the provider refused as
    unsubscribed; a message each."""

    def make(phones, status="failed", code="21610", consented=True):
        messages = []
        for phone in phones:
            for channel in ("sms", "mms") if consented else ():
                Consent.objects.create(
                    contact=phone.contact, channel=channel, opted_in=True, at=now - 9 * HOUR, how="Form"
                )
            recipient = factories.recipient(factories.campaign(state="sending"), phone.contact)
            messages.append(sent(account, recipient=recipient, address=phone, created_at=now))
            receive(messages[-1], now, status, code)
        work(now)
        return [Message.objects.get(pk=message.pk) for message in messages]

    return make


@pytest.fixture
def refused(refused_each):
    """`refused()`: one of them; their message."""

    def make(status="failed", code="21610", phone=None, consented=True):
        return refused_each([phone or factories.phone()], status, code, consented)[0]

    return make


@pytest.fixture
def ada():
    return factories.user("admin", first_name="Ada", last_name="Byron")


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


def opted_in(message):
    """What the ledger says of SMS; None where it says nothing."""
    latest = latest_consents([message.contact_id]).get((message.contact_id, "sms"))
    return latest and latest.opted_in


def draft(key=REFUSED, changes=TEMPORARY, now=None):
    """The draft that reads this code otherwise, counted."""
    drafts.edit(key, {**changes, **({} if drafts.in_force(key) else {"code": key.code})}, None)
    replay.start_preview(drafts.open_draft(), now)
    replay_all(now)
    return drafts.open_draft()


def publish(found, now, confirmed=0, by=None):
    drafts.publish(found, note="", by=by, now=now, confirmed=confirmed)
    mappings.forget()
    found.refresh_from_db()
    replay_all(now + HOUR)


def undo(found, now, by=None):
    drafts.undo(found, by=by, now=now)
    mappings.forget()
    replay_all(now + HOUR)


def freed(found):
    return Difference.read(found.preview).freed


def test_twelve_people_are_counted_confirmed_freed_and_silenced_again(refused_each, now):
    messages = refused_each([factories.phone() for _ in range(12)])
    assert not any(written_to(message, now) for message in messages)
    found = draft(now=now)

    assert freed(found) == 12
    with pytest.raises(NotConfirmed, match="12 people who opted out would be written to again"):
        drafts.publish(found, note="", by=None, now=now)
    publish(found, now, confirmed=12)
    assert all(written_to(message, now + HOUR) for message in messages)

    drafts.undo(found, by=None, now=now + 2 * HOUR)
    mappings.forget()
    while replay.run(now + 3 * HOUR):
        pass  # nothing is decided in between: the blocks stand again at once

    assert not any(written_to(message, now + 3 * HOUR) for message in messages)
    assert set(Message.objects.values_list("disposition", flat=True)) == {"OPTOUT"}
    assert not any(opted_in(message) for message in messages)


def test_a_code_may_be_corrected_back_and_forth(refused, now):
    message = refused()
    for round_ in range(3):
        found = draft(now=now)
        publish(found, now, confirmed=1)
        assert written_to(message, now + HOUR), round_
        drafts.undo(found, by=None, now=now + 2 * HOUR)
        mappings.forget()
        replay_all(now + 3 * HOUR)
        assert not written_to(message, now + 3 * HOUR), round_
        now += 4 * HOUR

    assert Suppression.objects.count() == 1


def test_no_other_number_confirms_it(refused_each, now):
    refused_each([factories.phone(), factories.phone()])
    found = draft(now=now)

    for number in (0, 1, 3, 12, -2):
        with pytest.raises(NotConfirmed):
            drafts.publish(found, note="", by=None, now=now, confirmed=number)

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


def test_what_a_person_said_themselves_is_never_lifted(refused_each, now):
    messages = dict(zip(OWN_WORDS, refused_each([factories.phone() for _ in OWN_WORDS]), strict=True))
    for name, act in OWN_WORDS.items():
        act(messages[name], now)
    found = draft(now=now)

    assert freed(found) == 0
    publish(found, now)

    assert [name for name, message in messages.items() if written_to(message, now + HOUR)] == []
    assert not Consent.objects.filter(how="Correction").exists()
    blocks = Suppression.objects.filter(released_at=None)
    whole = set(blocks.filter(value="").values_list("contact_id", flat=True))
    values = set(blocks.values_list("value", flat=True))
    assert [
        n for n, m in messages.items() if m.address.value not in values and m.contact_id not in whole
    ] == []


def test_a_block_of_somebody_else_stays(refused_each, now):
    origins = ("staff", "import", "provider")
    messages = refused_each([factories.phone() for _ in origins])
    for origin, message in zip(origins, messages, strict=True):
        suppress(value=message.address.value, reason="staff", origin=origin, evidence="x", now=now)
    found = draft(now=now)

    publish(found, now, confirmed=freed(found))

    assert [m.pk for m in messages if written_to(m, now + HOUR)] == []


# ---- The ledger of consent -------------------------------------------------------------------------------------


def test_who_never_opted_in_has_not_done_so_afterwards(refused, now, ada):
    message = refused(consented=False)
    assert opted_in(message) is False
    found = draft(now=now)
    publish(found, now, confirmed=1, by=ada)

    assert opted_in(message) is None
    assert not Consent.objects.filter(opted_in=True).exists()
    assert not written_to(message, now + HOUR)


def test_what_a_file_said_holds_again_as_what_a_file_said(refused, now):
    message = refused(consented=False)
    for channel in ("sms", "mms"):
        Consent.objects.create(
            contact=message.contact,
            channel=channel,
            opted_in=True,
            at=now - HOUR,
            how="Import",
            origin="import",
        )
    found = draft(now=now)
    publish(found, now, confirmed=1)

    last = Consent.objects.filter(contact=message.contact, channel="sms").in_order().last()
    assert (last.opted_in, last.origin) == (True, "import")
    assert Consent.objects.filter(opted_in=True).count() == 2


def test_the_trail_says_that_the_opt_out_is_withdrawn_and_that_it_holds_again(login, refused, now, ada):
    client = login(user=ada)
    message = refused(consented=False)
    trail = f"/contacts/{message.contact_id}/"
    found = draft(now=now)
    publish(found, now, confirmed=1, by=ada)
    freed_page = client.get(trail)
    undo(found, now + 2 * HOUR, by=ada)
    blocked_page = client.get(trail)

    assert "Opt-out withdrawn: code 21610 was mapped anew by Ada Byron" in text(freed_page)
    assert "Opted in" not in text(freed_page)
    assert "No consent is recorded." in text(freed_page)
    again = "Blocked again: code 21610 was mapped as an opt-out again by Ada Byron"
    assert again in text(blocked_page)
    assert again in text(client.get(trail, {"show": "problems"}))
    assert "Opt-out withdrawn: code" in text(blocked_page)
    assert "Opted in" not in text(blocked_page)
    assert opted_in(message) is False


@pytest.mark.parametrize("consented", [True, False])
@pytest.mark.parametrize("times", [1, 2])
def test_an_undo_leaves_on_the_trail_that_the_block_did_not_hold_for_a_while(
    login, refused, now, ada, consented, times
):
    message = refused(consented=consented)
    for turn in range(times):
        found = draft(now=now)
        publish(found, now + 2 * turn * HOUR, freed(found), by=ada)
        undo(found, now + (2 * turn + 1) * HOUR, by=ada)
    client = login("admin")

    page = text(client.get(f"/contacts/{message.contact_id}/"))
    answer = client.get(f"/contacts/{message.contact_id}/export/")
    rows = b"".join(answer.streaming_content if answer.streaming else [answer.content]).decode()

    held = Suppression.objects.get()
    assert held.released_at is None
    assert not written_to(message, now)
    lapses = list(held.lapses.values_list("released_at", "restored_at"))
    assert lapses == [(now + (2 * n + 1) * HOUR, now + (2 * n + 2) * HOUR) for n in range(times)]
    for words in (
        "Suppression released",
        "Suppressed again",
        "21610 was mapped as an opt-out again by Ada Byron",
    ):
        assert page.count(words) >= times
    assert rows.count("Suppression released") == rows.count("Suppressed again") == times


def test_a_status_that_came_without_a_code_is_named_itself(refused, now, ada):
    refused("Gone", "")
    key = Key("twilio", "sms", "status", "gone")
    first = draft(key, OPTED_OUT, now=now)
    publish(first, now)
    second = draft(key, TEMPORARY, now=now + 2 * HOUR)
    publish(second, now + 2 * HOUR, confirmed=1, by=ada)

    said = set(Consent.objects.exclude(withdraws=None).values_list("evidence", flat=True))
    assert said == {"code Gone was mapped anew by Ada Byron"}


def test_each_of_several_messages_read_in_turn_withdraws_its_own(refused, now, monkeypatch):
    monkeypatch.setattr(replay, "TOGETHER", 1)
    first = refused()
    refused(phone=first.address)
    found = draft(now=now)
    publish(found, now, confirmed=1)

    assert written_to(first, now + HOUR)
    undo(found, now + 2 * HOUR)
    assert not written_to(first, now + 3 * HOUR)


def test_a_stop_from_another_number_of_theirs_holds_for_the_person(refused, now):
    message = refused()
    other = factories.phone(message.contact, preferred=False)
    says("Reply")(Message(address=other), now + HOUR / 2)
    found = draft(now=now)
    publish(found, now, confirmed=freed(found))

    assert opted_in(message) is False
    assert not written_to(message, now + HOUR)


SAID_OF_EMAIL = {
    "unsubscribed": lambda contact, now: record_opt_out(
        value=factories.email(contact).value, channel="email", how="Unsubscribed", evidence="Link", at=now
    ),
    "told a colleague": lambda contact, now: record_request(
        contact=contact, channel="email", evidence="By phone", by=None, now=now
    ),
}


@pytest.mark.parametrize("act", SAID_OF_EMAIL.values(), ids=SAID_OF_EMAIL.keys())
def test_what_they_said_of_email_leaves_texts_as_they_were_before_the_mistake(refused, now, act):
    message = refused()
    act(message.contact, now)
    found = draft(now=now)

    assert freed(found) == 1
    publish(found, now, confirmed=1)

    assert opted_in(message) is True
    assert written_to(message, now + HOUR)
    assert not latest_consents([message.contact_id])[message.contact_id, "email"].opted_in


def test_a_reply_that_was_none_either_holds_nobody_once_the_code_is_corrected(refused, now, ada):
    """What the ledger has is the report; the reply said nothing new."""
    message = refused()
    value, fact = message.address.value, f"reply {now.isoformat()} 1"
    record_opt_out(value=value, channel="sms", how="Reply", evidence="Bus stop", at=now + HOUR, fact=fact)
    found = draft(now=now)
    publish(found, now, confirmed=freed(found))
    assert opted_in(message) is False

    withdraw_opt_out(value=value, fact=fact, by=ada, note="Read", now=now + 2 * HOUR)

    assert opted_in(message) is True


def test_the_audience_of_a_campaign_is_asked_the_same_ledger(refused, now):
    """The statement in SQL, beside the gate."""
    message = refused(consented=False)
    for channel in ("sms", "mms"):
        Consent.objects.create(
            contact=message.contact,
            channel=channel,
            opted_in=True,
            at=now - HOUR,
            how="Import",
            origin="import",
        )
    people = factories.contact_list()
    ListMembership.objects.create(contact=message.contact, contact_list=people)
    campaign = factories.campaign(lists=[people])
    found = draft(now=now)
    publish(found, now, confirmed=1)
    withdrawn = forecast(campaign, {campaign.channel: "x"}, now + HOUR)
    undo(found, now + 2 * HOUR)

    assert withdrawn == {"": 1}
    assert forecast(campaign, {campaign.channel: "x"}, now + 3 * HOUR) == {"opted_out": 1}


def test_the_admin_names_withdrawals_for_what_they_are(login, refused, now):
    client = login(user=factories.user("admin", is_staff=True))
    refused(consented=False)
    publish(draft(now=now), now, confirmed=1)

    assert "Opt-out withdrawn" in text(client.get("/admin/contacts/consent/"))


def test_opt_ins_that_an_earlier_release_invented_become_withdrawals(now):
    """And taken back again, only who ever opted in is opted in."""
    migration = import_module("contacts.migrations.0014_withdraw_what_nobody_said")

    def said(contact, opted_in, how):
        return Consent.objects.create(contact=contact, channel="sms", opted_in=opted_in, at=now, how=how)

    contact = factories.contact()
    said(contact, True, "Form")
    stop = said(contact, False, "Opt-out reported by the provider")
    invented = said(contact, True, "Correction")
    read_by_somebody_else = said(factories.contact(), True, "Correction")
    editor = SimpleNamespace(connection=connection, execute=connection.cursor().execute)
    migration.withdraw(apps, editor)
    withdrawn = latest_consents([contact.pk])[contact.pk, "sms"]
    invented.refresh_from_db()
    migration.opt_in_again(apps, editor)

    assert (invented.opted_in, invented.withdraws, withdrawn.opted_in) == (False, stop, True)
    assert Consent.objects.get(pk=invented.pk).opted_in
    read_by_somebody_else.refresh_from_db()
    assert read_by_somebody_else.withdraws is None


def test_of_two_reports_that_were_none_an_upgrade_withdraws_both(now):
    """The one that came late stands in the ledger as well."""
    migration = import_module("contacts.migrations.0014_withdraw_what_nobody_said")
    contact = factories.contact()
    rows = [
        (False, -20, "Reply"), (True, -19, "Form"), (False, 2, "Reported"), (False, 1, "Reported"),
        (True, 3, "Correction"),
    ]  # fmt: skip
    for opted_in, hours, how in rows:
        at = now + hours * HOUR
        Consent.objects.create(contact=contact, channel="sms", opted_in=opted_in, at=at, how=how)

    migration.withdraw(apps, SimpleNamespace(connection=connection, execute=connection.cursor().execute))

    assert latest_consents([contact.pk])[contact.pk, "sms"].opted_in
    assert set(Consent.objects.exclude(withdraws=None).values_list("withdraws__how", flat=True)) == {
        "Reported"
    }
    assert not Consent.objects.filter(how="Correction", opted_in=True).exists()


# ---- Whom it concerns ------------------------------------------------------------------------------------------


def test_a_block_recorded_before_facts_had_names_is_found_by_its_message(refused, now):
    message = refused()
    Suppression.objects.update(fact="")
    found = draft(now=now)

    assert freed(found) == 1
    publish(found, now, confirmed=1)
    assert written_to(message, now + HOUR)
    drafts.undo(found, by=None, now=now + 2 * HOUR)
    mappings.forget()
    replay_all(now + 3 * HOUR)

    assert not written_to(message, now + 3 * HOUR)
    assert Suppression.objects.count() == 1


def test_a_person_of_several_messages_counts_once(refused_each, now):
    refused_each([factories.phone()] * 4)

    assert freed(draft(now=now)) == 1


def test_a_person_of_several_messages_counts_once_over_many_slices(refused_each, now, monkeypatch):
    monkeypatch.setattr(replay, "TOGETHER", 2)
    refused_each([factories.phone()] * 4 + [factories.phone()] * 4)

    found = draft(now=now)

    assert (freed(found), Difference.read(found.preview).messages) == (2, 8)


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
    replay_all(now + 3 * HOUR)

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


def test_a_message_that_cannot_be_read_anew_holds_up_no_other(refused_each, now, monkeypatch):
    messages = refused_each([factories.phone() for _ in range(4)])
    found = draft(now=now)
    honest = replay.reproject

    def reproject(message_ids, now):
        if messages[1].pk in message_ids:
            raise RuntimeError("a receipt of another time")
        return honest(message_ids, now)

    with monkeypatch.context() as broken:
        broken.setattr(replay, "reproject", reproject)
        publish(found, now, confirmed=4)
    free = [written_to(message, now + HOUR) for message in messages]

    assert replay.run_failed(now + 2 * HOUR) == 1
    assert free == [True, False, True, True]
    assert written_to(messages[1], now + 2 * HOUR)


# ---- Pages -----------------------------------------------------------------------------------------------------


@pytest.fixture
def admin(login, tables):
    return login("admin")


def test_the_draft_says_first_who_would_be_written_to_and_asks_to_type_it(admin, refused_each, now):
    refused_each([factories.phone() for _ in range(3)])
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


def test_the_draft_says_how_many_people_it_would_block(admin, refused_each, now, monkeypatch):
    monkeypatch.setattr(replay, "TOGETHER", 1)  # each message in a slice of its own
    often, once, gone = (factories.phone() for _ in range(3))
    refused_each([often, often, once, gone], code="30003")
    suppress(value=gone.value, reason="stop", origin="recipient", now=now)

    found = draft(Key("twilio", "sms", "error", "30003"), OPTED_OUT, now)

    assert Difference.read(found.preview).blocked == {often.contact_id, once.contact_id}
    page = text(admin.get("/mappings/draft/"))
    assert "2 people would be blocked, as if they had opted out." in page
    publish(found, now)
    blocked = Suppression.objects.filter(origin="recipient").values_list("value", flat=True)
    assert set(blocked) == {often.value, once.value, gone.value}


def test_of_people_beyond_counting_the_draft_says_that_there_are_more(monkeypatch):
    monkeypatch.setattr(replay_preview, "PEOPLE", 2)
    monkeypatch.setattr(history, "PEOPLE", 2)
    counted = Difference(blocked={1, 2})

    counted.merge(Difference(blocked={2, 3}))

    assert len(counted.blocked) == 2
    assert history.aftermath(counted) == ["2 people or more would be blocked, as if they had opted out."]


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


# ---- Read out of an earlier report -----------------------------------------------------------------------------------


def test_an_opt_out_read_out_of_an_old_report_holds_and_is_told_since_then(login, tables, account, now, ada):
    phone = factories.phone()
    recipient = factories.recipient(factories.campaign(state="sending"), phone.contact)
    message = sent(account, recipient=recipient, address=phone, created_at=now - 1_500 * HOUR)
    receive(message, now - 1_500 * HOUR, "undelivered", "30008")
    work(now - 1_499 * HOUR)
    found = draft(Key("twilio", "sms", "error", "30008"), OPTED_OUT, now)
    publish(found, now, by=ada)
    work(now + 2 * HOUR)

    block, no = Suppression.objects.get(), Consent.objects.get(channel="sms")
    assert block.created_at == now + HOUR  # when the messages were read anew
    assert no.at < now - 1_000 * HOUR
    day = grounds.day(now + HOUR)
    by = f"ead as an opt-out on {day} by version {found.number} of the code tables, published by Ada Byron"
    page = text(login("support").get(f"/contacts/{message.contact_id}/"))
    assert f"Opted out, reported by the provider on {day}, r{by}." in page  # the banner
    assert f"R{by}." in page  # the trail
    assert page.count("turned off for this contact.") == 1
    assert page.count("Closes ") == 1
    assert f"We learnt on {day_words(now + HOUR)} that you do not want to hear from us; since then" in page


def test_undo_and_a_new_release_are_told_as_well(refused, now, login):
    message = refused()
    undone = draft(now=now)
    publish(undone, now, confirmed=1)
    undo(undone, now + 2 * HOUR)

    assert Suppression.objects.get().reading == ""  # it was known before, and holds as it did
    assert "ead as an opt-out on" not in text(login("support").get(f"/contacts/{message.contact_id}/"))


@pytest.mark.parametrize(
    ("origin", "by", "named"),
    [
        ("shipped", None, "version 5 of the code tables, which came with a new release of Waybill"),
        ("edited", "Ada", "version 5 of the code tables, published by Ada"),
        ("edited", None, "version 5 of the code tables"),
    ],
)
def test_a_version_is_named_with_whose_it_is(origin, by, named):
    user = factories.User(first_name=by, username="x") if by else None

    assert replay._named(MappingVersion(number=5, origin=origin, created_by=user)) == named
