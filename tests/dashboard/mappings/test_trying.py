"""Trying a callback."""

from __future__ import annotations

import hmac
import html
import re

import pytest
from django.contrib.auth.models import Permission

from deliveries.models import CodeAlarm, Message, Receipt, SeenCode
from tests import factories
from tests.dashboard.mappings.steps import EDIT, HTMX, save, text
from tests.deliveries.meaning.tables import sent

pytestmark = pytest.mark.django_db


CALL = {
    "provider": "twilio", "kind": "status", "method": "POST", "content_type": "application/x-www-form-urlencoded",
    "body": "MessageSid=SM1&MessageStatus=undelivered&ErrorCode=30005&To=%2B12105550100", "query": "c=sms",
}  # fmt: skip


def test_a_pasted_callback_says_what_it_means_and_leaves_no_trace(admin, caplog):
    before = [model.objects.count() for model in (Receipt, Message, SeenCode, CodeAlarm)]

    with caplog.at_level("DEBUG"):
        page = admin.post("/mappings/try/", CALL)

    shown = text(page)
    assert "Undelivered" in shown
    assert "Failure class Permanent" in shown
    assert "Whose fault Recipient" in shown
    assert "Code 30005" in shown
    assert [model.objects.count() for model in (Receipt, Message, SeenCode, CodeAlarm)] == before
    assert "12105550100" not in caplog.text
    assert "no-store" in page["Cache-Control"]


def test_an_unknown_word_leads_to_its_form(admin):
    page = admin.post("/mappings/try/", CALL | {"body": CALL["body"].replace("30005", "31999")})

    assert "No code table lists it. Give it a meaning" in text(page)
    assert f"{EDIT}?table=twilio&channel=sms&kind=error&code=31999" in html.unescape(page.content.decode())


def test_a_callback_can_be_read_with_the_draft(admin):
    save(admin)

    page = admin.post("/mappings/try/", CALL | {"draft": "on"})

    assert "Failure class Temporary" in text(page)


def test_a_wrong_signature_is_said(admin):
    page = admin.post("/mappings/try/", CALL | {"secret": "not-it"})

    assert "It would not be accepted. The signature is wrong, or too old." in text(page)
    assert b"not-it" not in page.content


def test_a_right_signature_is_found_whatever_the_browser_did_to_the_line_breaks(admin):
    body = '{\n"id": "1", "channel": "sms", "status": "delivered", "occurred_at": "2026-03-04T17:00:00Z"}'
    url = "https://waybill.example.com/hooks/t/status"
    signature = hmac.new(b"s3cret", f"1.{url}.{body}".encode(), "sha256").hexdigest()
    given = {
        "provider": "sandbox", "kind": "status", "method": "POST", "content_type": "application/json", "url": url,
        "headers": f"X-Sandbox-Signature: {signature}\nX-Sandbox-Timestamp: 1", "secret": "s3cret",
    }  # fmt: skip

    page = text(admin.post("/mappings/try/", given | {"body": body.replace("\n", "\r\n")}))

    assert "would not be accepted" not in page
    assert "Evidence Carrier receipt" in page


@pytest.mark.parametrize(
    "changes",
    [
        {"body": ""}, {"body": "\x00"}, {"body": "{" * 2000, "provider": "sandbox"}, {"body": "ü" * 999},
        {"headers": "X-Odd: ünï"}, {"query": "%%%&&=;"}, {"kind": "dsn"}, {"kind": "keys"}, {"method": "GET"},
        {"content_type": "multipart/form-data"}, {"content_type": "a\r\nb"}, {"url": "not an address"},
        {"provider": "sandbox", "body": '{"id": 1, "status": [], "channel": {}}'},
        {"provider": "sandbox", "body": "[1, 2]"}, {"channel": "email"},
    ],
)  # fmt: skip
def test_whatever_is_pasted_is_answered_in_words(admin, changes):
    page = admin.post("/mappings/try/", CALL | changes)

    assert page.status_code in (200, 422)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"provider": "nobody"}, "Provider : Select a valid choice"),
        ({"headers": "fine: yes\nodd"}, "Headers : Line 2 is not of the form Name: value."),
        ({"body": "x" * 300_000}, "Body : Ensure this value has at most"),
        ({"method": "BREW"}, "Method : Select a valid choice"),
        ({"kind": "fax"}, "Kind : Select a valid choice"),
        (
            {"kind": "dsn"},
            "Kind : Twilio sends nothing of this kind. It has: Status report, Message from a recipient,"
            " Key press, Answering machine.",
        ),
        (
            {"kind": "inbound", "provider": "resend"},
            "Resend sends nothing of this kind. It has: Status report.",
        ),
    ],
)
def test_a_form_that_cannot_be_tried_names_the_field(admin, changes, says):
    page = admin.post("/mappings/try/", CALL | changes)

    assert page.status_code == 422
    assert says in text(page)


def kinds_on(page) -> dict[str, list[str]]:
    """The kinds that are offered, by whose they are."""
    groups = re.findall(r'<optgroup label="(.*?)">(.*?)</optgroup>', page.content.decode(), re.S)
    return {name: re.findall(r'<option value="(\w+)"', options) for name, options in groups}


def test_the_kinds_of_the_chosen_provider_come_first_and_each_is_explained(admin):
    page = admin.get("/mappings/try/?provider=smtp")

    offered = kinds_on(page)
    assert offered.pop("Email by SMTP") == ["dsn"]
    assert offered == {"Other providers only": ["status", "inbound", "keys", "amd", "answer", "script"]}
    assert "Key press What somebody pressed during a call." in text(page)


def test_choosing_a_provider_brings_its_kinds_alone_and_keeps_the_choice(admin):
    answer = admin.get("/mappings/try/?provider=twilio&kind=amd", headers=HTMX)

    assert answer.content.lstrip().startswith(b'<div id="kind"')
    assert kinds_on(answer)["Twilio"] == ["status", "inbound", "keys", "amd"]
    assert b'value="amd" selected' in answer.content


@pytest.fixture
def stored(account, now, tables):
    message = sent(account)
    query = f"m={message.uuid}&c=sms"
    return factories.receipt(
        account, body=CALL["body"].encode(), query=query, headers={"content-type": CALL["content_type"]}, kind="status",
        state=None,
    )  # fmt: skip


def test_a_stored_receipt_is_read_anew_and_fills_the_form(admin, stored):
    page = admin.get("/mappings/try/", {"receipt": stored.pk})

    assert f"What receipt {stored.pk} says" in text(page)
    assert "Failure class Permanent" in text(page)
    assert "MessageSid=SM1" in page.content.decode()


def test_a_stored_receipt_keeps_its_addresses_to_itself_without_the_permission(login, make_user, stored):
    reader = make_user("")
    names = ["view_codemapping", "view_receipt"]
    reader.user_permissions.set(Permission.objects.filter(codename__in=names))

    page = login(user=reader).get("/mappings/try/", {"receipt": stored.pk})

    assert "2105550100" not in page.content.decode()
    assert "0100" in text(page)
    assert "Failure class Permanent" in text(page)


def test_a_stored_receipt_needs_the_permission_to_see_receipts(login, make_user, stored):
    reader = make_user("")
    reader.user_permissions.add(Permission.objects.get(codename="view_codemapping"))

    assert login(user=reader).get("/mappings/try/", {"receipt": stored.pk}).status_code == 403


@pytest.mark.parametrize("mark", ["", "x", "-1", "9" * 30, "9" * 5_000, "987654321", "٣"])
def test_a_receipt_that_is_not_there_is_not_found(admin, mark):
    assert admin.get("/mappings/try/", {"receipt": mark}).status_code == 404
