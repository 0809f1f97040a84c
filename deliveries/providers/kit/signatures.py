"""Proofs that a callback comes from the provider: each scheme once, for the adapters to name.

All of them compare in constant time, work on the raw bytes, and answer False for whatever they cannot read.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Collection, Mapping
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address, ip_network
from typing import Any
from urllib.parse import urlencode, urlsplit

import jwt
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA1, SHA256
from cryptography.hazmat.primitives.serialization import load_der_public_key
from cryptography.x509 import load_pem_x509_certificate
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from deliveries.providers.facts import Call
from deliveries.providers.kit.parsing import form, pairs

# How far a signed time may be from ours: what Stripe, Svix, Telnyx and Drop Cowboy say in their documents.
TOLERANCE = timedelta(minutes=5)
URL_SECRET = "k"  # noqa: S105 - the name of the query field


def fresh(timestamp: str | float | datetime | None, call: Call, tolerance: timedelta = TOLERANCE) -> bool:
    """Whether a signed time (Unix seconds or aware datetime) is near the call's own; False for nonsense."""
    if isinstance(timestamp, str | int | float):
        try:
            timestamp = datetime.fromtimestamp(float(timestamp), UTC)
        except (ValueError, OverflowError, OSError):
            return False
    if timestamp is None:
        return False
    return abs(call.at - timestamp) <= tolerance


def signed(call: Call, header: str, key: str, text: bytes, digest: str = "sha256") -> bool:
    """Whether `header` is the HMAC of `text`, in hex or base64; a scheme's prefix such as `sha256=` is left out."""
    given = call.headers.get(header, "").strip().removeprefix(f"{digest}=")
    if not key or not given:
        return False
    made = hmac.digest(key.encode(), text, digest)
    return same(made.hex(), given.lower()) or same(base64.b64encode(made), given)


def url_secret(call: Call, credentials: Mapping[str, Any]) -> bool:
    """For providers without a signature: our own secret in the address, or as the password of HTTP Basic."""
    secret = str(credentials.get("url_secret") or "")
    if not secret:
        return False
    in_url = form(call.query.encode("utf-8", "replace")).get(URL_SECRET, "")
    return same(in_url, secret) or same(basic(call)[1], secret)


def with_query(call: Call, fields: Mapping[str, str]) -> Call:
    """The same call to the same address with more in its query."""
    query = "&".join(filter(None, [call.query, urlencode(fields)]))
    return call._replace(url=f"{call.url.partition('?')[0]}?{query}", query=query)


def with_headers(call: Call, headers: Mapping[str, str]) -> Call:
    return call._replace(headers={**call.headers, **headers})


def without_secret(query: str) -> str:
    """The query as it is kept: word for word, but for our secret, however its name is written.

    Whoever sends it: the field is ours alone, and what is stored is shown to people.
    """
    if "k" not in query and "%" not in query:
        return query
    name = URL_SECRET.encode()
    fields = (one for one in query.split("&") if not _is_named(one, name))
    return "&".join(fields)


def _is_named(one: str, name: bytes) -> bool:
    return any(given == name for given, _ in pairs(one.encode("utf-8", "replace")))


def allowed_peer(call: Call, credentials: Mapping[str, Any]) -> bool:
    """Whether the caller is on the account's list of addresses and networks; True when there is no list."""
    listed = str(credentials.get("allowed_addresses") or "").replace(",", " ").split()
    if not listed:
        return True
    try:
        peer = ip_address(call.peer)
        if peer.version == 6 and peer.ipv4_mapped:  # how a socket for both kinds writes an IPv4 caller
            peer = peer.ipv4_mapped
        return any(peer in ip_network(network, strict=False) for network in listed)
    except ValueError:
        return False


def basic(call: Call) -> tuple[str, str]:
    """User and password of HTTP Basic; two empty texts without."""
    scheme, _, given = call.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return "", ""
    try:
        user, _, password = base64.b64decode(given, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError, ValueError):
        return "", ""
    return user, password


def application(call: Call, key: str, secret: str) -> bool:
    """The scheme of Sinch's calls, `application <key>:<signature>`: method, digest of the body, type, time and path
    signed together with the base64 `secret`. Whether the path goes with its query is not documented; either will do."""
    scheme, _, given = call.headers.get("authorization", "").partition(" ")
    given_key, _, signature = given.strip().partition(":")
    if scheme.lower() != "application" or not secret or not same(given_key, key):
        return False
    try:
        raw, path = base64.b64decode(secret, validate=True), urlsplit(call.url).path
    except (binascii.Error, ValueError):
        return False
    body = base64.b64encode(hashlib.md5(call.body, usedforsecurity=False).digest()).decode()
    at, content_type = call.headers.get("x-timestamp", ""), call.headers.get("content-type", "")
    for resource in (path, f"{path}?{call.query}"):
        text = "\n".join((call.method, body, content_type, f"x-timestamp:{at}", resource))
        made = base64.b64encode(hmac.digest(raw, text.encode("utf-8", "backslashreplace"), "sha256"))
        if same(made, signature):
            return True
    return False


def standard_webhook(call: Call, secret: str) -> bool:
    """The Standard Webhooks scheme (Svix): id, time and body signed together, the time within five minutes.

    The library compares with the machine's clock; ours is the time the call came in, so the time is checked here.
    """
    for prefix in ("webhook", "svix"):
        names = {part: call.headers.get(f"{prefix}-{part}", "") for part in ("id", "timestamp", "signature")}
        if not all(names.values()):
            continue
        try:
            hook = Webhook(secret)
            at = datetime.fromtimestamp(float(names["timestamp"]), UTC)
            expected = hook.sign(names["id"], at, call.body.decode())
        except (ValueError, OverflowError, OSError, RuntimeError, WebhookVerificationError):
            return False
        offered = names["signature"].split()
        return fresh(at, call) and any(same(one, expected) for one in offered)
    return False


def ed25519(public_key: str, signature: str, text: bytes) -> bool:
    """Whether the base64 `signature` over `text` was made with the private half of the base64 `public_key`."""
    try:
        key = Ed25519PublicKey.from_public_bytes(base64.b64decode(public_key))
        key.verify(base64.b64decode(signature), text)
    except (InvalidSignature, ValueError, binascii.Error):
        return False
    return True


def ecdsa(public_key: str, signature: str, text: bytes) -> bool:
    """The same for ECDSA with SHA-256; `public_key` is base64 DER without armour, as SendGrid shows it."""
    try:
        key = load_der_public_key(base64.b64decode(public_key))
        assert isinstance(key, EllipticCurvePublicKey)
        key.verify(base64.b64decode(signature), text, ECDSA(SHA256()))
    except (InvalidSignature, ValueError, AssertionError, binascii.Error):
        return False
    return True


def sign_standard_webhook(call: Call, secret: str) -> Call | None:
    """`call` as that scheme signs it; None without a secret that it can sign with."""
    if not secret:
        return None
    try:
        hook = Webhook(secret)
    except (ValueError, RuntimeError, binascii.Error):
        return None
    key = f"msg_{digest(call.url.encode())[:24]}"
    made = hook.sign(key, call.at, call.body.decode("utf-8", "replace"))
    stamp = str(int(call.at.timestamp()))
    return with_headers(call, {"webhook-id": key, "webhook-timestamp": stamp, "webhook-signature": made})


def rsa_certificate(certificate: bytes, signature: str, text: bytes, digest: str = "sha256") -> bool:
    """The same for RSA (PKCS #1 v1.5); the key is that of a certificate in PEM. Its origin is the caller's care."""
    try:
        key = load_pem_x509_certificate(certificate).public_key()
        assert isinstance(key, RSAPublicKey)
        made_with = SHA1() if digest == "sha1" else SHA256()  # noqa: S303 - the provider's choice, not ours
        key.verify(base64.b64decode(signature), text, PKCS1v15(), made_with)
    except (InvalidSignature, ValueError, AssertionError, binascii.Error):
        return False
    return True


def messagebird(call: Call, key: str, address: str) -> bool:
    """The scheme of MessageBird and Bird: time, address and the body's SHA-256, one a line, the time within five
    minutes. MessageBird signs the sorted query for an address, Bird the whole of it."""
    at = call.headers.get("messagebird-request-timestamp", "")
    text = f"{at}\n{address}\n".encode("utf-8", "backslashreplace") + hashlib.sha256(call.body).digest()
    return fresh(at, call) and signed(call, "messagebird-signature", key, text)


def token(
    given: str, secret: str, algorithms: Collection[str] = ("HS256",), **options: Any
) -> dict[str, Any] | None:
    """The claims of a JWT signed with `secret`, or None. Times in it are left to the caller, whose clock counts."""
    if not secret:
        return None
    try:
        checks = {"verify_exp": False, "verify_nbf": False, "verify_iat": False, "verify_aud": False}
        return jwt.decode(given, secret, algorithms=list(algorithms), options=checks, **options)  # type: ignore[arg-type]
    except (jwt.PyJWTError, ValueError):
        return None


def same(one: str | bytes, other: str | bytes) -> bool:
    """Compare two secrets in constant time."""
    as_bytes = [
        value.encode("utf-8", "surrogateescape") if isinstance(value, str) else value
        for value in (one, other)
    ]
    return hmac.compare_digest(*as_bytes)


def hmac_hex(key: str, text: bytes) -> str:
    """Lower-case hex of HMAC-SHA256."""
    return hmac.new(key.encode(), text, hashlib.sha256).hexdigest()


def digest(data: bytes) -> str:
    """Lower-case hex of SHA-256."""
    return hashlib.sha256(data).hexdigest()
