"""Erasing a person, and what comes of it when their address comes back."""

import io
import json
from datetime import timedelta
from urllib.parse import quote_plus

import pytest
from django.core.management import call_command
from django.utils import timezone

from contacts import erased_files, import_runs
from contacts.adding import add_person
from contacts.consenting import record_opt_in, record_opt_out, record_request
from contacts.correcting import Details, correct
from contacts.importing import import_contacts
from contacts.models import (
    Address,
    AutomaticAnswer,
    Consent,
    Contact,
    FileErasure,
    ImportChunk,
    Note,
    PrivacyRecord,
    Reply,
    Suppression,
)
from contacts.suppressing import release, suppress
from deliveries.alerting.kinds import AlertSettings
from deliveries.deciding.erasing import erase_person
from deliveries.deciding.stopping import apply_opt_outs
from deliveries.ledger.redacting import Redaction
from deliveries.models import Backscatter, Engagement, Message, Outbox, Receipt, SavedView, StatusEvent
from deliveries.outcomes.person_data import person_data
from deliveries.outcomes.reachability import side_panel
from deliveries.outcomes.trail import Narrowing, trail
from deliveries.receiving.unsubscribing import message_of, unsubscribe
from deliveries.running import alerts
from deliveries.statuses import Status
from tests import factories
from tests.contacts.test_import_runs import imported, run_all, upload

pytestmark = pytest.mark.django_db
NUMBER, EMAIL, NAME = "+12125550142", "ada.lovelace@example.com", "Ada Löve-Lace"


@pytest.fixture
def ada():
    made = factories.contact(
        name=NAME, external_id="CRM-77", lists=[factories.contact_list()], attributes={"city": "Austin"}
    )
    factories.phone(made, value=NUMBER)
    factories.email(made, value=EMAIL)
    return made


@pytest.fixture
def by():
    return factories.user("admin")


def erased(contact, by):
    assert erase_person(contact.pk, by=by, reason="Asked by letter", now=timezone.now())
    contact.refresh_from_db()


def said_no(value=NUMBER, channel="sms"):
    record_opt_out(value=value, channel=channel, how="Reply", evidence="STOP", at=timezone.now())


def everything():
    """All rows of all tables, as text."""
    out = io.StringIO()
    call_command(
        "dumpdata", exclude=["contenttypes", "auth", "sessions", "deliveries.codemapping"], stdout=out
    )
    receipts = [bytes(one.body).decode() for one in Receipt.objects.all()]
    return json.dumps(json.loads(out.getvalue()), ensure_ascii=False) + "".join(receipts)


def a_history(contact):
    """A message with a receipt, a reply with one, a note, consent and a suppression: all of them name the person."""
    phone = contact.addresses.get(kind="phone")
    made = factories.message(factories.recipient(contact=contact), address=phone)
    body = json.dumps(
        {"To": NUMBER, "raw": "2125550142", "name": NAME, "other": "+13105550199", "code": 30003}
    )
    told = factories.receipt(body=body.encode(), query=f"to={quote_plus(NUMBER)}", state=None)
    StatusEvent.objects.create(
        message_id=made.pk, fact=1, receipt_id=told.pk, status="undelivered", precedence=1, failure_class="permanent",
        fault="recipient", evidence="carrier", native_text=f"No such number {NUMBER}", native_code="30003",
        occurred_at=timezone.now(), recorded_at=timezone.now(),
    )  # fmt: skip
    wrote = factories.receipt(
        body=f"From={quote_plus(NUMBER)}&Body={quote_plus('I am Ada, call me')}".encode(), state=None
    )
    Engagement.objects.create(
        contact=contact, receipt_id=wrote.pk, channel="sms", kind="reply", text="I am Ada, call me",
        at=timezone.now(),
    )  # fmt: skip
    Note.objects.create(contact=contact, text=f"{NAME} lives in Austin")
    Consent.objects.create(
        contact=contact, channel="email", opted_in=True, how="Form", evidence=f"{EMAIL} by the form"
    )
    suppress(contact=contact, reason="staff", origin="staff", evidence=f"{NAME} was rude", now=timezone.now())
    beside_the_messages(contact, phone)
    return made


def beside_the_messages(contact, phone):
    """What names them in tables of its own: tests with their details, answers, notes at a release, mail that came
    back."""
    now = timezone.now()
    shared = {
        "channel": "sms",
        "sender_value": "+15550100",
        "account_id": 0,
        "subject": NAME,
        "asked_at": now,
    }
    AutomaticAnswer.objects.create(
        kind="test", match_key="+15550111", own_value="+15550111", fact="campaign 1 a", text=f"Hello {NAME}",
        html=f"<p>Hello {NAME}</p>", person_id=contact.pk, **shared,
    )  # fmt: skip
    AutomaticAnswer.objects.create(
        kind="person", address=phone, match_key=phone.match_key, fact="reply 1", text=f"Dear {NAME}", **shared
    )
    lifted = suppress(value=NUMBER, reason="staff", origin="staff", evidence="x", now=now)
    release(lifted, by=factories.user("support"), note=f"{NAME} called", now=now)
    Backscatter.objects.create(account_id=1, address=EMAIL.upper(), text=f"No such user {EMAIL}", at=now)


def test_nothing_says_who_it_was_and_what_happened_stays(ada, by):
    made = a_history(ada)
    events = StatusEvent.objects.count()

    erased(ada, by)

    left = everything()
    for trace in (NUMBER, "2125550142", EMAIL, "lovelace", NAME, "Ada", "CRM-77", "Austin", "rude"):
        assert trace not in left, trace
    assert "+13105550199" in left
    assert str(ada) == f"Erased person {ada.pk}"
    assert Message.objects.get() == made
    assert StatusEvent.objects.count() == events
    assert StatusEvent.objects.get().native_code == "30003"
    assert json.loads(bytes(Receipt.objects.earliest("pk").body))["code"] == 30003
    assert trail(ada, list(ada.addresses.all()), "", Narrowing("", False)).days
    record = PrivacyRecord.objects.get()
    assert (record.act, record.contact_number, record.by) == ("erase", ada.pk, by)


def test_saved_views_that_search_for_them_go_and_others_stay(ada, by):
    searched = (NUMBER, "(212) 555-0142", "5550142", EMAIL, "löve-lace", "Ada Löve-Lace 0142", "CRM-77")
    for n, text in enumerate([*searched, "Somebody else", "5550143"]):
        SavedView.objects.create(name=f"v{n}", owner=by, filters={"s": text})
    SavedView.objects.create(name=f"About {NAME}", owner=by, filters={"channel": "sms"})

    erased(ada, by)

    assert [one.filters.get("s") for one in SavedView.objects.order_by("pk")] == [
        "Somebody else",
        "5550143",
        None,
    ]
    assert not SavedView.objects.filter(name__contains=NAME).exists()


def test_nothing_more_is_sent_to_them(ada, by):
    recipient = factories.recipient(contact=ada, state="open")
    made = factories.message(recipient, address=ada.addresses.get(kind="phone"), status=Status.QUEUED)
    lane = {"campaign_id": made.campaign_id, "account_id": made.account_id, "sender_id": made.sender_id}
    Outbox.objects.create(message=made, due_at=made.due_at, **lane)

    erased(ada, by)

    assert not Outbox.objects.exists()
    assert Message.objects.get().canceled_at
    assert not side_panel(ada, timezone.now()).allowed
    assert not ada.memberships.exists()


def comes_back(how, typed, email=False):
    """Somebody with the address, by one of the doors."""
    now = timezone.now()
    kind = "email" if email else "phone"
    if how == "import":
        file = io.BytesIO(f"{kind},name,consent\n{typed},Somebody,{'email' if email else 'sms'}\n".encode())
        import_contacts(file, contact_list="Back", region="US", consent=(), how="Form", now=now)
    elif how == "form":
        add_person(Details(name="Somebody", **{kind: typed}), region="US", by=None, now=now)
    elif how == "correction":
        correct(factories.contact(name="Somebody"), **{kind: typed}, region="US", by=None)
    else:
        value = typed if email else NUMBER
        Address.objects.create(contact=factories.contact(name="Somebody"), kind=kind, value=value)
    return Contact.objects.filter(name="Somebody").get()


@pytest.mark.parametrize("how", ["import", "form", "correction", "saved"])
@pytest.mark.parametrize("typed", ["+12125550142", "(212) 555-0142", "001 212 555 0142"])
def test_whoever_said_no_is_blocked_again_by_every_door_in_every_spelling(ada, by, how, typed):
    said_no()
    erased(ada, by)
    assert not Suppression.objects.filter(value=NUMBER).exists()

    back = comes_back(how, typed)

    reach = side_panel(back, timezone.now())
    assert {"sms", "mms"} <= {one.channel for one in reach.off}
    assert any(one.by_recipient for one in Suppression.objects.filter(value=NUMBER, released_at=None))


@pytest.mark.parametrize("how", ["import", "form", "correction", "saved"])
def test_an_email_is_known_again_in_other_capitals_and_with_a_tag(by, how):
    bob = factories.email(value="bob.b@gmail.com").contact
    said_no("bob.b@gmail.com", "email")
    erased(bob, by)

    back = comes_back(how, "BobB+news@googlemail.com", email=True)

    assert {"email"} <= {one.channel for one in side_panel(back, timezone.now()).off}


@pytest.mark.parametrize(
    "no",
    ["stop", "asked", "ledger", "staff", "complaint", "whole", "unread"],
)
def test_every_kind_of_no_is_kept(ada, by, no):
    now = timezone.now()
    if no in ("stop", "complaint"):
        record_opt_out(
            value=NUMBER, channel="sms", how="Reply", evidence="STOP", at=now,
            reason="stop" if no == "stop" else "complaint",
        )  # fmt: skip
    elif no == "asked":
        record_request(contact=ada, value=NUMBER, evidence="By phone", by=by, now=now)
    elif no == "whole":
        record_request(contact=ada, evidence="By phone", by=by, now=now)
    elif no == "ledger":
        Consent.objects.create(contact=ada, channel="sms", opted_in=False, how="Import", origin="import")
    elif no == "staff":
        suppress(contact=ada, value=NUMBER, reason="staff", origin="staff", evidence="x", by=by, now=now)
    else:
        Reply.objects.create(
            doubtful=True, value=NUMBER, channel="sms", text="no thanks", found="no", fact="r1", at=now
        )
    erased(ada, by)

    back = comes_back("import", NUMBER)

    assert "sms" in {one.channel for one in side_panel(back, now).off}


@pytest.mark.parametrize("no", ["link", "complaint", "reported"])
def test_a_no_that_comes_after_it_is_kept_as_well(ada, by, no):
    """By the link in a mail that they still have, or as a report about a message."""
    email, now = no != "reported", timezone.now()
    address = ada.addresses.get(kind="email" if email else "phone")
    made = factories.message(
        factories.recipient(contact=ada), address=address, channel="email" if email else "sms"
    )
    erased(ada, by)

    made = Message.objects.get(pk=made.pk)
    if no == "link":
        unsubscribe(message_of(str(made.uuid)), now, "confirmed on the page")
    else:
        made.status = Status.COMPLAINED if email else Status.OPTED_OUT
        apply_opt_outs([made], now)

    value = EMAIL if email else NUMBER
    back = comes_back("import", value, email=email)
    assert ("email" if email else "sms") in {one.channel for one in side_panel(back, now).off}
    assert Suppression.objects.in_force(now).filter(value=value, origin="recipient").exists()


def test_somebody_who_was_answered_alike_before_is_erased_again(by):
    for _ in range(2):
        address = factories.phone(value=NUMBER)
        AutomaticAnswer.objects.create(
            address=address,
            match_key=NUMBER,
            kind="stop",
            fact="opt-out 1",
            channel="sms",
            account_id=1,
            text="Bye",
        )
        erased(address.contact, by)

    assert not AutomaticAnswer.objects.filter(match_key=NUMBER).exists()


def test_two_spellings_of_one_address_are_both_erased(by):
    bob = factories.email(value="bob.b@gmail.com").contact
    factories.email(bob, value="bobb@gmail.com", preferred=False)

    erased(bob, by)

    assert not bob.addresses.filter(value__contains="gmail").exists()


def test_whoever_had_said_nothing_may_be_written_to_when_they_come_back(ada, by):
    erased(ada, by)

    back = comes_back("import", NUMBER)

    assert not Suppression.objects.in_force(timezone.now()).exclude(value="").exists()
    assert back.consents.get().opted_in


def test_consent_of_a_file_does_not_go_around_it(ada, by):
    said_no()
    erased(ada, by)

    back = comes_back("import", NUMBER)

    assert not back.consents.filter(opted_in=True).exists()


def test_their_own_yes_lifts_it_for_good(ada, by):
    said_no()
    erased(ada, by)
    back = comes_back("form", NUMBER)

    later = timezone.now() + timedelta(minutes=1)
    record_opt_in(value=NUMBER, channel="sms", how="Reply START", evidence="START", at=later)
    assert "sms" not in {one.channel for one in side_panel(back, later).off}

    assert erase_person(back.pk, by=by, reason="", now=later)
    again = comes_back("import", NUMBER)
    assert "sms" not in {one.channel for one in side_panel(again, later).off}


def test_a_block_that_was_released_is_not_made_again(ada, by):
    suppress(
        contact=ada, value=NUMBER, reason="staff", origin="staff", evidence="x", by=by, now=timezone.now()
    )
    Suppression.objects.update(released_at=timezone.now())
    erased(ada, by)

    comes_back("form", NUMBER)

    assert not Suppression.objects.in_force(timezone.now()).exclude(value="").exists()


def test_it_is_known_by_the_key_that_was_in_force_then(ada, by, settings):
    said_no()
    erased(ada, by)
    settings.FORMER_CREDENTIALS_KEYS = [settings.CREDENTIALS_KEY]
    settings.CREDENTIALS_KEY = "another-secret-" + "x" * 40

    back = comes_back("import", NUMBER)

    assert "sms" in {one.channel for one in side_panel(back, timezone.now()).off}


def test_what_somebody_else_has_stays_theirs(ada, by):
    other = factories.contact(name="Ben")
    factories.phone(other, value=NUMBER)
    said_no()

    erased(ada, by)

    assert other.addresses.get().value == NUMBER
    assert Suppression.objects.in_force(timezone.now()).filter(value=NUMBER).exists()
    assert "sms" in {one.channel for one in side_panel(other, timezone.now()).off}


def test_nobody_is_erased_twice(ada, by):
    erased(ada, by)

    assert not erase_person(ada.pk, by=by, reason="", now=timezone.now())
    assert not erase_person(999_999, by=by, reason="", now=timezone.now())
    assert PrivacyRecord.objects.count() == 1


def test_an_error_on_the_way_erases_nothing(ada, by, monkeypatch):
    monkeypatch.setattr("contacts.erasing.redact_words", lambda contact, theirs: 1 / 0)

    with pytest.raises(ZeroDivisionError):
        erase_person(ada.pk, by=by, reason="", now=timezone.now())

    ada.refresh_from_db()
    assert ada.name == NAME
    assert ada.addresses.filter(value=NUMBER).exists()


@pytest.mark.parametrize(
    "body",
    [
        "+12125550142", "12125550142", "2125550142", "(212) 555-0142", "%2B12125550142", "+1 212.555.0142",
        "001 212 555 0142", "tel:+1-212-555-0142", "Ada.Lovelace@Example.com", "ada.lovelace%40example.com",
        "Ada L\\u00f6ve-Lace", "Ada Löve-Lace", "Ada+L%C3%B6ve-Lace", "ada löve-lace", "2 1 2 5 5 5 0 1 4 2",
        "Content-Transfer-Encoding: base64\n\nKzEyMTI1NTUwMTQy",
    ],
)  # fmt: skip
def test_a_receipt_is_redacted_however_it_spells_the_person(body):
    redaction = Redaction([NUMBER, EMAIL], [NAME])
    given = f'{{"id": "SM-1", "to": "{body}", "n": 5}}'.encode()

    left = redaction.of_bytes(given)

    assert b"[erased]" in left
    for trace in (b"555", b"lovelace", b"Lace", b"KzEy"):
        assert trace.lower() not in left.lower()


@pytest.mark.parametrize("body", [b"", b'{"to": "+13105550199"}', b"\xff\xfe\x00", b"99912125550142999"])
def test_what_is_about_others_stays_as_it_came(body):
    redaction = Redaction([NUMBER], ["Al"])

    assert redaction.of_bytes(body) == (body if b"142999" not in body else b"[erased]")


def test_the_data_of_a_person_is_all_that_names_them(ada, by):
    a_history(ada)
    Reply.objects.create(
        doubtful=True, value=NUMBER, channel="sms", text="no thanks", found="no", fact="r1", at=timezone.now()
    )

    data = json.loads(json.dumps(person_data(ada)))

    assert data["contact"]["name"] == NAME
    assert [one["value"] for one in data["addresses"]] == [NUMBER, EMAIL]
    for kind in (
        "consent", "suppressions", "campaigns", "messages", "status_events", "replies_and_clicks",
        "replies_to_read", "notes",
    ):  # fmt: skip
        assert data[kind], kind


FILE = f"name,phone\nBea,512\n{NAME},+1 (212) 555-0142 or home\nKim,513\n"


def test_their_line_of_an_uploaded_file_is_hidden_at_once_and_emptied_by_the_worker(ada, by):
    one = imported(FILE, uses=["name", "phone"])
    assert [row.cells[0] for row in one.chunks.get().rows()] == ["Bea", NAME, "Kim"]

    erased(ada, by)

    chunk = one.chunks.get()
    assert [row.cells[0] for row in erased_files.part_of(chunk).rows] == ["Bea", "", "Kim"]
    assert "555-0142" not in str(list(erased_files.imported_parts(one)))
    assert erased_files.run(timezone.now()) == 1
    chunk = one.chunks.get()
    assert [row.cells[0] for row in chunk.rows()] == ["Bea", "", "Kim"]
    assert "555-0142" not in str(chunk.reasons())
    one.refresh_from_db()
    assert "555-0142" not in str([one.faults, one.preview])
    done = FileErasure.objects.get()
    assert (done.looked, done.parts, done.emails, done.numbers, done.names, done.ids) == (
        1,
        1,
        [],
        [],
        [],
        [],
    )
    assert done.finished_at
    assert erased_files.run(timezone.now()) == 0


def test_the_request_that_erases_reads_no_file(ada, by, monkeypatch):
    imported(FILE, uses=["name", "phone"])
    monkeypatch.setattr(ImportChunk, "rows", lambda chunk: pytest.fail("a file was read"))

    erased(ada, by)

    assert FileErasure.objects.get().parts == 1


def test_nothing_by_which_their_lines_are_known_can_be_read(ada, by):
    imported(FILE, uses=["name", "phone"])

    erased(ada, by)

    kept = str(FileErasure.objects.values().get())
    assert not any(word in kept for word in ("0142", "lovelace", "Lace", "CRM-77"))


def test_their_lines_are_known_by_a_former_key_too(ada, by, settings):
    one = imported(FILE, uses=["name", "phone"])
    erased(ada, by)
    settings.FORMER_CREDENTIALS_KEYS = [settings.CREDENTIALS_KEY]
    settings.CREDENTIALS_KEY = "another key, as long as the other one was"

    erased_files.run(timezone.now())

    assert [row.cells[0] for row in one.chunks.get().rows()] == ["Bea", "", "Kim"]


@pytest.mark.parametrize(
    "cell", ["212-555-0142", "Ada <ADA.Lovelace@example.com>", "CRM-77", "0012125550142"]
)
def test_an_import_that_waits_makes_nobody_anew_of_their_line(ada, by, cell):
    one = upload(f"name,phone,note\nBea Example,(512) 555-0143,\nSomebody,(512) 555-0144,{cell}\n",
                 uses=["name", "phone", "note"])  # fmt: skip
    erased(ada, by)

    assert import_runs.start(one, timezone.now())
    run_all(one)

    assert Contact.objects.filter(name="Bea Example").exists()
    assert not Contact.objects.filter(name="Somebody").exists()


def test_parts_that_were_uploaded_later_are_none_of_its_business(ada, by):
    imported(FILE, uses=["name", "phone"])
    erased(ada, by)
    later = imported(FILE + "Lu,514\n", uses=["name", "phone"])

    assert erased_files.run(timezone.now()) == 1
    assert NAME in [row.cells[0] for row in later.chunks.get().rows()]


def test_files_that_still_name_them_after_a_day_are_an_alert(ada, by):
    imported(FILE, uses=["name", "phone"])
    erased(ada, by)
    now = timezone.now()

    assert not erased_files.late(now + timedelta(hours=23))
    assert erased_files.late(now + timedelta(hours=25))
    found = list(alerts.backlog(now + timedelta(hours=25), AlertSettings({})))
    assert "erased_files" in [one.about for one in found]
    erased_files.run(now)
    assert not erased_files.late(now + timedelta(hours=25))
