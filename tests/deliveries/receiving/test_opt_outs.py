"""A no holds however it comes in: in any spelling, from any mailbox, through any door."""

from __future__ import annotations

import json
from datetime import UTC, datetime, time, timedelta
from importlib import import_module
from io import BytesIO
from types import SimpleNamespace
from urllib.parse import urlencode

import pytest
import time_machine
from django.apps import apps
from django.db import connection
from django.urls import reverse
from django.utils import timezone

from contacts import gate
from contacts.addresses import normal_form
from contacts.consent_ledger import latest_consents
from contacts.consenting import record_opt_out, record_request
from contacts.correcting import correct
from contacts.importing import import_contacts
from contacts.models import Address, Consent, Contact, Reply, Suppression
from contacts.suppressing import lift_mistaken, put_back, release, suppress
from deliveries.deciding.stopping import apply_opt_outs
from deliveries.models import Engagement, Message
from deliveries.providers.smtp_marks import envelope
from deliveries.receiving import recording
from deliveries.receiving.inbox import judge
from deliveries.receiving.mail import keep
from deliveries.receiving.storing import Incoming, store
from deliveries.sending.expansion import expand
from deliveries.statuses import FailureClass, Fault, Status
from tests import factories
from tests.contacts.test_addresses import SPELLINGS

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 3, 4, 17, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)


def verdict(address: Address, channel: str = "sms", now: datetime = NOW) -> str:
    """The gate's reason, '' where it lets it pass."""
    ask = gate.Ask(
        1, address.contact_id, address.pk, channel, "+12125550199", time(0), time(23, 59), "sending", "approved",
        None,
    )  # fmt: skip
    return gate.check([ask], now)[1].reason


def reachable(**fields) -> Address:
    """An address with consent to everything that can be sent there."""
    address = factories.phone(**fields) if "@" not in fields.get("value", "") else factories.email(**fields)
    channels = ["email"] if address.kind == "email" else ["sms", "mms", "voice", "rvm"]
    Consent.objects.bulk_create(
        Consent(contact_id=address.contact_id, channel=one, opted_in=True, at=NOW - 24 * HOUR, how="Form")
        for one in channels
    )
    return address


def kannel(sender: str, to: str = "20100", text: str = "STOP", at: datetime = NOW, account=None) -> Incoming:
    """A text as Kannel passes it on: with the sender as the centre wrote it."""
    account = account or factories.account("kannel", credentials={"url_secret": "x"})
    query = urlencode({"from": sender, "to": to, "text": text})
    return Incoming(account.pk, "inbound", at, "GET", query, {}, b"")


def receive(*texts: Incoming, now: datetime = NOW) -> None:
    store(texts)
    recording.record_all(now)


@pytest.mark.parametrize("country", SPELLINGS)
def test_every_spelling_of_a_number_meets_the_same_suppression(country):
    """Spelt so by whoever suppressed it, at the gate; and by whoever wrote STOP, through the receipt."""
    ours, *others = SPELLINGS[country]
    account = factories.account("kannel", credentials={"url_secret": "x"})
    for spelling in others:
        address = reachable(value=ours)
        assert verdict(address) == ""

        receive(kannel(spelling, to=ours, account=account))

        assert verdict(address) == "opted_out", spelling
        Suppression.objects.all().delete()
        address.contact.delete()


@pytest.mark.parametrize(
    ("blocked", "written"),
    [
        ("+5215512345678", "+525512345678"),
        ("+525512345678", "+5215512345678"),
        ("+541123456789", "+5491123456789"),
        ("+551187654321", "+5511987654321"),
        ("cem@xn--bcher-kva.example", "cem@bücher.example"),
        ("ro.bin+news@googlemail.com", "robin@gmail.com"),
    ],
)
def test_a_suppression_holds_for_the_other_spelling_wherever_it_was_kept(blocked, written):
    address = reachable(value=written)
    suppress(value=blocked, reason="staff", origin="staff", now=NOW)

    assert verdict(address, "email" if "@" in written else "sms") == "suppressed"


def test_what_was_kept_as_machines_wrote_it_is_read_when_the_keys_are_filled(settings):
    settings.DEFAULT_REGION = "GB"
    kept = {
        "+07911123456": "+447911123456",
        "07911 123456": "+447911123456",
        "+5215512345678": "+525512345678",
        "cem@xn--bcher-kva.example": "cem@bücher.example",
        "+12125550142": "+12125550142",
        "20100": "20100",
    }
    for value in kept:
        Suppression.objects.create(value=value, reason="stop", origin="recipient")
    address = factories.phone(value="+447911123456")
    for model in (Suppression, Address):
        model.objects.update(match_key="")

    import_module("contacts.migrations.0010_compare_addresses_by_key").fill(apps, None)

    assert dict(Suppression.objects.values_list("value", "match_key")) == kept
    assert Address.objects.get(pk=address.pk).match_key == "+447911123456"


# ---- Who wrote it ------------------------------------------------------------------------------------------


def mail(message, sender: str, text: str = "STOP", subject: str = "Re: Hello") -> None:
    to = envelope("bounces", str(message.uuid), message.account.credentials)
    raw = f"From: <{sender}>\nTo: {to}\nSubject: {subject}\n\n{text}\n".encode()
    keep(message.account, raw, to, now=NOW)
    recording.record_all(NOW)


def mailed(address: Address):
    account = factories.account(
        "smtp", credentials={"bounce_address": "bounces@bounce.example.com", "secret": "s"}
    )
    recipient = factories.recipient(factories.campaign(channel="email"), address.contact)
    return factories.message(recipient, account=account, address=address, channel="email")


@pytest.mark.parametrize(
    "sender", ["dee@other.example.org", "Dee@OTHER.example.org", "d.ee@xn--bcher-kva.example"]
)
def test_a_reply_from_another_mailbox_holds_for_the_one_we_wrote_to_and_for_theirs(sender):
    dee, spare = reachable(value="dee@example.org"), reachable(value=normal_form(sender, "US"))

    mail(mailed(dee), sender)

    assert verdict(dee, "email") == verdict(spare, "email") == "opted_out"
    assert set(Engagement.objects.values_list("contact_id", flat=True)) == {dee.contact_id, spare.contact_id}


def test_start_from_another_mailbox_holds_for_the_one_we_wrote_to():
    dee = reachable(value="dee@example.org")
    message = mailed(dee)
    mail(message, "dee@other.example.org")

    mail(message, "dee@other.example.org", "START")

    assert verdict(dee, "email") == ""
    assert set(Engagement.objects.values_list("message_id", flat=True)) == {message.pk}


@pytest.mark.parametrize("text", ["START", "UNSTOP", "YES"])
@pytest.mark.parametrize("reply", [True, False])
def test_mail_in_the_name_of_somebody_lifts_no_no_of_theirs_unless_it_answers_ours(text, reply):
    dee = reachable(value="dee@example.org")
    message = mailed(dee)
    mail(message, "dee@example.org")

    if reply:
        mail(message, "dee@example.org", text)
    else:
        raw = f"From: <dee@example.org>\nTo: <bounces@bounce.example.com>\nSubject: Re: Hello\n\n{text}\n"
        keep(message.account, raw.encode(), "bounces@bounce.example.com", now=NOW)
        recording.record_all(NOW)

    assert verdict(dee, "email") == ("" if reply else "opted_out")
    assert Engagement.objects.latest("pk").kind == ("start" if reply else "reply")


def test_that_an_email_service_resubscribed_somebody_is_believed():
    dee = reachable(value="dee@example.org")
    mail(mailed(dee), "dee@example.org")
    account = factories.account("sendgrid")
    said = [{"event": "group_resubscribe", "email": "dee@example.org", "timestamp": (NOW + HOUR).timestamp()}]

    receive(Incoming(account.pk, "status", NOW + HOUR, "POST", "", {}, json.dumps(said).encode()))

    assert verdict(dee, "email", NOW + HOUR) == ""


def test_the_reference_of_another_account_is_not_believed():
    dee = reachable(value="dee@example.org")
    message = mailed(dee)
    message.account = factories.account("smtp", credentials=message.account.credentials)

    mail(message, "eve@example.org")

    assert verdict(dee, "email") == ""


@pytest.mark.parametrize("spelling", ["07911123456", "07911 123 456", "7911123456"])
def test_a_national_number_is_found_where_our_own_does_not_tell_the_country(spelling):
    """A short code tells none, and this installation stands in the United States."""
    ada, other = reachable(value="+447911123456"), reachable(value="+447911123457")

    receive(kannel(spelling))

    assert verdict(ada) == "opted_out"
    assert verdict(other) == ""


def test_a_national_number_that_is_nobodys_at_home_is_looked_for_abroad(settings):
    settings.DEFAULT_REGION = "DE"  # where it could be one as well
    ada = reachable(value="+447911123456")

    receive(kannel("07911123456"))

    assert verdict(ada) == "opted_out"


def test_a_stop_that_several_numbers_may_have_sent_is_laid_before_somebody_for_each(settings):
    """They all hold at once; whoever did not write it can be freed by name."""
    settings.DEFAULT_REGION = "US"
    ada, hans = reachable(value="+447700900142"), reachable(value="+497700900142")

    receive(kannel("07700900142"))

    replies = {one.value: one for one in Reply.objects.filter(acted=True, read_at=None)}
    assert {verdict(ada), verdict(hans)} == {"opted_out"}
    assert set(replies) == {ada.value, hans.value}
    judge(replies[hans.value].pk, "no_opt_out", "", by=factories.user(), now=NOW + HOUR)
    assert (verdict(ada), verdict(hans)) == ("opted_out", "")


def test_our_own_number_tells_the_country_of_a_national_one():
    ada, hans = reachable(value="+447700900142"), reachable(value="+497700900142")

    receive(kannel("07700900142", to="+447700900199"))

    assert (verdict(ada), verdict(hans)) == ("opted_out", "")


def test_a_stop_from_a_shared_number_counts_for_all_who_have_it():
    shared = [reachable(value="+12125550142") for _ in range(3)]
    account = factories.account("kannel", credentials={"url_secret": "x"})

    receive(kannel("12125550142", account=account))

    assert {verdict(one) for one in shared} == {"opted_out"}
    opt_outs = Consent.objects.filter(opted_in=False)
    assert set(opt_outs.values_list("contact_id", "channel")) == {
        (one.contact_id, channel) for one in shared for channel in ("sms", "mms")
    }
    assert Engagement.objects.filter(kind="stop").count() == 3


@pytest.mark.parametrize("written_to", [[], [0], [1], [0, 1]])
def test_a_reply_from_a_shared_number_counts_for_whom_we_wrote_to_or_for_nobody_alone(written_to):
    shared = [reachable(value="+12125550142") for _ in range(2)]
    for number in written_to:
        recipient = factories.recipient(factories.campaign(), shared[number].contact)
        factories.message(recipient, address=shared[number], handed_over_at=NOW - HOUR)

    receive(kannel("12125550142", text="Who is this?"))

    sure = len(written_to) == 1
    expected = [shared[written_to[0]]] if sure else shared
    assert set(Engagement.objects.values_list("contact_id", "shared")) == {
        (one.contact_id, not sure) for one in expected
    }
    assert {verdict(one) for one in shared} == {""}


def test_the_trail_says_that_others_have_the_number(client):
    client.force_login(factories.user("support"))
    shared = [reachable(value="+12125550142") for _ in range(2)]

    receive(kannel("12125550142", text="Who is this?"))

    for one in shared:
        page = client.get(reverse("contacts:trail", args=[one.contact_id])).content.decode()
        assert "who wrote it is not known" in page


# ---- Whose clock -------------------------------------------------------------------------------------------


def sinch(text: str, said: datetime, at: datetime, account) -> Incoming:
    """A text with a moment of the provider's own clock."""
    body = {
        "type": "mo_text",
        "from": "12125550142",
        "to": "12125550199",
        "body": text,
        "id": f"{text}{at}"[:40],
    }
    body["received_at"] = said.isoformat()
    return Incoming(
        account.pk, "inbound", at, "POST", "", {"content-type": "application/json"}, json.dumps(body).encode()
    )


@pytest.mark.parametrize(("first", "second", "blocked"), [("STOP", "START", False), ("START", "STOP", True)])
@pytest.mark.parametrize("ahead", [timedelta(minutes=4), timedelta(days=400)])
def test_a_word_dated_in_the_future_counts_from_when_it_came(first, second, blocked, ahead):
    ada = reachable(value="+12125550142")
    account = factories.account("sinch", credentials={})

    receive(sinch(first, NOW + ahead, NOW, account))
    receive(sinch(second, NOW + HOUR / 60, NOW + HOUR / 60, account), now=NOW + HOUR)

    assert (verdict(ada, now=NOW + HOUR) != "") is blocked


# ---- What colleagues enter ---------------------------------------------------------------------------------


def enter(client, contact, role: str = "support", **fields):
    client.force_login(factories.user(role))
    form = {"what": "contact", "reason": "Called us", "asked": "person"} | fields
    return client.post(reverse("contacts:suppress", args=[contact.pk]), form)


def test_a_suppression_that_the_person_asked_for_opts_them_out_of_everything(client):
    phone = reachable()
    email = factories.email(phone.contact)
    form = client.get(reverse("contacts:suppress", args=[phone.contact_id]))

    assert enter(client, phone.contact).status_code == 302

    assert form.status_code in (200, 302)
    made = Suppression.objects.order_by("pk")
    assert [one.value for one in made] == ["", phone.value, email.value]
    assert {(one.reason, one.origin) for one in made} == {("asked", "recipient")}
    assert {verdict(phone, channel) for channel in ("sms", "mms", "voice", "rvm")} == {"opted_out"}
    latest = latest_consents([phone.contact_id])
    assert len(latest) == 5
    assert not any(each.opted_in for each in latest.values())


def test_a_reason_of_ours_can_be_released_and_is_no_word_of_the_person(client):
    phone = reachable()

    enter(client, phone.contact, asked="us")

    assert verdict(phone) == "suppressed"
    release(Suppression.objects.get(value=""), by=None, note="Settled", now=NOW)
    assert verdict(phone) == ""


@pytest.mark.parametrize("asked", ["person", "us"])
def test_a_blocked_contact_is_blocked_under_another_id_and_where_a_spouse_has_the_number(client, asked):
    phone, spouse = reachable(value="+525512345678"), reachable(value="+5215512345678")
    for one in (phone, spouse):
        Contact.objects.filter(pk=one.contact_id).update(external_id=f"A-{one.pk}")
    enter(client, phone.contact, asked=asked)

    file = BytesIO(b"external_id,phone,email\nZ-1,+52 1 55 1234 5678,ada@example.com\n")
    import_contacts(file, contact_list="Again", region="US", consent=["sms"], how="Form", now=NOW)

    again = Address.objects.get(contact__external_id="Z-1", kind="phone")
    assert "" not in (verdict(spouse, "voice"), verdict(again))


@pytest.mark.parametrize("asked", ["person", "us"])
def test_what_blocks_a_contact_outlives_them(client, asked):
    phone, spouse = reachable(value="+12125550142"), reachable(value="+12125550142")
    enter(client, phone.contact, asked=asked)

    phone.contact.delete()

    assert verdict(spouse) != ""
    left = Suppression.objects.get()
    assert (left.value, left.contact, left.follows, left.evidence) == (
        "+12125550142",
        None,
        None,
        "Called us",
    )


def test_a_contact_without_an_address_can_be_deleted_though_blocked(client):
    contact = factories.contact()
    enter(client, contact)

    contact.delete()

    assert not Suppression.objects.exists()


def test_the_page_shows_every_ground_with_who_when_and_why(client):
    phone = reachable()
    for name, why in (("ada", "Called us"), ("bea", "Wrote a letter")):
        user = factories.user("support", username=name)
        suppress(contact=phone.contact, reason="staff", origin="staff", evidence=why, by=user, now=NOW)
    client.force_login(user)

    page = client.get(reverse("contacts:trail", args=[phone.contact_id])).content.decode()

    side = page[page.index("suppression-title") : page.index("explain-title")]
    for word in ("ada", "bea", "Called us", "Wrote a letter", "The whole contact and +1"):
        assert word in side
    assert side.count("<dt>") == 2
    assert page.count("Added by staff: the whole contact.") == 2
    assert "Added by staff: +1" not in page  # on the timeline each act stands once


# ---- Another address of the same person --------------------------------------------------------------------


def corrected(phone, client):
    correct(phone.contact, phone="+12125550177", region="US", by=None)


def imported(phone, client):
    phone.contact.external_id = "A-1"
    phone.contact.save()
    file = BytesIO(b"external_id,phone\nA-1,+12125550177\n")
    import_contacts(file, contact_list="New numbers", region="US", now=NOW)


def overwritten(phone, client):
    client.force_login(factories.user("admin", is_staff=True))
    rows = {
        "addresses-0-id": phone.pk,
        "addresses-0-kind": "phone",
        "addresses-0-line_type": "mobile",
        "addresses-0-value": "+12125550177",
    }
    rows |= {
        "addresses-0-contact": phone.contact_id,
        "addresses-0-validity": "valid",
        "addresses-0-preferred": "on",
    }
    form = {
        "value_tier": 0,
        "attributes": "{}",
        "name": "Ada",
        "addresses-TOTAL_FORMS": 1,
        "addresses-INITIAL_FORMS": 1,
    }
    answer = client.post(reverse("admin:contacts_contact_change", args=[phone.contact_id]), form | rows)
    assert answer.status_code == 302, answer.content.decode()


@pytest.mark.parametrize("door", [corrected, imported, overwritten])
@pytest.mark.parametrize("channel", ["sms", "voice", "rvm"])
def test_a_stop_holds_at_the_number_that_takes_the_place(client, door, channel):
    phone = reachable(value="+12125550142")
    receive(kannel("12125550142", at=NOW))

    door(phone, client)

    now_theirs = Address.objects.get(value="+12125550177")
    assert verdict(now_theirs, channel) == "opted_out"


@pytest.mark.parametrize("door", [corrected, imported, overwritten])
def test_staffs_block_of_a_contact_holds_at_the_number_that_takes_the_place(client, door):
    phone, spouse = reachable(value="+12125550142"), reachable(value="+12125550177")
    suppress(contact=phone.contact, reason="staff", origin="staff", now=NOW)

    if door is corrected:
        correct(phone.contact, phone="+12125550177", region="US", by=None, shared=["+12125550177"])
    elif door is imported:
        phone.contact.external_id = "A-1"
        phone.contact.save()
        Contact.objects.filter(pk=spouse.contact_id).update(external_id="B-1")
        file = BytesIO(b"external_id,phone\nA-1,+12125550177\n")
        import_contacts(file, contact_list="New numbers", region="US", now=NOW)
    else:
        overwritten(phone, client)

    assert verdict(spouse) == "suppressed"


def change_addresses(client, contact, *rows: dict):
    """The addresses of a contact as the admin's page of the contact saves them."""
    client.force_login(factories.user("admin", is_staff=True))
    form = {"value_tier": 0, "attributes": "{}", "name": "Ada"}
    form |= {"addresses-TOTAL_FORMS": len(rows), "addresses-INITIAL_FORMS": sum("id" in row for row in rows)}
    for n, row in enumerate(rows):
        row = {"kind": "phone", "line_type": "mobile", "contact": contact.pk, "validity": "valid"} | row
        form |= {f"addresses-{n}-{name}": value for name, value in row.items() if value}
    return client.post(reverse("admin:contacts_contact_change", args=[contact.pk]), form)


@pytest.mark.parametrize("channel", ["sms", "voice"])
def test_a_stop_holds_at_a_second_number_that_becomes_the_one_to_use(client, channel):
    phone = reachable(value="+12125550142")
    second = factories.phone(phone.contact, value="+12125550177", preferred=False)
    receive(kannel("12125550142"))

    answer = change_addresses(
        client, phone.contact, {"id": phone.pk, "value": phone.value},
        {"id": second.pk, "value": second.value, "preferred": "on"},
    )  # fmt: skip

    assert answer.status_code == 302
    assert Address.objects.get(pk=second.pk).preferred
    assert verdict(second, channel) == "opted_out"


@pytest.mark.parametrize("page", ["contact", "address"])
def test_what_is_reported_late_holds_for_the_number_that_was_written_to(client, page):
    """A number typed over another one is another person's, perhaps: each answers for what was sent to it."""
    phone = reachable(value="+12125550142")
    message = factories.message(
        factories.recipient(contact=phone.contact), address=phone, status=Status.OPTED_OUT,
        failure_class=FailureClass.OPT_OUT, fault=Fault.RECIPIENT, settled_at=NOW,
    )  # fmt: skip
    row = {"value": "+12125550177", "preferred": "on"}
    if page == "contact":
        answer = change_addresses(client, phone.contact, {"id": phone.pk, **row})
    else:
        client.force_login(factories.user("admin", is_staff=True))
        row |= {"contact": phone.contact_id, "kind": "phone", "line_type": "mobile", "validity": "invalid"}
        answer = client.post(reverse("admin:contacts_address_change", args=[phone.pk]), row)

    apply_opt_outs([Message.objects.get(pk=message.pk)], NOW)

    assert answer.status_code == 302, answer.content.decode()
    block = Suppression.objects.get()
    assert block.value == "+12125550142"
    rows = Address.objects.order_by("pk").values_list("value", "validity", "preferred")
    assert list(rows) == [
        ("+12125550142", "invalid", False),
        ("+12125550177", "unverified" if page == "contact" else "invalid", True),
    ]


def test_the_same_number_typed_otherwise_is_the_same_address(client):
    phone = reachable(value="+12125550142")

    change_addresses(client, phone.contact, {"id": phone.pk, "value": "(212) 555-0142", "preferred": "on"})

    assert Address.objects.get().pk == phone.pk


def test_their_start_at_the_new_number_lifts_it_there_alone():
    phone = reachable(value="+12125550142")
    account = factories.account("kannel", credentials={"url_secret": "x"})
    receive(kannel("12125550142", account=account))
    corrected(phone, None)

    receive(kannel("12125550177", text="START", at=NOW + HOUR, account=account), now=NOW + HOUR)

    assert verdict(Address.objects.get(value="+12125550177")) == ""
    assert Suppression.objects.get(value="+12125550142").released_at is None


def test_an_email_is_not_blocked_for_a_stop_by_text():
    phone = reachable(value="+12125550142")
    receive(kannel("12125550142"))

    correct(phone.contact, email="ada@example.com", region="US", by=None)

    assert not Suppression.objects.filter(value="ada@example.com").exists()


# ---- The ledger of consent ---------------------------------------------------------------------------------


def said(phone, *, opted_in: bool, at: datetime = NOW, origin: str = "recipient") -> None:
    Consent.objects.create(
        contact=phone.contact, channel="sms", opted_in=opted_in, at=at, how="Form", origin=origin
    )


@pytest.mark.parametrize("origin", ["staff", "import"])
@pytest.mark.parametrize("no_comes_first", [True, False])
@pytest.mark.parametrize("later", [timedelta(0), HOUR, 400 * 24 * HOUR])
def test_a_yes_of_others_lifts_no_no_of_the_person(origin, no_comes_first, later):
    phone = factories.phone()
    yes = {"opted_in": True, "at": NOW + later, "origin": origin}
    no = {"opted_in": False, "at": NOW}

    for one in (no, yes) if no_comes_first else (yes, no):
        said(phone, **one)

    assert verdict(phone) == "opted_out"
    assert skipped(phone) == "opted_out"


def test_their_own_yes_after_it_lifts_it():
    phone = factories.phone()
    said(phone, opted_in=True, origin="import")
    said(phone, opted_in=False, at=NOW + HOUR)

    said(phone, opted_in=True, at=NOW + 2 * HOUR)

    assert verdict(phone) == skipped(phone) == ""


def skipped(phone) -> str:
    """What the statement that expands an audience says of them."""
    contact_list = factories.contact_list()
    phone.contact.memberships.create(contact_list=contact_list)
    factories.account("sandbox")
    campaign = factories.campaign(lists=[contact_list], state="launching")
    factories.content(campaign)
    expand(campaign, NOW)
    return campaign.recipients.get().skip_reason


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"at_0": "2099-01-01"}, "lies in the future"),
        ({"at_0": "2026-03-01"}, "which is later"),
        ({"evidence": " "}, "Say what proves"),
        ({}, ""),
    ],
)
def test_a_colleague_enters_a_yes_after_a_no_only_with_its_proof(client, fields, words):
    phone = factories.phone()
    said(phone, opted_in=False)
    client.force_login(factories.user("admin", is_staff=True))
    form = {
        "contact": phone.contact_id, "channel": "sms", "opted_in": "on", "how": "Web form", "wording": "",
        "at_0": "2026-03-06", "at_1": "10:00", "evidence": "Form 1234",
    }  # fmt: skip

    answer = client.post(reverse("admin:contacts_consent_add"), form | fields)

    assert (answer.status_code == 302) is (not words)
    assert words in answer.content.decode()
    assert (verdict(phone) == "") is (not words)


def choose(client, contact, channel: str = "sms", **fields):
    """A colleague enters under Consents what somebody chose."""
    client.force_login(factories.user("admin", is_staff=True))
    form = {
        "contact": contact.pk,
        "channel": channel,
        "how": "Letter",
        "wording": "",
        "evidence": "Letter 12",
    }
    answer = client.post(
        reverse("admin:contacts_consent_add"), form | {"at_0": "2026-03-06", "at_1": "10:00"} | fields
    )
    assert answer.status_code == 302, answer.content.decode()


@pytest.mark.parametrize("channel", ["sms", "mms"])
def test_a_no_that_a_colleague_enters_holds_on_its_sibling_and_wherever_they_come_again(client, channel):
    ada, spouse = reachable(value="+12125550142"), reachable(value="+12125550142")

    choose(client, ada.contact, channel)

    later = NOW + 72 * HOUR
    for address in (ada, spouse):
        assert {verdict(address, each, later) for each in ("sms", "mms")} == {"opted_out"}
        assert verdict(address, "voice", later) == ""
    ada.contact.delete()
    assert verdict(spouse, channel, later) == "opted_out"


@pytest.mark.parametrize("asked", ["STOP", "whole contact", "entered"])
def test_a_yes_with_its_proof_lifts_what_they_had_asked_for(client, asked):
    ada = reachable(value="+12125550142")
    if asked == "STOP":
        receive(kannel("12125550142"))
    elif asked == "entered":
        choose(client, ada.contact, at_0="2026-03-05")
    else:
        record_request(contact=ada.contact, evidence="Called us", by=None, now=NOW)

    choose(client, ada.contact, opted_in="on")

    later = NOW + 72 * HOUR
    assert verdict(ada, "sms", later) == ""
    assert verdict(ada, "mms", later) == "opted_out"
    assert (verdict(ada, "voice", later) == "") is (asked != "whole contact")


def test_a_yes_lifts_no_complaint_no_later_no_and_nothing_where_others_have_the_number(client):
    ada, bea, cem = reachable(value="+12125550142"), reachable(value="+12125550177"), reachable()
    spouse = reachable(value=cem.value)
    record_opt_out(value=ada.value, channel="sms", how="x", evidence="x", at=NOW, reason="complaint")
    for address, at in ((bea, NOW + 48 * HOUR), (cem, NOW)):
        record_opt_out(value=address.value, channel="sms", how="x", evidence="x", at=at)
    with time_machine.travel(NOW + 96 * HOUR, tick=False):
        Consent.objects.filter(contact=bea.contact, opted_in=False).delete()  # or the form itself refuses it
        for address in (ada, bea, cem):
            choose(client, address.contact, opted_in="on")

    later = NOW + 72 * HOUR
    assert {verdict(address, "sms", later) for address in (ada, bea, cem, spouse)} == {"opted_out"}


@pytest.mark.parametrize("value", ["+12125550142", ""])
def test_start_by_text_ends_no_request_for_no_calls(value):
    ada = reachable(value="+12125550142")
    record_request(contact=ada.contact, value=value, channel="voice", evidence="x", by=None, now=NOW)
    account = factories.account("kannel", credentials={"url_secret": "x"})
    receive(kannel("12125550142", account=account))

    receive(kannel("12125550142", text="START", at=NOW + HOUR, account=account), now=NOW + HOUR)

    later = NOW + 2 * HOUR
    assert verdict(ada, "sms", later) == ""
    assert {verdict(ada, each, later) for each in ("voice", "rvm")} == {"opted_out"}


def test_an_import_gives_no_consent_to_pictures_after_a_no_to_texts():
    phone = factories.phone(value="+12125550142")
    said(phone, opted_in=False)

    result = import_contacts(
        BytesIO(b"phone\n+12125550142\n"),
        contact_list="Again",
        region="US",
        consent=["mms"],
        how="Form",
        now=NOW,
    )

    assert (result.consents, len(result.without_consent)) == (0, 1)
    assert verdict(phone, "mms") == "opted_out"


def test_on_the_way_back_one_of_those_who_share_a_reply_keeps_it(now):
    shared = {"receipt_id": 1, "place": 0, "channel": "sms", "kind": "stop", "shared": True, "at": now}
    first, _, other = (
        Engagement.objects.create(contact=factories.contact(), **{**shared, "place": place})
        for place in (0, 0, 1)
    )
    alone = Engagement.objects.create(contact=factories.contact(), **{**shared, "receipt_id": None})
    migration = import_module("deliveries.migrations.0019_keep_a_shared_reply_for_all")

    migration.leave_one_of_each(apps, SimpleNamespace(connection=connection))

    assert set(Engagement.objects.all()) == {first, other, alone}


# ---- An address that was replaced meanwhile --------------------------------------------------------------------


def moved(was: str = "+12125550119", now_is: str = "+12125550177") -> Contact:
    """Somebody whose number has been corrected."""
    contact = factories.contact()
    factories.phone(contact, value=was)
    correct(contact, phone=now_is, region="US", by=None)
    return contact


def blocked_on(contact: Contact, channel: str) -> bool:
    address = contact.addresses.get(kind="phone", preferred=True)
    ask = gate.Ask(
        1, contact.pk, address.pk, channel, "+12125550199", time(0), time(23, 59), "sending", "approved", None
    )
    return gate.check([ask], timezone.now())[1].reason == "opted_out"


def test_what_is_asked_for_at_a_former_number_holds_at_the_one_in_its_place():
    contact = moved()

    record_request(
        contact=contact, value="+12125550119", evidence="Called us.", by=factories.user(), now=timezone.now()
    )

    assert [blocked_on(contact, channel) for channel in ("sms", "mms", "voice", "rvm")] == [True] * 4


def test_a_block_that_comes_back_comes_back_at_the_new_number_as_well():
    contact = factories.contact()
    factories.phone(contact, value="+12125550119")
    said = {"value": "+12125550119", "reason": "stop", "origin": "recipient", "fact": "message 1"}
    block = suppress(**said, now=timezone.now())
    lift_mistaken(Suppression.objects.filter(pk=block.pk), note="version 2", now=timezone.now())
    correct(contact, phone="+12125550177", region="US", by=None)
    assert not blocked_on(contact, "voice")

    put_back([Suppression.objects.get(pk=block.pk)], timezone.now())

    assert blocked_on(contact, "voice")


def test_a_colleague_s_own_block_of_a_former_number_stays_there():
    contact = moved()

    suppress(
        value="+12125550119", reason="staff", origin="staff", evidence="Belongs to a shop", now=timezone.now()
    )

    assert not blocked_on(contact, "voice")
