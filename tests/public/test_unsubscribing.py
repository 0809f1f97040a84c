"""Unsubscribing by the link in a mail: for real, from a mail that a server received, to nothing being sent any more."""

from __future__ import annotations

import email
import re
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from urllib.parse import urlsplit

import httpx
import pytest
import time_machine
from django.db import connections
from django.test import Client

from contacts.consent_ledger import latest_consents
from contacts.consenting import record_opt_in
from contacts.models import Address, Consent, Suppression
from deliveries import links
from deliveries.models import Message, Outbox
from deliveries.receiving.unsubscribing import ON_PAGE, unsubscribe
from deliveries.references import new_reference
from deliveries.sending.dispatch import dispatch
from tests import factories
from tests.deliveries.providers.test_smtp import Relay, credentials
from tests.engine import Fake, agree, person, sending, waiting, work

HOUR = timedelta(hours=1)
ONE_CLICK = b"List-Unsubscribe=One-Click"
FORM = "application/x-www-form-urlencoded"


def mailed(now, **fields) -> Message:
    message = waiting(sending("email"), factories.account(), now, **fields)
    dispatch(now, Fake())
    return message


def path(message) -> str:
    return urlsplit(links.page(str(message.uuid))).path


def post(message, body=ONE_CLICK, kind=FORM, client=None):
    return (client or Client(enforce_csrf_checks=True)).post(path(message), body, content_type=kind)


def state():
    return (
        list(Consent.objects.order_by("pk").values_list("contact", "channel", "opted_in", "how")),
        list(Suppression.objects.order_by("pk").values_list("value", "fact", "released_at")),
    )


# ---- For real ------------------------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_the_one_click_of_a_mail_that_was_received_ends_such_mail(live_server, settings, now):
    settings.PUBLIC_URL = live_server.url
    relay = Relay({})
    account = factories.account("smtp", credentials=credentials(relay.port))
    reader = person("email", at=now)
    waiting(sending("email"), account, now, reader)
    later = waiting(sending("email"), account, now, reader, due_at=now + HOUR)
    Outbox.objects.filter(message=later).update(due_at=now + HOUR)
    dispatch(now)
    relay.join(timeout=5)
    mail = email.message_from_bytes(relay.mail)
    page = re.match(r"<(http[^>]+)>, <mailto:[^>]+>$", mail["List-Unsubscribe"])[1]
    assert mail["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert f"Unsubscribe: {page}" in mail.get_payload()
    assert reader.addresses.get().value not in page

    before = state()
    assert httpx.get(page).status_code == 200
    assert state() == before
    with time_machine.travel(now + HOUR / 2, tick=False):
        answer = httpx.post(page, content=ONE_CLICK, headers={"Content-Type": FORM})

    assert (answer.status_code, answer.cookies, answer.history) == (200, {}, [])
    later.refresh_from_db()
    assert later.status == "canceled"
    carriers = Fake()
    waiting(sending("email"), factories.account(), now + 2 * HOUR, reader, address=reader.addresses.get())
    for hours in (1, 2, 50):
        work(now + hours * HOUR, carriers)
    assert carriers.left == []
    assert agree()


@pytest.mark.django_db(transaction=True)
def test_clicked_many_times_at_once_it_counts_once(now):
    message = mailed(now)

    def click(_):
        try:
            return post(message).status_code
        finally:
            connections.close_all()

    with ThreadPoolExecutor(4) as threads:
        assert set(threads.map(click, range(8))) == {200}
    assert Suppression.objects.count() == 1


# ---- What it changes -----------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_it_is_the_persons_own_word_with_its_evidence(now):
    message = mailed(now)

    assert post(message).status_code == 200

    block = Suppression.objects.get()
    assert (block.origin, block.reason, block.value) == ("recipient", "stop", message.address.value)
    assert block.evidence == f"Link in message {message.pk}, one click in the mail program"
    assert block.ground == "Unsubscribed by the link in an email"
    assert block.occasion == ""
    assert Consent.objects.filter(opted_in=False).get().how == "Unsubscribe link"


@pytest.mark.django_db
def test_it_holds_for_everybody_who_has_the_address(now):
    message = mailed(now)
    other = factories.email(value=message.address.value.upper())

    post(message)

    assert {one.opted_in for one in latest_consents([message.contact_id, other.contact_id]).values()} == {
        False
    }


@pytest.mark.django_db
def test_asked_for_again_it_changes_nothing(now):
    message = mailed(now)
    post(message)
    before = state()

    assert post(message).content == post(message, b"").content
    assert state() == before


@pytest.mark.django_db
def test_after_a_new_opt_in_the_same_link_counts_anew(now):
    message = mailed(now)
    address = message.address
    for times in (1, 2):
        unsubscribe(message, now + times * HOUR, ON_PAGE)
        unsubscribe(message, now + times * HOUR, ON_PAGE)
        assert Suppression.objects.in_force(now).count() == 1
        record_opt_in(
            value=address.value, channel="email", how="Form", evidence="1", at=now + (times + 0.5) * HOUR
        )
        assert not Suppression.objects.in_force(now).exists()
    assert Suppression.objects.count() == 2


@pytest.mark.django_db
def test_texts_go_on(now):
    message = mailed(now, contact=person("sms", "email", at=now))
    Address.objects.filter(contact=message.contact, kind="phone").update(line_type="mobile")

    post(message)

    carriers = Fake()
    phone = message.contact.addresses.get(kind="phone")
    waiting(sending("sms"), factories.account(), now, message.contact, address=phone)
    work(now, carriers)
    assert [one.channel for one in carriers.left] == ["sms"]


# ---- The page ------------------------------------------------------------------------------------------------


@pytest.mark.django_db
@pytest.mark.parametrize("method", ["get", "head", "options", "put", "delete"])
def test_opening_it_changes_nothing(client, now, django_assert_num_queries, method):
    message, before = mailed(now), state()

    with django_assert_num_queries(0):
        answer = getattr(client, method)(path(message))

    assert answer.status_code == (200 if method in ("get", "head") else 405)
    assert state() == before


@pytest.mark.django_db
def test_the_button_of_the_page_unsubscribes(now):
    message = mailed(now)
    client = Client(enforce_csrf_checks=True)
    page = client.get(path(message)).content.decode()
    action = re.search(r'action="([^"]+)"', page)[1]

    answer = client.post(path(message) + action)

    assert (answer.status_code, client.cookies) == (200, {})
    assert "You are unsubscribed" in answer.content.decode()
    assert Suppression.objects.get().evidence.endswith("confirmed on the page")
    assert "<script" not in page


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"", FORM),
        (b"\xff\x00", FORM),
        (b"not in parts", "multipart/form-data"),
        (b"--x\r\n" * 9, "multipart/form-data; boundary=x"),
        (b"{", "application/json"),
        (b"_zone=Mars", FORM),
        (
            b'--x\r\nContent-Disposition: form-data; name="List-Unsubscribe"\r\n\r\nOne-Click\r\n--x--\r\n',
            "multipart/form-data; boundary=x",
        ),
    ],
)
def test_a_click_counts_whatever_a_mail_program_sends_with_it(now, body, kind):
    message = mailed(now)

    assert post(message, body, kind).status_code == 200
    assert Suppression.objects.exists()


@pytest.mark.django_db
def test_nothing_can_be_found_out_by_trying(client, now):
    message = mailed(now)
    unknown = links.token(str(new_reference()))
    made_up = ["x", "A" * 43, "é" * 20, "%2e%2e", unknown, str(message.uuid)]

    opened = {client.get(f"/u/{one}").content for one in [*made_up, links.token(str(message.uuid))]}
    before = state()
    clicked = {client.post(f"/u/{one}").content for one in made_up}

    assert state() == before
    assert len(opened) == len(clicked) == 1
    assert b"nothing was recorded" in clicked.pop()


@pytest.mark.django_db
def test_what_is_made_up_costs_no_query(client, django_assert_num_queries):
    with django_assert_num_queries(0):
        client.post("/u/" + "A" * 43)


@pytest.mark.django_db
def test_a_click_that_was_done_costs_few_queries(now, django_assert_max_num_queries):
    message = mailed(now)
    post(message)

    with django_assert_max_num_queries(4):
        post(message)


@pytest.mark.django_db
def test_nobody_keeps_or_passes_on_the_page(client, now):
    answer = client.get(path(mailed(now)))

    assert answer["Cache-Control"] == "no-store"
    assert answer["Referrer-Policy"] == "no-referrer"
    assert "noindex" in answer["X-Robots-Tag"]
    assert "script-src 'self'" in answer["Content-Security-Policy"]


@pytest.mark.django_db
def test_staff_see_no_link_of_somebody_elses(login, now):
    message = mailed(now)

    page = login("admin").get(f"/deliveries/{message.pk}/").content.decode()

    assert "Unsubscribe: (their own link)" in page
    assert links.token(str(message.uuid)) not in page


@pytest.mark.django_db
def test_the_link_of_a_message_that_is_gone_says_that_nothing_was_recorded(client, now):
    where = path(message := mailed(now))
    Outbox.objects.all().delete()
    Message.objects.filter(pk=message.pk).delete()

    answer = client.post(where)
    assert answer.status_code == 404
    assert "nothing was recorded" in answer.content.decode()
    assert "You are unsubscribed" not in answer.content.decode()
