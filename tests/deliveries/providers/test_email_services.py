"""Handing mail over to the email services that speak HTTP, and what recorded payloads (`test_payloads.py`) do not
show of any."""

import asyncio
import base64
import json
from dataclasses import replace
from datetime import UTC, datetime
from ssl import SSLCertVerificationError
from urllib.parse import parse_qs

import httpx
import pytest
import requests
from urllib3.exceptions import MaxRetryError, NewConnectionError, ProtocolError, SSLError

from deliveries.meaning.translation import shipped
from deliveries.providers import PROVIDERS
from deliveries.providers.facts import Act, Call, LostAnswer, OutboundMessage, Report, SendResult
from tests.deliveries.providers.emailing import AWS, MESSAGE, ONE_CLICK, PAGE, REF, send
from tests.deliveries.providers.handing import Played

pytestmark = pytest.mark.filterwarnings("ignore::anymail.exceptions.AnymailNotSupportedWarning")


AT = datetime(2026, 3, 4, 17, tzinfo=UTC)


# ---- services that speak HTTP ----------------------------------------------------------------------------

# Credentials, what the service answers to a message it takes, and the id by which its events name the message.
SERVICES = {
    "sendgrid": ({"api_key": "sg-key"}, (202, "", {"X-Message-Id": "14c5d75ce93"}), "14c5d75ce93"),
    "mailgun": (
        {"api_key": "mg-key", "sender_domain": "mg.example.org"},
        (200, {"id": "<2026.1.ABC@mg.example.org>", "message": "Queued. Thank you."}, {}),
        "2026.1.ABC@mg.example.org",
    ),
    "postmark": (
        {"server_token": "pm-key"},
        (200, {"To": "robin@example.com", "MessageID": "b7bc2f4a", "ErrorCode": 0, "Message": "OK"}, {}),
        "b7bc2f4a",
    ),
    "brevo": ({"api_key": "br-key"}, (201, {"messageId": "<2026.1@smtp.example.net>"}, {}), "2026.1@smtp.example.net"),
    "resend": ({"api_key": "re-key"}, (200, {"id": "56761188-7520"}, {}), "56761188-7520"),
    "mailjet": (
        {"api_key": "mj-key", "secret_key": "mj-secret"},
        (200, {"Messages": [{"Status": "success", "To": [{"Email": "robin@example.com", "MessageID": 4567}]}]}, {}),
        "4567",
    ),
    "mandrill": (
        {"api_key": "md-key"},
        (200, [{"email": "robin@example.com", "status": "sent", "_id": "abcdef01"}], {}),
        "abcdef01",
    ),
    "mailersend": (
        {"api_token": "ms-key"},
        (202, "", {"X-Message-Id": "62f114f8", "Content-Type": "text/html"}),
        "62f114f8",
    ),
    "mailtrap": ({"api_token": "mt-key"}, (200, {"success": True, "message_ids": ["1df37d17"]}, {}), "1df37d17"),
    "postal": (
        {"api_url": "https://postal.example.org", "api_key": "po-key"},
        (
            200,
            {"status": "success", "data": {"messages": {"robin@example.com": {"id": 2338, "token": "t"}}}},
            {},
        ),
        "2338",
    ),
    "sparkpost": (
        {"api_key": "sp-key"},
        (
            200,
            {"results": {"total_rejected_recipients": 0, "total_accepted_recipients": 1, "id": "6583215"}},
            {},
        ),
        "6583215",
    ),
    "unisender_go": (
        {"api_url": "https://go1.example.org/ru/transactional/api/v1", "api_key": "ug-key"},
        (200, {"status": "success", "job_id": "1ZymBc-00041N-9X", "emails": ["robin@example.com"]}, {}),
        "1ZymBc-00041N-9X",
    ),
}  # fmt: skip


class Network:
    """Stands where the network begins: answers what it is told to, and keeps the requests."""

    def __init__(self, monkeypatch):
        self.requests = []
        self.answer = None
        monkeypatch.setattr(
            requests.adapters.HTTPAdapter, "send", lambda adapter, request, **more: self._send(request, more)
        )

    def _send(self, request, more):
        self.requests.append(request)
        self.timeout = more["timeout"]
        if isinstance(self.answer, Exception):
            raise self.answer
        status, payload, headers = self.answer
        response = requests.Response()
        response.status_code, response.url, response.request = status, request.url, request
        response.headers.update(headers)
        response._content = (payload if isinstance(payload, str) else json.dumps(payload)).encode()
        return response

    @property
    def sent(self):
        """Everything that left: the address, the headers and the body."""
        (request,) = self.requests
        body = request.body.decode() if isinstance(request.body, bytes) else request.body
        fields = parse_qs(body) if "application/json" not in request.headers.get("content-type", "") else body
        return f"{request.url} {dict(request.headers)} {fields} {body}"


@pytest.fixture
def network(monkeypatch):
    return Network(monkeypatch)


def answering(network, slug, answer):
    network.answer = answer
    return send(slug, SERVICES[slug][0])


def test_every_email_service_is_tried():
    from deliveries.providers.kit.anymail_service import AnymailService

    services = {slug for slug, provider in PROVIDERS.items() if isinstance(provider, AnymailService)}

    assert services == {*SERVICES, "amazon_ses"}


@pytest.mark.parametrize("slug", SERVICES)
def test_one_message_goes_to_one_recipient_with_our_reference(network, slug):
    credentials, answer, message_id = SERVICES[slug]

    handover = answering(network, slug, answer)

    assert handover == SendResult(True, provider_message_id=message_id)
    for part in (REF, "robin@example.com", "news@example.org", "Your appointment at ten", "See you at ten."):
        assert part in network.sent
    assert network.timeout == (5.0, 15.0)
    secret = credentials.get("api_key") or credentials.get("api_token") or credentials.get("server_token")
    encoded = base64.b64encode(f"{'api' if slug == 'mailgun' else secret}:{secret}".encode()).decode()
    assert secret in network.sent or encoded in network.sent or slug == "mailjet"


def headers_of(request):
    """The headers that the service is asked to put into the mail, by the field of its API that is for them."""
    body = request.body.decode() if isinstance(request.body, bytes) else request.body
    if not body.startswith("{"):  # Mailgun
        return {
            name.removeprefix("h:"): value[0] for name, value in parse_qs(body).items() if name[:2] == "h:"
        }
    fields = json.loads(body)
    for name in ("message", "content", "Globals"):  # Mandrill and Unisender Go, SparkPost, Mailjet
        fields = fields[name] if isinstance(fields.get(name), dict) else fields
    found = fields.get("headers") or fields.get("Headers") or {}
    if isinstance(found, dict):
        return found
    return {one.get("name") or one["Name"]: one.get("value") or one["Value"] for one in found}


@pytest.mark.parametrize("slug", SERVICES)
def test_every_service_is_given_the_headers_by_which_mail_programs_unsubscribe(network, slug):
    network.answer = SERVICES[slug][1]

    send(slug, SERVICES[slug][0], replace(MESSAGE, extra={"unsubscribe": PAGE}))

    (request,) = network.requests
    named = {name: value for name, value in headers_of(request).items() if name in ONE_CLICK}
    # Mail with headers is refused to most accounts of MailerSend: it has the link alone.
    assert named == ({} if slug == "mailersend" else ONE_CLICK)


@pytest.mark.parametrize("slug", SERVICES)
def test_the_sites_own_settings_play_no_part(network, settings, slug):
    settings.ANYMAIL = {
        "SEND_DEFAULTS": {"tags": ["of-the-site"], "metadata": {"site": "of-the-site"}},
        "DEBUG_API_REQUESTS": True,
        "IGNORE_UNSUPPORTED_FEATURES": True,
        f"{slug.upper()}_API_KEY": "of-the-site",
        f"{slug.upper()}_API_URL": "https://of-the-site.example.net/",
    }
    settings.ANYMAIL = {
        k: v for k, v in settings.ANYMAIL.items() if "API_URL" not in k or slug in ("postal", "unisender_go")
    }

    assert answering(network, slug, SERVICES[slug][1]).accepted
    assert "of-the-site" not in network.sent


@pytest.mark.parametrize("slug", SERVICES)
@pytest.mark.parametrize(
    ("answer", "wait"),
    [
        ((429, {}, {"Retry-After": "17"}), 17),
        ((429, {}, {}), 5),
        ((503, "", {}), 30),
        ((503, "", {"Retry-After": "60"}), 60),
    ],
)
def test_what_was_not_taken_is_to_be_sent_later(network, slug, answer, wait):
    handover = answering(network, slug, answer)

    assert (handover.accepted, handover.native_status, handover.retry_after) == (False, "", wait)


def not_connected():
    return requests.ConnectionError(MaxRetryError(None, "/", NewConnectionError(None, "refused")))


def not_trusted():
    return requests.exceptions.SSLError(
        MaxRetryError(None, "/", SSLError(SSLCertVerificationError("self-signed")))
    )


@pytest.mark.parametrize("slug", SERVICES)
@pytest.mark.parametrize(
    "problem",
    [
        not_connected(),
        not_trusted(),
        requests.ConnectTimeout("slow"),
        requests.exceptions.ProxyError("no proxy"),
    ],
    ids=["refused", "certificate", "timeout", "proxy"],
)
def test_what_never_left_is_to_be_sent_later(network, slug, problem):
    assert answering(network, slug, problem).retry_after == 30


@pytest.mark.parametrize("slug", SERVICES)
@pytest.mark.parametrize(
    "answer",
    [
        requests.ReadTimeout("slow"),
        requests.ConnectionError(ProtocolError("Connection aborted.", ConnectionResetError())),
        requests.exceptions.ChunkedEncodingError("half an answer"),
        (500, {"message": "broken"}, {}),
        (502, "", {}),
        (504, "<html>", {}),
    ],
    ids=["read timeout", "aborted", "half", "500", "502", "504"],
)
def test_an_answer_that_got_lost_is_not_taken_for_a_refusal(network, slug, answer):
    with pytest.raises(LostAnswer):
        answering(network, slug, answer)


@pytest.mark.parametrize("slug", sorted(set(SERVICES) - {"sendgrid"}))
def test_a_success_without_a_readable_answer_is_lost(network, slug):
    with pytest.raises(LostAnswer):
        answering(network, slug, (200, "<html>", {}))


TO = "robin@example.com"
INACTIVE = f"Found inactive addresses: {TO}. Inactive recipients are ones that have generated a hard bounce."
INVALID = f"Invalid 'To' address: '{TO}'."
# Service, HTTP status, its words, the code we keep, and the status that it means.
REFUSALS = [
    ("sendgrid", 400, {"errors": [{"message": "Bad to", "field": "to"}]}, "http/400", "rejected"),
    ("sendgrid", 401, {"errors": [{"message": "No credits"}]}, "http/401", "rejected"),
    ("sendgrid", 413, "", "http/413", "rejected"),
    ("mailgun", 400, {"message": "to parameter is not a valid address."}, "http/400", "rejected"),
    ("mailgun", 404, "Domain not found", "http/404", "rejected"),
    ("postmark", 422, {"ErrorCode": 406, "Message": INACTIVE}, "api/406", "rejected"),
    ("postmark", 422, {"ErrorCode": 300, "Message": "Invalid 'From' address."}, "api/300", "failed"),
    ("postmark", 422, {"ErrorCode": 300, "Message": INVALID}, "api/300", "failed"),
    ("postmark", 401, {"ErrorCode": 10, "Message": "No tokens"}, "api/10", "failed"),
    ("brevo", 400, {"code": "invalid_parameter", "message": "No."}, "api/invalid_parameter", "rejected"),
    ("brevo", 402, {"code": "not_enough_credits", "message": "No."}, "api/not_enough_credits", "failed"),
    ("resend", 422, {"name": "validation_error", "message": "No."}, "api/validation_error", "rejected"),
    ("resend", 403, {"name": "invalid_api_key", "message": "No."}, "api/invalid_api_key", "failed"),
    ("mailjet", 400, {"Messages": [{"Errors": [{"ErrorCode": "mj-0013"}]}]}, "api/mj-0013", "rejected"),
    ("mailjet", 401, {"ErrorCode": "mj-0001", "StatusCode": 401}, "api/mj-0001", "rejected"),
    ("mandrill", 200, [{"email": TO, "status": "rejected", "reject_reason": "spam"}], "api/spam", "rejected"),
    ("mandrill", 200, [{"email": TO, "status": "invalid"}], "", "rejected"),
    ("mandrill", 401, {"status": "error", "name": "Invalid_Key"}, "api/Invalid_Key", "rejected"),
    ("mailersend", 422, {"message": "The to.0.email must be valid.", "errors": {}}, "http/422", "rejected"),
    ("mailtrap", 401, {"success": False, "errors": ["Unauthorized"]}, "http/401", "rejected"),
    ("postal", 403, {"data": {"code": "AccessDenied", "message": "No."}}, "api/AccessDenied", "rejected"),
    ("sparkpost", 403, {"errors": [{"message": "Forbidden.", "code": "7001"}]}, "api/7001", "rejected"),
    ("sparkpost", 400, {"errors": "odd"}, "http/400", "rejected"),
    ("unisender_go", 401, {"status": "error", "code": 114, "message": "No."}, "api/114", "rejected"),
]


@pytest.mark.parametrize(("slug", "http", "payload", "code", "status"), REFUSALS)
def test_a_refusal_keeps_its_code_and_can_be_translated(network, slug, http, payload, code, status):
    handover = answering(network, slug, (http, payload, {}))

    found = shipped().translate(slug, Report("", "", "email", handover.native_status, handover.native_code))
    assert (handover.accepted, handover.retry_after) == (False, None)
    assert (handover.native_status, handover.native_code) == ("rejected", code)
    assert found.meaning.status == status
    assert found.meaning.fault != "recipient" or code in ("api/406",)


def test_wrong_credentials_are_the_accounts_fault(network):
    handover = answering(network, "sendgrid", (401, {"errors": [{"message": "No"}]}, {}))

    report = Report("", "", "email", handover.native_status, handover.native_code)
    assert shipped().translate("sendgrid", report).meaning[:3] == ("rejected", "account", "account")
    assert handover.native_text == "No"


@pytest.mark.parametrize("slug", [*SERVICES, "amazon_ses"])
def test_an_address_that_cannot_be_one_goes_nowhere(network, slug, aws):
    message = OutboundMessage(**{**vars(MESSAGE), "to": "robin at example"})

    handover = send(slug, SERVICES[slug][0] if slug in SERVICES else AWS, message)

    assert (handover.accepted, handover.native_code) == (False, "unsendable")
    assert network.requests == []


def test_messages_do_not_wait_for_each_other(network):
    network.answer = SERVICES["resend"][1]

    async def all_at_once():
        return await asyncio.gather(
            *(PROVIDERS["resend"].send(MESSAGE, SERVICES["resend"][0], None) for _ in range(40))
        )

    assert {each.provider_message_id for each in asyncio.run(all_at_once())} == {"56761188-7520"}
    assert len(network.requests) == 40


# ---- other things ----------------------------------------------------------------------------------------


def acts(slug, body):
    payload = body if isinstance(body, bytes) else json.dumps(body).encode()
    call = Call(
        "POST", "https://waybill.example.com/h", "", {"content-type": "application/json"}, payload, at=AT
    )
    return [fact for fact in PROVIDERS[slug].parse("status", call) if isinstance(fact, Act)]


MAILGUN = {"event": "opened", "recipient": "robin@example.com", "message": {"headers": {"message-id": "1"}}}
SPARKPOST = {"type": "open", "raw_rcpt_to": "robin@example.com", "transmission_id": "1"}


@pytest.mark.parametrize(
    ("slug", "body", "machine"),
    [
        ("sendgrid", [{"event": "open", "email": "robin@example.com", "sg_machine_open": True}], True),
        ("sendgrid", [{"event": "open", "email": "robin@example.com", "sg_machine_open": False}], False),
        ("mailgun", {"event-data": {**MAILGUN, "client-info": {"bot": "apple"}}}, True),
        ("mailgun", {"event-data": {**MAILGUN, "client-info": {"bot": ""}}}, False),
        ("brevo", {"event": "unique_proxy_open", "email": "robin@example.com"}, True),
        ("brevo", {"event": "unique_opened", "email": "robin@example.com"}, False),
        ("sparkpost", [{"msys": {"track_event": {**SPARKPOST, "is_prefetched": True}}}], True),
        ("sparkpost", [{"msys": {"track_event": SPARKPOST}}], False),
        ("postmark", {"RecordType": "Bounce", "Type": "AutoResponder", "Email": "robin@example.com"}, True),
        ("postmark", {"RecordType": "Open", "Recipient": "robin@example.com"}, False),
    ],
)
def test_machines_are_told_from_people_where_the_service_does(slug, body, machine):
    (act,) = acts(slug, body)

    assert act.machine is machine


@pytest.mark.parametrize(
    ("slug", "body"),
    [
        ("mailgun", {"signature": {"timestamp": "1", "token": "t", "signature": "s"}, "event-data": {}}),
        ("mailgun", {"signature": "none"}),
        ("mailgun", []),
        ("postmark", {}),
        ("unisender_go", {"auth": "x"}),
        ("unisender_go", {"auth": ["x"]}),
        ("postal", {}),
        ("mailersend", {}),
        ("mandrill", {}),
        ("sendgrid", []),
        ("resend", {}),
        ("amazon_ses", {}),
    ],
)
@pytest.mark.parametrize("credentials", [{}, "empty", "nonsense"])
def test_what_proves_nothing_is_refused_and_never_raises(slug, body, credentials):
    provider = PROVIDERS[slug]
    if isinstance(credentials, str):
        names = (*provider.credential_fields, *provider.optional_fields)
        credentials = dict.fromkeys(names, "" if credentials == "empty" else "nonsense")
    call = Call("POST", "https://waybill.example.com/h", "", {}, json.dumps(body).encode(), at=AT)

    assert provider.verify(call, credentials) is False


@pytest.mark.parametrize(("stream", "sent"), [("broadcast", "broadcast"), ("", None)])
def test_postmark_sends_by_the_accounts_stream(network, stream, sent):
    network.answer = SERVICES["postmark"][1]

    send("postmark", {"server_token": "pm-key", "message_stream": stream})

    assert json.loads(network.requests[0].body).get("MessageStream") == sent


@pytest.mark.parametrize(
    ("given", "host"),
    [("", "api.mailgun.net"), ("https://api.eu.mailgun.net/v3", "api.eu.mailgun.net")],
)
def test_mailgun_has_a_house_in_europe(network, given, host):
    network.answer = SERVICES["mailgun"][1]

    send("mailgun", {**SERVICES["mailgun"][0], "api_url": given})

    assert network.requests[0].url == f"https://{host}/v3/mg.example.org/messages"


def found_at_postmark(handler):
    async def run():
        async with Played(handler) as client:
            return await PROVIDERS["postmark"].find(MESSAGE, {"server_token": "pm-key"}, client)

    return asyncio.run(run())


@pytest.mark.parametrize(
    ("answer", "found"),
    [
        (httpx.Response(200, json={"TotalCount": 1, "Messages": [{"MessageID": "b7bc2f4a"}]}), "b7bc2f4a"),
        (httpx.Response(200, json={"TotalCount": 0, "Messages": []}), None),
        (
            httpx.Response(200, json={"TotalCount": 2, "Messages": [{"MessageID": "1"}, {"MessageID": "2"}]}),
            None,
        ),
        (httpx.Response(500), None),
        (httpx.Response(200, text="<html>"), None),
    ],
)
def test_postmark_is_asked_for_a_lost_message_by_our_reference(answer, found):
    seen = []

    handover = found_at_postmark(lambda request: seen.append(request) or answer)

    assert (handover and handover.provider_message_id) == found
    assert dict(seen[0].url.params)["metadata_m"] == REF
    assert seen[0].headers["x-postmark-server-token"] == "pm-key"
