"""Receipts tell of the line of a number: the address has it a moment later, with its date and its source."""

from __future__ import annotations

import json
from datetime import timedelta
from urllib.parse import urlencode

import pytest

from deliveries.meaning.lines import reported, rows
from deliveries.meaning.translation import shipped
from deliveries.models import LineNote
from deliveries.providers import PROVIDERS
from deliveries.providers.facts import Call, Report
from deliveries.providers.kit.lines import carrier_name, kind_of_line, network_code
from deliveries.receiving.line_notes import take_over
from deliveries.receiving.recording import record
from deliveries.receiving.storing import Incoming, store
from tests import factories

NUMBER = "+12125550142"


# ---- What providers say ------------------------------------------------------------------------------------------

TELNYX = {"data": {"event_type": "message.finalized", "occurred_at": "2026-11-03T12:00:00Z", "payload": {
    "id": "m-1", "type": "SMS", "to": [{
        "phone_number": NUMBER, "status": "delivered", "carrier": "T-MOBILE USA, INC.", "line_type": "Wireless",
    }],
}}}  # fmt: skip
INFOBIP = {"results": [{"messageId": "m-1", "to": NUMBER[1:], "mccMnc": "310260", "status": {"id": 5, "groupName": "DELIVERED"}}]}  # noqa: E501 # fmt: skip
BANDWIDTH = [{"type": "message-delivered", "time": "2026-11-03T12:00:00Z", "to": NUMBER, "description": "ok",
              "carrierName": "Verizon", "message": {"id": "m-1", "from": "+12125550100"}}]  # fmt: skip
VONAGE = {
    "messageId": "m-1",
    "msisdn": NUMBER[1:],
    "network-code": "311480",
    "status": "delivered",
    "err-code": "0",
}
PLIVO = {"MessageUUID": "m-1", "Status": "delivered", "To": NUMBER[1:], "MCC": "310", "MNC": "410"}
SINCH = {"type": "recipient_delivery_report_sms", "batch_id": "m-1", "recipient": NUMBER[1:], "code": 0,
         "status": "Delivered", "at": "2026-11-03T12:00:00Z", "operator": "310260"}  # fmt: skip
MESSAGEBIRD = {"id": "m-1", "recipient": NUMBER[1:], "status": "delivered", "mccmnc": "20408"}
DROP_COWBOY = {"status": "failure", "reason": "Landline", "drop_id": "m-1", "phone_number": NUMBER,
               "network": {"name": "Pacific Bell", "type": "landline"}}  # fmt: skip
SLYBROADCAST = {"var": "m-1|2125550142|OK||2026-11-03 12:00:00|Verizon"}


def call(body, form=False, method="POST"):
    headers = {"content-type": "application/x-www-form-urlencoded" if form else "application/json"}
    text = urlencode(body) if form else json.dumps(body)
    query = text if method == "GET" else ""
    return Call(method, f"https://example.com/?{query}", query, headers, b"" if query else text.encode())


@pytest.mark.once
@pytest.mark.parametrize(
    ("provider", "asked", "told"),
    [
        ("telnyx", call(TELNYX), ("", "T-MOBILE USA, INC.", "mobile")),
        ("infobip", call(INFOBIP), ("310260", "", "")),
        ("bandwidth", call(BANDWIDTH), ("", "Verizon", "")),
        ("vonage", call(VONAGE), ("311480", "", "")),
        ("plivo", call(PLIVO, form=True), ("310410", "", "")),
        ("sinch", call(SINCH), ("310260", "", "")),
        ("messagebird", call(MESSAGEBIRD, method="GET", form=True), ("20408", "", "")),
        ("drop_cowboy", call(DROP_COWBOY), ("", "Pacific Bell", "landline")),
        ("slybroadcast", call(SLYBROADCAST, form=True), ("", "Verizon", "")),
    ],
)
def test_each_provider_tells_in_its_own_fields(provider, asked, told):
    report = next(each for each in PROVIDERS[provider].parse("status", asked) if isinstance(each, Report))

    assert (report.network, report.carrier, report.line_type) == told
    assert reported(provider, report) == told


@pytest.mark.once
@pytest.mark.parametrize(
    ("parts", "code"),
    [
        (("310260",), "310260"), ((310260,), "310260"), (("310", "26"), "31026"), (("310-260",), "310260"),
        (("",), ""), ((None, None), ""), (("T-Mobile",), ""), (("0",), ""), (("31026٠",), ""), (({"a": 1},), ""),
    ],
)  # fmt: skip
def test_a_network_is_five_or_six_digits_or_nothing(parts, code):
    assert network_code(*parts) == code


@pytest.mark.once
@pytest.mark.parametrize("odd", [None, 5, [], {}, True, "", "unknown", "N/A", "\0"])
def test_what_is_no_name_and_no_kind_says_nothing(odd):
    assert (carrier_name(odd), kind_of_line(odd)) == ("", "")


@pytest.mark.once
def test_a_code_that_can_mean_nothing_else_tells_the_line():
    assert reported("bird", Report("", "", "mms", "failed", "landline_unreachable")) == ("", "", "landline")
    assert (
        reported("twilio", Report("", "", "sms", "undelivered", "30006")) is None
    )  # a landline, or another reason
    assert reported("twilio", Report("", "", "sms", "delivered")) is None
    listed = {(key.table, key.channel, key.code) for key in shipped().codes}
    assert rows().keys() <= listed


# ---- To the address ----------------------------------------------------------------------------------------------


@pytest.fixture
def message(db):
    account = factories.account("telnyx", credentials={"api_key": "k", "public_key": "p"}, name="Main")
    address = factories.phone(value=NUMBER, line_type="fixed_or_mobile")
    return factories.message(account=account, address=address, channel="sms", provider_message_id="m-1")


def receipt(message, at, **to):
    body = json.loads(json.dumps(TELNYX))
    body["data"]["payload"]["to"][0] |= to
    body["data"]["occurred_at"] = at.isoformat()
    headers = {"content-type": "application/json"}
    query = f"m={message.uuid}&c=sms"
    return Incoming(message.account_id, "status", at, "POST", query, headers, json.dumps(body).encode())


def test_a_receipt_fills_in_the_line_of_its_number(message, now):
    store([receipt(message, now)])

    assert record(now).recorded == 1
    assert take_over(now) == 1

    address = message.address
    address.refresh_from_db()
    assert (address.line_type, address.carrier) == ("mobile", "T-MOBILE USA, INC.")
    assert (address.line_type_source, address.line_type_at) == ("reported by Main", now)
    assert not LineNote.objects.exists()
    assert take_over(now) == 0


def test_a_batch_is_one_note_and_the_latest_of_each_message(message, now):
    later = now + timedelta(minutes=1)
    store([receipt(message, later, line_type="VoIP"), receipt(message, now)])

    record(later)

    note = LineNote.objects.get()
    assert [fact[2:] for fact in note.facts] == [["", "T-MOBILE USA, INC.", "voip"]]


def test_a_receipt_that_tells_nothing_leaves_no_note(message, now):
    store([receipt(message, now, carrier=None, line_type="")])

    assert record(now).recorded == 1

    assert not LineNote.objects.exists()


def test_what_a_person_typed_later_stays(message, now):
    store([receipt(message, now, line_type="Wireline")])
    record(now)
    type(message.address).objects.update(line_type="mobile", line_type_at=now + timedelta(hours=1))

    take_over(now + timedelta(hours=2))

    message.address.refresh_from_db()
    assert message.address.line_type == "mobile"


def test_a_note_about_somebody_who_is_gone_is_dropped(message, now):
    store([receipt(message, now)])
    record(now)
    LineNote.objects.update(facts=[[10**12, now.isoformat(), "", "Verizon", "mobile"]])

    assert take_over(now) == 1

    assert not LineNote.objects.exists()
