"""Amazon SNS: whose notices are believed, and what is fetched to find out."""

import base64
import json
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from deliveries.providers import PROVIDERS
from deliveries.providers.facts import Call, Uncheckable
from deliveries.providers.kit import sns

pytestmark = pytest.mark.filterwarnings("ignore::anymail.exceptions.AnymailNotSupportedWarning")


AT = datetime(2026, 3, 4, 17, tzinfo=UTC)


# ---- Amazon SNS ------------------------------------------------------------------------------------------

TOPIC = "arn:aws:sns:us-east-1:123456789012:waybill-ses-events"
CERTIFICATE_URL = (
    "https://sns.us-east-1.amazonaws.com/SimpleNotificationService-0123456789abcdef0123456789abcdef.pem"
)
KEY = rsa.generate_private_key(65537, 2048)


def made_certificate(key=KEY):
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "sns.amazonaws.com")])
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1, AT, AT + timedelta(days=30))
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def envelope(*, version="1", key=KEY, **changes):
    """A signed notification; `changes` are made before it is signed. The scheme is written down once more."""
    payload = {
        "Type": "Notification", "MessageId": "19ba9823", "TopicArn": TOPIC, "Subject": "Event", "Message": "{}",
        "Timestamp": "2026-03-04T16:59:45.000Z", "SignatureVersion": version, "SigningCertURL": CERTIFICATE_URL,
        **changes,
    }  # fmt: skip
    payload = {name: value for name, value in payload.items() if value is not None}
    names = ["Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"]
    if payload["Type"] != "Notification":
        names = ["Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"]
    text = "".join(f"{name}\n{payload[name]}\n" for name in names if name in payload)
    digest = hashes.SHA1() if version == "1" else hashes.SHA256()
    payload["Signature"] = base64.b64encode(key.sign(text.encode(), padding.PKCS1v15(), digest)).decode()
    return payload


def accepted(payload, **credentials):
    call = Call(
        "POST", "https://waybill.example.com/hooks/token/status", "", {}, json.dumps(payload).encode(), at=AT
    )
    return PROVIDERS["amazon_ses"].verify(
        call, {"topic_arn": f"arn:aws:sns:eu-west-1:1:other, {TOPIC}", **credentials}
    )


@pytest.fixture
def amazon(monkeypatch):
    """Amazon's certificates: the addresses that were asked for. Our own certificate is at every one of them."""
    asked = []
    monkeypatch.setattr(sns, "fetch", lambda url: asked.append(url) or made_certificate())
    monkeypatch.setattr(sns, "_certificates", {})
    monkeypatch.setattr(sns, "_missed", {})
    return asked


@pytest.mark.parametrize(
    "payload",
    [
        envelope(),
        envelope(version="2"),
        envelope(Subject=None),
        envelope(Message="Ünïcode\nand lines"),
        envelope(
            Type="SubscriptionConfirmation",
            Token="2336",
            Subject=None,
            SubscribeURL="https://sns.us-east-1.amazonaws.com/?Action=ConfirmSubscription",
        ),
    ],
    ids=["SHA-1", "SHA-256", "no subject", "special characters", "confirmation"],
)
def test_amazons_signature_is_accepted_for_a_topic_of_ours(amazon, payload):
    assert accepted(payload)
    assert amazon == [CERTIFICATE_URL]


@pytest.mark.parametrize(
    "payload",
    [
        {**envelope(), "Message": "{} "},
        {**envelope(), "Timestamp": "2026-03-04T17:59:45.000Z"},
        {**envelope(), "SignatureVersion": "2"},
        {**envelope(), "Signature": "AAAA"},
        {**envelope(), "Signature": None},
        envelope(key=rsa.generate_private_key(65537, 2048)),
    ],
    ids=["message", "time", "digest", "signature", "no signature", "another key"],
)
def test_anything_changed_is_refused(amazon, payload):
    assert not accepted(payload)


@pytest.mark.parametrize(
    "changes",
    [
        {"TopicArn": "arn:aws:sns:us-east-1:666666666666:somebody-elses"},
        {"TopicArn": None},
        {"SigningCertURL": "https://sns.us-east-1.amazonaws.com.example.net/SimpleNotificationService-01234567.pem"},
        {"SigningCertURL": "http://sns.us-east-1.amazonaws.com/SimpleNotificationService-01234567.pem"},
        {"SigningCertURL": "https://s3.amazonaws.com/SimpleNotificationService-01234567.pem"},
        {"SigningCertURL": "https://sns.us-east-1.amazonaws.com/bucket/mine.pem"},
        {"SigningCertURL": "https://sns.us-east-1.amazonaws.com@example.net/SimpleNotificationService-01234567.pem"},
        {"SigningCertURL": "https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-01234567.pem"},
        {"SigningCertURL": 3},
        {"SignatureVersion": "3"},
    ],
)  # fmt: skip
def test_nothing_is_fetched_for_what_is_not_ours(amazon, changes):
    assert not accepted(envelope(**changes))
    assert amazon == []


def test_without_topics_and_secret_nothing_is_accepted(amazon):
    assert not accepted(envelope(), topic_arn="")
    assert not accepted([], topic_arn="")


def test_a_certificate_is_fetched_once(amazon):
    assert accepted(envelope())
    assert accepted(envelope(Message="{ }"))
    assert len(amazon) == 1


def test_a_certificate_out_of_reach_is_no_forgery(amazon, monkeypatch):
    def unreachable(url):
        amazon.append(url)
        raise httpx.ConnectError("no route")

    monkeypatch.setattr(sns, "fetch", unreachable)

    for _ in range(2):
        with pytest.raises(Uncheckable):
            accepted(envelope())
    assert len(amazon) == 1  # it is left alone for a while


def test_addresses_of_certificates_that_are_made_up_do_not_keep_the_receiver_waiting(amazon, monkeypatch):
    genuine = sns.fetch

    def missing(url):
        amazon.append(url)
        raise httpx.ConnectTimeout("no such file")

    monkeypatch.setattr(sns, "fetch", missing)
    for number in range(100):
        made_up = f"https://sns.us-east-1.amazonaws.com/SimpleNotificationService-{number:032x}.pem"
        with pytest.raises(Uncheckable):
            accepted(envelope(SigningCertURL=made_up))
    asked = len(amazon)

    monkeypatch.setattr(sns, "fetch", genuine)
    clock = sns.time.monotonic() + sns.BREATH
    monkeypatch.setattr(sns.time, "monotonic", lambda: clock)

    assert asked == 1
    assert accepted(envelope())


def test_addresses_that_could_not_be_had_are_remembered_up_to_a_number(monkeypatch):
    monkeypatch.setattr(sns, "_missed", {})
    monkeypatch.setattr(sns, "MISSED_MAX", 10)

    for number in range(50):
        sns._note_miss(str(number))

    assert list(sns._missed) == [str(number) for number in range(40, 50)]


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({}, "https://sns.us-east-1.amazonaws.com/?Action=ConfirmSubscription&Token=1"),
        ({"SubscribeURL": "https://example.net/?Action=ConfirmSubscription&Token=1"}, ""),
        ({"SubscribeURL": "https://sns.eu-west-1.amazonaws.com/?Token=1"}, ""),
        ({"SubscribeURL": "http://sns.us-east-1.amazonaws.com/?Token=1"}, ""),
        ({"Type": "Notification"}, ""),
    ],
)
def test_only_amazons_address_confirms_a_subscription(changes, found):
    payload = {
        "Type": "SubscriptionConfirmation",
        "TopicArn": TOPIC,
        "SubscribeURL": "https://sns.us-east-1.amazonaws.com/?Action=ConfirmSubscription&Token=1",
        **changes,
    }

    assert sns.subscription(json.dumps(payload).encode()) == found
