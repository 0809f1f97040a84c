"""The secret in a callback address proves the callback, and is kept nowhere: no row, no page, no log."""

from __future__ import annotations

import importlib
import logging
from types import SimpleNamespace

import pytest
from django.apps import apps
from django.conf import settings
from django.db import connection

from deliveries.models import Receipt
from deliveries.providers import PROVIDERS
from deliveries.providers.facts import Call
from deliveries.providers.kit.signatures import url_secret, without_secret
from deliveries.receiving.receiver import Receiver
from deliveries.receiving.recording import record_all
from tests import factories
from tests.deliveries.receiving.exchanges import Exchange, no_threads_left  # noqa: F401 - a fixture that works by itself

WITH_A_SECRET = sorted(slug for slug, adapter in PROVIDERS.items() if adapter.proof_field == "url_secret")
KEPT = {
    "m=1&c=sms&k=hidden": "m=1&c=sms",
    "k=hidden": "",
    "k=hidden&m=1": "m=1",
    "m=1&k=hidden&id=7&d=1": "m=1&id=7&d=1",
    "%6B=hidden&m=1": "m=1",
    "%6b=hidden&m=1": "m=1",
    "k=hidden&k=hidden&m=1": "m=1",
    "k=&m=%6B%3D1": "m=%6B%3D1",
    "ok=1&kk=2&K=3&x=k": "ok=1&kk=2&K=3&x=k",
    "m=1&&a=%2B1+2&": "m=1&&a=%2B1+2&",
    "": "",
}


def kept_queries() -> list[str]:
    """What the table itself holds."""
    return list(Receipt.objects.order_by("pk").values_list("query", flat=True))


@pytest.mark.parametrize(("query", "kept"), KEPT.items())
def test_the_query_is_kept_word_for_word_but_for_the_secret(query, kept):
    assert without_secret(query) == kept


@pytest.mark.parametrize(
    "query", ["k=hidden", "%6b=hidden&m=1", "m=%00&k=hidden", "m=%ff&%6B=hidden", "a&k=hidden&b"]
)
def test_no_spelling_that_proves_a_callback_is_kept(query):
    call = Call("GET", "", query, {}, b"")

    assert url_secret(call, {"url_secret": "hidden"})
    assert "hidden" not in without_secret(query)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("slug", WITH_A_SECRET)
def test_a_stored_receipt_holds_no_secret(slug):
    account = factories.account(slug, credentials={"url_secret": "very-hidden-word"})
    path = f"/hooks/{account.token}/status?m=1&k=very-hidden-word&c=sms"

    (answer,) = Exchange()(("POST", path, b"id=1", {"content-type": "application/x-www-form-urlencoded"}))

    assert answer.status_code in (200, 204)
    stored = Receipt.objects.get()
    assert kept_queries() == ["m=1&c=sms"]
    assert "very-hidden-word" not in f"{stored.headers} {bytes(stored.body)!r}"


@pytest.mark.django_db(transaction=True)
def test_a_stored_receipt_is_read_without_its_secret():
    account = factories.account("kannel", credentials={"url_secret": "very-hidden-word"})
    query = "id=A1&d=1&m=0192f3a4-0000-7000-8000-000000000001"

    Exchange()(("GET", f"/hooks/{account.token}/status?{query}&k=very-hidden-word", b"", {}))

    stored = Receipt.objects.get()
    (with_it, without) = (
        list(PROVIDERS["kannel"].parse("status", Call("GET", "", one, {}, b"")))
        for one in (f"{query}&k=very-hidden-word", stored.query)
    )
    assert with_it == without != []


@pytest.mark.django_db(transaction=True)
def test_neither_a_proven_nor_a_forged_callback_writes_its_secret_to_the_log(caplog):
    caplog.set_level(logging.DEBUG)
    account = factories.account("kannel", credentials={"url_secret": "very-hidden-word"})
    path = f"/hooks/{account.token}/status?id=1&d=1&k="

    answers = Exchange()(
        ("GET", f"{path}very-hidden-word", b"", {}),
        ("GET", f"{path}guessed-word", b"", {}),
        receiver=Receiver(),
    )

    ours = "".join(
        one.getMessage() for one in caplog.records if not one.name.startswith(("httpx", "httpcore"))
    )
    assert [answer.status_code for answer in answers] == [200, 403]
    assert "very-hidden-word" not in ours
    assert "guessed-word" not in ours


@pytest.mark.parametrize("name", ["httpx", "httpcore"])
def test_the_client_that_hands_messages_over_does_not_log_their_addresses(name):
    """Some providers take the password, or the address to report to, in the address of the request."""
    assert settings.LOGGING["loggers"][name]["level"] == "WARNING"


@pytest.mark.django_db
def test_the_migration_takes_the_secret_out_of_the_receipts_that_carry_it():
    queries = [*KEPT, *(f"m={n}&k=hidden" for n in range(5))]
    for query in queries:
        factories.receipt(query=query)
    migration = importlib.import_module("deliveries.migrations.0013_drop_stored_secrets")
    migration.MANY = 7

    migration.drop_stored_secrets(apps, SimpleNamespace(connection=connection))

    assert kept_queries() == [without_secret(query) for query in queries]


# ---- A row that a process of an older release stored during an upgrade --------------------------------------------


@pytest.fixture
def late(now):
    """A message and the receipt about it that was stored with its secret."""
    account = factories.account("kannel", credentials={"url_secret": "very-hidden-word"})
    message = factories.message(account=account, status="sent", provider_message_id="A1")
    query = f"d=1&k=very-hidden-word&m={message.uuid}&id=A1"
    return message, factories.receipt(account=account, kind="status", method="GET", query=query, body=b"")


@pytest.mark.django_db
def test_recording_takes_the_secret_out_of_a_late_row(late, now):
    message, _ = late

    record_all(now)

    message.refresh_from_db()
    assert message.status == "delivered"
    assert kept_queries() == [f"d=1&m={message.uuid}&id=A1"]


@pytest.mark.django_db
@pytest.mark.parametrize(
    "path", ["/deliveries/{message}/", "/contacts/{contact}/", "/admin/deliveries/receipt/{receipt}/change/",
             "/mappings/try/?receipt={receipt}"],
)  # fmt: skip
def test_no_page_shows_the_secret_of_a_late_row(login, late, now, path):
    message, receipt = late
    record_all(now)
    Receipt.objects.filter(pk=receipt.pk).update(query=f"d=1&k=very-hidden-word&m={message.uuid}")

    client = login("admin")
    client.user.is_staff = True
    client.user.save()

    where = path.format(message=message.pk, contact=message.contact_id, receipt=receipt.pk)
    page = client.get(where).content.decode()

    assert f"d=1&amp;m={message.uuid}" in page
    assert "very-hidden-word" not in page
