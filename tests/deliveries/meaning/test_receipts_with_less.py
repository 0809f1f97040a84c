"""A receipt that lacks what nobody needs to find its message and its status is taken all the same.

Every recorded payload, one of each shape, with every field of it taken out in turn.
"""

from __future__ import annotations

import json
from urllib.parse import parse_qsl, urlencode

import pytest

from deliveries.meaning.payloads import understand
from deliveries.meaning.translation import shipped
from tests.deliveries.meaning.test_payloads import AT, EXPECTED, RECORDED

pytestmark = pytest.mark.once

# What a receipt cannot do without: the message's id (the address beside it where several share one), the word for what
# became of it, who wrote to us; and what these stand in. Numbers are places in a list.
NEEDED = {
    "amazon_ses": "Message Type eventType",
    "bandwidth": "0 1 callId eventType from id machineDetectionResult message type value",
    "bird": "call_id contact data event from id identifierValue payload sender sms_id status type",
    "brevo": "0 Address From InReplyTo event items",
    "call_loop": "0 outcome",
    "drop_cowboy": "campaign_session data dispo dnc drop_id event from status to",
    "infobip": "0 1 call callId callLog detectionResult from groupName messageId properties results state status type",
    "kannel": "d from",
    "mailersend": "data email id message type",
    "mailgun": "In-Reply-To body-mime event event-data",
    "mailjet": "0 event",
    "mailtrap": "0 custom_variables event events m",
    "mandrill": "mandrill_events",
    "messagebird": "0 callId id items m originator payload status",
    "messente": "sender sms_unique_id status",
    "plivo": "CallStatus CallUUID From Machine MessageUUID Status",
    "postal": "event message original_message payload",
    "postmark": "1 FromFull Headers MessageID Name Origin Recipient RecordType Value",
    "resend": "type",
    "sandbox": "channel from id status",
    "sendgrid": "0 email event sg_message_id",
    "sinch": "0 amd batch_id callId callid custom event from menuResult recipients result status statuses type"
    " total_message_count",
    "slybroadcast": "c_dispo var",
    "smpp": "command_status dlr from message message_state message_status receipt short_message source_addr status",
    "sparkpost": "0 gen_event message_event msys track_event type unsubscribe_event",
    "telnyx": "0 AnsweredBy CallSid CallStatus call_control_id data digits event_type from id payload phone_number"
    " result status to",
    "twilio": "AnsweredBy CallSid CallStatus From",
    "unisender_go": "0 event_data event_name events events_by_user status",
    "vonage": "call_uuid digits dtmf from messageId message_uuid msisdn status uuid",
}


def fields_of(line):
    """The names on the way to every field of the line's form, JSON or query, such as ('results', 0, 'to')."""
    return list(paths(content_of(line)[1]))


def content_of(line):
    """(Where the fields stand, the fields)."""
    body = line.get("body")
    if isinstance(line.get("form"), dict):
        return "form", line["form"]
    if isinstance(body, str) and body[:1] in "{[":
        return "body", json.loads(body)
    if line.get("method") == "GET":
        return "query", dict(parse_qsl(str(line.get("query") or ""), keep_blank_values=True))
    return "", {}


def paths(value, at=()):
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, inner in items:
        yield (*at, name)
        yield from paths(inner, (*at, name))


def without(line, path):
    place, content = content_of(line)
    content = json.loads(json.dumps(content))
    holder = content
    for name in path[:-1]:
        holder = holder[name]
    del holder[path[-1]]
    written = {"form": dict, "body": json.dumps, "query": urlencode}[place](content)
    return {**line, place: written, "secret": None}


def shapes():
    """One accepted line of each provider, kind and set of fields."""
    found = {}
    for line in RECORDED:
        wanted = EXPECTED[line["id"]]
        if wanted["accepted"] and len(wanted["events"]) == 1 and content_of(line)[0]:
            names = tuple(str(name) for path in fields_of(line) for name in path[-1:])
            found.setdefault((line["provider"], line.get("kind"), names), line)
    return list(found.values())


SHAPES = shapes()


@pytest.mark.parametrize("slug", sorted({line["provider"] for line in SHAPES}))
def test_a_receipt_is_not_refused_for_what_nobody_needs(slug):
    needed = set(NEEDED[slug].split())

    refused = {}
    for line in SHAPES:
        for path in fields_of(line) if line["provider"] == slug else ():
            answer = understand({"at": AT, **without(line, path)}, shipped())
            if not answer["events"] and not {str(name) for name in path[-1:]} & needed:
                refused[path] = answer["reason"]
    assert refused == {}
