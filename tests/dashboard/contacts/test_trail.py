import csv
import html
import io
import logging
import re
from datetime import timedelta

import pytest
from django.utils import timezone

from contacts.consenting import record_opt_in, record_opt_out, record_request
from contacts.models import AddressHealth, AutomaticAnswer, Consent, Note, Suppression
from contacts.suppressing import carry_over, lift_mistaken, release, suppress
from dashboard.contacts.trail_export import COLUMNS
from deliveries.models import Decision, Engagement, StatusEvent
from deliveries.outcomes.trail import Narrowing, trail
from deliveries.sending.expansion import expand
from deliveries.statuses import FailureClass, Fault, Status
from tests import factories

pytestmark = pytest.mark.django_db


@pytest.fixture
def elena():
    """Somebody with, on SMS and on email, one message that arrived and one that did not; and all kinds of items."""
    contact = factories.contact(name="Elena Moreau")
    now = timezone.now()
    where = {"sms": factories.phone(contact, value="+12145550142"), "email": factories.email(contact)}
    for number, (channel, address) in enumerate(where.items()):
        at = now - timedelta(hours=number)
        campaign = factories.campaign(channel=channel)
        for status in (Status.DELIVERED, Status.UNDELIVERED):
            message = factories.message(
                factories.recipient(campaign if status == Status.DELIVERED else None, contact),
                channel=channel, address=address, status=status, created_at=at,
                failure_class=FailureClass.NONE if status == Status.DELIVERED else FailureClass.TEMPORARY,
                fault=Fault.NONE if status == Status.DELIVERED else Fault.RECIPIENT,
            )  # fmt: skip
        Decision.objects.create(
            message_id=message.pk, recipient=message.recipient, contact=contact, at=at, by="playbook", rule="retry",
            rule_version=3, step="retry", reason="=One more try.",
        )  # fmt: skip
        StatusEvent.objects.create(
            message_id=message.pk, fact=number, precedence=1, status="undelivered", failure_class="temporary",
            fault="recipient", evidence="carrier", native_status="undelivered", native_code="30003", occurred_at=at,
            recorded_at=at,
        )  # fmt: skip
        Engagement.objects.create(contact=contact, channel=channel, kind="reply", text="Thanks", at=at)
        Engagement.objects.create(contact=contact, channel=channel, kind="stop", text="STOP", at=at)
        Consent.objects.create(contact=contact, channel=channel, opted_in=bool(number), at=at, how="Web form")
    Suppression.objects.create(contact=contact, channel="", reason="staff", origin="staff", evidence="Asked")
    Note.objects.create(contact=contact, text="+1 is not a formula", at=now)
    return contact


def kinds(contact, **narrowed) -> list[str]:
    found = trail(contact, list(contact.addresses.all()), "", Narrowing(**narrowed))
    return sorted(item.kind for day in found.days for item in day.items)


def exported(client, path):
    text = b"".join(client.get(path).streaming_content).decode("utf-8-sig")
    return list(csv.DictReader(io.StringIO(text)))


def test_a_channel_shows_what_concerns_it_and_what_concerns_every_channel(elena):
    assert kinds(elena, channel="sms") == [
        "consent", "engagement", "engagement", "message", "message", "suppression",
    ]  # fmt: skip
    assert kinds(elena, channel="rvm") == ["suppression"]


def test_only_problems_leaves_out_what_went_well(elena):
    assert kinds(elena, problems=True) == [
        "consent", "engagement", "engagement", "message", "message", "suppression",
    ]  # fmt: skip
    assert kinds(elena, problems=True, channel="email") == ["engagement", "message", "suppression"]


def test_what_is_narrowed_stays_so_from_page_to_page(login, elena):
    address = elena.addresses.get(kind="phone")
    for number in range(40):
        at = timezone.now() - timedelta(days=number + 1)
        factories.message(
            factories.recipient(contact=elena), address=address, status=Status.TIMED_OUT, created_at=at
        )
    client, seen, url = login("support"), 0, f"/contacts/{elena.pk}/?channel=sms&problems=1"

    while url:
        page = client.get(url).content.decode()
        seen += page.count('<li class="event"')
        older = re.search(r'href="([^"]+)">Older', page)
        url = html.unescape(older.group(1)) if older else ""
        assert not url or "channel=sms&problems=1&after=" in url

    assert seen == 40 + 1 + 1 + 1 + 1  # the message, the stop, the opt-out and the suppression of before
    assert f'href="/contacts/{elena.pk}/?channel=sms&amp;problems=1">Newest' in page


@pytest.mark.parametrize(
    "query", ["channel=fax", "channel=&problems=0", "problems=yes", "after=x&channel=%00"]
)
def test_what_a_query_string_cannot_mean_is_ignored(login, elena, query):
    page = login("support").get(f"/contacts/{elena.pk}/?{query}")

    assert page.status_code == 200
    assert page.content.count(b'<li class="event"') == 12


def test_nothing_of_a_kind_is_not_nothing_at_all(login):
    contact = factories.contact()
    Note.objects.create(contact=contact, text="Hello")

    page = login("support").get(f"/contacts/{contact.pk}/?problems=1").content.decode()

    assert "Nothing found" in page
    assert "Show the whole trail" in page


def test_what_to_say_can_be_copied(login, elena):
    page = login("support").get(f"/contacts/{elena.pk}/").content.decode()

    assert 'data-copy="#to-say"' in page
    assert 'id="to-say"' in page


def test_a_trail_is_exported_with_what_was_said_and_decided(login, elena):
    lines = exported(login("admin"), f"/contacts/{elena.pk}/export/")

    assert tuple(lines[0]) == COLUMNS
    assert sum(line["kind"] == "message" for line in lines) == 4
    assert {line["kind"] for line in lines} >= {"status report", "decision", "note", "consent", "suppression"}
    assert {line["native_code"] for line in lines if line["kind"] == "status report"} == {"30003"}
    assert {line["details"] for line in lines if line["kind"] == "decision"} == {"'=One more try."}
    assert "'+12145550142" in {line["address"] for line in lines}
    assert "'+1 is not a formula" in {line["details"] for line in lines}


def test_an_exported_trail_is_narrowed_as_the_page_and_has_every_page_of_it(login, elena):
    for number in range(70):
        at = timezone.now() - timedelta(days=number + 1)
        Engagement.objects.create(contact=elena, channel="rvm", kind="stop", at=at)
    client = login("admin")

    lines = exported(client, f"/contacts/{elena.pk}/export/?channel=rvm&problems=1")

    assert len(lines) == 71
    link = f"/contacts/{elena.pk}/export/?channel=rvm&amp;problems=1"
    assert link in client.get(f"/contacts/{elena.pk}/?channel=rvm&problems=1").content.decode()


@pytest.mark.parametrize("role", ["marketer", "support"])
def test_a_trail_is_exported_only_by_who_sees_addresses_and_may_export(login, elena, role):
    client = login(role)

    assert client.get(f"/contacts/{elena.pk}/export/").status_code == 403
    assert "Export CSV" not in client.get(f"/contacts/{elena.pk}/").content.decode()


def test_an_export_of_a_trail_is_logged(login, elena, caplog):
    client = login("admin")

    with caplog.at_level(logging.WARNING):
        client.get(f"/contacts/{elena.pk}/export/?channel=sms")

    assert f"{client.user} exports the trail of contact {elena.pk}" in caplog.text
    assert "sms" in caplog.text


# ---- After a message was moved or retried ------------------------------------------------------------------------


@pytest.fixture
def moved(elena):
    """A text that failed, and the email that took its place."""
    text = elena.messages.filter(channel="sms", status=Status.UNDELIVERED).get()
    email = factories.message(
        text.recipient, channel="email", address=elena.addresses.get(kind="email"), follows=text
    )
    return text, email


NEXT = '<a href="/deliveries/{}/">See the newer attempt</a>: Email, sent.'


def test_the_next_step_after_a_move_is_to_follow_the_newer_attempt(login, elena, moved):
    text, email = moved
    client, step = login("support"), NEXT.format(email.pk)

    page = client.get(f"/deliveries/{text.pk}/").content.decode()
    trail = client.get(f"/contacts/{elena.pk}/?channel=sms").content.decode()

    for shown in (page, trail):
        assert f"{step} </span>" in shown
    assert "See the newer" not in client.get(f"/deliveries/{email.pk}/").content.decode()


def test_a_moved_message_that_still_stands_in_a_queue_says_both(login, moved):
    text, email = moved
    factories.queue_entry(text, "correct", reason="The number does not exist.")

    page = login("support").get(f"/deliveries/{text.pk}/").content.decode()

    assert f"{NEXT.format(email.pk)} Correct. The number does not exist." in page


def test_an_attempt_that_was_withdrawn_took_no_place(login, moved):
    text, email = moved
    type(email).objects.filter(pk=email.pk).update(canceled_at=timezone.now())

    assert "See the newer" not in login("support").get(f"/deliveries/{text.pk}/").content.decode()


def test_what_arrived_after_all_needs_nobody_to_follow_anything(login, moved):
    text, _ = moved
    type(text).objects.filter(pk=text.pk).update(status=Status.DELIVERED, disposition="DELIVERED")

    assert "See the newer" not in login("support").get(f"/deliveries/{text.pk}/").content.decode()


def test_lists_and_exports_lead_to_the_newer_attempt(login, moved):
    text, email = moved
    client, path = login("marketer"), text.campaign.get_absolute_url()

    page = client.get(path).content.decode()
    lines = exported(client, f"{path}export/")

    assert f'href="/deliveries/{email.pk}/">Newer attempt</a>' in page
    assert {line["next_step"] for line in lines if line["message"] == str(text.uuid)} == {
        "See the newer attempt by Email."
    }


def test_the_trail_of_a_skipped_contact_says_so_and_why(login, now):
    people = factories.contact_list()
    contact = factories.contact(lists=[people])
    factories.phone(contact, line_type="landline")
    factories.account()
    campaign = factories.campaign(lists=[people], state="launching", launched_at=now)
    factories.content(campaign)
    expand(campaign, now)

    for url in (f"/contacts/{contact.pk}/", f"/contacts/{contact.pk}/?problems=1"):
        page = " ".join(login("support").get(url).content.decode().split())
        assert "<h3>Skipped</h3>" in page
        assert "Not sent: the number cannot take this channel (a landline number cannot take SMS)." in page


def test_what_can_be_read_to_the_customer_tells_no_plans(login, now):
    contact = factories.phone().contact
    recipient = factories.recipient(contact=contact)
    address = contact.addresses.get()
    sent = factories.message(recipient, address=address, status="delivered", created_at=now)
    factories.message(recipient, address=address, status="queued", due_at=now + timedelta(days=30))
    withdrawn = factories.message(recipient, address=address, status="canceled")
    assert not withdrawn.disposition

    page = login("support").get(f"/contacts/{contact.pk}/").content.decode()

    words = page[page.index('id="to-say"') :].partition("</p>")[0]
    assert "your phone company reports that it was delivered" in words
    assert not any(word in words for word in ("planned", "withdrawn", "retry", "not left yet"))
    assert sent.handed_over_at


# ---- What a suppression closes, and who lifted it -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"value": "elena@example.com"}, "Email"),
        ({"value": "+12145550142"}, "SMS, MMS, voice and ringless voicemail"),
        ({"value": "+12145550142", "channel": "rvm"}, "Ringless voicemail"),
        ({"value": "+12145550142", "channel": "rvm", "origin": "recipient"}, "Voice and ringless voicemail"),
        ({"channel": "email"}, "Email"),
        ({}, "Every channel"),
    ],
)
def test_a_suppression_is_told_with_the_channels_that_it_closes(login, client, fields, words):
    contact = factories.contact()
    factories.phone(contact, value="+12145550142")
    factories.email(contact, value="elena@example.com")
    given = {"contact": contact, "reason": "complaint", "origin": "provider", **fields}
    row = Suppression.objects.create(**given, released_at=None)

    page = login("support").get(f"/contacts/{contact.pk}/").content.decode()
    shown = trail(contact, list(contact.addresses.all()), "").days[0].items
    client.force_login(factories.user("admin", is_staff=True, is_superuser=True))
    listed = client.get("/admin/contacts/suppression/").content.decode()

    assert f"<dt>{words}</dt>" in page
    assert [item.extra["where"] for item in shown] == [words]
    assert f'<td class="field-channels">{words}</td>' in listed
    assert row.pk


@pytest.mark.parametrize(
    ("how", "by", "stays"),
    [
        ("consent", "Their own new consent", True),
        ("mapping", "A corrected code mapping", False),
        ("colleague", "Ann", False),
    ],
)
def test_a_release_names_whose_doing_it_is(login, how, by, stays):
    address = factories.phone()
    contact, now = address.contact, timezone.now()
    act = {"contact": contact, "evidence": "x", "by": None, "now": now - timedelta(days=1)}
    if how == "consent":
        record_request(**act)
        record_opt_in(value=address.value, channel="sms", how="Reply", evidence="START", at=now)
    else:
        row = suppress(**act, reason="staff", origin="staff")
    if how == "mapping":
        lift_mistaken(Suppression.objects.all(), note="version 3, code 30003", now=now)
    elif how == "colleague":
        release(row, by=factories.user("support", first_name="Ann"), note="Settled", now=now)

    page = login("support").get(f"/contacts/{contact.pk}/").content.decode()

    assert "By itself" not in page
    event = page[page.index("<h3>Suppression released</h3>") :].partition("</li>")[0]
    assert f"<span>{by}</span>" in event
    assert ("What they opted out of, and did not opt in to again, stays off." in event) is stays


def test_what_is_off_without_a_suppression_is_not_called_open(login):
    address = factories.phone()
    page = login("support").get(f"/contacts/{address.contact_id}/").content.decode()
    assert "Not suppressed on any channel." in page

    AddressHealth.objects.create(
        address=address, channel="sms", closed="number", closed_why="Number not in service", hard_fails=1
    )
    page = " ".join(login("support").get(f"/contacts/{address.contact_id}/").content.decode().split())

    assert "Not suppressed on any channel." not in page
    assert "Why channels are closed is said at the top." in page


@pytest.mark.parametrize(
    ("channel", "text", "words"),
    [
        ("sms", "STOP", "Replied STOP"),
        ("sms", "You have the wrong person", "Asked by reply to stop"),
        ("email", "unsubscribe", "Unsubscribed by email"),
    ],
)
def test_a_reply_is_called_by_what_it_says(login, channel, text, words):
    contact = factories.contact()
    Engagement.objects.create(contact=contact, channel=channel, kind="stop", text=text, at=timezone.now())

    page = login("support").get(f"/contacts/{contact.pk}/").content.decode()

    assert f"<h3>{words}</h3>" in page


@pytest.mark.parametrize(
    ("status", "failure_class"),
    [("undelivered", "temporary"), ("undelivered", "permanent"), ("timed_out", "none")],
)
@pytest.mark.parametrize("state", ["failed", "unknown", "open"])
def test_where_nothing_more_is_sent_nobody_is_advised_to_send_it_again(
    login, elena, status, failure_class, state
):
    recipient = factories.recipient(
        contact=elena, state=state, next_step="none" if state != "open" else "retry"
    )
    message = factories.message(
        recipient, address=elena.addresses.get(kind="phone"), status=status, failure_class=failure_class,
        fault="none" if status == "timed_out" else "recipient",
    )  # fmt: skip
    client = login("marketer")

    pages = [
        client.get(path).content.decode() for path in (f"/deliveries/{message.pk}/", f"/contacts/{elena.pk}/")
    ]
    [line] = exported(client, f"{recipient.campaign.get_absolute_url()}export/")

    said = ["None: nothing more is sent for it." in text for text in (*pages, line["next_step"])]
    assert said == [state != "open"] * 3


def test_advice_that_is_not_to_send_it_again_stays(login, elena):
    recipient = factories.recipient(contact=elena, state="failed", next_step="none")
    message = factories.message(
        recipient, address=elena.addresses.get(kind="phone"), status="opted_out", failure_class="opt_out",
        fault="recipient",
    )  # fmt: skip

    page = login("support").get(f"/deliveries/{message.pk}/").content.decode()

    assert "Keep it suppressed. Only a new opt-in lifts it." in page


def test_an_entry_of_the_trail_names_the_way_to_its_message(login, elena):
    message = elena.messages.first()
    page = login("support").get(f"/contacts/{elena.pk}/").content.decode()

    link = f'<a href="/deliveries/{message.pk}/">Details<span class="sr"> of this message</span></a>'
    assert link in page
    assert link not in login("support").get(f"/deliveries/{message.pk}/").content.decode()


def test_no_codes_stand_in_what_support_reads(login):
    contact = factories.contact()
    phone = factories.phone(contact)
    record_opt_out(
        value=phone.value, channel="sms", how="x", evidence="Message 7: ERR_21610", at=timezone.now(),
        fact="message 7",
    )  # fmt: skip
    suppress(
        value=phone.value, channel="voice", reason="hard_fails", origin="rule", now=timezone.now(),
        evidence="3 permanent failures in a row; the last: ERR_30005",
    )  # fmt: skip
    AddressHealth.objects.create(address=phone, channel="voice", hard_fails=3, last_code="ERR_30005")

    for role in ("support", "admin"):
        client = login(role)
        for path in ("", "correct/", "suppress/"):
            assert "ERR_" not in client.get(f"/contacts/{contact.pk}/{path}").content.decode()


def test_what_was_carried_over_and_a_link_are_told_in_words(login, now):
    old = factories.phone(preferred=False, validity="invalid")
    record_opt_out(value=old.value, channel="sms", how="Reply", evidence="STOP", at=now)
    new = factories.phone(old.contact)
    carry_over([new], now)
    AutomaticAnswer.objects.create(
        address=new, match_key=new.match_key, kind="confirm", fact="list 1", channel="email", sender_value="x",
        account_id=0, text="Confirm: {link}",
    )  # fmt: skip

    page = " ".join(login("support").get(f"/contacts/{old.contact_id}/").content.decode().split())

    assert page.count("Replied STOP, carried over from an earlier number:") == 1
    assert "“Confirm: [link]”" in page


def test_what_a_colleague_wrote_is_quoted(login):
    contact = factories.contact()
    suppress(
        contact=contact, reason="staff", origin="staff", evidence="Two accounts", now=timezone.now(),
        by=factories.user(),
    )  # fmt: skip

    assert login("support").get(f"/contacts/{contact.pk}/").content.decode().count("Two accounts") >= 3
