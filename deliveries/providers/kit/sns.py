"""Amazon SNS over HTTPS: the envelope that messages come in, and who signed it.

https://docs.aws.amazon.com/sns/latest/dg/sns-verify-signature-of-message.html
"""

from __future__ import annotations

import re
import time
from collections.abc import Collection, Mapping
from typing import Any

import httpx

from deliveries.providers.facts import Uncheckable, Unreadable
from deliveries.providers.kit.parsing import json_object
from deliveries.providers.kit.signatures import rsa_certificate

NOTIFICATION = ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type")
CONFIRMATION = ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type")
CERTIFICATE = re.compile(
    r"https://sns\.([a-z0-9-]+)\.amazonaws\.com(?:\.cn)?/SimpleNotificationService-[0-9a-f]{8,64}\.pem"
)
SUBSCRIBE = re.compile(r"https://sns\.([a-z0-9-]+)\.amazonaws\.com(?:\.cn)?/\?\S+")
DIGESTS = {"1": "sha1", "2": "sha256"}
PATIENCE = 3.0  # seconds for a certificate: the receiver waits for it, once for each that Amazon puts to use
PAUSE = 30.0  # seconds before one that could not be had is asked for again
BREATH = 3.0  # seconds after that before any other is: whoever makes addresses up must not keep the receiver waiting
MISSED_MAX = 1_000
_certificates: dict[str, bytes] = {}
_missed: dict[str, float] = {}  # when, the newest last


def fetch(url: str) -> bytes:
    """The certificate at an address of Amazon's. Raises httpx.HTTPError."""
    answer = httpx.get(url, timeout=PATIENCE, follow_redirects=False)
    return answer.raise_for_status().content


def signed(body: bytes, topics: Collection[str]) -> bool:
    """Whether Amazon signed this envelope, for one of these topics. Raises Uncheckable.

    The topic is looked at before anything is fetched: everybody can have Amazon sign for a topic of their own.
    """
    try:
        envelope = json_object(body)
    except Unreadable:
        return False
    topic, version = envelope.get("TopicArn"), envelope.get("SignatureVersion")
    url = CERTIFICATE.fullmatch(str(envelope.get("SigningCertURL")))
    if topic not in topics or version not in DIGESTS or not url or url[1] != region(topic):
        return False
    signature = envelope.get("Signature")
    if not isinstance(signature, str):
        return False
    return rsa_certificate(certificate(url[0]), signature, canonical(envelope), DIGESTS[version])


def canonical(envelope: Mapping[str, Any]) -> bytes:
    """What the signature covers: names and values on lines of their own."""
    names = NOTIFICATION if envelope.get("Type") == "Notification" else CONFIRMATION
    lines = [line for name in names if envelope.get(name) is not None for line in (name, str(envelope[name]))]
    return "".join(f"{line}\n" for line in lines).encode("utf-8", "replace")


def certificate(url: str) -> bytes:
    """From memory, else from Amazon. Raises Uncheckable when it cannot be had."""
    if url not in _certificates:
        now = time.monotonic()
        missed_last = next(reversed(_missed.values()), float("-inf"))
        if now < missed_last + BREATH or now < _missed.get(url, float("-inf")) + PAUSE:
            raise Uncheckable(f"No certificate from {url} yet.")
        try:
            _certificates[url] = fetch(url)
        except httpx.HTTPError as problem:
            _note_miss(url)
            raise Uncheckable(f"No certificate from {url}: {problem}") from problem
    return _certificates[url]


def _note_miss(url: str) -> None:
    """The newest last, and no more of them than can be told apart from a flood."""
    _missed.pop(url, None)
    _missed[url] = time.monotonic()
    if len(_missed) > MISSED_MAX:
        del _missed[next(iter(_missed))]


def region(topic: Any) -> str:
    """Of an ARN such as arn:aws:sns:us-east-1:123456789012:events; empty when it is none."""
    parts = str(topic).split(":")
    return parts[3] if len(parts) == 6 else ""


def subscription(body: bytes) -> str:
    """The address that confirms a subscription when it is opened; empty for any other message or address.

    Only for a body that `signed` or our own secret has proven. Raises Unreadable.
    """
    envelope = json_object(body)
    address = str(envelope.get("SubscribeURL") or "")
    asked = envelope.get("Type") == "SubscriptionConfirmation" and SUBSCRIBE.fullmatch(address)
    return address if asked and asked[1] == region(envelope.get("TopicArn")) else ""
