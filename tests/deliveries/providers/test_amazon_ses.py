"""Amazon SES: what it is sent, and what its answers mean."""

import base64
import json
from dataclasses import replace
from email import message_from_bytes

import pytest
from botocore.exceptions import ConnectTimeoutError, EndpointConnectionError, ReadTimeoutError

from deliveries.meaning.translation import shipped
from deliveries.providers import amazon_ses
from deliveries.providers.facts import LostAnswer, Report, SendResult
from tests.deliveries.providers.emailing import AWS, MESSAGE, ONE_CLICK, PAGE, REF, send

pytestmark = pytest.mark.filterwarnings("ignore::anymail.exceptions.AnymailNotSupportedWarning")


def test_ses_gets_the_message_with_our_reference_as_tag_and_header(aws):
    answers, made = aws
    answers += [(200, {"MessageId": "0100018e-1"})] * 2

    first, second = send("amazon_ses", AWS), send("amazon_ses", AWS)

    assert first == second == SendResult(True, provider_message_id="0100018e-1")
    payload = json.loads(made[0].body)
    raw = base64.b64decode(payload["Content"]["Raw"]["Data"]).decode()
    assert made[0].url == "https://email.eu-west-1.amazonaws.com/v2/email/outbound-emails"
    assert payload["Destination"] == {"ToAddresses": ["robin@example.com"]}
    assert payload["EmailTags"] == [{"Name": "m", "Value": REF}]
    assert payload["ConfigurationSetName"] == "waybill"
    assert f'X-Metadata: {{"m": "{REF}"}}' in raw
    assert "Subject: Your appointment at ten" in raw
    assert amazon_ses.client_for.cache_info().hits == 1


def test_ses_gets_the_headers_by_which_mail_programs_unsubscribe(aws):
    answers, made = aws
    answers.append((200, {"MessageId": "0100018e-1"}))

    send("amazon_ses", AWS, replace(MESSAGE, extra={"unsubscribe": PAGE}))

    mail = message_from_bytes(base64.b64decode(json.loads(made[0].body)["Content"]["Raw"]["Data"]))
    assert {name: "".join(mail[name].split()) for name in ONE_CLICK} == ONE_CLICK


@pytest.mark.parametrize(
    ("status", "kind", "expected"),
    [
        (400, "MessageRejected", ("rejected", "unknown", "none")),
        (400, "AccountSuspendedException", ("failed", "account", "account")),
        (400, "MailFromDomainNotVerifiedException", ("failed", "account", "sender")),
        (400, "BadRequestException", ("rejected", "unknown", "none")),
        (403, "SignatureDoesNotMatch", ("failed", "account", "account")),
        (400, "NobodyKnowsException", ("rejected", "unknown", "none")),
    ],
)
def test_a_refusal_of_ses_can_be_translated(aws, status, kind, expected):
    aws[0].append((status, {"__type": kind, "message": "No."}))

    handover = send("amazon_ses", AWS)

    report = Report("", "", "email", handover.native_status, handover.native_code)
    assert (handover.native_status, handover.native_code, handover.native_text) == ("rejected", kind, "No.")
    assert shipped().translate("amazon_ses", report).meaning[:3] == expected


@pytest.mark.parametrize(
    "answer",
    [
        (429, {"__type": "TooManyRequestsException"}),
        (400, {"__type": "LimitExceededException"}),
        (503, {"__type": "ServiceUnavailable"}),
        EndpointConnectionError(endpoint_url="https://email.eu-west-1.amazonaws.com"),
        ConnectTimeoutError(endpoint_url="https://email.eu-west-1.amazonaws.com"),
    ],
)
def test_what_ses_did_not_take_is_to_be_sent_later(aws, answer):
    aws[0].append(answer)

    assert send("amazon_ses", AWS).retry_after in (5, 30)


@pytest.mark.parametrize(
    "answer",
    [
        (500, {"__type": "InternalFailure"}),
        (504, {}),
        (200, {}),
        ReadTimeoutError(endpoint_url="https://email.eu-west-1.amazonaws.com"),
    ],
)
def test_ses_is_asked_once_only_when_its_answer_is_lost(aws, answer):
    answers, made = aws
    answers += [answer, (200, {"MessageId": "a second message"})]

    with pytest.raises(LostAnswer):
        send("amazon_ses", AWS)
    assert len(made) == 1
